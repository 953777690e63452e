#!/bin/sh
# Makes a root folder out of Debian's busybox-static: every applet a hard link, the accounts
# root, nobody and user (1000), the usual empty folders.
#
#   rootfs-fixtures/busybox-rootfs.sh DIR
set -eu
[ $# -eq 1 ] || { echo "usage: busybox-rootfs.sh DIR" >&2; exit 2; }
root=$1
busybox=$(command -v busybox) || { echo "no busybox: run: sudo make deps" >&2; exit 1; }
umask 022
mkdir -p "$root"
cd "$root"
mkdir -p bin dev etc home/user proc root run sbin sys tmp usr/bin usr/sbin var/tmp
chmod 700 root
chmod 1777 tmp var/tmp
cp "$busybox" bin/busybox
chmod 755 bin/busybox
# --list-full says where each belongs; hard links, as docker's busybox has them.
"$busybox" --list-full | while read -r path; do
	case $path in bin/busybox) continue ;; esac
	mkdir -p "${path%/*}"
	ln -f bin/busybox "$path"
done
cat >etc/passwd <<'END'
root:x:0:0:root:/root:/bin/sh
nobody:x:65534:65534:nobody:/home:/bin/false
user:x:1000:1000:user:/home/user:/bin/sh
END
cat >etc/group <<'END'
root:x:0:
tty:x:5:
nogroup:x:65534:
user:x:1000:
extra:x:1001:user
END
cat >etc/os-release <<'END'
NAME="kist test busybox"
ID=kist-busybox
VERSION_ID=1
END
[ "$(id -u)" != 0 ] || chown 1000:1000 home/user
