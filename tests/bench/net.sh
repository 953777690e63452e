#!/bin/bash
# net.sh - what it costs to put a container on a network: kist beside the same done with ip and nft,
# and, with a published port, beside CNI's bridge and portmap plugins and netavark; the last of many
# beside the first; what goes through, to a neighbour (also on a network made with --direct) and to a
# published port, beside a bare veth pair and a bridge without rules; and how many names a second are
# answered, beside dnsmasq.
#
# usage: net.sh [-r ROUNDS] [-n CONTAINERS]
#
# A network namespace of our own stands for the host, so that nothing of the machine's network is
# seen or touched; a sleeping process in another stands for each container. In each round each of
# them attaches one container, and each round begins with the next. What is held against each other
# are whole programs, from their start to their end.
# The results go to build/bench-net.json. PEERS=0: without those that must be fetched.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
repo=$(cd "$here/../.." && pwd)
[ "$(id -u)" = 0 ] || { echo "bench-net: needs root (network namespaces)" >&2; exit 2; }
if [ -z "${KIST_BENCH_NET-}" ]; then
	for peer in containernetworking-plugins:bridge containernetworking-plugins:host-local \
		containernetworking-plugins:portmap netavark iptables:xtables-nft-multi iperf3 \
		dnsmasq-base:dnsmasq; do
		[ "${PEERS-1}" = 0 ] || "$repo/tests/peers.sh" $peer >/dev/null 2>&1 ||
			echo "bench-net: note: no ${peer#*:} of Debian's" >&2
	done
	KIST_BENCH_NET=1 exec unshare --net --mount --propagation private "$0" "$@"
fi
rounds=20 containers=500
while [ $# -ge 2 ]; do
	case $1 in
	-r) rounds=$2 ;;
	-n) containers=$2 ;;
	*) break ;;
	esac
	shift 2
