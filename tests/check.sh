#!/bin/bash
# make check: every stage, the seconds of each, and at the end one line
#
#   N passed, N failed, N skipped
#
# summed over all stages. What a stage prints is in build/logs/STAGE.log; failures are shown.
# A stage that ran no test has failed, and so has a test that is skipped natively as well as in
# the test machine. KIST_CHECK_FULL=1 (make check-full): more stages, longer ones.
set -u
cd "$(dirname "$0")/.." || exit 1
logs=build/logs
mkdir -p $logs
exec 3>&1 # a signal's last words are not for a stage's log
passed=0 failed=0 skipped=0
started=$SECONDS

finish() {
	exec >&3
	echo "check: $((SECONDS - started)) seconds, logs in $logs/"
	echo "$passed passed, $failed failed, $skipped skipped"
	[ "$failed" = 0 ]
	exit
}
trap 'failed=$((failed + 1)); echo "check: interrupted" >&3; finish' INT TERM

# count NAME STATUS: adds up what the stage's log says, in TAP.
count() {
	local name=$1 status=$2 tally p f s
	tally=$(awk -v skips="$logs/$name.skipped" -v ran="$logs/$name.ran" -f tests/tap.awk \
		"$logs/$name.log")
	read -r p f s <<<"${tally##*$'\n'}"
	if [ $((p + f + s)) = 0 ]; then
		tally="failed: $name: the stage ran no test"$'\n'$tally
		f=1
	elif [ "$status" != 0 ] && [ "$f" = 0 ]; then
		tally="failed: $name: the stage ended with $status"$'\n'$tally
		f=1
	fi
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
	printf '%-20s %4d s  %d passed, %d failed, %d skipped\n' "$name" "$took" "$p" "$f" "$s"
	if [ "$f" != 0 ]; then
		sed '$d' <<<"$tally"
		# With what they said: the lines after each, up to the next result.
		awk '/^not ok/ && !/# SKIP/ { on = 1 } /^(ok|1\.\.|# begin|# exit)/ { on = 0 } on' \
			"$logs/$name.log" | head -n 200
		[ "$status" = 0 ] || { echo "... $logs/$name.log ends:"; tail -n 15 "$logs/$name.log"; }
	fi
}

# stage NAME CMD...: a command that prints TAP for tests/tap.awk.
stage() {
	local name=$1 begin=$SECONDS status=0
	shift
	rm -f "$logs/$name".{skipped,ran}
	: >"$logs/$name.skipped"
	: >"$logs/$name.ran"
	"$@" </dev/null >"$logs/$name.log" 2>&1 || status=$?
	took=$((SECONDS - begin))
	count "$name" "$status"
	return "$status"
}

# one NAME CMD...: a stage that is a single test, passed when the command succeeds.
one() {
	local name=$1
	shift
	stage "$name" tap_of "$name" "$@"
}
tap_of() {
	local name=$1 status=0
	shift
	printf '# begin %s\n1..1\n' "$name"
	"$@" || status=$?
	[ $status = 0 ] && echo "ok 1 $*" || echo "not ok 1 $*"
	echo "# exit $status $name"
	return $status
}

# kist starts fast because it loads nothing, and kist-systemd because it loads but one library.
links_only() {
	local program=$1 got extra
	shift
	[ -x "$program" ] || { echo "$program was not built"; return 1; }
	got=$(objdump -p "$program" | awk '$1 == "NEEDED" { print $2 }')
	extra=$(grep -vxE "$(IFS='|'; echo "$*")" <<<"$got" | grep .) || return 0
	echo "$program also links:" $extra
	return 1
}

native() {
	KIST_STAGE=native tests/integration.sh
}

# The same names have run in the test machine?
skipped_in_both() {
	local both
	both=$(sort -u $logs/native.skipped |
		comm -23 - <(sort -u $logs/vm.ran $logs/vm-systemd.ran) || true)
	[ -n "$both" ] || return 0
	sed 's/^/skipped in both: /' <<<"$both"
	return 1
}

[ "$(id -u)" = 0 ] || {
	echo "check: needs root (namespaces, mounts, networks): sudo make check"
	failed=1
	finish
}
tests/deps.sh >$logs/deps.log 2>&1 || { tail -n 20 $logs/deps.log; failed=1; finish; }
# Downloads and unpacking go on while the compiler works.
tests/vm/image.sh >$logs/vm-image.log 2>&1 &
# What containers are started through, and what kist is compared with: the suite has no network of
# its own to fetch it with.
{ tests/peers.sh consumers && tests/peers.sh docker-registry skopeo umoci; } >$logs/peers.log 2>&1 &
peers=$!
one build make -j"$(nproc)" build-tests || finish
if [ -n "${KIST_CHECK_FULL-}" ]; then
	one lint tests/lint.sh
	one sweep make --no-print-directory sweep
	one thousand make --no-print-directory thousand
	stage sabotage tests/sabotage.sh
	one powerloss tests/powerloss.sh 200
	stage races make --no-print-directory races
	stage static make -j"$(nproc)" check-static
	stage asan make -j"$(nproc)" asan
	stage fuzz-long make FUZZ_SECONDS="${FUZZ_SECONDS:-120}" fuzz
fi
# The test machine is what takes long: all else runs beside it, and mostly waits, for processes and the
# disk. A hang is told by the tests' own limits, the timeout here is the last one.
wait $peers || echo "check: runc, containerd, docker, podman, docker-registry are not all there: $logs/peers.log"
rm -f $logs/vm.{skipped,ran,status}
: >$logs/vm.skipped
: >$logs/vm.ran
: >$logs/vm-systemd.ran
vm_begin=$SECONDS
(
	status=0
	KIST_VM_TIMEOUT="${KIST_VM_TIMEOUT:-2700}" tests/vm/run.sh tests/integration.sh \
		</dev/null >$logs/vm.log 2>&1 || status=$?
	echo $status $((SECONDS - vm_begin)) >$logs/vm.status
) &
vm=$!
one layering tests/layering.sh
one ldd links_only build/kist ''
one ldd-systemd links_only build/kist-systemd 'libc\.so\.6'
stage unit make --no-print-directory -s unit-tap
[ -n "${KIST_CHECK_FULL-}" ] || stage sabotage tests/sabotage.sh --quick
stage native native
stage fuzz make -j"$(nproc)" fuzz
stage asan-short make -j"$(nproc)" asan-short
wait $vm
read -r vm_status took <$logs/vm.status || vm_status=125 took=$((SECONDS - vm_begin))
count vm "$vm_status"
# The same machine with systemd as its init, for the files that are about it.
KIST_VM_TIMEOUT=1200 KIST_VM_LOG=$PWD/$logs/vm-systemd-console.log \
	stage vm-systemd tests/vm/run.sh --systemd tests/integration.sh
one both skipped_in_both
finish
