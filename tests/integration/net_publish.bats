#!/usr/bin/env bats
# Published ports, from records made by hand (firewall.bash): who reaches them, and who does not.

load firewall.bash

setup_file() { world_up; }
teardown_file() { world_down; }

@test "a published port is reached from the LAN, the host and containers, and the client's address stays" {
	begin 8080:80 5300-5301:81-82/udp
	hears 192.0.2.2 "$LAN" tcp 192.0.2.1 8080
	hears 192.0.2.2 "$LAN" udp 192.0.2.1 5300
	hears 192.0.2.2 "$LAN" udp 192.0.2.3 5301
	hears 2001:db8::2 "$LAN" tcp 2001:db8::1 8080
	hears 2001:db8::2 "$LAN" udp 2001:db8::1 5301
	# The host itself: over an address of its own, and over loopback, for which the gateway stands in.
	hears 192.0.2.1 "$HOST" tcp 192.0.2.1 8080
	hears 10.87.0.1 "$HOST" tcp 127.0.0.1 8080
	hears 10.87.0.1 "$HOST" udp 127.0.0.1 5300
	hears 2001:db8::1 "$HOST" tcp 2001:db8::1 8080
	# Containers: of another network as they are; of the same one the gateway stands in, or the
	# answer would go past it.
	hears 10.90.0.7 "$C" tcp 192.0.2.1 8080
	hears 10.87.0.1 "$B" tcp 192.0.2.1 8080
	hears 10.87.0.1 "$B" udp 10.87.0.1 5301
	hears fd00:87::1 "$B" tcp 2001:db8::1 8080
	# Its own: br_netfilter would have the bridge send it back through the port it came from.
	[ "$(at "$HOST" cat /proc/sys/net/bridge/bridge-nf-call-iptables 2>/dev/null)" = 1 ] ||
		hears 10.87.0.1 "$A" tcp 192.0.2.1 8080
}

@test "what is not published is not reached: ports, protocols, the container's own address" {
	not_in_vm
	begin 8080:80 5300:81/udp
	at "$LAN" ip route replace 10.87.0.0/24 via 192.0.2.1
	at "$LAN" ip route replace fd00:87::/64 via 2001:db8::1
	deaf "$LAN" tcp 192.0.2.1 8081
	deaf "$LAN" udp 192.0.2.1 8080
	deaf "$LAN" tcp 192.0.2.1 5300
	deaf "$LAN" tcp 10.87.0.5 80
	deaf "$LAN" tcp 10.87.0.5 8080
	deaf "$LAN" tcp fd00:87::5 80
	deaf "$LAN" udp 10.87.0.5 81
	deaf "$C" tcp 10.87.0.5 80
	# It was kist's table that stopped it.
	at "$HOST" nft flush chain inet kist forward
	hears 192.0.2.2 "$LAN" tcp 10.87.0.5 80
	hears 2001:db8::2 "$LAN" tcp fd00:87::5 80
	hears 10.90.0.7 "$C" tcp 10.87.0.5 80
}

@test "published on one address of the host, it is reached on that one alone" {
	not_in_vm
	begin 192.0.2.3:8080:80 '[2001:db8::1]:8081:81'
	hears 192.0.2.2 "$LAN" tcp 192.0.2.3 8080
	deaf "$LAN" tcp 192.0.2.1 8080
	deaf "$LAN" tcp 2001:db8::1 8080
	hears 2001:db8::2 "$LAN" tcp 2001:db8::1 8081
	deaf "$LAN" tcp 192.0.2.3 8081
	deaf "$HOST" tcp 127.0.0.1 8080
}

@test "published on 127.0.0.1, it is the host's alone, whatever a neighbour sends" {
	begin 127.0.0.1:8080:80 127.0.0.1:5300:81/udp
	[ "$(at "$HOST" cat /proc/sys/net/ipv4/conf/kist0/route_localnet)" = 1 ]
	hears 10.87.0.1 "$HOST" tcp 127.0.0.1 8080
	hears 10.87.0.1 "$HOST" udp 127.0.0.1 5300
	deaf "$LAN" tcp 192.0.2.1 8080
	deaf "$C" tcp 10.90.0.1 8080
	# Frames to the host whose target is 127.0.0.1; A counts what comes.
	uplink=$(mac_of "$HOST" uplink)
	at "$A" nft 'table ip t { chain c { type filter hook prerouting priority raw; udp dport 81 counter; }; }'
	fw raw "$LAN" eth0 "$uplink" 192.0.2.2 127.0.0.1 5300
	fw raw "$LAN" eth0 "$uplink" 127.0.0.1 127.0.0.1 5300
	fw raw "$C" eth0 "$(mac_of "$HOST" kbback)" 10.90.0.7 127.0.0.1 5300
	fw raw "$B" eth0 "$(mac_of "$HOST" kist0)" 10.87.0.6 127.0.0.1 5300
	hears 10.87.0.1 "$HOST" udp 127.0.0.1 5300 # the fence: what was sent before has passed, or not
	at "$A" nft list ruleset | grep 'udp dport 81 counter packets 1 '
	# Without the guard the neighbour's packet gets a new target before the kernel sees the old one.
	at "$HOST" nft flush chain inet kist dstnat
	at "$HOST" nft add rule inet kist dstnat fib daddr type local jump published
	fw raw "$LAN" eth0 "$uplink" 192.0.2.2 127.0.0.1 5300
	hears 10.87.0.1 "$HOST" udp 127.0.0.1 5300
	at "$A" nft list ruleset | grep 'udp dport 81 counter packets 3 '
	at "$A" nft flush ruleset
}

