#!/bin/bash
# Makes the test machine's kernel, initramfs and root image from Debian 12's packages, none
# of which is installed or configured: they are downloaded and unpacked. Cached by a hash of
# this recipe and of every package's version; prints the folder that holds
#
#   vmlinuz initrd root.ext4 version
#
# KIST_VM_CACHE (build/vm) is where the folders are; several trees may share one.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
cache=${KIST_VM_CACHE:-$top/build/vm}
say() { echo "vm image: $*" >&2; }
die() { say "$*"; exit 1; }

# What the integration suite uses, and the libraries the programs are linked with.
# usr-is-merged stands in for usrmerge, which would bring perl.
packages=(
	base-files base-passwd bash bats busybox-static coreutils dash diffutils file findutils gawk
	grep gzip hostname iproute2 gojq kmod libarchive13 libc-bin libcap2 libcap2-bin libcmocka0
	libisal2 libjansson4 libmnl0 libseccomp2 libssl3 libzstd1 login mount ncurses-base
	nftables passwd procps python3 runc uidmap sed strace tar util-linux attr e2fsprogs xz-utils
	zlib1g zstd usr-is-merged
	systemd libsystemd0 dbus dbus-user-session
	libbsd0 libgnutls30 libnet1 libnftables1 libnl-3-200 libprotobuf-c1
)
# Without what they depend on, which is for their configuration, or listed above.
alone=(apparmor criu)
# Modules that go into the image, below kernel/.
modules=(
	arch crypto lib net
	fs/{autofs,binfmt_misc.ko,configfs,fuse,nls,overlayfs,quota,squashfs}
	drivers/{block,char,virtio,crypto}
	drivers/net/{bonding,ipvlan,wireguard,team}
	drivers/net/{dummy,ifb,macvlan,macvtap,tap,tun,veth,virtio_net,net_failover,vrf,vxlan}{,.ko}
)

mkdir -p "$cache/debs/partial" "$cache/none/partial"
exec 9>"$cache/.lock"
flock 9
: >"$cache/dpkg-status"

# apt with the machine's own sources, and a status file that says nothing is installed.
apt() {
	apt-get -q -o Dir::State::status="$cache/dpkg-status" \
		-o Dir::Cache::archives="$cache/debs" -o APT::Sandbox::User=root \
		-o APT::Install-Recommends=0 -o Acquire::Retries=5 -o Debug::NoLocking=1 "$@" </dev/null
}
# One line a package, NAME_VERSION_ARCH.deb, sorted.
resolve() {
	local kernel
	kernel=$(apt-cache depends linux-image-cloud-amd64 2>/dev/null |
		awk '/Depends: linux-image-.*cloud/ { print $2; exit }')
	[ -n "$kernel" ] || return 1
	# apt doesn't print what it has: so it looks at an empty folder. The kernel's own
	# dependencies (an initramfs builder) are of no use here.
	{
		apt -o Dir::Cache::archives="$cache/none" --print-uris -y install "${packages[@]}" &&
			(cd "$cache/none" && apt --print-uris download "$kernel" "${alone[@]}")
	} | awk "/^'/ { print \$2 }" | sort
}
retry() {
	local try
	for try in 1 2 3 4 5; do
		"$@" && return 0
		[ "$try" = 5 ] || { say "attempt $try failed: $*"; sleep $((try * 3)); }
		apt update >&2 || true
	done
	return 1
}

# Resolving takes apt a second: done again only for another recipe, or when its lists are newer.
list=$cache/packages.$(sha256sum <"$0" | cut -c1-8)
if [ ! -s "$list" ] || [ /var/lib/apt/lists -nt "$list" ]; then
	retry resolve >"$list.new" && [ -s "$list.new" ] || die "apt cannot resolve the packages"
	mv "$list.new" "$list"
fi
key=$(cat "$list" "$here"/{image.sh,init,initramfs-init,systemd.sh} | sha256sum | cut -c1-16)
out=$cache/$key
if [ -e "$out/version" ]; then
	echo "$out"
	exit 0
fi

SECONDS=0
fetch() {
	local kernel
	kernel=$(sed -n 's/^\(linux-image[^_]*\)_.*/\1/p' "$list")
	apt -y --download-only install "${packages[@]}" >"$cache/apt.log" 2>&1 || return 1
	local name
	for name in "$kernel" "${alone[@]}"; do
		[ ! -e "$cache/debs/$(grep "^${name}_" "$list")" ] || continue
		(cd "$cache/debs" && apt download "$name") >>"$cache/apt.log" 2>&1 || return 1
	done
	# A mirror that moved on since `resolve`: the next attempt sees the new list.
	local deb
	while read -r deb; do
		[ -e "$cache/debs/$deb" ] || { say "not there: $deb"; resolve >"$list"; return 1; }
	done <"$list"
}
retry fetch || { tail -n 20 "$cache/apt.log" >&2; die "could not download the packages"; }
say "packages: ${SECONDS}s"

