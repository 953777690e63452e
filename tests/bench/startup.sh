#!/bin/sh
# startup.sh - how many floors a container start costs each OCI runtime.
#
# usage: startup.sh [-b BUNDLE] [-r ROUNDS] [-a 'GLOBAL ARGS'] [-j FILE] RUNTIME...
#
# RUNTIME is a path or a name on PATH and is timed as
#     RUNTIME --root STATE [GLOBAL ARGS] run -b BUNDLE ID
# against tests/bench/floor.c, turn by turn (rounds.sh says how). BUNDLE has
# config.json and a rootfs with a static /bin/true; without -b it is made from
# `RUNTIME spec` of the first one. State lies on tmpfs: on ext4 loops of create
# and delete would time the search for inodes. -j also writes the figures as JSON.
#
# FLOOR_OPTIONS goes to the floor (e.g. '--no-cgroup', '--userns', '--bpf F');
# FLOOR_CC compiles it: take the libc of the runtimes (musl-gcc for musl ones).
# Needs root, cc, hyperfine, jq, and /sys/fs/cgroup as cgroup2 (run.sh sees to it).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/bench/lib.sh
. "$here/lib.sh"

bundle='' rounds=15 global='' json=''
while getopts b:r:a:j: option; do
	case $option in
	b) bundle=$OPTARG ;;
	r) rounds=$OPTARG ;;
	a) global=$OPTARG ;;
	j) json=$OPTARG ;;
	*) sed -n '4p' "$0" >&2; exit 2 ;;
	esac
done
shift $((OPTIND - 1))
[ $# -gt 0 ] || { sed -n '4p' "$0" >&2; exit 2; }

tmp=$(mktemp -d "${STARTUP_TMP:-/dev/shm}/startup.XXXXXX")
chmod 755 "$tmp" # a user namespace must reach the rootfs
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' INT TERM

bench_build_floor "${FLOOR_CC:-${CC:-cc}}" "$here/floor.c" "$tmp/floor"
if [ -z "$bundle" ]; then
	bundle=$tmp/bundle
	bench_make_bundle "$bundle" "$1"
fi
rootfs=$(jq -r .root.path "$bundle/config.json")
case $rootfs in /*) ;; *) rootfs=$bundle/$rootfs ;; esac

names=$#
for runtime do
	shift
	set -- "$@" "$runtime" \
		"$runtime --root $tmp/state-$names $global run -b $bundle startup-$$-$names"
	names=$((names - 1))
done
"$here/rounds.sh" -r "$rounds" -n 3 \
	floor "$tmp/floor ${FLOOR_OPTIONS:-} $rootfs /bin/true" "$@" >"$tmp/json"
bench_print_table <"$tmp/json"
[ -z "$json" ] || cp "$tmp/json" "$json"
