#!/usr/bin/env bats
# Networks that users define: kist net, a bundle's annotations, joining and leaving while a container
# runs. The suite's own network namespace is the host.

bats_require_minimum_version 1.5.0
load helpers
load runtime
load net

@test "net create: subnet, gateway, IPv6, labels, MTU; ls, inspect by part of the id, rm" {
	run -0 net create --subnet 10.99.0.0/24 --gateway 10.99.0.254 --subnet fd00:99::/64 --internal \
		--isolated --mtu 1400 --label 'quote="' --label $'line=a\nb' back
	[ "${#output}" = 64 ]
	[ "$(net inspect "${output:0:12}" | jq -c '.[0] | [.Name, .IPAM.Config, .Internal, .Isolated, .Labels]')" = \
		'["back",[{"Subnet":"10.99.0.0/24","Gateway":"10.99.0.254"},{"Subnet":"fd00:99::/64","Gateway":"fd00:99::1"}],true,true,{"quote":"\"","line":"a\nb"}]' ] ||
		[ "$(of back .Labels.line)" = $'a\nb' ]
	[ "$(of back '.Options["com.docker.network.driver.mtu"]')" = 1400 ]
	# 64 KiB of quotes, and not one more.
	big=$(head -c 65536 /dev/zero | tr '\0' '"')
	net create --label "big=$big" big
	[ "$(of big '.Labels.big' | sha256sum)" = "$(echo "$big" | sha256sum)" ]
	run -1 net create --label "big=$big." other
	[ "${#output}" -lt 300 ]
	net rm big
	net create other
	[ "$(net ls -q | tr '\n' ' ')" = "bridge back other " ]
	net ls | grep -E '^back .* bridge +10\.99\.0\.0/24 +fd00:99::/64'
	[ "$(net ls --json | jq -r '.[2].Name')" = other ]
	net rm other
	net prune | grep -x back
	[ "$(net ls -q)" = bridge ]
}

@test "net create: what can't be is refused in one line" {
	net create --subnet 10.99.0.0/24 back
	ip link add lan type bridge
	ip addr add 10.98.0.1/24 dev lan
	ip addr add fd00:98::1/64 dev lan nodad
	ip link set lan up
	while read -r words; do
		run -1 --separate-stderr net create $words
		echo "$words: $stderr"
		[ "$(grep -cv '^fix: ' <<<"$stderr")" = 1 ]
	done <<-'EOF2'
		--subnet 10.99.0.128/25 x
		--subnet 10.98.0.0/16 x
		--subnet fd00:98::/64 x
		--subnet 127.0.0.0/8 x
		--subnet 10.1.0.1/24 x
		--subnet 10.1.0.0/31 x
		--subnet 10.1.0.0/24 --subnet 10.2.0.0/24 x
		--subnet 10.1.0.0/24 --gateway 10.2.0.1 x
		--gateway 10.1.0.1 x
		--mtu 100 x
		--mtu 1200 --ipv6 x
		--no-ipv4 x
		--driver vxlan x
		--driver macvlan x
		--parent lan x
		back
		bridge
		a;drop
		../x
		eth0/../x
	EOF2
	ip link del lan
	run -1 net create "$(printf 'x%.0s' {1..64})"
	run -1 net rm bridge
	run -1 net rm nothing
	[[ $output == *'there is no network "nothing"'* ]]
	[ "$(net ls -q | wc -l)" = 2 ]
}

@test "a bundle's annotation: several networks, addresses of both families, MAC, alias; delete leaves nothing" {
	net create --subnet 10.99.0.0/24 --ipv6 back
	net create --internal --mtu 1400 inner
	BEFORE=$(world)
	annotate '{"io.kist.net": "inner back,ip=10.99.0.9,mac=02:00:00:00:00:09,alias=db bridge,interface=fifteen-letters"}'
	detached kist run -d $ID
	at $ID ip -o -4 addr show eth1 | grep -F ' 10.99.0.9/24 '
	at $ID ip link show eth1 | grep -F 02:00:00:00:00:09
	six=$(of back '.Containers[].IPv6Address')
	at $ID ip -o -6 addr show eth1 | grep -F " $six "
	at $ID ip link show eth0 | grep -F 'mtu 1400'
	at $ID ip -o -4 addr show fifteen-letters | grep -F ' 10.87.'
	# The first that leads out has the default routes; the internal one has none.
	[ "$(at $ID ip -4 route show default | sed 's/ *$//')" = "default via 10.99.0.1 dev eth1 proto static" ] ||
		at $ID ip -4 route show default | grep -F 'via 10.99.0.1 dev eth1'
	at $ID ip -6 route show default | grep -F 'dev eth1'
	[ "$(cat /proc/sys/net/ipv6/conf/all/forwarding)" = 1 ]
	[ "$(of back '.Containers[].DNSNames[1]')" = db ]
	run -1 net rm back
	[[ $output == *"network back is in use"* ]]
	[ -z "$(net prune)" ]
	kist delete --force $ID
	same_world
	net rm back inner
}

