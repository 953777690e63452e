#!/usr/bin/env bats
# Containers of an ordinary user, without any capability: what works, by its effect, and what the
# kernel does not let such a user do, refused in one line.

bats_require_minimum_version 1.5.0
load helpers
load runtime
load rootless

setup_file() { rootless_setup_file; }
setup() { rootless_setup; }
teardown() { runtime_teardown; }

@test "spec --rootless, run: the caller's id as root, setgroups denied, no right over the host" {
	rootless_bundle
	args sh -c 'id; cat /proc/self/setgroups; echo x >/dev/null; hostname; read -r go; exit 7'
	[ "$(jq -c '.linux.uidMappings' config.json)" = '[{"containerID":0,"hostID":4321,"size":1}]' ]
	mkfifo "$T/in"
	exec 4<>"$T/in"
	as_alice kist run "$ID" >"$T/out" 2>"$T/err" <&4 3>&- 4>&- &
	runner=$!
	wait_until 20 grep -q kist "$T/out"
	pid=$(pid_of "$ID")
	[ "$(state_of "$ID")" = running ]
	cat "$T/out"
	[ "$(sed -n 1p "$T/out")" = "uid=0(root) gid=0(root)" ]
	[ "$(sed -n 2p "$T/out")" = deny ]
	[ "$(map_of "$pid" uid), $(map_of "$pid" gid)" = "0 4321 1, 0 4321 1" ]
	[ "$(cat "/proc/$pid/setgroups")" = deny ]
	[ "$(proc_status "$pid" Uid | xargs)" = "4321 4321 4321 4321" ]
	[ "$(proc_status "$pid" Gid | xargs)" = "4321 4321 4321 4321" ]
	[ "$(proc_status "$pid" CapEff)" = 0000000020000420 ]
	[ "$(proc_status "$pid" NoNewPrivs)" = 1 ]
	for name in user mnt pid ipc uts cgroup; do
		none same_namespace $name "$pid" self
	done
	same_namespace net "$pid" self
	# /sys is the host's: read-only, and so is all that is mounted in it, like her own cgroups.
	awk '$5 ~ "^/sys" { print $5, $6 }' "/proc/$pid/mountinfo" | tee "$T/sys"
	grep -q '^/sys ro' "$T/sys"
	none grep -E ' rw(,|$)' "$T/sys"
	# It stayed in her cgroup, since she may make none.
	[ "$(grep ^0:: "/proc/$pid/cgroup")" = "$(grep ^0:: /proc/self/cgroup)" ]
	[ "$(stat -c '%U %a' "$ROOT" "$ROOT/$ID")" = $'alice 700\nalice 700' ]
	echo go >&4
	exec 4>&-
	status=0
	wait $runner || status=$?
	[ "$status" -eq 7 ]
	assert_nothing_left
	# Also when the bind says "ro" alone, as runc's spec does (CVE-2023-25809).
	rootless_bundle '.mounts |= map(.options |= ((. // []) - ["rro"]))'
	args awk '$5 ~ "^/sys" { print $6 }' /proc/self/mountinfo
	as_alice kist run "$ID" >"$T/sys"
	[ -s "$T/sys" ]
	none grep -E '^rw(,|$)' "$T/sys"
}

