#!/usr/bin/env bats
# Jobs that fill, flood and fork, disks that are full, clocks that jump: kist says what it was, and nothing stays.

bats_require_minimum_version 1.5.0
load helpers
load runtime
load job

setup() {
	# There what needs it: a clock to set, and a limit of processes.
	[ -z "${KIST_IN_VM-}" ] || [[ $BATS_TEST_DESCRIPTION == *"in the test machine" ]] || skip "runs natively"
	job_setup
}
teardown() {
	[ -n "${RESULT-}" ] || return 0
	[ -z "${clock-}" ] || clock_back
	[ -z "${cores-}" ] || echo "$cores" >/proc/sys/kernel/core_pattern
	kist job gc >/dev/null 2>&1 || true
	umount "$T/full" 2>/dev/null || true
	runtime_teardown
}

uptime_s() { cut -d ' ' -f 1 /proc/uptime; }
clock_jumps() { # SECONDS
	clock="$(date +%s.%N) $(uptime_s)"
	date -s "@$(($(date +%s) + $1))" >/dev/null
}
clock_back() {
	local at since
	read -r at since <<<"$clock"
	clock=''
	date -s "@$(awk -v at="$at" -v since="$since" -v now="$(uptime_s)" 'BEGIN { printf "%.3f", at + now - since }')" >/dev/null
}
full_disk() { # SIZE: $T/full, with nothing left
	mkdir -p "$T/full"
	mount -t tmpfs -o "size=$1" full "$T/full"
}
fill() { cat /dev/zero >"$T/full/filler" 2>/dev/null || true; }

# 100 GiB of it: make flood.
@test "endless output: counted, the log bounded, the monitor small" {
	[ -z "${KIST_SANITIZED-}" ] || skip "a sanitizer needs more memory than that"
	TMPDIR=$D run "$TOP/tests/flood.sh" 67108864 raw
	echo "$output"
	[ "$status" -eq 0 ]
	TMPDIR=$D run "$TOP/tests/flood.sh" 4194304 json-file
	echo "$output"
	[ "$status" -eq 0 ]
}

@test "a disk that is full: no result is half, what can't be written is said" {
	full_disk 64k
	fill
	run --separate-stderr -125 kist job run --id "$ID" --result "$T/full/result.json" "$ROOTFS" -- true
	[[ $stderr == *"cannot write result.json: No space left"* ]]
	[ "$(ls -A "$T/full")" = filler ]
	run --separate-stderr -125 job --workspace 1m --collect x --collect-to "$T/full" "$ROOTFS" -- sh -c 'echo >x'
	[[ $stderr == *"collect: cannot copy x: No space left"* ]]
	record '.reason == "sandbox-error" and .status == 125'
	[ "$(ls -A "$T/full")" = filler ]
	# What the job said: lost is not well.
	for out in "$T/full/out" /dev/full; do
		run --separate-stderr -125 job --stdout "$out" "$ROOTFS" -- echo hi
		[[ $stderr == *"stdout: cannot write $out: No space left"* ]]
		record '.reason == "sandbox-error" and .status == 125 and .stdout.kept == 0'
	done
	rm "$T/full/out"
	# The state root itself.
	run --separate-stderr -125 "$KIST" --root "$T/full" job run "$ROOTFS" true
	[[ $stderr == *"No space left"* ]]
	run --separate-stderr -125 "$KIST" --root "$T/full" job run --detach "$ROOTFS" true
	[[ $stderr == *"No space left"* ]]
	[ "$(ls -A "$T/full")" = filler ]
	umount "$T/full"
	assert_nothing_left
}

