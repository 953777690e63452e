#!/usr/bin/env bats
# exec: another program in a container: what it inherits, what the options change, how it ends.

bats_require_minimum_version 1.5.0
load helpers
load runtime

setup() {
	need_root
	kist_setup
	ID=${T##*.}
	probe_bundle "$T/b"
	bundle_args "$T/b" sleep 1000
	cd "$T/b"
}
teardown() { runtime_teardown; }

edit() { edit_bundle "$T/b" "$@"; }
begin() {
	detached kist run -d $ID
	pid=$(pid_of $ID)
}

@test "exec ends with the program's status, or 128 and the signal" {
	begin
	for code in 0 1 42 126 254; do
		run kist exec $ID sh -c "exit $code"
		[ "$status" -eq $code ]
	done
	run kist exec $ID sh -c 'kill -TERM $$'
	[ "$status" -eq 143 ]
	kist delete --force $ID
	assert_nothing_left
}

@test "failures of kist's own end with 255, in one line" {
	begin
	run --separate-stderr kist exec $ID /no/such
	is_one_line 255 '/no/such'
	run --separate-stderr kist exec $ID no-such-in-path
	is_one_line 255 'no-such-in-path'
	run --separate-stderr kist exec $ID /etc
	is_one_line 255 '/etc'
	run --separate-stderr kist exec $ID /etc/passwd
	is_one_line 255 '/etc/passwd'
	run --separate-stderr kist exec $ID
	is_one_line 255 'command is missing'
	run --separate-stderr kist exec --nosuch $ID true
	is_one_line 255 'unknown option'
	run --separate-stderr kist exec --cwd relative $ID true
	is_one_line 255 '/cwd'
	run --separate-stderr kist exec --cwd /absent/folder $ID true
	is_one_line 255 '/absent/folder'
	run --separate-stderr kist exec --user someone $ID true
	is_one_line 255 'user'
	run --separate-stderr kist exec --env NOEQUALS $ID true
	is_one_line 255 '/env/[0-9]'
	run --separate-stderr kist exec --cap CAP_NONSENSE $ID true
	is_one_line 255 CAP_NONSENSE
	run --separate-stderr kist exec --process /no/file $ID
	is_one_line 255 '/no/file'
	run --separate-stderr kist exec --pid-file /no/folder/pid $ID true
	is_one_line 255 'pid file /no/folder/pid'
	# What was started only to fail is gone.
	wait_until 10 eval '[ "$(cat "$(cgroup_of $pid)/cgroup.procs")" = "$pid" ]'
	[ "$(state_of $ID)" = running ]
	kist delete --force $ID
	assert_nothing_left
}

@test "a failed exec leaves no pid file" {
	begin
	printf '#!/no/interpreter\n' >rootfs/bin/script
	chmod +x rootfs/bin/script
	for program in /no/such /bin/script; do
		run kist exec --pid-file "$T/pid" $ID $program
		[ "$status" -eq 255 ]
		[ ! -e "$T/pid" ]
	done
	kist delete --force $ID
}

@test "the same namespaces, cgroup, root and limits as the container's own process" {
	edit '.process.rlimits = [{"type": "RLIMIT_NOFILE", "soft": 77, "hard": 88}] |
		.process.user.umask = 23 | .process.oomScoreAdj = 200'
	begin
	trap '' HUP USR1
	run kist exec $ID /bin/probe
	trap - HUP USR1
	echo "$output"
	for name in mnt pid net ipc uts cgroup user; do
		[ "$(jq -r .namespaces.$name <<<"$output")" = "$(readlink "/proc/$pid/ns/$name")" ]
	done
	jq -e '.rlimits.RLIMIT_NOFILE == [77,88] and .umask == "0027" and .cwd == "/" and
		.fds == [0,1,2] and .blocked == [] and .ignored == [] and .pid > 1' <<<"$output"
	[ "$(kist exec $ID cat /proc/self/oom_score_adj)" = 200 ]
	[ "$(kist exec $ID hostname)" = kist ]
	detached kist exec -d --pid-file "$T/pid" $ID sleep 999
	[ "$(cgroup_of "$(cat "$T/pid")")" = "$(cgroup_of "$pid")" ]
	[ "$(cat "$(cgroup_of "$pid")/cgroup.procs" | wc -l)" -eq 2 ]
	kist delete --force $ID
	wait_until 10 is_dead "$(cat "$T/pid")"
}

@test "seccomp, capabilities and no_new_privs are the container's" {
	edit '.linux.seccomp = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
		{"names": ["sethostname"], "action": "SCMP_ACT_ERRNO", "errnoRet": 42}]}'
	begin
	run kist exec $ID /bin/probe
	jq -e '.Seccomp == 2 and .NoNewPrivs == 1 and .CapBnd == "0000000020000420" and
		.CapEff == .CapBnd and .CapPrm == .CapBnd and .CapInh == "0000000000000000"' <<<"$output"
	[ "$(kist exec $ID /bin/probe try sethostname | jq -r .native)" = ENOMSG ]
	kist delete --force $ID
	edit '.process.noNewPrivileges = false | .process.user = {"uid": 1000, "gid": 1000}'
	begin
	run kist exec $ID /bin/probe
	jq -e '.Seccomp == 2 and .NoNewPrivs == 0 and .uid == [1000,1000,1000] and
		.CapEff == "0000000000000000"' <<<"$output"
	kist exec --no-new-privs $ID /bin/probe | jq -e '.NoNewPrivs == 1'
	kist delete --force $ID
}

