# What the tests of the programs that start containers through kist share, besides helpers.bash.
# The programs are Debian's, unpacked into build/peers by `tests/peers.sh consumers`; their folders
# are the test file's own, and so are /run and cgroup2 (tests/isolated.sh).
# shellcheck shell=bash

PEERS=$TOP/build/peers/bin

cgroup_mount() { echo /sys/fs/cgroup; }

# consumers_begin PROGRAM...: in setup_file. They are found by name from here on.
consumers_begin() {
	local name
	[ -n "${KIST_TEST_ISOLATED-}${KIST_IN_SYSTEMD-}" ] || skip "needs namespaces of its own: run tests/integration.sh FILE"
	for name; do
		[ -x "$PEERS/$name" ] || skip "no $name: run tests/peers.sh consumers"
	done
	export PATH=$PEERS:$PATH HOME=$BATS_FILE_TMPDIR
	# These programs look at nothing but /sys/fs/cgroup. This mount namespace is ours alone.
	[ "$(stat -f -c %T /sys/fs/cgroup)" = cgroup2fs ] || mount -t cgroup2 none /sys/fs/cgroup
	KIST_AT=/run/kist-under-test
	cp "$KIST" $KIST_AT
	cp "${KIST%/*}/kist-systemd" /run # it is looked for beside kist
	export KIST_AT
}

# daemon NAME CMD...: in setup_file. Its output is in $BATS_FILE_TMPDIR/NAME.log.
daemon() {
	local name=$1
	shift
	"$@" </dev/null >"$BATS_FILE_TMPDIR/$name.log" 2>&1 3>&- 4>&- &
	echo $! >"$BATS_FILE_TMPDIR/$name.pid"
	disown # or the shell tells of its end in the middle of the results
}
daemon_is_gone() { # NAME
	local pid
	pid=$(cat "$BATS_FILE_TMPDIR/$1.pid")
	! [ -d "/proc/$pid" ] || grep -qs '^State:.Z' "/proc/$pid/status"
}
daemon_end() { # NAME
	[ -s "$BATS_FILE_TMPDIR/$1.pid" ] || return 0
	kill -TERM "$(cat "$BATS_FILE_TMPDIR/$1.pid")" 2>/dev/null || true
	wait_until 20 daemon_is_gone "$1" || kill -KILL "$(cat "$BATS_FILE_TMPDIR/$1.pid")" || true
}

# In teardown: a failed test shows the logs' ends.
daemon_logs() {
	local log
	[ -z "${BATS_TEST_COMPLETED-}" ] || return 0
	for log in "$BATS_FILE_TMPDIR"/*.log; do
		[ -s "$log" ] || continue
		echo "--- ${log##*/}:"
		grep -vE 'level=info|shim disconnected|stream copy error|copy shim log|Unable to find' "$log" |
			tail -n 6 | cut -c1-400
	done
}

# no_container_in DIR...: kist keeps nothing there (any more).
no_container_in() {
	local dir left
	for dir; do
		[ -d "$dir" ] || continue
		left=$(find "$dir" -mindepth 1 -maxdepth 1 ! -name '.*')
		[ -z "$left" ] || { echo "left: $left"; return 1; }
	done
}

# unmount_below DIR: what the programs keep mounted there.
unmount_below() {
	awk -v top="$1/" 'index($5 "/", top) == 1 { print $5 }' /proc/self/mountinfo |
		tac | xargs -r -d '\n' -n 1 umount -l || true
}

# want STATUS CMD...: it ends so; what it said is in $output, and shown when it ended otherwise.
want() {
	local wanted=$1
	shift
	if [ "$wanted" = 127 ]; then run -127 "$@"; else run "$@"; fi
	# shellcheck disable=SC2154 # run sets them
	[ "$status" -eq "$wanted" ] || { echo "status $status, wanted $wanted: $*"; echo "$output"; return 1; }
}
# says TEXT: so did what `want` ran.
says() {
	[[ ${output,,} == *"${1,,}"* ]] || { echo "no \"$1\" in:"; echo "$output"; return 1; }
}

# A window's size is set once the terminal is there: a program that is faster waits for it.
# shellcheck disable=SC2034,SC2016 # for a shell in a container
tty_size='until stty size 2>/dev/null | grep -v "^0 0"; do sleep 0.05; done'

# doc_block FILE: what docs/oci.md says belongs into that file, with the kist under test.
doc_block() {
	awk -v file="\`$1\`" 'index($0, file) && /:$/ { found = 1 } found && /^```/ { if (inside) exit; inside = 1; next }
		inside { print }' "$TOP/docs/oci.md" | sed "s#/usr/local/bin/kist#$KIST_AT#" | grep .
}

# --- containerd -------------------------------------------------------------------
ctr() { command ctr -a /run/containerd-test.sock "$@" 3>&-; }
export -f ctr
containerd_answers() { ctr version >/dev/null 2>&1; }
containerd_begin() { # in setup_file
	local name off=""
	consumers_begin containerd containerd-shim-runc-v2 ctr
	for name in grpc.v1.cri snapshotter.v1.{aufs,btrfs,zfs,devmapper} tracing.processor.v1.otlp \
		internal.v1.tracing; do
		off+="\"io.containerd.$name\", "
	done
	cat >"$BATS_FILE_TMPDIR/config.toml" <<-END
		version = 2
		root = "$BATS_FILE_TMPDIR/root"
		state = "/run/containerd-test"
		disabled_plugins = [${off%, }]
		[grpc]
		  address = "/run/containerd-test.sock"
	END
	daemon containerd containerd -c "$BATS_FILE_TMPDIR/config.toml"
	wait_until 30 containerd_answers
	ctr image import "$FIXTURES/busybox.tar"
}
containerd_end() {
	daemon_end containerd
	unmount_below /run/containerd-test
}

