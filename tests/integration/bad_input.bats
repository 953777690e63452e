#!/usr/bin/env bats
# Bad input: one clear line that says what, where and why; a non-zero status; nothing left.

bats_require_minimum_version 1.5.0
load helpers
load runtime

setup() {
	runtime_setup
	bundle_args "$T/b" true
	cp config.json "$T/good.json"
}
teardown() {
	local place
	for place in "$T"/mnt*; do
		[ ! -d "$place" ] || umount "$place" 2>/dev/null || true
	done
	runtime_teardown
}

# bad_config PATTERN FILTER: the good configuration, edited so, is refused by create and by run.
bad_config() {
	jq "$2" "$T/good.json" >config.json
	refused 1 "$1" kist run $ID || { echo "for run: $2"; return 1; }
	refused 1 "$1" kist create $ID || { echo "for create: $2"; return 1; }
}
# bad_text PATTERN SED_SCRIPT: the same on the text.
bad_text() {
	sed "$2" "$T/good.json" >config.json
	none cmp -s config.json "$T/good.json"
	refused 1 "$1" kist run $ID || { echo "for: $2"; return 1; }
}

@test "no config.json, no bundle, a bundle that is a file" {
	rm config.json
	refused 1 'config.json not found' kist run $ID
	refused 1 'config.json not found' kist create --bundle "$T/b" $ID
	refused 1 "bundle $T/nowhere: No such file" kist run --bundle "$T/nowhere" $ID
	refused 1 "bundle $T/good.json: Not a directory" kist run -b "$T/good.json" $ID
	mkdir config.json
	refused 1 'config.json' kist run $ID
}

@test "no root folder, one that is a file, a link to nowhere" {
	bad_config '/root/path.*No such file' '.root.path = "nowhere"'
	bad_config '/root/path.*Not a directory' '.root.path = "config.json"'
	bad_config '/root/path' '.root.path = ""'
	bad_config '/root' 'del(.root)'
	ln -s nowhere link
	bad_config '/root/path' '.root.path = "link"'
}

@test "ids: ../x, ., empty, 1025 bytes, and other names that are none" {
	long=$(printf '%01025d' 0)
	for id in ../x . .. "" "$long" a/b /abs .hidden 'a b' 'a
b' $'a\tb' 'a;b' -x $'\xff'; do
		for verb in create run start state kill delete; do
			run --separate-stderr kist $verb -- "$id"
			is_one_line 1 'invalid container ID format' || { echo "$verb '$id'"; false; }
			[ "${#stderr}" -lt 400 ]
		done
		run --separate-stderr kist exec -- "$id" true
		is_one_line 255 'invalid container ID format'
	done
	[ -z "$(ls -A "$ROOT" 2>/dev/null)" ]
	[ ! -e "$T/x" ]
	run --separate-stderr kist create
	is_one_line 1 'an argument is missing'
	run --separate-stderr kist create one two
	is_one_line 1 'too many arguments'
}

@test "an id of 1024 bytes that is too long for a file name" {
	refused 1 'File ?name too long|invalid' kist run "$(printf 'a%01023d' 0)"
}

@test "ids, signals and numbers of the command line are plain decimal, or refused" {
	bundle_args . sleep 100
	detached kist run -d $ID
	for id in 0x3e8 +1 ' 1' '1 ' -1 4294967295 4294967296 18446744073709551616 1e3 1.0 '' root; do
		for user in "$id" "0:$id" "$id:0"; do
			run --separate-stderr kist exec --user="$user" $ID true
			is_one_line 255 '--user' || { echo "user '$user'"; false; }
		done
		run --separate-stderr kist exec --additional-gids="$id" $ID true
		is_one_line 255 '--additional-gids' || { echo "group '$id'"; false; }
	done
	run --separate-stderr kist exec --user=0:0:0 $ID true
	is_one_line 255 '--user'
	for number in -1 +1 0x1 ' 1' 1x '' 99999999999999999999; do
		run --separate-stderr kist exec --preserve-fds="$number" $ID true
		is_one_line 255 'preserve-fds'
		run --separate-stderr kist kill $ID "$number"
		is_one_line 1 'signal' || { echo "signal '$number'"; false; }
	done
	for signal in 00x 65 NOSUCH SIGSIG RTMIN+ RTMIN+99 RTMIN-1 RTMAX+1 'TERM '; do
		run --separate-stderr kist kill $ID "$signal"
		is_one_line 1 'signal' || { echo "signal '$signal'"; false; }
	done
	kist kill $ID 0 # none, as of kill(2)
	is_in_state $ID running
	kist delete --force $ID
}

