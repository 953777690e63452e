#!/usr/bin/env bats
# native only: it needs runc
# A bundle made by `runc spec` under kist, and one made by `kist spec` under runc: the same inside.
bats_require_minimum_version 1.5.0
load helpers
load runtime

setup() {
	kist_setup
	need_root
	RUNC=$(find_runc) || skip "no runc here"
}
teardown() { runtime_teardown; }

find_runc() {
	command -v runc && return
	"$TOP/tests/peers.sh" runc 2>/dev/null
}

# runc refuses hybrid hosts: there it sees cgroup2 alone, in a mount namespace of its own.
with_v2_view() {
	if [ "$(cgroup_mount)" = /sys/fs/cgroup ]; then
		"$@"
	else
		unshare -m --propagation private sh -c \
			'mount --bind "$0" /sys/fs/cgroup && exec "$@"' "$(cgroup_mount)" "$@"
	fi
}

what='id; hostname; cat /proc/self/status | grep -E "^(Cap|NoNewPrivs|Seccomp:)"; ulimit -n; pwd;
	env | sort | grep -v ^HOME; awk "{ print \$5, (\$5 ~ \"$MASKED\" ? \"masked\" : \$6 \" \" \$(NF-2)) }" /proc/self/mountinfo | sort;
	ls /dev; ls -A /proc/acpi /sys/firmware 2>/dev/null; cat /proc/kcore 2>&1 | head -c 10 | wc -c'

# How a path is masked differs on purpose: the host's null device, which nothing in the container can
# have replaced, and no devices, setuid or programs on the empty folder.
masked='^/(proc/(acpi|asound|kcore|keys|latency_stats|timer_list|timer_stats|sched_debug|scsi)|sys/firmware)$'

prepare() { # SPEC-MAKER
	mkdir -p "$T/b"
	cp -a "$FIXTURES/busybox-rootfs" "$T/b/rootfs"
	(cd "$T/b" && "$1" spec)
	edit_bundle "$T/b" '.process.terminal = false | .hostname = "same"'
	bundle_args "$T/b" sh -c "$what"
	edit_bundle "$T/b" '.process.env += ["MASKED=" + $m]' --arg m "$masked"
}

compare() {
	kist run -b "$T/b" first >"$T/kist.out" 2>"$T/kist.err" || { cat "$T/kist.err"; return 1; }
	with_v2_view "$RUNC" --root "$T/runc" run -b "$T/b" "compat$$" >"$T/runc.out" 2>"$T/runc.err" ||
		{ cat "$T/runc.err"; return 1; }
	grep -q '^CapEff:' "$T/kist.out"
	diff -u "$T/runc.out" "$T/kist.out"
}

@test "a bundle of runc spec runs under kist, and sees what it sees under runc" {
	prepare "$RUNC"
	compare
}

@test "a bundle of kist spec runs under runc, and sees what it sees under kist" {
	prepare "$KIST"
	compare
}

@test "the lifecycle is runc's: states, messages and statuses of a caller's mistakes" {
	prepare "$KIST"
	bundle_args "$T/b" sleep 1000
	detached kist create -b "$T/b" one
	[ "$(state_of one)" = created ]
	kist start one
	[ "$(state_of one)" = running ]
	run --separate-stderr kist start one
	is_one_line 1 'cannot start an already running container'
	run --separate-stderr kist create -b "$T/b" one
	is_one_line 1 'container with given ID already exists'
	kist kill one KILL
	wait_until 20 is_in_state one stopped
	run --separate-stderr kist kill one
	is_one_line 1 'container not running'
	kist delete one
	run --separate-stderr kist delete one
	is_one_line 1 'container does not exist'
	run --separate-stderr kist state one
	is_one_line 1 'container does not exist'
}
