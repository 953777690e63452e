#!/usr/bin/env bats
# What the spec keeps under /linux besides namespaces and limits, seen from inside: execution
# domain, memory policy; and mounts and devices as engines ask for them.

bats_require_minimum_version 1.5.0
load helpers
load runtime

setup() {
	runtime_setup
}
teardown() { runtime_teardown; }

args() { bundle_args "$T/b" "$@"; }
edit() { edit_bundle "$T/b" "$@"; }

@test "personality: LINUX32 is another machine, for run and for exec; LINUX takes the caller's flags off" {
	edit '.linux.personality = {"domain": "LINUX32", "flags": []}'
	args sh -c 'uname -m; cat /proc/self/personality; exec sleep 1000'
	detached kist run -d $ID
	wait_until 10 grep -qx 00000008 "$T/detached.out"
	[ "$(head -n 1 "$T/detached.out")" != "$(uname -m)" ]
	run -0 kist exec $ID cat /proc/self/personality
	[ "$output" = 00000008 ]
	kist delete --force $ID
	args cat /proc/self/personality
	# ADDR_NO_RANDOMIZE of the caller: inherited, unless the config says otherwise.
	run -0 setarch --addr-no-randomize "$KIST" --root "$ROOT" run $ID
	[ "$output" = 00000008 ]
	edit '.linux.personality.domain = "LINUX"'
	run -0 setarch --addr-no-randomize "$KIST" --root "$ROOT" run $ID
	[ "$output" = 00000000 ]
	edit '.linux.personality.flags = ["X"]'
	refused 1 '/linux/personality/flags' kist run $ID
}

@test "memoryPolicy: where the process's memory comes from, for run and for exec; what is wrong is said" {
	[ -e /proc/self/numa_maps ] || skip "a kernel without NUMA"
	policy() { edit ".linux.memoryPolicy = $1"; }
	args sh -c 'cut -d" " -f2 /proc/self/numa_maps | uniq; sleep 1000'
	policy '{"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_STATIC_NODES"]}'
	detached kist run -d $ID
	wait_until 10 grep -q . "$T/detached.out"
	[ "$(cat "$T/detached.out")" = bind=static:0 ]
	run -0 kist exec $ID sh -c 'cut -d" " -f2 /proc/self/numa_maps | uniq'
	[ "$output" = bind=static:0 ]
	kist delete --force $ID
	# "55e7 prefer (many):0 file=/bin/busybox ..."
	args sh -c 'sed "s/^[^ ]* //; s/\(:0\|local\|default\) .*/\1/" /proc/self/numa_maps | uniq'
	while read -r mode nodes want; do
		policy "{\"mode\": \"$mode\", \"nodes\": \"${nodes#-}\"}"
		run -0 kist run $ID
		[ "$output" = "$want" ] || { echo "$mode $nodes: $output, not $want"; false; }
	done <<-END
		MPOL_INTERLEAVE 0 interleave:0
		MPOL_PREFERRED 0 prefer:0
		MPOL_PREFERRED - local
		MPOL_PREFERRED_MANY 0 prefer (many):0
		MPOL_LOCAL - local
		MPOL_DEFAULT - default
	END
	policy '{"mode": "MPOL_BIND", "nodes": "1023"}'
	refused 1 '/linux/memoryPolicy: .*set_mempolicy MPOL_BIND: Invalid argument' kist run $ID
	policy '{"mode": "MPOL_BIND"}'
	refused 1 '/linux/memoryPolicy: MPOL_BIND needs nodes' kist run $ID
}

