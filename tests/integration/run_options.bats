#!/usr/bin/env bats
# What the options of create and run do, and the global ones; and what the program gets of the caller.

bats_require_minimum_version 1.5.0
load helpers
load runtime

setup() {
	runtime_setup
	bundle_args "$T/b" sleep 1000
}
teardown() { runtime_teardown; }

args() { bundle_args "$T/b" "$@"; }

@test "pid file: the number as the host sees it, and nothing else" {
	detached kist create --pid-file pid $ID
	[ "$(cat pid)" = "$(pid_of $ID)" ]
	[ "$(wc -c <pid)" -eq "$(tr -d '\n' <pid | wc -c)" ]
	[ "$(stat -c %a pid)" = 644 ]
	kist delete --force $ID
	detached kist run -d --pid-file "$T/other" $ID
	[ "$(cat "$T/other")" = "$(pid_of $ID)" ]
	[ "$(sed -n 's/^NSpid:.*\t//p' "/proc/$(cat "$T/other")/status")" = 1 ]
	kist delete --force $ID
}

@test "run: orphans of the container are kist's, or not with --no-subreaper" {
	edit_bundle . '.linux.namespaces |= map(select(.type != "pid"))'
	args sh -c '(sleep 1234.5 & ) ; exec sleep 1000'
	orphan() { pgrep -f '^sleep 1234[.]5$'; }
	parent() { ps -o ppid= -p "$(orphan)" | tr -d ' '; }
	# The shell between them is gone, and with it the parent in the container.
	is_adopted() { [ "$(readlink "/proc/$(parent)/ns/mnt")" != "$(readlink "/proc/$(orphan)/ns/mnt")" ]; }
	for option in --no-subreaper=false --no-subreaper; do
		"$KIST" --root "$ROOT" run $option $ID </dev/null >"$T/out" 2>&1 3>&- &
		run=$!
		wait_until 10 is_in_state $ID running
		wait_until 10 orphan
		wait_until 10 is_adopted
		echo "$option: kist $run, parent $(parent)"
		if [ $option = --no-subreaper ]; then
			[ "$(parent)" -ne $run ]
		else
			[ "$(parent)" -eq $run ]
		fi
		kist kill --all $ID KILL
		wait_until 10 is_dead $run
		kist delete --force $ID
	done
}

@test "run --keep leaves the stopped container to be looked at" {
	args true
	kist run --keep $ID
	[ "$(state_of $ID)" = stopped ]
	kist delete $ID
	assert_nothing_left
}

@test "stdin and stdout are the caller's pipes; stderr is apart" {
	args sh -c 'cat; echo error >&2'
	run --separate-stderr kist run $ID <<<"through the pipe"
	[ "$output" = "through the pipe" ]
	[ "$stderr" = error ]
	args sh -c 'head -c 300000 /dev/zero'
	[ "$(kist run $ID | wc -c)" -eq 300000 ]
	# Its reader gone, the writer gets its signal or error, and nothing hangs.
	args sh -c 'yes; exit 3'
	run sh -c '"$1" --root "$2" run '"$ID"' | head -n 1' - "$KIST" "$ROOT"
	[ "$output" = y ]
}

@test "the caller closed its stdio: the container's 0, 1 and 2 are /dev/null" {
	"$KIST" --root "$ROOT" run -d $ID <&- >&- 2>&-
	pid=$(pid_of $ID)
	fds=("/proc/$pid/fd/"*)
	[ "${fds[*]##*/}" = "0 1 2" ]
	for fd in 0 1 2; do
		[ "$(readlink "/proc/$pid/fd/$fd")" = /dev/null ]
	done
	kist delete --force $ID
}

