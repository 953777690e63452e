#!/bin/bash
# Runs the integration suite where it is: natively, or in the test machine when tests/vm/run.sh
# calls it. Prints TAP for tests/tap.awk, a file's when the file has ended.
#
#   tests/integration.sh [FILE.bats...]
#   tests/integration.sh --list [FILE.bats...]     only says what it would run, and in which order
#
# As root each file is in namespaces of its own (tests/isolated.sh), so KIST_TEST_JOBS of them
# run at once (as many as there are processors). A file with a line "# native only: REASON" is
# left out in the test machine (which has no compiler and no network, for instance), one with
# "# vm only: REASON" natively. "# systemd only: REASON" is for the test machine with systemd as init
# (tests/vm/run.sh --systemd tests/integration.sh), which runs those alone unless FILEs are named;
# there they are not isolated, since a namespace of its own would hide the machine's systemd. So do
# files with "# two processors: REASON": other test machines have one, and run them too.
#
# In a test machine whose KIST_TEST_QUEUE is set the files are not its own to choose: it asks for one
# after the other (tests/vm/run.sh), and other machines get the rest.
cd "$(dirname "$0")/.." || exit 125

one() {
	local file=$1 name=${1##*/} isolated=tests/isolated.sh output status
	output=$(mktemp)
	[ "$(id -u)" = 0 ] && [ -z "${KIST_TEST_ISOLATED-}" ] || isolated=
	[ -z "${KIST_IN_SYSTEMD-}" ] || ! grep -q '^# systemd only: ' "$file" || isolated=
	SECONDS=0
	$isolated bats --tap "$file" </dev/null >"$output" 2>&1 7<&- 8<&-
	status=$?
	{
		flock 9
		echo "# begin $name"
		cat "$output"
		printf '\n# exit %s %s\n# seconds %s %s\n' "$status" "$name" "$SECONDS" "$name"
	} 9<"$0"
	rm -f "$output"
	[ "$status" = 0 ]
}

# The longest files first, so that none is left to run alone at the end: by what they took in the
# test machine once (tests/vm/seconds), new ones by their size.
longest_first() {
	local file
	for file; do
		echo "$(stat -c %s "$file") $file ${file##*/}"
	done | awk 'FILENAME != "-" { seconds[$1] = $2; next }
		{ print ($3 in seconds ? seconds[$3] : $1 / 100), $2 }' tests/vm/seconds - |
		sort -k1,1rn -k2 | cut -d ' ' -f 2-
}

list=
[ "${1-}" != --list ] || { list=1; shift; }
if [ $# = 0 ]; then
	set -- tests/integration/*.bats
	# shellcheck disable=SC2046 # a list of words
	[ -z "${KIST_IN_SYSTEMD-}" ] || set -- $(grep -lE '^# (systemd only|two processors): ' "$@")
fi
other='^# \(vm\|systemd\) only: '
[ -z "${KIST_IN_VM-}" ] || other='^# \(native\|systemd\) only: '
if [ -n "${KIST_IN_SYSTEMD-}" ]; then
	other='^# native only: '
	KIST_TEST_JOBS=${KIST_TEST_JOBS:-1}
fi
# Debian's own programs, as in the test machine: a python3 in front of it may take a second to start.
[ -n "${KIST_IN_VM-}" ] || export PATH=/usr/sbin:/usr/bin:/sbin:/bin:$PATH
# The seconds a test may take; TCG is some ten times slower.
export BATS_TEST_TIMEOUT=${BATS_TEST_TIMEOUT:-$((KIST_IN_VM ? 480 : 240))}
chosen() {
	longest_first "$@" | while read -r file; do
		if grep -q "$other" "$file"; then
			echo "# left out: ${file##*/}: $(sed -n "s/$other//p" "$file" | head -n 1)" >&2
		else
			echo "$file"
		fi
	done
}
if [ -n "$list" ]; then
	chosen "$@"
	exit
fi

# Workers take a file each when they have done the last: from here, or from the host.
if [ -n "${KIST_TEST_QUEUE-}" ]; then
	port=$(grep -lx queue /sys/class/virtio-ports/*/name) || { echo "no queue here" >&2; exit 125; }
	port=${port%/name}
	exec 7<>"/dev/${port##*/}" || exit 125
	ask() { echo next >&7; }
else
	exec 7< <(chosen "$@")
	ask() { :; }
fi
exec 8<"$0"
next() {
	flock 8
	ask
	read -r file <&7
	local status=$?
	flock -u 8
	[ $status = 0 ] && [ -n "$file" ]
}
worker() {
	local worst=0 file
	# Not another worker's lock.
	exec 8<"$0"
	while next; do
		one "$file" || worst=1
	done
	return $worst
}
status=0 workers=()
for ((i = 0; i < ${KIST_TEST_JOBS:-$(nproc)}; i++)); do
	worker "$@" &
	workers+=($!)
done
for pid in "${workers[@]}"; do
	wait "$pid" || status=1
done
exit $status
