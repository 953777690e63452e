#!/usr/bin/env bats
# vm only: criu 3.17 does not know the layout of a newer kernel's processes
# kist checkpoint and restore through Debian's criu: what a process is, and what is around it, is the
# same before and after.

bats_require_minimum_version 1.5.0
load helpers
load runtime

# shellcheck disable=SC2016 # a shell in the container
counts='i=0; while :; do i=$((i+1)); echo $i >/tmp/count; sleep 0.1; done'
setup() {
	need_root
	kist_setup
	ID=${T##*.}
	make_bundle "$T/b" '.root.readonly = false | .linux.resources.memory = {"limit": 67108864}'
	cd "$T/b"
	bundle_args . sh -c "$counts & exec sleep 1000"
}
teardown() { runtime_teardown; }

edit() { edit_bundle "$T/b" "$@"; }
# Less to save, where it is about something else: no network of its own, few mounts.
small() {
	edit '.linux.namespaces |= map(select(.type != "network")) | .linux.maskedPaths = [] | .linux.readonlyPaths = [] |
		.mounts |= map(select(.destination == "/proc" or .destination == "/dev"))'
}
begin() {
	detached kist run -d $ID
	pid=$(pid_of $ID)
	wait_until 10 has_counted
}
has_counted() { [ -s "/proc/$pid/root/tmp/count" ]; }
count() { cat "$T/b/rootfs/tmp/count"; }
counts_on() {
	now=$(count)
	wait_until 10 has_moved
}
has_moved() { [ "$(count)" != "$now" ]; }
checkpoint() { kist checkpoint --image-path "$T/image" --work-path "$T/work" "$@" $ID; }
restore() { detached kist restore -d --image-path "$T/image" --work-path "$T/work" "$@"; }
# What is seen of the process, but for what counts and numbers.
seen() { # PID
	grep -E '^(Name|Umask|Uid|Gid|Groups|NS.*id|Sig(Blk|Ign|Cgt)|Cap|NoNew|Seccomp|Threads|Speculation)' \
		"/proc/$1/status" | sed 's/^\(NS[a-z]*:\).*\t/\1 /'
	# Where, from where, with which options; the ids and the order are the kernel's.
	cut -d' ' -f4- "/proc/$1/mountinfo" | sort
	cat "/proc/$1/limits" "/proc/$1/oom_score_adj" "/proc/$1/attr/current" "/proc/$1/loginuid"
	ls -l "/proc/$1/fd" | awk 'NR > 1 { print $1, $9, $11 }'
	nsenter -t "$1" -u -n sh -c 'hostname; ip -o addr; nft list ruleset'
	cat "/proc/$1/root/sys/fs/cgroup/memory.max" "/proc/$1/root/dev/shm/begun"
	ls -l "/proc/$1/root/dev" | sed 's/ [A-Z][a-z]* .*:[0-9]* / /'
}

@test "checkpoint, restore: the processes go on where they were, and look the same" {
	edit '.mounts += [{"destination": "/etc/hosts", "source": "hosts", "type": "bind", "options": ["bind", "ro"]},
			{"destination": "/data", "source": "data", "options": ["rbind", "nosuid"]}] |
		.process.rlimits = [{"type": "RLIMIT_NOFILE", "soft": 77, "hard": 99}] | .process.oomScoreAdj = 123 |
		.process.user = {"uid": 1, "gid": 2, "additionalGids": [3], "umask": 63} | .hostname = "saved" |
		.linux.seccomp = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls":
			[{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 7}]}'
	# A mount that tells the container's of what comes, as those of a booted machine do.
	# shellcheck disable=SC2016
	bundle_args . sh -c 'echo $$ >/dev/shm/begun; '"$counts & exec sleep 1000"
	mkdir data && mount -t tmpfs data data && mount --make-shared data
	echo host >hosts && chmod 1777 rootfs/tmp
	grep -q nsdelegate /proc/self/mountinfo
	begin
	wait_until 10 grep -q sleep /proc/$pid/comm
	seen $pid >"$T/before"
	checkpoint
	[ -z "$(ls -A "$ROOT")" ]
	[ ! -e "/proc/$pid" ]
	[ "$(stat -c %a "$T/image")" = 700 ]
	old=$pid last=$(count)
	restore --pid-file "$T/pid" $ID
	pid=$(pid_of $ID)
	[ "$(cat "$T/pid")" = "$pid" ]
	[ "$(state_of $ID)" = running ]
	counts_on
	[ "$(count)" -ge "$last" ]
	seen $pid >"$T/after"
	diff "$T/before" "$T/after"
	# criu would take the delegation of cgroups from the whole host.
	grep -q nsdelegate /proc/self/mountinfo
	[ "$(kist exec $ID cat /etc/hosts)" = host ]
	run kist exec $ID mknod /dev/sda b 8 0
	[ "$status" != 0 ]
	mkdir data/more && mount -t tmpfs more data/more && touch data/more/file
	kist exec $ID ls /data/more/file
	umount data/more
	kist pause $ID && kist resume $ID
	kist kill $ID KILL
	wait_until 10 is_in_state $ID stopped
	kist delete $ID
	umount data
}

