#!/usr/bin/env bats
# The same bundle through kist, runc and crun: the program inside must see the same. What differs
# is taken out below, by name, and says why; everything else is a failure.

bats_require_minimum_version 1.5.0
load helpers
load runtime
load consumers

setup_file() {
	need_root
	consumers_begin runc crun
}
setup() {
	kist_setup
	ID=${T##*.}
	# On the disk: /dev/shm may be nosuid, and runc's remounts lose that where kist keeps it.
	mkdir "$D/b"
	cp -a "$FIXTURES/busybox-rootfs" "$D/b/rootfs"
	cp "$PROBE" "$D/b/rootfs/bin/probe"
	cd "$D/b"
	runc spec
	# crun raises RLIMIT_MEMLOCK unless it is set; the root of a machine without CAP_SYS_RESOURCE may not.
	edit '.process.terminal = false | del(.process.capabilities.ambient) |
		.process.rlimits += [{"type": "RLIMIT_MEMLOCK", "soft": 65536, "hard": 65536}]'
	bundle_args . sh -c "$look"
	OPTIONS=()
}
teardown() { runtime_teardown; }
edit() { edit_bundle "$D/b" "$@"; }

# shellcheck disable=SC2016 # for the container's shell
look='/bin/probe
	echo "--- mounts"
	sed "s/^[0-9]* [0-9]* [0-9]*:[0-9]* [^ ]* //" /proc/self/mountinfo | sort
	exec 2>&1; echo "--- dev"; ls -l /dev /dev/pts /dev/shm /dev/mqueue | grep -v "^total" | sed "s/  */ /g" | cut -d" " -f1,3-6,10-
	echo "--- oom $(cat /proc/self/oom_score_adj) timerslack $(cat /proc/self/timerslack_ns)"
	echo "--- cgroup $(cat /proc/self/cgroup)"
	echo "--- status"; grep -E "^(Cap|Groups|NSpid|Sig|Shd|NoNew|Seccomp:|Umask|Uid|Gid|CoreD|THP|Cpus_allowed:)" /proc/self/status
	echo "--- maps"; cat /proc/self/uid_map /proc/self/gid_map /proc/self/setgroups
	echo "--- host $(hostname) $(cat /proc/sys/kernel/domainname)"
	echo "--- net"; cat /sys/class/net/lo/flags; ip -o addr 2>&1
	echo "--- keys $(id) $(pwd)"
	echo "--- masked"; for f in /proc/kcore /proc/keys /proc/timer_list /sys/firmware /proc/acpi /proc/scsi; do
		[ ! -e $f ] || ls -A $f | head -n 1; wc -c 2>&1 <$f | head -n 1; done
	for f in /proc/sys/kernel/hostname /proc/sysrq-trigger /proc/irq/0/x /x /dev/x /sys/x; do
		(: >$f) 2>&1 && rm -f $f; done; true'

# What is not the same, by intention:
# - How a mask is mounted is each one's own affair; what can be read there is compared.
# - The superblock of a read-only sysfs or proc: kist makes the mount read-only, which is what counts
#   inside; runc says so to the superblock, too.
# - /dev/core, a link of runc's to /proc/kcore, which is masked: kist makes none.
# - What is mounted from a place that is nosuid, nodev or noexec stays so, as with mount(8); runc's
#   remount forgets it (not here: the bundle lies elsewhere).
# - Descriptors 0, 1 and 2: kist hands over its own, runc in the foreground makes pipes.
# - Signals that the caller ignores: runc's program goes on ignoring them, kist's starts with none.
# - The numbers of namespaces and of peer groups; pid numbers, since runc's init has threads before it becomes the program.
# - readonlyPaths: kist makes what is mounted below read-only too (no bundle here has that).
# - /dev/mqueue in a user namespace: the kernel makes it with the ipc namespace, in kist's one clone3,
#   so it is of an id that isn't mapped; its mode is 1777 all the same.
# shellcheck disable=SC2016 # for sed and awk
normal() {
	sed -E 's/\[[0-9]+\]/[N]/g; s/"pid": [0-9]+, //; s/(shared|master|propagate_from):[0-9]+/\1:N/g; /^(NSpid|SigQ|SigIgn):/d; s/"ignored": \[[^]]*\]/"ignored": []/; / \/proc\/kcore$/d; s/^(drwxrwxrwt) (nobody|root) nogroup/\1 - nogroup/; s/ - (sysfs sysfs|proc proc) r[ow]/ - \1/' "$1" |
		awk '$1 ~ "^(/proc/(acpi|asound|kcore|keys|latency_stats|timer_list|timer_stats|sched_debug|scsi)|/sys/firmware)$" {
			print $1, "masked"; next } { print }'
}

