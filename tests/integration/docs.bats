#!/usr/bin/env bats
# native only: the pages are the same everywhere
# The manual says what the programs understand: every option of every --help is in its page, and
# the page has no other; the files and tests that the documents name are there.

TOP=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
KIST=${KIST:-${KIST_BUILD:-$TOP/build}/kist}
MAN=$TOP/docs/man

# options_of TEXT: the long options in it, sorted, one a line.
options_of() { grep -oE -e '--[a-z][a-z-]+' <<<"$1" | sort -u; }

# options_in PAGE SECTION...: those that the subsections of the page list as ".It Fl".
options_in() {
	local page=$1 section
	shift
	for section; do
		awk -v section="$section" '/^\.S[hs] / { on = ($0 == ".Ss " section) }
			on && /^\.It .*Fl/ { print }' "$page"
	done | grep -oE 'Fl -[a-z][a-z-]+' | sed 's/^Fl /-/' | sort -u
}

# same_options HELP PAGE SECTION...
same_options() {
	local help=$1
	shift
	[ -n "$help" ]
	diff <(options_of "$help") <(options_in "$@")
}

# The options of a command's --help: the lines of its table.
table_of() { "$KIST" "$@" --help | sed -n 's/^ *\(-., \)\?\(--[a-z-]*\).*/\2/p'; }

@test "kist --help: every command has a subsection in kist(1), and none is invented" {
	run "$KIST" --help
	[ "$status" -eq 0 ]
	commands=$(sed -n '/^commands:/,/^$/s/^  \([a-z]*\) .*/\1/p' <<<"$output" | sort)
	[ "$(wc -l <<<"$commands")" -ge 12 ]
	diff <(echo "$commands") <(sed -n '/^\.Sh COMMANDS/,/^\.Sh THE/s/^\.Ss //p' "$MAN/kist.1" | sort)
}

@test "kist --help: the global options are those of kist(1)" {
	same_options "$(table_of)" "$MAN/kist.1" "Global options"
}

@test "kist COMMAND --help: the options of each command are those of kist(1)" {
	for command in run create exec kill mounts update events ps delete list spec check plan; do
		echo "# $command"
		same_options "$(table_of "$command")" "$MAN/kist.1" "$command"
	done
	# These have none, here and there.
	for command in start state pause resume; do
		run table_of "$command"
		[ -z "$output" ]
		run options_in "$MAN/kist.1" "$command"
		[ -z "$output" ]
	done
}

@test "kist job VERB --help: the options are those of kist-job(1)" {
	for verb in run ls logs stats wait; do
		same_options "$(table_of job "$verb")" "$MAN/kist-job.1" "job $verb"
	done
	# A batch has those of a job too, which stand there; its own are all that is left.
	none_of_job=$(comm -23 <(table_of batch | sort) <(table_of job run | sort))
	diff <(echo "$none_of_job") <(options_in "$MAN/kist-job.1" batch)
}

@test "kist net VERB --help: the verbs and options are those of kist-net(1)" {
	verbs=$("$KIST" net --help | sed -n 's/^  \([a-z]*\) .*/\1/p' | sort)
	diff <(echo "$verbs") <(sed -n 's/^\.Ss //p' "$MAN/kist-net.1" | sort)
	for verb in create ls connect; do
		echo "# $verb"
		same_options "$(table_of net "$verb")" "$MAN/kist-net.1" "$verb"
	done
}

@test "kist image --help: the verbs and options are those of kist-image(1)" {
	run "$KIST" image --help
	[ "$status" -eq 0 ]
	mapfile -t sections < <(sed -n 's/^\.Ss //p' "$MAN/kist-image.1")
	same_options "$output" "$MAN/kist-image.1" "${sections[@]}"
	verbs=$(sed -n "s/^  \([a-z][a-z]*\) .*/\1/p" <<<"$output" | sort)
	diff <(echo "$verbs") <(sed -n 's/^\.Ss //p' "$MAN/kist-image.1" | grep -vx image | sort)
}

