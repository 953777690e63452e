#!/usr/bin/env bats
# What kist unpacks is what others unpack, attribute by attribute: type, mode, owner, time, size,
# content, target, hard links, xattrs, device numbers. Layers alone against GNU tar, images against
# umoci. `make check-full` does the same with Debian and Python (rootfs-fixtures/python-image.sh).
# native only: umoci is a peer that is not in the test machine
load helpers

setup_file() {
	need_root
	"$TOP/tests/peers.sh" umoci:umoci >/dev/null
}
setup() {
	kist_setup
	KIST_IMAGE=${KIST_IMAGE:-${KIST_BUILD:-$TOP/build}/kist-image}
	PATH=$TOP/build/peers/bin:$PATH
	LIB=$TOP/tests/lib
	# On the disk: tmpfs has user xattrs only since 6.6.
	export KIST_STORE=$D/store
}
teardown() { kist_teardown; }

attrs() { python3 "$LIB/tree-attrs.py" "$@"; }
layer_diff() { # DIFFID - its folder; of the lowest layer that is its name
	echo "$KIST_STORE/layers/sha256/${1#sha256:}/diff"
}
same() { # WHAT LEFT RIGHT
	cmp -s "$2" "$3" || { echo "$1:"; diff "$2" "$3" | head -n 20; return 1; }
}
# The image of layout $1, tag $2: its lowest layer, plain in $3, as GNU tar unpacks it; all of it as
# umoci does. It changes the time of a folder when it empties an opaque one within: -t in $4.
compare() {
	local layout=$1 tag=$2 lowest=$3 times=${4-} config
	"$KIST_IMAGE" load -q --tag "it:1" "$layout" >id
	config=$("$KIST_IMAGE" inspect it:1 | jq -r '.config.rootfs.diff_ids[0]')
	mkdir tar
	tar -C tar --numeric-owner --delay-directory-restore -xpf "$lowest" --xattrs --xattrs-include='*'
	attrs tar >tar.attrs
	attrs "$(layer_diff "$config")" >layer.attrs
	same "the lowest layer, kist and GNU tar" layer.attrs tar.attrs
	"$KIST_IMAGE" bundle it:1 bundle >/dev/null
	umoci unpack --image "$layout:$tag" umoci >umoci.log 2>&1 || { cat umoci.log; false; }
	# shellcheck disable=SC2086
	attrs $times bundle/rootfs >bundle.attrs
	attrs $times umoci/rootfs >umoci.attrs
	same "the image, kist and umoci" bundle.attrs umoci.attrs
	"$KIST_IMAGE" rm it:1 >/dev/null
	rm -rf tar bundle umoci
}

@test "whiteouts, opaque folders, every type replaced by every other, at random; and Debian with Python" {
	cd "$D"
	local seed to=5
	[ -z "${KIST_CHECK_FULL-}" ] || to=${KIST_SEEDS:-300}
	for ((seed = 1; seed <= to; seed++)); do
		python3 "$LIB/random-image.py" "r$seed" $seed
		echo "seed $seed" # on its own: what stands before || does not stop at what fails
		compare "r$seed" random "r$seed.plain/0.tar" -t
		rm -rf "r$seed" "r$seed.plain"
	done
	[ -n "${KIST_CHECK_FULL-}" ] || return 0
	[ -d "$TOP/build/fixtures/python-gzip" ] ||
		"$TOP/rootfs-fixtures/python-image.sh" "$TOP/build/fixtures/python-gzip" gzip
	compare "$TOP/build/fixtures/python-gzip" bench "$TOP/build/fixtures/python-image/1.tar"
	[ "$(wc -l <bundle.attrs)" -gt 5000 ]
}