# And between kist and runc on one side, crun on the other:
# - crun gives its standard input, here /dev/null, to the container's user.
# - In a user namespace it binds devices nosuid and noexec, and unshares the ipc namespace late.
# - The source that it writes for cgroup2.
# shellcheck disable=SC2016 # for sed
beside() { # RUNTIME FILE
	[ "$1" = crun ] || { cat "$2"; return; }
	sed -E 's/^(crw-rw-rw-) .* (1, 3 null)$/\1 \2/; s/^(drwxrwxrwt) (-|root) (nogroup|root)/\1/
		s/^(\/dev\/(full|null|random|tty|urandom|zero)) rw[^ ]*/\1/; s/ - cgroup2 cgroup2? / - cgroup2 /' "$2"
}

by() { # RUNTIME
	case $1 in
	kist) kist run "${OPTIONS[@]}" "$ID" ;;
	*) command "$1" --root "$T/$1" run "${OPTIONS[@]}" "$ID" ;;
	esac
}
same() {
	local runtime peers="runc"
	# crun raises its own RLIMIT_MEMLOCK, for which not every machine's root has the right.
	[ -z "${KIST_IN_VM-}" ] || peers+=" crun"
	for runtime in kist $peers; do
		by "$runtime" </dev/null >"$T/by-$runtime" 2>"$T/$runtime.err" || {
			echo "$runtime: $?"; cat "$T/by-$runtime" "$T/$runtime.err"; return 1; }
		normal "$T/by-$runtime" >"$T/seen-by-$runtime"
	done
	[ "$(wc -l <"$T/seen-by-kist")" -gt 40 ]
	[ ! -s "$T/kist.err" ] || { cat "$T/kist.err"; return 1; }
	local status=0
	for runtime in $peers; do
		diff <(beside $runtime "$T/seen-by-$runtime") <(beside $runtime "$T/seen-by-kist") || { echo "< $runtime, > kist"; status=1; }
	done
	return $status
}

@test "the default bundle of runc spec" {
	same
}

@test "a user namespace, alone and with another user" {
	edit '.linux.namespaces += [{"type": "user"}] |
		.linux.uidMappings = [{"containerID": 0, "hostID": 1000000, "size": 65536}] |
		.linux.gidMappings = .linux.uidMappings'
	chown -R 1000000:1000000 rootfs
	same
	edit '.process.user = {"uid": 1000, "gid": 1001, "additionalGids": [7, 5], "umask": 63}'
	same
}

@test "another user, capabilities, environment, limits, oom score, a filter, a read-only root" {
	edit '.process.user = {"uid": 1000, "gid": 1001, "additionalGids": [5, 7], "umask": 23} |
		.process.cwd = "/home/user" | .process.env += ["A=b=c", "HOME=/there", "EMPTY="] |
		.process.rlimits += [{"type": "RLIMIT_CORE", "soft": 1, "hard": 2}] |
		.process.rlimits[0].soft = 99 | .process.oomScoreAdj = 345 | .process.noNewPrivileges = false |
		.process.capabilities |= map_values(["CAP_NET_BIND_SERVICE", "CAP_CHOWN"]) |
		.process.capabilities.ambient = ["CAP_CHOWN"] | .process.capabilities.inheritable = ["CAP_CHOWN"] |
		.root.readonly = true | .linux.seccomp = {"defaultAction": "SCMP_ACT_ALLOW",
			"architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"],
			"syscalls": [{"names": ["sethostname", "acct"], "action": "SCMP_ACT_ERRNO", "errnoRet": 5}]}'
	same
	# Root with none at all, and with every one.
	edit 'del(.process.capabilities) | .process.user = {"uid": 0, "gid": 0} | del(.linux.seccomp)'
	same
}