@test "--preserve-fds: exactly so many, and they are the caller's" {
	probe_bundle "$T/p"
	cd "$T/p"
	echo three >"$T/three"
	echo four >"$T/four"
	with_files() { # kist ARG..., with the two open, and one more
		"$KIST" --root "$ROOT" "$@" 3<"$T/three" 4<"$T/four" 6</dev/null
	}
	[ "$(with_files run $ID | jq -c .fds)" = '[0,1,2]' ]
	[ "$(with_files run --preserve-fds 1 $ID | jq -c .fds)" = '[0,1,2,3]' ]
	args sh -c 'cat <&3; cat <&4'
	cd "$T/b"
	[ "$(with_files run --preserve-fds 2 $ID | xargs)" = "three four" ]
	# In a user namespace kist does not run itself again.
	edit_bundle . '.linux.namespaces += [{"type": "user"}] | .linux.uidMappings =
		[{"containerID": 0, "hostID": 1000000, "size": 65536}] |
		.linux.gidMappings = .linux.uidMappings'
	[ "$(with_files run --preserve-fds 2 $ID | xargs)" = "three four" ]
}

@test "--preserve-fds: a number that is not open is refused: kist's own file may have it" {
	args sh -c 'ls -l /proc/self/fd'
	refused 1 'preserve-fds 1: file descriptor 3 is not open' \
		sh -c 'exec "$1" --root "$2" run --preserve-fds 1 '"$ID"' 3<&- 4<&-' - "$KIST" "$ROOT"
	refused 1 'preserve-fds 2: file descriptor 4 is not open' \
		sh -c 'exec "$1" --root "$2" run --preserve-fds 2 '"$ID"' 3</dev/null 4<&-' - "$KIST" "$ROOT"
	refused 1 preserve-fds kist run --preserve-fds 2000 $ID
	refused 1 preserve-fds kist run --preserve-fds x $ID
	refused 1 preserve-fds kist run --preserve-fds 99999999999999999999 $ID
}

@test "--pidfd-socket gets a pidfd of the first process" {
	python3 - "$T/sock" >got <<-'END' &
		import socket, sys, os, array
		s = socket.socket(socket.AF_UNIX)
		s.bind(sys.argv[1])
		s.listen(1)
		s.settimeout(60)
		c = s.accept()[0]
		msg, anc, *_ = c.recvmsg(100, socket.CMSG_LEN(4))
		fd = array.array("i", anc[0][2])[0]
		print([l.split()[1] for l in open(f"/proc/self/fdinfo/{fd}") if l.startswith("Pid:")][0])
	END
	wait_until 10 [ -S "$T/sock" ]
	detached kist create --pidfd-socket "$T/sock" $ID
	wait $!
	[ "$(cat got)" = "$(pid_of $ID)" ]
	kist delete --force $ID
	refused 1 'the socket' kist run --pidfd-socket "$T/nothing" $ID
}

@test "--no-pivot: the root is chrooted into, and the same is seen" {
	args sh -c 'cat /etc/os-release; ls /work 2>&1; mount | grep -c " /dev/pts "'
	run kist run --no-pivot $ID
	[ "$status" -eq 0 ]
	[[ $output == *kist-busybox*"No such file"* ]]
	assert_nothing_left
}

@test "--no-new-keyring keeps the caller's session keyring; else it is another" {
	[ -r /proc/keys ] || skip "no keyrings here"
	args cat /proc/keys
	edit_bundle . '.linux.maskedPaths = []'
	run python3 - "$KIST" "$ROOT" "$ID" <<-'END'
		import ctypes, subprocess, sys
		libc = ctypes.CDLL(None, use_errno=True)
		mine = libc.syscall(250, 1, b"kist-test-ring")        # KEYCTL_JOIN_SESSION_KEYRING
		assert mine > 0, ctypes.get_errno()
		# KEYCTL_SETPERM: only who has it in a keyring of its own sees it in /proc/keys.
		assert libc.syscall(250, 5, mine, 0x3f000000) == 0
		for flags in [["--no-new-keyring"], []]:
		    out = subprocess.run([*sys.argv[1:2], "--root", sys.argv[2], "run", *flags, sys.argv[3]],
		                         capture_output=True, text=True)
		    assert out.returncode == 0, out
		    print("kist-test-ring" in out.stdout)
	END
	echo "$output"
	[ "${lines[0]}" = True ]
	[ "${lines[1]}" = False ]
}

