# What a container sees of mounts, devices, masks and ids; and that the host sees none of it.

load ns_helper

setup() { ns_setup; }
teardown() { ns_teardown; }

@test "default mounts are there, in order, with their flags" {
	inside 'cut() { :; }; while read -r _ _ _ root at flags _; do echo "$root $at $flags"; done < /proc/self/mountinfo'
	[ "$status" -eq 0 ]
	[ "${#lines[@]}" -ge 12 ]
	[[ "${lines[0]}" == *"/rootfs / ro,"* ]]
	[[ "${lines[1]}" == "/ /proc rw,relatime" ]]
	[[ "${lines[2]}" == "/ /dev rw,nosuid" ]]
	[[ "${lines[3]}" == "/ /dev/pts rw,nosuid,noexec,relatime" ]]
	[[ "${lines[4]}" == "/ /dev/shm rw,nosuid,nodev,noexec,relatime" ]]
	[[ "${lines[5]}" == "/ /dev/mqueue rw,nosuid,nodev,noexec,relatime" ]]
	[[ "${lines[6]}" == "/ /sys ro,nosuid,nodev,noexec,relatime" ]]
	[[ "${lines[7]}" == "/ /sys/fs/cgroup ro,nosuid,nodev,noexec,relatime" ]]
}

@test "nothing of the host's tree is left above the root" {
	for options in "" --no-pivot; do
		NS_OPTIONS=($options)
		touch "$BATS_TEST_TMPDIR/outside"
		inside 'ls -a /.. && ls -a /../../..'
		[ "$status" -eq 0 ]
		[[ "$output" == *bin* ]]
		[[ "$output" != *etc* ]]
		[[ "$output" != *usr* ]]
	done
}

@test "root read-only, /dev writable" {
	inside 'touch /x; echo $?; touch /dev/x; echo $?'
	[[ "${lines[-2]}" == 1 ]]
	[[ "${lines[-1]}" == 0 ]]
	[ ! -e "$R/x" ]
}

@test "new namespaces differ from the host's, others are the host's" {
	edit "drop('network')"
	inside 'for n in pid net ipc uts mnt cgroup user; do echo $n $(readlink /proc/self/ns/$n); done'
	[ "$status" -eq 0 ]
	for n in pid ipc uts mnt cgroup; do
		! grep -qF "$n $(readlink /proc/self/ns/$n)" <<< "$output"
	done
	for n in net user; do
		grep -qF "$n $(readlink /proc/self/ns/$n)" <<< "$output"
	done
}

@test "host name and domain name, and the host keeps its own" {
	was="$(cat /proc/sys/kernel/hostname)"
	edit "c['hostname'] = 'inner-name'; c['domainname'] = 'inner.domain'"
	inside 'cat /proc/sys/kernel/hostname /proc/sys/kernel/domainname'
	[ "${lines[0]}" = inner-name ]
	[ "${lines[1]}" = inner.domain ]
	[ "$(cat /proc/sys/kernel/hostname)" = "$was" ]
}

@test "the payload is pid 1, with only 0, 1, 2 open and its own session" {
	inside 'echo $$; ls /proc/1/fd; read -r _ _ _ ppid pgrp session _ < /proc/1/stat; echo $ppid $pgrp $session'
	[ "${lines[*]}" = "1 0 1 2 0 1 1" ]
}

@test "devices are the real ones, with mode and links" {
	inside 'for d in null zero full random urandom tty; do stat -c "%n %F %a %t %T %u %g" /dev/$d; done
		for l in fd stdin stdout stderr ptmx; do readlink /dev/$l; done; echo > /dev/null && echo ok'
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = "/dev/null character special file 666 1 3 0 0" ]
	[ "${lines[1]}" = "/dev/zero character special file 666 1 5 0 0" ]
	[ "${lines[2]}" = "/dev/full character special file 666 1 7 0 0" ]
	[ "${lines[3]}" = "/dev/random character special file 666 1 8 0 0" ]
	[ "${lines[4]}" = "/dev/urandom character special file 666 1 9 0 0" ]
	[ "${lines[5]}" = "/dev/tty character special file 666 5 0 0 0" ]
	[ "${lines[6]} ${lines[7]} ${lines[10]}" = "/proc/self/fd /proc/self/fd/0 pts/ptmx" ]
	[ "${lines[11]}" = ok ]
}

