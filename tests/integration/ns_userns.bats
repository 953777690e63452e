# User namespaces: ids, id-mapped mounts, devices bound, and an image's layers as root.

load ns_helper

setup() { ns_setup; }
teardown() { ns_teardown; }

layers() {
	make_root "$BATS_TEST_TMPDIR/l/0"
	mkdir -p "$BATS_TEST_TMPDIR/l/1/etc" "$BATS_TEST_TMPDIR/l/2/etc" "$BATS_TEST_TMPDIR/mnt"
	chmod 700 "$BATS_TEST_TMPDIR/l" "$BATS_TEST_TMPDIR/mnt"
	echo lowest > "$BATS_TEST_TMPDIR/l/1/etc/name"
	echo gone > "$BATS_TEST_TMPDIR/l/1/etc/gone"
	echo top > "$BATS_TEST_TMPDIR/l/2/etc/name"
	mknod "$BATS_TEST_TMPDIR/l/2/etc/gone" c 0 0
	chown 7:8 "$BATS_TEST_TMPDIR/l/2/etc/name"
	L3="$BATS_TEST_TMPDIR/l/2,$BATS_TEST_TMPDIR/l/1,$BATS_TEST_TMPDIR/l/0"
	rm -rf "$R"
}

@test "root inside is not root outside; supplementary groups stay allowed" {
	edit "userns()"
	chown -R 100000:100000 "$R"
	inside 'cat /proc/self/uid_map /proc/self/gid_map /proc/self/setgroups; id -u; touch /dev/shm/f; stat -c %u:%g /dev/shm/f /bin'
	[ "$status" -eq 0 ]
	[ "$(tr -s ' ' <<< "${lines[0]}")" = " 0 100000 65536" ]
	[ "${lines[2]}" = allow ]
	[ "${lines[3]} ${lines[4]} ${lines[5]}" = "0 0:0 0:0" ]
}

@test "bind sources that the container's root cannot reach" {
	edit "userns(); mount('/v', '$BATS_TEST_TMPDIR/deep/src', 'rbind', 'ro')"
	mkdir -p "$BATS_TEST_TMPDIR/deep/src"
	echo data > "$BATS_TEST_TMPDIR/deep/src/f"
	chmod 700 "$BATS_TEST_TMPDIR/deep"
	chown -R 100000:100000 "$R"
	chmod 700 "$B"
	inside 'cat /v/f; touch /v/x; grep " /v " /proc/self/mountinfo'
	[ "${lines[0]}" = data ]
	[[ "$output" == *"Read-only file system"* ]]
	[[ "${lines[-1]}" == *" /v ro,"* ]]
}

@test "id-mapped binds: the container's ids, and maps of their own" {
	mkdir -p "$BATS_TEST_TMPDIR/src"
	touch "$BATS_TEST_TMPDIR/src/f"
	edit "userns(); mount('/own', '$BATS_TEST_TMPDIR/src', 'bind', 'idmap')
mount('/other', '$BATS_TEST_TMPDIR/src', 'rbind', 'ridmap')
c['mounts'][-1]['uidMappings'] = [{'containerID': 0, 'hostID': 100005, 'size': 10}]
c['mounts'][-1]['gidMappings'] = [{'containerID': 0, 'hostID': 100006, 'size': 10}]"
	chown -R 100000:100000 "$R"
	inside 'stat -c %u:%g /own/f /other/f; touch /own/new; stat -c %u /own/new'
	if [[ "$output" == *"cannot be id-mapped"* ]]; then skip "this filesystem cannot be id-mapped"; fi
	[ "$status" -eq 0 ]
	[ "${lines[*]}" = "0:0 5:6 0" ]
	[ "$(stat -c %u "$BATS_TEST_TMPDIR/src/new")" = 0 ]
}

@test "devices that every container has are bound from the host" {
	chown -R 100000:100000 "$R"
	edit "userns(); L['devices'] = [{'path': '/dev/fifo', 'type': 'p'}]"
	inside 'for d in null zero full random urandom tty; do stat -c "%F %t %T" /dev/$d; done; echo x > /dev/null && stat -c %F /dev/fifo'
	[ "$status" -eq 0 ]
	[ "${lines[0]} ${lines[5]}" = "character special file 1 3 character special file 5 0" ]
	[ "${lines[6]}" = fifo ]
	edit "L['devices'] = [{'path': '/dev/full', 'type': 'c', 'major': 1, 'minor': 99}]"
	inside 'stat -c "%t %T" /dev/full'
	[ "$output" = "1 63" ] # made by the host: ns_devices.bats
}

