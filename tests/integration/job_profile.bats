#!/usr/bin/env bats
# kist job run: profiles, Landlock behind the mounts.

bats_require_minimum_version 1.5.0
load helpers
load runtime
load job

setup() { job_setup; }
teardown() { runtime_teardown; }

WAIVED=memory,pids,cpu

@test "Landlock is a second wall: a root that is writable by mistake is not written to" {
	run -0 job --workspace 1m "$ROOTFS" -- sh -c 'echo a >/tmp/a && mv /tmp/a /tmp/b && ln /tmp/b /tmp/c && echo >/work/x && echo >/dev/shm/x &&
		echo >/dev/null && cat /etc/passwd >/dev/null && /bin/true && echo fine'
	[ "$output" = fine ]
	record '.controls.landlock == "enforced" and .profile == "job" and .controls.keyring == "enforced"'
	# The mistake: a mount that can be written, made by root itself. The first wall is not there.
	mkdir -m 777 "$D/mistake"
	mkdir -p "$ROOTFS/mnt"
	for writable in "" "--writable 1m"; do
		# shellcheck disable=SC2086
		job $writable "$ROOTFS" -- sh -c 'until [ -e /mnt/here ]; do usleep 20000; done; echo x >/mnt/x; cat /mnt/here >/tmp/here && echo read >>/tmp/here; cat /tmp/here' >"$T/said" 2>&1 &
		wait_until 20 job_runs
		rm -f "$D/mistake"/*
		kist mounts add "$ID" "$D/mistake:/mnt"
		echo content >"$D/mistake/here"
		wait $! || true
		if [ -z "$writable" ]; then
			grep -q 'can.t create /mnt/x: Permission denied' "$T/said"
			[ ! -e "$D/mistake/x" ]
		else
			[ -e "$D/mistake/x" ]
		fi
		grep -q read "$T/said"
	done
	run -0 job --writable 1m "$ROOTFS" -- sh -c 'echo >/etc/x'
	record '.controls.landlock == "absent"'
}

@test "exec into a job: all walls of the job's, and no way to ask for fewer" {
	"$TOP/tests/tools/build.sh" posture >/dev/null
	cp "$TOP/build/tools/posture" "$ROOTFS/bin/posture"
	mkdir -m 777 "$D/mistake"
	mkdir -p "$ROOTFS/mnt"
	job --wall max "$ROOTFS" -- sh -c 'posture once >/tmp/own; mv /tmp/own /tmp/seen; sleep 1000' &
	wait_until 20 job_runs
	wait_until 60 test -e "/proc/$(job_pid)/root/tmp/seen"
	# All that it sees of itself but for its descriptors, a shell's variables, its place among processes.
	own() { grep -vE '^(fd |env |pid |node /tmp/|/proc/self/status NSpid)' | sed -E 's/ death [0-9]+//'; }
	run -0 kist exec "$ID" posture once
	grep -q 'securebits 239' <<<"$output"
	diff <(own <<<"$output") <(kist exec "$ID" cat /tmp/seen | own)
	# Landlock, where the mounts fail.
	kist mounts add "$ID" "$D/mistake:/mnt"
	run -1 kist exec "$ID" sh -c 'echo x >/mnt/x'
	[[ $output == *"Permission denied"* ]]
	[ ! -e "$D/mistake/x" ]
	echo '{"args": ["true"], "cwd": "/", "user": {"uid": 0, "gid": 0}}' >"$T/process.json"
	for more in "--cap CAP_SYS_ADMIN $ID true" "--process $T/process.json $ID" "--preserve-fds 1 $ID true"; do
		# shellcheck disable=SC2086
		run --separate-stderr kist exec $more 3</dev/null
		is_one_line 255 "${more%% *}: this is a job"
	done
	kist kill "$ID" KILL
	wait $! || true
	assert_nothing_left
}

@test "a kernel without Landlock: refused, or waived by name and on the record" {
	refuse=$TOP/build/tools/refuse
	[ -x "$refuse" ] || "$TOP/tests/tools/build.sh" refuse
	run --separate-stderr "$refuse" ENOSYS landlock_create_ruleset "$KIST" --root "$ROOT" job run --result "$RESULT" "$ROOTFS" true
	[ "$status" -eq 125 ]
	[[ $stderr == *"no Landlock"*"--allow-degraded=landlock"* ]]
	run "$refuse" ENOSYS landlock_create_ruleset "$KIST" --root "$ROOT" job run --result "$RESULT" --allow-degraded landlock "$ROOTFS" true
	[ "$status" -eq 0 ]
	record '.controls.landlock == "waived"'
	assert_nothing_left
}

@test "job: every limit has a value, in the kernel's files; max and 0 take them off" {
	limits='while read -r a b c d e f; do echo "$a $b $c $d $e"; done </proc/self/limits | grep -E "^Max (cpu time|file size|stack size|core file|open files|locked|pending|msgqueue)"
		echo >/tmp/ready; read -r x </tmp/x'
	job "$ROOTFS" -- sh -c "mkfifo /tmp/x; $limits" >"$T/said" &
	wait_until 20 job_runs
	until [ -e "/proc/$(job_pid)/root/tmp/ready" ]; do sleep 0.1; done
	if grep -qw memory "$(cgroup_mount)/cgroup.controllers"; then
		cgroup=$(cgroup_of "$(job_pid)")
		[ "$(cat "$cgroup/memory.max" "$cgroup/memory.swap.max" "$cgroup/memory.oom.group" "$cgroup/cpu.max" "$cgroup/pids.max" | xargs)" = \
			"268435456 0 1 100000 100000 65" ]
	fi
	kist kill "$ID" KILL
	wait $! || true
	[ "$(sort "$T/said")" = "$(sort <<-END
		Max cpu time 31 32
		Max file size 67108864 67108864
		Max stack size 8388608 8388608
		Max core file size 1
		Max open files 256 256
		Max locked memory 65536 65536
		Max pending signals 256 256
		Max msgqueue size 0 0
	END
	)" ]
	record '.limits | .wall_ms == 60000 and .cpu_time_ms == 30000 and .output == 1048576 and .file_size == 67108864 and .open_files == 256 and .workspace == null'
	record '.controls | [.wall, .cpu_time, .output, .file_size, .open_files] | unique == ["enforced"]'
	jq -n --arg root "$ROOTFS" '{version: 1, folder: $root, command: ["true"], limits: {memory: "max", pids: 0, cpus: "max", cpu_time: "max",
		wall: 0, output: "max", file_size: "0", grace: 0, workspace: 0}}' >"$T/job.json"
	for by in "$T/job.json" "--memory 0 --pids max --cpus 0 --cpu-time 0 --wall max --output 0 --file-size max $ROOTFS true"; do
		# shellcheck disable=SC2086
		run -0 job $by
		record '.limits == {"open_files": 256} and (.controls | [.memory, .pids, .cpu, .cpu_time, .wall, .output, .file_size] | unique == ["absent"])'
	done
}

@test "compute: every limit is set, no socket, no other's process, no /sys" {
	run -0 job --profile compute --allow-degraded $WAIVED "$ROOTFS" -- \
		sh -c 'pwd; ls /proc | grep -v "^[0-9]" | xargs; ls /sys; ulimit -n; ulimit -l; ulimit -s; echo x >/work/x'
	[ "$output" = "$(printf '/work\nself thread-self\n256\n64\n8192')" ]
	record '.profile == "compute" and .controls.no_sockets == "enforced" and .controls.hidden_processes == "enforced" and
		(.limits | .wall_ms == 60000 and .cpu_time_ms == 30000 and .output == 1048576 and .file_size == 67108864 and
			.workspace == 67108864 and .open_files == 256) and
		(.controls | [.memory, .pids, .cpu] | unique | . == ["enforced"] or . == ["waived"])'
	run -0 job --profile compute --allow-degraded $WAIVED "$ROOTFS" -- probe try socket_inet mount bpf getpid
	jq -es 'map({(.name): .native}) | add | .socket_inet == "EPERM" and .mount == "EPERM" and .bpf == "EPERM" and .getpid == "OK"' <<<"$output"
	# The host's pressure is nobody's to read, and a trigger on it nobody's to set.
	run -0 --separate-stderr job "$ROOTFS" -- sh -c 'ls /proc/pressure; echo some 500000 2000000 >/proc/pressure/cpu || echo refused'
	[ "$output" = refused ]
	# Nor how it was booted, and built.
	run -0 job "$ROOTFS" -- sh -c 'cat /proc/cmdline; head -c 9 /proc/config.gz 2>/dev/null | wc -c'
	[ "$output" = 0 ]
	# What the caller says counts.
	run -0 job --profile compute --allow-degraded $WAIVED --wall 5s --open-files 99 "$ROOTFS" -- sh -c 'ulimit -n'
	[ "$output" = 99 ]
	record '.limits.wall_ms == 5000'
	jq -n --arg root "$ROOTFS" '{version: 1, folder: $root, command: ["id"], profile: "compute", user: "1000:100",
		allow_degraded: ["memory", "pids", "cpu"]}' >"$T/job.json"
	run -0 job "$T/job.json"
	[[ $output == "uid=1000"*"gid=100"* ]]
	record '.profile == "compute"'
	assert_nothing_left
}

@test "dev: a writable root; a user of its own; what is no profile and no user" {
	run -0 job --profile dev --net none "$ROOTFS" -- sh -c 'echo >/etc/x && echo ok'
	[ "$output" = ok ]
	record '.profile == "dev" and .controls.read_only_root == "absent" and .network == "none"'
	run -0 job --user 7 "$ROOTFS" -- id
	[[ $output == "uid=7"*"gid=7"* ]]
	refused 125 '--profile: "open" is none of job, compute, dev, docker' job --profile open "$ROOTFS" true
	refused 125 '--user: "x" is not' job --user x "$ROOTFS" true
	refused 125 '--user: "1:" is not' job --user 1: "$ROOTFS" true
	refused 125 '70000' job --user 70000 "$ROOTFS" true
	assert_nothing_left
}

@test "docker: its capabilities, setuid programs, filter and mounts, in a user namespace; and no limits" {
	cp "$PROBE" "$ROOTFS/bin/setuid"
	chmod 4755 "$ROOTFS/bin/setuid"
	run -0 job --profile docker --net none "$ROOTFS" -- sh -c 'probe | tr -d "\n"; echo; echo >/etc/x; chown 7 /etc/x; stat -c %u /etc/x; chroot / echo in; ulimit -n
		cat /proc/sys/net/ipv4/ip_unprivileged_port_start; ls /sys/firmware; grep -c "^sysfs /sys sysfs ro,nosuid,nodev,noexec" /proc/mounts; grep -c " /tmp " /proc/mounts; pwd; echo $$'
	jq -se '.[0] | [.CapPrm, .CapEff, .CapBnd] == ["00000000a80425fb", "00000000a80425fb", "00000000a80425fb"] and
		.CapInh == "0000000000000000" and .CapAmb == "0000000000000000" and .NoNewPrivs == 0 and .Seccomp == 2' <<<"${lines[0]}"
	[ "$(printf '%s\n' "${lines[@]:1}" | xargs)" = "7 in $(ulimit -H -n) 0 1 0 / 1" ]
	record '.profile == "docker" and .limits == {"open_files": .limits.open_files} and
		(.controls | [.capabilities, .no_new_privs, .read_only_root, .landlock, .memory, .wall] | unique == ["absent"]) and
		(.controls | [.user_namespace, .seccomp, .devices, .keyring] | unique == ["enforced"])'
	# A user has none, but for what setuid programs give: which they don't in a job.
	run -0 job --profile docker --net none --user 7 "$ROOTFS" -- sh -c 'probe; setuid'
	jq -se '(.[0] | .uid == [7, 7, 7] and .CapEff == "0000000000000000" and .CapBnd == "00000000a80425fb") and
		(.[1] | .uid == [7, 0, 0] and .CapEff == "00000000a80425fb")' <<<"$output"
	run -0 job --user 7 "$ROOTFS" -- setuid
	jq -e '.uid == [7, 7, 7] and .CapEff == "0000000000000000"' <<<"$output"
	run -0 job --profile docker --net none "$ROOTFS" -- probe try mount umount2 bpf keyctl unshare_newuser clone_newuser setns open_by_handle_at \
		perf_event_open io_uring_setup userfaultfd init_module kexec_load reboot swapon fsopen move_mount socket_vsock
	jq -es 'map(select(.native != "EPERM" and .native != "EAFNOSUPPORT" and .native != "ENOSYS")) == []' <<<"$output" || { echo "$output"; false; }
	# What is said counts.
	run -0 job --profile docker --net none --init yes --writable 2m --memory max --pids 9 --wall 50s "$ROOTFS" -- sh -c 'echo $$; df -k / | tail -n 1 | while read -r a size rest; do echo $size; done'
	[ "$(xargs <<<"$output")" = "2 2048" ]
	record '.limits | .wall_ms == 50000'
	assert_nothing_left
}
