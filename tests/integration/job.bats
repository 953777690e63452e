#!/usr/bin/env bats
# kist job run: what a job is given and denied, how it ends, what its record says, what is left.

bats_require_minimum_version 1.5.0
load helpers
load runtime
load job

setup() { job_setup; }
teardown() { runtime_teardown; }

load_image() {
	"$KIST" image load "$FIXTURES/busybox.tar" >/dev/null
}

@test "the command's status is the job's; its output goes through" {
	for code in 0 1 3 255; do
		run -"$code" job "$ROOTFS" -- sh -c "echo out; exit $code"
		[ "$output" = out ]
		record ".reason == \"exit\" and .exit_code == $code and .status == $code and .signal == null"
	done
	run -143 job "$ROOTFS" -- sh -c 'sleep 1000 & kill -TERM $!; wait $!'
	record '.reason == "exit" and .exit_code == 143'
	run --separate-stderr job "$ROOTFS" -- sh -c 'cat; echo error >&2' <<<input
	[ "$output" = input ]
	[ "$stderr" = error ]
	assert_nothing_left
}

@test "a terminal of the caller's is never the job's: what is typed and said goes through pipes" {
	local asks='for fd in 0 1 2; do test -t $fd && echo "a terminal: $fd"; readlink /proc/self/fd/$fd; done
		echo >/dev/tty; stty -F /dev/stdin raw; echo ready; head -n 1; echo end >&2'

	run -0 on_a_pty 24x80 -s ready hello "$KIST" --root "$ROOT" job run --id "$ID" --result "$RESULT" \
		"$ROOTFS" -- sh -c "$asks"
	[[ $output != *"a terminal:"* ]]
	[ "$(grep -c '^pipe:' <<<"$output")" = 3 ]
	# Standard output and error have a pipe each: what is in one has no place in the other.
	[[ $output == *ready*hello*hello* ]]
	[[ $output == */dev/tty:*end* ]]
	record '.reason == "exit" and .exit_code == 0'
	# In the background of its terminal it reads nothing, and is not stopped: its clock goes on.
	run -0 timeout 60 "$TOP/tests/lib/on-a-pty.py" 24x80 -s ready hello bash -c 'set -m; "$@" & wait $!; echo "status $?"' \
		- "$KIST" --root "$ROOT" job run --id "$ID" --wall 300ms "$ROOTFS" -- sh -c 'echo ready; sleep 1000'
	[[ $output == *"status 124"* ]]
	assert_nothing_left
}

@test "a signal that ends it: 128 and its number" {
	job --wall max "$ROOTFS" -- sleep 1000 &
	wait_until 20 job_runs
	# Pid 1 is deaf to most of what has no handler: pid_namespaces(7).
	kill -KILL "$(job_pid)"
	status=0
	wait $! || status=$?
	[ "$status" -eq 137 ]
	record '.reason == "signal" and .signal == 9 and .exit_code == null and .status == 137'
	assert_nothing_left
}

@test "an image: its files belong to root inside, its environment and command apply" {
	load_image
	run job busybox -- sh -c 'id -u; stat -c %u:%g /bin/busybox; echo "$PATH"; cat /etc/os-release'
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = 0 ]
	[ "${lines[1]}" = 0:0 ]
	[[ $output == *kist-busybox* ]]
	record '.image == "busybox" and (.image_digest | test("^sha256:[0-9a-f]{64}$"))'
	digest=$(jq -r '.manifests[0].digest' "$FIXTURES/busybox/index.json")
	record ".image_digest == \"$digest\""
	run job --env A=1 --env B=two --workdir /tmp busybox -- sh -c 'echo "$A $B $(pwd)"'
	[ "$output" = "1 two /tmp" ]
	assert_nothing_left
}

@test "126 and 127: a command that cannot be run, one that is not there" {
	run -127 --separate-stderr job "$ROOTFS" -- /no/such
	is_one_line 127 '/no/such'
	record '.reason == "sandbox-error" and .status == 127 and (.error | test("/no/such"))'
	run -127 --separate-stderr job "$ROOTFS" -- nosuch
	is_one_line 127 'nosuch'
	run --separate-stderr job "$ROOTFS" -- /etc/passwd
	is_one_line 126 '/etc/passwd'
	run --separate-stderr job "$ROOTFS" -- /etc
	is_one_line 126 '/etc'
	assert_nothing_left
}

