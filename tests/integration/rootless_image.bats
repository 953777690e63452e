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

# her_store [OPTION...]
her_store() { as_alice KIST_STORE="$HERS" kist image load -q "$@" "$T/busybox.tar" >/dev/null 2>&1; }
img() { as_alice KIST_STORE="$HERS" kist image "$@"; }
job() { as_alice KIST_STORE="$HERS" kist job run --id "$ID" "$@"; }
old() { as_alice KIST_STORE="$HERS" setarch --uname-2.6 kist job run --id "$ID" "$@"; }
without_subids() {
	sed /alice/d /etc/subuid >"$T/subuid"
	# shellcheck disable=SC2016 # expanded in the namespace
	in_a_mount_namespace 'mount --bind $T/subuid /etc/subuid; as_alice KIST_STORE='"$HERS"' kist job run --id $ID '"$*"
}

@test "job run IMAGE by a user: her ids, mapped; a limit she cannot have is refused, by name" {
	her_store
	[ "$(xargs <"$HERS/xattrs")" = "user-mapped uids $ALICE $FIRST 65535 gids $ALICE $FIRST 65535" ]
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
	# Her own process 1 shows nothing to her either; without it she may enter.
	for init in yes no; do
		rm -f "$T/said"
		job --init $init --wall max busybox -- sh -c 'echo >/tmp/here; echo here; sleep 1000' >"$T/said" 2>&1 3>&- &
		wait_until 30 grep -q here "$T/said"
		run --separate-stderr kist exec "$ID" sh -c 'ls /tmp; touch /x 2>/dev/null || echo closed'
		if [ $init = yes ]; then
			is_one_line 255 'cannot join'
			grep -q '^fix: .*--init no$' <<<"$stderr"
		else
			[ "$status $output" = "0 here"$'\n'closed ]
		fi
		kist kill "$ID" KILL
		wait $! || true
	done
	refused 125 'needs root' job --net bridge busybox true
	refused 125 'workspace-from: needs root' job --workspace-from . busybox true
	assert_nothing_left
}

