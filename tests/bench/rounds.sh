#!/bin/sh
# rounds.sh - times commands side by side: the one place where bench figures come from.
#
# usage: rounds.sh [-r ROUNDS] [-n RUNS] NAME COMMAND [NAME COMMAND]...
#
# In every round each command runs RUNS times under hyperfine (no shell, split
# at blanks), and the next round begins one command later, so that neither a
# drifting machine nor the place in the queue favours anyone. A round's ratio
# is its median over the median of the first command in that same round.
# Prints JSON: {"rounds","runs","entries":[{"name","command","median_ms","p99_ms","ratio"}]}
# where median_ms and ratio are medians over the rounds, p99_ms over all runs.
set -eu

rounds=15 runs=5
while getopts r:n: option; do
	case $option in
	r) rounds=$OPTARG ;;
	n) runs=$OPTARG ;;
	*) sed -n '4p' "$0" >&2; exit 2 ;;
	esac
done
shift $((OPTIND - 1))
if [ $# -lt 2 ] || [ $(($# % 2)) -ne 0 ]; then
	sed -n '4p' "$0" >&2
	exit 2
fi
for tool in hyperfine jq; do
	command -v $tool >/dev/null || { echo "rounds.sh: needs $tool" >&2; exit 2; }
done

tmp=$(mktemp -d "${TMPDIR:-/tmp}/rounds.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' INT TERM

time_one() { # ROUND NAME COMMAND
	if ! hyperfine -N --style none --warmup 1 --runs "$runs" --export-json "$tmp/one" "$3" \
		>/dev/null 2>"$tmp/complaint"; then
		cat "$tmp/complaint" >&2
		echo "rounds.sh: $2 failed: $3" >&2
		exit 1
	fi
	jq -c --arg name "$2" --argjson round "$1" \
		'{name: $name, round: $round, command: .results[0].command, times: .results[0].times}' \
		"$tmp/one" >>"$tmp/all"
}

# Rotating the argument list rotates the order; the first command keeps its name in $first.
first=$1
round=0
while [ "$round" -lt "$rounds" ]; do
	left=$(($# / 2))
	while [ "$left" -gt 0 ]; do
		time_one "$round" "$1" "$2"
		name=$1 command=$2
		shift 2
		set -- "$@" "$name" "$command"
		left=$((left - 1))
	done
	name=$1 command=$2
	shift 2
	set -- "$@" "$name" "$command"
	round=$((round + 1))
done

jq -s --arg first "$first" --argjson rounds "$rounds" --argjson runs "$runs" '
	def median: sort | if length % 2 == 1 then .[(length - 1) / 2]
		else (.[length / 2 - 1] + .[length / 2]) / 2 end;
	def percentile(p): sort | .[((length - 1) * p) | floor];
	(map(select(.name == $first)) | map({key: (.round | tostring), value: (.times | median)})
		| from_entries) as $base
	| {rounds: $rounds, runs: $runs, entries: (group_by(.name) | map({
		name: .[0].name,
		command: .[0].command,
		median_ms: (map(.times | median) | median * 1000),
		p99_ms: (map(.times[]) | percentile(0.99) * 1000),
		ratio: (map((.times | median) / $base[.round | tostring]) | median)
	}) | sort_by(.name != $first))}' "$tmp/all"
