#!/usr/bin/env bats
# kist image prune, df, rm of what runs: what takes room, what goes, and what must stay.

bats_require_minimum_version 1.5.0
load helpers
load runtime

setup() {
	kist_setup
	KIST_IMAGE=${KIST_IMAGE:-${KIST_BUILD:-$TOP/build}/kist-image}
	LIB=$TOP/tests/lib
	need_program python3
}
teardown() { runtime_teardown; }

img() { "$KIST_IMAGE" "$@"; }
load_two() {
	[ -d "$D/two" ] || python3 "$LIB/make-oci-image.py" "$D/two" --two
	img load -q "$D/two" >/dev/null
}
# What is in the store besides its skeleton.
store_content() {
	find "$KIST_STORE"/{blobs/sha256,layers/sha256,tmp,locks,partial,users} -mindepth 1 -maxdepth 1
	find "$KIST_STORE" -maxdepth 1 -name '.*.tmp'
}
# So many bytes of blobs and of layers' files are in the store.
store_bytes() {
	find "$KIST_STORE"/{blobs,partial,tmp} "$KIST_STORE"/layers/sha256/*/diff -type f -printf '%s\n' 2>/dev/null |
		awk '{ n += $1 } END { print n + 0 }'
}

@test "prune: what no image needs, what the dead left; nothing else; and it says how much" {
	load_two
	# A name that moved leaves its old image; a load that was killed, a folder, a lock and a record;
	# a pull, a partial blob.
	img tag example.org:5000/some/two:v2 one:1
	mkdir -p "$KIST_STORE/tmp/dead/blobs"
	printf '%0999d' 0 >"$KIST_STORE/tmp/dead/blobs/x"
	img ls -q | sed 1q | cut -d: -f2 >"$KIST_STORE/tmp/dead/pins" # the dead count on nothing
	ln -s /etc/passwd "$KIST_STORE/tmp/link"
	touch "$KIST_STORE/locks/$(printf %064d 0)" "$KIST_STORE/users/0123456789abcdef" "$KIST_STORE/.x.1.tmp"
	printf '%0500d' 0 >"$KIST_STORE/partial/$(printf %064d 1)"
	printf '%0700d' 0 >"$KIST_STORE/partial/$(printf %064d 2)"
	touch -d '2 days ago' "$KIST_STORE/partial/$(printf %064d 2)"
	# One that lives: its folder, and what it counts on, stay.
	mkdir "$KIST_STORE/tmp/alive"
	printf pinned >"$KIST_STORE/blobs/sha256/$(printf %064d 3)"
	printf '%064d\n' 3 >"$KIST_STORE/tmp/alive/pins"
	exec {alive}<"$KIST_STORE/tmp/alive"
	flock -x "$alive"

	find "$KIST_STORE" | sort >before
	run img prune --dry-run
	echo "$output"
	[[ $output == *"would remove 3 blobs, 1 layer: "* && $output == *"would remove 1 partial download: 700 B"* ]]
	[[ $output == *"would remove what 5 dead processes left: "* && ${lines[-1]} == "it would free: "* ]]
	find "$KIST_STORE" | sort | diff before -
	bytes=$(store_bytes)
	img prune --dry-run --json >dry
	img prune --json >wet
	cat wet
	[ "$(jq -c 'del(.dry_run)' dry)" = "$(jq -c 'del(.dry_run)' wet)" ]
	[ "$(jq .bytes wet)" = $((bytes - $(store_bytes))) ]
	[ "$(ls "$KIST_STORE/partial")" = "$(printf %064d 1)" ]
	[ "$(ls "$KIST_STORE/tmp")" = alive ]
	[ -z "$(find "$KIST_STORE/locks" "$KIST_STORE/users" -type f)" ]
	[ -f /etc/passwd ]
	[ "$(img ls -q | sort -u | wc -l)" = 1 ]
	img --store "$D/copy" load -q "$KIST_STORE" >/dev/null # whole still

	run img prune --older-than 0
	[[ $output == *"removed 1 partial download: 500 B"* ]]
	exec {alive}<&-
	[ "$(img prune | tail -n 1)" != "freed: 0 B" ]
	[ "$(img prune)" = "freed: 0 B" ]
	# --all: images, too
	run img prune --all
	echo "$output"
	[[ $output == *"removed image example.org:5000/some/two:v2"*"removed image one:1"* ]]
	[ -z "$(store_content)" ]
	[ -z "$(img prune --quiet)" ]
	[ "$(img --store "$D/none" prune)" = "freed: 0 B" ]
	[ ! -e "$D/none" ]
}

@test "prune --all: filters choose the images" {
	python3 - "$LIB" "$D/i" <<-'END'
		import sys
		sys.path.insert(0, sys.argv[1])
		from ociimage import Layout, Tar
		layout = Layout(sys.argv[2])
		for name, made, labels in (("old", "2020-01-02T03:04:05.6+01:00", {"a": "1"}),
		                           ("new", "2199-01-02T03:04:05Z", {"a": "2", "b": ""}),
		                           ("when", None, None)):
		    def change(config, made=made, labels=labels):
		        config.pop("created", None)
		        if made:
		            config["created"] = made
		        config.setdefault("config", {})["Labels"] = labels
		    layout.image([(Tar().add(name, b"x").bytes(), "gzip")], ref=name + ":1", change_config=change)
		layout.write()
	END
	img load -q "$D/i" >/dev/null
	would() { img prune --all --dry-run --json "$@" | jq -r '[.images[] | split("/")[2]] | join(" ")'; }
	[ "$(would)" = "old:1 new:1 when:1" ]
	[ "$(would --filter until=2020-01-02T02:04:06Z)" = old:1 ]
	[ "$(would --filter until=2020-01-02T02:04:05Z)" = "" ]
	[ "$(would --filter until=24h)" = old:1 ]
	[ "$(would --filter label=a)" = "old:1 new:1" ]
	[ "$(would --filter label=a=2 --filter label=b=)" = new:1 ]
	[ "$(would --filter label!=a)" = when:1 ]
	[ "$(would --filter label!=a=1)" = "new:1 when:1" ]
	for args in "--all --filter dangling=true" "--all --filter until=x" "--filter label=a" "--older-than 3" \
		"--all --filter until=2020-13-01T00:00:00Z" "--older-than x"; do
		# shellcheck disable=SC2086
		run img prune $args
		echo "$output"
		[ "$status" -eq 1 ]
		[[ $output == *"cannot prune: --"* ]]
	done
	[ "$(img ls -q | wc -l)" = 3 ]
	img prune --all --filter until=24h >/dev/null
	[ "$(img ls --json | jq -r '[.[].reference | split("/")[2]] | join(" ")')" = "new:1 when:1" ]
}

@test "an image that a job runs: rm names the job, prune leaves it; kill -9 and it is free" {
	need_root
	ID=${T##*.}
	img load -q "$FIXTURES/busybox.tar" >/dev/null
	chain=$(jq -r '.manifests[0].annotations."io.kist.chain"[7:]' "$KIST_STORE/index.json")
	"$KIST" --root "$ROOT" job run --id "$ID" --wall max busybox -- sh -c 'echo up; exec sleep 1000' >out 2>&1 3>&- &
	job=$!
	wait_until 20 grep -q up out
	[ "$(jq -r .id "$KIST_STORE"/users/*)" = "$ID" ]
	run img rm busybox
	echo "$output"
	[ "$status" -eq 1 ]
	[[ ${lines[0]} == "kist: busybox:latest is used by container $ID" && ${lines[1]} == "fix: "*"--force"* ]]
	# one of two names may go
	img tag busybox other:1
	img rm -q busybox
	run img rm other:1
	[ "$status" -eq 1 ]
	[ "$(img df --json | jq -c '[.images.in_use, .images.reclaimable, .list[0].in_use]')" = '[1,0,true]' ]
	img prune --all --json | jq -e '.images == [] and .blobs == 0 and .layers == 0'
	# taken away all the same, its layers stay until the job has ended
	run img rm --force other:1
	echo "$output"
	[[ $output == *"1 layer is in use"* ]]
	[ -z "$(img ls -q)" ]
	[ -d "$KIST_STORE/layers/sha256/$chain/diff" ]
	img prune --all --json | jq -e '.layers == 0 and .layers_in_use == 1'
	kill -TERM "$job"
	wait "$job" || true
	[ -z "$(ls "$KIST_STORE/users")" ]
	img prune >/dev/null
	[ -z "$(store_content)" ]

	img load -q "$FIXTURES/busybox.tar" >/dev/null
	"$KIST" --root "$ROOT" job run --id "$ID" --wall max busybox -- sh -c 'echo up; exec sleep 1000' >out.killed 2>&1 3>&- &
	job=$!
	wait_until 20 grep -q up out.killed
	kill -KILL "$job"
	wait "$job" || true
	[ -n "$(ls "$KIST_STORE/users")" ]
	run img rm busybox
	echo "$output"
	[ "$status" -eq 0 ]
	[ -z "$(store_content)" ]
	kist delete --force "$ID"
	# a store that cannot be written to: the job runs all the same
	img load -q "$FIXTURES/busybox.tar" >/dev/null
	rmdir "$KIST_STORE/users"
	touch "$KIST_STORE/users"
	[ "$(kist job run --id "$ID" busybox -- echo works)" = works ]
}

@test "ls and df: sizes shared and own; what rm frees is what own says" {
	load_two
	img ls --json >list
	cat list
	img df --json >usage
	[ "$(jq -c '[.[] | [.shared, .own]]' list)" = "$(jq -c '[.list[] | [.shared, .own]]' usage)" ]
	[ "$(jq .images.bytes usage)" = "$(store_bytes)" ]
	own=$(jq '.[0].own' list)
	before=$(store_bytes)
	img rm -q one:1
	[ $((before - $(store_bytes))) = "$own" ]
	# what was shared is the other's own now
	[ "$(img ls --json | jq -c '.[0] | [.shared, .own]')" = "[0,$(store_bytes)]" ]
	run img df
	echo "$output"
	[[ ${lines[0]} == "WHAT "*" IN USE "*" RECLAIMABLE" && ${lines[1]} == "images "*" 1 "*" 0 "* ]]
	[[ $output == *"example.org:5000/some/two:v2" ]]
	img tag example.org:5000/some/two:v2 again # two names of one image share nothing
	[ "$(img ls --json | jq -c '[.[] | .shared]')" = '[0,0]' ]
	[ "$(img df --json | jq .images.total)" = 1 ]
	[ "$(img --store "$D/none" df --json | jq .images.bytes)" = 0 ]
	[ ! -e "$D/none" ]
}

@test "what is on the disk before what: content, then names, then the index" {
	need_program strace
	python3 "$LIB/make-oci-image.py" "$D/two" --two
	strace -f -y -o trace -e trace=rename,renameat,renameat2,fsync,syncfs "$KIST_IMAGE" load -q "$D/two" >/dev/null
	cat trace
	# Each name is put in place after a sync of everything, and is on the disk before the index names it.
	awk '
		/syncfs\(.*= 0/ { synced = 1 }
		/renameat.*(blobs|layers)\// && !/\.tmp"/ { if (!synced) { print "early: " $0; bad = 1 } moved++; left = 1 }
		/fsync\(.*\/(blobs|layers)\/sha256>/ { seen[$0 ~ /layers/] = 1 }
		/renameat.*"index.json"/ {
			if (!written || !seen[0] || !seen[1]) { print "index early: " $0; bad = 1 }
			index_put = NR
		}
		/fsync\(.*\/\.index\.json/ { written = 1 }
		/fsync\(.*store>/ && index_put { done = 1 }
		END { exit bad || moved < 10 || !index_put || !done }
	' trace
}
