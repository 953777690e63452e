#!/usr/bin/env bats
# killat.bats - the stepper that the leak sweeps stand on: its numbers, and each thing it can do.

bats_require_minimum_version 1.5.0
# native only: it compiles the programs it steps through

setup_file() {
	TOOLS=$("$BATS_TEST_DIRNAME/../tools/build.sh" killat)
	export TOOLS
}

setup() {
	killat=$TOOLS/killat
	cd "$BATS_TEST_TMPDIR"
	cat >small.c <<-'END'
	/* Static, three processes, one order of calls that does not depend on time. */
	#include <stdio.h>
	#include <sys/wait.h>
	#include <unistd.h>
	int main(void)
	{
		int gate[2];
		char c;
		if (pipe(gate))
			return 1;
		for (int i = 0; i < 2; i++) {
			if (fork() == 0) {
				close(gate[1]);
				while (read(gate[0], &c, 1) == 1)
					getppid();
				_exit(i);
			}
		}
		for (int i = 0; i < 50; i++)
			if (write(gate[1], "x", 1) != 1)
				return 1;
		close(gate[1]);
		wait(0);
		wait(0);
		return 7;
	}
	END
	cc -O2 -static -o small small.c
}

point_of() { # FILE ROLE CALL - the number of the first such call in a list
	awk -v role="$2" -v call="$3" '$3 == role && $4 == call { print $1; exit }' "$1"
}

@test "two runs of a static program have the same list" {
	run "$killat" count --list -o one -- ./small
	[ "$status" -eq 7 ]
	run "$killat" count --list -o two -- ./small
	[ "$status" -eq 7 ]
	# Process by process: who comes first when a child ends is the scheduler's choice.
	awk '{ print $3, $4 }' one | sort -s -k1,1 >one.stripped
	awk '{ print $3, $4 }' two | sort -s -k1,1 >two.stripped
	diff one.stripped two.stripped
	grep -q '^entries [0-9]* exits [0-9]* processes 3 tasks 3$' one
	[ "$(grep -c ' main write$' one)" -eq 50 ]
	# Both children end with one call that never returns, and so does the command.
	awk '/^entries/ { exit $2 - $4 != 3 }' one
}

@test "the list agrees with strace" {
	command -v strace || skip "no strace"
	"$killat" count --list -o list -- /bin/busybox uname >/dev/null
	strace -o trace /bin/busybox uname >/dev/null
	awk '!/^entries/ { print $4 }' list >ours
	# strace also shows the execve that killat starts after.
	sed -n '2,$s/^\([a-z0-9_]*\)(.*/\1/p' trace >theirs
	diff ours theirs
}

@test "a failed call answers the errno and does not happen" {
	echo content >file
	"$killat" count --list -o list -- cat file
	run "$killat" fail openat:"$(grep -c ' openat$' list)" ENOENT -o hit -- cat file
	[ "$status" -eq 1 ]
	[[ $output == *"file: No such file or directory"* ]]
	grep -q '^hit [0-9]* [0-9]* main openat$' hit
	run "$killat" fail unlinkat EACCES -- rm -f file
	[ "$status" -eq 1 ]
	[ -e file ]
}

@test "an errno that is not the first thing anybody thinks of" {
	run "$killat" fail mkdir EDQUOT -- mkdir folder
	[ "$status" -eq 1 ]
	[[ $output == *"Disk quota exceeded"* ]]
	[ ! -e folder ]
}

@test "kill at N: status 137, and call N has not happened; with --exit it has" {
	run "$killat" kill mkdir -- mkdir folder
	[ "$status" -eq 137 ]
	[ ! -e folder ]
	run "$killat" kill mkdir --exit -- mkdir folder
	[ "$status" -eq 137 ]
	[ -d folder ]
}

@test "kill at every N of a program ends with 137, and past the end with its own status" {
	last=$("$killat" count -- /bin/busybox true 2>&1 | awk '/^entries/ { print $2 }')
	[ "$last" -gt 3 ]
	for n in $(seq 1 "$last"); do
		run "$killat" kill "$n" -- /bin/busybox true
		[ "$status" -eq 137 ] || { echo "at $n of $last: $status"; false; }
	done
	run "$killat" kill $((last + 1)) -- /bin/busybox true
	[ "$status" -eq 0 ]
	[[ $output == *"never came to the point"* ]]
}

@test "who is hit: main, acting, all" {
	"$killat" count --list -o list -- ./small || true
	n=$(point_of list p2 read)
	[ -n "$n" ]
	run "$killat" kill "$n" --who main -- ./small
	[ "$status" -eq 137 ]
	# The acting child alone: the command collects it and ends as ever.
	run "$killat" kill "$n" --who acting -- ./small
	[ "$status" -eq 7 ]
	run "$killat" kill "$n" --who all --list -o hit -- ./small
	[ "$status" -eq 137 ]
	# Nobody made a call after the hit.
	[ "$(tail -n 1 hit | cut -d ' ' -f 1)" = hit ]
}

@test "a signal at a point is delivered there" {
	cat >trap.sh <<-'END'
	trap 'echo caught; exit 3' USR1
	mkdir folder
	echo not reached
	END
	run "$killat" signal mkdir USR1 --who main -- sh trap.sh
	[ "$status" -eq 3 ]
	[[ $output == *caught* ]]
	[[ $output != *"not reached"* ]]
}

