#!/usr/bin/env bats
# Races, without any: kist stands still at each of its system calls while the attacker swaps a path
# for a symlink, mounts something over another, or looks into the process that joins.

bats_require_minimum_version 1.5.0
# native only: thousands of stops with a shell each take the test machine an hour
load helpers
load runtime

setup_file() {
	TOOLS=$("$BATS_TEST_DIRNAME/../tools/build.sh" killat swap spy)
	export TOOLS
}
setup() {
	[ -z "${KIST_SANITIZED-}" ] || skip "LeakSanitizer does not work under ptrace"
	need_root
	kist_setup
	ID=${T##*.}
	make_bundle "$T/b"
	cd "$T/b" || return
	mkdir -p "$D/canary/sub"
	echo untouched >"$D/canary/file"
	canary >"$T/canary.before"
}
teardown() { runtime_teardown; }

edit() { edit_bundle "$T/b" "$@"; }
args() { bundle_args "$T/b" "$@"; }
canary() { find "$D/canary" -printf '%p %y %m %U %G %s %i %n %T@ %l\n' | sort; }
canary_same() { canary | diff "$T/canary.before" -; }

# swapped A B CMD...: runs it with A and B changing places at its system calls: at each, at every
# second (both ways round) and so on ($patterns), so that any two calls see different states in one
# run or another. What the runs say and end with is the caller's to judge: in $T/runs.
swapped() {
	local a=$1 b=$2 pattern
	shift 2
	: >"$T/runs"
	for pattern in ${patterns-1+0 2+0 2+1 3+0 3+1 3+2}; do
		"$TOOLS/killat" pause 1 "'$TOOLS/swap' \$KILLAT_INDEX/$pattern '$a' '$b'" --each \
			--timeout 100 -o "$T/hits" -- "$@" >>"$T/runs" 2>&1 </dev/null || true
		[ "$(grep -c '^hit' "$T/hits")" -gt 150 ]
		# However it went: nothing is left, and nothing has happened to the host's.
		"$KIST" --root "$ROOT" delete --force "$ID"
		canary_same || { echo "swapping $pattern"; cat "$T/runs"; return 1; }
	done
	cat "$T/runs"
	none grep -E 'killat:|AddressSanitizer' "$T/runs"
}

@test "a mount's place swapped for a symlink at any moment: nothing is made, or mounted, outside" {
	mkdir -p "$D/volume/dir"
	ln -s "$D/canary" "$D/volume/link"
	touch "$T/source"
	edit '.mounts += [{"destination": "/volume", "source": $v, "options": ["rbind"]},
		{"destination": "/volume/dir/made/here", "type": "tmpfs", "source": "tmpfs"},
		{"destination": "/volume/dir/sub/file", "source": $f, "options": ["bind"]},
		{"destination": "/volume/dir", "type": "tmpfs", "source": "tmpfs"}] |
		.process.cwd = "/volume/dir/work" | .root.readonly = false' \
		--arg v "$D/volume" --arg f "$T/source"
	args cat /proc/self/mountinfo
	swapped "$D/volume/dir" "$D/volume/link" "$KIST" --root "$ROOT" run "$ID"
	# Some of the runs came through, with the mounts below the volume or in the root.
	grep -q ' /volume/dir' "$T/runs"
	none grep -F "$D/canary/" "$T/runs"
}

@test "devices, a terminal and masks of an image's own /dev, its nodes swapped for symlinks" {
	mkdir -p rootfs/dev/sub
	ln -s "$D/canary/file" rootfs/dev/link
	ln -s "$D/canary" rootfs/dev/sub.link
	mknod -m 666 rootfs/dev/null c 1 3
	touch rootfs/dev/console
	edit '.mounts |= map(select(.destination | startswith("/dev") | not)) | .root.readonly = false |
		.linux.devices = [{"path": "/dev/sub/x", "type": "c", "major": 1, "minor": 3, "uid": 5,
			"fileMode": 384}] | .linux.maskedPaths += ["/secret"]'
	echo secret >rootfs/secret
	args cat /secret
	[ -n "${KIST_CHECK_FULL-}" ] || patterns="1+0 2+0 2+1"
	for name in null console; do
		swapped "$T/b/rootfs/dev/$name" "$T/b/rootfs/dev/link" "$KIST" --root "$ROOT" run "$ID"
		none grep -x secret "$T/runs"
	done
	swapped "$T/b/rootfs/dev/sub" "$T/b/rootfs/dev/sub.link" "$KIST" --root "$ROOT" run "$ID"
	none grep -x secret "$T/runs"
}