@test "devices of the config: nested, fifo, owner, mode, replacing a standard one" {
	edit "L['devices'] = [
		{'path': '/dev/sub/dir/fuse', 'type': 'c', 'major': 10, 'minor': 229, 'fileMode': 0o640, 'uid': 3, 'gid': 4},
		{'path': '/dev/pipe', 'type': 'p', 'fileMode': 0o600},
		{'path': '/node', 'type': 'b', 'major': 7, 'minor': 200},
		{'path': '/dev/null', 'type': 'c', 'major': 1, 'minor': 3, 'fileMode': 0o600}]"
	inside 'for d in /dev/sub/dir/fuse /dev/pipe /node /dev/null; do stat -c "%n %F %a %t %T %u %g" $d; done'
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = "/dev/sub/dir/fuse character special file 640 a e5 3 4" ]
	[ "${lines[1]}" = "/dev/pipe fifo 600 0 0 0 0" ]
	[ "${lines[2]}" = "/node block special file 666 7 c8 0 0" ]
	[ "${lines[3]}" = "/dev/null character special file 600 1 3 0 0" ]
}

@test "a /dev of the image with something else as null is refused" {
	edit "c['mounts'] = [m for m in c['mounts'] if not m['destination'].startswith('/dev')]"
	mkdir "$R/dev"
	touch "$R/dev/null"
	inside 'echo never'
	[ "$status" -eq 99 ]
	[[ "$output" == *"/dev/null"*"something else"* ]]
	rm "$R/dev/null"
	mknod "$R/dev/null" c 1 5
	inside 'echo never'
	[ "$status" -eq 99 ]
	[[ "$output" == *"/dev/null"*"something else"* ]]
	rm "$R/dev/null"
	mknod "$R/dev/null" b 1 3
	inside 'echo never'
	[ "$status" -eq 99 ]
}

@test "masked files are /dev/null, masked folders empty and read-only, absent ones skipped" {
	mkdir -p "$R/secret-dir" "$R/bin"
	echo x > "$R/secret-dir/a"
	echo x > "$R/secret"
	edit "L['maskedPaths'] += ['/secret', '/secret-dir', '/absent', '/secret/below']"
	inside 'cat /secret; ls -A /secret-dir; ls -A /proc/scsi /sys/firmware; touch /secret-dir/x; stat -c "%F %t %T" /secret; echo x > /secret; echo end'
	[[ "${lines[0]}" == "/proc/scsi:" || "${lines[0]}" == "ls: /proc/scsi"* ]]
	[[ "$output" == *"touch: /secret-dir/x: Read-only"* ]]
	[[ "$output" == *"character special file 1 3"* ]]
	[ "${lines[-1]}" = end ]
	[ "$(cat "$R/secret")" = x ]
}

@test "read-only paths refuse writes; /proc/sys with them" {
	mkdir -p "$R/keep/sub"
	edit "c['root']['readonly'] = False; L['readonlyPaths'] += ['/keep', '/absent']"
	inside 'touch /keep/sub/x; echo $?; echo 1 > /proc/sys/kernel/core_pattern; echo $?; echo b > /proc/sysrq-trigger; echo $?; touch /fine; echo $?'
	[ "$(grep -c 'Read-only file system\|can.t create' <<< "$output")" -ge 3 ]
	[ "${lines[-1]}" = 0 ]
	[ -e "$R/fine" ] && [ ! -e "$R/keep/sub/x" ]
}

@test "sysctls land in the container's namespaces, the host's stay" {
	was="$(cat /proc/sys/kernel/shmmax /proc/sys/kernel/msgmax)"
	edit "L['sysctl'] = {'kernel.shmmax': '65536', 'net.ipv4.ip_forward': '1', 'kernel/msgmax': '4096', 'fs.mqueue.msg_max': '17'}"
	inside 'cd /proc/sys; cat kernel/shmmax net/ipv4/ip_forward kernel/msgmax fs/mqueue/msg_max'
	[ "${lines[*]}" = "65536 1 4096 17" ]
	[ "$(cat /proc/sys/kernel/shmmax /proc/sys/kernel/msgmax)" = "$was" ]
}

