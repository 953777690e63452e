#!/bin/bash
# layers.sh - what a root made of an image's layers costs, beside the same root as a plain folder.
#
# usage: layers.sh [-r ROUNDS]
#
# The same bundle, once with its folder and once with an image of 1, 20 and 100 layers whose root looks
# the same (the program and what it needs lie in the lowest layer, each other one has a file), turn by
# turn (turns.c); the store is on the disk, as it is for everybody. build/bench-layers.json keeps it.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
repo=$(cd "$here/../.." && pwd)
# shellcheck source=tests/bench/lib.sh
. "$here/lib.sh"
[ "$(id -u)" = 0 ] || { echo "bench: needs root" >&2; exit 2; }
bench_need_cgroup2 "$0" "$@"
rounds=200
[ "${1-}" = -r ] && rounds=$2
kist=${KIST:-$repo/build/kist}
tmp=$(mktemp -d /dev/shm/bench.XXXXXX)
disk=$(mktemp -d /var/tmp/bench.XXXXXX)
chmod 755 "$tmp" "$disk"
trap 'rm -rf "$tmp" "$disk"' EXIT
trap 'exit 1' INT TERM

${CC:-cc} -O2 -static -std=gnu17 -o "$tmp/turns" "$here/turns.c"
bench_make_bundle "$disk/folder" "$kist"
export KIST_STORE=$disk/store
python3 - "$repo/tests/lib" "$disk" <<'PY'
import sys
sys.path.insert(0, sys.argv[1])
import ociimage, tarfile
disk = sys.argv[2]
root = ociimage.Tar()
for name in "bin", "proc", "sys", "dev":
    root.add(name, type=tarfile.DIRTYPE, mode=0o755)
for name in "true", "pause":
    root.add("bin/" + name, open(disk + "/folder/rootfs/bin/" + name, "rb").read(), mode=0o755)
for count in 1, 20, 100:
    layers = [(root.bytes(), "plain")]
    layers += [(ociimage.Tar().add("layer%d" % i, b"%d" % i).bytes(), "plain") for i in range(1, count)]
    layout = ociimage.Layout(disk + "/layout%d" % count)
    layout.image(layers, ref="layers:%d" % count)
    layout.write()
PY
for count in 1 20 100; do
	"$kist" image load -q --tag "layers:$count" "$disk/layout$count" >/dev/null
	cp -r "$disk/folder" "$disk/image$count"
	jq --arg image "layers:$count" '.annotations = {"io.kist.image": $image}' \
		"$disk/folder/config.json" >"$disk/image$count/config.json"
done
run="$kist --root $tmp/state run --bundle $disk"
{
	for name in folder image1 image20 image100; do
		echo "$name||$run/$name bench-%i|"
	done
} | "$tmp/turns" -r "$rounds" >"$tmp/out"
awk -F '\t' 'BEGIN { printf "%10s %10s %8s  %s\n", "p50 ms", "p99 ms", "x folder", "root" }
	{ printf "%10.2f %10.2f %8.2f  %s\n", $2, $3, $4, $1 }' "$tmp/out"
jq -Rn '[inputs | split("\t") | {name: .[0], p50_ms: (.[1] | tonumber), p99_ms: (.[2] | tonumber),
	ratio: (.[3] | tonumber)}]' <"$tmp/out" >"$repo/build/bench-layers.json"
