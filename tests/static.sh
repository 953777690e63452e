#!/bin/bash
# static.sh - the kist that is linked with musl: that it is static, and the whole suite with it.
#
# usage: static.sh [FILE.bats...]    (build/static/kist is there: make static)
set -euo pipefail
cd "$(dirname "$0")/.."
kist=$PWD/build/static/kist

fail() { echo "static: $*" >&2; exit 1; }
# Beside the program, as it looks for them.
ln -sfn ../kist-image build/static/kist-image
ln -sfn ../kist-systemd build/static/kist-systemd
ln -sfn ../kist-monitor build/static/kist-monitor
ln -sfn ../kist-dns build/static/kist-dns
if readelf -lW "$kist" | grep -E 'INTERP|NEEDED'; then
	fail "$kist is not static"
fi
KIST=$kist tests/integration.sh "$@"
