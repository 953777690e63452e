#!/bin/bash
# make demo: the main job on a real image, step by step, and then: nothing is left.
#
# Installs what is missing, builds, makes an OCI image of busybox, loads it into kist's store and
# runs a sandboxed job from it. Where the host has no cgroup v2 controllers it does the same in
# the test machine.
set -euo pipefail
cd "$(dirname "$0")/.."
image=build/fixtures/busybox.tar

title() { printf '\n== %s\n' "$*"; }
show() { printf '$ %s\n' "$*"; "$@"; }

# What the job does: it says what it sees. One line a fact.
job='
echo "ids         $(id)"
echo "host name   $(hostname)"
echo "processes   $(ps | wc -l) (this shell, ps, wc)"
echo "uid map     $(tr -s " " </proc/self/uid_map)"
echo "interfaces  $(ifconfig | sed -n "s/^\([^ ][^ ]*\) .*/\1/p; s/.*inet addr:\([^ ]*\).*/\1/p" | tr "\n" " ")"
echo "route       default by $(route -n | awk "/^0.0.0.0/ { print \$2, \$8 }")"
echo "caps        $(grep CapEff /proc/self/status | tr "\t" " ")"
echo "no new privs, seccomp: $(grep -E "NoNewPrivs|Seccomp:" /proc/self/status | tr "\t\n" "  ")"
echo "root        $(touch /written 2>&1)"
echo "tmp         $(touch /tmp/written && echo writable)"
echo "mount       $(mount -t tmpfs none /mnt 2>&1 | head -n 1)"
for limit in memory.max pids.max cpu.max; do
	[ ! -e /sys/fs/cgroup/$limit ] || echo "$limit  $(cat /sys/fs/cgroup/$limit)"
done
cat /etc/layer >/dev/null && echo "image       $(. /etc/os-release; echo $NAME), layer $(cat /etc/layer)"
'

prepare() {
	title "what is missing from Debian 12"
	tests/deps.sh
	title "build"
	make -j"$(nproc)" all $image build/tools/hostsnap
}

# Every controller the job's limits need is cgroup v2's?
have_controllers() {
	local mount name
	mount=$(findmnt -n -t cgroup2 -o TARGET | head -n 1)
	for name in memory pids cpu; do
		grep -qw "$name" "$mount/cgroup.controllers" 2>/dev/null || return 1
	done
}

main_job() {
	local work status=0
	work=$(mktemp -d build/demo.XXXXXX)
	# shellcheck disable=SC2064 # this folder, now
	trap "rm -rf '$PWD/$work'" EXIT
	chmod 755 "$work"
	export KIST_STORE=$PWD/$work/store
	export PATH=$PWD/build:$PATH
	build/tools/hostsnap >"$work/before"

	title "an image"
	show kist image load $image
	show kist image ls

	title "the job"
	show kist --root "$PWD/$work/state" job run --memory 64m --pids 32 --cpus 0.5 --wall 5s \
		--net bridge --result "$work/result.json" busybox -- sh -c "$job" || status=$?
	echo "exit status $status"
	[ $status = 0 ] || exit 1

	title "its result record"
	jq . "$work/result.json"

	title "a job that wants too much memory"
	status=0
	show kist --root "$PWD/$work/state" job run --memory 16m --wall 20s \
		--result "$work/oom.json" busybox -- sh -c 'tail /dev/zero' || status=$?
	echo "exit status $status, reason $(jq -r .reason "$work/oom.json")"
	[ $status = 137 ] || exit 1

	title "nothing is left: no process, mount, cgroup, interface, table, state"
	show kist image rm busybox
	local left try
	for try in {1..50}; do
		left=$(build/tools/hostsnap "$work/before" "${work#build/}"
			find "$work/state" -mindepth 1 2>/dev/null || true)
		[ -n "$left" ] || break
		sleep 0.1
	done
	if [ -n "$left" ]; then
		echo "left behind:"
		echo "$left"
		exit 1
	fi
	echo "nothing (looked for up to $((try * 100)) ms)"
}

if [ "${1-}" = --here ]; then
	main_job
	exit
fi
if [ "$(id -u)" != 0 ]; then
	echo "demo: needs root: sudo make demo" >&2
	exit 1
fi
prepare
if have_controllers; then
	main_job
else
	title "this host has no cgroup v2 controllers memory, pids and cpu: on in the test machine"
	echo "(Debian 12's own kernel under qemu, without KVM: everything is some ten times slower)"
	tests/vm/run.sh tests/demo.sh --here
fi
