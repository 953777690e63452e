#!/usr/bin/env bats
# native only: it pulls from a registry, which the test machine has not
# Stores of others, which are only read: who may read what, what is used of them, and whom kist does
# not believe.

bats_require_minimum_version 1.5.0
load helpers
load runtime
load rootless
load registry

setup_file() {
	local at=$BATS_FILE_TMPDIR
	rootless_setup_file
	export LAYOUTS=$at/layouts SERVED=$at/served
	mkdir -p "$LAYOUTS" "$SERVED"
	need_program python3
	python3 "$TOP/tests/lib/registry-layouts.py" "$LAYOUTS"
	background server python3 "$TOP/tests/lib/registry.py" "$LAYOUTS" "$SERVED"
	wait_until 20 test -s "$SERVED/ports"
}
teardown_file() { registry_end; }
setup() {
	rootless_setup
	KIST_IMAGE=${KIST_IMAGE:-${KIST_BUILD:-$TOP/build}/kist-image}
	cp "$KIST_IMAGE" "$T/bin/"
	mkdir -p "$D/alice"
	chown "$ALICE:$ALICE" "$D/alice"
	chmod 755 "${D%/*}"
	HERS=$D/alice/store SHARED=$D/shared
	read -r HTTP _ <"$SERVED/ports"
	: >"$SERVED/log"
	export HOME=$T
	unset REGISTRY_AUTH_FILE DOCKER_CONFIG XDG_RUNTIME_DIR KIST_SHARED_STORES
	img --store "$SHARED" load -q "$FIXTURES/busybox.tar" >/dev/null
}
teardown() { runtime_teardown; }

img() { "$KIST_IMAGE" "$@"; }
hers() { as_alice KIST_STORE="$HERS" KIST_SHARED_STORES="$SHARED" kist "$@"; }
mine() { KIST_SHARED_STORES=$SHARED "$KIST" --root "$T/state" "$@"; }
asked() { grep -c -e "$1" "$SERVED/log" || true; }
state_of() { find "$SHARED" -printf '%p %i %s %m %U %T@ %C@\n' | sort; }
# says STATUS TEXT CMD...
says() {
	run "${@:3}"
	echo "${*:3} -> $status: $output"
	[ "$status" = "$1" ] && [[ $output == *"$2"* ]]
}

@test "share: others read blobs and the index, and nothing else; what comes later, too; --off; fsck minds it" {
	says 1 "its owner shares it by: kist image share --store $SHARED" \
		as_alice KIST_STORE="$HERS" KIST_SHARED_STORES="$SHARED" kist image inspect busybox
	img --store "$SHARED" share
	[ "$(stat -c %a "$SHARED" "$SHARED"/{layers,tmp,partial,locks,users,lock,index.json} | xargs)" = "755 700 700 700 700 700 600 644" ]
	img --store "$SHARED" load -q "$LAYOUTS/everything" >/dev/null
	[ "$(find "$SHARED/blobs" -type f ! -perm 644 | wc -l)" = 0 ]
	[ "$(stat -c %a "$SHARED/index.json" "$SHARED")" = "$(printf '644\n755')" ]
	as_alice sh -c "cat $SHARED/index.json $SHARED/blobs/sha256/* >/dev/null"
	# A setuid file of a layer; a lock that its owner would wait for.
	for path in layers/sha256 lock tmp users; do
		run as_alice sh -c "exec 3<$SHARED/$path"
		[ "$status" != 0 ] && [[ $output == *"ermission denied"* ]]
	done
	says 0 clean img --store "$SHARED" fsck
	chmod 755 "$SHARED/layers"
	says 4 "folder layers: its mode is 755, not 700" img --store "$SHARED" fsck --quick
	says 1 "-> set" img --store "$SHARED" fsck --quick --repair
	says 0 clean img --store "$SHARED" fsck --quick
	[ "$(stat -c %a "$SHARED/layers")" = 700 ]
	img --store "$SHARED" share --off
	[ "$(stat -c %a "$SHARED" "$SHARED/blobs" "$SHARED/index.json" | xargs)" = "700 700 600" ]
	says 0 clean img --store "$SHARED" fsck --quick
	run as_alice sh -c "cat $SHARED/index.json"
	[ "$status" != 0 ]
}

