#!/usr/bin/env bats
# kist mounts add, remove: what a container that runs sees of it; and that nothing else can be reached.

bats_require_minimum_version 1.5.0
load helpers
load runtime

setup() {
	runtime_setup '.root.readonly = false'
	bundle_args "$T/b" sleep 1000
	mkdir -p "$T/v/sub"
	echo data >"$T/v/file"
}
teardown() { runtime_teardown; }

inside() { kist exec $ID sh -c "$1"; }
mounts_of() { cut -d' ' -f5,6 "/proc/$(pid_of $ID)/mountinfo"; }

@test "mounts add: a folder, a file, read-only, seen by a program that runs; remove takes it off; delete both" {
	detached kist run -d $ID
	kist mounts add $ID "$T/v:/data/new"
	kist mounts add $ID "$T/v/file:/etc/from-host:ro,nosuid,nodev,noexec"
	(cd "$T" && kist mounts add $ID v:/rel:bind,rro)
	run -0 inside 'cat /data/new/file /etc/from-host /rel/file; echo x >/data/new/made && echo written
		echo x >/etc/from-host || echo refused; touch /rel/x || echo refused'
	[ "$(grep -c '^data$' <<<"$output")" = 3 ]
	[ "$(grep -c '^refused$' <<<"$output")" = 2 ]
	[ -e "$T/v/made" ]
	run -0 mounts_of
	grep -qx '/etc/from-host ro,nosuid,nodev,noexec,relatime' <<<"$output"
	# The host's mount namespace has none of it.
	none grep -q "$T/b" /proc/self/mountinfo
	kist mounts remove $ID /data/../data/new/
	run inside 'ls /data/new'
	[ -z "$output" ]
	kist mounts remove $ID /etc/from-host
	run -0 mounts_of
	none grep -q 'from-host\|/data' <<<"$output"
	# With the container the last one goes by itself.
	kist delete --force $ID
	[ -e "$T/v/file" ]
}

@test "mounts add: what is mounted below comes along, unless bind is said" {
	mount -t tmpfs inner "$T/v/sub"
	touch "$T/v/sub/in"
	detached kist run -d $ID
	kist mounts add $ID "$T/v:/tree"
	kist mounts add $ID "$T/v:/flat:bind"
	run -0 inside 'ls -A /tree/sub; echo -; ls -A /flat/sub'
	[ "${lines[*]}" = "in -" ]
	grep -qx '/tree/sub rw,relatime' <(mounts_of)
	kist mounts remove $ID /tree
	none grep -q tree <(mounts_of)
	kist delete --force $ID
	umount "$T/v/sub"
}

@test "mounts add: into a user namespace, with its ids by idmap; into a created one, before start" {
	edit_bundle . '.linux.namespaces += [{type: "user"}] | .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 1000}] |
		.linux.gidMappings = .linux.uidMappings'
	mkdir rootfs/here rootfs/there
	chown -R 100000:100000 rootfs
	mkdir "$D/v" && echo data >"$D/v/file" # on a disk: a tmpfs can't be id-mapped before Linux 6.3
	bundle_args . sh -c 'stat -c %u /here/file /there/file; exec sleep 1000'
	detached kist create $ID
	kist mounts add $ID "$D/v:/here:ro"
	# Made by the container's root: on this tmpfs of its own the host's has no id.
	kist mounts add $ID "$D/v:/dev/made/here:ro"
	kist mounts remove $ID /dev/made/here
	run kist mounts add $ID "$D/v:/there:idmap"
	if [[ "$output" == *"cannot be id-mapped"* ]]; then skip "this filesystem cannot be id-mapped"; fi
	kist start $ID
	wait_until 10 grep -qx 0 "$T/detached.out"
	[ "$(tr '\n' ' ' <"$T/detached.out")" = "65534 0 " ]
	kist delete --force $ID
}

