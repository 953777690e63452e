#!/usr/bin/env bats
# vm only: profiles are loaded into the kernel, whose AppArmor must be on
# A loaded AppArmor profile is what a container's processes run under, and what it denies is denied.

bats_require_minimum_version 1.5.0
load helpers
load runtime

setup_file() {
	mountpoint -q /sys/kernel/security || mount -t securityfs none /sys/kernel/security
	apparmor_parser --skip-cache --replace <<-'END'
		profile kist-test flags=(attach_disconnected,mediate_deleted) {
			file,
			capability,
			signal,
			deny /etc/denied r,
		}
		profile kist-other flags=(attach_disconnected,mediate_deleted) {
			file,
		}
	END
}
teardown_file() {
	echo 'profile kist-test {} profile kist-other {}' | apparmor_parser --remove
}
setup() {
	need_root
	kist_setup
	ID=${T##*.}
	make_bundle "$T/b" '.process.apparmorProfile = "kist-test" | .root.readonly = false |
		.process.capabilities[] += ["CAP_CHOWN"]'
	echo secret >"$T/b/rootfs/etc/denied"
	cd "$T/b"
}
teardown() { runtime_teardown; }

# shellcheck disable=SC2016 # a shell in the container
look='cat /proc/self/attr/current; cat /etc/denied'

@test "run: its profile is in force from the first instruction on, beside no_new_privs and seccomp" {
	edit_bundle . '.process.noNewPrivileges = true | .process.args = ["sh", "-c", $look] | .linux.seccomp =
		{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["acct"], "action": "SCMP_ACT_ERRNO"}]}' \
		--arg look "$look"
	run --separate-stderr kist run $ID
	[ "$status" = 1 ]
	[ "$output" = 'kist-test (enforce)' ]
	[[ $stderr == *'Permission denied' ]]
	edit_bundle . 'del(.process.apparmorProfile)'
	run --separate-stderr kist run $ID
	[ "$output" = $'unconfined\nsecret' ]
}

@test "exec: the container's profile, or the one it names; in a user namespace too" {
	edit_bundle . '.process.args = ["sleep", "1000"] | .linux.namespaces += [{"type": "user"}] |
		.linux.uidMappings = [{"containerID": 0, "hostID": 100000, "size": 65536}] |
		.linux.gidMappings = .linux.uidMappings'
	chown -R 100000:100000 rootfs
	detached kist run -d $ID
	[ "$(cat "/proc/$(pid_of $ID)/attr/current")" = 'kist-test (enforce)' ]
	run --separate-stderr kist exec $ID sh -c "$look"
	[ "$status" = 1 ]
	[ "$output" = 'kist-test (enforce)' ]
	run --separate-stderr kist exec --apparmor kist-other $ID sh -c "$look"
	[ "$output" = $'kist-other (enforce)\nsecret' ]
	# That one grants no capability.
	run --separate-stderr kist exec --apparmor kist-other $ID chown 1 /etc/denied
	[ "$status" = 1 ]
	[[ $stderr == *'Operation not permitted' ]]
	kist exec $ID chown 1 /etc/denied
	run --separate-stderr kist exec --apparmor kist-missing $ID true
	is_one_line 255 'cannot apply the AppArmor profile "kist-missing"'
	kist delete --force $ID
}

@test "a profile that is not loaded: refused, and nothing is left" {
	edit_bundle . '.process.apparmorProfile = "kist-missing"'
	refused 1 '/process/apparmorProfile.*kist-missing' kist run $ID
	[[ $stderr == *'fix: load the profile'* ]]
}
