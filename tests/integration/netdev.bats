#!/usr/bin/env bats
# linux.netDevices: interfaces of the host moved into the container, and what becomes of them.
# "The host" is the network namespace that tests/isolated.sh gave this file.

bats_require_minimum_version 1.5.0
load helpers
load runtime

setup() {
	need_root
	need_program ip nsenter busybox
	[ -n "${KIST_TEST_ISOLATED-}" ] || [ -n "${KIST_IN_VM-}" ] || skip "moves the host's interfaces"
	kist_setup
	ID=${T##*.}
	make_bundle "$T/b"
	bundle_args "$T/b" sleep 1000
	cd "$T/b"
	ip link add kd0 type veth peer name kp0
}
teardown() {
	ip link delete kp0 2>/dev/null || true
	[ -z "${HOLDER-}" ] || kill -KILL "$HOLDER" || true
	runtime_teardown
}

devices() { edit_bundle "$T/b" ".linux.netDevices = $1"; }
# Of the host and of the container: "NAME FLAG MTU ADDRESS/PREFIX..." of one interface.
look() { # IP-COMMAND-PREFIX... NAME
	"${@:1:$#-1}" ip -j address show dev "${!#}" | jq -r '.[0] | [.ifname,
		(if .flags | index("UP") then "up" else "down" end), .mtu, .address,
		(.addr_info[] | select(.scope == "global") | "\(.local)/\(.prefixlen)")] | join(" ")'
}
inside() { look nsenter --net="/proc/$(pid_of $ID)/ns/net" "$@"; }
# hold: a network namespace with a process asleep in it, HOLDER.
hold() {
	unshare --net sleep 1000 <&- 3>&- &
	HOLDER=$!
	wait_until 10 grep -qx sleep "/proc/$HOLDER/comm"
}
at_holder() { nsenter --net="/proc/$HOLDER/ns/net" "$@"; }
is_gone() { none ip link show dev "$1" >/dev/null 2>&1; }

@test "netDevices: moved with its addresses, renamed, set up; gone from the host, and with the container" {
	ip link set kd0 mtu 1400 address 02:00:00:00:00:17
	ip address add 192.0.2.7/28 brd + dev kd0
	ip address add 192.0.2.8/32 dev kd0
	ip address add 2001:db8::7/64 nodad dev kd0
	ip address add 169.254.9.9/16 scope link dev kd0
	ip address add 192.0.2.9/28 valid_lft 1000 preferred_lft 1000 dev kd0
	devices '{kd0: {name: "uplink"}}'
	detached kist create $ID
	is_gone kd0
	# Global and permanent ones only, in an interface that is otherwise what it was.
	[ "$(inside uplink)" = "uplink up 1400 02:00:00:00:00:17 192.0.2.8/32 192.0.2.7/28 2001:db8::7/64" ] ||
		[ "$(inside uplink)" = "uplink up 1400 02:00:00:00:00:17 192.0.2.7/28 192.0.2.8/32 2001:db8::7/64" ]
	run -0 nsenter --net="/proc/$(pid_of $ID)/ns/net" ip -4 address show dev uplink
	[[ "$output" == *"192.0.2.7/28 brd 192.0.2.15"* ]] && [[ "$output" != *169.254* ]]
	# The program sees it, and the other end of the cable hears it.
	kist start $ID
	ip link set kp0 up
	ip address add 192.0.2.1/28 dev kp0
	run -0 busybox ping -c 1 -w 60 192.0.2.7
	kist delete --force $ID
	# A virtual interface goes with its network namespace (network_namespaces(7)).
	wait_until 30 is_gone kp0
}