# --- dockerd ----------------------------------------------------------------------
docker() { command docker "$@" 3>&-; }
dockerd_answers() { docker version >/dev/null 2>&1; }
dockerd_start() { # ARG...: of dockerd, besides those for folders of its own
	daemon dockerd dockerd --config-file "$BATS_FILE_TMPDIR/daemon.json" -H $DOCKER_HOST \
		--data-root "$BATS_FILE_TMPDIR/data" --exec-root /run/docker-test -p /run/docker-test.pid "$@"
	wait_until 60 dockerd_answers
}
dockerd_begin() { # ARG...
	consumers_begin dockerd docker containerd containerd-shim-runc-v2 docker-init docker-proxy iptables
	doc_block /etc/docker/daemon.json >"$BATS_FILE_TMPDIR/daemon.json"
	export DOCKER_HOST=unix:///run/docker-test.sock DOCKER_CLI_HINTS=false
	dockerd_start "$@"
	tar -C "$FIXTURES/busybox-rootfs" -c . | docker import -c 'CMD ["sh"]' - busybox
}
dockerd_remove_all() {
	docker ps -aq | xargs -r timeout 60 docker rm -f >/dev/null 2>&1 || true
}
dockerd_end() {
	[ -z "${DOCKER_HOST-}" ] || dockerd_remove_all
	daemon_end dockerd
	unmount_below /run/docker-test
}

# --- podman -----------------------------------------------------------------------
podman_begin() { # CGROUP-MANAGER
	local conf=$BATS_FILE_TMPDIR/.config/containers
	consumers_begin podman conmon buildah
	mkdir -p "$conf"
	echo '{"default": [{"type": "insecureAcceptAnything"}]}' >"$conf/policy.json"
	# What docs/oci.md says, and this test's own folders. This machine's root may not raise limits.
	{
		doc_block /etc/containers/containers.conf | sed '/^\[engine.runtimes\]/,$d'
		echo "cgroup_manager = \"$1\""
		echo 'events_logger = "file"'
		echo "conmon_path = [\"$PEERS/conmon\"]"
		echo 'tmp_dir = "/run/podman-test"'
		doc_block /etc/containers/containers.conf | sed -n '/^\[engine.runtimes\]/,$p'
		echo '[containers]'
		echo 'default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]'
		[ -n "${KIST_IN_VM-}" ] || echo 'pids_limit = 0'
	} >"$BATS_FILE_TMPDIR/containers.conf"
	cat >"$BATS_FILE_TMPDIR/storage.conf" <<-END
		[storage]
		driver = "overlay"
		graphroot = "$BATS_FILE_TMPDIR/graph"
		runroot = "/run/podman-run"
	END
	export CONTAINERS_CONF=$BATS_FILE_TMPDIR/containers.conf
	export CONTAINERS_STORAGE_CONF=$BATS_FILE_TMPDIR/storage.conf
	podman load -q -i "$FIXTURES/busybox.tar"
}
podman_remove_all() { podman rm -fa -t 0 >/dev/null 2>&1 3>&- || true; }
podman_end() { [ -z "${CONTAINERS_CONF-}" ] || podman_remove_all; }
# podman_start ID ARG...: a container that stays.
podman_start() {
	local id=$1
	shift
	podman run -d --network none --name "$id" "$@" >id.out 2>id.err 3>&- || { cat id.err; return 1; }
}

# --- images, there and back ----------------------------------------------------------
# images_go_round PROGRAM RUN-OPTIONS FORMAT...: what `kist image save` writes in each format (or in none
# that is asked for) PROGRAM loads and runs, the same to the last layer, and the reverse.
images_go_round() {
	local options=$2 format names name
	program=$1
	shift 2
	export KIST_STORE=$BATS_TEST_TMPDIR/store
	img() { "${KIST%/*}/kist-image" "$@"; }
	same() { # NAME-THERE NAME-HERE
		config=$(img inspect --config "$2")
		layers=$("$program" inspect -f '{{json .RootFS.Layers}}' "$1")
		[ "$layers" = "$(jq -c .rootfs.diff_ids <<<"$config")" ] ||
			{ echo "$1: $layers"; jq -c .rootfs.diff_ids <<<"$config"; return 1; }
		[ "$("$program" inspect -f '{{json .Config.Env}}{{json .Config.Cmd}}' "$1")" = \
			"$(jq -r '(.config.Env // null | tojson) + (.config.Cmd // null | tojson)' <<<"$config")" ]
	}
	python3 "$TOP/tests/lib/make-oci-image.py" bulk --bulk
	img load -q bulk
	img load -q "$FIXTURES/busybox.tar"
	img tag busybox example.org/round/box:1
	for format; do
		names="example.org/round/box:1 bulk:1"
		# Of these podman wants one image in each archive.
		[ "$format" != oci-archive ] || names=${names% *}
		# shellcheck disable=SC2086 # lists of words
		img save ${format:+--format $format} --output saved.tar $names
		want 0 "$program" load -i saved.tar
		echo "${format:-no format}: $output"
		for name in $names; do
			same "$name" "$name"
		done
		# shellcheck disable=SC2086
		want 0 "$program" run --rm $options example.org/round/box:1 echo it runs
		[ "$output" = "it runs" ]
		# shellcheck disable=SC2086
		want 0 "$program" rmi $names
		rm saved.tar
	done
}
