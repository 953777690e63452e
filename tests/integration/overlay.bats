#!/usr/bin/env bats
# The root of an image: its layers joined by overlay, in both ways the kernel may want to be told them.
# What runs on a new kernel runs there in the old way, too.

bats_require_minimum_version 1.5.0
load helpers
load runtime

setup() {
	need_root
	kist_setup
	ID=${T##*.}
	DRIVER=${KIST_BUILD:-$TOP/build}/tests/tools/ns_driver
	[ -x "$DRIVER" ] || "$TOP/tests/tools/build.sh" ns_driver
	L=$D/l # on disk: id-mapped layers on tmpfs want a newer kernel than Debian's
}
teardown() { runtime_teardown; }

load_image() { "$KIST" image load -q "$FIXTURES/busybox.tar" >/dev/null; }
# A bundle whose root is that image; the rest of the annotations as jq's object.
image_bundle() {
	mkdir -p "$T/b"
	rm -f "$T/b/config.json"
	"$KIST" spec --bundle "$T/b"
	edit_bundle "$T/b" '.process.terminal = false | .annotations = {"io.kist.image": "busybox"} + '"${1-{\}}"
	cd "$T/b"
}
args() { bundle_args "$T/b" "$@"; }
userns='.linux.namespaces += [{"type": "user"}] | .linux.uidMappings = [{"containerID": 0,
	"hostID": 100000, "size": 65536}] | .linux.gidMappings = .linux.uidMappings'
# As on a kernel that is too old for anything but one page (uname(2) says 2.6).
old() { setarch --uname-2.6 "$@"; }
# In how many ways this kernel can be told.
ways() {
	local major minor
	IFS=.- read -r major minor _ < <(uname -r)
	echo old
	[ $((major * 100 + minor)) -lt 615 ] || echo detached
}

# 200 layers: each with a file and a folder of its own, and its own idea of who is on top. Some remove
# what those below them have, some hide all of a folder.
make_layers() {
	local i
	mkdir -p "$L"/{1..200}/d "$D/mnt"
	for i in {1..200}; do
		echo "$i" >"$L/$i/top"
		echo "$i" >"$L/$i/f$i"
		echo "$i" >"$L/$i/d/of$i"
	done
	for i in 2 64 65 128 200; do
		mknod "$L/$i/f$((i - 1))" c 0 0
	done
	for i in 63 199; do
		setfattr -n trusted.overlay.opaque -v y "$L/$i/d"
	done
	cp -a "$FIXTURES/busybox-rootfs/." "$L/1"
}
layer_list() { # COUNT: top first
	local i list=
	for ((i = $1; i > 0; i--)); do
		list+=$L/$i,
	done
	echo "${list%,}"
}

# What must be seen of N layers, as the container prints it.
expected() {
	local n=$1 i first=1 files= shown=
	for ((i = 1; i <= n; i++)); do
		case $i in 1 | 63 | 64 | 127 | 199) [ $i -ne $n ] || files+=" $i" ;; *) files+=" $i" ;; esac
	done
	[ $n -lt 63 ] || first=63
	[ $n -lt 199 ] || first=199
	for ((i = first; i <= n; i++)); do shown+=" $i"; done
	printf '%s\n' "$n" "${files# }" "${shown# }" "new 0 0"
}

@test "1 to 200 layers: each shows, in order; whiteouts and opaque folders hide what is below them only" {
	need_program setfattr
	make_layers
	image_bundle
	edit_bundle . "$userns | .root.readonly = false"
	for way in $(ways); do
		[ "$way" = old ] && kernel=(--kernel-minor-of-6 1) || kernel=()
		# All of them where both ways are; under emulation the ends, and beyond one byte's worth.
		counts="1 2 63 64 65 128 199 200"
		[ -z "${KIST_IN_VM-}" ] || counts="1 65 200"
		for n in $counts; do
			run "$DRIVER" "${kernel[@]}" --overlay "$D/mnt" "$(layer_list $n)" "$T/b" /bin/sh -c \
				'cat /top; cat /f* | sort -n | xargs; cat /d/* | sort -n | xargs; echo new >/f1; echo $(cat /f1; stat -c %u /top /f1)'
			[ "$status" -eq 0 ] && [ "$output" = "$(expected $n)" ] || { echo "$way $n: $output"; false; }
			[ "$(cat "$L/1/f1")" = 1 ]
			[ -z "$(ls -A "$D/mnt")" ]
		done
	done
}

