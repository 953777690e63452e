#!/usr/bin/env bats
# native only: hundreds of starts take too long under emulation
# Each step of the plan made to fail, and the runtime killed at system calls: nothing is left.

bats_require_minimum_version 1.5.0
load helpers
load runtime

setup() {
	runtime_setup
	bundle_args "$T/b" true
	INPUT=/dev/null
}
teardown() { runtime_teardown; }

# fails_at STEP CMD...: kist ends with 1 and one line, and at once there is no state, no cgroup.
fails_at() {
	local step=$1
	shift
	status=0 output=
	"$KIST" --root "$ROOT" --fault-step "$step" "$@" <"$INPUT" >"$T/out" 2>"$T/err" || status=$?
	stderr=$(cat "$T/err")
	[ "$status" -ne 0 ] || return 1
	is_one_line 1 'fault asked for at step|: ' >"$T/why" || { cat "$T/why"; echo "at step $step"; exit 1; }
	[ -z "$(ls -A "$ROOT")" ] || { ls -AR "$ROOT"; echo "left by a failure at step $step"; exit 1; }
	[ ! -e "$(cgroup_mount)/kist-$ID" ] || { echo "cgroup left by step $step"; exit 1; }
}

# sweep CMD...: each step that such a command takes, by its own account, is made to fail.
sweep() {
	local step last
	detached kist "$@" --explain "$ID"
	kist delete --force "$ID"
	awk '$2 ~ /^(host|guest)$/ { print $1 }' "$T/detached.err" >"$T/steps"
	[ "$(wc -l <"$T/steps")" -gt 50 ]
	while read -r step; do
		fails_at "$step" "$@" "$ID" || { echo "step $step did not fail"; return 1; }
	done <"$T/steps"
	# Behind the last one nothing fails any more.
	last=$(tail -n 1 "$T/steps")
	detached kist --fault-step $((last + 1)) "$@" "$ID"
	kist delete --force "$ID"
	assert_nothing_left
}

@test "run: every step of the plan fails once; one line, nothing left" {
	sweep run
}

@test "create: every step of the plan fails once" {
	sweep create
}

@test "run with a terminal, a user namespace and limits of its own" {
	edit_bundle . '.process.terminal = true | .linux.namespaces += [{"type": "user"}] |
		.linux.uidMappings = [{"containerID": 0, "hostID": 1000000, "size": 65536}] |
		.linux.gidMappings = .linux.uidMappings | .process.oomScoreAdj = 100 |
		.process.user.additionalGids = [5] | .process.cwd = "/tmp" |
		.linux.seccomp = {"defaultAction": "SCMP_ACT_ALLOW"} | .linux.sysctl = {"net.ipv4.ip_forward": "1"} |
		.mounts += [{"destination": "/home", "type": "bind", "source": "/etc", "options": ["rbind", "ro"]}]'
	# Its terminal's other end is held by somebody who never reads.
	python3 -c 'import os, time; ends = os.openpty(); print(os.ttyname(ends[1]), flush=True); time.sleep(900)' \
		>"$T/pts" 3>&- &
	holder=$!
	wait_until 20 grep -q . "$T/pts"
	INPUT=$(cat "$T/pts")
	sweep run
	kill $holder
	wait $holder || true
}

@test "exec: every step fails once with 255, and the container runs on" {
	bundle_args . sleep 1000
	detached kist run -d "$ID"
	pid=$(pid_of "$ID")
	# Steps that are another's alternative pass by; after ten in a row the plan is over.
	for ((step = 0, passed = 0, failed = 0; passed < 10; step++)); do
		run --separate-stderr kist --fault-step $step exec "$ID" true
		if [ "$status" -eq 0 ]; then
			passed=$((passed + 1))
			continue
		fi
		passed=0 failed=$((failed + 1))
		is_one_line 255 || { echo "at step $step"; false; }
	done
	echo "$failed steps of $step"
	[ "$failed" -gt 15 ]
	[ "$(state_of "$ID")" = running ]
	[ "$(cat "$(cgroup_of "$pid")/cgroup.procs")" = "$pid" ]
	kist delete --force "$ID"
	assert_nothing_left
}

@test "--fault-step takes an errno; what is no number or errno is refused" {
	refused 1 'No space left on device' kist --fault-step 2:ENOSPC run "$ID"
	for text in x -1 1x 4:NOSUCH ""; do
		refused 1 'fault-step' kist --fault-step "$text" run "$ID"
	done
}

