#!/usr/bin/env bats
# kist image fsck: each kind of damage is found and named, and mended without losing what is good.

bats_require_minimum_version 1.5.0
load helpers
load runtime

setup() {
	kist_setup
	KIST_IMAGE=${KIST_IMAGE:-${KIST_BUILD:-$TOP/build}/kist-image}
	LIB=$TOP/tests/lib
	need_program python3
	[ -d "$BATS_FILE_TMPDIR/i" ] || {
		python3 "$LIB/make-oci-image.py" "$BATS_FILE_TMPDIR/i"
		python3 "$LIB/make-oci-image.py" "$BATS_FILE_TMPDIR/two" --two
	}
	img load -q "$BATS_FILE_TMPDIR/i" >/dev/null
	img load -q "$BATS_FILE_TMPDIR/two" >/dev/null
	IMAGES="docker.io/library/everything:1.0 docker.io/library/one:1 example.org:5000/some/two:v2"
}
teardown() { runtime_teardown; }

img() { "$KIST_IMAGE" "$@"; }
entry() { # NAME JQ: of the image's entry in the index
	jq -r --arg name "$1" ".manifests[] | select(.annotations.\"org.opencontainers.image.ref.name\" | contains(\$name)) | $2" \
		"$KIST_STORE/index.json"
}
chain() { # NAME [PARENTS]: the chainID of its topmost layer, or of one below
	local hex i
	hex=$(entry "$1" '.annotations."io.kist.chain"[7:]')
	for ((i = 0; i < ${2-0}; i++)); do
		hex=$(jq -r '.parent[7:]' "$KIST_STORE/layers/sha256/$hex/complete")
	done
	echo "$hex"
}
manifest() { entry "$1" '.digest[7:]'; }
blob() { echo "$KIST_STORE/blobs/sha256/$1"; }
names() { img ls --json | jq -r '[.[].reference] | sort | join(" ")'; }
clean() {
	run -0 img fsck "$@"
	echo "$output"
	[[ $output == *" looked at: clean" ]]
}
# found STATUS TEXT...: a check without mending ends so, and says each TEXT.
found() {
	local text
	run "-$1" img fsck ${QUICK-}
	echo "$output"
	for text in "${@:2}"; do
		[[ $output == *"$text"* ]] || { echo "missing: $text"; return 1; }
	done
}
# mended STATUS TEXT...: the same, with --repair.
mended() {
	local text
	run "-$1" img fsck --repair ${QUICK-}
	echo "$output"
	for text in "${@:2}"; do
		[[ $output == *"$text"* ]] || { echo "missing: $text"; return 1; }
	done
}

@test "a whole store is clean, to the last byte, and looked at without a change" {
	need_root # a user's layers lack owners
	find "$KIST_STORE" -printf '%P %m %u %T@ %s\n' | grep -vE '^(tmp)? ' | sort >before
	clean
	[[ $output == "3 images, 12 blobs, 6 layers, "* ]]
	clean --quick
	find "$KIST_STORE" -printf '%P %m %u %T@ %s\n' | grep -vE '^(tmp)? ' | sort | diff before -
	run -0 img fsck --repair --json
	jq -e '.clean and .wrong == [] and .leftovers == [] and .checked.layers == 6' <<<"$output"
	[ -z "$(img fsck --quiet)" ]
	run -0 img --store "$D/none" fsck
	[ ! -e "$D/none" ]
}

@test "a user's store is clean, too" {
	need_root
	need_program setpriv
	mkdir "$D/u"
	chown 65534:65534 "$D/u"
	chmod -R a+rX "$BATS_FILE_TMPDIR" && chmod a+x "$BATS_RUN_TMPDIR"
	user() { setpriv --reuid 65534 --regid 65534 --clear-groups "$KIST_IMAGE" --store "$D/u/s" "$@"; }
	user load -q - < <(tar -C "$BATS_FILE_TMPDIR/i" -c .)
	run user fsck
	echo "$output"
	[ "$status" -eq 0 ]
	[[ $output == *"looked at: clean" ]]
	# not another's: root would make files of root's
	run -8 img --store "$D/u/s" fsck --repair
	[[ $output == *"is not yours: it belongs to uid 65534"* ]]
}

