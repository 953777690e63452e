#!/bin/sh
# Runs unit test programs, one after the other, and prints TAP for tests/tap.awk.
#
#   tests/unit.sh PROGRAM...
export CMOCKA_MESSAGE_OUTPUT=TAP
worst=0
for program; do
	name=${program##*/}
	echo "# begin $name"
	timeout --kill-after=5 300 "$program" </dev/null 2>&1
	status=$?
	# A program that died in the middle of a line must not take the marker with it.
	printf '\n# exit %s %s\n' "$status" "$name"
	[ "$status" = 0 ] || worst=1
done
exit $worst
