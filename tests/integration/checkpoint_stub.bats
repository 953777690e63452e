#!/usr/bin/env bats
# native only: what surrounds criu, with a stand-in for it; checkpoint.bats has the real one
# kist checkpoint and restore: what is refused, and that a failure anywhere leaves nothing.

bats_require_minimum_version 1.5.0
load helpers
load runtime

setup() {
	need_root
	kist_setup
	ID=${T##*.}
	make_bundle "$T/b"
	cd "$T/b"
	bundle_args . sleep 1000
	cp config.json plain.json
	mkdir -m 700 "$T/image" "$T/bin"
	echo '{"version": 1, "pid": 5, "noNewPrivileges": true, "stdio": [null, null, null]}' >"$T/image/kist.json"
	# It "restores" a process in the cgroup it is told, as far as kist looks.
	cat >"$T/bin/criu" <<-'END'
		#!/bin/bash
		while [ $# -gt 0 ]; do
			case $1 in
			--cgroup-root) cgroup=$(ls -d /sys/fs/cgroup/"$2" /sys/fs/cgroup/unified"$2" 2>/dev/null | head -n 1) ;;
			--pidfile) pidfile=$2 ;;
			--work-dir) work=$2 ;;
			esac
			shift
		done
		if [ -e "$work/fail" ]; then
			printf '(00.01)      1: Error (criu/a.c:1): the reason\n(00.02) Error (criu/b.c:2): Restoring FAILED.\n' >"$work/restore.log"
			exit 1
		fi
		if [ -e "$work/slow" ]; then
			echo $$ >"$work/slow"
			exec sleep 1000
		fi
		bash -c "$(cat "$work/program" 2>/dev/null || echo exec sleep 1000)" 20>&- 21>&- 22>&- &
		echo $! >"$cgroup/cgroup.procs"
		echo $! >"$pidfile"
	END
	chmod 755 "$T/bin/criu"
	export PATH=$T/bin:$PATH
}
teardown() { runtime_teardown; }

edit() { cp plain.json config.json && edit_bundle "$T/b" "$@"; }
# As those of the stand-in's process.
with_all_capabilities() {
	edit '.process.capabilities.bounding = $all | .process.noNewPrivileges = false' \
		--argjson all "$(kist features | jq -c .linux.capabilities)"
}
restores() { kist restore --detach --image-path "$T/image" "$@" $ID; }

@test "restore: each step fails without a trace, and so does criu; then it works" {
	with_all_capabilities
	failed=0
	# Of alternatives some are not taken: then it works.
	for step in {0..30}; do
		run --separate-stderr kist --fault-step "$step" restore --detach --image-path "$T/image" $ID </dev/null 3>&-
		if [ "$status" = 0 ]; then
			[ "$(state_of $ID)" = running ]
			grep -q "^$(pid_of $ID)$" "$(cgroup_of "$(pid_of $ID)")/cgroup.procs"
			kist delete --force $ID
			continue
		fi
		is_one_line 1 "cannot restore $ID: "
		has_no_state
		failed=$((failed + 1)) last=$step
	done
	# All up to the last, and there is an end.
	[ $failed -gt 10 ] && [ "$last" -lt 30 ]
	touch "$T/image/fail"
	refused 1 "cannot restore $ID: criu: the reason" restores
	rm "$T/image/fail"
	edit '.process.capabilities.bounding = []'
	refused 1 '/process/capabilities/bounding: .*does not give' restores
}

@test "restore: killed in the middle: criu ends with it, delete --force clears up" {
	: >"$T/image/slow"
	"$KIST" --root "$ROOT" restore --detach --image-path "$T/image" $ID </dev/null >/dev/null 2>&1 3>&- &
	kist=$!
	wait_until 10 test -s "$T/image/slow"
	kill -KILL $kist
	wait $kist || true
	wait_until 10 is_dead "$(cat "$T/image/slow")"
	[ -n "$(ls -A "$ROOT")" ]
	kist delete --force $ID
	has_no_state
}