@test "annotations: no such network, another's address, no namespace of its own: refused with the pointer" {
	net create --subnet 10.99.0.0/29 back
	refused_net() { # ANNOTATION TEXT
		annotate "{\"io.kist.net\": \"$1\"}"
		run -1 --separate-stderr kist run $ID
		echo "$stderr"
		[[ $stderr == *"$2"* ]]
	}
	refused_net nothing '/annotations/io.kist.net: there is no network "nothing"'
	refused_net back,ip=10.98.0.1 'network back: /annotations/io.kist.net: 10.98.0.1 is not in 10.99.0.0/29'
	refused_net back,ip=10.99.0.1 'is the gateway of'
	refused_net back,ip6=fd00::1 'has no IPv6'
	refused_net ' ' '/annotations/io.kist.net: is empty'
	refused_net 'back back' 'is there twice'
	refused_net 'back none' 'stand alone'
	refused_net back,color=red 'not understood'
	refused_net back,interface=sixteen-letters- 'not understood'
	refused_net back,interface=../x 'not understood'
	refused_net 'back,alias=a\"b' 'not understood'
	edit_bundle "$T/b" '.linux.namespaces |= map(select(.type != "network"))'
	refused_net back 'needs a network namespace'
	[ "$(net ls -q | wc -l)" = 2 ]
}

@test "five fit on a /29; a taken address and a sixth are refused, and nothing is left of them" {
	net create --subnet 10.99.0.0/29 back
	annotate '{"io.kist.net": "back,ip=10.99.0.6"}'
	detached kist run -d $ID
	annotate '{"io.kist.net": "back,ip=10.99.0.6"}'
	run -1 kist run $ID-x
	[[ $output == *"another container has 10.99.0.6"* ]]
	annotate '{"io.kist.net": "back"}'
	for i in 2 3 4 5; do detached kist run -d $ID-$i; done
	BEFORE=$(world)
	run -1 kist run $ID-6
	[[ $output == *"no free address: all 5 of 10.99.0.0/29 are leased"* ]]
	same_world
	kist delete --force $ID
	detached kist run -d $ID-6
	[ "$(of back ' | [.Containers[].IPv4Address] | unique | length')" = 5 ]
	for i in 2 3 4 5 6; do kist delete --force $ID-$i; done
}

@test "many at once: each has addresses of its own, one server answers all; the end of all at once leaves nothing" {
	local i pids=() many=60
	[ -z "${KIST_IN_VM-}" ] || many=8
	net create --subnet 10.99.0.0/24 --ipv6 back
	BEFORE=$(world)
	annotate '{"io.kist.net": "back"}'
	for ((i = 0; i < many; i++)); do
		"$KIST" --root "$ROOT" run -d $ID-$i </dev/null >"$T/said.$i" 2>&1 3>&- &
		pids+=($!)
	done
	for i in "${!pids[@]}"; do wait "${pids[i]}" || cat "$T/said.$i"; done
	[ "$(of back '.Containers | length')" = $many ]
	[ "$(of back ' | [.Containers[] | .IPv4Address, .IPv6Address, .MacAddress] | unique | length')" = $((3 * many)) ]
	[ "$(pgrep -cx kist-dns)" = 1 ]
	at $ID-0 "${KIST_BUILD:-$TOP/build}/tests/tools/dns-driver" query $ID-7 | grep -F "$(of back ".Containers[] | select(.Name == \"$ID-7\").IPv4Address[:-3]")"
	pids=()
	for ((i = 0; i < many; i++)); do
		"$KIST" --root "$ROOT" delete --force $ID-$i </dev/null >"$T/said.$i" 2>&1 3>&- &
		pids+=($!)
	done
	for i in "${!pids[@]}"; do wait "${pids[i]}" || cat "$T/said.$i"; done
	until_true same_world
}

