#!/bin/bash
# Takes the power from a machine that loads and pulls images, so many times; then what is in its store
# must be whole (kist image fsck, and sha256sum), and the same work succeed.
#
#   tests/powerloss.sh [TIMES]     5
#
# The machine is that of tests/vm, under qemu's TCG, and ends by kill -9: what its kernel had not yet
# written to the disk is lost. KIST_SEED makes the moments the same again; KIST_BUILD is whose kist-image.
# KIST_NOSYNC=1: its fsync(2) and syncfs(2) do nothing. Then it must end with something broken, or this
# test shows nothing.
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
times=${1:-5}
build=${KIST_BUILD:-$top/build}
RANDOM=${KIST_SEED:-$$}
seed=${KIST_SEED:-$$}
die() { echo "powerloss: $*" >&2; exit 1; }
image=$("$top/tests/vm/image.sh") || die "no image of the machine"
mkdir -p "$top/build"
work=$(mktemp -d "$top/build/powerloss.XXXXXX")
machine=
helpers=()
clean() {
	[ -z "$machine" ] || kill -KILL "$machine" 2>/dev/null || true
	[ ${#helpers[@]} = 0 ] || kill "${helpers[@]}" 2>/dev/null || true
	rm -rf "$work"
}
trap clean EXIT
trap 'exit 1' INT TERM

# The registry, and the disk with the program and what it needs beside the machine's own.
mkdir -p "$work"/{served,tree/lib,initramfs}
python3 "$top/tests/lib/registry-layouts.py" "$work/layouts"
python3 "$top/tests/lib/registry.py" "$work/layouts" "$work/served" </dev/null >/dev/null 2>&1 &
helpers+=($!)
mkdir "$work/tree/layouts"
# A long test has time for large images.
load=everything
[ "$times" -lt 20 ] || load=bulk
cp -a "$work/layouts/$load" "$work/tree/layouts/load"
if [ -n "${KIST_NOSYNC-}" ]; then
	echo 'int fsync(int fd) { return fd < 0; } int syncfs(int fd) { return fd < 0; }' |
		cc -shared -fPIC -o "$work/tree/lib/preload.so" -x c -
fi
cp "$build/kist-image" "$work/tree/"
install -m 755 "$top/tests/vm/powerloss-init" "$work/tree/init"
curl=$(ldconfig -p | awk '/libcurl\.so\.4 .*x86-64/ && !n++ { print $NF }') # to its end: with pipefail a pipe that broke would be an error
[ -n "$curl" ] || die "no libcurl here"
# shellcheck disable=SC2046 # a list of words
cp "$curl" $(ldd "$curl" | awk '$3 ~ /^\// && $3 !~ /\/(libc|libm|libdl|libpthread|librt)\.so/ { print $3 }') "$work/tree/lib/"
disk() { # FILE MEGABYTES [OPTION...]
	truncate -s "$2M" "$work/$1"
	mkfs.ext4 -q -F -m 0 "${@:3}" "$work/$1"
}
disk tree.ext4 $(($(du -sm --apparent-size "$work/tree" | cut -f1) * 5 / 4 + 16)) -O ^has_journal -d "$work/tree"
disk store.ext4 192
install -m 755 "$top/tests/vm/powerloss-initramfs" "$work/initramfs/init"
{ cat "$image/initrd"; (cd "$work/initramfs" && echo init | cpio -o -H newc --quiet -R 0:0); } >"$work/initrd"
for ((i = 0; i < 400; i++)); do
	[ ! -s "$work/served/ports" ] || break
	sleep 0.05
done
read -r port _ <"$work/served/ports"

mkfifo "$work"/{console,monitor}.{in,out}
exec 5<>"$work/console.in" 6<>"$work/console.out" 7<>"$work/monitor.in" 8<>"$work/monitor.out"
cat <"$work/console.out" >>"$work/log" 5>&- 6>&- 7>&- 8>&- &
helpers+=($!)
start() { # [OPTION...]
	: >"$work/log"
	qemu-system-x86_64 -nodefaults -no-user-config -no-reboot -display none \
		-machine q35 -accel tcg,thread=multi -cpu Westmere -smp 2 -m 320 \
		-kernel "$image/vmlinuz" -initrd "$work/initrd" \
		-append "console=ttyS0 quiet loglevel=1 panic=-1 mitigations=off kist_port=$port kist_preload=${KIST_NOSYNC:+/kist/lib/preload.so}" \
		-drive "file=$image/root.ext4,format=raw,if=virtio,snapshot=on" \
		-drive "file=$work/tree.ext4,format=raw,if=virtio,snapshot=on" \
		-drive "file=$work/store.ext4,format=raw,if=virtio,cache=writeback" \
		-netdev user,id=net -device virtio-net-pci,netdev=net,romfile= \
		-chardev "pipe,id=console,path=$work/console" -serial chardev:console \
		-chardev "pipe,id=monitor,path=$work/monitor" -mon chardev=monitor \
		"$@" </dev/null >"$work/qemu.log" 2>&1 5>&- 6>&- 7>&- 8>&- &
	machine=$!
}
# Booted once; its memory, when it is ready, is where each round begins.
boot() {
	start
	until_said waiting || { report all; cat "$work/qemu.log"; die "the machine did not come up: see above"; }
	printf 'migrate "exec:cat >%s"\nquit\n' "$work/memory" >&7
	wait "$machine" || die "its memory could not be saved"
	machine=
	[ -s "$work/memory" ] || die "its memory was not saved"
}
go() { # WORD...: what the machine is told
	start -incoming "exec:cat $work/memory"
	until_said waiting && echo "$*" >&5
}
said() { grep -a -q "^@ $1" "$work/log"; }
# until_said WHAT: or the machine has ended, or two minutes.
until_said() {
	local end=$((SECONDS + 120))
	until said "$1"; do
		if ! kill -0 "$machine" 2>/dev/null || [ "$SECONDS" -ge "$end" ]; then
			said "$1"
			return
		fi
		sleep 0.02
	done
}
report() {
	sed -n 's/\r$//; s/^@ /  /p' "$work/log"
	[ -z "${1-}" ] || tail -n 40 "$work/log"
}

boot
for ((round = 1; round <= times; round++)); do
	go "$round"
	until_said begin || { report all; cat "$work/qemu.log"; die "round $round (KIST_SEED=$seed): see above"; }
	sleep "$(printf '%d.%03d' $((RANDOM % 3)) $((RANDOM % 1000)))"
	kill -KILL "$machine"
	wait "$machine" 2>/dev/null || true
	machine=
	! said broken || { report all; die "round $round (KIST_SEED=$seed): see above"; }
	last=$(sed -n 's/\r$//; s/^@ begin //p' "$work/log" | tail -n 1)
	echo "round $round: $(sed -n 's/\r$//; s/^@ \(found\|fsck\)/\1/p' "$work/log" | paste -sd';'); power lost in: $last"
done
go 1 last
wait "$machine" || true
machine=
report
said well || { report all; die "after the last round (KIST_SEED=$seed): see above"; }
echo "powerloss: $times times, whole each time"
