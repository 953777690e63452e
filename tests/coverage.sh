#!/bin/bash
# make coverage: what the unit tests and the native integration suite reach, by clang's own counting.
#
#   tests/coverage.sh BUILD_FOLDER [--add] [FILE.bats... | --unit | --report]
#
# --unit: no integration file; --report: runs nothing, says it again; --add: to what was counted before.
# BUILD_FOLDER/coverage.txt gets each file's lines and branches, missed.txt each missed branch of the
# set-up path, html/ the whole of it. A test that fails under it is told, and is no failure of this:
# whether tests pass is for make check to say. But it fails when a branch of the set-up path is
# missed that tests/coverage.exceptions has no reason for, or more than 10 % of all lines.
cd "$(dirname "$0")/.." || exit 1
build=$PWD/$1
shift
add=
[ "${1-}" != --add ] || { add=1; shift; }
if [ "${1-}" != --report ]; then
	[ -n "$add" ] || rm -rf "$build/profiles"
	mkdir -p "$build/profiles"
	chmod 777 "$build/profiles"
	# Made before users without rights need them.
	for program in kist kist-image kist-systemd kist-dns kist-monitor; do
		"$build/$program" --help >/dev/null 2>&1 || true
	done
	chmod 666 "$build"/profiles/*
	{
		# shellcheck disable=SC2046 # names without blanks
		tests/unit.sh $(find "$build/tests/unit" -name "test_*" -type f -perm -u+x | sort)
		if [ "${1-}" != --unit ]; then
			chmod 666 "$build"/profiles/*
			BATS_TEST_TIMEOUT=480 KIST_BUILD=$build KIST_COVERAGE=1 tests/integration.sh "$@"
		fi
	} >"$build/tests.log" 2>&1
	awk -f tests/tap.awk "$build/tests.log" | sed '$s/^/passed, failed, skipped: /'
fi
llvm-profdata merge -sparse "$build"/profiles/*.profraw -o "$build/profile" || exit 1
llvm-cov export -format=lcov -instr-profile "$build/profile" "$build/kist" \
	-object "$build/kist-image" -object "$build/kist-systemd" -object "$build/kist-dns" -object "$build/kist-monitor" >"$build/coverage.info" || exit 1
llvm-cov show -format=html -show-branches=count -output-dir "$build/html" \
	-instr-profile "$build/profile" "$build/kist" -object "$build/kist-image" -object "$build/kist-systemd" -object "$build/kist-dns" -object "$build/kist-monitor" >/dev/null
gate=0
case ${1-} in "" | --report) gate=1 ;; esac
: >"$build/missed.txt"
awk -v top="$PWD/" -v missed="$build/missed.txt" -v exceptions=tests/coverage.exceptions -v gate=$gate \
	-f tests/coverage.awk "$build/coverage.info" >"$build/coverage.txt"
status=$?
sed -n '/^the set-up path/,$p' "$build/coverage.txt"
cat "$build/missed.txt"
exit $status
