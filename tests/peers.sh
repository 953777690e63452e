#!/bin/bash
# Unpacks other people's programs from Debian's packages into build/peers, without installing
# them, and prints the path of each program asked for.
#
#   tests/peers.sh [PACKAGE[:PROGRAM]...]      without arguments: runc and crun
#
# A program whose libraries this machine lacks gets a wrapper that finds them unpacked: what is
# printed can always be run.
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
peers=$top/build/peers
mkdir -p "$peers/debs" "$peers/bin"
[ $# -gt 0 ] || set -- runc crun
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

for wanted; do
	package=${wanted%%:*} program=${wanted#*:}
	fetch "$package" || { echo "peers: cannot get $package" >&2; exit 1; }
	path=$(find "$peers" -type f -perm -u+x -name "$program" -path '*bin/*' \
		! -path "$peers/bin/*" | head -n 1)
	if [ -z "$path" ]; then # bubblewrap's program is bwrap
		path=$(dpkg-deb -c "$peers/debs/$package"_*.deb |
			awk '$1 ~ /^-..x/ && $6 ~ /bin\// { print substr($6, 2); exit }')
		path=$peers$path
	fi
	[ -x "$path" ] && [ -f "$path" ] || { echo "peers: $package has no $program" >&2; exit 1; }
	if missing "$path" ""; then
		if missing "$path" "$(libraries)"; then
			apt-cache depends --important "$package" 2>/dev/null |
				awk '$1 == "Depends:" && $2 ~ /^lib/ && $2 !~ /^libc6/ { print $2 }' |
				while read -r library; do fetch "$library" || true; done
		fi
		wrapper=$peers/bin/${path##*/}
		printf '#!/bin/sh\nLD_LIBRARY_PATH=%s exec %s "$@"\n' "$(libraries)" "$path" >"$wrapper"
		chmod +x "$wrapper"
		! missing "$path" "$(libraries)" || { echo "peers: $program still lacks libraries" >&2; exit 1; }
		path=$wrapper
	fi
	echo "$path"
done
