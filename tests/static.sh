#!/bin/bash
# static.sh - the static kist: that it is one, what it refuses, and the whole suite with it.
#
# usage: static.sh [FILE.bats...]    (build/static/kist is there: make static)
set -euo pipefail
cd "$(dirname "$0")/.."
kist=$PWD/build/static/kist

fail() { echo "static: $*" >&2; exit 1; }
# Beside the program, as it looks for it.
ln -sfn ../kist-image build/static/kist-image
if readelf -lW "$kist" | grep -E 'INTERP|NEEDED'; then
	fail "$kist is not static"
fi
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
(cd "$root" && "$kist" spec && mkdir rootfs)
said=$("$kist" --root "$root/state" --systemd-cgroup run -b "$root" static-test 2>&1) &&
	fail "--systemd-cgroup was taken"
[ "$(head -n 1 <<<"$said")" = "kist: cannot start static-test: the systemd cgroup driver is not in this \
static build of kist" ] || fail "--systemd-cgroup: $said"
[ "$(wc -l <<<"$said")" = 2 ] || fail "more than a line and its fix: $said"
KIST=$kist tests/integration.sh "$@"