@test "JSON: not JSON, trailing bytes, duplicate keys, bad UTF-8, NUL, depth, overflow" {
	bad_text 'config.json' '1s/.*/[/'
	: >config.json
	refused 1 'config.json' kist run $ID
	bad_text 'config.json.*/mounts/0' 's/"destination": "\/proc",/"destination": "\/proc"/'
	cp "$T/good.json" config.json && echo '{}' >>config.json
	refused 1 'config.json.*end of file expected' kist run $ID
	bad_text '/process/user.*duplicate' 's/"uid": 0/"uid": 0, "uid": 1/'
	bad_text 'duplicate' 's/^{/{"hostname": "x",/'
	printf '{"ociVersion": "1.0.2", "hostname": "\xff\xfe"}' >config.json
	refused 1 'config.json: /hostname.*(UTF-8|decode byte 0xff)' kist run $ID
	printf '{"ociVersion": "1.0.2", "hostname": "a\\u0000b"}' >config.json
	refused 1 'config.json: /hostname.*NUL' kist run $ID
	bad_text '/process/user/uid.*too big' 's/"uid": 0/"uid": 99999999999999999999/'
	printf '{"ociVersion": "1.0.2", "x": %s}' "$(printf '[%.0s' $(seq 3000))" >config.json
	refused 1 'nested deeper than [0-9]+' kist run $ID
	printf '[]' >config.json
	refused 1 'config.json.*must be an object' kist run $ID
	truncate -s 20M config.json
	refused 1 'config.json' kist run $ID
}

@test "wrong types: each names its JSON pointer" {
	bad_config '/ociVersion: ' '.ociVersion = 1'
	bad_config '/ociVersion: ' 'del(.ociVersion)'
	bad_config '/ociVersion: ' '.ociVersion = "2.0.0"'
	bad_config '/ociVersion: ' '.ociVersion = "banana"'
	bad_config '/process: ' '.process = []'
	bad_config '/process: ' 'del(.process)'
	bad_config '/process/args: ' 'del(.process.args)'
	bad_config '/process/args: ' '.process.args = []'
	bad_config '/process/args/0: ' '.process.args = [""]'
	bad_config '/process/args/1: ' '.process.args = ["a", 1]'
	bad_config '/process/env/0: ' '.process.env = ["x"]'
	bad_config '/process/cwd: ' '.process.cwd = "relative"'
	bad_config '/process/cwd: ' 'del(.process.cwd)'
	bad_config '/process/user/uid: ' '.process.user.uid = -1'
	bad_config '/process/user/uid: ' '.process.user.uid = 4294967295'
	bad_config '/process/user/gid: ' '.process.user.gid = 4294967296'
	bad_config '/process/user/uid: ' '.process.user.uid = "0"'
	bad_config '/process/user/uid: ' '.process.user.uid = 1.5'
	bad_config '/process/terminal: ' '.process.terminal = "yes"'
	bad_config '/process/oomScoreAdj: ' '.process.oomScoreAdj = 1001'
	bad_config '/process/rlimits/0/type: ' '.process.rlimits[0].type = "RLIMIT_NONE"'
	bad_config '/process/rlimits/1' '.process.rlimits += .process.rlimits'
	bad_config '/process/capabilities' '.process.capabilities.bounding = "CAP_KILL"'
	bad_config '/root/readonly: ' '.root.readonly = 1'
	bad_config '/hostname: ' '.hostname = 7'
	bad_config '/hostname: ' '.linux.namespaces |= map(select(.type != "uts"))'
	bad_config '/mounts: ' '.mounts = {}'
	bad_config '/mounts/0/destination: ' 'del(.mounts[0].destination)'
	bad_config '/mounts/1/options' '.mounts[1].options = "ro"'
	bad_config '/linux/namespaces/0' '.linux.namespaces[0].type = "banana"'
	bad_config '/linux/namespaces/6' '.linux.namespaces += [{"type": "pid"}]'
	bad_config '/linux/namespaces' '.linux.namespaces |= map(select(.type != "mount"))'
	bad_config '/linux/maskedPaths/0' '.linux.maskedPaths = ["relative"]'
	bad_config '/linux/resources/devices/0' '.linux.resources.devices[0].access = "x"'
	bad_config '/linux/resources/pids/limit' '.linux.resources.pids.limit = "many"'
	bad_config '/linux/cgroupsPath' '.linux.cgroupsPath = "/a/../../b"'
	bad_config '/linux/seccomp/defaultAction' '.linux.seccomp = {"defaultAction": "NONSENSE"}'
	bad_config '/hooks/prestart/0/path: is required' '.hooks = {"prestart": [{}]}'
	bad_config '/hooks/poststop/1/path: must be an absolute path' '.hooks = {"poststop":
		[{"path": "/x"}, {"path": "x"}]}'
	bad_config '/hooks/createRuntime/0/timeout: 0 is out of range' '.hooks = {"createRuntime":
		[{"path": "/x", "timeout": 0}]}'
	bad_config '/linux/uidMappings' '.linux.namespaces += [{"type": "user"}]'
}

