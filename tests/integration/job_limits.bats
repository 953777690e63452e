#!/usr/bin/env bats
# native only: what kist itself counts and cuts off; the cgroup's limits, in job.bats, are those of the test machine
# kist job run: limits of time, output, files, by option and by job file; its standard streams.

bats_require_minimum_version 1.5.0
load helpers
load runtime
load job

setup() { job_setup; }
teardown() { runtime_teardown; }

# job_file JQ_ARG...: a job file of the root folder, $T/job.json.
job_file() { jq -n --arg root "$ROOTFS" '{version: 1, folder: $root} + ('"$1"')' >"$T/job.json"; }

@test "output: what is over the limit is dropped and counted, each stream for itself" {
	run --separate-stderr -3 job --output 10 "$ROOTFS" -- \
		sh -c 'echo 0123456789abc; echo short >&2; exit 3'
	[ "$output" = 0123456789 ]
	[ "$stderr" = short ]
	record '.reason == "exit" and .status == 3 and .limits.output == 10 and .controls.output == "enforced" and
		.stdout == {"bytes": 14, "kept": 10, "truncated": true} and
		.stderr == {"bytes": 6, "kept": 6, "truncated": false}'
	# Exactly as much as it may.
	run -0 job --output 5 --over-output kill "$ROOTFS" -- echo 1234
	record '.stdout == {"bytes": 5, "kept": 5, "truncated": false}'
	run -0 job --output max "$ROOTFS" -- echo 1234
	record '.stdout == null and .controls.output == "absent"'
}

@test "output: over the limit it is killed when that was asked for, also at its very end" {
	run --separate-stderr -124 job --output 1k --over-output kill "$ROOTFS" -- yes
	[ "${#output}" -le 1024 ]
	[[ $stderr == *"--output"* ]]
	record '.reason == "output" and .status == 124 and .signal == 9 and .stdout.kept == 1024'
	run --separate-stderr -124 job --output 3 --over-output kill "$ROOTFS" -- echo 1234
	record '.reason == "output" and .status == 124'
	assert_nothing_left
}

@test "output that nobody reads holds up neither the wall limit nor kist's own end" {
	mkfifo "$T/fifo"
	exec 5<>"$T/fifo"
	"$KIST" --root "$ROOT" job run --id "$ID" --result "$RESULT" --output 1g --wall 500ms "$ROOTFS" -- yes \
		>"$T/fifo" &
	runner=$!
	wait_until 30 has_ended
	# What is left of it waits for a reader, as it would in the pipe; or for the user's word.
	kill -TERM $runner
	status=0
	wait $runner || status=$?
	exec 5>&-
	[ "$status" -eq 124 ]
	record '.reason == "wall"'
}
# Its first process is gone, and kist still there.
has_ended() { [ -n "$(job_pid)" ] && [ ! -d "/proc/$(job_pid)" ]; }

@test "processor time: of the whole tree, over exec and children" {
	run --separate-stderr -124 job --cpu-time 300ms --wall 60s "$ROOTFS" -- \
		sh -c 'i=0; while [ $i -lt 4 ]; do (while :; do :; done) & i=$((i+1)); done; wait'
	[[ $stderr == *"--cpu-time"* ]]
	record '.reason == "cpu" and .status == 124 and .cpu_us >= 300000 and .limits.cpu_time_ms == 300 and
		.controls.cpu_time == "enforced"'
	run -0 job --cpu-time 30s "$ROOTFS" -- sh -c 'ulimit -t'
	[ "$output" = 31 ]
	assert_nothing_left
}

