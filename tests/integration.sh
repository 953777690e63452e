#!/bin/bash
# Runs the integration suite where it is: natively, or in the test machine when tests/vm/run.sh
# calls it. Prints TAP for tests/tap.awk, a file's when the file has ended.
#
#   tests/integration.sh [FILE.bats...]
#
# As root each file is in namespaces of its own (tests/isolated.sh), so KIST_TEST_JOBS of them
# run at once (as many as there are processors). A file with a line "# native only: REASON" is
# left out in the test machine (which has no compiler and no network, for instance), one with
# "# vm only: REASON" natively. "# systemd only: REASON" is for the test machine with systemd as init
# (tests/vm/run.sh --systemd tests/integration.sh), which runs those alone unless FILEs are named;
# there nothing is isolated, since a namespace of its own would hide the machine's systemd.
cd "$(dirname "$0")/.." || exit 125

if [ "${1-}" = --one ]; then
	file=$2 name=${2##*/}
	output=$(mktemp)
	isolated=tests/isolated.sh
	[ "$(id -u)" = 0 ] && [ -z "${KIST_TEST_ISOLATED-}${KIST_IN_SYSTEMD-}" ] || isolated=
	SECONDS=0
	$isolated bats --tap "$file" </dev/null >"$output" 2>&1
	status=$?
	{
		flock 9
		echo "# begin $name"
		cat "$output"
		printf '\n# exit %s %s\n# seconds %s %s\n' "$status" "$name" "$SECONDS" "$name"
	} 9<"$0"
	rm -f "$output"
	[ "$status" = 0 ]
	exit
fi

if [ $# = 0 ]; then
	set -- tests/integration/*.bats
	# shellcheck disable=SC2046 # a list of words
	[ -z "${KIST_IN_SYSTEMD-}" ] || set -- $(grep -l '^# systemd only: ' "$@")
fi
other='^# \(vm\|systemd\) only: '
[ -z "${KIST_IN_VM-}" ] || other='^# \(native\|systemd\) only: '
if [ -n "${KIST_IN_SYSTEMD-}" ]; then
	other='^# native only: '
	KIST_TEST_JOBS=${KIST_TEST_JOBS:-1}
fi
# The seconds a test may take; TCG is some ten times slower.
export BATS_TEST_TIMEOUT=${BATS_TEST_TIMEOUT:-$((KIST_IN_VM ? 480 : 240))}
# The longest files first, so that none is left to run alone at the end.
wc -c "$@" | sort -rn | awk '$2 != "total" { print $2 }' | while read -r file; do
	if grep -q "$other" "$file"; then
		echo "# left out: ${file##*/}: $(sed -n "s/$other//p" "$file" | head -n 1)" >&2
	else
		echo "$file"
	fi
done | xargs -P "${KIST_TEST_JOBS:-$(nproc)}" -n 1 "$0" --one