@test "restore: folders and records that can't be trusted" {
	refused 1 'the folder none: ' kist restore --image-path none $ID
	[[ $stderr == *"No such file"* ]]
	ln -s "$T/image" "$T/link"
	refused 1 'the folder .*/link' kist restore --image-path "$T/link" $ID
	chmod 770 "$T/image"
	refused 1 'others could change what is restored' restores
	chmod 700 "$T/image"
	chown 1 "$T/image"
	refused 1 'belongs to uid 1' restores
	chown 0 "$T/image"
	refused 1 'the folder config.json: Not a dir' restores --work-path config.json
	for bad in '{}' '{"version": 2}' '[]' x; do
		echo "$bad" >"$T/image/kist.json"
		refused 1 'kist.json' restores
	done
	echo '{"version": 1, "pid": 5, "noNewPrivileges": true, "stdio": [null, {"key": "fd[0]:x", "mode": 1, "size": 0}, null]}' \
		>"$T/image/kist.json"
	refused 1 '/stdio/1/key: must be pipe' restores
	# It was a pipe, and is none.
	echo '{"version": 1, "pid": 5, "noNewPrivileges": true, "stdio": [{"key": "pipe:[5]", "mode": 4096, "size": 0}, null, null]}' \
		>"$T/image/kist.json"
	refused 1 'file descriptor 0 is not a pipe as it was' restores </dev/null
	rm "$T/image/kist.json"
	refused 1 'there is no checkpoint of kist' restores
	refused 1 'config.json not found' restores --bundle "$T"
}

@test "checkpoint, restore: what criu would lose is refused, each at its place" {
	while IFS='|' read -r pattern filter; do
		edit "$filter"
		refused 1 "$pattern" restores
	done <<-'END'
		/process/terminal: .*terminal can't be saved|.process.terminal = true
		/linux/personality: .*criu does not keep|.linux.personality = {"domain": "LINUX32"}
		/linux/memoryPolicy: .*criu does not keep|.linux.memoryPolicy = {"mode": "MPOL_DEFAULT", "nodes": ""}
		/process/ioPriority: .*criu does not keep|.process.ioPriority = {"class": "IOPRIO_CLASS_IDLE", "priority": 0}
		/process/scheduler: .*criu does not keep|.process.scheduler = {"policy": "SCHED_OTHER", "flags": ["SCHED_FLAG_RESET_ON_FORK"]}
		/annotations: .*Landlock|.annotations["org.kist.landlock.read-only"] = "/"
		/annotations/io.kist.net: .*networks can't be kept|.annotations["io.kist.net"] = "bridge"
		/linux/namespaces: .*user namespace can't|.linux.namespaces += [{"type": "user"}] | .linux.uidMappings = [{"containerID": 0, "hostID": 100000, "size": 65536}] | .linux.gidMappings = .linux.uidMappings
		/linux/namespaces: .*needs a pid namespace|.linux.namespaces |= map(select(.type != "pid"))
		/linux/namespaces/3: .*only the network's|.linux.namespaces |= map(if .type == "uts" then .path = "/proc/1/ns/uts" else . end)
		/hooks/poststart/0: .*restore runs no hooks|.hooks.poststart = [{"path": "/bin/true"}]
		/mounts/7: .*destination with|.mounts += [{"destination": "/a]", "source": "/", "type": "bind"}]
	END
	cp plain.json config.json
	refused 1 'is not soft' restores --manage-cgroups-mode full
	# A warning of device rules comes before it.
	run --separate-stderr kist --cgroup-manager disabled restore --image-path "$T/image" $ID
	[ "$status" = 1 ] && [[ $stderr == *'restore: needs a cgroup'* ]]
	refused 1 'systemd' kist --systemd-cgroup restore --image-path "$T/image" $ID
}

@test "checkpoint: only of what runs, and not by itself; every option that is not there says why" {
	refused 1 'does not exist' kist checkpoint $ID
	for option in lazy-pages auto-dedup empty-ns network-lock tcp-close ext-unix-sk shell-job; do
		refused 1 "checkpoint: --$option: " kist checkpoint --$option $ID
		refused 1 "restore: --$option: " kist restore --$option $ID
	done
	for option in status-fd page-server tcp-skip-in-flight; do
		refused 1 "checkpoint: --$option: " kist checkpoint --$option $ID
	done
	for option in console-socket no-pivot lsm-profile lsm-mount-context; do
		refused 1 "restore: --$option: " kist restore --$option $ID
	done
	refused 1 'is not soft' kist checkpoint --manage-cgroups-mode strict $ID
	refused 1 'must be relative' kist checkpoint --parent-path /x $ID
	kist create $ID </dev/null >/dev/null 2>&1 3>&-
	run --separate-stderr kist checkpoint $ID
	is_one_line 1 'cannot checkpoint a container that is created'
	kist start $ID
	kist pause $ID
	run --separate-stderr kist checkpoint $ID
	is_one_line 1 'cannot checkpoint a paused container'
	kist resume $ID
	kist mounts add $ID "$T/b:/tmp"
	run --separate-stderr kist checkpoint $ID
	is_one_line 1 'mounts that are not in its configuration'
	kist mounts remove $ID /tmp
	chmod 777 "$T/image"
	run --separate-stderr kist checkpoint --image-path "$T/image" $ID
	is_one_line 1 'others could change'
	if ! [ -x /usr/sbin/criu ]; then
		rm "$T/bin/criu"
		run --separate-stderr kist checkpoint --image-path "$T/new" $ID
		is_one_line 1 'criu, which saves and loads processes, is not installed'
		[[ $stderr == *'apt install criu' ]]
	fi
	[ "$(state_of $ID)" = running ]
	kist delete --force $ID
	detached timeout 100 "$KIST" --root "$ROOT" run $ID &
	wait_until 10 is_in_state $ID running || { cat out err; false; }
	run --separate-stderr kist checkpoint $ID
	is_one_line 1 'ends with the kist that started it'
	kist delete --force $ID
	wait $! || true
}

