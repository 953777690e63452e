#!/bin/sh
# run.sh - the figures of `make bench`: start-up against the floor, beside runc and crun.
#
# usage: run.sh [-r ROUNDS]
#
# Everything runs from the bundle that `runc spec` makes, with a libc-free
# /bin/true, state on tmpfs, turn by turn. Two tables: the default bundle, and
# the same one with a user namespace of 65536 ids (where only runtimes take
# part that can). KIST is the runtime under test (default build/kist).
# build/bench.json keeps the figures. The host is left as it is: cgroup2 lies
# over /sys/fs/cgroup only in a mount namespace of our own.
#
# The floor is built by cc, and by musl-gcc too where there is one: a static
# glibc program spends up to half a millisecond in its own start on some
# virtual machines. Ratios are to the floor of the libc of the runtimes, glibc.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
repo=$(cd "$here/../.." && pwd)
# shellcheck source=tests/bench/lib.sh
. "$here/lib.sh"
[ "$(id -u)" = 0 ] || { echo "bench: needs root (namespaces, cgroups)" >&2; exit 2; }

# Debian's runc and crun, unpacked and not installed. tests/peers.sh keeps them when it is there.
get_peers() {
	if [ -x "$repo/tests/peers.sh" ]; then
		"$repo/tests/peers.sh" >/dev/null
	elif [ ! -x "$repo/build/peers/usr/sbin/runc" ] || [ ! -x "$repo/build/peers/usr/bin/crun" ]; then
		mkdir -p "$repo/build/peers/debs"
		(cd "$repo/build/peers/debs" &&
			apt-get download -q -o APT::Sandbox::User=root runc crun libyajl2 >/dev/null &&
			for deb in *.deb; do dpkg -x "$deb" ..; done)
	fi
}

find_peer() { # NAME - the unpacked one, else an installed one, else nothing
	find "$repo/build/peers" -type f -perm -u+x \( -path "*/bin/$1" -o -path "*/sbin/$1" \) \
		2>/dev/null | head -n 1 | grep . || command -v "$1" || true
}

get_peers || echo "bench: note: no peers (apt-get download failed)" >&2
bench_need_cgroup2 "$0" "$@"

rounds=15
[ "${1-}" = -r ] && rounds=$2
libraries=$(find "$repo/build/peers" -name 'libyajl.so*' -exec dirname {} \; 2>/dev/null | head -n 1)
[ -z "$libraries" ] || export LD_LIBRARY_PATH="$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"

tmp=$(mktemp -d /dev/shm/bench.XXXXXX)
chmod 755 "$tmp"
# A runtime that fails may leave its cgroup; empty ones with our name are ours.
trap 'rm -rf "$tmp"; rmdir /sys/fs/cgroup/bench-$$-* 2>/dev/null || true' EXIT
trap 'exit 1' INT TERM

kist=${KIST:-$repo/build/kist}
runc=$(find_peer runc) crun=$(find_peer crun)
[ -x "$kist" ] || { echo "bench: note: no kist at $kist, its row is left out" >&2; kist=''; }
[ -n "$runc" ] || echo "bench: note: no runc, its row is left out" >&2
[ -n "$crun" ] || echo "bench: note: no crun, its row is left out" >&2
maker=${runc:-${kist:-$crun}}
[ -n "$maker" ] || { echo "bench: no runtime at all to make a bundle with" >&2; exit 2; }

bench_build_floor "${CC:-cc}" "$here/floor.c" "$tmp/floor"
if command -v musl-gcc >/dev/null; then
	bench_build_floor musl-gcc "$here/floor.c" "$tmp/floor-musl"
else
	echo "bench: note: no musl-gcc, the musl floor is left out" >&2
fi

# one_table TITLE BUNDLE FLOOR_OPTIONS OUT - a runtime that can't run the bundle is left out, aloud.
one_table() {
	title=$1 bundle=$2 options=$3 out=$4
	set -- floor "$tmp/floor $options $bundle/rootfs /bin/true"
	[ ! -x "$tmp/floor-musl" ] ||
		set -- "$@" floor-musl "$tmp/floor-musl $options $bundle/rootfs /bin/true"
	for pair in "kist=$kist" "runc=$runc" "crun=$crun"; do
		name=${pair%%=*} runtime=${pair#*=}
		[ -n "$runtime" ] || continue
		command="$runtime --root $tmp/state-$name run -b $bundle bench-$$-$name"
		# shellcheck disable=SC2086
		if $command >"$tmp/try" 2>&1; then
			set -- "$@" "$name" "$command"
		else
			echo "bench: note: $name is left out of '$title': $(grep -v '^fix:' "$tmp/try" | tail -n 1)" >&2
			$runtime --root "$tmp/state-$name" delete --force "bench-$$-$name" \
				>/dev/null 2>&1 || true
		fi
	done
	echo "== $title ($rounds rounds)"
	"$here/rounds.sh" -r "$rounds" -n 3 "$@" >"$out"
	bench_print_table <"$out"
}

bench_make_bundle "$tmp/plain" "$maker"
cp -r "$tmp/plain" "$tmp/userns"
bench_add_userns "$tmp/userns" 100000 65536
one_table 'run of /bin/true, default bundle' "$tmp/plain" '' "$tmp/plain.json"
one_table 'run of /bin/true, with a user namespace' "$tmp/userns" '--userns=100000:65536' \
	"$tmp/userns.json"

echo "== seccomp profiles"
seccomp=$repo/build/tests/bench/seccomp
if [ -x "$seccomp" ]; then
	"$seccomp" -j "$tmp/seccomp.json" "$repo/tests/lib/docker-like-seccomp.json" \
		"$repo/tests/lib/podman-like-seccomp.json" job
else
	echo "bench: note: no $seccomp (make bench builds it), its table is left out" >&2
	echo null >"$tmp/seccomp.json"
fi

mkdir -p "$repo/build"
jq -n --slurpfile plain "$tmp/plain.json" --slurpfile userns "$tmp/userns.json" \
	--slurpfile seccomp "$tmp/seccomp.json" \
	--arg kernel "$(uname -r)" --argjson cpus "$(nproc)" \
	--arg time "$(date -u +%Y-%m-%dT%H:%M:%SZ)" \
	'{time: $time, kernel: $kernel, cpus: $cpus, run: $plain[0], run_userns: $userns[0],
	  seccomp: $seccomp[0]}' \
	>"$repo/build/bench.json"
echo "figures: build/bench.json"

status=0
"$here/floors-agree.sh" || status=$?
[ $status -eq 77 ] || exit $status
