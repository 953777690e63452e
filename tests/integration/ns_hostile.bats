# A hostile image: symlinks where the runtime makes and writes things. A folder of the host that
# they lead to must stay as it is, and the error must say which path is at fault.

load ns_helper

setup() { ns_setup; make_canary; }
teardown() { canary_same && ns_teardown; }

refused() { # PATH-IN-ERROR
	[ "$status" -eq 99 ]
	[[ "$output" == *"$1"* ]]
	[[ "$output" != *never* ]]
}

@test "dev, proc, sys as symlinks to the host: refused, with and without a /dev mount, also in a user namespace" {
	for name in dev proc sys; do
		for target in "$CANARY" / ../../.. ../canary; do
			rm -rf "${R:?}/$name"
			ln -s "$target" "$R/$name"
			inside 'echo never'
			refused "/$name is a symbolic link"
			rm "$R/$name"
		done
	done
	rm -rf "$R/dev"
	ln -s "$CANARY" "$R/dev"
	cp "$B/config.json" "$B/keep"
	edit "c['mounts'] = [m for m in c['mounts'] if not m['destination'].startswith('/dev')]"
	inside 'echo never'
	refused "/dev is a symbolic link"
	edit "c['root']['readonly'] = False; userns()"
	inside 'echo never'
	refused "/dev is a symbolic link"
	NS_OPTIONS=(--terminal)
	inside 'echo never'
	refused "/dev is a symbolic link"
}

@test "dev as a file or a fifo is refused" {
	touch "$R/dev"
	inside 'echo never'
	refused "/dev is not a directory"
	rm "$R/dev"
	mkfifo "$R/dev"
	inside 'echo never'
	refused "/dev is not a directory"
}

@test "dev/pts, dev/shm through the image's symlinks stay in the root" {
	edit "c['mounts'] = [m for m in c['mounts'] if m['destination'] != '/dev']"
	mkdir "$R/dev"
	mkdir -p "$R$CANARY/sub"
	ln -s "$CANARY/sub" "$R/dev/pts"
	ln -s /../../../../.. "$R/dev/shm"
	ln -s "$CANARY/file" "$R/dev/mqueue"
	inside 'echo never'
	[ "$status" -eq 99 ]
	rm "$R/dev/mqueue" "$R/dev/shm"
	inside "grep -c $CANARY/sub /proc/self/mountinfo"
	[ "${lines[-1]}" = 1 ]
}

@test "a null of the image that is a symlink is neither made, masked with, nor followed" {
	edit "c['mounts'] = [m for m in c['mounts'] if not m['destination'].startswith('/dev')]; L['maskedPaths'] = ['/bin/mount']"
	mkdir "$R/dev"
	ln -s "$CANARY/file" "$R/dev/null"
	inside 'echo never'
	refused "/dev/null"
	rm "$R/dev/null"
	ln -s /proc/sysrq-trigger "$R/dev/zero"
	inside 'echo never'
	refused "/dev/zero"
}

@test "a device's folder and an owner change do not follow symlinks out" {
	edit "c['mounts'] = [m for m in c['mounts'] if not m['destination'].startswith('/dev')]
L['devices'] = [{'path': '/dev/sub/x', 'type': 'c', 'major': 1, 'minor': 3, 'uid': 5}, {'path': '/etc/y', 'type': 'p', 'uid': 6}]
c['root']['readonly'] = False"
	mkdir "$R/dev"
	ln -s "$CANARY" "$R/dev/sub"
	ln -s "$CANARY/sub" "$R/etc"
	inside 'echo never'
	# In-root: the links dangle there, and nothing is made through them.
	[ "$status" -eq 99 ]
	canary_same
}

@test "mount destinations through symlinks stay in the root" {
	mkdir -p "$BATS_TEST_TMPDIR/src" "$R$CANARY/sub"
	echo inner > "$BATS_TEST_TMPDIR/src/f"
	ln -s "$CANARY" "$R/etc"
	ln -s ../../../../../.. "$R/up"
	edit "mount('/etc/sub', '$BATS_TEST_TMPDIR/src', 'bind'); mount('/up/made/here', 'x', type='tmpfs')
mount('/../../../dots', 'x', type='tmpfs')"
	inside "cat $CANARY/sub/f; ls -d /made/here /dots"
	[ "$status" -eq 0 ]
	[ "${lines[*]}" = "inner /made/here /dots" ] || [ "${lines[*]}" = "inner /dots /made/here" ]
	[ ! -e /made ]
}

@test "a destination that leads into procfs is refused" {
	ln -s /proc/sys "$R/config"
	mkdir -p "$BATS_TEST_TMPDIR/src"
	edit "mount('/config/kernel', '$BATS_TEST_TMPDIR/src', 'bind')"
	inside 'echo never'
	refused "/config/kernel leads into a procfs"
}

@test "mounts posing as /proc are refused" {
	mkdir -p "$BATS_TEST_TMPDIR/fake/self"
	cp "$B/config.json" "$B/keep"
	edit "mount('/proc', 'x', type='tmpfs')"
	inside 'echo never'
	refused "/mounts/7"
	cp "$B/keep" "$B/config.json"
	edit "c['mounts'][0] = {'destination': '/proc', 'type': 'bind', 'source': '$BATS_TEST_TMPDIR/fake', 'options': ['bind']}"
	inside 'echo never'
	refused "is not on a procfs"
	cp "$B/keep" "$B/config.json"
	edit "mount('/proc/self/attr', '$BATS_TEST_TMPDIR/fake', 'bind')"
	inside 'echo never'
	refused "/mounts/7"
}

@test "masked and read-only paths through symlinks act in the root" {
	mkdir -p "$R$CANARY"
	echo inner > "$R$CANARY/file"
	ln -s "$CANARY/file" "$R/link"
	edit "L['maskedPaths'].append('/link'); L['readonlyPaths'].append('/link')"
	inside "cat $CANARY/file; echo end"
	[ "$output" = end ]
}

@test "a sysctl does not reach a false proc" {
	edit "c['mounts'] = [m for m in c['mounts'] if m['destination'] != '/proc']; L['sysctl'] = {'net.ipv4.ip_forward': '1'}; L['maskedPaths'] = []; L['readonlyPaths'] = []"
	mkdir -p "$R/proc/sys/net/ipv4"
	touch "$R/proc/sys/net/ipv4/ip_forward"
	inside 'echo never'
	refused "/linux/sysctl"
	[ ! -s "$R/proc/sys/net/ipv4/ip_forward" ]
}

@test "a root that is missing, a file, or a symlink is refused by its path" {
	edit "c['root']['path'] = 'nothing'"
	inside 'echo never'
	refused "/root/path ($B/nothing)"
	edit "c['root']['path'] = 'config.json'"
	inside 'echo never'
	refused "Not a directory"
	ln -s "$CANARY" "$B/link"
	edit "c['root']['path'] = 'link'"
	inside 'echo never'
	refused "Not a directory"
}
