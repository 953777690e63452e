#!/usr/bin/env bats
# native only: its witness umoci is not in the test machine, and nothing here depends on the kernel
# kist image bundle: an image's configuration and layers as a bundle, run by kist and by runc.

bats_require_minimum_version 1.5.0
load helpers
load runtime

PEERS=$TOP/build/peers/bin

setup() {
	need_root
	kist_setup
	KIST_IMAGE=${KIST_IMAGE:-${KIST_BUILD:-$TOP/build}/kist-image}
	LIB=$TOP/tests/lib
	need_program python3 zstd
}
teardown() { runtime_teardown; }

img() { "$KIST_IMAGE" "$@"; }

# make_busybox NAME JSON: a layout of busybox with this configuration, and a second layer with users,
# a hostile passwd when NAME says so, and what a volume begins with.
make_busybox() {
	tar -C "$FIXTURES/busybox-rootfs" -cf "$T/busybox.tar" .
	PYTHONPATH=$LIB python3 - "$D/$1" "$T/busybox.tar" "$2" <<-END
		import json, os, sys
		from ociimage import Layout, Tar
		path, low, config = sys.argv[1], open(sys.argv[2], "rb").read(), json.loads(sys.argv[3])
		top = Tar().add("etc/group", b"root:x:0:\napp:x:77:\nwheel:x:5:root,app\nextra:x:6:app\n")
		if path.endswith("hostile"):
		    top.symlink("etc/passwd", "/../../../../../etc/passwd")
		else:
		    top.add("etc/passwd", b"root:x:0:0::/root:/bin/sh\napp:x:1000:77::/home/app:/bin/sh\n")
		top.dir("data", mode=0o1777).add("data/seed", b"seed", uid=1000).dir("home/app", uid=1000)
		def change(c):
		    c.update(config.pop("top", {}))
		layout = Layout(path)
		layout.image([(low, "plain"), (top.bytes(), "gzip")], config, ref=os.path.basename(path) + ":1", change_config=change)
		layout.write()
	END
	img load -q "$D/$1" >/dev/null
}

bundle_value() { jq -cS "$1" "$D/b/config.json"; }

@test "bundle: the tree is what overlayfs shows, attribute by attribute" {
	python3 "$LIB/make-oci-image.py" "$D/i"
	img load -q "$D/i"
	img bundle --user 1:2 everything:1.0 "$D/b" -- true
	[ "$(bundle_value .process.user)" = '{"gid":2,"uid":1}' ]
	lowers=$(python3 "$LIB/check-layers.py" "$KIST_STORE" "$D/i.expect.json")
	[ "$(stat -c %a "$D/b" "$D/b/rootfs" | tr '\n' ' ')" = "700 755 " ]
	run unshare -m bash -euc '
		mkdir -p "$1"
		mount -t overlay overlay -o "ro,lowerdir=$2" "$1"
		list() {
			cd "$1"
			find . ! -type d -printf "%p %y %m %U %G %s %T@ %l %n\n" | sort
			find . -type d -printf "%p %y %m %U %G %T@\n" | sort
			find . -type f -exec sha256sum {} + | sort
			find . \( -type b -o -type c \) -exec stat -c "%n %t:%T" {} + | sort
			getfattr -R -h -d -m "^(user|security|system)" -e hex . 2>/dev/null | grep -v ^system.nfs4 || true
		}
		list "$1" >"$4.overlay"
		list "$3" >"$4.flat"
	' - "$T/merged" "$lowers" "$D/b/rootfs" "$T/tree"
	echo "$output"
	[ "$status" -eq 0 ]
	# The number of names: overlayfs counts those in its layer, of which some may be hidden.
	diff <(sed 's/ [0-9]*$//' "$T/tree.overlay") <(sed 's/ [0-9]*$//' "$T/tree.flat")
	[ "$(stat -c %i "$D/b/rootfs/var/big")" = "$(stat -c %i "$D/b/rootfs/var/big-link")" ]
	# a sparse file of 2 MiB is not written out
	find "$D/b/rootfs" -size +1900k -printf '%k %p\n' | awk '$1 > 1000 && $2 !~ /big/ { exit 1 }'
	img rm -q everything:1.0
}

