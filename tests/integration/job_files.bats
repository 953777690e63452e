#!/usr/bin/env bats
# kist job run: what goes in and what comes out: workspace, files, inputs, artefacts; hostile ones.

bats_require_minimum_version 1.5.0
load helpers
load runtime
load job

setup() { job_setup; }
teardown() { runtime_teardown; }

@test "a workspace: empty, its own, of so many bytes and files; a full one is a reason" {
	run -0 job --workspace 1m --workspace-inodes 20 "$ROOTFS" -- sh -c 'pwd; ls -A; df -k . | tail -n 1; df -i . | tail -n 1
		grep " /work " /proc/self/mountinfo; echo x >x'
	[ "${lines[0]}" = /work ]
	[[ ${lines[1]} == *\ 1024\ * ]]
	[[ ${lines[2]} == *\ 20\ * ]]
	[[ ${lines[3]} == *nosuid,nodev* ]]
	record '.workspace == {"bytes": 4096, "inodes": 2, "full": false} and .controls.workspace == "enforced" and
		.limits.workspace == 1048576 and .limits.workspace_inodes == 20'
	run --separate-stderr -124 job --workspace 1m "$ROOTFS" -- sh -c 'cat /dev/zero >big'
	[[ $stderr == *"wrote more than it may"* ]]
	record '.reason == "disk" and .status == 124 and .workspace.full and .exit_code == 1'
	run --separate-stderr -124 job --workspace 1m --workspace-inodes 9 "$ROOTFS" -- \
		sh -c 'for i in 1 2 3 4 5 6 7 8 9; do echo >$i || exit 3; done'
	record '.reason == "disk" and .exit_code == 3'
	# Who filled it and is well is well.
	run -0 job --workspace 1m "$ROOTFS" -- sh -c 'cat /dev/zero >big; exit 0'
	record '.reason == "exit" and .workspace.full'
	assert_nothing_left
}

@test "files of the command line and of a job file: new, the job's own, nowhere but in its root" {
	ln -s "$T" "$ROOTFS/out"
	ln -s /etc/passwd "$ROOTFS/etc/link"
	run -1 job --workspace 1m --file /work/in.txt=hello --file /etc/deep/er/conf=a=b \
		--file /etc/link=new "$ROOTFS" -- \
		sh -c 'cat /work/in.txt /etc/deep/er/conf /etc/link; stat -c " %a %u:%g %F" /work/in.txt /etc/link; echo >>/etc/link'
	[ "${lines[0]}" = "helloa=bnew 644 0:0 regular file" ]
	[ "${lines[1]}" = " 644 0:0 regular file" ]
	[[ ${lines[2]} == *Read-only* ]]
	# The image's own files are as they were, and a link of it led nowhere.
	[ -L "$ROOTFS/etc/link" ]
	refused 125 '/out/x' job --file /out/x=in "$ROOTFS" true
	[ ! -e "$T/x" ]
	jq -n --arg root "$ROOTFS" '{version: 1, folder: $root, command: ["sh", "-c", "/bin/run; cat /etc/bytes | od -An -tx1"],
		files: [{path: "/bin/run", content: "#!/bin/sh\necho ran\n", mode: "0755"}, {path: "/etc/bytes", base64: "AP9h"}]}' >"$T/job.json"
	run -0 job "$T/job.json"
	[ "${lines[0]}" = ran ]
	[ "${lines[1]}" = " 00 ff 61" ]
	assert_nothing_left
}