@test "fields nobody carries out are refused, by name" {
	bad_config '/linux/intelRdt: is not supported' '.linux.intelRdt = {"closID": "x"}'
	bad_config '/linux/intelRdt: is not supported' '.linux.intelRdt = {}'
	bad_config '/linux/mountLabel: ' '.linux.mountLabel = "system_u:object_r:svirt_t:s0"'
	bad_config '/process/apparmorProfile: ' '.process.apparmorProfile = "x\ny"'
	bad_config '/process/selinuxLabel: ' '.process.selinuxLabel = "x\ty"'
	bad_config '/process/execCPUAffinity/initial: ' '.process.execCPUAffinity = {"initial": "x"}'
	bad_config '/linux/seccomp/listenerPath' '.linux.seccomp = {"defaultAction": "SCMP_ACT_NOTIFY"}'
	# Empty ones ask for nothing; unknown keys are nobody's business.
	jq '.hooks = {} | .linux.mountLabel = "" | .process.apparmorProfile = "" | .x = {"y": [1]} |
		.process.unknown = 3 | .annotations = {"a": "b"}' "$T/good.json" >config.json
	run --separate-stderr kist run $ID
	[ "$status" -eq 0 ]
	[ -z "$stderr" ]
}

@test "the command: missing, a folder, not executable, no interpreter, an unreadable format" {
	bad_config '/process/args/0.*no such file or directory' '.process.args = ["/no/such"]'
	bad_config '/process/args/0.*executable file not found in \$PATH' '.process.args = ["nosuch"]'
	bad_config '/process/args/0.*(permission denied|is a directory)' '.process.args = ["/etc"]'
	bad_config '/process/args/0.*permission denied' '.process.args = ["/etc/passwd"]'
	# These are found by execve alone: create cannot know, start says it.
	printf '#!/no/interpreter\n' >rootfs/bin/script
	printf 'no format' >rootfs/bin/text
	chmod +x rootfs/bin/script rootfs/bin/text
	for program in script text; do
		bundle_args . "/bin/$program"
		refused 1 "$program.*(o such file|xec format)" kist run $ID
		refused 1 "$program.*(o such file|xec format)" kist run --pid-file "$T/pid" $ID
		[ ! -e "$T/pid" ]
		detached kist create $ID
		run --separate-stderr kist start $ID
		is_one_line 1 "$program.*(o such file|xec format)"
		wait_until 10 is_in_state $ID stopped
		kist delete $ID
	done
}

