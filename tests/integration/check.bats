#!/usr/bin/env bats
# kist check: all that would keep a bundle from starting, each with its place; nothing is started,
# nothing changes, and it agrees with what create does.

bats_require_minimum_version 1.5.0
load helpers
load runtime

setup() {
	runtime_setup
	bundle_args "$T/b" true
	cp config.json "$T/good.json"
	snapshot >"$T/before"
}
teardown() {
	runtime_teardown
}

# The bundle, with the times of everything: check must not even touch it.
snapshot() { find "$T/b" ! -name config.json ! -path "$T/b" -printf '%p %y %m %U %s %T@ %C@\n' | sort; }

AS=() # what runs kist
# checked STATUS [FILTER]: the good configuration, edited so, is checked; $output: a line a problem,
# "LEVEL WHERE".
checked() {
	jq "${2-.}" "$T/good.json" >config.json
	run --separate-stderr "${AS[@]}" "$KIST" --root "$ROOT" check --format json "$T/b"
	echo "$stderr$output"
	[ "$status" -eq "$1" ] && [ -z "$stderr" ]
	[ "$(jq .ok <<<"$output")" = "$([ "$1" = 0 ] && echo true || echo false)" ]
	output=$(jq -r '.problems[] | .level + " " + .where' <<<"$output")
}
# finds FILTER LINE...: exactly these problems.
finds() {
	local filter=$1
	shift
	checked 1 "$filter"
	diff <(printf '%s\n' "$@" | sort) <(sort <<<"$output")
}

@test "a good bundle: 0, in words and as JSON, and nothing is touched" {
	checked 0
	[ -z "$output" ]
	run --separate-stderr kist check
	[ "$status" -eq 0 ] && [ "$output" = ".: no problem found" ] && [ -z "$stderr" ]
	snapshot | diff "$T/before" -
	[ ! -e "$ROOT" ] || [ -z "$(ls -A "$ROOT")" ]
	run kist check --format xml
	[ "$status" -eq 1 ]
}

@test "every problem of a configuration at once, each at its place in the file" {
	finds '.ociVersion = "x" | .annotations = {"a": 1, "b": "", "c": []} |
		.process.user.uid = -1 | .process.env += ["X", 5, "A=1", "=y"] |
		.process.args = [] | .process.rlimits[0].soft = "5" |
		.linux.namespaces[0].type = "pidd" | .linux.namespaces += [{"type": "uts"}] |
		.linux.uidMappings = [{"containerID": 0, "hostID": 5, "size": 0}] |
		.mounts[1].options[0] = 5 | .mounts[3] = null | .mounts[4].destination = 7 |
		.mounts[6].type = "" |
		.linux.sysctl = {"kernel.core_pattern": "x", "net.ipv4.ip_forward": 1} |
		.linux.resources.memory.limit = -7 | .linux.maskedPaths[0] = "x" |
		.linux.seccomp.defaultAction = "x" | .hostname = 5 | del(.root)' \
		"error /ociVersion" "error /annotations/a" "error /annotations/c" "error /process/user/uid" \
		"error /process/env/$(jq '.process.env | length' "$T/good.json")" \
		"error /process/env/$(jq '.process.env | length + 1' "$T/good.json")" \
		"error /process/env/$(jq '.process.env | length + 3' "$T/good.json")" \
		"error /process/args" "error /process/rlimits/0/soft" "error /linux/namespaces/0/type" \
		"error /linux/namespaces/6/type" "error /linux/uidMappings/0/size" \
		"error /linux/gidMappings" "error /mounts/1/options/0" "error /mounts/3" \
		"error /mounts/4/destination" "error /mounts/6/type" \
		"error /linux/sysctl/kernel.core_pattern" "error /linux/sysctl/net.ipv4.ip_forward" \
		"error /linux/resources/memory/limit" "error /linux/maskedPaths/0" \
		"error /linux/seccomp/defaultAction" "error /hostname" "error /root"
	# Later places are still those of the file, and what only follows from a problem is none.
	finds '.mounts[0] = 5 | .mounts[2].options[0] = 5 | .linux.namespaces[0].type = "x" |
		.linux.namespaces[1].path = "/no/such" |
		.mounts += [{"destination": "/x", "source": "/no/such", "options": ["bind"]}] |
		.process.capabilities.bounding = 5 | .linux.resources.memory = {"limit": "x", "swap": 5}' \
		"error /mounts/0" "error /mounts/2/options/0" "error /linux/namespaces/0/type" \
		"error /linux/namespaces/1/path" "error /mounts/7/source" \
		"error /process/capabilities/bounding" "error /linux/resources/memory/limit"
	finds 'del(.process) | del(.linux)' "error /process" "error /linux"
	finds '{}' "error /ociVersion" "error /process" "error /linux" "error /root"
	finds '[]' "error /"
	echo '{"a": ' >config.json
	run kist check
	[ "$status" -eq 1 ] && grep -q '^error: /a: ' <<<"$output"
	run kist check /no/such
	[ "$status" -eq 1 ] && grep -q '^error: the bundle /no/such: No such file' <<<"$output"
	[[ "${lines[-1]}" == "/no/such: 1 error, 0 warnings" ]]
	snapshot | diff "$T/before" -
}

