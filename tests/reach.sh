#!/bin/bash
# reach.sh - one hostile program (tests/tools/reach.c) in several sandboxes: what can it reach?
#
#   tests/reach.sh                prints the table of docs/security.md, measured here
#   tests/reach.sh --write        puts it there
#   tests/reach.sh --only FOLDER NAME...   the answers of these alone, one file each
#
# All are run by root, from a terminal, with a secret in their environment and nothing else but the
# program in their root: docker (Debian's, a default container), runc (Debian's, with docker's
# capabilities, paths and profile), bubblewrap (by an ordinary user, --unshare-all), and kist's
# profiles of jobs. In namespaces of its own; needs `make` done.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
repo=$(cd "$here/.." && pwd)
all=(docker runc bwrap job compute dev like_docker)
[ "$(id -u)" = 0 ] || { echo "reach: needs root" >&2; exit 2; }

fail() { echo "reach: $*" >&2; exit 1; }

# ---- each of them: PROGRAM's words, from inside of a terminal -------------------------------------

run_docker() { docker run --rm reach "$@"; }
run_runc() {
	mkdir -p "$tmp/bundle"
	(cd "$tmp/bundle" && rm -f config.json && runc spec)
	jq --arg root "$tmp/reach-root" --slurpfile profile "$here/lib/docker-like-seccomp.json" '
		.process.terminal = false | .process.args = $ARGS.positional | .root = {path: $root}
		| .process.noNewPrivileges = false
		| .process.capabilities |= map_values(["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FSETID",
			"CAP_FOWNER", "CAP_MKNOD", "CAP_NET_RAW", "CAP_SETGID", "CAP_SETUID", "CAP_SETFCAP",
			"CAP_SETPCAP", "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT", "CAP_KILL", "CAP_AUDIT_WRITE"])
		| .process.capabilities.ambient = [] | .process.capabilities.inheritable = []
		| .linux.seccomp = $profile[0]' "$tmp/bundle/config.json" --args -- "$@" >"$tmp/config.new"
	mv "$tmp/config.new" "$tmp/bundle/config.json"
	runc --root "$tmp/runc" run -b "$tmp/bundle" reach-runc
}
run_bwrap() {
	setpriv --reuid 4321 --regid 4321 --clear-groups bwrap --unshare-all --die-with-parent --new-session \
		--ro-bind "$tmp/reach-root" / --proc /proc --dev /dev --tmpfs /tmp -- "$@"
}
run_job() { kist_job job "$@"; }
run_compute() { kist_job compute "$@"; }
run_dev() { kist_job dev "$@"; }
run_like_docker() { kist_job docker "$@"; }
kist_job() {
	"$kist" --root "$tmp/state" job run --profile "$1" --allow-degraded memory,pids,cpu "$tmp/reach-root" -- \
		"${@:2}"
}

# Without which there is no such column.
ready_docker() {
	local name
	for name in dockerd docker containerd containerd-shim-runc-v2 runc iptables docker-proxy; do
		[ -x "$peers/$name" ] || return 1
	done
	export DOCKER_HOST=unix:///run/reach-docker.sock
	sysctl -qw net.ipv4.ip_forward=1
	echo '{}' >"$tmp/daemon.json"
	dockerd --config-file "$tmp/daemon.json" -H "$DOCKER_HOST" --data-root "$tmp/docker" \
		--exec-root /run/reach-docker -p /run/reach-docker.pid >"$tmp/dockerd.log" 2>&1 &
	pids+=($!)
	for _ in {1..600}; do
		! docker version >/dev/null 2>&1 || break
		sleep 0.1
	done
	tar -C "$tmp/reach-root" -c . | docker import - reach >/dev/null
}
ready_runc() { [ -x "$peers/runc" ]; }
ready_bwrap() { [ -x "$peers/bwrap" ]; }
ready_job() { [ -x "$kist" ]; }
ready_compute() { ready_job; }
ready_dev() { ready_job; }
ready_like_docker() { ready_job; }

# ---- inside -----------------------------------------------------------------------------------------

