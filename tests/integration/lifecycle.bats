#!/usr/bin/env bats
# create, start, run, state, kill, delete, list: what each does, and that nothing is left.

bats_require_minimum_version 1.5.0
load helpers
load runtime

setup() {
	runtime_setup
	bundle_args "$T/b" sleep 1000
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
	for signal in NOSUCH 65 9x -1 ""; do
		run --separate-stderr kist kill $ID "$signal"
		is_one_line 1 'unknown signal'
	done
	# None at all: whether it lives.
	kist kill $ID 0
	[ "$(state_of $ID)" = running ]
	kist kill --all $ID SIGUSR1
	wait_until 10 is_in_state $ID stopped
	run --separate-stderr kist kill $ID 0
	is_one_line 1 'container not running'
	[ -z "$(cat "$cgroup/cgroup.procs")" ]
	kist delete $ID
	# Also one in a cgroup nested deeper than anybody would.
	detached kist run -d $ID
	wait_until 10 eval '[ $(wc -l <"'"$cgroup"'/cgroup.procs") -eq 3 ]'
	deep=$cgroup$(printf '/d%.0s' {1..200})
	mkdir -p "$deep"
	sed -n 2p "$cgroup/cgroup.procs" >"$deep/cgroup.procs"
	[ "$(kist ps --format json $ID | jq length)" = 3 ]
	child=$(cat "$deep/cgroup.procs")
	kist kill --all $ID SIGUSR1
	wait_until 10 is_in_state $ID stopped
	wait_until 10 is_dead "$child"
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
