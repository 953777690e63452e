#!/usr/bin/env bats
# What the program sees, and what the host sees of it: ids, limits, capabilities, names, paths,
# devices, namespaces, the terminal; and that it cannot write kist's binary.

bats_require_minimum_version 1.5.0
load helpers
load runtime

setup() {
	need_root
	kist_setup
	ID=${T##*.}
	probe_bundle "$T/b"
	cd "$T/b"
}
teardown() { runtime_teardown; }

args() { bundle_args "$PWD" "$@"; }
edit() { edit_bundle "$PWD" "$@"; }
userns='.linux.namespaces += [{"type": "user"}] | .linux.uidMappings =
	[{"containerID": 0, "hostID": 1000000, "size": 65536}] | .linux.gidMappings =
	[{"containerID": 0, "hostID": 2000000, "size": 65536}]'

# Starts it and leaves the pid in $pid, once its program runs.
begin() {
	detached kist run -d "$@" $ID
	pid=$(pid_of $ID)
}

@test "the default: root with three capabilities, no_new_privs, pid 1, nothing inherited" {
	export LEAK=1
	trap '' HUP USR1 TERM # ignored, as nohup and others leave signals
	run kist run $ID
	trap - HUP USR1 TERM
	echo "$output"
	[ "$status" -eq 0 ]
	jq -e '.uid == [0,0,0] and .gid == [0,0,0] and .groups == [] and .pid == 1 and .ppid == 0 and
		.sid == 1 and .NoNewPrivs == 1 and .CapBnd == "0000000020000420" and
		.CapEff == .CapBnd and .CapPrm == .CapBnd and .CapAmb == "0000000000000000" and
		.CapInh == "0000000000000000" and .fds == [0,1,2] and .blocked == [] and
		.ignored == [] and .umask == "0022" and .cwd == "/" and
		.rlimits.RLIMIT_NOFILE == [1024,1024] and .tty == [0,0,0]' <<<"$output"
	jq -e '.env | map(split("=")[0]) | sort == ["HOME","PATH","TERM"]' <<<"$output"
}

@test "user, groups, umask, cwd, environment" {
	edit '.process.user = {"uid": 1000, "gid": 1001, "umask": 63, "additionalGids": [5, 77]} |
		.process.cwd = "/home/user" | .process.env = ["A=1", "B=two words", "A=3", "PATH=/bin"]'
	run kist run $ID
	echo "$output"
	jq -e '.uid == [1000,1000,1000] and .gid == [1001,1001,1001] and
		(.groups | sort) == [5,77] and .umask == "0077" and .cwd == "/home/user" and
		(.env | sort) == ["A=3","B=two words","HOME=/home/user","PATH=/bin"] and
		.CapEff == "0000000000000000" and .CapPrm == "0000000000000000" and
		.CapBnd == "0000000020000420"' <<<"$output"
}

@test "the same from the host: /proc/PID of the container" {
	edit '.process.user = {"uid": 1000, "gid": 1001, "umask": 7, "additionalGids": [5]} |
		.process.oomScoreAdj = 321 | .process.cwd = "/tmp" | .process.rlimits =
		[{"type": "RLIMIT_NOFILE", "soft": 99, "hard": 111},
		 {"type": "RLIMIT_CORE", "soft": 0, "hard": 987654321},
		 {"type": "RLIMIT_NPROC", "soft": 50, "hard": 60}]'
	args sleep 1000
	# "No limit"; jq would round it.
	sed -i 's/987654321/18446744073709551615/' config.json
	begin
	[ "$(proc_status "$pid" Uid | xargs)" = "1000 1000 1000 1000" ]
	[ "$(proc_status "$pid" Gid | xargs)" = "1001 1001 1001 1001" ]
	[ "$(proc_status "$pid" Groups | xargs)" = 5 ]
	[ "$(proc_status "$pid" Umask)" = 0007 ]
	[ "$(proc_status "$pid" NoNewPrivs)" = 1 ]
	[ "$(cat "/proc/$pid/oom_score_adj")" = 321 ]
	[ "$(readlink "/proc/$pid/cwd")" = /tmp ]
	limits=$(cat "/proc/$pid/limits")
	[[ $limits =~ Max\ open\ files\ +99\ +111\  ]]
	[[ $limits =~ Max\ core\ file\ size\ +0\ +unlimited\  ]]
	[[ $limits =~ Max\ processes\ +50\ +60\  ]]
	# No fd of the host but stdio, and none of a directory.
	[ "$(ls "/proc/$pid/fd" | xargs)" = "0 1 2" ]
	kist delete --force $ID
}

@test "capabilities: five sets, as asked for; ambient ones reach a user that is not root" {
	edit '.process.user = {"uid": 1000, "gid": 1000} | .process.noNewPrivileges = false |
		.process.capabilities = {
		"bounding": ["CAP_NET_RAW", "CAP_CHOWN", "CAP_KILL"], "permitted": ["CAP_NET_RAW", "CAP_CHOWN"],
		"effective": ["CAP_NET_RAW"], "inheritable": ["CAP_NET_RAW", "CAP_CHOWN"],
		"ambient": ["CAP_NET_RAW"]}'
	run kist run $ID
	echo "$output"
	# execve computes them anew: permitted is what is ambient (capabilities(7)).
	jq -e '.CapBnd == "0000000000002021" and .CapInh == "0000000000002001" and
		.CapAmb == "0000000000002000" and .CapPrm == .CapAmb and .CapEff == .CapAmb and
		.NoNewPrivs == 0' <<<"$output"
	edit 'del(.process.capabilities) | .process.user = {"uid": 0, "gid": 0}'
	run kist run $ID
	jq -e '[.CapBnd, .CapInh, .CapAmb, .CapPrm, .CapEff] | unique == ["0000000000000000"]' \
		<<<"$output"
}

@test "seven new namespaces, none of the host's; with user, eight" {
	args sleep 1000
	begin
	for name in mnt pid net ipc uts cgroup; do
		[ "$(readlink "/proc/$pid/ns/$name")" != "$(readlink "/proc/self/ns/$name")" ]
	done
	[ "$(readlink "/proc/$pid/ns/user")" = "$(readlink /proc/self/ns/user)" ]
	kist delete --force $ID
	edit "$userns"
	begin
	for name in mnt pid net ipc uts cgroup user; do
		[ "$(readlink "/proc/$pid/ns/$name")" != "$(readlink "/proc/self/ns/$name")" ]
	done
	kist delete --force $ID
	edit '.linux.namespaces |= map(select(.type | IN("mount", "uts"))) | del(.linux.uidMappings) |
		del(.linux.gidMappings) | .mounts |= map(select(.type != "sysfs" and .type != "cgroup"))'
	begin
	for name in pid net ipc cgroup user; do
		[ "$(readlink "/proc/$pid/ns/$name")" = "$(readlink "/proc/self/ns/$name")" ]
	done
	kist delete --force $ID
}

@test "a namespace by path is joined" {
	args sleep 1000
	begin
	edit '.linux.namespaces |= map(if .type == "network" then .path = $net
		elif .type == "pid" then .path = $pid else . end)' \
		--arg net "/proc/$pid/ns/net" --arg pid "/proc/$pid/ns/pid"
	args /bin/probe
	run kist run second
	[ "$(jq -r .namespaces.net <<<"$output")" = "$(readlink "/proc/$pid/ns/net")" ]
	[ "$(jq -r .namespaces.pid <<<"$output")" = "$(readlink "/proc/$pid/ns/pid")" ]
	[ "$(jq -r .namespaces.mnt <<<"$output")" != "$(readlink "/proc/$pid/ns/mnt")" ]
	[ "$(jq -r .pid <<<"$output")" -gt 1 ]
	kist delete --force $ID
	edit '.linux.namespaces |= map(if .type == "network" then .path = "/etc/passwd"
		elif .type == "pid" then del(.path) else . end)'
	refused 1 '/linux/namespaces/1' kist run $ID
}

