#!/usr/bin/env bats
# linux.resources and what belongs to it: every limit in the kernel's files, whose the cgroup is, and
# containers that have none.

bats_require_minimum_version 1.5.0
load helpers
load runtime

setup() {
	runtime_setup '.root.readonly = false'
}
teardown() { runtime_teardown; }

edit() { edit_bundle "$PWD" "$@"; }
begin() { # [GLOBAL-OPTION...]: a running container, its cgroup in $cgroup
	bundle_args "$PWD" sleep 1000
	detached kist "$@" run -d "$ID"
	pid=$(pid_of "$ID")
	cgroup=$(cgroup_of "$pid")
}
limit_is() { # FILE VALUE
	[ "$(cat "$cgroup/$1")" = "$2" ] || { echo "$1: $(cat "$cgroup/$1"), wanted $2"; return 1; }
}
writable='.mounts |= map(if .type == "cgroup" then .options -= ["ro"] else . end)'
userns='.linux.namespaces += [{"type": "user"}] | .linux.uidMappings =
	[{"containerID": 0, "hostID": 1000000, "size": 65536}] | .linux.gidMappings = .linux.uidMappings'

@test "cgroup ownership: the container's user gets the cgroup, and only the files that may be given" {
	edit "$writable | $userns"
	begin
	[ "$(stat -c %u "$cgroup")" = 1000000 ]
	for file in "$cgroup"/*; do
		want=0
		! grep -qx "${file##*/}" /sys/kernel/cgroup/delegate || want=1000000
		[ "$(stat -c %u "$file")" = "$want" ]
	done
	# It can divide what it has, and not raise what it was given; delete takes all of it back.
	kist exec "$ID" sh -ec 'cd /sys/fs/cgroup; mkdir a a/b; echo $$ >a/b/cgroup.procs
		grep -qx 0::/a/b /proc/self/cgroup; ! echo 1 2>/dev/null >cgroup.freeze
		! echo max 2>/dev/null >hugetlb.2MB.max'
	[ -d "$cgroup/a/b" ]
	kist delete --force "$ID"
	[ ! -e "$cgroup" ]
	# Without a user namespace it is the program's user.
	edit 'del(.linux.uidMappings, .linux.gidMappings) | .process.user = {"uid": 1234, "gid": 1}
		| .linux.namespaces |= map(select(.type != "user"))'
	begin
	[ "$(stat -c %u "$cgroup" "$cgroup/cgroup.procs" "$cgroup/cgroup.freeze" | xargs)" = "1234 1234 0" ]
	kist delete --force "$ID"
	# Read-only, or without a cgroup namespace, it stays root's.
	edit '.mounts |= map(if .type == "cgroup" then .options += ["ro"] else . end)'
	begin
	[ "$(stat -c %u "$cgroup" "$cgroup/cgroup.procs" | xargs)" = "0 0" ]
	kist delete --force "$ID"
	edit "$writable"' | .linux.namespaces |= map(select(.type != "cgroup"))'
	begin
	[ "$(stat -c %u "$cgroup" "$cgroup/cgroup.procs" | xargs)" = "0 0" ]
	kist delete --force "$ID"
}

@test "--cgroup-manager disabled: it stays in the caller's cgroup; what needs one is refused" {
	edit 'del(.linux.resources)'
	begin --cgroup-manager disabled
	[ "$(cat "/proc/$pid/cgroup")" = "$(cat /proc/self/cgroup)" ]
	[ "$(find "$(cgroup_mount)" -name "*$ID*")" = "" ]
	[ "$(kist ps -f json "$ID")" = "[$pid]" ]
	# exec, too, stays where it is called.
	kist exec "$ID" true
	for verb in pause events; do
		run --separate-stderr kist $verb "$ID"
		is_one_line 1 'the container has no cgroup of its own'
	done
	run --separate-stderr kist update --pids-limit 5 "$ID"
	is_one_line 1 'the container has no cgroup of its own'
	kist kill "$ID" KILL
	wait_until 10 is_in_state "$ID" stopped
	kist delete "$ID"
	begin --cgroup-manager disabled
	kist delete --force "$ID"
	is_dead "$pid"
	# A device filter needs one: said, since others make no mistake of it.
	edit '.linux.resources = {"devices": [{"allow": false, "access": "rwm"}]}'
	bundle_args "$PWD" true
	run --separate-stderr kist --cgroup-manager disabled run "$ID"
	[ "$status" -eq 0 ]
	[[ $stderr == *'/linux/resources/devices: without a cgroup'*'devices are not filtered'* ]]
	edit '.linux.resources = {"hugepageLimits": [{"pageSize": "2MB", "limit": 0}]}'
	refused 1 '/linux/resources/hugepageLimits/0/limit: needs a cgroup' \
		kist --cgroup-manager disabled run "$ID"
	edit 'del(.linux.resources) | .linux.cgroupsPath = "/here"'
	refused 1 '/linux/cgroupsPath: needs a cgroup' kist --cgroup-manager disabled run "$ID"
	# The default by its name.
	edit 'del(.linux.cgroupsPath)'
	begin --cgroup-manager cgroupfs
	[ "$cgroup" = "$(cgroup_mount)/kist-$ID" ]
	kist delete --force "$ID"
	run --separate-stderr kist --cgroup-manager other list
	is_one_line 1 '"other" is neither cgroupfs nor systemd nor disabled'
}

