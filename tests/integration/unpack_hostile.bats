#!/usr/bin/env bats
# Hostile layers by the thousand, made and unpacked in one process (tests/tools/unpack-driver.c): a
# victim beside the layer's folder must stay as it is. The named cases are image.bats's.
load helpers

setup() {
	kist_setup
	need_root
	DRIVER=${KIST_BUILD:-$TOP/build}/tests/tools/unpack-driver
	[ -x "$DRIVER" ]
	FULL=${KIST_CHECK_FULL-}
}
teardown() { kist_teardown; }

@test "every kind of link, every path through it, every entry: nothing outside changes, nothing is hidden" {
	local stride=11
	[ -z "$FULL" ] || stride=1
	mkdir "$T/w"
	run "$DRIVER" links "$T/w" $stride
	echo "$output"
	[ "$status" -eq 0 ]
	[[ $output == *" layers, 4 times each: "*" refused, "*" contained" ]]
}

@test "entries without number: little memory, and an end" {
	mkdir "$T/w"
	run "$DRIVER" entries "$T/w" 30000
	echo "$output"
	[ "$status" -eq 0 ]
	[[ $output =~ ^30000\ entries,\ ([0-9]+)\ KiB:\ unpacked$ ]]
	[ -n "${KIST_SANITIZED-}" ] || [ "${BASH_REMATCH[1]}" -lt 65536 ]
	[ -n "$FULL" ] || return 0
	rm -rf "$T/w"
	mkdir "$T/w"
	run "$DRIVER" entries "$T/w" 10000001
	echo "$output"
	[ "$status" -eq 1 ]
	[[ $output =~ ,\ ([0-9]+)\ KiB:\ .*more\ than\ 10000000\ entries ]]
	[ -n "${KIST_SANITIZED-}" ] || [ "${BASH_REMATCH[1]}" -lt 65536 ]
}
