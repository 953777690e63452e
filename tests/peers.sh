#!/bin/bash
# Unpacks other people's programs from Debian's packages into build/peers, without installing
# them, and prints the path of each program asked for.
#
#   tests/peers.sh [PACKAGE[:PROGRAM]...]      without arguments: runc and crun
#   tests/peers.sh consumers                   those and all that start containers through them
#
# A program whose libraries this machine lacks gets a wrapper that finds them unpacked: what is
# printed can always be run. build/peers/bin has each by its name, and can be moved with the rest.
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
peers=$top/build/peers
mkdir -p "$peers/debs" "$peers/bin"
[ $# -gt 0 ] || set -- runc crun
# Libraries that the test machine lacks, whether this one has them or not.
also=
if [ "$*" = consumers ]; then
	also="libassuan0 libdevmapper1.02.1 libglib2.0-0 libgpgme11 libsubid4 libyajl2"
	set -- runc crun containerd:containerd containerd:containerd-shim-runc-v2 containerd:ctr \
		docker.io:dockerd docker.io:docker docker.io:docker-proxy tini:tini-static \
		iptables:xtables-nft-multi podman conmon buildah
fi
exec 9>"$peers/.lock"
flock 9

# fetch PACKAGE: downloads and unpacks it once.
fetch() {
	local try
	[ ! -e "$peers/debs/$1.done" ] || return 0
	rm -f "$peers/debs/$1"_*.deb
	for try in 1 2 3; do
		if (cd "$peers/debs" && apt-get -q -o Acquire::Retries=5 -o APT::Sandbox::User=root \
			download "$1") >"$peers/apt.log" 2>&1 </dev/null; then
			dpkg-deb -x "$peers/debs/$1"_*.deb "$peers"
			# All of it is copied into the test machine's disk.
			rm -rf "${peers:?}"/usr/share "$peers"/usr/bin/{dnet,containerd-shim,containerd-shim-runc-v1} \
				"$peers"/usr/sbin/ovrouter "$peers"/usr/lib/*/*.a
			[ ! -d "$peers/usr/lib/podman" ] ||
				find "$peers/usr/lib/podman" -type f ! -name netavark -delete
			touch "$peers/debs/$1.done"
			return 0
		fi
		[ "$(id -u)" != 0 ] || apt-get -q update >>"$peers/apt.log" 2>&1 </dev/null || true
		sleep $((try * 2))
	done
	tail -n 5 "$peers/apt.log" >&2
	return 1
}

libraries() {
	find "$peers" -path '*/lib/*' \( -name '*.so' -o -name '*.so.*' \) -printf '%h\n' |
		sort -u | paste -sd:
}
missing() { # PROGRAM FOLDERS - whether it lacks a library, with those folders
	local needs
	needs=$(LD_LIBRARY_PATH=$2 ldd "$1" 2>/dev/null || true)
	[[ $needs == *"not found"* ]]
}

uses_unpacked() { # PROGRAM - whether one of its libraries is among those unpacked
	local name
	while read -r name _; do
		[ ! -e "$peers/lib/x86_64-linux-gnu/$name" ] && [ ! -e "$peers/usr/lib/x86_64-linux-gnu/$name" ] ||
			return 0
	done < <(ldd "$1" 2>/dev/null)
	return 1
}

for library in $also; do
	fetch "$library" || { echo "peers: cannot get $library" >&2; exit 1; }
done
for wanted; do
	package=${wanted%%:*} program=${wanted#*:}
	fetch "$package" || { echo "peers: cannot get $package" >&2; exit 1; }
	path=$(find "$peers" -type f -perm -u+x -name "$program" \( -path '*bin/*' -o -path '*/lib/cni/*' \
		-o -path '*/lib/podman/*' \) \
		! -path "$peers/bin/*" | head -n 1)
	if [ -z "$path" ]; then # bubblewrap's program is bwrap
		path=$(dpkg-deb -c "$peers/debs/$package"_*.deb |
			awk '$1 ~ /^-..x/ && $6 ~ /bin\// { print substr($6, 2); exit }')
		path=$peers$path
	fi
	[ -x "$path" ] && [ -f "$path" ] || { echo "peers: $package has no $program" >&2; exit 1; }
	if missing "$path" "" || { [ -n "$also" ] && [ "$program" != runc ] && uses_unpacked "$path"; }; then
		if missing "$path" "$(libraries)"; then
			apt-cache depends --important "$package" 2>/dev/null |
				awk '$1 == "Depends:" && $2 ~ /^lib/ && $2 !~ /^libc6/ { print $2 }' |
				while read -r library; do fetch "$library" || true; done
		fi
		if missing "$path" "$(libraries)"; then # a library's own
			apt-cache depends --important --recurse "$package" 2>/dev/null |
				awk '/^lib/ && !/^libc6|:/ { print $1 }' | sort -u | head -n 40 |
				while read -r library; do fetch "$library" || true; done
		fi
		wrapper=$peers/bin/${path##*/}
		rm -f "$wrapper"
		libraries=$(libraries)
		# shellcheck disable=SC2016 # the wrapper's own
		printf '#!/bin/sh\np=%s\nLD_LIBRARY_PATH=%s exec "%s" "$@"\n' \
			'$(dirname "$(dirname "$(readlink -f "$0")")")' "${libraries//$peers/'$p'}" \
			"${path/#$peers/'$p'}" >"$wrapper"
		chmod +x "$wrapper"
		! missing "$path" "$(libraries)" || { echo "peers: $program still lacks libraries" >&2; exit 1; }
		path=$wrapper
	elif [ "${path%/*}" != "$peers/bin" ]; then
		ln -sfn "..${path#"$peers"}" "$peers/bin/${path##*/}"
	fi
	# The names they are called by.
	case $program in
	tini-static) ln -sfn tini-static "$peers/bin/docker-init" ;;
	xtables-nft-multi)
		for name in iptables ip6tables; do
			# shellcheck disable=SC2016 # the script's own
			printf '#!/bin/sh\nd=$(dirname "$(readlink -f "$0")")\nXTABLES_LIBDIR=$d/../usr/lib/x86_64-linux-gnu/xtables exec "$d/xtables-nft-multi" %s "$@"\n' \
				$name >"$peers/bin/$name"
			chmod +x "$peers/bin/$name"
		done
		;;
	esac
	echo "$path"
done
