#!/bin/sh
# floors-agree.sh - do this floor and a second, independent one tell the same time?
#
# usage: floors-agree.sh [-r ROUNDS]
#
# KIST_SHARED is the folder with bench/floor.c of the other floor (default:
# ../shared beside the repository; where there is none this says so and ends
# with 77). Ends with 1 when the medians of interleaved rounds differ by more
# than 5%, for the whole start and for the pid-and-mount part without the
# network namespace, whose making and unmaking drowns everything else.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/bench/lib.sh
. "$here/lib.sh"
bench_need_cgroup2 "$0" "$@"

rounds=41
[ "${1-}" = -r ] && rounds=$2
shared=${KIST_SHARED:-$here/../../../shared}
if [ ! -f "$shared/bench/floor.c" ]; then
	echo "floors-agree: skipped: no second floor in $shared/bench"
	exit 77
fi

tmp=$(mktemp -d /dev/shm/floors.XXXXXX)
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' INT TERM
cc=${FLOOR_CC:-${CC:-cc}}
bench_build_floor "$cc" "$here/floor.c" "$tmp/ours"
bench_build_floor "$cc" "$shared/bench/floor.c" "$tmp/theirs"
mkdir -p "$tmp/rootfs/bin" "$tmp/rootfs/proc" "$tmp/rootfs/sys" "$tmp/rootfs/dev"
bench_build_true "$tmp/rootfs/bin/true"

compare() { # OPTIONS ROUNDS
	"$here/rounds.sh" -r "$2" -n 8 theirs "$tmp/theirs $1 $tmp/rootfs /bin/true" \
		ours "$tmp/ours $1 $tmp/rootfs /bin/true" >"$tmp/json"
	jq -r --arg options "${1:-everything}" '
		(.entries[] | select(.name == "ours")) as $ours
		| "floors-agree: \($options): ours \($ours.median_ms * 1000 | round) us, ratio to the other \($ours.ratio * 1000 | round / 1000)"' "$tmp/json"
	jq -e '.entries[] | select(.name == "ours") | .ratio > 0.95 and .ratio < 1.05' \
		"$tmp/json" >/dev/null
}

# A loaded machine gets a second, longer hearing.
for options in '' '--no-net'; do
	compare "$options" "$rounds" || compare "$options" $((rounds * 3)) || {
		echo "floors-agree: more than 5% apart" >&2
		exit 1
	}
done
