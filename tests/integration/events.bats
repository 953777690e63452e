#!/usr/bin/env bats
# events: what a container uses, in the shape that runc's readers know; and kills for want of memory.

bats_require_minimum_version 1.5.0
load helpers
load runtime

setup() {
	runtime_setup '.root.readonly = false'
}
teardown() { runtime_teardown; }

begin() { # CMD...: a running container, its cgroup in $cgroup
	bundle_args "$PWD" "$@"
	detached kist run -d "$ID"
	pid=$(pid_of "$ID")
	cgroup=$(cgroup_of "$pid")
}
# No function: $! is to be kist itself.
events() { # OUT ARG...: in the background, as $events
	local out=$1
	shift
	"$KIST" --root "$ROOT" events "$@" >"$out" 2>"$T/errors" &
	events=$!
}
# EVENTS FILE: the events watch it.
watches() {
	ls -l "/proc/$1/fd" 2>/dev/null | grep -q "/$2\$"
}
has_lines() { # FILE N
	[ "$(wc -l <"$1")" -ge "$2" ]
}
psi='(.some, .full | [.avg10, .avg60, .avg300, .total] | all(. >= 0))'

@test "events --stats: one record, every part of it, numbers as the kernel has them" {
	begin sh -c 'i=0; while [ $i -lt 30000 ]; do i=$((i+1)); done; echo >/tmp/done; sleep 1000'
	wait_until 30 [ -e rootfs/tmp/done ]
	nsenter -t "$pid" -n ip link add front type veth peer name back
	before=$(sed -n 's/^usage_usec //p' "$cgroup/cpu.stat")
	run --separate-stderr kist events --stats "$ID"
	echo "$output"
	[ "$status" -eq 0 ]
	[ -z "$stderr" ]
	[ "${#lines[@]}" -eq 1 ]
	jq -e --arg id "$ID" '.type == "stats" and .id == $id and keys == ["data", "id", "type"] and
		(.data | keys == ["blkio", "cpu", "cpuset", "hugetlb", "intel_rdt", "memory",
			"network_interfaces", "pids"])' <<<"$output"
	jq -e --argjson least "$before" '.data.cpu.usage | .total >= $least * 1000 and .kernel >= 0 and
		.user > 0 and .total >= .user' <<<"$output"
	# Without the controller they are counted.
	jq -e '.data.pids.current | . == 1 or . == 2' <<<"$output"
	jq -e '.data | .cpu.throttling == {} and .intel_rdt == {} and
		(.memory | .kernel == {"limit": 0, "failcnt": 0} and .kernelTCP == .kernel and
			(.usage, .swap | has("limit") and has("failcnt"))) and
		(.cpuset | .cpu_exclusive == 0 and .sched_relax_domain_level == 0 and length >= 9)' \
		<<<"$output"
	jq -e '.data.hugetlb["2MB"].failcnt == 0' <<<"$output"
	jq -e '.data.network_interfaces | (map(.Name) | sort) == ["back", "front"] and
		all(.RxBytes == 0 and .TxErrors == 0 and length == 9)' <<<"$output"
	if [ -e "$cgroup/cpu.pressure" ] && cat "$cgroup/cpu.pressure" >/dev/null 2>&1; then
		jq -e ".data | [.cpu.psi, .memory.psi, .blkio.psi] | map(select(. != null)) |
			length > 0 and all($psi)" <<<"$output"
	fi
	# Without a network namespace of its own the interfaces are not the container's.
	kist delete --force "$ID"
	edit_bundle "$PWD" '.linux.namespaces |= map(select(.type != "network"))
		| .mounts |= map(select(.type != "sysfs"))'
	begin sleep 1000
	kist events --stats "$ID" | jq -e '.data.network_interfaces == null'
	kist pause "$ID"
	kist events --stats "$ID" | jq -e '.type == "stats"'
	kist delete --force "$ID"
}

