#!/usr/bin/env bats
# What an image and a container can try against kist and the host, tried.

bats_require_minimum_version 1.5.0
load helpers
load runtime

setup_file() {
	TOOLS=$("$BATS_TEST_DIRNAME/../tools/build.sh" escape stuckfs)
	export TOOLS
}
setup() {
	need_root
	kist_setup
	ID=${T##*.}
	probe_bundle "$T/b"
	cd "$T/b" || return
}
teardown() {
	# First of all: what waits for it could not be killed.
	[ -z "${stuck-}" ] || kill -KILL "$stuck" 2>/dev/null || true
	runtime_teardown
}

edit() { edit_bundle "$T/b" "$@"; }
args() { bundle_args "$T/b" "$@"; }
userns='.linux.namespaces += [{"type": "user"}] | .linux.uidMappings =
	[{"containerID": 0, "hostID": 1000000, "size": 65536}] | .linux.gidMappings = .linux.uidMappings'
docker_caps='.process.capabilities |= map_values(["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FSETID",
	"CAP_FOWNER", "CAP_MKNOD", "CAP_NET_RAW", "CAP_SETGID", "CAP_SETUID", "CAP_SETFCAP",
	"CAP_SETPCAP", "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT", "CAP_KILL", "CAP_AUDIT_WRITE"])'

@test "an image made to overwrite kist: its own entry point is kist" {
	need_program ldd
	cp "$KIST" "$T/kist"
	before=$(sha256sum "$T/kist")
	# kist runs in the container when the interpreter is whatever /proc/self/exe is at that time. There
	# the image has it wait, for a log nobody reads, until another process holds its program: to be
	# written once nobody runs it any more.
	printf '#!/proc/self/exe --log=/tmp/log\n' >rootfs/bin/entry
	chmod 755 rootfs/bin/entry
	mkfifo rootfs/tmp/log
	# One that is not static wants its libraries there.
	ldd "$T/kist" | grep -o '/[^ ]*' | while read -r lib; do
		mkdir -p "rootfs$(dirname "$lib")"
		cp -L "$lib" "rootfs$lib"
	done
	cat >rootfs/attack <<-'END'
	if (: <"/proc/$1/exe"); then
		exec 9<"/proc/$1/exe"
		echo "holds $(readlink /proc/self/fd/9)"
	fi
	cat /tmp/log
	i=0
	while [ $i -lt 60 ]; do
		i=$((i + 1))
		{ echo pwned >>/proc/self/fd/9; } 2>/dev/null && echo "wrote $(readlink /proc/self/fd/9)"
		sleep 0.05
	done
	echo ended
	END
	edit "$docker_caps"' | .root.readonly = false | del(.linux.namespaces[] | select(.type == "pid"))'
	attack() { # PID: of kist in the container. By another kist: a program that runs can't be written.
		run timeout 60 "$KIST" --root "$ROOT" exec "$ID" sh /attack "$1"
		echo "$output"
		[[ $output == *"unknown command"* && $output == *ended* ]] # it was kist
		[ "$(sha256sum "$T/kist")" = "$before" ]
	}
	args /bin/entry
	# /proc/self/exe is an empty file by then. (With a sanitizer kist always runs from a copy.)
	if [ -z "${KIST_SANITIZED-}" ]; then
		run --separate-stderr timeout 60 "$T/kist" --root "$ROOT" run "$ID"
		is_one_line 1 "exec format error"
	fi
	# And where kist runs from a copy, a kist in which nothing can be changed.
	refuse=("$TOP/build/tools/refuse" EPERM mremap "$T/kist" --root "$ROOT")
	[ -x "${refuse[0]}" ] || "$TOP/tests/tools/build.sh" refuse
	detached "${refuse[@]}" run -d --pid-file "$T/pid" "$ID"
	attack "$(cat "$T/pid")"
	kist delete --force "$ID"
	args sleep 1000
	detached "$T/kist" --root "$ROOT" run -d "$ID"
	if [ -z "${KIST_SANITIZED-}" ]; then
		run --separate-stderr timeout 60 "$T/kist" --root "$ROOT" exec "$ID" /bin/entry
		is_one_line 255 "exec format error"
	fi
	detached "${refuse[@]}" exec -d --pid-file "$T/pid" "$ID" /bin/entry
	attack "$(cat "$T/pid")"
	kist delete --force "$ID"
}

# The bundle goes to a disk: /dev/shm may be nosuid and nodev.
to_disk() {
	mv "$T/b" "$D/b" && ln -s "$D/b" "$T/b" && cd "$D/b"
}

