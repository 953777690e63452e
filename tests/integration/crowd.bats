#!/usr/bin/env bats
# Many kists at once, and one that has too little of something: one winner, all done or a line that
# native only: hundreds of starts at once take too long under emulation
# says why, nothing left.

bats_require_minimum_version 1.5.0
load helpers
load runtime
load ../lib/posture

setup() {
	need_root
	kist_setup
	ID=${T##*.}
	mkdir "$T/b"
	cd "$T/b"
	posture_rootfs rootfs "$T/data" "$TOP/build/tools"
	kist spec
	edit_bundle . "$posture_config" --arg data "$T/data"
	# The test machine is ten times slower.
	MANY=100 WORKERS=12 STEPS=1
	[ -z "${KIST_IN_VM-}" ] || MANY=20 WORKERS=4 STEPS=6
}
teardown() { runtime_teardown; }

# at_once N CMD...: N of it at the same time, {} being 1 to N; what each says is in $T/said/N, and how it
# ended in $T/ended.
at_once() {
	local count=$1
	shift
	rm -rf "$T/said"
	mkdir "$T/said"
	# shellcheck disable=SC2016 # for the inner shell
	seq "$count" | ROOT=$ROOT KIST=$KIST SAID=$T/said xargs -P "$count" -I{} sh -c '
		"$KIST" --root "$ROOT" "$@" </dev/null >"$SAID/{}" 2>&1; echo $?' sh "$@" >"$T/ended"
	[ "$(wc -l <"$T/ended")" = "$count" ]
}
ended() { # STATUS: how many ended so
	grep -cx "$1" "$T/ended" || true
}
all_ended() { # STATUS
	[ "$(ended "$1")" = "$(wc -l <"$T/ended")" ] || { sort "$T/ended" | uniq -c; cat "$T/said"/* | sort | uniq -c; return 1; }
}

@test "many creates of one id: one container, the others are told that it exists" {
	at_once $MANY create "$ID"
	[ "$(ended 0)" = 1 ] && [ "$(ended 1)" = $((MANY - 1)) ] || all_ended 1
	[ "$(cat "$T/said"/* | sort -u)" = "kist: cannot create $ID: container with given ID already exists" ] ||
		{ sort -u "$T/said"/*; return 1; }
	[ "$(state_of "$ID")" = created ]
	# The same of those who start it, and of those who delete it.
	at_once $MANY start "$ID"
	[ "$(ended 0)" = 1 ] || all_ended 1
	[ "$(state_of "$ID")" = running ]
	at_once $MANY delete --force "$ID"
	all_ended 0
	assert_nothing_left
}

@test "many ids: each is made, started, listed, killed and deleted" {
	at_once $MANY create "$ID-{}"
	all_ended 0
	at_once $MANY start "$ID-{}"
	all_ended 0
	[ "$(kist list -q | wc -l)" = $MANY ]
	[ "$(kist list | grep -c ' running ')" = $MANY ]
	at_once $MANY kill "$ID-{}" KILL
	all_ended 0
	for ((i = 1; i <= MANY; i++)); do
		wait_until 10 is_in_state "$ID-$i" stopped
	done
	at_once $MANY delete "$ID-{}"
	all_ended 0
	assert_nothing_left
}

@test "everything at once on few ids: nobody hangs or crashes, and nothing is left" {
	cat >"$T/mix" <<-'END'
	# What is refused is refused in a line; 137 and the like would be a crash.
	do_() {
		status=0
		timeout 60 "$KIST" --root "$ROOT" "$@" </dev/null >/dev/null 2>"$SAID/err-$n" || status=$?
		[ $status -le 1 ] && [ "$(grep -c '^kist: ' "$SAID/err-$n")" = $status ] ||
			{ echo "$*: status $status: $(cat "$SAID/err-$n")"; exit 9; }
	}
	n=$1 id=$ID-$(($1 % 3))
	for round in 1 2 3 4; do
		do_ create --bundle "$PWD" $id
		do_ state $id
		do_ start $id
		do_ list
		do_ kill $id KILL
		do_ ps $id
		do_ delete $id
		[ $((n % 5)) -ne 0 ] || do_ delete --force $id
	done
	END
	mkdir "$T/said"
	export ROOT KIST ID SAID=$T/said
	run xargs -P $WORKERS -I{} sh "$T/mix" {} < <(seq $WORKERS)
	[ "$status" = 0 ] || { echo "$output"; return 1; }
	for n in 0 1 2; do
		kist delete --force "$ID-$n"
	done
	assert_nothing_left
}

# A ladder of limits: `kist run` either runs the program, which then sees what it sees without one, or
# says in a line what it lacks. Both must come.
ladder() { # PRLIMIT-OPTION FROM TO STEP
	local option=$1 limit refused=0 same=0 runs=0 normal
	normal=$(posture_normal "$ID-[0-9]+")
	edit_bundle . '.process.args += ["once"] | del(.process.rlimits)'
	kist run "$ID-0" </dev/null >"$T/raw" 2>"$T/err"
	sed -E "$normal" "$T/raw" | grep -v '^limit [79] ' >"$T/reference"
	for ((limit = $2; limit <= $3; limit += $4)); do
		runs=$((runs + 1)) status=0 output=
		prlimit "--$option=$limit" "$KIST" --root "$ROOT" run "$ID-$runs" \
			</dev/null >"$T/raw" 2>"$T/err" || status=$?
		stderr=$(<"$T/err")
		has_no_state
		if [ "$status" = 0 ]; then
			same=$((same + 1))
			diff "$T/reference" <(sed -E "$normal" "$T/raw" | grep -v '^limit [79] ') || { echo "with $limit"; return 1; }
		elif [ "$status" = 127 ] && [[ $stderr != "kist: "* ]]; then # the loader's own words
			refused=$((refused + 1))
		elif [ "$status" = 139 ] && [ "$same" = 0 ] && [ -z "$stderr" ]; then
			: # no room for the program itself: the kernel's word, not kist's
		else
			[ ! -s "$T/raw" ] || { echo "with $limit: it ran, and: $stderr"; return 1; }
			is_one_line 1 || { echo "with $limit"; return 1; }
			refused=$((refused + 1))
		fi
	done
	echo "$option: $refused refused, $same the same"
	[ "$refused" -gt 0 ] && [ "$same" -gt 0 ]
	assert_nothing_left
}

@test "4 to 64 file descriptors: it runs, or says that they are too few" {
	ladder nofile 4 64 $STEPS
}

@test "little memory: it runs, or says that it is too little" {
	[ -z "${KIST_SANITIZED-}" ] || skip "a sanitizer needs more memory than that"
	ladder as 2000000 24000000 $((STEPS * 250000))
}

@test "a kist that stands still in the middle of create: others see it, and are not held for ever" {
	printf '#!/bin/sh\nkill -STOP $PPID\n' >"$T/stop"
	chmod 755 "$T/stop"
	edit_bundle . '.hooks.createRuntime = [{"path": $p}]' --arg p "$T/stop"
	"$KIST" --root "$ROOT" create "$ID" </dev/null >"$T/out" 2>&1 3>&- &
	maker=$!
	wait_until 10 grep -qs '^State:.T' "/proc/$maker/status"
	[ "$(state_of "$ID")" = creating ]
	kist list | grep -q "^$ID "
	refused_at=$SECONDS
	run --separate-stderr kist delete --force "$ID"
	is_one_line 1 'another kist is at work on this container'
	[ $((SECONDS - refused_at)) -lt 60 ]
	kill -CONT $maker
	wait $maker
	[ "$(state_of "$ID")" = created ]
	kist delete --force "$ID"
	assert_nothing_left
}

@test "a state folder with no room: it runs, or says so and leaves nothing" {
	local refused=0 same=0 option
	edit_bundle . '.process.args += ["once"]'
	mkdir "$T/small"
	ROOT=$T/small/state
	for option in nr_inodes={2..9} size={4..32..4}k; do
		mount -t tmpfs -o "$option" tmpfs "$T/small"
		run --separate-stderr kist run "$ID-${option#*=}"
		if [ "$status" = 0 ]; then
			same=$((same + 1))
			[ "${lines[-1]}" = end ]
		else
			refused=$((refused + 1))
			is_one_line 1 'No space left on device' || { echo "with $option"; umount "$T/small"; return 1; }
		fi
		has_no_state || { umount "$T/small"; return 1; }
		umount "$T/small"
	done
	echo "$refused refused, $same the same"
	[ "$refused" -gt 3 ] && [ "$same" -gt 0 ]
	assert_nothing_left
}