@test "a node swapped for a symlink before its owner changes" {
	# Where no device can be made in the folder beforehand: the swap waits for the node.
	mkdir -p rootfs/dev
	ln -s "$D/canary/file" rootfs/link
	edit '.mounts |= map(select(.destination | startswith("/dev") | not)) | .root.readonly = false |
		.linux.devices = [{"path": "/dev/x", "type": "c", "major": 1, "minor": 3, "uid": 5}]'
	args true
	"$TOOLS/killat" pause fchownat "'$TOOLS/swap' '$T/b/rootfs/dev/x' '$T/b/rootfs/link'" \
		-o "$T/hit" -- "$KIST" --root "$ROOT" run "$ID" || true
	grep -q '^hit' "$T/hit"
	canary_same
}

@test "something else than null on the host, or mounted over the container's proc: no use is made of it" {
	echo secret >"$T/file"
	run unshare -m sh -c 'mount --bind "$1" /dev/null && shift && exec "$@"' sh "$T/file" \
		"$KIST" --root "$ROOT" run "$ID"
	echo "$output"
	[ "$status" -eq 1 ]
	[[ "$output" == *"/linux/maskedPaths (/dev/null): something else than the device c 1:3 is there"* ]]
	[ "$(cat "$T/file")" = secret ]
	# A hook of the container's mount namespace puts its own over /proc.
	cat >"$T/hook" <<-'END'
	#!/bin/sh
	exec >&2
	mount -t tmpfs fake "$1/proc" && mkdir -p "$1/proc/sys/net/ipv4" &&
		echo 0 >"$1/proc/sys/net/ipv4/ip_forward"
	END
	chmod +x "$T/hook"
	edit '.hooks.createContainer = [{"path": $h, "args": ["hook", $r]}] |
		.linux.sysctl = {"net.ipv4.ip_forward": "1"}' --arg h "$T/hook" --arg r "$T/b/rootfs"
	run kist run "$ID"
	echo "$output"
	[ "$status" -eq 1 ]
	[[ "$output" == *"/linux/sysctl"*"is not on a procfs"* ]]
}

@test "a false proc put over the host's while id maps are due: they are not written there" {
	edit '.linux.namespaces += [{"type": "user"}] | .linux.uidMappings =
		[{"containerID": 0, "hostID": 1000000, "size": 65536}] | .linux.gidMappings = .linux.uidMappings'
	args true
	cat >"$T/fake" <<-'END'
	#!/bin/sh
	mount -t tmpfs fake /proc
	cd /proc
	# One mkdir for all: the guest's pid comes after those of what runs here.
	pids=$(seq $(($1 + 1)) $(($1 + 60)))
	mkdir $pids
	for pid in $pids; do
		: >$pid/uid_map >$pid/gid_map
	done
	END
	# In a mount namespace of its own, where the hook runs too.
	chmod +x "$T/fake"
	run unshare -m "$TOOLS/killat" pause clone3 "/bin/sh '$T/fake' \$KILLAT_MAIN" -o "$T/hit" -- \
		"$KIST" --root "$ROOT" run "$ID"
	echo "$output"
	grep -q '^hit' "$T/hit"
	[ "$status" -eq 1 ]
	[[ "$output" == *"/proc of this host is no procfs"* ]]
	kist delete --force "$ID"
}

@test "a ptmx of the image is no terminal" {
	edit '.mounts |= map(select(.destination | startswith("/dev") | not)) | .process.terminal = true'
	mkdir -p rootfs/dev/pts
	touch rootfs/dev/pts/ptmx
	run on_a_pty 24x80 "$KIST" --root "$ROOT" run "$ID"
	echo "$output"
	[[ "$output" == *"is not on a devpts"* ]]
	rm rootfs/dev/pts/ptmx
	ln -s /dev/ptmx rootfs/dev/pts/ptmx
	run on_a_pty 24x80 "$KIST" --root "$ROOT" run "$ID"
	echo "$output"
	[[ "$output" == *"symbolic link"* ]]
}

# spied_exec: the container's spy looks around at each system call of an exec.
spied_exec() {
	cp "$TOOLS/spy" rootfs/bin/spy
	mkfifo -m 666 rootfs/tmp/in rootfs/tmp/out
	cat >"$T/look" <<-END
	echo look >'$T/b/rootfs/tmp/in'
	cat '$T/b/rootfs/tmp/out' >>'$T/seen'
	END
	args spy /tmp/in /tmp/out
	detached kist run -d "$ID"
	"$TOOLS/killat" pause 1 "timeout 20 sh '$T/look'" --each --timeout 100 -o "$T/hits" -- \
		"$KIST" --root "$ROOT" exec "$ID" true
	kist delete --force "$ID"
	# It did see somebody, for some time.
	[ "$(grep -c '^saw 1' "$T/seen")" -gt 20 ]
	grep -v '^saw\|^\.$' "$T/seen" | sort | uniq -c >"$T/learnt" || true
	cat "$T/learnt"
	[ ! -s "$T/learnt" ]
}

@test "a kist that joins is closed to the container at each of its steps" {
	edit '.process.capabilities |= map_values(["CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH"]) |
		.root.readonly = false'
	spied_exec
}

