#!/usr/bin/env bats
# two processors: affinity to one of them
# What a process object asks of the kernel: scheduler, priorities, affinity, security labels,
# cgroups of exec; and the profile that Docker gives to everything.

bats_require_minimum_version 1.5.0
load helpers
load runtime

setup() {
	need_root
	kist_setup
	ID=${T##*.}
	probe_bundle "$T/b"
	bundle_args "$T/b" sleep 1000
	cd "$T/b"
}
teardown() { runtime_teardown; }

edit() { edit_bundle "$T/b" "$@"; }
begin() {
	detached kist run -d $ID
	pid=$(pid_of $ID)
}

# scheduled JSON WORDS...: with that scheduler, chrt(1) says all these of the container's process.
scheduled() {
	local said
	edit '.process.scheduler = $s' --argjson s "$1"
	shift
	begin
	said=$(chrt -p "$pid")
	echo "$said; nice $(ps -o ni= -p "$pid")"
	for word; do
		grep -qF -- "$word" <<<"$said" || return 1
	done
	nice=$(ps -o ni= -p "$pid" | xargs)
	kist delete --force $ID
}

@test "scheduler: every policy, nice, flags, deadlines" {
	scheduled '{"policy": "SCHED_OTHER", "nice": 7}' SCHED_OTHER
	[ "$nice" = 7 ]
	scheduled '{"policy": "SCHED_BATCH", "nice": -3}' SCHED_BATCH
	[ "$nice" = -3 ]
	scheduled '{"policy": "SCHED_IDLE"}' SCHED_IDLE
	scheduled '{"policy": "SCHED_FIFO", "priority": 5}' SCHED_FIFO 'priority: 5'
	scheduled '{"policy": "SCHED_RR", "priority": 6, "flags": ["SCHED_FLAG_RESET_ON_FORK"]}' \
		'SCHED_RR|SCHED_RESET_ON_FORK' 'priority: 6'
	scheduled '{"policy": "SCHED_DEADLINE", "runtime": 1000000, "deadline": 20000000,
		"period": 30000000, "flags": ["SCHED_FLAG_RESET_ON_FORK", "SCHED_FLAG_RECLAIM"]}' \
		SCHED_DEADLINE 1000000/20000000/30000000
	# What the kernel does not have is its refusal, in one line, and nothing is left.
	edit '.process.scheduler = {"policy": "SCHED_ISO"}'
	refused 1 '/process/scheduler' kist run $ID
	edit '.process.scheduler = {"policy": "SCHED_FIFO", "priority": 0}'
	refused 1 '/process/scheduler' kist run $ID
}

@test "ioPriority, and both for exec" {
	edit '.process.ioPriority = {"class": "IOPRIO_CLASS_BE", "priority": 3}'
	begin
	[ "$(ionice -p "$pid")" = "best-effort: prio 3" ]
	# exec has them from the container's process, or from its own.
	detached kist exec -d --pid-file one $ID sleep 999
	[ "$(ionice -p "$(cat one)")" = "best-effort: prio 3" ]
	jq '.process | .args = ["sleep", "998"] | .ioPriority = {"class": "IOPRIO_CLASS_IDLE"} |
		.scheduler = {"policy": "SCHED_RR", "priority": 4}' config.json >process.json
	detached kist exec -d --pid-file two --process process.json $ID
	[ "$(ionice -p "$(cat two)")" = idle ]
	chrt -p "$(cat two)" | grep -q SCHED_RR
	kist delete --force $ID
}

cpus_of() { proc_status "$1" Cpus_allowed_list; }

@test "execCPUAffinity: kist's own before, the process's after; not of the container's first" {
	[ "$(nproc)" -ge 2 ] || skip "one processor"
	all=$(cpus_of self)
	edit '.process.execCPUAffinity = {"initial": "0", "final": "1"}'
	begin
	[ "$(cpus_of "$pid")" = "$all" ]
	"$KIST" --root "$ROOT" exec --pid-file pid $ID sleep 997 >/dev/null 2>&1 3>&- &
	exec_pid=$!
	wait_until 10 test -s pid
	[ "$(cpus_of "$(cat pid)")" = 1 ]
	[ "$(cpus_of $exec_pid)" = 0 ]
	kill "$(cat pid)"
	wait $exec_pid || true
	# Both are optional; lists are the kernel's; a processor that is not there is its refusal.
	jq '.process | .args = ["grep", "Cpus_allowed_list", "/proc/self/status"] |
		.execCPUAffinity = {"final": "0-1,1"}' config.json >process.json
	[[ $(kist exec --process process.json $ID) == *0-1 ]]
	edit_process() { jq "$1" process.json >new.json && mv new.json process.json; }
	edit_process '.execCPUAffinity = {"final": "65000"}'
	run --separate-stderr kist exec --process process.json $ID
	is_one_line 255 'cannot run on CPUs 65000'
	for list in '"1-0"' '"0x1"' '"0,"' 1; do
		edit_process ".execCPUAffinity = {\"initial\": $list}"
		run --separate-stderr kist exec --process process.json $ID
		is_one_line 255 '/execCPUAffinity/initial'
	done
	kist delete --force $ID
}

