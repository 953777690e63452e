# Joining namespaces: by path at birth, and all of a running container's for exec.

load ns_helper

setup() { ns_setup; }
teardown() {
	[ -n "${HOLDER:-}" ] && kill "$HOLDER" 2>/dev/null
	[ -n "${MAIN:-}" ] && kill -9 "$MAIN" 2>/dev/null
	ns_teardown
}

# A process with namespaces of its own; HOLDER is the process in them.
hold() {
	unshare "$@" sleep 1000 &
	HOLDER=$!
	while [ "$(cat /proc/$HOLDER/comm 2>/dev/null)" != sleep ]; do
		kill -0 "$HOLDER" || return 1
	done
}

@test "network, ipc and uts joined by path" {
	hold -n -i -u
	edit "drop('network', 'ipc', 'uts'); del c['hostname']
for kind, file in (('network', 'net'), ('ipc', 'ipc'), ('uts', 'uts')):
    L['namespaces'].append({'type': kind, 'path': '/proc/$HOLDER/ns/' + file})"
	inside 'for n in net ipc uts pid; do readlink /proc/self/ns/$n; done'
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = "$(readlink /proc/$HOLDER/ns/net)" ]
	[ "${lines[1]}" = "$(readlink /proc/$HOLDER/ns/ipc)" ]
	[ "${lines[2]}" = "$(readlink /proc/$HOLDER/ns/uts)" ]
	[ "${lines[3]}" != "$(readlink /proc/self/ns/pid)" ]
}

@test "a joined network namespace with a new user namespace" {
	hold -n
	edit "drop('network'); userns()
L['namespaces'].append({'type': 'network', 'path': '/proc/$HOLDER/ns/net'})"
	rm -rf "$R" && make_root "$R" && chown -R 100000:100000 "$R"
	inside 'readlink /proc/self/ns/net; id -u'
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = "$(readlink /proc/$HOLDER/ns/net)" ]
	[ "${lines[1]}" = 0 ]
}

@test "a joined user namespace with new namespaces that belong to it" {
	hold -U -n --map-root-user
	edit "drop('network'); L['namespaces'] += [{'type': 'user', 'path': '/proc/$HOLDER/ns/user'},
{'type': 'network', 'path': '/proc/$HOLDER/ns/net'}]
c['mounts'] = [m for m in c['mounts'] if m['destination'] != '/dev/pts']"
	inside 'readlink /proc/self/ns/user; readlink /proc/self/ns/net; id -u; hostname other && hostname; ls -d /proc/1 /sys/class'
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = "$(readlink /proc/$HOLDER/ns/user)" ]
	[ "${lines[1]}" = "$(readlink /proc/$HOLDER/ns/net)" ]
	[ "${lines[2]}" = 0 ]
	[ "${lines[3]}" = other ]
}

@test "a pid namespace joined by path: seen from outside, and the host's children stay outside" {
	"$DRIVER" "$B" /bin/sh -c 'echo up; sleep 1000' > "$BATS_TEST_TMPDIR/out" &
	MAIN=$!
	until grep -q up "$BATS_TEST_TMPDIR/out"; do kill -0 $MAIN; done
	inner="$(pgrep -P $MAIN)"
	edit "drop('pid'); L['namespaces'].append({'type': 'pid', 'path': '/proc/$inner/ns/pid'})"
	inside 'readlink /proc/self/ns/pid; [ $$ != 1 ] && echo not-first'
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = "$(readlink /proc/$inner/ns/pid)" ]
	[ "${lines[1]}" = not-first ]
}

