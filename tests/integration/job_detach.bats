#!/usr/bin/env bats
# kist job run --detach: a monitor, and what it leaves; ls, logs, wait, kill, gc.

bats_require_minimum_version 1.5.0
load helpers
load runtime
load job

setup() { job_setup; }
teardown() {
	local pid
	for pid in $(jobs_json | jq -r '.monitor_pid // empty'); do
		kill -9 "$pid" 2>/dev/null || true
	done
	kist job gc >/dev/null 2>&1 || true
	runtime_teardown
}

detached() { job --detach --wall max "$@"; }
jobs_json() { kist job ls --json 2>/dev/null; }
monitor() { jobs_json | jq -r "select(.id == \"${1:-$ID}\").monitor_pid"; }
state() { jobs_json | jq -r "select(.id == \"$ID\").state"; }
says() { kist job logs "$ID" 2>&1 | grep -q "$1"; }
gone() { [ ! -d "/proc/$1" ]; }

@test "detach: its id at once, nobody's pipes held open; logs, wait, result, gc" {
	# A command substitution ends only when all who hold its pipe are gone.
	mkdir "$T/in"
	out=$(detached --log-files 3 --input "$T/in:/in" "$ROOTFS" -- \
		sh -c 'echo out; echo err >&2; cat; while [ ! -e /in/go ]; do sleep 0.02; done; echo more; exit 3' 2>&1)
	[ "$out" = "$ID" ]
	[ "$(state)" = running ]
	# Its monitor is small, and the parent of its first process.
	pid=$(monitor)
	[[ $(readlink "/proc/$pid/exe") == */kist-monitor ]]
	[ "$(awk '/^PPid/ { print $2 }' "/proc/$(job_pid)/status")" = "$pid" ]
	wait_until 20 says err
	{ wait_until 20 test -s "$T/followed"; touch "$T/in/go"; } &
	kist job logs --follow "$ID" >"$T/followed" 2>"$T/followed.err"
	[ "$(cat "$T/followed")" = "out
more" ]
	[ "$(cat "$T/followed.err")" = err ]
	run -3 kist job wait "$ID"
	record '.reason == "exit" and .status == 3 and .exit_code == 3 and .stdout.bytes == 9 and .stderr.bytes == 4 and .error == null'
	[ "$(state)" = over ]
	run -3 --separate-stderr kist job wait --json "$ID"
	[ "$(jq -c . <<<"$output")" = "$(jq -c . "$RESULT")" ]
	run -0 --separate-stderr kist job logs -t "$ID"
	[[ ${lines[0]} =~ ^20[0-9-]+T[0-9:.]+Z\ out$ ]]
	# As docker's json-file.
	jq -es '[.[] | select(.stream == "stdout").log] == ["out\n", "more\n"]' "$ROOT/.jobs/$ID/log"
	[ ! -s "$ROOT/.jobs/$ID/errors" ]
	run -125 detached "$ROOTFS" true
	[[ $output == *"there is a detached job $ID already"* ]]
	run -0 kist job gc
	[ "$output" = "$ID" ]
	[ -z "$(jobs_json)" ]
	assert_nothing_left
}

@test "a detached job's limits: the clock, output, and its grace; kill, by the monitor and by a signal" {
	detached --wall 300ms "$ROOTFS" -- sleep 100
	run -124 kist job wait "$ID"
	record '.reason == "wall" and .status == 124 and .signal == 9'
	kist job gc "$ID"
	detached --output 1k --over-output kill "$ROOTFS" -- cat /dev/zero
	run -124 kist job wait "$ID"
	record '.reason == "output" and .stdout.truncated'
	[ "$(kist job logs "$ID" | tr -d '\0' | wc -c)" = 0 ]
	[ "$(kist job logs "$ID" | wc -c)" = 1024 ]
	kist job gc "$ID"
	detached --grace 60s --log raw "$ROOTFS" -- sh -c 'exec 2>/dev/null; trap "echo asked; exit 4" TERM; echo ready; while :; do sleep 0.02; done'
	wait_until 20 says ready
	kist job kill "$ID"
	run -143 kist job wait "$ID"
	record '.reason == "cancelled" and .exit_code == 4'
	[ "$(kist job logs "$ID")" = "ready
asked" ]
	run -125 kist job kill "$ID"
	[[ $output == *"is over"* ]]
	kist job gc "$ID"
	detached "$ROOTFS" -- sh -c 'trap "exit 6" USR1; echo ready; while :; do sleep 0.02; done'
	wait_until 20 says ready
	kist job kill "$ID" USR1
	run -6 kist job wait "$ID"
	record '.reason == "exit" and .exit_code == 6'
	kist job gc
	assert_nothing_left
}

@test "logs are cut, and followed over the cuts; none keeps nothing" {
	detached --log-size 4k --log-files 2 "$ROOTFS" -- sh -c 'i=0; while [ $i -lt 300 ]; do echo "line $i"; i=$((i+1)); done'
	run -0 kist job wait "$ID"
	[ "$(find "$ROOT/.jobs/$ID" -name 'log*' | wc -l)" = 2 ]
	[ "$(find "$ROOT/.jobs/$ID" -name 'log*' -size +8)" = "" ]
	[ "$(kist job logs "$ID" | tail -n 1)" = "line 299" ]
	kist job logs "$ID" | awk 'NR > 1 && $2 != last + 1 { exit 1 } { last = $2 } END { exit NR < 40 }'
	kist job gc
	# More than its reader takes at once, cut many times: one that follows from the start misses nothing.
	detached --log-size 64k --log-files 50 "$ROOTFS" -- sh -c 'i=0; while [ $i -lt 2000 ]; do echo "line $i"; i=$((i+1)); done'
	kist job logs -f "$ID" | awk '$2 != NR - 1 { exit 1 } END { exit NR != 2000 }'
	kist job gc
	detached --log none "$ROOTFS" -- echo hello
	run -0 kist job wait "$ID"
	record '.stdout.bytes == 6'
	[ -z "$(kist job logs "$ID")" ]
	kist job gc
	assert_nothing_left
}

@test "kill -9 of the monitor kills the job; gc takes the rest away" {
	detached --workspace 1m "$ROOTFS" -- sh -c 'sleep 100 & sleep 100'
	pid=$(job_pid)
	[ -d "/proc/$pid" ]
	kill -9 "$(monitor)"
	wait_until 10 gone "$pid"
	[ "$(state)" = lost ]
	run -125 kist job wait "$ID"
	[[ $output == *"its monitor was killed"* ]]
	# Its name is taken until then.
	run -125 detached "$ROOTFS" true
	run -0 kist job gc
	[ "$output" = "$ID" ]
	assert_nothing_left
}

@test "kist-monitor is found beside kist, or in libexec; without it the job is refused" {
	mkdir "$T/alone"
	cp "$KIST" "$T/alone/kist"
	refused 125 'kist-monitor' "$T/alone/kist" --root "$ROOT" job run --detach --id "$ID" "$ROOTFS" true
	grep -q '^fix: install it beside kist, or in /usr/local/libexec$' <<<"$stderr"
	assert_nothing_left
	# shellcheck disable=SC2016 # expanded there
	run -0 unshare --mount sh -c 'mkdir -p /usr/local && mount -t tmpfs local /usr/local && mkdir /usr/local/libexec && cp "$1" /usr/local/libexec/ && shift && exec "$@"' \
		sh "${KIST%/*}/kist-monitor" "$T/alone/kist" --root "$ROOT" job run --detach --id "$ID" "$ROOTFS" -- sh -c 'echo hello; exit 3'
	run -3 kist job wait "$ID"
	run -0 kist job logs "$ID"
	[ "$output" = hello ]
	kist job gc
	assert_nothing_left
}

@test "a job that does not start leaves nothing, and says why" {
	run -127 --separate-stderr detached "$ROOTFS" -- /no/such
	[[ $stderr == *"no such file"* ]]
	[ -z "$(jobs_json)" ]
	refused 125 'only a detached job' job --log raw "$ROOTFS" true
	refused 125 "its monitor's" detached --stdout "$T/out" "$ROOTFS" true
	refused 125 'json-file, raw, none' detached --log xml "$ROOTFS" true
	refused 125 'at least 4096' detached --log-size 100 "$ROOTFS" true
	refused 125 'from 1 to 100' detached --log-files 0 "$ROOTFS" true
	refused 125 'there is no detached job' kist job logs nobody
	refused 125 'invalid' kist job wait ../x
	assert_nothing_left
}

@test "at its end it is what it was at its start: the job file changed meanwhile; artefacts are collected" {
	mkdir "$T/out" "$T/in"
	echo data >"$T/in/file"
	jq -n --arg root "$ROOTFS" --arg in "$T/in" '{version: 1, folder: $root, workspace: null} | del(.workspace) +
		{limits: {workspace: "1m"}, inputs: [{source: $in, path: "/data"}], collect: ["*.txt"], collect_to: "out",
		command: ["sh", "-c", "cat /data/file >a.txt; while [ ! -e /data/go ]; do sleep 0.02; done"]}' >"$T/job.json"
	(cd "$T" && detached job.json)
	echo '{"version": 9}' >"$T/job.json"
	touch "$T/in/go"
	run -0 kist job wait "$ID"
	record '.reason == "exit" and .collected.files == 1 and .limits.workspace == 1048576'
	[ "$(cat "$T/out/a.txt")" = data ]
	kist job gc
	assert_nothing_left
}

@test "stats: what jobs use, detached and of a batch, once and until they are over" {
	run kist job run --detach --wall max --id "$ID" "$ROOTFS" -- sh -c 'while :; do :; done'
	[ "$status" -eq 0 ]
	make_bundle "$T/b"
	bundle_args "$T/b" sleep 1000
	kist run --bundle "$T/b" other &
	wait_until 20 is_in_state other running
	# No job is no job.
	run kist job stats --json --no-stream
	[ "$status" -eq 0 ]
	[ "${#lines[@]}" -eq 1 ]
	jq -e ".id == \"$ID\" and .running_ms >= 0 and .cpu_percent > 0 and .stats.cpu.usage_usec > 0" \
		<<<"$output"
	run --separate-stderr kist job stats --no-stream other
	is_one_line 125 'no job that runs'
	run --separate-stderr kist job stats --no-stream nothing
	is_one_line 125
	run kist job stats --no-stream
	[[ ${lines[0]} == ID*CPU*MEMORY*PIDS* ]]
	[[ ${lines[1]} == "$ID "*%* ]]
	# Until it is over: more than one line, then the end of its own accord.
	"$KIST" --root "$ROOT" job stats --json --interval 50ms "$ID" >"$T/stats" &
	stats=$!
	wait_until 20 eval '[ "$(wc -l <"$T/stats")" -ge 3 ]'
	kist job kill "$ID"
	wait $stats
	jq -es 'all(.id == "'"$ID"'") and (map(.stats.cpu.usage_usec) | . == sort)' "$T/stats"
	# A table on a terminal is drawn anew.
	run on_a_pty 24x80 timeout 2 "$KIST" --root "$ROOT" job stats --interval 100ms
	[[ $output == *$'\e[H\e[J'*RUNNING*$'\e[H\e[J'*RUNNING* ]]
	run kist job stats --json --no-stream
	[ -z "$output" ]
	kist kill other KILL
	kist job wait "$ID" || true
	kist job gc
	wait_until 20 test ! -e "$ROOT/other"
	assert_nothing_left
}