@test "a user namespace: maps, an unprivileged host id, root inside, and no second exec of kist" {
	edit "$userns"
	detached kist create $ID
	pid=$(pid_of $ID)
	[ "$(tr -s ' ' <"/proc/$pid/uid_map" | xargs)" = "0 1000000 65536" ]
	[ "$(tr -s ' ' <"/proc/$pid/gid_map" | xargs)" = "0 2000000 65536" ]
	[ "$(proc_status "$pid" Uid | xargs)" = "1000000 1000000 1000000 1000000" ]
	[ "$(proc_status "$pid" Gid | xargs)" = "2000000 2000000 2000000 2000000" ]
	# The process that waits is kist's own file, which uid 1000000 cannot write.
	[ "$(readlink "/proc/$pid/exe")" = "$(realpath "$KIST")" ]
	kist delete --force $ID
	run kist run $ID
	jq -e '.uid == [0,0,0] and .gid == [0,0,0] and .CapEff == "0000000020000420"' <<<"$output"
}

@test "without a user namespace the process that waits is a sealed memfd" {
	# One that nobody else runs: of a program that runs the kernel says so first (ETXTBSY).
	cp "$KIST" "$T/kist"
	KIST=$T/kist
	detached kist create $ID
	pid=$(pid_of $ID)
	[[ $(readlink "/proc/$pid/exe") == "/memfd:"* ]]
	python3 - "$pid" <<-'END'
		import fcntl, sys
		fd = open(f"/proc/{sys.argv[1]}/exe", "rb")
		seals = fcntl.fcntl(fd, 1034)          # F_GET_SEALS
		assert seals & 0x17 == 0x17, seals     # SEAL, SHRINK, GROW, FUTURE_WRITE
		try:
		    open(f"/proc/{sys.argv[1]}/exe", "r+b").write(b"x")
		except OSError as e:
		    print(e)
		else:
		    raise SystemExit("it was written")
	END
	# Nothing of kist's is in it, and what is mapped of its file is read-only for everybody.
	[ "$(stat -L -c %s "/proc/$pid/exe")" = 0 ] || [ -n "${KIST_SANITIZED-}" ]
	mapped=0
	for place in /proc/"$pid"/map_files/*; do
		[ "$place" -ef "$KIST" ] || continue
		mapped=$((mapped + 1))
		(: >>"$place") 2>"$T/err" && false
		grep -q 'Read-only file system' "$T/err"
	done
	[ $mapped -gt 0 ] || [ -n "${KIST_SANITIZED-}" ]
	kist delete --force $ID
}

@test "where kist may not let go of its file, it runs from a sealed copy" {
	refuse=$TOP/build/tools/refuse
	[ -x "$refuse" ] || "$TOP/tests/tools/build.sh" refuse
	detached "$refuse" EPERM mremap "$KIST" --root "$ROOT" create $ID
	pid=$(pid_of $ID)
	[[ $(readlink "/proc/$pid/exe") == "/memfd:kist"* ]]
	cmp "$KIST" "/proc/$pid/exe"
	(: >>"/proc/$pid/exe") 2>"$T/err" && false
	[ -s "$T/err" ]
	none grep -F "$(realpath "$KIST")" "/proc/$pid/maps"
	kist start $ID
	kist delete --force $ID
}

@test "the container cannot write kist's binary through /proc/self/exe or /proc/PID/exe" {
	before=$(sha256sum "$KIST" && stat -c '%Y %s %i' "$KIST")
	# The attack: while kist is the process, everything there is opened for writing.
	cp "$PROBE" rootfs/bin/probe
	edit '.process.capabilities |= map_values(["CAP_DAC_OVERRIDE", "CAP_SYS_PTRACE"]) |
		.root.readonly = false | .process.noNewPrivileges = false'
	args sh -c 'i=0; while [ $i -lt 300 ]; do i=$((i+1)); for p in /proc/[0-9]*/exe; do
		(: >>"$p") 2>/dev/null && echo "wrote $p $(readlink "$p")" >>/written; done; done'
	detached kist run -d $ID
	pid=$(pid_of $ID)
	for _ in 1 2 3 4 5; do
		kist exec $ID true || true
	done
	wait_until 60 is_dead "$pid"
	# What it could open are programs of its own root, of which busybox is busy: ETXTBSY.
	[ ! -e rootfs/written ] || { cat rootfs/written; false; }
	kist delete $ID
	# And as its own entry point: the interpreter is whatever /proc/self/exe is then.
	printf '#!/proc/self/exe\n' >rootfs/bin/attack
	chmod +x rootfs/bin/attack
	args /bin/attack
	run kist run $ID
	[ "$status" -ne 0 ]
	args /proc/self/exe run other
	run kist run $ID
	[ "$status" -ne 0 ]
	[ "$(sha256sum "$KIST" && stat -c '%Y %s %i' "$KIST")" = "$before" ]
	assert_nothing_left
}

