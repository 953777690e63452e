# The world a sweep runs in, and what is left in it. Sourced by tests/sweep.sh, whose variables it
# shares: work, root, runtime, nft.
# shellcheck shell=bash disable=SC2154

# Namespaces and one cgroup, in which the script is run anew with SWEEP_INSIDE set.
outside() {
	[ "$(id -u)" = 0 ] || fail "needs root"
	local mount=/sys/fs/cgroup cgroup tools status=0
	[ "$(stat -f -c %T $mount)" = cgroup2fs ] || mount=/sys/fs/cgroup/unified
	[ "$(stat -f -c %T $mount 2>/dev/null)" = cgroup2fs ] || fail "no cgroup2 mount"
	tools=$("$here/tools/build.sh" killat posture)
	cgroup=$mount/sweep-$$
	mkdir "$cgroup"
	# shellcheck disable=SC2064
	trap "rmdir '$cgroup/self' '$cgroup' 2>/dev/null || true" EXIT
	trap 'exit 1' INT TERM
	(
		echo "$BASHPID" >"$cgroup/cgroup.procs"
		SWEEP_INSIDE=$tools SWEEP_TAG=$$ exec unshare -m -p -n -C -i -u --fork --kill-child \
			--mount-proc --propagation private "$here/sweep.sh" "$@"
	) || status=$?
	# The last of its processes are leaving.
	for _ in {1..50}; do
		{ rmdir "$cgroup/self" || true; rmdir "$cgroup"; } 2>/dev/null && break
		sleep 0.1
	done
	return $status
}

prepare_world() {
	local controller
	mount -t cgroup2 cgroup2 /sys/fs/cgroup
	# No process may sit where controllers are handed down (cgroups(7)).
	mkdir /sys/fs/cgroup/self
	echo 0 >/sys/fs/cgroup/self/cgroup.procs
	tr ' ' '\n' </sys/fs/cgroup/cgroup.controllers | while read -r controller; do
		echo "+$controller" >/sys/fs/cgroup/cgroup.subtree_control 2>/dev/null || true
	done
	mount -t tmpfs -o mode=755 tmpfs /mnt
	work=/mnt
	root=${KIST_ROOT:-$work/state}
	mkdir -p "$work/bundle" "$root"
	ip link set lo up 2>/dev/null || true
}

# One line for each thing that may leak, into file $1. Builtins where it can: it runs often.
list_world() {
	local pid stat name rest
	{
		while read -r _ _ device source at _; do
			echo "mount $at $device $source"
		done </proc/self/mountinfo
		find /sys/fs/cgroup -mindepth 1 -type d -printf 'cgroup %p\n'
		find "$root" -mindepth 1 -printf 'state %p\n'
		for name in ${SWEEP_DIRS:-}; do
			find "$name" -mindepth 1 -printf 'file %p\n' 2>/dev/null || true
		done
		while IFS=': ' read -r name rest; do
			case $rest in *'|'*) ;; *) echo "link $name" ;; esac
		done </proc/self/net/dev
		if [ -n "$nft" ]; then
			nft list ruleset | sed 's/^/nft /'
		fi
	} >"$1"
	for pid in /proc/[0-9]*; do
		pid=${pid#/proc/}
		[ "$pid" = $$ ] && continue
		{ read -r stat <"/proc/$pid/stat"; } 2>/dev/null || continue
		name=${stat#*(}
		rest=${stat##*) }
		# Zombies whose parent is this shell are reaped by it in its own time.
		case $rest in "Z $$ "* | X*) continue ;; esac
		echo "process $pid ${name%)*}"
	done >>"$1"
	if [ -n "${SWEEP_ALLOW:-}" ]; then
		grep -Ev "$SWEEP_ALLOW" "$1" >"$1.kept" || true
		mv "$1.kept" "$1"
	fi
	sort -o "$1" "$1"
}

# Killed processes need a moment to be gone; what stays for two seconds is left.
find_leaks() { # fills $leaks
	for _ in {1..20}; do
		list_world "$work/after"
		leaks=$(comm -13 "$work/before" "$work/after")
		[ -n "$leaks" ] || return 0
		sleep 0.1
	done
}

sweep_up() { # so that the next point starts clean
	local kind thing _
	while read -r kind thing _; do
		[ "$kind" = process ] && kill -KILL "$thing" 2>/dev/null
	done <<<"$leaks"
	sleep 0.2
	tac <<<"$leaks" | while read -r kind thing _; do
		case $kind in
		mount) umount -l "$thing" ;;
		cgroup) rmdir "$thing" ;;
		state | file) rm -rf "$thing" ;;
		link) ip link del "$thing" ;;
		esac
	done 2>/dev/null || true
	[ -z "$nft" ] || nft flush ruleset
	list_world "$work/before"
}
