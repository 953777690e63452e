#!/bin/bash
# make asan: the unit tests and the native integration suite with programs built with ASan, UBSan
# and LSan. TAP for tests/tap.awk. --short: fewer integration files. FILE.bats...: these alone.
#
#   tests/asan.sh [--short] BUILD_FOLDER [FILE.bats...]
#
# Reports are gathered in BUILD_FOLDER/reports by tests/tools/sanitized.c: one is a failure even
# when the test that caused it never looked.
cd "$(dirname "$0")/.." || exit 1
short=
[ "$1" != --short ] || { short=1; shift; }
build=$PWD/$1
shift
[ -z "$short" ] || set -- tests/integration/{container,exec,job,ns_hostile}.bats
rm -f "$build/reports"
# Of the size sanitized.c maps; users without rights run kist too.
truncate -s 1M "$build/reports" && chmod 666 "$build/reports" || exit 1
status=0
# Simulators that run for minutes here are for the long form.
slow=${short:+test_seccomp_*}
# shellcheck disable=SC2046 # names without blanks
[ $# != 0 ] && [ -z "$short" ] ||
	tests/unit.sh $(find "$build/tests/unit" -name "test_*" ! -name "${slow:-none}" -type f \
		-perm -u+x | sort) || status=1
# Ten times as slow at times, so tests have more of it.
BATS_TEST_TIMEOUT=480 KIST_BUILD=$build KIST_SANITIZED=1 tests/integration.sh "$@" || status=1

# A container's process runs a copy of kist that no longer has a name.
with_names() {
	local line
	while IFS= read -r line; do
		[[ ! $line =~ \(/memfd:kist.*\+(0x[0-9a-f]+)\) ]] ||
			line+=" $(addr2line -f -s -e "$build/kist" "${BASH_REMATCH[1]}" | tr '\n' ' ')"
		echo "# $line"
	done
}
printf '# begin sanitizers\n1..1\n'
reports=$(tr -d '\0' <"$build/reports")
if grep -qE 'ERROR: |runtime error: |SUMMARY: ' <<<"$reports"; then
	echo "not ok 1 - no reports"
	head -n 500 <<<"$reports" | with_names
	status=1
else
	echo "ok 1 - no reports"
fi
echo "# exit $status sanitizers"
exit $status