@test "create, start, exec, kill, list, delete by the same user, and by nobody else" {
	rootless_bundle '.process.oomScoreAdj = 300'
	args sleep 1000
	detached as_alice kist create "$ID"
	[ "$(state_of "$ID")" = created ]
	run --separate-stderr kist exec "$ID" true
	is_one_line 255 "can't be entered before its start"
	pid=$(pid_of "$ID")
	# Waiting, it is not dumpable: not even its user looks into it.
	run as_alice ls "/proc/$pid/fd"
	[ "$status" -ne 0 ]
	detached as_alice kist start "$ID"
	wait_until 20 is_in_state "$ID" running
	[ "$(cat "/proc/$pid/oom_score_adj")" = 300 ]
	run kist exec "$ID" /bin/probe
	echo "$output"
	jq -e '.uid == [0,0,0] and .gid == [0,0,0] and .CapEff == "0000000020000420" and
		.fds == [0,1,2]' <<<"$output"
	for name in mnt pid net user cgroup uts ipc; do
		[ "$(jq -r .namespaces.$name <<<"$output")" = "$(readlink "/proc/$pid/ns/$name")" ]
	done
	[ "$(kist exec "$ID" cat /proc/self/oom_score_adj)" = 300 ]
	run kist exec "$ID" sh -c 'exit 9'
	[ "$status" -eq 9 ]
	run kist list -q
	[ "$output" = "$ID" ]
	run kist list
	[[ ${lines[1]} == "$ID"*running*alice ]]
	# Another user has no way to it, though the folder were readable.
	chmod 711 "$RUN_DIR" "$ROOT" "$ROOT/$ID"
	for verb in state "kill $ID KILL" "delete --force"; do
		run env AS=4322 bash -c "$(declare -f as_alice); T=$T HOME_DIR=$HOME_DIR ALICE=$ALICE RUN_DIR=$RUN_DIR as_alice kist $verb $ID"
		[ "$status" -ne 0 ]
	done
	[ "$(state_of "$ID")" = running ]
	kist kill "$ID" KILL
	wait_until 20 is_in_state "$ID" stopped
	kist delete "$ID"
	# --force, while it runs
	detached as_alice kist run -d "$ID"
	pid=$(pid_of "$ID")
	[ "$(state_of "$ID")" = running ]
	run --separate-stderr kist kill --all "$ID" TERM
	is_one_line 1 'no cgroup of its own'
	kist kill --all "$ID" KILL
	wait_until 20 is_dead "$pid"
	kist delete --force "$ID"
	assert_nothing_left
}

