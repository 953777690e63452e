#!/usr/bin/env bats
# update: other limits for a container that lives, all of them or none. What needs a controller that
# a hybrid host has not runs in the test machine.

bats_require_minimum_version 1.5.0
load helpers
load runtime

setup() {
	need_root
	kist_setup
	ID=${T##*.}
	# Below a folder that hands down no controller until one is asked for.
	make_bundle "$T/b" '.root.readonly = false | .linux.cgroupsPath = $path' --arg path "/$ID/leaf"
	cd "$T/b"
	page=$(ls /sys/kernel/mm/hugepages | sed 's/hugepages-//; s/1048576kB/1GB/; s/2048kB/2MB/' | grep -x 2MB)
}
teardown() { runtime_teardown; }

begin() { # CMD...: a running container, its cgroup in $cgroup
	bundle_args "$PWD" "$@"
	detached kist run -d "$ID"
	pid=$(pid_of "$ID")
	cgroup=$(cgroup_of "$pid")
}
limit_is() { # FILE VALUE
	[ "$(cat "$cgroup/$1")" = "$2" ] || { echo "$1: $(cat "$cgroup/$1"), wanted $2"; return 1; }
}
kept_is() { # FILTER JSON: the resources as they are kept
	jq -e --argjson want "$2" ".linux.resources$1 == \$want" "$ROOT/$ID/config.json"
}
document() { # JSON: an update from stdin
	echo "$1" | kist update --resources - "$ID"
}

@test "update: from stdin, from a file; the controller is enabled, what was left out stays" {
	begin sleep 1000
	[ ! -e "$cgroup/hugetlb.$page.max" ]
	document '{"hugepageLimits": [{"pageSize": "'$page'", "limit": 4194304}]}'
	limit_is "hugetlb.$page.max" 4194304
	limit_is "hugetlb.$page.rsvd.max" 4194304
	echo '{"hugepageLimits": [{"pageSize": "'$page'", "limit": 2097152}]}' >"$T/update"
	kist update -r "$T/update" "$ID"
	limit_is "hugetlb.$page.max" 2097152
	kist update "$ID"
	document '{}'
	limit_is "hugetlb.$page.max" 2097152
	kept_is .hugepageLimits '[{"pageSize":"'$page'","limit":2097152}]'
	# Device rules come back from callers that send all; they stay as they are, others are a warning.
	document '{"devices": [{"allow": false, "access": "rwm"}]}' 2>"$T/warning"
	[ ! -s "$T/warning" ]
	document '{"devices": [{"allow": true, "access": "rwm"}]}' 2>"$T/warning"
	grep -q '/devices: the device rules stay' "$T/warning"
	kept_is '.devices | length' 1
	# One that is paused or waits for start can be updated too.
	kist pause "$ID"
	document '{"hugepageLimits": [{"pageSize": "'$page'", "limit": 0}]}'
	limit_is "hugetlb.$page.max" 0
	kist delete --force "$ID"
	detached kist create "$ID"
	cgroup=$(cgroup_of "$(pid_of "$ID")")
	document '{"hugepageLimits": [{"pageSize": "'$page'", "limit": 2097152}]}'
	limit_is "hugetlb.$page.max" 2097152
	kist delete "$ID"
}

@test "update: all or nothing: what the kernel refuses takes back what stood before it" {
	begin sleep 1000
	document '{"hugepageLimits": [{"pageSize": "'$page'", "limit": 4194304}]}'
	run --separate-stderr document '{"hugepageLimits": [{"pageSize": "'$page'", "limit": 2097152},
		{"pageSize": "7KB", "limit": 0}]}'
	is_one_line 1 '/hugepageLimits/1/limit: .*hugetlb.7KB.max'
	limit_is "hugetlb.$page.max" 4194304
	limit_is "hugetlb.$page.rsvd.max" 4194304
	kept_is .hugepageLimits '[{"pageSize":"'$page'","limit":4194304}]'
	# The same when a step is made to fail, seen also in what is explained.
	run --separate-stderr kist --fault-step 1:EIO update -r - --explain "$ID" \
		<<<'{"hugepageLimits": [{"pageSize": "'$page'", "limit": 2097152}]}'
	[ "$status" -eq 1 ]
	[[ $stderr == *"hugetlb.$page.max"*'echo 2097152 >'*"/hugepageLimits/0/limit"*"I"*"/"[oO]*" error"* ]]
	limit_is "hugetlb.$page.max" 4194304
	kist delete --force "$ID"
}