@test "annotations of ours: memory.high, memory.min, memory.oom.group" {
	while IFS='|' read -r pattern key value; do
		edit '.annotations = {($key): $value}' --arg key "org.kist.memory.$key" --arg value "$value"
		refused 1 "/annotations/org.kist.memory.$key: $pattern" kist run "$ID"
	done <<-'END'
		must be a size|high|lots
		must be a size|min|-1
		must be "true" or "false"|oom.group|maybe
		is no annotation that kist knows|hihg|1
	END
	edit '.annotations = {"org.kist.memory.high": "48M", "org.kist.memory.min": "1048576",
		"org.kist.memory.oom.group": "true"} | .linux.resources.unified = {"memory.high": "1048576"}'
	if ! grep -qw memory "$(cgroup_mount)/cgroup.controllers"; then
		edit '.linux.resources.unified = {}'
		refused 1 '/annotations/org.kist.memory.(high|min|oom.group): needs the cgroup v2 controller memory' \
			kist run "$ID"
		skip "no cgroup v2 controller memory here"
	fi
	begin
	limit_is memory.high 50331648
	limit_is memory.min 1048576
	limit_is memory.oom.group 1
	kist delete --force "$ID"
}

@test "config.json: every limit, in the kernel's files" {
	need_v2_controllers cpu cpuset memory pids io hugetlb
	device=$(lsblk -dno MAJ:MIN | head -n 1 | tr -d ' ')
	edit '.linux.resources += {
		"memory": {"limit": 67108864, "reservation": 33554432, "swap": 67108864, "checkBeforeUpdate": true},
		"cpu": {"shares": 2048, "quota": 20000, "period": 50000, "burst": 10000, "idle": 0, "cpus": "0", "mems": "0"},
		"pids": {"limit": 0}, "hugepageLimits": [{"pageSize": "2MB", "limit": 4194304}],
		"blockIO": ({"major": $major, "minor": $minor, "rate": 1048576} | {
			"throttleReadBpsDevice": [.], "throttleWriteBpsDevice": [.],
			"throttleReadIOPSDevice": [.], "throttleWriteIOPSDevice": [.]}),
		"unified": {"memory.high": "50331648", "cpu.weight": "77", "cgroup.max.descendants": "5"}}' \
		--argjson major "${device%:*}" --argjson minor "${device#*:}"
	begin
	limit_is memory.max 67108864
	limit_is memory.swap.max 0
	limit_is memory.low 33554432
	limit_is memory.high 50331648
	limit_is cpu.weight 77 # typed fields first
	limit_is cpu.max '20000 50000'
	limit_is cpu.max.burst 10000
	limit_is cpu.idle 0
	limit_is cpuset.cpus 0
	limit_is cpuset.mems 0
	limit_is pids.max 1 # the first process, and no other
	limit_is hugetlb.2MB.max 4194304
	limit_is hugetlb.2MB.rsvd.max 4194304
	limit_is io.max "$device rbps=1048576 wbps=1048576 riops=1048576 wiops=1048576"
	limit_is cgroup.max.descendants 5
	kist delete --force "$ID"
	edit '.linux.resources = {"memory": {"limit": -1, "swap": -1}, "pids": {"limit": -1},
		"cpu": {"quota": -1, "idle": 1}}'
	begin
	limit_is memory.max max
	limit_is memory.swap.max max
	limit_is pids.max max
	limit_is cpu.max 'max 100000'
	limit_is cpu.idle 1
	kist delete --force "$ID"
}