@test "env, cwd, user, groups, capabilities by option" {
	edit '.process.user = {"uid": 0, "gid": 0, "additionalGids": [9]} |
		.process.env = ["PATH=/bin", "A=1", "B=2"]'
	begin
	run kist exec --env A=changed -e C=3 --cwd /home/user --user 1000:1001 \
		--additional-gids 5 -g 6 $ID /bin/probe
	echo "$output"
	jq -e '(.env | sort) == ["A=changed","B=2","C=3","HOME=/home/user","PATH=/bin"] and
		.cwd == "/home/user" and .uid == [1000,1000,1000] and .gid == [1001,1001,1001] and
		(.groups | sort) == [5,6,9]' <<<"$output"
	kist exec --user 1000 $ID /bin/probe | jq -e '.uid == [1000,1000,1000] and .gid == [0,0,0]'
	kist exec --cap CAP_NET_RAW $ID /bin/probe |
		jq -e '.CapEff == "0000000020002420" and .CapBnd == .CapEff'
	# The container's own configuration is unchanged.
	kist exec $ID /bin/probe | jq -e '.uid == [0,0,0] and .CapEff == "0000000020000420" and
		(.env | index("A=1"))'
	kist delete --force $ID
}

@test "--process FILE: the whole object" {
	begin
	jq '.process | .args = ["/bin/probe", "two"] | .user = {"uid": 5, "gid": 6} |
		.env = ["PATH=/bin", "X=y"] | .cwd = "/tmp" | .capabilities = {} |
		.noNewPrivileges = false' config.json >"$T/process.json"
	run kist exec --process "$T/process.json" $ID
	echo "$output"
	jq -e '.argv == ["/bin/probe", "two"] and .uid == [5,5,5] and .gid == [6,6,6] and
		.cwd == "/tmp" and (.env | index("X=y")) and .NoNewPrivs == 0 and
		.CapBnd == "0000000000000000"' <<<"$output"
	run --separate-stderr kist exec --process "$T/process.json" $ID true
	is_one_line 255 'exclude each other'
	echo '{"args": "x"}' >"$T/process.json"
	run --separate-stderr kist exec --process "$T/process.json" $ID
	is_one_line 255
	kist delete --force $ID
}

@test "stdin, stdout and stderr are the caller's" {
	begin
	run --separate-stderr kist exec $ID sh -c 'cat; echo error >&2' <<<input
	[ "$output" = input ]
	[ "$stderr" = error ]
	[ "$(kist exec $ID head -c 300000 /dev/zero | wc -c)" -eq 300000 ]
	kist delete --force $ID
}