@test "more ids, by newuidmap and newgidmap: groups, users, and files of theirs" {
	rootless_bundle "$MORE_IDS | .process.user.additionalGids = [5, 7] | .root.readonly = false |
		.process.capabilities |= map_values([\"CAP_CHOWN\"])"
	args sh -c 'touch /root/f; chown 5:7 /root/f; sleep 1000'
	detached as_alice kist run -d "$ID"
	pid=$(pid_of "$ID")
	[ "$(map_of "$pid" uid)" = "0 4321 1 1 200000 65536" ]
	[ "$(map_of "$pid" gid)" = "0 4321 1 1 200000 65536" ]
	[ "$(cat "/proc/$pid/setgroups")" = allow ]
	[ "$(proc_status "$pid" Groups | xargs)" = "200004 200006" ]
	detached as_alice kist exec -d --pid-file "$RUN_DIR/pid" --user 33:44 "$ID" sleep 997
	[ "$(proc_status "$(cat "$RUN_DIR/pid")" Uid | xargs)" = "200032 200032 200032 200032" ]
	[ "$(proc_status "$(cat "$RUN_DIR/pid")" Gid | xargs)" = "200043 200043 200043 200043" ]
	wait_until 20 [ -e rootfs/root/f ]
	wait_until 20 eval '[ "$(stat -c %u:%g rootfs/root/f)" = 200004:200006 ]'
	kist delete --force "$ID"
	rm "$RUN_DIR/pid"
	# Root of the container may be one of those ids, and her own be none of them.
	edit_bundle . '.linux.uidMappings = [{"containerID": 0, "hostID": 200000, "size": 65536}] |
		.linux.gidMappings = .linux.uidMappings'
	args cat /proc/self/uid_map
	run kist run "$ID"
	[ "$(xargs <<<"$output")" = "0 200000 65536" ]
	# Only uids: then groups stay as they are.
	edit_bundle . '.linux.gidMappings = [{"containerID": 0, "hostID": 4321, "size": 1}] |
		.process.user.additionalGids = []'
	args cat /proc/self/setgroups
	[ "$(kist run "$ID")" = deny ]
	assert_nothing_left
}

@test "ids that are not hers, helpers that are missing or have no right: named, with the fix" {
	rootless_bundle "$MORE_IDS"
	args true
	edit_bundle . '.linux.uidMappings[1].hostID = 5000 | .linux.uidMappings[1].size = 10'
	refused 1 '/linux/uidMappings: newuidmap: uid range .* not allowed' kist run "$ID"
	grep -q '^fix: .*/etc/subuid' <<<"$stderr"
	edit_bundle . '.linux.uidMappings = .linux.gidMappings | .linux.gidMappings[1].size = 65537'
	refused 1 '/linux/gidMappings: newgidmap: gid range .* not allowed' kist run "$ID"
	grep -q '^fix: .*/etc/subgid' <<<"$stderr"
	edit_bundle . '.linux.gidMappings[1].size = 65536'
	# A user who is in neither file.
	sed /alice/d /etc/subuid >"$T/subuid"
	refused 1 'newuidmap: .*' in_a_mount_namespace 'mount --bind $T/subuid /etc/subuid; kist run $ID'
	grep -q '^fix: .*/etc/subuid' <<<"$stderr"
	# Not setuid any more.
	refused 1 'new[ug]idmap: .*' in_a_mount_namespace 'mount --bind /usr/bin /usr/bin
		mount -o remount,bind,nosuid /usr/bin
		kist run $ID'
	grep -q '^fix: .*setuid root' <<<"$stderr"
	# Not there.
	touch "$T/nothing"
	refused 1 '/linux/uidMappings: .*/usr/bin/newuidmap' in_a_mount_namespace '
		mount --bind $T/nothing /usr/bin/newuidmap
		kist run $ID'
	grep -q '^fix: install the package uidmap' <<<"$stderr"
	assert_nothing_left
}

@test "what needs a right she has not is refused in one line" {
	native_is_enough
	rootless_bundle
	args true
	cp config.json "$T/plain.json"
	check() { # JQ_FILTER PATTERN
		jq "$1" "$T/plain.json" >config.json
		refused 1 "$2" kist run "$ID"
		# What can be known before is known to `kist check`.
		[ -n "${3-}" ] || [ "$(kist check --format json | jq .ok)" = false ]
	}
	check 'del(.linux.uidMappings, .linux.gidMappings) | .linux.namespaces |= map(select(.type != "user"))' \
		'/linux/namespaces: rootless container requires user namespaces'
	grep -q '^fix: .*kist spec --rootless' <<<"$stderr"
	check '.process.user.additionalGids = [0]' '/process/user/additionalGids: .*setgroups is denied'
	check '.process.oomScoreAdj = -5' '/process/oomScoreAdj: cannot set oom_score_adj to -5' late
	check '.process.rlimits = [{"type": "RLIMIT_NOFILE", "soft": 1024, "hard": 100000000}]' \
		'/process/rlimits/0 .*RLIMIT_NOFILE' late
	check '.linux.namespaces += [{"type": "time"}] | .linux.timeOffsets = {"monotonic": {"secs": 1}}' \
		'/linux/timeOffsets: needs root'
	check '.mounts += [{"destination": "/mnt", "type": "bind", "source": "/usr", "options": ["bind", "idmap"]}]' \
		'/mounts/6: an id-mapped mount needs root'
	check '.linux.namespaces |= map(if .type == "ipc" then .path = "/proc/self/ns/ipc" else . end)' \
		'/linux/namespaces: .*together with the user namespace'
	check '.linux.resources = {"pids": {"limit": 5}}' '/linux/resources/pids/limit: needs a cgroup'
	check '.linux.cgroupsPath = "mine"' '/linux/cgroupsPath: needs a cgroup'
	check '.linux.cgroupsPath = "/kist-mine"' '/linux/cgroupsPath .*Permission denied' late
	check '.linux.namespaces |= map(select(.type != "pid"))' '/mounts/0: .*proc .*pid namespace'
	grep -q '^fix: .*rbind' <<<"$stderr"
	check '.linux.namespaces |= map(select(.type != "ipc"))' '/mounts/4: .*mqueue .*ipc namespace'
	check '.mounts += [{"destination": "/mnt", "type": "bind", "source": "/", "options": ["bind", "ro"]}]' \
		'/mounts/6 .*Invalid argument' late
	grep -q '^fix: .*rbind' <<<"$stderr"
	check '.linux.devices = [{"path": "/dev/absent", "type": "c", "major": 1, "minor": 3}]' \
		'/linux/devices/0 .*No such file'
	check '.mounts += [{"destination": "/mnt", "type": "ext4", "source": "/dev/absent"}]' '/mounts/6' late
	assert_nothing_left
}

@test "--rootless: false refuses to go without a cgroup, true lets root do so, other words are none" {
	rootless_bundle
	args cat /proc/self/cgroup
	refused 1 '/linux/cgroupsPath: .*may make none' kist --rootless false run "$ID"
	kist --rootless=auto run "$ID"
	kist --rootless true run "$ID"
	run --separate-stderr kist --rootless maybe list
	is_one_line 1 'neither true nor false nor auto'
	# Root, where the hierarchy is read-only, as in many a container.
	rm config.json
	"$KIST" spec
	edit_bundle . '.process.terminal = false'
	args true
	sealed() {
		unshare --mount --propagation private sh -c 'mount -o remount,bind,ro "$0" && exec "$@"' \
			"$(cgroup_mount)" "$KIST" --root "$T/state" "$@"
	}
	refused 1 'Read-only file system' sealed run "$ID"
	sealed --rootless true run "$ID"
	[ -z "$(ls -A "$T/state")" ]
	assert_nothing_left
}

@test "in a cgroup that is hers the container gets one of its own, with limits where they are offered" {
	mount=$(cgroup_mount)
	[ -n "$mount" ] || skip "no cgroup v2 here"
	mine=$mount/kist-test-$ID
	mkdir "$mine" "$mine/shell"
	for controller in $(cat "$mine/cgroup.controllers"); do
		echo "+$controller" >"$mine/cgroup.subtree_control"
	done
	chown $ALICE "$mine" "$mine"/cgroup.{procs,subtree_control} "$mine/shell" "$mine/shell/cgroup.procs"
	in_it() {
		bash -c 'echo $$ >"$0/cgroup.procs" && exec "$@"' "$mine/${WHERE-shell}" \
			setpriv --reuid $ALICE --regid $ALICE --clear-groups \
			env -i PATH="$T/bin:/usr/bin:/bin" XDG_RUNTIME_DIR="$RUN_DIR" \
			${ASAN_OPTIONS:+ASAN_OPTIONS="$ASAN_OPTIONS"} kist "$@"
	}
	rootless_bundle '.linux.resources = {"devices": [{"allow": false, "access": "rwm"}]}'
	args sh -c 'sleep 1000 & sleep 1000'
	limit=
	if grep -qw pids "$mine/cgroup.controllers"; then
		edit_bundle . '.linux.resources.pids.limit = 7 | .linux.resources.memory.limit = 67108864'
		limit=7
	fi
	detached in_it run -d "$ID"
	pid=$(pid_of "$ID")
	[ "$(cgroup_of "$pid")" = "$mine/kist-$ID" ]
	[ -z "$limit" ] || [ "$(cat "$mine/kist-$ID/pids.max" "$mine/kist-$ID/memory.max")" = $'7\n67108864' ]
	[ "$(in_it exec "$ID" cat /proc/self/cgroup | grep ^0::)" = 0::/ ]
	in_it pause "$ID"
	[ "$(cat "$mine/kist-$ID/cgroup.freeze")" = 1 ]
	in_it resume "$ID"
	if [ -n "$limit" ]; then
		in_it update --pids-limit 9 "$ID"
		[ "$(cat "$mine/kist-$ID/pids.max")" = 9 ]
	fi
	in_it kill --all "$ID" KILL
	wait_until 20 is_in_state "$ID" stopped
	in_it delete "$ID"
	[ ! -e "$mine/kist-$ID" ]
	# A relative path is below hers, too.
	edit_bundle . '.linux.cgroupsPath = "deep/er" | .linux.namespaces -= [{"type": "cgroup"}]'
	args cat /proc/self/cgroup
	run in_it run "$ID"
	[[ $output == *"/kist-test-$ID/deep/er"* ]]
	[ ! -e "$mine/deep" ]
	# Where only the cgroup she is in herself is hers, it goes below that; it cannot hand controllers down.
	chown root "$mine" "$mine/cgroup.procs" "$mine/cgroup.subtree_control"
	chown $ALICE "$mine/shell/cgroup.subtree_control"
	edit_bundle . 'del(.linux.cgroupsPath)'
	if [ -n "$limit" ]; then
		refused 1 'processes live in|/linux/cgroupsPath' in_it run "$ID"
	fi
	edit_bundle . 'del(.linux.resources)'
	run in_it run "$ID"
	echo "$output"
	[[ $output == *"/kist-test-$ID/shell/kist-$ID"* ]]
	[ "$(cat "$mine/shell/cgroup.type" 2>/dev/null || echo domain)" = domain ]
	rmdir "$mine/shell" "$mine"
	assert_nothing_left
}

@test "the state root in /tmp: her own and closed, or refused" {
	native_is_enough
	rootless_bundle
	args true
	ROOT=/tmp/kist-$ALICE
	in_tmp() { # COMMANDS: with an empty /tmp, and nobody's runtime folder
		in_a_mount_namespace "mount -t tmpfs -o mode=1777 tmpfs /tmp
			RUN_DIR=
			$1"
	}
	run in_tmp 'as_alice kist create $ID </dev/null >/dev/null 2>&1; stat -c "%n %u %a" /tmp/*
		as_alice kist delete $ID; ls /tmp/kist-*'
	echo "$output"
	[ "$output" = "/tmp/kist-4321 4321 700" ]
	for made in 'mkdir -m 700 /tmp/kist-4321' 'ln -s $HOME_DIR/run /tmp/kist-4321' \
		'mkdir /tmp/x; chown 4321 /tmp/x; ln -s x /tmp/kist-4321' \
		'mkdir -m 777 /tmp/kist-4321; chown 4321 /tmp/kist-4321' 'touch /tmp/kist-4321'; do
		for verb in "run $ID" "list" "state $ID"; do
			run --separate-stderr in_tmp "$made; as_alice kist $verb"
			echo "$made: $verb: $status $stderr"
			[ "$status" -eq 1 ]
			[[ $stderr == "kist: "*"state root /tmp/kist-4321"* ]]
		done
	done
	# A runtime folder that is somebody else's, as su leaves it.
	RUN_DIR=$T/foreign
	mkdir -m 700 "$RUN_DIR"
	ROOT=$RUN_DIR/kist
	refused 1 'cannot make the state root.*Permission denied' kist run "$ID"
	rmdir "$RUN_DIR"
}

@test "kist itself, when it is hers: the container cannot write it" {
	native_is_enough
	chown -R $ALICE "$T/bin"
	before=$(sha256sum "$T/bin/kist" && stat -c '%Y %s %i' "$T/bin/kist")
	rootless_bundle '.process.capabilities |= map_values(["CAP_DAC_OVERRIDE", "CAP_SYS_PTRACE"]) |
		.root.readonly = false | .process.noNewPrivileges = false'
	args sh -c 'i=0; while [ $i -lt 100 ]; do i=$((i+1)); for p in /proc/[0-9]*/exe; do
		(: >>"$p") 2>/dev/null && echo "wrote $p $(readlink "$p")" >>/written; done; done'
	detached as_alice kist run -d "$ID"
	pid=$(pid_of "$ID")
	for _ in 1 2 3 4 5; do
		kist exec "$ID" true || true
	done
	wait_until 60 is_dead "$pid"
	[ ! -e rootfs/written ] || { cat rootfs/written; false; }
	kist delete "$ID"
	args /proc/self/exe run other
	run kist run "$ID"
	[ "$status" -ne 0 ]
	# What waits for its start is a sealed copy.
	args true
	detached as_alice kist create "$ID"
	[[ $(readlink "/proc/$(pid_of "$ID")/exe") == "/memfd:kist"* ]]
	kist delete --force "$ID"
	[ "$(sha256sum "$T/bin/kist" && stat -c '%Y %s %i' "$T/bin/kist")" = "$before" ]
	assert_nothing_left
}

@test "network: one of its own with nothing but lo, up, and a sysfs of it" {
	rootless_bundle '.linux.namespaces += [{"type": "network"}] |
		.mounts |= map(if .destination == "/sys" then .type = "sysfs" | .options = ["ro", "nosuid"] else . end)'
	args sh -c 'ls /sys/class/net; cat /sys/class/net/lo/flags; mount | grep " /sys "'
	run kist run "$ID"
	echo "$output"
	[ "${lines[0]}" = lo ]
	[ $((lines[1] & 1)) -eq 1 ]
	[[ ${lines[2]} == *" on /sys type sysfs (ro"* ]]
	[ "${#lines[@]}" -eq 3 ]
}

@test "binds of what she can read, devices bound, a terminal" {
	mkdir "$HOME_DIR/data"
	echo hers >"$HOME_DIR/data/f"
	chmod -R go= "$HOME_DIR/data"
	chown -R $ALICE "$HOME_DIR/data"
	rootless_bundle '.linux.devices = [{"path": "/dev/again", "type": "p"}]'
	edit_bundle . '.mounts += [{"destination": "/data", "type": "bind", "source": $data,
		"options": ["rbind", "ro"]}]' --arg data "$HOME_DIR/data"
	args sh -c 'cat /data/f; touch /data/g; stat -c "%F %t %T" /dev/null /dev/full; stat -c %F /dev/again'
	run kist run "$ID"
	echo "$output"
	[ "${lines[0]}" = hers ]
	[[ ${lines[1]} == *"Read-only file system" ]]
	[ "${lines[2]} ${lines[3]}" = "character special file 1 3 character special file 1 7" ]
	[ "${lines[4]}" = fifo ]
	edit_bundle . '.process.terminal = true'
	args tty
	run on_a_pty 24x80 setpriv --reuid $ALICE --regid $ALICE --clear-groups \
		env XDG_RUNTIME_DIR="$RUN_DIR" "$T/bin/kist" run "$ID"
	echo "$output"
	[[ $output == *"/dev/pts/0"* ]]
	assert_nothing_left
}

