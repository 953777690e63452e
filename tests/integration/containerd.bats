#!/usr/bin/env bats
# native only: each command takes seconds in the test machine: consumers_vm.bats has what needs it
# Debian's containerd and its shim with kist as their runtime, through ctr.

bats_require_minimum_version 1.5.0
load helpers
load consumers

setup_file() {
	need_root
	containerd_begin
}
teardown_file() {
	containerd_end
	unmount_below "$BATS_FILE_TMPDIR"
}
setup() { cd "$BATS_TEST_TMPDIR"; }
teardown() {
	local status=0 id
	daemon_logs
	no_container_in /run/containerd/runc/default || status=1
	for id in $([ -n "${BATS_TEST_COMPLETED-}" ] || ctr task ls -q); do
		ctr task rm -f "$id" || true
		ctr container rm "$id" || true
	done
	return $status
}

# ctr asks for cpu.weight unless it is told not to; no host with cgroup v1 beside v2 has that.
run_options() {
	echo --runc-binary "$KIST_AT"
	echo --cpu-shares 0
}
crun_() { # ARG...: ctr run with kist
	# shellcheck disable=SC2046 # words
	ctr run $(run_options) "$@"
}
task_is() { [ "$(ctr task ls | awk -v id="$1" '$1 == id { print $3 }')" = "$2" ]; }
pid_of() { ctr task ls | awk -v id="$1" '$1 == id { print $2 }'; }
IMAGE=busybox:latest

@test "ctr run --rm: output, exit status, the words of failures" {
	want 7 crun_ --rm --env A=b --cwd /tmp $IMAGE one sh -c 'echo $A; pwd; exit 7'
	[ "$output" = $'b\n/tmp' ]
	want 1 crun_ --rm $IMAGE two nosuch
	says 'executable file not found in $PATH'
	want 1 crun_ --rm $IMAGE three /no/such
	says '/no/such": no such file or directory: unknown'
	want 1 crun_ --rm $IMAGE four /etc
	says '/etc": permission denied: unknown'
	[ -z "$(ctr task ls -q)$(ctr container ls -q)" ]
}

@test "ctr: a task that stays: exec, signals, pause, metrics, events, rm" {
	(exec 3>&- && command ctr -a /run/containerd-test.sock events >events.out 2>&1) &
	events=$!
	crun_ -d $IMAGE stays sh -c 'trap "exit 5" TERM; trap "echo >/hup" HUP; while :; do sleep 0.1; done'
	task_is stays RUNNING
	[ "$("$KIST_AT" --root /run/containerd/runc/default state stays | jq -r .status)" = running ]
	want 3 ctr task exec --exec-id e1 --cwd /tmp --user 1000:1001 stays sh -c 'id -u; pwd; exit 3'
	[ "$output" = $'1000\n/tmp' ]
	want 1 ctr task exec --exec-id e2 stays nosuch
	says 'executable file not found in $PATH'
	want 0 python3 "$TOP/tests/lib/on-a-pty.py" 31x71 bash -c \
		"ctr task exec -t --exec-id e3 stays sh -c '$tty_size'"
	says '31 71'
	ctr task exec -d --exec-id e4 stays sleep 1000
	want 0 ctr task ps stays
	[ "$(grep -c '^[0-9]' <<<"$output")" -ge 2 ]
	ctr task kill --exec-id e4 -s KILL stays
	ctr task pause stays
	task_is stays PAUSED
	ctr task resume stays
	task_is stays RUNNING
	ctr task kill -s HUP stays
	wait_until 30 ctr task exec --exec-id e5 stays test -e /hup
	ctr task kill -s TERM stays
	wait_until 30 task_is stays STOPPED
	want 0 ctr task rm stays
	says 'exit code 5'
	ctr container rm stays
	wait_until 30 grep -q /tasks/delete events.out
	for topic in create start exec-started paused resumed exit delete; do
		grep -q "/tasks/$topic" events.out || { cat events.out; return 1; }
	done
	kill "$events"
}

@test "ctr run -t: a terminal; a read-only root, mounts, capabilities, a filter, the host's network" {
	want 4 python3 "$TOP/tests/lib/on-a-pty.py" 33x77 bash -c "ctr run $(run_options | tr '\n' ' ') --rm -t $IMAGE tty \
		sh -c '$tty_size; tty; exit 4'"
	says '33 77'
	echo inside >file
	want 0 crun_ --rm --read-only --net-host --cap-add CAP_SYS_TIME --seccomp \
		--mount "type=bind,src=$PWD/file,dst=/etc/bound,options=rbind:ro" $IMAGE many sh -c '
		grep Seccomp: /proc/self/status; (echo x >/x) 2>&1; cat /etc/bound; grep CapBnd /proc/self/status; readlink /proc/self/ns/net'
	for word in $'Seccomp:\t2' '/x: Read-only file system' inside $'CapBnd:\t00000000aa0425fb' \
		"$(readlink /proc/self/ns/net)"; do
		says "$word"
	done
}

@test "ctr: --privileged, --rootfs, a runtime that is asked for a checkpoint refuses in words" {
	want 0 crun_ --rm --privileged $IMAGE priv grep -E 'CapEff|NoNewPrivs' /proc/self/status
	says "CapEff:$(printf '\t')$(awk '/CapBnd/ { print $2 }' /proc/self/status)"
	cp -a "$FIXTURES/busybox-rootfs" rootfs
	want 0 crun_ --rm --rootfs "$PWD/rootfs" plain cat /proc/self/cgroup
	says 0::/
	crun_ -d $IMAGE fixed sleep 1000
	run ctr task checkpoint fixed
	[ "$status" -ne 0 ]
	task_is fixed RUNNING
	want 0 ctr task rm -f fixed
	ctr container rm fixed
}

@test "containerd has the runtime that docs/oci.md configures for Kubernetes" {
	doc_block /etc/containerd/config.toml >config.toml
	want 0 containerd -c "$PWD/config.toml" config dump
	says "BinaryName = \"$KIST_AT\""
	says 'containerd.runtimes.kist]'
}
