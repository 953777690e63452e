#!/usr/bin/env bats
# native only: what kist itself does with many jobs; what the kernel enforces of one is in job.bats
# kist batch: jobs as lines, results as lines; what is retried, what cancels, what is left.

bats_require_minimum_version 1.5.0
load helpers
load runtime
load job

setup() {
	job_setup
	cd "$T" || return 1
	# Relative paths begin at the folder of the lines.
	ln -s "$ROOTFS" rootfs
}
teardown() { runtime_teardown; }

batch() { kist batch "$@"; }
# line COMMAND [MORE]: one job more.
line() {
	jq -cn --arg command "$1" '{version: 1, folder: "rootfs", command: ["sh", "-c", $command]}
		+ ('"${2:-{\}}"')' >>jobs.jsonl
}
# results JQ: of all result lines, in the order of their jobs.
results() { jq -es "sort_by(.line) | $1" out >/dev/null || { cat out; return 1; }; }
some_run() { # N: so many of this state root are made by now
	[ "$(find "$ROOT" -name state.json | wc -l)" -ge "$1" ]
}

@test "each line gives a line: results, ids, bad lines with their place; 1 when one failed" {
	line 'exit 0' '{id: "first"}'
	line 'exit 3'
	echo >>jobs.jsonl
	line 'echo said; echo wrong >&2' '{stdout: "said"}'
	line true '{limits: {memroy: "1m"}}'
	echo '{"version": 1,' >>jobs.jsonl
	line cat '{stdin: "jobs.jsonl", limits: {output: "10", over_output: "kill"}}'
	printf %s '{"version": 1, "folder": "rootfs", "command": ["/no/such"]}' >>jobs.jsonl
	status=0
	batch -j 3 jobs.jsonl >out || status=$?
	[ "$status" -eq 1 ]
	results 'length == 7 and [.[].line] == [1, 2, 4, 5, 6, 7, 8] and
		[.[].tries] == [1, 1, 1, 0, 0, 1, 1] and .[0].id == "first" and
		[.[].reason] == ["exit", "exit", "exit", "sandbox-error", "sandbox-error", "output",
			"sandbox-error"] and
		[.[].status] == [0, 3, 0, 125, 125, 124, 127] and
		.[3].pointer == "/limits/memroy" and .[4].pointer == "" and (.[4].error | test("line 6")) and
		.[0].controls.seccomp == "enforced" and (.[6].error | test("/no/such"))'
	[ "$(cat said)" = said ]
	# All of them well; lines from standard input, where paths begin here; nobody's streams.
	status=0
	{ echo '{"version": 1, "folder": "rootfs", "command": ["sh", "-c", "cat; echo out; echo err >&2"]}'; } |
		batch - >out 2>err || status=$?
	results 'length == 1 and .[0].reason == "exit" and .[0].status == 0'
	[ "$status" -eq 0 ]
	[ ! -s err ]
	# A value that is not understood has its place, too.
	echo '{"version": 1, "folder": "rootfs", "command": ["true"], "limits": {"wall": "soon"}}' >jobs.jsonl
	batch jobs.jsonl >out || true
	results '.[0].pointer == "/limits/wall" and .[0].reason == "sandbox-error"'
	assert_nothing_left
}

@test "options hold for each, over what its line says; --outputs" {
	mkdir said
	line 'echo $A; echo $B >&2; ulimit -n' '{id: "a", env: {A: "1"}, limits: {open_files: 99}}'
	line 'sleep 1000' '{id: "b", stdout: "elsewhere", limits: {wall: "500ms"}}'
	status=0
	batch -j 2 --open-files 77 --env B=2 --outputs said jobs.jsonl >out || status=$?
	[ "$status" -eq 1 ]
	results '[.[].reason] == ["exit", "wall"] and .[1].status == 124 and
		all(.limits.open_files == 77)'
	[ "$(cat said/a.out)" = $'1\n77' ]
	[ "$(cat said/a.err)" = 2 ]
	[ -e elsewhere ] && [ ! -e said/b.out ]
	assert_nothing_left
}

