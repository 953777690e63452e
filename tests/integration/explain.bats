#!/usr/bin/env bats
# native only: strace takes too long under emulation
# --explain says what strace sees; plan says what --explain will, without running and without root.

bats_require_minimum_version 1.5.0
load helpers
load runtime

setup() {
	need_root
	need_program strace python3
	kist_setup
	ID=$(tr -dc a-z </dev/urandom | head -c 4) # as long as "plan"
	make_bundle "$T/b"
	bundle_args "$T/b" true
	cd "$T/b"
}
teardown() { runtime_teardown; }

# traced CMD...: it works under strace, and what it explained is what happened.
traced() {
	run --separate-stderr strace -ff -v -qq -s 200 -o "$T/trace" "$KIST" --root "$ROOT" "$@" </dev/null
	echo "$stderr" >"$T/explained"
	[ "$status" -eq 0 ]
	run python3 "$TOP/tests/lib/explain-vs-strace.py" "$T/explained" "$T/trace"
	echo "$output"
	[ "$status" -eq 0 ]
	rm -f "$T"/trace.*
}

@test "run --explain: each call is in the trace, in order, with its result" {
	traced run --explain "$ID"
	[ "$output" -gt 90 ]
	for call in clone3 mount_setattr fsopen move_mount pivot_root setresuid capset execve; do
		grep -qE "^ *[0-9]+ (host|guest) +(<[^>]*> = )?$call\(" "$T/explained"
	done
}

@test "the same with a user namespace, a filter, a bind mount, groups, limits" {
	edit_bundle . '.linux.namespaces += [{"type": "user"}] |
		.linux.uidMappings = [{"containerID": 0, "hostID": 1000000, "size": 65536}] |
		.linux.gidMappings = .linux.uidMappings | .process.user.additionalGids = [5, 6] |
		.process.oomScoreAdj = 100 | .linux.seccomp = {"defaultAction": "SCMP_ACT_ALLOW"} |
		.process.rlimits += [{"type": "RLIMIT_CORE", "soft": 0, "hard": 0}] | .hostname = "other" |
		.process.user.uid = 1000 | .linux.sysctl = {"net.ipv4.ip_forward": "1"} |
		.mounts += [{"destination": "/home", "type": "bind", "source": "/etc",
			"options": ["rbind", "ro", "nosuid"]}]'
	traced run --explain "$ID"
	[ "$output" -gt 90 ]
	for call in seccomp open_tree sethostname setgroups write; do
		grep -qE "^ *[0-9]+ (host|guest) +(<[^>]*> = )?$call\(" "$T/explained"
	done
}

@test "a mask that is not there: its error is told, and so is the way out" {
	edit_bundle . '.linux.maskedPaths = ["/proc/nosuch", "/proc/keys"]'
	traced run --explain "$ID"
	grep -E 'guest openat2\(.*/proc/nosuch.* = -1 ENOENT$' "$T/explained"
}

@test "a failing step is the last one, with its errno" {
	edit_bundle . '.mounts += [{"destination": "/tmp", "type": "bind", "source": "/no/such",
		"options": ["bind"]}]'
	run --separate-stderr kist run --explain "$ID"
	[ "$status" -eq 1 ]
	grep -vE '^ *[0-9]+ (host|guest) |^ {11}' <<<"$stderr" >"$T/message"
	[ "$(wc -l <"$T/message")" -eq 1 ]
	grep -E '^ *[0-9]+ (host|guest) ' <<<"$stderr" | tail -n 1 | grep -E '/no/such.* = -1 ENOENT$'
}

@test "every line has its man page; most their place in config.json" {
	run --separate-stderr kist run --explain "$ID"
	lines=$(grep -cE '^ *[0-9]+ (host|guest) ' <<<"$stderr")
	[ "$(grep -cE '^ {11}[a-z_0-9]+\([0-9]\)' <<<"$stderr")" -eq "$lines" ]
	grep -q '^ *mount_setattr(2)  /linux/readonlyPaths/0  (/proc/bus)' <<<"$stderr"
	none grep -E '^ +\$ *$' <<<"$stderr"
}