@test "host name, domain name, and both the host's own unchanged" {
	before=$(hostname)
	edit '.hostname = "inside" | .domainname = "example.org"'
	args sh -c 'hostname; cat /proc/sys/kernel/domainname'
	run kist run $ID
	[ "${lines[0]}" = inside ]
	[ "${lines[1]}" = example.org ]
	[ "$(hostname)" = "$before" ]
}

@test "masked paths are empty, read-only ones refuse to be written" {
	edit '.root.readonly = false | .process.capabilities |= map_values(["CAP_DAC_OVERRIDE"]) |
		.linux.maskedPaths += ["/etc/passwd", "/home", "/absent"] |
		.linux.readonlyPaths += ["/var"]'
	args sh -c 'cat /etc/passwd | wc -c; ls -A /home | wc -l; cat /proc/keys | wc -c
		echo x 2>/dev/null >/proc/sys/kernel/hostname && echo wrote
		echo b 2>/dev/null >/proc/sysrq-trigger && echo wrote
		touch /var/x 2>/dev/null && echo wrote; touch /home/x 2>/dev/null && echo wrote
		touch /tmp/free && echo free'
	run kist run $ID
	echo "$output"
	[ "$(xargs <<<"$output")" = "0 0 0 free" ]
}

@test "a working directory that is not there is made, also under a read-only root" {
	edit '.process.cwd = "/not/yet" | .root.readonly = true'
	args sh -c 'pwd; stat -c "%a %u" .; touch x'
	run --separate-stderr kist run $ID
	[ "$status" -eq 1 ] && grep -q 'Read-only file system' <<<"$stderr"
	[ "$output" = $'/not/yet\n755 0' ]
}

