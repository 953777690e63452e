#!/usr/bin/env bats
# Mounts as engines and their users ask for them: files over files, over each other, below /proc, /sys
# and /dev, and the cgroup file system.

bats_require_minimum_version 1.5.0
load helpers
load runtime

setup() {
	runtime_setup
}
teardown() { runtime_teardown; }

args() { bundle_args "$T/b" "$@"; }
edit() { edit_bundle "$T/b" "$@"; }
bind() { # SOURCE DESTINATION [OPTION...]
	edit '.mounts += [{source: $s, destination: $d, type: "bind", options: (["rbind"] + $o)}]' \
		--arg s "$1" --arg d "$2" --argjson o "$(jq -cn '$ARGS.positional' --args -- "${@:3}")"
}

@test "volumes over files and folders every container has: /etc/hosts, /dev/shm, /dev/mqueue, /sys/fs/cgroup" {
	mkdir -p "$T/v/sub" rootfs/etc
	echo volume >"$T/v/file"
	echo image >rootfs/etc/hosts
	bind "$T/v/file" /etc/hosts ro
	bind "$T/v/file" /etc/made/resolv.conf
	bind "$T/v" /dev/shm
	bind "$T/v" /dev/mqueue ro
	bind "$(cgroup_mount)" /sys/fs/cgroup ro
	args sh -c 'cat /etc/hosts /etc/made/resolv.conf /dev/shm/file /dev/mqueue/file
		echo x >/etc/hosts || echo refused; touch /dev/shm/new && echo made; ls /sys/fs/cgroup/cgroup.procs
		mkdir /sys/fs/cgroup/x || echo refused'
	run -0 kist run $ID
	[ "$(grep -c '^volume$' <<<"$output")" = 4 ]
	[ "$(grep -c '^refused$' <<<"$output")" = 2 ]
	grep -qx made <<<"$output" && [ -e "$T/v/new" ]
	grep -qx /sys/fs/cgroup/cgroup.procs <<<"$output"
	[ "$(cat rootfs/etc/hosts)" = image ]
}

@test "mounts in mounts, and one over another: in the order of the config" {
	mkdir -p "$T/v/deep/er"
	echo one >"$T/v/deep/file"
	edit '.mounts += [{destination: "/a", type: "tmpfs", source: "first"}]'
	bind "$T/v" /a/b
	edit '.mounts += [{destination: "/a/b/deep/er", type: "tmpfs", source: "second"}]'
	bind "$T/v/deep" /a/b/deep
	edit '.mounts += [{destination: "/over", type: "tmpfs", source: "under"}, {destination: "/over", type: "tmpfs", source: "top"}]'
	args sh -c 'cat /a/b/deep/file; cut -d" " -f5,9-11 /proc/self/mountinfo | grep "^/a\|^/over"; touch /a/b/deep/er/x'
	run -0 kist run $ID
	[ "${lines[0]}" = one ]
	[ "$(cut -d' ' -f1 <<<"${lines[*]:1}")" = /a ]
	[[ "${lines[*]:1}" == "/a "*" /a/b "*" /a/b/deep/er "*" /a/b/deep "*" /over "*" /over "* ]]
	# What the last one covers is not what was written to.
	[ -e "$T/v/deep/er/x" ]
}

@test "below /proc: files that show numbers can be covered, as lxcfs does; nothing else" {
	for name in cpuinfo meminfo stat uptime loadavg diskstats swaps; do
		echo "of $name" >"$T/$name"
		bind "$T/$name" /proc/$name ro nosuid nodev
	done
	args sh -c 'cd /proc; cat cpuinfo meminfo stat uptime loadavg diskstats swaps; echo x >meminfo || echo refused'
	run -0 kist run $ID
	[ "$(head -n 7 <<<"$output")" = "$(printf 'of %s\n' cpuinfo meminfo stat uptime loadavg diskstats swaps)" ]
	[ "${lines[-1]}" = refused ]
	# Labels and sysctls are written there: what is mounted would get, or redirect, those writes.
	for place in /proc/self/attr /proc/1 /proc/sys /proc/sys/kernel /proc/sysrq-trigger /proc/net /proc//meminfo/../kcore; do
		edit '(.mounts[-1]).destination = $d' --arg d $place
		refused 1 '/mounts/[0-9]*/destination: nothing may be mounted below /proc' kist run $ID
	done
	edit '(.mounts[-1]) |= {destination: "/proc", type: "tmpfs", source: "x"}'
	refused 1 '/mounts/[0-9]*/.*: only a proc filesystem' kist run $ID
}

@test "cgroup: one's own with a cgroup namespace, the host's without, read-only in a user namespace" {
	args sh -c 'cat /proc/self/cgroup | grep ^0:; cat /sys/fs/cgroup/cgroup.procs | wc -l
		cut -d" " -f5,6,8 /proc/self/mountinfo | grep "^/sys/fs/cgroup"; mkdir /sys/fs/cgroup/x 2>/dev/null || echo refused'
	for type in cgroup cgroup2; do
		edit '(.mounts[] | select(.destination == "/sys/fs/cgroup")).type = $t' --arg t $type
		run -0 kist run $ID
		[ "${lines[0]}" = 0::/ ]
		[ "${lines[1]}" -ge 1 ] # itself and what it started
		[[ "${lines[2]}" == "/sys/fs/cgroup ro,nosuid,nodev,noexec,relatime cgroup2" ]]
		[ "${lines[3]}" = refused ]
	done
	edit '.linux.namespaces |= map(select(.type != "cgroup"))'
	args sh -c 'grep ^0: /proc/self/cgroup; ls -d /sys/fs/cgroup$(sed -n s/^0:://p /proc/self/cgroup)'
	run -0 kist run $ID
	[[ "${lines[0]}" == "0::/"*"$ID" ]]
	[ "${lines[1]}" = "/sys/fs/cgroup${lines[0]#0::}" ]
	edit '.linux.namespaces += [{type: "user"}] | .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 1000}] |
		.linux.gidMappings = .linux.uidMappings | (.mounts[] | select(.destination == "/sys/fs/cgroup")).options = ["rw"]'
	chown -R 100000:100000 rootfs
	args sh -c 'ls -d /sys/fs/cgroup$(sed -n s/^0:://p /proc/self/cgroup); cut -d" " -f5,6 /proc/self/mountinfo | grep "^/sys/fs/cgroup"'
	run -0 kist run $ID
	[[ "${lines[0]}" == "/sys/fs/cgroup/"*"$ID" ]]
	[[ "${lines[1]}" == "/sys/fs/cgroup ro"* ]]
}
