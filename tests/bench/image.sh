#!/bin/bash
# image.sh - what unpacking an image costs: kist beside umoci, GNU tar and containerd's ctr.
#
# usage: image.sh [-r ROUNDS] [DIR]
#
# The image is rootfs-fixtures/python-image.sh's: Debian and Python, 270 MB in three layers, as gzip
# and as zstd. In each round each program has one turn, each round in another order, so that none
# always comes after the same one. A turn has an ext4 made for it, in a file below build/ that was
# written once (DIR: a folder somewhere else, with a fresh folder for each turn, instead): nothing of
# former turns is in it, in the memory that caches it, or, by a sync of everything, still on its way to
# the disk. What a program has left unwritten is then written: "on disk" is both together.
# KIST_IMAGE is the program under test. build/bench-image.json keeps the figures.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
repo=$(cd "$here/../.." && pwd)
[ "$(id -u)" = 0 ] || { echo "bench-image: needs root (owners, devices, containerd)" >&2; exit 2; }
rounds=5
if [ "${1-}" = -r ]; then rounds=$2; shift 2; fi
if [ -z "${KIST_BENCH_OWN-}" ]; then # mounts that nobody else sees
	KIST_BENCH_OWN=1 exec unshare -m "$0" -r "$rounds" "$@"
fi
note() { echo "bench-image: note: $*" >&2; }
kist=${KIST_IMAGE:-$repo/build/kist-image}
daemon='' disk=$repo/build/bench-image.ext4 loop='' own=yes
mkdir -p "${1:-$repo/build}"
tmp=$(mktemp -d "${1:-$repo/build}/bench-image.XXXXXX")
trap clean_up EXIT
trap 'exit 1' INT TERM
clean_up() {
	stop_containerd
	umount "$tmp/turn" 2>/dev/null || true
	[ -z "$loop" ] || losetup -d "$loop" 2>/dev/null || true
	rm -rf "$tmp" "$disk"
}
# --- where a turn takes place ---

# Written once, so that its blocks are there: what a disk takes, no more. Without direct I/O all
# that is written would be copied, and cached, twice.
make_disk() {
	dd if=/dev/zero of="$disk" bs=1M count=2048 status=none conv=fsync
	loop=$(losetup --find --show --direct-io=on "$disk" 2>/dev/null) ||
		loop=$(losetup --find --show "$disk")
}
begin_turn() { # FOLDER
	if [ $own = yes ]; then
		mkfs.ext4 -qF -E lazy_itable_init=0,lazy_journal_init=0,nodiscard "$loop"
		mkdir -p "$tmp/turn"
		mount "$loop" "$tmp/turn"
	fi
	mkdir -p "$1"
	sync
}
end_turn() { # FOLDER
	[ $own = yes ] || return 0
	umount "$tmp/turn"
}
[ $# = 0 ] || own=no
if [ $own = yes ] && ! make_disk; then
	note "no ext4 of its own, build/ is used"
	own=no
fi
for peer in umoci:umoci containerd:containerd containerd:ctr; do
	"$repo/tests/peers.sh" $peer >/dev/null || note "no ${peer#*:} (apt-get download failed)"
done
PATH=$repo/build/peers/bin:$PATH
${CC:-cc} -O2 -std=gnu17 -o "$tmp/spent" "$here/spent.c"

start_containerd() { # FOLDER
	mkdir -p "$1"
	cat >"$1/config.toml" <<-END
		version = 2
		root = "$1/root"
		state = "$1/state"
		disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt"]
		[grpc]
		address = "$1/sock"
	END
	containerd --config "$1/config.toml" >"$1/log" 2>&1 &
	daemon=$!
	local i
	for i in $(seq 200); do
		! ctr --address "$1/sock" version >/dev/null 2>&1 || return 0
		sleep 0.1
	done
	note "containerd does not start: $(tail -n 1 "$1/log")"
	return 1
}
stop_containerd() {
	[ -n "$daemon" ] || return 0
	kill "$daemon" 2>/dev/null || true
	wait "$daemon" 2>/dev/null || true
	daemon=
}

# --- the image ---

declare -A layout
for how in gzip zstd; do
	layout[$how]=$repo/build/fixtures/python-$how
	[ -d "${layout[$how]}" ] || "$repo/rootfs-fixtures/python-image.sh" "${layout[$how]}" $how
	tar -C "${layout[$how]}" -cf "$tmp/$how.tar" oci-layout index.json blobs
done
blobs() { # LAYOUT - its layers, lowest first
	local manifest
	manifest=$(jq -r '.manifests[0].digest[7:]' "$1/index.json")
	jq -r '.layers[].digest[7:]' "$1/blobs/sha256/$manifest" | sed "s|^|$1/blobs/sha256/|"
}

# --- one turn of one program, in a folder of its own ---

turn() { # PROGRAM HOW FOLDER FIGURES
	local l=${layout[$2]} list=() before
	case $1 in
	kist) "$tmp/spent" "$4" "$kist" --store "$3/store" load -q "$l" ;;
	kist-tar) "$tmp/spent" "$4" "$kist" --store "$3/store" load -q --tag bench:1 "$tmp/$2.tar" ;;
	umoci) "$tmp/spent" "$4" umoci unpack --image "$l:bench" "$3/bundle" ;;
	tar)
		mapfile -t list < <(blobs "$l")
		# shellcheck disable=SC2016 # the inner shell's
		"$tmp/spent" "$4" bash -euc 'for f; do tar -xf - -C "$0" --'"$2"' <"$f"; done' "$3" "${list[@]}"
		;;
	ctr)
		start_containerd "$3"
		sync -f "$3"
		before=$(stat -c %s "$4" 2>/dev/null || echo 0)
		"$tmp/spent" -p "$daemon" "$4" ctr --address "$3/sock" -n bench images import \
			--base-name docker.io/library/bench "$tmp/$2.tar"
		[ "$(stat -c %s "$4")" -gt "$before" ]
		stop_containerd
		;;
	esac >"$tmp/out" 2>&1 || { note "$1 ($2): $(tail -n 2 "$tmp/out" | tr '\n' ' ')"; return 1; }
}

