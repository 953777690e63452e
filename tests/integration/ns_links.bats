#!/usr/bin/env bats
# What crun has for binds besides the specification, and podman writes: symlinks that are meant as
# such, and id maps as an option.

bats_require_minimum_version 1.5.0
load helpers
load runtime

setup() {
	runtime_setup
	# On the host: a symlink, what it leads to, and a file.
	mkdir "$D/src" "$D/src/dir"
	echo host >"$D/src/file"
	ln -s file "$D/src/link"
	ln -s dir "$D/src/dirlink"
}
teardown() { runtime_teardown; }

args() { bundle_args "$T/b" sh -c "$1"; }
edit() { edit_bundle "$T/b" "$@"; }
# bind DESTINATION SOURCE OPTIONS: one more mount, SOURCE below $D/src
bind() {
	edit '.mounts += [{destination: $d, type: "bind", source: $s, options: ($o | split(","))}]' \
		--arg d "$1" --arg s "$D/src/$2" --arg o "bind,$3"
}
# kinds PATH...: what each is, in the container
kinds='kinds() { for f; do if [ -L $f ]; then echo "link $(readlink $f)"; else stat -c %F $f; fi; done; }'

@test "copy-symlink: the symlink is made again, where nothing else is; what is none is mounted" {
	bind /a/b/copied link ro,copy-symlink
	bind /same link copy-symlink
	bind /plain file ro,copy-symlink
	bind /folder dir copy-symlink
	ln -s file rootfs/same
	args "$kinds; kinds /a/b/copied /same /plain /folder; cat /plain; grep -c ' /a\| /same' /proc/self/mountinfo"
	run -1 kist run $ID
	[ "${lines[*]}" = "link file link file regular file directory host 0" ]
	# Something else of the image is left as it is, and said.
	rm rootfs/same
	echo image >rootfs/same
	refused 1 '/mounts/[0-9]+ .*/same.*something else than a symlink to file is there' kist run $ID
	[ "$(cat rootfs/same)" = image ]
	# Where the image leads it with symlinks of its own: inside the root.
	rm rootfs/same
	mkdir outside rootfs/outside
	rm -r rootfs/a
	ln -s ../../../../../../../../outside rootfs/a
	run -1 kist run $ID
	[ "${lines[0]} ${lines[1]}" = "link file link file" ]
	[ -L rootfs/outside/b/copied ]
	ln -sfn "$PWD/outside" rootfs/a
	refused 1 '/mounts/[0-9]+ .*Not a directory' kist run $ID
	ln -sfn /proc/self rootfs/a
	refused 1 '/mounts/[0-9]+ ' kist run $ID
	[ -z "$(ls outside)" ]
}

@test "src-nofollow, dest-nofollow: the symlink itself is mounted, or covered" {
	bind /over link src-nofollow
	bind /cover file ro,dest-nofollow
	bind /follow file ro
	bind /new dir rw,dest-nofollow
	echo image >rootfs/target
	ln -s target rootfs/cover
	ln -s target2 rootfs/follow
	echo image >rootfs/target2
	echo seen >rootfs/file
	args "$kinds; kinds /over /cover /follow /new; cat /over /cover /target /target2; grep -c ' /over \| /cover \| /target2 ' /proc/self/mountinfo"
	run -0 kist run $ID
	# What /over says is the container's own file of that name.
	[ "${lines[*]}" = "link file regular file link target2 directory seen host image host 3" ]
	# A symlink out of the root, or with "..", is covered like any other.
	rm rootfs/cover
	ln -s ../../../../../../etc/hostname rootfs/cover
	run -0 kist run $ID
	[ "${lines[1]} ${lines[5]}" = "regular file host" ]
	# A folder cannot cover a symlink, nor a file a folder.
	edit '.mounts[-1].destination = "/cover"'
	refused 1 '/mounts/[0-9]+ .*the source is a directory, but /cover is none' kist run $ID
	edit '.mounts[-1] |= (.destination = "/etc" | .source += "/../file")'
	refused 1 '/mounts/[0-9]+ .*the source is a file, but /etc is a directory' kist run $ID
	# In a user namespace the host opens the source, the same way.
	edit 'del(.mounts[-1]) | .linux.namespaces += [{type: "user"}]
		| .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}]
		| .linux.gidMappings = .linux.uidMappings'
	chown -hR 100000:100000 rootfs
	chmod 700 "$D/src"
	args "$kinds; kinds /over /cover /follow; cat /over /cover"
	run -0 kist run $ID
	[ "${lines[*]}" = "link file regular file link target2 seen host" ]
}

@test "copy-symlink, *-nofollow: not over what the runtime itself makes, nor for other mounts" {
	local option place
	while read -r option place; do
		edit ".mounts |= map(select(.source != \"/x\")) | .mounts += [{destination: \"$place\",
			source: \"/x\", type: \"bind\", options: [\"bind\", \"$option\"]}]"
		refused 1 "/mounts/[0-9]+/options/1: $option is not for $place" kist run $ID
	done <<-END
		copy-symlink /dev
		src-nofollow /proc
		dest-nofollow /sys
		copy-symlink /proc/cpuinfo
	END
	edit '.mounts[-1] |= (.type = "tmpfs" | .options = ["src-nofollow"] | .destination = "/x")'
	refused 1 '/mounts/[0-9]+/options/0: src-nofollow is for a new bind mount' kist run $ID
}

@test "idmap=: maps of the mount's own, also relative to the container's" {
	edit '.linux.namespaces += [{type: "user"}]
		| .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 10}, {containerID: 10, hostID: 200000, size: 100}]
		| .linux.gidMappings = .linux.uidMappings'
	chown -hR 100000:100000 rootfs
	chown 0:0 "$D/src/file"
	touch "$D/src/other" "$D/src/third"
	chown 5:6 "$D/src/other"
	chown 77:88 "$D/src/third"
	bind /id dir "X"
	edit '.mounts[-1] |= (.source = $s | .options[1] = "idmap=uids=0-100003-1#5-200001-1;gids=0-100004-5#6-200000-1")' --arg s "$D/src"
	args 'stat -c %u:%g /id/file /id/other /id/third'
	run kist run $ID
	if [[ "$output" == *"cannot be id-mapped"* ]]; then skip "this filesystem cannot be id-mapped"; fi
	[ "$status" = 0 ]
	# An id that the mount does not map is nobody's.
	[ "${lines[*]}" = "3:4 11:10 65534:65534" ]
	edit '.mounts[-1].options[1] = "idmap=gids=@0-4-6#6-200000-1;uids=@0-3-1#@5-10-1#77-100009-1"'
	run -0 kist run $ID
	[ "${lines[*]}" = "3:4 10:10 9:65534" ]
	edit '.mounts[-1].options[1] = "ridmap=uids=@0-9-2;gids=@0-0-1"'
	refused 1 '/mounts/[0-9]+/options/1: idmap: "@0-9-2" is not within one line' kist run $ID
}
