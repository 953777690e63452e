#!/bin/bash
# sweep-rootless.sh - tests/sweep.sh's kill -9 for an ordinary user's containers: kist has no privilege
# there, newuidmap gives the user namespace its ids, and only that user deletes what is left.
#
# usage: sweep-rootless.sh [OPTION of sweep.sh]... VERB [ARG]...      as root
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
user=4321
home=/mnt/alice # in the tmpfs that sweep.sh mounts

# Inside: the bundle, and a user to whom /etc gives 65536 ids.
if [ "${1-}" = --bundle ]; then
	bundle=$2
	for name in passwd subuid subgid; do
		cat "/etc/$name" >"/mnt/$name" 2>/dev/null || true
	done
	echo "alice:x:$user:$user::$home:/bin/sh" >>/mnt/passwd
	echo "alice:200000:65536" | tee -a /mnt/subuid >>/mnt/subgid
	for name in passwd subuid subgid; do
		[ -e "/etc/$name" ] || : >"/etc/$name"
		mount --bind "/mnt/$name" "/etc/$name"
	done
	mkdir -p "$bundle/rootfs"/{bin,proc,sys,dev} "$home"
	cp "$(command -v busybox)" "$bundle/rootfs/bin/busybox"
	cp "$SWEEP_KIST" "$home/kist"
	# A shell with little to do before it becomes kist: each of its calls is a point too.
	printf '#!/bin/dash\nexec setpriv --reuid %s --regid %s --clear-groups %s "$@"\n' $user $user "$home/kist" \
		>/mnt/kist
	chmod +x /mnt/kist
	chown -R $user:$user "$bundle" "$home"
	cd "$bundle"
	/mnt/kist spec --rootless
	jq '.process.terminal = false | .process.args = ["/bin/busybox", "sleep", "1000"] |
		.linux.uidMappings += [{"containerID": 1, "hostID": 200000, "size": 65536}] |
		.linux.gidMappings = .linux.uidMappings' config.json >config.new
	mv config.new config.json
	exit
fi

SWEEP_KIST=$(realpath "${KIST:-$here/../build/kist}")
# The wrapper must be a program before sweep.sh has made its world: this one is the same.
wrapper=$(mktemp "${TMPDIR:-/tmp}/sweep-rootless.XXXXXX")
trap 'rm -f "$wrapper"' EXIT
printf '#!/bin/dash\nexec /mnt/kist "$@"\n' >"$wrapper"
chmod 755 "$wrapper"
export SWEEP_KIST RUNTIME=$wrapper KIST_ROOT=$home/state HOME=$home XDG_RUNTIME_DIR=$home
export SWEEP_BUNDLE="'$here/sweep-rootless.sh' --bundle \"\$1\""
"$here/sweep.sh" "$@"