@test "--tty: a terminal of the container's, its size the caller's" {
	begin
	run on_a_pty 21x43 "$KIST" --root "$ROOT" exec -t $ID sh -c 'tty; stty size; exit 9'
	echo "$output"
	[ "$status" -eq 9 ]
	[[ $output == *"/dev/pts/0"*"21 43"* ]]
	on_a_pty 24x80 "$KIST" --root "$ROOT" exec -t $ID /bin/probe | jq -e '.tty == [1,1,1] and .controlling_tty and .fds == [0,1,2]'
	run --separate-stderr kist exec -t -d $ID true
	is_one_line 255 'cannot allocate tty'
	# Without a terminal of the caller's it is made all the same.
	run kist exec -t $ID tty </dev/null
	[[ $output == /dev/pts/* ]]
	kist delete --force $ID
}

@test "--detach and --pid-file: it runs on, and the file names it" {
	begin
	detached kist exec --detach --pid-file pid $ID sleep 998
	other=$(cat pid)
	[ "$(tr '\0' ' ' <"/proc/$other/cmdline")" = "sleep 998 " ]
	[ "$(readlink "/proc/$other/ns/pid")" = "$(readlink "/proc/$pid/ns/pid")" ]
	kill -KILL "$other"
	[ "$(state_of $ID)" = running ]
	kist delete --force $ID
}

@test "--preserve-fds: what the caller had open" {
	begin
	echo three >"$T/three"
	run sh -c 'exec "$1" --root "$2" exec --preserve-fds 1 '"$ID"' sh -c "cat <&3" 3<"$3" 5<"$3"' - \
		"$KIST" "$ROOT" "$T/three"
	[ "$output" = three ]
	run --separate-stderr sh -c 'exec "$1" --root "$2" exec --preserve-fds 1 '"$ID"' true 3<&-' - \
		"$KIST" "$ROOT"
	is_one_line 255 'file descriptor 3 is not open'
	kist delete --force $ID
}

@test "a container that is created, not started" {
	detached kist create $ID
	run kist exec $ID hostname
	[ "$status" -eq 0 ]
	[ "$output" = kist ]
	[ "$(state_of $ID)" = created ]
	kist start $ID
	kist delete --force $ID
	assert_nothing_left
}

@test "one that is stopped, paused" {
	begin
	echo 1 >"$(cgroup_of "$pid")/cgroup.freeze"
	wait_until 10 is_in_state $ID paused
	run --separate-stderr kist exec $ID true
	is_one_line 255 'paused'
	echo 0 >"$(cgroup_of "$pid")/cgroup.freeze"
	wait_until 10 is_in_state $ID running
	kist kill $ID KILL
	wait_until 10 is_in_state $ID stopped
	run --separate-stderr kist exec $ID true
	is_one_line 255 'cannot exec in a stopped container'
	kist delete $ID
	assert_nothing_left
}

@test "in a container with a user namespace" {
	edit '.linux.namespaces += [{"type": "user"}] | .linux.uidMappings =
		[{"containerID": 0, "hostID": 1000000, "size": 65536}] |
		.linux.gidMappings = .linux.uidMappings'
	begin
	run kist exec $ID /bin/probe
	echo "$output"
	jq -e '.uid == [0,0,0] and .gid == [0,0,0] and .CapEff == "0000000020000420" and
		.fds == [0,1,2]' <<<"$output"
	for name in mnt pid net user cgroup; do
		[ "$(jq -r .namespaces.$name <<<"$output")" = "$(readlink "/proc/$pid/ns/$name")" ]
	done
	detached kist exec -d --pid-file "$T/pid" --user 33:44 $ID sleep 997
	[ "$(proc_status "$(cat "$T/pid")" Uid | xargs)" = "1000033 1000033 1000033 1000033" ]
	[ "$(proc_status "$(cat "$T/pid")" Gid | xargs)" = "1000044 1000044 1000044 1000044" ]
	run on_a_pty 24x80 "$KIST" --root "$ROOT" exec -t $ID tty
	[[ $output == /dev/pts/0* ]]
	kist delete --force $ID
	assert_nothing_left
}

# exe_of_exec: what file the kist is that waits for a program it started in the container.
exe_of_exec() {
	"$KIST" --root "$ROOT" exec --pid-file "$T/started" $ID sleep 996 </dev/null >"$T/out" 2>&1 3>&- &
	wait_until 20 test -s "$T/started"
	readlink "/proc/$!/exe"
	kill -KILL "$(cat "$T/started")"
	rm "$T/started"
}

@test "kist enters as a sealed copy of itself, unless the container's ids can't write the original" {
	begin
	[[ $(exe_of_exec) == "/memfd:kist"* ]]
	kist delete --force $ID
	edit '.linux.namespaces += [{"type": "user"}] | .linux.uidMappings =
		[{"containerID": 0, "hostID": 1000000, "size": 65536}] |
		.linux.gidMappings = .linux.uidMappings'
	begin
	[ "$(exe_of_exec)" = "$(realpath "$KIST")" ]
	kist delete --force $ID
	# A range that the file's owner is in.
	edit '.linux.uidMappings = [{"containerID": 0, "hostID": 1000000, "size": 65535},
		{"containerID": 65535, "hostID": 0, "size": 1}] |
		.linux.gidMappings = [{"containerID": 0, "hostID": 1000000, "size": 65536}]'
	begin
	[[ $(exe_of_exec) == "/memfd:kist"* ]]
	kist delete --force $ID
	assert_nothing_left
}

# Looks into every process that turns up in the container, for what is the host's.
spy='sleep 1000 & while :; do for p in /proc/[0-9]*; do
	[ $p = /proc/1 ] || ls -l $p/fd $p/cwd $p/root $p/exe 2>/dev/null; done >>/tmp/seen; done'

spy_on_execs() {
	bundle_args . sh -c "$spy"
	begin
	for _ in $(seq 10); do
		kist exec $ID true
	done
	kist exec $ID cat /tmp/seen >"$T/seen"
	kist delete --force $ID
	# It did look: at its own sleep.
	grep -q 'exe -> /bin/' "$T/seen"
	none grep -F -e "$ROOT" -e "$TOP/" -e "/sys/fs/cgroup" -e memfd "$T/seen"
}

@test "the container cannot look into kist while it enters" {
	edit '.process.capabilities |= map_values(["CAP_DAC_OVERRIDE"]) | .root.readonly = false'
	spy_on_execs
}

@test "nor can it, with CAP_SYS_PTRACE in a user namespace of its own" {
	edit '.process.capabilities |= map_values(["CAP_SYS_PTRACE", "CAP_DAC_OVERRIDE"]) |
		.linux.namespaces += [{"type": "user"}] | .linux.uidMappings =
		[{"containerID": 0, "hostID": 1000000, "size": 65536}] |
		.linux.gidMappings = .linux.uidMappings |
		.mounts += [{"destination": "/tmp", "type": "tmpfs", "source": "tmpfs"}]'
	spy_on_execs
}

@test "50 execs leave nothing: no process, fd, file" {
	begin
	before=$(find "$ROOT" | sort)
	for i in $(seq 50); do
		[ "$(kist exec $ID echo "$i")" = "$i" ]
	done
	[ "$(cat "$(cgroup_of "$pid")/cgroup.procs")" = "$pid" ]
	[ "$(find "$ROOT" | sort)" = "$before" ]
	[ "$(ls "/proc/$pid/fd" | wc -l)" -eq 3 ]
	kist delete --force $ID
	assert_nothing_left
}

@test "a signal to kist exec reaches the program; kill -9 of it ends the program" {
	begin
	"$KIST" --root "$ROOT" exec $ID sh -c 'trap "exit 5" USR1; echo ready; while :; do sleep 0.1; done' >"$T/out" &
	exec_pid=$!
	wait_until 10 grep -q ready "$T/out"
	kill -USR1 $exec_pid
	status=0
	wait $exec_pid || status=$?
	[ "$status" -eq 5 ]
	"$KIST" --root "$ROOT" exec $ID sh -c 'echo ready2; exec sleep 996' >"$T/out" &
	exec_pid=$!
	wait_until 10 grep -q ready2 "$T/out"
	kill -KILL $exec_pid
	wait $exec_pid 2>/dev/null || true
	wait_until 10 eval '[ "$(cat "$(cgroup_of $pid)/cgroup.procs")" = "$pid" ]'
	kist delete --force $ID
}

# Of the container's processes, how many sleep for that long: in sessions of their own too.
sleepers() { # SECONDS
	grep -alE "^sleep.$1" "/proc/$(pid_of $ID)/root/proc/"[0-9]*/cmdline 2>/dev/null | wc -l
}
no_sleepers() { [ "$(sleepers "$1")" = 0 ]; }
has_leaf() { ls -d "$(cgroup_of "$(pid_of $ID)")"/kist-exec-* 2>/dev/null; }

@test "--timeout: killed with all it started, said so, 124; what ends in time is as ever" {
	detached kist run -d $ID
	# A daemon: another session, nobody's child.
	daemon='(setsid sh -c "(sleep 3001 &) ; sleep 3002" &) ; sleep 3003 & exec sleep 3004'
	run --separate-stderr kist exec --timeout 1 $ID sh -c "$daemon"
	is_one_line 124 'exec failed: killed after its timeout of 1 seconds'
	wait_until 10 no_sleepers '300.'
	none has_leaf
	[ "$(state_of $ID)" = running ]
	run kist exec --timeout 60 $ID sh -c 'exit 7'
	[ "$status" -eq 7 ]
	# What a program that ended in time left running stays, in the container's cgroup.
	run -0 kist exec --timeout 60 $ID sh -c '(setsid sleep 3005 >/dev/null 2>&1 &)'
	[ "$(sleepers 3005)" = 1 ]
	none has_leaf
	run -0 kist exec --timeout 60 $ID cat /proc/self/cgroup
	[[ "$output" == */kist-exec-* ]]
	# Its client killed: all of it dies too, and no cgroup is left.
	"$KIST" --root "$ROOT" exec --timeout 1000 $ID sh -c "${daemon//300/310}" </dev/null >/dev/null 2>&1 &
	client=$!
	wait_until 20 eval '[ "$(sleepers "310.")" = 4 ]'
	kill -KILL $client
	wait $client || true
	wait_until 10 no_sleepers '310.'
	wait_until 10 none has_leaf
	[ "$(sleepers 3005) $(state_of $ID)" = "1 running" ]
	run --separate-stderr kist exec --timeout 0 $ID true
	is_one_line 255 'timeout: 0 is not 1 to'
	run --separate-stderr kist exec --timeout 5 -d $ID true
	is_one_line 255 'exclude each other'
	run --separate-stderr kist exec --timeout 5 $ID /nowhere
	[ "$status" = 255 ]
	none has_leaf
	kist delete --force $ID
}

@test "--timeout where no cgroup can be made for it: its process group is killed, the container lives on" {
	detached kist run -d $ID
	cgroup=$(cgroup_of "$(pid_of $ID)")
	echo 0 >"$cgroup/cgroup.max.descendants"
	run -0 kist exec --timeout 60 $ID cat /proc/self/cgroup
	none has_leaf
	[[ "$output" != */kist-exec-* ]]
	run --separate-stderr kist exec --timeout 1 $ID sh -c 'sleep 3201 & sleep 3202'
	is_one_line 124 'exec failed: killed after its timeout of 1 seconds'
	wait_until 10 no_sleepers '320.'
	[ "$(state_of $ID)" = running ]
	kist delete --force $ID
}

@test "an exec whose kist is killed dies with it; a detached one does not" {
	detached kist run -d $ID
	"$KIST" --root "$ROOT" exec --pid-file "$T/pid" $ID sleep 2000 </dev/null >/dev/null 2>&1 &
	client=$!
	wait_until 20 test -s "$T/pid"
	wait_until 20 grep -qx sleep "/proc/$(cat "$T/pid")/comm"
	kill -KILL $client
	wait $client || true
	wait_until 10 is_dead "$(cat "$T/pid")"
	[ "$(state_of $ID)" = running ]
	detached kist exec -d --pid-file "$T/pid2" $ID sleep 2000
	[ -d "/proc/$(cat "$T/pid2")" ]
	kist delete --force $ID
	wait_until 10 is_dead "$(cat "$T/pid2")"
}
