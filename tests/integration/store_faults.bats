#!/usr/bin/env bats
# native only: it steps through system calls by ptrace, and pulls from a registry in python
# The store under load and pull that are killed, or whose calls fail, at any system call; and under many
# at once. KIST_STORE_POINTS: at so many of them.

bats_require_minimum_version 1.5.0
load helpers
load registry
load runtime

setup_file() {
	local at=$BATS_FILE_TMPDIR
	TOOLS=$("$BATS_TEST_DIRNAME/../tools/build.sh" killat)
	export TOOLS LAYOUTS=$at/layouts SERVED=$at/served
	mkdir -p "$LAYOUTS" "$SERVED"
	python3 "$TOP/tests/lib/registry-layouts.py" "$LAYOUTS"
	background server python3 "$TOP/tests/lib/registry.py" "$LAYOUTS" "$SERVED"
	wait_until 20 test -s "$SERVED/ports"
}
teardown_file() { registry_end; }
setup() {
	need_root
	kist_setup
	KIST_IMAGE=${KIST_IMAGE:-${KIST_BUILD:-$TOP/build}/kist-image}
	read -r HTTP _ <"$SERVED/ports"
	export HOME=$T
	unset REGISTRY_AUTH_FILE DOCKER_CONFIG XDG_RUNTIME_DIR
	killat=$TOOLS/killat
	RANDOM=${KIST_SEED:-7}
}
teardown() { runtime_teardown; }

img() { "$KIST_IMAGE" "$@"; }
clean() { # WHEN
	img fsck >"$T/fsck" 2>&1 || { echo "$1: fsck $?"; cat "$T/fsck"; return 1; }
}
# The points of a command, so many of them: all calls that change what is in the store are as likely as
# all others together.
points() { # COUNT CMD...
	local count=$1
	rm -rf "$KIST_STORE"
	"$killat" count --list -o list -- "${@:2}" >/dev/null 2>&1
	# brk(2) has no errno: an answer that the kernel never gives.
	awk '$1 ~ /^[0-9]/ && $4 != "brk" { print $1 }' list >all
	[ "$(wc -l <all)" -gt 100 ]
	count=${KIST_STORE_POINTS:-$count}
	awk '$4 ~ /^(rename|unlink|mkdir|fsync|syncfs|flock|ftruncate)/ { print $1 }' list | shuf -n $((count / 2)) \
		--random-source=<(yes "$RANDOM")
	shuf -n $((count - count / 2)) --random-source=<(yes "$RANDOM") all
}
# every_second N: half of the rounds begin on what the last one left.
every_second() { [ $(($1 % 2)) = 0 ] || rm -rf "$KIST_STORE"; }

killed() { # COUNT CMD...
	local point n=0 status
	for point in $(points "$@"); do
		every_second $((n++))
		status=0
		"$killat" kill "$point" --who acting --timeout 60 -o hit -- "${@:2}" >out 2>&1 || status=$?
		clean "killed at call $point ($status)" || { cat hit out; return 1; }
		"${@:2}" >out 2>&1 || { echo "after call $point: no retry"; cat hit out; return 1; }
		clean "after call $point and a retry"
	done
	[ "$n" -ge 3 ]
}
failed() { # COUNT ERRNOS CMD...
	local point n=0 status errnos errno
	read -r -a errnos <<<"$2"
	for point in $(points "$1" "${@:3}"); do
		every_second $n
		errno=${errnos[n++ % ${#errnos[@]}]}
		status=0
		"$killat" fail "$point" "$errno" --timeout 60 -o hit -- "${@:3}" >out 2>&1 || status=$?
		# Done all the same; or a word why not, and nothing is half there.
		case $status in
		0) [ -n "$(img ls -q)" ] || { echo "call $point, $errno: success, and no image"; cat hit out; return 1; } ;;
		1 | 127) grep -q . out || { echo "call $point, $errno: $status without a word"; cat hit; return 1; } ;;
		*) echo "call $point, $errno: status $status"; cat hit out; return 1 ;;
		esac
		clean "call $point, $errno" || { cat hit out; return 1; }
		"${@:3}" >out 2>&1 || { echo "after call $point, $errno: no retry"; cat hit out; return 1; }
		clean "after call $point, $errno, and a retry"
	done
	[ "$n" -ge 3 ]
}

@test "kill -9 at sampled system calls of load and of pull: clean, and the retry works" {
	killed 4 "$KIST_IMAGE" load "$LAYOUTS/everything"
	killed 3 "$KIST_IMAGE" pull --tries 1 "127.0.0.1:$HTTP/good/everything:1.0"
}

@test "a call that fails, or does half, at sampled system calls of load and pull: said, clean, and the retry works" {
	failed 4 "EIO ENOSPC SHORT EDQUOT EINTR ENOMEM" "$KIST_IMAGE" load "$LAYOUTS/everything"
	failed 3 "ENOSPC EIO SHORT" "$KIST_IMAGE" pull --tries 1 "127.0.0.1:$HTTP/good/everything:1.0"
}

@test "many at once: load, pull, rm, prune, ls, fsck, jobs: no error that is not said, and a whole store" {
	img load -q "$FIXTURES/busybox.tar" >/dev/null
	again() { # TIMES NAME CMD...: its failures may only be what they must
		local i
		for ((i = 0; i < $1; i++)); do
			"${@:3}" >>"$2.out" 2>&1 || echo "status $?" >>"$2.out"
		done
	}
	pids=()
	go() { again "$@" & pids+=($!); }
	go 3 load img load -q "$LAYOUTS/everything"
	go 3 load2 img load -q "$LAYOUTS/two"
	go 3 pull img pull -q --tries 1 "127.0.0.1:$HTTP/good/everything:1.0"
	go 3 pull2 img pull -q --tries 1 "127.0.0.1:$HTTP/good/two:v1"
	go 4 rm img rm -q everything:1.0
	go 4 prune img prune -q
	go 4 ls img ls -q
	go 3 fsck img fsck --quick
	go 2 fsck2 img fsck
	job() { "$KIST" --root "$ROOT" job run --id "j$BASHPID" busybox -- cat /etc/os-release; }
	for i in 1 2; do go 3 "job$i" job; done
	for pid in "${pids[@]}"; do
		wait "$pid"
	done
	# What rm does not find, it says; nothing else has a reason to fail.
	grep -vE '^(kist: no such image: everything:1.0|fix: |status 1$)' rm.out || true
	! grep -vE '^(kist: no such image: everything:1.0 .*|fix: .*|status 1)$' rm.out
	for name in load load2 pull pull2 prune ls fsck fsck2 job1 job2; do
		! grep -H -E '^status|kist:' "$name.out"
	done
	[ "$(grep -c '^ID=' job1.out)" = 3 ]
	clean "after all"
	[ -z "$(find "$KIST_STORE"/{tmp,locks,users} -mindepth 1)" ]
	img load -q "$LAYOUTS/everything"
	img rm -q busybox everything:1.0
	img prune --all -q
	[ -z "$(find "$KIST_STORE"/{blobs,layers}/sha256 -mindepth 1)" ]
}
