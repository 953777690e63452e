#!/usr/bin/env bats
# native only: python makes its images and compares them, slowly under emulation; overlay.bats has the kernel's part
# Small layers that are joined for faster starts: the same is seen, damage is found, and nothing depends on
# them.

bats_require_minimum_version 1.5.0
load helpers
load runtime
load rootless

setup_file() { rootless_setup_file; }
setup() {
	rootless_setup
	need_program python3
	KIST_IMAGE=${KIST_IMAGE:-${KIST_BUILD:-$TOP/build}/kist-image}
	LIB=$TOP/tests/lib
	cp "$KIST_IMAGE" "$T/bin/"
	LAYERS=$KIST_STORE/layers/sha256
	cd "$D" || return 1
}
teardown() { runtime_teardown; }

img() { "$KIST_IMAGE" "$@"; }
stack_of() { # NAME: what a start takes, top first
	sed '1d;$d' "$LAYERS/$(img inspect "$1" | jq -r '.layers[-1].chain[7:]')/stack"
}
chain_of() { img inspect "$1" | jq -r '.layers | reverse[] | .chain[7:] + "/diff"'; }
# What overlayfs shows of layers, by their names, top first.
shown() {
	local list
	list=$(paste -sd: -)
	mkdir -p "$D/mnt"
	(cd "$LAYERS" && mount -t overlay -o "ro,lowerdir=$list:$D/empty,redirect_dir=nofollow,metacopy=off" overlay "$D/mnt")
	python3 "$LIB/tree-attrs.py" "$D/mnt"
	umount "$D/mnt"
}
exported() { sha256sum < <("$@" image export "it:1") | cut -d' ' -f1; }

@test "images at random, their small layers joined: overlayfs shows the same, and export writes it; a user's, too" {
	local seed to=2
	mkdir empty
	for ((seed = 1; seed <= to; seed++)); do
		python3 "$LIB/random-image.py" it "$seed" 24
		img load -q --tag it:1 it >/dev/null
		stack_of it:1 >stack
		chain_of it:1 >chain
		cat stack
		# Two big ones, the ten below the first, the twelve between them, two at the top.
		[ "$(sed 's/.*\///' stack | xargs)" = "diff diff diff flat diff flat" ]
		[ "$(wc -l <chain)" = 24 ]
		shown <stack >flat.seen
		shown <chain >layers.seen
		[ "$(wc -l <layers.seen)" -gt 10 ]
		diff layers.seen flat.seen
		flat=$(exported "$KIST")
		rm "$LAYERS"/*/stack
		[ "$(exported "$KIST")" = "$flat" ]
		img fsck
		# Her owners are in an xattr, which must be on the second copy, too.
		mkdir -p "$D/alice" && chown "$ALICE:$ALICE" "$D/alice"
		chmod -R a+rX it
		her="as_alice KIST_STORE=$D/alice/store kist"
		ids=(single mapped)
		$her image load -q --ids "${ids[seed % 2]}" --tag it:1 "$D/it" >/dev/null 2>&1
		[ "$(find "$D/alice/store/layers" -name flat | wc -l)" = 2 ]
		# shellcheck disable=SC2086
		flat=$(exported $her)
		# As root's, but for devices, and the owners that symlinks, fifos and links can't keep.
		"$KIST" image export -o "$D/roots.tar" it:1
		$her image export it:1 >"$D/hers.tar"
		for t in roots hers; do
			tar --xattrs --acls --xattrs-include='*' --numeric-owner -tvvf "$D/$t.tar" | sort |
				awk -v kind="${ids[seed % 2]}" '/^[cb]/ { next }
				split($2, id, "/") == 2 && /^[lph]/ && (kind == "single" || id[1] > 65535 || id[2] > 65535) { $2 = "-" }
				kind == "mapped" && /^[lp]/ && $2 == "0/0" { $2 = "-" } { print }' | sort >"$D/$t.list"
		done
		diff "$D/roots.list" "$D/hers.list"
		rm "$D"/alice/store/layers/sha256/*/stack
		# shellcheck disable=SC2086
		[ "$(exported $her)" = "$flat" ]
		$her image fsck
		img rm -q it:1
		[ -z "$(ls "$LAYERS")" ]
		rm -rf it it.plain "$D/alice"
	done
}

