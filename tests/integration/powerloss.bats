#!/usr/bin/env bats
# native only: it starts a machine of its own
# The power goes while a machine loads and pulls: tests/powerloss.sh, a few times.

load helpers

@test "power lost in the midst of pull, load and rm, five times: the store is whole, and the work succeeds" {
	need_root
	need_program qemu-system-x86_64 mkfs.ext4 cpio python3
	[ -n "$(ldconfig -p | grep 'libcurl\.so\.4 ')" ] || skip "no libcurl here"
	run timeout 220 "$TOP/tests/powerloss.sh" 5
	echo "$output"
	[ "$status" -eq 0 ]
}
