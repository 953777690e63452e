#!/usr/bin/env bats
# systemd only: it asks the machine's own systemd, and a user's
# What kist leaves to systemd: the test machine has both buses.
load helpers

# A user's manager (and logind, which it wants) stay for the whole file.
setup_file() {
	id -u someone >/dev/null 2>&1 || useradd -m -u 1000 someone
	systemctl start user@1000.service
}
setup() { kist_setup; }
teardown() { kist_teardown; }

@test "systemd: the machine's own is pid 1, its bus answers, and a user has one too" {
	[ "$(cat /proc/1/comm)" = systemd ]
	[ "$(systemctl show -p ActiveState --value kist-vm.service)" = active ]
	run setpriv --reuid 1000 --regid 1000 --clear-groups env XDG_RUNTIME_DIR=/run/user/1000 \
		systemctl --user is-system-running
	echo "$output"
	[ "$output" = running ]
}