@test "killed by SIGKILL at a sample of system calls, delete --force takes all back" {
	[ -x "$TOP/build/tools/killat" ] || skip "no killat"
	for verb in create run; do
		run env RUNTIME="$KIST" "$TOP/tests/sweep.sh" --who both --sample 12 $verb
		echo "$output"
		[ "$status" -eq 0 ]
		[[ ${lines[-1]} == *"leaks 0, hangs 0"* ]]
	done
}

@test "the same for an ordinary user's containers, whose ids newuidmap gives" {
	[ -x "$TOP/build/tools/killat" ] || skip "no killat"
	need_program setpriv newuidmap dash
	[ -z "${KIST_SANITIZED-}" ] || skip "a sanitizer's reports are root's"
	for verb in run exec; do
		run env KIST="$KIST" "$TOP/tests/sweep-rootless.sh" --who both --sample 8 $verb
		echo "$output"
		[ "$status" -eq 0 ]
		[[ ${lines[-1]} == "points 16, leaks 0, hangs 0" ]]
	done
}

@test "a sample of system calls fails: all is done, or nothing and a line says why" {
	[ -z "${KIST_SANITIZED-}" ] || skip "a sanitizer makes calls of its own"
	for verb in create run start exec kill list state pause delete; do
		run env RUNTIME="$KIST" "$TOP/tests/sweep.sh" --fail turn --sample 10 $verb
		echo "$verb: $output"
		[ "$status" -eq 0 ]
	done
}

@test "a root of an image's layers, with a folder for changes: killed, or a call fails, at a sample of system calls" {
	[ -z "${KIST_SANITIZED-}" ] || skip "a sanitizer makes calls of its own"
	for how in "--who both" "--fail turn"; do
		# shellcheck disable=SC2086
		run env RUNTIME="$KIST" SWEEP_IMAGE=folder "$TOP/tests/sweep.sh" $how --sample 10 create
		echo "$how: $output"
		[ "$status" -eq 0 ]
	done
}

@test "signals at a sample of system calls: nothing is left, no weaker container" {
	for verb in create run start exec; do
		run env RUNTIME="$KIST" "$TOP/tests/sweep.sh" --signal INT,TERM,HUP,PIPE,QUIT,WINCH --sample 6 $verb
		echo "$verb: $output"
		[ "$status" -eq 0 ]
	done
}

@test "with hooks: every step from the first of them on fails once, and poststop is run each time" {
	printf '#!/bin/sh\necho >>%s\n' "$T/count" >"$T/poststop"
	chmod 755 "$T/poststop"
	edit_bundle . '.hooks = {"prestart": [$h], "createRuntime": [$h], "createContainer": [$h],
		"startContainer": [$h], "poststart": [$h], "poststop": [{"path": $p}]} |
		.linux.maskedPaths = [] | .linux.readonlyPaths = []' --argjson h '{"path": "/bin/true"}' --arg p "$T/poststop"
	detached kist run --explain "$ID"
	kist delete --force "$ID"
	awk '/host *run_hook/ { on = 1 } on && $2 ~ /^(host|guest)$/ { print $1 }' "$T/detached.err" >"$T/steps"
	[ "$(wc -l <"$T/steps")" -gt 20 ]
	rm "$T/count"
	while read -r step; do
		fails_at "$step" run "$ID"
	done <"$T/steps"
	[ "$(wc -l <"$T/count")" = "$(wc -l <"$T/steps")" ]
	assert_nothing_left
}

@test "kist that can't come back from the container's network ends with a word, and all is taken back" {
	ip link add kist-b0 type bridge 2>/dev/null || skip "no bridges in this kernel"
	ip link del kist-b0
	cp -a "$FIXTURES/busybox-rootfs" "$D/rootfs"
	# The second setns is the first way back.
	run --separate-stderr "$TOP/build/tools/killat" fail setns:2 ENOMEM --each -o "$T/hit" -- \
		"$KIST" --root "$ROOT" job run --id "$ID" --net bridge "$D/rootfs" -- true
	is_one_line 1 "cannot return from the container's network namespace: setns: (Cannot allocate|Out of) memory"
	[ "$(grep -c ' main setns$' "$T/hit")" = 3 ]
	kist delete --force "$ID"
	assert_nothing_left
}