@test "events: a record each interval, until the container has ended or nobody reads" {
	begin sleep 1000
	events "$T/records" --interval 50ms "$ID"
	wait_until 20 has_lines "$T/records" 3
	kist exec "$ID" true
	# It follows the last process, not the first.
	kist kill "$ID" KILL
	wait "$events"
	jq -es 'length >= 3 and all(.type == "stats")' "$T/records"
	[ ! -s "$T/errors" ]
	run --separate-stderr kist events --stats "$ID"
	is_one_line 1 "container with id $ID is not running"
	run --separate-stderr kist events "$ID"
	is_one_line 1 "container with id $ID is not running"
	kist delete "$ID"
	# The reader goes away between two records: so do the events.
	begin sleep 1000
	mkfifo "$T/pipe"
	head -n 1 <"$T/pipe" >"$T/first" &
	events "$T/pipe" --interval 50ms "$ID"
	wait_until 20 has_lines "$T/first" 1
	wait_until 20 is_dead "$events"
	# A long interval does not keep it from seeing the end.
	events "$T/records" --interval 1h "$ID"
	wait_until 20 watches "$events" cgroup.events
	kist delete --force "$ID"
	wait_until 20 is_dead "$events"
	[ ! -s "$T/records" ]
	for interval in 0 0s -1s 5 x ''; do
		run --separate-stderr kist events --interval "$interval" "$ID"
		is_one_line 1 '--interval: '
	done
	run --separate-stderr kist events "$ID"
	is_one_line 1 'container does not exist'
}

@test "events --stats: limits and usage of every controller" {
	need_v2_controllers memory pids cpu cpuset io
	edit_bundle "$PWD" '.linux.resources += {"memory": {"limit": 67108864, "swap": 100663296},
		"pids": {"limit": 20}, "cpu": {"quota": 10000, "period": 100000, "cpus": "0"}}'
	begin sh -c 'dd if=/dev/zero of=/tmp/file bs=64k count=16 2>/dev/null; echo >/tmp/done
		i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; echo >/tmp/spun; sleep 1000 & sleep 1000'
	wait_until 60 [ -e rootfs/tmp/spun ]
	run --separate-stderr kist events --stats "$ID"
	echo "$output"
	jq -e '.data.memory | .usage.limit == 67108864 and .swap.limit == 100663296 and
		.usage.usage > 100000 and .swap.usage >= .usage.usage and .usage.failcnt == 0 and
		.raw.anon > 0 and .raw.pgfault > 0 and (.raw | length) > 20' <<<"$output"
	jq -e '.data.pids | .limit == 20 and .current >= 2' <<<"$output"
	jq -e '.data.cpu.throttling | .periods > 0 and .throttledPeriods > 0 and .throttledTime > 0' <<<"$output"
	jq -e '.data.cpuset | .cpus == [0] and .mems == [0]' <<<"$output"
	kist update --memory -1 --pids-limit -1 "$ID"
	run --separate-stderr kist events --stats "$ID"
	[[ $output == *'"usage":{"limit":18446744073709551615,'* ]]
	[[ $output == *'"swap":{"limit":18446744073709551615,'* ]]
	jq -e '.data.pids | has("limit") | not' <<<"$output"
	kist delete --force "$ID"
}

@test "events: a record for a kill for want of memory" {
	need_v2_controllers memory
	edit_bundle "$PWD" '.linux.resources.memory = {"limit": 16777216, "swap": 16777216}'
	begin sh -c 'while [ ! -e /tmp/go ]; do usleep 50000; done
		dd if=/dev/zero of=/dev/null bs=40000000 count=1; echo >/tmp/after; sleep 1000'
	events "$T/records" --interval 1h "$ID"
	wait_until 20 watches "$events" memory.events
	touch rootfs/tmp/go
	wait_until 60 has_lines "$T/records" 1
	wait_until 60 [ -e rootfs/tmp/after ]
	[ "$(head -n 1 "$T/records")" = '{"type":"oom","id":"'"$ID"'"}' ]
	kist delete --force "$ID"
	wait_until 20 is_dead "$events"
	[ "$(grep -vc '"oom"' "$T/records")" = 0 ]
}
