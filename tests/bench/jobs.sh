#!/bin/bash
# jobs.sh - what a job costs: `kist job run` of /bin/true with all its walls beside bubblewrap, which
# makes the same namespaces and mounts and neither limits, counts nor filters, and beside `docker run
# --rm`; a detached job's monitor beside conmon and containerd's shim: their memory, and how fast
# output gets through it into a file, beside cat from the same pipe.
#
# usage: jobs.sh [-r ROUNDS] [-m MIB]
#
# Turn by turn, as run.sh; state on tmpfs, the root folder too. dockerd is Debian's, unpacked and not
# installed, without a bridge of its own: `--network none` is what a job has. All of it runs in
# namespaces of its own (tests/isolated.sh). build/bench-jobs.json keeps the figures.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
repo=$(cd "$here/../.." && pwd)
# shellcheck source=tests/bench/lib.sh
. "$here/lib.sh"
[ "$(id -u)" = 0 ] || { echo "bench-jobs: needs root (namespaces, cgroups)" >&2; exit 2; }
if [ -z "${KIST_BENCH_JOBS-}" ]; then
	"$repo/tests/peers.sh" consumers >/dev/null 2>&1 &&
		"$repo/tests/peers.sh" bubblewrap >/dev/null 2>&1 ||
		echo "bench-jobs: note: not all peers are there (apt-get download failed)" >&2
	KIST_BENCH_JOBS=1 exec "$repo/tests/isolated.sh" "$0" "$@"
fi
bench_need_cgroup2 "$0" "$@"
rounds=100 mib=1024
while [ $# -ge 2 ]; do
	case $1 in
	-r) rounds=$2 ;;
	-m) mib=$2 ;;
	*) break ;;
	esac
	shift 2
