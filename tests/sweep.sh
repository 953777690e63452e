#!/bin/bash
# sweep.sh - kills an OCI command at every system call and looks what is left of it.
#
# usage: sweep.sh [OPTION]... VERB [ARG]...        VERB: create start run exec kill delete
#        sweep.sh [OPTION]... -- WORD...           any command; @ID@ @ROOT@ @BUNDLE@ are filled in
#   --who main|acting|both  whom the kill hits (default main: the runtime; acting: who makes the call)
#   --sample N [--seed S]   N points chosen at random (repeatable by the seed, default 1)
#   --every K               each K-th point
#   --from N, --to N        only these points
#   --timeout S             for the command and for the delete (default 20)
#   --report FILE           the lines about leaks also go there
#
# After each kill it runs `delete --force ID`, once, and then nothing of the
# container may be left: no entry in the state root, no process, no mount on
# the host's side, no cgroup, no network interface, no nft rule, no file in
# SWEEP_DIRS. Ends with the line "points N, leaks M, hangs H" and with status
# 1 when M or H is not 0.
#
# RUNTIME (or KIST; default build/kist)   the subject
# RUNTIME_ARGS    global arguments;  ARG after VERB are the verb's own
# KIST_ROOT       the state root (default: a folder on a tmpfs of ours)
# SWEEP_BUNDLE    shell command that makes a bundle in folder $1 (default: from
#                 `RUNTIME spec`, command `busybox sleep 1000`)
# SWEEP_DIRS      folders whose content must not change (leases, logs)
# SWEEP_ALLOW     extended regex of lines ("state PATH", "cgroup PATH", ...) that may appear
#
# Everything happens in new mount, pid, network and cgroup namespaces with cgroup2
# on /sys/fs/cgroup, below one cgroup made for it: so "nothing left" is exact
# whatever else the host does, and the host sees nothing of it. Needs root,
# jq, busybox (static), cc and libseccomp's headers for killat.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repo=$(cd "$here/.." && pwd)

say() { echo "sweep: $*" >&2; }
fail() { say "$*"; exit 2; }
usage() { sed -n '4,12s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2; }

# ---- outside: namespaces and the one cgroup --------------------------------------------------

outside() {
	[ "$(id -u)" = 0 ] || fail "needs root"
	local mount=/sys/fs/cgroup cgroup tools status=0
	[ "$(stat -f -c %T $mount)" = cgroup2fs ] || mount=/sys/fs/cgroup/unified
	[ "$(stat -f -c %T $mount 2>/dev/null)" = cgroup2fs ] || fail "no cgroup2 mount"
	tools=$("$here/tools/build.sh" killat)
	cgroup=$mount/sweep-$$
	mkdir "$cgroup"
	# shellcheck disable=SC2064
	trap "rmdir '$cgroup/self' '$cgroup' 2>/dev/null || true" EXIT
	trap 'exit 1' INT TERM
	(
		echo "$BASHPID" >"$cgroup/cgroup.procs"
		SWEEP_INSIDE=$tools/killat exec unshare -m -p -n -C -i -u --fork --kill-child \
			--mount-proc --propagation private "${BASH_SOURCE[0]}" "$@"
	) || status=$?
	# The last of its processes are leaving.
	for _ in {1..50}; do
		{ rmdir "$cgroup/self" || true; rmdir "$cgroup"; } 2>/dev/null && break
		sleep 0.1
	done
	return $status
}

# ---- inside ----------------------------------------------------------------------------------

prepare_world() {
	local controller
	mount -t cgroup2 cgroup2 /sys/fs/cgroup
	# No process may sit where controllers are handed down (cgroups(7)).
	mkdir /sys/fs/cgroup/self
	echo 0 >/sys/fs/cgroup/self/cgroup.procs
	tr ' ' '\n' </sys/fs/cgroup/cgroup.controllers | while read -r controller; do
		echo "+$controller" >/sys/fs/cgroup/cgroup.subtree_control 2>/dev/null || true
	done
	mount -t tmpfs -o mode=755 tmpfs /mnt
	work=/mnt
	root=${KIST_ROOT:-$work/state}
	mkdir -p "$work/bundle" "$root"
	ip link set lo up 2>/dev/null || true
}

make_bundle() {
	local dir=$work/bundle
	if [ -n "${SWEEP_BUNDLE:-}" ]; then
		sh -c "$SWEEP_BUNDLE" sh "$dir"
		return
	fi
	mkdir -p "$dir/rootfs"/{bin,proc,sys,dev}
	cp "$(command -v busybox)" "$dir/rootfs/bin/busybox"
	(cd "$dir" && "$runtime" spec)
	jq '.process.terminal = false | .process.args = ["/bin/busybox", "sleep", "1000"]' \
		"$dir/config.json" >"$dir/config.tmp"
	mv "$dir/config.tmp" "$dir/config.json"
}

runtime_do() { # VERB ARG...
	# shellcheck disable=SC2086
	timeout -k 1 "$timeout" "$runtime" ${RUNTIME_ARGS:-} --root "$root" "$@" \
		</dev/null >/dev/null 2>"$work/complaint"
}

# What the verb needs to find. Unkilled, so it must succeed.
before_verb() { # ID
	case $verb in
	start | exec | kill | delete) runtime_do create --bundle "$work/bundle" "$1" ;;
	esac
	case $verb in
	exec | kill | delete) runtime_do start "$1" ;;
	esac
	if [ "$verb" = delete ]; then
		runtime_do kill "$1" KILL
		for _ in {1..100}; do
			# shellcheck disable=SC2086
			"$runtime" ${RUNTIME_ARGS:-} --root "$root" state "$1" 2>/dev/null |
				grep -q '"stopped"' && return
			sleep 0.05
		done
		return 1
	fi
}

