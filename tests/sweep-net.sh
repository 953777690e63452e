#!/bin/bash
# sweep-net.sh - disturbs what makes and takes back networks at every system call, and looks what is left.
#
# usage: sweep-net.sh [OPTION]... [VERB]...    default: create rm connect disconnect run delete
#   --who main|acting  whom the kill -9 hits (default main: kist; acting: who makes the call)
#   --fail LIST        instead: the call fails with an errno of the list, each point the next one; "turn":
#                      of a list of our own
#   --every K, --from N, --to N   of the points
#   --report FILE      the lines about what is wrong also go there
#
# run: a container on two networks, with a published port, and delete of that; connect, disconnect: one
# that runs. After a kill `kist net gc` (and `delete --force`, for run and delete) leaves nothing: no
# interface, address, rule, record, process, cgroup, file. A call that fails: the command does all it should, or
# ends with a word why; and what is left then the next attempt can take away. Ends with a line "VERB: points N,
# wrong N" for each, and status 1 when something is wrong.
#
# Everything is in namespaces (tests/isolated.sh). Needs root, jq, ip, nft, and what killat needs.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repo=$(cd "$here/.." && pwd)
kist=${KIST:-${KIST_BUILD:-$repo/build}/kist}
fail() { echo "sweep-net: $*" >&2; exit 2; }
usage() { sed -n '4,9s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2; }

mode=kill who=main errnos=() every=1 from=1 to=1000000 report=/dev/null verbs=() arguments=("$@")
while [ $# -gt 0 ]; do
	case $1 in
	--who) who=$2; shift ;;
	--fail)
		mode=fail
		[ "$2" = turn ] && list=ENOMEM,ENOSPC,EMFILE,EPERM,EINTR,EIO,EAGAIN,ENOSYS,EACCES || list=$2
		IFS=, read -ra errnos <<<"$list"
		shift
		;;
	--every) every=$2; shift ;;
	--from) from=$2; shift ;;
	--to) to=$2; shift ;;
	--report) report=$(realpath -m "$2"); shift ;;
	-*) usage ;;
	*) verbs+=("$1") ;;
	esac
	shift
done
[ ${#verbs[@]} -gt 0 ] || verbs=(create rm connect disconnect run delete)

if [ -z "${KIST_TEST_ISOLATED-}" ]; then
	[ "$(id -u)" = 0 ] || fail "needs root"
	exec "$here/isolated.sh" "$0" "${arguments[@]}"
fi
"$here/tools/build.sh" killat >/dev/null
killat=$repo/build/tools/killat
work=$(mktemp -d /dev/shm/kist-sweep-net.XXXXXX)
export KIST_NETWORKS=$work/networks
trap 'k delete --force still >/dev/null 2>&1 || true; k delete --force one >/dev/null 2>&1 || true; rm -rf "$work"' EXIT
k() { "$kist" --root "$work/state" "$@"; }
cd "$work"

# ---- what the verbs begin with ---------------------------------------------------------------

bundle() { # DIR ANNOTATIONS
	mkdir -p "$1"
	cp -a "$repo/build/fixtures/busybox-rootfs" "$1/rootfs"
	(cd "$1" && k spec)
	jq --argjson a "$2" '.process.terminal = false | .process.args = ["sleep", "10000"] | .annotations = $a' \
		"$1/config.json" >"$1/new"
	mv "$1/new" "$1/config.json"
}
bundle still '{}'
bundle one '{"io.kist.net": "back,ip=10.99.0.9,alias=www inner", "io.kist.publish": "8080:80"}'
start() { k run -d -b "$1" "$1" </dev/null >/dev/null 2>&1; }
k net create --subnet 10.99.0.0/24 --ipv6 --direct back >/dev/null
k net create --subnet 10.98.0.0/24 --internal inner >/dev/null
start still || fail "cannot run"
pid=$(k state still | jq .pid)

command_of() { # VERB
	command=("$kist" --root "$work/state")
	case $1 in
	create) command+=(net create --subnet 10.97.0.0/24 --ipv6 --label a=b new) ;;
	rm) command+=(net rm new) ;;
	connect) command+=(net connect --alias db back still) ;;
	disconnect) command+=(net disconnect back still) ;;
	run) command+=(run -d -b one one) ;;
	delete) command+=(delete --force one) ;;
	*) fail "no verb $1" ;;
	esac
}
begin() { # VERB
	case $1 in
	rm) k net create --subnet 10.97.0.0/24 new >/dev/null ;;
	disconnect) k net connect back still ;;
	delete) start one ;;
	esac
}

# ---- what there is ---------------------------------------------------------------------------