@test "a read-only root; mounts with their options, seen from the host" {
	mkdir "$T/data"
	echo content >"$T/data/file"
	edit '.mounts += [
		{"destination": "/data", "type": "bind", "source": $data, "options": ["rbind", "ro", "nosuid"]},
		{"destination": "/new/deep", "type": "tmpfs", "source": "tmpfs", "options": ["size=64k", "noexec"]}]' \
		--arg data "$T/data"
	mkdir -p rootfs/data rootfs/new/deep
	args sh -c 'cat /data/file; touch /data/x 2>&1; touch /x 2>&1; touch /new/deep/x && echo tmpfs; sleep 1000'
	detached kist run -d $ID
	pid=$(pid_of $ID)
	wait_until 10 grep -q tmpfs "$T/detached.out"
	grep -q content "$T/detached.out"
	[ "$(grep -c 'Read-only file system' "$T/detached.out")" -eq 2 ]
	awk '$5 == "/" { print $6 }' "/proc/$pid/mountinfo" | grep -q '^ro\b'
	awk '$5 == "/data" { print $6 }' "/proc/$pid/mountinfo" | grep -q '^ro,nosuid'
	awk '$5 == "/new/deep" { print $6, $NF }' "/proc/$pid/mountinfo" | grep -q 'noexec.* .*size=64k'
	# Nothing of the host's mounts is left in there.
	[ "$(awk '{ print $5 }' "/proc/$pid/mountinfo" | grep -c "$T")" -eq 0 ]
	[ ! -e "$T/data/x" ]
	kist delete --force $ID
}

@test "devices: the six and those asked for; others refused by the cgroup's filter" {
	# On disk: a tmpfs may be mounted nodev, and then it is not the filter that refuses.
	cp -a "$T/b" "$D/b"
	cd "$D/b"
	edit '.process.capabilities |= map_values(["CAP_MKNOD", "CAP_DAC_OVERRIDE", "CAP_SYSLOG"]) |
		.root.readonly = false |
		.linux.devices = [{"path": "/dev/dice", "type": "c", "major": 1, "minor": 8,
			"fileMode": 384, "uid": 7, "gid": 8}] |
		.linux.resources.devices = [{"allow": false, "access": "rwm"},
			{"allow": true, "type": "c", "major": 1, "minor": 8, "access": "rw"}]'
	args sh -c 'stat -c "%F %t %T %a %u %g" /dev/dice; head -c 4 /dev/urandom | wc -c
		echo >/dev/null && echo null; head -c 2 /dev/zero | wc -c
		mknod /tmp/block b 7 0 && mknod /tmp/mem c 1 1 && mknod /tmp/fifo p && echo made
		cat /tmp/block /tmp/mem /kmsg 2>&1'
	mknod rootfs/kmsg c 1 11
	run kist run $ID
	echo "$output"
	[ "${lines[0]}" = "character special file 1 8 600 7 8" ]
	[ "${lines[1]}" = 4 ]
	[ "${lines[2]}" = null ]
	[ "${lines[3]}" = 2 ]
	# Nodes may be made, as under runc; what counts is that none of them opens.
	[ "${lines[4]}" = made ]
	[ "$(grep -c 'Operation not permitted' <<<"$output")" -eq 3 ]
	# Allowed by name it opens: the refusal was the filter's.
	edit '.linux.resources.devices += [{"allow": true, "type": "c", "major": 1, "minor": 11,
		"access": "r"}]'
	args sh -c 'exec 4</kmsg && echo opened'
	run kist run $ID
	[ "$output" = opened ]
}

