#!/usr/bin/env bats
# Verbs on a container that lives: ps, pause, resume; what the others do with one that is paused.

bats_require_minimum_version 1.5.0
load helpers
load runtime

setup() {
	runtime_setup '.root.readonly = false'
}
teardown() { runtime_teardown; }

begin() { # CMD...: a running container, its first process in $pid, its cgroup in $cgroup
	bundle_args "$PWD" "$@"
	detached kist run -d "$ID"
	pid=$(pid_of "$ID")
	cgroup=$(cgroup_of "$pid")
}
is_frozen() { grep -qx 'frozen 1' "$cgroup/cgroup.events"; }
count_is() { # N: so many processes
	[ "$(kist ps -f json "$ID" | jq length)" = "$1" ]
}
has_two() { [ "$(wc -l <"$cgroup/cgroup.procs")" -ge 2 ]; }
# What the program writes a byte to again and again.
ticks() { stat -c %s "$T/b/rootfs/tmp/ticks"; }
ticks_after() { [ "$(ticks)" -gt "$1" ]; }
tick='while :; do echo >>/tmp/ticks; usleep 10000; done'

@test "ps: the ids as the host sees them, also of cgroups below; a table as of ps -ef" {
	begin sh -c 'sleep 1000 & sleep 1001 & wait'
	wait_until 10 count_is 3
	run --separate-stderr kist ps --format json "$ID"
	[ "$status" -eq 0 ]
	[ -z "$stderr" ]
	diff <(sort -n "$cgroup/cgroup.procs") <(jq '.[]' <<<"$output")
	[[ $output == "[$pid,"* ]]
	# One that went into a cgroup below is still the container's.
	mkdir "$cgroup/below"
	jq -r '.[2]' <<<"$output" >"$cgroup/below/cgroup.procs"
	[ "$(kist ps -f json "$ID")" = "$output" ]

	run --separate-stderr kist ps "$ID"
	[ "$status" -eq 0 ]
	[ "${#lines[@]}" -eq 4 ]
	[ "$(xargs <<<"${lines[0]}")" = "UID PID PPID C STIME TTY TIME CMD" ]
	grep -qE "^root +$pid +[0-9]+ +[0-9]+ +[^ ]+ +\? +00:0[0-9:]+ sh -c sleep 1000 & sleep 1001 & wait$" <<<"$output"
	grep -qE "^root +[0-9]+ +$pid .* sleep 1001$" <<<"$output"
	need_program ps
	# The same columns as ps -ef has for it.
	diff <(ps -f -p "$pid" | tail -n 1 | awk '{ print $1, $2, $3, $6, $8, $9, $10 }') \
		<(awk -v pid="$pid" '$2 == pid { print $1, $2, $3, $6, $8, $9, $10 }' <<<"$output")
	run --separate-stderr kist ps "$ID" -eo pid,args
	[ "$status" -eq 0 ]
	[ "${#lines[@]}" -eq 4 ]
	[[ ${lines[0]} =~ ^\ *PID\ COMMAND ]]
	grep -qE "^ *[0-9]+ sleep 1000$" <<<"$output"
	run --separate-stderr kist ps "$ID" -eo args
	is_one_line 1 "couldn't find PID field in ps output"
	run --separate-stderr kist ps -f yaml "$ID"
	is_one_line 1 '"yaml" is neither table nor json'
	# A command line can't steer the terminal, nor begin a line.
	detached kist exec -d "$ID" sh -c 'while :; do sleep 1002; done' "$(printf '\033[31m\nx')"
	wait_until 10 count_is 5
	run kist ps "$ID"
	[ "${#lines[@]}" -eq 6 ]
	none grep -q $'\033' <<<"$output"
	grep -qF '[31m\nx' <<<"$output"
	kist kill "$ID" KILL
	wait_until 10 is_in_state "$ID" stopped
	[ "$(kist ps -f json "$ID")" = "[]" ]
	kist delete "$ID"
	run --separate-stderr kist ps "$ID"
	is_one_line 1 'container does not exist'
}

@test "pause: nothing runs, the kernel says so; resume: it goes on where it was" {
	begin sh -c "$tick"
	wait_until 10 [ -s rootfs/tmp/ticks ]
	kist pause "$ID"
	is_frozen
	is_in_state "$ID" paused
	kist list | grep -qE "^$ID +$pid +paused "
	before=$(ticks)
	cpu=$(sed -n 's/^usage_usec //p' "$cgroup/cpu.stat")
	for _ in {1..5}; do kist state "$ID" >/dev/null; done
	[ "$(ticks)" = "$before" ]
	[ "$(sed -n 's/^usage_usec //p' "$cgroup/cpu.stat")" = "$cpu" ]
	count_is 2 || count_is 1
	run --separate-stderr kist pause "$ID"
	is_one_line 1 '^kist: container not running$'
	kist resume "$ID"
	none is_frozen
	is_in_state "$ID" running
	wait_until 10 ticks_after "$before"
	run --separate-stderr kist resume "$ID"
	is_one_line 1 '^kist: container not paused$'
	kist kill "$ID" KILL
	wait_until 10 is_in_state "$ID" stopped
	run --separate-stderr kist pause "$ID"
	is_one_line 1 '^kist: container not running$'
	run --separate-stderr kist resume "$ID"
	is_one_line 1 '^kist: container not paused$'
	kist delete "$ID"
	for verb in pause resume; do
		run --separate-stderr kist $verb "$ID"
		is_one_line 1 '^kist: container does not exist$'
	done
}