@test "and to a root with CAP_SYS_PTRACE in its own user namespace" {
	edit '.process.capabilities |= map_values(["CAP_SYS_PTRACE", "CAP_DAC_OVERRIDE", "CAP_SYS_ADMIN"]) |
		.linux.namespaces += [{"type": "user"}] | .linux.uidMappings =
		[{"containerID": 0, "hostID": 1000000, "size": 65536}] |
		.linux.gidMappings = .linux.uidMappings'
	chmod 777 rootfs/tmp
	spied_exec
}

# The real thing, unsynchronised: `make races` lets it run for a minute each.
@test "swapped as fast as it goes, beside kist: mount places, a volume's folders" {
	seconds=${KIST_RACE_SECONDS:-2}
	mkdir -p "$D/volume/dir"
	ln -s "$D/canary" "$D/volume/link"
	edit '.mounts += [{"destination": "/volume", "source": $v, "options": ["rbind"]},
		{"destination": "/volume/dir/made", "type": "tmpfs", "source": "tmpfs"},
		{"destination": "/volume/dir/file", "source": "/etc/passwd", "options": ["bind"]}] |
		.process.cwd = "/volume/dir/made/work"' --arg v "$D/volume"
	args true
	taskset -c "$(($(nproc) - 1))" "$TOOLS/swap" "$seconds" "$D/volume/dir" "$D/volume/link" >"$T/swaps" &
	runs=0 good=0
	while [ ! -s "$T/swaps" ]; do
		runs=$((runs + 1))
		! "$KIST" --root "$ROOT" run "$ID" >/dev/null 2>"$T/err" || good=$((good + 1))
		kist delete --force "$ID"
	done
	echo "# $(cat "$T/swaps") swaps, $runs runs, $good of them came through" >&3
	canary_same
}

@test "volumes of two containers: one swaps its folders while the other's mounts are put there" {
	seconds=${KIST_RACE_SECONDS:-2}
	mkdir -p "$D/volume/dir"
	cp "$TOOLS/swap" rootfs/bin/swap
	ln -s / "$D/volume/link"
	edit '.mounts += [{"destination": "/volume", "source": $v, "options": ["rbind"]}]' --arg v "$D/volume"
	args swap "$seconds" /volume/dir /volume/link
	"$KIST" --root "$ROOT" run attacker >"$T/swaps" &
	edit '.mounts += [{"destination": "/volume/dir/made", "type": "tmpfs", "source": "tmpfs"},
		{"destination": "/volume/dir/proc", "type": "proc", "source": "proc"},
		{"destination": "/volume/dir/here", "source": $c, "options": ["bind"]}]' --arg c "$D/canary"
	args grep -c ' /proc' /proc/self/mountinfo
	runs=0 good=0
	while [ ! -s "$T/swaps" ]; do
		runs=$((runs + 1))
		! "$KIST" --root "$ROOT" run "$ID" >/dev/null 2>"$T/err" || good=$((good + 1))
		kist delete --force "$ID"
	done
	echo "# $(cat "$T/swaps") swaps, $runs runs, $good of them came through" >&3
	canary_same
	# What was made is in the volume, or in the root that the link leads to: none of it on the host.
	[ ! -e /made ] && [ ! -e /here ]
}

@test "an image's store swapped for another between looking and mounting: what was found is what runs" {
	KIST_STORE=$D/store "$KIST" image load -q "$FIXTURES/busybox.tar" >/dev/null
	# The same layers by name, with other content, and no image: nothing can be found in there.
	cp -a "$D/store" "$D/false"
	for os in "$D"/false/layers/sha256/*/diff/etc/os-release; do
		echo evil >"$os"
	done
	echo '{"schemaVersion": 2, "manifests": []}' >"$D/false/index.json"
	edit '.annotations = {"io.kist.image": "busybox", "io.kist.image.store": $s}' --arg s "$D/store"
	args cat /etc/os-release
	# Once, at one of its calls: before the image is found there is none, after it there is only this.
	for at in 60 150 200 250; do
		rm -f "$T/done"
		"$TOOLS/killat" pause 1 "[ \$KILLAT_INDEX -lt $at ] || [ -e $T/done ] ||
			{ touch $T/done; '$TOOLS/swap' '$D/store' '$D/false'; }" --each \
			--timeout 100 -o "$T/hits" -- "$KIST" --root "$ROOT" run "$ID" >>"$T/runs" 2>&1 </dev/null || true
		[ ! -e "$T/done" ] || "$TOOLS/swap" "$D/store" "$D/false"
		"$KIST" --root "$ROOT" delete --force "$ID"
	done
	cat "$T/runs"
	[ "$(grep -c kist-busybox "$T/runs")" -ge 2 ]
	none grep -E 'evil|killat:|AddressSanitizer' "$T/runs"
}
