#!/usr/bin/env bats
# kist image: other digests, archives of docker's, import, export.
bats_require_minimum_version 1.5.0
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

# The tree of an image: everything but the whiteouts' and folders' own bookkeeping.
tree_of() { img export "$1" | sha256sum; }

# docker_archive FILE JSON [OPTION]: as docker save wrote it before 25: a folder for each layer, its
# second one a symlink to the first. JSON is a jq filter over manifest.json.
docker_archive() {
	PYTHONPATH=$LIB python3 - "$D/i" "$1" <<-'END'
		import gzip, hashlib, io, json, sys, tarfile
		from ociimage import Layout, Tar, sha, ARCH
		low = Tar().dir("etc").add("etc/name", b"old", uid=5).bytes()
		config = json.dumps({"os": "linux", "architecture": ARCH, "config": {"Cmd": ["/x"], "Env": None},
		    "rootfs": {"type": "layers", "diff_ids": [sha(low), sha(low), sha(low)]}}).encode()
		name = hashlib.sha256(config).hexdigest() + ".json"
		with tarfile.open(sys.argv[2], "w", format=tarfile.USTAR_FORMAT) as t:
		    def add(path, data=b"", **more):
		        info = tarfile.TarInfo(path)
		        info.size = len(data)
		        for key, value in more.items():
		            setattr(info, key, value)
		        t.addfile(info, io.BytesIO(data))
		    add("aa", type=tarfile.DIRTYPE)
		    add("aa/VERSION", b"1.0")
		    add("aa/json", b"{}")
		    add("aa/layer.tar", low)
		    add("bb/layer.tar", type=tarfile.SYMTYPE, linkname="../aa/layer.tar")
		    add("cc.tar", gzip.compress(low, mtime=0))
		    add("loop", type=tarfile.SYMTYPE, linkname="loop")
		    add("out", type=tarfile.SYMTYPE, linkname="../../etc/passwd")
		    add(name, config)
		    add("repositories", b"{}")
		    manifest = [{"Config": name, "RepoTags": ["old:1", "example.org/old:two"],
		                 "Layers": ["aa/layer.tar", "bb/layer.tar", "cc.tar"]}]
		    manifest = eval(open(sys.argv[2] + ".change").read(), {"m": manifest})
		    add("manifest.json", json.dumps(manifest).encode())
	END
}

@test "load: what docker save wrote before 25, its symlinks too; and nothing of the host" {
	echo m >"$T/old.tar.change"
	docker_archive "$T/old.tar"
	run img load "$T/old.tar"
	echo "$output"
	[ "$status" -eq 0 ]
	[[ ${lines[0]} == "loaded old:1  sha256:"*"3 layers (3 unpacked)" && ${lines[1]} == "loaded example.org/old:two "* ]]
	[ "$(img inspect old:1 | jq -c '[.config.config.Cmd, (.manifest.layers | map(.mediaType[-9:]))]')" = \
		'[["/x"],["er.v1.tar","er.v1.tar",".tar+gzip"]]' ]
	[ "$(img export old:1 | tar -xO etc/name)" = old ]
	gzip -kc "$T/old.tar" | img load -q --tag other:1 - 2>"$T/error" || grep -q "several images, --tag can name only one" "$T/error"
	img rm -q old:1 example.org/old:two
	[ -z "$(store_content)" ]
	while IFS='|' read -r change message; do
		echo "$change" >"$T/old.tar.change"
		docker_archive "$T/old.tar"
		run img load "$T/old.tar"
		echo "$change -> $status $output"
		[ "$status" -eq 1 ]
		[[ ${lines[0]} == *"$message"* ]]
		[ -z "$(store_content)" ]
	done <<-'END'
		[dict(m[0], Config="/etc/passwd")]|docker's manifest.json: the archive has no file "/etc/passwd"
		[dict(m[0], Config="out")]|the archive has no file "out"
		[dict(m[0], Layers=["aa/layer.tar", "loop"])]|/0/Layers/1: the archive has no file "loop"
		[dict(m[0], Layers=["../aa/layer.tar"])]|the archive has no file "../aa/layer.tar"
		[dict(m[0], Layers=["aa/layer.tar", "aa/VERSION", "cc.tar"])]|layer sha256:
		[dict(m[0], Layers=[5])]|/0/Layers/0: must be a string
		[dict(m[0], Layers=["aa/layer.tar"])]|it lists 3 diff_ids, the manifest 1 layers
		[dict(m[0], RepoTags=["UPPER:x"])]|is not an image reference
		[dict(m[0], RepoTags=None)]|the image has no name
		{}|must be an array
		[]|index.json lists no image
	END
	# with a name given, one without a name is fine
	echo '[dict(m[0], RepoTags=None)]' >"$T/old.tar.change"
	docker_archive "$T/old.tar"
	img load -q --tag named:1 "$T/old.tar"
}

