#!/bin/sh
# Runs fuzz targets, and prints TAP for tests/tap.awk. FUZZ_RUNS=N runs each (20000), or
# FUZZ_SECONDS=N. New inputs are kept in build/corpus/TARGET; seeds are tests/fuzz/corpus/TARGET.
#
#   tests/fuzz.sh PROGRAM...
cd "$(dirname "$0")/.." || exit 2
[ $# -gt 0 ] || { echo "fuzz: no target in tests/fuzz"; exit 0; }
# A slow target, or a busy machine, must not take the whole check: the time is capped too.
limit="-runs=${FUZZ_RUNS:-20000} -max_total_time=${FUZZ_CAP:-30}"
[ -z "${FUZZ_SECONDS-}" ] || limit=-max_total_time=$FUZZ_SECONDS
# A fixed seed: the short run says the same twice.
seed=-seed=1
[ -z "${FUZZ_SECONDS-}" ] || seed=
worst=0
for program; do
	name=${program##*/}
	mkdir -p "build/corpus/$name" build/logs
	seeds=tests/fuzz/corpus/$name
	[ -d "$seeds" ] || seeds=
	printf '# begin %s\n1..1\n' "$name"
	# A crash leaves its input beside the corpus.
	# shellcheck disable=SC2086
	if "$program" $limit $seed -timeout=60 -rss_limit_mb=2048 \
		-print_final_stats=1 -artifact_prefix="build/corpus/$name-" \
		"build/corpus/$name" $seeds >"build/logs/$name.log" 2>&1; then
		echo "ok 1 $limit, coverage $(sed -n 's/.*cov: \([0-9]*\).*/\1/p' \
			"build/logs/$name.log" | tail -n 1)"
	else
		echo "not ok 1 $limit: see build/logs/$name.log"
		sed 's/^/# /' "build/logs/$name.log" | tail -n 40
		worst=1
	fi
	echo "# exit 0 $name"
done
exit $worst