@test "connect and disconnect while it runs; a connected container's end takes all along" {
	net create --subnet 10.99.0.0/24 back
	net create --subnet 10.98.0.0/24 --isolated front
	BEFORE=$(world)
	detached kist run -d $ID
	net connect --ip 10.99.0.7 --alias db back $ID
	net connect front $ID
	[ "$(ip -o -d link show type veth | grep -c 'isolated on')" = 1 ]
	at $ID ip -o -4 addr show eth0 | grep -F ' 10.99.0.7/24 '
	at $ID ip -o -4 addr show eth1 | grep -F ' 10.98.0.'
	[ "$(at $ID ip -4 route show default | wc -l)" = 1 ]
	[ "$(of back '.Containers[].DNSNames[-1:][0]')" = db ]
	run -1 net connect back $ID
	[[ $output == *"is on network back already"* ]]
	at $ID ip link show eth0 >/dev/null
	net disconnect back $ID
	none at $ID ip link show eth0
	run -1 net disconnect back $ID
	[[ $output == *"is not on network back"* ]]
	net connect back $ID
	at $ID ip link show eth0 >/dev/null
	kist delete --force $ID
	same_world
	run -1 net connect back $ID
	[[ $output == *"does not exist"* ]]
	edit_bundle "$T/b" '.linux.namespaces |= map(select(.type != "network"))'
	detached kist run -d $ID
	run -1 net connect back $ID
	[[ $output == *"has the host's network"* ]]
	kist delete --force $ID
	same_world
}

@test "disconnect: the default route goes over to the next network with a way out" {
	net create --subnet 10.99.0.0/24 --subnet fd00:99::/64 back
	net create --subnet 10.98.0.0/24 --subnet fd00:98::/64 front
	net create --subnet 10.97.0.0/24 --internal inner
	annotate '{"io.kist.net": "back inner front"}'
	detached kist run -d $ID
	at $ID ip route show default | grep -F 'via 10.99.0.1 dev eth0'
	at $ID ip -6 route show default | grep -F 'via fd00:99::1 dev eth0'
	net disconnect back $ID
	at $ID ip route show default | grep -F 'via 10.98.0.1 dev eth2'
	at $ID ip -6 route show default | grep -F 'via fd00:98::1 dev eth2'
	# Where it came back, the one that took over stays; with nobody left there is none.
	net connect back $ID
	[ "$(at $ID ip route show default)" = 'default via 10.98.0.1 dev eth2 proto static ' ]
	net disconnect front $ID
	at $ID ip route show default | grep -F 'via 10.99.0.1 dev eth0'
	net disconnect back $ID
	[ -z "$(at $ID ip route show default)$(at $ID ip -6 route show default)" ]
	kist delete --force $ID
}

@test "a port that is published again leads to who has it now, also for datagrams of the same sender" {
	local tool=${KIST_BUILD:-$TOP/build}/tests/tools
	modprobe nf_conntrack_netlink 2>/dev/null || true
	LAN=$("$tool/net-driver" namespace)
	ip link add uplink type veth peer name eth0 netns "$LAN"
	ip addr add 192.0.2.1/24 dev uplink
	ip link set uplink up
	nsenter --net="/proc/$LAN/ns/net" ip addr add 192.0.2.2/24 dev eth0
	nsenter --net="/proc/$LAN/ns/net" ip link set eth0 up
	net create --subnet 10.99.0.0/24 back
	for n in 7 8 9; do
		annotate '{"io.kist.net": "back,ip=10.99.0.'$n'", "io.kist.publish": "5353:80/udp"}'
		detached kist run -d $ID-$n
		server=$(at $ID-$n "$tool/firewall-driver" serve 80)
		[ "$(nsenter --net="/proc/$LAN/ns/net" "$tool/firewall-driver" ask udp 192.0.2.1 5353 192.0.2.2 4000)" = 192.0.2.2 ]
		kill "$server"
		# With many flows the kernel is asked for those of the address alone.
		if [ $n = 8 ]; then
			bash -c 'for p in {10000..12200}; do echo x >/dev/udp/127.0.0.1/$p; done' 2>/dev/null || true
			[ "$(</proc/sys/net/netfilter/nf_conntrack_count)" -gt 2000 ]
		fi
		kist delete --force $ID-$n
	done
	ip link del uplink
	kill "$LAN"
}