@test "update: what is no limit, no number, no document, no container is refused in one line" {
	[ -z "${KIST_IN_VM-}" ] || skip "the words are the same everywhere"
	begin sleep 1000
	while IFS='|' read -r pattern arguments; do
		echo "# $arguments"
		# shellcheck disable=SC2086 # words
		run --separate-stderr kist update $arguments "$ID" <<<'{"pids": {"limit": "many"}}'
		is_one_line 1 "$pattern"
	done <<-'END'
		--memory: "64X" is not a size|--memory 64X
		--memory-swap: "-2" is not a size|--memory-swap -2
		--memory-reservation: "1e3" is not a size|--memory-reservation 1e3
		--cpu-quota: "1.5" is not a number|--cpu-quota 1.5
		/cpu/period: |--cpu-period 999
		/cpu/shares: |--cpu-share -1
		/cpu/idle: |--cpu-idle 2
		/cpu/cpus: must be a list|--cpuset-cpus 3-1
		/cpu/mems: must be a list|--cpuset-mems x
		/blockIO/weight: |--blkio-weight 9
		/blockIO/weight: |--blkio-weight 1001
		/memory/reservation: can.t be more|--memory 1M --memory-reservation 2M
		/memory/swap: needs|--memory-swap 64M
		/pids/limit: |--pids-limit -2
		/pids/limit: must be an integer|--resources -
		not a regular file|-r /dev/stdin
		exclude each other|--resources - --pids-limit 5
		Intel RDT|--l3-cache-schema L3:0=f
		Intel RDT|--mem-bw-schema MB:0=20
	END
	for text in '[]' '"x"' '{"pids": null}' '{"cpu": 3}' '{' '{} x' '' '{"unified": {"../x.y": "1"}}'; do
		run --separate-stderr document "$text"
		is_one_line 1
	done
	run --separate-stderr kist update -r "$T/absent" "$ID"
	is_one_line 1 'No such file or directory'
	kist kill "$ID" KILL
	wait_until 10 is_in_state "$ID" stopped
	run --separate-stderr kist update --pids-limit 5 "$ID"
	is_one_line 1 'container not running'
	kist delete "$ID"
	run --separate-stderr kist update --pids-limit 5 "$ID"
	is_one_line 1 'container does not exist'
}

@test "update: without the controller a limit is refused; fields of cgroup v1 are a warning" {
	begin sleep 1000
	kist update --kernel-memory 64M --kernel-memory-tcp 32M --cpu-rt-period 1000 \
		--cpu-rt-runtime -1 "$ID" 2>"$T/warnings"
	for field in memory/kernel memory/kernelTCP cpu/realtimePeriod cpu/realtimeRuntime; do
		grep -q "/$field: only cgroup v1 has this; it has no effect" "$T/warnings"
	done
	if ! grep -qw memory "$(cgroup_mount)/cgroup.controllers"; then
		run --separate-stderr kist update --memory 64M "$ID"
		is_one_line 1 '/memory/limit: needs the cgroup v2 controller memory'
	fi
	kist delete --force "$ID"
}

