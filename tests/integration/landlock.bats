#!/usr/bin/env bats
# Landlock by annotation: paths to read, paths to write, nothing else.

bats_require_minimum_version 1.5.0
load helpers
load runtime

setup() {
	need_root
	kist_setup
	ID=${T##*.}
	probe_bundle "$T/b"
	cd "$T/b"
	echo secret >rootfs/etc/secret
	edit_bundle . '.root.readonly = false | .annotations = {
		"org.kist.landlock.read-only": "/bin:/etc/passwd:/dev/null",
		"org.kist.landlock.read-write": "/tmp:/dev/null"} |
		.mounts += [{"destination": "/tmp", "type": "tmpfs", "source": "tmpfs"}]'
}
teardown() { runtime_teardown; }

# What a process of the container may do; root, and the modes would let it.
deeds='cat /etc/passwd >/dev/null && echo read; cat /etc/secret && echo leaked
	ls /bin >/dev/null && echo listed; ls /etc >/dev/null && echo leaked
	echo x >/tmp/x && cat /tmp/x; mkdir /tmp/d && rmdir /tmp/d && echo made
	echo x >>/etc/passwd && echo leaked; echo x >/new && echo leaked
	mv /tmp/x /tmp/y && echo moved; echo done'
allowed=$'read\nlisted\nx\nmade\nmoved\ndone'

@test "Landlock: reads what may be read, writes what may be written, for exec too" {
	for edit in . '.process.noNewPrivileges = false' \
		'.linux.seccomp = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": []}'; do
		edit_bundle . "$edit"
		bundle_args . sh -c "$deeds"
		run --separate-stderr kist run $ID
		echo "$output / $stderr"
		if [[ $stderr == *"this kernel has no Landlock"* ]]; then
			is_one_line 1 /annotations/org.kist.landlock
			return
		fi
		[ "$output" = "$allowed" ]
		[ "$(cat rootfs/etc/secret)" = secret ]
		[ ! -e rootfs/new ]
	done
	bundle_args . sleep 1000
	detached kist create $ID
	kist start $ID
	run --separate-stderr kist exec $ID sh -c "$deeds"
	[ "$output" = "$allowed" ]
	# A program outside of the paths is not for execve either.
	cp rootfs/bin/busybox rootfs/etc/program
	run --separate-stderr kist exec $ID /etc/program true
	is_one_line 255 'ermission denied'
	kist delete --force $ID
}

@test "Landlock: what is no list of paths, and a path that is not there, are refused" {
	for list in '"relative"' '"/a:"' '""' '":/a"' 3; do
		edit_bundle . '.annotations["org.kist.landlock.read-write"] = '"$list"
		refused 1 '/annotations/org.kist.landlock.read-write' kist run $ID
	done
	edit_bundle . '.annotations["org.kist.landlock.read-write"] = "/nowhere"'
	if kist run $ID 2>&1 | grep -q 'this kernel has no Landlock'; then
		return
	fi
	refused 1 '/nowhere' kist run $ID
	# Never out of the container's root: a link there to a folder of the host.
	ln -s "$T" rootfs/link
	edit_bundle . '.annotations["org.kist.landlock.read-write"] = "/link"'
	refused 1 '/link' kist run $ID
}

@test "Landlock's scope: no abstract socket of outside, where the network is the host's" {
	read -r abi <<<"$(kist info | sed -n 's/.*landlockABI: //p')"
	edit_bundle . '.annotations = {"org.kist.landlock.scope": "abstract-unix-socket"} |
		.linux.namespaces |= map(select(.type != "network")) | .linux.sysctl = {}'
	cp "$TOP/build/tools/reach" rootfs/bin/
	timeout 60 "$TOP/build/tools/reach" listen >port &
	server=$!
	until [ -s port ]; do sleep 0.02; done
	bundle_args . /bin/reach "$(cat port)"
	run --separate-stderr kist run $ID
	if [ "${abi:-0}" -lt 6 ]; then
		kill "$server"
		is_one_line 1 /annotations/org.kist.landlock.scope
		return
	fi
	grep "^the host's abstract sockets	no" <<<"$output"
	# The same listener without the scope.
	edit_bundle . '.annotations = {}'
	run --separate-stderr kist run $ID
	kill "$server"
	grep "^the host's abstract sockets	yes" <<<"$output"
}