@test "--log-level and --debug: what is told, and what is not" {
	edit_bundle "$T/b" '.linux.resources.memory = {"swappiness": 5}'
	args true
	for level in warning warn info debug; do
		run --separate-stderr kist --log-level $level run $ID
		[ "$status" -eq 0 ] && grep -q '^kist: warning: .*swappiness' <<<"$stderr"
	done
	grep -q "kist [0-9].*: run, as uid 0" <<<"$stderr"
	run --separate-stderr kist --debug --log-level error run $ID
	[ "$status" -eq 0 ] && grep -q "run, as uid 0" <<<"$stderr"
	run --separate-stderr kist --log-level error run $ID
	[ "$status" -eq 0 ] && [ -z "$stderr" ]
	run --separate-stderr kist --log-level error --log "$T/log" --log-format json run $ID
	[ "$status" -eq 0 ] && [ -z "$stderr" ] && [ ! -s "$T/log" ]
	refused 1 'log-level: "loud" is no level' kist --log-level loud list
}

@test "global flags: --version, --log with JSON lines, unknown ones refused" {
	run kist --version
	[[ ${lines[0]} == "kist version "* ]]
	[[ $output == *$'\nspec: 1.'* ]]
	run kist --log "$T/log" --log-format json start nobody
	[ "$status" -eq 1 ]
	tail -n 1 "$T/log" | jq -e '.level == "error" and (.msg | test("does not exist")) and
		(.time | test("^20.*Z$"))'
	refused 1 'unknown option --nosuch' kist --nosuch list
	refused 1 'unknown command' kist nosuch
	refused 1 'log-format' kist --log-format xml list
}

@test "--systemd-cgroup without a systemd, and systemd's form of a path without it: one line each" {
	edit_bundle . '.linux.cgroupsPath = "system.slice:kist:x"'
	refused 1 '/linux/cgroupsPath: .*is meant for the systemd cgroup driver' kist run $ID
	run --separate-stderr kist plan
	is_one_line 1 'is meant for the systemd cgroup driver'
	# Neither a bus nor, in a root that lacks it, the library.
	refused 1 'cannot reach systemd over D-Bus' env DBUS_SYSTEM_BUS_ADDRESS="unix:path=$T/none" \
		"$KIST" --root "$ROOT" --systemd-cgroup run $ID
	refused 1 'cannot reach systemd over D-Bus' env DBUS_SYSTEM_BUS_ADDRESS="unix:path=$T/none" \
		"$KIST" --root "$ROOT" --cgroup-manager systemd run $ID
	refused 1 'contradict each other' kist --systemd-cgroup --cgroup-manager cgroupfs run $ID
	# Of no use to a job, so not taken in silence.
	for option in --systemd-cgroup "--cgroup-manager disabled"; do
		refused 125 "a job's cgroup is made by kist itself" kist $option job run . -- true
	done
	library=$(ldconfig -p | awk '$1 == "libsystemd.so.0" { print $NF; exit }')
	[ -n "$library" ] || return 0
	: >"$T/empty"
	refused 1 'needs libsystemd.so.0, which is not there' unshare --mount --propagation private \
		sh -c 'for file in $(ldconfig -p | awk "\$1 == \"libsystemd.so.0\" { print \$NF }"); do
			mount --bind "$1" "$(readlink -f "$file")"; done; shift; exec "$@"' - "$T/empty" \
		"$KIST" --root "$ROOT" --systemd-cgroup run $ID
}

