# What the tests of an ordinary user's containers share, besides runtime.bash: a user "alice" with
# ids 4321, a folder of hers on the test's tmpfs, and a copy of kist she can reach.
# shellcheck shell=bash

ALICE=4321
FIRST=200000 # of her 65536 ids in /etc/subuid and /etc/subgid

# /etc is changed in the mount namespace that tests/isolated.sh made, which vanishes with the file.
rootless_setup_file() {
	local name
	[ "$(id -u)" = 0 ] && [ -n "${KIST_TEST_ISOLATED-}" ] || return 0
	mkdir -p /run/kist-etc
	for name in passwd group subuid subgid; do
		touch "/etc/$name"
		cat "/etc/$name" >"/run/kist-etc/$name"
	done
	echo "alice:x:$ALICE:$ALICE::/:/bin/sh" >>/run/kist-etc/passwd
	echo "alice:x:$ALICE:" >>/run/kist-etc/group
	echo "alice:$FIRST:65536" | tee -a /run/kist-etc/subuid >>/run/kist-etc/subgid
	for name in passwd group subuid subgid; do
		mount --bind "/run/kist-etc/$name" "/etc/$name"
	done
}

rootless_setup() {
	need_root
	[ -n "${KIST_TEST_ISOLATED-}" ] || skip "mounts over /etc: run it by tests/integration.sh"
	kist_setup
	ID=${T##*.}
	HOME_DIR=$T/alice
	RUN_DIR=$HOME_DIR/run
	ROOT=$RUN_DIR/kist # where her containers are by default
	mkdir -p "$HOME_DIR/b/rootfs" "$RUN_DIR" "$T/bin"
	cp "$KIST" "$T/bin/kist"
	cp -a "$FIXTURES/busybox-rootfs/." "$HOME_DIR/b/rootfs"
	cp "$PROBE" "$HOME_DIR/b/rootfs/bin/probe"
	chmod 700 "$RUN_DIR"
	chown -R $ALICE:$ALICE "$HOME_DIR"
	cd "$HOME_DIR/b"
}

# as_alice CMD...: with no capability, no supplementary group, and little environment. She has no cgroup:
# her jobs waive ($WAIVED) what needs one.
as_alice() {
	setpriv --reuid "${AS-$ALICE}" --regid "${AS-$ALICE}" --clear-groups env -i PATH="$T/bin:/usr/bin:/bin:/usr/sbin:/sbin" HOME="$HOME_DIR" \
		KIST_ALLOW_DEGRADED="${WAIVED-memory,pids,cpu,cpu-time}" ${RUN_DIR:+XDG_RUNTIME_DIR="$RUN_DIR"} \
		${ASAN_OPTIONS:+ASAN_OPTIONS="$ASAN_OPTIONS"} "$@"
}
kist() {
	as_alice kist "$@"
}

# rootless_bundle [JQ_FILTER]: as `kist spec --rootless` writes it, without a terminal.
rootless_bundle() {
	rm -f config.json
	kist spec --rootless
	edit_bundle . '.process.terminal = false'
	edit_bundle . "${1-.}"
}
MORE_IDS='.linux.uidMappings += [{"containerID": 1, "hostID": 200000, "size": 65536}] |
	.linux.gidMappings = .linux.uidMappings'

# The kernel's part in it is seen by other tests, which the test machine runs.
native_is_enough() {
	[ -z "${KIST_IN_VM-}" ] || skip "natively: too slow under TCG"
}

args() {
	bundle_args . "$@"
}
same_namespace() { # NAME PID PID
	[ "$(readlink "/proc/$2/ns/$1")" = "$(readlink "/proc/$3/ns/$1")" ]
}
map_of() { # PID uid|gid: on one line
	xargs <"/proc/$1/$2_map"
}
# in_a_mount_namespace COMMANDS: of bash, which may use as_alice, kist, $ID, $T.
in_a_mount_namespace() {
	unshare --mount --propagation private bash -euc "$(declare -f as_alice kist)
		$(declare -p ALICE T HOME_DIR RUN_DIR ID)
		$1"
}
