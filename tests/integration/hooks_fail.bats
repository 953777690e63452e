#!/usr/bin/env bats
# native only: dozens of starts take too long under emulation
# /hooks that fail, hang or are not there, and how they are shown.

bats_require_minimum_version 1.5.0
load helpers
load runtime
load hooks

setup() { hooks_setup; }
teardown() { runtime_teardown; }

@test "timeout: killed with its process group, by a clear error; within it, nothing happens" {
	hook hang "sleep 1000 & echo \$! >$T/child; echo \$\$ >$T/hook; wait"
	for kind in prestart createRuntime createContainer poststart; do
		rm -f "$T/child" "$T/hook"
		edit_bundle . '.hooks = {($kind): [{path: $path, timeout: 1}]}' --arg kind $kind --arg path "$T/hang"
		run --separate-stderr kist run $ID
		is_one_line 1 "/hooks/$kind/0 .*error running $kind hook #0: not done within its timeout of 1 seconds"
		# A slow machine may not have come to it; the pids of createContainer are the container's.
		for file in "$T/child" "$T/hook"; do
			[ $kind = createContainer ] || [ ! -s "$file" ] || wait_until 10 is_dead "$(cat "$file")"
		done
		assert_nothing_left
	done
	printf '#!/bin/sh\nsleep 1000\n' >rootfs/bin/hang
	chmod 755 rootfs/bin/hang
	edit_bundle . '.hooks = {startContainer: [{path: "/bin/hang", timeout: 1}]}'
	detached kist create $ID
	run --separate-stderr kist start $ID
	is_one_line 1 'startContainer hook #0: not done within'
	assert_nothing_left
	edit_bundle . '.hooks = {prestart: [{path: $path, timeout: 60}]}' --arg path "$T/note"
	detached kist run -d $ID
	kist delete --force $ID
}

@test "a failing hook: the error quotes it, later ones are not run, nothing is left, poststop is" {
	hook bad 'cat >/dev/null; echo "one thing and" >&2; echo "another" >&2; exit 42'
	printf '#!/bin/sh\nexit 42\n' >rootfs/bin/bad
	chmod 755 rootfs/bin/bad
	add_all
	cp config.json good.json
	before=
	for kind in prestart createRuntime createContainer startContainer poststart; do
		path=$T/bad
		[ $kind != startContainer ] || path=/bin/bad
		jq --arg kind $kind --arg path "$path" \
			'.hooks[$kind] = [.hooks[$kind][0], {path: $path}, .hooks[$kind][0]]' good.json >config.json
		[ $kind = startContainer ] || before="$before${before:+ }$kind"
		for verb in create run; do
			rm -f "$LOG"
			case $verb$kind in
			createstartContainer | createpoststart)
				detached kist create $ID
				run --separate-stderr kist start $ID
				;;
			*) run --separate-stderr kist $verb $ID ;;
			esac
			stderr=$(grep -vxE 'one thing and|another' <<<"$stderr")
			is_one_line 1 "/hooks/$kind/1 .*error running $kind hook #1: exit status 42"
			[ $kind = startContainer ] || [[ $stderr == *'stderr: one thing and'*another* ]]
			[ "$(order)" = "$before poststop" ] || { order; false; }
			assert_nothing_left
		done
	done
}

@test "poststop: failures are warnings, the rest still runs, and so does a delete" {
	hook bad 'exit 1'
	edit_bundle . '.hooks.poststop = [{path: $bad}, {path: "/no/such"}, {path: "/bin/sleep", args: ["sleep", "1000"],
		timeout: 1}]' --arg bad "$T/bad"
	add_hook poststop "$T/note"
	detached kist create $ID
	run --separate-stderr kist delete $ID
	[ "$status" -eq 0 ]
	[ "$(grep -c '/hooks/poststop/[012]' <<<"$stderr")" -eq 3 ]
	[[ $stderr == *"No such file"* ]]
	[ "$(order)" = poststop ]
	assert_nothing_left
}