@test "kist-systemd: found beside kist, also by the protected copy; missing, gone or mad: one line each" {
	mkdir "$T/bin"
	cp "$KIST" "$T/bin/kist"
	no_bus() { env DBUS_SYSTEM_BUS_ADDRESS="unix:path=$T/none" "$@"; }
	asks() { no_bus "$T/bin/kist" --root "$ROOT" --systemd-cgroup run $ID; }
	refused 1 'needs kist-systemd, which cannot be run: No such file' asks
	[[ $stderr == *"fix: install it beside kist"* ]]
	put() {
		cat >"$T/bin/kist-systemd"
		chmod 755 "$T/bin/kist-systemd"
	}
	put <<<'#!/bin/sh'
	refused 1 'kist-systemd ended before it answered' asks
	put <<<'#!/bin/sh
		printf "\4\0\0\0\1\0\0\0" >&0; exec sleep 1000'
	refused 1 'kist-systemd answers what makes no sense' asks
	put <<<'#!/bin/sh
		printf "\377\377\377\377" >&0; exec sleep 1000'
	refused 1 'kist-systemd answers what makes no sense' asks
	put <<<'#!/bin/sh
		printf "\4\0\0\0\143\0\0\0" >&0; exec sleep 1000'
	refused 1 'kist-systemd is of another version of kist' asks
	# It has its socket and the caller's stdio, no other file; no signal is blocked or ignored; and it
	# is in the cgroup of kist, not in the container's.
	put <<END
#!/bin/sh
{ ls -l /proc/self/fd | sed -n 's/.* \([0-9]*\) -> \([a-z]*\).*/\1 \2/p'
cat /proc/self/cgroup; grep -E 'Sig(Blk|Ign)' /proc/self/status; env; } >$T/seen
END
	refused 1 'ended before' env -i XDG_RUNTIME_DIR=/mine sh -c 'trap "" TERM HUP; exec "$@"' - \
		"$T/bin/kist" --root "$ROOT" --systemd-cgroup run $ID
	cat "$T/seen"
	grep -q '^0 socket' "$T/seen"
	[ "$(grep -c '^[0-9]* socket' "$T/seen")" = 1 ]
	grep -qx "$(cat /proc/self/cgroup)" "$T/seen"
	# but for 32 and 33, which posix_spawn(3) keeps for libc
	[ "$(grep -cE '^Sig(Blk|Ign):	0000000[01][08]0000000$' "$T/seen")" = 2 ]
	grep -q XDG_RUNTIME_DIR=/mine "$T/seen"
	# Found by name, by a path with a link in it, and from elsewhere.
	rm "$T/bin/kist-systemd"
	ln -s "$(dirname "$KIST")/kist-systemd" "$T/bin/kist-systemd"
	ln -s "$T/bin" "$T/link"
	for name in kist "$T/link/kist" ../bin/kist; do
		mkdir -p "$T/b"
		refused 1 'cannot reach systemd over D-Bus' no_bus env PATH="$T/bin:$PATH" \
			"$name" --root "$ROOT" --systemd-cgroup run $ID
	done
	# Nobody else has a use for it.
	run -125 "$T/bin/kist-systemd" </dev/null
	[[ $output == *"kist runs this program by itself"* ]]
}

@test "a terminal without a console socket is refused when kist will not stay" {
	edit_bundle . '.process.terminal = true'
	refused 1 'cannot allocate tty' kist create $ID
	refused 1 'cannot allocate tty' kist run -d $ID
	edit_bundle . '.process.terminal = false'
	refused 1 'console socket' kist create --console-socket "$T/s" $ID
}

@test "--config: another file than the bundle's, by create and run; its paths are the bundle's" {
	jq '.process.args = ["echo", "the other"]' config.json >"$T/other.json"
	rm config.json
	cd "$T"
	for option in "--config other.json" "-f $T/other.json"; do
		run kist run --bundle "$T/b" $option $ID
		[ "$status" -eq 0 ]
		[ "$output" = "the other" ]
	done
	detached kist create --bundle "$T/b" --config other.json $ID
	[ "$(state_of $ID .bundle)" = "$T/b" ]
	kist delete $ID
	refused 1 'config.json not found' kist run --bundle "$T/b" $ID
	refused 1 'nosuch.json' kist run --bundle "$T/b" --config nosuch.json $ID
	jq '.process.cwd = "x"' other.json >bad.json
	refused 1 'bad.json: /process/cwd' kist run --bundle "$T/b" --config bad.json $ID
}