@test "the result record has the fields of kist-job(1), and no other" {
	[ "$(id -u)" = 0 ] || skip "needs root"
	work=$(mktemp -d "$TOP/build/docs.XXXXXX")
	run "$KIST" --root "$work/state" job run --result "$work/result" "$work/nothing" -- true
	# A refusal of the command line writes no record; one of the sandbox does.
	[ "$status" -eq 125 ] && [ ! -e "$work/result" ]
	run "$KIST" --root "$work/state" job run --store "$work/store" --result "$work/result" \
		nothing -- true
	echo "$output"
	[ "$status" -eq 125 ]
	fields=$(jq -r 'keys[]' "$work/result" | sort)
	controls=$(jq -r '.controls | keys[]' "$work/result" | sort)
	[ "$(jq -r .reason "$work/result")" = sandbox-error ]
	rm -rf "$work"
	page=$(sed -n '/^\.Sh RESULT/,/^\.Sh EXIT/p' "$MAN/kist-job.1")
	# The items of the outer list; a folder's record says "folder" instead of "image".
	diff <(echo "$fields") <(awk '/^\.Bl/ { depth++ } /^\.El/ { depth-- } depth == 1 && /^\.It Cm/' \
		<<<"$page" | sed 's/^\.It Cm //; s/ No or Cm folder//; s/ , /\n/g' | sort)
	diff <(echo "$controls") <(sed -n '/^The names are/,/^\.It/p' <<<"$page" |
		grep '^\.Cm' | grep -oE '\b[a-z][a-z_]+\b' | sort -u)
}

@test "the pages have no macro that mdoc does not know" {
	for page in "$MAN"/*.[1-8]; do
		head -n 8 "$page" | grep -q '^\.Dt '
		! grep -nE '[[:space:]]$' "$page"
	done
	if command -v groff >/dev/null; then
		for page in "$MAN"/*.[1-8]; do
			run groff -mandoc -Tutf8 -ww -z "$page"
			echo "$page: $output"
			[ "$status" -eq 0 ] && [ -z "$output" ]
		done
	fi
	if command -v mandoc >/dev/null; then
		# That a page is not installed here is no defect.
		run mandoc -T lint -W warning "$MAN"/*.[1-8]
		echo "$output"
		[ -z "$(grep -v 'makewhatis\|referenced manual not found' <<<"$output" || true)" ]
	fi
}

@test "the files and tests that the documents name are there" {
	for page in "$TOP"/README.md "$TOP"/CONTRIBUTING.md "$TOP"/docs/*.md; do
		# Links to other files.
		while read -r link; do
			[ -e "$(dirname "$page")/$link" ] || { echo "$page: no $link"; false; }
		done < <(grep -oE '\]\([^)#:]+' "$page" | cut -c3-)
		# `tests/...`, `base/plan.h`: paths of the tree.
		while read -r path; do
			[ -e "$TOP/$path" ] || { echo "$page: no $path"; false; }
		done < <(grep -oE '`(tests|base|cgroup|ns|net|image|runtime|supervisor|cli|docs|rootfs-fixtures)/[A-Za-z0-9_./-]+`' \
			"$page" | tr -d '`' | grep -v 'X\.c$\|NAME' || true)
	done
	# Names of tests, as "FILE: NAME" in code quotes.
	while IFS= read -r line; do
		file=${line%%: *} name=${line#*: }
		case $file in
		*.bats) grep -qF "@test \"$name\"" "$TOP/tests/integration/$file" ;;
		*) grep -qE "\b$name\b" "$TOP/tests/unit/$file.c" ;;
		esac || { echo "no test \"$name\" in $file"; false; }
	done < <(grep -ohE '`(test_[a-z0-9_]+|[a-z0-9_]+\.bats): [^`]+`' "$TOP"/README.md "$TOP"/docs/*.md |
		tr -d '`')
}

@test "security.md: each sabotage it names is there, and none is left out" {
	for file in "$TOP"/tests/sabotage/*.txt; do
		sed -n 's/^\[\(.*\)\].*/\1/p' "$file" >>"$BATS_TEST_TMPDIR/all"
		# One by one, or by their file.
		grep -qF "\`tests/sabotage/${file##*/}\`" "$TOP/docs/security.md" ||
			sed -n 's/^\[\(.*\)\].*/\1/p' "$file" >>"$BATS_TEST_TMPDIR/to-name"
	done
	grep -oE '`sabotage: [a-z0-9-]+`' "$TOP/docs/security.md" | tr -d '`' | sed 's/sabotage: //' |
		sort -u >"$BATS_TEST_TMPDIR/named"
	[ -z "$(sort "$BATS_TEST_TMPDIR/all" | comm -13 - "$BATS_TEST_TMPDIR/named")" ]
	left_out=$(sort "$BATS_TEST_TMPDIR/to-name" | comm -23 - "$BATS_TEST_TMPDIR/named")
	[ -z "$left_out" ] || { echo "security.md does not name: $left_out"; false; }
}

