#!/usr/bin/env bats
# systemd only: it asks the machine's own systemd, and a user's
# --systemd-cgroup: the scope systemd makes, what it knows of its limits, and that it goes again.
load helpers
load runtime

# A user's manager (and logind, which it wants) stay for the whole file.
setup_file() {
	id -u someone >/dev/null 2>&1 || useradd -m -u 1000 someone
	systemctl start user@1000.service
	as_user busctl --user list >/dev/null # its bus is begun by who asks it first
}
setup() {
	bats_require_minimum_version 1.5.0
	kist_setup
	ID=s$BATS_TEST_NUMBER
}
teardown() { runtime_teardown; }

skist() { kist --systemd-cgroup "$@"; }
as_user() { # CMD...: with the user's bus
	setpriv --reuid 1000 --regid 1000 --clear-groups env XDG_RUNTIME_DIR=/run/user/1000 "$@"
}
show() { # UNIT PROPERTY
	systemctl show -p "$2" --value "$1"
}
is() { # WANTED CMD...
	local wanted=$1 got
	shift
	got=$("$@") || true
	[ "$got" = "$wanted" ] || { echo "$*: $got, wanted $wanted"; return 1; }
}
no_unit() { # UNIT: systemd has none of that name, not even a dead one
	is not-found show "$1" LoadState
}
sleeper() { # DIR [JQ_FILTER [JQ_ARG...]]
	make_bundle "$@"
	bundle_args "$1" sleep 1000
}

@test "systemd: the machine's own is pid 1, its bus answers, and a user has one too" {
	[ "$(cat /proc/1/comm)" = systemd ]
	[ "$(systemctl show -p ActiveState --value kist-vm.service)" = active ]
	is running as_user systemctl --user is-system-running
}

@test "systemd: a scope with the limits as properties and in the files, also after daemon-reload" {
	sleeper b '.linux.cgroupsPath = "kist-test-one.slice:pre:'"$ID"'"
		| .annotations = {"org.systemd.property.TimeoutStopSec": "uint64 7",
			"org.systemd.property.Documentation": "@as [\"man:kist(1)\"]"}
		| .linux.resources = {memory: {limit: 67108864, reservation: 33554432, swap: 100663296},
			cpu: {shares: 2048, quota: 25500, period: 50000, cpus: "0-1", mems: "0"},
			pids: {limit: 33}, unified: {"memory.high": "60000000", "io.weight": "123"},
			devices: [{allow: false, access: "rwm"},
				{allow: true, type: "c", major: 1, minor: 3, access: "rw"}]}
		| .linux.devices = [{path: "/dev/fuse", type: "c", major: 10, minor: 229}]'
	detached skist create --bundle b "$ID"
	unit=pre-$ID.scope
	cgroup=/kist.slice/kist-test.slice/kist-test-one.slice/$unit
	folder=/sys/fs/cgroup$cgroup
	is "$cgroup" show "$unit" ControlGroup
	is "0::$cgroup" cat "/proc/$(pid_of "$ID")/cgroup"
	is "kist container $ID in $ROOT" show "$unit" Description
	is kist-test-one.slice show "$unit" Slice
	is yes show "$unit" Delegate
	is no show "$unit" DefaultDependencies
	is inactive-or-failed show "$unit" CollectMode
	is yes show "$unit" MemoryAccounting
	is 7s show "$unit" TimeoutStopUSec
	is '"man:kist(1)"' show "$unit" Documentation
	properties() {
		is 67108864 show "$unit" MemoryMax
		is 33554432 show "$unit" MemoryLow
		is 60000000 show "$unit" MemoryHigh
		is 33554432 show "$unit" MemorySwapMax
		is 510ms show "$unit" CPUQuotaPerSecUSec
		is 50ms show "$unit" CPUQuotaPeriodUSec
		is 0-1 show "$unit" AllowedCPUs
		is 0 show "$unit" AllowedMemoryNodes
		is 33 show "$unit" TasksMax
		is 123 show "$unit" IOWeight
		is "$(cat "$folder/cpu.weight")" show "$unit" CPUWeight
	}
	files() {
		is 67108864 cat "$folder/memory.max"
		is 33554432 cat "$folder/memory.low"
		is 59998208 cat "$folder/memory.high"
		is 33554432 cat "$folder/memory.swap.max"
		is '25500 50000' cat "$folder/cpu.max"
		is 0-1 cat "$folder/cpuset.cpus"
		is 33 cat "$folder/pids.max"
		is 'default 123' cat "$folder/io.weight"
			[ "$(cat "$folder/cpu.weight")" != 100 ]
	}
	properties
	files
	systemctl daemon-reload
	properties
	files
	kist start "$ID"
	# Its cgroup namespace has the scope for its root, and the device filter is still there.
	is 0::/ kist exec "$ID" cat /proc/self/cgroup
	kist exec "$ID" sh -c 'echo x >/dev/null'
	run -1 kist exec "$ID" head -c1 /dev/fuse
	[[ $output == *"Operation not permitted"* ]]
	is "$(printf '%s\n%s' "$(pid_of "$ID")" "$(pid_of "$ID")" | uniq)" cat "$folder/cgroup.procs"
	# An update is systemd's to know, too.
	kist update --pids-limit 44 --cpu-quota 20500 "$ID"
	is 44 show "$unit" TasksMax
	is 410ms show "$unit" CPUQuotaPerSecUSec
	systemctl daemon-reload
	is 44 cat "$folder/pids.max"
	is '20500 50000' cat "$folder/cpu.max"
	kist pause "$ID"
	is paused state_of "$ID"
	kist resume "$ID"
	kist delete --force "$ID"
	no_unit "$unit"
	[ ! -e "$folder" ]
	systemctl stop kist.slice # slices on the way are systemd's, and stay until somebody stops them
}

