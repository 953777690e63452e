#!/bin/sh
# The root folder of Debian 12 (debootstrap's minbase), made once: prints build/fixtures/debian-rootfs.
# Needs root.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cache=$(cd "$here/.." && pwd)/build/fixtures
rootfs=$cache/debian-rootfs
PATH=$PATH:/usr/sbin:/sbin
if [ ! -d "$rootfs" ]; then
	[ "$(id -u)" = 0 ] || { echo "debian-rootfs.sh: debootstrap needs root" >&2; exit 1; }
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
echo "$rootfs"
