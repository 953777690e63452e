#!/usr/bin/env bats
# native only: it fills file systems of its own, for which the test machine is too slow
# The store on an ext4 that is full of blocks, or of inodes, on a disk that cannot be written, or read.

bats_require_minimum_version 1.5.0
load helpers

setup() {
	need_root
	kist_setup
	KIST_IMAGE=${KIST_IMAGE:-${KIST_BUILD:-$TOP/build}/kist-image}
	need_program python3 mkfs.ext4 filefrag
	python3 "$TOP/tests/lib/make-oci-image.py" "$T/bulk" --bulk
	mkdir "$T/thin" "$T/disk"
	export KIST_STORE=$T/disk/store
}
teardown() {
	umount "$T/disk" "$T/thin" 2>/dev/null || true
	kist_teardown
}

img() { "$KIST_IMAGE" "$@"; }
disk() { # SIZE [OPTION...]: an ext4 at $T/disk
	truncate -s "$1" "$T/thin/disk"
	mkfs.ext4 -q -m 0 "${@:2}" "$T/thin/disk"
	mount -o loop "$T/thin/disk" "$T/disk"
}
# Nothing of what failed is in the store, or beside it.
nothing() { # WHEN
	local left
	left=$(find "$KIST_STORE"/{blobs,layers}/sha256 "$KIST_STORE"/{tmp,locks,partial,index.json} "$T"/disk/out* \
		-mindepth 1 2>/dev/null) || true
	[ -z "$left" ] && [ -z "$(img ls -q 2>/dev/null)" ] || { echo "$1: left: $left"; img ls; return 1; }
}
refused() { # WHAT CMD...: fails with a word about WHAT, and a way out
	run --separate-stderr "${@:2}"
	echo "${*:2}: $status: $stderr"
	[ "$status" = 1 ] && [[ $stderr == "kist: "*"$1"* ]]
}

@test "ext4 without blocks: said, nothing half-visible; with room again all of it works" {
	disk 100M
	for room in 24 200 4000 9000 16000 22500; do
		free=$(($(stat -f -c '%a * %S / 1024' "$T/disk")))
		fallocate -l $((free - room))K "$T/disk/ballast"
		refused "No space left on device" img load "$T/bulk"
		[[ $stderr == *$'\nfix: free some space'* ]]
		rm "$T/disk/ballast"
		img fsck 2>"$T/err" || grep 'no store' "$T/err"
		nothing "$room K"
	done
	img load -q "$T/bulk"
	img fsck
	# What leaves the store: an archive, a bundle, a root file system.
	free=$(($(stat -f -c '%a * %S / 1024' "$T/disk")))
	fallocate -l $((free - 3000))K "$T/disk/ballast"
	for what in "save --output $T/disk/out bulk:1" "bundle bulk:1 $T/disk/out" "export --output $T/disk/out bulk:1"; do
		# shellcheck disable=SC2086
		refused "No space left on device" img $what
		[ -z "$(find "$T"/disk/out* "$T"/disk/.out* -mindepth 0 2>/dev/null)" ]
	done
	# Small changes need little, and rm frees also when nothing at all is left.
	for rest in 1 2 3; do
		dd if=/dev/zero of="$T/disk/rest$rest" bs=4k 2>/dev/null || true
		sync -f "$T/disk"
	done
	refused "No space left on device" img tag bulk:1 "$(printf 'long%.0s' {1..50}):1"
	run img fsck
	echo "fsck: $status: $output"
	[ "$status" = 8 ] && [[ $output == *"No space left on device"* ]]
	img fsck --quick
	img rm -q bulk:1
	rm "$T"/disk/{ballast,rest?}
	img prune -q
	nothing "after rm"
	img load -q "$T/bulk"
	img fsck
}

@test "ext4 without inodes: said, nothing half-visible; with room again all of it works" {
	disk 64M -N 600
	for room in 3 12 20 40 150 400; do
		free=$(stat -f -c %d "$T/disk")
		mkdir "$T/disk/ballast"
		(cd "$T/disk/ballast" && seq $((free - room - 1)) | xargs touch)
		refused "No space left on device" img load "$T/bulk"
		[[ $stderr == *$'\nfix: free some space'* ]]
		rm -r "$T/disk/ballast"
		img fsck 2>"$T/err" || grep 'no store' "$T/err"
		nothing "$room inodes"
	done
	umount "$T/disk"
	disk 64M -N 2000
	img load -q "$T/bulk"
	img fsck
	seq 2000 | (cd "$T/disk" && mkdir ballast && cd ballast && xargs touch 2>/dev/null) || true
	[ "$(stat -f -c %d "$T/disk")" = 0 ]
	refused "No space left on device" img tag bulk:1 two:1
	img prune -q --all
	nothing "prune"
}

# What is written to a file system is seen to fail when it goes to the disk, which has fewer blocks than
# the file system knows of.
@test "a disk that fails to write: said, and no success; whole once it works again" {
	mount -t tmpfs -o size=80M thin "$T/thin"
	for room in 200 6000 14000; do
		disk 64M
		sync -f "$T/disk"
		mount -o remount,size=$(($(du -k "$T/thin/disk" | cut -f1) + room))K "$T/thin"
		run --separate-stderr img load "$T/bulk"
		echo "$room K: $status: $stderr"
		[ "$status" = 1 ] && [[ $stderr == "kist: "*": "@(Input/output error|Read-only file system|Structure needs cleaning)* ]]
		umount "$T/disk"
		mount -o remount,size=80M "$T/thin"
		e2fsck -fp "$T/thin/disk" >"$T/e2fsck" || [ $? -lt 4 ] || { cat "$T/e2fsck"; return 1; }
		mount -o loop "$T/thin/disk" "$T/disk"
		[ ! -e "$KIST_STORE/oci-layout" ] || img fsck
		[ -z "$(img ls -q)" ]
		img load -q "$T/bulk"
		img fsck
		umount "$T/disk"
		rm "$T/thin/disk"
	done
}

# The loop device's file is cut off: what lay there can't be read.
@test "a disk that fails to read: said, named, and nothing is taken for missing" {
	disk 64M
	img load -q "$T/bulk"
	sync -f "$T/disk"
	blob=$(find "$KIST_STORE/blobs" -type f -size +1M | sort | sed -n 1p)
	at=$(filefrag -e -b4096 "$blob" | awk '$1 == "0:" { print $4 + 0 }')
	umount "$T/disk"
	cp "$T/thin/disk" "$T/thin/whole"
	mount -o loop "$T/thin/disk" "$T/disk"
	find "$T/disk" >/dev/null # names and attributes are in memory, and content is not
	truncate -s $(((at + 16) * 4096)) "$T/thin/disk"
	run cat "$blob"
	[ "$status" = 1 ] && [[ $output == *"Input/output error"* ]]
	refused "Input/output error" img save --output "$T/out" bulk:1
	[ ! -e "$T/out" ]
	run img fsck
	echo "$output"
	[ "$status" != 0 ] && [[ $output == *"Input/output error"* ]]
	umount "$T/disk" || umount -l "$T/disk"
	cp "$T/thin/whole" "$T/thin/disk"
	e2fsck -fp "$T/thin/disk" >/dev/null || [ $? -lt 4 ]
	mount -o loop "$T/thin/disk" "$T/disk"
	img fsck
	img save --output "$T/out" bulk:1
}
