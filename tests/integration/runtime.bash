# What the tests of the runtime share, besides helpers.bash.
# shellcheck shell=bash disable=SC2154 # status, output, stderr come from bats's run

PROBE=$TOP/build/tools/probe

# runtime_setup [JQ_FILTER [JQ_ARG...]]: for most setup()s: kist_setup, $ID, and a bundle as
# make_bundle's in $T/b, which is the working directory.
runtime_setup() {
	need_root
	kist_setup
	ID=${T##*.}
	make_bundle "$T/b" "$@"
	cd "$T/b" || return 1
}

# probe_bundle DIR [JQ_FILTER [JQ_ARG...]]: as make_bundle, and /bin/probe prints what it sees.
probe_bundle() {
	[ -x "$PROBE" ] || "$TOP/tests/tools/build.sh" probe
	make_bundle "$@"
	cp "$PROBE" "$1/rootfs/bin/probe"
	bundle_args "$1" /bin/probe
}

# detached CMD...: for a command that leaves a process behind, which must not keep bats waiting.
detached() {
	"$@" <"${INPUT:-/dev/null}" >"$T/detached.out" 2>"$T/detached.err" || {
		local status=$?
		cat "$T/detached.out" "$T/detached.err"
		return "$status"
	}
}

state_of() { # ID [JQ_FILTER]
	kist state "$1" | jq -r "${2-.status}"
}
is_in_state() { # ID STATUS
	[ "$(state_of "$1" 2>/dev/null)" = "$2" ]
}
pid_of() { # ID
	state_of "$1" .pid
}

# proc_status PID FIELD: of /proc/PID/status.
proc_status() {
	awk -v field="$2:" '$1 == field { $1 = ""; sub(/^ */, ""); print }' "/proc/$1/status"
}

# is_over PID: it has ended, waited for or not.
is_over() {
	local state
	state=$(proc_status "$1" State 2>/dev/null)
	[[ ! -e /proc/$1 || $state == Z* ]]
}

# is_one_line STATUS [PATTERN]: after `run --separate-stderr`: it failed so, and said why in exactly
# one line "kist: ...", with at most one line "fix: ..." after it, and nothing on stdout.
is_one_line() {
	local line count=0
	echo "status $status, wanted $1; stderr:"
	echo "$stderr"
	[ "$status" -eq "$1" ] || return 1
	[ -z "$output" ] || { echo "stdout: $output"; return 1; }
	while IFS= read -r line; do
		count=$((count + 1))
		case $count:$line in
		1:"kist: "?*) ;;
		2:"fix: "?*) ;;
		*) echo "line $count is neither the message nor its fix"; return 1 ;;
		esac
	done <<<"$stderr"
	[ $# -lt 2 ] || grep -qE -- "$2" <<<"$stderr" || { echo "no match for: $2"; return 1; }
}

# refused STATUS PATTERN CMD...: it fails in one line, and no state is left. (The rest of the host is
# looked at by the teardown.)
refused() {
	local want=$1 pattern=$2
	shift 2
	run --separate-stderr "$@"
	is_one_line "$want" "$pattern" && has_no_state
}
has_no_state() {
	if [ -d "$ROOT" ] && [ -n "$(ls -A "$ROOT")" ]; then
		find "$ROOT" -mindepth 1
		return 1
	fi
}

# on_a_pty ROWSxCOLUMNS [-s WAIT-FOR SEND] CMD...: with a terminal for stdin, stdout and stderr.
on_a_pty() {
	python3 "$TOP/tests/lib/on-a-pty.py" "$@"
}

none() { # bats sees no failure of "! command"
	if "$@"; then
		return 1
	fi
}

# cgroup_of PID: where it is in cgroup v2, as a folder.
cgroup_of() {
	echo "$(cgroup_mount)$(sed -n 's/^0:://p' "/proc/$1/cgroup")"
}

# A process that is no more, or waits only to be collected by whoever inherited it.
is_dead() { # PID
	! [ -d "/proc/$1" ] || grep -qs '^State:.Z' "/proc/$1/status" || ! [ -d "/proc/$1" ]
}

# The teardown of the runtime's tests: one that failed must not make the next ones fail, and what it
# left running must not keep bats waiting.
runtime_teardown() {
	local id file
	if [ -z "${BATS_TEST_COMPLETED-}" ] && [ -d "${ROOT-}" ]; then
		for file in $(grep -lsF -f - /proc/[0-9]*/cmdline <<<"$ROOT"); do
			file=${file%/cmdline}
			[ "${file#/proc/}" = "$$" ] || kill -KILL "${file#/proc/}" 2>/dev/null || true
		done
		for id in "$ROOT"/*; do
			[ ! -d "$id" ] || kist delete --force "${id##*/}" || true
		done
	fi
	kist_teardown
}
