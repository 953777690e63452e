#!/usr/bin/env bats
# kist job run: process 1 is kist's own: signals, orphans, and what the job can do to it.

bats_require_minimum_version 1.5.0
load helpers
load runtime
load job

setup() { job_setup; }
teardown() { runtime_teardown; }

@test "a signal is a signal: what would do nothing to process 1 ends the command, and is on the record" {
	for signal in ABRT:6 KILL:9 TERM:15 USR1:10; do
		run -$((128 + ${signal#*:})) job "$ROOTFS" -- sh -c "echo \$\$; kill -${signal%:*} \$\$; echo survived"
		[ "$output" = 2 ]
		record ".reason == \"signal\" and .signal == ${signal#*:} and .exit_code == null"
	done
	# A number as of a signal, and no signal.
	run -134 job "$ROOTFS" -- sh -c 'exit 134'
	record '.reason == "exit" and .exit_code == 134 and .signal == null'
	# Without it the command is process 1, deaf to itself.
	run -0 job --init no "$ROOTFS" -- sh -c 'echo $$; kill -ABRT $$; echo survived'
	[ "$output" = "$(printf '1\nsurvived')" ]
	jq -n --arg root "$ROOTFS" '{version: 1, folder: $root, command: ["sh", "-c", "echo $$"], init: "no"}' >"$T/job.json"
	run -0 job "$T/job.json"
	[ "$output" = 1 ]
	refused 125 '--init: "maybe" is neither no nor yes' job --init maybe "$ROOTFS" true
	# Through a monitor as well.
	run -0 job --detach "$ROOTFS" -- sh -c 'kill -ABRT $$'
	run -134 kist job wait "$ID"
	jq -e '.reason == "signal" and .signal == 6' "$ROOT/.jobs/$ID/result.json"
	kist job gc "$ID"
	assert_nothing_left
}

@test "orphans are reaped" {
	run -0 job "$ROOTFS" -- sh -c 'pid=$(sh -c "sleep 0.01 >/dev/null & echo \$!"); i=0
		until [ ! -e /proc/$pid ] || grep -q "^State:.Z" /proc/$pid/status 2>/dev/null; do usleep 20000; done
		while [ -e /proc/$pid ] && [ $i -lt $0 ]; do usleep 20000; i=$((i+1)); done; [ -e /proc/$pid ] && echo zombie || echo reaped' 1000
	[ "$output" = reaped ]
}

@test "SIGTERM goes to all of it, and ends what has no handler; other signals to the command" {
	run --separate-stderr -124 job --wall 2s --grace 60s "$ROOTFS" -- sh -c 'sh -c "trap \"echo child; exit\" TERM; while :; do sleep 0.1; done" &
		trap "wait; echo parent; exit 9" TERM; while :; do sleep 0.1; done'
	[ "$(sort <<<"$output" | xargs)" = "child parent" ]
	record '.reason == "wall" and .exit_code == 9'
	run -124 job --wall 200ms --grace 60s "$ROOTFS" -- sh -c 'sleep 1000 & sleep 1000; echo survived'
	[[ $output != *survived* ]]
	record '.reason == "wall" and .signal == 15 and .wall_us < 50000000'
	# Before the command is there to hear it, too: nothing is lost.
	"$KIST" --root "$ROOT" job run --id "$ID" --result "$RESULT" --wall max --cpu-time max "$ROOTFS" -- \
		sh -c 'trap "echo heard; exit 5" USR1; echo >/tmp/ready; while :; do sleep 0.1; done' >"$T/said" &
	wait_until 20 job_runs
	until [ -e "/proc/$(job_pid)/root/tmp/ready" ]; do sleep 0.1; done
	kist kill "$ID" USR1
	status=0
	wait $! || status=$?
	[ "$status" -eq 5 ]
	[ "$(cat "$T/said")" = heard ]
	assert_nothing_left
}

@test "process 1 is nobody's to look at or to harm: no fd, no memory, no path of the host, no capability" {
	job --wall max --cpu-time max "$ROOTFS" -- sh -c 'for what in exe root cwd; do readlink /proc/1/$what && echo bad; done
		for what in mem maps environ auxv fd/0 stack syscall; do cat /proc/1/$what && echo bad; done
		ls /proc/1/fd && echo bad
		echo bad >/proc/1/comm
		kill -KILL 1; kill -STOP 1
		tr -s "\0" "\n" </proc/1/cmdline; cat /proc/1/comm; echo >/tmp/ready; while :; do sleep 0.1; done' >"$T/said" 2>/dev/null &
	wait_until 20 job_runs
	until [ -e "/proc/$(job_pid)/root/tmp/ready" ]; do sleep 0.1; done
	first=$(job_pid)
	[ -z "$(ls "/proc/$first/fd")" ]
	[ "$(readlink "/proc/$first/cwd")" = / ]
	[ "$(proc_status "$first" NoNewPrivs)" = 1 ]
	[ "$(proc_status "$first" Seccomp)" = 2 ]
	for set in CapInh CapPrm CapEff CapBnd CapAmb; do
		[ "$(proc_status "$first" $set)" = 0000000000000000 ]
	done
	# Nothing of it is written that isn't kist's own few pages.
	# (Sanitizers have memory of their own.)
	[ -n "${KIST_SANITIZED-}" ] || [ "$(sed -n 's/^Private_Dirty: *\([0-9]*\) kB/\1/p' "/proc/$first/smaps_rollup")" -lt 256 ]
	kist kill "$ID" KILL
	wait $! || true
	[ "$(cat "$T/said")" = "$(printf 'kist-init\nkist-init')" ]
	assert_nothing_left
}
