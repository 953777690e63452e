#!/usr/bin/env bats
# native only: hundreds of system calls, each with a tracer, take too long under emulation
# A job whose kist or monitor is killed at any system call; gc beside one at any moment of its life.

bats_require_minimum_version 1.5.0
load helpers
load runtime
load job

setup() {
	job_setup
	SEED=${KIST_SWEEP_SEED:-$(date +%j)}
}
teardown() {
	kist job gc >/dev/null 2>&1 || true
	runtime_teardown
}

# All of them: make sweep.
@test "killed at any system call: job gc leaves nothing, no result is half or false" {
	echo "seed $SEED"
	run -0 "$TOP/tests/sweep-jobs.sh" --who both --sample 2 --seed "$SEED"
	run -0 "$TOP/tests/sweep-jobs.sh" --detach --who acting --sample 3 --seed "$SEED"
	[ "${lines[-1]}" = "points 3, leaks 0, hangs 0" ]
}

@test "the sweep sees what job gc would leave" {
	# A kist whose gc does nothing.
	printf '#!/bin/sh\n[ "$4" != gc ] || exit 0\nexec "%s" "$@"\n' "$KIST" >"$T/kist"
	chmod 755 "$T/kist"
	RUNTIME=$T/kist run -1 "$TOP/tests/sweep-jobs.sh" --from 200 --sample 1 --seed "$SEED"
	[[ $output == *"job gc: "* ]]
}

@test "killed as it writes its result: no unfinished file stays" {
	"$TOP/tests/tools/build.sh" killat >/dev/null
	RESULT=$T/results/result.json
	mkdir "$T/results"
	fatal() { "$TOP/build/tools/killat" kill "$@" --timeout 60 -o "$T/hits" -- "$KIST" --root "$ROOT" job run --id "$ID" --result "$RESULT" "$ROOTFS" true; }
	# A new one has no other name at any time.
	run -137 fatal 'linkat:1'
	[ -z "$(ls -A "$T/results")" ]
	run -137 fatal 'linkat:1' --exit
	[ "$(ls -A "$T/results")" = result.json ]
	record '.reason == "exit"'
	# Over one that was there: whole, the old or the new one; the next takes away what is left.
	run -137 fatal 'linkat:2' --exit
	record '.reason == "exit"'
	[ "$(ls -A "$T/results" | xargs)" = ".result.json.tmp result.json" ]
	run -3 job "$ROOTFS" -- sh -c 'exit 3'
	record '.status == 3'
	[ "$(ls -A "$T/results")" = result.json ]
	kist job gc
	assert_nothing_left
}

# gc_beside EVERY CMD...: gc runs at each EVERY-th system call of all that CMD starts, while they stand still.
gc_beside() {
	local every=$1
	shift
	[ -z "${KIST_CHECK_FULL-}" ] || every=1
	"$TOP/build/tools/killat" pause 1 "[ \$((KILLAT_INDEX % $every)) != $((SEED % every)) ] ||
		'$KIST' --root '$ROOT' job gc >>'$T/said' 2>&1" --each --timeout 200 -o "$T/hits" -- "$@"
	[ "$(wc -l <"$T/hits")" -gt 300 ]
}

@test "job gc at any moment of a job's life leaves it alone" {
	[ -z "${KIST_COVERAGE-}" ] || skip "who stands still may hold the file of all counters"
	"$TOP/tests/tools/build.sh" killat >/dev/null
	: >"$T/said"
	gc_beside 71 "$KIST" --root "$ROOT" job run --id "$ID" --result "$RESULT" --workspace 1m --collect x \
		--collect-to "$T" "$ROOTFS" -- sh -c 'echo x >x; exit 3' || [ $? -eq 3 ]
	record '.reason == "exit" and .status == 3 and .collected.files == 1'
	[ ! -s "$T/said" ] || { cat "$T/said"; false; }
	# A detached one is gone from the moment when its result is there.
	gc_beside 71 "$KIST" --root "$ROOT" job run --detach --id "$ID" --result "$RESULT" "$ROOTFS" -- sh -c 'exit 4'
	record '.reason == "exit" and .status == 4'
	[ ! -s "$T/said" ] || [ "$(cat "$T/said")" = "$ID" ]
	kist job gc
	assert_nothing_left
}
