#!/usr/bin/env bats
# What a container may do with its network: where it may send to, how fast, and what is counted.
# Everything happens in network namespaces the tests make: one stands for the host, one for a
# server outside.

bats_require_minimum_version 1.5.0
load helpers
load runtime

setup() {
	need_root
	need_program ip nft
	kist_setup
	ID=${T##*.}
	ROOTFS=$D/rootfs
	cp -a "$FIXTURES/busybox-rootfs" "$ROOTFS"
	DRIVER=${KIST_BUILD:-$TOP/build}/tests/tools/net-driver
	[ -x "$DRIVER" ] || skip "no net-driver: make build-tests"
	PIDS=()
}
teardown() {
	[ ${#PIDS[@]} = 0 ] || kill -KILL "${PIDS[@]}" 2>/dev/null || true
	runtime_teardown
}

at() { nsenter --net="/proc/$1/ns/net" -- "${@:2}"; }
serve() { PIDS+=("$(at "$OUTSIDE" "$DRIVER" serve "$1")"); }
# The host, and a server behind it with two ports of two addresses.
make_network() {
	HOST=$("$DRIVER" namespace)
	OUTSIDE=$("$DRIVER" namespace)
	PIDS+=("$HOST" "$OUTSIDE")
	at "$HOST" ip link set lo up
	at "$HOST" ip link add uplink type veth peer name eth0 netns "$OUTSIDE"
	at "$HOST" ip addr add 192.0.2.1/24 dev uplink
	at "$HOST" ip link set uplink up
	at "$OUTSIDE" ip addr add 192.0.2.2/24 dev eth0
	at "$OUTSIDE" ip addr add 192.0.2.3/24 dev eth0
	at "$OUTSIDE" ip link set eth0 up
	serve 80
	serve 81
}
need_tbf() {
	at "$HOST" tc qdisc add dev lo root tbf rate 1mbit burst 32k latency 50ms 2>/dev/null ||
		skip "no sch_tbf in this kernel"
}
job() { at "$HOST" "$KIST" --root "$ROOT" job run --id "$ID" "$@"; }
# TCP packets that came to the server for a port.
arrived() { at "$OUTSIDE" nft list table inet count | sed -n "s/.*daddr $1 tcp dport $2 counter packets \([0-9]*\).*/\1/p"; }

@test "--egress: what is listed is reached; anything else is EPERM at once, and no packet leaves" {
	make_network
	at "$OUTSIDE" nft -f - <<-'END'
		table inet count {
			chain in {
				type filter hook input priority 0;
				ip daddr 192.0.2.2 tcp dport 80 counter
				ip daddr 192.0.2.2 tcp dport 81 counter
				ip daddr 192.0.2.3 tcp dport 80 counter
				ip protocol udp counter
			}
		}
	END
	run job --net bridge --egress 192.0.2.2:80/tcp,198.51.100.0/24 "$ROOTFS" -- sh -c 'exec 2>&1
		for to in "192.0.2.2 80" "192.0.2.2 81" "192.0.2.3 80"; do
			nc -w 20 $to </dev/null && echo " reached"
		done
		tftp -g -r x -l /tmp/x 192.0.2.2 80
		nc -l -p 7777 </dev/null & tries=0
		until nc 127.0.0.1 7777 </dev/null 2>/dev/null; do
			tries=$((tries + 1)); [ $tries -lt 600 ] || exit; sleep 0.1
		done
		echo lo' 2>&1
	echo "$output"
	[ "$(grep -c reached <<<"$output")" -eq 1 ]
	[[ $output == "192.0.2.1 reached"* ]]
	[ "$(grep -c 'Operation not permitted' <<<"$output")" -eq 3 ]
	[[ $output == *lo ]]
	[ "$(arrived 192.0.2.2 80)" -gt 0 ]
	[ "$(arrived 192.0.2.2 81)" -eq 0 ]
	[ "$(arrived 192.0.2.3 80)" -eq 0 ]
	at "$OUTSIDE" nft list table inet count | grep -E 'ip protocol (udp|17) counter packets 0 '
	run job --net bridge --egress none "$ROOTFS" -- nc -w 20 192.0.2.2 80 </dev/null
	[ "$status" -ne 0 ]
	[[ $output == *"Operation not permitted"* ]]
}

@test "--egress: what cannot be enforced or understood is refused" {
	refused 125 '--egress: without a network' kist job run --egress 10.0.0.0/8 "$ROOTFS" -- true
	refused 125 '--egress: "10.0.0.1/8" has bits below' \
		kist job run --net bridge --egress 10.0.0.1/8 "$ROOTFS" -- true
	refused 125 '--egress: "example.org:443" .*names are not looked up' \
		kist job run --net bridge --egress 1.2.3.4,example.org:443 "$ROOTFS" -- true
	make_bundle "$T/b" '.annotations["io.kist.egress"] = "10.0.0.0/8:x"'
	refused 1 '/annotations/io.kist.egress' kist run -b "$T/b" "$ID"
	edit_bundle "$T/b" '.annotations["io.kist.egress"] = "10.0.0.0/8:80" |
		.process.capabilities.bounding += ["CAP_NET_RAW"]'
	refused 1 'with CAP_NET_RAW the container can go around it' kist run -b "$T/b" "$ID"
	edit_bundle "$T/b" '.process.capabilities.bounding -= ["CAP_NET_RAW"]'
	refused 1 'egress list .*it has none' kist --cgroup-manager disabled run -b "$T/b" "$ID"
}

@test "io.kist.egress: what exec starts in the container keeps to it, too" {
	make_bundle "$T/b" '.annotations["io.kist.egress"] = "127.0.0.1:7,192.0.2.0/24:80" |
		.process.args = ["sleep", "1000"]'
	detached kist create -b "$T/b" "$ID"
	kist start "$ID"
	run kist exec "$ID" nc -w 5 198.51.100.1 80 </dev/null
	[[ $output == *"Operation not permitted"* ]]
	run kist exec "$ID" nc -w 5 192.0.2.1 80 </dev/null
	[[ $output == *"Network is unreachable"* ]]
	run kist exec "$ID" ping -c 1 127.0.0.1
	[[ $output == *"permi"* ]]
	kist delete --force "$ID"
}

# At a rate of 8 bits a byte so much must take that long at least: a loaded machine only makes it longer.
slow_enough() { # BYTES RATE SECONDS
	awk -v bytes="$1" -v rate="$2" -v took="$3" 'BEGIN { exit !(took > 0.8 * (bytes - 40000) * 8 / rate) }'
}

@test "--net-rate: what is received and what is sent, each at its own rate" {
	make_network
	need_tbf
	head -c 300000 /dev/zero >"$ROOTFS/data"
	# From the server and to it, 300000 bytes each; 800 kbit take 2.6 seconds.
	give=$(at "$OUTSIDE" sh -c 'busybox nc -ll -p 90 -e head -c 300000 /dev/zero >/dev/null 2>&1 3>&- & echo $!')
	take=$(at "$OUTSIDE" sh -c 'busybox nc -ll -p 91 -e sh -c "wc -c" >/dev/null 2>&1 3>&- & echo $!')
	PIDS+=("$give" "$take")
	run job --net bridge --net-rate down=800kbit,up=1600kbit "$ROOTFS" -- sh -c '
		while ! nc 192.0.2.2 90 </dev/null >/tmp/got 2>/dev/null; do sleep 0.1; done
		now() { cut -d" " -f1 /proc/uptime; }
		a=$(now); nc 192.0.2.2 90 </dev/null | wc -c; b=$(now)
		nc 192.0.2.2 91 </data; c=$(now)
		echo "$a $b $c"'
	echo "$output"
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = 300000 ]
	[ "${lines[1]}" = 300000 ]
	read -r a b c <<<"${lines[2]}"
	slow_enough 300000 800000 "$(awk "BEGIN { print $b - $a }")"
	slow_enough 300000 1600000 "$(awk "BEGIN { print $c - $b }")"
	refused 125 'no interface whose rate' kist job run --net-rate up=1mbit "$ROOTFS" -- true
	refused 125 '--net-rate: "1mb" is no rate' kist job run --net bridge --net-rate up=1mb "$ROOTFS" -- true
}