@test "save: --format oci, docker-archive, oci-archive: each reads back as the same tree" {
	python3 "$LIB/make-oci-image.py" "$D/i"
	img load -q "$D/i"
	want=$(tree_of everything:1.0)
	digest=$(img ls -q)
	for format in oci-archive docker-archive oci; do
		img save --format $format -o "$D/saved.$format" everything:1.0
		img --store "$D/other" load -q "$D/saved.$format"
		[ "$(KIST_STORE=$D/other tree_of everything:1.0)" = "$want" ]
		[ $format = docker-archive ] || [ "$(img --store "$D/other" ls -q)" = "$digest" ]
		img --store "$D/other" rm -q everything:1.0
	done
	# the same image, the same bytes; layers stand there plain, as docker has them
	img save --format docker-archive everything:1.0 | cmp - "$D/saved.docker-archive"
	[ "$(tar -tf "$D/saved.docker-archive" | grep -c '^[0-9a-f]*/layer.tar$')" = 3 ]
	[ ! -e "$D/saved.oci/manifest.json" ]
	run img save --format oci -o "$D/saved.oci" everything:1.0
	[ "$status" -eq 1 ]
	[[ $output == *"cannot make $D/saved.oci: File exists"* ]]
	run img save --format oci everything:1.0
	[[ $output == *"a layout is a folder"* ]]
	run img save --format rar everything:1.0
	[[ $output == *"--format is oci-archive, docker-archive or oci, not rar"* ]]
	[ -e "$D/saved.oci/oci-layout" ]
}

@test "import, export: a root file system there and back, with docker's changes" {
	need_root
	python3 "$LIB/make-oci-image.py" "$D/i"
	img load -q "$D/i"
	img export -o "$T/tree.tar" everything:1.0
	export SOURCE_DATE_EPOCH=1000000000
	run img import --change 'CMD ["sh", "-c", "x"]' -c 'ENTRYPOINT exec it' -c 'ENV A="b c"' -c 'ENV A=d' -c 'ENV B x y' \
		-c 'EXPOSE 80 53/udp' -c 'LABEL a=b' -c 'VOLUME /v' -c 'USER u:g' -c 'WORKDIR /w' -c 'STOPSIGNAL 9' -m why \
		"$T/tree.tar" copy:1
	echo "$output"
	[ "$status" -eq 0 ]
	[[ $output == "imported copy:1  sha256:"* ]]
	img export copy:1 | cmp - "$T/tree.tar"
	img inspect copy:1 | jq -e '[.config.config, .config.created, .config.history] == [
		{"Cmd":["sh","-c","x"],"Entrypoint":["/bin/sh","-c","exec it"],"Env":["A=d","B=x y"],"ExposedPorts":{"53/udp":{},"80/tcp":{}},"Labels":{"a":"b"},"StopSignal":"9","User":"u:g","Volumes":{"/v":{}},"WorkingDir":"/w"},
		"2001-09-09T01:46:40Z",
		[{"comment":"why","created":"2001-09-09T01:46:40Z","created_by":"kist image import"}]]'
	zstd -qc "$T/tree.tar" | img import -q - copy:2
	[ "$(img ls --json | jq -r '.[] | select(.reference | endswith("copy:2")) | .size < 400000')" = true ]
	img import -q --platform linux/arm64/v8 "$T/tree.tar" copy:arm
	[ "$(img inspect copy:arm | jq -r '.config | "\(.architecture) \(.variant)"')" = "arm64 v8" ]
	for change in 'RUN x' 'CMD' 'CMD [1]' 'ENV novalue' 'ENV A=b c' 'LABEL =x'; do
		run img import -c "$change" "$T/tree.tar" bad:1
		echo "$change: $output"
		[ "$status" -eq 1 ]
		[[ $output == "kist: cannot import "*"--change \"$change\""* ]]
	done
	printf 'no tar at all, nothing of that kind' | img import - bad:1 && return 1
	img import - bad:1 </dev/null && return 1
	[ "$(img ls -q | wc -l)" = 4 ]
	# A folder alone, as of a container that runs: GNU tar unpacks the same; what is mounted in it stays out.
	# On a disk: xattrs of users.
	mkdir "$D/root" "$D/unpacked"
	tar -C "$D/root" --xattrs --xattrs-include='*' -xpf "$T/tree.tar" 2>/dev/null
	mkfifo "$D/root/pipe"
	mount -t tmpfs tmpfs "$D/root/tmp"
	touch "$D/root/tmp/hidden"
	img export --rootfs "$D/root" >"$T/again.tar"
	umount "$D/root/tmp"
	tar -C "$D/unpacked" --xattrs --xattrs-include='*' -xpf "$T/again.tar" 2>/dev/null
	[ "$(ls -A "$D/unpacked/tmp")" = "" ]
	rm "$D/root/tmp/put"
	list() { (cd "$1" && find . ! -type d -printf '%p %y %m %U %G %s %T@ %l %n\n' | sort && find . -type f -exec sha256sum {} + | sort &&
		getfattr -R -h -d -m '^(user|security)' -e hex . 2>/dev/null) || true; }
	diff <(list "$D/root") <(list "$D/unpacked")
	[ "$(stat -c %b "$D/unpacked/sparse")" -lt 100 ]
	# an export that is cut off is no file, and says so
	(ulimit -f 100; img export -o "$T/cut.tar" everything:1.0) && return 1
	[ ! -e "$T/cut.tar" ]
}