# bearers BATCH: the processes that run its jobs: it itself on one processor.
bearers() {
	if [ "$(nproc)" -eq 1 ]; then echo "$1"; else cat "/proc/$1/task/$1/children"; fi
}

@test "so many at a time, all of them under way at once, by a process for each processor" {
	for _ in 1 2 3 4 5; do line 'while ! [ -e /in/open ]; do sleep 0.05; done'; done
	mkdir in
	"$KIST" --root "$ROOT" batch -j 4 --input "$PWD/in:/in" jobs.jsonl >out &
	wait_until 60 some_run 4
	batch=$!
	firsts() {
		jobs=
		for pid in $(bearers $batch); do jobs+=" $(cat "/proc/$pid/task/$pid/children")"; done
		[ "$(wc -w <<<"$jobs")" -eq 5 ]
	}
	wait_until 60 firsts
	# The fifth is set up, and waits for a place; no thread, no other process of kist's.
	four_run() {
		[ "$(find "$ROOT" -name state.json | wc -l)" -eq 4 ] &&
			[ "$(for pid in $jobs; do cat "/proc/$pid/comm"; done | sort | uniq -c | xargs)" = '1 kist 4 kist-init' ]
	}
	wait_until 60 four_run
	for _ in 1 2 3; do
		sleep 0.1
		four_run
	done
	for pid in $(bearers $batch); do
		[ "$(find "/proc/$pid/task" -mindepth 1 -maxdepth 1 | wc -l)" -eq 1 ]
	done
	[ "$(bearers $batch | wc -w)" -eq "$(($(nproc) < 4 ? $(nproc) : 4))" ]
	# What a job has of its host: nothing of its siblings', either.
	for pid in $jobs; do
		[ "$(cat "/proc/$pid/comm")" = kist ] || [ "$(find "/proc/$pid/fd" -mindepth 1 | wc -l)" -le 4 ]
	done
	touch in/open
	wait $batch
	results 'length == 5 and all(.status == 0 and .tries == 1)'
	assert_nothing_left
	# One at a time are one after the other: nothing of the next one is there before.
	: >jobs.jsonl
	for _ in 1 2 3; do line true '{id: "same"}'; done
	batch -j 1 jobs.jsonl >out
	results 'length == 3 and all(.status == 0 and .id == "same")'
	assert_nothing_left
}

@test "lines that come when others are over; each result is of its own job's files" {
	mkfifo lines
	"$KIST" --root "$ROOT" batch -j 2 - <lines >out &
	batch=$!
	exec 7>lines
	line 'exit 1'
	for n in 1 2 3; do
		cat jobs.jsonl >&7
		wait_until 60 eval '[ "$(wc -l <out)" -eq '$n' ]'
	done
	exec 7>&-
	status=0
	wait $batch || status=$?
	[ "$status" -eq 1 ]
	results 'length == 3 and all(.reason == "exit" and .status == 1)'
	: >jobs.jsonl
	for n in 1 2 3 4 5 6 7 8 9; do
		line 'cat /dev/zero >/work/large; false' '{limits: {workspace: "'$((n * 100))'k"}}'
	done
	batch -j 3 jobs.jsonl >out || true
	results 'all(.reason == "disk" and .workspace.full and .workspace.bytes == .limits.workspace)'
	assert_nothing_left
}

@test "retries by reason, counted; fail-fast cancels what runs and what waits" {
	line 'sleep 1000' '{limits: {wall: "100ms"}}'
	line 'exit 3'
	status=0
	batch -j 2 --retry 2 --retry-on wall,oom jobs.jsonl >out || status=$?
	[ "$status" -eq 1 ]
	results '[.[].tries] == [3, 1] and [.[].reason] == ["wall", "exit"]'
	# Only what kist failed at, without --retry-on.
	batch --retry 2 jobs.jsonl >out || status=$?
	results '[.[].tries] == [1, 1]'

	: >jobs.jsonl
	line 'sleep 1000'
	line 'sleep 0.1; exit 4'
	for _ in 3 4 5; do line 'exit 0'; done
	echo '{}' >>jobs.jsonl
	status=0
	batch -j 2 --fail-fast jobs.jsonl >out || status=$?
	[ "$status" -eq 1 ]
	results '[.[].reason] == ["cancelled", "exit", "cancelled", "cancelled", "cancelled", "sandbox-error"] and
		[.[].status] == [143, 4, 143, 143, 143, 125] and [.[].tries] == [1, 1, 0, 0, 0, 0]'
	assert_nothing_left
}

