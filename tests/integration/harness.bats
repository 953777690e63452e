#!/usr/bin/env bats
# native only: it tests the harness itself
# The harness itself: it must not lose a failure.
load helpers

setup() { kist_setup; }
teardown() { kist_teardown; }

tally() { # what tests/tap.awk says about the TAP on stdin, last line
	awk -f "$TOP/tests/tap.awk" | tail -n 1
}

@test "tap: passed, failed and skipped are counted" {
	result=$(printf '%s\n' '# begin a' 1..4 'ok 1 x' 'not ok 2 y' 'ok 3 z # skip why' \
		'not ok 4 # SKIP w' '# exit 1 a' | tally)
	[ "$result" = "1 1 2" ]
}

@test "tap: a test that does not report is a failure" {
	result=$(printf '%s\n' '# begin a' 1..3 'ok 1 x' '# exit 0 a' | tally)
	[ "$result" = "1 1 0" ]
}

@test "tap: a program that ran nothing, or never ended, is a failure" {
	[ "$(printf '%s\n' '# begin a' '# exit 0 a' | tally)" = "0 1 0" ]
	[ "$(printf '%s\n' '# begin a' 1..1 'ok 1 x' '# exit 0 a' '# begin b' | tally)" = "1 1 0" ]
	[ "$(printf '%s\n' '# begin a' 1..1 'ok 1 x' '# exit 139 a' | tally)" = "1 1 0" ]
}

@test "unit.sh: a crash in the middle of a program is a failure" {
	printf '#!/bin/sh\necho 1..2\necho ok 1 - x\nkill -SEGV $$\n' >crash
	chmod +x crash
	run sh -c "'$TOP/tests/unit.sh' ./crash | awk -f '$TOP/tests/tap.awk'"
	[[ $output == *"failed: crash: 1 of 2 tests did not report"*"1 1 0" ]]
}

@test "layering: a sibling and an upward include are found, system headers are not" {
	mkdir -p base ns net
	echo '#include "base/err.h"' >ns/good.c
	echo '#include <net/if.h>' >>ns/good.c
	run "$TOP/tests/layering.sh" .
	[ "$status" -eq 0 ]
	echo '#include "net/link.h"' >ns/bad.c
	run "$TOP/tests/layering.sh" .
	[ "$status" -eq 1 ]
	[[ $output == *"ns/bad.c:1: ns/ must not include net/"* ]]
	rm ns/bad.c
	echo '  #  include "ns/x.h"' >base/bad.h
	run "$TOP/tests/layering.sh" .
	[ "$status" -eq 1 ]
}

@test "helpers: leftovers on the host are seen" {
	need_root
	assert_nothing_left
	cgroup=$(cgroup_mount)/kist-harness-$$
	mkdir "$cgroup" "$T/mounted" "$T/inner"
	mount -t tmpfs none "$T/mounted"
	ip link add kist-h$$ type bridge
	unshare --mount sh -c 'mount --bind "$1" "$2" && exec sleep 1000' - "$T/inner" /tmp &
	child=$!
	wait_until 10 grep -qx sleep /proc/$child/comm
	left=$(host_leftovers)
	umount "$T/mounted"
	rmdir "$cgroup"
	ip link del kist-h$$
	kill $child
	wait $child || true
	echo "$left"
	grep -qx "cgroup $cgroup" <<<"$left"
	grep -q "^mount $T/mounted " <<<"$left"
	grep -qx "link /sys/class/net/kist-h$$" <<<"$left"
	grep -q "^process $child sleep 1000 $" <<<"$left"
}

@test "helpers: a failed test says where, in a function too, and a slow one what it waited for" {
	printf '%s\n' "load '$TOP/tests/integration/helpers'" 'inner() {' '	[[ a == b ]]' '}' \
		'@test "fails" {' '	true' '	inner' '	true' '}' \
		'@test "hangs" {' '	sleep 1000' '}' >x.bats
	BATS_TEST_TIMEOUT=2 run bats --tap x.bats
	[ "$status" = 1 ]
	echo "$output"
	[[ $output == *"not ok 1 fails"*"from function \`inner' in file"*"x.bats, line 3,"*"line 7)"* ]]
	[[ $output == *"not ok 2 hangs # timeout after 2s"*"timed out at: sleep 1000"* ]]
}
