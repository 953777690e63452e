#!/bin/sh
# Runs fuzz targets, as many at once as there are processors, and prints TAP for tests/tap.awk.
# FUZZ_RUNS=N runs each (20000), or FUZZ_SECONDS=N. New inputs are kept in build/corpus/TARGET; seeds
# are tests/fuzz/corpus/TARGET.
#
#   tests/fuzz.sh PROGRAM...
#   tests/fuzz.sh --merge PROGRAM...     what build/corpus found, least of it, into tests/fuzz/corpus
cd "$(dirname "$0")/.." || exit 2

if [ "$1" = --one ]; then
	program=$2 name=${2##*/}
	# A slow target, or a busy machine, must not take the whole check: the time is capped too.
	limit="-runs=${FUZZ_RUNS:-20000} -max_total_time=${FUZZ_CAP:-30}"
	# A fixed seed: the short run says the same twice.
	seed=-seed=1
	[ -z "${FUZZ_SECONDS-}" ] || { limit=-max_total_time=$FUZZ_SECONDS; seed=; }
	mkdir -p "build/corpus/$name" build/logs
	seeds=tests/fuzz/corpus/$name
	[ -d "$seeds" ] || seeds=
	# Layers that try to get out, of every kind.
	maker=build/tests/tools/unpack-driver
	[ "$name" != fuzz_unpack ] || [ ! -x $maker ] || $maker corpus "build/corpus/$name" 40
	words=
	! grep -q 'json_parse_strict' "tests/fuzz/$name.c" || words=-dict=tests/fuzz/spec.dict
	# A crash leaves its input beside the corpus.
	# shellcheck disable=SC2086
	if "$program" $limit $seed $words -timeout=60 -rss_limit_mb=2048 \
		-print_final_stats=1 -artifact_prefix="build/corpus/$name-" \
		"build/corpus/$name" $seeds >"build/logs/$name.log" 2>&1; then
		said="ok 1 $limit, coverage $(sed -n 's/.*cov: \([0-9]*\).*/\1/p' \
			"build/logs/$name.log" | tail -n 1)"
		status=0
	else
		said="not ok 1 $limit: see build/logs/$name.log
$(tail -n 40 "build/logs/$name.log" | sed 's/^/# /')"
		status=1
	fi
	# In one write: others print at the same time.
	printf '# begin %s\n1..1\n%s\n# exit 0 %s\n' "$name" "$said" "$name"
	exit $status
fi

if [ "$1" = --merge ]; then
	shift
	for program; do
		name=${program##*/} seeds=tests/fuzz/corpus/${program##*/}
		mkdir -p "$seeds" "build/corpus/$name"
		"$program" -merge=1 "$seeds" "build/corpus/$name" 2>&1 | grep 'new files'
	done
	exit
fi

[ $# -gt 0 ] || { echo "fuzz: no target in tests/fuzz"; exit 0; }
printf '%s\0' "$@" | xargs -0 -P "$(nproc)" -n 1 "$0" --one
