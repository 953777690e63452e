#!/usr/bin/env bats
# native only: pasta and slirp4netns come from Debian's packages, and the test machine has not their libraries
# An ordinary user's network: pasta or slirp4netns speaks for the container, and nothing of the host's own
# loopback is reached.

bats_require_minimum_version 1.5.0
load helpers
load runtime
load rootless

HOST=198.51.100.1 # of this test's network namespace

# The line that is served. Asked for before it comes, and nobody waits for the connection's end: neither
# program passes on all of those.
GET='get() {
	timeout $1 $BUSYBOX nc $2 $3 -e sh -c "printf \"GET /file HTTP/1.0\r\n\r\n\"; sed -n \"/^of the/ { p; q }\" >&3" 3>&1
}'
BUSYBOX=$FIXTURES/busybox-rootfs/bin/busybox
eval "$GET"

setup_file() {
	rootless_setup_file
	[ "$(id -u)" = 0 ] && [ -n "${KIST_TEST_ISOLATED-}" ] || return 0
	# As udev has it: everybody may make an interface in a namespace that is theirs.
	mkdir -p /run/kist-tun
	mount -t tmpfs -o mode=755 tun /run/kist-tun
	if ! mknod -m 666 /run/kist-tun/tun c 10 200 || ! mount --bind /run/kist-tun/tun /dev/net/tun; then
		return 0
	fi
	ip link add out type dummy 2>/dev/null || ip link add out type veth peer name out2
	ip addr add $HOST/24 dev out
	ip link set out up
	[ ! -e /sys/class/net/out2 ] || ip link set out2 up
	ip route add default via 198.51.100.254
	mkdir -p /run/kist-www
	echo of the host >/run/kist-www/file
	for address in $HOST 127.0.0.1; do
		"$BUSYBOX" httpd -f -p $address:8000 -h /run/kist-www >/dev/null 2>&1 3>&- &
		echo $! >>/run/kist-net.pids
	done
	for address in $HOST 127.0.0.1; do
		wait_until 30 eval "get 30 $address 8000 | grep -q 'of the host'"
	done
}
teardown_file() {
	[ ! -s /run/kist-net.pids ] || xargs kill </run/kist-net.pids
}
setup() {
	rootless_setup
	[ -w /run/kist-tun/tun ] && grep -q ' tun$' /proc/misc || skip "no /dev/net/tun to be had here"
	peers=$TOP/build/peers/usr/bin
	[ -x "$peers/pasta" ] && [ -x "$peers/slirp4netns" ] || skip "no passt, no slirp4netns: tests/peers.sh passt:passt slirp4netns"
	cp -P "$peers"/pas* "$T/bin/"
	LD_LIBRARY_PATH='' ldd "$peers/slirp4netns" | grep -q 'not found' && skip "slirp4netns lacks a library"
	mkdir "$T/slirp"
	cp "$peers/slirp4netns" "$T/slirp/"
}
teardown() { runtime_teardown; }

job() { as_alice PATH="$WITH:/usr/bin:/bin" kist job run --id "$ID" "$@"; }
# The program that a container has, by its record.
outside() { cut -d' ' -f1 "$ROOT/$ID/user-net"; }
none_outside() { [ -z "$(pgrep -x 'pasta|pasta\.avx2|passt|passt\.avx2|slirp4netns')" ]; }
# What a job sees, on a line each.
LOOK=$GET'
	ifconfig eth0 | grep -o "inet addr:[0-9.]*"; route -n | awk "/^0.0.0.0/ { print \$2 }"
	grep ^nameserver /etc/resolv.conf; awk -F: "NR > 2 { print \$1 }" /proc/net/dev | xargs
	get 30 198.51.100.1 8000
	for a in 127.0.0.1 10.0.2.2; do get 2 $a 8000; done; true'

@test "--net user by pasta and by slirp4netns: an interface, a way out, not to the host's loopback; nobody is left" {
	for WITH in "$T/bin" "$T/slirp:$T/kist"; do
		mkdir -p "$T/kist"
		cp "$T/bin/kist" "$T/kist/"
		run --separate-stderr job --net user "$HOME_DIR/b/rootfs" -- sh -c "$LOOK"
		echo "$WITH: $output $stderr"
		[ "$status" -eq 0 ]
		[ "$output" = $'inet addr:10.0.2.100\n10.0.2.2\nnameserver 10.0.2.3\nlo eth0\nof the host' ]
		none_outside
		assert_nothing_left
	done
}