@test "a log that fills its disk: the job goes on, and how it ended is known" {
	full_disk 256k
	ROOT=$T/full
	job --detach --log-size 10m "$ROOTFS" -- sh -c 'i=0; while [ $i -lt 8000 ]; do echo "line $i of many that fill it"; i=$((i+1)); done; exit 3'
	run -3 kist job wait "$ID"
	record '.reason == "exit" and .status == 3 and .stdout.bytes == 246890 and .log_lost > 0 and .log_lost < 246890'
	jq -e '.dropped > 0 and .logErrno == 28' "$ROOT/.jobs/$ID/end.json"
	# Of the log no record is half there.
	jq -es 'length > 100 and all(.[]; .log | test("^line [0-9]+ of many that fill it\n$"))' "$ROOT/.jobs/$ID/log"
	run -0 kist job gc
	[ -z "$(ls -A "$ROOT")" ]
	umount "$T/full"
	ROOT=$T/root
}

@test "the clock jumps, to and fro: limits of time are those of a clock that does not, in the test machine" {
	[ -n "${KIST_IN_VM-}" ] || skip "sets the clock"
	for jump in 315360000 -86400; do
		begun=$(uptime_s)
		job --wall 4s "$ROOTFS" -- sleep 1000 >"$T/said" 2>&1 &
		wait_until 20 job_runs
		clock_jumps $jump
		# Neither at once nor after the jump.
		status=0
		wait $! || status=$?
		clock_back
		[ "$status" -eq 124 ]
		record '.reason == "wall" and .wall_us >= 4000000 and .wall_us < 60000000'
		awk -v a="$begun" -v b="$(uptime_s)" 'BEGIN { exit !(b - a < 60) }'
	done
	job --detach --wall 3s "$ROOTFS" -- sleep 1000
	clock_jumps 864000
	run -124 kist job wait "$ID"
	clock_back
	record '.reason == "wall" and .wall_us >= 3000000 and .wall_us < 60000000'
	kist job gc
	assert_nothing_left
}

@test "a bomb of forks, within its limit: ended by the clock, all of it, at once, in the test machine" {
	need_v2_controllers pids
	cat >"$ROOTFS/bomb" <<-'END'
	trap "" TERM HUP INT
	bomb() { bomb & bomb & }
	bomb &
	# A shell that can't fork ends: this one need not any more.
	while :; do :; done
	END
	run --separate-stderr -124 job --pids 12 --wall 3s --grace 500ms "$ROOTFS" -- sh /bomb
	record '.reason == "wall" and .signal == 9 and .pids_refused > 0 and .wall_us < 60000000'
	assert_nothing_left
}

@test "a crash starts nothing of the host's, in the test machine" {
	[ -n "${KIST_IN_VM-}" ] || skip "sets the host's core_pattern"
	cores=$(cat /proc/sys/kernel/core_pattern)
	# Started by the kernel, in the machine's own namespaces: there is the disk, too.
	printf '#!/bin/sh\necho "$1 $2" >>"%s"\n' "$D/crashes" >"$D/handler"
	chmod 755 "$D/handler"
	echo "|$D/handler %p %s" >/proc/sys/kernel/core_pattern
	crashes() { wait_until 20 eval '[ "$(wc -l 2>/dev/null <"$D/crashes")" = '"$1"' ]'; }
	sh -c 'ulimit -c 0; kill -SEGV $$' || true
	crashes 1
	run --separate-stderr -139 job "$ROOTFS" -- sh -c '(ulimit -c 0); (ulimit -S -c 0); sh -c "kill -ABRT \$\$"; kill -SEGV $$'
	record '.reason == "signal" and .signal == 11 and .controls.no_core_dumps == "enforced"'
	run --separate-stderr -139 kist job run --id "$ID" --profile dev --net none "$ROOTFS" -- sh -c '(ulimit -c 0); kill -SEGV $$'
	sh -c 'ulimit -c 0; kill -ABRT $$' || true
	crashes 2
	[ "$(tail -n 1 "$D/crashes" | cut -d ' ' -f 2)" = 6 ]
	echo "$cores" >/proc/sys/kernel/core_pattern
	assert_nothing_left
}

