#!/bin/bash
# Runs a command as root inside the test machine: Debian 12's stock kernel under qemu's TCG,
# cgroup v2 with every controller, no network but lo, a throw-away disk.
#
#   tests/vm/run.sh CMD [ARG...]     in /kist, a copy of this tree with its built programs
#   tests/vm/run.sh --systemd CMD    the same under systemd: CMD is a service, and runs once the
#                                    system bus is up; KIST_IN_SYSTEMD=1 tells it
#
# Its output, errors and exit status come out as they are. 125: the machine itself failed.
# KIST_VM_TIMEOUT  seconds before it's killed (900); KIST_VM_MEMORY in MiB (2048)
# KIST_VM_CPUS     its processors: 1, or 2 under systemd. One is emulated at two thirds of the cost of
#                  work on two, which wait for each other; to use two, run two machines.
# KIST_VM_QUEUE    a file of lines, which the command may ask for (KIST_TEST_QUEUE tells it so): it
#                  writes a line to the virtio port "queue" and reads the file's first line, which is
#                  taken off; an empty one when there is none. Several machines may share the file.
# KIST_VM_LOG      where the console goes (build/logs/vm-console.log)
# KIST_VM_ENV      names of variables to hand over, besides CI and KIST_*
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
init=/sbin/kist-vm-init
cpus=1
if [ "${1-}" = --systemd ]; then
	init=/lib/systemd/systemd
	cpus=2
	shift
fi
[ $# -gt 0 ] || { echo "usage: tests/vm/run.sh [--systemd] CMD [ARG...]" >&2; exit 125; }
die() { echo "vm: $*" >&2; exit 125; }
command -v qemu-system-x86_64 >/dev/null || die "no qemu-system-x86_64: run: sudo make deps"

image=$("$here/image.sh") || die "no image"
log=${KIST_VM_LOG:-$top/build/logs/vm-console.log}
work=$(mktemp -d "$top/build/vm-run.XXXXXX")
machine='' queue=''
trap 'kill $machine $queue 2>/dev/null || true; rm -rf "$work"' EXIT
trap 'exit 125' INT TERM
mkdir -p "$(dirname "$log")" "$work/tree/.vm" "$work/tree/build"

# The tree goes in as an ext4 disk of its own; hard links make the copy free.
(cd "$top" && tar -cf - --exclude=./build --exclude=./.git --exclude=./compile_commands.json .) |
	tar -xf - -C "$work/tree"
for path in kist kist-image kist-systemd kist-dns kist-monitor tests tools fixtures peers; do
	[ ! -e "$top/build/$path" ] || cp -al -H "$top/build/$path" "$work/tree/build/$path"
done
# -H above: build/peers may be a symlink, and what is removed here must be the copy's.
rm -rf "$work/tree/build/peers"/{debs,usr/bin/docker-registry,usr/bin/skopeo,usr/bin/umoci,usr/bin/passt,usr/bin/passt.avx2,usr/bin/slirp4netns}
find "$work/tree/build" -type f \( -name '*.o' -o -name '*.d' \) -delete
{
	for name in CI ${!KIST_*} ${KIST_VM_ENV-}; do
		case $name in KIST_VM_*) continue ;; esac
		[ -z "${!name+set}" ] || printf 'export %s=%q\n' "$name" "${!name}"
	done
	echo 'export KIST_IN_VM=1'
	[ "$init" = /sbin/kist-vm-init ] || echo 'export KIST_IN_SYSTEMD=1'
	[ -z "${KIST_VM_QUEUE-}" ] || echo 'export KIST_TEST_QUEUE=1'
	printf 'exec'
	printf ' %q' "$@"
	echo
} >"$work/tree/.vm/command"
# dash has no $'...': bash reads the command.
sed -i '1i [ -n "$BASH_VERSION" ] || exec bash /kist/.vm/command' "$work/tree/.vm/command"
size=$(du -sm --apparent-size "$work/tree" | cut -f1)
truncate -s $((size * 5 / 4 + 1536))M "$work/tree.ext4"
mkfs.ext4 -q -F -m 0 -O ^has_journal -E root_owner=0:0,lazy_itable_init=1,nodiscard \
	-d "$work/tree" "$work/tree.ext4"

