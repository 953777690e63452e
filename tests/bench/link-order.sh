#!/bin/bash
# link-order.sh - makes cli/link-order.txt anew: what the usual commands use, in the order of its use.
#
# usage: link-order.sh    (as root, in a built tree; takes some ten minutes)
#
# Each command is stepped through (used.c); the linker's map says whose each address is.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
repo=$(cd "$here/../.." && pwd)
# shellcheck source=tests/bench/lib.sh
. "$here/lib.sh"
bench_need_cgroup2 "$0" "$@"
tmp=$(mktemp -d /dev/shm/link-order.XXXXXX)
chmod 755 "$tmp"
trap 'rm -rf "$tmp"' EXIT

${CC:-cc} -O2 -std=gnu17 -o "$tmp/used" "$here/used.c"
make -s -C "$repo" B="$tmp/build" "$tmp/build/kist-image"
make -s -C "$repo" B="$tmp/build" LDFLAGS="-Wl,-Map,$tmp/map" "$tmp/build/kist"
kist=("$tmp/build/kist" --root "$tmp/state")
bench_make_bundle "$tmp/bare" "${kist[0]}"
bench_add_seccomp "$tmp/bare" "$tmp/plain" "$repo/tests/lib/docker-like-seccomp.json"
cp -r "$tmp/plain" "$tmp/stays"
jq '.process.args = ["/bin/pause"]' "$tmp/plain/config.json" >"$tmp/stays/config.json"

used() {
	echo "$*" >&2
	"$tmp/used" "$tmp/used.$1" "${kist[@]}" "$@" </dev/null >"$tmp/out" 2>&1
}
# A start from an image uses what a start from a folder does, and more.
export KIST_STORE=$tmp/store
tar -C "$tmp/plain/rootfs" -cf "$tmp/root.tar" .
"${kist[0]}" image import -q "$tmp/root.tar" order:1 >/dev/null
cp -r "$tmp/plain" "$tmp/image"
jq '.annotations = {"io.kist.image": "order:1"}' "$tmp/plain/config.json" >"$tmp/image/config.json"
used run -b "$tmp/image" image
mv "$tmp/used.run" "$tmp/used.image"
used run -b "$tmp/plain" one
"${kist[@]}" run -d -b "$tmp/stays" two </dev/null >"$tmp/out" 2>&1
used exec two /bin/true
used state two
used list
used kill two CONT
used delete --force two

# Sections of the map: "ADDRESS SIZE NAME OBJECT", in the order of addresses.
sed -n '/^Linker script and memory map/,$p' "$tmp/map" | tr '\n' ' ' |
	grep -oE ' \.text[^ ]* +0x[0-9a-f]+ +0x[0-9a-f]+ [^ ]+' |
	while read -r name address size object; do
		[ $((size)) = 0 ] || echo $((address)) $((size)) "$name" "$object"
	done | sort -n >"$tmp/sections"
{
	sed -n '/^#.*whole objects/q; /^#/p' "$repo/cli/link-order.txt"
	for kind in ours theirs; do
		echo
		[ $kind = ours ] || echo '# of the libraries, whole objects'
		cat "$tmp"/used.{run,image,exec,state,list,kill,delete} | while read -r offset order; do
			echo $((0x$offset)) "$order"
		done | sort -n | awk -v kind=$kind '
			NR == FNR { from[++n] = $1; to[n] = $1 + $2; name[n] = $3; object[n] = $4; next }
			{
				while (at < n && to[at] <= $1) at++
				if (from[at] > $1 || at == 0) next
				if (!(at in first) || $2 < first[at]) first[at] = $2
			}
			END {
				for (i in first) {
					text = name[i]
					sub(/^\.text\.?((unlikely|startup|hot)\.)?/, "", text)
					sub(/\.(constprop|isra|part|cold).*/, "", text)
					if (object[i] !~ /libkist\.a|main-kist/) {
						text = object[i]
						if (!sub(/.*\/lib/, "lib", text) || !sub(/\(/, ":", text)) continue
						sub(/\)$/, "", text)
					}
					if (text != "" && (text ~ /:/) == (kind == "theirs")) print first[i], text
				}
			}' at=1 "$tmp/sections" - | sort -n | awk '!seen[$2]++ { print $2 }' | fmt -w 100
	done
} >"$tmp/order"
mv "$tmp/order" "$repo/cli/link-order.txt"