@test "addresses that nobody has: the host does not look for them on a container's behalf" {
	local tools=${KIST_BUILD:-$TOP/build}/tests/tools each
	net create --subnet 10.99.0.0/16 --subnet fd00:99::/64 back
	for each in 8 9; do
		annotate '{"io.kist.net": "back,ip=10.99.0.'$each',ip6=fd00:99::'$each'"}'
		detached kist run -d $ID-$each
	done
	bridge=$(of back '.Options["com.docker.network.bridge.name"]')
	# Back to its own network by way of the host, as with a gateway's MAC in raw frames.
	at $ID-8 ip route add 10.99.4.0/24 via 10.99.0.1
	at $ID-8 ip -6 route add fd00:99::4:0/112 via fd00:99::1
	at $ID-8 ip route add 10.99.0.9 via 10.99.0.1
	at $ID-8 bash -c 'for i in {1..20}; do echo x >/dev/udp/10.99.4.$i/9; echo x >"/dev/udp/fd00:99::4:$i/9"; done' || true
	[ -z "$(ip neigh show dev "$bridge" | grep -e '^10.99.4' -e '^fd00:99::4:')" ]
	# To those who are there that way leads.
	server=$(at $ID-9 "$tools/firewall-driver" serve 80)
	[ "$(at $ID-8 "$tools/firewall-driver" ask tcp 10.99.0.9 80)" = 10.99.0.8 ]
	kill "$server"
	for each in 8 9; do kist delete --force $ID-$each; done
}

@test "a bundle's rate that it could take off itself is refused" {
	bundle_args "$T/b" true # were it let in, it would hold the pipe of "run"
	net create --subnet 10.99.0.0/24 back
	annotate '{"io.kist.net": "back", "io.kist.net-rate": "down=8mbit,up=4mbit"}'
	edit_bundle "$T/b" '.process.capabilities.bounding = ["CAP_NET_ADMIN"]'
	run -1 kist run -d $ID
	[[ $output == *"/annotations/io.kist.net-rate"*"up= would not hold"* ]]
	edit_bundle "$T/b" '.process.capabilities = {}'
	annotate '{"io.kist.net-rate": "down=8mbit"}'
	run -1 kist run -d $ID
	[[ $output == *"/annotations/io.kist.net-rate"*"no interface whose rate"* ]]
}

@test "a bundle's rate: on both ends" {
	tc qdisc add dev lo root tbf rate 1mbit burst 32k latency 50ms 2>/dev/null || skip "no sch_tbf in this kernel"
	tc qdisc del dev lo root
	net create --subnet 10.99.0.0/24 back
	annotate '{"io.kist.net": "back", "io.kist.net-rate": "down=8mbit,up=4mbit"}'
	detached kist run -d $ID
	tc qdisc show dev "$(of back '.Containers[].HostInterface')" | grep -F 'tbf' | grep -F 'rate 8Mbit'
	at $ID tc qdisc show dev eth0 | grep -F 'tbf' | grep -F 'rate 4Mbit'
	kist delete --force $ID
}

@test "macvlan: a container on the network of an interface of the host" {
	ip link add mv0 type dummy 2>/dev/null || skip "no dummy interfaces here"
	ip link set mv0 up
	run net create --driver macvlan --parent mv0 --subnet 192.0.2.0/24 --gateway 192.0.2.254 lan
	[ "$status" = 0 ]
	BEFORE=$(world)
	annotate '{"io.kist.net": "lan,ip=192.0.2.7"}'
	detached kist run -d $ID || { ip link add x link mv0 type macvlan || skip "no macvlan here"; false; }
	at $ID ip -d link show eth0 | grep -F 'macvlan mode bridge'
	at $ID ip -o -4 addr show eth0 | grep -F ' 192.0.2.7/24 '
	at $ID ip route show default | grep -F 'via 192.0.2.254'
	net disconnect lan $ID
	none at $ID ip link show eth0
	net connect lan $ID
	kist delete --force $ID
	same_world
	ip link del mv0
}

