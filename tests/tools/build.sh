#!/bin/sh
# build.sh - builds the tools of tests/tools into build/tools, static, with plain cc.
#
# usage: build.sh [TOOL]...      (default: all)
#
# TOOL.c says how in one line: "Build:  cc FLAGS -o TOOL SOURCES LIBS". A tool younger than
# everything here is left alone. Prints the folder.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=$(cd "$here/../.." && pwd)/build/tools
mkdir -p "$out"
cd "$here"
if [ $# -eq 0 ]; then
	# shellcheck disable=SC2046 # names without blanks
	set -- $(grep -l '^ \* Build:' -- *.c | sed 's/\.c$//')
fi
for tool do
	if [ -x "$out/$tool" ] && [ -z "$(find . -newer "$out/$tool" -name '*.[ch]')" ]; then
		continue
	fi
	arguments=$(sed -n "s/^ \* Build:  *cc \(.*\) -o $tool /\1 /p" "$tool.c")
	[ -n "$arguments" ] || { echo "build.sh: $tool.c has no Build: line" >&2; exit 1; }
	# Renamed into place: two tests may build at once.
	# shellcheck disable=SC2086
	${CC:-cc} -std=gnu17 -D_GNU_SOURCE -Wall -Wextra -Wshadow -o "$out/$tool.$$" $arguments
	mv "$out/$tool.$$" "$out/$tool"
done
echo "$out"
