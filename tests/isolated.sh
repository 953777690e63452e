#!/bin/bash
# Runs a command on this host, as root, but out of everybody's way: in mount, pid, network, ipc,
# uts and cgroup namespaces of its own. cgroup2 shows one new cgroup as its root, /run is
# empty. So tests see only their own leftovers, two suites don't meet, and when this is killed
# all it started is killed with it.
#
#   tests/isolated.sh CMD [ARG...]
set -euo pipefail
[ $# -gt 0 ] || { echo "usage: tests/isolated.sh CMD [ARG...]" >&2; exit 125; }

# From here the cgroup is its namespace's root. A cgroup with processes can't hand controllers
# down: they go into a leaf, as the processes of a booted machine are in leaves.
if [ "$1" = --leaf ]; then
	mount=$2 cgroup=$3
	shift 3
	if [ -n "$cgroup" ]; then
		mkdir "$cgroup/suite"
		echo $$ >"$cgroup/suite/cgroup.procs"
		for controller in $(cat "$cgroup/cgroup.controllers"); do
			echo "+$controller" >"$cgroup/cgroup.subtree_control"
		done
	fi
	exec unshare --mount --propagation private --pid --fork --kill-child --mount-proc --net \
		--ipc --uts "$0" --inside "$mount" "$@"
fi

if [ "$1" = --inside ]; then
	mount=$2
	shift 2
	mount -t tmpfs -o nosuid,nodev,mode=755 run /run
	mkdir -p /run/lock /run/netns
	if [ -d /var/lib/kist ]; then
		mount -t tmpfs -o nosuid,nodev,mode=711 kist /var/lib/kist
	fi
	# A sysfs that shows this network; what is mounted for cgroups stays as it is.
	mkdir /run/cgroup
	mount --rbind /sys/fs/cgroup /run/cgroup
	mount -t sysfs -o nosuid,nodev,noexec sys /sys
	mount --move /run/cgroup /sys/fs/cgroup
	rmdir /run/cgroup
	ip link set lo up
	hostname kist-tests
	if [ -n "$mount" ]; then
		# The kernel refuses one filesystem twice on one place; propagation is private.
		umount -l "$mount"
		mount -t cgroup2 -o nosuid,nodev,noexec,nsdelegate cgroup2 "$mount"
	fi
	export KIST_TEST_ISOLATED=1
	# Limits of a job that this host can't enforce: waived by name, as its user would do.
	waived=
	for controller in memory pids cpu; do
		grep -qsw $controller "${mount:-/sys/fs/cgroup}/cgroup.controllers" || waived+=,$controller
	done
	[ -z "$waived" ] || export KIST_ALLOW_DEGRADED=${waived#,}
	# The pid namespace's first process reaps, and passes the status on.
	status=0
	"$@" || status=$?
	exit $status
fi

mount=$(findmnt -n -t cgroup2 -o TARGET | head -n 1)
cgroup=
if [ -n "$mount" ]; then
	# What a suite that was killed left: empty, since its processes died with it.
	for left in "$mount"/kist-suite-*; do
		[ ! -d "$left" ] || [ -d "/proc/${left##*-}" ] ||
			find "$left" -depth -type d -exec rmdir {} + 2>/dev/null || true
	done
	cgroup=$mount/kist-suite-$$
	mkdir "$cgroup"
	for controller in $(cat "$mount/cgroup.controllers"); do
		echo "+$controller" >"$mount/cgroup.subtree_control" 2>/dev/null || true
	done
fi
clean() {
	# A process that was killed leaves its cgroup a moment later.
	for _ in {1..50}; do
		[ -d "$cgroup" ] || return 0
		find "$cgroup" -depth -type d -exec rmdir {} + 2>/dev/null && return 0
		sleep 0.1
	done
}
child=
trap '[ -z "$child" ] || kill -KILL $child; wait; clean; exit 143' INT TERM
trap '[ -z "$cgroup" ] || clean' EXIT
status=0
# The subshell joins the cgroup, and becomes unshare: its cgroup is the new namespace's root.
(
	[ -z "$cgroup" ] || echo "$BASHPID" >"$cgroup/cgroup.procs"
	exec unshare --cgroup "$0" --leaf "$mount" "$cgroup" "$@"
) &
child=$!
wait $child || status=$?
child=
exit $status