@test "the pause hook sees the command stopped, and can win any race" {
	run "$killat" pause mkdir 'grep ^State /proc/$KILLAT_PID/status >state; mkdir folder' \
		-- mkdir folder
	[ "$status" -eq 1 ]
	[[ $output == *"File exists"* ]]
	grep -q 'State:.t (tracing stop)' state
}

@test "a hook at each call of a name, from the second on" {
	run "$killat" pause mkdir:2 'ls -d ? >>seen; echo . >>seen' --each -- mkdir a b c
	[ "$status" -eq 0 ]
	[ "$(xargs <seen)" = "a . a b ." ]
}

@test "while the hook runs nobody moves" {
	"$killat" count --list -o list -- ./small || true
	n=$(point_of list p2 getppid)
	cat >hook <<-'END'
	for task in $KILLAT_MAIN $(cat /proc/$KILLAT_MAIN/task/$KILLAT_MAIN/children); do
		cat /proc/$task/status
	done | grep -c '^State:.[tS]' >standing
	cat /proc/$KILLAT_MAIN/io >before; sleep 0.3; cat /proc/$KILLAT_MAIN/io >after
	END
	run "$killat" pause "$n" 'sh ./hook' -- ./small
	[ "$status" -eq 7 ]
	[ "$(cat standing)" -eq 3 ]
	diff before after
}

@test "a hook that fails ends everything with 125" {
	run "$killat" pause mkdir false -- mkdir folder
	[ "$status" -eq 125 ]
	[ ! -e folder ]
}

@test "what the command leaves is set free with --detach-after-main" {
	run "$killat" count --detach-after-main -o out -- \
		sh -c 'sleep 1000 </dev/null >/dev/null 2>&1 & echo $!'
	[ "$status" -eq 0 ]
	left=$output
	run grep TracerPid "/proc/$left/status"
	kill "$left"
	[ "${lines[0]}" = "TracerPid:	0" ]
}

@test "without it the stepper stays until the last one has ended" {
	run "$killat" count -o out -- sh -c '(sleep 0.3; echo late) & exit 4'
	[ "$status" -eq 4 ]
	[[ $output == *late* ]]
}

@test "a hang ends with 124 and nobody is left" {
	run "$killat" count --timeout 1 -- sh -c 'sleep 1000 & echo $!; wait'
	[ "$status" -eq 124 ]
	left=${lines[0]}
	for _ in $(seq 50); do
		[ -e "/proc/$left" ] || return 0
		sleep 0.1
	done
	grep State "/proc/$left/status"
	false
}

@test "vfork, exec by a thread, stop and continue are stepped through" {
	run "$killat" count --timeout 20 -o out -- \
		sh -c '(kill -STOP $$; sleep 0.2; kill -CONT $$) & wait; exit 5'
	[ "$status" -eq 5 ]
	cat >thread.c <<-'END'
	#include <pthread.h>
	#include <unistd.h>
	static void *go(void *unused)
	{
		(void)unused;
		execl("/bin/echo", "echo", "from a thread", (char *)0);
		return 0;
	}
	int main(void)
	{
		pthread_t t;
		pthread_create(&t, 0, go, 0);
		pthread_join(t, 0);
		return 1;
	}
	END
	cc -o thread thread.c -lpthread
	run "$killat" count -o out -- ./thread
	[ "$status" -eq 0 ]
	[ "$output" = "from a thread" ]
	# dash runs a command by vfork.
	run "$killat" count --list -o out -- dash -c '/bin/true; exit 6'
	[ "$status" -eq 6 ]
	grep -q ' main vfork$' out
}

@test "statuses: the command's own, 128+n, 127 and 126, 125 for a bad call" {
	run "$killat" count -o out -- sh -c 'kill -TERM $$'
	[ "$status" -eq 143 ]
	run -127 "$killat" count -- ./missing
	run "$killat" count -- "$BATS_TEST_TMPDIR"
	[ "$status" -eq 126 ]
	run "$killat" kill 0 -- true
	[ "$status" -eq 125 ]
	run "$killat" kill nosuchcall -- true
	[ "$status" -eq 125 ]
	run "$killat" fail 1 ENOSUCH -- true
	[ "$status" -eq 125 ]
	run "$killat" kill 1 --who -- true
	[ "$status" -eq 125 ]
	run "$killat" kill 1
	[ "$status" -eq 125 ]
}

@test "at least 20000 stops a second" {
	start=$(date +%s%N)
	"$killat" count -o out -- dd if=/dev/zero of=/dev/null bs=1 count=20000 2>/dev/null
	stop=$(date +%s%N)
	stops=$(awk '/^entries/ { print $2 + $4 }' out)
	rate=$((stops * 1000000 / ((stop - start) / 1000)))
	echo "$rate stops a second"
	# A loaded machine is slower than that, so only the order of magnitude is a failure.
	[ "$rate" -gt 2000 ]
}

@test "a call is known by its path wherever that lies: across two pages, too" {
	deep=$PWD/$(printf 'd%.0s' {1..200})/$(printf 'e%.0s' {1..200})/$(printf 'f%.0s' {1..200})
	mkdir -p "$deep"
	echo text >"$deep/file"
	for pad in 0 500 1000 1500 2000 2500 3000 3500 4000; do
		run env -i PAD="$(printf "%${pad}s" '')" "$killat" fail "openat@$deep/file" EIO -- \
			cat "$deep/file"
		echo "$pad: $output"
		[[ $output == *"Input/output error"* ]]
	done
}