@test "security labels: refused where their module is off" {
	begin
	if ! grep -qs Y /sys/module/apparmor/parameters/enabled; then
		run --separate-stderr kist exec --apparmor some $ID true
		is_one_line 255 'AppArmor is not enabled'
	else
		run --separate-stderr kist exec --apparmor no_such_profile $ID true
		is_one_line 255 'cannot apply the AppArmor profile "no_such_profile"'
	fi
	# What everything is without a profile.
	kist exec --apparmor unconfined $ID true
	if ! [ -d /sys/fs/selinux ] || ! mountpoint -q /sys/fs/selinux; then
		run --separate-stderr kist exec --process-label a:b:c:d $ID true
		is_one_line 255 'SELinux is not enabled'
		edit '.process.selinuxLabel = "a:b:c:d"'
		kist delete --force $ID
		refused 1 '/process/selinuxLabel' kist run $ID
	fi
	kist delete --force $ID || true
	if ! grep -qs Y /sys/module/apparmor/parameters/enabled; then
		edit 'del(.process.selinuxLabel) | .process.apparmorProfile = "some"'
		refused 1 '/process/apparmorProfile' kist run $ID
		edit '.process.apparmorProfile = "unconfined"'
		bundle_args . true
		kist run $ID
	fi
}

@test "exec --cgroup: a cgroup of the container's own; without it, where it can be" {
	begin
	top=$(cgroup_of "$pid")
	mkdir -p "$top/sub/below"
	for path in sub/below /sub/below sub/../sub/below sub/.. ../.. .. cpu:sub nosuch; do
		run --separate-stderr kist exec --cgroup "$path" $ID grep ^0: /proc/self/cgroup
		case $path in
		*..*) is_one_line 255 'must not hold ..' ;;
		cpu:*) is_one_line 255 'give the path alone' ;;
		nosuch) is_one_line 255 'has no cgroup "nosuch"' ;;
		*) [ "$output" = "0::/sub/below" ] ;;
		esac
	done
	[ "$(kist exec --cgroup / $ID grep ^0: /proc/self/cgroup)" = 0::/ ]
	# The container, or the caller, moved its process down and handed a controller on: the top can
	# hold no process any more.
	read -r controller _ <"$top/cgroup.controllers" || skip "no cgroup v2 controller here"
	echo "$pid" >"$top/sub/cgroup.procs"
	echo "+$controller" >"$top/cgroup.subtree_control"
	[ "$(kist exec $ID grep ^0: /proc/self/cgroup)" = 0::/sub ]
	run --separate-stderr kist exec --cgroup / $ID true
	is_one_line 255 'cgroup'
	kist delete --force $ID
	[ ! -d "$top" ]
}

@test "Docker's profile: programs run, the rest is refused or not there" {
	edit '.linux.seccomp = $profile[0]' --slurpfile profile "$TOP/tests/lib/docker-like-seccomp.json"
	bundle_args . sh -c 'echo $$ | cat; mkdir /tmp/x && ls -d /tmp/x; (sleep 0; echo sub)'
	edit '.mounts += [{"destination": "/tmp", "type": "tmpfs", "source": "tmpfs"}]'
	run kist run $ID
	echo "$output"
	[ "$output" = $'1\n/tmp/x\nsub' ]
	bundle_args . /bin/probe try mount clone3_newuser bpf unknown_600
	kist run $ID | jq -es 'map({key: .name, value: .native}) | from_entries ==
		{"mount": "EPERM", "clone3_newuser": "ENOSYS", "bpf": "EPERM", "unknown_600": "ENOSYS"}'
}