done
[ $# = 0 ] || { echo "usage: jobs.sh [-r ROUNDS] [-m MIB]" >&2; exit 2; }

note() { echo "bench-jobs: note: $*" >&2; }
kist=${KIST:-$repo/build/kist} peers=$repo/build/peers/bin
tmp=$(mktemp -d /dev/shm/bench-jobs.XXXXXX)
chmod 755 "$tmp"
# Where the host has no controllers the limits that a profile has are waived.
export KIST_ALLOW_DEGRADED=${KIST_ALLOW_DEGRADED-memory,pids,cpu}
export PATH=$peers:$PATH HOME=$tmp DOCKER_HOST=unix:///run/bench-docker.sock DOCKER_CLI_HINTS=false
pids=()
trap 'clean_up' EXIT
trap 'exit 1' INT TERM
clean_up() {
	[ ${#pids[@]} = 0 ] || kill "${pids[@]}" 2>/dev/null || true
	for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
	awk -v top="$tmp/" 'index($5 "/", top) == 1 { print $5 }' /proc/self/mountinfo | tac |
		xargs -r umount -l || true
	rm -rf "$tmp"
}

cc=${CC:-cc}
$cc -O2 -static -std=gnu17 -o "$tmp/turns" "$here/turns.c"
$cc -O2 -static -std=gnu17 -o "$tmp/through" "$here/through.c"
mkdir -p "$tmp/root"/{bin,proc,sys,dev,tmp,etc,work}
bench_build_true "$tmp/root/bin/true"
bench_build_pause "$tmp/root/bin/pause"
job="$kist --root $tmp/state job"

# bubblewrap with what a job has, as far as it knows it.
bwrap="$peers/bwrap --unshare-all --die-with-parent --new-session --cap-drop ALL --clearenv --hostname job \
--ro-bind $tmp/root / --proc /proc --dev /dev --tmpfs /tmp --tmpfs /dev/shm --remount-ro / -- /bin/true"

# --- dockerd ----------------------------------------------------------------------------------

docker_begin() {
	local name
	for name in dockerd docker containerd containerd-shim-runc-v2 runc iptables; do
		[ -x "$peers/$name" ] || { note "no $name of Debian's: docker is left out"; return 1; }
	done
	echo '{}' >"$tmp/daemon.json"
	dockerd --config-file "$tmp/daemon.json" -H "$DOCKER_HOST" --data-root "$tmp/docker" \
		--exec-root "$tmp/exec" -p "$tmp/docker.pid" --bridge none --iptables=false \
		>"$tmp/dockerd.log" 2>&1 &
	pids+=($!)
	for _ in {1..600}; do
		! docker version >/dev/null 2>&1 || break
		sleep 0.1
	done
	tar -C "$tmp/root" -c . | docker import - bench >/dev/null || { tail -n 5 "$tmp/dockerd.log"; return 1; }
}

# --- measuring --------------------------------------------------------------------------------

measure() { # TABLE TITLE [OPTION...]
	local table=$1 title=$2
	shift 2
	echo "== $title"
	"$tmp/turns" "$@" >"$tmp/out"
	printf '%10s %10s %9s  %s\n' 'p50 ms' 'p99 ms' 'x first' ''
	awk -F '\t' -v table="$table" -v all="$tmp/figures" '
		{ printf "%10.2f %10.2f %9.2f  %s\n", $2, $3, $4, $1
		  print table "/" $0 >>all }' "$tmp/out"
}
p50() { awk -F '\t' -v name="$1" '$1 == name { print $2 }' "$tmp/figures"; }
# Of each round's own ratio to the first line's time, the median: a slow moment hits both.
ratio() { awk -F '\t' -v name="$1" '$1 == name { print $4 }' "$tmp/figures"; }

$bwrap || note "bubblewrap does not run: it is left out"
{
	$bwrap 2>/dev/null && echo "bwrap||$bwrap|"
	echo "job||$job run --id %i --allow-degraded memory,pids,cpu $tmp/root -- /bin/true|"
	echo "job with limits and result||$job run --id %i --result $tmp/result.json --allow-degraded memory,pids,cpu --memory 64m --pids 32 --cpus 1 --wall 60s --output 1m --workspace 16m $tmp/root -- /bin/true|"
	echo "compute||$job run --id %i --profile compute --allow-degraded memory,pids,cpu $tmp/root -- /bin/true|"
} | measure job "a job of /bin/true beside bubblewrap ($rounds rounds)" -r "$rounds"

docker=
if docker_begin; then
	{
		echo "docker||$peers/docker run --rm --network none bench /bin/true|"
		echo "job||$job run --id %i --allow-degraded memory,pids,cpu $tmp/root -- /bin/true|"
	} | measure docker 'a job of /bin/true beside docker run --rm' -r $((rounds / 10 + 1))
	docker=yes
fi

# --- who stays --------------------------------------------------------------------------------

# Many of a kind share what they load: ten of each, and what one of them has on average.
many=10
echo "== memory of who stays with a container, PSS in KiB, the mean of $many"
pss() { # PID...
	local pid
	for pid; do cat "/proc/$pid/smaps_rollup"; done |
		awk '$1 == "Pss:" { sum += $2; n++ } END { if (n) printf "%.1f\n", sum / n }'
}
say() { # NAME PID...
	local kib
	[ $# = $((many + 1)) ] || { note "$(($# - 1)) of $1 run, not $many: left out"; return 0; }
	kib=$(pss "${@:2}")
	printf '%10s  %s\n' "$kib" "$1"
	printf 'pss/%s\t%s\n' "$1" "$kib" >>"$tmp/figures"
}
ids=$(seq -f 'stays-%.0f' $many)
for id in $ids; do $job run --detach --id "$id" --allow-degraded memory,pids,cpu --wall max "$tmp/root" -- /bin/pause >/dev/null; done
# shellcheck disable=SC2046 # pids
say monitor $($job ls --json | jq -r .monitor_pid)
for id in $ids; do $job kill "$id" KILL && { $job wait "$id" >/dev/null 2>&1 || true; }; done
$job gc >/dev/null
if [ -n "$docker" ]; then
	for id in $ids; do docker run -d --network none bench /bin/pause >/dev/null; done
	# shellcheck disable=SC2046
	say shim $(pgrep -f 'containerd-shim-runc-v2 -namespace moby')
fi
if [ -x "$peers/conmon" ] && [ -x "$peers/runc" ]; then
	bench_make_bundle "$tmp/bundle" "$peers/runc"
	jq '.process.args = ["/bin/pause"]' "$tmp/bundle/config.json" >"$tmp/new"
	mv "$tmp/new" "$tmp/bundle/config.json"
	for id in $ids; do
		mkdir "$tmp/conmon-$id"
		env -u NOTIFY_SOCKET conmon -c "$id" -u "$id" -r "$peers/runc" -b "$tmp/bundle" \
			-p "$tmp/conmon-$id/container" -P "$tmp/conmon-$id/pid" -l "k8s-file:$tmp/conmon-$id/log" \
			--socket-dir-path "$tmp/conmon-$id" --full-attach --runtime-arg=--root="$tmp/runc" \
			>"$tmp/out" 2>&1 </dev/null || note "conmon: $(tail -n 1 "$tmp/out")"
	done
	runs() { [ "$(find "$tmp/runc" -name state.json | wc -l)" = $many ]; }
	for _ in {1..300}; do ! runs || break; sleep 0.1; done
	# shellcheck disable=SC2046
	say conmon $(awk 1 "$tmp"/conmon-*/pid)
	for id in $ids; do runc --root "$tmp/runc" delete --force "$id" || true; done
fi

# --- what goes through --------------------------------------------------------------------------

cat >"$tmp/cat" <<'END'
#!/bin/sh
exec cat >out
END
chmod 755 "$tmp/cat"
mkdir "$tmp/through.d"
cd "$tmp/through.d"
monitor="${kist%/*}/kist-monitor --pidfd %d --stdout %p --dir %. --record end"
{
	echo "cat|/bin/rm -f out|$tmp/through $mib $tmp/cat <|"
	echo "raw|/bin/rm -f log|$tmp/through $mib $monitor --log raw -- $tmp/root/bin/true|"
	echo "json-file|/bin/rm -f log|$tmp/through $mib $monitor --log json-file --log-size 100000000 --log-files 2 -- $tmp/root/bin/true|"
	echo "none||$tmp/through $mib $monitor --log none -- $tmp/root/bin/true|"
} | measure through "$mib MiB of text through the monitor into a file, beside cat" -r $((rounds / 10 + 1))
cd /

# --- the sum of it ------------------------------------------------------------------------------

judge() { # WHAT VALUE OF MUST AIM [at least]
	[ -n "$2" ] && [ -n "$3" ] || return 0
	awk -v what="$1" -v value="$2" -v of="$3" -v must="$4" -v aim="$5" -v least="${6-}" 'BEGIN {
		r = value / of
		good = least ? r >= aim : r <= aim
		fine = least ? r >= must : r <= must
		printf "%8.3f %6s %6s  %-8s %s\n", r, must, aim, good ? "aim met" : fine ? "met" : "MISSED", what }'
}
echo '== ratios'
printf '%8s %6s %6s  %-8s %s\n' ratio must aim '' ''
{
	[ -z "$(p50 job/bwrap)" ] || judge 'job run to bubblewrap' "$(ratio job/job)" 1 1.5 1.0
	judge 'job run to docker run --rm' "$(ratio docker/job)" 1 0.05 0.02
	judge 'memory of the monitor to conmon' "$(p50 pss/monitor)" "$(p50 pss/conmon)" 0.3 0.1
	judge "memory of the monitor to containerd's shim" "$(p50 pss/monitor)" "$(p50 pss/shim)" 0.05 0.015
	judge 'through the monitor into a file, to cat' "$(p50 through/cat)" "$(p50 through/raw)" 0.7 0.95 least
} | tee "$tmp/ratios"
mkdir -p "$repo/build"
jq -n --rawfile figures "$tmp/figures" --rawfile ratios "$tmp/ratios" --arg kernel "$(uname -r)" \
	--arg time "$(date -u +%Y-%m-%dT%H:%M:%SZ)" --argjson rounds "$rounds" --argjson mib "$mib" '
	{time: $time, kernel: $kernel, rounds: $rounds, mib: $mib,
	 figures: ($figures | split("\n") | map(select(. != "") | split("\t") | {name: .[0], value: (.[1] | tonumber)})),
	 ratios: ($ratios | split("\n") | map(select(. != "")))}' >"$repo/build/bench-jobs.json"
echo "figures: build/bench-jobs.json"
