#!/usr/bin/env bats
# native only: rules are the words of a file, in which the kernel has no part
# kist job run: the administrator's policy.

bats_require_minimum_version 1.5.0
load helpers
load runtime
load job

setup() { job_setup; }
teardown() { runtime_teardown; }

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
	(
		unset KIST_ALLOW_DEGRADED
		policy '{"version": 1, "read_only_root": true, "no_network": true, "no_degraded": true}' --memory max --pids max --cpus max "$ROOTFS" true
	)
	refused 125 'policy.*: images: ' policy '{"version": 1, "images": ["busybox", "my/*"]}' "$ROOTFS" true
	refused 125 'policy.*: images: ' policy '{"version": 1, "images": ["my/*"]}' busybox true
	run -0 policy '{"version": 1, "images": ["my/*", "busy*"]}' busybox true
	refused 125 'policy.*: profiles: ' policy '{"version": 1, "profiles": ["job", "compute"]}' --profile docker "$ROOTFS" true
	run -0 policy '{"version": 1, "profiles": ["job", "compute"]}' --profile compute "$ROOTFS" true
	refused 125 '/profiles: must be a list' policy '{"version": 1, "profiles": [1]}' "$ROOTFS" true
	refused 125 'policy.*: max.wall: --wall must be' policy '{"version": 1, "max": {"wall": "1m"}}' --wall max "$ROOTFS" true
	run -0 policy '{"version": 1, "max": {"wall": "1m"}}' "$ROOTFS" true
	refused 125 'policy.*: max.wall: --wall must be' policy '{"version": 1, "max": {"wall": "1m"}}' --wall 61s "$ROOTFS" true
	run -0 policy '{"version": 1, "max": {"wall": "1m", "output": 4096, "open_files": 1024}}' --wall 60s --output 4k "$ROOTFS" true
	refused 125 'policy.*: max.open_files: ' policy '{"version": 1, "max": {"open_files": 255}}' "$ROOTFS" true
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