@test "mounts: binds, tmpfs, options, propagation, a file, nested ones, devices" {
	mkdir -p "$D/src/sub"
	echo text >"$D/src/file"
	edit '.mounts += [
		{"destination": "/a", "type": "bind", "source": $t, "options": ["rbind", "ro", "nosuid"]},
		{"destination": "/b/c/d", "type": "tmpfs", "source": "tmpfs", "options": ["size=1m", "mode=1770", "noexec"]},
		{"destination": "/b/c/d/e", "type": "bind", "source": $t, "options": ["bind", "nodev", "noatime"]},
		{"destination": "/etc/f", "type": "bind", "source": ($t + "/file"), "options": ["bind", "rw", "rprivate"]},
		{"destination": "/dev/shm/g", "type": "tmpfs", "source": "g", "options": ["strictatime", "mode=755"]},
		{"destination": "/shared", "type": "bind", "source": $t, "options": ["bind", "rshared"]},
		{"destination": "/slave", "type": "bind", "source": $t, "options": ["bind", "rslave"]}] |
		.linux.devices = [{"path": "/dev/mine", "type": "c", "major": 1, "minor": 5, "fileMode": 416, "uid": 3, "gid": 4},
			{"path": "/dev/sub/fifo", "type": "p", "fileMode": 384}] |
		.linux.rootfsPropagation = "slave" | .linux.sysctl = {"net.ipv4.ip_forward": "1", "kernel.domainname": "d.example"} |
		.linux.maskedPaths += ["/etc/hosts", "/usr/share"] | .linux.readonlyPaths += ["/home"]' --arg t "$D/src"
	same
}

@test "namespaces: the host's network, ipc and uts; joined ones; a cgroup path" {
	edit '.linux.namespaces |= map(select(.type | IN("network", "ipc", "uts") | not)) | del(.hostname) |
		.mounts |= map(select(.type != "sysfs" and .type != "mqueue"))'
	same
	edit '.linux.namespaces += [{"type": "network", "path": "/proc/1/ns/net"}, {"type": "uts", "path": "/proc/1/ns/uts"}] |
		.linux.cgroupsPath = ("/differential/" + $id)' --arg id "$ID"
	same
	rmdir "$(cgroup_mount)/differential"
}

@test "descriptors: --preserve-fds, nothing else" {
	for runtime in kist runc; do
		bundle_args . sh -c 'for n in 3 4 5 6 7; do readlink /proc/self/fd/$n; done; wc -c <&5; exit 0'
		OPTIONS=(--preserve-fds 3)
		by $runtime </dev/null 3</dev/null 4</dev/zero 5<"$D/b/config.json" 6</dev/full >"$T/fds-$runtime"
	done
	diff "$T/fds-runc" "$T/fds-kist"
	[[ $(cat "$T/fds-kist") == *config.json*[1-9]* ]]
	none grep /dev/full "$T/fds-kist"
}

@test "a terminal: what the program sees of it, and what comes out" {
	edit '.process.terminal = true'
	bundle_args . sh -c '/bin/probe; ls -l /dev | sed "s/  */ /g" | cut -d" " -f1,3-6,10-; stat -c "%u %g %a %t" /dev/console /dev/pts/0
		stty -a; tty; grep -E " /dev/(console|pts) " /proc/self/mountinfo | sed "s/^[0-9]* [0-9]* [0-9]*:[0-9]* [^ ]* //"'
	for runtime in kist runc; do
		case $runtime in
		kist) on_a_pty 30x90 "$KIST" --root "$ROOT" run "$ID" ;;
		*) on_a_pty 30x90 runc --root "$T/runc" run "$ID" ;;
		esac >"$T/tty-$runtime"
	done
	normal "$T/tty-runc" >"$T/a"
	normal "$T/tty-kist" >"$T/c"
	diff "$T/a" "$T/c"
	# What goes elsewhere than to a terminal has the program's own line ends.
	bundle_args . sh -c 'tty; echo done'
	python3 - "$KIST" --root "$ROOT" run "$ID" <<-'END' >"$T/piped"
		import os, pty, sys
		pid, master = pty.fork()
		if pid == 0:
		    os.dup2(os.open("out", os.O_WRONLY | os.O_CREAT), 1)
		    os.execv(sys.argv[1], sys.argv[1:])
		os.waitpid(pid, 0)
		print(open("out", "rb").read())
	END
	[ "$(cat "$T/piped")" = "b'/dev/pts/0\\ndone\\n'" ] || { cat "$T/piped"; return 1; }
}