@test "inputs: read-only, with all that is mounted in them; by option and by job file" {
	mkdir "$T/in" "$T/in/sub"
	echo data >"$T/in/file"
	mount -t tmpfs sub "$T/in/sub"
	chmod 777 "$T/in" "$T/in/sub"
	run job --input "$T/in:/data" --input "$T/in/file:/etc/one" "$ROOTFS" -- \
		sh -c 'cat /data/file /etc/one; for f in /data/new /data/sub/new /etc/one; do echo >$f && echo written; done; grep -c " /data" /proc/self/mountinfo'
	umount "$T/in/sub"
	echo "$output"
	[ "${lines[0]}" = data ]
	[ "${lines[1]}" = data ]
	[[ $output != *written* ]]
	[ "$(grep -c 'Read-only' <<<"$output")" -eq 3 ]
	jq -n --arg root "$ROOTFS" '{version: 1, folder: $root, command: ["cat", "/data/file"], inputs: [{source: "in", path: "/data"}]}' >"$T/job.json"
	run -0 job "$T/job.json"
	[ "$output" = data ]
	assert_nothing_left
}

@test "inputs: their owner is the job's user, where the kernel can map ids; nobody's rights grow" {
	mkdir -m 700 "$D/in" "$D/in/others"
	echo mine >"$D/in/mine"
	echo roots >"$D/in/roots"
	echo third >"$D/in/third"
	chmod 600 "$D/in/"{mine,roots,third}
	chown 1234:4321 "$D/in" "$D/in/mine"
	chown 777 "$D/in/third"
	look='exec 2>&1; stat -c "%u:%g %n" . mine roots third; cat mine roots third'
	run job --input "$D/in:/in" --workdir /in "$ROOTFS" -- sh -c "$look"
	if [[ ${lines[0]} == "65534:65534 ."* ]]; then
		# A file system that can't, as tmpfs before Linux 6.3: what everybody may read, as ever.
		[ "$(stat -f -c %T "$D")" = tmpfs ]
		return
	fi
	[ "$status" -eq 1 ]
	[ "${lines[*]}" = "0:0 . 0:0 mine 1234:4321 roots 777:4321 third mine cat: can't open 'roots': Permission denied cat: can't open 'third': Permission denied" ]
	# Another user in the job; an owner beyond the job's range; one who is the same.
	run job --user 1234:9 --input "$D/in:/in" --workdir /in "$ROOTFS" -- sh -c "$look"
	[[ $output == "1234:9 ."*"1234:9 mine"*"0:0 roots"* ]]
	chown 7000000:7000000 "$D/in" "$D/in/mine"
	run job --user 5 --input "$D/in:/in" --workdir /in "$ROOTFS" -- sh -c "$look"
	[[ $output == "5:5 ."*"5:5 mine"*"0:0 roots"* ]]
	# On the disk nothing has changed.
	[ "$(stat -c %u:%g:%a "$D/in/mine")" = 7000000:7000000:600 ]
	assert_nothing_left
}