@test "hooks run as the caller, on both sides" {
	rootless_bundle
	args true
	hook='{"path": "/bin/sh", "args": ["sh", "-c", $do]}'
	edit_bundle . ".hooks = {createRuntime: [$hook], poststart: [$hook], poststop: [$hook]}" \
		--arg do "cat >>$HOME_DIR/state; id -u >>$HOME_DIR/ids"
	edit_bundle . ".hooks.createContainer = [$hook]" --arg do \
		"readlink /proc/self/ns/mnt >$HOME_DIR/mnt; id -u >$HOME_DIR/inner"
	kist run "$ID"
	[ "$(sort "$HOME_DIR/ids" | uniq -c | xargs)" = "3 4321" ]
	[ "$(cat "$HOME_DIR/inner")" = 0 ]
	[ "$(cat "$HOME_DIR/mnt")" != "$(readlink /proc/self/ns/mnt)" ]
	# `true` may have ended when poststart runs.
	[[ $(jq -r .status "$HOME_DIR/state" | xargs) =~ ^"creating "(running|stopped)" stopped"$ ]]
	assert_nothing_left
}

@test "a second container joins the namespaces of the first; the host's it can't" {
	rootless_bundle "$MORE_IDS"
	args sleep 1000
	detached as_alice kist run -d "$ID"
	pid=$(pid_of "$ID")
	mkdir -p "$HOME_DIR/c"
	cp -a rootfs "$HOME_DIR/c"
	jq --arg p "/proc/$pid/ns" 'del(.linux.uidMappings, .linux.gidMappings) | .process.args = ["sleep", "998"] |
		.linux.namespaces = [{"type": "mount"}, {"type": "uts"}, {"type": "user", "path": "\($p)/user"},
			{"type": "pid", "path": "\($p)/pid"}, {"type": "ipc", "path": "\($p)/ipc"}] | del(.hostname)' \
		config.json >"$HOME_DIR/c/config.json"
	chown -R $ALICE:$ALICE "$HOME_DIR/c"
	detached as_alice kist run -d -b "$HOME_DIR/c" "$ID-2"
	second=$(pid_of "$ID-2")
	for name in user pid ipc; do
		same_namespace $name "$pid" "$second"
	done
	for name in mnt uts; do
		none same_namespace $name "$pid" "$second"
	done
	[ "$(kist exec "$ID-2" id -u)" = 0 ]
	run kist exec "$ID" ps
	[[ $output == *"sleep 998"* ]]
	kist delete --force "$ID-2"
	wait_until 20 is_dead "$second"
	kist delete --force "$ID"
	assert_nothing_left
}