# umoci of Debian 12 knows no zstd.
runs=(kist:gzip kist-tar:gzip umoci:gzip tar:gzip ctr:gzip kist:zstd kist-tar:zstd tar:zstd ctr:zstd)
command -v umoci >/dev/null || runs=("${runs[@]/umoci:gzip/}")
command -v ctr >/dev/null || runs=("${runs[@]/ctr:*/}")
cat "$tmp"/*.tar "${layout[gzip]}"/blobs/sha256/* >/dev/null # into memory

gcd() { # A B
	local a=$1 b=$2 c
	while ((b)); do c=$((a % b)) a=$b b=$c; done
	echo "$a"
}
step=0
for ((round = 0; round < rounds; round++)); do
	# Another way around the circle: with a step that has no divisor in common with their number, each
	# has a turn.
	step=$((step % ${#runs[@]} + 1))
	while [ "$(gcd "$step" ${#runs[@]})" != 1 ]; do step=$((step + 1)); done
	for ((i = 0; i < ${#runs[@]}; i++)); do
		run=${runs[$(((round + i * step) % ${#runs[@]}))]}
		[ -n "$run" ] || continue
		name=${run%:*} how=${run#*:} folder=$tmp/turn/$run.$round
		begin_turn "$folder"
		if turn "$name" "$how" "$folder" "$tmp/figures.$run"; then
			"$tmp/spent" "$tmp/sync.$run" sync -f "$folder"
		else
			stop_containerd
			runs=("${runs[@]/$run/}")
		fi
		end_turn
	done
done

# --- figures: medians ---

median() { sort -g | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
field() { awk -v n="$2" '{ print $n }' "$1" | median; }
printf '%10s %10s %10s %9s  %s\n' 'wall ms' 'cpu ms' 'on disk' 'MiB' ''
for run in "${runs[@]}"; do
	[ -s "$tmp/figures.$run" ] || continue
	paste -d' ' "$tmp/figures.$run" "$tmp/sync.$run" | awk '{ print $1 + $4 }' >"$tmp/disk"
	printf '%s\t%s\t%s\t%s\t%s\n' "$run" "$(field "$tmp/figures.$run" 1)" \
		"$(field "$tmp/figures.$run" 2)" "$(median <"$tmp/disk")" \
		"$(awk '$3 > m { m = $3 } END { print m }' "$tmp/figures.$run")" >>"$tmp/table"
done
awk -F '\t' '{ printf "%10.0f %10.0f %10.0f %9.1f  %s\n", $2, $3, $4, $5 / 1024, $1 }' "$tmp/table"

# Of ratios the median too: a round's two turns had the same machine.
ratio() { # RUN FIELD OF
	[ -s "$tmp/figures.$1" ] && [ -s "$tmp/figures.$3" ] || return 0
	paste -d' ' "$tmp/figures.$1" "$tmp/figures.$3" | awk -v n="$2" '{ print $n / $(n + 3) }' | median
}
judge() { # WHAT VALUE MUST AIM
	[ -n "$2" ] || return 0
	awk -v what="$1" -v r="$2" -v must="$3" -v aim="$4" 'BEGIN {
		printf "%8.2f %6s %6s  %-8s %s\n", r, must, aim,
			r <= aim ? "aim met" : r <= must ? "met" : "MISSED", what }'
}
echo '== ratios'
{
	judge 'gzip, wall, to umoci' "$(ratio kist:gzip 1 umoci:gzip)" 0.35 0.2
	judge 'gzip, cpu, to umoci' "$(ratio kist:gzip 2 umoci:gzip)" 0.45 0.25
	judge 'gzip, wall, to serial tar -xzf' "$(ratio kist:gzip 1 tar:gzip)" 0.7 0.35
	judge 'gzip, wall, to ctr image import (both from a tar)' "$(ratio kist-tar:gzip 1 ctr:gzip)" 0.35 0.2
	judge 'zstd, wall, to ctr image import (both from a tar)' "$(ratio kist-tar:zstd 1 ctr:zstd)" 0.35 0.2
	for how in gzip zstd; do
		judge "$how, memory, MiB" "$(awk '$3 > m { m = $3 } END { print m / 1024 }' \
			"$tmp/figures.kist:$how")" 64 32
	done
} | tee "$tmp/ratios"
jq -n --rawfile table "$tmp/table" --rawfile ratios "$tmp/ratios" --arg kernel "$(uname -r)" \
	--argjson cpus "$(nproc)" --arg time "$(date -u +%Y-%m-%dT%H:%M:%SZ)" --argjson rounds "$rounds" '
	{time: $time, kernel: $kernel, cpus: $cpus, rounds: $rounds,
	 figures: ($table | split("\n") | map(select(. != "") | split("\t")
		| {name: .[0], wall_ms: (.[1] | tonumber), cpu_ms: (.[2] | tonumber),
		   on_disk_ms: (.[3] | tonumber), memory_kib: (.[4] | tonumber)})),
	 ratios: ($ratios | split("\n") | map(select(. != "")))}' >"$repo/build/bench-image.json"
echo "figures: build/bench-image.json"
