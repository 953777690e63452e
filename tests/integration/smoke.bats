#!/usr/bin/env bats
# What kist needs of a kernel is there: natively, and in the test machine.
load helpers

setup() { kist_setup; }
teardown() { kist_teardown; }

@test "openat2, clone3, move_mount, mount_setattr, pidfd_getfd are there" {
	# Each is called with arguments that a kernel which has it refuses by anything but ENOSYS.
	run python3 - <<-'END'
		import ctypes, errno
		libc = ctypes.CDLL(None, use_errno=True)
		calls = {"openat2": 437, "clone3": 435, "open_tree": 428, "move_mount": 429, "fsopen": 430,
		         "mount_setattr": 442, "pidfd_open": 434, "pidfd_getfd": 438, "execveat": 322}
		for name, number in calls.items():
		    assert libc.syscall(number, -1, -1, -1, -1, -1, -1) == -1, name
		    assert ctypes.get_errno() != errno.ENOSYS, name
	END
	echo "$output"
	[ "$status" -eq 0 ]
}

@test "a cgroup2 hierarchy has cgroup.kill and cgroup.freeze" {
	need_root
	cgroup=$(cgroup_mount)/kist-smoke-$$
	mkdir "$cgroup"
	sleep 1000 &
	pid=$!
	echo $pid >"$cgroup/cgroup.procs"
	[ -e "$cgroup/cgroup.freeze" ]
	echo 1 >"$cgroup/cgroup.kill"
	status=0
	wait $pid || status=$?
	wait_until 10 rmdir "$cgroup"
	[ "$status" -eq 137 ]
}

@test "memory, pids, cpu and io are cgroup v2 controllers" {
	need_v2_controllers memory pids cpu io cpuset
	need_root
	cgroup=$(cgroup_mount)/kist-smoke-$$
	mkdir "$cgroup"
	echo 16 >"$cgroup/pids.max"
	[ "$(cat "$cgroup/pids.max")" = 16 ]
	[ -e "$cgroup/memory.max" ]
	[ -e "$cgroup/cpu.max" ]
	rmdir "$cgroup"
}

@test "pivot_root works from this root" {
	need_root
	mkdir "$T/new"
	run unshare --mount --propagation private sh -c "
		mount -t tmpfs none '$T/new' && mkdir '$T/new/old' && cp '$(command -v busybox)' '$T/new/busybox' &&
		cd '$T/new' && pivot_root . old && /busybox ls /"
	echo "$output"
	[ "$status" -eq 0 ]
	[[ $output == *busybox*old* ]]
}

@test "bridge, veth, overlay and nftables masquerade can be made" {
	need_root
	run unshare --mount --net sh -ec "
		ip link add name br0 type bridge
		ip link add v0 type veth peer name v1
		ip link set v0 master br0
		nft 'add table ip t; add chain ip t c { type nat hook postrouting priority 100; }; add rule ip t c masquerade'
		nft list table ip t
		cd '$D' && mkdir a b c d && echo below >a/file
		mount -t overlay -o lowerdir=a,upperdir=b,workdir=c none d
		echo above >d/file
		cat a/file b/file"
	echo "$output"
	[ "$status" -eq 0 ]
	[[ $output == *masquerade*below*above* ]]
}

@test "the fixture image's digests are true" {
	need_program sha256sum jq
	cd "$FIXTURES/busybox/blobs/sha256"
	for blob in *; do
		echo "$blob  $blob"
	done | sha256sum -c --quiet
	manifest=$(jq -r '.manifests[0].digest' ../../index.json)
	config=$(jq -r .config.digest "${manifest#sha256:}")
	layers=$(jq -r '.layers[].digest' "${manifest#sha256:}")
	for layer in $layers; do
		case $(file -b "${layer#sha256:}") in
		gzip*) zcat "${layer#sha256:}" ;;
		Zstandard*) zstd -dcq "${layer#sha256:}" ;;
		*) cat "${layer#sha256:}" ;;
		esac | sha256sum | sed 's/\(.*\)  -/sha256:\1/'
	done >"$T/diff_ids"
	jq -r '.rootfs.diff_ids[]' "${config#sha256:}" | diff - "$T/diff_ids"
	[ "$(wc -l <"$T/diff_ids")" -eq 3 ]
}
