#!/bin/sh
# Makes an OCI image layout of Debian 12 (debootstrap's minbase), debian:12, one gzip layer.
# Prints its digest. Needs root. The root folder is kept in build/fixtures for the next time.
#
#   rootfs-fixtures/debian-image.sh OUTDIR [--tar FILE]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cache=$here/../build/fixtures
rootfs=$cache/debian-rootfs
[ $# -ge 1 ] || { echo "usage: debian-image.sh OUTDIR [--tar FILE]" >&2; exit 2; }
PATH=$PATH:/usr/sbin:/sbin
if [ ! -d "$rootfs" ]; then
	[ "$(id -u)" = 0 ] || { echo "debian-image.sh: debootstrap needs root" >&2; exit 1; }
	command -v debootstrap >/dev/null || { echo "no debootstrap: run: sudo make deps" >&2; exit 1; }
	mkdir -p "$cache"
	tries=0
	until rm -rf "$rootfs.new" && debootstrap --variant=minbase bookworm "$rootfs.new" \
		"${DEBIAN_MIRROR:-http://deb.debian.org/debian}" >"$cache/debootstrap.log" 2>&1; do
		tries=$((tries + 1))
		tail -n 3 "$cache/debootstrap.log" >&2
		[ $tries -lt 3 ] || exit 1
	done
	rm -rf "$rootfs.new"/var/cache/apt/archives/*.deb "$rootfs.new"/var/lib/apt/lists/*
	mv "$rootfs.new" "$rootfs"
fi
case $1 in /*) ;; *) out=$PWD/$1; shift; set -- "$out" "$@" ;; esac
cd "$here"
PYTHONDONTWRITEBYTECODE=1 exec python3 - "$rootfs" "$@" <<'END'
import argparse
from oci import Layer, write_image
parser = argparse.ArgumentParser()
parser.add_argument("rootfs")
parser.add_argument("out")
parser.add_argument("--tar")
args = parser.parse_args()
layer = Layer("gzip", "debootstrap --variant=minbase bookworm")
layer.tree(args.rootfs)
write_image(args.out, "debian:12", {
    "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
    "Cmd": ["bash"]}, [layer], args.tar)
END
