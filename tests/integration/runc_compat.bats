#!/usr/bin/env bats
# native only: differential.bats compares the two there
# A bundle is a bundle: what `runc spec` makes runs under kist, what `kist spec` makes under runc, and
# both show the program the same.

bats_require_minimum_version 1.5.0
load helpers
load runtime

setup_file() {
	# Unpacked, if it is not installed: tests/peers.sh.
	RUNC=$(type -P runc || "$BATS_TEST_DIRNAME/../peers.sh" runc) || RUNC=
	export RUNC
}

setup() {
	need_root
	[ -n "$RUNC" ] || skip "no runc, and none to be had from Debian"
	kist_setup
	ID=${T##*.}
	mkdir "$T/b"
	cp -a "$FIXTURES/busybox-rootfs" "$T/b/rootfs"
	[ -x "$PROBE" ] || "$TOP/tests/tools/build.sh" probe
	cp "$PROBE" "$T/b/rootfs/bin/probe"
	cd "$T/b"
}
teardown() { runtime_teardown; }

# runc refuses a hybrid host: it gets the cgroup2 hierarchy alone, in a mount namespace of its own.
runc() {
	if [ "$(cgroup_mount)" = /sys/fs/cgroup ]; then
		"$RUNC" --root "$T/runc" "$@"
	else
		unshare --mount --propagation private sh -c \
			'mount --bind "$1" /sys/fs/cgroup && shift && exec "$@"' - "$(cgroup_mount)" \
			"$RUNC" --root "$T/runc" "$@"
	fi
}

edit() { edit_bundle "$T/b" "$@"; }
# What is in there that both must agree on.
look='id; hostname; cat /proc/self/status | grep -E "^(Cap|NoNewPrivs|Seccomp:|Uid|Gid|Groups)"
	awk "{ print \$5, \$6 }" /proc/self/mountinfo | sort; ls -l /dev | awk "{ print \$1, \$5, \$6, \$NF }"
	env | sort; pwd; umask; ulimit -n; cat /proc/self/cgroup; ls /proc/self/fd | wc -l
	cat /proc/sys/kernel/domainname; cat /sys/class/net/lo/flags; (echo x >/proc/sys/kernel/hostname) 2>&1; true'

same_under_both() {
	local by
	runc run "$ID" </dev/null >"$T/by-runc"
	kist run "$ID" </dev/null >"$T/by-kist" 2>"$T/warnings"
	[ "$(wc -l <"$T/by-kist")" -gt 20 ]
	# How a mask is mounted is each one's own affair; that it is there is not.
	for by in runc kist; do
		jq -r '.linux.maskedPaths[]' config.json |
			awk 'NR == FNR { mask[$1]; next } $1 in mask { $2 = "masked" } { print }' - "$T/by-$by" \
				>"$T/seen-by-$by"
	done
	diff "$T/seen-by-runc" "$T/seen-by-kist"
	[ ! -s "$T/warnings" ] || { cat "$T/warnings"; return 1; }
}

@test "a bundle of runc spec: kist shows its program what runc does" {
	runc spec
	edit '.process.terminal = false'
	bundle_args . sh -c "$look"
	same_under_both
	grep -qx runc "$T/by-kist"
	# Debian's runc writes an ambient set that isn't inheritable; who wants to know is told.
	run --separate-stderr kist --debug run "$ID"
	[[ $stderr == *'/process/capabilities/ambient: left out, not inheritable: CAP_'* ]]
}

@test "a bundle of kist spec: runc shows its program what kist does" {
	"$KIST" spec
	edit '.process.terminal = false'
	bundle_args . sh -c "$look"
	same_under_both
	grep -qx kist "$T/by-kist"
}

@test "both specs ask for the same, but for the host name and the version" {
	runc spec
	mv config.json runc.json
	"$KIST" spec
	# Ambient capabilities that are not inheritable, as Debian's runc writes them, have no effect.
	common='del(.hostname, .ociVersion, .process.capabilities.ambient)'
	diff <(jq -S "$common" runc.json) <(jq -S "$common" config.json)
}

@test "another user, groups, limits, capabilities, a filter" {
	runc spec
	edit '.process.terminal = false | .process.user = {"uid": 1000, "gid": 1001, "additionalGids": [5, 7]} |
		.process.cwd = "/home/user" | .process.rlimits[0].soft = 99 | .process.noNewPrivileges = false |
		.process.capabilities |= map_values(["CAP_NET_BIND_SERVICE", "CAP_CHOWN"]) |
		.process.capabilities.ambient = ["CAP_CHOWN"] | .process.capabilities.inheritable = ["CAP_CHOWN"] |
		.linux.seccomp = {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"],
			"syscalls": [{"names": ["sethostname"], "action": "SCMP_ACT_ERRNO"}]} |
		.mounts += [{"destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid"]},
			{"destination": "/root", "type": "bind", "source": "/usr/share", "options": ["rbind", "ro"]}]'
	bundle_args . sh -c "$look"
	same_under_both
}

@test "a user namespace" {
	runc spec
	# runc wants the way to the root open for the mapped ids.
	chmod 755 "$T" "$T/b"
	edit '.process.terminal = false | .linux.namespaces += [{"type": "user"}] |
		.linux.uidMappings = [{"containerID": 0, "hostID": 1000000, "size": 65536}] |
		.linux.gidMappings = .linux.uidMappings'
	bundle_args . sh -c "$look; cat /proc/self/uid_map /proc/self/gid_map"
	same_under_both
}

@test "the words and statuses of failures are runc's" {
	runc spec
	edit '.process.terminal = false'
	bundle_args . true
	# What kist says is in runc's message, or is it.
	both() { # STATUS WORDS ARG...
		local want=$1 words=$2
		shift 2
		run runc "$@"
		[ "$status" -eq "$want" ] && [[ $output == *"$words"* ]] || { echo "runc: $status $output"; return 1; }
		run kist "$@"
		[ "$status" -eq "$want" ] && [[ $output == *"$words"* ]] || { echo "kist: $status $output"; return 1; }
	}
	both 1 'container does not exist' state nobody
	both 1 'container does not exist' kill nobody KILL
	both 1 'invalid' run ../x
	both 1 'config.json' run --bundle /etc nobody
	both 0 '' delete --force nobody
	for code in 0 3 137; do
		bundle_args . sh -c "exit $code"
		both $code '' run "$ID"
	done
	bundle_args . nosuch
	both 1 'executable file not found in $PATH' run "$ID"
	bundle_args . /no/such
	both 1 'no such file or directory' run "$ID"
}
