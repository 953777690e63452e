# What the tests of networks that are defined share: a bundle in $T/b with a container $ID that sleeps, and
# looks at what there is. After helpers and runtime.

setup() {
	need_root
	command -v ip nft >/dev/null || skip "needs Debian's iproute2 and nftables as witnesses"
	kist_setup
	export KIST_NETWORKS=$D/networks
	ID=${T##*.}
	make_bundle "$T/b"
	cd "$T/b"
	edit_bundle "$T/b" '.root.readonly = false'
	bundle_args "$T/b" sleep 1000
}
teardown() { runtime_teardown; }

net() { "$KIST" --root "$ROOT" net "$@"; }
annotate() { edit_bundle "$T/b" ".annotations = $1"; }
at() { nsenter --net="/proc/$(pid_of "$1")/ns/net" -- "${@:2}"; }
of() { net inspect "$1" | jq -r ".[0]$2"; }
# What of networks the host has, and in the store.
world() {
	ip -o link | sed 's/ state .*//; s/<.*>//'
	ip -o addr | grep -v fe80
	nft list ruleset
	cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv6/conf/all/forwarding
	find /run/kist -path '*.net*' 2>/dev/null || true
}
same_world() { diff <(echo "$BEFORE") <(world); }

until_true() { local i; for ((i = 0; i < 600; i++)); do if "$@"; then return; fi; sleep 0.05; done; false; }
has_rules() { [ "$(nft list chain inet kist forward 2>/dev/null | wc -l)" -gt 5 ]; }
has_bridge() { [ "$(ip -br -4 addr show "$1" 2>/dev/null | awk '{ print $3 }')" = 10.99.0.1/24 ]; }
has_other_server() { local now; now=$(pgrep -x kist-dns) && [ "$now" != "$1" ]; }
