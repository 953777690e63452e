#!/bin/sh
# Installs what kist's build and tests need and this machine lacks, from Debian 12's
# packages, and says what it installs. Quick when nothing is missing.
#
#   tests/deps.sh            all of it
#   tests/deps.sh --list     only say what is missing
set -eu

packages='
  gcc make pkg-config libc6-dev ca-certificates
  libseccomp-dev libjansson-dev
  libarchive-dev libzstd-dev libssl-dev libisal-dev zlib1g-dev libcurl4-openssl-dev
  libcmocka-dev bats jq python3 strace shellcheck cppcheck
  clang libclang-rt-14-dev
  iproute2 nftables procps kmod uidmap attr libcap2-bin util-linux bsdextrautils file xz-utils zstd tar
  openssl qemu-system-x86 cpio e2fsprogs busybox-static debootstrap hyperfine
'

missing=
# One dpkg-query for all: "installed" is the status word; "hold ok installed" counts too.
have=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' $packages 2>/dev/null |
	sed -n 's/ installed$//p' | sort -u || true)
for package in $packages; do
	printf '%s\n' "$have" | grep -qxF "$package" || missing="$missing $package"
done
if [ -z "$missing" ]; then
	echo "deps: nothing is missing"
	exit 0
fi
echo "deps: missing:$missing"
[ "${1-}" != --list ] || exit 1
if [ "$(id -u)" != 0 ]; then
	echo "deps: run as root: sudo make deps, or: apt-get install --no-install-recommends$missing" >&2
	exit 1
fi
if ! command -v apt-get >/dev/null; then
	echo "deps: no apt-get here: install the equivalents of:$missing" >&2
	exit 1
fi

export DEBIAN_FRONTEND=noninteractive
options='-o Acquire::Retries=5 -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0'
# shellcheck disable=SC2086 # a list of words
install() {
	apt-get $options install -y -q --no-install-recommends $missing </dev/null
}
for try in 1 2 3 4 5; do
	if apt-get $options update -q </dev/null && install; then
		echo "deps: installed:$missing"
		exit 0
	fi
	echo "deps: attempt $try failed, again in $((try * 5)) seconds" >&2
	sleep $((try * 5))
done
echo "deps: could not install:$missing" >&2
exit 1
