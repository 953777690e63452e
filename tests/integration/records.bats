#!/usr/bin/env bats
# native only: it is about files and messages, the same under any kernel, and takes a hundred starts
# The records of a state folder, damaged: nothing is done on the word of one, the folder's name still
# is enough to clean up.

bats_require_minimum_version 1.5.0
load helpers
load runtime

setup() {
	runtime_setup
	bundle_args "$T/b" sleep 1000
	detached kist run -d "$ID"
	PID=$(pid_of "$ID")
	CGROUP=$(cgroup_of "$PID")
}
teardown() { runtime_teardown; }

# damage FILE HOW: of a record, with a copy at $T/whole.
damage() {
	local file=$ROOT/$ID/$1 size byte
	cp "$file" "$T/whole"
	size=$(stat -c %s "$file")
	case $2 in
	pid) sed -i 's/"pid":\([0-9]*\)[0-9],/"pid":\1'$(((PID + 1) % 10))',/' "$file" ;;
	cut) truncate -s $((size / 2)) "$file" ;;
	empty) : >"$file" ;;
	garbage) head -c "$size" /dev/urandom >"$file" ;;
	other) echo '{"version": 9}' >"$file" ;;
	byte-*)
		byte=$(od -An -tu1 -j "${2#byte-}" -N 1 "$file")
		# shellcheck disable=SC2059 # the byte, in octal
		printf "\\$(printf %o $((byte ^ 1)))" | dd of="$file" bs=1 seek="${2#byte-}" conv=notrunc status=none
		;;
	esac
	! cmp -s "$file" "$T/whole"
}
mend() { cp "$T/whole" "$ROOT/$ID/$1"; }

@test "state.json with one byte changed, cut, empty, or garbage: refused by name; mended, all is well" {
	size=$(stat -c %s "$ROOT/$ID/state.json")
	# The last 27 are the sum and its name.
	for how in pid cut empty garbage byte-0 byte-$((size / 3)) byte-$((size / 2)) byte-$((size - 30)); do
		damage state.json $how
		for words in "state $ID" "kill $ID KILL" "exec $ID true" "delete $ID"; do
			# shellcheck disable=SC2086 # words
			run --separate-stderr kist $words
			is_one_line $([[ $words != exec* ]] && echo 1 || echo 255) 'state.json' || { echo "$how: $words"; return 1; }
		done
		mend state.json
	done
	[ "$(state_of "$ID")" = running ]
	[ -d "/proc/$PID" ]
	# An older kist wrote no sum.
	jq -c 'del(.sum)' "$ROOT/$ID/state.json" >"$T/old"
	cp "$T/old" "$ROOT/$ID/state.json"
	kist exec "$ID" true
	kist delete --force "$ID"
	is_dead "$PID"
	assert_nothing_left
}

@test "delete --force of one whose state.json is damaged: all is taken back by the other record" {
	for how in pid cut empty garbage; do
		damage state.json $how
		kist delete --force "$ID"
		is_dead "$PID"
		[ ! -d "$CGROUP" ]
		assert_nothing_left
		detached kist run -d "$ID"
		PID=$(pid_of "$ID")
	done
	kist delete --force "$ID"
}

@test "delete --force of one whose intent.json is damaged, or both: warned, and all is taken back" {
	for how in cut empty garbage other; do
		damage intent.json $how
		[ $how != other ] || damage state.json pid # still JSON, but not what was written
		run --separate-stderr kist delete --force "$ID"
		echo "$how: $stderr"
		[ "$status" = 0 ]
		[[ $stderr == "kist: warning: the records of container $ID are damaged: "* ]]
		is_dead "$PID"
		[ ! -d "$CGROUP" ]
		assert_nothing_left
		detached kist run -d "$ID"
		PID=$(pid_of "$ID")
	done
	kist delete --force "$ID"
}

@test "an undo that fails keeps the record, and another delete does the rest" {
	kist kill "$ID" KILL
	wait_until 10 is_in_state "$ID" stopped
	# As when a process is on its way out for longer than a delete waits.
	run --separate-stderr "$TOP/build/tools/killat" fail rmdir EBUSY --each --timeout 60 -- \
		"$KIST" --root "$ROOT" delete "$ID"
	is_one_line 1 'rmdir .*[Rr]esource busy'
	[ -d "$CGROUP" ]
	[ -e "$ROOT/$ID/intent.json" ]
	kist delete "$ID"
	[ ! -d "$CGROUP" ]
	assert_nothing_left
}

@test "an answer that can't be written is an error" {
	for words in "state $ID" "list" "ps $ID" "features" "--version" "--help" "list -q" "spec --help"; do
		status=0 output=
		# shellcheck disable=SC2086 # words
		"$KIST" --root "$ROOT" $words >/dev/full 2>"$T/err" || status=$?
		stderr=$(<"$T/err")
		is_one_line 1 'No space left on device' || { echo "$words"; return 1; }
	done
	kist delete --force "$ID"
}
