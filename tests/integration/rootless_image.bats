#!/usr/bin/env bats
# An ordinary user's images: loaded into a store of her own, run with her own ids, and never mixed with
# root's store.

bats_require_minimum_version 1.5.0
load helpers
load runtime
load rootless

setup_file() { rootless_setup_file; }
setup() {
	rootless_setup
	cp "${KIST%/*}/kist-image" "$T/bin/"
	# On disk: also what keeps user xattrs on Debian's kernel.
	mkdir -p "$D/alice"
	chown $ALICE:$ALICE "$D/alice"
	HERS=$D/alice/store
	chmod 755 "${D%/*}"
	cp "$FIXTURES/busybox.tar" "$T/busybox.tar"
	chmod 644 "$T/busybox.tar"
}
teardown() { runtime_teardown; }

her_store() { as_alice KIST_STORE="$HERS" kist image load -q "$T/busybox.tar" >/dev/null 2>&1; }
job() { as_alice KIST_STORE="$HERS" kist job run --id "$ID" "$@"; }
old() { as_alice KIST_STORE="$HERS" setarch --uname-2.6 kist job run --id "$ID" "$@"; }
without_subids() {
	sed /alice/d /etc/subuid >"$T/subuid"
	# shellcheck disable=SC2016 # expanded in the namespace
	in_a_mount_namespace 'mount --bind $T/subuid /etc/subuid; as_alice KIST_STORE='"$HERS"' kist job run --id $ID '"$*"
}

@test "job run IMAGE by a user: her ids, mapped; a limit she cannot have is refused, by name" {
	her_store
	[ "$(cat "$HERS/xattrs")" = user ]
	for by in job old; do
		run $by busybox -- sh -c 'id -u; xargs </proc/self/uid_map; stat -c %u:%g /bin/busybox; touch /x /tmp/x 2>&1; grep " / / " /proc/self/mountinfo; cat /proc/self/gid_map | xargs'
		echo "$output"
		[ "$status" -eq 0 ] || [[ $output == *"Read-only"* ]]
		[ "${lines[0]}" = 0 ]
		[ "${lines[1]}" = "0 $ALICE 1 1 $FIRST 65535" ]
		[ "${lines[2]}" = 0:0 ]
		[[ ${lines[3]} == *"Read-only file system"* ]]
		[[ ${lines[4]} == *" / / ro,nodev"*" - overlay "*userxattr* ]]
		[ "${lines[5]}" = "0 $ALICE 1 1 $FIRST 65535" ]
		assert_nothing_left
	done
	WAIVED= refused 125 '--memory, --pids, --cpus, --cpu-time can.t be enforced: it needs a cgroup, and uid 4321 may make none here' job busybox true
	grep -q '^fix: .*--allow-degraded=memory,pids,cpu,cpu-time$' <<<"$stderr"
	WAIVED= job --memory 64m --allow-degraded memory,pids,cpu,cpu-time busybox true
	WAIVED= job --memory max --pids max --cpus max --cpu-time max busybox true
	run -124 job --wall 300ms busybox -- sh -c 'trap "" TERM; sleep 1000 & while :; do sleep 1; done'
	run -7 job busybox -- sh -c 'sleep 1000 & exit 7'
	refused 125 'needs root' job --net bridge busybox true
	refused 125 'workspace-from: needs root' job --workspace-from . busybox true
	assert_nothing_left
}