@test "a hook that is not there, not executable, or killed: said so" {
	bundle_args . true
	edit_bundle . '.hooks.prestart = [{path: "/no/such"}]'
	refused 1 '/hooks/prestart/0 .*exec /no/such.*No such file or directory' kist run $ID
	edit_bundle . '.hooks.prestart = [{path: "/etc/passwd"}]'
	refused 1 'exec /etc/passwd.*Permission denied' kist run $ID
	edit_bundle . '.hooks.prestart = [{path: "/bin/sh", args: ["sh", "-c", "kill -9 $$"]}]'
	refused 1 'prestart hook #0: killed by signal 9' kist run $ID
	# The path of startContainer is the container's, that of createContainer the host's.
	edit_bundle . '.hooks = {startContainer: [{path: $path}]}' --arg path "$T/note"
	refused 1 '/hooks/startContainer/0 .*No such file or directory' kist run $ID
	edit_bundle . '.hooks = {createContainer: [{path: "/bin/note"}]}'
	refused 1 '/hooks/createContainer/0 .*No such file or directory' kist run $ID
}

# interrupt SIGNAL VERB KIND: that signal to `kist VERB` while the hook hangs.
interrupt() {
	local words status=0
	rm -f "$T/hook"
	# What a script starts with & ignores SIGINT.
	env --default-signal "$KIST" --root "$ROOT" "$2" $ID >"$T/out" 2>&1 3>&- &
	runner=$!
	wait_until 20 test -s "$T/hook"
	kill "-$1" $runner
	wait $runner || status=$?
	[ "$status" -eq 1 ]
	# A hook of the guest's goes with the guest, which the host waits for.
	words="interrupted by SIG$1"
	[ "$3" != createRuntime ] || words="createRuntime hook #0: interrupted by a signal"
	grep -q "$words" "$T/out"
	[ "$(wc -l <"$T/out")" = 1 ]
	assert_nothing_left
}

@test "Ctrl-C while a hook of create or run hangs: killed, taken back, and said so" {
	nobody_sleeps() { ! pgrep -f '^sleep 1000[.]25$' >/dev/null; }
	hook wait "echo x >$T/hook; exec sleep 1000.25"
	add_hook createRuntime "$T/wait"
	interrupt TERM run createRuntime
	interrupt HUP create createRuntime
	edit_bundle . '.hooks = {createContainer: [{path: $path}]}' --arg path "$T/wait"
	interrupt INT run createContainer
	interrupt TERM create createContainer
	edit_bundle . '.hooks = {startContainer: [{path: "/bin/sh", args: ["sh", "-c", "echo x >/t/hook; exec sleep 1000.25"]}]}
		| .mounts += [{destination: "/t", source: $t, options: ["bind"]}]' --arg t "$T"
	interrupt HUP run startContainer
	wait_until 10 nobody_sleeps
}

@test "a signal that is ignored, as nohup has it, interrupts no set up" {
	hook wait "echo x >$T/hook; while [ ! -e $T/go ]; do sleep 0.02; done"
	bundle_args . true
	for kind in createRuntime createContainer; do
		rm -f "$T/go" "$T/hook"
		edit_bundle . '.hooks = {($kind): [{path: $path}]}' --arg kind $kind --arg path "$T/wait"
		(trap '' HUP; exec "$KIST" --root "$ROOT" run $ID) >"$T/out" 2>&1 3>&- &
		runner=$!
		wait_until 20 test -s "$T/hook"
		kill -HUP $runner
		sleep 0.5
		touch "$T/go"
		wait $runner
	done
	assert_nothing_left
}

@test "plan and --explain show them" {
	add_all
	edit_bundle . '.hooks.prestart[0] += {env: ["A=b c"], timeout: 7}'
	kist plan --format text >"$T/text"
	for kind in prestart createRuntime createContainer startContainer poststart; do
		grep -q "/hooks/$kind/0" "$T/text"
	done
	grep -qF "host  run_hook(\"$T/note\", [\"$T/note\", \"prestart\"], [\"A=b c\"], status=creating, timeout=7s)" "$T/text"
	grep -qF "env -i 'A=b c' timeout -s KILL 7 $T/note prestart" "$T/text"
	grep -qF "taken back by run_poststop_hooks($T/b, $T/note)" "$T/text"
	kist plan | jq -e --arg path "$T/note" '[.steps[] | select(.undo == "run_poststop_hooks") | .undo_args[1]] == [$path]'
	detached kist run -d --explain $ID
	[ "$(grep -c 'run_hook(.* = 0$' "$T/detached.err")" -eq 5 ]
	kist delete --force $ID
}