cpus=${KIST_VM_CPUS:-$cpus}
threads=single
[ "$cpus" = 1 ] || threads=multi
# A plain processor: glibc chooses AVX code where there is AVX, and the kernel rep movs on a newer one,
# which take longer to emulate. And norandmaps: the emulator translates code once for each address it is
# found at, so with ASLR all of it again for each process, which was half of the suite's time.
# shellcheck disable=SC2054 # qemu's own commas
qemu=(
	qemu-system-x86_64 -nodefaults -no-user-config -no-reboot -display none
	-machine q35 -accel "tcg,thread=$threads" -cpu kvm64 -smp "$cpus" -m "${KIST_VM_MEMORY:-2048}"
	-kernel "$image/vmlinuz" -initrd "$image/initrd"
	-append "console=ttyS0 quiet loglevel=4 panic=-1 oops=panic mitigations=off norandmaps init_on_alloc=0 kist_vm_init=$init systemd.unit=kist-vm.target systemd.show_status=error"
	-drive "file=$image/root.ext4,format=raw,if=virtio,snapshot=on"
	-drive "file=$work/tree.ext4,format=raw,if=virtio,cache=unsafe"
	-device virtio-serial-pci
	-chardev "file,id=out,path=$work/out" -device virtserialport,chardev=out,name=out
	-chardev "file,id=err,path=$work/err" -device virtserialport,chardev=err,name=err
	-chardev "file,id=status,path=$work/status" -device virtserialport,chardev=status,name=status
	-serial "file:$log"
)
# Two fifos: .in is what the machine reads.
if [ -n "${KIST_VM_QUEUE-}" ]; then
	mkfifo "$work/queue.in" "$work/queue.out"
	exec 7<>"$work/queue.in" 8<>"$work/queue.out"
	while read -r <&8; do
		next=$(flock "$KIST_VM_QUEUE.lock" sed -n -i -e 1w/dev/stdout -e '1!p' "$KIST_VM_QUEUE")
		echo "$next" >&7
	done &
	queue=$!
	qemu+=(-chardev "pipe,id=queue,path=$work/queue" -device "virtserialport,chardev=queue,name=queue")
fi
# Fifos, held open here so that no reader waits for a qemu that never came.
mkfifo "$work/out" "$work/err"
exec 5<>"$work/out" 6<>"$work/err"
cat <"$work/out" 5>&- 6>&- &
out=$!
cat <"$work/err" >&2 5>&- 6>&- &
err=$!
: >"$work/status"
: >"$log"
limit=${KIST_VM_TIMEOUT:-900}
started=$(date +%s%N)
code=0
timeout --kill-after=10 "$limit" "${qemu[@]}" </dev/null 5>&- 6>&- 7>&- 8>&- &
machine=$!
# A machine that does not come up is told from a long command.
for ((i = 0; i < 180; i++)); do
	[ ! -s "$work/status" ] && kill -0 "$machine" 2>/dev/null || break
	sleep 1
done
if [ ! -s "$work/status" ] && kill "$machine" 2>/dev/null; then
	echo "vm: did not boot in 180 s" >&2
fi
wait "$machine" || code=$?
machine=
exec 5>&- 6>&-
wait "$out" "$err"
took=$((($(date +%s%N) - started) / 10000000))
boot=$(sed -n 's/^boot //p' "$work/status")
status=$(sed -n 's/^exit //p' "$work/status")
echo "vm: booted in ${boot:-?} s, all $((took / 100)).$(printf %02d $((took % 100))) s" >&2
if [ -z "$status" ]; then
	echo "vm: console's end ($log):" >&2
	tail -n 30 "$log" >&2 || true
	[ "$code" != 124 ] || die "killed after $limit s"
	die "the machine stopped before the command ended (qemu: $code)"
fi
exit "$status"