# in_foreground FLAG...: restore; $kist and $pid.
in_foreground() {
	"$KIST" --root "$ROOT" restore --image-path "$T/image" "$@" $ID </dev/null >"$T/out" 2>&1 3>&- &
	kist=$!
	wait_until 10 is_in_state $ID running || { cat "$T/out"; return 1; }
	pid=$(pid_of $ID)
}
# ends STATUS: the restored process by TERM, and kist so.
ends() {
	local status=0
	kill -TERM "$pid"
	wait $kist || status=$?
	cat "$T/out"
	[ $status = "$1" ]
}
parent_of() { proc_status "$1" PPid; }

@test "restore in the foreground: its status; --keep, --no-subreaper" {
	with_all_capabilities
	in_foreground
	[ "$(parent_of "$pid")" = $kist ]
	ends 143
	has_no_state
	in_foreground --keep
	ends 143
	[ "$(state_of $ID '"\(.status) \(.exit.signal)"')" = "stopped 15" ]
	kist delete $ID
	# One whose child becomes an orphan when it is told to.
	cat >"$T/image/program" <<-END
		cd "$T/image"
		(sleep 1000 & echo \$! >orphan; until [ -e go ]; do sleep 0.02; done) &
		exec sleep 1000
	END
	for flag in "" --no-subreaper; do
		rm -f "$T/image/go" "$T/image/orphan"
		# shellcheck disable=SC2086 # a flag, or none
		in_foreground $flag
		wait_until 10 test -s "$T/image/orphan"
		orphan=$(cat "$T/image/orphan")
		before=$(parent_of "$orphan")
		touch "$T/image/go"
		wait_until 10 is_no_child_of "$before" "$orphan"
		[ "$(parent_of "$pid")" = $kist ]
		if [ -z "$flag" ]; then
			[ "$(parent_of "$orphan")" = $kist ]
		else
			[ "$(parent_of "$orphan")" != $kist ]
		fi
		ends 143
		has_no_state
		! kill -KILL "$orphan" 2>/dev/null || wait_until 10 is_dead "$orphan"
	done
}
is_no_child_of() { [ "$(parent_of "$2")" != "$1" ]; }

@test "restore --no-new-keyring: the caller's session keyring; else it is another" {
	[ -r /proc/keys ] || skip "no keyrings here"
	with_all_capabilities
	echo "cat /proc/keys >'$T/image/keys'; exec sleep 1000" >"$T/image/program"
	for flag in --no-new-keyring ""; do
		# KEYCTL_JOIN_SESSION_KEYRING, and KEYCTL_SETPERM: only who possesses it sees it in /proc/keys.
		python3 -c '
import ctypes, os, sys
libc = ctypes.CDLL(None)
ring = libc.syscall(250, 1, b"kist-test-ring")
assert ring > 0 and libc.syscall(250, 5, ring, 0x3f000000) == 0
os.execv(sys.argv[1], sys.argv[1:])' "$KIST" --root "$ROOT" restore -d $flag --image-path "$T/image" $ID </dev/null >"$T/out" 2>&1 3>&-
		wait_until 10 test -s "$T/image/keys"
		kist delete --force $ID
		if [ -n "$flag" ]; then
			grep kist-test-ring "$T/image/keys"
		else
			[ "$(grep -c kist-test-ring "$T/image/keys")" = 0 ]
		fi
		rm "$T/image/keys"
	done
}
