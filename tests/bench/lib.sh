# lib.sh - what the bench scripts share: building the floor, the default bundle, the table.
# Sourced by them; expects $here (tests/bench) and a tmpfs folder $tmp.
# shellcheck shell=sh

# bench_build_floor CC SOURCE OUT - the floor with the libc of the runtime it judges. On virtual
# machines the start of glibc alone costs half a millisecond (CPUID traps).
bench_build_floor() {
	case $1 in
	*musl*) set -- "$1" "$2" "$3" -idirafter /usr/include \
		-idirafter "/usr/include/$(uname -m)-linux-gnu" ;;
	esac
	bench_cc=$1 bench_source=$2 bench_out=$3
	shift 3
	$bench_cc -std=gnu11 -O2 -static "$@" -o "$bench_out" "$bench_source"
}

# bench_build_true OUT - the libc-free command.
bench_build_true() {
	# shellcheck disable=SC2154
	${CC:-cc} -static -nostdlib -o "$1" "$here/true.S"
}

# bench_build_pause OUT - the libc-free program that stays.
bench_build_pause() {
	${CC:-cc} -static -nostdlib -o "$1" "$here/pause.S"
}

# bench_make_bundle DIR RUNTIME - what `RUNTIME spec` prints, running /bin/true without a terminal.
bench_make_bundle() {
	mkdir -p "$1/rootfs/bin" "$1/rootfs/proc" "$1/rootfs/sys" "$1/rootfs/dev"
	chmod 755 "$1" "$1/rootfs"
	bench_build_true "$1/rootfs/bin/true"
	bench_build_pause "$1/rootfs/bin/pause"
	(cd "$1" && "$2" spec)
	jq '.process.terminal = false | .process.args = ["/bin/true"]' "$1/config.json" \
		>"$1/config.tmp"
	mv "$1/config.tmp" "$1/config.json"
}

# bench_add_userns BUNDLE FIRST COUNT - the same bundle with a mapped user namespace.
bench_add_userns() {
	jq --argjson first "$2" --argjson count "$3" '
		.linux.namespaces += [{type: "user"}]
		| .linux.uidMappings = [{containerID: 0, hostID: $first, size: $count}]
		| .linux.gidMappings = .linux.uidMappings' "$1/config.json" >"$1/config.tmp"
	mv "$1/config.tmp" "$1/config.json"
}

# bench_print_table - JSON of rounds.sh on stdin.
bench_print_table() {
	jq -r '.entries[] | [.median_ms, .p99_ms, .ratio, .name] | @tsv' | awk -F '\t' '
		BEGIN { printf "%10s %10s %8s  %s\n", "median ms", "p99 ms", "x floor", "what" }
		{ printf "%10.2f %10.2f %8.2f  %s\n", $1, $2, $3, $4 }'
}

# bench_add_seccomp BUNDLE TO PROFILE - a copy of the bundle with that seccomp profile.
bench_add_seccomp() {
	cp -r "$1" "$2"
	jq --slurpfile profile "$3" '.linux.seccomp = $profile[0]' "$1/config.json" \
		>"$2/config.json"
}

# bench_need_cgroup2 SCRIPT ARG... - where /sys/fs/cgroup is not cgroup2, runs the script again in
# a private mount namespace in which it is (the host sees nothing of it). Returns when it is.
bench_need_cgroup2() {
	if [ "$(stat -f -c %T /sys/fs/cgroup)" = cgroup2fs ]; then
		return 0
	fi
	if [ "$(stat -f -c %T /sys/fs/cgroup/unified 2>/dev/null)" != cgroup2fs ]; then
		echo "bench: no cgroup2 here (/sys/fs/cgroup, /sys/fs/cgroup/unified)" >&2
		exit 2
	fi
	# shellcheck disable=SC2016
	exec unshare -m --propagation private sh -c \
		'mount --bind /sys/fs/cgroup/unified /sys/fs/cgroup && exec "$0" "$@"' "$@"
}