work=$cache/work
rm -rf "$work" "$cache"/????????????????
find "$cache" -maxdepth 1 -name 'packages*' ! -path "$list" -delete
mkdir -p "$work/root" "$work/initramfs" "$out"
root=$work/root
# Debian 12 is merged into /usr, but it's an installed system's links that say so.
mkdir -p "$root"/usr/{bin,sbin,lib,lib64,lib32,libx32}
for dir in bin sbin lib lib64; do ln -s "usr/$dir" "$root/$dir"; done
mkdir -p "$root"/{proc,sys,dev,run,tmp,kist,var/tmp}
chmod 1777 "$root/tmp" "$root/var/tmp"

unpack() {
	dpkg-deb --fsys-tarfile "$1" | tar -x --keep-directory-symlink -C "$2" \
		--exclude='./usr/share/doc/*' --exclude='./usr/share/man/*' \
		--exclude='./usr/share/locale/*' --exclude='./usr/share/info/*' \
		--exclude='./usr/share/perl*' --exclude='./usr/lib/*/perl*' \
		--exclude='./usr/lib/python3/dist-packages/pycriu'
}
export -f unpack
dpkg-deb -x "$cache/debs/$(grep ^linux-image "$list")" "$work" &
kernel_job=$!
grep -v ^linux-image "$list" | xargs -P 4 -I DEB bash -c \
	'set -e -o pipefail; unpack "$1/$2" "$3"' - "$cache/debs" DEB "$root" ||
	die "could not unpack a package"
wait "$kernel_job" || die "could not unpack the kernel"
say "unpacked: ${SECONDS}s"

# The few things postinst scripts would have done.
cp "$root/usr/share/base-passwd/passwd.master" "$root/etc/passwd"
cp "$root/usr/share/base-passwd/group.master" "$root/etc/group"
printf 'nobody-maps:x:100000:100000::/:/usr/sbin/nologin\n' >>"$root/etc/passwd"
printf 'root:100000:65536\n' | tee "$root/etc/subuid" >"$root/etc/subgid"
echo kist-vm >"$root/etc/hostname"
printf '127.0.0.1 localhost kist-vm\n::1 localhost\n' >"$root/etc/hosts"
echo 'nameserver 192.0.2.53' >"$root/etc/resolv.conf"
ln -sf gawk "$root/usr/bin/awk"
# jq compiles its own library at each start, which takes seconds under emulation; gojq does not.
ln -s gojq "$root/usr/bin/jq"
ldconfig -r "$root"
install -m 755 "$here/init" "$root/sbin/kist-vm-init"
"$here/systemd.sh" "$root"

version=$(basename "$work"/lib/modules/*)
for path in "${modules[@]}"; do
	[ -e "$work/lib/modules/$version/kernel/$path" ] || continue
	mkdir -p "$root/lib/modules/$version/kernel/$(dirname "$path")"
	mv "$work/lib/modules/$version/kernel/$path" \
		"$root/lib/modules/$version/kernel/$(dirname "$path")/"
done
cp "$work/lib/modules/$version"/modules.{builtin,builtin.modinfo,order} \
	"$root/lib/modules/$version/"
PATH=$PATH:/sbin:/usr/sbin
depmod -b "$root" "$version"

# The initramfs only loads the disk's driver, and gives way.
initramfs=$work/initramfs
mkdir -p "$initramfs"/{bin,modules,dev,proc,root}
cp "$root/bin/busybox" "$initramfs/bin/"
install -m 755 "$here/initramfs-init" "$initramfs/init"
modprobe -d "$root" -S "$version" -a --show-depends virtio_pci virtio_blk virtio_console |
	awk '$1 == "insmod" && !seen[$2]++ { print $2 }' | while read -r module; do
	cp "$module" "$initramfs/modules/"
	basename "$module" >>"$initramfs/modules/order"
done
(cd "$initramfs" && find . | cpio -o -H newc --quiet -R 0:0) >"$out/initrd"
cp "$work/boot/vmlinuz-$version" "$out/vmlinuz"

# Room for what tests write; sparse, and every boot throws its writes away.
truncate -s 2G "$out/root.ext4"
mkfs.ext4 -q -F -L kist-root -m 0 -O ^has_journal,^metadata_csum -E lazy_itable_init=1,nodiscard \
	-d "$root" "$out/root.ext4"
rm -rf "$work"
echo "$version" >"$out/version"
say "made $out: ${SECONDS}s, kernel $version"
echo "$out"
