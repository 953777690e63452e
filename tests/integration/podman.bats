#!/usr/bin/env bats
# native only: each command takes seconds in the test machine: consumers_vm.bats has what needs it
# Debian's podman, conmon and buildah with kist as their runtime.

bats_require_minimum_version 1.5.0
load helpers
load consumers
load rootless

setup_file() {
	need_root
	podman_begin cgroupfs
}
teardown_file() {
	podman_end
	unmount_below "$BATS_FILE_TMPDIR"
}
setup() { cd "$BATS_TEST_TMPDIR"; }
teardown() {
	# What a test that failed left must not fail the next one.
	[ -n "${BATS_TEST_COMPLETED-}" ] || podman_remove_all
	no_container_in /run/kist
}

in_state() { [ "$(podman inspect --format '{{.State.Status}}' "$1")" = "$2" ]; }

@test "podman run: output, exit status, the words and statuses of failures" {
	want 7 podman run --rm --network none -e A=b -w /tmp --hostname boat busybox \
		sh -c 'echo $A; pwd; hostname; exit 7'
	[ "$output" = $'b\n/tmp\nboat' ]
	[ "$(podman info -f '{{.Host.OCIRuntime.Name}}')" = kist ]
	want 0 podman --runtime "$KIST_AT" run --rm --network none busybox id
	says 'uid=0(root)'
	want 127 podman run --rm --network none busybox nosuch
	says 'executable file not found in $PATH'
	want 127 podman run --rm --network none busybox /no/such
	says 'no such file or directory'
	want 126 podman run --rm --network none busybox /etc
	says 'permission denied'
	want 137 podman run --rm --network none busybox sh -c 'sh -c "kill -9 \$\$"; exit $?'
}

@test "podman: exec, kill, stop, rm of a container that stays" {
	podman_start one busybox sh -c 'trap "exit 5" TERM; trap "echo hup" HUP; while :; do sleep 0.1; done'
	want 3 podman exec -e X=y one sh -c 'echo $X; id -u; exit 3'
	[ "$output" = $'y\n0' ]
	want 0 podman exec --user 1000:1001 one id
	says 'uid=1000'
	want 127 podman exec one nosuch
	want 0 podman exec -d one sh -c 'echo here >/detached; exec sleep 1000'
	wait_until 30 podman exec one grep -q here /detached
	podman kill -s HUP one
	wait_until 30 eval 'podman logs one | grep -q hup'
	podman stop -t 20 one
	[ "$(podman inspect --format '{{.State.ExitCode}}' one)" = 5 ]
	no_container_in /run/kist
	podman start one 3>&-
	in_state one running
	podman kill one
	wait_until 30 in_state one exited
	[ "$(podman inspect --format '{{.State.ExitCode}}' one)" = 137 ]
	podman rm one
}

@test "podman: pause, unpause, top, stats, update of limits" {
	podman_start two busybox sh -c 'exec sleep 1000'
	podman pause two
	in_state two paused
	[ "$("$KIST_AT" state "$(podman inspect --format '{{.Id}}' two)" | jq -r .status)" = paused ]
	podman unpause two
	in_state two running
	want 0 podman top two pid comm
	says sleep
	podman rm -f -t 0 two
}

@test "podman run -it: a terminal, its size, typed words" {
	want 4 python3 "$TOP/tests/lib/on-a-pty.py" 33x77 -s ready: word \
		podman run --rm -it --network none busybox sh -c \
		"$tty_size; tty; printf ready:; read -r x; echo \"got \$x\"; exit 4"
	says '33 77'
	says '/dev/'
	says 'got word'
}

