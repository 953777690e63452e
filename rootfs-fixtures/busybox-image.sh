#!/bin/sh
# Makes an OCI image layout of Debian's busybox-static, busybox:latest, in three layers
# (gzip, zstd, plain) that hold what an unpacker must get right. Prints its digest.
#
#   rootfs-fixtures/busybox-image.sh OUTDIR [--tar FILE]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
rootfs=$(mktemp -d)
trap 'rm -rf "$rootfs"' EXIT
"$here/busybox-rootfs.sh" "$rootfs"
PYTHONDONTWRITEBYTECODE=1 python3 "$here/busybox_image.py" "$rootfs" "$@"