@test "bundle: the configuration, as conversion.md has it, by kist and by runc" {
	make_busybox full '{"Entrypoint": ["sh", "-c"], "Cmd": ["id -u; id -g; id -G; pwd; echo $A-$HOME; cat /data/seed; stat -f -c %T /data; touch /data/new /tmp/new && echo made"],
		"Env": ["PATH=/bin:/usr/bin", "A=b=c"], "WorkingDir": "/data", "User": "app",
		"Labels": {"org.opencontainers.image.author": "label", "x": "y"}, "StopSignal": "SIGUSR1",
		"ExposedPorts": {"80/tcp": {}, "53/udp": {}}, "Volumes": {"/data": {}}, "Healthcheck": {"Test": ["NONE"]},
		"top": {"author": "me", "variant": "v1", "os.features": ["a", "b"], "os.version": "1"}}'
	img bundle full:1 "$D/b"
	for runtime in "$KIST --root $ROOT" "$PEERS/runc --root $T/runc"; do
		[ -x "${runtime%% *}" ] || continue
		cd "$D/b"
		run --separate-stderr $runtime run "full$$"
		echo "$runtime: $output $stderr"
		[ "$status" -eq 0 ]
		[ "$output" = $'1000\n77\n77 5 6\n/data\nb=c-/home/app\nseedtmpfs\nmade' ]
	done
	[ ! -e "$D/b/rootfs/data/new" ]
	[ -e "$D/b/rootfs/tmp/new" ]
	arch=$(jq -r .arch "$D/b/config.json") && arch=$(img inspect full:1 | jq -r .config.architecture)
	[ "$(bundle_value .annotations)" = "$(jq -cSn --arg arch "$arch" '{"org.opencontainers.image.author": "label",
		"x": "y", "org.opencontainers.image.stopSignal": "SIGUSR1", "org.opencontainers.image.exposedPorts": "80/tcp,53/udp",
		"org.opencontainers.image.os": "linux", "org.opencontainers.image.architecture": $arch,
		"org.opencontainers.image.variant": "v1", "org.opencontainers.image.os.features": "a,b",
		"org.opencontainers.image.os.version": "1", "org.opencontainers.image.created": "2026-01-02T03:04:05Z"}')" ]
	assert_nothing_left
	# -- replaces Cmd, and --tty asks for a terminal
	rm -r "$D/b"
	img bundle --tty full:1 "$D/b" -- "echo other"
	[ "$(bundle_value '[.process.args, .process.terminal]')" = '[["sh","-c","echo other"],true]' ]
	# A folder that begins without a slash is below the root, for a job, too.
	make_busybox rel '{"Cmd": ["pwd"], "WorkingDir": "data"}'
	rm -r "$D/b"
	img bundle rel:1 "$D/b"
	[ "$(bundle_value .process.cwd)" = '"/data"' ]
	run -0 "$KIST" --root "$ROOT" job run rel:1
	[ "$output" = /data ]
}

@test "bundle: as umoci converts it, for a handful of configurations" {
	umoci=$PEERS/umoci
	[ -x "$umoci" ] || skip "no umoci: tests/peers.sh umoci"
	i=0
	for config in '{"Cmd": ["sh"]}' '{"Entrypoint": ["/bin/sh", "-c"], "Cmd": ["true"], "User": "1000:5"}' \
		'{"Cmd": ["sh"], "User": "app:wheel", "WorkingDir": "/home/app", "Env": ["HOME=/x", "B="]}' \
		'{"Cmd": ["sh"], "User": "app", "Labels": {"a": "1", "org.opencontainers.image.os": "mine"}, "StopSignal": "SIGTERM"}' \
		'{"Cmd": ["sh"], "User": "4242", "Env": null, "Labels": null, "ExposedPorts": null, "Volumes": null}'; do
		i=$((i + 1))
		make_busybox "c$i" "$config"
		img bundle "c$i:1" "$D/b"
		"$umoci" unpack --image "$D/c$i:c$i:1" "$D/u" >/dev/null 2>&1 ||
			"$umoci" unpack --image "$D/c$i" "$D/u" >"$T/umoci.log" 2>&1 || { cat "$T/umoci.log"; return 1; }
		hidden='^(PATH|TERM)='
		[[ $config != *HOME* ]] || hidden='^(PATH|TERM|HOME)=' # umoci overrides the image's
		for what in '[.process.args, .process.cwd, .process.user.uid, .process.user.gid, (.process.user.additionalGids // [] | sort)]' \
			'.process.env | map(select(test($hidden) | not)) | sort' '.root.readonly // false'; do
			diff <(jq -c --arg hidden "$hidden" "$what" "$D/b/config.json") <(jq -c --arg hidden "$hidden" "$what" "$D/u/config.json")
		done
		# all that umoci tells is told, but what it tells wrongly or only of itself
		jq -e --slurpfile u "$D/u/config.json" '.annotations as $mine | $u[0].annotations // {} | to_entries
			| map(select(.value != "" and (.key | test("umoci|image.ref.name|image.author|image.os$") | not)))
			| all($mine[.key] == .value)' "$D/b/config.json"
		diff <(cd "$D/b/rootfs" && find . -printf '%p %y %m %U %G %l\n' | sort) <(cd "$D/u/rootfs" && find . -printf '%p %y %m %U %G %l\n' | sort)
		rm -r "$D/b" "$D/u"
	done
}

