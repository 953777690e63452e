# What a command may do that was disturbed but not killed: all, or nothing with a word why. Sourced
# by tests/sweep.sh, whose variables it shares. "All" is told by tests/tools/posture.c, the
# container's program: what it sees must be what it saw in peace.
# shellcheck shell=bash disable=SC2154

# shellcheck source=tests/lib/posture.bash
. "$here/lib/posture.bash"

make_posture_bundle() { # DIR
	posture_rootfs "$1/rootfs" "$work/data" "$tools"
	(cd "$1" && "$runtime" spec)
	jq --arg data "$work/data" "$posture_config | ${SWEEP_CONFIG:-.}" "$1/config.json" >"$1/config.tmp"
	mv "$1/config.tmp" "$1/config.json"
}

# The program has said all it has to say; not for ever.
await_end() {
	local lines
	for _ in {1..150}; do
		mapfile -t lines <"$work/seen"
		[ "${#lines[@]}" -gt 0 ] && [ "${lines[-1]}" = end ] && return 0
		sleep 0.02
	done
	return 1
}

# What is to be seen of a container after the verb went well, into file $2. False, and $wrong says
# why, when it is not there.
look() { # ID FILE
	wrong=
	case $verb in
	create) out=$work/null runtime_do start "$1" || wrong="start after it: $(<"$work/complaint")" ;;
	kill | delete)
		: >"$2"
		[ "$verb" = delete ] || await_stopped "$1" || wrong="it still runs"
		[ "$verb" = kill ] || [ ! -e "$root/$1" ] || wrong="its state is still there"
		[ -z "$wrong" ]
		return
		;;
	list | state | pause | resume)
		[[ $verb == list || $verb == state ]] || "$runtime" --root "$root" state "$1" >"$work/seen"
		sed -E "$normal_script" "$work/seen" >"$2"
		return
		;;
	esac
	[ -z "$wrong" ] || return
	await_end || { wrong="its program did not run"; return 1; }
	{
		cat "$work/seen"
		[[ $verb == exec || $verb == -- ]] || "$runtime" --root "$root" state "$1" 2>&1
		grep -H . "/sys/fs/cgroup/kist-$1"/{cgroup.procs,cgroup.max.depth,cgroup.freeze,hugetlb.2MB.max,memory.max,memory.swap.max,pids.max,cpu.max,cpu.weight,cpuset.cpus} 2>/dev/null || true
	} | sed -E "$normal_script" >"$2"
}

await_stopped() { # ID
	for _ in {1..100}; do
		# shellcheck disable=SC2086
		"$runtime" ${RUNTIME_ARGS:-} --root "$root" state "$1" 2>/dev/null |
			grep -q '"stopped"' && return
		sleep 0.02
	done
	return 1
}

# One line "kist: ...", and perhaps one "fix: ..." after it; of the loader's own end its own.
is_clear() {
	local lines
	mapfile -t lines <"$work/said"
	[ "$1" -ne 127 ] || [[ ${lines[0]-} == "kist: "* ]] || return 0
	[[ ${#lines[@]} -eq 1 || (${#lines[@]} -eq 2 && ${lines[1]} == "fix: "?*) ]] &&
		[[ ${lines[0]} == "kist: "?*": "?* || ${lines[0]} == *" has no "* ]]
}

judge() { # ID STATUS WHERE - reports and counts what should not be
	local id=$1 status=$2 where=$3 said difference
	# A copy: the container has the file as its stderr.
	grep -v '^killat: ' "$work/complaint" >"$work/said" || true
	said=$(head -n 3 "$work/said")
	if [ "$status" -eq 124 ]; then
		count hang "$where"
		return
	fi
	if [ "$status" -ge 128 ] && [ "$status" -lt 165 ] && [ "$status" -ne "$may_die" ] ||
		[[ $said =~ "signal "(4|5|6|7|8|11)" " || $said == *"stack smashing"* || $said == *Sanitizer* ]]; then
		count crash "$where: status $status: $said"
	elif [ "$status" -eq 0 ]; then
		# What a success says on stderr (a warning) is for people to read.
		if ! look "$id" "$work/now"; then
			count weaker "$where: it said success, but $wrong"
		elif ! difference=$(diff "$work/reference" "$work/now"); then
			count weaker "$where: $difference"
		else
			same_count=$((same_count + 1))
		fi
	elif [ "$status" -ge 128 ] && [ "$status" -lt 165 ]; then
		refused_count=$((refused_count + 1))
	elif ! is_clear "$status"; then
		count mute "$where: status $status: '$said'"
	elif [[ $verb == create || $verb == run ]] && [ -e "$root/$id" ]; then
		count residue "$where: $said: $(echo "$root/$id"/*)"
	elif [ -s "$work/seen" ] && [ "$verb" != exec ] && await_end &&
		! difference=$(diff <(grep -hv '^[{} ]\|^/sys/fs/cgroup' "$work/reference") \
			<(sed -E "$normal_script" "$work/seen")); then
		count weaker "$where: refused, yet runs: $difference"
	else
		refused_count=$((refused_count + 1))
	fi
}

count() { # KIND TEXT
	report "$1 $2"
	eval "$1_count=\$((${1}_count + 1))"
}
