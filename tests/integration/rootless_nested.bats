#!/usr/bin/env bats
# Containers made by the root of a user namespace, as podman and buildah call a runtime without
# root; and what is said where the host forbids user namespaces.

bats_require_minimum_version 1.5.0
load helpers
load runtime
load rootless

setup_file() { rootless_setup_file; }
setup() { rootless_setup; }
teardown() { runtime_teardown; }

# nested UNSHARE-OPTIONS COMMANDS: a shell of alice's in a user namespace of which she is root.
nested() {
	# shellcheck disable=SC2086
	as_alice unshare $1 sh -c "$2"
}

# plain_bundle [JQ_FILTER]: as `kist spec` writes it: no user namespace. gid 5 is not mapped.
plain_bundle() {
	rm -f config.json
	kist spec
	edit_bundle . '.process.terminal = false | .mounts |= map(if .options then .options -= ["gid=5"] else . end)'
	edit_bundle . "${1-.}"
}

show='id -u; cat /proc/self/uid_map; stat -c "%F %t %T" /dev/null; cat /proc/self/cgroup | grep ^0::
	mount | grep -c " on /sys type sysfs (ro"; ps | grep -c "ps$"; readlink /proc/self/ns/user'

@test "no further user namespace: devices bound, /sys bound, the caller's rights and no more" {
	plain_bundle
	args sh -c "$show"
	# With its own mounts and processes, as podman unshare; and with nothing of its own.
	for own in "-Urmpf --mount-proc" "-Ur"; do
		run nested "$own" "readlink /proc/self/ns/user; kist run $ID"
		echo "$own: $output"
		[ "$status" -eq 0 ]
		[ "${lines[1]}" = 0 ]
		[ "$(xargs <<<"${lines[2]}")" = "0 4321 1" ] || [ "$(xargs <<<"${lines[2]}")" = "0 0 1" ]
		[ "${lines[3]}" = "character special file 1 3" ]
		[ "${lines[5]}" -ge 1 ]
		[ "${lines[7]}" = "${lines[0]}" ]
	done
	assert_nothing_left
}

@test "a further user namespace, with maps by the caller's own rights" {
	# As podman does it: many ids in the outer one, some of them in the inner one.
	unshare_many='unshare -Um --propagation private'
	rootless_bundle '.linux.uidMappings = [{"containerID": 0, "hostID": 1, "size": 1000}] |
		.linux.gidMappings = .linux.uidMappings | .process.user.additionalGids = [7]'
	mkdir -p rootfs/mnt # which the inner root could not make
	mkdir -m 700 "$HOME_DIR/data"
	echo hers >"$HOME_DIR/data/f"
	chown -R $ALICE "$HOME_DIR/data"
	args sh -c 'cat /proc/self/uid_map; id; stat -c %u /mnt; grep Groups /proc/self/status'
	edit_bundle . '.mounts += [{"destination": "/mnt", "type": "bind", "source": $data,
		"options": ["bind"]}]' --arg data "$HOME_DIR/data"
	as_alice $unshare_many sh -c 'echo up >$HOME/up; while [ ! -e $HOME/go ]; do sleep 0.1; done; kist run '"$ID"' >$HOME/out 2>&1' 3>&- &
	shell=$!
	wait_until 20 [ -e "$HOME_DIR/up" ]
	pid=$(pgrep -u $ALICE -f "echo up" | head -n 1)
	as_alice newuidmap "$pid" 0 $ALICE 1 1 $FIRST 65536
	as_alice newgidmap "$pid" 0 $ALICE 1 1 $FIRST 65536
	touch "$HOME_DIR/go"
	wait $shell || { cat "$HOME_DIR/out"; false; }
	cat "$HOME_DIR/out"
	# The source was opened by the outer root, who may read it: of the inner one it is nobody's.
	[ "$(sed -n 1p "$HOME_DIR/out" | xargs)" = "0 1 1000" ]
	grep -q 'uid=0(root) gid=0(root) groups=.*7' "$HOME_DIR/out"
	grep -qx 65534 "$HOME_DIR/out"
	assert_nothing_left
}

