#!/usr/bin/env bats
# /hooks: when each is run and where, and what it gets.

bats_require_minimum_version 1.5.0
load helpers
load runtime
load hooks

setup() { hooks_setup; }
teardown() { runtime_teardown; }

@test "order, and the state each reads: status, pid, bundle, annotations" {
	add_all
	edit_bundle . '.hooks.createRuntime += [.hooks.createRuntime[0] | .args[1] = "second"]'
	detached kist create $ID
	pid=$(pid_of $ID)
	[ "$(order)" = "prestart createRuntime second createContainer" ]
	for kind in prestart createRuntime; do
		[ "$(said $kind .pid)" = "$pid" ]
		[ "$(said $kind .status)" = creating ]
	done
	said createContainer | jq -e '.pid == 1 and .status == "creating"'
	kist start $ID
	cat "/proc/$pid/root/dev/shm/log" >>"$LOG"
	[ "$(order)" = "prestart createRuntime second createContainer poststart startContainer" ]
	said startContainer | jq -e '.pid == 1 and .status == "created"'
	said poststart | jq -e --argjson pid "$pid" '.pid == $pid and .status == "running"'
	kist kill $ID KILL
	wait_until 10 is_in_state $ID stopped
	kist delete $ID
	[ "$(order)" = "prestart createRuntime second createContainer poststart startContainer poststop" ]
	said poststop | jq -e '.status == "stopped" and (has("pid") | not)'
	for kind in $all_kinds; do
		said $kind | jq -e --arg id "$ID" --arg bundle "$T/b" '.ociVersion == "1.3.0" and .id == $id and
			.bundle == $bundle and .annotations == {"com.example.key": "val\"ue"}'
	done
	assert_nothing_left
}

@test "run, in the foreground and detached, runs them too; delete --force runs poststop" {
	add_all
	bundle_args . sh -c 'cat /dev/shm/log; test ! -e /dev/shm/late'
	run kist run $ID
	[ "$status" -eq 0 ]
	[[ $output == startContainer* ]]
	[ "$(order)" = "prestart createRuntime createContainer poststart poststop" ]
	rm "$LOG"
	bundle_args . sleep 1000
	detached kist run -d $ID
	[ "$(order)" = "prestart createRuntime createContainer poststart" ]
	kist delete --force $ID
	[ "$(order)" = "prestart createRuntime createContainer poststart poststop" ]
	assert_nothing_left
}

@test "namespaces: the runtime's for four of them, the container's for two; the root is in place" {
	printf '#!/bin/sh\nread -r state; for n in mnt pid net uts ipc cgroup; do readlink /proc/self/ns/$n; done >/dev/shm/ns\n' \
		>rootfs/bin/ns
	chmod 755 rootfs/bin/ns
	hook ns 'for n in mnt pid net uts ipc cgroup; do readlink /proc/self/ns/$n; done >'"$T"'/ns.$1'
	# Mounts of the container are there, where the bundle says, and a new one gets into it.
	hook mounts "mount --bind $T/note $T/b/rootfs/etc/hostname && stat -fc %T $T/b/rootfs/dev/shm >$T/fs; pwd >$T/cwd; umask >$T/umask"
	for kind in prestart createRuntime poststart poststop createContainer; do
		add_hook $kind "$T/ns"
	done
	add_hook createContainer "$T/mounts"
	add_hook startContainer /bin/ns
	: >rootfs/etc/hostname
	detached kist run -d $ID
	pid=$(pid_of $ID)
	for n in mnt pid net uts ipc cgroup; do
		readlink "/proc/$pid/ns/$n"
	done >"$T/container"
	for n in mnt pid net uts ipc cgroup; do
		readlink /proc/self/ns/$n
	done >"$T/host"
	cmp "$T/container" "$T/ns.createContainer"
	cmp "$T/container" "/proc/$pid/root/dev/shm/ns"
	[ "$(cat "$T/fs")" = tmpfs ]
	[ "$(cat "$T/umask")" = 0022 ]
	cmp "/proc/$pid/root/etc/hostname" "$T/note"
	[ ! -s rootfs/etc/hostname ]
	kist delete --force $ID
	for kind in prestart createRuntime poststart poststop; do
		cmp "$T/host" "$T/ns.$kind"
	done
	assert_nothing_left
}

@test "a createRuntime hook finds the container's network and mounts by the state's pid" {
	hook net 'pid=$(jq .pid); nsenter -t $pid -n ip link add hooked type bridge &&
		nsenter -t $pid -m findmnt -no FSTYPE '"$T"'/b/rootfs/proc >'"$T"'/proc'
	add_hook createRuntime "$T/net"
	bundle_args . ls /sys/class/net
	run kist run $ID
	echo "$output"
	[ "$status" -eq 0 ]
	[[ $output == *hooked* ]]
	grep -qx proc "$T/proc"
}

