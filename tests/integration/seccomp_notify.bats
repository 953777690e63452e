#!/usr/bin/env bats
# SCMP_ACT_NOTIFY: the agent gets the listener and the container process state, by run, create and
# start, and exec, whatever the profile hands to it.

bats_require_minimum_version 1.5.0
load helpers
load runtime

AGENT=$TOP/build/tools/seccomp-agent

setup() {
	need_root
	kist_setup
	ID=${T##*.}
	[ -x "$AGENT" ] || "$TOP/tests/tools/build.sh" seccomp-agent
	probe_bundle "$T/b"
	cd "$T/b"
	agent=
}
teardown() {
	end_agent
	runtime_teardown
}

edit() { edit_bundle "$T/b" "$@"; }

# profile DEFAULT-ACTION SYSCALL...: those go to the agent.
profile() {
	local action=$1
	shift
	edit '.linux.seccomp = {"defaultAction": $action, "listenerPath": $path,
		"listenerMetadata": "for the agent", "syscalls": (if $ARGS.positional == [] then [] else
		[{"names": $ARGS.positional, "action": "SCMP_ACT_NOTIFY"}] end)}' \
		--arg action "$action" --arg path "$T/agent.sock" --args -- "$@"
}
edit_bundle() { # as helpers.bash has it, but words may follow --args
	local config=$1/config.json filter=$2
	shift 2
	jq "$filter" "$config" "$@" >"$config.new"
	mv "$config.new" "$config"
}
# agent [NR=ERRNO...]
agent() {
	mkdir -p "$T/agent"
	rm -f "$T/agent"/* "$T/agent.sock"
	"$AGENT" "$T/agent.sock" "$T/agent" "$@" >/dev/null 2>&1 3>&- &
	agent=$!
	wait_until 10 test -e "$T/agent/ready.0"
}
end_agent() {
	if [ -n "$agent" ]; then
		kill -KILL "$agent" 2>/dev/null || true
		wait "$agent" 2>/dev/null || true
	fi
	agent=
}

@test "seccomp notify: the agent gets the state, answers, and hears of the end" {
	profile SCMP_ACT_ALLOW mkdir mkdirat
	edit '.annotations = {"org.example.key": "value"} | .hooks.startContainer = [{"path": "/bin/sh",
		"args": ["sh", "-c", "! mkdir /tmp/x"]}]'
	bundle_args . sh -c 'mkdir /tmp/x; echo status $?; ls /proc/self/fd | wc -l; echo $$'
	agent 83=95 258=95
	run --separate-stderr kist run $ID
	echo "$output / $stderr"
	[ "$status" -eq 0 ]
	[[ $stderr == *"Operation not supported"* ]]
	# The fds are 0 to 2 and the one ls opened; nothing is left of the hand-over.
	[ "$output" = $'status 1\n4\n1' ]
	jq -e --arg id $ID --arg bundle "$(pwd -P)" '
		(.ociVersion | startswith("1.")) and .fds == ["seccompFd"] and .pid > 1 and
		.metadata == "for the agent" and .state.id == $id and .state.pid == .pid and
		.state.status == "created" and .state.bundle == $bundle and
		.state.ociVersion == .ociVersion and
		.state.annotations == {"org.example.key": "value"}' "$T/agent/state.1"
	wait_until 10 test -e "$T/agent/gone.1"
	grep -qxE '83|258' "$T/agent/calls.1"
}

@test "seccomp notify: everything the process does is the agent's, execve too" {
	profile SCMP_ACT_NOTIFY
	agent
	bundle_args . echo hello
	edit '.hooks = {"poststart": [{"path": "/bin/touch", "args": ["touch", $path]}]}' --arg path "$T/poststart"
	run kist run $ID
	[ "$output" = hello ]
	[ "$status" -eq 0 ]
	[ -e "$T/poststart" ]
	# execve, write, and whatever ends it.
	for nr in 59 1 231; do
		grep -qx $nr "$T/agent/calls.1"
	done
	# --explain tells of the guest's last steps too, though the guest can't.
	run --separate-stderr kist run --explain $ID
	[ "$output" = hello ]
	grep -q 'SECCOMP_FILTER_FLAG_NEW_LISTENER.*seccomp listener' <<<"$stderr"
	grep -q 'container process state' <<<"$stderr"
	# The agent says no to execve, and so does kist.
	end_agent
	agent 59=13
	run --separate-stderr kist run $ID
	is_one_line 1 'ermission denied'
}

@test "seccomp notify: create and start, exec; the state says which process" {
	profile SCMP_ACT_NOTIFY
	bundle_args . sleep 1000
	printf '#!/bin/sh\ncat >%s/hook.$1\n' "$T" >"$T/hook"
	chmod +x "$T/hook"
	edit '.hooks = {"poststart": [{"path": $hook, "args": ["hook", "poststart"]}]}' --arg hook "$T/hook"
	agent
	detached kist create $ID
	[ ! -e "$T/agent/state.1" ]
	kist start $ID
	pid=$(pid_of $ID)
	jq -e --argjson pid "$pid" '.pid == $pid and .state.status == "created"' "$T/agent/state.1"
	[ "$(proc_status "$pid" Seccomp | xargs)" = 2 ]
	jq -e '.status == "running"' "$T/hook.poststart"
	[ "$(kist exec $ID echo two)" = two ]
	jq -e --argjson pid "$pid" '.pid != $pid and .state.pid == $pid and
		.state.status == "running" and .metadata == "for the agent"' "$T/agent/state.2"
	wait_until 10 test -e "$T/agent/gone.2"
	[ ! -e "$T/agent/gone.1" ]
	kist delete --force $ID
	wait_until 10 test -e "$T/agent/gone.1"
}

@test "seccomp notify: no agent: nothing runs, and a created container stays created" {
	profile SCMP_ACT_ALLOW mkdir
	bundle_args . touch /ran
	edit '.root.readonly = false'
	refused 1 'agent.sock' kist run $ID
	[[ $stderr == *listenerPath* ]]
	detached kist create $ID
	run --separate-stderr kist start $ID
	is_one_line 1 'agent.sock'
	[ "$(state_of $ID)" = created ]
	[ ! -e rootfs/ran ]
	agent
	kist start $ID
	wait_until 10 test -e rootfs/ran
	kist delete --force $ID
}

@test "seccomp notify: an agent that dies fails its syscalls, not the container" {
	profile SCMP_ACT_ALLOW mkdir mkdirat
	bundle_args . sh -c 'mkdir /tmp/x; mkdir /tmp/y; echo alive'
	agent 83=die 258=die
	run --separate-stderr kist run $ID
	echo "$output / $stderr"
	[ "$output" = alive ]
	[[ $stderr == *"Function not implemented"*"Function not implemented"* ]]
}

@test "seccomp notify: a user without rights, no_new_privs off, a user namespace, every flag" {
	profile SCMP_ACT_NOTIFY
	edit '.process.noNewPrivileges = false | .process.user = {"uid": 1000, "gid": 1000} |
		.process.capabilities = {} | .linux.seccomp.flags = ["SECCOMP_FILTER_FLAG_TSYNC",
		"SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
		"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"] |
		.linux.namespaces += [{"type": "user"}] | .linux.uidMappings =
		[{"containerID": 0, "hostID": 1000000, "size": 65536}] |
		.linux.gidMappings = .linux.uidMappings'
	bundle_args . id -u
	agent
	run kist run $ID
	[ "$output" = 1000 ]
	[ "$status" -eq 0 ]
}

@test "seccomp notify: the hand-over wants one process more than pids.limit gives" {
	need_v2_controllers pids
	profile SCMP_ACT_ALLOW mkdir
	edit '.linux.resources.pids = {"limit": 1}'
	agent
	refused 1 'pids.limit' kist run $ID
}