@test "a workspace that begins as a folder of the host: changed at will by its owner, and there not at all" {
	mkdir -p "$D/src/sub/deep" "$D/src/mounted"
	echo one >"$D/src/one"
	echo two >"$D/src/sub/two"
	cp "$PROBE" "$D/src/setuid"
	chown -R 1234:4321 "$D/src"
	chmod 700 "$D/src"
	chmod 4755 "$D/src/setuid"
	echo roots >"$D/src/roots"
	chmod 600 "$D/src/roots"
	mount -t tmpfs sub "$D/src/mounted"
	echo hidden >"$D/src/mounted/hidden"
	all_of() { find "$D/src" -printf '%p %y %U:%G %m %n %s %T@\n' | sort; cat "$D/src/one" "$D/src/sub/two" "$D/src/roots"; }
	all_of >"$T/before"
	mkdir "$T/out"
	run job --workspace 2m --workspace-from "$D/src" --input "$D/src/one:/work/in" --collect '**' --collect-to "$T/out" "$ROOTFS" -- sh -c 'exec 2>&1
		pwd; stat -c "%u:%g %n" one roots; ls mounted; cat roots; df -k . | tail -n 1; grep -c " /work" /proc/self/mountinfo; grep " /work " /proc/self/mountinfo
		echo more >>one; rm -r sub; mkdir sub; echo new >sub/new; ln -s /etc/passwd link; ln sub/new sub/second; chmod 777 setuid; mv roots mine; echo x >/work/in; rm -r mounted; echo end'
	echo "$output"
	[ "${lines[0]}" = /work ]
	[ "${lines[1]}" = "0:0 one" ]
	[ "${lines[2]}" = "1234:4321 roots" ]
	[ "${lines[3]}" = "cat: can't open 'roots': Permission denied" ]
	[[ ${lines[4]} == *\ 2048\ * ]]
	[ "${lines[5]}" = 2 ] # and the input
	[[ ${lines[6]} == *" /work rw,nosuid,nodev"*" - overlay "* ]]
	[[ ${lines[7]} == *"/work/in: Read-only file system" ]]
	[ "${lines[-1]}" = end ]
	[ "$(cat "$T/out/one")" = "$(printf 'one\nmore')" ]
	[ ! -e "$T/out/sub" ]
	[ ! -e "$T/out/link" ]
	record '.workspace.bytes > 0 and .limits.workspace == 2097152 and .controls.workspace == "enforced"'
	all_of | diff "$T/before" -
	# Full, by bytes and by files; from a job file; nothing is shared with the job before.
	jq -n --arg root "$ROOTFS" '{version: 1, folder: $root, command: ["sh", "-c", "ls -A | xargs; cat /dev/zero >big"], workspace_from: "src",
		user: "9", limits: {workspace: "1m"}}' >"$D/job.json"
	run --separate-stderr -124 job "$D/job.json"
	[ "$output" = "mounted one roots setuid sub" ]
	record '.reason == "disk"'
	run --separate-stderr -124 job --workspace-from "$D/src" --workspace-inodes 12 "$ROOTFS" -- sh -c 'for i in 1 2 3 4 5 6 7 8 9 10; do echo >$i || exit 3; done'
	record '.reason == "disk" and .limits.workspace == 67108864'
	run -0 job --workspace-from "$D/src" --user 9 "$ROOTFS" -- sh -c 'stat -c "%u:%g" . one; chmod 755 setuid; ls | xargs'
	[ "${lines[0]} ${lines[1]}" = "9:9 9:9" ]
	all_of | diff "$T/before" -
	refused 125 'is no folder' job --workspace-from "$D/src/one" "$ROOTFS" true
	refused 125 'No such file' job --workspace-from "$D/nosuch" "$ROOTFS" true
	refused 125 'there is no workspace' job --workspace 0 --workspace-from "$D/src" "$ROOTFS" true
	umount "$D/src/mounted"
	assert_nothing_left
}

@test "collect: patterns, folders, modes, once each; what was there is replaced" {
	mkdir "$T/out"
	echo old >"$T/out/a.txt"
	run -0 job --workspace 1m --collect '*.txt' --collect 'out/**' --collect '**/deep' --collect-to "$T/out" "$ROOTFS" -- \
		sh -c 'echo a >a.txt; echo b >b.dat; echo h >.hidden.txt; mkdir -p out/x/y; echo o >out/o; echo d >out/x/y/deep
			printf "#!/bin/sh\n" >out/run; chmod 4755 out/run; mkdir e.txt'
	[ "$(cd "$T/out" && find . -type f | sort | xargs)" = "./a.txt ./out/o ./out/run ./out/x/y/deep" ]
	[ "$(cat "$T/out/a.txt")" = a ]
	[ "$(stat -c '%a %u' "$T/out/out/run")" = "755 0" ]
	record '.collected == {"files": 4, "bytes": 16, "skipped": 1, "truncated": false}'
	# From a writable root the patterns begin at its top.
	run -0 job --writable 1m --collect 'etc/new' --collect-to "$T/out" "$ROOTFS" -- sh -c 'echo n >/etc/new'
	[ "$(cat "$T/out/etc/new")" = n ]
	jq -n --arg root "$ROOTFS" '{version: 1, folder: $root, command: ["sh", "-c", "echo j >j"], collect: ["j"], collect_to: "out",
		limits: {workspace: "1m", workspace_inodes: 10, collect: "1k"}}' >"$T/job.json"
	run -0 job "$T/job.json"
	[ "$(cat "$T/out/j")" = j ]
	record '.limits.collect == 1024 and .limits.workspace_inodes == 10'
	assert_nothing_left
}

