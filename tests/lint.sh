#!/bin/bash
# make lint: layering, file sizes, cppcheck, gcc's analyzer over base/, shellcheck.
cd "$(dirname "$0")/.." || exit 1
status=0
tests/layering.sh || status=1
folders="base cgroup ns net image runtime supervisor cli"
# shellcheck disable=SC2086
find $folders tests -name '*.[ch]' -exec wc -l {} + | awk '$1 > 600 && $2 != "total" {
	print "lint: warning: " $2 ": " $1 " lines, over 600" }'
# It follows neither cleanup attributes nor outputs of other files: gcc and ASan watch those.
if command -v cppcheck >/dev/null; then
	# shellcheck disable=SC2086
	cppcheck --quiet --std=c11 --language=c --enable=warning,portability --inline-suppr \
		--error-exitcode=1 --suppress=missingIncludeSystem --suppress=unknownMacro \
		--suppress={uninitvar,legacyUninitvar,uninitStructMember,memleak,arrayIndexThenCheck} \
		--suppress=normalCheckLevelMaxBranches --suppress=autoVariables -D_GNU_SOURCE -DKIST_VERSION='""' -I. -j2 \
		$folders || status=1
else
	echo "lint: no cppcheck: skipped"
fi
if command -v shellcheck >/dev/null; then
	scripts=$(grep -rlE '^#!(/bin/|/usr/bin/env )(ba)?sh' tests rootfs-fixtures .ci)
	# shellcheck disable=SC2086
	shellcheck -S warning -x $scripts || status=1
else
	echo "lint: no shellcheck: skipped"
fi
[ $status = 0 ] && echo "lint: clean"
exit $status
