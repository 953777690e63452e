#!/bin/bash
# net.sh - what it costs to put a container on a network: kist beside the same done with ip and nft,
# and beside CNI's bridge plugin; the last of many beside the first; and what goes through.
#
# usage: net.sh [-r ROUNDS] [-n CONTAINERS]
#
# A network namespace of our own stands for the host, so that nothing of the machine's network is
# seen or touched; a sleeping process in another stands for each container. In each round each of
# them attaches one container, and each round begins with the next. What is held against each other
# are whole programs, from their start to their end. CNI's bridge plugin sets no firewall rules
# (Debian's portmap and firewall plugins need iptables): it has less to do.
# The results go to build/bench-net.json. PEERS=0: without those that must be fetched.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
repo=$(cd "$here/../.." && pwd)
[ "$(id -u)" = 0 ] || { echo "bench-net: needs root (network namespaces)" >&2; exit 2; }
if [ -z "${KIST_BENCH_NET-}" ]; then
	for peer in containernetworking-plugins:bridge containernetworking-plugins:host-local iperf3; do
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
cni=$repo/build/peers/usr/lib/cni
iperf=$repo/build/peers/bin/iperf3
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
	CNI_COMMAND=ADD CNI_CONTAINERID=$1 CNI_NETNS=/proc/$2/ns/net CNI_IFNAME=eth0 CNI_PATH=$cni \
		"$cni/bridge" <<-END
			{ "cniVersion": "0.4.0", "name": "bench", "type": "bridge", "bridge": "cni0",
			  "isGateway": true, "ipMasq": false, "ipam": { "type": "host-local",
			  "dataDir": "$tmp/cni", "ranges": [[{ "subnet": "10.98.0.0/16" }]],
			  "routes": [{ "dst": "0.0.0.0/0" }] } }
		END
}

# --- attach -----------------------------------------------------------------------------------

attach() {
	local who=(kist hand) n=0 i turn guest
	[ ! -x "$cni/bridge" ] || [ ! -x "$cni/host-local" ] || who+=(cni)
	by_hand_begin
	# One of each before the rounds, so that bridges and tables are there.
	for ((n = 0; n <= rounds; n++)); do
		for ((i = 0; i < ${#who[@]}; i++)); do
			turn=${who[(n + i) % ${#who[@]}]}
			namespace guest
			took "by_$turn" "$turn-$n" "$guest"
			[ "$turn" != hand ] || hand_number=$((hand_number + 1))
			[ $n = 0 ] || echo "$us" >>"$tmp/us.$turn"
		done
	done
	us_kist=$(median <"$tmp/us.kist")
	us_hand=$(median <"$tmp/us.hand")
	[ ! -e "$tmp/us.cni" ] || us_cni=$(median <"$tmp/us.cni")
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
	us_first=$(median <"$tmp/us.first")
	us_last=$(median <"$tmp/us.last")
}

# --- throughput -------------------------------------------------------------------------------

gbits() { # SERVER-PID CLIENT-PID ADDRESS
	local server
	nsenter --net="/proc/$1/ns/net" "$iperf" -s -1 >/dev/null 2>&1 &
	server=$!
	until nsenter --net="/proc/$1/ns/net" ss -ltn | grep -q :5201; do sleep 0.02; done
	nsenter --net="/proc/$2/ns/net" "$iperf" -c "$3" -t 2 -J | jq .end.sum_received.bits_per_second/1e9
	kill "$server" 2>/dev/null || true
}

throughput() {
	local a b c d n
	namespace a
	namespace b
	namespace c
	namespace d
	by_kist through-a "$a"
	by_kist through-b "$b"
	nsenter --net="/proc/$c/ns/net" ip link add eth0 type veth peer name eth0 netns "$d"
	nsenter --net="/proc/$c/ns/net" ip addr add 10.97.0.1/24 dev eth0
	nsenter --net="/proc/$d/ns/net" ip addr add 10.97.0.2/24 dev eth0
	nsenter --net="/proc/$c/ns/net" ip link set eth0 up
	nsenter --net="/proc/$d/ns/net" ip link set eth0 up
	for n in 1 2 3; do
		gbits "$a" "$b" "$("$driver" -d "$tmp/store" address through-a)" >>"$tmp/through.kist"
		gbits "$c" "$d" 10.97.0.1 >>"$tmp/through.veth"
	done
}

attach
printf 'bench-net: attach %9.0f us by kist, %9.0f by ip and nft (%s)\n' "$us_kist" "$us_hand" "$(ratio "$us_kist" "$us_hand")"
[ -z "${us_cni-}" ] ||
	printf 'bench-net: attach %9.0f us by kist, %9.0f by CNI bridge (%s)\n' "$us_kist" "$us_cni" "$(ratio "$us_kist" "$us_cni")"
many
printf 'bench-net: attach %9.0f us, the last of %d, %9.0f the first (%s)\n' "$us_last" "$containers" "$us_first" "$(ratio "$us_last" "$us_first")"
through=null of_cni=null
[ -z "${us_cni-}" ] || of_cni=$(ratio "$us_kist" "$us_cni")
if [ -x "$iperf" ]; then
	throughput
	kist=$(median <"$tmp/through.kist") veth=$(median <"$tmp/through.veth") through=$(ratio "$kist" "$veth")
	printf 'bench-net: through %6.1f Gbit/s container to container, %6.1f a bare pair (%s)\n' "$kist" "$veth" "$through"
fi
jq -n --argjson hand "$(ratio "$us_kist" "$us_hand")" --argjson many "$(ratio "$us_last" "$us_first")" \
	--argjson cni "$of_cni" --argjson through "$through" \
	'{attach_of_hand: $hand, attach_of_cni: $cni, last_of_first: $many, throughput_of_veth: $through}' \
	>"$repo/build/bench-net.json"
