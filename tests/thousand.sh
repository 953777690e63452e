#!/bin/bash
# thousand.sh - many containers at once: does the last one take as long to make as the first?
#
# usage: thousand.sh [COUNT]      (default 1000; as root)
#
# Runs COUNT containers of one program that waits, then lists and deletes them all, eight at a time.
# Prints the curve (median ms of `kist run -d` for each tenth of them) and, as its last line,
#   thousand: create A -> B ms (x R), list L ms, torn down in S s
# and fails when R is over 2, list takes over a second, or the end over 30 seconds; or when anything is
# left. Everything happens in namespaces of its own (tests/isolated.sh).
set -euo pipefail
cd "$(dirname "$0")/.."
count=${1:-1000}
[ -n "${KIST_TEST_ISOLATED-}" ] || exec tests/isolated.sh "tests/${0##*/}" "$count"
fail() { echo "thousand: $*" >&2; exit 1; }
[ "$(id -u)" = 0 ] || fail "needs root"
tools=$(tests/tools/build.sh posture)
kist=$PWD/build/kist
work=$(mktemp -d /dev/shm/kist-thousand.XXXXXX)
trap 'cd /; umount -l "$work"; rmdir "$work"' EXIT
mount -t tmpfs -o mode=755 tmpfs "$work"
cd "$work"
mkdir -p rootfs/{bin,proc,sys,dev}
cp "$tools/posture" rootfs/bin/
"$kist" spec
jq '.process.terminal = false | .process.args = ["/bin/posture"]' config.json >new
mv new config.json
kist() { "$kist" --root "$work/state" "$@"; }
now() { echo $((${EPOCHREALTIME/./} / 1000)); } # ms
cgroups() { find /sys/fs/cgroup -name 'kist-c[0-9]*' -type d 2>/dev/null | wc -l; }

for ((i = 1; i <= count; i++)); do
	begin=${EPOCHREALTIME/./}
	kist run -d "c$i" </dev/null >/dev/null
	echo $((${EPOCHREALTIME/./} - begin))
done >took
# The first ten warm up the caches.
tenth=$(((count - 10) / 10)) medians=
for ((i = 0; i < 10; i++)); do
	medians+=$(sed -n "$((11 + i * tenth)),$((10 + (i + 1) * tenth))p" took | sort -n |
		sed -n "$(((tenth + 1) / 2))p" | awk '{ printf "%.1f ", $1 / 1000 }')
done
echo "each tenth of $count: $medians ms"
begin=$(now)
[ "$(kist list -q | wc -l)" = "$count" ] || fail "list does not show all"
list=$(($(now) - begin))
[ "$(cgroups)" = "$count" ] || fail "$(cgroups) cgroups for $count containers"

begin=$(now)
seq -f 'c%g' "$count" | xargs -P 8 -n 1 "$kist" --root "$work/state" delete --force
end=$(($(now) - begin))
[ -z "$(ls -A state)" ] || fail "something is left in the state root"
[ "$(cgroups)" = 0 ] || fail "$(cgroups) cgroups are left"
! pgrep -x posture >/dev/null || fail "processes are left"

read -r first _ <<<"$medians"
last=$(awk '{ print $NF }' <<<"$medians")
ratio=$(awk -v a="$first" -v b="$last" 'BEGIN { printf "%.2f", b / a }')
echo "thousand: create $first -> $last ms (x $ratio), list $list ms, torn down in $(awk -v e=$end 'BEGIN { printf "%.1f", e / 1000 }') s"
awk -v r="$ratio" -v l="$list" -v e="$end" 'BEGIN { exit !(r <= 2 && l <= 1000 && e <= 30000) }'