@test "podman run: capabilities, read-only root, users, mounts, devices, sysctls, limits" {
	mkdir -p vol
	echo inside >vol/file
	want 0 podman run --rm --network none --cap-drop all --cap-add net_bind_service --read-only \
		--user 1000:1001 --group-add 77 -v "$PWD/vol:/vol:ro" --tmpfs /scratch:size=1m,mode=1777 \
		--device /dev/zero:/dev/nought:r --sysctl net.ipv4.ip_forward=1 --ulimit nofile=99:100 --ulimit nproc=4096:4096 \
		--security-opt no-new-privileges --security-opt mask=/proc/version --oom-score-adj 500 busybox sh -c '
		grep -E "^(CapBnd|CapEff|NoNewPrivs|Seccomp):" /proc/self/status; id
		cat /vol/file; (echo x >/vol/x) 2>&1; (echo x >/x) 2>&1; echo y >/scratch/y && cat /scratch/y
		grep " /scratch " /proc/self/mountinfo; head -c 3 /dev/nought | wc -c
		cat /proc/sys/net/ipv4/ip_forward; ulimit -n; ulimit -Hn; wc -c </proc/version
		cat /proc/self/oom_score_adj'
	for word in $'CapBnd:\t0000000000000400' $'NoNewPrivs:\t1' $'Seccomp:\t2' 'uid=1000(user) gid=1001(extra) groups=77' \
		'inside' '/vol/x: Read-only file system' '/x: Read-only file system' $'\ny\n' 'size=1024k' \
		$'\n3\n1\n99\n100\n0\n500'; do
		says "$word"
	done
}

@test "podman run: a user namespace, an overlay of a root folder, files in and out" {
	want 0 podman run --rm --network none --uidmap 0:100000:5000 busybox sh -c \
		'id -u; tr -s " " </proc/self/uid_map; : >/made; stat -c %u /made'
	[ "$output" = $'0\n 0 100000 5000\n0' ]
	cp -a "$FIXTURES/busybox-rootfs" rootfs
	want 0 podman run --rm --network none --rootfs "$PWD/rootfs:O" sh -c ': >/made; ls /made'
	[ ! -e rootfs/made ]
	podman_start files busybox sleep 1000
	podman cp "$FIXTURES/busybox/oci-layout" files:/copied
	want 0 podman exec files cat /copied
	says imageLayoutVersion
	podman restart -t 0 files 3>&-
	want 0 podman exec files cat /copied
	podman rm -f -t 0 files
}