@test "a setuid program of the image: root without no_new_privs, nothing with it" {
	to_disk
	cp "$PROBE" "$D/b/rootfs/bin/suid"
	chmod 4755 "$D/b/rootfs/bin/suid"
	edit '.process.user = {"uid": 1000, "gid": 1000} | .process.noNewPrivileges = true'
	args /bin/suid
	run kist run "$ID"
	echo "$output"
	jq -e '.uid == [1000, 1000, 1000] and .CapEff == "0000000000000000" and .NoNewPrivs == 1' <<<"$output"
	edit '.process.noNewPrivileges = false'
	run kist run "$ID"
	jq -e '.uid == [1000, 0, 0] and .CapEff == .CapBnd and .CapBnd == "0000000020000420"' <<<"$output"
	# Without any capability in the bounding set it is root of nothing.
	edit '.process.capabilities = {}'
	run kist run "$ID"
	jq -e '.uid == [1000, 0, 0] and .CapEff == "0000000000000000"' <<<"$output"
}

@test "a filter that refuses all but execve and what the program itself needs" {
	[ -z "${KIST_SANITIZED-}" ] || skip "a sanitizer makes calls of its own"
	edit '.linux.seccomp = {"defaultAction": "SCMP_ACT_KILL_PROCESS", "syscalls": [{"action": "SCMP_ACT_ALLOW",
		"names": ["execve", "brk", "arch_prctl", "set_tid_address", "set_robust_list", "rseq",
		"prlimit64", "readlink", "readlinkat", "getrandom", "mprotect", "getuid", "prctl", "exit_group"]}]}'
	args /bin/true
	for privileges in true false; do
		edit '.process.noNewPrivileges = $p' --argjson p $privileges
		kist run "$ID"
		detached kist create "$ID"
		kist start "$ID"
		wait_until 10 is_in_state "$ID" stopped
		kist delete "$ID"
	done
}

