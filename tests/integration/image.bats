#!/usr/bin/env bats
# kist image load, ls, rm: the store, unpacking, hostile images, crashes, a full disk.
load helpers

setup() {
	kist_setup
	KIST_IMAGE=${KIST_IMAGE:-${KIST_BUILD:-$TOP/build}/kist-image}
	LIB=$TOP/tests/lib
	need_program python3 zstd
}
teardown() { kist_teardown; }

img() { "$KIST_IMAGE" "$@"; }

make_image() { python3 "$LIB/make-oci-image.py" "$@"; }

# The unpacked layers of image `everything`, which must be as expected; prints the layers' folders.
check_layers() { python3 "$LIB/check-layers.py" "$KIST_STORE" "$D/i.expect.json"; }

# What is in the store besides its skeleton.
store_content() {
	find "$KIST_STORE"/{blobs/sha256,layers/sha256,tmp,locks} -mindepth 1 -maxdepth 1
	find "$KIST_STORE" -maxdepth 1 -name '.*.tmp'
}

hostile() {
	run python3 "$LIB/hostile-layers.py" --run "$KIST_IMAGE" "$T/h" "$1"
	echo "$output"
	[ "$status" -eq 0 ]
}

@test "load: a layout folder, every attribute as in the tar" {
	need_root
	make_image "$D/i"
	run img load "$D/i"
	echo "$output"
	[ "$status" -eq 0 ]
	[[ $output == "loaded everything:1.0  sha256:"*"3 layers (3 unpacked)" ]]
	check_layers
	# again: nothing to do
	run img load "$D/i"
	[[ $output == *"(0 unpacked)" ]]
	run img rm everything:1.0
	echo "$output"
	[ "$status" -eq 0 ]
	[ -z "$(store_content)" ]
}

@test "load: the umask changes nothing, and the store is private" {
	need_root
	make_image "$D/i"
	(umask 077 && img load "$D/i")
	check_layers
	rm -rf "$KIST_STORE"
	mkdir -m 777 "$KIST_STORE"
	(umask 0 && img load "$D/i")
	check_layers
	[ "$(stat -c %a "$KIST_STORE")" = 700 ]
}