@test "binds: folder, file, read-only, options seen, target made" {
	mkdir -p "$BATS_TEST_TMPDIR/src/sub"
	echo data > "$BATS_TEST_TMPDIR/src/f"
	echo one > "$B/beside"
	edit "mount('/a/b', '$BATS_TEST_TMPDIR/src', 'rbind', 'ro', 'nosuid', 'nodev', 'noexec', 'noatime', 'nodiratime', 'nosymfollow')
mount('/w', '$BATS_TEST_TMPDIR/src', 'bind')
mount('/etc/one', 'beside', 'bind', 'ro')"
	inside 'cat /a/b/f /etc/one; grep " /a/b " /proc/self/mountinfo; touch /a/b/x; echo $?; echo new > /w/new; echo $?'
	[ "${lines[0]}" = data ] && [ "${lines[1]}" = one ]
	[[ "${lines[2]}" == *" /a/b ro,nosuid,nodev,noexec,noatime,nodiratime"*nosymfollow* ]]
	[ "${lines[-2]}" = 1 ] && [ "${lines[-1]}" = 0 ]
	[ "$(cat "$BATS_TEST_TMPDIR/src/new")" = new ]
}

@test "filesystem options reach the filesystem: size, mode, sync, lazytime, strictatime" {
	edit "mount('/t', 'name', 'size=8192k', 'mode=1750', 'nr_inodes=77', 'lazytime', 'dirsync', 'sync', 'strictatime', 'ro', type='tmpfs')"
	inside 'grep " /t " /proc/self/mountinfo; stat -c %a /t'
	[[ "${lines[0]}" == *" /t ro - tmpfs name rw,sync,dirsync,lazytime,size=8192k,nr_inodes=77,mode=1750"* ]]
	[ "${lines[1]}" = 1750 ]
}

@test "an unknown option is refused in the filesystem's own words" {
	edit "mount('/t', 'name', 'nonsense=1', type='tmpfs')"
	inside 'echo never'
	[ "$status" -eq 99 ]
	[[ "$output" == *"/mounts/7 (/t)"*"nonsense"* ]]
	edit "c['mounts'][-1]['type'] = 'nofs'; c['mounts'][-1]['options'] = []"
	inside 'echo never'
	[[ "$output" == *"/mounts/7 (/t)"*'no filesystem "nofs"'* ]]
}

@test "recursive read-only covers the mounts below, plain read-only does not" {
	edit "mount('/t', 'x', type='tmpfs')
mount('/dev/shm', 'x', 'remount', 'bind', 'ro')
mount('/all', '$BATS_TEST_TMPDIR/tree', 'rbind', 'rro')
mount('/top', '$BATS_TEST_TMPDIR/tree', 'rbind', 'ro')"
	mkdir -p "$BATS_TEST_TMPDIR/tree/sub"
	# The tree's inner mount lives in a namespace of the test's own.
	run unshare -m sh -c "mount -t tmpfs in '$BATS_TEST_TMPDIR/tree/sub' && '$DRIVER' '$B' /bin/sh -c \
		'touch /all/x || echo a; touch /all/sub/x || echo b; touch /top/x || echo c; touch /top/sub/x && echo d; touch /dev/shm/x || echo e'"
	[ "$(grep -x '[a-e]' <<< "$output" | tr -d '\n')" = abcde ]
}

@test "remount changes a filesystem and clears flags again" {
	edit "mount('/t', 'x', 'ro', 'noexec', 'size=4096k', type='tmpfs')
mount('/t', 'x', 'remount', 'rw', 'exec', 'size=8192k', type='tmpfs')"
	inside 'grep " /t " /proc/self/mountinfo'
	[[ "$output" == *" /t rw,relatime - tmpfs x rw,size=8192k"* ]]
}

@test "an overlay mount with options longer than fsconfig takes" {
	long="$BATS_TEST_TMPDIR/$(printf 'd%.0s' {1..200})"
	mkdir -p "$long/l1" "$long/l2" "$BATS_TEST_TMPDIR/u" "$BATS_TEST_TMPDIR/w"
	touch "$long/l1/a" "$long/l2/b"
	mount -t tmpfs >/dev/null
	edit "mount('/o', 'overlay', 'lowerdir=$long/l1:$long/l2', type='overlay')"
	inside 'ls /o'
	[ "$status" -eq 0 ]
	[ "${lines[*]}" = "a b" ]
}

