#!/usr/bin/env bats
# native only: it steps through system calls by ptrace, and pulls from a registry in python
# The store under load and pull that are killed, or whose calls fail, at any system call; and under many
# at once. All calls of all verbs: tests/sweep-store.sh.

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
}
teardown() { runtime_teardown; }

img() { "$KIST_IMAGE" "$@"; }
clean() { # WHEN
	img fsck >"$T/fsck" 2>&1 || { echo "$1: fsck $?"; cat "$T/fsck"; return 1; }
}
# sweep OPTION... VERB...: tests/sweep-store.sh, which says what is wrong.
sweep() {
	local status=0
	"$TOP/tests/sweep-store.sh" "$@" >"$T/sweep" 2>&1 || status=$?
	cat "$T/sweep"
	[ "$status" = 0 ]
}
changes='rename.*|unlink.*|mkdir.*|fsync|syncfs|flock|ftruncate'

@test "kill -9 at sampled system calls of load and of pull: clean, and the retry works" {
	sweep --kill --sample 4 load pull
}

@test "a call that fails, or does half, at sampled system calls of load, pull and others: said, clean, and the retry works" {
	sweep --fail EIO,ENOSPC --sample 2 --only "$changes" load pull
	# A sanitizer ends where a mapping fails.
	sweep --fail EIO,SHORT --sample 1 ${KIST_SANITIZED:+--only "$changes|openat|read|write|statx"} load pull save import rm tag prune bundle
}

# Each of these once was taken for "there is none".
@test "what can't be looked at is not what isn't there: the index, an opaque folder, holes, who uses a layer" {
	img load -q "$LAYOUTS/everything"
	img load -q "$LAYOUTS/two"
	cp "$KIST_STORE/index.json" index.json
	index='faccessat2@index.json'
	for command in "tag everything:1.0 new:1" "rm everything:1.0"; do
		# shellcheck disable=SC2086
		"$killat" fail "$index" EIO -- "$KIST_IMAGE" $command >out 2>&1 || grep '^kist: ' out
		[ "$(img ls -q | sort -u | wc -l)" -ge 2 ]
		cp index.json "$KIST_STORE/index.json"
		img load -q "$LAYOUTS/everything"
	done
	for each in "fgetxattr@overlay.opaque:4 bundle --user 0 everything:1.0 made" "lseek:5 export --output made everything:1.0"; do
		read -ra words <<<"$each"
		run "$killat" fail "${words[0]}" EIO -- "$KIST_IMAGE" "${words[@]:1}"
		echo "$output"
		[ "$status" = 1 ] && [[ $output == *"Input/output error"* ]]
		[ ! -e made ] || [ -z "$(ls -A made)" ]
		rm -rf made
	done
	run "$killat" fail openat@index.json EMFILE -- "$KIST_IMAGE" fsck --repair
	[ "$status" = 8 ] && [ ! -e "$KIST_STORE/index.broken" ]
	# A layer that a process holds, whose folder can't be opened to ask.
	top=$(jq -r '.manifests[] | select(.annotations["org.opencontainers.image.ref.name"] | endswith("everything:1.0")) |
		.annotations["io.kist.chain"] | ltrimstr("sha256:")' "$KIST_STORE/index.json")
	exec 7<"$KIST_STORE/layers/sha256/$top"
	flock -s 7
	"$killat" fail "openat@layers/sha256/$top" EIO --each -- "$KIST_IMAGE" rm --force everything:1.0 >out 2>&1 || grep '^kist: ' out
	[ -d "$KIST_STORE/layers/sha256/$top/diff" ]
	exec 7<&-
	img prune -q
	clean "in the end"
}

@test "fsck --repair: what the disk does not give is named, and stays: a layer's blob, a manifest, and the images of both" {
	img load -q "$LAYOUTS/everything"
	manifest=$(jq -r '.manifests[0].digest[7:]' "$KIST_STORE/index.json")
	layer=$(jq -r '.layers[0].digest[7:]' "$KIST_STORE/blobs/sha256/$manifest")
	find "$KIST_STORE/blobs" "$KIST_STORE/layers" | sort >before
	for blob in "$layer" "$manifest"; do
		run "$killat" fail "openat@blobs/sha256/$blob" EIO --each -- "$KIST_IMAGE" fsck --repair
		echo "$output"
		[ "$status" = 4 ] && [[ $output == *"blob sha256:$blob: it cannot be read: Input/output error; it is kept"* ]]
		[[ $output == *"image everything:1.0: "*"cannot be read"* && $output != *" -> "* ]]
		find "$KIST_STORE/blobs" "$KIST_STORE/layers" | sort | diff before -
		clean "the disk is well again"
	done
	# The layer is gone, and the blob not to be had now: the name stays for a better day, which mends it.
	top=$(jq -r '.manifests[0].annotations["io.kist.chain"][7:]' "$KIST_STORE/index.json")
	layer=$(jq -r '.layers[-1].digest[7:]' "$KIST_STORE/blobs/sha256/$manifest")
	rm -r "$KIST_STORE/layers/sha256/$top"
	run "$killat" fail "openat@blobs/sha256/$layer" EIO --each -- "$KIST_IMAGE" fsck --repair
	echo "$output"
	[ "$status" = 4 ] && [[ $output == *"the blob it was made of cannot be read"* ]]
	run -1 img fsck --repair
	clean "mended"
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
