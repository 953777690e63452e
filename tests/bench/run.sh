#!/bin/bash
# run.sh - the figures of `make bench`: what kist costs beside the floor, crun and runc.
#
# usage: run.sh [-r ROUNDS]
#
# Everything runs from the bundle that `runc spec` makes and Docker's kind of seccomp profile, with
# programs without a libc, state on tmpfs, turn by turn (turns.c). The floor loads kist's program of
# that profile. KIST is the runtime under test (default build/kist); where `make
# static` was, build/static/kist too. Each is held against the floor that is linked with its libc.
# build/bench.json keeps the figures. The host is left as it is: cgroup2 lies over /sys/fs/cgroup
# only in a mount namespace of our own.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
repo=$(cd "$here/../.." && pwd)
# shellcheck source=tests/bench/lib.sh
. "$here/lib.sh"
[ "$(id -u)" = 0 ] || { echo "bench: needs root (namespaces, cgroups)" >&2; exit 2; }

note() { echo "bench: note: $*" >&2; }
find_peer() { # NAME - the unpacked one, else an installed one, else nothing
	find "$repo/build/peers/" -type f -perm -u+x \( -path "*/bin/$1" -o -path "*/sbin/$1" \) \
		2>/dev/null | head -n 1 | grep . || command -v "$1" || true
}

# Debian's runc and crun, unpacked and not installed.
"$repo/tests/peers.sh" >/dev/null || note "no peers (apt-get download failed)"
bench_need_cgroup2 "$0" "$@"

rounds=100
[ "${1-}" = -r ] && rounds=$2
tmp=$(mktemp -d /dev/shm/bench.XXXXXX)
chmod 755 "$tmp"
declare -A command
trap 'clean_up' EXIT
trap 'exit 1' INT TERM
clean_up() {
	local name id
	for name in "${!command[@]}"; do
		for id in "$tmp/state-$name"/*; do
			[ ! -d "$id" ] || env ${command[$name]} delete --force "${id##*/}" \
				>/dev/null 2>&1 || true
		done
	done
	rm -rf "$tmp"
	# A runtime that failed may have left its cgroup; empty ones with our name are ours.
	rmdir /sys/fs/cgroup/bench-* 2>/dev/null || true
}

# --- who takes part ---

kist=${KIST:-$repo/build/kist}
static=$repo/build/static/kist
runc=$(find_peer runc) crun=$(find_peer crun)
${CC:-cc} -O2 -static -std=gnu17 -o "$tmp/turns" "$here/turns.c"
${CC:-cc} -O2 -shared -fPIC -o "$tmp/memlock.so" "$here/memlock.c"
libraries=$(find "$repo/build/peers/" -name 'libyajl.so*' -printf '%h\n' 2>/dev/null | sort -u | head -n 1)
[ -x "$kist" ] || { echo "bench: no kist at $kist" >&2; exit 2; }
command[kist]="$kist --root $tmp/state-kist"
if [ -x "$static" ]; then
	command[kist-static]="$static --root $tmp/state-kist-static"
else
	note "no build/static/kist, its rows are left out (make static)"
fi
[ -z "$runc" ] || command[runc]="$runc --root $tmp/state-runc"
[ -z "$crun" ] || command[crun]="LD_PRELOAD=$tmp/memlock.so LD_LIBRARY_PATH=$libraries $crun --root $tmp/state-crun"

bench_build_floor "${CC:-cc}" "$here/floor.c" "$tmp/floor"
! command -v musl-gcc >/dev/null || bench_build_floor musl-gcc "$here/floor.c" "$tmp/floor-musl"
loads=$repo/build/tests/bench/seccomp
[ -x "$loads" ] || { echo "bench: no $loads (make bench builds it)" >&2; exit 2; }
profile=$repo/tests/lib/docker-like-seccomp.json
"$loads" -o "$tmp/program" "$profile"
bench_make_bundle "$tmp/bare" "${runc:-$kist}"
bench_add_seccomp "$tmp/bare" "$tmp/plain" "$profile"
cp -r "$tmp/plain" "$tmp/userns"
bench_add_userns "$tmp/userns" 100000 65536
cp -r "$tmp/plain" "$tmp/stays"
jq '.process.args = ["/bin/pause"]' "$tmp/plain/config.json" >"$tmp/stays/config.json"

for name in "${!command[@]}"; do
	if ! env ${command[$name]} run -b "$tmp/plain" "bench-try-$name" >"$tmp/try" 2>&1; then
		note "$name is left out: $(grep -v '^fix:' "$tmp/try" | tail -n 1)"
		unset "command[$name]"
	fi