@test "processor time: what each child used is counted, waited for or not, and nothing else" {
	# Each spins until the kernel says that it has used 200 ms.
	cat >"$ROOTFS/spin" <<-'END'
	used=0
	while [ "$used" -lt 20 ]; do
		i=0
		while [ $i -lt 300 ]; do i=$((i + 1)); done
		read -r line </proc/self/stat
		set -- ${line##*) }
		used=$((${12} + ${13}))
	done
	END
	run -0 job --allow-degraded memory,pids,cpu "$ROOTFS" -- \
		sh -c 'sh /spin & wait; (setsid sh /spin; echo >/tmp/done) & exec sh -c ". /spin; until [ -e /tmp/done ]; do sleep 0.02; done"'
	record '.cpu_us >= 580000 and .cpu_us < 900000 and .cpu_user_us + .cpu_system_us <= .cpu_us + 20000'
	assert_nothing_left
}

@test "grace: SIGTERM first, and what it does with it counts; SIGKILL after that time" {
	run -124 --separate-stderr job --wall 2s --grace 60s "$ROOTFS" -- sh -c 'trap "echo asked; exit 7" TERM; while :; do sleep 0.1; done'
	[ "$output" = asked ]
	record '.reason == "wall" and .exit_code == 7 and .limits.grace_ms == 60000'
	run -124 job --wall 200ms --grace 200ms "$ROOTFS" -- sh -c 'trap "" TERM; while :; do sleep 0.1; done'
	record '.reason == "wall" and .signal == 9 and .wall_us >= 400000'
	assert_nothing_left
}

@test "file size and open files: the kernel's own limits" {
	run -0 job --file-size 4k --open-files 50 "$ROOTFS" -- \
		sh -c 'ulimit -n; dd if=/dev/zero of=/tmp/x bs=1k count=8 2>/dev/null; echo $?; stat -c %s /tmp/x'
	[ "${lines[0]}" = 50 ]
	[ "${lines[-2]}" = 153 ]
	[ "${lines[-1]}" = 4096 ]
	record '.limits.file_size == 4096 and .limits.open_files == 50 and .controls.file_size == "enforced"'
	run -0 job --open-files max --file-size max "$ROOTFS" -- sh -c 'ulimit -n; ulimit -f'
	[ "$output" = "$(ulimit -H -n; echo unlimited)" ]
	record ".controls.file_size == \"absent\" and .limits.open_files == $(ulimit -H -n)"
}

@test "stack: the kernel's own limit; processors of its own, or a clear refusal" {
	run -0 job --stack 1m "$ROOTFS" -- sh -c 'ulimit -s; ulimit -H -s'
	[ "$output" = $'1024\n1024' ]
	record '.limits.stack == 1048576'
	refused 125 '--cpuset-cpus: "3-"' job --cpuset-cpus 3- "$ROOTFS" true
	refused 125 '--stack: "much"' job --stack much "$ROOTFS" true
	if grep -qw cpuset "$(cgroup_mount)/cgroup.controllers"; then
		run -0 job --cpuset-cpus 0 "$ROOTFS" -- grep Cpus_allowed_list /proc/self/status
		[[ $output == *$'\t0' ]]
		record '.limits.cpuset_cpus == "0"'
	else
		refused 125 cpuset job --cpuset-cpus 0 "$ROOTFS" true
	fi
}

@test "standard streams from and to files; /dev/stdout is the job's to open" {
	echo input >"$T/in"
	echo old content that is longer >"$T/out"
	run -0 --separate-stderr job --stdin "$T/in" --stdout "$T/out" --stderr "$T/err" "$ROOTFS" -- \
		sh -c 'cat; echo error >&2; echo by name >/dev/stdout'
	[ -z "$output$stderr" ]
	[ "$(cat "$T/out")" = "$(printf 'input\nby name')" ]
	[ "$(cat "$T/err")" = error ]
	record '.stdout.bytes == 14 and .stderr.bytes == 6'
	run -0 job --stdout "$T/out" --stderr-to stdout "$ROOTFS" -- sh -c 'echo one; echo two >&2'
	[ "$(cat "$T/out")" = "$(printf 'one\ntwo')" ]
	# The file itself is never the job's: no writing at another place, or into what it reads.
	chmod 666 "$T/in"
	run job --stdin "$T/in" --stdout "$T/out" "$ROOTFS" -- \
		sh -c 'ls -l /proc/self/fd/0 /proc/self/fd/1 | grep -c pipe: ; echo bad >/proc/self/fd/0'
	[ "$(cat "$T/in")" = input ]
	[ "$(head -n 1 "$T/out")" = 2 ]
}

@test "standard streams: no symlink is followed, no second name written to, nothing else opened" {
	echo precious >"$T/precious"
	ln -s precious "$T/link"
	ln -s . "$T/folder"
	ln "$T/precious" "$T/second"
	mkfifo "$T/fifo"
	refused 125 'symbolic link' job --stdout "$T/link" "$ROOTFS" true
	refused 125 'symbolic link' job --stderr "$T/folder/err" "$ROOTFS" true
	refused 125 'symbolic link' job --stdin "$T/link" "$ROOTFS" true
	refused 125 'other names' job --stdout "$T/second" "$ROOTFS" true
	refused 125 'no regular file' job --stdin "$T/fifo" "$ROOTFS" true
	refused 125 'cannot open' job --stdout "$T/no/such" "$ROOTFS" true
	refused 125 'stdin: cannot open' job --stdin "$T/nosuch" "$ROOTFS" true
	[ "$(cat "$T/precious")" = precious ]
	[ ! -e "$T/err" ]
	assert_nothing_left
}

@test "a job file says what options say; options go over it; paths are relative to its folder" {
	mkdir "$T/jobs"
	echo input >"$T/jobs/in"
	job_file '{command: ["sh", "-c", "cat; echo $A $B $(pwd); hostname"], env: {A: "1", B: "2"}, workdir: "/tmp",
		stdin: "in", stdout: "out", stderr_to: "stdout", id: "named", writable: "1m", network: "none",
		limits: {wall: 50, output: "1k", over_output: "kill", file_size: 8192, open_files: 77, grace: "1s", cpu_time: "20s"},
		allow_degraded: ["memory", "pids", "cpu", "cpu-time"]}'
	mv "$T/job.json" "$T/jobs/job.json"
	run -0 kist job run --result "$RESULT" "$T/jobs/job.json"
	[ -z "$output" ]
	[ "$(cat "$T/jobs/out")" = "$(printf 'input\n1 2 /tmp\nnamed')" ]
	record '.id == "named" and .network == "none" and .controls.read_only_root == "absent" and
		.limits == {"wall_ms": 50000, "output": 1024, "file_size": 8192, "open_files": 77, "grace_ms": 1000, "cpu_time_ms": 20000}'
	run -0 job --env B=3 --env C=4 --wall 9s --stdout "$T/other" "$T/jobs/job.json" -- sh -c 'echo $A $B $C'
	[ "$(cat "$T/other")" = "1 3 4" ]
	record '.limits.wall_ms == 9000 and .limits.output == 1024'
	# Limits of the cgroup, where there are such: the file's, as the options'.
	job_file '{command: ["true"], limits: {memory: "64m", pids: 9, cpus: 0.5}, allow_degraded: ["memory", "pids", "cpu"]}'
	run -0 job "$T/job.json"
	record '.controls | [.memory, .pids, .cpu] | . == ["enforced", "enforced", "enforced"] or . == ["waived", "waived", "waived"]'
	assert_nothing_left
}