@test "ls: by name, whole digests; inspect: the very bytes; an image's words can't steer a terminal" {
	PYTHONPATH=$LIB python3 - "$D/i" <<-'END'
		import sys
		from ociimage import Layout, Tar
		layout = Layout(sys.argv[1])
		def change(c):
		    c["created"] = "\x1b[31mlong ago"
		for name in ("one:1", "one:2", "example.org/team/one:3"):
		    layout.image([(Tar().add(name.replace("/", "-")).bytes(), "gzip")], ref=name, change_config=change)
		layout.write()
	END
	img load -q "$D/i" >/dev/null
	[ "$(img ls --json one | jq -r '.[].reference' | tr '\n' ' ')" = "docker.io/library/one:1 docker.io/library/one:2 " ]
	[ "$(img ls -q one:2 | wc -l)" = 1 ]
	[ "$(img ls --json example.org/team/one | jq length)" = 1 ]
	[ "$(img ls -q on | wc -l)" = 0 ]
	run img ls --digests one:1
	echo "$output"
	digest=$(img ls -q one:1)
	[[ ${lines[1]} == "one:1 "*"$digest "* && $output != *$'\x1b'* ]]
	[ "sha256:$(img inspect --raw one:1 | sha256sum | cut -d' ' -f1)" = "$digest" ]
	[ "$(img inspect one:1 | jq -r .manifest.config.digest)" = "sha256:$(img inspect --raw --config one:1 | sha256sum | cut -d' ' -f1)" ]
	[ "$(img inspect --config one:1 | jq -r .os)" = linux ]
	run img inspect --tag x one:1
	[ "$status" -eq 2 ]
	[[ $output == *"that option is not for inspect"* ]]
}

@test "ls --filter, ls and inspect --format: docker's words, or a refusal that says which there are" {
	local name
	tar -C "$FIXTURES/busybox-rootfs" -cf root.tar bin
	for name in 1/old:1 2/mid:2 3/new:3; do
		SOURCE_DATE_EPOCH=${name%%/*}000000000 img import -q --change "LABEL age=${name%%/*}" root.tar "${name#*/}" >/dev/null
	done
	img tag old:1 example.org/team/x:9
	names() { img ls --format '{{.Repository}}:{{.Tag}}' "$@" | sort | paste -sd' '; }
	[ "$(names)" = "example.org/team/x:9 mid:2 new:3 old:1" ]
	[ "$(names --filter 'reference=*d*')" = "mid:2 old:1" ]
	[ "$(names --filter 'reference=example.org/*/x')" = "example.org/team/x:9" ]
	[ "$(names --filter reference=new:3)" = "new:3" ]
	[ "$(names --filter since=old:1)" = "mid:2 new:3" ]
	[ "$(names --filter before=new:3 --filter since=old:1)" = "mid:2" ]
	[ "$(names --filter label=age)" = "$(names)" ]
	[ "$(names --filter label=age=2)" = "mid:2" ]
	[ "$(names --filter 'label!=age=1')" = "mid:2 new:3" ]
	[ -z "$(names --filter dangling=true)" ] && [ "$(names --filter dangling=false)" = "$(names)" ]
	[ "$(img ls --json --filter label=age=3 | jq length)" = 1 ]
	[ "$(img ls --format '{{.ID}}\t{{ json .CreatedAt }}' new)" = "$(img ls -q new | cut -c8-19)"$'\t"2065-01-24T05:20:00Z"' ]
	[ "$(img ls --format json old | jq -r .Tag)" = 1 ]
	[ "$(img inspect --format '{{.config.os}} {{json .config.config.Labels}}' mid:2)" = 'linux {"age":"2"}' ]
	refused() { # WORDS ARG...
		run -1 --separate-stderr img "${@:2}"
		echo "$output$stderr"
		[[ -z $output && $stderr == "kist: "*"$1"*$'\nfix: '* ]]
	}
	refused 'there is no .Nope' ls --format '{{.Nope}}'
	refused '{{range .}} is not known' ls --format '{{range .}}'
	refused '{{.ID}} is not known' ls --format '{{.ID'
	refused '"table" is not known' ls --format 'table {{.ID}}'
	refused '--format says all' ls --json --format '{{.ID}}'
	refused '--filter size=3 is not known' ls --filter size=3
	refused 'no such image: nope' ls --filter before=nope
	refused 'goes with the whole object' inspect --raw --format '{{.digest}}' old:1
}
