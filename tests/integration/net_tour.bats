#!/usr/bin/env bats
# The tour of docs/networking.md, as it stands there: its commands are run, and must print what the
# page says, but for what is another one each time (ids, hashes, numbers of interfaces, MACs that
# the kernel chose, sizes).

bats_require_minimum_version 1.5.0
load helpers
load page

setup() {
	need_root
	command -v ip nft jq >/dev/null || skip "needs Debian's iproute2, nftables and jq as witnesses"
	[ -n "${KIST_TEST_ISOLATED-}" ] || skip "flushes the firewall: tests/isolated.sh"
	kist_setup
	export KIST_NETWORKS=$D/networks PATH=${KIST%/*}:$PATH
	kist-of-the-page load -q "$FIXTURES/busybox.tar" >/dev/null
}
teardown() {
	local id
	for id in web api; do
		"$KIST" job kill $id 2>/dev/null && "$KIST" job wait $id || true
	done >/dev/null 3>&-
	"$KIST" job gc >/dev/null 2>&1 || true
	kist_teardown
}

kist-of-the-page() { "$KIST" "$@" 3>&-; }

# What of the page's words and of the machine's may differ. (Without /etc/protocols nft says 6.)
same() {
	sed -E 's/[[:space:]]+/ /g; s/^ //; s/ $//; /^$/d
		s/\b[0-9a-f]{64}\b/ID/g; s/\b(kb|kv)[0-9a-f]{12}\b/\1HASH/g
		s/\b(ep|of)-[0-9a-f]{16}\b/\1-HASH/g; s/\b[0-9a-f]{8}-[0-9]+\b/KEY/g
		/02:6b:|00:00:00/!s/\b([0-9a-f]{2}:){5}[0-9a-f]{2}\b/MAC/
		s/@if[0-9]+/@ifN/; s/^(\S+) (UP|UNKNOWN|DOWN|LOWERLAYERDOWN) /\1 STATE /
		s/\{ 6 \. /{ tcp . /; s/NO-CARRIER,//; s/,(LOWER_UP|M-DOWN)//g; s/^nobody [0-9]+ /nobody SIZE /'
}

# is_said WORDS OUTPUT: equal, with any lines where the page has "...".
is_said() {
	local pattern
	pattern=$(same <<<"$1" | sed 's/[][\\*?^]/\\&/g; s/^\.\.\.$/*/')
	# shellcheck disable=SC2053 # a pattern
	[[ $(same <<<"$2") == $pattern ]]
}

# Runs the command in this shell, for what it sets. Who was only just started may not listen yet.
try() {
	local tries output
	for ((tries = 0; tries < 100; tries++)); do
		eval "$1" >"$T/out" 2>&1 </dev/null 3>&- || true
		output=$(<"$T/out")
		if is_said "$2" "$output"; then
			return
		fi
		[[ $1 == *wget* || $1 == *nslookup* ]] || break
		sleep 0.1
	done
	printf '$ %s\n--- the page says:\n%s\n--- it prints:\n%s\n' "$1" "$2" "$output"
	false
}

@test "the commands of the tour print what the page says" {
	local count
	kist() { kist-of-the-page "$@"; }
	command -v wget >/dev/null || wget() { # the test machine has none
		exec 9<>/dev/tcp/127.0.0.1/8080 && printf 'GET / HTTP/1.0\r\n\r\n' >&9 && sed '1,/^\r$/d' <&9
	}
	each_command try < <(sed -n '/^## A tour/,/^## Which/p' "$TOP/docs/networking.md")
	[ $count -ge 25 ]
}