# What copying must keep, and what it must not follow. Names on stdout: find's format, sorted.
make_tree() { # DIR
	local deep
	deep=$(printf '/d%.0s' {1..100})
	mkdir -p "$1/dir/empty" "$1/links" "$1/many" "$1/deep$deep"
	echo secret >"$T/outside"
	echo bottom >"$1/deep$deep/end"
	# More entries than one getdents64(2) gives.
	(cd "$1/many" && seq -f 'a-rather-long-name-to-fill-the-buffer-%g' 300 | xargs touch && seq -f d%g 300 | xargs mkdir)
	head -c 70000 /dev/zero >"$1/dir/setuid"
	chown 5:6 "$1/dir/setuid" && chmod 6755 "$1/dir/setuid"
	[ ! -x /usr/bin/setfattr ] ||
		setfattr -n security.capability -v 0x0100000202200000000000000000000000000000 "$1/dir/setuid"
	truncate -s 1T "$1/sparse" && printf middle | dd of="$1/sparse" bs=1M seek=524288 conv=notrunc status=none
	ln -s "$T/outside" "$1/links/absolute"
	ln -s ../../../../../../../../..$T/outside "$1/links/up"
	ln -s nowhere "$1/links/dangling"
	ln -s ../dir "$1/links/folder"
	mkfifo -m 640 "$1/dir/fifo"
	mknod -m 600 "$1/dir/null" c 1 3
	ln "$1/dir/setuid" "$1/dir/other"
	chmod 1751 "$1" && chown 7:8 "$1" && chmod 3775 "$1/dir/empty"
	touch -h -d @1000000000 "$1" "$1/dir/empty" "$1/links/up" "$1/dir/setuid"
}
# show DIR: the entries of a tree and what they are.
show() (
	cd "$1" || exit
	find . ! -path "./many/*" ! -path "./mounted*" -exec stat -c "%n %f %u %g %t:%T" {} + | sort
	stat -c "%n %Y" . dir/empty links/up dir/setuid
	for link in links/*; do readlink "$link"; done
	ls many | wc -l
	cmp dir/setuid dir/other && stat -c %s sparse
	dd if=sparse bs=4096 skip=134217728 count=1 2>/dev/null | head -c 6
)

@test "tmpcopyup: the image's tree as it is, symlinks as such, no other mount's; also read-only" {
	mkdir -p "$T/bound" rootfs/up/mounted
	touch "$T/bound/inner"
	make_tree rootfs/up
	show rootfs/up >"$T/want"
	edit '.mounts += [{destination: "/up/mounted", type: "bind", source: $t, options: ["bind"]},
		{destination: "/up", type: "tmpfs", source: "tmpfs",
		options: ["tmpcopyup", "nosuid", "ro", "size=64m"]}]' --arg t "$T/bound"
	args sleep 1000
	detached kist run -d $ID
	up=/proc/$(pid_of $ID)/root/up
	show "$up" | diff "$T/want" -
	[ "$(getfattr --only-values -n security.capability "$up/dir/setuid" | wc -c)" = 20 ] ||
		[ ! -x /usr/bin/getfattr ]
	grep -E ' /up ro,nosuid,relatime .*- tmpfs tmpfs rw,size=65536k' "/proc/$(pid_of $ID)/mountinfo"
	run touch "$up/x"
	[[ "$output" == *"Read-only file system"* ]]
	[ -d "$up/mounted" ] && [ -z "$(ls -A "$up/mounted")" ]
	[ "$(stat -c %h "$up/dir/other")" = 1 ] # hard links are files of their own
	[ "$(du -sm "$up" | cut -f1)" -lt 50 ]  # holes stay holes
	kist delete --force $ID
	show rootfs/up | diff "$T/want" -
}

@test "tmpcopyup: options win over the image; what is absent is empty; too large, too deep, a procfs is refused" {
	make_tree rootfs/up
	up() { edit '.mounts = .base + [{destination: $d, type: "tmpfs", source: "tmpfs", options: $o}]' \
		--arg d "$1" --argjson o "$(jq -cn '$ARGS.positional' --args -- "${@:2}")"; }
	edit '.base = .mounts'
	args sh -c 'stat -c "%a %u %g" /up /new/folder; ls /up/links; ls -A /new/folder'
	up /up tmpcopyup mode=700 uid=3
	edit '.mounts += [{destination: "/new/folder", type: "tmpfs", source: "x", options: ["tmpcopyup"]}]'
	run -0 kist run $ID
	[ "${lines[*]}" = "700 3 0 1777 0 0 absolute dangling folder up" ] ||
		[ "${lines[*]}" = "700 3 0 1777 0 0 ls: /up/links: Permission denied" ]
	# Without tmpcopyup and mode=, the mode of the folder that is covered.
	args sh -c 'stat -c "%a %u" /up; ls -A /up | wc -l'
	up /up
	run -0 kist run $ID
	[ "${lines[*]}" = "1751 0 0" ]
	# Also of one in sysfs, where copying is refused.
	args stat -c %a /sys/kernel
	up /sys/kernel
	run -0 kist run $ID
	[ "$output" = 755 ]
	up /sys/kernel tmpcopyup
	refused 1 '/sys/kernel\): leads into a procfs or sysfs' kist run $ID
	args true
	up /up tmpcopyup size=40k
	refused 1 '/mounts/[0-9]* \(/up\): .*tmpcopyup of ".*": No space left.*' kist run $ID
	grep -q '^fix: .*size=' <<<"$stderr"
	up /up tmpcopyup nr_inodes=40
	refused 1 'tmpcopyup of ".*": No space left' kist run $ID
	(cd rootfs/up/deep/d/d/d/d && mkdir "$(printf 'e\033%.0s' {1..20})" &&
		cd d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d && mkdir -p \
		d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/f/g/h/i/j/k/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d)
	up /up tmpcopyup
	refused 1 'tmpcopyup of folders more than 128 deep' kist run $ID
	ln -s /proc/self rootfs/sly
	up /sly tmpcopyup
	refused 1 '/sly\): leads into a procfs' kist run $ID
	edit '.linux.namespaces += [{type: "user"}] | .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 1000}]
		| .linux.gidMappings = .linux.uidMappings'
	args sh -c 'stat -c "%u %g %a" /up/dir/setuid /up/links; id -u'
	rm -rf rootfs/up/deep
	chown -R 100000:100000 rootfs
	chown 0:0 rootfs/up/dir/setuid && chmod 6755 rootfs/up/dir/setuid
	up /up tmpcopyup
	run -0 kist run $ID
	# Root of the host has no id there: its file is the container's, and no longer setuid.
	[ "${lines[*]}" = "0 0 755 0 0 755 0" ]
}

# read_flags: FLAGS[PLACE] is " mount's flags, optional fields, superblock's flags " of the container's.
read_flags() {
	local place flags rest
	declare -gA FLAGS=()
	while read -r _ _ _ _ place flags rest; do
		FLAGS[$place]=" ${flags//,/ } ${rest//,/ } "
	done <"/proc/$(pid_of $ID)/mountinfo"
}
# A line for each: options, then what must be there (a word of flags), or not (!word).
OPTIONS='
ro                      | ro
ro rw                   | rw
nosuid                  | nosuid
nosuid suid             | !nosuid
nodev                   | nodev
nodev dev               | !nodev
noexec                  | noexec
noexec exec             | !noexec
noatime                 | noatime !relatime
noatime atime           | relatime !noatime
nodiratime              | nodiratime
nodiratime diratime     | !nodiratime
strictatime             | !relatime !noatime
strictatime nostrictatime | relatime
noatime relatime        | relatime !noatime
norelatime              | relatime
nosymfollow             | nosymfollow
nosymfollow symfollow   | !nosymfollow
sync                    | sync
sync async              | !sync
dirsync                 | dirsync
lazytime                | lazytime
lazytime nolazytime     | !lazytime
mand                    | mand
mand nomand             | !mand
iversion silent sync    | sync
iversion noiversion silent loud defaults | !sync
shared                  | shared:
rshared                 | shared:
shared private          | !shared:
shared rprivate         | !shared:
shared slave            | master:?
shared rslave           | master:?
unbindable              | unbindable
runbindable             | unbindable
rro                     | ro
rnosuid rnodev rnoexec  | nosuid nodev noexec
rnoatime rnodiratime rnosymfollow | noatime nodiratime nosymfollow'

has_words() { # PLACE WORD...: each is in its flags, or with a "!" is not
	local flags=${FLAGS[$1]} word
	for word in "${@:2}"; do
		case $word in
		*\?) continue ;; # a mount without peers is nobody's slave
		!*:) [[ "$flags" != *" ${word#!}"* ]] ;;
		!*) [[ "$flags" != *" ${word#!} "* ]] ;;
		*:) [[ "$flags" == *" $word"* ]] ;;
		*) [[ "$flags" == *" $word "* ]] ;;
		esac || { echo "$1: $flags: not $word"; return 1; }
	done
}

@test "every mount option of the specification has its effect on a new filesystem" {
	edit '.mounts += [$o | split("\n") | map(select(contains("|"))) | to_entries[] | {destination: "/o\(.key)",
		type: "tmpfs", source: "t", options: [.value | split("|")[0] | scan("[^ ]+")]}]' --arg o "$OPTIONS"
	args sleep 1000
	detached kist run -d $ID
	read_flags
	n=0
	while IFS='|' read -r options wanted; do
		[ -n "$wanted" ] || continue
		# shellcheck disable=SC2086
		has_words "/o$n" $wanted || { echo "options: $options"; false; }
		n=$((n + 1))
	done <<<"$OPTIONS"
	[ "$n" -ge 38 ]
	kist delete --force $ID
}

@test "every recursive option reaches the mounts below, and takes off what they have" {
	mkdir -p "$T/plain/sub" "$T/full/sub"
	for tree in plain full; do
		mount -t tmpfs a "$T/$tree" && mkdir "$T/$tree/sub" && mount -t tmpfs b "$T/$tree/sub"
	done
	for place in full full/sub; do
		mount -o remount,bind,ro,nosuid,nodev,noexec,noatime,nodiratime,nosymfollow "$T/$place"
	done
	: >"$T/list"
	while read -r option tree wanted; do
		echo "$option $T/$tree $wanted" >>"$T/list"
	done <<-END
		rro plain ro
		rrw full rw
		rnosuid plain nosuid
		rsuid full !nosuid
		rnodev plain nodev
		rdev full !nodev
		rnoexec plain noexec
		rexec full !noexec
		rnoatime plain noatime
		ratime full !noatime
		rnodiratime plain nodiratime
		rdiratime full !nodiratime
		rstrictatime plain !relatime
		rnostrictatime full relatime
		rrelatime full relatime
		rnorelatime plain relatime
		rnosymfollow plain nosymfollow
		rsymfollow full !nosymfollow
		rprivate plain !shared:
		runbindable plain unbindable
	END
	edit '.mounts += [$l | split("\n")[] | select(. != "") | split(" ") | {destination: "/r/\(.[0])",
		type: "bind", source: .[1], options: ["rbind", .[0]]}]' --rawfile l "$T/list"
	args sleep 1000
	detached kist run -d $ID
	read_flags
	while read -r option _ wanted; do
		for place in "/r/$option" "/r/$option/sub"; do
			# shellcheck disable=SC2086
			has_words "$place" $wanted
		done
	done <"$T/list"
	# And the trees that were bound are as they were.
	[[ "$(findmnt -n -o OPTIONS "$T/full/sub")" == *ro*nosuid*noexec* ]]
	kist delete --force $ID
	umount -R "$T/full" "$T/plain"
}