@test "time, cgroup, ipc and pid of a running container joined by path; a second of a kind, a mount namespace are refused" {
	[ -e /proc/self/ns/time ] || skip "no time namespaces"
	cp "$B/config.json" "$B/keep"
	edit "L['namespaces'].append({'type': 'time'}); L['timeOffsets'] = {'boottime': {'secs': 1000000}}"
	"$DRIVER" "$B" /bin/sh -c 'echo up; sleep 1000' > "$BATS_TEST_TMPDIR/out" &
	MAIN=$!
	until grep -q up "$BATS_TEST_TMPDIR/out"; do kill -0 $MAIN; done
	inner="$(pgrep -P $MAIN)"
	cp "$B/keep" "$B/config.json"
	edit "drop('pid', 'cgroup', 'ipc')
for kind in ('time', 'cgroup', 'ipc', 'pid'):
    L['namespaces'].append({'type': kind, 'path': '/proc/$inner/ns/' + kind})"
	inside 'for n in time cgroup ipc pid; do readlink /proc/self/ns/$n; done; cut -d. -f1 /proc/uptime'
	[ "$status" -eq 0 ]
	i=0
	for n in time cgroup ipc pid; do
		[ "${lines[$i]}" = "$(readlink /proc/$inner/ns/$n)" ]
		i=$((i + 1))
	done
	[ "${lines[4]}" -ge 1000000 ]
	cp "$B/config.json" "$B/keep"
	edit "L['namespaces'].append({'type': 'time', 'path': '/proc/$inner/ns/time'})"
	inside 'echo never'
	[[ "$output" == *"/linux/namespaces/"*"a second time namespace"* ]]
	cp "$B/keep" "$B/config.json"
	edit "drop('mount'); L['namespaces'].append({'type': 'mount', 'path': '/proc/$inner/ns/mnt'})"
	inside 'echo never'
	[[ "$output" == *"/linux/namespaces/"*"somebody else's mount namespace"* ]]
}

@test "what is no namespace, or another kind, is refused before anything is born" {
	touch "$BATS_TEST_TMPDIR/file"
	edit "drop('network'); L['namespaces'].append({'type': 'network', 'path': '$BATS_TEST_TMPDIR/file'})"
	inside 'echo never'
	[ "$status" -eq 99 ]
	[[ "$output" == *"/linux/namespaces/5"*"no namespace"* ]]
	edit "L['namespaces'][-1]['path'] = '/proc/self/ns/ipc'"
	inside 'echo never'
	[[ "$output" == *"/linux/namespaces/5"*"is a ipc namespace"* ]]
	edit "L['namespaces'][-1]['path'] = '/nowhere'"
	inside 'echo never'
	[[ "$output" == *"/linux/namespaces/5"*"No such file"* ]]
}

@test "exec: all namespaces of a running container, with and without a user namespace" {
	rm -rf "$R" && make_root "$R"
	for userns in no yes; do
		[ $userns = yes ] && { edit "userns()"; chown -R 100000:100000 "$R"; }
		"$DRIVER" "$B" /bin/sh -c 'echo up; sleep 1000' > "$BATS_TEST_TMPDIR/out" &
		MAIN=$!
		until grep -q up "$BATS_TEST_TMPDIR/out"; do kill -0 $MAIN; done
		inner="$(pgrep -P $MAIN)"
		flags=0x6e020000 # pid, net, ipc, uts, mount, cgroup
		[ $userns = yes ] && flags=0x7e020000
		run "$DRIVER" --join "$inner" $flags - /bin/sh -c 'for n in pid net ipc uts mnt cgroup user; do
			readlink /proc/self/ns/$n; done; hostname; id -u; ls /.. ; ls /proc/$$/fd'
		[ "$status" -eq 0 ]
		i=0
		for n in pid net ipc uts mnt cgroup user; do
			[ "${lines[$i]}" = "$(readlink /proc/$inner/ns/$n)" ]
			i=$((i + 1))
		done
		[ "${lines[7]} ${lines[8]}" = "runc 0" ]
		[[ "$output" != *usr* ]]
		run "$DRIVER" --terminal --join "$inner" $flags - /bin/sh -c 'tty'
		[[ "$output" == "/dev/pts/0"* ]]
		kill -9 $MAIN $inner
		wait $MAIN || true
	done
}