@test "125: what kist will not do, in one line" {
	load_image
	refused 125 'nosuch' job nosuch:image true
	refused 125 'command is missing' job "$ROOTFS"
	refused 125 'No such file' job /no/such/folder true
	refused 125 'Not a directory' job "$PROBE" true
	refused 125 'unknown option --nosuch' kist job run --nosuch busybox true
	refused 125 'verb' kist job walk
	refused 125 'an argument is missing' kist job run
	refused 125 '--memory: "lots"' job --memory lots busybox true
	refused 125 '--memory' job --memory -1 busybox true
	refused 125 '--pids: "00"' job --pids 00 busybox true
	refused 125 '--pids: "1e3"' job --pids 1e3 busybox true
	refused 125 '--cpus: "0.0"' job --cpus 0.0 busybox true
	refused 125 '--wall: "5 parsecs"' job --wall "5 parsecs" busybox true
	refused 125 'none, host, user' job --net 'host bridge' "$ROOTFS" true
	refused 125 'without a network' job --net host --publish 8080:80 "$ROOTFS" true
	refused 125 'no interface' job --net host --net-rate up=1mbit "$ROOTFS" true
	refused 125 '--env: "NOEQUALS"' job --env NOEQUALS busybox true
	refused 125 '--workdir' job --workdir relative busybox true
	refused 125 '--allow-degraded: "everything"' job --allow-degraded everything busybox true
	refused 125 '--result' kist job run --result /no/folder/result busybox true
	refused 125 '--result: ".*" is a folder' kist job run --result "$T" "$ROOTFS" true
	refused 125 'no user 70000, group 70000 in a job' kist job run --user 70000 "$ROOTFS" true
	refused 125 '--id: "../x"' kist job run --id ../x busybox true
	refused 125 '--id' kist job run --id "$(printf '%064d' 1)" busybox true
	refused 125 'store' kist job run --store /no/such/store busybox true
	assert_nothing_left
}

@test "a job that ends by its wall clock: 124" {
	run --separate-stderr -124 job --wall 300ms "$ROOTFS" -- sh -c 'trap "" TERM INT; while :; do sleep 1; done'
	record '.reason == "wall" and .status == 124 and .limits.wall_ms == 300 and
		.wall_us >= 300000 and .signal == 9 and .controls.wall == "enforced"'
	assert_nothing_left
}

@test "cancelled by SIGINT and SIGTERM: 130, 143" {
	for signal in INT:130 TERM:143; do
		"$KIST" --root "$ROOT" job run --id "$ID" --result "$RESULT" --wall max --cpu-time max "$ROOTFS" -- \
			sh -c 'trap "" INT TERM; while :; do sleep 1; done' &
		wait_until 20 job_runs
		kill -"${signal%:*}" $!
		status=0
		wait $! || status=$?
		[ "$status" -eq "${signal#*:}" ]
		record ".reason == \"cancelled\" and .status == ${signal#*:}"
	done
	assert_nothing_left
}

@test "a limit whose controller is missing: refused by name, or waived and on the record" {
	grep -qw memory "$(cgroup_mount)/cgroup.controllers" && skip "this host has the controllers"
	waived=$KIST_ALLOW_DEGRADED
	unset KIST_ALLOW_DEGRADED
	refused 125 '--memory.*controller "memory"' job --memory 64m --pids max --cpus 0 "$ROOTFS" true
	grep -q '^fix: .*--allow-degraded=memory$' <<<"$stderr"
	record '.reason == "sandbox-error" and .status == 125'
	refused 125 '--pids.*controller "pids"' job --pids 10 --allow-degraded memory,cpu "$ROOTFS" true
	refused 125 '--cpus.*controller "cpu"' job --cpus 1 --allow-degraded memory,pids "$ROOTFS" true
	# The profile's own too, all in one line.
	refused 125 '--memory, --pids, --cpus.*controller "memory", "pids", "cpu"' job "$ROOTFS" true
	grep -q '^fix: .*--allow-degraded=memory,pids,cpu$' <<<"$stderr"
	run -0 job --memory 64m --pids 10 --cpus 1 --allow-degraded memory,pids,cpu "$ROOTFS" true
	record '.controls | .memory == "waived" and .pids == "waived" and .cpu == "waived" and
		.seccomp == "enforced" and .wall == "enforced"'
	# By the caller's environment, and not by any word in it.
	KIST_ALLOW_DEGRADED=$waived job "$ROOTFS" true
	record '.controls.memory == "waived"'
	KIST_ALLOW_DEGRADED=seccomp refused 125 'KIST_ALLOW_DEGRADED: "seccomp"' job "$ROOTFS" true
	run -0 job --memory max --pids 0 --cpus max "$ROOTFS" true
	record '.controls | .memory == "absent" and .pids == "absent" and .cpu == "absent"'
	assert_nothing_left
}