@test "altered layers: content, mode, time, a file more, one less, an xattr, a link: found, unpacked again" {
	need_root
	top=$(chain everything) middle=$(chain everything 1) base=$(chain everything 2)
	diff=$KIST_STORE/layers/sha256/$top/diff
	file=$diff/top # not in a folder of the layer, whose time would tell first
	alter() { # WHAT CMD...: found as WHAT, and mended
		"${@:2}"
		mended 1 "layer $top: $1: /" "-> unpacked again" "1 wrong, all mended"
	}
	touch "$file"
	found 4 "layer $top: another time: /" "1 wrong; "
	QUICK=--quick found 0 clean
	mended 1 "-> unpacked again"
	alter "other content" bash -c 'touch -r "$1" "$2" && printf X | dd of="$1" conv=notrunc status=none && touch -r "$2" "$1"' - "$file" "$T/time"
	alter "another mode" chmod u+s "$file"
	alter "another time" touch "$file"
	clean
	alter "not the image's" touch "$diff/new"
	alter "missing" rm "$file"
	alter "other xattrs" setfattr -n user.a -v b "$file"
	alter "more or fewer names" ln "$file" "$D/x"
	alter "another owner" chown 7 "$file"
	alter "another type" bash -c 'rm "$1" && ln -s /etc/passwd "$1"' - "$file"
	alter "another type" bash -c 'rm "$1" && mkfifo "$1"' - "$file"
	# two layers at once, the lower with what the upper's folders are made like
	rm -r "$KIST_STORE/layers/sha256/$middle/diff"/*
	rm "$KIST_STORE/layers/sha256/$base/complete"
	mended 1 "layer $base: it was never finished" "layer $base: it is missing -> unpacked again" \
		"layer $middle: missing: /" "3 wrong, all mended"
	clean
	[ "$(names)" = "$IMAGES" ]
	# the marker alone
	jq '.entries += 1' "$KIST_STORE/layers/sha256/$top/complete" >m && cat m >"$KIST_STORE/layers/sha256/$top/complete"
	mended 1 'other numbers -> unpacked again'
	jq --arg x "sha256:$(printf %064d 1)" '.parent = $x' "$KIST_STORE/layers/sha256/$top/complete" >m
	cat m >"$KIST_STORE/layers/sha256/$top/complete"
	QUICK=--quick found 4 "names another parent or content"
	QUICK=--quick mended 1 "it is missing -> unpacked again"
	clean
}

@test "bad and missing blobs: removed, their images named; the next load brings them, and nothing else" {
	layer=$(jq -r '.layers[0].digest[7:]' "$(blob "$(manifest everything)")")
	printf X | dd of="$(blob "$layer")" conv=notrunc status=none
	QUICK=--quick found 0 clean # sizes are right
	found 4 "blob sha256:$layer: it has the content of" "image everything:1.0: the blob sha256:${layer::12}... of its layer 1"
	mended 4 "-> removed" "it runs, but cannot be saved or pushed; pull or load it again"
	QUICK=--quick found 4 "image everything:1.0: the blob"
	[ "$(names)" = "$IMAGES" ] # it runs still
	[ "$(img load "$BATS_FILE_TMPDIR/i" | grep -c '(0 unpacked)')" = 1 ]
	clean

	# cut short, a folder, a symlink, unknown names
	truncate -s -1 "$(blob "$layer")"
	QUICK=--quick found 4 "image everything:1.0: the blob"
	rm "$(blob "$layer")" && mkdir -p "$(blob "$layer")/a"
	mended 4 "blob sha256:$layer: it is no file -> removed"
	ln -s /etc/passwd "$(blob "$layer")"
	mended 4 "blob sha256:$layer: it is no file -> removed"
	[ -f /etc/passwd ]
	ln -s / "$(blob stray)"
	img load -q "$BATS_FILE_TMPDIR/i" >/dev/null
	mended 0 "stray blobs/sha256/stray: it is nothing of kist's" clean
	[ -L "$(blob stray)" ]
	rm "$(blob stray)"

	# the manifest: that image is lost, its name goes; what is good of it stays for the next load
	rm "$(blob "$(manifest one)")"
	found 4 "image one:1: its manifest"
	mended 1 "-> its name was removed: pull or load it again"
	[ "$(names)" = "docker.io/library/everything:1.0 example.org:5000/some/two:v2" ]
	[ "$(ls "$KIST_STORE/layers/sha256" | wc -l)" = 6 ]
	[ "$(img load "$BATS_FILE_TMPDIR/two" | grep -c '(0 unpacked)')" = 2 ]
	clean
	# a layer and its blob: lost as well
	rm -r "$KIST_STORE/layers/sha256/$(chain everything)" "$(blob "$(jq -r '.layers[-1].digest[7:]' "$(blob "$(manifest everything)")")")"
	mended 4 "and so is the blob it was made of -> its name was removed"
	[ "$(img ls -q | wc -l)" = 2 ]
	clean
}

@test "the index: an entry that lies, one of another tool, no JSON at all; folders; who may look" {
	cp "$KIST_STORE/index.json" good
	jq --arg c "sha256:$(chain one)" '.manifests[0].annotations."io.kist.chain" = $c' good >"$KIST_STORE/index.json"
	found 4 "image everything:1.0: the index gives it other layers than its own"
	jq '.manifests += [.manifests[0] | del(.annotations)]' good >"$KIST_STORE/index.json"
	mended 1 "image (without a name): it is not an entry of kist's"
	diff <(jq -S . good) <(jq -S . "$KIST_STORE/index.json")
	printf '{"manifests": [' >"$KIST_STORE/index.json"
	found 4 "index index.json: "
	mended 1 "moved to index.broken"
	[ "$(cat "$KIST_STORE/index.broken")" = '{"manifests": [' ]
	found 0 "no image needs 12 blobs and 6 layers"
	[ "$(img load "$BATS_FILE_TMPDIR/i" | grep -c '(0 unpacked)')" = 1 ]

	chmod 755 "$KIST_STORE"
	rmdir "$KIST_STORE/locks"
	found 4 "folder .: others can reach it: its mode is 755" "folder locks: it is missing"
	mended 1 "-> closed" "-> made"
	[ "$(stat -c %a "$KIST_STORE")" = 700 ]
	rmdir "$KIST_STORE/tmp"
	ln -s /tmp "$KIST_STORE/tmp"
	run -8 img fsck --repair
	[[ $output == *"/tmp is no folder"* ]]
}

@test "what the dead left is no damage; --repair takes it; what lives is left alone" {
	need_root
	mkdir "$KIST_STORE/tmp/dead"
	touch "$KIST_STORE/locks/$(printf %064d 0)"
	printf orphan >"$(blob "$(printf orphan | sha256sum | cut -d' ' -f1)")"
	found 0 "leftover tmp: 1 folders" "leftover locks, users: 1 locks" "leftover blobs, layers: no image needs 1 blobs" clean
	mended 0 "-> removed" clean
	[ "$(img fsck | wc -l)" = 1 ]
	# A layer that a container uses, altered: it must not be pulled from under it. So with one that a
	# load is at work on.
	top=$(chain one)
	touch "$KIST_STORE/layers/sha256/$top/diff/new"
	exec {pin}<"$KIST_STORE/layers/sha256/$top"
	flock -s "$pin"
	mended 4 "not the image's: /new; a container uses it: nothing was done"
	[ -e "$KIST_STORE/layers/sha256/$top/diff/new" ]
	mv "$KIST_STORE/layers/sha256/$top/complete" marker
	mended 4 "it was never finished" "; a container uses it: nothing was done"
	# nor what lies below it be swept away
	run -1 img rm --force one:1
	[[ $output == *"a container uses layer ${top::12}, and what it needs below is not known"* ]]
	[ "$(ls "$KIST_STORE/layers/sha256" | wc -l)" = 6 ]
	exec {pin}<&-
	mended 1 "it was never finished" "-> removed"
	img load -q "$BATS_FILE_TMPDIR/two" >/dev/null
	top=$(chain one)
	touch "$KIST_STORE/layers/sha256/$top/diff/new"
	exec {lock}>"$KIST_STORE/locks/$top"
	flock -x "$lock"
	mended 4 "a load or pull is at work on it: nothing was done"
	exec {lock}>&-
	mended 1 "unpacked again"
	# One below that which a container holds.
	low=$KIST_STORE/layers/sha256/$(chain everything 2)
	touch "$low/diff/new"
	exec {pin}<"$KIST_STORE/layers/sha256/$(chain everything)"
	flock -s "$pin"
	mended 4 "not the image's: /new; a container uses it: nothing was done"
	[ -e "$low/diff/new" ]
	exec {pin}<&-
	mended 1 "unpacked again"
}