@test "without an own network or cgroup namespace /sys is the host's, read-only" {
	chown -R 100000:100000 "$R"
	edit "userns(); drop('network', 'cgroup'); c['mounts'][-1]['options'] = ['rw']; c['mounts'][-2]['options'] = ['nosuid']"
	inside 'while read -r _ _ _ _ at flags _; do case $at in /sys*) echo $at $flags;; esac; done < /proc/self/mountinfo'
	[ "$status" -eq 0 ]
	grep -q '^/sys ro,nosuid' <<< "$output"
	grep -q '^/sys/fs/cgroup ro' <<< "$output"
	! grep -q ' rw' <<< "$output"
}

@test "layers: merged, whiteout, id-mapped, writes go to the upper one only" {
	layers
	edit "userns(); c['root']['readonly'] = False"
	NS_OPTIONS=(--overlay "$BATS_TEST_TMPDIR/mnt" "$L3")
	inside 'cat /etc/name; ls /etc; stat -c %u:%g / /etc/name /bin/busybox; echo new > /etc/new; echo changed > /etc/name; stat -c %u:%g /etc/new /etc/name; grep " / " /proc/self/mountinfo; ls -a /..'
	[ "$status" -eq 0 ]
	[ "${lines[0]} ${lines[1]}" = "top name" ]
	[ "${lines[2]} ${lines[3]} ${lines[4]}" = "0:0 7:8 0:0" ]
	[ "${lines[5]} ${lines[6]}" = "0:0 7:8" ]
	[[ "${lines[7]}" == *" / / rw,relatime - overlay overlay rw,lowerdir"*"upperdir=upper,workdir=work"* ]]
	[[ "$output" != *usr* ]]
	[ "$(cat "$BATS_TEST_TMPDIR/l/2/etc/name")" = top ]
	[ ! -e "$BATS_TEST_TMPDIR/l/2/etc/new" ]
	[ -z "$(ls -A "$BATS_TEST_TMPDIR/mnt")" ]
}

@test "layers without a user namespace; read-only; a single one; no pivot" {
	layers
	NS_OPTIONS=(--overlay "$BATS_TEST_TMPDIR/mnt" "$L3")
	edit "c['root']['readonly'] = False"
	inside 'cat /etc/name; touch /x && stat -c %u /x'
	[ "${lines[*]}" = "top 0" ]
	for userns in "pass" "userns()"; do
		edit "$userns"
		for one in "$L3" "$BATS_TEST_TMPDIR/l/0"; do
			# Mount points must be in the image when nothing can be written.
			mkdir -p "$BATS_TEST_TMPDIR"/l/0/{proc,dev,sys}
			NS_OPTIONS=(--readonly --overlay "$BATS_TEST_TMPDIR/mnt" "$one")
			inside 'touch /x; echo $?; stat -c %u:%g /bin'
			[ "$status" -eq 0 ]
			[ "${lines[-2]} ${lines[-1]}" = "1 0:0" ]
			NS_OPTIONS+=(--no-pivot)
			inside 'ls -a /..'
			[ "$status" -eq 0 ]
			[[ "$output" == *bin* ]] && [[ "$output" != *usr* ]]
		done
	done
}

@test "two hundred layers; the upper layer's size and inodes are limits" {
	layers
	list=
	for i in $(seq 200); do
		mkdir -p "$BATS_TEST_TMPDIR/l/many$i"
		touch "$BATS_TEST_TMPDIR/l/many$i/f$i"
		list="$BATS_TEST_TMPDIR/l/many$i,$list"
	done
	edit "userns(); c['root']['readonly'] = False"
	NS_OPTIONS=(--overlay "$BATS_TEST_TMPDIR/mnt" "$list$BATS_TEST_TMPDIR/l/0")
	inside 'set -- /f*; echo $#; busybox dd if=/dev/zero of=/big bs=1M count=40 2>&1; busybox du -m /big; i=0; while [ $i -lt 3000 ] && touch /i$i; do i=$((i+1)); done 2>/dev/null; echo $i'
	[ "${lines[0]}" = 200 ]
	[[ "$output" == *"No space left"* ]]
	[ "${lines[-1]}" -lt 1000 ]
}

@test "the host's namespace and directory are as before, also on failure" {
	layers
	edit "userns(); mount('/x', '/nowhere', 'bind')"
	NS_OPTIONS=(--overlay "$BATS_TEST_TMPDIR/mnt" "$L3")
	inside 'echo never'
	[ "$status" -eq 99 ]
	[[ "$output" == *"/mounts/7 (/x)"*"/nowhere"*"No such file"* ]]
	NS_OPTIONS=(--overlay "$BATS_TEST_TMPDIR/mnt" "$BATS_TEST_TMPDIR/l/none")
	inside 'echo never'
	[ "$status" -eq 99 ]
	# Before Linux 6.15 it is a link that leads nowhere.
	[[ "$output" == *"/l"*"No such file"* || "$output" == *"lowerdir=0,"*"No such file"* ]]
	rmdir "$BATS_TEST_TMPDIR/mnt"
}