@test "a job on two networks of the user's, a port published; what can't be is refused" {
	# On a disk: Linux 6.1 maps no ids of a tmpfs.
	cp -a "$FIXTURES/busybox-rootfs" "$D/rootfs"
	net create --subnet 10.99.0.0/24 back
	net create --internal inner
	BEFORE=$(world)
	run -0 kist job run --net inner --net back,ip=10.99.0.5 -p 8080:80 --result "$T/result" "$D/rootfs" -- \
		sh -c 'ifconfig eth1 | grep -o "inet addr:[0-9.]*"; route -n | grep ^0.0.0.0'
	[[ $output == *"inet addr:10.99.0.5"*"10.99.0.1"*eth1* ]]
	[ "$(jq -r '.network + " " + .address' "$T/result")" = "inner back,ip=10.99.0.5 10.99.0.5" ]
	same_world
	# What went through: three refused connections; of one that is left to a monitor, too.
	for detach in '' --detach; do
		run -0 kist job run $detach --id $ID --net inner --net back,ip=10.99.0.5 --result "$T/traffic" "$D/rootfs" -- \
			sh -c 'for i in 1 2 3; do nc -w 1 10.99.0.1 9 </dev/null; done; true'
		[ -z "$detach" ] || kist job wait $ID
		jq -c .traffic "$T/traffic"
		[ "$(jq -r '.traffic | map(.interface + " " + .network) | join(" ")' "$T/traffic")" = "eth0 inner eth1 back" ]
		[ "$(jq '.traffic[1] | .tx_packets >= 3 and .tx_bytes >= 150 and .rx_packets >= 3 and .rx_bytes >= 150 and .rx_dropped == 0' "$T/traffic")" = true ]
		rm "$T/traffic"
		[ -z "$detach" ] || kist job rm $ID 2>/dev/null || kist job gc
	done
	run -0 kist job run --result "$T/traffic" "$D/rootfs" -- true
	[ "$(jq -c .traffic "$T/traffic")" = null ]
	same_world
	run -125 kist job run --net nothing "$D/rootfs" -- true
	[[ $output == *'there is no network "nothing"'* ]]
	run -125 kist job run --net back,ip=1 "$D/rootfs" -- true
	run -125 kist job run -p 80 --net back "$D/rootfs" -- true
	run -125 kist job run -p 80:80 "$D/rootfs" -- true
	run -125 kist job run -p 80:80 --net inner "$D/rootfs" -- true
	same_world
}

@test "stats: each container's bytes and packets, as it sees them; of one network, of none" {
	net create --subnet 10.99.0.0/24 back
	net create --subnet 10.98.0.0/24 --internal inner
	[ "$(net stats --json)" = '[]' ]
	annotate '{"io.kist.net": "back,ip=10.99.0.9 inner"}'
	detached kist run -d $ID
	before=$(net stats --json back | jq '.[0].rx_packets')
	bash -c 'for i in 1 2 3 4 5 6 7 8; do echo hello >/dev/udp/10.99.0.9/9; done'
	after=$(net stats --json back | jq '.[0].rx_packets')
	[ $((after - before)) -ge 8 ]
	[ "$(net stats --json back | jq -r '.[0] | [.network, .name, .interface] | join(" ")')" = "back $ID eth0" ]
	# What it sees itself is the same: more may have come since.
	inside=$(at $ID cat /proc/net/dev | awk '$1 == "eth0:" { print $2 }')
	[ "$inside" -gt 0 ]
	[ "$(net stats --json back | jq '.[0].rx_bytes')" -ge "$inside" ]
	[ "$(net stats --json | jq length)" = 2 ]
	[ "$(of back '.Containers[].Counters | .rx_packets >= 8 and .rx_bytes > 200 and .tx_dropped == 0')" = true ]
	[ "$(net stats inner | awk 'NR == 2 { print $1, $3 }')" = 'inner eth1' ]
	run -1 net stats nothing
	[[ $output == *'there is no network "nothing"'* ]]
	kist delete --force $ID
}
