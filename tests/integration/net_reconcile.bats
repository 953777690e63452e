#!/usr/bin/env bats
# What others took, renamed, left behind or made in an earlier version, under containers that run. The
# suite's own network namespace is the host.

bats_require_minimum_version 1.5.0
load helpers
load runtime
load net

@test "reconcile: a bridge and an interface that were given other names have theirs again" {
	net create --subnet 10.99.0.0/24 --subnet fd00:99::/64 back
	net create --subnet 10.98.0.0/24 front
	BEFORE=$(world)
	annotate '{"io.kist.net": "back,ip=10.99.0.9 front"}'
	detached kist run -d $ID
	annotate '{"io.kist.net": "back"}'
	detached kist run -d $ID-2
	rename() { ip link set "$1" down && ip link set "$1" name "$2" && ip link set "$2" up; }
	seen() { ip -o addr | grep -v fe80 | sed 's/ [0-9]*: / /'; ip -o link | sed 's/^[0-9]*: //; s/@.*master/ master/; s/ qlen.*//'; }
	all=$(seen)
	rename "$(of back '.Options["com.docker.network.bridge.name"]')" mine
	rename "$(of back ".Containers[] | select(.Name == \"$ID\").HostInterface")" yours
	rename "$(of front '.Containers[].HostInterface')" theirs
	net reconcile
	until_true eval '[ "$(seen)" = "$all" ]' || diff <(echo "$all") <(seen)
	server=$(at $ID "${KIST_BUILD:-$TOP/build}/tests/tools/net-driver" serve 7000)
	at $ID-2 "${KIST_BUILD:-$TOP/build}/tests/tools/net-driver" connect 10.99.0.9 7000
	# Without a definition nothing is made of it, but neither are its containers left unguarded.
	rules=$(nft list ruleset | grep -v handle)
	mv "$KIST_NETWORKS/back.json" "$T"
	run -1 net reconcile
	[[ $output == *"network back has no definition any more, and $ID"*"is on it"*"fix: bring back $KIST_NETWORKS/back.json"* ]]
	diff <(echo "$rules") <(nft list ruleset | grep -v handle)
	mv "$T/back.json" "$KIST_NETWORKS"
	net reconcile
	kill "$server"
	kist delete --force $ID
	kist delete --force $ID-2
	same_world
}

@test "gc frees what an ended container has; reconcile brings back rules, bridge and addresses" {
	net create --subnet 10.99.0.0/24 --ipv6 back
	BEFORE=$(world)
	annotate '{"io.kist.net": "back"}'
	detached kist run -d $ID
	rules=$(nft list ruleset | grep -v handle)
	bridge=$(of back '.Options["com.docker.network.bridge.name"]')
	nft flush ruleset
	ip link del "$bridge"
	echo 0 >/proc/sys/net/ipv4/ip_forward
	net reconcile
	diff <(echo "$rules") <(nft list ruleset | grep -v handle)
	ip -o -4 addr show "$bridge" | grep -F ' 10.99.0.1/24 '
	ip link show master "$bridge" | grep -F "alias kist:$ID"
	[ "$(cat /proc/sys/net/ipv4/ip_forward)" = 1 ]
	[ "$(cat "/proc/sys/net/ipv6/conf/$bridge/accept_ra")" = 0 ]
	net reconcile
	[ -z "$(net gc)" ]
	kill -KILL "$(pid_of $ID)"
	until [ "$(kist state $ID | jq -r .status)" = stopped ]; do sleep 0.05; done
	[ "$(net gc)" = "1 freed" ]
	same_world
	kist delete $ID
}

watches() { ip link set lo alias "$(head -c 6 /dev/urandom | od -An -tx1)"; grep -q ' lo: ' "$1"; }
@test "an isolated port is at no time up and not isolated: neither when it comes nor when reconcile puts it back" {
	net create --subnet 10.99.0.0/24 --isolated back
	annotate '{"io.kist.net": "back"}'
	ip -d -o monitor link >"$T/events" 2>&1 3>&- &
	monitor=$!
	until_true watches "$T/events"
	detached kist run -d $ID
	port=$(of back '.Containers[].HostInterface')
	ip link del "$(of back '.Options["com.docker.network.bridge.name"]')"
	net reconcile
	ip -d -o link show "$port" | grep 'isolated on'
	# Taken off by hand, it comes back as well.
	bridge link set dev "$port" isolated off
	bridge -d link show dev "$port" | grep 'isolated off'
	net reconcile
	ip -d -o link show "$port" | grep 'isolated on'
	ip link set lo alias last
	until_true grep -q 'alias last' "$T/events"
	kill "$monitor"
	ip link set lo alias ''
	grep " $port[@:]" "$T/events" | grep 'master kb' | grep -E '[<,]UP[,>]' >"$T/up"
	# As it was taken off by hand, once; never else.
	[ "$(grep -c 'isolated on' "$T/up")" -ge 2 ]
	[ "$(grep -c 'isolated off' "$T/up")" -le 1 ]
	kist delete --force $ID
}