@test "closed by default: no capability, no_new_privs, a filter, no network but lo" {
	run job "$ROOTFS" -- probe
	[ "$status" -eq 0 ]
	echo "$output"
	jq -e '[.CapInh, .CapPrm, .CapEff, .CapBnd, .CapAmb] | unique == ["0000000000000000"]' <<<"$output"
	jq -e '.NoNewPrivs == 1 and .Seccomp == 2 and .uid == [0,0,0] and .pid == 2 and .fds == [0,1,2] and
		.rlimits.RLIMIT_CORE == [1,1]' <<<"$output"
	for name in mnt pid net ipc uts cgroup user time; do
		[ "$(jq -r .namespaces.$name <<<"$output")" != "$(readlink "/proc/self/ns/$name")" ]
	done
	run job "$ROOTFS" -- sh -c 'hostname; cat /proc/net/dev | tail -n +3 | cut -d: -f1 | xargs
		touch /x 2>&1; touch /bin/x 2>&1; touch /tmp/x && echo tmp; mount | grep " / "'
	[ "${lines[0]}" = "$ID" ]
	[ "${lines[1]}" = lo ]
	[[ ${lines[2]} == *"Read-only file system"* ]]
	[[ ${lines[3]} == *"Read-only file system"* ]]
	[ "${lines[4]}" = tmp ]
	[[ ${lines[5]} == *"(ro,"* ]]
	[ ! -e "$ROOTFS/x" ]
	record '.network == "none" and .address == null and (.controls | .seccomp == "enforced" and
		.capabilities == "enforced" and .read_only_root == "enforced" and .user_namespace == "enforced")'
	assert_nothing_left
}

