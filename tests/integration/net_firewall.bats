#!/usr/bin/env bats
# kist's tables, from records made by hand (firewall.bash): what passes between networks, lies on the
# wire, and tables that were tampered with.

load firewall.bash

setup_file() { world_up; }
teardown_file() { world_down; }

@test "containers reach their own network and the world; other networks, isolated neighbours, no" {
	not_in_vm
	begin
	hears 10.87.0.6 "$B" tcp 10.87.0.5 80
	hears fd00:87::6 "$B" tcp fd00:87::5 80
	hears 192.0.2.1 "$B" tcp 192.0.2.2 80
	hears 2001:db8::1 "$B" udp 2001:db8::2 80
	hears 10.87.0.6 "$B" tcp 10.87.0.1 80
	hears 10.87.0.1 "$HOST" tcp 10.87.0.5 80
	deaf "$B" tcp 10.90.0.7 80
	deaf "$C" tcp 10.87.0.5 80
	# Isolated: neither past the bridge's ports, nor by way of the host.
	hears 192.0.2.1 "$L" tcp 192.0.2.2 80
	deaf "$L" tcp 10.89.0.10 80
	at "$L" ip route add 10.89.0.10/32 via 10.89.0.1
	at "$M" ip route add 10.89.0.9/32 via 10.89.0.1
	deaf "$L" tcp 10.89.0.10 80
	at "$HOST" nft flush chain inet kist forward
	hears 10.89.0.9 "$L" tcp 10.89.0.10 80
	hears 10.87.0.6 "$B" tcp 10.90.0.7 80
	at "$L" ip route del 10.89.0.10/32 via 10.89.0.1
	at "$M" ip route del 10.89.0.9/32 via 10.89.0.1
}

@test "an internal network has no way out, none in, and none to the host's services" {
	begin 8080:80
	# Not even one way: an answer would not come back in any case.
	at "$LAN" nft 'table ip t { chain c { type filter hook prerouting priority raw; tcp dport 80 counter; }; }'
	deaf "$I" tcp 192.0.2.2 80
	at "$LAN" nft list table ip t | grep 'counter packets 0 '
	at "$LAN" nft delete table ip t
	deaf "$I" tcp 10.87.0.5 80
	deaf "$I" tcp 10.88.0.1 80
	deaf "$I" udp 192.0.2.1 80
	deaf "$I" tcp 192.0.2.1 8080
	deaf "$B" tcp 10.88.0.8 80
	at "$LAN" ip route replace 10.88.0.0/24 via 192.0.2.1
	at "$I" nft 'table ip t { chain c { type filter hook prerouting priority raw; ip saddr 192.0.2.2 counter; }; }'
	deaf "$LAN" tcp 10.88.0.8 80
	at "$I" nft list table ip t | grep 'counter packets 0 '
	at "$I" nft delete table ip t
	hears 10.88.0.1 "$HOST" tcp 10.88.0.8 80
	# Each way was shut by the chain that says so.
	at "$HOST" nft flush chain inet kist input
	hears 10.88.0.8 "$I" tcp 10.88.0.1 80
	at "$HOST" nft flush chain inet kist forward
	hears 192.0.2.1 "$I" tcp 192.0.2.2 80
	hears 192.0.2.2 "$LAN" tcp 10.88.0.8 80
}

# What they heard of each other while lies, or nothing at all, came through.
forget_neighbours() {
	at "$A" ip neigh flush dev eth0
	at "$HOST" ip neigh flush dev kist0
}

LIES='ip-source mac arp arp-mac arp-ether arp-kind vlan type redirect dhcp ip6-source ra redirect6 na-target
	dad-target dhcp6'

tell() { # KIND...: B tells it, about A, to A; "KIND heard" or "KIND dropped"
	fw spoof "$B" eth0 "$A" eth0 02:6b:0a:57:00:06 10.87.0.6 fd00:87::6 02:6b:0a:57:00:05 \
		10.87.0.5 fd00:87::5 "$@"
}

@test "frames that lie are not heard: addresses, MACs, ARP, advertisements, tags, DHCP" {
	begin
	# shellcheck disable=SC2086 # words
	tell $LIES | tee "$BATS_TEST_TMPDIR/said"
	[ "$(grep -c dropped "$BATS_TEST_TMPDIR/said")" = 16 ]
	# What is true is heard.
	tell arp-own na-own dad-own | tee "$BATS_TEST_TMPDIR/said"
	[ "$(grep -c heard "$BATS_TEST_TMPDIR/said")" = 3 ]
	# And it was the guards that kept the lies away; br_netfilter brings frames to inet as well.
	printf 'flush chain %s\n' 'bridge kist guard' 'bridge kist guard_arp' 'inet kist prerouting' |
		at "$HOST" nft -f -
	# shellcheck disable=SC2086
	tell $LIES | tee "$BATS_TEST_TMPDIR/said"
	[ "$(grep -c heard "$BATS_TEST_TMPDIR/said")" = 16 ]
	forget_neighbours
}

