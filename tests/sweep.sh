#!/bin/bash
# sweep.sh - disturbs an OCI command at every system call and looks what comes of it.
#
# usage: sweep.sh [OPTION]... VERB [ARG]...        VERB: create start run exec kill delete
#                                                  list state pause resume
#        sweep.sh [OPTION]... -- WORD...           any command; @ID@ @ROOT@ @BUNDLE@ @KIST@ are filled in;
#                                                  with --fail it runs @BUNDLE@'s posture once
#   --who main|acting|both  whom the kill hits (default main: the runtime; acting: who makes the call)
#   --fail LIST             instead of a kill: the call fails with an errno of the list (ENOSPC,EINTR,
#                           SHORT: one byte is read or written), each point with the next one
#   --fail turn|all         the same of a list of our own; each point with every one of it
#   --signal LIST           instead of SIGKILL: signals of the list, each point the next one
#   --sample N [--seed S]   N points chosen at random (repeatable by the seed, default 1)
#   --every K               each K-th point
#   --from N, --to N        only these points
#   --timeout S             for the command and for the delete (default 20)
#   --report FILE           the lines about what is wrong also go there
#
# After each point it runs `delete --force ID`, once, and then nothing of the
# container may be left: no entry in the state root, no process, no mount on
# the host's side, no cgroup, no network interface, no nft rule, no file in
# SWEEP_DIRS. Ends with the line "points N, leaks M, hangs H" and with status
# 1 when M or H is not 0.
#
# A call that fails, or a signal, also must not be swallowed: the command does
# all it should (the container's program then sees what it saw undisturbed), or
# it ends with a line that says why, and nothing runs. What else can be is
# counted: "weaker" (a success that is none), crashes, "mute" (a failure without a
# word), residue (create or run failed and left its state). SIGKILL says nothing.
#
# RUNTIME (or KIST; default build/kist)   the subject
# RUNTIME_ARGS    global arguments;  ARG after VERB are the verb's own
# KIST_ROOT       the state root (default: a folder on a tmpfs of ours)
# SWEEP_BUNDLE    shell command that makes a bundle in folder $1 (default: from
#                 `RUNTIME spec`, command `busybox sleep 1000`)
# SWEEP_CONFIG    jq filter on the config.json of --fail and --signal (tests/lib/sweep-judge.bash)
# SWEEP_IMAGE     the root is an image's layers: "tmpfs" takes what changes, or a "folder", which is looked at
# SWEEP_AFTER     program that takes back what is left, instead of delete --force: "--after ID", with
#                 work, root and runtime set; what it prints is wrong (tests/sweep-jobs.sh)
# SWEEP_THROUGH   not empty: the points go on after the command's own process has ended
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
# shellcheck source=tests/lib/sweep-world.bash
. "$here/lib/sweep-world.bash"
# shellcheck source=tests/lib/sweep-judge.bash
. "$here/lib/sweep-judge.bash"
usage() { sed -n '4,18s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2; }

# ---- inside ----------------------------------------------------------------------------------

# The bundle's root becomes the one layer of an image, in a store that is looked at, too.
make_image() { # BUNDLE
	export KIST_STORE=$work/store
	local name=sweep:1
	tar -C "$1/rootfs" -cf "$work/rootfs.tar" .
	"$runtime" image import --quiet "$work/rootfs.tar" $name >/dev/null
	jq --arg name $name --arg store "$KIST_STORE" --arg folder "$work/changes" --arg how "$SWEEP_IMAGE" '
		.annotations += {"io.kist.image": $name, "io.kist.image.store": $store}
		| if $how == "folder" then .annotations += {"io.kist.image.writable": $folder} else . end' \
		"$1/config.json" >"$1/config.tmp"
	mv "$1/config.tmp" "$1/config.json"
	SWEEP_DIRS+=" $work/store/containers $work/store/users"
	mkdir -p "$work/store/containers"
	if [ "$SWEEP_IMAGE" = folder ]; then
		mkdir -m 700 "$work/changes"
		SWEEP_DIRS+=" $work/changes"
	fi
	# The layers' folder has settled then (store-stack.c): from now on each start makes the same calls.
	sleep 3.5
	# What stays in the folder for changes is there from now on.
	runtime_do create --bundle "$1" first && runtime_do delete --force first
}

make_bundle() {
	make_root
	[ -z "${SWEEP_IMAGE:-}" ] || make_image "$work/bundle"
}

make_root() {
	local dir=$work/bundle
	if [ -n "${SWEEP_BUNDLE:-}" ]; then
		sh -c "$SWEEP_BUNDLE" sh "$dir"
		return
	fi
	if [ "$mode" != kill ]; then
		make_posture_bundle "$dir"
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
		</dev/null >"${out:-/dev/null}" 2>"$work/complaint"
}

# What the verb needs to find. Unkilled, so it must succeed.
before_verb() { # ID
	case $verb in
	start) out=$work/seen runtime_do create --bundle "$work/bundle" "$1" ;;
	exec | kill | delete | list | state | pause | resume)
		runtime_do create --bundle "$work/bundle" "$1"
		runtime_do start "$1"
		;;
	esac
	[ "$verb" != resume ] || runtime_do pause "$1"
	if [ "$verb" = delete ] && [ "${verb_args[0]-}" != --force ]; then
		runtime_do kill "$1" KILL
		await_stopped "$1"
	fi
}

