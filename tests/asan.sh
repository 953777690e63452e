#!/bin/bash
# make asan: the unit tests and the integration suite with programs built with ASan, UBSan and
# LSan. TAP for tests/tap.awk.
#
#   tests/asan.sh BUILD_FOLDER
cd "$(dirname "$0")/.." || exit 1
build=$1
export ASAN_OPTIONS=detect_leaks=1:abort_on_error=0:exitcode=99
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
status=0
# shellcheck disable=SC2046 # names without blanks
tests/unit.sh $(find "$build/tests/unit" -name "test_*" -type f -perm -u+x | sort) || status=1
if [ "$(id -u)" = 0 ] && [ -x "$build/kist" ]; then
	# LSan stops the world with ptrace, which a pid namespace's first process forbids.
	KIST=$PWD/$build/kist ASAN_OPTIONS=$ASAN_OPTIONS:detect_leaks=0 tests/integration.sh || status=1
fi
exit $status