@test "update: each option, in the kernel's files" {
	need_v2_controllers cpu cpuset memory pids io
	begin sleep 1000
	none test -e "$cgroup/cpu.max"
	kist update --cpu-share 512 --cpu-quota 20000 --cpu-period 50000 --cpu-burst 10000 \
		--cpuset-cpus 0 --cpuset-mems 0 --memory 64M --memory-swap 96m \
		--memory-reservation 32MiB --pids-limit 33 "$ID"
	limit_is cpu.weight 59
	limit_is cpu.max '20000 50000'
	limit_is cpu.max.burst 10000
	limit_is cpuset.cpus 0
	limit_is cpuset.mems 0
	limit_is memory.max 67108864
	limit_is memory.swap.max 33554432
	limit_is memory.low 33554432
	limit_is pids.max 33
	# Half of a pair keeps the other half.
	kist update --cpu-quota 30000 "$ID"
	limit_is cpu.max '30000 50000'
	kist update --cpu-period 60000 "$ID"
	limit_is cpu.max '30000 60000'
	kist update --memory-swap 80M "$ID"
	limit_is memory.max 67108864
	limit_is memory.swap.max 16777216
	kist update --memory 70M "$ID"
	limit_is memory.max 73400320
	limit_is memory.swap.max 16777216
	kist update --memory-swap 100M "$ID"
	limit_is memory.swap.max 31457280
	# A burst that no longer fits goes down before the quota does.
	kist update --cpu-quota 5000 --cpu-burst 4000 "$ID"
	limit_is cpu.max '5000 60000'
	limit_is cpu.max.burst 4000
	kist update --cpu-idle 1 "$ID"
	limit_is cpu.idle 1
	# An idle group takes no weight: refused, and nothing else of it stays.
	run --separate-stderr kist update --cpu-share 1024 --pids-limit 44 "$ID"
	is_one_line 1 '/cpu/shares: .*cpu.weight'
	limit_is pids.max 33
	run --separate-stderr kist update --pids-limit 44 --cpuset-cpus 4000 "$ID"
	[ "$status" -eq 1 ]
	limit_is pids.max 33
	kist update --cpu-share 1024 --cpu-idle 0 "$ID"
	limit_is cpu.weight 100
	kist update --memory -1 --pids-limit -1 --cpu-quota -1 "$ID"
	limit_is memory.max max
	limit_is memory.swap.max max
	limit_is pids.max max
	limit_is cpu.max 'max 60000'
	if [ -e "$cgroup/io.bfq.weight" ] || [ -e "$cgroup/io.weight" ]; then
		kist update --blkio-weight 200 "$ID"
		grep -qE '^(default )?(200|1920)$' "$cgroup"/io.*weight
	fi
	device=$(lsblk -dno MAJ:MIN | head -n 1 | tr -d ' ')
	document '{"blockIO": {"throttleReadBpsDevice": [{"major": '"${device%:*}"', "minor": '"${device#*:}"',
		"rate": 1048576}]}, "unified": {"memory.high": "50331648"}}'
	grep -q "^$device rbps=1048576 " "$cgroup/io.max"
	limit_is memory.high 50331648
	document '{"blockIO": {"throttleReadBpsDevice": [{"major": '"${device%:*}"', "minor": '"${device#*:}"',
		"rate": 0}]}}'
	limit_is io.max ""
	run --separate-stderr document '{"blockIO": {"throttleReadBpsDevice": [
		{"major": '"${device%:*}"', "minor": '"${device#*:}"', "rate": 5000},
		{"major": 4000, "minor": 1, "rate": 5000}]}}'
	is_one_line 1 'no such device'
	limit_is io.max ""
	kist delete --force "$ID"
}

was_killed() { [ "$(sed -n 's/^oom_kill //p' "$cgroup/memory.events")" -ge 1 ]; }

@test "update: a new memory limit holds, and checkBeforeUpdate keeps the program alive" {
	need_v2_controllers memory
	# A dd that has filled its buffer, and waits for somebody to read it.
	begin sh -c 'dd if=/dev/zero bs=20000000 count=1 2>/dev/null |
		(head -c 1 >/dev/null; echo >/tmp/full; sleep 1000)'
	wait_until 60 [ -e rootfs/tmp/full ]
	[ "$(cat "$cgroup/memory.current")" -gt 20000000 ]
	run --separate-stderr document '{"memory": {"limit": 10485760, "swap": 10485760, "checkBeforeUpdate": true}}'
	is_one_line 1 '/memory/limit: [0-9]+ bytes are in use'
	limit_is memory.max max
	limit_is memory.swap.max max
	kist update --memory 10M --memory-swap 10M "$ID"
	wait_until 30 was_killed
	kist delete --force "$ID"
}