@test "the caller's PATH and working folder, and the image's programs: kist runs none of them" {
	mkdir "$T/evil"
	for name in sh ps nft ip newuidmap newgidmap modprobe umount mount xz unpigz zstd true sleep; do
		printf '#!/bin/busybox sh\necho "$0 $*" >>%s\n' "$T/evil/ran" >"$T/evil/$name"
		chmod +x "$T/evil/$name"
		[ "$name" = true ] || [ "$name" = sleep ] || cp "$T/evil/$name" "rootfs/bin/$name.new"
	done
	for file in rootfs/bin/*.new; do
		rm -f "${file%.new}"
		mv "$file" "${file%.new}"
	done
	args sleep 1000
	cd "$T/evil"
	evil() {
		PATH=.:$T/evil TMPDIR=../../x XDG_RUNTIME_DIR=.. KIST_STORE=/../x \
			"$KIST" --root "$ROOT" "$@"
	}
	detached evil run -d -b "$T/b" "$ID"
	evil exec "$ID" true
	evil ps "$ID" | grep -q 'sleep 1000'
	evil list
	evil events --stats "$ID" >/dev/null
	evil pause "$ID"
	evil resume "$ID"
	evil kill "$ID" KILL
	wait_until 10 is_in_state "$ID" stopped
	evil delete "$ID"
	[ ! -e ran ] || { cat ran; false; }
}

# escapes: what came of each attempt, as "NAME RESULT". The disk is the one of this folder.
escapes() {
	local disk
	cp "$TOOLS/escape" rootfs/bin/escape
	disk=$(mountpoint -d "$(findmnt -n -o TARGET -T "$D")")
	args /bin/escape /tmp "$disk"
	kist run "$ID" </dev/null | tee "$T/escapes" >&2
	[ "$(wc -l <"$T/escapes")" -ge 27 ]
}
# only NAME...: exactly these came through.
only() {
	# From Linux 6.7 on a user namespace has a binfmt_misc of its own.
	diff <(printf '%s\n' "$@" | sort) <(sed -n 's/ YES$//p' "$T/escapes" | grep -vx binfmt | sort)
}

@test "escapes: a bundle with Docker's capabilities and no filter; with its filter; in a user namespace; as a job" {
	to_disk
	edit "$docker_caps"' | .root.readonly = false | .process.noNewPrivileges = false'
	escapes
	# A filter's part, for who wants one: the kernel's own rules let these in.
	only userns packet
	none grep binfmt.YES "$T/escapes"
	grep -q '^disk EPERM$' "$T/escapes" # the device filter, not the capability
	grep -q '^chroot no$' "$T/escapes"
	grep -q '^core_pattern EROFS$' "$T/escapes"
	edit '.linux.seccomp = $profile[0]' --slurpfile profile "$TOP/tests/lib/docker-like-seccomp.json"
	escapes
	only packet
	grep -q '^fsopen EPERM$' "$T/escapes"
	# All capabilities, but only over its own namespaces.
	edit 'del(.linux.seccomp) | .process.capabilities |= map_values($all)' \
		--argjson all "$(kist features | jq .linux.capabilities)"
	edit "$userns"
	chmod 777 rootfs/tmp
	escapes
	# Its own root may do that to what is its own.
	only userns packet hostname mount fsopen setns proc_remount unmask
	grep -q '^core_pattern EACCES$' "$T/escapes"
	# On a disk: an id-mapped tmpfs wants a newer kernel than Debian's.
	cp -a rootfs "$D/rootfs"
	run kist job run --id "$ID" "$D/rootfs" -- /bin/escape /tmp 8:0
	echo "$output"
	[ "$(grep -cE '^[a-z_]+ [A-Za-z]+$' <<<"$output")" -ge 27 ]
	none grep YES <<<"$output"
}

# reach COMMAND...: which of probe's attempts come through to the kernel by the native gate, by
# int 0x80, as x32.
reach() {
	"$@" >"$T/tried"
	[ "$(wc -l <"$T/tried")" -ge 58 ]
	jq -r 'select(.native | IN("EPERM", "ENOSYS", "SIGSYS", "EAFNOSUPPORT") | not) | .name' "$T/tried" | sort >"$T/native"
	jq -r 'select(.int80 // "SIGSYS" | IN("EPERM", "ENOSYS", "SIGSYS", "SIGSEGV", "EAFNOSUPPORT") | not) | .name' "$T/tried" | sort >"$T/int80"
	jq -r 'select(.x32 // "SIGSYS" | IN("EPERM", "ENOSYS", "SIGSYS") | not) | .name' "$T/tried" | sort >"$T/x32"
	tail -n +1 "$T/native" "$T/int80" "$T/x32"
	[ ! -s "$T/x32" ]
}
# no_more FILE NAME...: nothing else is in it.
no_more() {
	local file=$1
	shift
	none grep -vxF -f <(printf '%s\n' "$@") "$T/$file"
}

@test "system calls that reach the kernel: under Docker's profile, under that of jobs, by each gate" {
	edit '.linux.seccomp = $profile[0]' --slurpfile profile "$TOP/tests/lib/docker-like-seccomp.json"
	edit "$docker_caps"' | .root.readonly = false'
	# shellcheck disable=SC2046
	args /bin/probe try $("$PROBE" list)
	reach kist run "$ID"
	# AF_ALG: not every kernel has it.
	docker="chroot getpid memfd_secret modify_ldt name_to_handle_at personality_query process_vm_readv
		ptrace socket_alg socket_inet socket_inet6 socket_netlink socket_packet socket_unix tiocgwinsz
		tioclinux tiocsti"
	# shellcheck disable=SC2086
	no_more native $docker socket_alg_high tioclinux_high tiocsti_high
	# shellcheck disable=SC2086
	no_more int80 $docker
	grep -qx ptrace "$T/native"
	cp -a rootfs "$D/rootfs"
	# shellcheck disable=SC2046
	reach kist job run --id "$ID" "$D/rootfs" -- /bin/probe try $("$PROBE" list)
	no_more native getpid personality_query socket_inet socket_inet6 socket_unix tiocgwinsz
	grep -qx socket_unix "$T/native"
	[ ! -s "$T/int80" ]
}

@test "/proc, /sys, /dev of a default container: what can be written, and what is masked cannot be read" {
	cp "$TOOLS/escape" rootfs/bin/escape
	edit "$docker_caps"
	args escape writable /proc /sys /dev
	kist run "$ID" >"$T/writable"
	# Its own network's settings are read-only with /proc/sys. What is masked by /dev/null takes it all.
	# Debian's kernel lets a root without a user namespace choose debug messages, as under runc.
	jq -r '.linux.maskedPaths[]' config.json >"$T/masked"
	grep -vxF -f "$T/masked" "$T/writable" | grep -vxE '/dev/(null|zero|full|random|urandom|tty|pts/ptmx)|/proc/(self|thread-self)/.*|/proc/pressure/(cpu|io|memory|irq)|/proc/dynamic_debug/control' \
		>"$T/more" || true
	cat "$T/more"
	[ ! -s "$T/more" ]
	grep -qx /dev/null "$T/writable"
	# What docker and podman mask: nothing of it says anything.
	edit '.linux.maskedPaths += ["/sys/devices/virtual/powercap", "/proc/scsi", "/proc/interrupts",
		"/sys/devices/system/cpu/cpu0/thermal_throttle", "/proc/kallsyms", "/proc/sched_debug"]'
	args escape readable /proc/acpi /proc/asound /proc/kcore /proc/keys /proc/latency_stats \
		/proc/timer_list /proc/timer_stats /proc/sched_debug /proc/scsi /proc/interrupts /proc/kallsyms \
		/sys/firmware /sys/devices/virtual/powercap /sys/devices/system/cpu/cpu0/thermal_throttle
	run kist run "$ID"
	echo "$output"
	[ "$status" -eq 0 ]
	[ -z "$output" ]
	# It would see something: without the masks it does.
	edit '.linux.maskedPaths = []'
	run kist run "$ID"
	grep -q /proc/interrupts <<<"$output"
}

@test "what is above in the hierarchy of cgroups is neither seen nor written" {
	args sh -c 'sed -n s/^0:://p /proc/self/cgroup; ls -d /sys/fs/cgroup/kist-* 2>/dev/null
		cat /sys/fs/cgroup/cgroup.procs; echo 0 >/sys/fs/cgroup/../cgroup.procs; echo $?
		grep -c " /sys/fs/cgroup .* - cgroup2" /proc/self/mountinfo'
	for more in . "$userns"; do
		edit "$more"
		run kist run "$ID"
		echo "$output"
		[ "${lines[0]}" = / ]
		[ "${lines[1]}" = 1 ]
		[ "${lines[-1]}" = 1 ]
		[ "${lines[-2]}" != 0 ]
	done
}

@test "sockets that fail, hang or have impossible names: one line each, and no waiting for ever" {
	edit '.process.terminal = true'
	args true
	long=$T/$(printf '%0100d' 1)
	refused 1 'File ?name too long' kist create --console-socket "$long" "$ID"
	refused 1 'No such file' kist create --console-socket "$T/absent" "$ID"
	touch "$T/file"
	refused 1 'Connection refused' kist create --console-socket "$T/file" "$ID"
	python3 - "$T" <<-'END' &
		import os, socket, sys
		os.chdir(sys.argv[1])
		closing, deaf, full, other = (socket.socket(socket.AF_UNIX) for _ in range(4))
		closing.bind("closing"); closing.listen(5)
		deaf.bind("deaf"); deaf.listen(5)
		full.bind("full"); full.listen(0)
		fill = [socket.socket(socket.AF_UNIX) for _ in range(3)]
		for s in fill:
		    s.setblocking(False)
		    try: s.connect("full")
		    except BlockingIOError: pass
		open("ready", "w")
		closing.accept()[0].close()
		os.read(os.open("end", os.O_RDONLY), 1)
	END
	server=$!
	mkfifo "$T/end"
	wait_until 30 test -e "$T/ready"
	# Who closes at once, or never reads, has the terminal or has not: that is its own affair.
	for name in closing deaf; do
		timeout 60 "$KIST" --root "$ROOT" create --console-socket "$T/$name" "$ID" || true
		kist delete --force "$ID"
	done
	# Nobody can even be connected to.
	refused 1 'cannot connect to the socket' timeout 50 "$KIST" --root "$ROOT" create --console-socket "$T/full" "$ID"
	echo >"$T/end"
	wait $server
}

@test "state of containers: closed to other users, whatever the umask" {
	args sleep 1000
	umask 0
	detached kist run -d "$ID"
	find "$ROOT" \( -type d ! -perm 700 -o -type f -perm /077 \) ! -path "$ROOT" -printf '%p %m\n' >"$T/open"
	cat "$T/open"
	[ ! -s "$T/open" ]
	[ "$(stat -c %a "$ROOT")" = 700 ]
	# Nor can it be reached by a name that is in no folder.
	none grep -F "@" <(awk '{ print $8 }' /proc/net/unix | grep -F kist || true)
	kist delete --force "$ID"
}

@test "a process that ignores every signal, in a bomb of forks: killed all the same" {
	edit '.process.rlimits = [{"type": "RLIMIT_NPROC", "soft": 80, "hard": 80}] |
		.process.user = {"uid": 54321, "gid": 54321}'
	args sh -c 'trap "" HUP INT TERM QUIT USR1 USR2 PIPE; bomb() { bomb | bomb & }; bomb 2>/dev/null
		while :; do (bomb 2>/dev/null); sleep 0.01; done 2>/dev/null'
	detached kist run -d "$ID" 2>/dev/null
	cgroup=$(cgroup_of "$(pid_of "$ID")")
	wait_until 30 eval '[ "$(wc -l <"$cgroup/cgroup.procs")" -gt 40 ]'
	kist kill "$ID" TERM
	[ "$(state_of "$ID")" = running ]
	begin=$SECONDS
	kist delete --force "$ID"
	echo "# deleted in $((SECONDS - begin)) s" >&3
	[ ! -d "$cgroup" ]
}

# stuckfs [attributes]: the silent filesystem at $T/stuck; its pid in $stuck.
stuckfs() {
	[ -c /dev/fuse ] || modprobe fuse 2>/dev/null || true
	[ -c /dev/fuse ] || skip "no /dev/fuse here"
	mkdir -p "$T/stuck"
	"$TOOLS/stuckfs" "$T/stuck" "$@" >"$T/stuckfs" 2>&1 3>&- &
	stuck=$!
	wait_until 10 grep -q . "$T/stuckfs"
	grep -q mounted "$T/stuckfs" || { cat "$T/stuckfs"; skip "no filesystem in user space here"; }
}

# Until its request was read: before, a signal would still end its wait.
is_stuck() { # PID
	wait_until 20 grep -q request_wait_answer "/proc/$1/wchan"
	wait_until 20 grep -q silent "$T/stuckfs"
}

# delete_stuck PID: does not work, says so in time, and does once the filesystem is gone.
delete_stuck() {
	local pid=$1 begin=$SECONDS
	run --separate-stderr kist delete --force "$ID"
	is_one_line 1 'does not die|populated 0'
	[ $((SECONDS - begin)) -lt 60 ]
	grep '^State:.D' "/proc/$pid/status"
	# It is not forgotten.
	[ -d "$ROOT/$ID" ]
	kill -KILL $stuck
	wait $stuck 2>/dev/null || true
	wait_until 20 is_dead "$pid"
	kist delete --force "$ID"
	umount "$T/stuck"
}

@test "a process that no signal reaches, since its filesystem is silent: delete says so in time, and works later" {
	stuckfs attributes
	mkfifo "$T/go"
	touch rootfs/go
	edit '.mounts += [{"destination": "/stuck", "source": $s, "options": ["bind"]},
		{"destination": "/go", "source": $g, "options": ["bind"]}]' --arg s "$T/stuck" --arg g "$T/go"
	args sh -c 'read -r x </go; exec stat /stuck/file'
	detached kist run -d "$ID"
	pid=$(pid_of "$ID")
	echo >"$T/go"
	is_stuck "$pid"
	delete_stuck "$pid"
}

@test "a setup that hangs on such a filesystem, its kist killed: the same" {
	stuckfs
	edit '.mounts += [{"destination": "/stuck", "source": $s, "options": ["bind"]}]' --arg s "$T/stuck"
	args true
	"$KIST" --root "$ROOT" run "$ID" >/dev/null 2>&1 3>&- &
	runner=$!
	guest() { pgrep -P $runner; }
	wait_until 20 guest
	pid=$(guest)
	is_stuck "$pid"
	kill -KILL $runner
	wait $runner 2>/dev/null || true
	delete_stuck "$pid"
}

@test "a setup that hangs on such a filesystem, and Ctrl-C: it ends, says so, and delete works later" {
	stuckfs
	edit '.mounts += [{"destination": "/stuck", "source": $s, "options": ["bind"]}]' --arg s "$T/stuck"
	args true
	env --default-signal "$KIST" --root "$ROOT" run "$ID" >"$T/out" 2>&1 3>&- &
	runner=$!
	guest() { pgrep -P $runner; }
	wait_until 20 guest
	pid=$(guest)
	is_stuck "$pid"
	begin=$SECONDS status=0
	kill -INT $runner
	wait $runner || status=$?
	echo "# ended in $((SECONDS - begin)) s" >&3
	[ $status = 1 ]
	grep -q 'interrupted by SIGINT' "$T/out"
	[ $((SECONDS - begin)) -lt 60 ]
	[ -d "$ROOT/$ID" ]
	kill -KILL $stuck
	wait $stuck 2>/dev/null || true
	wait_until 20 is_dead "$pid"
	kist delete --force "$ID"
	umount "$T/stuck"
}
