#!/bin/bash
# batch.sh - jobs of /bin/true per second by `kist batch`, with all their walls, beside the floor
# program in a loop: one loop, and one on each processor at once.
#
# usage: batch.sh [-r ROUNDS] [-n JOBS]
#
# The floor loads a real filter too, and does no more than the kernel must (floor.c): no user
# namespace, no image, no record, no result. Turn by turn, as run.sh; state on tmpfs. The share is
# batch's jobs per second of the one loop's, and of all loops' together. build/bench-batch.json
# keeps the figures.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
repo=$(cd "$here/../.." && pwd)
# shellcheck source=tests/bench/lib.sh
. "$here/lib.sh"
[ "$(id -u)" = 0 ] || { echo "bench-batch: needs root (namespaces, cgroups)" >&2; exit 2; }
[ -n "${KIST_BENCH_BATCH-}" ] || KIST_BENCH_BATCH=1 exec "$repo/tests/isolated.sh" "$0" "$@"
bench_need_cgroup2 "$0" "$@"
rounds=15 jobs=200
while [ $# -ge 2 ]; do
	case $1 in
	-r) rounds=$2 ;;
	-n) jobs=$2 ;;
	*) break ;;
	esac
	shift 2
done
[ $# = 0 ] || { echo "usage: batch.sh [-r ROUNDS] [-n JOBS]" >&2; exit 2; }
kist=${KIST:-$repo/build/kist}
processors=$(nproc)
tmp=$(mktemp -d /dev/shm/bench-batch.XXXXXX)
chmod 755 "$tmp"
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' INT TERM
# Where the host has no controllers the limits that a profile has are waived.
export KIST_ALLOW_DEGRADED=${KIST_ALLOW_DEGRADED-memory,pids,cpu}

${CC:-cc} -O2 -static -std=gnu17 -o "$tmp/turns" "$here/turns.c"
bench_build_floor "${CC:-cc}" "$here/floor.c" "$tmp/floor"
mkdir -p "$tmp/root"/{bin,proc,sys,dev,tmp,etc,work}
bench_build_true "$tmp/root/bin/true"
[ ! -x "$repo/build/tests/bench/seccomp" ] ||
	"$repo/build/tests/bench/seccomp" -o "$tmp/program" "$repo/tests/lib/docker-like-seccomp.json"
filter=
[ ! -s "$tmp/program" ] || filter="--bpf $tmp/program"
each=$((jobs / processors))

cat >"$tmp/loops" <<EOF
#!/bin/sh
i=0
while [ \$i -lt $processors ]; do
	"$tmp/floor" $filter --repeat $each "$tmp/root" /bin/true &
	i=\$((i + 1))
done
wait
EOF
cat >"$tmp/batch" <<EOF
#!/bin/sh
exec "$kist" --root "$tmp/state" batch -q -j "\$1" "$tmp/\$2" >/dev/null
EOF
chmod 755 "$tmp/loops" "$tmp/batch"
for profile in job compute; do
	yes "{\"version\":1,\"folder\":\"$tmp/root\",\"command\":[\"/bin/true\"],\"profile\":\"$profile\"}" |
		head -n $((each * processors)) >"$tmp/$profile.jsonl" || [ $? = 141 ]
done
{
	echo "floor, one loop||$tmp/floor $filter --repeat $((each * processors)) $tmp/root /bin/true|"
	echo "floor, $processors loops||$tmp/loops|"
	for slots in $processors $((processors * 2)); do
		echo "batch -j $slots, profile job||$tmp/batch $slots job.jsonl|"
	done
	echo "batch -j $((processors * 2)), profile compute||$tmp/batch $((processors * 2)) compute.jsonl|"
} | "$tmp/turns" -r "$rounds" >"$tmp/out"
awk -F '\t' -v jobs=$((each * processors)) '
	NR == 1 { printf "%10s %10s %11s %11s  %s\n", "p50 ms", "jobs/s", "x one loop", "x all loops", "" }
	{ ms[NR] = $2; printf "%10.2f %10.0f %11.2f %11s  %s\n", $2 / jobs, jobs * 1000 / $2, ms[1] / $2,
		(NR > 1) ? sprintf("%.2f", ms[2] / $2) : "", $1 }' "$tmp/out"
jq -Rn --argjson jobs $((each * processors)) '[inputs | split("\t") | {name: .[0], ms: (.[1] | tonumber / $jobs),
	of_one_loop: (1 / (.[3] | tonumber))}]' <"$tmp/out" >"$repo/build/bench-batch.json"