@test "collect: links, fifos, second names, what is too large and what is mounted stay where they are" {
	mkdir "$T/out" "$T/host"
	echo secret >"$T/host/secret"
	echo precious >"$T/precious"
	# On the host's side, too, nothing is written through a link.
	ln -s ../precious "$T/out/planted"
	ln -s ../host "$T/out/folder"
	run -0 job --workspace 2m --file-size max --input "$T/host:/work/mounted" --collect '**' --collect-limit 10 --collect-to "$T/out" "$ROOTFS" -- \
		sh -c 'ln -s /etc/passwd link; ln -s /etc dir; mkfifo fifo; echo one >one; ln one two; echo 12345678901 >large
			ln -s /work/mounted in; truncate -s 1073741824 sparse; echo p >planted'
	[ "$(cd "$T/out" && find . -type f | sort | xargs)" = "./planted" ]
	[ "$(cat "$T/out/planted")" = p ]
	[ "$(cat "$T/precious")" = precious ]
	record '.collected | .files == 1 and .bytes == 2 and .skipped == 9 and .truncated'
	run --separate-stderr -125 job --workspace 1m --collect 'folder/x' --collect-to "$T/out" "$ROOTFS" -- sh -c 'mkdir folder; echo >folder/x'
	[[ $stderr == *"folder of folder/x"* ]]
	record '.reason == "sandbox-error"'
	[ ! -e "$T/host/x" ]
	# A job that deletes and replaces its folders while it ends gets at nothing either: it is dead by then.
	run -0 job --workspace 1m --collect 'd/passwd' --collect-to "$T/out" "$ROOTFS" -- \
		sh -c 'mkdir d; (while :; do mv d e; ln -s /etc d; rm d; mv e d; done) 2>/dev/null & usleep 50000; exit 0'
	[ ! -e "$T/out/d/passwd" ]
	assert_nothing_left
}

@test "a job finds nothing of the one before it, and can't forge its result" {
	for round in 1 2; do
		run -0 job --workspace 1m "$ROOTFS" -- sh -c 'ls -A /work /tmp /dev/shm; echo left >/work/x; echo left >/tmp/x; echo left >/dev/shm/x
			for fd in /proc/self/fd/*; do echo "{\"reason\":\"exit\"}" >"$fd"; done 2>/dev/null; kill -9 -1; true'
		[[ $'\n'$output$'\n' != *$'\nx\n'* ]]
		record '.reason == "exit" and .id'
	done
	# No descriptor but the three is there to write to.
	run -0 job --workspace 1m --output 1m "$ROOTFS" -- probe
	jq -e '.fds | length <= 3' <<<"$output" || jq . <<<"$output"
	assert_nothing_left
}

@test "a bundle is a root with a command; what it may do is the profile's. Variables that are passed" {
	make_bundle "$T/b" '.process.args = ["sh", "-c", "echo $A; pwd; id -u; grep CapBnd /proc/self/status"] | .process.env = ["A=b", "PATH=/bin"] |
		.process.cwd = "/tmp" | .process.user = {uid: 5, gid: 6}'
	mv "$T/b/rootfs" "$ROOTFS-b"
	jq --arg r "$ROOTFS-b" '.root.path = $r' "$T/b/config.json" >"$T/c" && mv "$T/c" "$T/b/config.json"
	run -0 job "$T/b"
	[ "$output" = "$(printf 'b\n/tmp\n5\nCapBnd:\t0000000000000000')" ]
	run -0 job --env A=c --user 7 --workdir / "$T/b" -- sh -c 'echo $A; pwd; id -u'
	[ "$output" = "$(printf 'c\n/\n7')" ]
	echo '{}' >"$T/b/config.json"
	refused 125 'the bundle .*/root: is required' job "$T/b" true
	export KIST_ONE=1 KIST_TWO=2
	run -0 job --pass-env KIST_ONE --pass-env KIST_NONE "$ROOTFS" -- sh -c 'echo "$KIST_ONE,$KIST_TWO,${KIST_NONE-unset}"'
	[ "$output" = "1,,unset" ]
	jq -n --arg root "$ROOTFS" '{version: 1, folder: $root, command: ["sh", "-c", "echo $KIST_ONE $KIST_TWO"], pass_env: ["KIST_TWO"]}' >"$T/job.json"
	run -0 job "$T/job.json"
	[ "$output" = " 2" ] || [ "$output" = 2 ]
	refused 125 '--pass-env: "A=B"' job --pass-env A=B "$ROOTFS" true
	assert_nothing_left
}

