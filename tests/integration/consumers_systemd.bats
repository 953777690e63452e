#!/usr/bin/env bats
# systemd only: podman as on a booted machine, where systemd makes the cgroups
# Debian's podman with systemd's cgroup driver, and kist in runc's place.

bats_require_minimum_version 1.5.0
load helpers
load consumers

setup() { cd "$BATS_TEST_TMPDIR"; }
teardown() { daemon_logs; }
teardown_file() {
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
	podman rm -f -t 0 one
	[ "$(show "$unit" LoadState)" = not-found ]
	no_container_in /run/kist
}