@test "pre-dump, parent, leave-running, a network given by path; restored under another id, in the foreground" {
	small
	ip netns add k$ID
	edit '.linux.namespaces += [{"type": "network", "path": $path}]' --arg path /run/netns/k$ID
	bundle_args . sh -c "trap 'exit 7' TERM; $counts"
	begin
	kist checkpoint --pre-dump --image-path "$T/pre" $ID
	[ ! -e "$T/pre/kist.json" ]
	checkpoint --parent-path ../pre --leave-running
	[ "$(readlink "$T/image/parent")" = ../pre ]
	[ "$(pid_of $ID)" = $pid ]
	counts_on
	kist delete --force $ID
	# Of what surrounds the processes the bundle says what it is.
	edit '.linux.resources.memory.limit = 100663296'
	kist restore --image-path "$T/image" --work-path "$T/work" --manage-cgroups-mode soft other-$ID \
		</dev/null >out 2>err 3>&- &
	shell=$!
	wait_until 10 is_in_state other-$ID running
	counts_on
	pid=$(pid_of other-$ID)
	[ "$(cat "$(cgroup_of "$pid")/memory.max")" = 100663296 ]
	[ "/proc/$pid/ns/net" -ef /run/netns/k$ID ]
	[ -z "$(nsenter --net=/run/netns/k$ID nft list ruleset)" ]
	kist kill other-$ID TERM
	status=0
	wait $shell || status=$?
	cat out err
	[ $status = 7 ]
	has_no_state
	ip netns del k$ID
	umount /run/netns
}

# refuses REASON FLAG...: criu says why, and the container goes on.
refuses() {
	local reason=$1
	shift
	run --separate-stderr checkpoint "$@"
	is_one_line 1 "criu: .*$reason"
	[ "$(state_of $ID)" = running ]
}

@test "file-locks, tcp-established, link-remap: each is refused unless asked for, and kept then" {
	# shellcheck disable=SC2016 # a shell in the container
	bundle_args . flock /tmp/lock sh -c 'echo text >/tmp/a; ln /tmp/a /tmp/b; exec 9</tmp/a; rm /tmp/a
		sleep 1000 | nc -l -p 80 & until netstat -tln | grep -q :80; do sleep 0.1; done
		sleep 1000 | nc 127.0.0.1 80 & until netstat -tn | grep -q ESTABLISHED; do sleep 0.1; done
		echo 1 >/tmp/count; wait'
	cp /usr/bin/flock rootfs/bin
	ldd /usr/bin/flock | grep -o '/lib[^ ]*' | xargs cp -L --parents -t rootfs
	edit '.linux.maskedPaths = [] | .linux.readonlyPaths = [] |
		.mounts |= map(select(.destination == "/proc" or .destination == "/dev"))'
	begin
	refuses lock --tcp-established --link-remap
	refuses TCP --file-locks --link-remap
	refuses link-remap --file-locks --tcp-established
	checkpoint --file-locks --tcp-established --link-remap
	flock -n rootfs/tmp/lock true
	restore --file-locks --tcp-established --link-remap $ID
	none flock -n rootfs/tmp/lock true
	kist exec $ID netstat -tn | grep ESTABLISHED
	pid=$(pgrep -P "$(pid_of $ID)")
	[ "$(cat "/proc/$pid/fd/9")" = text ]
	kist delete --force $ID
}

# The container's stderr is kist's own: what kist says is in its log.
fails() { # PATTERN
	local status=0
	detached kist --log "$T/log" restore -d --image-path "$T/image" --work-path "$T/work" $ID || status=$?
	[ $status = 1 ]
	tail -n 1 "$T/log" | grep "$1"
	has_no_state
}

@test "restore: processes that may do more than config.json says, a broken image: ended, nothing is left" {
	small
	begin
	checkpoint
	edit '.process.capabilities |= map_values(["CAP_KILL"])'
	fails '/process/capabilities/bounding: .*the configuration does not give'
	echo broken >"$T/image/core-1.img"
	fails 'criu: '
}
