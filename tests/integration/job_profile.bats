#!/usr/bin/env bats
# kist job run: profiles, Landlock behind the mounts, the administrator's policy.

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
	refused 125 '--profile: "open" is none of' job --profile open "$ROOTFS" true
	refused 125 '--user: "x" is not' job --user x "$ROOTFS" true
	refused 125 '--user: "1:" is not' job --user 1: "$ROOTFS" true
	refused 125 '70000' job --user 70000 "$ROOTFS" true
	assert_nothing_left
}

# policy JSON COMMAND...: with that as the administrator's policy.
policy() {
	echo "$1" >"$T/policy"
	unshare --mount sh -c 'mount -t tmpfs -o mode=755 etc /etc && mkdir /etc/kist && cp "$1" /etc/kist/job-policy.json && chmod "$2" /etc/kist/job-policy.json &&
		shift 2 && exec "$@"' sh "$T/policy" "${MODE-644}" "$KIST" --root "$ROOT" job run --result "$RESULT" "${@:2}"
}

@test "the administrator's policy: each rule refuses by its name, and lets pass what keeps it" {
	"$KIST" image load "$FIXTURES/busybox.tar" >/dev/null
	refused 125 'policy.*: no_root: ' policy '{"version": 1, "no_root": true}' "$ROOTFS" true
	run -0 policy '{"version": 1, "no_root": true, "no_privileged": true}' --user 9 "$ROOTFS" true
	refused 125 'policy.*: read_only_root: ' policy '{"version": 1, "read_only_root": true}' --writable 1m "$ROOTFS" true
	refused 125 'policy.*: no_network: ' policy '{"version": 1, "no_network": true}' --net bridge "$ROOTFS" true
	refused 125 'policy.*: no_degraded: ' policy '{"version": 1, "no_degraded": true}' --allow-degraded landlock "$ROOTFS" true
	run -0 policy '{"version": 1, "read_only_root": true, "no_network": true, "no_degraded": true}' "$ROOTFS" true
	refused 125 'policy.*: images: ' policy '{"version": 1, "images": ["busybox", "my/*"]}' "$ROOTFS" true
	refused 125 'policy.*: images: ' policy '{"version": 1, "images": ["my/*"]}' busybox true
	run -0 policy '{"version": 1, "images": ["my/*", "busy*"]}' busybox true
	refused 125 'policy.*: max.wall: --wall must be' policy '{"version": 1, "max": {"wall": "1m"}}' "$ROOTFS" true
	refused 125 'policy.*: max.wall: --wall must be' policy '{"version": 1, "max": {"wall": "1m"}}' --wall 61s "$ROOTFS" true
	run -0 policy '{"version": 1, "max": {"wall": "1m", "output": 4096, "open_files": 1024}}' --wall 60s --output 4k "$ROOTFS" true
	refused 125 'policy.*: max.open_files: ' policy '{"version": 1, "max": {"open_files": 1023}}' "$ROOTFS" true
	record '.reason == "sandbox-error" and (.error | test("max.open_files"))'
	# Rules that are not understood are no permission.
	refused 125 'job-policy.json: /no_rot: is no rule' policy '{"version": 1, "no_rot": true}' --user 9 "$ROOTFS" true
	refused 125 'job-policy.json: /version' policy '{}' "$ROOTFS" true
	refused 125 '/max/wal: is no limit' policy '{"version": 1, "max": {"wal": 1}}' "$ROOTFS" true
	refused 125 '/max/wall' policy '{"version": 1, "max": {"wall": []}}' "$ROOTFS" true
	refused 125 '/no_root' policy '{"version": 1, "no_root": "yes"}' "$ROOTFS" true
	refused 125 'job-policy.json' policy 'nonsense' "$ROOTFS" true
	MODE=666 refused 125 "must be root's" policy '{"version": 1}' "$ROOTFS" true
	assert_nothing_left
}