set_command() { # ID - fills the array `command`
	local id=$1 word
	# shellcheck disable=SC2206
	command=("$runtime" ${RUNTIME_ARGS:-} --root "$root" "$verb")
	case $verb in
	create) command+=(--bundle "$work/bundle" "${verb_args[@]}" "$id") ;;
	run) command+=(--detach --bundle "$work/bundle" "${verb_args[@]}" "$id") ;;
	start | delete) command+=("${verb_args[@]}" "$id") ;;
	exec) command+=("${verb_args[@]}" "$id" /bin/busybox true) ;;
	kill) command+=("${verb_args[@]}" "$id" KILL) ;;
	--)
		command=()
		for word in "${verb_args[@]}"; do
			word=${word//@ID@/$id}
			word=${word//@ROOT@/$root}
			command+=("${word//@BUNDLE@/$work/bundle}")
		done
		;;
	esac
}

# One line for each thing that may leak, into file $1. Builtins where it can: it runs often.
list_world() {
	local pid stat name rest
	{
		while read -r _ _ device source at _; do
			echo "mount $at $device $source"
		done </proc/self/mountinfo
		find /sys/fs/cgroup -mindepth 1 -type d -printf 'cgroup %p\n'
		find "$root" -mindepth 1 -printf 'state %p\n'
		for name in ${SWEEP_DIRS:-}; do
			find "$name" -mindepth 1 -printf 'file %p\n' 2>/dev/null || true
		done
		while IFS=': ' read -r name rest; do
			case $rest in *'|'*) ;; *) echo "link $name" ;; esac
		done </proc/self/net/dev
		if [ -n "$nft" ]; then
			nft list ruleset | sed 's/^/nft /'
		fi
	} >"$1"
	for pid in /proc/[0-9]*; do
		pid=${pid#/proc/}
		[ "$pid" = $$ ] && continue
		{ read -r stat <"/proc/$pid/stat"; } 2>/dev/null || continue
		name=${stat#*(}
		rest=${stat##*) }
		# Zombies whose parent is this shell are reaped by it in its own time.
		case $rest in "Z $$ "* | X*) continue ;; esac
		echo "process $pid ${name%)*}"
	done >>"$1"
	if [ -n "${SWEEP_ALLOW:-}" ]; then
		grep -Ev "$SWEEP_ALLOW" "$1" >"$1.kept" || true
		mv "$1.kept" "$1"
	fi
	sort -o "$1" "$1"
}

# Killed processes need a moment to be gone; what stays for two seconds is left.
find_leaks() { # fills $leaks
	for _ in {1..20}; do
		list_world "$work/after"
		leaks=$(comm -13 "$work/before" "$work/after")
		[ -n "$leaks" ] || return 0
		sleep 0.1
	done
}

sweep_up() { # so that the next point starts clean
	local kind thing _
	while read -r kind thing _; do
		[ "$kind" = process ] && kill -KILL "$thing" 2>/dev/null
	done <<<"$leaks"
	sleep 0.2
	tac <<<"$leaks" | while read -r kind thing _; do
		case $kind in
		mount) umount -l "$thing" ;;
		cgroup) rmdir "$thing" ;;
		state | file) rm -rf "$thing" ;;
		link) ip link del "$thing" ;;
		esac
	done 2>/dev/null || true
	[ -z "$nft" ] || nft flush ruleset
	list_world "$work/before"
}

