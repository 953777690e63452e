#!/bin/bash
# sweep-store.sh - disturbs a verb of kist-image at every system call, and looks what comes of it.
#
# usage: sweep-store.sh [OPTION]... [VERB]...    default: all of the list below
#   --kill           kill -9 of all its threads, instead of calls that fail
#   --fail LIST      these errnos (EIO,ENOSPC,SHORT) instead of those that each call may give
#   --only CALL      at calls of that name alone
#   --every K, --from N, --to N, --sample N   of the points; the sample is chosen by KIST_SEED
#   --report FILE    the lines about what is wrong also go there
#
# The verb, undisturbed, says what it should come to. Disturbed at a point it comes to that, or ends
# with a word that says why. In both cases the store is whole (fsck), and the verb, once more, comes to
# what it should. Ends with the line "VERB: points N, rounds N, wrong N" for each, and status 1 when
# something is wrong.
#
# Everything is on a tmpfs of this script's namespaces. Needs root, and what registry.bats needs.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repo=$(cd "$here/.." && pwd)
build=${KIST_BUILD:-$repo/build}
all="load reload pull push rm tag prune prune-all save save-docker import bundle export fsck repair ls inspect history df"
# df and prune --all count as in use what they can not ask about: they may come to less.
fail() { echo "sweep-store: $*" >&2; exit 2; }
usage() { sed -n '4,10s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2; }

mode=fail errnos='' only='.*' sample='' every=1 from=1 to=1000000 report=/dev/null verbs=() arguments=("$@")
while [ $# -gt 0 ]; do
	case $1 in
	--kill) mode="kill" ;;
	--fail) errnos=${2//,/ }; shift ;;
	--only) only=$2; shift ;;
	--sample) sample=$2; shift ;;
	--every) every=$2; shift ;;
	--from) from=$2; shift ;;
	--to) to=$2; shift ;;
	--report) report=$2; shift ;;
	-*) usage ;;
	*) verbs+=("$1") ;;
	esac
	shift
done
# shellcheck disable=SC2206
[ ${#verbs[@]} -gt 0 ] || verbs=($all)

if [ -z "${SWEEP_STORE_INSIDE-}" ]; then
	[ "$(id -u)" = 0 ] || fail "needs root"
	"$here/tools/build.sh" killat >/dev/null
	touch "$report"
	SWEEP_STORE_INSIDE=1 exec unshare -m -n -p --fork --kill-child --mount-proc --propagation private \
		"$here/sweep-store.sh" "${arguments[@]}"
fi
report=$(realpath "$report")
mount -t tmpfs -o mode=755 tmpfs /mnt
ip link set lo up
cd /mnt
killat=$repo/build/tools/killat
img() { "$build/kist-image" "$@"; }
export KIST_STORE=/mnt/store HOME=/mnt/home SOURCE_DATE_EPOCH=0
unset REGISTRY_AUTH_FILE DOCKER_CONFIG XDG_RUNTIME_DIR
mkdir home layouts served registry

# ---- what the verbs begin with ---------------------------------------------------------------

PATH=/usr/sbin:/usr/bin:/sbin:/bin python3 "$here/lib/registry-layouts.py" layouts
PATH=/usr/sbin:/usr/bin:/sbin:/bin python3 "$here/lib/registry.py" layouts served >served/log.server 2>&1 &
cat >registry.yml <<-END
	version: 0.1
	log: {level: error}
	storage: {filesystem: {rootdirectory: /mnt/registry}}
	http: {addr: "localhost:5000", secret: x}
END
[ ! -x "$build/peers/bin/docker-registry" ] || "$build/peers/bin/docker-registry" serve registry.yml >served/log.real 2>&1 &
for ((i = 0; i < 400; i++)); do
	[ ! -s served/ports ] || break
	sleep 0.05
done
read -r port _ <served/ports
mkdir -p rootfs/etc/deep && echo hello >rootfs/etc/hello && ln rootfs/etc/hello rootfs/link && tar -C rootfs -cf rootfs.tar .
template() { # NAME COMMANDS: a store to begin with
	rm -rf store
	eval "$2"
	if [ -e store ]; then mv store "template.$1"; fi
}
template none :
template one 'img load -q layouts/everything >/dev/null'
template two 'img load -q layouts/everything >/dev/null; img load -q layouts/two >/dev/null'
template loose 'img load -q layouts/everything >/dev/null; img load -q layouts/two >/dev/null; img tag one:1 two:1 2>/dev/null || true
	img ls >/dev/null; mkdir store/tmp/dead; echo x >store/tmp/dead/x; : >store/locks/dead
	cp store/index.json index.old; img rm -q everything:1.0 2>/dev/null; cp -a template.one/blobs template.one/layers store/'
template broken 'cp -a template.two store
	find store/layers -type f -path "*/diff/*" -size +0 | sort | sed -n 1p | xargs -I{} sh -c "echo altered >>{}"
	find store/layers -name complete | sort | tail -n 1 | xargs rm
	rmdir store/users; mkdir store/tmp/dead; : >store/locks/dead'

# command_of VERB: fills `command`, and says which template it begins with.
command_of() {
	local k=$build/kist-image
	begins=two
	case $1 in
	load) begins=none command=("$k" load layouts/everything) ;;
	load-two) begins=none command=("$k" load layouts/two) ;;
	reload) begins=one command=("$k" load layouts/everything) ;;
	pull) begins=none command=("$k" pull --tries 1 "127.0.0.1:$port/good/everything:1.0") ;;
	push) command=("$k" push everything:1.0 "localhost:5000/x/round$round:1") ;;
	rm) command=("$k" rm everything:1.0) ;;
	tag) command=("$k" tag everything:1.0 new:1) ;;
	prune) begins=loose command=("$k" prune) ;;
	prune-all) begins=loose command=("$k" prune --all) ;;
	save) command=("$k" save --output out everything:1.0) ;;
	save-docker) command=("$k" save --format docker-archive --output out everything:1.0) ;;
	import) begins=one command=("$k" import --change 'CMD ["sh"]' rootfs.tar imported:1) ;;
	bundle) command=("$k" bundle --user 0 everything:1.0 out) ;;
	export) command=("$k" export --output out everything:1.0) ;;
	fsck) command=("$k" fsck) ;;
	repair) begins=broken command=("$k" fsck --repair) ;;
	ls) command=("$k" ls --json) ;;
	inspect) command=("$k" inspect everything:1.0) ;;
	history) command=("$k" history everything:1.0) ;;
	df) command=("$k" df --json) ;;
	*) fail "no verb $1" ;;
	esac
}
begin() { # VERB
	rm -rf store out out.*
	command_of "$1"
	[ ! -e "template.$begins" ] || cp -a "template.$begins" store
}