# rows: "STATUS<tab>PROOF<tab>ITEM" of every row of conformance.md's tables.
rows() {
	awk -F ' [|] ' '/^[|] item / || !/^[|] / { next }
		{ sub(/^[|] /, "", $1); sub(/ [|]$/, "", $3); print $2 "\t" $3 "\t" $1 " " NF }' \
		"$TOP/docs/conformance.md"
}
@test "conformance.md: what works names its test, what is refused the words of the refusal" {
	bad=0
	while IFS=$'\t' read -r status proof item; do
		case $status in
		works) grep -qE '`(test_[a-z0-9_]+|[a-z0-9_]+\.bats): [^`]+`' <<<"$proof" ;;
		refused)
			grep -q '`' <<<"$proof" && while read -r words; do
				grep -qE '^(test_[a-z0-9_]+|[a-z0-9_]+\.bats): ' <<<"$words" ||
					grep -rqF --include='*.c' -e "$words" "$TOP"/{base,cgroup,ns,net,runtime,cli} ||
					{ echo "no message \"$words\""; false; }
			done < <(grep -oE '`[^`]+`' <<<"$proof" | tr -d '`') ;;
		n.a. | "not there") [ -n "$proof" ] ;;
		*) false ;;
		esac && [ "${item##*[!0-9]}" = 3 ] || { echo "$item: $status: $proof"; bad=1; }
	done < <(rows)
	[ "$(rows | wc -l)" -gt 150 ]
	[ "$bad" = 0 ]
}

# refused_column: the second column of README's table.
refused_column() {
	awk -F ' [|] ' '/^[|] works [|]/ { on = 1 } on && !/^[|]/ { on = 0 } on { print $2 }' "$TOP/README.md"
}
# claims TEXT CMD...: if README says that TEXT is refused, CMD is, in one line.
claims() {
	local text=$1
	shift
	grep -qF -- "$text" <<<"$column" || return 0
	run "$@"
	echo "$text: $status: $output"
	[ "$status" -ne 0 ] && [ "$(grep -c '^kist' <<<"$output")" = 1 ]
	found=$((found + 1))
}
@test "README: what it says is refused is refused" {
	[ "$(id -u)" = 0 ] || skip "needs root"
	work=$(mktemp -d "$TOP/build/docs.XXXXXX")
	column=$(refused_column) found=0
	mkdir "$work/rootfs"
	bundle() { # FILTER
		(cd "$work" && rm -f config.json && "$KIST" spec && jq ".process.terminal = false | $1" config.json \
			>edited && mv edited config.json)
	}
	kist=("$KIST" --root "$work/state")
	claims '`checkpoint`' "${kist[@]}" checkpoint x
	claims '`restore`' "${kist[@]}" restore x
	bundle '.linux.namespaces |= map(if .type == "mount" then .path = "/proc/self/ns/mnt" else . end)'
	claims 'a mount namespace joined by path' "${kist[@]}" run -b "$work" x
	bundle '.mounts += [{"destination": "/proc/sys", "type": "tmpfs", "source": "x"}]'
	claims 'mounts below `/proc`' "${kist[@]}" run -b "$work" x
	bundle '.linux.sysctl = {"kernel.core_pattern": "x"}'
	claims 'sysctls that would change the host' "${kist[@]}" run -b "$work" x
	bundle '.linux.intelRdt = {"closID": "x"}'
	claims '`intelRdt`' "${kist[@]}" run -b "$work" x
	for verb in build; do
		claims "\`$verb\`" "$KIST" image $verb x
	done
	rm -rf "$work"
	echo "found $found"
	[ "$found" -ge 5 ]
}