@test "systemd: the default slice and prefix, a '+' in the id, no prefix, a slice unit" {
	sleeper b
	detached skist create --bundle b "a+$ID"
	unit="kist-a\\x2b$ID.scope"
	is "0::/system.slice/$unit" cat "/proc/$(pid_of "a+$ID")/cgroup"
	is active show "$unit" ActiveState
	kist delete --force "a+$ID"
	no_unit "$unit"

	edit_bundle b '.linux.cgroupsPath = "::bare'"$ID"'"'
	detached kist --cgroup-manager systemd run -d --bundle b "$ID"
	is "0::/system.slice/bare$ID.scope" cat "/proc/$(pid_of "$ID")/cgroup"
	kist delete --force "$ID"
	no_unit "bare$ID.scope"

	edit_bundle b '.linux.cgroupsPath = "system.slice:kist:kisttest-'"$ID"'.slice"
		| .linux.resources.pids.limit = 44'
	detached skist run -d --bundle b "$ID"
	unit=kisttest-$ID.slice
	is "0::/kisttest.slice/$unit" cat "/proc/$(pid_of "$ID")/cgroup"
	is 44 show "$unit" TasksMax
	kist delete --force "$ID"
	is inactive show "$unit" ActiveState # of a slice's name systemd can tell without a file
	systemctl stop kisttest.slice
}

@test "systemd: a run that ends takes its scope away; paths that are no unit are refused" {
	make_bundle b
	bundle_args b sh -c 'cat /proc/self/cgroup; exit 3'
	run -3 skist run --bundle b "$ID"
	[ "$output" = 0::/ ]
	no_unit "kist-$ID.scope"
	while read -r path why; do
		edit_bundle b '.linux.cgroupsPath = $path' --arg path "$path"
		refused 1 "/linux/cgroupsPath: .*$why" skist run --bundle b "$ID"
	done <<-'END'
		/kist/x slice:prefix:name
		a:b:c slice
		a.slice:b:c/d holds
	END
	edit_bundle b '.linux.cgroupsPath = "" | .annotations = {"org.systemd.property.TasksMax": "many"}'
	refused 1 '/annotations/org.systemd.property.TasksMax' skist run --bundle b "$ID"
	edit_bundle b '.annotations = {"org.systemd.property.NoSuchThing": "true"}'
	refused 1 'refuses to start kist-.*NoSuchThing' skist run --bundle b "$ID"
	no_unit "kist-$ID.scope"
}

@test "systemd: another's unit of that name is refused and left alone" {
	sleeper b
	systemd-run --scope --unit "kist-$ID.scope" --description 'somebody else' sleep 1000 \
		>/dev/null 2>&1 </dev/null 3>&- &
	wait_until 10 is active show "kist-$ID.scope" ActiveState
	refused 1 "unit kist-$ID.scope already" skist run --bundle b "$ID"
	kist delete --force "$ID"
	is active show "kist-$ID.scope" ActiveState
	# Nor is a container of the same id, but of another state root.
	systemctl stop "kist-$ID.scope"
	detached skist run -d --bundle b "$ID"
	pid=$(pid_of "$ID")
	run --separate-stderr "$KIST" --root "$T/other" --systemd-cgroup run --bundle b "$ID"
	is_one_line 1 'already'
	"$KIST" --root "$T/other" delete --force "$ID"
	[ "$(pid_of "$ID")" = "$pid" ] && is_in_state "$ID" running
	kist delete --force "$ID"
	no_unit "kist-$ID.scope"
}

@test "systemd: every step that fails takes the unit back" {
	make_bundle b
	bundle_args b true
	skist plan --bundle b >plan
	start=$(jq '[.steps[].op] | index("StartTransientUnit")' plan)
	last=$(jq '.steps | length - 1' plan)
	for step in $((start - 1)) "$start" $((start + 1)) $(((start + last) / 2)) "$last"; do
		run --separate-stderr skist --fault-step "$step" run --bundle b "$ID"
		[ "$status" -ne 0 ] || { echo "step $step did not fail"; false; }
		has_no_state
		no_unit "kist-$ID.scope"
	done
}

