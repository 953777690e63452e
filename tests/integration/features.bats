#!/usr/bin/env bats
# features: the shape of the specification, and each name in it is really taken.

bats_require_minimum_version 1.5.0
load helpers
load runtime

setup() {
	kist_setup
	mkdir "$T/b"
	cd "$T/b"
	"$KIST" features >"$T/features"
	"$KIST" spec
	edit_bundle . '.process.terminal = false'
}
teardown() { kist_teardown; }

# with JQ_FILTER: config.json edited by it, the features being $f[0]; then the plan.
with() {
	jq "$1" --slurpfile f "$T/features" config.json >"$T/edited"
	mkdir -p "$T/with"
	mv "$T/edited" "$T/with/config.json"
	run --separate-stderr "$KIST" plan --bundle "$T/with" --format text
	[ "$status" -eq 0 ] || { echo "$stderr"; return 1; }
}

@test "features: every field of the specification" {
	cat "$T/features"
	jq -e '.ociVersionMin == "1.0.0" and .ociVersionMax == "1.3.0" and
		(.hooks | sort) == ["createContainer","createRuntime","poststart","poststop","prestart",
			"startContainer"] and
		(.linux.namespaces | sort) == ["cgroup","ipc","mount","network","pid","time","user","uts"] and
		(.linux.capabilities | length) == 41 and
		.linux.cgroup.v1 == false and .linux.cgroup.v2 and .linux.cgroup.rdma and
		.linux.cgroup.systemd and .linux.cgroup.systemdUser and
		.linux.seccomp.enabled and (.linux.seccomp.actions | length) == 9 and
		(.linux.seccomp.operators | length) == 7 and
		(.linux.seccomp.archs | index("SCMP_ARCH_X86_64")) and
		(.linux.seccomp.knownFlags | length) == 4 and
		(.linux.seccomp.supportedFlags - .linux.seccomp.knownFlags) == [] and
		.linux.apparmor.enabled and .linux.selinux.enabled and
		(.linux.intelRdt | .enabled == .schemata and has("monitoring")) and
		(.linux.memoryPolicy.modes | index("MPOL_BIND")) and
		(.linux.memoryPolicy.flags | index("MPOL_F_STATIC_NODES")) and
		.linux.mountExtensions.idmap.enabled and .linux.netDevices.enabled and
		(.annotations["org.kist.version"] | type) == "string" and
		(.potentiallyUnsafeConfigAnnotations | index("org.systemd.property."))' "$T/features"
	# What this kernel has is found out, not claimed.
	[ "$(jq -r '.linux.seccomp.supportedFlags[0]' "$T/features")" = SECCOMP_FILTER_FLAG_TSYNC ]
	run --separate-stderr kist features more
	is_one_line 1 'too many arguments'
}

@test "features: each mount option is the parser's, none goes to a file system as it is" {
	with '.linux.namespaces += [{"type": "user"}] | .linux.uidMappings =
		[{"containerID": 0, "hostID": 1000000, "size": 65536}] |
		.linux.gidMappings = .linux.uidMappings |
		.mounts += [$f[0].mountOptions[] | {"destination": "/o/\(.)", "type": "tmpfs",
			"source": "/tmp", "options":
			(if test("^(r|try)?idmap$|nofollow$|^copy-symlink$") then ["bind", .] elif . == "remount" then [., "ro"]
			 elif test("bind$") and (test("unbind") | not) then [.]
			 elif test("^r(ro|rw|no|suid|dev|exec|dir|rel|atime|strict|sym)") then ["rbind", .]
			 else [.] end)}] |
		(.mounts[] | select(.options == ["remount", "ro"])).destination = "/proc"'
	[ "$(jq '.mountOptions | length' "$T/features")" -gt 55 ]
	# These are flags of a file system, and the kernel's interface to them is their name.
	for option in $(jq -r '.mountOptions[]' "$T/features"); do
		case $option in
		sync | async | dirsync | lazytime | nolazytime | mand | nomand | ro | rw) continue ;;
		esac
		none grep -F "fsconfig" <<<"$(grep -F "\"$option\"" <<<"$output")"
	done
	# A word nobody knows does go there: so it would have been seen.
	with '.mounts += [{"destination": "/o", "type": "tmpfs", "source": "x", "options": ["nonsense"]}]'
	grep -F fsconfig <<<"$output" | grep -qF '"nonsense"'
}