@test "a pid file that cannot be written" {
	refused 1 "pid file $T/no/pid: No such file" kist run --pid-file "$T/no/pid" $ID
	refused 1 "pid file $T/good.json/pid" kist create --pid-file "$T/good.json/pid" $ID
	mkdir "$T/folder"
	refused 1 "pid file $T/folder" kist run --pid-file "$T/folder" $ID
	[ -z "$(ls -A "$T/folder")" ]
	mkdir "$T/mnt"
	mount -t tmpfs -o ro none "$T/mnt"
	refused 1 "pid file $T/mnt/pid.*: Read-only" kist create --pid-file "$T/mnt/pid" $ID
	umount "$T/mnt"
}

@test "a state root that is read-only, a file, below a file, somebody else's" {
	mkdir "$T/mnt"
	mount -t tmpfs -o ro none "$T/mnt"
	refused 1 "Read-only file system" "$KIST" --root "$T/mnt" run $ID
	refused 1 "state root $T/mnt/state: Read-only" "$KIST" --root "$T/mnt/state" create $ID
	umount "$T/mnt"
	refused 1 "state root $T/good.json" "$KIST" --root "$T/good.json" run $ID
	refused 1 "state root $T/good.json/x" "$KIST" --root "$T/good.json/x" run $ID
	mkdir "$T/theirs"
	chown 1000 "$T/theirs"
	refused 1 "state root $T/theirs belongs to uid 1000" "$KIST" --root "$T/theirs" run $ID
	refused 1 "root" "$KIST" --root "" run $ID
}

@test "a state root without space or inodes" {
	mkdir "$T/mnt1" "$T/mnt2"
	mount -t tmpfs -o size=16k none "$T/mnt1"
	head -c 1M /dev/zero >"$T/mnt1/filler" 2>/dev/null || true
	refused 1 'No space left' "$KIST" --root "$T/mnt1" run $ID
	[ "$(ls "$T/mnt1")" = filler ]
	rm "$T/mnt1/filler"
	# Space for some of it only: each page more gets a step further.
	for pages in 3 2 1; do
		rm -f "$T/mnt1/filler"
		head -c $(((4 - pages) * 4096)) /dev/zero >"$T/mnt1/filler"
		run --separate-stderr "$KIST" --root "$T/mnt1" run $ID
		[ "$status" -eq 0 ] || is_one_line 1 'No space left'
		[ "$(ls "$T/mnt1")" = filler ]
	done
	for inodes in 2 3 4 5 6; do
		mount -t tmpfs -o nr_inodes=$inodes none "$T/mnt2"
		status=0 output=
		"$KIST" --root "$T/mnt2" create $ID </dev/null >"$T/out" 2>"$T/err" || status=$?
		stderr=$(cat "$T/err")
		if [ "$status" -eq 0 ]; then
			"$KIST" --root "$T/mnt2" delete --force $ID
		else
			is_one_line 1 'No space left'
		fi
		[ -z "$(ls -A "$T/mnt2")" ]
		umount "$T/mnt2"
	done
	umount "$T/mnt1"
}

canary() { # a tree that looks like a host's folder
	mkdir -p "$T/canary/sub" "$T/canary/pts" "$T/canary/fs/cgroup"
	echo untouched >"$T/canary/null"
	echo untouched >"$T/canary/sub/file"
	find "$T/canary" -printf '%P %y %m %U %s %T@\n' | sort >"$T/canary.before"
}
canary_sings() {
	find "$T/canary" -printf '%P %y %m %U %s %T@\n' | sort | diff "$T/canary.before" -
	grep -q "$T/canary" /proc/self/mountinfo && return 1
	return 0
}

