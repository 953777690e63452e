#!/bin/bash
# An image as people run them, of real Debian packages: Debian 12, Python with its libraries, a small
# layer of an application that also removes things; 270 MB in three layers, tag "bench". Needs root
# and, the first time, the network.
#
#   rootfs-fixtures/python-image.sh OUTDIR gzip|zstd|plain
#
# The tars are kept in build/fixtures: they are the same for every compression.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cache=$here/../build/fixtures
[ $# = 2 ] || { echo "usage: python-image.sh OUTDIR gzip|zstd|plain" >&2; exit 2; }
out=$1 how=$2
work=$cache/python-image
packages=(python3-minimal python3.11-minimal libpython3.11-minimal libpython3.11-stdlib python3.11
	python3 libpython3-stdlib python3-numpy libopenblas0-pthread libgfortran5 liblapack3 libquadmath0
	python3-pip python3-setuptools python3-pkg-resources python3-wheel python3-networkx media-types
	libsqlite3-0 perl-modules-5.36)

pack() { # FOLDER TAR
	tar -C "$1" --format=pax --pax-option=delete=atime,delete=ctime --sort=name --numeric-owner \
		--xattrs --xattrs-include='*' -cf "$2.new" .
	mv "$2.new" "$2"
}

unpack_debs() { # FOLDER
	local try deb
	mkdir -p "$work/debs" "$1"
	for try in 1 2 3; do
		(cd "$work/debs" && apt-get -q -o Acquire::Retries=5 -o APT::Sandbox::User=root \
			download "${packages[@]}") >"$work/apt.log" 2>&1 </dev/null && break
		[ $try -lt 3 ] || { tail -n 3 "$work/apt.log" >&2; exit 1; }
		apt-get -q update >>"$work/apt.log" 2>&1 </dev/null || true
	done
	for deb in "$work"/debs/*.deb; do
		dpkg-deb -x "$deb" "$1"
	done
	# Debian's /lib is a symlink, which a folder of a higher layer would replace.
	if [ -d "$1/lib" ]; then
		cp -a "$1/lib/." "$1/usr/lib/"
		rm -rf "${1:?}/lib"
	fi
}

application() { # FOLDER
	mkdir -p "$1/app" "$1/usr/share/doc" "$1/etc/python3"
	printf 'print("hello")\n' >"$1/app/main.py"
	head -c 300000 /dev/zero | tr '\0' 'x' >"$1/app/data"
	ln "$1/app/data" "$1/app/data-again"
	touch "$1/usr/share/doc/.wh.python3" "$1/etc/python3/.wh..wh..opq"
	chown -R 1000:1000 "$1/app"
	find "$1" -exec touch -hd @1700000000 {} +
}

mkdir -p "$work"
exec 9>"$work/.lock"
flock 9
if [ ! -e "$work/3.tar" ]; then
	base=$("$here/debian-rootfs.sh")
	rm -rf "$work"/{python,app}
	unpack_debs "$work/python"
	application "$work/app"
	pack "$base" "$work/1.tar"
	pack "$work/python" "$work/2.tar"
	pack "$work/app" "$work/3.tar"
	rm -rf "$work"/{python,app,debs}
fi

sha() { sha256sum "$1" | cut -d' ' -f1; }
put() { # FILE - into the layout; prints its digest and size
	local hex
	hex=$(sha "$1")
	mv "$1" "$out.new/blobs/sha256/$hex"
	stat -c "$hex %s" "$out.new/blobs/sha256/$hex"
}

rm -rf "$out.new"
mkdir -p "$out.new/blobs/sha256"
printf '{"imageLayoutVersion":"1.0.0"}' >"$out.new/oci-layout"
type=application/vnd.oci.image layers='' ids=''
for n in 1 2 3; do
	case $how in
	gzip) suffix=+gzip; gzip -nc "$work/$n.tar" >"$out.new/blob" ;;
	zstd) suffix=+zstd; zstd -qc "$work/$n.tar" >"$out.new/blob" ;;
	plain) suffix=; cp "$work/$n.tar" "$out.new/blob" ;;
	*) exit 2 ;;
	esac
	ids+="${ids:+,}\"sha256:$(sha "$work/$n.tar")\""
	read -r hex size < <(put "$out.new/blob")
	layers+="${layers:+,}{\"mediaType\":\"$type.layer.v1.tar$suffix\",\"digest\":\"sha256:$hex\",\"size\":$size}"
done
arch=$(dpkg --print-architecture)
printf '{"created":"2020-01-01T00:00:00Z","os":"linux","architecture":"%s","config":{"Cmd":["python3"],"Env":["PATH=/usr/local/bin:/usr/bin:/bin"]},"rootfs":{"type":"layers","diff_ids":[%s]}}' \
	"$arch" "$ids" >"$out.new/blob"
read -r hex size < <(put "$out.new/blob")
printf '{"schemaVersion":2,"mediaType":"%s.manifest.v1+json","config":{"mediaType":"%s.config.v1+json","digest":"sha256:%s","size":%s},"layers":[%s]}' \
	$type $type "$hex" "$size" "$layers" >"$out.new/blob"
read -r hex size < <(put "$out.new/blob")
printf '{"schemaVersion":2,"mediaType":"%s.index.v1+json","manifests":[{"mediaType":"%s.manifest.v1+json","digest":"sha256:%s","size":%s,"platform":{"os":"linux","architecture":"%s"},"annotations":{"org.opencontainers.image.ref.name":"bench"}}]}' \
	$type $type "$hex" "$size" "$arch" >"$out.new/index.json"
rm -rf "$out"
mv "$out.new" "$out"
