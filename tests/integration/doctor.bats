#!/usr/bin/env bats
# kist doctor: what is tried, what it says, and that what is not there is told.

load helpers

setup() { kist_setup; }
teardown() { kist_teardown; }

state() { jq -r --arg n "$1" '.[] | select(.name == $n) | .state' <<<"$output"; }

@test "doctor: each thing has a name, a trial, a meaning, and what is missing a fix" {
	run "$KIST" doctor --json
	echo "$output"
	jq -e 'length > 12 and all(.[]; (.name | length > 0) and (.tried | length > 0) and (.means | length > 0) and
		(.state | IN("ok", "missing", "needed")) and ((.state == "ok") == (.fix == null)))' <<<"$output"
	[ "$status" -eq "$(jq 'any(.[]; .state == "needed") | if . then 1 else 0 end' <<<"$output")" ]
	for controller in memory pids cpu io cpuset; do
		expected=missing
		! grep -qw "$controller" "$(cgroup_mount)/cgroup.controllers" || expected=ok
		[ "$(state "cgroup-$controller")" = $expected ]
	done
	expected=missing
	! grep -qw landlock /sys/kernel/security/lsm 2>/dev/null || expected=ok
	[ ! -s /sys/kernel/security/lsm ] || [ "$(state landlock)" = $expected ]
	text=$("$KIST" doctor) || true
	[ "$(grep -c '^ok ' <<<"$text")" -eq "$(jq 'map(select(.state == "ok")) | length' <<<"$output")" ]
	[ "$(grep -c ' fix: ' <<<"$text")" -eq "$(jq 'map(select(.state != "ok")) | length' <<<"$output")" ]
}

@test "doctor: user namespaces that are forbidden are found so, and the command given helps" {
	need_root
	# The limit is of the namespace it is set in: this one's own.
	run unshare --user --map-root-user --mount sh -c 'mount -t proc proc /proc 2>/dev/null; echo 0 >/proc/sys/user/max_user_namespaces
		"$1" doctor --json' sh "$KIST"
	echo "$output"
	[ "$status" -eq 1 ]
	[ "$(state user-namespaces)" = needed ]
	jq -e '.[] | select(.name == "user-namespaces") | .fix | test("max_user_namespaces")' <<<"$output"
}
