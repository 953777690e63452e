#!/usr/bin/env bats
# cgroup v2 on the hierarchy that is there: limits, device filter, freeze, kill, ownership, undo.
# The programs say what they skip for want of a controller; in the VM nothing may be skipped.

setup() {
	[ "$(id -u)" = 0 ] || skip "needs root"
	mount=$(findmnt -nt cgroup2 -o TARGET | head -n1)
	[ -n "$mount" ] || skip "no cgroup v2 hierarchy here"
	unit=${KIST_BUILD:-$BATS_TEST_DIRNAME/../../build}/tests/unit
	before=$(list)
}

# Every cgroup of a kist test, and what the root hands to its children.
list() {
	find "$mount" -type d -name 'kist-test-*'
	cat "$mount/cgroup.subtree_control"
}

# program [controller...]: runs it; what needs a controller this host lacks is skipped by it
check() {
	local program=$1
	run timeout 120 "$unit/$program"
	echo "$output"
	[ "$status" -eq 0 ]
	if [ -n "${KIST_IN_VM-}" ]; then
		! grep -q SKIPPED <<<"$output"
	fi
}

@test "cgroup: plans run, limits are in the kernel's files and hold" {
	check test_cgroup_ops
}

@test "cgroup: the device filter is obeyed" {
	check test_bpf_devices
}

@test "cgroup: freeze, kill, wait, list" {
	check test_cgroup_control
}

@test "cgroup: undo removes ours and nothing else" {
	check test_cgroup_undo
}

@test "cgroup: cpu time is counted" {
	check test_cgroup_stats
}

@test "cgroup: the host probe agrees with the host" {
	check test_host
}

@test "cgroup: limits need their controller, or the skip is named" {
	run "$unit/test_cgroup_ops"
	if grep -qw memory "$mount/cgroup.controllers"; then
		[[ $output != *"no cgroup v2 controller"* ]]
	else
		[[ $output == *"SKIP memory_limit_kills: no cgroup v2 controller memory here"* ]]
	fi
}

@test "cgroup: the tests leave the hierarchy as they found it" {
	for program in test_cgroup_ops test_cgroup_control test_cgroup_undo test_bpf_devices; do
		"$unit/$program" >/dev/null 2>&1 || true
	done
	after=$(list)
	# where controllers exist, kist enables those a limit needs, for good
	[ "$(grep kist-test <<<"$after")" = "$(grep kist-test <<<"$before")" ]
	if ! grep -qw memory "$mount/cgroup.controllers"; then
		[ "$after" = "$before" ]
	fi
}