@test "/dev, /proc or /sys in the root a link to a host folder: refused, the folder untouched" {
	canary
	for name in proc dev sys; do
		for target in "$T/canary" "../../../../../../../$T/canary"; do
			rm -rf "rootfs/$name"
			ln -s "$target" "rootfs/$name"
			run --separate-stderr kist run $ID
			# Inside the root the link leads to a place of the root, or is refused: never out.
			is_one_line 1 "/$name" || [ "$status" -eq 0 ]
			canary_sings
			rm -rf "rootfs/$name" "rootfs/dev/shm"
			mkdir "rootfs/$name"
		done
	done
	rm -rf rootfs/proc
	ln -s /etc rootfs/proc
	refused 1 '/proc' kist run $ID
}

@test "links inside /dev, on mount destinations and masked paths stay inside" {
	canary
	# Without a /dev of its own the container's devices land in the root's folder.
	jq '.mounts |= map(select(.destination | startswith("/dev") | not)) | .root.readonly = false' \
		"$T/good.json" >config.json
	ln -s "$T/canary/null" rootfs/dev/null
	ln -s "$T/canary/sub/file" rootfs/dev/zero
	run --separate-stderr kist run $ID
	[ "$status" -eq 0 ] || is_one_line 1 '/dev/null'
	canary_sings
	rm -f rootfs/dev/*
	ln -s "$T/canary" rootfs/mnt
	ln -s / rootfs/slash
	jq --arg c "$T/canary" '.mounts += [{"destination": "/mnt/sub", "type": "tmpfs", "source": "x"}] |
		.linux.maskedPaths += ["/mnt/null", $c + "/sub/file"] |
		.linux.readonlyPaths += ["/slash" + $c] | .root.readonly = false' "$T/good.json" >config.json
	run --separate-stderr kist run $ID
	[ "$status" -eq 0 ] || is_one_line 1
	canary_sings
	jq '.process.cwd = "/mnt/newfolder" | .root.readonly = false' "$T/good.json" >config.json
	run --separate-stderr kist run $ID
	canary_sings
}

@test "mounts: no source, a source of the wrong kind, an unknown filesystem, over /" {
	bad_config '/mounts/7' '.mounts += [{"destination": "/tmp", "type": "bind", "source": "/no/such",
		"options": ["bind"]}]'
	bad_config '/mounts/7' '.mounts += [{"destination": "/etc/passwd", "type": "bind", "source": "/usr",
		"options": ["bind"]}]'
	bad_config '/mounts/7' '.mounts += [{"destination": "/tmp", "type": "nosuchfs", "source": "x"}]'
	bad_config '/mounts/7' '.mounts += [{"destination": "/", "type": "tmpfs", "source": "x"}]'
	bad_config '/mounts/7' '.mounts += [{"destination": "/tmp", "type": "tmpfs", "source": "x",
		"options": ["nonsense=1"]}]'
	bad_config '/mounts/0' '.mounts[0].type = "tmpfs"'
}

@test "messages show control characters of their input, they do not act on them" {
	jq '.process.args = ["/no\nkist: fine\u001b[31m"]' "$T/good.json" >config.json
	refused 1 '/process/args/0' kist run $ID
	none grep -q $'\x1b' <<<"$stderr"
	jq '.linux.namespaces[0].type = "a\nb"' "$T/good.json" >config.json
	refused 1 '/linux/namespaces/0' kist run $ID
	jq '.root.path = "no\nsuch"' "$T/good.json" >config.json
	refused 1 '/root/path' kist run $ID
	refused 1 'unknown option' kist $'--bad\noption'
}

@test "unknown flags and arguments, for every command" {
	for verb in run create start state kill delete list spec plan; do
		refused 1 'unknown option --nosuch' kist $verb --nosuch $ID
	done
	refused 255 'unknown option --nosuch' kist exec --nosuch $ID true
	refused 125 'unknown option --nosuch' kist job run --nosuch busybox true
	refused 1 'needs a value' kist run --bundle
	refused 1 'neither true nor false' kist run --detach=maybe $ID
	refused 1 'neither table nor json' kist list --format xml
	refused 1 'file config.json exists' kist spec
	refused 1 'neither json nor text' kist plan --format xml
	rm config.json
	refused 1 'config.json not found' kist plan
}