@test "a kernel that does not know lowerdir+ can't be mistaken for one that does" {
	# What it answers to the new way is no overlay, and an error; Debian's 6.1 takes each key.
	[ "$(ways)" = old ] || skip "this kernel knows it"
	make_layers
	image_bundle
	run "$DRIVER" --kernel-minor-of-6 15 --overlay "$D/mnt" "$L/2,$L/1" "$T/b" /bin/true
	echo "$output"
	[ "$status" -eq 99 ]
	[[ $output == *"fsconfig("*"Invalid argument"* ]]
}

@test "overlay's own xattrs in a layer, had they got there, lead nowhere" {
	need_program setfattr
	load_image
	top=$(jq -r '.manifests[0].annotations."io.kist.chain"[7:]' "$KIST_STORE/index.json")
	top=$KIST_STORE/layers/sha256/$top/diff
	mkdir "$top/shown" "$top/hidden"
	echo own >"$top/shown/own"
	setfattr -n trusted.overlay.redirect -v /etc "$top/shown"
	setfattr -n user.overlay.redirect -v /etc "$top/hidden"
	image_bundle
	args ls -A /shown /hidden
	for way in $(ways); do
		[ "$way" = old ] && by=old || by=
		run $by "$KIST" --root "$ROOT" run "$ID"
		echo "$way: $output"
		# The kernel shows the folder without it, or refuses to look into it.
		[[ $output == */hidden:* ]]
		[[ $output != *os-release* ]]
	done
}

@test "a bundle names an image: run, plan, create; with and without a user namespace, as root's files" {
	load_image
	image_bundle
	for way in $(ways); do
		[ "$way" = old ] && by=old || by=
		for edit in . "$userns"; do
			image_bundle
			edit_bundle . "$edit"
			args sh -c 'stat -c %u:%g / /bin/busybox; touch /x 2>&1; grep " / / " /proc/self/mountinfo; ls -a /..'
			run $by "$KIST" --root "$ROOT" run "$ID"
			echo "$output"
			[ "$status" -eq 0 ]
			[ "${lines[0]} ${lines[1]}" = "0:0 0:0" ]
			[[ ${lines[2]} == *"Read-only file system"* ]]
			[[ ${lines[3]} == *" / / ro"*" - overlay "*redirect_dir=nofollow* ]]
			[ "$edit" = . ] || [[ ${lines[3]} == *" / / ro,nodev"* ]]
			[[ $output != *userxattr* ]]
			run $by "$KIST" plan --format text
			[ "$status" -eq 0 ]
			[ "$way" = old ] || [[ $output == *'"lowerdir+", each of "'*'/diff", "'*'/diff"'* ]]
			[ "$way" != old ] || [[ $output == *'"lowerdir=0:1:2,upperdir=upper,workdir=work,'* ]]
		done
		assert_nothing_left
	done
}

@test "writable: a tmpfs of that size, gone at the end" {
	load_image
	image_bundle '{"io.kist.image.writable": "2m"}'
	edit_bundle . "$userns | .root.readonly = false"
	args sh -c 'echo changed >/etc/os-release; rm /bin/vi 2>/dev/null; dd if=/dev/zero of=/big bs=1M count=4 2>&1; du -k /big'
	run kist run "$ID"
	echo "$output"
	[[ $output == *"No space left on device"* ]]
	[ "$(tail -n 1 <<<"$output" | cut -f1)" -le 2048 ]
	args cat /etc/os-release
	run kist run "$ID"
	[[ $output == *kist-busybox* ]]
	assert_nothing_left
}

@test "what an annotation can't mean is refused: one line, where, a fix" {
	[ -z "${KIST_IN_VM-}" ] || skip "natively: the kernel has no part in it"
	load_image
	image_bundle '{"io.kist.image.writable": "lots"}'
	refused 1 '/annotations/io.kist.image.writable: "lots" is neither a size' kist run "$ID"
	image_bundle '{"io.kist.image.writable": "0"}'
	refused 1 'neither a size' kist run "$ID"
	image_bundle '{"io.kist.image.store": "relative"}'
	refused 1 '/annotations/io.kist.image.store: must be an absolute path' kist run "$ID"
	image_bundle '{"io.kist.image": ""}'
	refused 1 '/annotations/io.kist.image: must not be empty' kist run "$ID"
	image_bundle '{"io.kist.image": "nosuch:image"}'
	refused 1 'no such image' kist run "$ID"
	image_bundle '{"io.kist.image.store": "/nowhere"}'
	edit_bundle . 'del(.annotations["io.kist.image"])'
	refused 1 'has no meaning without io.kist.image' kist run "$ID"
	assert_nothing_left
}