@test "propagation: private by default, as asked otherwise, never to the host" {
	mkdir -p "$BATS_TEST_TMPDIR/s"
	edit "mount('/p', 'x', 'private', type='tmpfs')
mount('/s', 'x', 'shared', type='tmpfs')
mount('/u', 'x', 'unbindable', type='tmpfs')"
	inside 'while read -r _ _ _ _ at _ f _; do echo "$at $f"; done < /proc/self/mountinfo'
	grep -qx '/ -' <<< "$output"
	grep -qx '/p -' <<< "$output"
	grep -qx '/s shared:[0-9]*' <<< "$output"
	grep -qx '/u unbindable' <<< "$output"
	for kind in shared slave private unbindable; do
		edit "L['rootfsPropagation'] = '$kind'"
		inside 'while read -r _ _ _ _ at _ f _; do [ $at = / ] && echo "$f"; done < /proc/self/mountinfo; true'
		[ "$status" -eq 0 ]
		case $kind in
		shared) [[ "$output" == shared:* ]] ;;
		unbindable) [ "$output" = unbindable ] ;;
		slave) [[ "$output" == - || "$output" == master:* ]] ;; # as the host's mount is
		*) [ "$output" = - ] ;;
		esac
	done
}

@test "on a host with shared mounts nothing leaks, and rshared is shared only when root and mount ask" {
	mkdir -p "$BATS_TEST_TMPDIR/src/in"
	edit "mount('/v', '$BATS_TEST_TMPDIR/src', 'rbind', 'rshared'); L['rootfsPropagation'] = 'PROP'"
	for prop in shared slave; do
		sed "s/PROP/$prop/" "$B/config.json" > "$B/c2" && mkdir -p "$B/../b-$prop" &&
			cp "$B/c2" "$B/../b-$prop/config.json" && ln -sfn "$R" "$B/../b-$prop/r"
		sed -i "s|\"path\": \"rootfs\"|\"path\": \"$R\"|" "$B/../b-$prop/config.json"
		# A host of the test's own, whose mounts are shared with nobody else.
		run unshare -m --propagation private sh -c "mount --make-rshared /
			cut -d' ' -f5 /proc/self/mountinfo | sort > '$B/before'
			'$DRIVER' '$BATS_TEST_TMPDIR/b-$prop' /bin/sh -c 'mount -t tmpfs x /v/in && echo mounted'
			cut -d' ' -f5 /proc/self/mountinfo | sort > '$B/after'"
		[[ "$output" == *mounted* ]]
		run diff "$B/before" "$B/after"
		if [ $prop = shared ]; then
			[ "$output" = "$(printf '%s' "$output" | grep "src/in" -B1)" ]
			[[ "$output" == *"> $BATS_TEST_TMPDIR/src/in"* ]]
			[ "$(grep -c '^[<>]' <<< "$output")" -eq 1 ]
		else
			[ -z "$output" ]
		fi
	done
}

@test "a terminal: own pty as 0, 1, 2 and /dev/console, controlling, with a size" {
	NS_OPTIONS=(--terminal)
	inside 'tty; stty size; stat -c "%F %t" /dev/console; echo hello > /dev/console; echo hey > /dev/tty; readlink /proc/self/fd/0'
	[ "$status" -eq 0 ]
	output="${output//$'\r'/}"
	[ "$(sed -n 1p <<< "$output")" = /dev/pts/0 ]
	[ "$(sed -n 2p <<< "$output")" = "24 80" ]
	[ "$(sed -n 3p <<< "$output")" = "character special file 88" ]
	[ "$(sed -n 4p <<< "$output")" = hello ]
	[ "$(sed -n 5p <<< "$output")" = hey ]
	[ "$(sed -n 6p <<< "$output")" = /dev/pts/0 ]
}

@test "time offsets move the container's clocks only" {
	[ -e /proc/self/ns/time ] || skip "no time namespaces"
	edit "L['namespaces'].append({'type': 'time'}); L['timeOffsets'] = {'boottime': {'secs': 1000000, 'nanosecs': 5}}"
	was="$(readlink /proc/self/ns/time_for_children)"
	inside 'cat /proc/uptime; readlink /proc/self/ns/time'
	[ "$status" -eq 0 ]
	[ "${lines[0]%%.*}" -ge 1000000 ]
	[ "${lines[1]}" != "$(readlink /proc/self/ns/time)" ]
	read -r up _ < /proc/uptime
	[ "${up%%.*}" -lt 1000000 ]
	[ "$(readlink /proc/self/ns/time_for_children)" = "$was" ]
}
