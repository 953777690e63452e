#!/bin/bash
# make check: every stage, the seconds of each, and at the end one line
#
#   N passed, N failed, N skipped
#
# summed over all stages. What a stage prints is in build/logs/STAGE.log; failures are shown.
# A stage that ran no test has failed, and so has a test that is skipped natively as well as in
# the test machine. KIST_CHECK_FULL=1 (make check-full): more stages, longer ones.
set -u
[ -z "${KIST_CHECK_FULL-}" ] || export KIST_SWEEP_STEP=1
cd "$(dirname "$0")/.." || exit 1
logs=build/logs
mkdir -p $logs
exec 3>&1 # a signal's last words are not for a stage's log
passed=0 failed=0 skipped=0
started=$SECONDS

machines=()
finish() {
	exec >&3
	[ ${#machines[@]} = 0 ] || kill "${machines[@]}" 2>/dev/null
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

# stage NAME CMD...: a command that prints TAP for tests/tap.awk. What takes minutes says so before.
stage() {
	local name=$1 begin=$SECONDS status=0
	shift
	case $name$* in
	native* | asan[^-]* | races* | fuzz-long* | vm-systemd* | *tests/sabotage.sh)
		echo "$name: begins, takes minutes: $logs/$name.log grows" ;;
	esac
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

# The test machines have one processor each, and share the files of the suite: each asks for the next
# when it has done one, so that all end together (tests/vm/run.sh).
machine() {
	local name=vm-$((${#machines[@]} + 1))
	rm -f "$logs/$name".*
	(
		begin=$SECONDS status=0 run=''
		trap 'kill $run; wait $run; exit' TERM
		KIST_VM_TIMEOUT="${KIST_VM_TIMEOUT:-2700}" KIST_VM_QUEUE=$PWD/$logs/vm.queue \
			KIST_VM_LOG=$PWD/$logs/vm-console-${name#vm-}.log tests/vm/run.sh tests/integration.sh \
			</dev/null >"$logs/$name.log" 2>&1 &
		run=$!
		wait $run || status=$?
		echo $status $((SECONDS - begin)) >"$logs/$name.status"
	) &
	machines+=($!)
}

# As many as there are processors, less what runs beside them; each may take its 2 GiB, and some.
more_machines() { # BESIDE
	local n=$(($(nproc) - $1)) room
	room=$(awk '/^MemAvailable:/ { print int($2 / 2800000) }' /proc/meminfo)
	[ "$room" -ge "$n" ] || n=$room
	[ "$n" -le 6 ] || n=6
	[ ${#machines[@]} != 0 ] || machine
	while [ ${#machines[@]} -lt "$n" ] && [ -s $logs/vm.queue ]; do
		machine
	done
}

wait_for_machines() {
	local i began=$SECONDS
	for i in "${!machines[@]}"; do
		while kill -0 "${machines[i]}" 2>/dev/null; do
			sleep 1
			(((SECONDS - began) % 60)) || echo "vm: $(cat $logs/vm-[0-9]*.log | grep -c '^# exit ')" \
				"of $(wc -l <$logs/vm.files) files are done"
		done
	done
	for i in "${!machines[@]}"; do
		vm_status=125 took=0
		read -r vm_status took <"$logs/vm-$((i + 1)).status"
		count "vm-$((i + 1))" "$vm_status"
	done
	machines=()
	cat $logs/vm-[0-9]*.log $logs/vm-systemd.log | sed -n 's/^# seconds \([0-9]*\) \(.*\)/\2 \1/p' |
		sort >$logs/vm.seconds
}

# Each file was given to one machine, and came back.
each_file_ran() {
	local lost
	lost=$(sed 's,.*/,,' $logs/vm.files | sort |
		diff - <(sed -n 's/^# exit [0-9]* //p' $logs/vm-[0-9]*.log | sort))
	[ -n "$lost" ] || return 0
	echo "files of the suite (<) against those that ended in a test machine (>):"
	echo "$lost"
	return 1
}

# The same names have run in a test machine?
skipped_in_both() {
	local both
	both=$(sort -u $logs/native.skipped | comm -23 - <(sort -u $logs/vm-*.ran) || true)
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
{ tests/peers.sh consumers && tests/peers.sh docker-registry skopeo umoci passt:passt slirp4netns; } >$logs/peers.log 2>&1 &
peers=$!
one build make -j"$(nproc)" build-tests || finish
if [ -n "${KIST_CHECK_FULL-}" ]; then
	one lint tests/lint.sh
	one sweep make --no-print-directory sweep
	one thousand make --no-print-directory thousand
	stage sabotage tests/sabotage.sh
	one powerloss tests/powerloss.sh 200
	one flood make --no-print-directory flood
	one sweep-store tests/sweep-store.sh --every 5
	one sweep-store-kill tests/sweep-store.sh --kill --every 5 load pull import rm prune
	stage races make --no-print-directory races
	stage static make -j"$(nproc)" check-static
	stage asan make -j"$(nproc)" asan
	stage fuzz-long make FUZZ_SECONDS="${FUZZ_SECONDS:-120}" fuzz
fi
# The test machines are what takes long: all else runs beside one of them. A hang is told by the
# tests' own limits, the timeout of a machine is the last one.
wait $peers || echo "check: runc, containerd, docker, podman, docker-registry are not all there: $logs/peers.log"
rm -f $logs/vm-[0-9]* $logs/vm.*
KIST_IN_VM=1 tests/integration.sh --list >$logs/vm.files 2>/dev/null
cp $logs/vm.files $logs/vm.queue
more_machines 1
one layering tests/layering.sh
one sabotage-fits tests/sabotage.sh --fits
one static-fits make --no-print-directory static-fits
one ldd links_only build/kist ''
one ldd-dns links_only build/kist-dns ''
one ldd-systemd links_only build/kist-systemd 'libc\.so\.6'
stage unit make --no-print-directory -s unit-tap
[ -n "${KIST_CHECK_FULL-}" ] || stage sabotage tests/sabotage.sh --quick
stage native native
stage fuzz make -j"$(nproc)" fuzz
stage asan-short make -j"$(nproc)" asan-short
# One with systemd as its init, for the files that are about it.
KIST_VM_TIMEOUT=1200 KIST_VM_LOG=$PWD/$logs/vm-console-systemd.log \
	stage vm-systemd tests/vm/run.sh --systemd tests/integration.sh
more_machines 0
wait_for_machines
one each-file each_file_ran
one both skipped_in_both
finish