@test "a container that outlives kist keeps its layers in the store, until its delete" {
	load_image
	image_bundle
	args sleep 1000
	detached kist run -d "$ID"
	run "$KIST" image rm busybox
	[ "$status" -eq 1 ]
	[[ $output == *"used by container $ID"* ]]
	run "$KIST" image rm --force busybox
	[ "$status" -eq 0 ]
	[ "$(kist exec "$ID" cat /etc/os-release | head -n 1)" = "$(head -n 1 "$FIXTURES/busybox-rootfs/etc/os-release")" ]
	kist delete --force "$ID"
	[ -z "$(ls -A "$KIST_STORE/containers")" ]
	"$KIST" image prune >/dev/null
	[ -z "$(ls -A "$KIST_STORE/layers/sha256")" ]
	# Of an earlier boot, and its container gone: nobody's.
	load_image
	detached kist run -d "$ID"
	cp "$KIST_STORE"/containers/* "$T/record"
	kist delete --force "$ID"
	jq -c '.boot = "another"' "$T/record" >"$KIST_STORE/containers/0123456789abcdef"
	run "$KIST" image rm busybox
	[ "$status" -eq 0 ]
	[ -z "$(ls -A "$KIST_STORE/containers" "$KIST_STORE/layers/sha256" | grep -v :)" ]
	assert_nothing_left
}

@test "writable: a folder keeps the changes, is one container's at a time, closed to others, and of root's own ids" {
	load_image
	image_bundle '{"io.kist.image.writable": "'"$D/w"'"}'
	edit_bundle . "$userns | .root.readonly = false | .process.capabilities |= map_values([\"CAP_CHOWN\"])"
	for way in $(ways); do
		[ "$way" = old ] && by=old || by=
		args sh -c 'rm -rf /etc; mkdir /etc; echo kept >/etc/kept; echo '"$way"' >/'"$way"'; chown 7:8 /'"$way"
		run -0 $by "$KIST" --root "$ROOT" run "$ID"
		[ "$(ls -A "$D/w" | xargs)" = "ids upper" ]
		args sh -c 'ls /etc; cat /'"$way"'; stat -c %u:%g /'"$way"' /etc'
		run -0 $by "$KIST" --root "$ROOT" run "$ID"
		echo "$output"
		[ "${lines[0]} ${lines[-2]} ${lines[-1]}" = "kept 7:8 0:0" ]
		[[ $output == *$way* ]]
		[ "$(stat -c %u:%g "$D/w/upper/$way" "$D/w/upper/etc" | xargs)" = "100007:100008 100000:100000" ]
	done
	[ "$(stat -c %a "$D/w")" = 700 ]
	# Another container's, until that is deleted; and also after a kill -9.
	args sleep 1000
	detached kist run -d "$ID"
	[ "$(readlink "$D/w/in-use")" = "$ROOT/$ID" ]
	args true
	run --separate-stderr kist run "$ID-2"
	is_one_line 1 "the folder $D/w is in use by container $ID"
	grep -q '^fix: .*delete that one first' <<<"$stderr"
	run --separate-stderr kist job run --id "$ID-3" --writable "$D/w" busybox true
	is_one_line 125 "the ids from|is the start of no range"
	kill -KILL "$(jq .pid "$ROOT/$ID/state.json")"
	kist delete --force "$ID"
	[ "$(ls -A "$D/w" | xargs)" = "ids upper" ]
	# Stale: the state folder is gone, as after a reboot.
	ln -s "$ROOT/nobody" "$D/w/in-use"
	args true
	run -0 kist run "$ID-4"
	[ "$(ls -A "$D/w" | xargs)" = "ids upper" ]
	# Other ids are another container's files; a job takes the ids it had.
	edit_bundle . '.linux.uidMappings[0].hostID = 300000 | .linux.gidMappings[0].hostID = 300000'
	run --separate-stderr kist run "$ID-5"
	is_one_line 1 "the folder $D/w has the changes of a root that is 100000:100000 on the host; this container's is 300000:300000"
	refused 125 "the folder $D/w has the changes of a root that is 100000:100000 on the host|100000 is the start of no range" \
		kist job run --id "$ID" --writable "$D/w" busybox true
	run -0 kist job run --id "$ID" --writable "$D/j" busybox -- sh -c 'echo j >/kept; chmod 600 /kept'
	run -0 kist job run --id "$ID-other" --writable "$D/j" busybox -- sh -c 'stat -c %u:%g / /kept; cat /kept'
	[ "${lines[*]}" = "0:0 0:0 j" ]
	# A setuid file of root's in it must be in nobody's reach.
	chmod 755 "$D/j"
	refused 125 'is open to others' kist job run --id "$ID" --writable "$D/j" busybox true
	grep -q '^fix: .*chmod 700' <<<"$stderr"
	mkdir -m 700 "$D/hers"
	chown 4321 "$D/hers"
	refused 125 'is open to others' kist job run --id "$ID" --writable "$D/hers" busybox true
	ln -s "$D/j" "$D/link"
	chmod 700 "$D/j"
	refused 125 'link: Not a directory' kist job run --id "$ID" --writable "$D/link" busybox true
	refused 125 'No such file' kist job run --id "$ID" --writable "$D/no/such" busybox true
	assert_nothing_left
}

@test "writable: file systems that can't take changes, and limits they can't keep, are refused by name" {
	load_image
	mkdir "$D/lower" "$D/up" "$D/work" "$T/on"
	mount -t overlay -o "lowerdir=$D/lower,upperdir=$D/up,workdir=$D/work" overlay "$T/on"
	refused 125 "the folder $T/on/w is on overlay, which can't take" kist job run --id "$ID" --writable "$T/on/w" busybox true
	umount "$T/on"
	# tmpfs takes them, and keeps no project quota.
	run -0 kist job run --id "$ID" --writable "$T/w" busybox -- sh -c 'echo x >/x; cat /x'
	[ "$output" = x ]
	refused 125 "the folder $T/w2 can't be limited: its file system keeps no project quota" \
		kist job run --id "$ID" --writable "$T/w2:4m" busybox true
	grep -q '^fix: .*prjquota' <<<"$stderr"
	refused 125 'nor both' kist job run --id "$ID" --writable /x:lots busybox true
	assert_nothing_left
}

@test "writable: a folder is limited where its file system keeps project quotas" {
	load_image
	modprobe -q -a quota_v2 loop || true
	truncate -s 64M "$D/disk"
	mkfs.ext4 -q -O quota,project -E quotatype=prjquota "$D/disk"
	mkdir "$D/q"
	mount -o loop,prjquota "$D/disk" "$D/q" || skip "this kernel keeps no project quotas"
	run -0 kist job run --id "$ID" --writable "$D/q/w:4m" busybox -- sh -c '
		dd if=/dev/zero of=/big bs=64k count=256 && echo unlimited
		stat -c %s /big; rm /big; echo again >/kept; cat /kept'
	echo "$output"
	[[ $output != *unlimited* && $output == *"quota exceeded"* && ${lines[-1]} == again ]]
	size=$(grep -xE '[0-9]+' <<<"$output")
	[ "$size" -gt 2000000 ] && [ "$size" -le $((4 << 20)) ]
	# Also for root of the host, and only below the folder.
	image_bundle '{"io.kist.image.writable": "'"$D/q/r:2m"'"}'
	edit_bundle . '.root.readonly = false'
	args sh -c 'dd if=/dev/zero of=/big bs=64k count=256 2>&1; stat -c %s /big'
	run -0 kist run "$ID"
	echo "$output"
	[[ $output == *"quota exceeded"* ]] && [ "${lines[-1]}" -le $((2 << 20)) ]
	dd if=/dev/zero of="$D/q/free" bs=1M count=8
	# What is there already would not count.
	run -0 kist job run --id "$ID" --writable "$D/q/old" busybox true
	refused 125 'has changes from before it was limited' kist job run --id "$ID" --writable "$D/q/old:4m" busybox true
	umount "$D/q"
	assert_nothing_left
}
