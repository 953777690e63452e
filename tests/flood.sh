#!/bin/bash
# flood.sh - endless output of a job, through its monitor: all of it is counted, the log stays as small as
# it was meant to be, and the monitor does not grow.
#
# usage: flood.sh BYTES [FORMAT]      FORMAT: raw (default), json-file, none; as root
set -euo pipefail
repo=$(cd "$(dirname "$0")/.." && pwd)
bytes=${1:?} format=${2-raw}
most=4096 # KiB of the monitor's, PSS
[ -n "${KIST_TEST_ISOLATED-}" ] || exec "$repo/tests/isolated.sh" "$0" "$@"
# On a disk: an id-mapped tmpfs wants a newer kernel than Debian's. The log is in memory.
tmp=$(mktemp -d "${TMPDIR:-/var/tmp}/flood.XXXXXX")
trap 'umount "$tmp/state" 2>/dev/null; rm -rf "$tmp"' EXIT
mkdir -p "$tmp/state" "$tmp/in" "$tmp/root"/{bin,proc,sys,dev,tmp}
mount -t tmpfs -o size=64m flood "$tmp/state"
[ -x "$repo/build/tools/flood" ] || "$repo/tests/tools/build.sh" flood >/dev/null
cp "$repo/build/tools/flood" "$tmp/root/bin/flood"
kist() { "${KIST:-$repo/build/kist}" --root "$tmp/state" "$@"; }

kist job run --detach --id flood --allow-degraded memory,pids,cpu --output max --cpu-time max --wall 24h --input "$tmp/in:/in" --log "$format" --log-size 4m --log-files 2 "$tmp/root" -- \
	/bin/flood "$bytes" 7 /in/go >/dev/null
monitor=$(kist job ls --json | jq -r .monitor_pid)
pss=0
# It becomes kist again at its end.
while [[ $(readlink "/proc/$monitor/exe") == */kist-monitor ]]; do
	now=$(awk '$1 == "Pss:" { print $2 }' "/proc/$monitor/smaps_rollup" 2>/dev/null || true)
	[ "${now:-0}" -le "$pss" ] || pss=$now
	[ "$pss" = 0 ] || [ -e "$tmp/in/go" ] || touch "$tmp/in/go"
	sleep 0.05
done
status=0
kist job wait flood || status=$?
result=$tmp/state/.jobs/flood
[ $status -eq 7 ] || { echo "flood: the job ended with $status"; cat "$result/errors"; exit 1; }
[ "$(jq .stdout.bytes "$result/result.json")" = "$bytes" ] || { echo "flood: bytes: $(jq -c .stdout "$result/result.json")"; exit 1; }
[ "$(jq .dropped "$result/end.json")" = 0 ] || { echo "flood: dropped $(jq .dropped "$result/end.json")"; exit 1; }
kept=$(cat "$result"/log* 2>/dev/null | wc -c)
[ "$kept" -le $((8 << 20)) ] || { echo "flood: the logs have $kept bytes"; exit 1; }
if [ "$pss" = 0 ] || [ "$pss" -ge $most ]; then
	echo "flood: the monitor had $pss KiB"
	exit 1
fi
echo "$bytes bytes as $format: the monitor had $pss KiB at most, the logs have $kept bytes"