@test "seccomp: an errno of choice, a kill, and the state in /proc" {
	edit '.linux.seccomp = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
		{"names": ["sethostname"], "action": "SCMP_ACT_ERRNO", "errnoRet": 42},
		{"names": ["syslog"], "action": "SCMP_ACT_KILL_PROCESS"}]}'
	args /bin/probe try sethostname syslog getpid
	run kist run $ID
	echo "$output"
	[ "$(jq -r 'select(.name == "sethostname").native' <<<"$output")" = ENOMSG ]
	[ "$(jq -r 'select(.name == "syslog").native' <<<"$output")" = SIGSYS ]
	[ "$(jq -r 'select(.name == "getpid").native' <<<"$output")" = OK ]
	args sleep 1000
	begin
	[ "$(proc_status "$pid" Seccomp)" = 2 ]
	kist delete --force $ID
	# Without no_new_privs, as another user, too.
	edit '.process.noNewPrivileges = false | .process.user = {"uid": 1000, "gid": 1000}'
	args /bin/probe
	run kist run $ID
	jq -e '.Seccomp == 2 and .NoNewPrivs == 0 and .CapEff == "0000000000000000"' <<<"$output"
}

@test "a terminal: run with a pty of the caller's" {
	edit '.process.terminal = true'
	args sh -c 'tty; stty size; test -t 0 && test -t 1 && test -t 2 && echo all; read line; echo "got $line"'
	run on_a_pty 33x99 -s all hello "$KIST" --root "$ROOT" run $ID
	echo "$output"
	[ "$status" -eq 0 ]
	[[ $output == *"/dev/pts/0"*"33 99"*all*"got hello"* ]]
	assert_nothing_left
}

@test "a terminal: consoleSize, /dev/console, and the controlling terminal" {
	edit '.process.terminal = true | .process.consoleSize = {"height": 11, "width": 22}'
	args sh -c 'stty size; test -c /dev/console && echo console; /bin/probe; cat /proc/self/mountinfo | grep -c " /dev/console "'
	# The configuration's own size is the terminal's, until the caller's is known: the caller's has
	# no size here.
	run on_a_pty 0x0 "$KIST" --root "$ROOT" run $ID
	echo "$output"
	[[ $output == "11 22"*console* ]]
	[ "$(tail -n 1 <<<"$output")" = 1 ]
	sed '1,2d; $d' <<<"$output" | jq -e '.tty == [1,1,1] and .controlling_tty and .fds == [0,1,2]'
}

@test "a terminal resized 100,000 times has the last size; after a signal the caller's is as it was" {
	edit '.process.terminal = true'
	args sh -c 'trap "exit 3" TERM; echo ready; while :; do read line && stty size; done'
	run python3 "$TOP/tests/lib/resize-storm.py" $((KIST_IN_VM ? 5000 : 100000)) SIGTERM "$KIST" --root "$ROOT" run $ID
	echo "$output"
	[ "$output" = $'33 77\nwas raw restored 3' ]
	# The same of exec.
	edit '.process.terminal = false'
	detached kist run -d $ID
	run python3 "$TOP/tests/lib/resize-storm.py" 1000 SIGTERM "$KIST" --root "$ROOT" exec -t $ID \
		sh -c 'trap "exit 4" TERM; echo ready; while :; do read line && stty size; done'
	echo "$output"
	kist delete --force $ID
	[ "$output" = $'33 77\nwas raw restored 4' ]
}

@test "a terminal: the end of the input is typed, so that what reads it ends" {
	edit '.process.terminal = true'
	args sh -c 'echo shell; exec cat'
	run timeout 60 "$KIST" --root "$ROOT" run $ID < <(printf 'a line\nand half')
	echo "$output"
	[ "$status" -eq 0 ]
	[[ $output == *"a line"*"and half"* ]]
	# Nobody reads, and the input is larger than the terminal takes: the end is seen all the same.
	args sh -c 'stty raw -echo; echo ready; exec sleep 1'
	run timeout 60 "$KIST" --root "$ROOT" run $ID < <(yes | head -c 200000)
	[ "$status" -eq 0 ]
	assert_nothing_left
}

