#!/usr/bin/env bats
# systemd only: podman and dockerd as on a booted machine, where systemd makes the cgroups
# Debian's podman and dockerd with systemd's cgroup driver and their AppArmor profiles, and kist in
# runc's place.

bats_require_minimum_version 1.5.0
load helpers
load consumers

setup() { cd "$BATS_TEST_TMPDIR"; }
teardown() { daemon_logs; }
teardown_file() {
	dockerd_end
	podman_end
	unmount_below "$BATS_FILE_TMPDIR"
}
show() { systemctl show -p "$2" --value "$1"; }

@test "podman's containers are scopes of systemd's, with their limits" {
	podman_begin systemd
	podman_start one --memory 64m --pids-limit 50 busybox sleep 1000
	unit=libpod-$(podman inspect --format '{{.Id}}' one).scope
	[ "$(show "$unit" ActiveState)" = active ]
	[ "$(show "$unit" Slice)" = machine.slice ]
	[ "$(show "$unit" MemoryMax)" = 67108864 ]
	[ "$(show "$unit" TasksMax)" = 50 ]
	want 3 podman exec one sh -c 'cat /sys/fs/cgroup/memory.max; exit 3'
	says 67108864
	[[ $(podman exec one cat /proc/self/attr/current) == containers-default-*' (enforce)' ]]
	podman rm -f -t 0 one
	[ "$(show "$unit" LoadState)" = not-found ]
	no_container_in /run/kist
}

@test "docker's containers are scopes of systemd's, with their limits, and confined by its profile" {
	dockerd_begin --exec-opt native.cgroupdriver=systemd --bridge none --iptables=false
	docker run -d --network none --name two --memory 64m --pids-limit 50 --cap-add SYS_ADMIN \
		--security-opt seccomp=unconfined busybox sleep 1000
	unit=docker-$(docker inspect -f '{{.Id}}' two).scope
	[ "$(show "$unit" ActiveState)" = active ]
	[ "$(show "$unit" MemoryMax)" = 67108864 ]
	[ "$(show "$unit" TasksMax)" = 50 ]
	docker update --memory 96m --memory-swap 128m two
	[ "$(show "$unit" MemoryMax)" = 100663296 ]
	# Mounting is what the profile denies in spite of the capability, in an exec too.
	[ "$(cat "/proc/$(docker inspect -f '{{.State.Pid}}' two)/attr/current")" = 'docker-default (enforce)' ]
	want 3 docker exec two sh -c 'cat /sys/fs/cgroup/memory.max /proc/self/attr/current
		mount -t tmpfs none /tmp 2>&1 || exit 3'
	[[ $output == $'100663296\ndocker-default (enforce)\n'*'Permission denied' ]]
	docker rm -f two
	[ "$(show "$unit" LoadState)" = not-found ]
	want 0 docker run --rm --network none --cap-add SYS_ADMIN --security-opt seccomp=unconfined \
		--security-opt apparmor=unconfined busybox sh -c 'cat /proc/self/attr/current; mount -t tmpfs none /tmp'
	[ "$output" = unconfined ]
	no_container_in /run/docker-test/runtime-runc/moby
}