clean_up() {
	[ ${#pids[@]} = 0 ] || kill "${pids[@]}" 2>/dev/null || true
	for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
	awk -v a="$tmp/" -v b=/run/reach-docker/ 'index($5 "/", a) == 1 || index($5 "/", b) == 1 { print $5 }' \
		/proc/self/mountinfo | tac | xargs -r umount -l || true
	rm -rf "$tmp"
}

inside() { # FOLDER NAME...
	local answers=$1 name port
	shift
	kist=${KIST:-$repo/build/kist} peers=$repo/build/peers/bin pids=()
	PATH=$peers:$PATH
	# runc, and docker, look nowhere else.
	[ "$(stat -f -c %T /sys/fs/cgroup)" = cgroup2fs ] || mount -t cgroup2 none /sys/fs/cgroup
	# On a disk: an id-mapped tmpfs wants a newer kernel than Debian's.
	tmp=$(mktemp -d "${TMPDIR:-/var/tmp}/reach.XXXXXX")
	trap clean_up EXIT
	trap 'exit 1' INT TERM
	chmod 755 "$tmp"
	export REACH_SECRET=hush HOME=$tmp
	mkdir -p "$tmp/reach-root"/{bin,proc,sys,dev,tmp,etc}
	chmod 1777 "$tmp/reach-root/tmp"
	cp "$repo/build/tools/reach" "$tmp/reach-root/bin/reach"
	"$tmp/reach-root/bin/reach" listen >"$tmp/port" &
	pids+=($!)
	until [ -s "$tmp/port" ]; do sleep 0.02; done
	port=$(<"$tmp/port")
	for name; do
		rm -f "$answers/$name"
		"ready_$name" || { echo "reach: no $name here" >&2; continue; }
		# A terminal of its own for each: script(1) waits for all that hold it.
		export -f "run_$name" kist_job
		export tmp kist here
		# Run by bash, whatever the user's shell is: others drop exported functions.
		SHELL=/bin/bash script -qec "bash -c 'run_$name /bin/reach $port >$tmp/said'" /dev/null \
			</dev/null >"$tmp/terminal" || { cat "$tmp/terminal"; fail "$name: it does not run"; }
		[ "$(tail -n 1 "$tmp/said")" = end ] || fail "$name: it did not end"
		sed '$d' "$tmp/said" >"$answers/$name"
	done
}

# ---- the table ---------------------------------------------------------------------------------------

table() { # FOLDER NAME...
	local answers=$1 name
	shift
	printf '| |'
	for name; do printf ' %s |' "${title[$name]}"; done
	printf '\n|---|'
	for name; do printf -- '---|'; done
	echo
	# A "no" is left empty: what is there is what there is to reach.
	cut -f 1 "$answers/$1" | while IFS= read -r what; do
		printf '| %s |' "$what"
		for name; do
			awk -F '\t' -v what="$what" '$1 == what { printf " %s |", $2 == "no" ? "" : $2 }' "$answers/$name"
		done
		echo
	done
}
# shellcheck disable=SC2016 # as in the page
declare -A title=([docker]='docker' [runc]='runc, as docker' [bwrap]='bubblewrap' [job]='`job`' [compute]='`compute`' [dev]='`dev`' [like_docker]='`docker`')

if [ "${1-}" = --inside ]; then
	shift
	inside "$@"
	exit
fi
isolated=()
[ -n "${KIST_TEST_ISOLATED-}" ] || isolated=("$here/isolated.sh")
[ -x "$repo/build/tools/reach" ] || "$here/tools/build.sh" reach >/dev/null
if [ "${1-}" = --only ]; then
	shift
	exec "${isolated[@]}" "$0" --inside "$@"
fi
{ "$here/peers.sh" consumers && "$here/peers.sh" bubblewrap; } >/dev/null || fail "not all peers are there"
answers=$(mktemp -d)
trap 'rm -rf "$answers"' EXIT
"${isolated[@]}" "$0" --inside "$answers" "${all[@]}" >&2
table "$answers" "${all[@]}" >"$answers/table"
if [ "${1-}" != --write ]; then
	cat "$answers/table"
	exit
fi
awk -v table="$answers/table" '
	/^<!-- reach:end/ { inside = 0 }
	!inside
	/^<!-- reach:begin/ { inside = 1; print ""; while ((getline line <table) > 0) print line; print "" }' \
	"$repo/docs/security.md" >"$answers/page"
cat "$answers/page" >"$repo/docs/security.md"