# What a verb came to, as text: what it said, the names in the store, what it made.
outcome() { # VERB
	case $1 in
	# Which of the connections was first, a time, a round's name.
	push) img inspect --remote --raw "localhost:5000/x/round$round:1" ;;
	pull | load* | reload | import | tag | rm | prune | prune-all | repair)
		img ls --json | jq -cS 'map({name: (.names? // .reference? // .name?), digest}) | sort'
		[ "$1" != prune-all ] || find store/blobs store/layers -mindepth 2 | sort
		;;
	save | save-docker) tar -tf out | sort; tar -xOf out | sha256sum ;;
	export) tar -tvf out 2>&1; tar -xOf out 2>&1 | sha256sum ;;
	bundle) (cd out && jq -cS . config.json && find rootfs -printf '%p %m %U %G %l %s\n' | sort) ;;
	*) sed 's/[0-9.]* s$//' said ;;
	esac
}
stop() { # WORDS: something is wrong
	wrong=$((wrong + 1))
	{
		echo "$verb: call $point ($call), $errno: $*"
		sed 's/^/    /' said complaint | head -n 6
	} | tee -a "$report"
}
whole() { # WHEN
	img fsck >checked 2>&1 || { stop "$1: fsck: $(head -n 3 checked | paste -sd'|')"; return 1; }
}
# Left in tmp/ or locks/, after a verb that clears.
leftovers() {
	case $verb in
	load* | reload | pull | import | rm | prune | prune-all | repair)
		[ -z "$(find store/tmp store/locks -mindepth 1 2>/dev/null)" ] || stop "leftovers after the retry: $(find store/tmp store/locks -mindepth 1 | head -n 3 | paste -sd' ')" ;;
	esac
}

# The command, undisturbed. fsck's 1: all that was wrong is mended.
ends_well() {
	local status=0
	"${command[@]}" >said 2>complaint </dev/null || status=$?
	[ "$status" = 0 ] || [ "$verb$status" = repair1 ]
}