@test "SIGINT: what runs is cancelled, the rest is told of; its status says so" {
	for _ in 1 2 3; do line 'sleep 1000'; done
	line 'trap "exit 9" TERM; echo ready; while :; do sleep 0.1; done' '{limits: {grace: "1m"}, stdout: "said"}'
	"$KIST" --root "$ROOT" batch -j 2 jobs.jsonl >out &
	wait_until 60 some_run 2
	kill -INT $!
	status=0
	wait $! || status=$?
	[ "$status" -eq 130 ]
	results 'length == 4 and all(.reason == "cancelled" and .status == 130)'
	assert_nothing_left
	# Jobs that have their grace use it; a source that goes on is not waited for.
	tail -n 1 jobs.jsonl >one
	mkfifo lines
	"$KIST" --root "$ROOT" batch -j 2 - <lines >out &
	batch=$!
	exec 7>lines
	cat one >&7
	wait_until 60 some_run 1
	wait_until 60 test -s said
	kill -TERM $batch
	status=0
	wait $batch || status=$?
	exec 7>&-
	[ "$status" -eq 143 ]
	results 'length == 1 and .[0].reason == "cancelled" and .[0].exit_code == 9'
	assert_nothing_left
}

@test "kill -9 of a batch ends its jobs; job gc takes the rest away, and nothing that lives" {
	for _ in 1 2 3; do line 'sleep 1000'; done
	"$KIST" --root "$ROOT" batch -j 3 jobs.jsonl >out &
	batch=$!
	wait_until 60 some_run 3
	kist job run --id other --wall max "$ROOTFS" -- sleep 1000 &
	other=$!
	wait_until 60 test -s "$ROOT/other/state.json"
	pids=$(jq -r .pid "$ROOT"/b*/state.json)
	kill -KILL $batch
	wait $batch || true
	for pid in $pids; do wait_until 20 is_dead "$pid"; done
	run kist job gc
	[ "$status" -eq 0 ]
	[ "${#lines[@]}" -eq 3 ]
	[ -d "$ROOT/other" ]
	[ "$(find "$ROOT/.ids" -type l | wc -l)" -eq 1 ]
	kill -TERM "$(pgrep -P $other || echo $other)"
	wait $other || true
	wait_until 20 test ! -e "$ROOT/other"
	assert_nothing_left
}