@test "job run --explain, of a folder and of an image" {
	traced job run --explain "$T/b/rootfs" -- /bin/true
	[ "$output" -gt 90 ]
	grep -q 'seccomp(SECCOMP_SET_MODE_FILTER' "$T/explained"
	"$KIST" image load "$FIXTURES/busybox.tar"
	traced job run --explain busybox -- true
	[ "$output" -gt 90 ]
}

@test "plan: the steps that run takes, the same words" {
	for create in "" --create; do
		"$KIST" plan $create | jq -r --arg id "$ID" '.steps[] | "\(.step) \(.side) \(.call)" |
			gsub("kist-plan"; "kist-" + $id) | gsub("_ses\\.plan"; "_ses." + $id) | gsub("\"plan\""; "\"" + $id + "\"")' >"$T/planned"
		verb=run
		[ -z "$create" ] || verb=create
		detached kist $verb --explain "$ID"
		kist delete --force "$ID"
		sed -nE 's/^ *([0-9]+) (host|guest) +(.*) = (0|-1 [A-Z0-9]+)$/\1 \2 \3/p' "$T/detached.err" >"$T/taken"
		[ "$(wc -l <"$T/taken")" -gt 100 ]
		# Nothing was taken that was not planned...
		none grep -vxFf "$T/planned" "$T/taken"
		# ...and what was planned and not taken is somebody's alternative, or skipped by an errno.
		grep -vxFf "$T/taken" "$T/planned" | cut -d' ' -f1 >"$T/missing" || true
		"$KIST" plan $create | jq -e --argjson missing "$(jq -cs . "$T/missing")" '
			[.steps[] | select(.on_errno) | .step as $s | .on_errno[] | select(.then == "skip_to") |
			 range($s; .step)] as $skipped |
			(.steps | map(select(.op == "wait_start").step) + [length] | first) as $last |
			[.steps[] | select((.step | IN($missing[])) and (.alternative | not) and .step < $last) |
			 .step] - $skipped == []'
	done
}

@test "plan needs no root, and its JSON has the promised shape" {
	cp "$KIST" "$T/kist"
	cp -r "$T/b" "$D/b"
	as_nobody() { setpriv --reuid 65534 --regid 65534 --clear-groups env -u XDG_RUNTIME_DIR HOME=/ "$@"; }
	run as_nobody "$T/kist" plan --bundle "$T/b"
	[ "$status" -eq 0 ]
	jq -e '(.steps | type) == "array" and (.steps | length) > 100 and
		([.steps[] | select((.op | type) == "string" and (.side | IN("host", "guest")) and
		(.why | type) == "string" and (.man | test("^[a-z_0-9]+\\([0-9]\\)$")) and
		(.call | type) == "string" and (.call | length) > 3)] | length) == (.steps | length) and
		([.steps[].step] == [range(.steps | length)])' <<<"$output"
	run as_nobody "$T/kist" plan --bundle "$T/b" --format text
	[ "$status" -eq 0 ]
	[ "${#lines[@]}" -gt 200 ]
	[ ! -e /run/kist/plan ]
	# It changes nothing, and tells a bad configuration as run does.
	edit_bundle . '.hooks = {"poststop": [{"path": "x"}]}'
	run --separate-stderr as_nobody "$T/kist" plan --bundle "$T/b"
	is_one_line 1 '/hooks'
}

@test "plan --config: another file than the bundle's; its paths are the bundle's" {
	jq '.hostname = "other" | .root.path = "elsewhere"' config.json >"$T/other.json"
	run -0 "$KIST" plan --format text --bundle . --config "$T/other.json"
	[[ "$output" = *'sethostname("other", '* && "$output" = *"$PWD/elsewhere"* ]]
	run --separate-stderr "$KIST" plan --config "$T/nothing.json"
	is_one_line 1 'nothing.json.*No such file'
}
