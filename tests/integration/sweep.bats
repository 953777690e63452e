#!/usr/bin/env bats
# native only: hundreds of starts take too long under emulation
# sweep.bats - the leak sweep must see each kind of leak, and see none where there is none.

bats_require_minimum_version 1.5.0

setup() {
	[ "$(id -u)" = 0 ] || skip "needs root"
	sweep=$BATS_TEST_DIRNAME/../sweep.sh
	cd "$BATS_TEST_TMPDIR"
	# A runtime in ten lines. What `create` makes is taken back by `delete --force`, unless
	# LEAK says to forget it.
	cat >runtime <<-'END'
	#!/bin/sh
	while [ $# -gt 0 ]; do
		case $1 in
		--root) root=$2; shift ;;
		--bundle) shift ;;
		--force) ;;
		create | delete | spec) verb=$1 ;;
		*) id=$1 ;;
		esac
		shift
	done
	case $verb in
	spec) echo '{"process": {}}' >config.json ;;
	create)
		echo intent >"$root/$id"
		mkdir "/sys/fs/cgroup/$id"
		mkdir "/mnt/at-$id"
		mount -t tmpfs tmpfs "/mnt/at-$id"
		[ "$LEAK" != link ] || ip link add "$id" type veth
		sleep 500 <&- >&- 2>&- &
		echo $! >"/mnt/pid-$id"
		;;
	delete)
		[ -e "$root/$id" ] || exit 0
		[ "$LEAK" = process ] || { read -r pid <"/mnt/pid-$id" && kill "$pid"; } 2>/dev/null
		[ "$LEAK" = mount ] || umount "/mnt/at-$id" 2>/dev/null
		[ "$LEAK" = cgroup ] || rmdir "/sys/fs/cgroup/$id" 2>/dev/null
		[ "$LEAK" = state ] || rm -f "$root/$id"
		;;
	esac
	exit 0
	END
	chmod +x runtime
	export RUNTIME=$PWD/runtime SWEEP_BUNDLE=true
	# The pid is written after the fork, so a kill in between does leak the sleep.
	export SWEEP_ALLOW='^process [0-9]+ sleep$'
}

@test "a runtime that takes everything back has no leaks, killed anywhere" {
	run -0 "$sweep" --who both --sample 8 --seed 7 create
	[ "${lines[-1]}" = "points 16, leaks 0, hangs 0" ]
}

@test "each kind of leak is seen, and named" {
	for kind in state cgroup mount; do
		export LEAK=$kind
			run -1 "$sweep" --from 200 --sample 1 create
		echo "$output"
		[[ $output == *"leak 0 unkilled: "*"$kind "* ]]
		[[ ${lines[-1]} == "points 1, leaks "[12]", hangs 0" ]]
	done
}

@test "a process and an interface that stay are seen" {
	export LEAK=process SWEEP_ALLOW=
	run -1 "$sweep" --from 1 --to 1 create
	[[ $output == *"leak 0 unkilled: process "*" sleep"* ]]
	unshare -n ip link add type veth || skip "this kernel has no veth"
	export LEAK=link
	run -1 "$sweep" --from 1 --to 1 create
	[[ $output == *"leak 0 unkilled: link sweep-0"* ]]
}

@test "a kill before anything was made leaves nothing" {
	export LEAK=cgroup
	run -1 "$sweep" --from 1 --to 1 create
	[[ $output == *"points 1, leaks 1, hangs 0" ]]
	[[ $output != *"leak 1 "* ]]
}

@test "a command that hangs is told apart" {
	sed -i 's/^create)$/&\n\t[ "${id#sweep-0-}" != "$id" ] || { mkdir sub; while :; do sleep 1; done; }/' runtime
	grep -q 'while :; do' runtime
	# Killed itself, it can't hang; when its child is killed it goes on to the loop.
	run -0 "$sweep" --timeout 2 --to 30 --sample 2 create
	[[ ${lines[-1]} == "points 2, leaks 0, hangs 0" ]]
	run -1 "$sweep" --timeout 2 --who acting --from 1 --sample 6 create
	[[ ${lines[-1]} == "points 6, leaks 0, hangs "[1-6] ]]
}

@test "Debian's runc 1.1.5 forgets its cgroup" {
	repo=$BATS_TEST_DIRNAME/../..
	runc=$(find "$repo/build/peers" -path '*/sbin/runc' -type f 2>/dev/null | head -n 1)
	[ -n "$runc" ] || skip "no runc in build/peers"
	unset SWEEP_BUNDLE SWEEP_ALLOW
	RUNTIME=$runc run -1 "$sweep" --timeout 60 --from 1500 --to 2400 --sample 2 create
	echo "$output"
	[[ $output == *" cgroup /sys/fs/cgroup/sweep-"* ]]
}

@test "a subject that fails unkilled, or is missing, is refused in one line" {
	RUNTIME=false run -2 "$sweep" create
	RUNTIME=./missing run -2 "$sweep" create
	[[ $output == *"no runtime './missing'"* ]]
	run -2 "$sweep" frobnicate
}

@test "nothing is left on the host" {
	run "$sweep" --sample 1 create
	run -1 grep -r "$BATS_TEST_TMPDIR/runtime" /proc/self/mountinfo
	! ls -d /sys/fs/cgroup/sweep-* /sys/fs/cgroup/unified/sweep-* 2>/dev/null
}
