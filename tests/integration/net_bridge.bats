#!/usr/bin/env bats
# The default network, run alone by tests/tools/net-driver.c: a process in a namespace of its own
# stands for each container, another for the host, a third for a server outside. What the machine's
# own network has is neither seen nor touched.

setup_file() {
	cd "$BATS_TEST_DIRNAME/../.." || return 1
	export DRIVER=${KIST_BUILD:-$PWD/build}/tests/tools/net-driver
	[ -x "$DRIVER" ] || build_driver || { echo "no $DRIVER"; return 1; }
}

# In a tree where nobody ran make build-tests.
build_driver() {
	make -s build/libkist.a && mkdir -p "${DRIVER%/*}" &&
		"${CC:-cc}" -std=gnu17 -D_GNU_SOURCE -I. -o "$DRIVER" tests/tools/net-driver.c \
			build/libkist.a -ljansson
}

setup() {
	[ "$(id -u)" = 0 ] || skip "needs root: network namespaces"
	command -v ip nft >/dev/null || skip "needs Debian's iproute2 and nftables as witnesses"
	STORE=$BATS_TEST_TMPDIR/store
	PIDS=()
	HOST='' OUTSIDE='' A='' B=''
	place HOST
	place A
	at "$HOST" ip link set lo up
}

teardown() {
	[ ${#PIDS[@]} = 0 ] || kill -KILL "${PIDS[@]}" 2>/dev/null || true
}

place() { # NAME [user]: a namespace with a process asleep in it
	local pid
	pid=$("$DRIVER" namespace ${2+"$2"})
	PIDS+=("$pid")
	printf -v "$1" %s "$pid"
}
at() { nsenter --net="/proc/$1/ns/net" -- "${@:2}"; }
none() { if "$@"; then false; fi; } # bats sees no failure of "! command"
net() { at "$HOST" "$DRIVER" -d "$STORE" "$@"; }
serve() { PIDS+=("$(at "$1" "$DRIVER" serve "$2")"); }
from() { at "$1" "$DRIVER" connect "${@:2}"; }

outside() { # a server behind the host: 192.0.2.1 is the host, 192.0.2.2 the server
	place OUTSIDE
	at "$HOST" ip link add uplink type veth peer name eth0 netns "$OUTSIDE"
	at "$HOST" ip addr add 192.0.2.1/24 dev uplink
	at "$HOST" ip link set uplink up
	at "$OUTSIDE" ip addr add 192.0.2.2/24 dev eth0
	at "$OUTSIDE" ip link set eth0 up
	serve "$OUTSIDE" 80
}

# All the network may leave behind, on the host and in the store.
world() {
	at "$HOST" sh -c 'ip -o link | sed "s/ state .*//; s/<.*>//"; ip -o -4 addr
		ip route show table all | grep -v fe80; nft list ruleset
		cat /proc/sys/net/ipv4/ip_forward'
	find "$BATS_TEST_TMPDIR" -path '*store*'
}
same_world() { diff <(echo "$BEFORE") <(world); }
# The same for one step of many, without a program started: under TCG those take minutes. The store
# goes last, when all else has gone without an error.
same_step() {
	[ -n "${KIST_IN_VM-}" ] || { same_world; return; }
	[ ! -e "$STORE" ] && [[ $(<"/proc/$HOST/net/dev") != *k[iv]* ]] &&
		[[ $(<"/proc/$A/net/dev") != *eth0* ]]
}
steps() { "$DRIVER" plan web | grep -c '^ *[0-9]'; }

@test "a packet reaches a server outside with its source rewritten, and the answer comes back" {
	outside
	run from "$A" 192.0.2.2 80
	[ "$status" = 1 ]
	BEFORE=$(world)
	net attach web "$A"
	run from "$A" 192.0.2.2 80
	[ "$status" = 0 ]
	[ "$output" = 192.0.2.1 ]

	address=$(net address web)
	[[ $address == 10.87.* ]]
	at "$A" ip -o -4 addr show eth0 | grep -F " $address/16 "
	at "$A" ip route | grep -F 'default via 10.87.0.1 dev eth0'
	at "$HOST" ip -d link show kist0 | grep -F 'alias kist'
	at "$HOST" ip link show | grep -F 'alias kist:web'
	[ "$(at "$HOST" cat /proc/sys/net/ipv4/ip_forward)" = 1 ]

	net detach web
	same_world
	run from "$A" 192.0.2.2 80
	[ "$status" = 1 ]
	run net address web
	[ "$status" = 1 ]
}

@test "nft reads the table as it is meant" {
	net attach web "$A"
	run at "$HOST" nft list table inet kist
	[ "$status" = 0 ]
	[[ $output == *'comment "kist networks"'* ]]
	[[ $output == *'elements = { "kist0" }'* ]]
	[[ $output == *'elements = { 10.87.0.0/16 }'* ]]
	[[ $output == *'masquerade'* ]]
	[ "$(grep -c 'policy accept;' <<<"$output")" -ge 4 ]
	# What is addressed to a bridge comes to its rules, too; who is where is not forgotten.
	at "$HOST" ip -d link show kist0 | grep -w 'group_fwd_mask 0xfff8'
	at "$HOST" ip -d link show kist0 | grep -w 'ageing_time 100000000'
}

@test "the first of two leaves: the second still works; the last takes all along" {
	outside
	place B user
	BEFORE=$(world)
	net attach one "$A"
	net attach two "$B"
	[ "$(net address one)" != "$(net address two)" ]
	serve "$B" 7000
	run from "$A" "$(net address two)" 7000
	[ "$output" = "$(net address one)" ]

	net detach one
	run from "$B" 192.0.2.2 80
	[ "$output" = 192.0.2.1 ]
	[ "$(at "$HOST" cat /proc/sys/net/ipv4/ip_forward)" = 1 ]
	none at "$A" ip link show eth0
	net detach two
	same_world
}

@test "forwarding that was on before stays on" {
	echo 1 | at "$HOST" tee /proc/sys/net/ipv4/ip_forward
	BEFORE=$(world)
	net attach web "$A"
	net detach web
	same_world
	[ "$(at "$HOST" cat /proc/sys/net/ipv4/ip_forward)" = 1 ]
}

@test "a container that lies about its source address is not heard" {
	outside
	net attach web "$A"
	at "$A" ip addr add 10.99.0.5/32 dev lo
	at "$A" ip link set lo up
	at "$OUTSIDE" ip route add 10.99.0.0/16 via 192.0.2.1
	at "$HOST" ip route add 10.99.0.0/16 dev kist0
	run from "$A" 192.0.2.2 80 10.99.0.5
	[ "$status" = 1 ]
	# Without kist's rules the lie works: it was they who stopped it.
	at "$HOST" nft flush chain inet kist prerouting
	run from "$A" 192.0.2.2 80 10.99.0.5
	[ "$status" = 1 ]
	at "$HOST" nft flush chain inet kist forward
	at "$HOST" nft delete table bridge kist 2>/dev/null || true # where the kernel has it
	at "$A" ip neigh flush dev eth0 # its questions for the gateway said the false address, too
	run from "$A" 192.0.2.2 80 10.99.0.5
	[ "$output" = 10.99.0.5 ]
}

@test "a neighbour with a route to the subnet reaches no container" {
	outside
	net attach web "$A"
	serve "$A" 7000
	at "$OUTSIDE" ip route add 10.87.0.0/16 via 192.0.2.1
	run from "$OUTSIDE" "$(net address web)" 7000
	[ "$status" = 1 ]
	run from "$HOST" "$(net address web)" 7000
	[ "$output" = 10.87.0.1 ]
	at "$HOST" nft flush chain inet kist forward
	run from "$OUTSIDE" "$(net address web)" 7000
	[ "$output" = 192.0.2.2 ]
}

@test "router advertisements find no ear, neither in the container nor on the host" {
	net attach web "$A"
	[ -e /proc/sys/net/ipv6 ] || skip "no IPv6 in this kernel"
	[ "$(at "$A" cat /proc/sys/net/ipv6/conf/eth0/accept_ra)" = 0 ]
	[ "$(at "$HOST" cat /proc/sys/net/ipv6/conf/kist0/accept_ra)" = 0 ]
	[ "$(at "$HOST" cat /proc/sys/net/ipv6/conf/kist0/disable_ipv6)" = 1 ]
}

@test "a bridge learns of no groups, and its ports have no address" {
	local port
	net attach web "$A"
	[ "$(at "$HOST" ip -j -d link show kist0 | jq '.[0].linkinfo.info_data.mcast_snooping')" = 0 ]
	port=$(at "$HOST" ip -j link show master kist0 | jq -r '.[0].ifname')
	at "$HOST" ip link show "$port" | grep -F 'state UP'
	[ -e /proc/sys/net/ipv6 ] || skip "no IPv6 in this kernel"
	[ "$(at "$HOST" ip -j -d link show "$port" | jq -r '.[0].inet6_addr_gen_mode')" = none ]
	[ -z "$(at "$HOST" ip -6 -o addr show dev "$port")" ]
}

@test "the one after many is no more work: the same system calls, the same bytes to the kernel and from it" {
	command -v strace >/dev/null || skip "needs strace"
	local n before=12 after=60 guest
	for ((n = 10; n <= after; n++)); do
		place guest
		if ((n == before || n == after)); then
			at "$HOST" strace -o "$BATS_TEST_TMPDIR/trace.$n" "$DRIVER" -d "$STORE" attach "web-$n" "$guest"
		else
			net attach "web-$n" "$guest"
		fi
	done
	# Calls by name; what was sent and received; entries of folders. Where an address was taken already
	# the next one is tried.
	for n in $before $after; do
		grep -v ' = -1 EEXIST ' "$BATS_TEST_TMPDIR/trace.$n" | sed -nE \
			-e '/^(sendto|recvmsg|recvfrom)/{s/^([a-z]+).*= ([0-9]+)$/\1 \2/p;b;}' \
			-e '/^getdents64/{s/.* = ([0-9]+)$/\1/;/^.{4}/s/^.*/many/;s/^[0-9]+$/few/;s/^/getdents64 /p;b;}' \
			-e 's/^([a-z0-9_]+)\(.*/\1/p' | grep -vE '^(brk|mmap|munmap|mprotect|pread64)$' \
			>"$BATS_TEST_TMPDIR/calls.$n"
	done
	diff "$BATS_TEST_TMPDIR/calls.$before" "$BATS_TEST_TMPDIR/calls.$after"
}

@test "a port another container has is refused, whatever the addresses; it is free once that one has left" {
	place B
	BEFORE=$(world)
	net -p 8080-8081:80-81 attach web "$A"
	for taken in 127.0.0.1:8081:80 8079-8080:80-81 8081:81/tcp; do
		run net -p "$taken" attach two "$B"
		[ "$status" = 1 ]
		[[ $output == *"container web has it"* ]]
	done
	net -p 8080:80/udp attach two "$B"
	net detach two
	net detach web
	same_world
	net -p 8081:80 attach two "$B"
	net detach two
	same_world
}

@test "a host route over the subnet: the next one is taken; a wanted one is refused" {
	at "$HOST" ip link add lan type bridge
	at "$HOST" ip addr add 10.87.3.1/24 dev lan
	at "$HOST" ip link set lan up
	net attach web "$A"
	[[ $(net address web) == 10.187.* ]]
	net detach web

	at "$HOST" ip route add blackhole 10.0.0.0/8
	net attach web "$A"
	[[ $(net address web) == 172.30.* ]]
	net detach web

	BEFORE=$(world)
	run net -s 10.87.3.0/26 attach web "$A"
	[ "$status" = 1 ]
	[[ $output == *"10.87.3.0/26 overlaps the host's "*fix:* ]]
	same_world
	at "$HOST" ip route add unreachable 172.16.0.0/12
	at "$HOST" ip route add 192.168.0.0/16 dev lan
	BEFORE=$(world)
	run net attach web "$A"
	[ "$status" = 1 ]
	[[ $output == *"all 5 subnets"* ]]
	same_world
}

@test "all addresses of a small subnet, and not one more" {
	place B
	places=("$A" "$B")
	for _ in 1 2 3; do
		place more
		places+=("$more")
	done
	for i in 0 1 2 3 4; do
		net -s 10.50.0.0/29 attach "c$i" "${places[i]}"
	done
	place more
	BEFORE=$(world)
	run net -s 10.50.0.0/29 attach c5 "$more"
	[ "$status" = 1 ]
	[[ $output == *"no free address: all 5 of 10.50.0.0/29 are leased"* ]]
	same_world
	for i in 0 1 2 3 4; do net address "c$i"; done | sort | diff - <(printf '10.50.0.%d\n' 2 3 4 5 6)
	net detach c2
	net -s 10.50.0.0/29 attach c5 "$more"
}

@test "what kist did not make is left alone, and said" {
	at "$HOST" ip link add kist0 type bridge
	BEFORE=$(world)
	run net attach web "$A"
	[ "$status" = 1 ]
	[[ $output == *"interface kist0 (bridge) that kist did not make"* ]]
	net detach web
	same_world
	at "$HOST" ip link del kist0

	at "$HOST" nft 'add table inet kist; add chain inet kist mine'
	BEFORE=$(world)
	run net attach web "$A"
	[ "$status" = 1 ]
	[[ $output == *"table inet kist that kist did not make"* ]]
	same_world
	at "$HOST" nft delete table inet kist

	veth=$("$DRIVER" plan web | grep -o 'kv[0-9a-f]\{12\}' | head -n1)
	at "$HOST" ip link add "$veth" type veth peer name other
	for alias in '' kist kist:webs kist:we; do
		at "$HOST" ip link set "$veth" alias "$alias"
		BEFORE=$(world)
		run net attach web "$A"
		[ "$status" = 1 ]
		[[ $output == *"interface $veth already (alias \"$alias\")"* ]]
		net detach web
		same_world
	done
}

@test "an eth0 in the container's namespace is not taken over" {
	at "$A" ip link add eth0 type bridge
	BEFORE=$(world)
	run net attach web "$A"
	[ "$status" = 1 ]
	[[ $output == *"has an eth0 already"* ]]
	same_world
	at "$A" ip -d link show eth0 | grep -w bridge
}

@test "two state roots may have containers of one name" {
	place B
	net attach web "$A"
	net -r /tmp/other attach web "$B"
	[ "$(net address web)" != "$(net -r /tmp/other address web)" ]
	net -r /tmp/other detach web
	at "$A" ip link show eth0
	[ -n "$(net address web)" ]
	none at "$B" ip link show eth0
}

@test "an id has one address: a second attach is refused and takes nothing from the first" {
	place B
	net attach web "$A"
	BEFORE=$(world)
	run net attach web "$B"
	[ "$status" = 1 ]
	[[ $output == *"web has address "*" already"* ]]
	same_world
	at "$A" ip link show eth0
}

@test "ids of 1024 bytes, and such that differ in the last one" {
	place B
	long=$(printf 'x%.0s' {1..1023})
	net attach "${long}a" "$A"
	net attach "${long}b" "$B"
	net detach "${long}a"
	at "$B" ip link show eth0
	net detach "${long}b"
	[ ! -e "$STORE" ]
}

@test "each step fails once: the error says so, and nothing is left" {
	BEFORE=$(world)
	count=$(steps)
	[ "$count" -gt 15 ]
	for ((i = 0; i < count; i++)); do
		run net -f $i attach web "$A"
		echo "step $i: $output"
		[ "$status" = 1 ]
		[[ $output == *"fault asked for at step $i"* ]]
		same_step
	done
	same_world
	none at "$A" ip link show eth0
}

@test "kill -9 before each step, then the intent's undo: nothing is left" {
	BEFORE=$(world)
	count=$(steps)
	for ((i = 0; i < count; i++)); do
		run net -k $i attach web "$A"
		echo "step $i"
		[ "$status" = 137 ]
		net detach web
		same_step
	done
	same_world
	none at "$A" ip link show eth0
}

# Prints "NAME ORDINAL" for each syscall of a trace from the line that matches $2 on: strace counts
# the invocations of each syscall for itself.
syscalls() {
	awk -v from="$2" -F'(' '/^[a-z]/ { n[$1]++; if ($0 ~ from) on = 1; if (on) print $1, n[$1] }' "$1"
}

# Every fourth call, unless KIST_SWEEP_STEP says otherwise.
STEP=${KIST_SWEEP_STEP:-4}
sampled() { [ $((++seen % STEP)) = 0 ]; }

# A run may have a call less than the one that was traced, and end well.
missed() {
	echo "not reached; traced: $(grep "^$name" "$BATS_TEST_TMPDIR/trace")"
	net detach web
}

@test "kill -9 at sampled syscalls of attach, then the intent's undo: nothing is left" {
	command -v strace >/dev/null || skip "needs strace"
	[ -z "${KIST_IN_VM-}" ] || skip "natively: too slow under TCG"
	BEFORE=$(world)
	at "$HOST" strace -o "$BATS_TEST_TMPDIR/trace" "$DRIVER" -d "$STORE" attach web "$A"
	net detach web
	killed=0 seen=0
	while read -r name ordinal; do
		[ "$name" != exit_group ] && sampled || continue
		run at "$HOST" strace -o /dev/null -e "inject=$name:signal=KILL:when=$ordinal" \
			"$DRIVER" -d "$STORE" attach web "$A"
		echo "at $name $ordinal: $status $output"
		if [ "$status" = 0 ]; then
			missed
			continue
		fi
		[ "$status" = 137 ]
		net detach web
		same_world
		killed=$((killed + 1))
	done < <(syscalls "$BATS_TEST_TMPDIR/trace" boot_id)
	[ "$killed" -gt $((100 / STEP)) ]
}

@test "kill -9 at sampled syscalls of detach, then detach: nothing is left" {
	command -v strace >/dev/null || skip "needs strace"
	[ -z "${KIST_IN_VM-}" ] || skip "natively: too slow under TCG"
	BEFORE=$(world)
	net attach web "$A"
	at "$HOST" strace -o "$BATS_TEST_TMPDIR/trace" "$DRIVER" -d "$STORE" detach web
	killed=0 seen=0
	while read -r name ordinal; do
		[ "$name" != exit_group ] && sampled || continue
		net attach web "$A"
		run at "$HOST" strace -o /dev/null -e "inject=$name:signal=KILL:when=$ordinal" \
			"$DRIVER" -d "$STORE" detach web
		echo "at $name $ordinal: $status $output"
		if [ "$status" = 0 ]; then
			missed
			continue
		fi
		[ "$status" = 137 ]
		net detach web
		same_world
		killed=$((killed + 1))
	done < <(syscalls "$BATS_TEST_TMPDIR/trace" AF_NETLINK)
	[ "$killed" -gt $((50 / STEP)) ]
}

@test "a leave and attaches at once: nobody loses the bridge" {
	local rounds=15
	[ -z "${KIST_IN_VM-}" ] || rounds=4
	place B
	for ((i = 0; i < rounds; i++)); do
		net attach one "$A"
		net attach two "$B" &
		net detach one
		wait $!
		at "$HOST" ip link show master kist0 | grep -F 'alias kist:two'
		at "$HOST" nft list table inet kist >/dev/null
		[ "$(at "$HOST" cat /proc/sys/net/ipv4/ip_forward)" = 1 ]
		net detach two
		[ ! -e "$STORE" ]
	done
}

@test "a kernel without what it takes: the missing module is named" {
	command -v strace >/dev/null || skip "needs strace"
	BEFORE=$(world)
	run at "$HOST" strace -o /dev/null -e trace=socket \
		-e inject=socket:error=EPROTONOSUPPORT:when=5 "$DRIVER" -d "$STORE" attach web "$A"
	echo "$output"
	[ "$status" = 1 ]
	[[ $output == *nf_tables* ]] && [[ $output == *"fix: "*modprobe* ]]
	same_world
}

@test "loopback comes up" {
	at "$A" ip link show lo | grep -w DOWN
	at "$A" "$DRIVER" loopback
	at "$A" ip link show lo | grep -w LOWER_UP
	serve "$A" 7000
	run from "$A" 127.0.0.1 7000
	[ "$output" = 127.0.0.1 ]
}
