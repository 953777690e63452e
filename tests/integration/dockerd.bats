#!/usr/bin/env bats
# native only: each command takes seconds in the test machine: consumers_vm.bats has what needs it
# Debian's dockerd with kist as its default runtime, through the docker command.

bats_require_minimum_version 1.5.0
load helpers
load consumers

setup_file() {
	need_root
	# What these are for is on a booted machine's own; this network namespace is new.
	sysctl -qw net.ipv4.ip_forward=1
	dockerd_begin --live-restore
}
teardown_file() {
	dockerd_end
	unmount_below "$BATS_FILE_TMPDIR"
}
setup() { cd "$BATS_TEST_TMPDIR"; }
teardown() {
	daemon_logs
	[ -n "${BATS_TEST_COMPLETED-}" ] || dockerd_remove_all
	no_container_in /run/docker-test/runtime-runc/moby
}

in_state() { [ "$(docker inspect -f '{{.State.Status}}' "$1")" = "$2" ]; }
pid_of() { docker inspect -f '{{.State.Pid}}' "$1"; }
on_a_pty() { python3 "$TOP/tests/lib/on-a-pty.py" "$@"; }
# both_say WORD...: each is in what `want` ran said.
all_said() {
	local word
	for word; do
		says "$word" || return 1
	done
}

@test "docker run: output, exit status, the words and statuses of failures; docker info" {
	want 7 docker run --rm -e A=b -w /tmp -h boat busybox sh -c 'echo $A; pwd; hostname; exit 7'
	[ "$output" = $'b\n/tmp\nboat' ]
	want 0 docker run --rm --runtime kist busybox id
	says 'uid=0(root)'
	want 127 docker run --rm busybox nosuch
	says 'executable file not found in $PATH'
	want 127 docker run --rm busybox /no/such
	says 'no such file or directory'
	want 126 docker run --rm busybox /etc
	says 'permission denied'
	want 137 docker run --rm busybox sh -c 'sh -c "kill -9 \$\$"; exit $?'
	[ "$(echo typed | docker run --rm -i busybox cat)" = typed ]
	want 0 docker info -f '{{.DefaultRuntime}} {{.CgroupVersion}}'
	[ "$output" = 'kist 2' ]
	[ "$(docker info -f '{{.RuncCommit.ID}}')" = "$("$KIST" --version | sed -n 's/^commit: //p')" ]
}

@test "docker: exec, logs, top, kill, stop, restart, wait, rm of a container that stays" {
	docker run -d --name one busybox sh -c \
		'echo started; trap "exit 5" TERM; trap "echo hup" HUP; while :; do sleep 0.1; done'
	id=$(docker inspect -f '{{.Id}}' one)
	[ "$("$KIST_AT" --root /run/docker-test/runtime-runc/moby state "$id" | jq -r .status)" = running ]
	want 3 docker exec -e X=y -u 1000:1001 -w /tmp one sh -c 'echo $X; id -u; pwd; exit 3'
	[ "$output" = $'y\n1000\n/tmp' ]
	run docker exec one nosuch
	[ "$status" -eq 127 ] || [ "$status" -eq 126 ]
	says 'executable file not found in $PATH'
	docker exec -d one sleep 1000
	want 0 docker top one
	says 'sleep 1000'
	docker kill -s HUP one
	wait_until 30 eval 'docker logs one | grep -q hup'
	docker restart -t 20 one
	[ "$(docker logs one | grep -c started)" = 2 ]
	docker stop -t 20 one
	[ "$(docker inspect -f '{{.State.ExitCode}}' one)" = 5 ]
	docker start one
	in_state one running
	docker kill one
	[ "$(docker wait one)" = 137 ]
	docker rm one
}

@test "docker: pause, unpause, an update, stats" {
	docker run -d --name two busybox sleep 1000
	docker pause two
	in_state two paused
	want 1 docker exec two true
	docker unpause two
	in_state two running
	want 0 docker exec two true
	docker rm -f two
}

@test "docker run -it, exec -it: a terminal, its size, typed words" {
	want 4 on_a_pty 33x77 -s ready: word docker run --rm -it busybox sh -c \
		"$tty_size; tty; printf ready:; read -r x; echo \"got \$x\"; exit 4"
	all_said '33 77' /dev/ 'got word'
	docker run -d --name tty busybox sleep 1000
	want 5 on_a_pty 21x43 docker exec -it tty sh -c "$tty_size; tty; exit 5"
	all_said '21 43' /dev/pts
	docker rm -f tty
}

@test "docker run: capabilities, root, users, mounts, devices, sysctls, limits, filter" {
	mkdir vol
	echo inside >vol/file
	want 0 docker run --rm --cap-drop all --cap-add net_bind_service --read-only --user 1000:1001 \
		--group-add 77 -v "$PWD/vol:/vol:ro" --tmpfs /scratch:size=1m,mode=1777 --device /dev/zero:/dev/nought:r \
		--sysctl net.ipv4.ip_unprivileged_port_start=1 --ulimit nofile=99:100 --shm-size 1m \
		--security-opt no-new-privileges --oom-score-adj 500 busybox sh -c '
		grep -E "^(CapBnd|CapEff|NoNewPrivs|Seccomp):" /proc/self/status; id
		cat /vol/file; (echo x >/vol/x) 2>&1; (echo x >/x) 2>&1; echo y >/scratch/y && cat /scratch/y
		grep -E " (/scratch|/dev/shm) " /proc/self/mountinfo; head -c 3 /dev/nought | wc -c
		cat /proc/sys/net/ipv4/ip_unprivileged_port_start; ulimit -n; ulimit -Hn
		cat /proc/self/oom_score_adj; cat /proc/timer_list | wc -c; (: >/proc/sys/kernel/domainname) 2>&1; true'
	all_said $'CapBnd:\t0000000000000400' $'CapEff:\t0000000000000000' $'NoNewPrivs:\t1' $'Seccomp:\t2' \
		'uid=1000(user) gid=1001(extra) groups=77,1001(extra)' inside '/vol/x: Read-only file system' \
		'/x: Read-only file system' $'\ny\n' 'size=1024k' $'\n3\n1\n99\n100\n500\n0' \
		'domainname: Read-only file system'
	# What docker's own profile denies: with the capability that the kernel asks for.
	want 0 docker run --rm --cap-add sys_time --cap-add sys_admin busybox sh -c \
		'unshare -U true 2>&1; mkdir /m && mount -t tmpfs x /m && echo mounted'
	says mounted
	want 1 docker run --rm busybox unshare -m true
	says 'Operation not permitted'
}