@test "create, exec, start, kill, delete; with and without a user namespace of the container's" {
	for kind in plain inner; do
		if [ $kind = plain ]; then
			plain_bundle
		else
			rootless_bundle '.linux.uidMappings[0].hostID = 0 | .linux.gidMappings[0].hostID = 0'
		fi
		edit_bundle . '.process.oomScoreAdj = 200'
		args sleep 1000
		for own in "-Urmpf --mount-proc" "-Ur"; do
			# Under TCG two of the four, which together see all that differs.
			case "${KIST_IN_VM:+tcg} $kind $own" in
			"tcg plain -Urmpf "* | "tcg inner -Ur") continue ;;
			esac
			run nested "$own" "set -e; kist create $ID </dev/null >/dev/null 2>\$HOME/err
				kist exec $ID true; kist start $ID
				kist exec $ID sh -c 'cat /proc/self/oom_score_adj; head -c 5 /proc/1/cmdline; echo; exit 3' || echo \$?
				kist list -q; kist kill $ID KILL
				until [ \"\$(kist state $ID | jq -r .status)\" = stopped ]; do sleep 0.1; done
				kist delete $ID; kist list -q"
			echo "$kind $own: $output"
			cat "$HOME_DIR/err"
			[ "$status" -eq 0 ]
			[ "${lines[*]}" = "200 sleep 3 $ID" ]
		done
	done
	assert_nothing_left
}

@test "where the caller's own /proc is partly covered, as in a container, it can only be bound" {
	rootless_bundle
	args stat -c %n /proc/self/status /proc/meminfo
	covered() {
		in_a_mount_namespace 'mount -t tmpfs -o ro tmpfs /proc/sys; kist run $ID'
	}
	refused 1 '/mounts/0 \(/proc\): fsmount: Operation not permitted' covered
	grep -q '^fix: .*rbind' <<<"$stderr"
	edit_bundle . '.mounts[0] = {"destination": "/proc", "type": "bind", "source": "/proc", "options": ["rbind"]}'
	covered
	assert_nothing_left
}

@test "what only root of the host may is refused; the state root is the caller's, but for USER=root" {
	native_is_enough
	plain_bundle
	args true
	cp config.json "$T/plain.json"
	check() { # JQ_FILTER PATTERN
		jq "$1" "$T/plain.json" >config.json
		refused 1 "$2" nested -Ur "kist run $ID"
	}
	check '.process.user.additionalGids = [0]' '/process/user/additionalGids: .*setgroups is denied'
	check '.linux.namespaces += [{"type": "time"}] | .linux.timeOffsets = {"monotonic": {"secs": 1}}' \
		'/linux/timeOffsets: needs root of the host'
	check '.mounts += [{"destination": "/mnt", "type": "bind", "source": "/usr", "options": ["bind", "idmap"],
		"uidMappings": [{"containerID": 0, "hostID": 0, "size": 1}],
		"gidMappings": [{"containerID": 0, "hostID": 0, "size": 1}]}]' \
		'/mounts/7: an id-mapped mount needs root of the host'
	check '.mounts += [{"destination": "/mnt", "type": "ext4", "source": "/dev/null"}]' '/mounts/7'
	cp "$T/plain.json" config.json
	refused 1 'state root /run/kist' nested -Ur "USER=root kist run $ID"
	nested -Ur "USER=alice kist run $ID"
	run nested -Ur "kist job run $HOME_DIR/b/rootfs -- sh -c 'id -u; exit 3'" # which is no root's matter
	echo "$output"
	[ "$status" -eq 3 ]
	[[ $output == *0* ]]
	assert_nothing_left
}

@test "where user namespaces are forbidden the setting is named" {
	rootless_bundle
	args true
	# This one counts for each user namespace: so it is switched off only in one of the test's own.
	refused 1 'kist: cannot start .*clone3.*No space left' in_a_mount_namespace '
		echo root:0:10000 >$T/all
		mount --bind $T/all /etc/subuid
		mount --bind $T/all /etc/subgid
		unshare -U --map-users=0,0,10000 --map-groups=0,0,10000 --setuid 0 --setgid 0 bash -euc "
			echo 0 >/proc/sys/user/max_user_namespaces
			$(declare -f as_alice kist); $(declare -p ALICE T HOME_DIR RUN_DIR)
			kist run '"$ID"'"'
	grep -q '^fix: .*user.max_user_namespaces' <<<"$stderr"
	# Debian's own switch is one for the whole machine: only of the test machine.
	switch=/proc/sys/kernel/unprivileged_userns_clone
	if [ -n "${KIST_IN_VM-}" ] && [ -e $switch ]; then
		echo 0 >$switch
		run --separate-stderr kist run "$ID"
		echo 1 >$switch
		is_one_line 1 'clone3.*Operation not permitted'
		grep -q '^fix: .*kernel.unprivileged_userns_clone=1' <<<"$stderr"
	fi
	assert_nothing_left
}