@test "mount, bpf, keyctl, unshare(NEWUSER) and more are refused, natively and by int 0x80" {
	calls="mount umount2 bpf keyctl add_key unshare_newuser unshare_newns clone_newuser clone3_newuser
		setns ptrace open_by_handle_at perf_event_open io_uring_setup userfaultfd kexec_load
		init_module pivot_root chroot fsopen move_mount open_tree reboot swapon tiocsti
		tiocsti_high socket_alg socket_netlink socket_vsock socket_alg_high"
	# shellcheck disable=SC2086
	run job "$ROOTFS" -- probe try $calls getpid socket_inet
	echo "$output"
	[ "$status" -eq 0 ]
	# A kernel without the 32-bit calls answers int 0x80 with SIGSEGV, outside of any job, too.
	killed=SIGSYS
	[ "$("$PROBE" try getpid | jq -r .int80)" = OK ] || killed=SIGSEGV
	for call in $calls; do
		jq -es --arg n "$call" --arg killed $killed 'map(select(.name == $n)) | first |
			(.native | IN("EPERM", "ENOSYS", "EAFNOSUPPORT")) and
			((.int80 // $killed) == $killed) and ((.x32 // "SIGSYS") == "SIGSYS")' <<<"$output" ||
			{ echo "$call"; false; }
	done
	for call in mount bpf keyctl unshare_newuser; do
		jq -es --arg n $call 'map(select(.name == $n)) | first | .native == "EPERM" and .int80' \
			<<<"$output"
	done
	jq -es --arg killed $killed 'map(select(.name == "getpid")) | first |
		.native == "OK" and .int80 == $killed' <<<"$output"
	jq -es 'map(select(.name == "socket_inet")) | first | .native == "OK"' <<<"$output"
}

@test "host ids: a range of its own, high and unprivileged; no id is the host's" {
	job --wall max "$ROOTFS" -- sleep 1000 &
	first=$!
	wait_until 20 job_runs
	pid=$(job_pid)
	read -r inside outside size <"/proc/$pid/uid_map"
	[ "$inside" -eq 0 ]
	[ "$outside" -ge $((0x60000000)) ]
	[ "$size" -eq 65536 ]
	[ "$(wc -l <"/proc/$pid/uid_map")" -eq 1 ]
	[ "$(proc_status "$pid" Uid)" = "$outside $outside $outside $outside" ]
	[ "$(proc_status "$pid" Gid)" = "$outside $outside $outside $outside" ]
	# Seen from the host, its files are as they were: nothing was chowned.
	[ "$(stat -c %u "$ROOTFS/bin/busybox")" = 0 ]
	# Another at the same time has another range.
	kist job run --id "$ID-2" "$ROOTFS" -- cat /proc/self/uid_map >"$T/second"
	read -r _ other _ <"$T/second"
	[ "$other" -ge $((0x60000000)) ]
	[ "$other" -ne "$outside" ]
	kill -KILL "$pid"
	wait $first || true
	[ ! -e "$ROOT/.ids" ]
	assert_nothing_left
}

@test "the id of a job that runs is refused, and that job unharmed" {
	job --wall max "$ROOTFS" -- sleep 1000 &
	wait_until 20 job_runs
	pid=$(job_pid)
	run --separate-stderr kist job run --id "$ID" "$ROOTFS" true
	is_one_line 125 'already exists'
	[ -d "/proc/$pid" ]
	[ "$(ls "$ROOT/.ids" | wc -l)" -eq 1 ]
	kist kill "$ID" KILL
	wait $! || true
	assert_nothing_left
}

@test "delete --force of a job that runs; one of the same id made after it stays" {
	"$KIST" --root "$ROOT" job run --id "$ID" --result "$RESULT" --wall max "$ROOTFS" -- sleep 1000 &
	runner=$!
	wait_until 20 job_runs
	# Held up, so that the other is there before this one looks again.
	kill -STOP $runner
	kist delete --force "$ID"
	kist job run --id "$ID" --wall max "$ROOTFS" -- sleep 1000 &
	second=$!
	wait_until 20 job_runs
	pid=$(job_pid)
	kill -CONT $runner
	status=0
	wait $runner || status=$?
	[ "$status" -eq 137 ]
	record '.reason == "signal" and .signal == 9'
	[ -d "/proc/$pid" ]
	[ "$(job_pid)" = "$pid" ]
	kist delete --force "$ID"
	wait $second || true
	assert_nothing_left
}

@test "a job's leftover processes end with it" {
	run -0 job "$ROOTFS" -- sh -c '(sleep 1000 </dev/null >/dev/null 2>&1 &) ; setsid sleep 1000 </dev/null >/dev/null 2>&1 & exit 0'
	assert_nothing_left
}

@test "kill -9 of kist ends the job; delete --force, or job gc, takes the rest away" {
	for way in "delete --force $ID" "job gc"; do
		"$KIST" --root "$ROOT" job run --id "$ID" --wall max "$ROOTFS" -- sh -c 'sleep 1000 & wait' &
		wait_until 20 job_runs
		pid=$(job_pid)
		# With a kist that lives gc lets it alone.
		[ -z "$(kist job gc)" ]
		job_runs
		kill -KILL $!
		wait $! 2>/dev/null || true
		wait_until 20 is_dead "$pid"
		[ -e "$ROOT/.ids" ]
		# shellcheck disable=SC2086
		run -0 kist $way
		[ "$output" = "$ID" ] || [ "${way%% *}" = delete ]
		[ ! -e "$ROOT/.ids" ]
		assert_nothing_left
	done
	# Not every container is a job.
	make_bundle "$T/b"
	(cd "$T/b" && kist create "$ID-c")
	[ -z "$(kist job gc)" ]
	kist delete --force "$ID-c"
	# Killed before it made more than a lease, or an empty folder.
	mkdir -p "$ROOT/.ids" "$ROOT/$ID"
	ln -s nobody "$ROOT/.ids/7"
	[ -z "$(kist job gc)" ]
	[ -e "$ROOT/$ID" ]
	touch -d '-1 minute' "$ROOT/$ID"
	[ "$(kist job gc)" = "$ID" ]
	assert_nothing_left
}

@test "nothing is left of a job that fails at a step of its plan" {
	for step in 0 1 2 5 10 15 20 30 50 80 110 140 170; do
		run --separate-stderr kist --fault-step $step job run --id "$ID" "$ROOTFS" true
		[ "$status" -eq 0 ] || is_one_line 125
		has_no_state
	done
	assert_nothing_left
}

@test "the record is written whole, also over an older one, and not through a link" {
	echo precious >"$T/precious"
	ln -s "$T/precious" "$RESULT"
	run -0 job "$ROOTFS" true
	[ "$(cat "$T/precious")" = precious ]
	record '.version == 1 and (.started | test("^20.*Z$")) and .folder and .wall_us > 0'
	[ "$(stat -c %a "$RESULT")" = 644 ]
}

@test "limits: the cgroup's files say what the flags said, while it runs" {
	need_v2_controllers memory pids cpu
	job --memory 64m --pids 32 --cpus 0.5 --wall 100s "$ROOTFS" -- sleep 1000 &
	wait_until 30 job_runs
	cgroup=$(cgroup_mount)/kist-$ID
	[ "$(cgroup_of "$(job_pid)")" = "$cgroup" ]
	[ "$(cat "$cgroup/memory.max")" = 67108864 ]
	[ "$(cat "$cgroup/memory.swap.max")" = 0 ]
	[ "$(cat "$cgroup/memory.oom.group")" = 1 ]
	[ "$(cat "$cgroup/pids.max")" = 33 ] # and kist's own process 1
	[ "$(cat "$cgroup/cpu.max")" = "50000 100000" ]
	kist kill "$ID" KILL
	wait $! || true
	record '.limits == {"memory": 67108864, "pids": 32, "cpu_quota_us_per_100ms": 50000, "wall_ms": 100000, "cpu_time_ms": 30000,
			"output": 1048576, "file_size": 67108864, "open_files": 256} and
		(.controls | .memory == "enforced" and .pids == "enforced" and .cpu == "enforced") and
		.cpu_us >= 0 and .memory_peak > 0 and .memory_peak <= 67108864'
	assert_nothing_left
}

@test "over its memory: 137, reason oom, every process of it" {
	need_v2_controllers memory pids cpu
	run --separate-stderr -137 job --memory 32m --pids 32 --wall max --cpu-time max "$ROOTFS" -- \
		sh -c 'sleep 1000 & head -c 200m /dev/zero | tail >/dev/null; echo survived'
	[ -z "$output" ]
	record '.reason == "oom" and .status == 137 and .signal == 9 and .oom_kills > 0 and
		.memory_peak <= 33554432 and .memory_peak > 16777216'
	assert_nothing_left
}

@test "over its pids: fork fails with EAGAIN inside, and is counted" {
	need_v2_controllers memory pids cpu
	run --separate-stderr job --pids 16 --wall max --cpu-time max "$ROOTFS" -- \
		sh -c 'i=0; while [ $i -lt 40 ]; do sleep 1000 & i=$((i+1)); done; wait'
	[ "$status" -ne 0 ]
	[[ $stderr == *"Resource temporarily unavailable"* ]]
	record '.pids_refused > 0 and .limits.pids == 16 and (.pids_peak == null or .pids_peak <= 16)'
	# One means one: the command.
	run -0 job --pids 1 "$ROOTFS" -- echo alone
	[ "$output" = alone ]
	assert_nothing_left
}

@test "over its cpu: throttled" {
	need_v2_controllers memory pids cpu
	run -124 job --cpus 0.2 --wall 3s "$ROOTFS" -- sh -c 'while :; do :; done'
	record '.throttled_us > 0 and .cpu_us < 1500000 and .reason == "wall"'
}

# A network namespace that stands for the host, with a server behind it in another.
make_network() {
	need_program ip nft
	driver=${KIST_BUILD:-$TOP/build}/tests/tools/net-driver
	[ -x "$driver" ] || skip "no net-driver: make build-tests"
	host=$("$driver" namespace)
	outside=$("$driver" namespace)
	at "$host" ip link set lo up
	at "$host" ip link add uplink type veth peer name eth0 netns "$outside"
	at "$host" ip addr add 192.0.2.1/24 dev uplink
	at "$host" ip link set uplink up
	at "$outside" ip addr add 192.0.2.2/24 dev eth0
	at "$outside" ip link set eth0 up
	server=$(at "$outside" "$driver" serve 80)
}
at() { nsenter --net="/proc/$1/ns/net" -- "${@:2}"; }
network_world() { at "$host" sh -c 'ip -o link | cut -d: -f2; nft list ruleset'; }

@test "--net bridge: an address, a route, and a server that sees the host's address only" {
	make_network
	before=$(network_world)
	run at "$host" "$KIST" --root "$ROOT" job run --id "$ID" --result "$RESULT" --net bridge "$ROOTFS" -- \
		sh -c 'nc 192.0.2.2 80 </dev/null; echo; ip -o -4 addr show eth0; ip route; cat /proc/net/dev'
	echo "$output"
	[ "$status" -eq 0 ]
	[[ ${lines[0]} == *192.0.2.1* ]]
	record '.network == "bridge" and (.address | test("^10[.]"))'
	[ "$(network_world)" = "$before" ]
	# Without it there is no way out.
	run at "$host" "$KIST" --root "$ROOT" job run "$ROOTFS" -- nc -w 3 192.0.2.2 80 </dev/null
	[ "$status" -ne 0 ]
	kill -KILL "$host" "$outside" "$server"
	assert_nothing_left
}

@test "--net host: the host's network and names; its sockets without an address, and its devices, stay closed" {
	port=
	timeout 60 "$TOP/build/tools/reach" listen >"$T/port" &
	server=$!
	until [ -s "$T/port" ]; do sleep 0.02; done
	read -r port <"$T/port"
	mkdir -p "$D/root"/{bin,proc,sys,dev,tmp,etc}
	cp "$TOP/build/tools/reach" "$D/root/bin/reach"
	for profile in job dev docker; do
		run -0 job --profile $profile --net host "$D/root" -- /bin/reach "$port"
		printf '%s\n' "${lines[@]}" >"$T/reach"
		grep -q "^the host by TCP	yes" "$T/reach" || { cat "$T/reach"; false; }
		if [ "$(kist info | sed -n 's/.*landlockABI: //p')" -ge 6 ]; then
			grep -q "^the host's abstract sockets	no" "$T/reach"
			record '.controls.abstract_sockets == "enforced"'
		else
			record '.controls.abstract_sockets == "absent"'
		fi
		record '.network == "host" and .controls.network_namespace == "absent" and .controls.user_namespace == "enforced"'
	done
	for list in none/no "127.0.0.1:$port/yes"; do
		run -0 job --net host --egress "${list%/*}" "$D/root" -- /bin/reach "$port"
		grep -q "^the host by TCP	${list##*/}" <<<"$output"
	done
	kill "$server"
	run -0 job --net host "$ROOTFS" -- sh -c 'readlink /proc/self/ns/net; cat /etc/hosts; ip link add x type dummy 2>&1 || echo closed'
	[ "${lines[0]}" = "$(readlink /proc/self/ns/net)" ]
	[ "$(printf '%s\n' "${lines[@]:1}" | head -n "$(wc -l </etc/hosts)")" = "$(grep . /etc/hosts)" ]
	[ "${lines[-1]}" = closed ]
	run -0 job --net loopback "$ROOTFS" -- sh -c 'wc -l </proc/net/dev'
	[ "$output" = 3 ]
	record '.network == "none"'
	assert_nothing_left
}

@test "batch: processors of its own: told apart, or refused where the controller is not there" {
	echo '{"version": 1, "folder": "'"$ROOTFS"'", "command": ["cat", "/sys/fs/cgroup/cpuset.cpus"], "stdout": "a"}' >"$T/jobs.jsonl"
	status=0
	kist batch --pin -j 1 "$T/jobs.jsonl" >"$T/out" 2>"$T/err" || status=$?
	if grep -qw cpuset "$(cgroup_mount)/cgroup.controllers"; then
		[ "$status" -eq 0 ]
		[ "$(cat "$T/a")" = "$(taskset -cp $$ | sed 's/.*: //')" ]
	else
		[ "$status" -eq 1 ]
		jq -e '.reason == "sandbox-error" and (.error | test("\"cpuset\""))' "$T/out"
	fi
	assert_nothing_left
}