@test "a user: sees, saves and unpacks what root shares; a pull downloads none of it; all of it stays as it was" {
	img --store "$SHARED" load -q "$LAYOUTS/everything" >/dev/null
	img --store "$SHARED" share -q
	state_of >before
	says 0 "busybox:latest " hers images
	[[ $output == *"  $SHARED"* ]]
	[ "$(hers image ls --json | jq -r '.[].shared_store' | sort -u)" = "$SHARED" ]
	[ "$(hers image inspect busybox | jq -r .digest)" = "$(img --store "$SHARED" inspect busybox | jq -r .digest)" ]
	hers image history everything:1.0 >/dev/null
	hers image save -o "$D/alice/out" everything:1.0
	img --store "$D/saved" load -q "$D/alice/out" >/dev/null
	[ "$(img --store "$D/saved" inspect everything:1.0 | jq -r .digest)" = "$(img --store "$SHARED" inspect everything:1.0 | jq -r .digest)" ]
	hers image df | grep -q "2  $SHARED"
	[ ! -e "$HERS" ]
	# No id of root's in her containers: unpacked by herself, from what is there.
	for command in "job run busybox true" "image bundle busybox $D/alice/bundle"; do
		# shellcheck disable=SC2086
		run hers $command
		echo "$output"
		[ "$status" != 0 ] && [[ $output == *"whose layers are uid 0's"*"fix: kist load --image busybox $SHARED"* ]]
	done
	for command in "image rm busybox" "image tag busybox new" "push busybox localhost:1/x"; do
		# shellcheck disable=SC2086
		says 1 "busybox is in the shared store $SHARED, which is only read" hers $command
	done
	says 1 "it holds no image nothere" hers load --image nothere "$SHARED"
	hers load -q --image busybox "$SHARED"
	[ "$(hers image ls --json | jq -r '.[] | select(.shared_store == null).reference')" = docker.io/library/busybox:latest ]
	[ "$(hers job run --id "$ID" busybox -- cat /etc/os-release | head -n 1)" != "" ]
	hers image rm -q busybox
	hers image prune -q --all
	# The registry is asked what the tag means, and for nothing else.
	: >"$SERVED/log"
	hers pull -q "127.0.0.1:$HTTP/good/everything:1.0"
	cat "$SERVED/log"
	[ "$(asked manifests)" -ge 1 ] && [ "$(asked blobs)" = 0 ]
	says 0 clean as_alice KIST_STORE="$HERS" kist image fsck
	state_of | diff before -
}

