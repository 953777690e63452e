#!/usr/bin/env bats
# kist net create --direct: what containers of a network send one another goes past the bridge, and
# nothing else does. A counter at the bridge's forward hook, of somebody else's, is the witness.

bats_require_minimum_version 1.5.0
load helpers
load runtime

setup() {
	need_root
	command -v ip nft tc >/dev/null || skip "needs Debian's iproute2 and nftables as witnesses"
	kist_setup
	export KIST_NETWORKS=$D/networks
	TOOLS=${KIST_BUILD:-$TOP/build}/tests/tools
	ID=${T##*.}
	make_bundle "$T/b"
	cd "$T/b"
	edit_bundle "$T/b" '.root.readonly = false'
	bundle_args "$T/b" sleep 1000
	PIDS=()
}
teardown() {
	[ ${#PIDS[@]} = 0 ] || kill "${PIDS[@]}" 2>/dev/null || true
	nft delete table bridge witness 2>/dev/null || true
	runtime_teardown
}

net() { "$KIST" --root "$ROOT" net "$@"; }
at() { nsenter --net="/proc/$1/ns/net" -- "${@:2}"; }
of() { net inspect "$1" | jq -r ".[0]$2"; }
start() { # NUMBER NET [ANNOTATION VALUE]: its pid is in P$1, and it serves
	jq --arg net "$2" --arg key "${3-x}" --arg value "${4-}" \
		'.annotations = { "io.kist.net": $net, ($key): $value }' config.json >new.json
	mv new.json config.json
	detached kist run -d "$ID-$1"
	printf -v "P$1" %s "$(pid_of "$ID-$1")"
	local pid=P$1
	PIDS+=("$(at "${!pid}" "$TOOLS/firewall-driver" serve 80)")
}
witness() { # counts TCP and UDP that the bridges forward
	nft 'table bridge witness { counter n { }; chain c { type filter hook forward priority 0;
		meta l4proto { tcp, udp } counter name n; }; }'
}
seen() { nft reset counter bridge witness n | sed -n 's/.*packets \([0-9]*\) .*/\1/p'; }
hears() { # EXPECTED PID PROTOCOL ADDRESS
	[ "$(at "$2" "$TOOLS/firewall-driver" ask "$3" "$4" 80)" = "$1" ]
}
two() {
	net create --direct --subnet 10.99.0.0/24 --subnet fd00:99::/64 back
	start 1 back,ip=10.99.0.11,ip6=fd00:99::11
	start 2 back,ip=10.99.0.12,ip6=fd00:99::12
	witness
}

@test "direct: TCP and UDP of both families go past the bridge; counted; lies, and what is not whole, do not" {
	two
	[ "$(of back '.Direct')" = true ]
	hears 10.99.0.12 "$P2" tcp 10.99.0.11
	hears fd00:99::11 "$P1" tcp fd00:99::12
	before=$(net stats --json back | jq -c '[sort_by(.name)[] | .rx_packets, .rx_bytes]')
	hears 10.99.0.11 "$P1" udp 10.99.0.12
	hears fd00:99::12 "$P2" udp fd00:99::11
	[ "$(seen)" = 0 ]
	after=$(net stats --json back | jq -c '[sort_by(.name)[] | .rx_packets, .rx_bytes]')
	jq -ne "$before as \$b | $after as \$a | \$a[0] >= \$b[0] + 2 and \$a[1] >= \$b[1] + 80 and \$a[2] >= \$b[2] + 2"
	# Also in a kernel that does not count it inside.
	bytes=$(net stats --json back | jq ".[] | select(.name == \"$ID-1\").rx_bytes")
	[ "$(kist events --stats "$ID-1" | jq '.data.network_interfaces[0].RxBytes')" -ge "$bytes" ]
	# What one sent and the other got is the same, once nothing is under way.
	sent=$(net stats --json back | jq -c "[.[] | .tx_bytes] | add")
	got=$(net stats --json back | jq -c "[.[] | .rx_bytes] | add")
	[ "$got" -ge $((sent * 9 / 10)) ]
	# Lies are for the bridge's guards, which drop them; so are a DHCP server's answers.
	"$TOOLS/firewall-driver" spoof "$P2" eth0 "$P1" eth0 02:6b:0a:63:00:0c 10.99.0.12 fd00:99::12 \
		02:6b:0a:63:00:0b 10.99.0.11 fd00:99::11 ip-source mac vlan dhcp ip6-source dhcp6 | tee said
	[ "$(grep -c dropped said)" = 6 ]
	# To the one's address and the other's MAC: the bridge decides.
	start 3 back,ip=10.99.0.13,ip6=fd00:99::13
	seen
	"$TOOLS/firewall-driver" raw "$P2" eth0 02:6b:0a:63:00:0d 10.99.0.12 10.99.0.11 80
	[ "$(seen)" -gt 0 ]
	# Without the program all goes over the bridge; reconcile brings it back, and leaves it.
	for interface in $(of back '.Containers[].HostInterface'); do
		tc filter show dev "$interface" ingress | grep kist_direct
		tc qdisc del dev "$interface" clsact
	done
	hears 10.99.0.12 "$P2" tcp 10.99.0.11
	[ "$(seen)" -gt 3 ]
	net reconcile
	net reconcile
	[ "$(tc filter show dev "$interface" ingress | grep -c 'kist_direct direct-action')" = 1 ]
	seen # what was under way yet
	hears 10.99.0.12 "$P2" tcp 10.99.0.11
	[ "$(seen)" = 0 ]
	# The last of all filters: those of others come before it.
	tc filter show dev "$interface" ingress | grep 'pref 65535 bpf.*kist_direct'
	for n in 1 2 3; do kist delete --force "$ID-$n"; done
}

@test "direct: who has a rate, a MAC of its own, or is on another network, is reached over the bridge or not at all" {
	two
	# A MAC with another's number takes nothing from that one, neither when it comes nor when it goes.
	start 3 back,ip=10.99.0.13,mac=02:6b:0a:63:00:0b
	net reconcile
	kist delete --force "$ID-3"
	hears 10.99.0.12 "$P2" tcp 10.99.0.11
	[ "$(seen)" = 0 ]
	start 3 back,ip=10.99.0.13,mac=02:00:00:00:00:07
	seen
	hears 10.99.0.12 "$P2" tcp 10.99.0.13
	[ "$(seen)" -gt 0 ]
	# A queue on the host's end: also one that comes later.
	interface=$(of back ".Containers[] | select(.Name == \"$ID-1\").HostInterface")
	tc qdisc add dev "$interface" root pfifo limit 100
	net reconcile
	hears 10.99.0.12 "$P2" tcp 10.99.0.11
	[ "$(seen)" -gt 0 ]
	tc qdisc del dev "$interface" root
	net reconcile
	# Another network has other ends.
	net create --direct --subnet 10.98.0.0/24 front
	start 4 front,ip=10.98.0.11
	at "$P1" nft 'table ip t { chain c { type filter hook prerouting priority raw; udp dport 80 counter; }; }'
	"$TOOLS/firewall-driver" raw "$P4" eth0 02:6b:0a:63:00:0b 10.98.0.11 10.99.0.11 80
	at "$P1" nft list table ip t | grep 'counter packets 0 '
	"$TOOLS/firewall-driver" raw "$P2" eth0 02:6b:0a:63:00:0b 10.99.0.12 10.99.0.11 80
	at "$P1" nft list table ip t | grep 'counter packets 1 '
	# IPv6 alone, and nothing leads out: who is who is told by the address's last bytes.
	net create --direct --internal --no-ipv4 --subnet fd00:97::/64 six
	start 5 six,ip6=fd00:97::15
	start 6 six,ip6=fd00:97::16
	seen
	hears fd00:97::16 "$P6" tcp fd00:97::15
	[ "$(seen)" = 0 ]
	[ "$(net stats --json six | jq '[.[].rx_packets] | min > 2')" = true ]
	for n in 1 2 3 4 5 6; do kist delete --force "$ID-$n"; done
}

@test "direct: one that has gone is delivered to no more, nor who has its interface's number; what is left is nothing" {
	local other index before
	before=$(ip -o link | sed 's/ state .*//; s/<.*>//'; find /run/kist -path '*.net*' 2>/dev/null || true)
	two
	index=$(cat "/sys/class/net/$(of back ".Containers[] | select(.Name == \"$ID-1\").HostInterface")/ifindex" ||
		ip -o link show "$(of back ".Containers[] | select(.Name == \"$ID-1\").HostInterface")" | cut -d: -f1)
	hears 10.99.0.12 "$P2" tcp 10.99.0.11
	kill -KILL "$P1" "${PIDS[0]}"
	wait_until 30 none test -e "/proc/$P1"
	wait_until 30 none sh -c "ip -o link | grep -q '^$index: '"
	other=$("$TOOLS/net-driver" namespace)
	PIDS+=("$other")
	ip link add kvother index "$index" type veth peer name eth0 netns "$other"
	ip link set kvother up
	at "$other" ip link set eth0 address 02:6b:0a:63:00:0b up
	at "$other" ip addr add 10.99.0.11/24 dev eth0
	at "$other" nft 'table ip t { chain c { type filter hook prerouting priority raw; udp dport 80 counter; }; }'
	"$TOOLS/firewall-driver" raw "$P2" eth0 02:6b:0a:63:00:0b 10.99.0.12 10.99.0.11 80
	at "$other" nft list table ip t | grep 'counter packets 0 '
	ip link del kvother
	kist delete --force "$ID-1"
	# Connected while it runs, and taken off again.
	start 1 back,ip=10.99.0.11
	net disconnect back "$ID-1"
	net connect --ip 10.99.0.11 back "$ID-1"
	seen
	hears 10.99.0.12 "$P2" tcp 10.99.0.11
	[ "$(seen)" = 0 ]
	kist delete --force "$ID-1"
	kist delete --force "$ID-2"
	diff <(echo "$before") <(ip -o link | sed 's/ state .*//; s/<.*>//'; find /run/kist -path '*.net*' 2>/dev/null || true)
}

@test "direct: where nothing can be delivered, or the kernel does not, it is refused in one line" {
	while read -r words; do
		run -1 --separate-stderr net create $words
		echo "$words: $stderr"
		[ "$(grep -cv '^fix: ' <<<"$stderr")" = 1 ]
		[[ $stderr == *--direct* ]]
	done <<-'EOF2'
		--direct --isolated front
		--direct --driver macvlan --parent lo --subnet 10.97.0.0/24 front
	EOF2
	refuse=$TOP/build/tools/refuse
	[ -x "$refuse" ] || "$TOP/tests/tools/build.sh" refuse
	run -1 --separate-stderr "$refuse" EPERM bpf "$KIST" --root "$ROOT" net create --direct front
	[[ $stderr == *'--direct'*'Operation not permitted'*'fix: '*'without --direct'* ]]
	[ "$(net ls -q)" = bridge ]
	[ "$(of bridge .Direct)" = false ]
}