@test "kill -9 of a process that bears jobs: they are told of, or retried; the others go on" {
	[ "$(nproc)" -gt 1 ] || return 0 # one process: the test above
	mkdir in
	for _ in 1 2 3 4; do line 'while ! [ -e /in/open ]; do sleep 0.05; done'; done
	"$KIST" --root "$ROOT" batch -j 2 --retry 1 --retry-on wall --input "$PWD/in:/in" jobs.jsonl >out &
	batch=$!
	wait_until 60 some_run 2
	bearer=$(bearers $batch | awk '{ print $1 }')
	pids=$(cat "/proc/$bearer/task/$bearer/children")
	kill -KILL "$bearer"
	# All that it left is gone before it is told of.
	wait_until 60 test -s out
	for pid in $pids; do wait_until 20 is_dead "$pid"; done
	results 'length == 1 and .[0].reason == "sandbox-error" and .[0].status == 125 and .[0].tries == 1 and
		(.[0].error | test("killed by signal 9"))'
	[ ! -e "$ROOT/$(jq -r .id out)" ]
	touch in/open
	status=0
	wait $batch || status=$?
	[ "$status" -eq 1 ]
	results '[.[].line] == [1, 2, 3, 4] and ([.[] | select(.status == 0)] | length) == 3'
	assert_nothing_left
	# What kist failed at is what is retried, without --retry-on.
	rm in/open
	"$KIST" --root "$ROOT" batch -j 2 --retry 1 --input "$PWD/in:/in" jobs.jsonl >out &
	batch=$!
	wait_until 60 some_run 2
	bearers $batch | xargs kill -KILL
	touch in/open
	wait $batch
	results '[.[].line] == [1, 2, 3, 4] and all(.status == 0) and [.[].tries][:2] == [2, 2]'
	assert_nothing_left
	# Nobody but the batch ends by a key of its terminal: none of its group is hit with it.
	rm in/open
	"$KIST" --root "$ROOT" batch -j 2 --input "$PWD/in:/in" jobs.jsonl >out &
	batch=$!
	wait_until 60 some_run 2
	for pid in $(bearers $batch); do
		[ "$(cut -d ' ' -f 5 "/proc/$pid/stat")" -eq "$pid" ]
	done
	bearers $batch | xargs kill -KILL
	kill -INT $batch
	status=0
	wait $batch || status=$?
	[ "$status" -eq 130 ]
	results 'length == 4 and all(.status != 0)'
	assert_nothing_left
}

@test "what a batch will not do: one line" {
	: >jobs.jsonl
	refuse() {
		run --separate-stderr batch "$@"
		is_one_line 125
	}
	refuse -j 0 jobs.jsonl
	refuse -j 1025 jobs.jsonl
	refuse nothing.jsonl
	refuse "$T"
	refuse --retry 101 jobs.jsonl
	refuse --retry-on wall jobs.jsonl
	refuse --retry 1 --retry-on wal jobs.jsonl
	refuse --cpuset 0-x jobs.jsonl
	refuse --cpuset 9999 jobs.jsonl
	refuse --pin -j 1024 jobs.jsonl
	refuse --outputs nowhere jobs.jsonl
	run --separate-stderr kist --cgroup-manager systemd batch jobs.jsonl
	is_one_line 125
	# Nobody reads the results.
	line true
	status=0
	batch jobs.jsonl >/dev/full 2>err || status=$?
	[ "$status" -eq 125 ]
	grep -q 'cannot write the results' err
	assert_nothing_left
}

@test "a job whose set-up hangs is given up, the others go on" {
	[ -c /dev/fuse ] || skip "no /dev/fuse here"
	mkdir "$T/stuck"
	"$("$TOP/tests/tools/build.sh" stuckfs)/stuckfs" "$T/stuck" deaf >"$T/stuckfs" 2>&1 3>&- &
	stuck=$!
	wait_until 10 grep -q . "$T/stuckfs"
	grep -q mounted "$T/stuckfs" || skip "no filesystem in user space here"
	timeout -s KILL 20 stat "$T/stuck" >/dev/null
	line true '{inputs: [{source: "stuck", path: "/in"}], workdir: "/in/sub", limits: {setup_time: "1s"}}'
	line true
	status=0
	batch -j 1 jobs.jsonl >out || status=$?
	results 'map(.reason) == ["sandbox-error", "exit"] and (.[0].error | test("does not answer")) and .[0].status == 125'
	[ "$status" -eq 1 ]
	run --separate-stderr job --setup-time 500ms --input "$T/stuck:/in" --workdir /in/sub "$ROOTFS" true
	is_one_line 125 'does not answer'
	grep -q '^fix: .*--setup-time' <<<"$stderr"
	kill -KILL $stuck
	wait $stuck || true
	umount "$T/stuck"
	assert_nothing_left
}

@test "a bar on a terminal, and none with --quiet" {
	line true
	line false
	run on_a_pty 24x80 "$KIST" --root "$ROOT" batch -j 1 jobs.jsonl
	[[ $output == *"2/2 done, 1 failed, 0 running"* ]]
	run on_a_pty 24x80 "$KIST" --root "$ROOT" batch -q -j 1 jobs.jsonl
	[[ $output != *done* ]]
	assert_nothing_left
}