@test "a job starts from them; altered or gone, they are found, removed, and not missed" {
	layout() { # NAME LAYERS
		python3 - "$LIB" "$1" "$2" "$FIXTURES/busybox-rootfs/bin/busybox" <<-'END'
			import sys
			sys.path.insert(0, sys.argv[1])
			from ociimage import Layout, Tar
			base = Tar().dir("bin", mode=0o755).add("bin/sh", open(sys.argv[4], "rb").read(), mode=0o755)
			for name in "opaque", "again", "mixed":
			    base.dir(name).add(name + "/old")
			layers = [base.add("gone").bytes()]
			for i in range(1, int(sys.argv[3])):
			    t = Tar().dir("in", mode=0o755).add("in/l%d" % i, b"%d\n" % i).add("top", b"%d\n" % i)
			    # What hides, in the midst of those that are joined; and what comes upon it.
			    if i == 2:
			        t.dir("opaque").add("opaque/.wh..wh..opq").add("opaque/new").add(".wh.gone").add("again").dir("mixed").add("mixed/a")
			    if i == 3:
			        t.dir("again").add("again/new").dir("opaque").add("opaque/newer").dir("mixed").add("mixed/b")
			    layers.append(t.bytes())
			layout = Layout(sys.argv[2])
			layout.image([(t, "plain") for t in layers], ref="many:%s" % sys.argv[3])
			layout.write()
		END
		img load -q "$1" >/dev/null
	}
	look() { run -0 "$KIST" --root "$T/state" job run --id "$ID" "many:$1" -- sh -c 'read a <top; set -- in/*; echo $a $# opaque/* again/* mixed/* gone*'; }
	rest=" opaque/new opaque/newer again/new mixed/a mixed/b mixed/old gone*"
	layout long 30
	layout short 7 # one's layers are the other's: too few to be worth it
	[ "$(stack_of many:30 | sed 's/.*\///' | xargs)" = "flat diff" ] # busybox is big
	look 30 && [ "$output" = "29 29$rest" ]
	look 7 && [ "$output" = "6 6$rest" ]
	flat=$LAYERS/$(stack_of many:30 | head -n 1)
	# What is joined is counted, too; so rm frees what df says it would.
	on_disk() { find "$LAYERS" "$KIST_STORE/blobs" -type f ! -name complete ! -name stack ! -name flat-bytes -printf '%s\n' | awk '{n += $1} END {print n}'; }
	df=$(img df --json)
	echo "$(jq -c .images <<<"$df") $(on_disk)"
	[ "$(jq .images.bytes <<<"$df")" = "$(on_disk)" ]
	[ "$(cat "${flat}-bytes")" = "$(find "$flat" -type f -printf '%s\n' | awk '{n += $1} END {print n}')" ]
	mv "${flat}-bytes" "$D/bytes"
	[ "$(img df --json)" = "$df" ]
	mv "$D/bytes" "${flat}-bytes"
	own=$(jq '.list[] | select(.reference | test(":30")) | .own' <<<"$df")
	before=$(on_disk)
	[ -d "$flat/in" ]
	echo altered >"$flat/in/l3"
	run -4 img fsck
	echo "$output"
	[[ $output == *"flat: it is not what 29 layers come to: "*"l3"* ]]
	# Not from under a container.
	exec {pin}<"$LAYERS/$(chain_of many:30 | head -n 1 | cut -d/ -f1)"
	flock -s "$pin"
	run -4 img fsck --repair
	[ -e "$flat/in/l3" ]
	exec {pin}<&-
	run -1 img fsck --repair
	[[ $output == *"-> removed: starts take the layers it was made of"* ]]
	[ ! -e "$flat" ]
	look 30 && [ "$output" = "29 29$rest" ]
	img fsck
	# The next load of the image makes it again.
	img load -q long >/dev/null
	[ -d "$flat/in" ]
	look 30 && [ "$output" = "29 29$rest" ]
	img rm -q many:30
	[ "$((before - $(on_disk)))" = "$own" ]
	img rm -q many:7
	[ -z "$(ls "$LAYERS")" ]
}