@test "a neighbour's ARP table is not changed by another, nor the host's" {
	not_in_vm
	begin
	hears 10.87.0.5 "$A" tcp 10.87.0.1 80
	hears 10.87.0.5 "$A" tcp 10.87.0.6 80
	before=$(at "$A" ip neigh show 10.87.0.1; at "$HOST" ip neigh show 10.87.0.6)
	gateway=$(mac_of "$HOST" kist0)
	[[ $before == *"$gateway"* ]]
	# An entry that is new is not overwritten for a second; here it is.
	at "$A" sh -c 'echo 0 >/proc/sys/net/ipv4/neigh/eth0/locktime'
	at "$HOST" sh -c 'echo 0 >/proc/sys/net/ipv4/neigh/kist0/locktime'
	# B says to A that the gateway is at B; and to the host that it has A's address.
	fw spoof "$B" eth0 "$A" eth0 02:6b:0a:57:00:06 10.87.0.6 :: 02:6b:0a:57:00:05 10.87.0.1 :: arp
	[[ $(at "$A" ip neigh show 10.87.0.1) == *"$gateway"* ]]
	fw spoof "$B" eth0 "$HOST" kist0 02:6b:0a:57:00:06 10.87.0.6 :: "$gateway" 10.87.0.5 :: arp
	[[ $(at "$HOST" ip neigh show 10.87.0.5) != *02:6b:0a:57:00:06* ]]
}

# To where only a bridge listens: LACP, 802.1X, LLDP.
for_bridges() { # PID SOURCE TARGET: a datagram for port 80 to each, and where a MAC is known to be then
	local last
	for last in 00 01 02 03 0e; do
		fw raw "$1" eth0 "01:80:c2:00:00:$last" "$2" "$3" 80
	done
}

@test "frames for a bridge itself are not the host's, past all rules, and teach it no MAC" {
	begin
	at "$HOST" nft 'table ip t { chain c { type filter hook prerouting priority -400; udp dport 80 counter; }; }'
	hears 10.87.0.5 "$A" udp 10.87.0.1 80
	for_bridges "$I" 203.0.113.7 10.88.0.1
	for_bridges "$I" 10.88.0.8 10.88.0.1
	at "$HOST" nft list table ip t | grep 'counter packets 1 '
	# B with A's MAC
	at "$B" ip link set eth0 address 02:6b:0a:57:00:05
	for_bridges "$B" 10.87.0.6 10.87.0.1
	at "$HOST" bridge fdb show br kist0 | grep -E '^02:6b:0a:57:00:05 dev kva '
	at "$HOST" nft list table ip t | grep 'counter packets 1 '
	# And it was the guard that kept them away.
	at "$HOST" nft flush chain bridge kist guard
	for_bridges "$B" 10.87.0.6 10.87.0.1
	at "$HOST" bridge fdb show br kist0 | grep -E '^02:6b:0a:57:00:05 dev kvb '
	for_bridges "$I" 10.88.0.8 10.88.0.1
	[[ $(at "$HOST" nft list table ip t) =~ 'counter packets '([0-9]+) ]]
	[ "${BASH_REMATCH[1]}" -ge 5 ]
	at "$B" ip link set eth0 address 02:6b:0a:57:00:06
	at "$HOST" nft delete table ip t
	hears 10.87.0.5 "$A" udp 10.87.0.1 80
	forget_neighbours
}

