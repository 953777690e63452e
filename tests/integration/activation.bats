#!/usr/bin/env bats
# LISTEN_FDS and NOTIFY_SOCKET: what a service manager gives kist, handed on to the container.

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
teardown() {
	[ -z "${MANAGER-}" ] || kill "$MANAGER" 2>/dev/null || true
	runtime_teardown
}

# activated CMD...: with LISTEN_FDS=2 for exactly that process, fds 3 and 4, and fd 5.
activated() {
	echo three >"$T/three"
	echo four >"$T/four"
	echo five >"$T/five"
	sh -c 'export LISTEN_PID=$$; exec "$@"' - "$@" 3<"$T/three" 4<"$T/four" 5<"$T/five"
}
# manager ADDRESS: writes each message it gets at that address into $T/heard, a message a line.
manager() {
	python3 - "$1" >"$T/heard" 3>&- <<-'END' &
		import socket, sys
		s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
		s.bind(sys.argv[1].replace("@", "\0"))
		print("listening", flush=True)
		while True:
		    print(repr(s.recv(8192).decode()), flush=True)
	END
	MANAGER=$!
	wait_until 30 grep -q listening "$T/heard"
	export NOTIFY_SOCKET=$1
}
heard() {
	grep -qxF -- "$1" "$T/heard"
}

@test "LISTEN_FDS: the sockets are process 1's, also those of --preserve-fds behind them" {
	export LISTEN_FDS=2 LISTEN_FDNAMES=http:admin
	edit_bundle . '.process.env += ["LISTEN_FDS=9", "LISTEN_PID=77"]'
	[ "$(activated "$KIST" --root "$ROOT" run $ID | jq -c '[.fds, (.env | map(select(startswith("LISTEN"))) | sort)]')" = \
		'[[0,1,2,3,4],["LISTEN_FDNAMES=http:admin","LISTEN_FDS=2","LISTEN_PID=1"]]' ]
	bundle_args . sh -c 'cat <&3; cat <&4; cat <&5'
	[ "$(activated "$KIST" --root "$ROOT" run --preserve-fds 1 $ID | xargs)" = "three four five" ]
	# An exec is no activated service.
	bundle_args . sleep 1000
	detached activated "$KIST" --root "$ROOT" create $ID
	detached kist start $ID
	pid=$(pid_of $ID)
	wait_until 20 grep -qx sleep "/proc/$pid/comm"
	tr '\0' '\n' <"/proc/$pid/environ" | grep -qx LISTEN_PID=1
	[ "$(ls "/proc/$pid/fd" | xargs)" = "0 1 2 3 4" ]
	[ "$(activated "$KIST" --root "$ROOT" exec $ID /bin/probe | jq -c .fds)" = '[0,1,2]' ]
	kist delete --force $ID
}

@test "LISTEN_FDS for another process, or for none, is not ours; a wrong one is refused" {
	plain='[[0,1,2],[]]'
	for pid in 1 x "" 99999999999999999999; do
		[ "$(LISTEN_FDS=2 LISTEN_PID=$pid "$KIST" --root "$ROOT" run $ID 3</dev/null 4</dev/null |
			jq -c '[.fds, (.env | map(select(startswith("LISTEN"))))]')" = "$plain" ]
	done
	export LISTEN_FDS=x
	refused 1 'LISTEN_FDS: "x" is no number' activated "$KIST" --root "$ROOT" run $ID
	export LISTEN_FDS=7
	refused 1 'LISTEN_FDS=7: .*file descriptor 6 is not open' activated "$KIST" --root "$ROOT" run $ID 6<&- 7<&-
	export LISTEN_FDS=2
	edit_bundle . '.linux.namespaces |= map(select(.type != "pid"))'
	refused 1 '/linux/namespaces: LISTEN_FDS: without a new pid namespace' activated "$KIST" --root "$ROOT" run $ID
}

@test "NOTIFY_SOCKET: run relays what is the container's to say, and nothing else" {
	manager "$T/notify"
	edit_bundle . '.process.user.uid = 1000'
	bundle_args . sh -c 'probe notify "STATUS=warming up" "MAINPID=1
READY=1
FDSTORE=1
NOTIFYACCESS=all" MAINPID=1 "WATCHDOG=1" "READY=1x"; probe notify STOPPING=1; exit 5'
	run kist run $ID
	echo "$output"
	[ "$status" -eq 5 ]
	wait_until 20 heard "'STOPPING=1\\n'"
	for text in "'STATUS=warming up\\n'" "'READY=1\\n'" "'WATCHDOG=1\\n'"; do
		heard "$text"
	done
	none grep -E 'MAINPID|FDSTORE|NOTIFYACCESS' "$T/heard"
	has_no_state
}

@test "NOTIFY_SOCKET: run -d and start stay until it is ready, and name the main process" {
	manager "@kist-$ID"
	bundle_args . sh -c 'until [ -e /dev/shm/go ]; do sleep 0.1; done; probe notify STATUS=soon READY=1; exec sleep 1000'
	for verb in run start; do
		if [ $verb = run ]; then
			"$KIST" --root "$ROOT" run -d $ID </dev/null >"$T/out" 2>&1 &
		else
			detached kist create $ID
			"$KIST" --root "$ROOT" start $ID </dev/null >"$T/out" 2>&1 &
		fi
		kist=$!
		wait_until 20 is_in_state $ID running
		pid=$(pid_of $ID)
		none grep -q READY "$T/heard"
		[ -d /proc/$kist ]
		: >"/proc/$pid/root/dev/shm/go"
		wait $kist
		wait_until 20 heard "'READY=1\\nMAINPID=$pid\\n'"
		heard "'STATUS=soon\\n'"
		# Others may work on the container, and an end without a word ends the wait.
		kist delete --force $ID
		: >"$T/heard"
	done
	bundle_args . true
	timeout 60 "$KIST" --root "$ROOT" run -d $ID </dev/null >/dev/null 2>&1
	kist delete --force $ID
	bundle_args . sleep 1000
	detached kist create $ID
	"$KIST" --root "$ROOT" start $ID </dev/null >/dev/null 2>&1 &
	kist=$!
	wait_until 20 is_in_state $ID running
	kist delete --force $ID
	wait $kist
	has_no_state
}

@test "NOTIFY_SOCKET: in a user namespace, and one that is no address" {
	manager "$T/notify"
	edit_bundle . '.linux.namespaces += [{"type": "user"}] | .linux.uidMappings =
		[{"containerID": 0, "hostID": 1000000, "size": 65536}] | .linux.gidMappings = .linux.uidMappings'
	chown -R 1000000:1000000 rootfs
	bundle_args . /bin/probe notify READY=1
	run kist run $ID
	[ "$status" -eq 0 ]
	wait_until 20 heard "'READY=1\\n'"
	for address in relative / "$(printf '/%0200d' 1)"; do
		NOTIFY_SOCKET=$address refused 1 'NOTIFY_SOCKET' kist run $ID
	done
	# Nobody listens there: the container runs all the same.
	NOTIFY_SOCKET=$T/nobody run kist run $ID
	[ "$status" -eq 0 ]
	# Created without one, started with one: there is nothing to wait for.
	bundle_args . sleep 1000
	(unset NOTIFY_SOCKET && detached kist create $ID)
	detached timeout 60 "$KIST" --root "$ROOT" start $ID
	kist delete --force $ID
}