@test "files, inputs, collecting: what is refused, and where" {
	refused 125 '--file: "/work/x" is not PATH=TEXT' job --file /work/x "$ROOTFS" true
	refused 125 '--file: "work/x" is no absolute' job --file work/x=y "$ROOTFS" true
	refused 125 '--file: "/a/../b"' job --file /a/../b=y "$ROOTFS" true
	refused 125 '--file: nothing is put into /proc/x' job --file /proc/x=y "$ROOTFS" true
	refused 125 'cannot replace /etc' job --file /etc=y "$ROOTFS" true
	refused 125 '--input: "/x" is not' job --input /x "$ROOTFS" true
	refused 125 'input: /no/such: No such file' job --input /no/such:/x "$ROOTFS" true
	refused 125 '--input: nothing is put into /dev' job --input "$T:/dev/x" "$ROOTFS" true
	# The kernel's files, all of the host, kist's own folders, and what these are in.
	for source in /proc /proc/1/environ /sys / "$ROOT" "$T" "$KIST_STORE" "${KIST_STORE%/*}"; do
		mkdir -p "$ROOT" "$KIST_STORE"
		refused 125 "input: $source [ih][so]" job --input "$source:/x" "$ROOTFS" true
		refused 125 "workspace-from: $source [ih][so]" job --workspace-from "$source" "$ROOTFS" true
	done
	refused 125 'collect: the job has nowhere' job --collect x --collect-to "$T" "$ROOTFS" true
	refused 125 'collect: where to' job --workspace 1m --collect x "$ROOTFS" true
	refused 125 'collect-to: nothing' job --workspace 1m --collect-to "$T" "$ROOTFS" true
	refused 125 '--collect: "../x"' job --workspace 1m --collect ../x --collect-to "$T" "$ROOTFS" true
	refused 125 '--collect: "/x"' job --workspace 1m --collect /x --collect-to "$T" "$ROOTFS" true
	ln -s . "$T/link"
	refused 125 'symbolic link' job --workspace 1m --collect x --collect-to "$T/link" "$ROOTFS" true
	refused 125 'workspace-inodes: there is no' job --workspace-inodes 10 "$ROOTFS" true
	for bad in 'files: [{}]|/files/0/path: is required' 'files: [{path: "/x"}]|/files/0/content: is required' \
		'files: [{path: "/x", content: "", base64: ""}]|/files/0/base64' 'files: [{path: "/x", base64: "a"}]|/files/0/base64' \
		'files: [{path: "/x", content: "", mode: "4755"}]|/files/0/mode' 'files: [{path: "/x", content: "", owner: 1}]|/files/0/owner' \
		'inputs: [{source: "/x"}]|/inputs/0/path' 'inputs: [{source: "/x", path: "/y", ro: true}]|/inputs/0/ro' \
		'collect: [1]|/collect/0' 'collect: ["a//b"]|/collect/0' 'files: {}|/files'; do
		jq -n --arg root "$ROOTFS" '{version: 1, folder: $root, command: ["true"], '"${bad%|*}"'}' >"$T/job.json"
		refused 125 "${bad#*|}" job "$T/job.json"
	done
	assert_nothing_left
}
