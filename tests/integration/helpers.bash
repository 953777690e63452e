# What the integration tests share. In a test file:
#
#   load helpers
#   setup() { kist_setup; }
#   teardown() { kist_teardown; }
#
# kist_setup gives
#   $KIST     the runtime under test (build/kist, or of KIST_BUILD, where another build is)
#   $T        an empty folder on tmpfs, $D one on a disk (for what tmpfs can't: id-mapped
#             layers on Linux 6.1, user xattrs); both are removed after the test
#   $ROOT     the state root: kist() passes it as --root; $KIST_STORE, the image store, on disk
# kist_teardown fails the test when anything is left on the host that was not there before.
# KIST_TEST_IGNORE is a regular expression of leftovers that belong to others on a shared host.

TOP=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
export KIST=${KIST:-${KIST_BUILD:-$TOP/build}/kist} # for scripts of tests, too
FIXTURES=$TOP/build/fixtures
HOSTSNAP=$TOP/build/tools/hostsnap

kist_setup() {
	T=$(mktemp -d /dev/shm/kist-test.XXXXXX)
	D=$TOP/build/tmp/${T##*/}
	mkdir -p "$D"
	chmod 755 "$T" "$D" "$TOP/build/tmp"
	ROOT=$T/state
	export KIST_STORE=$D/store
	cd "$T" || return 1
	"$HOSTSNAP" >"$T/.before"
}

kist_teardown() {
	local status=0
	cd / || return 1
	[ -n "${T-}" ] || return 0
	if ! assert_nothing_left; then
		status=1
		# What a failed test left mounted must not make the next one fail.
		awk -v top="/${T##*/}/" 'index($5 "/", top) { print $5 }' /proc/self/mountinfo |
			tac | xargs -r -d '\n' -n 1 umount -l || true
	fi
	rm -rf --one-file-system "$T" "$D" || status=1
	return $status
}

# kist ARG...: the runtime with this test's state root.
kist() {
	"$KIST" --root "$ROOT" "$@"
}

need_root() {
	[ "$(id -u)" = 0 ] || skip "needs root"
}

# Where cgroup2 is mounted: /sys/fs/cgroup, or .../unified on a hybrid host.
cgroup_mount() {
	local where type
	while read -r _ where type _; do
		if [ "$type" = cgroup2 ]; then
			echo "$where"
			return
		fi
	done </proc/mounts
}

# need_v2_controllers memory pids ...
need_v2_controllers() {
	local mount have name
	mount=$(cgroup_mount)
	[ -n "$mount" ] || skip "no cgroup v2 here"
	have=$(cat "$mount/cgroup.controllers")
	for name; do
		[[ " $have " == *" $name "* ]] || skip "no cgroup v2 controller $name here"
	done
}

# The test machine's jq is gojq, which always sorts keys, and knows no -S.
if [ -n "${KIST_IN_VM-}" ]; then
	jq() {
		local options=${1-}
		if [[ $options =~ ^-[a-zA-Z]*S ]]; then
			shift
			options=${options/S/}
			[ "$options" = - ] || set -- "$options" "$@"
		fi
		command jq "$@"
	}
fi

# need_program NAME...
need_program() {
	local name
	for name; do
		command -v "$name" >/dev/null || skip "no $name here"
	done
}

# make_bundle DIR [JQ_FILTER [JQ_ARG...]]: a busybox root folder of its own, and config.json as
# `kist spec` makes it, without a terminal, edited by the filter.
make_bundle() {
	local dir=$1 filter=${2:-.}
	shift $(($# > 1 ? 2 : 1))
	mkdir -p "$dir"
	cp -a "$FIXTURES/busybox-rootfs" "$dir/rootfs"
	(cd "$dir" && "$KIST" spec)
	edit_bundle "$dir" ".process.terminal = false | ($filter
	)" "$@"
}

# edit_bundle DIR JQ_FILTER [JQ_ARG...]
edit_bundle() {
	local config=$1/config.json filter=$2
	shift 2
	jq "$@" "$filter" "$config" >"$config.new"
	mv "$config.new" "$config"
}

# bundle_args DIR CMD...: sets process.args.
bundle_args() {
	local dir=$1
	shift
	# The words stand last: jq takes whatever follows --args.
	jq '.process.args = $ARGS.positional' "$dir/config.json" --args -- "$@" >"$dir/config.json.new"
	mv "$dir/config.json.new" "$dir/config.json"
}

# wait_until SECONDS CMD...: runs it until it's true. The test machine gets six times as long.
wait_until() {
	local end=$((SECONDS + $1 * (KIST_IN_VM ? 6 : 1)))
	shift
	until "$@"; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.05
	done
}

# What is on the host now and was not in kist_setup, a line each: see tests/tools/hostsnap.c.
host_leftovers() {
	"$HOSTSNAP" "$T/.before" "${T##*/}" | grep -vE "^$|${KIST_TEST_IGNORE:-^$}" || true
}

host_is_clean() {
	[ -z "$(host_leftovers)" ]
}

# assert_nothing_left: against the snapshot of kist_setup. Cgroups and interfaces vanish a moment
# after their last process, so this watches for up to 10 seconds. Containers' state, too.
assert_nothing_left() {
	if ! wait_until 10 host_is_clean; then
		echo "left on the host:"
		host_leftovers
		return 1
	fi
	if [ -d "$ROOT" ] && [ -n "$(ls -A "$ROOT")" ]; then
		echo "left in the state root:"
		find "$ROOT" -mindepth 1
		return 1
	fi
}

# shellcheck source=tests/integration/tracing.bash
source "${BASH_SOURCE[0]%/*}/tracing.bash"
