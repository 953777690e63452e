#!/usr/bin/env bats
# vm only: containers with limits need the controllers of cgroup v2
# Debian's containerd, dockerd and podman under Debian's kernel: limits, an update of them, exec in
# their cgroup; docker's --privileged, which asks for every capability there is.

bats_require_minimum_version 1.5.0
load helpers
load consumers

setup() { cd "$BATS_TEST_TMPDIR"; }
teardown() { daemon_logs; }
teardown_file() {
	containerd_end
	dockerd_end
	podman_end
	unmount_below "$BATS_FILE_TMPDIR"
}

# find_cgroup PID: sets $cgroup.
find_cgroup() {
	cgroup=/sys/fs/cgroup$(sed -n 's/^0:://p' "/proc/$1/cgroup")
	[ "$cgroup" != /sys/fs/cgroup/ ]
}

@test "ctr: limits become cgroup v2's" {
	containerd_begin
	ctr run --runtime io.containerd.runc.v2 --runc-binary "$KIST_AT" -d \
		--memory-limit 67108864 --cpus 0.5 --cpu-shares 512 busybox:latest limited sleep 1000
	find_cgroup "$(ctr task ls | awk '$1 == "limited" { print $2 }')"
	[ "$(cat "$cgroup/memory.max")" = 67108864 ]
	[ "$(cat "$cgroup/cpu.max")" = '50000 100000' ]
	[ "$(cat "$cgroup/cpu.weight")" != 100 ]
	want 0 ctr task metrics limited
	says memory.usage
	want 0 ctr task rm -f limited
	[ ! -e "$cgroup" ]
	no_container_in /run/containerd/runc/default
	containerd_end
}

@test "docker: limits become cgroup v2's, and an update changes them; --privileged" {
	dockerd_begin --bridge none --iptables=false
	docker run -d --name limited --memory 64m --cpus 0.5 --pids-limit 50 --network none busybox sleep 1000
	find_cgroup "$(docker inspect -f '{{.State.Pid}}' limited)"
	[ "$(cat "$cgroup/memory.max")" = 67108864 ]
	[ "$(cat "$cgroup/cpu.max")" = '50000 100000' ]
	[ "$(cat "$cgroup/pids.max")" = 50 ]
	docker update --memory 96m --memory-swap 128m --pids-limit 60 limited
	[ "$(cat "$cgroup/memory.max")" = 100663296 ]
	[ "$(cat "$cgroup/pids.max")" = 60 ]
	want 3 docker exec limited sh -c 'cat /sys/fs/cgroup/pids.max; exit 3'
	says 60
	docker rm -f limited
	[ ! -e "$cgroup" ]
	want 0 docker run --rm --privileged --network none busybox sh -c 'grep -E "Cap(Eff|Bnd)" /proc/self/status
		ls /dev/kmsg && : >/proc/sys/kernel/domainname && echo written'
	# All that docker 20.10 knows of.
	says $'CapEff:\t0000003fffffffff'
	says written
	no_container_in /run/docker-test/runtime-runc/moby
	dockerd_end
}

@test "podman: limits become cgroup v2's, and an update changes them; checkpoint and restore keep them" {
	podman_begin cgroupfs
	podman_start limited --memory 64m --cpus 0.5 --pids-limit 50 busybox sleep 1000
	find_cgroup "$(podman inspect --format '{{.State.Pid}}' limited)"
	[ "$(cat "$cgroup/memory.max")" = 67108864 ]
	[ "$(cat "$cgroup/cpu.max")" = '50000 100000' ]
	[ "$(cat "$cgroup/pids.max")" = 50 ]
	podman update --memory 96m limited
	want 3 podman exec limited sh -c 'cat /sys/fs/cgroup/memory.max; exit 3'
	says 100663296
	podman container checkpoint limited
	[ ! -e "$cgroup" ]
	[ "$(podman inspect --format '{{.State.Checkpointed}}' limited)" = true ]
	podman container restore limited
	want 3 podman exec limited sh -c 'cat /proc/1/comm /sys/fs/cgroup/pids.max; exit 3'
	[ "$output" = $'sleep\n50' ]
	podman rm -f -t 0 limited
	[ ! -e "$cgroup" ]
	no_container_in /run/kist
}
