#!/usr/bin/env bats
# kist devices add, remove: a device for a container that runs: its node, and the rule in its filter.

bats_require_minimum_version 1.5.0
load helpers
load runtime

setup() {
	need_root
	[ -n "$(cgroup_mount)" ] || skip "no cgroup v2 here"
	kist_setup
	ID=${T##*.}
	make_bundle "$T/b"
	cd "$T/b"
	# No driver has it: who may open it hears ENXIO, who may not EPERM.
	mknod -m 646 "$D/dev" c 240 7
	chown 1:2 "$D/dev"
	edit '.root.readonly = false | .process.capabilities[] |= (. + ["CAP_MKNOD"] | unique)'
	bundle_args "$T/b" sleep 1000
}
teardown() { runtime_teardown; }

edit() { edit_bundle "$T/b" "$@"; }
inside() { kist exec $ID sh -c "$1"; }
# may FILE r|w: what opening it says, in a word
may() {
	local how='<'
	[ "$2" = r ] || how='>>'
	case $(inside ": $how $1" 2>&1) in
	*"not permitted"*) echo no ;;
	*"No such device"*) echo yes ;;
	*"nonexistent"* | *"No such file"* | *"can't create"* | *"can't open"*) echo gone ;;
	*) echo open ;;
	esac
}

@test "devices add: the node with mode and owner of the host's, and the right to it; remove takes both" {
	detached kist run -d $ID
	inside 'mknod /dev/own c 240 7; mknod /dev/other c 240 8'
	[ "$(may /dev/own r) $(may /dev/own w)" = "no no" ]
	run -0 --separate-stderr kist devices --explain add $ID "$D/dev:/dev/sub/new"
	for call in 'bpf(BPF_PROG_QUERY, ' 'bpf(BPF_PROG_LOAD, ' 'BPF_F_REPLACE, replace_bpf_fd=<old filter>' \
		'make_node(<root>, "/dev/sub/new", S_IFCHR|0646, makedev(240, 7))'; do
		grep -qF -- "$call" <<<"$stderr"
	done
	[ "$(inside 'stat -c "%F %t %T %a %u %g" /dev/sub/new')" = "character special file f0 7 646 1 2" ]
	[ "$(may /dev/sub/new r) $(may /dev/own w) $(may /dev/other r) $(may /dev/null w)" = "yes yes no open" ]
	run --separate-stderr kist devices add $ID "$D/dev:/dev/sub/../sub/new"
	is_one_line 1 'a device was added there already'
	# An update of the limits leaves it, and so does one that sends the old rules back.
	jq '.linux.resources' config.json | kist update --resources - $ID
	[ "$(may /dev/sub/new r)" = yes ]
	kist devices remove $ID /dev/sub/new
	[ "$(may /dev/own r) $(may /dev/sub/new r) $(may /dev/zero r)" = "no gone open" ]
	run --separate-stderr kist devices remove $ID /dev/sub/new
	is_one_line 1 '/dev/sub/new: no device was added there'
	# Only so much of it; of two that are the same one may go.
	kist devices add $ID "$D/dev:/dev/reads:r"
	[ "$(may /dev/reads r) $(may /dev/reads w)" = "yes no" ]
	kist devices add $ID "$D/dev:/dev/writes:w"
	[ "$(may /dev/reads r) $(may /dev/reads w)" = "yes yes" ]
	kist devices remove $ID /dev/writes
	[ "$(may /dev/reads r) $(may /dev/reads w)" = "yes no" ]
	# A node that is there, and that device, stays when the right goes.
	kist devices add $ID "$D/dev:/dev/own:rw"
	[ "$(may /dev/own w)" = yes ]
	kist devices remove $ID /dev/own
	[ "$(may /dev/own w)" = no ]
	kist delete --force $ID
}

@test "devices: the filter is replaced in one moment: others are never allowed, its own never refused" {
	# It says each answer that is not as it must be.
	bundle_args "$T/b" sh -c 'mknod /dev/no c 240 9; touch /go
		while [ ! -e /stop ]; do
			: 2>/dev/null </dev/zero || echo refused
			case $( (: </dev/no) 2>&1) in *"not permitted"*) ;; *) echo allowed ;; esac
		done; echo end'
	detached kist run -d $ID
	wait_until 10 test -e rootfs/go
	for i in 1 2 3 4 5 6 7 8; do
		kist devices add $ID "$D/dev:/dev/n$i"
		[ $((i % 2)) = 0 ] || kist devices remove $ID /dev/n$i
	done
	[ "$(jq -r '.addedDevices[].path' "$ROOT/$ID/state.json" | tr '\n' ' ')" = "/dev/n2 /dev/n4 /dev/n6 /dev/n8 " ]
	touch rootfs/stop
	wait_until 10 is_in_state $ID stopped
	[ "$(cat "$T/detached.out")" = end ]
	kist delete $ID
}