@test "one id alone: the same, and an image that wants another user is refused" {
	her_store
	run without_subids "busybox -- sh -c 'xargs </proc/self/uid_map; stat -c %u:%g /bin/busybox /'"
	echo "$output"
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = "0 $ALICE 1" ]
	[ "${lines[1]} ${lines[2]}" = "0:0 0:0" ]
	config=$(jq -r '.manifests[0].digest' "$HERS/index.json")
	config=$(jq -r .config.digest "$HERS/blobs/sha256/${config#*:}")
	before=$(stat -c %s "$HERS/blobs/sha256/${config#*:}")
	# The same number of bytes, so that the store takes it.
	text=$(jq -c '.config.User = "7:8"' "$HERS/blobs/sha256/${config#*:}")
	[ ${#text} -le "$before" ] || skip "no room in this image's configuration"
	printf "%-${before}s" "$text" >"$HERS/blobs/sha256/${config#*:}"
	refused 125 'the image runs as user 7, group 8, who have no id on this host: the job has 1' \
		without_subids busybox true
	grep -q '^fix: .*subuid' <<<"$stderr"
	[ "$(job busybox id -u)" = 7 ]
	assert_nothing_left
}

@test "a writable root: a folder anywhere, a tmpfs where it keeps user xattrs" {
	her_store
	for by in job old; do
		run $by --writable "$D/alice/w" busybox -- sh -c 'rm -r /etc; mkdir /etc; echo '$by' >/etc/kept; ls /etc'
		echo "$output"
		[ "$status" -eq 0 ]
		[ "$output" = kept ]
		run $by --writable "$D/alice/w" busybox -- sh -c 'ls /etc; cat /etc/kept'
		[ "${lines[*]}" = "kept $by" ]
	done
	[ "$(stat -c %u "$D/alice/w/upper/etc/kept")" = $ALICE ]
	change='rm -r /etc; mkdir /etc; touch /etc/x; ls /etc'
	refused 125 '--writable.*|writable root without root needs user xattrs' old --writable 4m busybox sh -c "$change"
	grep -q '^fix: .*--writable /folder' <<<"$stderr"
	IFS=.- read -r major minor _ < <(uname -r)
	if [ $((major * 100 + minor)) -ge 606 ]; then
		run job --writable 4m busybox sh -c "$change; dd if=/dev/zero of=/big bs=1M count=6 2>&1"
		echo "$output"
		[ "${lines[0]}" = x ]
		[[ $output == *"No space left"* ]]
	fi
	assert_nothing_left
}

@test "root's store and hers are not taken for each other: refused in one line, with a way out" {
	her_store
	run --separate-stderr env KIST_STORE="$HERS" "$KIST" --root "$T/state" job run --id "$ID" busybox true
	is_one_line 125 "the store $HERS is one of a user without root, whose whiteouts"
	grep -q '^fix: .*pull the image into root' <<<"$stderr"
	run --separate-stderr env KIST_STORE="$HERS" "$KIST" image load "$T/busybox.tar"
	is_one_line 1 "is one of a user without root"
	KIST_STORE=$D/roots "$KIST" image load -q "$T/busybox.tar" >/dev/null
	[ "$(cat "$D/roots/xattrs")" = trusted ]
	refused 125 'Permission denied' as_alice KIST_STORE="$D/roots" kist job run --id "$ID" busybox true
	grep -q '^fix: .*another user' <<<"$stderr"
	# Given to her as a whole, it still is one of root's.
	chown -R $ALICE:$ALICE "$D/roots"
	refused 125 "the store $D/roots is root's" as_alice KIST_STORE="$D/roots" kist job run --id "$ID" busybox true
	grep -q '^fix: ' <<<"$stderr"
	echo nonsense >"$D/roots/xattrs"
	refused 125 'neither trusted nor user' as_alice KIST_STORE="$D/roots" kist job run --id "$ID" busybox true
	assert_nothing_left
}

@test "kist run of a bundle that names an image, by a user" {
	her_store
	for edit in . "$MORE_IDS"; do
		rootless_bundle "$edit | .annotations = {\"io.kist.image\": \"busybox\", \"io.kist.image.store\": \"$HERS\"}"
		args sh -c 'stat -c %u:%g / /bin/busybox; grep " / / " /proc/self/mountinfo'
		run kist run "$ID"
		echo "$output"
		[ "$status" -eq 0 ]
		[ "${lines[0]} ${lines[1]}" = "0:0 0:0" ]
		[[ ${lines[2]} == *" - overlay "*userxattr* ]]
	done
	assert_nothing_left
}

# Both are a user's store, with her id alone, wherever it was filled.
@test "in a user namespace with mapped ids: load, fsck, job, rm; and the same store from outside" {
	need_program python3 unshare
	native_is_enough
	python3 "$TOP/tests/lib/make-oci-image.py" "$D/i"
	chmod -R a+rX "$D/i"
	inside() { as_alice KIST_STORE="$HERS" unshare -U --map-auto --map-root-user "$@"; }
	inside true || skip "this unshare(1) does not know --map-auto"
	run -0 inside kist image load "$D/i"
	[[ $output == *"files belong to you instead of their owners"* ]]
	run -0 inside kist image load -q "$T/busybox.tar"
	[ "$(find "$HERS/layers" ! -uid $ALICE | wc -l)" = 0 ]
	for by in inside "as_alice KIST_STORE=$HERS"; do
		run -0 $by kist image fsck
		[[ $output == *" looked at: clean" ]]
		run -0 $by kist job run --id "$ID" busybox -- stat -c %u:%g /bin/busybox
		[ "$output" = 0:0 ]
	done
	run -0 inside kist image rm -q busybox everything:1.0
	as_alice KIST_STORE="$HERS" kist image load -q "$D/i" >/dev/null 2>&1
	run -0 inside kist image fsck
	[[ $output == *" looked at: clean" ]]
}