@test "a container under another's address is not heard outside, nor a stranger under a container's" {
	not_in_vm
	begin 5300:81/udp
	at "$B" ip addr add 10.87.0.99/32 dev lo
	deaf "$B" tcp 192.0.2.2 80 10.87.0.99
	at "$HOST" nft flush chain bridge kist prerouting
	at "$B" ip neigh flush dev eth0 # it asked for the gateway under that address, and was not heard
	deaf "$B" tcp 192.0.2.2 80 10.87.0.99
	at "$HOST" nft flush chain inet kist prerouting
	hears 192.0.2.1 "$B" tcp 192.0.2.2 80 10.87.0.99
	at "$B" ip addr del 10.87.0.99/32 dev lo
	begin 5300:81/udp
	at "$A" nft 'table ip t { chain c { type filter hook prerouting priority raw; udp dport 81 counter; }; }'
	uplink=$(mac_of "$HOST" uplink)
	fw raw "$LAN" eth0 "$uplink" 10.87.0.6 192.0.2.1 5300
	hears 192.0.2.2 "$LAN" udp 192.0.2.1 5300
	at "$A" nft list table ip t | grep 'udp dport 81 counter packets 1 '
	at "$HOST" nft flush chain inet kist prerouting
	fw raw "$LAN" eth0 "$uplink" 10.87.0.6 192.0.2.1 5300
	hears 192.0.2.2 "$LAN" udp 192.0.2.1 5300
	at "$A" nft list table ip t | grep 'udp dport 81 counter packets 3 '
	at "$A" nft flush ruleset
	# The same over IPv6; for the host itself.
	begin
	at "$LAN" ip addr add fd00:87::99/128 dev lo
	at "$HOST" nft 'table ip6 t { chain c { type filter hook prerouting priority -200; ip6 saddr fd00:87::99 counter; }; }'
	deaf "$LAN" udp 2001:db8::1 80 fd00:87::99
	at "$HOST" nft list table ip6 t | grep 'counter packets 0 '
	at "$HOST" nft flush chain inet kist prerouting
	deaf "$LAN" udp 2001:db8::1 80 fd00:87::99
	run at "$HOST" nft list table ip6 t
	[[ $output == *'counter packets '* && $output != *'counter packets 0 '* ]]
	at "$HOST" nft delete table ip6 t
	at "$LAN" ip addr del fd00:87::99/128 dev lo
}

@test "whatever is done to the tables is seen, and made good; other tables are left alone" {
	begin 8080:80
	fw whole "$RECORDS"
	at "$HOST" nft add table inet other
	fw whole "$RECORDS"
	for harm in 'flush ruleset' 'delete table bridge kist' 'flush chain inet kist forward' \
		'insert rule inet kist forward accept' 'flush set inet kist members4' \
		'delete element bridge kist pins4 { "kvb" . 02:6b:0a:57:00:06 . 10.87.0.6 }' \
		'add element inet kist within { "kbback" . "kist0" }' \
		'add table inet kist { flags dormant; }' \
		'delete element inet kist anywhere4 { tcp . 8080 }; add element inet kist anywhere4 { tcp . 8080 : 10.87.0.6 . 80 }'; do
		at "$HOST" nft "$harm"
		run fw whole "$RECORDS"
		echo "$harm: $status"
		[ "$status" = 1 ]
		fw replace "$RECORDS"
		fw whole "$RECORDS"
	done
	at "$HOST" nft add table inet other
	hears 192.0.2.2 "$LAN" tcp 192.0.2.1 8080
	fw remove
	[ "$(at "$HOST" nft list tables)" = "table inet other" ]
	fw remove
	run fw attach "$RECORDS" a
	[ "$status" = 3 ]
}

@test "elements come and go alone; what is gone already is no failure" {
	not_in_vm
	begin 8080:80
	before=$(at "$HOST" nft list ruleset)
	fw detach "$RECORDS" a
	deaf "$LAN" tcp 192.0.2.1 8080
	hears 192.0.2.1 "$B" tcp 192.0.2.2 80
	fw detach "$RECORDS" a
	fw attach "$RECORDS" a
	fw attach "$RECORDS" a
	forget_neighbours
	fw whole "$RECORDS"
	hears 192.0.2.2 "$LAN" tcp 192.0.2.1 8080
	at "$HOST" nft delete element inet kist anywhere4 '{ tcp . 8080 }'
	fw detach "$RECORDS" a
	fw drop "$RECORDS" inner
	fw drop "$RECORDS" inner
	[ "$(at "$HOST" nft list ruleset | grep -c '10\.87\.0\.5\|fd00:87::5\|kva\|"kbinner" }')" = 0 ]
	at "$HOST" nft flush ruleset
	fw detach "$RECORDS" a
}

@test "tables that kist did not make are refused and left alone" {
	not_in_vm
	begin
	for family in inet bridge; do
		at "$HOST" nft flush ruleset
		at "$HOST" nft "add table $family kist; add chain $family kist mine"
		run fw replace "$RECORDS"
		[ "$status" = 1 ]
		[[ $output == *"table $family kist that kist did not make"* ]]
		fw remove
		at "$HOST" nft list table $family kist | grep mine
	done
}