no_helper() { [ "$(pgrep -cx kist-systemd)" = 0 ]; }
@test "systemd: killed at any moment, delete --force finds the unit and takes it away" {
	make_bundle b
	bundle_args b true
	killat=$TOP/build/tools/killat
	"$killat" count --list -o list -- "$KIST" --root "$ROOT" --systemd-cgroup run --bundle b "$ID"
	# What the host does from the birth on: the bus, the scope, the limits, the rest; and kist-systemd
	# alone, when it speaks with systemd.
	birth=$(awk '$3 == "main" && $4 == "clone3" { print $1; exit }' list)
	last=$(awk '/^entries/ { print $2 }' list)
	[ "$birth" -gt 10 ]
	seen=0
	for point in $(awk -v from="$birth" '$3 == "main" && $1 > from &&
			$4 ~ /^(sendto|recvfrom|wait4|openat|write)$/ { print $1 }' list |
			awk '{ line[NR] = $1 } END { for (i = 0; i < 6; i++)
				print line[1 + int(i * (NR - 1) / 5)] }' | uniq); do
		"$killat" kill "$point" -- "$KIST" --root "$ROOT" --systemd-cgroup run --bundle b "$ID" \
			</dev/null >/dev/null 2>&1 || true
		[ "$(show "kist-$ID.scope" LoadState)" = not-found ] || seen=$((seen + 1))
		kist delete --force "$ID"
		has_no_state
		no_unit "kist-$ID.scope" || { echo "killed at $point of $last"; false; }
	done
	[ ! -e "/sys/fs/cgroup/system.slice/kist-$ID.scope" ]
	helper=$(awk -v from="$birth" '$1 > from && $3 != "main" && $4 == "connect" { print $3; exit }' list)
	speaks() { awk -v who="$helper" '$3 == who && $4 == "sendmsg" { print $1 }' list; }
	[ "$(speaks | wc -l)" -gt 3 ] || { cat list; false; }
	# What the guest does meanwhile moves the points: now and then another process is hit.
	hit=0
	for point in $(speaks | awk 'NR % 3 == 1'); do
		run --separate-stderr "$killat" kill "$point" --who acting -- \
			"$KIST" --root "$ROOT" --systemd-cgroup run --bundle b "$ID" </dev/null
		! grep -q 'kist-systemd ended before it answered' <<<"$stderr" || hit=$((hit + 1))
		echo "$point: status $status, $stderr"
		has_no_state || kist delete --force "$ID"
		wait_until 10 no_unit "kist-$ID.scope" || { echo "kist-systemd killed at $point"; false; }
	done
	[ "$hit" -gt 0 ]
	wait_until 10 no_helper
}

@test "systemd: a user's container is a scope of the user's own systemd" {
	mkdir b u
	chmod 755 "$T"
	cp -a "$FIXTURES/busybox-rootfs" b/rootfs
	chown -R 1000:1000 b u
	ukist() { as_user "$KIST" --root "$T/u/state" --systemd-cgroup "$@"; }
	ushow() { as_user systemctl --user show -p "$2" --value "$1"; }
	ukist spec --rootless --bundle b
	edit_bundle b '.process.terminal = false | .linux.resources.pids.limit = 33'
	bundle_args b sleep 1000
	detached ukist run -d --bundle b "$ID"
	pid=$(ukist state "$ID" | jq .pid)
	unit=kist-$ID.scope
	cgroup=/user.slice/user-1000.slice/user@1000.service/user.slice/$unit
	is "0::$cgroup" cat "/proc/$pid/cgroup"
	is 33 ushow "$unit" TasksMax
	is 33 cat "/sys/fs/cgroup$cgroup/pids.max"
	# The caller is in a cgroup of root's: only systemd can move what exec starts.
	is 0::/ ukist exec "$ID" cat /proc/self/cgroup
	# Its manager was not given cpusets: said before anything is made.
	edit_bundle b '.linux.resources.cpu.cpus = "0"'
	run --separate-stderr ukist run --bundle b other
	is_one_line 1 "/linux/resources/cpu/cpus: .* cpuset, which the user's systemd has not been given"
	ukist delete --force "$ID"
	is not-found ushow "$unit" LoadState
	[ ! -e "/sys/fs/cgroup$cgroup" ]
	run --separate-stderr as_user env XDG_RUNTIME_DIR="$T/u" "$KIST" --root "$T/u/state" \
		--systemd-cgroup run --bundle b "$ID"
	is_one_line 1 "cannot reach the user's systemd over D-Bus"
	systemctl --user -M someone@ stop user.slice 2>/dev/null || as_user systemctl --user stop user.slice
}

@test "systemd: from a pid namespace of its own, kist asks for nothing" {
	make_bundle b
	bundle_args b true
	refused 1 'in a pid namespace of its own' unshare --pid --fork --mount-proc \
		"$KIST" --root "$ROOT" --systemd-cgroup run --bundle b "$ID"
	no_unit "kist-$ID.scope"
	run --separate-stderr kist --systemd-cgroup check b
	[ "$status" -eq 0 ] || { echo "$output"; false; }
	edit_bundle b '.linux.cgroupsPath = "a:b:c"'
	run kist --systemd-cgroup check b
	[ "$status" -ne 0 ]
	[[ $output == */linux/cgroupsPath*slice* ]]
}
