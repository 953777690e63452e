#!/usr/bin/env bats
# native only: legs.bats has what a test machine's kernel says; two dozen starts take long there
# A job under a kernel, or in a sandbox, that lacks a system call: the same walls, or no job.

bats_require_minimum_version 1.5.0
load helpers
load runtime
load job
load ../lib/posture

setup() {
	job_setup
	"$TOP/tests/tools/build.sh" refuse posture >/dev/null
	REFUSE=$TOP/build/tools/refuse
	cp "$TOP/build/tools/posture" "$ROOTFS/bin/posture"
	normal=$(posture_normal "$ID-[0-9]+")
	runs=0
}
teardown() { runtime_teardown; }

look() { # ERRNO CALL FILE: what the job's program sees where that call is refused
	status=0 output=
	runs=$((runs + 1))
	"$REFUSE" "$1" "$2" "$KIST" --root "$ROOT" job run --id "$ID-$runs" --result "$RESULT" --workspace 1m --wall 60s \
		"$ROOTFS" -- /bin/posture once </dev/null >"$T/raw" 2>"$T/err" || status=$?
	sed -E "$normal; s/[a-z_0-9]*[ug]id=[0-9]*//g; s/ +(16|17|18)[0-9]{8}/ LEASED/g" "$T/raw" >"$3"
	stderr=$(<"$T/err")
}

@test "each call that a kernel or a sandbox may lack: the same walls, or no job, and never a word too much in its result" {
	look ENOSYS 999 "$T/reference"
	grep -qx end "$T/reference" || { cat "$T/err"; false; }
	jq -c .controls "$RESULT" >"$T/controls"
	turn=0 ran=0
	for call in seccomp landlock_create_ruleset landlock_add_rule landlock_restrict_self keyctl capset capget \
		mount_setattr open_tree fsopen fsconfig fsmount move_mount pivot_root clone3 unshare sethostname \
		prlimit64 bpf setgroups setresuid close_range openat2 umount2 symlinkat mkdirat pidfd_send_signal; do
		turn=$((turn + 1))
		error=$([ $((turn % 2)) = 0 ] && echo ENOSYS || echo EPERM)
		rm -f "$RESULT"
		look $error $call "$T/seen"
		if [ "$status" = 0 ]; then
			ran=$((ran + 1))
			# The program's own call of that name is refused as well.
			diff <(grep -v "^$call" "$T/reference") <(grep -v "^$call" "$T/seen") || { echo "$call $error: weaker"; false; }
			# Without keyctl nobody has a keyring, and it says so.
			[ $call != keyctl ] || sed -i 's/"keyring":"enforced"/"keyring":"absent"/' "$T/controls"
			jq -c .controls "$RESULT" | diff "$T/controls" -
			[ $call != keyctl ] || sed -i 's/"keyring":"absent"/"keyring":"enforced"/' "$T/controls"
			echo "$call $error: the same"
		else
			[ ! -s "$T/seen" ] || { echo "$call $error: refused, and yet it ran"; cat "$T/err"; false; }
			# Before it looks at its arguments, kist doesn't know yet what it is.
			is_one_line "$([ $call = close_range ] && echo 1 || echo 125)"
			[ ! -e "$RESULT" ] || record '.reason == "sandbox-error" and .status == 125'
		fi
		assert_nothing_left
	done
	# Some have another way.
	[ "$ran" -ge 3 ] && [ "$ran" -le 15 ] || { echo "$ran of $turn ran"; false; }
}