done
[ $# = 0 ] || { echo "usage: net.sh [-r ROUNDS] [-n CONTAINERS]" >&2; exit 2; }

driver=$repo/build/tests/tools/net-driver
dns_driver=$repo/build/tests/tools/dns-driver
cni=$repo/build/peers/usr/lib/cni
netavark=$repo/build/peers/usr/lib/podman/netavark
iperf=$repo/build/peers/bin/iperf3
dnsmasq=$repo/build/peers/bin/dnsmasq
# For portmap's and netavark's iptables.
[ ! -x "$repo/build/peers/bin/iptables" ] || PATH=$repo/build/peers/bin:$PATH
tmp=$(mktemp -d /dev/shm/bench-net.XXXXXX)
pids=()
trap 'clean_up' EXIT
trap 'exit 1' INT TERM
clean_up() {
	[ ${#pids[@]} = 0 ] || kill -KILL "${pids[@]}" 2>/dev/null || true
	rm -rf "$tmp"
}
ip link set lo up

namespace() { # VARIABLE
	local pid
	pid=$("$driver" namespace)
	pids+=("$pid")
	printf -v "$1" %s "$pid"
}
inside() { nsenter --net="/proc/$1/ns/net" -- "${@:2}"; }
took() { # CMD... - microseconds into $us
	local from=${EPOCHREALTIME/[.,]/} to
	"$@" >"$tmp/out" 2>&1 || { echo "bench-net: failed: $*" >&2; cat "$tmp/out" >&2; exit 1; }
	to=${EPOCHREALTIME/[.,]/}
	us=$((to - from))
}
median() { sort -n | awk '{ a[NR] = $1 } END { print (a[int((NR + 1) / 2)] + a[int(NR / 2 + 1)]) / 2 }'; }
ratio() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.2f", a / b }'; }

# --- who takes part -------------------------------------------------------------------------

by_kist() { "$driver" -d "$tmp/store" attach "$1" "$2"; }
port=20000 # of all that publish one
by_kistp() { "$driver" -d "$tmp/store" -p "$port:80" attach "$1" "$2"; }

# What kist does, a program for each step: bridge and table are there already.
by_hand_begin() {
	ip link add hand0 type bridge
	ip addr add 10.99.0.1/16 dev hand0
	ip link set hand0 up
	nft 'table inet hand {
		set members { type ifname . ipv4_addr; }
		chain forward { type filter hook forward priority filter; iifname . ip saddr @members accept; }
		chain postrouting { type nat hook postrouting priority srcnat;
			ip saddr 10.99.0.0/16 oifname != "hand0" masquerade; }
	}'
}
hand_number=0
by_hand() {
	local name=vh$hand_number address=10.99.$((hand_number / 250 + 1)).$((hand_number % 250 + 1))
	ip link add "$name" up master hand0 type veth peer name eth0 netns "$2"
	ip link set "$name" alias "hand:$1"
	nft add element inet hand members "{ \"$name\" . $address }"
	nsenter --net="/proc/$2/ns/net" ip addr add "$address/16" dev eth0
	nsenter --net="/proc/$2/ns/net" ip link set eth0 up
	nsenter --net="/proc/$2/ns/net" ip route add default via 10.99.0.1
	ln -s "$1" "$tmp/lease-$address"
}

by_cni() {
	local made
	export CNI_COMMAND=ADD CNI_CONTAINERID=$1 CNI_NETNS=/proc/$2/ns/net CNI_IFNAME=eth0 CNI_PATH=$cni
	made=$("$cni/bridge" <<-END
		{ "cniVersion": "0.4.0", "name": "bench", "type": "bridge", "bridge": "cni0",
		  "isGateway": true, "ipMasq": true, "ipam": { "type": "host-local",
		  "dataDir": "$tmp/cni", "ranges": [[{ "subnet": "10.98.0.0/16" }]],
		  "routes": [{ "dst": "0.0.0.0/0" }] } }
	END
	)
	"$cni/portmap" <<-END
		{ "cniVersion": "0.4.0", "name": "bench", "type": "portmap", "runtimeConfig": { "portMappings":
		  [{ "hostPort": $port, "containerPort": 80, "protocol": "tcp" }] }, "prevResult": $made }
	END
}

netavark_number=0
by_netavark() {
	local address=10.95.$((netavark_number / 250 + 1)).$((netavark_number % 250 + 1))
	"$netavark" --config "$tmp/netavark" setup "/proc/$2/ns/net" <<-END
		{ "container_id": "$1", "container_name": "$1", "networks": { "bench": { "static_ips":
		  ["$address"], "interface_name": "eth0" } }, "port_mappings": [{ "container_port": 80,
		  "host_port": $port, "protocol": "tcp", "host_ip": "", "range": 1 }], "network_info":
		  { "bench": { "name": "bench", "driver": "bridge", "network_interface": "nv0", "id":
		  "2f259bab93aaaaa2542ba43ef33eb990d0999ee1b9924b557b7be53c0b7a1bb9", "subnets":
		  [{ "subnet": "10.95.0.0/16", "gateway": "10.95.0.1" }], "ipv6_enabled": false, "internal":
		  false, "dns_enabled": false, "ipam_options": { "driver": "host-local" }, "options": {},
		  "created": "2024-01-01T00:00:00Z" } } }
	END
}

# --- attach -----------------------------------------------------------------------------------

attach() {
	local who=(kist kistp hand) n=0 i turn guest
	if [ -x "$repo/build/peers/bin/iptables" ]; then
		[ ! -x "$cni/portmap" ] || who+=(cni)
		[ ! -x "$netavark" ] || who+=(netavark)
		mkdir "$tmp/netavark"
	fi
	by_hand_begin
	# One of each before the rounds, so that bridges and tables are there.
	for ((n = 0; n <= rounds; n++)); do
		for ((i = 0; i < ${#who[@]}; i++)); do
			turn=${who[(n + i) % ${#who[@]}]}
			namespace guest
			port=$((port + 1))
			took "by_$turn" "$turn-$n" "$guest"
			hand_number=$((hand_number + 1)) netavark_number=$((netavark_number + 1))
			[ $n = 0 ] || echo "$us" >>"$tmp/us.$turn"
		done
	done
}

many() { # the last ones of many on one network
	local guest n
	rm -f "$tmp/us.first" "$tmp/us.last"
	for ((n = 0; n < containers; n++)); do
		namespace guest
		took by_kist "many-$n" "$guest"
		[ $n -ge "$rounds" ] || echo "$us" >>"$tmp/us.first"
		[ $n -lt $((containers - rounds)) ] || echo "$us" >>"$tmp/us.last"
	done
}

# --- throughput -------------------------------------------------------------------------------

# A processor for each end: where the kernel puts them makes more of a difference than what is between.
gbits() { # SERVER-PID CLIENT-PID ADDRESS
	local server
	inside "$1" taskset -c 0 "$iperf" -s -1 >/dev/null 2>&1 &
	server=$!
	until inside "$1" ss -ltn | grep -q :5201; do sleep 0.02; done
	inside "$2" taskset -c 1 "$iperf" -c "$3" -t 1 -J | jq .end.sum_received.bits_per_second/1e9
	kill "$server" 2>/dev/null || true
	wait "$server" || true
}
end() { # NAME PID|- ADDRESS: one end of a pair; - for the host
	local at=()
	if [ "$2" != - ]; then
		ip link set "$1" netns "$2"
		at=(inside "$2")
	fi
	"${at[@]}" ip addr add "$3" dev "$1"
	"${at[@]}" ip link set "$1" up
}

throughput() {
	local a b c d e f g h lan n direct=
	for n in a b c d e f g h lan; do namespace "$n"; done
	"$driver" -d "$tmp/store" -p 5201:5201 attach through-a "$a"
	by_kist through-b "$b"
	# Past the bridge, where the kernel can.
	export KIST_NETWORKS=$tmp/networks
	if "$repo/build/kist" net create --direct --subnet 10.94.0.0/24 direct >/dev/null; then
		direct=10.94.0.5
		"$driver" -d "$tmp/store" -n "direct,names=no,ip=$direct" attach through-g "$g"
		"$driver" -d "$tmp/store" -n direct,names=no attach through-h "$h"
	fi
	# A bare pair; a bridge without rules, of as many namespaces; somebody outside.
	ip link add bare0 type veth peer name bare1
	end bare0 "$c" 10.97.0.1/24
	end bare1 "$d" 10.97.0.2/24
	ip link add uplink type veth peer name lan
	end uplink - 192.0.2.1/24
	end lan "$lan" 192.0.2.2/24
	ip link add plain0 up type bridge
	for n in e f; do
		ip link add "plain$n" up master plain0 type veth peer name eth0 netns "${!n}"
		inside "${!n}" ip link set eth0 up
	done
	inside "$e" ip addr add 10.96.0.1/24 dev eth0
	inside "$f" ip addr add 10.96.0.2/24 dev eth0
	n=$("$driver" -d "$tmp/store" address through-a)
	for _ in {1..7}; do
		gbits "$c" "$d" 10.97.0.1 >>"$tmp/through.veth"
		gbits "$a" "$b" "$n" >>"$tmp/through.kist"
		[ -z "$direct" ] || gbits "$g" "$h" "$direct" >>"$tmp/through.direct"
		gbits "$e" "$f" 10.96.0.1 >>"$tmp/through.bridge"
		gbits "$a" "$lan" 192.0.2.1 >>"$tmp/through.published"
		gbits "$a" $$ 192.0.2.1 >>"$tmp/through.itself"
	done
}

# --- names ------------------------------------------------------------------------------------

# Each server has one processor, the asker another.
names() {
	local a b server masq n who
	[ "$(nproc)" -ge 2 ] || return 0
	namespace a
	namespace b
	inside "$a" "$driver" loopback
	inside "$b" "$driver" loopback
	mkdir "$tmp/dns"
	[ -e "${dns_driver%/*}/kist-dns" ] || ln -sfn ../../kist-dns "${dns_driver%/*}/kist-dns"
	"$dns_driver" -d "$tmp/dns/net" attach back web "$a" 10.1.0.2 web
	server=$("$dns_driver" -d "$tmp/dns/net" status back | cut -d ' ' -f 1)
	inside "$b" "$dnsmasq" -k -u root -C /dev/null --no-resolv --no-hosts --host-record=web,10.1.0.2 \
		--listen-address=127.0.0.11 --bind-interfaces --pid-file="$tmp/dnsmasq.pid" >/dev/null 2>&1 &
	until [ -s "$tmp/dnsmasq.pid" ]; do
		kill -0 $! || return 0
		sleep 0.05
	done
	masq=$(<"$tmp/dnsmasq.pid")
	pids+=("$masq" "$server")
	taskset -pc 1 "$server" >/dev/null
	taskset -pc 1 "$masq" >/dev/null
	for n in 1 2 3; do
		inside "$a" taskset -c 0 "$dns_driver" flood 127.0.0.11 web 1 >>"$tmp/names.kist"
		inside "$b" taskset -c 0 "$dns_driver" flood 127.0.0.11 web 1 >>"$tmp/names.dnsmasq"
	done
}

# --- what came of it --------------------------------------------------------------------------

result='{}'
# row KEY FORMAT FILE FILE: their medians and the ratio of these
row() {
	local x y r
	[ -s "$3" ] && [ -s "$4" ] || return 0
	x=$(median <"$3") y=$(median <"$4") r=$(ratio "$x" "$y")
	# shellcheck disable=SC2059 # the row's own
	printf "bench-net: $2 (%s)\n" "$x" "$y" "$r"
	result=$(jq --arg key "$1" --argjson value "$r" '. + { ($key): $value }' <<<"$result")
}

# The peers' many rules come last.
if [ -x "$iperf" ]; then
	throughput
	row throughput_of_veth 'through %6.1f Gbit/s to a neighbour, %6.1f a bare pair' "$tmp"/through.{kist,veth}
	row direct_of_veth 'through %6.1f Gbit/s to a neighbour with --direct, %6.1f a bare pair' "$tmp"/through.{direct,veth}
	row throughput_of_bridge 'through %6.1f Gbit/s to a neighbour, %6.1f a bridge without rules' "$tmp"/through.{kist,bridge}
	row published_of_veth 'through %6.1f Gbit/s to a published port, %6.1f a bare pair' "$tmp"/through.{published,veth}
	row published_itself_of_veth 'through %6.1f Gbit/s to a published port from the host itself, %6.1f a bare pair' \
		"$tmp"/through.{itself,veth}
fi
if [ -x "$dnsmasq" ] && [ -x "$dns_driver" ]; then
	names
	row names_of_dnsmasq 'names %9.0f a second by kist-dns, %9.0f by dnsmasq' "$tmp"/names.{kist,dnsmasq}
fi
many
row last_of_first "attach %9.0f us the last of $containers, %9.0f the first" "$tmp"/us.{last,first}
attach
row attach_of_hand 'attach %9.0f us by kist, %9.0f by ip and nft' "$tmp"/us.{kist,hand}
row attach_of_cni 'attach %9.0f us by kist with a port, %9.0f by CNI bridge and portmap' "$tmp"/us.{kistp,cni}
row attach_of_netavark 'attach %9.0f us by kist with a port, %9.0f by netavark' "$tmp"/us.{kistp,netavark}
echo "$result" >"$repo/build/bench-net.json"