@test "--net user: published ports by pasta, at the address that was named; a bundle's annotation; kill -9 and delete leave nobody" {
	WITH=$T/bin
	rootless_bundle '.annotations = { "io.kist.net": "user", "io.kist.publish": "198.51.100.1:8080:80 8081:81/udp" }
		| .linux.namespaces += [{ "type": "network" }]'
	args sh -c 'mkdir /tmp/www; echo of the container >/tmp/www/file; httpd -p 80 -h /tmp/www; exec sleep 1000'
	edit_bundle . '.mounts += [{ "destination": "/tmp", "type": "tmpfs", "source": "tmpfs" }]'
	as_alice kist run "$ID" >"$T/out" 2>&1 3>&- 4>&- &
	runner=$!
	wait_until 20 eval "get 30 $HOST 8080 | grep -q 'of the container'"
	[ -z "$(get 5 127.0.0.1 8080 2>/dev/null)" ]
	pid=$(outside)
	[ "$(stat -c %u "/proc/$pid")" = $ALICE ]
	xargs -0 <"/proc/$pid/cmdline" | tee "$T/line"
	grep -q -- '--no-map-gw --tcp-ns none --udp-ns none --tcp-ports 198.51.100.1/8080:80 --udp-ports 8081:81' "$T/line"
	# Who waits is killed: the container dies with it, and what is outside on delete.
	kill -KILL $runner $(pgrep -P $runner)
	wait_until 20 is_in_state "$ID" stopped
	as_alice kist delete --force "$ID"
	wait_until 20 is_over "$pid"
	none_outside
	assert_nothing_left
}

@test "--net user: no program, no tap, a port that is taken, what it has not: refused in one line, nobody is left" {
	mkdir -p "$T/kist"
	cp "$T/bin/kist" "$T/kist/"
	WITH=$T/kist
	refused 125 'needs pasta or slirp4netns, and neither is in PATH' job --net user "$HOME_DIR/b/rootfs" -- true
	grep -q '^fix: install the package passt or slirp4netns' <<<"$stderr"
	WITH=$T/slirp:$T/kist
	refused 125 'published by pasta, which is not in PATH' job --net user -p 8080:80 "$HOME_DIR/b/rootfs" -- true
	refused 125 "rate of a user network can't be limited" job --net user --net-rate up=1mbit "$HOME_DIR/b/rootfs" -- true
	refused 125 'stand alone' job --net user --net bridge "$HOME_DIR/b/rootfs" -- true
	refused 125 'for callers who are not root' "$KIST" --root "$T/root" job run --net user "$HOME_DIR/b/rootfs" -- true
	WITH=$T/bin
	refused 125 'pasta gives no user network: ' job --net user -p $HOST:8000:80 "$HOME_DIR/b/rootfs" -- true
	chmod 600 /run/kist-tun/tun
	for WITH in "$T/bin" "$T/slirp:$T/kist"; do
		refused 125 'gives no user network: .*tun' job --net user "$HOME_DIR/b/rootfs" -- true
	done
	chmod 666 /run/kist-tun/tun
	rootless_bundle '.annotations = { "io.kist.net": "user" } | .linux.namespaces |= map(select(.type != "network"))'
	refused 1 'needs a network namespace of the container.s own' kist run "$ID"
	none_outside
	assert_nothing_left
}

@test "--net user of a detached job: it stays with the job, and ends with it" {
	WITH=$T/bin
	cp "${KIST%/*}/kist-monitor" "$T/bin/"
	job --net user --detach --wall max "$HOME_DIR/b/rootfs" -- sleep 1000
	none none_outside
	pid=$(outside)
	[[ "$(tr '\0' ' ' <"/proc/$pid/cmdline")" == */pasta* ]]
	as_alice kist job kill "$ID"
	run as_alice kist job wait "$ID"
	none_outside
	[ ! -e "$ROOT/$ID" ]
	rm -rf "$ROOT/.jobs"
	assert_nothing_left
}