@test "features: capabilities, namespaces, seccomp's names and memory policies are taken" {
	with '.process.capabilities |= map_values($f[0].linux.capabilities)'
	[ -z "$stderr" ]
	with '.linux.namespaces = [$f[0].linux.namespaces[] | {"type": .}] | .linux.uidMappings =
		[{"containerID": 0, "hostID": 1000000, "size": 65536}] |
		.linux.gidMappings = .linux.uidMappings'
	for action in $(jq -r '.linux.seccomp.actions[]' "$T/features"); do
		with '.linux.seccomp = {"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "/run/x",
			"architectures": $f[0].linux.seccomp.archs, "flags": $f[0].linux.seccomp.knownFlags,
			"syscalls": [$f[0].linux.seccomp.operators[] | {"names": ["mkdir"],
				"action": "'$action'", "args": [{"index": 0, "value": 1, "op": .}]}]}'
		grep -q SECCOMP_SET_MODE_FILTER <<<"$output"
	done
	for mode in $(jq -r '.linux.memoryPolicy.modes[]' "$T/features"); do
		with '.linux.memoryPolicy = {"mode": "'$mode'"} | if "'$mode'" | test("LOCAL|DEFAULT") then .
			else .linux.memoryPolicy.nodes = "0" end'
	done
	for flag in $(jq -r '.linux.memoryPolicy.flags[]' "$T/features"); do
		with '.linux.memoryPolicy = {"mode": "MPOL_BIND", "nodes": "0", "flags": ["'$flag'"]}'
	done
	for hook in $(jq -r '.hooks[]' "$T/features"); do
		with ".hooks = {\"$hook\": [{\"path\": \"/bin/true\"}]}"
	done
}

@test "info: this host, and the caller, as the kernel tells them" {
	"$KIST" info --json >"$T/info"
	cat "$T/info"
	jq -e --arg kernel "$(uname -r)" --arg machine "$(uname -m)" '.kernel == $kernel and .machine == $machine
		and .caller.is == "root" and .caller.uid == 0' "$T/info"
	mount=$(jq -r .cgroup.mount "$T/info")
	[ "$(stat -f -c %T "$mount")" = cgroup2fs ]
	[ "$(jq -r '.cgroup.controllers | sort | join(" ")' "$T/info")" = \
		"$(tr ' ' '\n' <"$mount/cgroup.controllers" | sort | paste -sd ' ')" ]
	[ "$(jq .security.lastCapability "$T/info")" = "$(cat /proc/sys/kernel/cap_last_cap)" ]
	# The same in lines.
	"$KIST" info | grep -x "kernel: $(uname -r)"
	"$KIST" info | grep -x "cgroup mount: $mount"
}

@test "completion: commands, each one's options, ids of containers" {
	# shellcheck disable=SC1090
	. <("$KIST" completion bash)
	complete_words() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _kist; echo " ${COMPREPLY[*]} "; }
	[ "$(complete_words kist pau)" = " pause " ]
	[ "$(complete_words kist --log-f)" = " --log-format " ]
	[ "$(complete_words kist --log-format json run --con)" = " --config --console-socket " ]
	[[ "$(complete_words kist job run --)" == *" --memory "* ]]
	[ "$(complete_words kist run -b '')" = "  " ] # a file's name: the shell's own
	[ "$(complete_words kist image pru)" = " prune " ]
	[ "$(complete_words kist image ls --filter d)" = " dangling=true dangling=false " ]
	[ "$(complete_words kist images --filter l)" = " label= label!= " ]
	[ "$(complete_words kist image prune -a --filter u)" = " until= " ]
	[ "$(complete_words kist image share --)" = " --off " ]
	[[ "$(complete_words kist load --)" == *" --image --tag --max-size "* ]]
	make_bundle "$T/c1" '.process.args = ["sleep", "100"]'
	detached kist create -b "$T/c1" c1
	[ "$(complete_words kist delete --force c)" = " c1 " ]
	kist delete --force c1
	run --separate-stderr "$KIST" completion fish
	[ "$status" -eq 1 ]
	[[ "$stderr" == *'"fish" is not bash'* ]]
}