@test "podman: namespaces of the host and of another container" {
	podman_start net busybox sleep 1000
	for kind in net ipc; do
		mine=$(readlink "/proc/$(podman inspect --format '{{.State.Pid}}' net)/ns/$kind")
		[ "$(podman run --rm --network container:net --ipc container:net --pid container:net busybox \
			readlink /proc/self/ns/$kind)" = "$mine" ]
	done
	mine=$(sed -n s/^0:://p /proc/self/cgroup)
	want 0 podman run --rm --network none --cgroups=disabled --cgroupns host busybox grep ^0:: /proc/self/cgroup
	[ "$output" = "0::$mine" ]
	want 0 podman run --rm --network host --pid host --ipc host --uts host busybox sh -c \
		'for n in net pid ipc uts; do readlink /proc/self/ns/$n; done'
	[ "$output" = "$(for n in net pid ipc uts; do readlink /proc/self/ns/$n; done)" ]
	podman rm -f -t 0 net
}

@test "podman pod: an infra container, and one that shares its namespaces" {
	# podman 4.3 lays a device filter that denies all upon a pod's cgroup, whatever the runtime.
	podman pod create --share-parent=false --name pod --network none --infra-command '/bin/sleep 1000' --infra-image localhost/busybox 3>&-
	podman run -d --pod pod --name member busybox sleep 1000 3>&-
	want 0 podman exec member hostname
	[ "$output" = pod ]
	infra=$(podman pod inspect pod | jq -r .InfraContainerID)
	for kind in net ipc uts; do
		[ "$(readlink "/proc/$(podman inspect --format '{{.State.Pid}}' "$infra")/ns/$kind")" = \
			"$(readlink "/proc/$(podman inspect --format '{{.State.Pid}}' member)/ns/$kind")" ]
	done
	podman pod rm -f -t 0 pod
}

@test "buildah: RUN in a build, run --isolation oci" {
	cat >Containerfile <<-'END'
		FROM localhost/busybox
		RUN echo "built by $(id -u)" >/built
		RUN --mount=type=tmpfs,target=/t echo x >/t/x && grep -q ' /t ' /proc/self/mountinfo
		USER 1000
		CMD ["sh", "-c", "id -u; cat /built"]
	END
	want 0 podman build --network none --isolation oci -t mine .
	want 0 podman run --rm --network none localhost/mine
	[ "$output" = $'1000\nbuilt by 0' ]
	want 9 podman build --network none --isolation oci -t bad - <<<$'FROM localhost/busybox\nRUN exit 9'
	says 'exit status 9'
	ctr=$(buildah from localhost/mine)
	want 6 buildah run --runtime "$KIST_AT" --isolation oci --network none --user 0 "$ctr" sh -c 'cat /built; exit 6'
	says 'built by 0'
	export BUILDAH_RUNTIME=$KIST_AT
	want 0 buildah build --isolation oci --network none -t again .
	want 0 buildah build --runtime "$KIST_AT" --isolation oci --network none --no-cache -t again .
	[[ $output != *warning* ]] || { echo "$output"; return 1; }
	podman rmi localhost/again
	want 0 python3 "$TOP/tests/lib/on-a-pty.py" 20x30 buildah run -t --runtime "$KIST_AT" --isolation oci \
		--network none "$ctr" sh -c "$tty_size"
	says '20 30'
	buildah rm "$ctr"
	podman rmi localhost/mine
}

@test "podman without root: run, exec, stop, with ids of /etc/subuid" {
	need_program newuidmap setpriv
	rootless_setup_file
	# Under /run, which everybody may pass; its files are on the disk all the same.
	mkdir -p home /run/alice /run/peers
	mount --bind home /run/alice
	mount --bind "$TOP/build/peers" /run/peers
	mkdir -p home/run home/.config/containers
	cp "$FIXTURES/busybox.tar" home/busybox.tar
	cp "$BATS_FILE_TMPDIR/.config/containers/policy.json" home/.config/containers
	sed "/^tmp_dir/d; s#$PEERS#/run/peers/bin#" "$CONTAINERS_CONF" >home/.config/containers/containers.conf
	printf '[storage]\ndriver = "overlay"\n' >home/.config/containers/storage.conf
	chmod 700 home/run
	chown -R $ALICE:$ALICE home
	cd /run/alice
	alice() {
		setpriv --reuid $ALICE --regid $ALICE --clear-groups env -i PATH="/run/peers/bin:$PATH" HOME=/run/alice \
			XDG_RUNTIME_DIR=/run/alice/run podman "$@" 2>>/run/alice.err 3>&-
	}
	alice load -q -i busybox.tar
	want 7 alice run --rm --network none busybox sh -c 'id -u; tr -s " " </proc/self/uid_map; : >/x; stat -c %u /x; exit 7'
	[ "$output" = "0
 0 $ALICE 1
 1 $FIRST 65536
0" ]
	alice run -d --network none --name hers busybox sleep 1000
	want 3 alice exec --user 33 hers sh -c 'id -u; exit 3'
	says 33
	[ "$(alice inspect --format '{{.OCIRuntime}} {{.State.Status}}' hers)" = 'kist running' ]
	alice stop -t 0 hers
	alice rm hers
	no_container_in /run/alice/run/kist
	cd /
	umount -l /run/alice
}

@test "podman load reads what kist image save writes, and kist what podman save writes" {
	local format
	images_go_round podman "--network none" "" docker-archive oci-archive
	# Of zstd it writes no docker-archive.
	tar -C "$FIXTURES/busybox-rootfs" -c . | podman import -q -c 'CMD ["sh"]' - example.org/round/back:2
	for format in docker-archive oci-archive; do
		podman save -q --format "$format" -o back.tar example.org/round/back:2
		img load -q --tag example.org/round/back:2 back.tar
		same example.org/round/back:2 example.org/round/back:2
		want 0 "$KIST" --root "$BATS_TEST_TMPDIR/state" job run --id "back-$$" example.org/round/back:2 -- cat /etc/os-release
		says ID=
		img rm -q example.org/round/back:2
		rm back.tar
	done
}