@test "a job file's image and its command" {
	"$KIST" image load "$FIXTURES/busybox.tar" >/dev/null
	jq -n '{version: 1, image: "busybox", command: ["cat", "/etc/os-release"]}' >"$T/job.json"
	run -0 job "$T/job.json"
	[[ $output == *kist-busybox* ]]
	record '.image == "busybox"'
}

@test "a job file that is wrong: one line, the place, nothing run" {
	job_file '{command: ["true"], limits: {memroy: 1}}'
	refused 125 'job.json: /limits/memroy: is no key' job "$T/job.json"
	job_file '{command: ["true"], limits: {wall: "soon"}}'
	refused 125 'job.json: /limits/wall: "soon"' job "$T/job.json"
	job_file '{version: 2}'
	refused 125 'job.json: /version: 2 is not known' job "$T/job.json"
	job_file '{}'
	refused 125 'the command is missing' job "$T/job.json"
	jq -n '{version: 1, command: ["true"]}' >"$T/job.json"
	refused 125 'neither /image nor /folder' job "$T/job.json"
	echo '{"version": 1, "version": 1}' >"$T/job.json"
	refused 125 'job.json' job "$T/job.json"
	refused 125 'nosuch.json' job "$T/nosuch.json"
	refused 125 '--output: "lots"' job --output lots "$ROOTFS" true
	refused 125 '--over-output: "ask" is neither truncate nor kill' job --over-output ask "$ROOTFS" true
	refused 125 '--cpu-time' job --cpu-time 0.0 "$ROOTFS" true
	refused 125 '--grace' job --grace -1s "$ROOTFS" true
	refused 125 '--file-size' job --file-size x "$ROOTFS" true
	refused 125 '--open-files: "0"' job --open-files 0 "$ROOTFS" true
	refused 125 '--stderr-to' job --stderr-to file "$ROOTFS" true
	refused 125 '--stdin: is empty' job --stdin "" "$ROOTFS" true
	assert_nothing_left
}

@test "--exit-zero: the result alone says how it ended" {
	run -0 job --exit-zero "$ROOTFS" -- sh -c 'exit 9'
	record '.reason == "exit" and .status == 9'
	run -0 job --exit-zero "$ROOTFS" -- /no/such
	record '.reason == "sandbox-error" and .status == 127'
	refused 125 '--exit-zero' kist job run --exit-zero "$ROOTFS" true
	refused 125 'neither' job --exit-zero --over-output ask "$ROOTFS" true
}