@test "a terminal: the console socket gets the master, by name" {
	edit '.process.terminal = true'
	args sh -c 'echo from inside; read line; echo "heard $line"'
	python3 - "$T/console" >got <<-'END' &
		import array, os, socket, sys
		s = socket.socket(socket.AF_UNIX)
		s.bind(sys.argv[1])
		s.listen(1)
		s.settimeout(60)
		c = s.accept()[0]
		msg, anc, *_ = c.recvmsg(4096, socket.CMSG_LEN(4))
		fd = array.array("i", anc[0][2])[0]
		assert os.isatty(fd)
		print("name", msg.decode())
		os.write(fd, b"word\n")
		out = b""
		while b"heard word" not in out:
		    out += os.read(fd, 4096)
		print(out.decode().replace("\r", ""))
	END
	reader=$!
	wait_until 10 [ -S "$T/console" ]
	detached kist create --console-socket "$T/console" $ID
	kist start $ID
	wait $reader
	cat got
	grep -q '^name .*ptmx' got
	grep -q 'from inside' got
	wait_until 10 is_in_state $ID stopped
	kist delete $ID
	# In a user namespace the terminal belongs to the container's root.
	edit "$userns"
	args sh -c 'stat -c "%u %g" /dev/pts/0; test -w /dev/console && echo writable'
	run on_a_pty 24x80 "$KIST" --root "$ROOT" run $ID
	[[ $output == "0 "*writable* ]]
	edit '.process.terminal = true'
	refused 1 'the socket' kist create --console-socket "$T/nothing" $ID
}

@test "sysctl, in the container only" {
	before=$(cat /proc/sys/kernel/shmmax)
	edit '.linux.sysctl = {"kernel.shmmax": "1234567", "net.ipv4.ip_forward": "1"}'
	args cat /proc/sys/kernel/shmmax /proc/sys/net/ipv4/ip_forward
	run kist run $ID
	[ "$(xargs <<<"$output")" = "1234567 1" ]
	[ "$(cat /proc/sys/kernel/shmmax)" = "$before" ]
	edit '.linux.sysctl = {"vm.swappiness": "1"}'
	refused 1 '/linux/sysctl' kist run $ID
}

@test "cgroup: its own leaf, limits as asked for, gone afterwards" {
	need_v2_controllers memory pids cpu
	edit '.linux.resources += {"memory": {"limit": 33554432, "swap": 33554432}, "pids": {"limit": 20},
		"cpu": {"quota": 20000, "period": 100000, "shares": 512}}'
	args sleep 1000
	begin
	cgroup=$(cgroup_of "$pid")
	[ "$(cat "$cgroup/memory.max")" = 33554432 ]
	[ "$(cat "$cgroup/memory.swap.max")" = 0 ]
	[ "$(cat "$cgroup/pids.max")" = 20 ]
	[ "$(cat "$cgroup/cpu.max")" = "20000 100000" ]
	[ "$(cat "$cgroup/cgroup.procs")" = "$pid" ]
	[ "$(nsenter -t "$pid" -C cat "/proc/$pid/cgroup" | sed -n 's/^0:://p')" = / ]
	kist delete --force $ID
	[ ! -e "$cgroup" ]
}

@test "cgroupsPath: a folder the caller made stays, a missing limit's controller is named" {
	cgroup=$(cgroup_mount)/kist-test-$$
	mkdir "$cgroup"
	edit '.linux.cgroupsPath = $path' --arg path "/kist-test-$$/leaf"
	args sleep 1000
	begin
	[ "$(cgroup_of "$pid")" = "$cgroup/leaf" ]
	kist delete --force $ID
	[ -d "$cgroup" ]
	[ ! -e "$cgroup/leaf" ]
	rmdir "$cgroup"
	edit 'del(.linux.cgroupsPath) | .linux.resources.memory.limit = 33554432'
	grep -qw memory "$(cgroup_mount)/cgroup.controllers" ||
		refused 1 '/linux/resources/memory' kist run $ID
}

@test "without a cgroup namespace the host's hierarchy is seen as it is, and keeps its options" {
	before=$(grep ' cgroup2 ' /proc/self/mountinfo)
	edit '.linux.namespaces |= map(select(.type != "cgroup"))'
	args sh -c 'grep " /sys/fs/cgroup " /proc/mounts; cat /proc/self/cgroup'
	run kist run $ID
	echo "$output"
	[[ $output == *"/sys/fs/cgroup cgroup2 ro,"* ]]
	[[ $output == *"0::/"*"kist-$ID"* ]]
	[ "$(grep ' cgroup2 ' /proc/self/mountinfo)" = "$before" ]
}