@test "one id alone: the same, and an image that wants another user is refused" {
	her_store --ids single
	[ "$(cat "$HERS/xattrs")" = user ]
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
	her_store --ids single
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

# Both are a user's store, with her id alone, wherever it was filled: that is so from inside unless she asks.
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

# An image whose files are of several owners, as tar; its name is owned.
owned_image() {
	local r=$T/r
	mkdir -p "$r/var/www" "$r/secret"
	cp -a "$FIXTURES/busybox-rootfs/." "$r/"
	echo page >"$r/var/www/page"
	chown -R 33:34 "$r/var/www"
	chmod 400 "$r/var/www/page"
	cp "$r/bin/busybox" "$r/bin/suid"
	chown 65535:65535 "$r/bin/suid"
	chmod 6755 "$r/bin/suid"
	ln -s nowhere "$r/link"
	chown -h 5:6 "$r/link"
	echo s >"$r/secret/s"
	chown -R 7:8 "$r/secret"
	chmod 000 "$r/secret/s"
	chmod 700 "$r/secret"
	tar --numeric-owner -cf "$T/owned.tar" -C "$r" .
	chmod 644 "$T/owned.tar"
}
OWNED='stat -c "%u:%g %a %n" /var/www/page /bin/suid /link /secret'
OWNERS='33:34 400 /var/www/page
65535:65535 6755 /bin/suid
5:6 777 /link
7:8 700 /secret'

# What needs no kernel of its own: a copy, which is hers, as other tools want it; fsck; what the dead left.
is_mended() {
	run -0 img bundle owned:1 "$D/alice/copy"
	[ "$(find "$D/alice/copy" ! -uid $ALICE | wc -l)" = 0 ]
	run -0 img fsck
	[[ $output == *" looked at: clean" ]]
	chown $((FIRST + 40)) "$diff/var/www"
	run -4 img fsck
	[[ $output == *"another owner: /var/www"* ]]
	run -1 img fsck --repair
	run -0 img fsck
	# What a load that was killed left, with files that are not hers.
	mkdir -p "$HERS/tmp/1-dead/x"
	touch "$HERS/tmp/1-dead/x/f"
	chown -R $((FIRST + 6)):$((FIRST + 7)) "$HERS/tmp/1-dead"
	chmod 700 "$HERS/tmp/1-dead/x"
	chown $ALICE:$ALICE "$HERS/tmp/1-dead"
	run -0 img df --json
	[ "$(jq .leftovers.total <<<"$output")" = 1 ]
	[ "$(jq -r .ids <<<"$output")" = mapped ]
	img prune -q
	[ ! -e "$HERS/tmp/1-dead" ]
}

@test "a mapped store: files are who they should be's: job, bundle, export, fsck, df, rm, what the dead left; and all of it goes" {
	owned_image
	run -0 --separate-stderr img import --change 'CMD ["sh"]' "$T/owned.tar" owned:1
	[ -z "$stderr" ]
	diff=$(echo "$HERS"/layers/sha256/*/diff)
	[ "$(stat -c %u:%g "$diff/var/www/page" "$diff/bin/suid" "$diff/link" "$diff/bin/busybox" | xargs)" = \
		"$((FIRST + 32)):$((FIRST + 33)) $((FIRST + 65534)):$((FIRST + 65534)) $((FIRST + 4)):$((FIRST + 5)) $ALICE:$ALICE" ]
	[ "$(stat -c %a "$HERS")" = 700 ]
	run -0 job owned:1 -- sh -c "$OWNED"
	[ "$output" = "$OWNERS" ]
	# Its folders can be written by whom they belong to, as on no single store.
	run -0 job --user 33:34 --writable "$D/alice/w" owned:1 -- sh -c 'cat /var/www/page; touch /var/www/x && stat -c %u:%g /var/www/x'
	[ "$output" = $'page\n33:34' ]
	run -0 img export -o "$D/alice/x.tar" owned:1
	tar --numeric-owner -tvf "$D/alice/x.tar" >"$T/list"
	grep -q ' 33/34 .* var/www/page$' "$T/list"
	grep -q ' 5/6 .* link -> nowhere$' "$T/list"
	grep -q '^-rwsr-sr-x 65535/65535 .* bin/suid$' "$T/list"
	# A bundle that starts from the store has its ids.
	run -0 img bundle --overlay owned:1 "$D/alice/o" -- sh -c "$OWNED"
	cd "$D/alice/o"
	run -0 kist run "$ID"
	[ "$output" = "$OWNERS" ]
	edit_bundle . 'del(.linux.uidMappings[1])'
	refused 1 "/linux/uidMappings: .*are of the ids 0 = $ALICE, 1 to 65535 = $FIRST to $((FIRST + 65534)), which the container does not" kist run "$ID"
	cd "$T"
	[ -n "${KIST_IN_VM-}" ] || is_mended
	run -0 img rm -q owned:1
	[ "$(find "$HERS" ! -uid $ALICE | wc -l)" = 0 ]
	as_alice rm -r "$HERS"
	assert_nothing_left
}

@test "mapped or single: on record, never mixed; other ids, or none, are refused by name" {
	native_is_enough
	owned_image
	load() { img load "$@" "$T/busybox.tar"; }
	mine() { # SUBUID-LINE COMMANDS
		echo "$1" >"$T/subids"
		# shellcheck disable=SC2016
		in_a_mount_namespace 'mount --bind $T/subids /etc/subuid; mount --bind $T/subids /etc/subgid; as_alice KIST_STORE='"$HERS $2"
	}
	refused 1 '--ids is auto, single or mapped, not other' load --ids other
	her_store --ids mapped
	her_store # and nothing to say of it
	refused 1 "the store $HERS is mapped: all its files belong to who they should" load --ids single
	refused 1 "/usr/bin/newuidmap: .*not allowed" mine "alice:500000:65536" "kist image load $T/busybox.tar"
	grep -q '^fix: .*/etc/subuid as when the store was made' <<<"$stderr"
	refused 125 "are of the ids 0 = $ALICE, 1 to 65535 = $FIRST to" mine "alice:500000:65536" "kist job run --id $ID busybox true"
	refused 125 "are of the ids 0 = $ALICE, 1 to 65535 = $FIRST to" mine "" "kist job run --id $ID busybox true"
	# A container that joins another's user namespace has that one's ids.
	cd "$HOME_DIR/b"
	rootless_bundle "$MORE_IDS"
	args sleep 1000
	as_alice kist run -d "$ID" >/dev/null 2>&1 3>&- 4>&-
	mkdir "$HOME_DIR/joined"
	jq --arg p "/proc/$(kist state "$ID" | jq .pid)/ns/user" --arg store "$HERS" 'del(.linux.uidMappings, .linux.gidMappings, .hostname) |
		.process.args = ["stat", "-c", "%u:%g", "/bin/busybox"] | .root.readonly = true |
		.annotations = {"io.kist.image": "busybox", "io.kist.image.store": $store} |
		.linux.namespaces = [{"type": "mount"}, {"type": "pid"}, {"type": "ipc"}, {"type": "user", "path": $p}]' config.json >"$HOME_DIR/joined/config.json"
	run kist run -b "$HOME_DIR/joined" "$ID-2"
	kist delete --force "$ID"
	echo "$output"
	[ "$status $output" = "0 0:0" ]
	cd "$T"
	# In a namespace with the same ids it is the same store; and there she may ask for one.
	mapped() { as_alice KIST_STORE="$1" unshare -U --map-auto --map-root-user kist "${@:2}"; }
	if unshare --help | grep -q -e --map-auto; then
		run -0 mapped "$HERS" image fsck
		[[ $output == *"looked at: clean" ]]
		run -0 mapped "$HERS" job run --id "$ID" busybox id -u
		mapped "$HERS-2" image load -q --ids mapped "$T/busybox.tar" >/dev/null
		cmp "$HERS/xattrs" "$HERS-2/xattrs"
		run -0 as_alice KIST_STORE="$HERS-2" kist image fsck
	fi
	# shellcheck disable=SC2016
	refused 1 'ended well, and the ids are not there' \
		in_a_mount_namespace 'mount --bind /bin/true /usr/bin/newuidmap; as_alice KIST_STORE='"$HERS"' kist image prune'
	# Without a helper that works a new store is single.
	# shellcheck disable=SC2016
	run -0 in_a_mount_namespace 'mount --bind /bin/false /usr/bin/newgidmap; as_alice KIST_STORE='"$HERS-3"' kist image load -q $T/busybox.tar'
	[ "$(cat "$HERS-3/xattrs")" = user ]
	# Nor can it be mapped where files can't be given away: here, by a mount that shows her id alone.
	mkdir "$D/alice/there"
	chown $ALICE:$ALICE "$D/alice/there"
	cat >"$T/idmap.py" <<-'END'
		import ctypes, os, signal, struct, sys
		libc = ctypes.CDLL(None, use_errno=True)
		r, w = os.pipe()
		child = os.fork()
		if child == 0:
		    libc.unshare(0x10000000)
		    os.write(w, b"x")
		    signal.pause()
		os.read(r, 1)
		for name in "uid_map", "gid_map":
		    open("/proc/%d/%s" % (child, name), "w").write("%s %s 1" % (sys.argv[2], sys.argv[2]))
		ns = os.open("/proc/%d/ns/user" % child, os.O_RDONLY)
		tree = libc.syscall(428, -100, sys.argv[1].encode(), 1)
		attr = struct.pack("QQQQ", 0x100000, 0, 0, ns)
		failed = libc.syscall(442, tree, b"", 0x1000, attr, len(attr)) or \
		    libc.syscall(429, tree, b"", -100, sys.argv[1].encode(), 4)
		os.kill(child, 9)
		sys.exit(failed != 0)
	END
	# shellcheck disable=SC2016
	run -0 in_a_mount_namespace 'python3 $T/idmap.py '"$D/alice/there $ALICE"' && as_alice KIST_STORE='"$D/alice/there/a/b"' kist image load -q $T/busybox.tar'
	[ "$(cat "$D/alice/there/a/b/xattrs")" = user ]
	as_alice KIST_STORE="$D/alice/there/c/d" kist image load -q "$T/busybox.tar" >/dev/null
	[ "$(head -n 1 "$D/alice/there/c/d/xattrs")" = user-mapped ]
	[ -z "$(find "$D/alice/there" -name '.kist-*')" ]
	# What needs no layer needs no ids.
	run -0 mine "" "kist image ls -q"
	run -0 mine "" "kist image inspect busybox"
	# A namespace of hers with other ids is not the same.
	refused 1 "are of the ids $FIRST to .* which are not those of 1 to 65535 here" \
		as_alice KIST_STORE="$HERS" unshare -U --map-root-user kist image load "$T/busybox.tar"
	as_alice chmod -R u+rwX "$HERS" 2>/dev/null || true
	rm -rf "$HERS"
	# Ids for some of its files alone; the others' owners are kept, as in a single store.
	run -0 --separate-stderr mine "alice:200000:100" "kist image import $T/owned.tar owned:1"
	[[ $stderr == *"files belong to you instead of their owners"* ]]
	run -0 mine "alice:200000:100" "kist job run --id $ID owned:1 -- sh -c '$OWNED'"
	[ "$output" = "${OWNERS/65535:65535/0:0}" ]
	run -0 mine "alice:200000:100" "kist image export -o $D/alice/x.tar owned:1"
	tar --numeric-owner -tvf "$D/alice/x.tar" | grep '^-rwsr-sr-x 65535/65535 .* bin/suid$'
	run -0 mine "alice:200000:100" "kist image fsck"
	mine "alice:200000:100" "kist image prune -qa"
	rm -rf "$HERS"
	refused 1 '--ids mapped: the caller has no ids but its own' mine "" "kist image load --ids mapped $T/busybox.tar"
	run -0 mine "" "kist image load -q $T/busybox.tar"
	[ "$(cat "$HERS/xattrs")" = user ]
	refused 1 "the store $HERS is single: all its files belong to the user alone" load --ids mapped
	her_store
	[ "$(find "$HERS/layers" ! -uid $ALICE | wc -l)" = 0 ]
	run --separate-stderr env KIST_STORE="$D/roots" "$KIST" image load --ids mapped "$T/busybox.tar"
	is_one_line 1 "--ids is for users: in root's store files belong to who they should"
	echo user-mapped >"$HERS/xattrs"
	refused 1 "does not say which ids its files are of" load
}

@test "a mapped store and the shared ones: root's is used, another user's is not, and whose it is is said" {
	native_is_enough
	KIST_STORE=$D/roots "$KIST" image load -q "$T/busybox.tar" >/dev/null
	KIST_STORE=$D/roots "$KIST" image share -q
	cp -a "$D/roots" "$D/bobs"
	chown -R 4400:4400 "$D/bobs"
	her_store --ids mapped
	shared() { as_alice KIST_STORE="$HERS" KIST_SHARED_STORES="$D/roots:$D/bobs" kist image "$@"; }
	run -0 shared df --json
	[ "$(jq -c '[.shared[] | [.images, .used]]' <<<"$output")" = '[[1,true],[0,false]]' ]
	[[ $(jq -r '.shared[1].why' <<<"$output") == *"it belongs to uid 4400, who could put anything there"* ]]
	shared rm -q busybox
	run -1 shared rm busybox
	[[ $output == *"is in the shared store $D/roots, which is only read"* ]]
	run -0 shared load -q --image busybox "$D/roots"
	run -0 shared fsck
	# One of her own, a second one, that her first one is not like: its layers are read by its own ids.
	owned_image
	img import -q --change 'CMD ["sh"]' "$T/owned.tar" owned:1 >/dev/null
	other() { as_alice KIST_STORE="$D/alice/single" KIST_SHARED_STORES="$HERS" kist "$@"; }
	other image load -q --ids single "$T/busybox.tar" >/dev/null 2>&1
	run -0 other image export -o "$D/alice/x.tar" owned:1
	tar --numeric-owner -tvf "$D/alice/x.tar" | grep '^drwx------ 7/8 .* secret/$'
	run -0 other image bundle owned:1 "$D/alice/copy"
	[ "$(find "$D/alice/copy" ! -uid $ALICE | wc -l)" = 0 ]
	run -0 other job run --id "$ID" owned:1 -- sh -c "$OWNED"
	[ "$output" = "$OWNERS" ]
}