@test "docker run: --init, namespaces of the host and of another container" {
	want 0 docker run --rm --init busybox cat /proc/1/comm
	says init
	docker run -d --name ns --ipc shareable busybox sleep 1000
	for kind in net ipc pid; do
		mine=$(readlink "/proc/$(pid_of ns)/ns/$kind")
		want 0 docker run --rm --$kind container:ns busybox readlink /proc/self/ns/$kind
		[ "$output" = "$mine" ]
	done
	want 0 docker run --rm --network host --pid host --ipc host --uts host --cgroupns host busybox sh -c \
		'for n in net pid ipc uts cgroup; do readlink /proc/self/ns/$n; done'
	[ "$output" = "$(for n in net pid ipc uts cgroup; do readlink "/proc/$(pgrep -xo dockerd)/ns/$n"; done)" ]
	docker rm -f ns
}

@test "docker run: network none, bridge, a published port, names on a network of the user's" {
	want 0 docker run --rm --network none busybox ip -o link
	[ "$(grep -c . <<<"$output")" = 1 ]
	docker run -d --name web -p 127.0.0.1:8080:80 busybox sh -c \
		'while :; do echo "served to $(hostname)" | nc -l -p 80; done'
	wait_until 20 eval 'timeout 5 bash -c "exec 5<>/dev/tcp/127.0.0.1/8080; cat <&5" | grep -q served'
	ip=$(docker inspect -f '{{.NetworkSettings.IPAddress}}' web)
	wait_until 20 eval 'docker run --rm busybox sh -c "nc -w 2 $ip 80 </dev/null" | grep -q served'
	docker network create mine
	docker run -d --name db --network mine busybox sleep 1000
	want 0 docker run --rm --network mine busybox ping -c 1 -w 10 db
	docker network connect mine web
	want 0 docker exec web ip -o addr show eth1
	docker rm -f web db
	docker network rm mine
}

@test "docker: restart policies, create and start -a, build, cp, volumes" {
	docker run -d --restart always --name again busybox sh -c 'sleep 0.3; exit 1'
	wait_until 20 eval '[ "$(docker inspect -f "{{.RestartCount}}" again)" -ge 2 ]'
	docker rm -f again
	docker create --name later busybox echo created
	want 0 docker start -a later
	says created
	docker cp later:/etc/passwd passwd
	grep -q ^root: passwd
	docker rm later
	docker run --rm -v kept:/data busybox sh -c 'echo kept >/data/file'
	want 0 docker run --rm -v kept:/data:ro busybox cat /data/file
	says kept
	docker volume rm kept
	mkdir context
	printf 'FROM busybox\nRUN echo "built by $(id -u)" >/built\nUSER 1000\nCMD ["cat", "/built"]\n' >context/Dockerfile
	DOCKER_BUILDKIT=0 docker build -q --network none -t mine context
	want 0 docker run --rm mine
	says 'built by 0'
}

@test "docker: many at once; the daemon is killed, and a shim: live-restore finds what runs, rm takes away the rest" {
	for n in 1 2 3 4 5 6; do
		(docker run --rm --network none busybox sh -c "exit $n" || echo "$n $?" >"many.$n") 3>&- &
		pids[n]=$!
	done
	for n in 1 2 3 4 5 6; do wait "${pids[n]}"; done
	[ "$(cat many.*)" = $'1 1\n2 2\n3 3\n4 4\n5 5\n6 6' ]
	docker run -d --name live busybox sleep 1000
	pid=$(pid_of live)
	kill -KILL "$(cat "$BATS_FILE_TMPDIR/dockerd.pid")"
	wait_until 30 daemon_is_gone dockerd
	rm -f /run/docker-test.pid
	dockerd_start --live-restore
	[ "$(pid_of live)" = "$pid" ]
	want 0 docker exec live echo alive
	says alive
	# Nobody is left to tell the end of this one: containerd has kist delete it by force.
	for shim in /proc/[0-9]*/exe; do
		[[ $(readlink "$shim") != */containerd-shim-runc-v2 ]] || kill -KILL "$(cut -d/ -f3 <<<"$shim")"
	done
	wait_until 20 in_state live exited
	docker rm live
	[ ! -d "/proc/$pid" ]
}

@test "docker load reads what kist image save writes, and kist what docker save writes" {
	# Docker before 23 reads no zstd: layers go as plain tars.
	images_go_round docker "--network none" docker-archive
	docker tag busybox example.org/round/back:2
	docker save -o back.tar example.org/round/back:2
	img load -q back.tar
	same example.org/round/back:2 example.org/round/back:2
	want 0 "$KIST" --root "$BATS_TEST_TMPDIR/state" job run --id "back-$$" example.org/round/back:2 -- cat /etc/os-release
	says ID=
}
