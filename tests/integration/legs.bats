#!/usr/bin/env bats
# Kernels that lack a system call, and sandboxes that forbid it (Docker's, around a kist inside it): kist
# does without, or says which call it misses. A container that runs is confined as ever.

bats_require_minimum_version 1.5.0
load helpers
load runtime
load ../lib/posture

setup() {
	need_root
	kist_setup
	ID=${T##*.}
	REFUSE=$TOP/build/tools/refuse
	[ -x "$REFUSE" ] || "$TOP/tests/tools/build.sh" refuse posture
	mkdir "$T/b"
	cd "$T/b"
	posture_rootfs rootfs "$T/data" "$TOP/build/tools"
	kist spec
	edit_bundle . "$posture_config | .process.args += [\"once\"]" --arg data "$T/data"
	runs=0 KIST_FAULT=()
	normal=$(posture_normal "$ID-[0-9]+")
}
teardown() { runtime_teardown; }

look() { # ERRNO CALLS FILE: what its program sees where those calls are refused
	local error=$1 calls=$2 file=$3
	status=0 output=
	runs=$((runs + 1)) # a keyring of the name before may still be on its way out
	"$REFUSE" "$error" "$calls" "$KIST" --root "$ROOT" "${KIST_FAULT[@]}" run "$ID-$runs" </dev/null >"$T/raw" 2>"$T/err" || status=$?
	sed -E "$normal" "$T/raw" >"$file"
	stderr=$(<"$T/err")
}

reference() {
	look ENOSYS 999 "$T/reference"
	tail -n 1 "$T/reference" | grep -qx end || { cat "$T/err"; return 1; }
}

# leg CALLS [WORD [OWN]]: with each errno the same is seen, or the refusal names the call (or WORD). Of
# a line that begins with OWN the container's own call is refused, too.
leg() {
	local error own=${3-none}
	for error in ENOSYS EPERM; do
		look $error "$1" "$T/seen"
		if [ "$status" = 0 ]; then
			diff <(grep -v "^$own" "$T/reference") <(grep -v "^$own" "$T/seen") || { echo "with $1 answering $error: weaker"; return 1; }
			echo "$1 $error: the same"
		else
			[ ! -s "$T/seen" ] || { echo "$1 $error: refused, and yet it ran"; return 1; }
			is_one_line 1 "${2-$1}" || { echo "at $1 $error"; return 1; }
			echo "$1 $error: $stderr"
		fi
		has_no_state
	done
}

@test "each call that an older kernel or a sandbox may lack: the same container, or none" {
	[ -z "${KIST_SANITIZED-}" ] || skip "a sanitizer makes calls of its own"
	reference
	if [ -n "${KIST_IN_VM-}" ]; then
		# A run takes seconds there.
		for call in openat2 mount_setattr statx; do
			leg $call
		done
		return
	fi
	for call in openat2 clone3 fsopen fsconfig fsmount mount_setattr open_tree move_mount close_range \
		pidfd_open pidfd_send_signal memfd_create mremap statx execveat bpf \
		sched_setattr ioprio_set pivot_root setgroups; do
		leg $call
	done
	leg seccomp /linux/seccomp
	leg prlimit64 /process/rlimits/
	leg keyctl keyctl keyring
	leg unshare unshare unshare
	leg faccessat2 '"/bin/posture"'
}

@test "the same in a user namespace, with time offsets and Landlock" {
	edit_bundle . '.linux.namespaces += [{"type": "user"}, {"type": "time"}] |
		.linux.uidMappings = [{"containerID": 0, "hostID": 1000000, "size": 65536}] |
		.linux.gidMappings = .linux.uidMappings | .linux.timeOffsets = {"boottime": {"secs": 1000}} |
		.annotations = {"org.kist.landlock.read-only": "/bin:/etc/passwd:/dev:/proc:/sys",
			"org.kist.landlock.read-write": "/tmp:/dev/null"}'
	chmod 711 "$T" "$T/b"
	look ENOSYS 999 "$T/reference"
	if [[ $stderr == *"no Landlock"* ]]; then
		edit_bundle . 'del(.annotations)'
	fi
	reference
	calls="openat2 clone3 fsopen mount_setattr open_tree move_mount close_range pidfd_open statx
		setns execveat pivot_root unshare"
	[ -z "${KIST_IN_VM-}" ] || calls=openat2
	for call in $calls; do
		leg $call "" unshare
	done
	if grep -q '^open /etc/secret 0 EACCES$' "$T/reference"; then
		leg landlock_create_ruleset Landlock
		leg landlock_add_rule
		leg landlock_restrict_self
	fi
}

@test "a cgroup that can't be cloned into, and none with cgroup.kill" {
	reference
	detached kist run --explain "$ID-x"
	step=$(awk '/CLONE_INTO_CGROUP/ { print $1; exit }' "$T/detached.err")
	kist delete --force "$ID-x"
	for error in EBUSY EOPNOTSUPP EINVAL; do
		KIST_FAULT=(--fault-step "$step:$error")
		look ENOSYS 999 "$T/seen"
		[ "$status" = 0 ] || { echo "$stderr"; return 1; }
		diff "$T/reference" "$T/seen"
	done
	edit_bundle . '.process.args = ["/bin/posture"]'
	detached kist run -d "$ID-k"
	pid=$(pid_of "$ID-k")
	killat=("$TOP/build/tools/killat" fail openat@cgroup.kill)
	run --separate-stderr "${killat[@]}" EPERM -- "$KIST" --root "$ROOT" delete --force "$ID-k"
	is_one_line 1 cgroup.kill
	kist delete --force "$ID-k"
	detached kist run -d "$ID-l"
	pid=$(pid_of "$ID-l")
	"${killat[@]}" ENOENT -o "$T/hit" -- "$KIST" --root "$ROOT" delete --force "$ID-l"
	grep -q openat "$T/hit"
	is_dead "$pid"
	assert_nothing_left
}