@test "bundle: a label gives the runtime no orders" {
	mkdir "$D/victim"
	make_busybox orders "$(jq -n --arg d "$D/victim" '{Cmd: ["sh", "-c", "echo own >/file"], Labels: {"io.kist.image": "orders:1",
		"io.kist.image.writable": $d, "run.oci.keep_original_groups": "1", "org.systemd.property.Slice": "x", "plain": "kept"}}')"
	run img bundle orders:1 "$D/b"
	echo "$output"
	[ "$status" -eq 0 ]
	[ "$output" = "kist: warning: 4 labels were left out: runtimes would act upon them, and an image may not say so" ]
	[ "$(bundle_value '.annotations | keys | map(select(startswith("org.opencontainers") | not))')" = '["plain"]' ]
	cd "$D/b"
	kist run "orders$$"
	[ -z "$(ls -A "$D/victim")" ]
	[ -e "$D/b/rootfs/file" ]
}

@test "bundle --overlay: no copy; the layers are joined at each start, and changes kept beside" {
	make_busybox lean '{"Cmd": ["sh", "-c", "id -u; cat /data/seed; echo $((1 + $(cat /count || echo 0))) >/count; cat /count"], "User": "app:wheel", "Env": ["HOME=/"]}'
	img bundle --overlay --user root:wheel lean:1 "$D/b"
	[ "$(bundle_value '[.process.user.uid, .process.user.gid, .annotations["io.kist.image"]]')" = "[0,5,\"$(img ls -q)\"]" ]
	[ -z "$(ls -A "$D/b/rootfs")" ]
	[ "$(du -sk "$D/b" | cut -f1)" -lt 100 ]
	cd "$D/b"
	for n in 1 2; do
		run --separate-stderr kist run "lean$$"
		echo "$output $stderr"
		[ "$status" -eq 0 ]
		[ "$output" = $'0\nseed'"$n" ]
	done
	assert_nothing_left
	# the name may mean another image meanwhile: the bundle is the one it was made of
	img tag lean:1 kept:1
	make_busybox lean '{"Cmd": ["false"]}'
	cd "$D/b"
	kist run "lean$$" | grep -x seed3
}

@test "bundle: refusals leave nothing; a hostile image reads nothing of the host" {
	make_busybox none '{}'
	run img bundle none:1 "$D/b"
	[ "$status" -eq 1 ]
	[[ $output == "kist: cannot make a bundle of none:1: the image names no command"$'\n'"fix: name one: "* ]]
	[ ! -e "$D/b" ]
	mkdir "$D/full" "$D/empty"
	touch "$D/full/x"
	run img bundle none:1 "$D/full" -- sh
	[ "$status" -eq 1 ]
	[[ $output == *"$D/full is not empty"* ]]
	[ "$(ls "$D/full")" = x ]
	run img bundle nothing "$D/empty" -- sh
	[[ $output == *"no such image: nothing"* ]]
	[ -z "$(ls "$D/empty")" ]
	make_busybox hostile '{"Cmd": ["sh"], "User": "root"}'
	run img bundle hostile:1 "$D/empty"
	[ "$status" -eq 1 ]
	[[ $output == *"cannot open the image's /etc/passwd: Too many levels of symbolic links"* ]]
	[ -z "$(ls "$D/empty")" ]
	make_busybox labels '{"Cmd": ["sh"], "Labels": {"a": 5}}'
	run img bundle labels:1 "$D/empty"
	[[ $output == *"/config/Labels/a: must be a string"* ]]
	make_busybox volumes '{"Cmd": ["sh"], "Volumes": {"/a/../../b": {}}}'
	run img bundle volumes:1 "$D/empty"
	[[ $output == *"is no place for a volume"* ]]
	make_busybox nobody '{"Cmd": ["sh"], "User": "nobody-here"}'
	run img bundle nobody:1 "$D/empty"
	[[ $output == *"the image's /etc/passwd has no user \"nobody-here\""* ]]
	[ -z "$(ls "$D/empty")" ]
}

@test "bundle: as a user, with a user namespace; runs by kist" {
	need_program setpriv
	mkdir "$D/u"
	chown 65534:65534 "$D/u"
	chmod 755 "$D"
	as_user() { setpriv --reuid 65534 --regid 65534 --clear-groups env KIST_STORE="$D/u/store" HOME="$D/u" XDG_RUNTIME_DIR="$D/u" "$@"; }
	as_user "$KIST_IMAGE" load -q "$FIXTURES/busybox.tar"
	as_user "$KIST_IMAGE" bundle busybox "$D/u/b" -- sh -c 'id -u; echo out >/file && cat /file'
	[ "$(jq -c .linux.uidMappings "$D/u/b/config.json")" = '[{"containerID":0,"hostID":65534,"size":1}]' ]
	[ "$(find "$D/u/b" ! -uid 65534)" = "" ]
	cd "$D/u/b"
	run as_user "$KIST" --root "$D/u/run" run "user$$"
	echo "$output"
	[ "$status" -eq 0 ]
	[ "$output" = $'0\nout' ]
	# root may ask for the same
	img load -q "$FIXTURES/busybox.tar"
	img bundle --rootless busybox "$D/b"
	[ "$(bundle_value '.linux.namespaces | map(.type) | index("user") != null')" = true ]
}