@test "environment, file descriptors, signals, arguments: the hook's own and nothing of kist's" {
	[ -x "$PROBE" ] || "$TOP/tests/tools/build.sh" probe
	hook probe "$PROBE >$T/probe.\$0; grep -E '^Sig(Blk|Ign)' /proc/self/status >$T/signals.\$0; ls -l /proc/self/fd"
	edit_bundle . '.hooks.prestart = [{path: "/usr/bin/env", args: ["other", "-0"], env: ["A=1", "B=x y"]},
		{path: "/usr/bin/env"}]'
	SECRET=1 kist run -d $ID 7</dev/null >"$T/out" 2>&1
	kist delete --force $ID
	[ "$(tr '\0' ',' <"$T/out")" = 'A=1,B=x y,' ]
	for kind in prestart createContainer poststop; do
		edit_bundle . '.hooks = {($kind): [{path: "/bin/sh", args: ["x", "-c", $script]}]}' --arg kind $kind \
			--arg script "exec 9<$T/note; readlink /proc/self/fd/9 >/dev/null; exec 9<&-; $PROBE >$T/probe.$kind; grep -E '^Sig(Blk|Ign)' /proc/self/status >$T/signals.$kind"
		(trap '' HUP USR1 CHLD; SECRET=1 detached kist run -d $ID 7</dev/null)
		kist delete --force $ID
		jq -e '.fds == [0, 1, 2]' "$T/probe.$kind"
		jq -e '.env | map(select(startswith("SECRET"))) == []' "$T/probe.$kind"
		[ "$(awk '{ print $2 }' "$T/signals.$kind" | sort -u)" = 0000000000000000 ]
	done
}

@test "stdin is the whole state, whether it is read or not; stdout and stderr are kist's" {
	# More than a pipe holds.
	edit_bundle . '.annotations.long = ("x" * 300000)'
	hook count 'wc -c; echo error >&2'
	hook deaf 'exit 0'
	add_hook prestart "$T/deaf"
	add_hook createContainer "$T/deaf"
	add_hook createRuntime "$T/count"
	bundle_args . true
	run --separate-stderr kist run $ID
	[ "$status" -eq 0 ]
	[ "$output" -gt 300000 ]
	[ "$stderr" = error ]
	# Nobody reads its many words: kist goes on, and says in the end what went wrong.
	hook loud 'head -c 300000 /dev/zero >&2; exit 3'
	edit_bundle . '.hooks = {"prestart": [{"path": $path}]}' --arg path "$T/loud"
	run sh -c '"$1" --root "$2" --log "$3" run '"$ID"' 2>&1 | true' - "$KIST" "$ROOT" "$T/kist.log"
	wait_until 10 grep -q 'exit status 3' "$T/kist.log"
	assert_nothing_left
}