@test "load: as a user, with what a user cannot have left out and said" {
	need_root
	need_program setpriv
	make_image "$D/i"
	chmod -R a+rX "$D"
	mkdir "$D/u"
	chown 65534:65534 "$D/u"
	export KIST_STORE=$D/u/store
	run setpriv --reuid 65534 --regid 65534 --clear-groups "$KIST_IMAGE" load "$D/i"
	echo "$output"
	[ "$status" -eq 0 ]
	[[ $output == *"devices were left out"* && $output == *"files belong to you"* ]]
	run setpriv --reuid 65534 --regid 65534 --clear-groups \
		/usr/bin/python3 "$LIB/check-layers.py" "$KIST_STORE" "$D/i.expect.json"
	echo "$output"
	[ "$status" -eq 0 ]
	grep -q '"userxattr": true' "$KIST_STORE"/layers/sha256/*/complete
	# The owners that files cannot have are kept beside them, and come out again.
	setpriv --reuid 65534 --regid 65534 --clear-groups "$KIST_IMAGE" export everything:1.0 >"$T/x.tar"
	run tar --numeric-owner -tvf "$T/x.tar" etc/owned bin/sgid bin/su
	echo "$output"
	[[ $output == *" 1000/4294967294 "*etc/owned* && $output == *" 0/42 "*bin/sgid* ]]
	[[ $output == *" 0/0 "*bin/su* ]]
	tar --xattrs --xattrs-include='user.*' -tvvf "$T/x.tar" | { ! grep rootlesscontainers; }
	run setpriv --reuid 65534 --regid 65534 --clear-groups "$KIST_IMAGE" rm everything:1.0
	[ "$status" -eq 0 ]
	[ -z "$(store_content)" ]
}

@test "load: overlayfs shows the merged image" {
	need_root
	make_image "$D/i"
	img load "$D/i"
	lowers=$(check_layers)
	run unshare -m bash -euc '
		mkdir -p "$1"
		mount -t overlay overlay -o "ro,lowerdir=$2" "$1"
		cd "$1"
		[ ! -e gone-file ] && [ ! -e etc/passwd ] && [ -e etc/group ]
		[ ! -e var/null ] && [ -p var/fifo ] && [ -b var/loop ]
		[ "$(ls -A gone-dir)" = back ]
		[ "$(ls -A opaque | tr "\n" " ")" = "early late " ]
		[ "$(ls -A again)" = new ]
		[ "$(stat -c %a tmp)" = 1777 ] && [ "$(ls tmp)" = put ]
		[ "$(cat lib/so)" = so ] && [ "$(stat -c %a bin/su)" = 4755 ]
		[ "$(stat -c %a top)" = 444 ] && [ "$(cat replaced)" = second ]
	' - "$T/merged" "$lowers"
	echo "$output"
	[ "$status" -eq 0 ]
}

@test "load: tar, tar.gz, tar.zst and standard input" {
	need_root
	make_image "$D/i"
	tar -C "$D/i" -cf "$T/i.tar" blobs oci-layout index.json
	gzip -k "$T/i.tar"
	zstd -q "$T/i.tar"
	for file in i.tar i.tar.gz i.tar.zst; do
		img load "$T/$file"
		check_layers
		img rm everything:1.0
		[ -z "$(store_content)" ]
	done
	img load - <"$T/i.tar.gz"
	check_layers
	[ "$(ls "$KIST_STORE/tmp")" = "" ]
}

@test "references: short and long names, digests, tags alone, --tag" {
	make_image "$D/two" --two
	img load "$D/two"
	run img ls
	echo "$output"
	[[ ${lines[0]} == "REFERENCE "*" DIGEST "*" SIZE "*" LAYERS "*" CREATED" ]]
	[[ $output == *"one:1 "* && $output == *"example.org:5000/some/two:v2 "* ]]
	[ "$(img ls --json | jq -r '.[0].reference')" = docker.io/library/one:1 ]
	[ "$(img ls --json | jq '.[1].layers')" = 2 ]
	[ "$(img ls --quiet | wc -l)" = 2 ]
	# two images, one shared layer
	[ "$(ls "$KIST_STORE/layers/sha256" | wc -l)" = 3 ]
	run img rm nothing
	[ "$status" -eq 1 ]
	[[ $output == *"no such image: nothing (see: kist image ls)"* ]]
	run img rm one:1 nothing
	[ "$status" -eq 1 ]
	[ "$(img ls --quiet | wc -l)" = 2 ]
	img rm "$(img ls --json | jq -r '.[0].digest')"
	[ "$(ls "$KIST_STORE/layers/sha256" | wc -l)" = 2 ]
	img rm example.org:5000/some/two:v2
	[ -z "$(store_content)" ]

	make_image "$D/small" --small
	sed -i s/small:latest/latest/ "$D/small/index.json"
	img load "$D/small" # a tag alone: the folder's name is the image's
	img load --tag registry.example/a/b:c "$D/small"
	run img ls
	[[ $output == *"small:latest "* && $output == *"registry.example/a/b:c "* ]]
	img rm "$(img ls --json | jq -r '.[0].digest[7:19]')" # both names are of one image
	[ -z "$(store_content)" ]
	run img load --tag UPPER "$D/small"
	[ "$status" -eq 1 ]
	[[ $output == *"not an image reference"* ]]
}

@test "the store is a layout that a second store can load" {
	make_image "$D/two" --two
	img load "$D/two"
	run img --store "$D/copy" load "$KIST_STORE"
	echo "$output"
	[ "$status" -eq 0 ]
	[ "$(img --store "$D/copy" ls --json)" = "$(img ls --json)" ]
}

@test "tag, inspect, history, save: an archive that load, and others, read" {
	python3 - "$LIB" "$D/i" <<-'END'
		import sys
		sys.path.insert(0, sys.argv[1])
		from ociimage import Layout, Tar
		def history(config):
		    config["history"] = [
		        {"created": "2026-01-02T03:04:05Z", "created_by": "COPY a\x1b[2J\nb /"},
		        {"created_by": "ENV A=b", "empty_layer": True}, {"comment": "second"}]
		layout = Layout(sys.argv[2])
		layout.image([(Tar().add("a", b"a").bytes(), "gzip"), (Tar().add("b", b"bb").bytes(), "zstd")],
		             ref="docker.io/library/hist:1", change_config=history)
		layout.write()
	END
	img load -q "$D/i"
	img tag hist:1 example.org/other:2
	run img tag nothing x
	[ "$status" -eq 1 ] && [[ $output == *"no such image: nothing"* ]]
	run img tag hist:1 "x@sha256:$(printf '%064d' 0)"
	[ "$status" -eq 1 ] && [[ $output == *"names a digest; a name and tag is wanted"* ]]
	[ "$(img ls --json | jq -r '[.[].reference] | join(" ")')" = "docker.io/library/hist:1 example.org/other:2" ]
	run img history example.org/other:2
	echo "$output"
	[ "${#lines[@]}" = 4 ]
	[[ ${lines[1]} == *"  second" && ${lines[2]} == *" -  -  "*"  ENV A=b" ]]
	[[ ${lines[3]} == 2026-01-02T03:04:05*' B  '*'  COPY a\x1b[2J\nb /' ]]
	[ "$(img history --json hist:1 | jq -c '[.[].size != null]')" = '[true,false,true]' ]
	img inspect hist:1 >inspect
	[ "$(jq -r '.digest, .layers[1].mediaType, .config.history[2].comment' inspect | paste -sd' ')" = \
		"$(img ls -q | head -n 1) application/vnd.oci.image.layer.v1.tar+zstd second" ]
	[ "$(cat "$(jq -r '.layers[1].path' inspect)/b")" = bb ]
	# the same bytes each time; both names; what was saved can be loaded
	img save hist:1 example.org/other:2 >a.tar
	img save -o b.tar hist:1 example.org/other:2
	cmp a.tar b.tar
	[ "$(stat -c %a b.tar)" = 644 ]
	img --store "$D/copy" load -q b.tar
	[ "$(img --store "$D/copy" ls --json)" = "$(img ls --json)" ]
	[ "$(tar -xOf b.tar manifest.json | jq -c '[.[].RepoTags[0]]')" = '["hist:1","example.org/other:2"]' ]
	# nothing half-written: an unknown name, a damaged blob
	run img save -o c.tar hist:1 nothing
	[ "$status" -eq 1 ]
	printf x | dd of="$KIST_STORE/blobs/sha256/$(jq -r '.layers[0].digest[7:]' inspect)" conv=notrunc status=none
	run img save -o c.tar hist:1
	echo "$output"
	[ "$status" -eq 1 ]
	[[ $output == *"is damaged in the store"* ]]
	[ -z "$(find . -name "c.tar*")" ] && [ -z "$(ls "$KIST_STORE/tmp")" ]
}

@test "bad command lines and stores" {
	for args in "" "fly" "load" "load a b" "rm" "load --json x" "--store" "ls --tag x" \
		"load --max-size 12x x" "load --max-size 0 x"; do
		# shellcheck disable=SC2086
		run img $args
		[ "$status" -eq 2 ] || { echo "$args: $status"; false; }
	done
	run img load "$T/absent"
	[ "$status" -eq 1 ]
	[[ $output == *"cannot load $T/absent: cannot open it: No such file"* ]]
	# somebody's home, somebody's layout: neither becomes a store
	make_image "$D/small" --small
	mkdir -m 755 "$D/home"
	touch "$D/home/mine"
	run img --store "$D/home" load "$D/small"
	[ "$status" -eq 1 ]
	[[ $output == *"is no store: it holds mine"* ]]
	run img --store "$D/small" load "$D/small"
	[ "$status" -eq 1 ]
	[[ $output == *"is a layout that is not kist's"* ]]
	run img --store "$D/small" ls
	[ "$status" -eq 1 ]
	[ "$(stat -c %a "$D/home" "$D/small" | uniq)" = 755 ]
	[ "$(ls -A "$D/small" | wc -l)" = 3 ]
	run img --store "$T/none" ls
	[ "$status" -eq 0 ]
	[ ! -e "$T/none" ]
	run img --store "$T/none" rm x
	[ "$status" -eq 1 ]
}

# What only kist's own code answers: the kernel below makes no difference, and the machine without a
# processor of its own takes minutes for it.
bytes_only() { [ -z "${KIST_IN_VM-}" ] || skip "natively: it is about bytes, not about the kernel"; }

@test "hostile: paths" { need_root; hostile paths; }
@test "hostile: links" { need_root; hostile links; }
@test "hostile: whiteouts and overlay's own names" { need_root; hostile overlay; }
@test "hostile: devices, modes, owners" { need_root; hostile nodes; }
@test "hostile: tar framing" { bytes_only; hostile tar; }
@test "hostile: bombs" { bytes_only; hostile bombs; }
@test "hostile: digests and compression" { bytes_only; hostile digests; }
@test "hostile: manifests, configs, indexes" { bytes_only; hostile documents; }
@test "hostile: the archive around the layout" { bytes_only; hostile archives; }

@test "kill -9 at any moment: whole or absent, and the next load clears up" {
	make_image "$D/bulk" --bulk
	run timeout 200 python3 "$LIB/kill-loads.py" "$KIST_IMAGE" "$KIST_STORE" "$D/bulk" 20
	echo "$output"
	[ "$status" -eq 0 ]
}

@test "two loads at once do the work once" {
	make_image "$D/bulk" --bulk
	img load "$D/bulk" >"$T/a" &
	a=$!
	img load "$D/bulk" >"$T/b" &
	b=$!
	wait $a
	wait $b
	cat "$T/a" "$T/b"
	# each layer was unpacked by one of them
	[ $(($(sed "s/.*(\([0-9]\) unpacked)/\1/" "$T/a" "$T/b" | paste -sd+))) = 3 ]
	[ "$(ls "$KIST_STORE/tmp" "$KIST_STORE/locks" | grep -c .)" = 2 ] # the two headings
	[ "$(img ls --quiet | wc -l)" = 1 ]
}

@test "loads and removals at once leave a whole store" {
	make_image "$D/two" --two
	# By number: a bare wait would also wait for the one who watches this test's time.
	pids=()
	for i in 1 2 3 4 5 6; do
		img load "$D/two" >/dev/null &
		pids+=($!)
		img rm one:1 >/dev/null 2>&1 &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do
		wait "$pid" || true
	done
	img load "$D/two"
	[ "$(img ls --quiet | wc -l)" = 2 ]
	[ "$(ls "$KIST_STORE/layers/sha256" | wc -l)" = 3 ]
	img rm one:1 example.org:5000/some/two:v2
	[ -z "$(store_content)" ]
}

@test "rm: a layer that somebody uses stays" {
	make_image "$D/two" --two
	img load "$D/two"
	top=$(jq -r '.manifests[0].annotations."io.kist.chain"' "$KIST_STORE/index.json")
	exec {pin}<"$KIST_STORE/layers/sha256/${top#sha256:}"
	flock -s "$pin"
	run img rm one:1
	echo "$output"
	[ "$status" -eq 1 ]
	[[ $output == *"one:1 is used by a container"* ]]
	run img rm --force one:1
	echo "$output"
	[ "$status" -eq 0 ]
	[[ $output == *"1 layer is in use"* ]]
	img rm example.org:5000/some/two:v2
	# the used one and the one below it
	[ "$(ls "$KIST_STORE/layers/sha256" | wc -l)" = 2 ]
	exec {pin}<&-
	make_image "$D/small" --small
	img load "$D/small"
	img rm small
	[ -z "$(store_content)" ]
}

@test "a full disk: a clear error, nothing half-visible, and a bigger one works" {
	need_root
	make_image "$D/bulk" --bulk
	run unshare -m bash -uc '
		mkdir -p "$2/full" && cd "$2"
		for size in 100k 1m 6m 14m 23m; do
			mount -t tmpfs -o "size=$size" tmpfs full
			if "$1" --store full/s load "$3" 2>err; then echo "$size: loaded"; fi
			grep -q "No space left on device" err || { echo "$size:"; cat err; }
			grep -q "^fix: free some space" err || echo "$size: no fix"
			left=$(find full/s/{blobs,layers}/sha256 full/s/tmp full/s/locks full/s/index.json \
				-mindepth 1 2>/dev/null)
			[ -z "$left" ] || echo "$size left: $left"
			[ -z "$("$1" --store full/s ls --quiet 2>/dev/null)" ] || echo "$size: listed"
			mount -o remount,size=80m full
			"$1" --store full/s load "$3" >/dev/null || echo "$size: no retry"
			umount full
		done
		mount -t tmpfs -o "nr_inodes=300" tmpfs full
		"$1" --store full/s load "$3" 2>err && echo "inodes: loaded"
		grep -q "No space left on device" err || cat err
		[ -z "$(find full/s/tmp full/s/layers/sha256 -mindepth 1)" ] || echo "inodes: left"
	' - "$KIST_IMAGE" "$T" "$D/bulk"
	echo "$output"
	[ "$status" -eq 0 ]
	[ -z "$output" ]
}

@test "memory: a 200 MB layer unpacks in 64 MiB" {
	python3 - "$LIB" "$D/big" <<-'END'
		import os, sys
		sys.path.insert(0, sys.argv[1])
		from ociimage import Layout, Tar
		layout = Layout(sys.argv[2])
		data = os.urandom(1 << 20) * 100
		layout.image([(Tar().add("a", data).bytes(), "gzip"),
		              (Tar().add("b", data).bytes(), "zstd")], ref="big:1")
		layout.write()
	END
	run python3 - "$KIST_IMAGE" "$D/big" <<-'END'
		import resource, subprocess, sys
		subprocess.run([sys.argv[1], "load", sys.argv[2]], check=True)
		print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024, "MiB")
		assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss < 64 * 1024
	END
	echo "$output"
	[ "$status" -eq 0 ]
}
