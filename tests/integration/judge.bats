#!/usr/bin/env bats
# The judge of docs/jobs.md, as it stands there: its programs are submitted, its commands run, and
# they must print what the page says. 60 of the 1,000; all of them in make check-full. In the test
# machine those that limits of the kernel's end, and some that none ends, with more time than on the
# page: other verdicts hang on how long a program takes, and an emulated processor takes far longer.

bats_require_minimum_version 1.5.0
load helpers
load page
load runtime

setup() {
	need_root
	kist_setup
	export KIST_STORE=$D/store PATH=${KIST%/*}:$PATH
	"$KIST" load -q "$FIXTURES/busybox.tar" >/dev/null
	page=$TOP/docs/jobs.md
	total=60
	[ -z "${KIST_CHECK_FULL-}" ] || total=1000
	[ -z "${KIST_IN_VM-}" ] || total=20
	mkdir "$D/judge"
	cd "$D/judge" || return 1
}
teardown() { runtime_teardown; }

# Without these controllers a hog and a bomb would be the host's: they, and their limits, are left out.
has_controllers() {
	grep -qw memory "$(cgroup_mount)/cgroup.controllers" && grep -qw pids "$(cgroup_mount)/cgroup.controllers"
}
left_out() {
	case $1 in
	"memory limit" | "process limit") none has_controllers ;;
	"accepted" | "disk limit" | "output limit") false ;;
	*) [ -n "${KIST_IN_VM-}" ] ;;
	esac
}

submit() {
	local share program verdict n=0 i
	mkdir submissions
	while IFS=$'\t' read -r share program verdict; do
		if left_out "$verdict"; then
			continue
		fi
		for ((i = 0; i < share * total / 1000; i++)); do
			n=$((n + 1))
			# From the whole of the list in turn, as they would come.
			printf '%s\n' "$program" >"submissions/$(printf 's%03d-%04d.sh' "$i" "$n")"
		done
	done < <(sed -nE 's/^\| ([0-9]+) \| `(.*)` \| ([a-z ]*) \|$/\1\t\2\t\3/p' "$page")
	[ "$n" -gt $((total / 2)) ]
	submitted=$n
}

# What the page says, for so many, and without what was left out.
expected() {
	local count words
	case $1 in
	*"wc -l"*) echo "$submitted" ;;
	*"uniq -c"*)
		while read -r count words; do
			[ -z "$count" ] || left_out "$words" || echo "$((count * total / 1000)) $words"
		done <<<"$2"
		;;
	*) echo "$2" ;;
	esac
}
same() { sed -E 's/[[:space:]]+/ /g; s/^ //; s/ $//; /^$/d'; }

try() {
	local wanted got
	wanted=$(expected "$1" "$2" | same)
	[ -z "${KIST_IN_VM-}" ] || set -- "${1//\"2s\", wall: \"8s\"/\"60s\", wall: \"120s\"}" "$2"
	eval "$1" >"$T/out" 2>&1 </dev/null 3>&- || true
	got=$(same <"$T/out")
	[ "$wanted" = "$got" ] && return
	printf '$ %s\n--- the page says:\n%s\n--- it prints:\n%s\n' "$1" "$wanted" "$got"
	jq -c '[.id, .reason, .status, .error]' results.jsonl | head -n 80
	false
}

@test "the judge says what the page says, and nothing of the submissions is left" {
	local count
	kist() {
		local more=()
		has_controllers || more=(--allow-degraded=memory,pids,cpu)
		[ "$1" = batch ] || more=()
		"$KIST" --root "$ROOT" "$1" "${more[@]}" "${@:2}"
	}
	submit
	each_command try < <(sed -n '/^## A judge/,$p' "$page")
	[ "$count" -eq 5 ]
	[ "$(wc -l <results.jsonl)" -eq "$submitted" ]
	# All of them within what they may, by what the kernel counted.
	jq -es 'all(.wall_us < 120000000 and .cpu_us < 60000000 and (.stdout.kept <= 4096))' results.jsonl >/dev/null
	[ "$(ls -A said | wc -l)" -eq "$submitted" ]
	if has_controllers; then
		jq -es 'all((.memory_peak // 0) <= 33554432 and .controls.memory == "enforced" and
			.controls.pids == "enforced" and .controls.cpu == "enforced")' results.jsonl >/dev/null
	fi
	assert_nothing_left
}
