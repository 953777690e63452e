#!/bin/sh
# Makes an OCI image layout of Debian 12 (debootstrap's minbase), debian:12, one gzip layer.
# Prints its digest. Needs root. The root folder is kept in build/fixtures for the next time.
#
#   rootfs-fixtures/debian-image.sh OUTDIR [--tar FILE]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
[ $# -ge 1 ] || { echo "usage: debian-image.sh OUTDIR [--tar FILE]" >&2; exit 2; }
rootfs=$("$here/debian-rootfs.sh")
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
