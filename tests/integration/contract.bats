#!/usr/bin/env bats
# What containerd's shim, conmon, podman and buildah call, word by word, and what they read back:
# the statuses, the log's last line, the files. Without those programs; they are in containerd.bats,
# dockerd.bats and podman.bats.

bats_require_minimum_version 1.5.0
load helpers
load runtime

setup() {
	runtime_setup '.process.args = ["sleep", "1000"]'
	LOG=$T/log.json
}
teardown() { runtime_teardown; }

# As containerd's shim calls it.
shim() { "$KIST" --root "$ROOT" --log "$LOG" --log-format json "$@"; }
# status STATUS CMD...: ends so, and says nothing on stdout.
status() {
	local want=$1
	shift
	run --separate-stderr "$@"
	[ "$status" -eq "$want" ] && [ -z "$output" ] || { echo "$status: $output $stderr"; return 1; }
}
# The log is JSON lines; the last one is an error that ends so.
last_error() {
	jq -se 'length > 0 and all(.[]; (.level | IN("error", "warning", "info", "debug")) and (.msg | type == "string")
		and (.time | test("^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]+)?(Z|[+-][0-9:]+)$")))' \
		"$LOG" >/dev/null || { echo "not as expected:"; cat "$LOG"; return 1; }
	jq -se --arg text "$1" 'last | .level == "error" and (.msg | endswith($text))' "$LOG" >/dev/null ||
		{ echo "the last does not end in \"$1\":"; cat "$LOG"; return 1; }
}

@test "containerd: create, start, exec, pause, resume, ps, kill, delete, delete --force" {
	detached shim create --bundle "$T/b" --pid-file "$T/init.pid" $ID
	[ "$(cat "$T/init.pid")" = "$(pid_of $ID)" ]
	status 0 shim start $ID
	jq .process config.json | jq '.args = ["sh", "-c", "exit 3"] | .cwd = "/tmp"' >"$T/exec.json"
	detached shim exec --process "$T/exec.json" --detach --pid-file "$T/exec.pid" $ID
	[[ $(cat "$T/exec.pid") =~ ^[0-9]+$ ]]
	status 0 shim pause $ID
	is_in_state $ID paused
	status 0 shim resume $ID
	run --separate-stderr shim ps --format json $ID
	[ "$status" -eq 0 ]
	[ "$(jq -c 'map(numbers)' <<<"$output")" = "[$(pid_of $ID)]" ]
	status 0 shim kill $ID 9
	wait_until 10 is_in_state $ID stopped
	status 0 shim delete $ID
	status 0 shim delete --force $ID
	[ ! -s "$LOG" ] || { cat "$LOG"; return 1; }
}

@test "containerd: what a failed create leaves is nothing; the log's last line says why" {
	local command end
	for command in nosuch /no/such /etc; do
		edit_bundle . '.process.args = [$c]' --arg c "$command"
		case $command in
		nosuch) end='exec: "nosuch": executable file not found in $PATH' ;;
		/no/such) end='exec: "/no/such": no such file or directory' ;;
		/etc) end='exec: "/etc": permission denied' ;;
		esac
		status 1 shim create --bundle "$T/b" --pid-file "$T/init.pid" $ID
		last_error "$end"
		[ ! -e "$T/init.pid" ]
		status 0 shim delete --force $ID
	done
	status 1 shim kill $ID 15
	last_error 'container does not exist'
	status 1 shim delete $ID
	last_error 'container does not exist'
	status 1 shim state $ID
	last_error 'container does not exist'
}

