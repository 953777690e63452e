# A small world for net_firewall.bats and net_publish.bats, from network namespaces alone: a HOST with
# four of kist's networks, made by hand and filtered by kist, containers on them, and a LAN host.
#
#   LAN 192.0.2.2, 2001:db8::2 -- uplink 192.0.2.1, 2001:db8::1 HOST
#     kist0    10.87.0.1/24, fd00:87::1/64   A (.5), B (.6)
#     kbback   10.90.0.1/24                  C (.7)
#     kbinner  10.88.0.1/24                  I (.8)         internal
#     kblone   10.89.0.1/24                  L (.9), M (.10) isolated
#
# Everybody serves the ports 80 to 82 over TCP and UDP, and answers with the asker's address.

world_up() {
	cd "$BATS_TEST_DIRNAME/../.." || return 1
	export FIREWALL=${KIST_BUILD:-$PWD/build}/tests/tools/firewall-driver
	export NET=${FIREWALL%/*}/net-driver
	export RECORDS=$BATS_FILE_TMPDIR/records WORLD=$BATS_FILE_TMPDIR/world
	[ "$(id -u)" = 0 ] && command -v ip nft >/dev/null || return 0
	[ -x "$FIREWALL" ] || { echo "no $FIREWALL: make build-tests"; return 1; }
	local name
	for name in HOST LAN A B C I L M; do
		echo "$name=$("$NET" namespace)"
	done >"$WORLD"
	. "$WORLD"
	host_up
	container_up "$A" 10.87.0.5/24 10.87.0.1 fd00:87::5/64 fd00:87::1
	container_up "$B" 10.87.0.6/24 10.87.0.1 fd00:87::6/64 fd00:87::1
	container_up "$C" 10.90.0.7/24 10.90.0.1
	container_up "$I" 10.88.0.8/24 10.88.0.1
	container_up "$L" 10.89.0.9/24 10.89.0.1
	container_up "$M" 10.89.0.10/24 10.89.0.1
	printf '%s\n' 'addr add 192.0.2.2/24 dev eth0' 'addr add 2001:db8::2/64 dev eth0 nodad' \
		'link set eth0 up' 'link set lo up' | at "$LAN" ip -batch -
	at "$HOST" sh -c 'for f in ipv4/ip_forward ipv6/conf/all/forwarding; do echo 1 >/proc/sys/net/$f; done
		echo 0 >/proc/sys/net/ipv4/conf/all/rp_filter'
	for name in HOST LAN A B C I L M; do
		echo "SERVER_$name=$(at "${!name}" "$FIREWALL" serve 80 81 82)"
	done >>"$WORLD"
}

host_up() {
	local at_end="type veth peer name eth0"
	at "$HOST" ip -batch - <<-EOF
		link set lo up
		link add uplink $at_end netns $LAN
		addr add 192.0.2.1/24 dev uplink
		addr add 192.0.2.3/24 dev uplink
		addr add 2001:db8::1/64 dev uplink nodad
		link set uplink up
		link add kist0 up type bridge group_fwd_mask 0xfff8
		addr add 10.87.0.1/24 dev kist0
		addr add fd00:87::1/64 dev kist0 nodad
		link add kbback up type bridge group_fwd_mask 0xfff8
		addr add 10.90.0.1/24 dev kbback
		link add kbinner up type bridge group_fwd_mask 0xfff8
		addr add 10.88.0.1/24 dev kbinner
		link add kblone up type bridge group_fwd_mask 0xfff8
		addr add 10.89.0.1/24 dev kblone
		link add kva up master kist0 $at_end address 02:6b:0a:57:00:05 netns $A
		link add kvb up master kist0 $at_end address 02:6b:0a:57:00:06 netns $B
		link add kvc up master kbback $at_end address 02:6b:0a:5a:00:07 netns $C
		link add kvi up master kbinner $at_end address 02:6b:0a:58:00:08 netns $I
		link add kvl up master kblone $at_end address 02:6b:0a:59:00:09 netns $L
		link add kvm up master kblone $at_end address 02:6b:0a:59:00:0a netns $M
		link set kvl type bridge_slave isolated on
		link set kvm type bridge_slave isolated on
	EOF
}

container_up() { # PID ADDRESS GATEWAY [ADDRESS6 GATEWAY6]
	{
		printf '%s\n' "addr add $2 dev eth0" 'link set lo up' 'link set eth0 up' \
			"route add default via $3"
		[ -z "${4-}" ] || printf '%s\n' "addr add $4 dev eth0 nodad" "route add default via $5"
	} | at "$1" ip -batch -
}

not_in_vm() { [ -z "${KIST_IN_VM-}" ] || skip "natively: minutes under TCG"; }

world_down() {
	[ ! -e "${WORLD-}" ] || kill -KILL $(sed 's/.*=//' "$WORLD") 2>/dev/null || true
}

# Before each test: the records, with the published ports given for A, and the tables made of them.
begin() { # [PUBLISHED...]
	[ "$(id -u)" = 0 ] || skip "needs root: network namespaces"
	command -v ip nft >/dev/null || skip "needs Debian's iproute2 and nftables as witnesses"
	. "$WORLD"
	cat >"$RECORDS" <<-EOF
		network bridge kist0 10.87.0.0/24 fd00:87::/64
		network back kbback 10.90.0.0/24 -
		network inner kbinner 10.88.0.0/24 - internal
		network lone kblone 10.89.0.0/24 - isolated
		endpoint a bridge kva 02:6b:0a:57:00:05 10.87.0.5 fd00:87::5 $*
		endpoint b bridge kvb 02:6b:0a:57:00:06 10.87.0.6 fd00:87::6
		endpoint c back kvc 02:6b:0a:5a:00:07 10.90.0.7 -
		endpoint i inner kvi 02:6b:0a:58:00:08 10.88.0.8 -
		endpoint l lone kvl 02:6b:0a:59:00:09 10.89.0.9 -
		endpoint m lone kvm 02:6b:0a:59:00:0a 10.89.0.10 -
	EOF
	at "$HOST" nft flush ruleset
	fw replace "$RECORDS"
}

at() { nsenter --net="/proc/$1/ns/net" -- "${@:2}"; }
fw() { at "$HOST" "$FIREWALL" "$@"; }
mac_of() { at "$1" ip -br link show dev "$2" | awk '{ print $3 }'; }
ask() { at "$1" "$FIREWALL" ask "${@:2}"; } # PID tcp|udp ADDRESS PORT [SOURCE]
hears() { # ANSWER PID tcp|udp ADDRESS PORT [SOURCE]
	run ask "${@:2}"
	echo "${*:2}: $output"
	[ "$status" = 0 ] && [ "$output" = "$1" ]
}
deaf() { # PID tcp|udp ADDRESS PORT [SOURCE]
	# Never too short for a right answer, only for seeing a wrong one: and that one was seen, with
	# the guard taken away.
	PATIENCE_MS=300 run ask "$@"
	echo "$*: $output"
	[ "$status" = 1 ]
}
