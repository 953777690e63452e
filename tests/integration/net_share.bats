#!/usr/bin/env bats
# A network namespace that several share: with another container, and with kist's server for names. The
# suite's own network namespace is the host.

bats_require_minimum_version 1.5.0
load helpers
load runtime
load net

@test "names=no: port 53 is the container's own, at all addresses; others find it by name" {
	local tools=${KIST_BUILD:-$TOP/build}/tests/tools
	net create --subnet 10.99.0.0/24 back
	annotate '{"io.kist.net": "back,ip=10.99.0.9,names=no"}'
	detached kist run -d $ID
	annotate '{"io.kist.net": "back"}'
	detached kist run -d $ID-2
	server=$(at $ID "$tools/firewall-driver" serve 53)
	[ "$(at $ID-2 "$tools/firewall-driver" ask udp 10.99.0.9 53)" = "$(of back ".Containers[] | select(.Name == \"$ID-2\").IPv4Address[:-3]")" ]
	at $ID-2 "$tools/dns-driver" query $ID | grep -F 10.99.0.9
	# Nobody brings the server back.
	net reconcile
	[ "$(at $ID ss -Hlntu | grep -cF '127.0.0.11:53')" = 0 ]
	[ "$(at $ID-2 ss -Hlntu | grep -cF '127.0.0.11:53')" = 2 ]
	kill "$server"
	kist delete --force $ID
	kist delete --force $ID-2
}

@test "port 53 published, or names=aside: the container's own at all addresses, and names are known inside" {
	local tools=${KIST_BUILD:-$TOP/build}/tests/tools
	net create --subnet 10.99.0.0/24 back
	net create --subnet 10.98.0.0/24 front
	annotate '{"io.kist.net": "back,ip=10.99.0.9", "io.kist.publish": "5353:53/udp"}'
	detached kist run -d $ID
	annotate '{"io.kist.net": "back,ip=10.99.0.8,names=aside"}'
	detached kist run -d $ID-2
	knows() { # ID NAME ADDRESS
		local t
		for t in '' -t; do at "$1" "$tools/dns-driver" query $t "$2" | grep -F "$3" || return; done
	}
	server=$(at $ID "$tools/firewall-driver" serve 53)
	second=$(at $ID-2 "$tools/firewall-driver" serve 53)
	for protocol in udp tcp; do
		[ "$(at $ID-2 "$tools/firewall-driver" ask $protocol 10.99.0.9 53)" = 10.99.0.8 ]
		[ "$(at $ID "$tools/firewall-driver" ask $protocol 10.99.0.8 53)" = 10.99.0.9 ]
	done
	"$tools/firewall-driver" ask udp 127.0.0.1 5353 | grep -F 10.99.0.1
	knows $ID $ID-2 10.99.0.8
	knows $ID-2 $ID 10.99.0.9
	# One server at a time, a new one after the old, another network's after the first's.
	net connect front $ID
	[ "$(at $ID ss -Hlntu | grep -cF '127.0.0.11:')" = 2 ]
	pgrep -x kist-dns | xargs kill -KILL
	net reconcile
	knows $ID $ID-2 10.99.0.8
	net disconnect back $ID
	knows $ID $ID.front 10.98.0.
	[ "$(at $ID ss -Hlntu | grep -cF '127.0.0.11:')" = 2 ]
	kill "$server" "$second"
	kist delete --force $ID
	kist delete --force $ID-2
	annotate '{"io.kist.net": "bridge,names=aside"}'
	run -1 kist run -d $ID
	[[ $output == *"names=aside is for"* ]]
}

@test "a job in another container's network: its addresses, its loopback, its names; of one's own alone, that runs" {
	cp -a "$FIXTURES/busybox-rootfs" "$D/rootfs"
	net create --subnet 10.99.0.0/24 back
	annotate '{"io.kist.net": "back,ip=10.99.0.9"}'
	detached kist run -d $ID
	server=$(at $ID "${KIST_BUILD:-$TOP/build}/tests/tools/net-driver" serve 7000)
	run -0 kist job run --id $ID-j --net container:$ID --result "$T/result" "$D/rootfs" -- \
		sh -c 'ifconfig eth0 | grep -o "inet addr:[0-9.]*"; nc 127.0.0.1 7000 </dev/null; echo; cat /etc/resolv.conf
			nslookup '$ID' 2>&1 | grep -o "10.99.0.9" | head -n 1'
	[[ $output == *"inet addr:10.99.0.9"*127.0.0.1*"nameserver 127.0.0.11"*10.99.0.9 ]]
	[ "$(jq -r '.network + " " + .controls.network_namespace' "$T/result")" = "container:$ID absent" ]
	# What is sent is still the job's own affair.
	run kist job run --net container:$ID --egress none "$D/rootfs" -- sh -c 'nc 127.0.0.1 7000 </dev/null'
	[ "$status" -ne 0 ]
	kill "$server"
	run -125 kist job run --net container:$ID -p 80:80 "$D/rootfs" -- true
	run -125 kist job run --net container:$ID --net back "$D/rootfs" -- true
	run -125 kist job run --net container:nobody "$D/rootfs" -- true
	[[ $output == *"container:nobody"*"does not exist"* ]]
	# Another state folder's is not one's own.
	run -125 "$KIST" --root "$T/other" job run --net container:$ID "$D/rootfs" -- true
	[[ $output == *"does not exist"* ]]
	# The host's own is no container's to share.
	edit_bundle "$T/b" '.annotations = {} | .linux.namespaces |= map(select(.type != "network"))'
	detached kist run -d $ID-host
	run -125 kist job run --net container:$ID-host "$D/rootfs" -- true
	[[ $output == *"has the host's network"* ]]
	kist delete --force $ID-host
	kill -KILL "$(pid_of $ID)"
	until [ "$(kist state $ID | jq -r .status)" = stopped ]; do sleep 0.05; done
	run -125 kist job run --net container:$ID "$D/rootfs" -- true
	[[ $output == *"is not running"* ]]
	kist delete $ID
}

@test "a bundle in another container's network, by its annotation: as a job is; with the pointer, what can't be" {
	net create --subnet 10.99.0.0/24 back
	annotate '{"io.kist.net": "back,ip=10.99.0.9"}'
	detached kist run -d $ID
	BEFORE=$(world)
	annotate '{"io.kist.net": "container:'$ID'"}'
	detached kist run -d $ID-2
	[ "$(readlink "/proc/$(pid_of $ID)/ns/net")" = "$(readlink "/proc/$(pid_of $ID-2)/ns/net")" ]
	[ "$(kist plan | jq -r '[.. | strings | select(test("/annotations/io.kist.net"))] | length > 0')" = true ]
	# Its networks are that one's.
	net create --subnet 10.98.0.0/24 front
	run -1 net connect front $ID-2
	[[ $output == *"container $ID-2 is in the network namespace of container $ID, whose networks it has"*"fix: kist net connect front $ID"* ]]
	none at $ID ip link show eth1
	net rm front
	# Its end takes nothing of the other's along.
	kist delete --force $ID-2
	same_world
	at $ID ip -o -4 addr show eth0 | grep -F ' 10.99.0.9/24 '
	# Loopback is not its own, so that it must be on the list.
	annotate '{"io.kist.net": "container:'$ID'", "io.kist.egress": "none"}'
	server=$(at $ID "${KIST_BUILD:-$TOP/build}/tests/tools/net-driver" serve 7000)
	bundle_args "$T/b" sh -c 'nc 127.0.0.1 7000 </dev/null'
	run kist run $ID-2
	[ "$status" -ne 0 ]
	kill "$server"
	refused_share() { # ANNOTATIONS TEXT
		annotate "$1"
		run -1 --separate-stderr kist run $ID-2
		echo "$stderr"
		[[ $stderr == *"$2"* ]]
	}
	refused_share '{"io.kist.net": "container:nobody"}' '/annotations/io.kist.net: container nobody does not exist'
	refused_share '{"io.kist.net": "container:'$ID'", "io.kist.publish": "80:80"}' "ports can't be published"
	refused_share '{"io.kist.net": "container:'$ID'", "io.kist.net-rate": "down=1mbit"}' 'no interface whose rate'
	refused_share '{"io.kist.net": "container:'$ID' back"}' 'stand alone'
	edit_bundle "$T/b" '.linux.namespaces |= map(select(.type != "network"))'
	refused_share '{"io.kist.net": "container:'$ID'"}' "needs a network namespace of the container's own"
	refused_share '{"io.kist.net": "host"}' "the host's network is no network"
	kist delete --force $ID
}