@test "mounts: a hostile root leads nowhere; what kist did not add is not taken off; mistakes are said" {
	mkdir "$T/canary"
	detached kist run -d $ID
	# In the container these lead to the host's folders, or into procfs.
	inside "ln -s $T/canary /sly; ln -s /proc/sys /proc-link; ln -s ../../../../../../$T/canary /up; mkdir -p /mine"
	bad() { run --separate-stderr kist mounts "${@:2}"; is_one_line 1 "$1"; }
	for place in /sly/deep /up/deep; do
		bad 'Not a directory' add $ID "$T/v:$place" # a link into the void
	done
	inside "mkdir -p $T/canary"
	kist mounts add $ID "$T/v:/up/deep"
	[ -z "$(ls -A "$T/canary")" ]
	run -0 inside "cat $T/canary/deep/file"
	[ "$output" = data ]
	bad 'leads into a procfs' add $ID "$T/v:/proc-link/kernel"
	bad 'nothing may be mounted below /proc' add $ID "$T/v:/proc/sys"
	bad 'No such file' add $ID "$T/nowhere:/x"
	bad 'is no mount' add $ID "$T/v"
	bad 'is no mount' add $ID "$T/v:relative"
	bad 'no option of a bind mount' add $ID "$T/v:/x:size=3"
	bad 'a symlink is no mount' add $ID "$T/v:/x:copy-symlink"
	bad 'shared' add $ID "$T/v:/x:rshared"
	bad 'would hide the root' add $ID "$T/v:/"
	bad 'source is a file, but' add $ID "$T/v/file:/mine"
	bad 'neither add nor remove' move $ID /x
	bad 'does not exist' add nobody "$T/v:/x"
	bad 'no mount was added there' remove $ID /proc
	bad 'no mount was added there' remove $ID /dev/pts
	# Covered by the container, which has the right to when it is given it: not ours any more.
	kist mounts add $ID "$T/v:/mine"
	nsenter --mount="/proc/$(pid_of $ID)/ns/mnt" --root="/proc/$(pid_of $ID)/root" /bin/mount -t tmpfs theirs /mine
	bad 'not what kist added' remove $ID /mine
	kist kill $ID KILL
	wait_until 10 is_in_state $ID stopped
	bad 'not running' add $ID "$T/v:/x"
	kist delete $ID
}

@test "mounts add: symlinks as such, and maps of the mount's own" {
	detached kist run -d $ID
	ln -s file "$T/v/link"
	inside 'echo theirs >/target; ln -s target /covered'
	kist mounts add $ID "$T/v/file:/covered:dest-nofollow"
	kist mounts add $ID "$T/v/link:/link:src-nofollow"
	run -0 inside 'cat /covered /target; readlink /link'
	[ "${lines[*]}" = "data theirs file" ]
	kist mounts remove $ID /covered
	kist mounts remove $ID /link
	run -0 inside 'readlink /covered; stat -c %F /link'
	[ "${lines[*]}" = "target regular empty file" ]
	mkdir "$D/v"
	touch "$D/v/f"
	run kist mounts add $ID "$D/v:/ids:idmap=uids=0-5-1;gids=0-6-1"
	if [[ "$output" != *"cannot be id-mapped"* ]]; then
		[ "$status" = 0 ]
		[ "$(inside 'stat -c %u:%g /ids/f')" = 5:6 ]
	fi
	kist delete --force $ID
}

@test "mounts --explain: each primitive; a step that fails leaves the container and kist as they were" {
	detached kist run -d $ID
	run -0 --separate-stderr kist mounts --explain add $ID "$T/v:/data:ro"
	for call in 'open_tree(AT_FDCWD, "'"$T/v" 'mount_setattr(' 'setns(<container>, CLONE_NEWNS)' 'make_target(<root>, "/data"' \
		'move_mount(<tree>' "mount --rbind $T/v"; do
		grep -qF "$call" <<<"$stderr" || { echo "no $call in: $stderr"; false; }
	done
	kist mounts remove $ID /data
	was=$(mounts_of)
	for ((step = 0; step < 40; step++)); do
		run --separate-stderr kist --fault-step $step mounts add $ID "$T/v:/data"
		[ "$status" -ne 0 ] || break
		[ "$(mounts_of)" = "$was" ]
	done
	[ "$step" -gt 8 ] && [ "$step" -lt 40 ]
	[ "$(state_of $ID)" = running ]
	kist delete --force $ID
}
