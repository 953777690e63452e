#!/usr/bin/env bats
# create, start, run, state, kill, delete, list: what each does, and that nothing is left.

bats_require_minimum_version 1.5.0
load helpers
load runtime

setup() {
	need_root
	kist_setup
	ID=${T##*.}
	make_bundle "$T/b"
	bundle_args "$T/b" sleep 1000
	cd "$T/b"
}
teardown() { runtime_teardown; }

args() { bundle_args "$T/b" "$@"; }

@test "create waits and runs nothing; start runs it; kill ends it; delete takes it away" {
	args sh -c 'echo ran >/dev/shm/ran; exec sleep 1000'
	detached kist create $ID
	[ "$(state_of $ID)" = created ]
	pid=$(pid_of $ID)
	[ -d "/proc/$pid" ]
	# Nothing of the program ran: no sign of it, and the process is not yet it.
	[ ! -e "/proc/$pid/root/dev/shm/ran" ]
	[ "$(tr '\0' ' ' <"/proc/$pid/cmdline" | grep -c sleep)" = 0 ]
	kist start $ID
	[ "$(state_of $ID)" = running ]
	[ "$(pid_of $ID)" = "$pid" ]
	wait_until 10 grep -qx ran "/proc/$pid/root/dev/shm/ran"
	wait_until 10 grep -qx sleep "/proc/$pid/comm"
	kist kill $ID KILL
	wait_until 10 is_in_state $ID stopped
	[ "$(pid_of $ID)" = 0 ]
	kist delete $ID
	run kist state $ID
	[ "$status" -eq 1 ]
	assert_nothing_left
}

@test "run ends with the program's status, or 128 and the signal" {
	for code in 0 1 7 126 127 255; do
		args sh -c "exit $code"
		run -"$code" kist run $ID
	done
	for signal in KILL TERM SEGV; do
		args sh -c "sleep 1000 & kill -$signal \$\$; kill -$signal \$!; wait \$!"
		run kist run $ID
		# Pid 1 is deaf to TERM and KILL of its own: it is the shell's word for its child.
		[ "$status" -eq $((128 + $(kill -l $signal))) ]
	done
	assert_nothing_left
}

@test "run: a signal from outside that ends the program, and one that is passed on" {
	args sleep 1000
	kist run $ID >/dev/null 2>&1 &
	wait_until 10 is_in_state $ID running
	kist kill $ID KILL
	status=0
	wait $! || status=$?
	[ "$status" -eq 137 ]
	args sh -c 'trap "exit 42" TERM; echo >/dev/shm/ready; while :; do sleep 0.1; done'
	"$KIST" --root "$ROOT" run $ID >/dev/null 2>&1 &
	runner=$!
	wait_until 10 is_in_state $ID running
	wait_until 10 [ -e "/proc/$(pid_of $ID)/root/dev/shm/ready" ]
	kill -TERM $runner
	status=0
	wait $runner || status=$?
	[ "$status" -eq 42 ]
	assert_nothing_left
}

@test "pid file: the number as the host sees it, and nothing else" {
	detached kist create --pid-file pid $ID
	[ "$(cat pid)" = "$(pid_of $ID)" ]
	[ "$(wc -c <pid)" -eq "$(tr -d '\n' <pid | wc -c)" ]
	[ "$(stat -c %a pid)" = 644 ]
	kist delete --force $ID
	detached kist run -d --pid-file "$T/other" $ID
	[ "$(cat "$T/other")" = "$(pid_of $ID)" ]
	[ "$(sed -n 's/^NSpid:.*\t//p' "/proc/$(cat "$T/other")/status")" = 1 ]
	kist delete --force $ID
}

@test "state: the fields of the specification and runc's" {
	edit_bundle . '.annotations = {"com.example.key": "value"}'
	detached kist create $ID
	run kist state $ID
	[ "$status" -eq 0 ]
	jq -e --arg bundle "$T/b" --arg id "$ID" '.ociVersion and .id == $id and .status == "created" and
		(.pid | type) == "number" and .pid > 1 and .bundle == $bundle and
		.rootfs == $bundle + "/rootfs" and .annotations == {"com.example.key": "value"} and
		(.created | test("^20[0-9-]+T[0-9:.]+Z$"))' <<<"$output"
	kist start $ID
	kist state $ID | jq -e '.status == "running"'
	kist kill $ID 9
	wait_until 10 is_in_state $ID stopped
	kist state $ID | jq -e '.status == "stopped" and .pid == 0'
	kist delete $ID
}

@test "state: paused, when its cgroup is frozen; kill by SIGKILL works all the same" {
	detached kist run -d $ID
	cgroup=$(cgroup_of "$(pid_of $ID)")
	echo 1 >"$cgroup/cgroup.freeze"
	wait_until 10 is_in_state $ID paused
	echo 0 >"$cgroup/cgroup.freeze"
	wait_until 10 is_in_state $ID running
	echo 1 >"$cgroup/cgroup.freeze"
	wait_until 10 is_in_state $ID paused
	kist delete --force $ID
	assert_nothing_left
}

@test "list: a table, JSON, ids only" {
	[ "$(kist list -q)" = "" ]
	[ "$(kist list -f json)" = "[]" ]
	detached kist create one
	detached kist run -d two
	run kist list
	[ "${#lines[@]}" -eq 3 ]
	[[ ${lines[0]} =~ ^ID\ +PID\ +STATUS\ +BUNDLE\ +CREATED\ +OWNER$ ]]
	[ "$(kist list | awk '$1 == "one" { print $2, $3, $4, $6 }')" = "$(pid_of one) created $T/b root" ]
	[ "$(kist list | awk '$1 == "two" { print $2, $3 }')" = "$(pid_of two) running" ]
	kist list --format json | jq -e 'map({id, status}) | sort_by(.id) ==
		[{"id": "one", "status": "created"}, {"id": "two", "status": "running"}]'
	[ "$(kist list --quiet | sort | xargs)" = "one two" ]
	kist delete --force one two
	assert_nothing_left
}

@test "a second container of the same id is refused and the first unharmed" {
	detached kist run -d $ID
	pid=$(pid_of $ID)
	for verb in create run; do
		run --separate-stderr kist $verb $ID
		is_one_line 1 'container with given ID already exists'
	done
	[ "$(state_of $ID)" = running ]
	[ "$(pid_of $ID)" = "$pid" ]
	[ -d "$(cgroup_of "$pid")" ]
	# Also by another state root: the cgroup is in use.
	run --separate-stderr "$KIST" --root "$T/state2" run $ID
	is_one_line 1 cgroup
	[ -z "$(ls -A "$T/state2")" ]
	[ "$(state_of $ID)" = running ]
	kist delete --force $ID
	assert_nothing_left
}

@test "start twice, kill of a stopped one, delete of a running one" {
	detached kist create $ID
	kist start $ID
	run --separate-stderr kist start $ID
	is_one_line 1 'cannot start an already running container'
	run --separate-stderr kist delete $ID
	is_one_line 1 "cannot delete container $ID that is not stopped: running"
	[ "$(state_of $ID)" = running ]
	kist kill $ID KILL
	wait_until 10 is_in_state $ID stopped
	run --separate-stderr kist kill $ID KILL
	is_one_line 1 'container not running'
	run --separate-stderr kist start $ID
	is_one_line 1 'cannot start a container that has stopped'
	kist delete $ID
	assert_nothing_left
}

@test "delete of a created container needs no force" {
	detached kist create $ID
	pid=$(pid_of $ID)
	kist delete $ID
	wait_until 10 is_dead "$pid"
	assert_nothing_left
}

@test "delete --force while a run in the foreground waits" {
	"$KIST" --root "$ROOT" run $ID </dev/null >"$T/out" 2>&1 &
	kist=$!
	wait_until 20 is_in_state $ID running
	kist delete --force $ID
	code=0
	wait $kist || code=$?
	[ "$code" -eq 137 ]
	assert_nothing_left
}

@test "a container may be called net: leases are elsewhere" {
	detached kist create net
	[ "$(state_of net)" = created ]
	kist delete net
}

@test "verbs on an unknown id; delete --force of it is no error" {
	for verb in start state kill delete; do
		refused 1 'container does not exist' kist $verb nobody
	done
	refused 255 'container does not exist' kist exec nobody true
	run --separate-stderr kist delete --force nobody
	[ "$status" -eq 0 ]
	[ -z "$output$stderr" ]
}

@test "delete --force: running, created, and several at once" {
	detached kist run -d one
	detached kist create two
	pids="$(pid_of one) $(pid_of two)"
	run --separate-stderr kist delete --force one two three
	[ "$status" -eq 0 ]
	for pid in $pids; do
		wait_until 10 is_dead "$pid"
	done
	assert_nothing_left
}

@test "delete --force takes every process of the container, also with the host's pids" {
	edit_bundle . '.linux.namespaces |= map(select(.type != "pid"))'
	args sh -c 'sleep 2000 & sleep 2000 & echo >/dev/shm/ready; wait'
	detached kist run -d $ID
	pid=$(pid_of $ID)
	wait_until 10 [ -e "/proc/$pid/root/dev/shm/ready" ]
	procs=$(cat "$(cgroup_of "$pid")/cgroup.procs")
	[ "$(wc -w <<<"$procs")" -eq 3 ]
	kist delete --force $ID
	for pid in $procs; do
		wait_until 10 is_dead "$pid"
	done
	assert_nothing_left
}

@test "kill --all reaches every process; a signal by name, number, and what is none" {
	args sh -c 'sleep 1000 & sleep 1000 & wait'
	detached kist run -d $ID
	cgroup=$(cgroup_of "$(pid_of $ID)")
	wait_until 10 eval '[ $(wc -l <"'"$cgroup"'/cgroup.procs") -eq 3 ]'
	for signal in NOSUCH 0 65 9x ""; do
		run --separate-stderr kist kill $ID "$signal"
		is_one_line 1 'unknown signal'
	done
	kist kill --all $ID SIGUSR1
	wait_until 10 is_in_state $ID stopped
	[ -z "$(cat "$cgroup/cgroup.procs")" ]
	kist delete $ID
	for signal in KILL sigkill 9; do
		detached kist run -d $ID
		kist kill $ID $signal
		wait_until 10 is_in_state $ID stopped
		kist delete $ID
	done
	assert_nothing_left
}

@test "run -d: the container outlives kist; without -d it dies with it" {
	detached kist run -d $ID
	[ "$(state_of $ID)" = running ]
	kist delete --force $ID
	"$KIST" --root "$ROOT" run $ID >/dev/null 2>&1 &
	wait_until 10 is_in_state $ID running
	kill -KILL $!
	wait $! 2>/dev/null || true
	wait_until 10 is_in_state $ID stopped
	kist delete $ID
	assert_nothing_left
}

@test "state of a kept one tells how it ended; of others nobody knows, and says nothing" {
	args sh -c 'i=0; while [ $i -lt 2000 ]; do i=$((i + 1)); done; exit 7'
	run kist run --keep $ID
	[ "$status" -eq 7 ]
	kist state $ID | jq -e '.status == "stopped" and .exit.status == 7 and .exit.code == 7 and
		(.exit | has("signal") | not) and (.exit.finished | test("^20.*Z$")) and .exit.cpuUsec > 0 and
		.exit.oomKilled != true'
	kist list -f json | jq -e '.[0].exit.code == 7'
	# A controller that is not there has no figures.
	[[ " $(cat "$(cgroup_mount)/cgroup.controllers") " == *" memory "* ]] ||
		kist state $ID | jq -e '.exit | has("oomKilled") or has("memoryPeakBytes") | not'
	kist delete $ID
	args sleep 1000
	"$KIST" --root "$ROOT" run --keep $ID </dev/null >/dev/null 2>&1 &
	runner=$!
	wait_until 20 is_in_state $ID running
	kist state $ID | jq -e 'has("exit") | not'
	kist kill $ID KILL
	wait $runner || true
	kist state $ID | jq -e '.exit.status == 137 and .exit.signal == 9 and (.exit | has("code") | not)'
	kist delete $ID
	detached kist run -d $ID
	kist kill $ID KILL
	wait_until 10 is_in_state $ID stopped
	kist state $ID | jq -e 'has("exit") | not'
	kist delete $ID
}

@test "state of a kept one: out of memory, and the peak" {
	need_v2_controllers memory
	args sh -c 'x=x; while :; do x=$x$x; done'
	edit_bundle . '.linux.resources.memory = {limit: 67108864, swap: 67108864}'
	run kist run --keep $ID
	[ "$status" -ne 0 ]
	kist state $ID | jq -e '.exit.oomKilled'
	# memory.peak came with Linux 5.19.
	kist state $ID | jq -e '.exit.memoryPeakBytes > 33554432'
	kist delete $ID
}

@test "a process that has the pid of one that is gone is not taken for it" {
	args sleep 1000
	detached kist run -d $ID
	pid=$(pid_of $ID)
	sleep 1000 3>&- &
	other=$!
	# As if the container's had ended, and the next one got its number.
	jq --argjson pid $other '.pid = $pid' "$ROOT/$ID/state.json" >"$T/state.json"
	cp "$T/state.json" "$ROOT/$ID/state.json"
	is_in_state $ID stopped
	run --separate-stderr kist kill $ID KILL
	is_one_line 1 'container not running'
	kist delete --force $ID
	kill -0 $other
	kill $other
	wait_until 10 is_dead $pid
}

@test "run: orphans of the container are kist's, or not with --no-subreaper" {
	edit_bundle . '.linux.namespaces |= map(select(.type != "pid"))'
	args sh -c '(sleep 1234.5 & ) ; exec sleep 1000'
	orphan() { pgrep -f '^sleep 1234[.]5$'; }
	parent() { ps -o ppid= -p "$(orphan)" | tr -d ' '; }
	# The shell between them is gone, and with it the parent in the container.
	is_adopted() { [ "$(readlink "/proc/$(parent)/ns/mnt")" != "$(readlink "/proc/$(orphan)/ns/mnt")" ]; }
	for option in --no-subreaper=false --no-subreaper; do
		"$KIST" --root "$ROOT" run $option $ID </dev/null >"$T/out" 2>&1 3>&- &
		run=$!
		wait_until 10 is_in_state $ID running
		wait_until 10 orphan
		wait_until 10 is_adopted
		echo "$option: kist $run, parent $(parent)"
		if [ $option = --no-subreaper ]; then
			[ "$(parent)" -ne $run ]
		else
			[ "$(parent)" -eq $run ]
		fi
		kist kill --all $ID KILL
		wait_until 10 is_dead $run
		kist delete --force $ID
	done
}

@test "run --keep leaves the stopped container to be looked at" {
	args true
	kist run --keep $ID
	[ "$(state_of $ID)" = stopped ]
	kist delete $ID
	assert_nothing_left
}

@test "stdin and stdout are the caller's pipes; stderr is apart" {
	args sh -c 'cat; echo error >&2'
	run --separate-stderr kist run $ID <<<"through the pipe"
	[ "$output" = "through the pipe" ]
	[ "$stderr" = error ]
	args sh -c 'head -c 300000 /dev/zero'
	[ "$(kist run $ID | wc -c)" -eq 300000 ]
	# Its reader gone, the writer gets its signal or error, and nothing hangs.
	args sh -c 'yes; exit 3'
	run sh -c '"$1" --root "$2" run '"$ID"' | head -n 1' - "$KIST" "$ROOT"
	[ "$output" = y ]
}

@test "the caller closed its stdio: the container's 0, 1 and 2 are /dev/null" {
	"$KIST" --root "$ROOT" run -d $ID <&- >&- 2>&-
	pid=$(pid_of $ID)
	[ "$(ls "/proc/$pid/fd" | xargs)" = "0 1 2" ]
	for fd in 0 1 2; do
		[ "$(readlink "/proc/$pid/fd/$fd")" = /dev/null ]
	done
	kist delete --force $ID
}

@test "--preserve-fds: exactly so many, and they are the caller's" {
	probe_bundle "$T/p"
	cd "$T/p"
	echo three >"$T/three"
	echo four >"$T/four"
	with_files() { # kist ARG..., with the two open, and one more
		"$KIST" --root "$ROOT" "$@" 3<"$T/three" 4<"$T/four" 6</dev/null
	}
	[ "$(with_files run $ID | jq -c .fds)" = '[0,1,2]' ]
	[ "$(with_files run --preserve-fds 1 $ID | jq -c .fds)" = '[0,1,2,3]' ]
	args sh -c 'cat <&3; cat <&4'
	cd "$T/b"
	[ "$(with_files run --preserve-fds 2 $ID | xargs)" = "three four" ]
	# In a user namespace kist does not run itself again.
	edit_bundle . '.linux.namespaces += [{"type": "user"}] | .linux.uidMappings =
		[{"containerID": 0, "hostID": 1000000, "size": 65536}] |
		.linux.gidMappings = .linux.uidMappings'
	[ "$(with_files run --preserve-fds 2 $ID | xargs)" = "three four" ]
}

@test "--preserve-fds: a number that is not open is refused: kist's own file may have it" {
	args sh -c 'ls -l /proc/self/fd'
	refused 1 'preserve-fds 1: file descriptor 3 is not open' \
		sh -c 'exec "$1" --root "$2" run --preserve-fds 1 '"$ID"' 3<&- 4<&-' - "$KIST" "$ROOT"
	refused 1 'preserve-fds 2: file descriptor 4 is not open' \
		sh -c 'exec "$1" --root "$2" run --preserve-fds 2 '"$ID"' 3</dev/null 4<&-' - "$KIST" "$ROOT"
	refused 1 preserve-fds kist run --preserve-fds 2000 $ID
	refused 1 preserve-fds kist run --preserve-fds x $ID
	refused 1 preserve-fds kist run --preserve-fds 99999999999999999999 $ID
}

@test "--pidfd-socket gets a pidfd of the first process" {
	python3 - "$T/sock" >got <<-'END' &
		import socket, sys, os, array
		s = socket.socket(socket.AF_UNIX)
		s.bind(sys.argv[1])
		s.listen(1)
		s.settimeout(60)
		c = s.accept()[0]
		msg, anc, *_ = c.recvmsg(100, socket.CMSG_LEN(4))
		fd = array.array("i", anc[0][2])[0]
		print([l.split()[1] for l in open(f"/proc/self/fdinfo/{fd}") if l.startswith("Pid:")][0])
	END
	wait_until 10 [ -S "$T/sock" ]
	detached kist create --pidfd-socket "$T/sock" $ID
	wait $!
	[ "$(cat got)" = "$(pid_of $ID)" ]
	kist delete --force $ID
	refused 1 'the socket' kist run --pidfd-socket "$T/nothing" $ID
}

@test "--no-pivot: the root is chrooted into, and the same is seen" {
	args sh -c 'cat /etc/os-release; ls /work 2>&1; mount | grep -c " /dev/pts "'
	run kist run --no-pivot $ID
	[ "$status" -eq 0 ]
	[[ $output == *kist-busybox*"No such file"* ]]
	assert_nothing_left
}

@test "--no-new-keyring keeps the caller's session keyring; else it is another" {
	[ -r /proc/keys ] || skip "no keyrings here"
	args cat /proc/keys
	edit_bundle . '.linux.maskedPaths = []'
	run python3 - "$KIST" "$ROOT" "$ID" <<-'END'
		import ctypes, subprocess, sys
		libc = ctypes.CDLL(None, use_errno=True)
		mine = libc.syscall(250, 1, b"kist-test-ring")        # KEYCTL_JOIN_SESSION_KEYRING
		assert mine > 0, ctypes.get_errno()
		# KEYCTL_SETPERM: only who has it in a keyring of its own sees it in /proc/keys.
		assert libc.syscall(250, 5, mine, 0x3f000000) == 0
		for flags in [["--no-new-keyring"], []]:
		    out = subprocess.run([*sys.argv[1:2], "--root", sys.argv[2], "run", *flags, sys.argv[3]],
		                         capture_output=True, text=True)
		    assert out.returncode == 0, out
		    print("kist-test-ring" in out.stdout)
	END
	echo "$output"
	[ "${lines[0]}" = True ]
	[ "${lines[1]}" = False ]
}

@test "--log-level and --debug: what is told, and what is not" {
	edit_bundle "$T/b" '.linux.resources.memory = {"swappiness": 5}'
	args true
	for level in warning warn info debug; do
		run --separate-stderr kist --log-level $level run $ID
		[ "$status" -eq 0 ] && grep -q '^kist: warning: .*swappiness' <<<"$stderr"
	done
	grep -q "kist [0-9].*: run, as uid 0" <<<"$stderr"
	run --separate-stderr kist --debug --log-level error run $ID
	[ "$status" -eq 0 ] && grep -q "run, as uid 0" <<<"$stderr"
	run --separate-stderr kist --log-level error run $ID
	[ "$status" -eq 0 ] && [ -z "$stderr" ]
	run --separate-stderr kist --log-level error --log "$T/log" --log-format json run $ID
	[ "$status" -eq 0 ] && [ -z "$stderr" ] && [ ! -s "$T/log" ]
	refused 1 'log-level: "loud" is no level' kist --log-level loud list
}

@test "global flags: --version, --log with JSON lines, unknown ones refused" {
	run kist --version
	[[ ${lines[0]} == "kist version "* ]]
	[[ $output == *$'\nspec: 1.'* ]]
	run kist --log "$T/log" --log-format json start nobody
	[ "$status" -eq 1 ]
	tail -n 1 "$T/log" | jq -e '.level == "error" and (.msg | test("does not exist")) and
		(.time | test("^20.*Z$"))'
	refused 1 'unknown option --nosuch' kist --nosuch list
	refused 1 'unknown command' kist nosuch
	refused 1 'log-format' kist --log-format xml list
}

@test "--systemd-cgroup without a systemd, and systemd's form of a path without it: one line each" {
	edit_bundle . '.linux.cgroupsPath = "system.slice:kist:x"'
	refused 1 '/linux/cgroupsPath: .*is meant for the systemd cgroup driver' kist run $ID
	run --separate-stderr kist plan
	is_one_line 1 'is meant for the systemd cgroup driver'
	# Neither a bus nor, in a root that lacks it, the library.
	refused 1 'cannot reach systemd over D-Bus' env DBUS_SYSTEM_BUS_ADDRESS="unix:path=$T/none" \
		"$KIST" --root "$ROOT" --systemd-cgroup run $ID
	refused 1 'cannot reach systemd over D-Bus' env DBUS_SYSTEM_BUS_ADDRESS="unix:path=$T/none" \
		"$KIST" --root "$ROOT" --cgroup-manager systemd run $ID
	refused 1 'contradict each other' kist --systemd-cgroup --cgroup-manager cgroupfs run $ID
	# Of no use to a job, so not taken in silence.
	for option in --systemd-cgroup "--cgroup-manager disabled"; do
		refused 125 "a job's cgroup is made by kist itself" kist $option job run . -- true
	done
	library=$(ldconfig -p | awk '$1 == "libsystemd.so.0" { print $NF; exit }')
	[ -n "$library" ] || return 0
	: >"$T/empty"
	refused 1 'needs libsystemd.so.0, which is not there' unshare --mount --propagation private \
		sh -c 'for file in $(ldconfig -p | awk "\$1 == \"libsystemd.so.0\" { print \$NF }"); do
			mount --bind "$1" "$(readlink -f "$file")"; done; shift; exec "$@"' - "$T/empty" \
		"$KIST" --root "$ROOT" --systemd-cgroup run $ID
}

@test "a terminal without a console socket is refused when kist will not stay" {
	edit_bundle . '.process.terminal = true'
	refused 1 'cannot allocate tty' kist create $ID
	refused 1 'cannot allocate tty' kist run -d $ID
	edit_bundle . '.process.terminal = false'
	refused 1 'console socket' kist create --console-socket "$T/s" $ID
}

@test "--config: another file than the bundle's, by create and run; its paths are the bundle's" {
	jq '.process.args = ["echo", "the other"]' config.json >"$T/other.json"
	rm config.json
	cd "$T"
	for option in "--config other.json" "-f $T/other.json"; do
		run kist run --bundle "$T/b" $option $ID
		[ "$status" -eq 0 ]
		[ "$output" = "the other" ]
	done
	detached kist create --bundle "$T/b" --config other.json $ID
	[ "$(state_of $ID .bundle)" = "$T/b" ]
	kist delete $ID
	refused 1 'config.json not found' kist run --bundle "$T/b" $ID
	refused 1 'nosuch.json' kist run --bundle "$T/b" --config nosuch.json $ID
	jq '.process.cwd = "x"' other.json >bad.json
	refused 1 'bad.json: /process/cwd' kist run --bundle "$T/b" --config bad.json $ID
}

@test "kill without a signal sends the image's stop signal" {
	args sh -c 'trap "exit 41" USR1; trap "exit 42" TERM; echo >/dev/shm/ready; while :; do sleep 0.1; done'
	for pair in SIGUSR1=41 10=41 =42; do
		edit_bundle . '.annotations["org.opencontainers.image.stopSignal"] = $signal' --arg signal "${pair%=*}"
		"$KIST" --root "$ROOT" run $ID </dev/null >/dev/null 2>&1 &
		runner=$!
		wait_until 20 is_in_state $ID running
		wait_until 20 [ -e "/proc/$(pid_of $ID)/root/dev/shm/ready" ]
		kist kill $ID
		status=0
		wait $runner || status=$?
		[ "$status" -eq "${pair#*=}" ]
	done
	edit_bundle . '.annotations["org.opencontainers.image.stopSignal"] = "SIGNONE"'
	detached kist run -d $ID
	run --separate-stderr kist kill $ID
	is_one_line 1 '/annotations/org.opencontainers.image.stopSignal: unknown signal "SIGNONE"'
	kist kill $ID KILL
	wait_until 10 is_in_state $ID stopped
	kist delete $ID
}