round_of() { # what happened at one point
	local status=0
	begin "$verb"
	if [ "$mode" = kill ]; then
		"$killat" kill "$point" --who all --timeout 60 -o hit -- "${command[@]}" >said 2>complaint </dev/null || status=$?
	else
		"$killat" fail "$point" "$errno" --timeout 60 -o hit -- "${command[@]}" >said 2>complaint </dev/null || status=$?
	fi
	# Threads take turns as they like: a call that can't fail, or not like this, was in the way.
	awk -v never="^($never)\$" '$1 == "hit" && $5 ~ never { found = 1 } END { exit !found }' hit && return 0
	case $verb.$status in
	*.0 | repair.1)
		outcome "$verb" >came 2>&1 || true
		[ "$verb" = df ] || [ "$verb" = prune-all ] || cmp -s came should || stop "success, but not what it should be: $(diff came should | head -n 3 | paste -sd'|')"
		;;
	*.124) stop "hangs" ;;
	*.137) [ "$mode" = kill ] || stop "killed" ;;
	*.1 | *.127 | fsck.8 | repair.8) grep -q . complaint said || stop "$status without a word" ;;
	# What the disk does not give back was not found wrong: it is named, and stays.
	fsck.4 | repair.4) grep -Eq 'Input/output error|cannot be read|nothing was done' said || stop "$status, and nothing could not be read" ;;
	*) stop "status $status" ;;
	esac
	if [ "$verb" != repair ]; then
		[ ! -e store ] || whole "after it ($status)" || return 0
	fi
	# Nothing half there where others look.
	if [ "$status" != 0 ] && [ "$mode" != kill ] && [ -e out ]; then
		outcome "$verb" >came 2>&1 || true
		cmp -s came should || stop "a failure, and its output is half there"
	fi
	# A failure leaves nothing that is in the way.
	[ "$verb" != bundle ] || [ "$status" = 1 ] || rm -rf out
	if ends_well; then
		outcome "$verb" >came 2>&1 || true
		cmp -s came should || stop "a retry, but not what it should be: $(diff came should | head -n 3 | paste -sd'|')"
		leftovers
	else
		grep -q 'no such image' complaint && [ "$verb" = rm ] || stop "the retry fails"
	fi
	whole "after a retry" || true
}

never='exit|exit_group|rt_sigreturn|rt_sigprocmask|get[a-z]*id|getpgrp|umask|sched_yield|brk|set_tid_address|set_robust_list|rseq|arch_prctl|futex|madvise|munmap|rt_sigaction'
errnos_of() { # CALL: what it may answer
	case $1 in
	open* | socket | memfd_create | dup* | epoll_create* | eventfd*) echo "EIO EMFILE ENOMEM ENOSPC EINTR" ;;
	mkdir* | mknod* | symlink* | link* | rename*) echo "EIO ENOSPC EDQUOT ENOMEM" ;;
	unlink* | rmdir) echo "EIO EBUSY ENOMEM" ;;
	write* | pwrite*) echo "EIO ENOSPC EDQUOT SHORT EINTR" ;;
	read | pread*) echo "EIO SHORT EINTR ENOMEM" ;;
	fsync | syncfs | fdatasync | ftruncate | fallocate) echo "EIO ENOSPC EDQUOT" ;;
	close) echo "EIO EINTR" ;;
	flock) echo "EINTR ENOLCK" ;;
	mmap | mprotect) echo "ENOMEM" ;;
	clone* | unshare) echo "EAGAIN ENOMEM" ;;
	utimensat | *chmod* | *chown* | *setxattr | *removexattr) echo "EIO ENOSPC EDQUOT ENOMEM" ;;
	*) echo "EIO ENOMEM" ;;
	esac
}

bad=0
for verb in "${verbs[@]}"; do
	wrong=0 rounds=0 round=0 points=0 point=- call=- errno=-
	begin "$verb"
	ends_well || { cat said complaint; fail "$verb fails undisturbed"; }
	outcome "$verb" >should
	[ -s should ] || [ "$verb" = tag ] || fail "$verb: nothing to compare"
	round=$((round + 1))
	begin "$verb"
	"$killat" count --list -o list -- "${command[@]}" >said 2>complaint </dev/null || true
	# Without the first mmap of a program glibc's loader has no memory to say so.
	awk -v never="^($never)\$" -v only="^($only)\$" '$4 ~ only && $1 ~ /^[0-9]+$/ && $4 !~ never && !($4 == "mmap" && NR < 4) { print $1, $4 }' list >points
	if [ -n "$sample" ]; then
		shuf -n "$sample" --random-source=<(yes "${KIST_SEED:-7}") points | sort -n >points.few
		mv points.few points
	fi
	while read -r point call; do
		[ "$point" -ge "$from" ] && [ "$point" -le "$to" ] && [ $((points++ % every)) = 0 ] || continue
		if [ "$mode" = kill ]; then list=KILL; else list=${errnos:-$(errnos_of "$call")}; fi
		for errno in $list; do
			rounds=$((rounds + 1)) round=$((round + 1))
			round_of
		done
	done <points
	echo "$verb: points $(wc -l <points), rounds $rounds, wrong $wrong"
	bad=$((bad + wrong))
done
[ "$bad" = 0 ]