set_command() { # ID - fills the array `command`
	local id=$1 word
	# shellcheck disable=SC2206
	command=("$runtime" ${RUNTIME_ARGS:-} --root "$root" "$verb")
	case $verb in
	create) command+=(--bundle "$work/bundle" "${verb_args[@]}" "$id") ;;
	run) command+=(--detach --bundle "$work/bundle" "${verb_args[@]}" "$id") ;;
	start | delete | state | pause | resume) command+=("${verb_args[@]}" "$id") ;;
	list) command+=(--format json) ;;
	exec) command+=("${verb_args[@]}" "$id" "${exec_words[@]}") ;;
	kill) command+=("${verb_args[@]}" "$id" KILL) ;;
	--)
		command=()
		for word in "${verb_args[@]}"; do
			word=${word//@ID@/$id}
			word=${word//@ROOT@/$root}
			word=${word//@KIST@/$runtime}
			command+=("${word//@BUNDLE@/$work/bundle}")
		done
		;;
	esac
}

step_through() { # KILLAT-ARG... - the array `command`, what it says in seen and complaint
	# What it says of start's container is in seen already.
	[ "$verb" = start ] || : >"$work/seen"
	# Descriptor 7 is for nobody: no container may see it.
	"$killat" "$@" "${let_go[@]}" $after_main --timeout "$timeout" -- "${command[@]}" \
		</dev/null >>"$work/seen" 2>"$work/complaint" 7</
}

# Calls that Linux lets fail for nobody, or whose failure it does not tell as an errno; and the
# first mmap of a program, without which glibc's loader has no memory to say so.
drop_points() {
	awk -v never="^($never_fail)\$" '
		{ first = NR == 1 || before ~ /^execve/; loads = $4 == "mmap" && before == "brk" && at_start }
		{ at_start = first && $4 == "brk"; before = $4 }
		!loads && $4 !~ never' "$work/points" >"$work/kept"
	mv "$work/kept" "$work/points"
}

take_back() { # ID - $wrong says what could not be
	wrong=''
	if [ -n "${SWEEP_AFTER:-}" ]; then
		wrong=$(work=$work root=$root runtime=$runtime status=$status "$SWEEP_AFTER" --after "$1" 2>&1)
	elif ! runtime_do delete --force "$1"; then
		wrong="delete: $(tail -n 1 "$work/complaint")"
	fi
}

# Ids are this sweep's own: keyrings are named by them, and there is no namespace for those.
count_points() { # fills $work/points with "N PID ROLE CALL"
	local status=0 id=sweep-0-$SWEEP_TAG
	before_verb "$id" || fail "cannot prepare $verb: $(tail -n 1 "$work/complaint")"
	set_command "$id"
	step_through count --list -o "$work/points" || status=$?
	[ $status -eq 0 ] || fail "${command[*]}: status $status unkilled: $(tail -n 1 "$work/complaint")"
	[ "$mode" = kill ] || [ -n "${SWEEP_AFTER:-}" ] || look "$id" "$work/reference" || fail "undisturbed: $wrong"
	take_back "$id"
	[ -z "$wrong" ] || fail "unkilled: $wrong"
	find_leaks
	if [ -n "$leaks" ]; then
		count leak "0 unkilled: ${leaks//$'\n'/; }"
		sweep_up
	fi
	sed -i '/^entries/d' "$work/points"
	[ "$mode" = kill ] || drop_points
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

one_point() { # N KILLAT-ARG... - the point and how it is disturbed
	local how=${*:2} status=0 deleted='' where
	local id=sweep-$1-${how//[^a-zA-Z0-9]/}$SWEEP_TAG
	before_verb "$id" || fail "cannot prepare $verb at $1: $(tail -n 1 "$work/complaint")"
	set_command "$id"
	: >"$work/hit"
	step_through "$mode" "$@" -o "$work/hit" || status=$?
	where=$(awk -v how="$how" '{ print $2, "(" how ")", $4, $5 }' "$work/hit")
	[ -n "$where" ] || missed=$((missed + 1))
	if [ "$mode" != kill ] && [ -z "${SWEEP_AFTER:-}" ]; then
		judge "$id" $status "${where:-$* (not reached)}"
	elif [ $status -eq 124 ]; then
		count hang "$where"
	fi
	take_back "$id"
	[ -z "$wrong" ] || deleted="$wrong; "
	[ -z "${SWEEP_AFTER:-}" ] || [ -z "$wrong" ] || count leak "${where:-$*}: $wrong"
	find_leaks
	point_count=$((point_count + 1))
	if [ -n "$leaks" ]; then
		count leak "${where:-$* (not reached)}: $deleted${leaks//$'\n'/; }"
		sweep_up
	fi
}

# What a point is disturbed with, in turn: $1 counts the points. Only reads and writes can be short.
fail_point() { # TURN N CALL
	local error i
	for ((i = 0; i < ${#errors[@]}; i++)); do
		error=${errors[($1 + i) % ${#errors[@]}]}
		[[ $error != SHORT || $3 =~ ^p?(read|write)(64)?$ ]] || continue
		one_point "$2" "$error"
		[ "$each" = 1 ] || return 0
	done
}

walk_points() {
	local n w call turn=$seed
	for n in $(choose_points); do
		case $mode in
		kill) for w in $who; do one_point "$n" --who "$w"; done ;;
		signal)
			w=${signals[turn % ${#signals[@]}]}
			may_die=$((128 + $(kill -l "$w")))
			one_point "$n" "$w"
			;;
		fail)
			call=$(awk -v n="$n" '$1 == n { print $4 }' "$work/points")
			fail_point "$turn" "$n" "$call"
			;;
		esac
		turn=$((turn + 1))
	done
}

inside() {
	tools=$SWEEP_INSIDE killat=$SWEEP_INSIDE/killat
	unset SWEEP_INSIDE
	prepare_world
	trap '' USR2 # no container may go on ignoring what kist was told to ignore
	make_bundle
	normal_script=$(posture_normal 'sweep-[0-9]+(-[a-zA-Z0-9]+)?')
	: >"$work/seen"
	list_world "$work/before"
	count_points; [ -z "${SWEEP_SHOW:-}" ] || cat "$work/reference"
	walk_points
	[ $missed -eq 0 ] || say "$missed points were not reached: the subject is not deterministic"
	[ "$mode" = kill ] || [ -n "${SWEEP_AFTER:-}" ] || report "same $same_count, refused $refused_count, weaker $weaker_count," \
		"crashes $crash_count, mute $mute_count, residue $residue_count"
	report "points $point_count, leaks $leak_count, hangs $hang_count"
	[ $((leak_count + hang_count + weaker_count + crash_count + mute_count + residue_count)) -eq 0 ]
}

# ---- command line ----------------------------------------------------------------------------

arguments=("$@")
who=main sample=0 seed=1 every=1 from=1 to=0 timeout=20 report_file='' mode=kill each=0
after_main=--detach-after-main
[ -z "${SWEEP_THROUGH:-}" ] || after_main=
errors=() signals=() let_go=() normal_script='' may_die=0 exec_words=(/bin/busybox true)
leak_count=0 hang_count=0 point_count=0 missed=0
same_count=0 refused_count=0 weaker_count=0 crash_count=0 mute_count=0 residue_count=0
all_errors=ENOMEM,ENOSPC,EMFILE,EPERM,EINTR,EIO,EAGAIN,ENOSYS,EACCES,SHORT
never_fail='exit|exit_group|rt_sigreturn|rt_sigprocmask|get[a-z]*id|getpgrp|umask|sched_yield|brk'
never_fail+='|set_tid_address|set_robust_list|rseq|arch_prctl|uname'
while [ $# -gt 0 ]; do
	case $1 in
	--who) who=${2:?}; [ "$who" != both ] || who='main acting' ;;
	--fail)
		mode=fail list=${2:?}
		[ "$list" != all ] || each=1
		[[ $list != all && $list != turn ]] || list=$all_errors
		IFS=, read -ra errors <<<"$list"
		;;
	--signal) mode=signal && IFS=, read -ra signals <<<"${2:?}" ;;
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
case $verb in create | start | run | exec | kill | delete | list | state | pause | resume) ;; --) [ $# -gt 0 ] || usage ;; *) usage ;; esac
nft=$(command -v nft || true)
if [ "$mode" != kill ]; then
	let_go=(--let-go posture)
	exec_words=(/bin/posture once)
fi

runtime=${RUNTIME:-${KIST:-$repo/build/kist}}
runtime=$(command -v "$runtime") || fail "no runtime '${RUNTIME:-${KIST:-$repo/build/kist}}'"
runtime=$(realpath "$runtime")
[ -z "$report_file" ] || [ -n "${SWEEP_INSIDE:-}" ] || : >"$report_file"
if [ -n "${SWEEP_INSIDE:-}" ]; then inside; else outside "${arguments[@]}"; fi