@test "the session keyring: the container's own, named by its id, and exec's too" {
	[ -r /proc/keys ] || skip "no keyrings here"
	edit '.linux.maskedPaths = []'
	begin
	# serial, permissions, name
	ring=$(kist exec $ID awk -v name=_ses.$ID: '$9 == name { print $1, $5, $9 }' /proc/keys)
	echo "$ring"
	[[ $ring == *" 3f0b0000 _ses.$ID:" ]]
	[ "$(kist exec $ID awk -v name=_ses.$ID: '$9 == name { print $1, $5, $9 }' /proc/keys)" = "$ring" ]
	kist delete --force $ID
	# In a user namespace as well: nobody but its possessors and its root can find it.
	edit '.linux.namespaces += [{"type": "user"}] | .linux.uidMappings =
		[{"containerID": 0, "hostID": 1000000, "size": 65536}] |
		.linux.gidMappings = .linux.uidMappings'
	begin
	ring=$(kist exec $ID awk -v name=_ses.$ID: '$9 == name { print $1, $5, $9 }' /proc/keys)
	[[ $ring == *" 3f0b0000 _ses.$ID:" ]]
	[ "$(kist exec $ID awk -v name=_ses.$ID: '$9 == name { print $1, $5, $9 }' /proc/keys)" = "$ring" ]
	kist delete --force $ID
}

@test "the session keyring: one of that name that was there before is not joined" {
	[ -r /proc/keys ] || skip "no keyrings here"
	edit '.linux.maskedPaths = []'
	bundle_args . cat /proc/keys
	run python3 - "$KIST" "$ROOT" "$ID" <<-'END'
		import ctypes, subprocess, sys
		keyctl = lambda *a: ctypes.CDLL(None).syscall(250, *a)
		trap = keyctl(1, b"_ses." + sys.argv[3].encode())     # KEYCTL_JOIN_SESSION_KEYRING
		# KEYCTL_SETPERM: root can find it, but only who possesses it sees it in /proc/keys.
		assert trap > 0 and keyctl(5, trap, 0x3f080000) == 0
		for session in [None, lambda: keyctl(1, None)]:       # the caller's own, or another's
		    out = subprocess.run([sys.argv[1], "--root", sys.argv[2], "run", sys.argv[3]],
		                         capture_output=True, text=True, preexec_fn=session)
		    assert out.returncode == 0 and " keyring " in out.stdout, out
		    print("%08x" % trap in out.stdout, "_ses." + sys.argv[3] in out.stdout)
	END
	echo "$output"
	[ "$output" = $'False False\nFalse False' ]
}

@test "the session keyring: exec keeps the caller's after --no-new-keyring" {
	[ -r /proc/keys ] || skip "no keyrings here"
	edit '.linux.maskedPaths = []'
	run python3 - "$KIST" "$ROOT" "$ID" <<-'END'
		import ctypes, subprocess, sys
		keyctl = lambda *a: ctypes.CDLL(None).syscall(250, *a)
		mine = keyctl(1, b"kist-test-ring")
		assert mine > 0 and keyctl(5, mine, 0x3f000000) == 0
		kist = lambda *a: subprocess.run([sys.argv[1], "--root", sys.argv[2], *a], text=True,
		                                 stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True)
		subprocess.run([sys.argv[1], "--root", sys.argv[2], "run", "-d", "--no-new-keyring", sys.argv[3]],
		               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
		               check=True)
		print("kist-test-ring" in kist("exec", sys.argv[3], "cat", "/proc/keys").stdout)
		kist("delete", "--force", sys.argv[3])
	END
	[ "$output" = True ]
}

@test "run.oci.keep_original_groups: the caller's groups, for exec too" {
	edit '.annotations = {"run.oci.keep_original_groups": "1"}'
	as() { python3 -c 'import os, sys; os.setgroups([5, 4711]); os.execv(sys.argv[1], sys.argv[1:])' "$@"; }
	detached as "$KIST" --root "$ROOT" run -d $ID
	pid=$(pid_of $ID)
	[ "$(proc_status "$pid" Groups | xargs)" = "5 4711" ]
	as "$KIST" --root "$ROOT" exec $ID /bin/probe | jq -e '(.groups | sort) == [5, 4711]'
	run --separate-stderr kist exec -g 9 $ID true
	is_one_line 255 keep_original_groups
	kist delete --force $ID
	edit '.annotations["run.oci.keep_original_groups"] = "maybe"'
	refused 1 '/annotations/run.oci.keep_original_groups' kist run $ID
	edit '.annotations["run.oci.keep_original_groups"] = "0"'
	detached as "$KIST" --root "$ROOT" run -d $ID
	[ -z "$(proc_status "$(pid_of $ID)" Groups | xargs)" ]
	kist delete --force $ID
}
