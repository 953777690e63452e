# So that a failed test says where: in place of bats's own way, a DEBUG trap of some forty commands
# before each command, which took a third of the suite's time under emulation. bash 5's ERR trap knows
# the line too. What it does not see (exit, an unset variable, a timeout) has what the test said.
# shellcheck shell=bash disable=SC2034 # variables of bats 1.8
trap - DEBUG

bats_setup_tracing() {
	BATS_DEBUG_LASTLAST_STACK_TRACE=() BATS_DEBUG_LAST_STACK_TRACE=()
	BATS_DEBUG_LAST_STACK_TRACE_IS_VALID='' BATS_ERROR_SUFFIX=''
	exec 4<&1
	trap bats_error_trap ERR
}
bats_error_trap() {
	bats_check_status_from_trap
	[ -n "$BATS_DEBUG_LAST_STACK_TRACE_IS_VALID" ] || bats_capture_stack_trace
	BATS_DEBUG_LAST_STACK_TRACE_IS_VALID=1
}
bats_timeout_trap() {
	echo "timed out at: $BASH_COMMAND"
	BATS_DEBUG_LAST_STACK_TRACE_IS_VALID='' BATS_TIMED_OUT=1
	exit 1
}

# Without date(1): once more for each test.
get_mills_since_epoch() { echo $((${EPOCHREALTIME/[.,]/} / 1000)); }
