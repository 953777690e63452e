# Shared by ns_*.bats: a busybox root and a bundle made from tests/unit/data/ns-default.json.
# Everything lies in the test's own temporary folder; nothing on the host is changed.

ns_setup() {
	[ "$(id -u)" = 0 ] || skip "needs root"
	[ -x /bin/busybox ] || skip "needs busybox-static"
	REPO="$(cd "$BATS_TEST_DIRNAME/../.." && pwd)"
	command -v python3 >/dev/null || skip "needs python3"
	# Kept in build/, where a test machine without a compiler finds it.
	DRIVER="${KIST_BUILD:-$REPO/build}/tests/tools/ns_driver"
	if [ -z "${NS_BUILT:-}${KIST_BUILD:-}" ] && command -v cc >/dev/null; then
		mkdir -p "$REPO/build/tests/tools"
		make -s -C "$REPO" build/libkist.a >&2
		[ "$DRIVER" -nt "$REPO/build/libkist.a" ] ||
			cc -std=gnu17 -D_GNU_SOURCE -I"$REPO" -o "$DRIVER" \
				"$REPO/tests/tools/ns_driver.c" "$REPO/build/libkist.a" -ljansson
	fi
	[ -x "$DRIVER" ] || skip "needs a compiler, or build/tests/tools/ns_driver"
	# Not in /tmp: a tmpfs there cannot be id-mapped before Linux 6.3.
	BATS_TEST_TMPDIR="$(mktemp -d /var/tmp/kist-ns.XXXXXX)"
	chmod 711 "$BATS_TEST_TMPDIR"
	B="$BATS_TEST_TMPDIR/bundle"
	R="$B/rootfs"
	mkdir -p "$B"
	make_root "$R"
	cp "$REPO/tests/unit/data/ns-default.json" "$B/config.json"
	HOST_MOUNTS="$(host_mounts)"
}

make_root() {
	mkdir -p "$1/bin"
	cp /bin/busybox "$1/bin/busybox"
	for x in sh ls cat stat id hostname mount echo sleep grep touch ps tty stty readlink; do
		ln -s busybox "$1/bin/$x"
	done
}

# edit PYTHON: changes `c`, the configuration.
edit() {
	python3 - "$B/config.json" "$1" <<'PY'
import json, sys
c = json.load(open(sys.argv[1]))
L = c['linux']
def userns(host=100000, size=65536):
    L['namespaces'].append({'type': 'user'})
    m = [{'containerID': 0, 'hostID': host, 'size': size}]
    L['uidMappings'] = m; L['gidMappings'] = m
def mount(destination, source, *options, type='bind'):
    c['mounts'].append({'destination': destination, 'type': type, 'source': source,
                        'options': list(options)})
def drop(*types):
    L['namespaces'] = [n for n in L['namespaces'] if n['type'] not in types]
exec(sys.argv[2])
json.dump(c, open(sys.argv[1], 'w'))
PY
}

inside() {
	run "$DRIVER" "${NS_OPTIONS[@]}" "$B" /bin/sh -c "$1"
	echo "$output" # shown when the test fails
}

# Mounts of the host that a container's could be mistaken for: at the test's own folder, or at the
# places every container has. Others may come and go, other tests run beside this one.
host_mounts() {
	awk -v mine="$BATS_TEST_TMPDIR" 'BEGIN {
			split("/ /proc /sys /dev /dev/pts /dev/shm /dev/mqueue /sys/fs/cgroup /a/b /t /v /w", list)
			for (i in list) places[list[i]] = 1
		}
		$5 in places || index($0, mine) { $1 = $2 = ""; print }' /proc/self/mountinfo | sort
}

# No mount of the container shows on the host.
ns_teardown() {
	[ -z "${HOST_MOUNTS:-}" ] && return 0
	diff <(echo "$HOST_MOUNTS") <(host_mounts) || return 1
	rm -rf --one-file-system "$BATS_TEST_TMPDIR"
}

# A folder outside of the root that must not change.
make_canary() {
	CANARY="$BATS_TEST_TMPDIR/canary"
	mkdir -p "$CANARY/sub"
	echo untouched > "$CANARY/file"
	CANARY_WAS="$(canary_state)"
}
canary_state() {
	find "$CANARY" -printf '%p %y %m %U %G %s %i %n %T@ %l\n' | sort
}
canary_same() {
	diff <(echo "$CANARY_WAS") <(canary_state)
}
