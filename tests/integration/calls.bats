#!/usr/bin/env bats
# native only: strace takes too long under emulation
# System calls, of all processes of a command: each costs a start its share, and they creep back one by
# one. The bounds are some 10 % above what there is; docs/performance.md says the figures.

bats_require_minimum_version 1.5.0
load helpers
load runtime

setup() {
	need_root
	need_program strace
	[ -z "${KIST_SANITIZED-}" ] || skip "a sanitizer makes calls of its own"
	[[ ${KIST_BUILD-} != *coverage* ]] || skip "so do counters in a file"
	kist_setup
	ID=${T##*.}
	make_bundle "$T/b"
	cd "$T/b"
	edit_bundle . '.linux.seccomp = $profile[0]' \
		--slurpfile profile "$TOP/tests/lib/docker-like-seccomp.json"
}
teardown() { runtime_teardown; }

# at_most COUNT COMMAND...: strace's own count, whatever ran for it.
at_most() {
	local count
	# musl asks for memory in smaller pieces.
	[[ $KIST != */static/* ]] || set -- $(($1 + 20)) "${@:2}"
	strace -f -c -o "$T/calls" "$KIST" --root "$ROOT" "${@:2}" </dev/null >/dev/null
	count=$(awk '$NF == "total" { print $4 }' "$T/calls")
	echo "$2: $count, at most $1"
	[ "$count" -le "$1" ] || { cat "$T/calls"; return 1; }
	[ "$count" -gt 20 ]
}

@test "run: of a default bundle with a profile, and with a user namespace" {
	bundle_args . true
	at_most 375 run "$ID"
	edit_bundle . '.linux.namespaces += [{"type": "user"}] |
		.linux.uidMappings = [{"containerID": 0, "hostID": 1000000, "size": 65536}] |
		.linux.gidMappings = .linux.uidMappings'
	at_most 375 run "$ID"
}

@test "start, exec, state, kill, delete" {
	bundle_args . sleep 1000
	detached kist create "$ID"
	at_most 90 start "$ID"
	at_most 225 exec "$ID" true
	at_most 75 state "$ID"
	at_most 75 kill "$ID" KILL
	wait_until 10 is_in_state "$ID" stopped
	at_most 90 delete "$ID"
}