@test "podman: a pid file relative to the caller, text log, exec --pid-file --process, kill 15" {
	mkdir "$T/elsewhere"
	cd "$T/elsewhere"
	detached kist --log=text.log create --bundle "$T/b" --pid-file pidfile $ID
	[ "$(cat "$T/elsewhere/pidfile")" = "$(pid_of $ID)" ]
	# Written whole or not at all: under another name first.
	[ "$(ls -A "$T/elsewhere" | grep -vx text.log)" = pidfile ]
	status 0 kist start $ID
	jq '.process | .args = ["nosuch"]' "$T/b/config.json" >process
	status 255 kist exec --pid-file exec.pid --process process --detach $ID
	[[ $stderr == *'executable file not found in $PATH'* ]]
	[ ! -e exec.pid ]
	status 0 kist kill $ID 15
	status 0 kist kill $ID 9
	wait_until 10 is_in_state $ID stopped
	status 0 kist delete --force $ID
	run "$KIST" --version
	[ "$status" -eq 0 ]
	[[ ${lines[0]} =~ ^kist\ version\ [0-9]+\.[0-9]+\.[0-9]+ ]]
	[[ $output == *$'\nspec: '[0-9]* ]]
	[ ! -e "$TOP/.git" ] || [[ $output =~ $'\ncommit: '[0-9a-z] ]]
}

@test "a terminal for a console socket is as the kernel made it, as from runc: what reads it decides of line ends" {
	edit_bundle . '.process.terminal = true | .process.args = ["sh", "-c", "tty; echo done"]'
	python3 - "$T/console" >"$T/got" <<-'END' &
		import os, socket, sys
		s = socket.socket(socket.AF_UNIX)
		s.bind(sys.argv[1])
		s.listen()
		c, _ = s.accept()
		_, fds, _, _ = socket.recv_fds(c, 4096, 4)
		out = b""
		try:
		    while data := os.read(fds[0], 4096):
		        out += data
		except OSError:
		    pass
		print(len(fds), out)
	END
	reader=$!
	wait_until 10 [ -S "$T/console" ]
	detached shim create --bundle "$T/b" --pid-file "$T/init.pid" --console-socket "$T/console" $ID
	status 0 shim start $ID
	wait_until 10 is_dead $reader
	[ "$(cat "$T/got")" = "1 b'/dev/pts/0\\r\\ndone\\r\\n'" ] || { cat "$T/got"; return 1; }
	wait_until 10 is_in_state $ID stopped
	status 0 shim delete $ID
}

@test "buildah: create, start, state until it has ended, delete" {
	edit_bundle . '.process.args = ["sh", "-c", "echo built; exit 6"]'
	"$KIST" --root "$ROOT" create --bundle "$T/b" --pid-file "$T/pid" $ID >"$T/out" 2>&1 </dev/null
	"$KIST" --root "$ROOT" start $ID
	wait_until 10 is_in_state $ID stopped
	run --separate-stderr kist state $ID
	jq -e --arg id $ID --arg b "$T/b" '.id == $id and .bundle == $b and .pid == 0 and .status == "stopped" and
		(.ociVersion | type == "string")' <<<"$output"
	[ "$(cat "$T/out")" = built ]
	kist delete $ID
}

@test "the container's parents are not waited for: a caller that goes away leaves it running" {
	# conmon and the shim are subreapers: a container's process is theirs once kist has ended.
	detached shim create --bundle "$T/b" --pid-file "$T/init.pid" $ID
	shim start $ID
	pid=$(pid_of $ID)
	[ "$(proc_status "$pid" PPid)" != 0 ]
	none grep -qs kist "/proc/$(proc_status "$pid" PPid)/comm"
	shim kill --all $ID 9
	wait_until 10 is_in_state $ID stopped
	shim delete $ID
}

@test "a capability that the caller itself lacks is named in the message: engines show no more" {
	edit_bundle . '.process.capabilities |= map_values(["CAP_SYS_TIME", "CAP_KILL"]) | del(.process.capabilities.ambient)'
	status 1 setpriv --bounding-set -sys_time --inh-caps -sys_time \
		"$KIST" --root "$ROOT" --log "$LOG" --log-format json run $ID
	last_error '/process/capabilities: capset: kist itself lacks CAP_SYS_TIME: Operation not permitted'
}
