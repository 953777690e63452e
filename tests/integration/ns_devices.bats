#!/usr/bin/env bats
# Devices where they are made in other ways: in a user namespace, without CAP_MKNOD, in a /dev that
# was bound in, over a node that is there.

bats_require_minimum_version 1.5.0
load helpers
load runtime

setup() {
	runtime_setup
}
teardown() { runtime_teardown; }

args() { bundle_args "$T/b" "$@"; }
edit() { edit_bundle "$T/b" "$@"; }
userns() {
	edit '.linux.namespaces += [{type: "user"}] | .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 1000}] |
		.linux.gidMappings = .linux.uidMappings'
	chown -R 100000:100000 rootfs
}

@test "devices in a user namespace: mode and owner as asked, the host needs no file of that name" {
	userns
	edit '.linux.devices = [
		{path: "/dev/zero", type: "c", major: 1, minor: 5, fileMode: 384, uid: 3, gid: 4},
		{path: "/dev/sub/other-null", type: "c", major: 1, minor: 3, fileMode: 416, uid: 0, gid: 7},
		{path: "/node", type: "b", major: 7, minor: 200},
		{path: "/dev/pipe", type: "p", fileMode: 384, uid: 3}]'
	args sh -c 'stat -c "%n %F %a %u:%g %t:%T" /dev/zero /dev/sub/other-null /node /dev/pipe
		echo x >/dev/sub/other-null && echo written; echo x >/dev/null && echo too
		grep -c "^[^ ]* [^ ]* [^ ]* [^ ]* / " /proc/self/mountinfo; stat -c "%a %t:%T" /dev/null'
	umask 077
	run -0 kist run $ID
	umask 022
	diff - <(echo "$output") <<-END
		/dev/zero character special file 600 3:4 1:5
		/dev/sub/other-null character special file 640 0:7 1:3
		/node block special file 666 0:0 7:c8
		/dev/pipe fifo 600 3:0 0:0
		written
		too
		1
		666 1:3
	END
	[ "$(stat -c '%a %u' /dev/zero)" = "666 0" ]
	edit '.linux.devices[1].gid = 1000'
	refused 1 '/linux/devices/1/gid: 1000 has no id on the host' kist run $ID
}

@test "devices without CAP_MKNOD: the host's are bound, after a look at what they are" {
	args sh -c 'stat -c "%n %F %t:%T" /dev/null /dev/full; echo x >/dev/null && echo written'
	run -0 setpriv --bounding-set=-mknod "$KIST" --root "$ROOT" run $ID
	[ "${lines[*]}" = "/dev/null character special file 1:3 /dev/full character special file 1:7 written" ]
	edit '.linux.devices = [{path: "/dev/nowhere", type: "c", major: 1, minor: 3}]'
	refused 1 '/linux/devices/0 \(/dev/nowhere\): .*No such file' \
		setpriv --bounding-set=-mknod "$KIST" --root "$ROOT" run $ID
	edit '.linux.devices = [{path: "/dev/full", type: "c", major: 1, minor: 3}]'
	refused 1 '/linux/devices/0 \(/dev/full\): something else than the device c 1:3' \
		setpriv --bounding-set=-mknod "$KIST" --root "$ROOT" run $ID
}

@test "a node that is there gets mode and owner of the config; another device is refused" {
	edit '.mounts |= map(select(.destination | startswith("/dev") | not)) |
		.linux.devices = [{path: "/dev/null", type: "c", major: 1, minor: 3, fileMode: 416, uid: 5, gid: 6}]'
	mkdir -p rootfs/dev
	mknod -m 600 rootfs/dev/null c 1 3
	args stat -c "%a %u:%g %t:%T" /dev/null
	run -0 kist run $ID
	[ "$output" = "640 5:6 1:3" ]
	rm rootfs/dev/null && mknod rootfs/dev/null c 1 5
	refused 1 '/linux/devices/0 \(/dev/null\): something else' kist run $ID
}

@test "a /dev that is bound in: nothing is made in it but a place for the console; other devices are made" {
	mkdir "$T/dev" && mknod -m 666 "$T/dev/null" c 1 3 && mkdir "$T/dev/pts" "$T/dev/shm" "$T/dev/mqueue"
	edit '(.mounts[] | select(.destination == "/dev")) |= {destination, type: "bind", source: $d, options: ["rbind", "ro"]} |
		.linux.devices = [{path: "/dev/zero", type: "c", major: 1, minor: 5}, {path: "/node", type: "c", major: 1, minor: 5}]' \
		--arg d "$T/dev"
	args sh -c 'echo $(ls /dev); stat -c "%t:%T" /node; touch /dev/x || echo read-only; grep -c " /dev/pts .* devpts " /proc/self/mountinfo'
	run -0 kist run $ID
	[ "${lines[*]}" = "mqueue null pts shm 1:5 touch: /dev/x: Read-only file system read-only 1" ]
	[ "$(echo "$(ls "$T/dev")" | tr '\n' ' ')" = "mqueue null pts shm " ]
	edit '.process.terminal = true | (.mounts[] | select(.destination == "/dev")).options = ["rbind"]'
	args sh -c 'tty; echo through >/dev/console; stat -c %t /dev/console'
	run -0 on_a_pty 24x80 "$KIST" --root "$ROOT" run $ID
	output=${output//$'\r'/}
	[ "${output//$'\n'/ }" = "/dev/pts/0 through 88" ]
	[ -f "$T/dev/console" ] && [ ! -s "$T/dev/console" ]
}