@test "devices: a user namespace gets the host's node bound; without rules there is no filter to change" {
	edit '.linux.namespaces += [{type: "user"}] | .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}]
		| .linux.gidMappings = .linux.uidMappings'
	chown -hR 100000:100000 rootfs
	chmod 666 "$D/dev"
	detached kist run -d $ID
	kist devices add $ID "$D/dev:/dev/new:r"
	[ "$(inside 'stat -c "%t %T" /dev/new')" = "f0 7" ]
	[ "$(may /dev/new r) $(may /dev/new w)" = "yes no" ]
	grep -q ' /dev/new .*nosuid,noexec' "/proc/$(pid_of $ID)/mountinfo"
	kist devices remove $ID /dev/new
	none grep -q ' /dev/new ' "/proc/$(pid_of $ID)/mountinfo"
	kist delete --force $ID
	edit 'del(.linux.resources.devices) | del(.linux.uidMappings, .linux.gidMappings)
		| .linux.namespaces |= map(select(.type != "user"))'
	chown -hR 0:0 rootfs
	detached kist run -d $ID
	kist devices add $ID "$D/dev:/dev/new"
	[ "$(may /dev/new r)" = yes ]
	kist devices remove $ID /dev/new
	[ "$(may /dev/new r)" = gone ]
	kist delete --force $ID
}

@test "devices: a hostile root leads nowhere; what is not as it must be is said, and changes nothing" {
	mkdir "$D/canary"
	detached kist run -d $ID
	inside "mkdir -p $D; ln -s $D/canary /dev/sly; ln -s /proc/sys /dev/link; touch /dev/file; ln -s zero /dev/alias"
	bad() { run --separate-stderr kist devices "${@:2}"; is_one_line 1 "$1"; }
	bad 'Not a directory' add $ID "$D/dev:/dev/sly/x"
	inside "mkdir $D/canary"
	# That is in the root now, and not the host's folder; the root may lie on a nodev mount, though.
	run kist devices add $ID "$D/dev:/dev/sly/x"
	if [ "$status" = 0 ]; then
		[ -c "rootfs$D/canary/x" ]
		kist devices remove $ID /dev/sly/x
	else
		[[ "$output" = *"no devices (nodev)"* ]]
	fi
	inside 'mkdir /dev/real; ln -s /dev/real /dev/led'
	kist devices add $ID "$D/dev:/dev/led/x"
	[ "$(may /dev/real/x r)" = yes ]
	kist devices remove $ID /dev/led/x
	bad 'no devices \(nodev\)' add $ID "$D/dev:/dev/shm/x"
	bad 'leads into a procfs' add $ID "$D/dev:/dev/link/x"
	bad 'something else than the device c 240:7 is there' add $ID "$D/dev:/dev/file"
	bad 'something else than the device c 240:7 is there' add $ID "$D/dev:/dev/alias"
	bad 'something else than the device c 240:7 is there' add $ID "$D/dev:/dev/null"
	bad 'no device can be made in /proc' add $ID "$D/dev:/proc/x"
	bad 'no place for a device' add $ID "$D/dev:/"
	bad 'is no device$' add $ID "$T/b/config.json:/dev/x"
	bad 'No such file' add $ID "$D/nothing:/dev/x"
	for text in ":/dev/x" "$D/dev::r" "$D/dev:/dev/x:" "$D/dev:/dev/x:q" "$D/dev:/dev/x:rwmr" "$D/dev:x" "dev" "$D/dev:/a:r:w"; do
		bad 'is no device$' add $ID "$text"
	done
	bad 'neither add nor remove' list $ID x
	bad 'does not exist' add nobody "$D/dev:/dev/x"
	inside 'mknod /dev/own c 240 7'
	[ "$(may /dev/own r)" = no ]
	[ "$(jq '.addedDevices | length' "$ROOT/$ID/state.json")" = 0 ]
	[ -z "$(ls "$D/canary")" ]
	# What the container has put in a node's place is left there, and the right goes all the same.
	kist devices add $ID "$D/dev:/dev/mine"
	inside 'rm /dev/mine; ln -s own /dev/mine'
	kist devices remove $ID /dev/mine
	[ "$(inside 'readlink /dev/mine') $(may /dev/own r)" = "own no" ]
	# Every step that fails takes all back.
	for step in $(seq 0 $((KIST_IN_VM ? 4 : 1)) 20); do
		run --separate-stderr kist --fault-step $step devices add $ID "$D/dev:/dev/new"
		[ "$status" = 1 ] || break
		[ "$(may /dev/own r) $(inside 'ls /dev/new 2>&1 | grep -c No') $(jq '.addedDevices | length' "$ROOT/$ID/state.json")" = "no 1 0" ]
	done
	[ "$step" -gt 5 ]
	kist delete --force $ID
}
