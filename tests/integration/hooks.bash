# What the tests of hooks share, besides helpers.bash and runtime.bash.
# shellcheck shell=bash disable=SC2034 # all_kinds is the tests'

hooks_setup() {
	need_root
	kist_setup
	ID=${T##*.}
	make_bundle "$T/b" '.annotations = {"com.example.key": "val\"ue"}'
	bundle_args "$T/b" sleep 1000
	cd "$T/b" || return 1
	LOG=$T/log
	hook note 'echo "$1 $(cat)" >>'"$LOG"
	# The container's own: what startContainer hooks are.
	printf '#!/bin/sh\necho "$1 $(cat)" >>/dev/shm/log\n' >rootfs/bin/note
	chmod 755 rootfs/bin/note
}
# hook NAME SCRIPT: $T/NAME, for the host.
hook() {
	printf '#!/bin/sh\nPATH=/usr/sbin:/usr/bin:/sbin:/bin\n%s\n' "$2" >"$T/$1"
	chmod 755 "$T/$1"
}
# add_hook KIND PATH [JQ_OBJECT]: args[1] is "KIND".
add_hook() {
	edit_bundle . ".hooks[\$kind] += [{path: \$path, args: [\$path, \$kind]} + ${3:-{\}}]" \
		--arg kind "$1" --arg path "$2"
}
all_kinds="prestart createRuntime createContainer startContainer poststart poststop"
add_all() {
	local kind
	for kind in $all_kinds; do
		if [ "$kind" = startContainer ]; then
			add_hook $kind /bin/note
		else
			add_hook $kind "$T/note"
		fi
	done
}
# What the log says of one kind: its state.
said() { # KIND [JQ_FILTER]
	sed -n "s/^$1 //p" "$LOG" | jq -cr "${2-.}"
}
order() {
	cut -d' ' -f1 "$LOG" 2>/dev/null | xargs
}
