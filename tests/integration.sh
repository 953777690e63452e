#!/bin/bash
# Runs the integration suite where it is: natively, or in the test machine when tests/vm/run.sh
# calls it. Prints TAP for tests/tap.awk.
#
#   tests/integration.sh [FILE.bats...]
#
# Natively it's in namespaces of its own (tests/isolated.sh), unless KIST_TEST_ISOLATED is set.
# A file with a line "# native only: REASON" is left out in the test machine (which has no
# compiler and no network, for instance), one with "# vm only: REASON" natively.
cd "$(dirname "$0")/.." || exit 125
if [ -z "${KIST_IN_VM-}${KIST_TEST_ISOLATED-}" ] && [ "$(id -u)" = 0 ]; then
	exec tests/isolated.sh tests/integration.sh "$@"
fi
[ $# -gt 0 ] || set -- tests/integration/*.bats
other='^# vm only: .'
[ -z "${KIST_IN_VM-}" ] || other='^# native only: .'
# The seconds a test may take; TCG is some ten times slower.
export BATS_TEST_TIMEOUT=${BATS_TEST_TIMEOUT:-$((KIST_IN_VM ? 480 : 240))}
worst=0
for file; do
	name=${file##*/}
	if grep -q "$other" "$file"; then
		echo "# left out: $name: $(sed -n "s/$other*/&/p" "$file" | head -n 1)"
		continue
	fi
	echo "# begin $name"
	SECONDS=0
	bats --tap "$file" </dev/null 2>&1
	status=$?
	printf '\n# exit %s %s\n# seconds %s %s\n' "$status" "$name" "$SECONDS" "$name"
	[ "$status" = 0 ] || worst=1
done
exit $worst