# All that may be left, but for the container that stays and what its own record says.
world() {
	local process name
	ip -o link | sed 's/ state .*//; s/<.*>//'
	ip -o addr | grep -v fe80 || true
	nft list ruleset
	cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv6/conf/all/forwarding
	find /run/kist "$work/state" -mindepth 1 \( -name still -prune -o -print \) 2>/dev/null || true
	find "$work/networks" -name '*.json'
	find /sys/fs/cgroup -fstype cgroup2 -type d 2>/dev/null | grep -v -e suite -e still -e kist-dns || true
	[[ $(<"/proc/$pid/net/dev") != *eth* ]] || echo "an interface in the one that stays"
	for process in /proc/[0-9]*; do
		{ read -r name <"$process/comm"; } 2>/dev/null || continue
		# What was started or ended here is ours.
		case $name in bash | find | ip | nft | jq | sed | cat | grep | sweep-net.sh | timeout | bats* | tee | env) continue ;; esac
		[ "${process#/proc/}" = "$pid" ] || echo "process $name"
	done
}
same() { # killed processes need a moment to be gone, and gc to see that they are
	local i
	for ((i = 0; i < 40; i++)); do
		world >now 2>/dev/null
		cmp -s before now && return
		sleep 0.05
		[ $((i % 10)) != 9 ] || k net gc >/dev/null 2>&1 || true
	done
	return 1
}
on_network() { k net inspect back | jq -e '.[0].Containers[] | select(.Name == "still")' >/dev/null 2>&1; }
status_of() { k state "$1" 2>/dev/null | jq -r .status; }
# What the verb should come to.
did() { # VERB
	case $1 in
	create) k net inspect new | jq -e '.[0].IPAM.Config[0].Subnet == "10.97.0.0/24"' >/dev/null ;;
	rm) ! k net ls -q | grep -qx new ;;
	connect) on_network && [[ $(<"/proc/$pid/net/dev") == *eth0* ]] && nft list map inet kist anywhere4 >/dev/null ;;
	disconnect) ! on_network && [[ $(<"/proc/$pid/net/dev") != *eth* ]] ;;
	run)
		# Told to go on, the container's process is on its own: then it is the container that was killed.
		[ "$who" != acting ] || [ "$(status_of one)" != stopped ] || return 0
		[ "$(status_of one)" = running ] && [[ $(nft list map inet kist anywhere4) == *"8080 : 10.99.0.9 . 80"* ]] &&
			[[ $(<"/proc/$(k state one | jq .pid)/net/dev") == *eth0*eth1* ]]
		;;
	delete) [ ! -e state/one ] ;;
	esac
}
# As somebody would who finds it half done.
clear_up() { # VERB
	case $1 in
	run | delete) k delete --force one >/dev/null 2>again || stop "delete again: $(<again)" ;;
	create | rm) ! k net ls -q | grep -qx new || k net rm new >/dev/null ;;
	esac
	k net gc >/dev/null || stop "gc: status $?"
	case $1 in
	connect | disconnect)
		on_network || return 0
		# gc leaves what was done, and nothing that is half done.
		did connect || stop "it is half connected after gc"
		k net disconnect back still || stop "disconnect after it: status $?"
		;;
	esac
}

# ---- one point ---------------------------------------------------------------------------------

stop() { # WORDS: something is wrong
	wrong=$((wrong + 1))
	{
		echo "$verb: $how at call $point ($call): $*"
		sed 's/^/    /' complaint | head -n 4
	} | tee -a "$report"
}
is_clear() { # the message, and perhaps how to mend it
	grep -v '^killat: ' complaint | tail -n 2 | grep -q '^kist: '
}
mend() { # so that the next point starts clean
	k delete --force one >/dev/null 2>&1 || true
	k net disconnect back still >/dev/null 2>&1 || true
	k net rm new >/dev/null 2>&1 || true
	k net gc >/dev/null 2>&1 || true
	world >before
}
one_point() {
	local status=0
	begin "$verb"
	command_of "$verb"
	if [ "$mode" = kill ]; then
		how="kill -9 of $who"
		"$killat" kill "$point" --who "$who" --detach-after-main --timeout 30 -o hit -- "${command[@]}" \
			</dev/null >said 2>complaint || status=$?
	else
		how=${errnos[points % ${#errnos[@]}]}
		"$killat" fail "$point" "$how" --detach-after-main --timeout 30 -o hit -- "${command[@]}" \
			</dev/null >said 2>complaint || status=$?
	fi
	case $status in
	0) did "$verb" || stop "success, but it is not so" ;;
	124) stop "it hangs" ;;
	137) [ "$mode" = kill ] || stop "killed" ;;
	1[2-9][0-9]) [ "$status" = 125 ] || [ "$status" = 127 ] || stop "status $status" ;;
	*) is_clear || stop "status $status without a word" ;;
	esac
	clear_up "$verb"
	same && return
	stop "left ($status): $(diff before now | grep '^[<>]' | head -n 8 | paste -sd'|')"
	mend
}

# ---- all of them --------------------------------------------------------------------------------

never='exit|exit_group|rt_sigreturn|rt_sigprocmask|get[a-z]*id|getpgrp|umask|sched_yield|brk'
never+='|set_tid_address|set_robust_list|rseq|arch_prctl'
[ "$mode" = fail ] || never=exit_group
bad=0
world >before
for verb in "${verbs[@]}"; do
	wrong=0 points=0 point=- call=- how=undisturbed
	begin "$verb"
	command_of "$verb"
	"$killat" count --list --detach-after-main -o list -- "${command[@]}" </dev/null >said 2>complaint || {
		cat complaint
		fail "$verb fails undisturbed"
	}
	did "$verb" || fail "$verb, undisturbed, does nothing"
	clear_up "$verb"
	same || fail "$verb, undisturbed, leaves: $(diff before now)"
	# kist itself, or all that takes part; the container's own program, once it is one, is no part of it.
	awk -v never="^($never)\$" '$1 ~ /^[0-9]+$/ && $4 !~ never { print $1, $4 }' list >points
	while read -r point call; do
		[ "$point" -ge "$from" ] && [ "$point" -le "$to" ] && [ $((point % every)) = 0 ] || continue
		points=$((points + 1))
		one_point
	done <points
	echo "$verb: points $points, wrong $wrong"
	bad=$((bad + wrong))
done
[ "$bad" = 0 ]