count_points() { # fills $work/points with "N PID ROLE CALL"
	local status=0
	before_verb sweep-0 || fail "cannot prepare $verb: $(tail -n 1 "$work/complaint")"
	set_command sweep-0
	"$killat" count --list --detach-after-main --timeout "$timeout" -o "$work/points" -- \
		"${command[@]}" </dev/null >/dev/null 2>"$work/complaint" || status=$?
	[ $status -eq 0 ] || fail "${command[*]}: status $status unkilled: $(tail -n 1 "$work/complaint")"
	[ "$verb" = delete ] || runtime_do delete --force sweep-0 ||
		fail "delete --force fails unkilled: $(tail -n 1 "$work/complaint")"
	find_leaks
	if [ -n "$leaks" ]; then
		report "leak 0 unkilled: ${leaks//$'\n'/; }"
		leak_count=$((leak_count + 1))
		sweep_up
	fi
	sed -i '/^entries/d' "$work/points"
}

choose_points() {
	awk -v sample="$sample" -v seed="$seed" -v every="$every" -v from="$from" -v to="$to" '
		$1 < from || (to && $1 > to) || $1 % every { next }
		{ points[n++] = $1 }
		END {
			srand(seed)
			if (!sample || sample > n)
				sample = n
			# A partial shuffle: the first `sample` are a fair draw.
			for (i = 0; i < sample; i++) {
				k = i + int(rand() * (n - i))
				t = points[i]; points[i] = points[k]; points[k] = t
				print points[i]
			}
		}' "$work/points" | sort -n
}

report() {
	echo "$*"
	[ -z "$report_file" ] || echo "$*" >>"$report_file"
}

one_point() { # N WHO
	local id=sweep-$1-$2 status=0 deleted='' where
	before_verb "$id" || fail "cannot prepare $verb at $1: $(tail -n 1 "$work/complaint")"
	set_command "$id"
	: >"$work/hit"
	"$killat" kill "$1" --who "$2" --detach-after-main --timeout "$timeout" -o "$work/hit" -- \
		"${command[@]}" </dev/null >/dev/null 2>"$work/complaint" || status=$?
	where=$(awk -v who="$2" '{ print $2, "(" who " killed)", $4, $5 }' "$work/hit")
	[ -n "$where" ] || missed=$((missed + 1))
	if [ $status -eq 124 ]; then
		report "hang $where"
		hang_count=$((hang_count + 1))
	fi
	runtime_do delete --force "$id" || deleted="delete: $(tail -n 1 "$work/complaint"); "
	find_leaks
	point_count=$((point_count + 1))
	if [ -n "$leaks" ]; then
		report "leak ${where:-$1 (not reached)}: $deleted${leaks//$'\n'/; }"
		leak_count=$((leak_count + 1))
		sweep_up
	fi
}

inside() {
	killat=$SWEEP_INSIDE
	unset SWEEP_INSIDE
	prepare_world
	make_bundle
	list_world "$work/before"
	count_points
	local n w
	for n in $(choose_points); do
		for w in $who; do
			one_point "$n" "$w"
		done
	done
	[ $missed -eq 0 ] || say "$missed points were not reached: the subject is not deterministic"
	report "points $point_count, leaks $leak_count, hangs $hang_count"
	[ $((leak_count + hang_count)) -eq 0 ]
}

# ---- command line ----------------------------------------------------------------------------

arguments=("$@")
who=main sample=0 seed=1 every=1 from=1 to=0 timeout=20 report_file=
leak_count=0 hang_count=0 point_count=0 missed=0
while [ $# -gt 0 ]; do
	case $1 in
	--who) who=${2:?}; [ "$who" != both ] || who='main acting' ;;
	--sample) sample=${2:?} ;;
	--seed) seed=${2:?} ;;
	--every) every=${2:?} ;;
	--from) from=${2:?} ;;
	--to) to=${2:?} ;;
	--timeout) timeout=${2:?} ;;
	--report) report_file=$(realpath -m "${2:?}") ;;
	--) break ;;
	-*) usage ;;
	*) break ;;
	esac
	shift 2
done
[ $# -gt 0 ] || usage
verb=$1
shift
verb_args=("$@")
case $verb in create | start | run | exec | kill | delete) ;; --) [ $# -gt 0 ] || usage ;; *) usage ;; esac
nft=$(command -v nft || true)

runtime=${RUNTIME:-${KIST:-$repo/build/kist}}
runtime=$(command -v "$runtime") || fail "no runtime '${RUNTIME:-${KIST:-$repo/build/kist}}'"
runtime=$(realpath "$runtime")
[ -z "$report_file" ] || [ -n "${SWEEP_INSIDE:-}" ] || : >"$report_file"
if [ -n "${SWEEP_INSIDE:-}" ]; then inside; else outside "${arguments[@]}"; fi