@test "netDevices: several, a template, the same name, a network namespace joined by path" {
	ip link add kd1 type veth peer name kp1
	ip link add kd2 type veth peer name kp2
	hold
	at_holder ip link add kd2 type veth peer name other
	edit_bundle "$T/b" '.linux.namespaces |= map(if .type == "network" then .path = $p else . end)' \
		--arg p "/proc/$HOLDER/ns/net"
	# kd2 has to take another name, since there is one in that namespace.
	devices '{kd0: {name: "net%d"}, kd1: {}, kd2: {name: "net%d"}}'
	detached kist run -d $ID
	pid=$(pid_of $ID)
	run -0 nsenter --net="/proc/$pid/ns/net" ip -o link
	for name in net0 kd1 kd2 other; do grep -q ": $name@" <<<"$output"; done
	[ "$(grep -c ': net[0-9]*@' <<<"$output")" = 2 ]
	[[ "$(inside kd1)" == "kd1 up 1500 "* ]]
	kist delete --force $ID
	# That namespace lives on, and so do they: kist does not touch them.
	run -0 at_holder ip -o link show dev kd1
	kill -KILL $HOLDER && HOLDER=
	for peer in kp0 kp1 kp2; do wait_until 30 is_gone $peer; done
}

@test "netDevices: into a network namespace that belongs to a user namespace" {
	ip address add 192.0.2.7/28 dev kd0
	edit_bundle "$T/b" '.linux.namespaces += [{type: "user"}] | .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 1000}] |
		.linux.gidMappings = .linux.uidMappings'
	chown -R 100000:100000 rootfs
	devices '{kd0: {name: "eth0"}}'
	detached kist run -d $ID
	[[ "$(inside eth0)" == "eth0 up 1500 "*" 192.0.2.7/28" ]]
	kist delete --force $ID
	wait_until 30 is_gone kp0
}

@test "netDevices: what cannot be moved is said, and nothing has changed" {
	ip address add 192.0.2.7/28 dev kd0
	was=$(ip -o address show; ip -o link)
	same() { [ "$(ip -o address show; ip -o link)" = "$was" ]; }
	devices '{nowhere: {}}'
	refused 1 '/linux/netDevices/nowhere \(nowhere\): the host has no network interface nowhere' kist run $ID
	devices '{lo: {}}'
	refused 1 '/linux/netDevices/lo: loopback' kist run $ID
	devices '{kd0: {name: "a/b"}}'
	refused 1 '/linux/netDevices/kd0/name: ' kist run $ID
	devices '{kd0: {}}'
	edit_bundle "$T/b" '.linux.namespaces |= map(select(.type != "network"))'
	refused 1 '/linux/netDevices: needs a network namespace' kist run $ID
	edit_bundle "$T/b" '.linux.namespaces += [{type: "network", path: "/proc/self/ns/net"}]'
	refused 1 '/linux/netDevices: the network namespace to join is the host' kist run $ID
	hold
	at_holder ip link add taken type veth peer name other
	edit_bundle "$T/b" '.linux.namespaces |= map(if .type == "network" then .path = $p else . end)' \
		--arg p "/proc/$HOLDER/ns/net"
	devices '{kd0: {name: "taken"}}'
	refused 1 '/linux/netDevices/kd0 \(kd0\): .* has an interface taken already' kist run $ID
	kill -KILL $HOLDER && HOLDER=
	same
}

@test "netDevices: a start that fails gives it back, with name, addresses and state" {
	ip link set kd0 up
	ip address add 192.0.2.7/28 brd + dev kd0
	ip address add 2001:db8::7/64 nodad dev kd0
	was=$(look env kd0)
	devices '{kd0: {name: "uplink"}}'
	bundle_args "$T/b" /no/such/program
	refused 1 'no such file or directory' kist run $ID
	[ "$(look env kd0)" = "$was" ]
	# At each step of its own, and at one long after.
	bundle_args "$T/b" true
	kist run --explain $ID 2>"$T/steps"
	wait_until 30 is_gone kp0
	ip link add kd0 type veth peer name kp0
	ip link set kd0 up && ip link set kp0 up
	ip address add 192.0.2.7/28 brd + dev kd0
	ip address add 2001:db8::7/64 nodad dev kd0
	was=$(look env kd0)
	grep -E '  /linux/netDevices/kd0|execve|pivot_root' -B 1 "$T/steps" |
		awk '$2 == "host" || $2 == "guest" { print $1 }' | sort -un >"$T/own"
	[ "$(wc -l <"$T/own")" -ge 4 ]
	while read -r step; do
		refused 1 "fault asked for at step|: " kist --fault-step "$step" run $ID || { cat "$T/steps"; false; }
		[ "$(look env kd0)" = "$was" ] || { echo "after step $step: $(look env kd0), not $was"; false; }
	done <"$T/own"
}
