#!/usr/bin/env bats
# kist image: other digests, archives of docker's, import, export.
load helpers

setup() {
	kist_setup
	KIST_IMAGE=${KIST_IMAGE:-${KIST_BUILD:-$TOP/build}/kist-image}
	LIB=$TOP/tests/lib
	need_program python3 zstd
}
teardown() { kist_teardown; }

img() { "$KIST_IMAGE" "$@"; }
# What is in the store besides its skeleton.
store_content() {
	find "$KIST_STORE"/{blobs/sha256,blobs/sha512,layers/sha256,tmp,locks} -mindepth 1 -maxdepth 1
}

@test "sha512: verified, stored as such, saved, removed; wrong ones are seen" {
	PYTHONPATH=$LIB python3 - "$D/wide" <<-END
		import sys
		from ociimage import Layout, Tar
		low = Tar().dir("etc").add("etc/name", b"wide").bytes()
		wide = Layout(sys.argv[1], "sha512")
		wide.image([(low, "gzip"), (Tar().add("top", b"t").bytes(), "zstd")], ref="wide:1")
		wide.write()
	END
	run img load "$D/wide"
	echo "$output"
	[ "$status" -eq 0 ]
	[[ $output == "loaded wide:1  sha512:"*"2 layers (2 unpacked)" ]]
	(cd "$KIST_STORE/blobs/sha512" && [ "$(ls | wc -l)" = 4 ] && for f in *; do echo "$f  $f"; done | sha512sum -c --quiet)
	[ -z "$(ls "$KIST_STORE/blobs/sha256")" ]
	[ "$(cat "$KIST_STORE"/layers/sha256/*/diff/etc/name)" = wide ]
	digest=$(img ls -q)
	[[ $(img inspect "wide@$digest" | jq -r .digest) == "$digest" && ${#digest} = 135 ]]
	[ "$(img inspect "${digest:0:30}" | jq -r .reference)" = docker.io/library/wide:1 ]
	img save -o "$T/wide.tar" wide:1
	img rm -q wide:1
	[ -z "$(store_content)" ]
	img load -q "$T/wide.tar"
	[ "$(img ls -q)" = "$digest" ]
	img rm -q wide:1
	blob=$(ls -S "$D"/wide/blobs/sha512/* | tail -n 1)
	printf x | dd of="$blob" bs=1 seek=3 conv=notrunc status=none
	run img load "$D/wide"
	[ "$status" -eq 1 ]
	[[ $output == *"sha512:"* ]]
	[ -z "$(store_content)" ]
}
