#!/bin/bash
# sweep-jobs.sh - tests/sweep.sh's kill -9 for jobs: of kist, of its monitor, of the job itself. Then
# `kist job gc` leaves nothing, and the result is whole, true or not there.
#
# usage: sweep-jobs.sh [--detach] [OPTION of sweep.sh]...      as root; with --fail calls fail instead
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# Inside, after a point: nobody is with it any more; what there is of a result is looked at.
if [ "${1-}" = --after ]; then
	: "${work:?}" "${root:?}" "${runtime:?}" # sweep.sh's
	id=$2 result=$work/results/$2
	kist() { timeout -k 1 20 "$runtime" --root "$root" "$@"; }
	state() { kist job ls --json 2>/dev/null | jq -r "select(.id == \"$id\").state"; }
	for _ in {1..200}; do
		[[ $(state) == running || $(state) == starting ]] || break
		sleep 0.05
	done
	said=$(cat "$work/seen")
	[ ! -e "$root/.jobs/$id" ] || said+=$(kist job logs "$id" 2>/dev/null || true)
	for record in "$result" "$root/.jobs/$id/result.json"; do
		[ -e "$record" ] || continue
		if ! jq -e --arg id "$id" '.version == 1 and .id == $id and (.controls | length) > 20' "$record" >/dev/null 2>&1; then
			echo "half a result: $(head -c 200 "$record")"
		# It says that all went well: then it did.
		elif jq -e '.logErrno != 0' "$root/.jobs/$id/end.json" >/dev/null 2>&1; then
			: # told
		elif jq -e '.reason == "exit" and .status == 0 and (.log_lost // 0) == 0' "$record" >/dev/null && [[ $said != *all-of-it* ]]; then
			echo "a false result: the job said '$said'"
		fi
	done
	# Nothing but results is where they are.
	strange=$(find "$work/results" -mindepth 1 ! -name 'sweep-*' -printf '%f ')
	[ -z "$strange" ] || echo "beside the results: $strange"
	# Not killed but disturbed, and it says that all went well.
	[ "${status:-1}" != 0 ] || [ -e "$root/.jobs/$id" ] || [[ $said == *all-of-it* ]] || echo "a false status: the job said '$said'"
	# A folder that was only just made is left alone for a second.
	for _ in {1..30}; do
		kist job gc >/dev/null 2>"$work/complaint" || true
		[ -n "$(ls -A "$root")" ] || exit 0
		sleep 0.1
	done
	echo "job gc: $(find "$root" -mindepth 1 -maxdepth 1 -printf '%f '): $(tail -n 1 "$work/complaint")"
	exit 0
fi
if [ "${1-}" = --bundle ]; then
	mkdir -p "$2/rootfs"/{bin,proc,sys,dev,tmp,work} "${2%/*}/results"
	cp "$(command -v busybox)" "$2/rootfs/bin/busybox"
	exit
fi

detach=()
if [ "${1-}" = --detach ]; then
	detach=(--detach)
	export SWEEP_THROUGH=1
	shift
fi
export SWEEP_AFTER=$here/sweep-jobs.sh SWEEP_BUNDLE="'$here/sweep-jobs.sh' --bundle \"\$1\""
exec "$here/sweep.sh" "$@" -- @KIST@ --root @ROOT@ job run "${detach[@]}" --id @ID@ --allow-degraded memory,pids,cpu --workspace 1m --wall 60s \
	--result @BUNDLE@/../results/@ID@ @BUNDLE@/rootfs -- /bin/busybox echo all-of-it