@test "a container does not reach what listens on the host's loopback, with route_localnet on" {
	not_in_vm
	begin 127.0.0.1:8080:80
	mac=$(mac_of "$HOST" kist0)
	at "$HOST" nft 'table ip t { chain c { type filter hook input priority 0; iifname kist0 udp dport 82 counter; }; }'
	fw raw "$B" eth0 "$mac" 10.87.0.6 127.0.0.1 82
	hears 10.87.0.6 "$B" udp 10.87.0.1 82
	at "$HOST" nft list table ip t | grep 'udp dport 82 counter packets 1 '
	at "$HOST" nft flush chain inet kist prerouting
	at "$HOST" nft flush chain bridge kist prerouting
	fw raw "$B" eth0 "$mac" 10.87.0.6 127.0.0.1 82
	hears 10.87.0.6 "$B" udp 10.87.0.1 82
	at "$HOST" nft list table ip t | grep 'udp dport 82 counter packets 3 '
}

@test "the drops of other tables hold for published ports" {
	not_in_vm
	begin 8080:80
	at "$HOST" nft 'table inet other { chain c { type filter hook forward priority 10; ip saddr 192.0.2.2 drop; }; }'
	deaf "$LAN" tcp 192.0.2.1 8080
	at "$HOST" nft delete table inet other
	at "$HOST" nft 'table inet other { chain c { type filter hook forward priority -10; policy drop; }; }'
	deaf "$LAN" tcp 192.0.2.1 8080
	at "$HOST" nft delete table inet other
	at "$HOST" nft 'table inet other { chain c { type filter hook prerouting priority mangle; tcp dport 8080 drop; }; }'
	deaf "$LAN" tcp 192.0.2.1 8080
	at "$HOST" nft delete table inet other
	hears 192.0.2.2 "$LAN" tcp 192.0.2.1 8080
}

@test "a range of a thousand ports of both families is made, reached at its ends, and taken back" {
	not_in_vm
	begin 20000-20999:80-1079/udp 127.0.0.1:30000:80
	hears 192.0.2.2 "$LAN" udp 192.0.2.1 20000
	hears 2001:db8::2 "$LAN" udp 2001:db8::1 20002
	deaf "$LAN" udp 192.0.2.1 20999
	at "$HOST" nft -j list map inet kist anywhere6 | grep -o '1079' | grep -c . | grep -x 1
	fw whole "$RECORDS"
	fw detach "$RECORDS" a
	[ "$(at "$HOST" nft list ruleset | grep -c '10\.87\.0\.5\|fd00:87::5\|kva')" = 0 ]
	fw attach "$RECORDS" a
	fw whole "$RECORDS"
}

@test "a port that is taken is refused before anything is made" {
	begin 80:80
	# The host listens on 80 to 82 of both families and protocols.
	run fw check "$RECORDS" a
	[ "$status" = 1 ]
	[[ $output == *"published port 80:80/tcp: a process of the host has it"*"fix: "* ]]
	begin 8079-8081:80-82 127.0.0.1:82:82/udp
	run fw check "$RECORDS" a
	[ "$status" = 1 ]
	[[ $output == *"127.0.0.1:82:82/udp"* ]]
	begin 198.51.100.1:8080:80
	run fw check "$RECORDS" a
	[ "$status" = 1 ]
	[[ $output == *"does not have this address"* ]]
	begin 8080:80
	fw check "$RECORDS" a
	# Another container has it: by the records, and in the kernel, where two that start at once meet.
	sed -i '/^endpoint b/s/$/ 127.0.0.1:8080:81/; /^endpoint c/s/$/ 8080:82/' "$RECORDS"
	run fw check "$RECORDS" b
	[ "$status" = 1 ]
	[[ $output == *"container a has it"* ]]
	run fw attach "$RECORDS" c
	[ "$status" = 1 ]
	[[ $output == *"published ports of c leads to another container"* ]]
	hears 192.0.2.2 "$LAN" tcp 192.0.2.1 8080
	at "$HOST" nft list map inet kist anywhere4 | grep '8080 : 10.87.0.5 . 80'
}