done
[ -n "${command[kist]-}" ] || exit 1

# --- measuring: a table of turns.c on stdin; its lines go to $tmp/figures, named TABLE/NAME ---

measure() { # TABLE TITLE [OPTION...]
	local table=$1 title=$2
	shift 2
	echo "== $title"
	"$tmp/turns" -r "$rounds" "$@" >"$tmp/out"
	printf '%10s %10s %9s %9s  %s\n' 'p50 ms' 'p99 ms' 'x first' 'MiB' ''
	awk -F '\t' -v table="$table" -v all="$tmp/figures" '
		{ printf "%10.2f %10.2f %9.2f %9.1f  %s\n", $2, $3, $4, $5 / 1024, $1
		  print table "/" $0 >>all }' "$tmp/out"
}
each() { # 'BEFORE|TIMED|AFTER', in which @ is the runtime with its root, and %n its name
	local name line
	for name in kist kist-static crun runc; do
		[ -n "${command[$name]-}" ] || continue
		line=${1//@/${command[$name]}}
		echo "$name|${line//%n/$name}"
	done
}
floors() { # OPTIONS BUNDLE
	local name
	for name in floor floor-musl; do
		[ ! -x "$tmp/$name" ] || echo "$name||$tmp/$name --bpf $tmp/program $1 $2/rootfs /bin/true|"
	done
}
# What it leaves behind must not hold on to our output.
detached() {
	env "$@" </dev/null >"$tmp/try" 2>&1 || { cat "$tmp/try" >&2; exit 1; }
}
p50() { awk -F '\t' -v name="$1" '$1 == name { print $2 }' "$tmp/figures"; }
memory() { awk -F '\t' -v name="$1" '$1 == name { print $5 }' "$tmp/figures"; }

{ floors '' "$tmp/plain"; each "|@ run -b $tmp/plain %i|"; } |
	measure run "run /bin/true, the default bundle with Docker's kind of profile ($rounds rounds)"
{ floors --userns=100000:65536 "$tmp/userns"; each "|@ run -b $tmp/userns %i|"; } |
	measure userns 'the same with a user namespace of 65536 ids'
{ floors '' "$tmp/plain"; each "|@ run -b $tmp/plain %i|"; } |
	measure two 'run, two at once' -j 2
each "|@ create -b $tmp/plain %i; @ start %i; @ delete --force %i|" |
	measure cycle 'create, start, delete'
for name in "${!command[@]}"; do
	detached ${command[$name]} run -d -b "$tmp/stays" "bench-stays-$name"
done
each '|@ exec bench-stays-%n /bin/true|' | measure exec 'exec /bin/true'
each '|@ state bench-stays-%n|' | measure state 'state'
each '|@ kill bench-stays-%n CONT|' | measure kill 'kill'
each '|@ list|' | measure list 'list, of one'

# --- how it grows ---

many="$kist --root $tmp/state-many"
command[many]=$many
have=0
for count in 1 100 1000; do
	while [ $have -lt $count ]; do
		have=$((have + 1))
		detached $many run -d -b "$tmp/stays" bench-many-$have
	done
	{
		echo "run||$many run -b $tmp/plain %i|"
		echo "exec||$many exec bench-many-1 /bin/true|"
		echo "state||$many state bench-many-1|"
	} | measure "with$count" "kist, with $count containers" -r $((rounds / 2 + 1))
done
ids=$(seq -f 'bench-many-%.0f' $have)
# shellcheck disable=SC2086
$many delete --force $ids

# --- seccomp profiles ---

# The same in each run, and one that was never seen before.
cp -r "$tmp/plain" "$tmp/known"
cp -r "$tmp/plain" "$tmp/new"
cat >"$tmp/renew" <<'EOF'
#!/bin/sh
# renew BUNDLE VALUE: the file again, with that value in a rule of the profile; "now" is the time.
value=$2
[ "$value" != now ] || value=$(date +%s%N)
sed "s/\"value\": 131080/\"value\": $value/" "$1/config.template" >"$1/config.json"
EOF
chmod 755 "$tmp/renew"
for bundle in known new; do mv "$tmp/$bundle/config.json" "$tmp/$bundle/config.template"; done
{
	echo "known|$tmp/renew $tmp/known 131080|${command[kist]} run -b $tmp/known %i|"
	echo "new|$tmp/renew $tmp/new now|${command[kist]} run -b $tmp/new %i|"
} | measure profile 'kist, a profile that was seen before, and a new one'
echo '== compiling and loading profiles'
"$loads" -j "$tmp/seccomp.json" "$profile" "$repo/tests/lib/podman-like-seccomp.json" job
load_ratio() { jq ".[\"$1\"].libseccomp.kist_load_ratio // empty" "$tmp/seccomp.json"; }

# --- what it takes ---

calls() { # BUNDLE NAME
	local words set=()
	read -ra words <<<"${command[$2]}"
	while [[ ${words[0]} == *=* ]]; do
		set+=(-E "${words[0]}")
		words=("${words[@]:1}")
	done
	strace -f -c -o "$tmp/calls" "${set[@]}" "${words[@]}" run -b "$1" bench-calls >/dev/null 2>&1
	awk '$NF == "total" { print $4 }' "$tmp/calls"
}

# --- the sum of it ---

judge() { # WHAT VALUE OF MUST AIM
	[ -n "$2" ] && [ -n "$3" ] || return 0
	awk -v what="$1" -v value="$2" -v of="$3" -v must="$4" -v aim="$5" 'BEGIN {
		r = value / of
		printf "%8.2f %6s %6s  %-8s %s\n", r, must, aim,
			r <= aim ? "aim met" : r <= must ? "met" : "MISSED", what }'
}
echo '== ratios'
printf '%8s %6s %6s  %-8s %s\n' ratio must aim '' ''
{
	for name in kist kist-static; do
		[ -n "${command[$name]-}" ] || continue
		floor=floor
		[ $name = kist ] || floor="floor-musl"
		judge "$name run to $floor, user namespace" "$(p50 userns/$name)" "$(p50 userns/$floor)" 1.4 1.2
		judge "$name run to $floor" "$(p50 run/$name)" "$(p50 run/$floor)" 1.6 1.35
		judge "$name run to crun" "$(p50 run/$name)" "$(p50 run/crun)" 0.2 0.12
		judge "$name run to runc" "$(p50 run/$name)" "$(p50 run/runc)" 0.1 0.06
		judge "$name create, start, delete to crun" "$(p50 cycle/$name)" "$(p50 cycle/crun)" 0.25 0.15
		judge "$name exec to crun" "$(p50 exec/$name)" "$(p50 exec/crun)" 0.5 0.3
		judge "$name exec to runc" "$(p50 exec/$name)" "$(p50 exec/runc)" 0.08 0.05
		for verb in state kill list; do
			judge "$name $verb to crun" "$(p50 $verb/$name)" "$(p50 $verb/crun)" 0.3 0.15
		done
		if [ -n "${command[crun]-}" ]; then
			mine=$(calls "$tmp/plain" $name) theirs=$(calls "$tmp/plain" crun)
			judge "$name system calls of a run to crun ($mine to $theirs)" "$mine" "$theirs" 0.4 0.25
		fi
		judge "$name memory of a run to crun" "$(memory run/$name)" "$(memory run/crun)" 0.35 0.25
	done
	judge 'kist, a new seccomp profile to one seen before' "$(p50 profile/new)" "$(p50 profile/known)" 1.1 1.05
	judge "loading docker's kind of profile to libseccomp's program" \
		"$(load_ratio docker-like-seccomp.json)" 1 0.25 0.13
	judge "loading podman's kind of profile to libseccomp's program" \
		"$(load_ratio podman-like-seccomp.json)" 1 0.25 0.13
	judge "loading the profile of jobs to libseccomp's program" "$(load_ratio job)" 1 0.25 0.13
} | tee "$tmp/ratios"

mkdir -p "$repo/build"
jq -n --rawfile figures "$tmp/figures" --rawfile ratios "$tmp/ratios" \
	--slurpfile seccomp "$tmp/seccomp.json" --arg kernel "$(uname -r)" \
	--argjson cpus "$(nproc)" --arg time "$(date -u +%Y-%m-%dT%H:%M:%SZ)" --argjson rounds "$rounds" '
	{time: $time, kernel: $kernel, cpus: $cpus, rounds: $rounds, seccomp: $seccomp[0],
	 figures: ($figures | split("\n") | map(select(. != "") | split("\t")
		| {name: .[0], p50_ms: (.[1] | tonumber), p99_ms: (.[2] | tonumber),
		   ratio: (.[3] | tonumber), memory_kib: (.[4] | tonumber)})),
	 ratios: ($ratios | split("\n") | map(select(. != "")))}' >"$repo/build/bench.json"
echo "figures: build/bench.json"

status=0
"$here/floors-agree.sh" || status=$?
[ $status -eq 77 ] || exit $status