@test "paused: exec is refused unless --ignore-paused, delete needs --force, KILL kills" {
	begin sleep 1000
	kist pause "$ID"
	run --separate-stderr kist exec "$ID" true
	is_one_line 255 'cannot exec in a paused container \(use --ignore-paused to override\)'
	# It is born frozen, and runs when the container does.
	detached kist exec --ignore-paused -d --pid-file "$T/pid" "$ID" touch /tmp/thawed &
	exec_pid=$!
	wait_until 10 has_two
	[ ! -e rootfs/tmp/thawed ]
	kist resume "$ID"
	wait $exec_pid
	wait_until 10 [ -e rootfs/tmp/thawed ]

	kist pause "$ID"
	run --separate-stderr kist delete "$ID"
	is_one_line 1 "cannot delete container $ID that is not stopped: paused"
	# A signal waits for the thaw, KILL does not.
	kist kill "$ID" TERM
	kist kill "$ID" KILL
	wait_until 10 is_in_state "$ID" stopped
	kist delete "$ID"
	begin sh -c 'sleep 1000 & sleep 1000'
	kist pause "$ID"
	kist kill --all "$ID" KILL
	wait_until 10 is_dead "$pid"
	kist delete "$ID"
	begin sh -c 'sleep 1000 & sleep 1000'
	kist pause "$ID"
	kist delete --force "$ID"
	[ ! -e "$cgroup" ]
	is_dead "$pid"
}

@test "paused before start: start is refused and does not hang; after resume it starts" {
	bundle_args "$PWD" touch /tmp/started
	detached kist create "$ID"
	cgroup=$(cgroup_of "$(pid_of "$ID")")
	kist pause "$ID"
	is_in_state "$ID" paused
	run --separate-stderr kist start "$ID"
	is_one_line 1 'cannot start a container in the paused state'
	[ ! -e rootfs/tmp/started ]
	kist resume "$ID"
	is_in_state "$ID" created
	kist start "$ID"
	wait_until 10 is_in_state "$ID" stopped
	[ -e rootfs/tmp/started ]
	kist delete "$ID"
}

@test "frozen from above: it counts as paused, resume says what is in the way and ends" {
	parent=$(cgroup_mount)/kist-test-$$
	mkdir "$parent"
	edit_bundle "$PWD" '.linux.cgroupsPath = $path' --arg path "/kist-test-$$/leaf"
	begin sleep 1000
	echo 1 >"$parent/cgroup.freeze"
	wait_until 10 is_in_state "$ID" paused
	run --separate-stderr kist resume "$ID"
	is_one_line 1 'a cgroup above .*/leaf is frozen'
	echo 0 >"$parent/cgroup.freeze"
	wait_until 10 is_in_state "$ID" running
	# Deleted while it is frozen from above.
	echo 1 >"$parent/cgroup.freeze"
	wait_until 10 is_in_state "$ID" paused
	kist delete --force "$ID"
	rmdir "$parent"
}

@test "kill KILL without a pid namespace of its own ends all processes, not only the first" {
	edit_bundle "$PWD" '.linux.namespaces |= map(select(.type != "pid"))'
	begin sh -c 'sleep 1000 & sleep 1001 & wait'
	wait_until 10 count_is 3
	mapfile -t pids < <(kist ps -f json "$ID" | jq '.[]')
	kist kill "$ID" TERM
	wait_until 10 is_in_state "$ID" stopped
	# The others are there yet, and still the container's.
	[ "$(kist ps -f json "$ID" | jq length)" = 2 ]
	kist kill "$ID" KILL
	for pid in "${pids[@]}"; do
		wait_until 10 is_dead "$pid"
	done
	wait_until 10 count_is 0
	run --separate-stderr kist kill "$ID" KILL
	is_one_line 1 'container not running'
	kist delete "$ID"
}

@test "a cgroup below that the container froze hangs no exec, and no delete" {
	begin sleep 1000
	read -r controller _ <"$cgroup/cgroup.controllers"
	mkdir "$cgroup/sub" "$cgroup/other"
	echo "$pid" >"$cgroup/sub/cgroup.procs"
	echo "+$controller" >"$cgroup/cgroup.subtree_control"
	kist exec "$ID" true
	echo 1 >"$cgroup/sub/cgroup.freeze"
	wait_until 10 grep -qx 'frozen 1' "$cgroup/sub/cgroup.events"
	run --separate-stderr timeout 60 "$KIST" --root "$ROOT" exec "$ID" true
	is_one_line 255 'cannot exec in the cgroup /sub: it is frozen'
	run --separate-stderr timeout 60 "$KIST" --root "$ROOT" exec --cgroup sub "$ID" true
	is_one_line 255 'cannot exec in the cgroup /sub: it is frozen'
	kist exec --cgroup other "$ID" true
	kist delete --force "$ID"
	[ ! -e "$cgroup" ]
}