@test "startContainer hooks are the image's programs: the container's filter, user and capabilities are theirs" {
	printf '#!/bin/sh\ngrep -E "^(Seccomp|CapEff|Uid):" /proc/self/status >/dev/shm/status\nmkdir /dev/shm/x 2>/dev/null || touch /dev/shm/no\n' \
		>rootfs/bin/look
	chmod 755 rootfs/bin/look
	edit_bundle . '.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", syscalls: [
		{names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO"}]}'
	add_hook startContainer /bin/look
	add_hook createContainer "$T/note"
	for change in '.process.noNewPrivileges = true' '.process.noNewPrivileges = false |
		.process.user.uid = 1000 | .process.user.gid = 1000 | .process.capabilities = {}'; do
		edit_bundle . "$change"
		detached kist run -d $ID
		pid=$(pid_of $ID)
		shm=/proc/$pid/root/dev/shm
		[ -e $shm/no ]
		for field in Seccomp CapEff Uid; do
			[ "$(awk -v f=$field: '$1 == f { print $2 }' $shm/status)" = \
				"$(awk -v f=$field: '$1 == f { print $2 }' /proc/$pid/status)" ]
		done
		grep -q 'Seccomp:.2' $shm/status
		kist delete --force $ID
	done
}

@test "a poststop hook may ask how the container ended" {
	hook ask "'$KIST' --root '$ROOT' state $ID >$T/asked"
	add_hook poststop "$T/ask"
	bundle_args . sh -c 'exit 9'
	run kist run $ID
	[ "$status" -eq 9 ]
	jq -e '.status == "stopped" and .exit.code == 9' "$T/asked"
	assert_nothing_left
}

@test "kist killed in the middle of a hook, or later: delete --force runs poststop" {
	hook wait "echo \$\$ >$T/hook; exec sleep 1000"
	add_hook poststop "$T/note"
	cp config.json good.json
	for kind in createRuntime poststart; do
		rm -f "$T/hook" "$LOG"
		cp good.json config.json
		add_hook $kind "$T/wait"
		"$KIST" --root "$ROOT" run $ID >/dev/null 2>&1 &
		runner=$!
		wait_until 20 test -s "$T/hook"
		kill -KILL $runner
		wait $runner 2>/dev/null || true
		wait_until 10 is_dead "$(cat "$T/hook")"
		[ ! -e "$LOG" ]
		kist delete --force $ID
		[ "$(order)" = poststop ]
		assert_nothing_left
	done
}

@test "in a user namespace: hooks of the host are its root, the container's are the container's" {
	edit_bundle . '.linux.namespaces += [{"type": "user"}] | .linux.uidMappings =
		[{"containerID": 0, "hostID": 1000000, "size": 65536}] | .linux.gidMappings = .linux.uidMappings |
		.process.user.uid = 1000'
	chown -R 1000000:1000000 rootfs
	printf '#!/bin/sh\nid -u >/dev/shm/id\n' >rootfs/bin/id.sh
	chmod 755 rootfs/bin/id.sh
	hook id 'cat /proc/self/uid_map >'"$D"'/map.$1'
	chmod 777 "$D"
	add_hook createRuntime "$T/id"
	add_hook createContainer "$T/id"
	add_hook startContainer /bin/id.sh
	detached kist run -d $ID
	pid=$(pid_of $ID)
	cmp "$D/map.createRuntime" /proc/self/uid_map
	cmp "$D/map.createContainer" "/proc/$pid/uid_map"
	[ "$(cat "/proc/$pid/root/dev/shm/id")" = 1000 ]
	kist delete --force $ID
	# Where the container's root cannot see the bundle, its root is still found.
	chmod 700 "$T"
	edit_bundle . '.hooks = {createRuntime: .hooks.createRuntime}'
	detached kist run -d $ID
	kist delete --force $ID
	assert_nothing_left
}

@test "run.oci.hooks.stdout, .stderr: files of the host take what hooks say, each of them, at the end" {
	hook says 'echo "out $1"; echo "err $1" >&2'
	printf '#!/bin/sh\necho "out $1"; echo "err $1" >&2\n: >/proc/self/fd/1 2>/dev/null; : >/dev/stdout\n' >rootfs/bin/says
	chmod 755 rootfs/bin/says
	# In a user namespace, whose root may not reach them; startContainer's program is the image's.
	edit_bundle . '.annotations += {"run.oci.hooks.stdout": $out, "run.oci.hooks.stderr": $err}
		| .linux.namespaces += [{type: "user"}] | .linux.uidMappings = [{containerID: 0, hostID: 1000000, size: 65536}]
		| .linux.gidMappings = .linux.uidMappings' --arg out "$T/out" --arg err "$T/err"
	chown -R 1000000:1000000 rootfs
	for kind in $all_kinds; do
		add_hook $kind "$([ $kind = startContainer ] && echo /bin/says || echo "$T/says")"
	done
	echo before >"$T/out"
	detached kist run -d $ID
	[ ! -s "$T/detached.out" ]
	[ ! -s "$T/detached.err" ]
	kist delete --force $ID
	want=$(printf ' %s' $all_kinds)
	[ "$(tr '\n' ' ' <"$T/out")" = "before${want// / out } " ]
	[ "$(tr '\n' ' ' <"$T/err")" = "$(for kind in $all_kinds; do printf 'err %s ' $kind; done)" ]
	[ "$(stat -c %a:%u "$T/err")" = 600:0 ]
	# By create and start as by run; a failing one is quoted in the error as ever.
	rm "$T/out" "$T/err"
	detached kist create $ID
	detached kist start $ID
	kist delete --force $ID
	[ "$(grep -c . "$T/out") $(grep -c . "$T/err")" = "6 6" ]
	hook says 'echo "out $1"; echo "sorry $1" >&2; [ "$1" = poststop ] || exit 3'
	refused 1 'error running prestart hook #0: exit status 3, stderr: sorry prestart' kist run $ID
	grep -qx 'sorry prestart' "$T/err"
	# A file that cannot be opened is said before anything is made, and a fifo nobody reads too.
	edit_bundle . 'del(.hooks.poststop) | .annotations["run.oci.hooks.stderr"] = "/nowhere/err"'
	refused 1 '/annotations/run.oci.hooks.stderr: .*No such file' kist run $ID
	edit_bundle . '.annotations["run.oci.hooks.stderr"] = "err"'
	refused 1 '/annotations/run.oci.hooks.stderr: must be absolute' kist run $ID
	mkfifo "$T/fifo"
	edit_bundle . '.annotations["run.oci.hooks.stderr"] = $fifo' --arg fifo "$T/fifo"
	refused 1 '/annotations/run.oci.hooks.stderr' kist run $ID
}

@test "annotations of crun's that kist does not carry out are refused, each with what to do" {
	for key in delegate-cgroup handler pidfd_receiver seccomp.plugins seccomp.receiver seccomp_bpf_data \
		seccomp_fail_unknown_syscall systemd.force_cgroup_v1 timens_offset; do
		edit_bundle . '.annotations = {"run.oci.\($key)": "x"}' --arg key "$key"
		refused 1 "/annotations/run.oci.$key: is not supported" kist run $ID
		[[ "$stderr" = *"fix: "* ]]
	done
	edit_bundle . '.annotations = {"run.oci.mount_context_type": "selinux"}'
	refused 1 '/annotations/run.oci.mount_context_type: must be context' kist run $ID
	edit_bundle . '.annotations = {"run.oci.whatever": "x", "run.oci.systemd.subgroup": "", "run.oci.handler": ""}'
	bundle_args . true
	kist run $ID
}