@test "a network whose last lease went with a kill -9 right behind goes with the other's" {
	net create --subnet 10.99.0.0/24 --ipv6 back
	net create --internal inner
	BEFORE=$(world)
	annotate '{"io.kist.net": "back inner"}'
	detached kist run -d $ID
	rm /run/kist/.net/*/back/{10.99.*,fd*,of*}
	kist delete --force $ID
	same_world
}

@test "an older kist's: its kist-dns gives way to this one's at reconcile, its table of nftables, too; until then it is said" {
	[ -z "${KIST_SANITIZED-}" ] || skip "an older one is made by changing this one's bytes"
	mkdir "$T/old"
	for each in kist kist-dns; do
		sed 's/kist-dns 2 /kist-dns 1 /' "${KIST%/*}/$each" >"$T/old/$each"
		chmod 755 "$T/old/$each"
	done
	net create --subnet 10.99.0.0/24 back
	annotate '{"io.kist.net": "back,ip=10.99.0.9", "io.kist.publish": "8080:80"}'
	KIST=$T/old/kist detached kist run -d $ID
	annotate '{"io.kist.net": "back,ip=10.99.0.10"}'
	run -1 kist run -d $ID-2
	[[ $output == *"is of another version of kist"*"fix: kist net reconcile"* ]]
	rules=$(nft list ruleset | grep -v handle)
	# As an earlier version had it: the mark, other chains, one map of ports.
	nft -f - <<-'EOF2'
		delete table inet kist
		delete table bridge kist
		table inet kist {
			comment "kist network"
			map ports {
				type inet_proto . inet_service : ipv4_addr . inet_service
				elements = { tcp . 8080 : 10.99.0.9 . 80 }
			}
			chain nat_in {
				type nat hook prerouting priority dstnat
				dnat ip to meta l4proto . th dport map @ports
			}
		}
	EOF2
	net reconcile
	diff <(echo "$rules") <(nft list ruleset | grep -v handle)
	detached kist run -d $ID-2
	[ "$(pgrep -cx kist-dns)" = 1 ]
	at $ID "${KIST_BUILD:-$TOP/build}/tests/tools/dns-driver" query $ID-2 | grep -F 10.99.0.10
	kist delete --force $ID
	kist delete --force $ID-2
}

# The whole of it: tests/sweep-net.sh.
@test "kill -9 at syscalls of connect and disconnect: gc leaves nothing, and the next one works" {
	[ -z "${KIST_IN_VM-}" ] || skip "natively: too slow under TCG"
	run -0 "$TOP/tests/sweep-net.sh" --every "${KIST_SWEEP_STEP:-53}" connect disconnect
	[[ $output == *'connect: points '*', wrong 0'*'disconnect: points '*', wrong 0'* ]]
}

@test "reconcile --watch: flushed rules, a deleted bridge, a killed kist-dns are back; it makes no work of its own" {
	net create --subnet 10.99.0.0/24 back
	annotate '{"io.kist.net": "back,ip=10.99.0.9"}'
	detached kist run -d $ID
	# As the unit has it that make install puts there.
	[ "$(sed -n 's/^ExecStart=//p' "$TOP/cli/kist-net.service")" = '@BINDIR@/kist net reconcile --watch' ]
	"$KIST" --root "$ROOT" net reconcile --watch 3>&- &
	watcher=$!
	nft flush ruleset
	until_true has_rules
	nft delete rule inet kist forward handle "$(nft -a list chain inet kist forward | sed -n 's/.*nothing else.*handle //p')"
	until_true eval 'nft list chain inet kist forward | grep -q "nothing else"'
	bridge=kb$(of back .Id | cut -c 1-12)
	ip link del "$bridge"
	until_true has_bridge "$bridge"
	until_true eval 'ip -o link show master "$bridge" | grep -q kv'
	echo 0 >/proc/sys/net/ipv4/ip_forward
	ip link set "$bridge" down && ip link set "$bridge" name mine && ip link set mine up
	until_true has_bridge "$bridge"
	until_true eval '[ "$(</proc/sys/net/ipv4/ip_forward)" = 1 ]'
	server=$(pgrep -x kist-dns)
	kill -KILL "$server"
	until_true has_other_server "$server"
	# When all is well it changes nothing, so that it does not wake itself.
	timeout -s INT 4 nft monitor >"$T/changes" 2>&1 || true
	[ ! -s "$T/changes" ]
	kist delete --force $ID
	kill "$watcher"
	wait "$watcher" || [ $? = 143 ]
	[ -z "$(ip -o link show type bridge)" ]
}
