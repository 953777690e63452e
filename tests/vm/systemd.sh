#!/bin/bash
# What Debian's scripts would have done for systemd in the test machine's root, and the one unit
# that runs the command: image.sh calls it. The small init never looks at any of this.
#
#   tests/vm/systemd.sh ROOT
set -euo pipefail
root=${1:?}

echo 0123456789abcdef0123456789abcdef >"$root/etc/machine-id"
ln -sf ../../etc/machine-id "$root/var/lib/dbus/machine-id" 2>/dev/null || {
	mkdir -p "$root/var/lib/dbus"
	ln -s ../../../etc/machine-id "$root/var/lib/dbus/machine-id"
}
ln -sfn /run "$root/var/run"
ln -sfn /run/lock "$root/var/lock"
: >"$root/etc/fstab"
echo 'messagebus:x:901:901::/nonexistent:/usr/sbin/nologin' >>"$root/etc/passwd"
printf '%s\n' messagebus:x:901: systemd-journal:x:902: kvm:x:903: render:x:904: input:x:905: \
	sgx:x:906: >>"$root/etc/group"

units=$root/etc/systemd/system
mkdir -p "$units" "$root/etc/systemd/system.conf.d" "$root/etc/systemd/logind.conf.d"
# Nothing of it is of use to one command, and each costs a part of a second under TCG.
for unit in getty.target getty@tty1.service systemd-update-utmp.service \
	systemd-update-utmp-runlevel.service systemd-random-seed.service \
	systemd-binfmt.service systemd-pstore.service systemd-journal-flush.service \
	systemd-journal-catalog-update.service systemd-update-done.service \
	systemd-firstboot.service systemd-machine-id-commit.service systemd-hwdb-update.service \
	systemd-modules-load.service systemd-ask-password-console.path \
	systemd-ask-password-wall.path systemd-networkd.service systemd-timesyncd.service \
	systemd-sysusers.service systemd-boot-system-token.service \
	systemd-network-generator.service modprobe@.service dev-hugepages.mount \
	sys-kernel-config.mount sys-kernel-tracing.mount sys-kernel-debug.mount \
	sys-fs-fuse-connections.mount proc-sys-fs-binfmt_misc.automount; do
	ln -sf /dev/null "$units/$unit"
done
# A unit that hangs is told before the machine's own limit.
printf '[Manager]\nDefaultTimeoutStartSec=60\nDefaultTimeoutStopSec=10\n' \
	>"$root/etc/systemd/system.conf.d/kist.conf"
# A user's manager without PAM: this is all pam_systemd would tell it.
mkdir -p "$units/user@.service.d"
cat >"$units/user@.service.d/kist.conf" <<'E2'
[Service]
PAMName=
Environment=XDG_RUNTIME_DIR=/run/user/%i
E2
cat >"$units/kist-vm.target" <<'E2'
[Unit]
Description=The test machine's command
Requires=basic.target dbus.service kist-vm.service
After=basic.target dbus.service
E2
# As the small init leaves it: no limit, no OOM policy of its own, and it may make cgroups.
cat >"$units/kist-vm.service" <<'E2'
[Unit]
Description=The test machine's command
Requires=dbus.service
After=basic.target dbus.service
[Service]
Type=exec
ExecStart=/sbin/kist-vm-init --run
StandardInput=null
StandardOutput=tty
TTYPath=/dev/console
Delegate=yes
TasksMax=infinity
OOMPolicy=continue
E2