@test "root: runs, bundles and exports from a second store of root's; rm, prune and gc leave it alone" {
	# Without what its owner's prune, and a start that names it as its store, do there.
	state() { find "$SHARED"/{blobs,layers/sha256/*/diff,index.json} -printf '%p %i %s %m %U %T@ %C@\n' | sort; }
	img --store "$SHARED" share -q
	state_of >before
	state >some
	[ "$(mine job run --id "$ID" busybox -- echo ran)" = ran ]
	mine image bundle busybox "$D/copy" -- true
	mine image bundle --overlay busybox "$D/joined" -- sleep 1000
	mine image export -o "$D/tree.tar" busybox
	[ "$(tar -tf "$D/tree.tar" | wc -l)" -gt 10 ]
	says 1 "is only read" mine image rm busybox
	mine image prune -q --all
	says 0 clean mine image fsck
	state_of | diff before -
	# One that outlives its maker is on record there, so that the store's owner's prune leaves its layers.
	mine run --detach --bundle "$D/joined" "$ID"
	img --store "$SHARED" prune -q --all
	says 1 "is used by container $ID" img --store "$SHARED" rm busybox
	mine delete --force "$ID"
	state | diff some -
	# From a disk that can only be read.
	in_ro() {
		unshare --mount --propagation private bash -euc "mount --bind '$SHARED' '$SHARED'; mount -o remount,bind,ro '$SHARED'; $1"
	}
	in_ro "KIST_SHARED_STORES='$SHARED' '$KIST' --root '$T/state' job run --id $ID busybox true"
	in_ro "'$KIST' --root '$T/state' create -b '$D/joined' $ID; '$KIST' --root '$T/state' delete --force $ID" </dev/null
	# One's own goes first; a list in a file; and what is no path is refused.
	img load -q "$FIXTURES/busybox.tar" >/dev/null
	[ "$(mine image ls --json | jq -r 'length, .[0].shared_store')" = "$(printf '1\nnull')" ]
	says 1 "a shared store must be an absolute path, not here" env KIST_SHARED_STORES=here "$KIST_IMAGE" df
	img rm -q busybox
	unshare --mount --propagation private bash -euc "mkdir -p /run/etc-kist; printf '# ours\n%s\n' '$SHARED' >/run/etc-kist/shared-stores
		mkdir -p /etc/kist 2>/dev/null; mount --bind /run/etc-kist /etc/kist
		'$KIST_IMAGE' inspect busybox >/dev/null; '$KIST' --root '$T/state' job run --id $ID busybox true
		! KIST_SHARED_STORES='' '$KIST_IMAGE' inspect busybox 2>/dev/null"
}

@test "hostile: another user's store, one that others alter, open layers, links and pipes, wrong bytes" {
	refuses() { says 1 "$1" mine image inspect busybox; }
	bad() { # TEXT: root does not use it, says why, and touches nothing
		state_of >before
		says 125 "$1" mine job run --id "$ID" busybox true
		says 0 "$1" mine image fsck
		says 0 "$1" mine image df
		[ "$(mine image ls -q | wc -l)" = 0 ]
		state_of | diff before -
	}
	# Mallory's, who says it is root's.
	img --store "$SHARED" share -q
	chown 4444:4444 "$SHARED"
	bad "not used: it belongs to uid 4444"
	ln -s "$SHARED" "$T/link"
	says 125 "not used: it belongs to uid 4444" env KIST_SHARED_STORES="$T/link" "$KIST" --root "$T/state" job run busybox true
	says 125 "belongs to uid 4444, who can alter its layers" "$KIST" --root "$T/state" job run --store "$SHARED" busybox true
	chown 0:0 "$SHARED"
	for part in . blobs blobs/sha256 layers layers/sha256 index.json xattrs; do
		mode=$(stat -c %a "$SHARED/$part")
		chmod o+w "$SHARED/$part"
		refuses "others can alter"
		chmod "$mode" "$SHARED/$part"
		chown 4444 "$SHARED/$part"
		refuses "belongs to uid 4444"
		chown 0 "$SHARED/$part"
	done
	mv "$SHARED/layers" "$T/layers" && ln -s "$T/layers" "$SHARED/layers"
	bad "layers is no folder"
	rm "$SHARED/layers" && mv "$T/layers" "$SHARED/layers"
	# Layers that a user of the host reaches may be altered under the ids an image gave them.
	chmod 711 "$SHARED/layers"
	says 125 "whose layers others can reach" mine job run --id "$ID" busybox true
	chmod 700 "$SHARED/layers"
	# Whiteouts of the other kind would not be seen.
	echo user >"$SHARED/xattrs"
	says 125 "one of a user without root" mine job run --id "$ID" busybox true
	echo trusted >"$SHARED/xattrs"
	mine job run --id "$ID" busybox true

	# Bytes that are not what they are named after: noticed, and fetched.
	img --store "$SHARED" load -q "$LAYOUTS/everything" >/dev/null
	manifest=$(jq -r '.manifests[] | select(.annotations."org.opencontainers.image.ref.name" | contains("everything")).digest[7:]' "$SHARED/index.json")
	readarray -t blobs < <(jq -r '.layers[].digest[7:], .config.digest[7:]' "$SHARED/blobs/sha256/$manifest")
	printf X | dd of="$SHARED/blobs/sha256/${blobs[0]}" conv=notrunc status=none
	rm "$SHARED/blobs/sha256/${blobs[1]}" && mkfifo "$SHARED/blobs/sha256/${blobs[1]}"
	rm "$SHARED/blobs/sha256/${blobs[2]}" && ln -s /dev/zero "$SHARED/blobs/sha256/${blobs[2]}"
	printf '{ ' | dd of="$SHARED/blobs/sha256/${blobs[3]}" conv=notrunc status=none
	says 0 "a shared store's blob sha256:${blobs[0]::12}... was not what it should be" \
		timeout 60 env KIST_SHARED_STORES="$SHARED" "$KIST_IMAGE" pull "127.0.0.1:$HTTP/good/everything:1.0"
	[ "$(asked blobs)" = 4 ]
	says 0 clean img fsck
}