@test "what a job does to be missed by its end: stopped, in sessions of its own, holding its output open" {
	# Nobody there waits for it: it has a session, ignores all signals, and has the pipes.
	cat >"$ROOTFS/hold" <<-'END'
	trap "" TERM HUP INT
	(trap "" TERM HUP; setsid sh -c 'trap "" TERM HUP; while :; do sleep 1000; done' &) &
	echo said
	END
	for way in 'exit 5' 'kill -STOP 1; kill -STOP $$; sleep 1000'; do
		run --separate-stderr job --output 1k --wall 3s "$ROOTFS" -- sh -c ". /hold; $way"
		[ "$output" = said ]
		[ "$status" -eq 124 ] || [ "$status" -eq 5 ]
		assert_nothing_left
		job --detach --wall 3s "$ROOTFS" -- sh -c ". /hold; $way"
		run kist job wait "$ID"
		[ "$status" -eq 124 ] || [ "$status" -eq 5 ]
		[ "$(kist job logs "$ID")" = said ]
		kist job gc
		assert_nothing_left
	done
}

@test "a job says what it wants of its end: the reason is what happened" {
	# Signals that the kernel sends at limits, sent by itself.
	run --separate-stderr -152 job --cpu-time 100s "$ROOTFS" -- sh -c 'kill -XCPU $$; sleep 100'
	record '.reason == "signal" and .signal == 24'
	run --separate-stderr -137 job --cpu-time 100s "$ROOTFS" -- sh -c 'kill -KILL $$; sleep 100'
	record '.reason == "signal" and .signal == 9'
	run -124 job "$ROOTFS" -- sh -c 'exit 124'
	record '.reason == "exit" and .exit_code == 124'
	run -125 job "$ROOTFS" -- sh -c 'exit 125'
	record '.reason == "exit" and .exit_code == 125'
	# A folder for a standard stream would lead out of every root.
	run --separate-stderr -125 job "$ROOTFS" -- sh -c 'ls /proc/self/fd/0/' </
	is_one_line 125
	[[ $stderr == *"stdin: is a folder of the host"* ]]
	assert_nothing_left
}

@test "terminals: so many of its own, not all of the host's" {
	cat >"$ROOTFS/terminals" <<-'END'
	# Nine to a process.
	for i in 1 2 3 4 5 6 7 8; do
		(for fd in 1 2 3 4 5 6 7 8 9; do eval "exec $fd<>/dev/ptmx" 2>/dev/null || break; done; ls /dev/pts | wc -l >/tmp/$i; read -r x </tmp/wait) &
	done
	for i in 1 2 3 4 5 6 7 8; do until [ -s /tmp/$i ]; do sleep 0.05; done; done
	ls /dev/pts | grep -vc ptmx
	END
	run -0 --separate-stderr job "$ROOTFS" -- sh -c 'mkfifo /tmp/wait; . /terminals'
	[ "$output" -eq 64 ]
	assert_nothing_left
}

@test "names that are made to mislead: collected as they are, shown harmless" {
	mkdir "$T/out"
	run -0 job --workspace 1m --file-size max --collect '**' --collect-to "$T/out" "$ROOTFS" -- sh -c 'n=$(printf "a\nb"); e=$(printf "x\033[2Jy")
		echo 1 >"$n"; echo 2 >"$e"; mkdir -- "-rf"; echo 3 >"-rf/..."; echo 4 >"$(printf "%0250d" 1)"; truncate -s 1099511627776 sparse'
	[ "$(cat "$T/out/$(printf 'a\nb')" "$T/out/$(printf 'x\033[2Jy')" "$T/out/-rf/..." "$T/out/$(printf '%0250d' 1)")" = $'1\n2\n3\n4' ] ||
		{ ls -lAb "$T/out"; false; }
	record '.collected | .files == 4 and .skipped == 1 and .truncated'
	# What stands in the way is named in one harmless line.
	mkdir "$T/out2"
	mkdir "$T/out2/$(printf 'x\033[2J\ny')"
	run --separate-stderr -125 job --workspace 1m --collect '*' --collect-to "$T/out2" "$ROOTFS" -- sh -c 'echo >"$(printf "x\033[2J\ny")"'
	is_one_line 125
	[[ $stderr != *$'\033'* ]]
}