@test "each step of run, create and exec made to fail: one line, nothing left" {
	native_is_enough
	rootless_bundle "$MORE_IDS | .process.oomScoreAdj = 100 | .linux.namespaces += [{\"type\": \"network\"}]"
	args true
	kist run --explain "$ID" 2>"$T/explained"
	awk '$2 ~ /^(host|guest)$/ { print $1 }' "$T/explained" >"$T/steps"
	[ "$(wc -l <"$T/steps")" -gt 50 ]
	while read -r step; do
		status=0
		as_alice kist --fault-step "$step" run "$ID" >"$T/out" 2>"$T/err" </dev/null || status=$?
		[ "$status" -eq 1 ] && grep -qc '^kist: ' "$T/err" && [ -z "$(ls -A "$ROOT")" ] ||
			{ echo "step $step: $status"; cat "$T/err"; ls -A "$ROOT"; false; }
	done <"$T/steps"
	args sleep 1000
	detached as_alice kist run -d "$ID"
	for ((step = 0, passed = 0, failed = 0; passed < 4; step += 1)); do
		status=0
		as_alice kist --fault-step "$step" exec "$ID" true >"$T/out" 2>"$T/err" </dev/null || status=$?
		case $status in
		0) passed=$((passed + 1)) ;;
		255) passed=0 failed=$((failed + 1)) ;;
		*) cat "$T/err"; false ;;
		esac
	done
	[ "$failed" -gt 15 ]
	[ "$(kist exec "$ID" ps | grep -c true)" -eq 0 ]
	kist delete --force "$ID"
	# Killed in the middle, by the one signal nobody can answer.
	args true
	for _ in 1 2 3 4 5 6; do
		as_alice timeout -s KILL 0.0$((RANDOM % 9 + 1)) kist run "$ID" </dev/null >/dev/null 2>&1 || true
		kist delete --force "$ID"
		[ -z "$(ls -A "$ROOT")" ]
	done
	assert_nothing_left
}