@test "the root, the mounts: what is missing, and what is of the wrong kind" {
	finds '.root.path = "nowhere"' "error /root/path"
	finds '.root.path = "config.json"' "error /root/path"
	ln -s rootfs link
	finds '.root.path = "link"' "error /root/path"
	rm link
	finds '.mounts += [
		{"destination": "/bin/busybox/x", "type": "tmpfs"},
		{"destination": "/etc/passwd", "source": "/usr", "options": ["bind"]},
		{"destination": "/etc", "source": "/etc/passwd", "options": ["bind"]},
		{"destination": "/new", "source": "/no/such", "options": ["bind"]},
		{"destination": "/fresh", "source": "/usr", "options": ["bind"]},
		{"destination": "/tmp", "type": "nosuchfs"}]' \
		"error /mounts/7/destination" "error /mounts/8/destination" \
		"error /mounts/9/destination" "error /mounts/10/source" "warning /mounts/12/type"
	[ ! -e rootfs/new ] && [ ! -e rootfs/fresh ]
	snapshot | diff "$T/before" -
	rmdir rootfs/proc
	ln -s /etc rootfs/proc
	finds . "error /mounts/0/destination"
}

@test "the program: not there, not executable, without its interpreter, for another machine" {
	printf '#! /no/interpreter -x\n' >rootfs/bin/script
	printf '#!/bin/sh\n' >rootfs/bin/fine
	cp "$(command -v bash)" rootfs/bin/dynamic
	head -c 100 rootfs/bin/dynamic >rootfs/bin/halved
	chmod +x rootfs/bin/*
	chmod 700 rootfs/bin/fine
	ln -s /no/where rootfs/bin/dead
	for name in nosuch /no/such dead /etc /etc/passwd script dynamic; do
		finds ".process.args = [\"$name\"]" "error /process/args/0"
	done
	kist check | grep -qF 'needs the interpreter /lib'
	checked 0 '.process.args = ["halved"]'
	[ "$output" = "warning /process/args/0" ]
	checked 0 '.process.args = ["fine"]'
	finds '.process.args = ["fine"] | .process.user = {"uid": 1000, "gid": 1000}' \
		"error /process/args/0"
	finds '.process.cwd = "/bin/busybox"' "error /process/cwd"
	checked 0 '.process.cwd = "/yet/to/be/made"'
	# What a mount brings along is found, and what it hides is not.
	checked 0 ".process.args = [\"/m/fine\"] |
		.mounts += [{\"destination\": \"/m\", \"source\": \"$T/b/rootfs/bin\", \"options\": [\"bind\"]}]"
	checked 0 ".process.args = [\"/bin/true\"] |
		.mounts += [{\"destination\": \"/bin\", \"source\": \"$T/b/rootfs/etc\", \"options\": [\"bind\"]}]"
	[ "$output" = "warning /process/args/0" ]
}

@test "the host: namespaces by path, devices, controllers, a cgroup in use" {
	finds '.linux.namespaces = [{"type": "mount"}, {"type": "pid"}, {"type": "cgroup"},
		{"type": "network", "path": "/proc/self/ns/uts"}, {"type": "ipc", "path": "/etc/passwd"},
		{"type": "uts", "path": "/no/such"}]' \
		"error /linux/namespaces/3/path" "error /linux/namespaces/4/path" \
		"error /linux/namespaces/5/path"
	local user='.linux.namespaces += [{"type": "user"}] |
		.linux.uidMappings = [{"containerID": 0, "hostID": 100000, "size": 65536}] |
		.linux.gidMappings = .linux.uidMappings | .linux.devices = [
		{"type": "c", "path": "/dev/nosuch", "major": 10, "minor": 9},
		{"type": "c", "path": "/dev/null", "major": 1, "minor": 3},
		{"type": "c", "path": "/dev/tty", "major": 1, "minor": 3}]'
	checked 0 "$user"
	# Where none can be made they are the host's own.
	AS=(setpriv --bounding-set -mknod)
	finds "$user" "error /linux/devices/0/path" "error /linux/devices/2/path"
	AS=()
	checked 0 '.linux.sysctl = {"net.ipv4.nosuch": "1"}'
	[ "$output" = "warning /linux/sysctl/net.ipv4.nosuch" ]
	jq '.linux.resources = {"cpu": {"shares": 5}, "pids": {"limit": 5}, "memory": {"limit": 50000000}}' \
		"$T/good.json" >config.json
	lacking=$(for name in cpu pids memory; do
		grep -qw $name "$(cgroup_mount)/cgroup.controllers" || echo $name
	done)
	[ "$(kist check | grep -c 'error: .*needs the cgroup v2 controller')" = "$(wc -w <<<"$lacking")" ]
	jq --arg path "/in-use-$ID" '.linux.cgroupsPath = $path | .process.args = ["sleep", "60"]' \
		"$T/good.json" >config.json
	kist check
	detached kist run -d $ID
	run kist check
	[ "$status" -eq 1 ] && grep -q "^error: /linux/cgroupsPath: cgroup .* belongs to container" \
		<<<"$output"
	kist delete --force $ID
	kist check
}

@test "hooks: those of the host, and the one in the container" {
	finds '.hooks = {"prestart": [{"path": "/bin/true"}, {"path": "/no/such"}],
		"createRuntime": [{"path": "/etc/passwd"}], "createContainer": [{"path": "/etc"}],
		"startContainer": [{"path": "/bin/busybox"}, {"path": "/bin/nosuch"}],
		"poststart": [{"path": "rel"}], "poststop": [{"path": "/no/such"}]}' \
		"error /hooks/prestart/1/path" "error /hooks/createRuntime/0/path" \
		"error /hooks/createContainer/0/path" "error /hooks/startContainer/1/path" \
		"error /hooks/poststart/0/path" "warning /hooks/poststop/0/path"
}

@test "it agrees with create" {
	for filter in . '.process.args = ["nosuch"]' '.root.path = "nowhere"' '.process.cwd = "/etc/passwd"' \
		'.mounts += [{"destination": "/etc/passwd", "source": "/usr", "options": ["bind"]}]' \
		'.linux.namespaces[1].path = "/proc/self/ns/mnt"' '.process.user.uid = 4294967295' \
		'.process.user.uid = 4294967294' '.hostname = "a b"' '.process.cwd = "/made"' \
		'.hooks.prestart = [{"path": "/no/such"}]' '.hooks.prestart = [{"path": "/bin/true"}]'; do
		jq "$filter" "$T/good.json" >config.json
		check=0 create=0
		kist check >"$T/out" || check=$?
		detached kist create $ID || create=$?
		echo "$filter: check $check, create $create"; cat "$T/out"
		[ $check -eq $create ]
		[ $create -ne 0 ] || kist delete $ID
	done
}

@test "the global options count: --cgroup-manager, --systemd-cgroup" {
	jq '.linux.resources = {"pids": {"limit": 5}, "cpu": {"shares": 5}}' "$T/good.json" >config.json
	run kist --cgroup-manager disabled check
	echo "$output"
	[ "$status" -eq 1 ]
	[ "$(grep -c '^error: /linux/resources/.*--cgroup-manager disabled makes none' <<<"$output")" = 2 ]
	jq '.linux.cgroupsPath = "a.slice:b:c"' "$T/good.json" >config.json
	run kist check
	[ "$status" -eq 1 ] && grep -q 'meant for the systemd cgroup driver' <<<"$output"
	run env DBUS_SYSTEM_BUS_ADDRESS="unix:path=$T/none" "$KIST" --systemd-cgroup check
	echo "$output"
	[ "$status" -eq 1 ] && grep -q '^error: .*systemd' <<<"$output"
	[ "$(grep -c '^error: ' <<<"$output")" = 1 ]
}

@test "as a user: refusals of what needs root, no crash" {
	chmod 755 "$T" "$T/b"
	run setpriv --reuid 1000 --regid 1000 --clear-groups "$KIST" check --format json "$T/b"
	echo "$output"
	[ "$status" -eq 1 ]
	[ "$(jq -r '.problems[0].level' <<<"$output")" = error ]
}

@test "check --config: another file than the bundle's; its paths are the bundle's" {
	jq '.hostname = 3' config.json >"$T/other.json"
	run -0 "$KIST" check
	cd "$T"
	run -1 "$KIST" check --config other.json "$T/b"
	[[ "${lines[0]}" = "error: /hostname: "* ]]
	jq '.root.path = "nowhere"' b/config.json >other.json
	run -1 "$KIST" check --config other.json b
	[[ "$output" = *"$T/b/nowhere"* ]]
	run -1 "$KIST" check --config nothing.json b
	[[ "$output" = *"nothing.json"*"No such file"* ]]
}
