# What the tests of jobs share: load helpers, runtime, job.

job_setup() {
	need_root
	kist_setup
	ID=${T##*.}
	# On disk: id-mapped layers on tmpfs want a newer kernel than Debian's.
	ROOTFS=$D/rootfs
	cp -a "$FIXTURES/busybox-rootfs" "$ROOTFS"
	[ -x "$PROBE" ] || "$TOP/tests/tools/build.sh" probe
	cp "$PROBE" "$ROOTFS/bin/probe"
	RESULT=$T/result.json
}

job() { kist job run --id "$ID" --result "$RESULT" "$@"; }
# The job's state.json, while it runs.
job_pid() { jq -r .pid "$ROOT/$ID/state.json" 2>/dev/null; }
job_runs() { [ -n "$(job_pid)" ] && [ -d "/proc/$(job_pid)" ]; }
# The record says so: a jq expression.
record() { jq -e "$1" "$RESULT" >/dev/null || { cat "$RESULT"; return 1; }; }
