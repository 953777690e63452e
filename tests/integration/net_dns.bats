#!/usr/bin/env bats
# Names for containers, run alone by tests/tools/dns-driver.c: a process in a network namespace of
# its own stands for each container, and this machine's loopback for the servers upstream.

bats_require_minimum_version 1.5.0

setup_file() {
	cd "$BATS_TEST_DIRNAME/../.." || return 1
	local build=${KIST_BUILD:-$PWD/build}
	export DRIVER=$build/tests/tools/dns-driver
	if [ ! -x "$DRIVER" ] || [ ! -x "$build/tests/tools/net-driver" ]; then
		make -s "$DRIVER" "$build/tests/tools/net-driver" || return 1
	fi
	# It is looked for beside the program that starts it.
	[ -e "$build/tests/tools/kist-dns" ] || ln -sfn ../../kist-dns "$build/tests/tools/kist-dns"
}

setup() {
	[ "$(id -u)" = 0 ] || skip "needs root: network namespaces"
	[ -n "${KIST_TEST_ISOLATED-}" ] || skip "a resolv.conf of its own: tests/isolated.sh"
	# Short: a kist-dns of a test that failed is found by its folder.
	STORE=/run/dns-$BATS_TEST_NUMBER/net
	LOG=$BATS_TEST_TMPDIR/log
	PIDS=()
	: >"$LOG"
	# Layers are id-mapped, which tmpfs can't on Linux 6.1.
	DISK=$PWD/build/tmp/dns-$BATS_TEST_NUMBER-$$
	mkdir -p "${STORE%/*}" "$DISK"
	printf 'nameserver 127.9.9.9\n' >"$BATS_TEST_TMPDIR/resolv.conf"
	mount --bind "$BATS_TEST_TMPDIR/resolv.conf" /etc/resolv.conf
}

teardown() {
	umount /etc/resolv.conf
	[ ${#PIDS[@]} = 0 ] || kill -KILL "${PIDS[@]}" 2>/dev/null || true
	for_each_server kill -KILL
	rm -rf "${STORE%/*}" "$DISK"
}

place() { # NAME...: namespaces with a process asleep in each
	local name pid
	for name; do
		pid=$("${DRIVER%/*}/net-driver" namespace)
		PIDS+=("$pid")
		printf -v "$name" %s "$pid"
		at "$pid" "${DRIVER%/*}/net-driver" loopback
	done
}
upstream() { PIDS+=("$("$DRIVER" upstream "$@")"); }
at() { nsenter --net="/proc/$1/ns/net" -- "${@:2}"; }
dns() { "$DRIVER" -d "$STORE" "$@"; }
from() { at "$1" "$DRIVER" "${@:2}"; }
ask() { from "$1" query "${@:2}"; } # PID [OPTION...] NAME [TYPE]
servers() { pgrep -x kist-dns || true; }
for_each_server() { servers | xargs -r "$@"; }
fds_of() { find "/proc/$1/fd" -mindepth 1 | wc -l; }
gone() { [ -z "$(servers)" ]; }
until_true() { local i; for ((i = 0; i < 200; i++)); do if "$@"; then return; fi; sleep 0.05; done; false; }
is() { [ "$output" = "$1" ] || { echo "got: $output"; echo "not: $1"; false; }; }

@test "two services find each other: names, aliases in turn, both families, PTR, over UDP and TCP; each network its own" {
	place A B C
	dns attach back web "$A" 10.1.0.2 web,www
	dns attach back db "$B" fd41::3 DB,www
	dns attach other away "$C" 10.2.0.2 web
	run ask "$A" db AAAA; is 'NOERROR fd41::3'
	run ask "$A" db; is NOERROR # and no address of that family: not NXDOMAIN
	run ask "$B" WEB; is 'NOERROR 10.1.0.2'
	run ask "$B" -t web.back; is 'NOERROR 10.1.0.2'
	run ask "$B" 2.0.1.10.in-addr.arpa PTR; is 'NOERROR web.back'
	run ask "$A" 3.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.4.d.f.ip6.arpa PTR
	is 'NOERROR db.back'
	run ask "$C" web; is 'NOERROR 10.2.0.2'
	# who comes later, with an alias others have, is found at once; answers begin with each in turn
	place D
	dns attach back two "$D" 10.1.0.9 two,www
	run ask "$A" www; is 'NOERROR 10.1.0.2 10.1.0.9'
	run ask "$A" www; [[ $output = 'NOERROR 10.1.0.9 10.1.0.2' || $output = 'NOERROR 10.1.0.2 10.1.0.9' ]]
	run ask "$A" www
	[[ $(for i in 1 2 3 4 5 6; do ask "$A" www; done | sort -u | wc -l) = 2 ]]
	# a record that goes takes the name along, and nobody had to say so
	dns detach back two record
	run ask "$A" two; is SERVFAIL # upstream, where nobody is
	run ask "$D" web; is closed
}

@test "outside: asked from a port and with an id of its own each time; cut off over UDP, whole over TCP; the next server when one refuses or is silent" {
	upstream 127.9.9.9 "$LOG"
	place A
	dns attach back web "$A" 10.1.0.2 web
	for i in 1 2 3 4 5 6; do run ask "$A" example.org; is 'NOERROR 192.0.2.11'; done
	[ "$(cut -d ' ' -f 2 "$LOG" | sort -u | wc -l)" -ge 5 ]
	[ "$(cut -d ' ' -f 3 "$LOG" | sort -u | wc -l)" -ge 5 ]
	run ask "$A" big.example; is 'NOERROR TC'
	run ask "$A" -t big.example
	[[ $output = 'NOERROR 192.0.2.1 '*' 192.0.2.60' ]]
	grep -q '^tcp .* big.example.$' "$LOG"
	run ask "$A" example.org 252; is REFUSED # a transfer
	# the first server refuses, the second is deaf, nobody is at the third
	upstream 127.9.9.8 "$LOG" refuse
	upstream 127.9.9.7 "$LOG" deaf
	printf 'nameserver 127.9.9.6\nnameserver 127.9.9.8\nnameserver 127.9.9.7\nnameserver 127.9.9.9\n' >/etc/resolv.conf
	dns reconcile
	run ask "$A" -p 9000 example.org; is 'NOERROR 192.0.2.11'
	: >"$LOG"
	run ask "$A" example.org; is 'NOERROR 192.0.2.11' # the one that answered comes first now
	[ "$(wc -l <"$LOG")" = 1 ]
}

@test "servers of one's own: they are asked for that container alone, through reconcile and a new server, on its next network, too" {
	local each
	upstream 127.9.9.9 "$LOG"
	for each in 7 8; do upstream 127.9.9.$each "$LOG-$each"; done
	: >"$LOG-7"
	place A B
	dns attach back web "$A" 10.1.0.2 web dns=127.9.9.7
	dns attach back db "$B" 10.1.0.3 db
	mine() { # of all that is asked for A nothing goes to the host's server, and none of B's to A's
		: >"$LOG"
		: >"$LOG-7"
		run ask "$A" a.example; is 'NOERROR 192.0.2.9'
		run ask "$A" -t a.example; is 'NOERROR 192.0.2.9'
		run ask "$B" bb.example; is 'NOERROR 192.0.2.10'
		[ "$(grep -c 'a.example.$' "$LOG-7")" = 2 ]
		[ "$(cut -d ' ' -f 4 "$LOG-7" | sort -u)" = a.example. ]
		[ "$(cut -d ' ' -f 4 "$LOG" | sort -u)" = bb.example. ]
	}
	mine
	run ask "$A" db; is 'NOERROR 10.1.0.3'
	printf 'nameserver 127.9.9.9\nnameserver 127.9.9.8\n' >/etc/resolv.conf
	dns reconcile
	mine
	for_each_server kill -KILL
	until_true gone
	dns reconcile
	mine
	dns attach other web "$A" 10.2.0.2 web dns=127.9.9.7 record
	dns detach back web
	run ask "$A" a.example; is 'NOERROR 192.0.2.9'
	[ "$(grep -c 'a.example.$' "$LOG-7")" = 3 ]
	[ ! -s "$LOG-8" ]
}

@test "an internal network asks nobody outside: refused, and not a packet" {
	upstream 127.9.9.9 "$LOG"
	place A B
	dns attach deep one "$A" 10.1.0.2 one internal
	dns attach deep two "$B" 10.1.0.3 two internal
	run ask "$A" example.org; is REFUSED
	run ask "$A" -t secret.example.org; is REFUSED
	run ask "$A" 9.9.9.9.in-addr.arpa PTR; is REFUSED
	run ask "$A" two; is 'NOERROR 10.1.0.3'
	[ ! -s "$LOG" ]
	[ "$(dns status deep | cut -d ' ' -f 4)" = 0 ]
	# on a network with a way out as well, it may
	dns attach back one "$A" 10.2.0.2 one record
	run ask "$A" example.org; is 'NOERROR 192.0.2.11'
	run ask "$B" example.org; is REFUSED
}

@test "forged answers are not taken: wrong ids and questions are dropped, and TCP is asked" {
	upstream 127.9.9.9 "$LOG" forged
	place A
	dns attach back web "$A" 10.1.0.2 web
	run ask "$A" example.org; is 'NOERROR 192.0.2.11'
	grep -q '^tcp ' "$LOG"
	# a peer that claims to be the server: nobody but the server is heard
	upstream 127.9.9.7 "$LOG" deaf
	printf 'nameserver 127.9.9.7\n' >/etc/resolv.conf
	dns reconcile
	ask "$A" -p 9000 example.com >"$BATS_TEST_TMPDIR/answer" &
	asker=$!
	until_true grep -q 'example.com' "$LOG"
	read -r _ port _ < <(grep example.com "$LOG")
	"$DRIVER" forge 127.9.9.6 53 127.0.0.1 "$port" "$port"
	until_true eval '[ "$(grep -c example.com "$LOG")" -ge 2 ]'
	# It waits yet, or was told that nobody answers: what was forged it did not get.
	kill "$asker" 2>/dev/null || true
	[[ $(<"$BATS_TEST_TMPDIR/answer") != *NOERROR* ]]
}

@test "hostile bytes: loops, garbage, 64 KiB, slow and many clients; others are answered meanwhile" {
	place A B
	dns attach back web "$A" 10.1.0.2 web
	dns attach back bad "$B" 10.1.0.3 bad
	local head=000101000001000000000000
	pid=$(dns status back | cut -d ' ' -f 1)
	# Questions that trickle in are ended by one deadline, and are never more than so many.
	from "$B" slow 40 16 >"$BATS_TEST_TMPDIR/slow" &
	slow=$!
	run from "$B" raw "$head" c00c00010001; is '12 rcode 1'
	run from "$B" raw "$head" 0161c00c00010001; is '12 rcode 1'
	run from "$B" raw "$head" ff*250; is '12 rcode 1'
	run from "$B" raw "$head" 00*4000; is '12 rcode 1'
	run from "$B" raw 0001; is nothing
	run from "$B" raw 000181000001000000000000 0000010001; is nothing # an answer
	run ask "$A" bad; is 'NOERROR 10.1.0.3'
	run ask "$A" -t bad; is 'NOERROR 10.1.0.3'
	# (Under emulation they have ended by now.)
	[ -n "${KIST_IN_VM-}" ] || until_true eval '[ "$(fds_of "$pid")" -ge 20 ]'
	[ "$(fds_of "$pid")" -lt 40 ]
	wait "$slow"
	[ "$(<"$BATS_TEST_TMPDIR/slow")" -ge 16 ]
	run from "$B" raw -t "$head" c00c00010001; is '12 rcode 1'
	run from "$B" raw -t '00*65535'; is '12 rcode 1'
	run from "$B" raw -t 00*5; is closed
	run ask "$A" bad; is 'NOERROR 10.1.0.3'
}

@test "one who asks without end: so many questions under way and no more, little memory, and others are answered" {
	[ -z "${KIST_IN_VM-}" ] || skip "natively: it looks within the seconds that a question is under way"
	upstream 127.9.9.9 "$LOG" deaf
	place A B
	dns attach back web "$A" 10.1.0.2 web
	dns attach back bad "$B" 10.1.0.3 bad
	pid=$(dns status back | cut -d ' ' -f 1)
	before=$(fds_of "$pid")
	from "$B" ask-many 2000 x
	until_true eval '[ "$(fds_of "$pid")" -ge $((before + 32)) ]'
	[ "$(fds_of "$pid")" -le $((before + 64)) ]
	run ask "$A" bad; is 'NOERROR 10.1.0.3'
	# Names from the network at full speed, by two, and long ones over TCP: nothing piles up.
	from "$B" flood 127.0.0.11 web 1 >"$BATS_TEST_TMPDIR/flood" &
	flood=$!
	run ask "$A" bad; is 'NOERROR 10.1.0.3'
	for i in 1 2 3 4; do run from "$B" raw -t '41*65535'; done
	wait "$flood"
	[ "$(<"$BATS_TEST_TMPDIR/flood")" -gt 0 ]
	[ "$(fds_of "$pid")" -le $((before + 64)) ]
	[ "$(awk '$1 == "VmRSS:" { print $2 }' "/proc/$pid/status")" -lt 6000 ]
	# It is for root, and for who started it, to say who is served.
	run setpriv --reuid=1000 --regid=1000 --clear-groups --inh-caps=+dac_override --ambient-caps=+dac_override \
		"$DRIVER" -d "$STORE" status back
	[ "$status" = 1 ]
	dns status back
}

@test "a container with CAP_NET_ADMIN ends the server's sockets in its network namespace: its own loss, and no work for the server" {
	local listener
	place A B
	dns attach back web "$A" 10.1.0.2 web
	dns attach back bad "$B" 10.1.0.3 bad
	pid=$(dns status back | cut -d ' ' -f 1)
	listener=$(at "$B" ss -Hlnte | grep -o 'ino:[0-9]*')
	holds_listener() { readlink /proc/"$pid"/fd/* | grep -qF "[${listener#ino:}]"; }
	holds_listener
	at "$B" ss -K -lnt src 127.0.0.11 >/dev/null 2>&1 || true
	[ -z "$(at "$B" ss -Hlnt)" ] || skip "this kernel ends no sockets for others"
	# A listener that is none would be ready for ever.
	until_true eval '! holds_listener'
	run ask "$A" -t bad; is 'NOERROR 10.1.0.3'
	run ask "$A" bad; is 'NOERROR 10.1.0.3'
	run ask "$B" -t web; [[ $output = 'no connection: '* ]]
	dns reconcile
	dns detach back bad
	dns detach back web
	until_true gone
}

@test "kist-dns holds nothing of root's; killed, reconcile brings the names back; nobody is left at the end" {
	place A B C
	dns attach back web "$A" 10.1.0.2 web
	dns attach back db "$B" 10.1.0.3 db
	dns attach deep db "$B" 10.3.0.3 db record
	read -r pid users _ < <(dns status back)
	[ "$users" = 2 ]
	grep -Eq '^Uid:\s+65534\s+65534\s+65534\s+65534' "/proc/$pid/status"
	grep -Eq '^CapEff:\s+0000000000000004' "/proc/$pid/status"
	grep -Eq '^CapPrm:\s+0000000000000004' "/proc/$pid/status"
	grep -Eq '^CapBnd:\s+0+$' "/proc/$pid/status"
	grep -Eq '^Seccomp:\s+2' "/proc/$pid/status" || [ -n "${KIST_SANITIZED-}" ]
	[ "$(readlink "/proc/$pid/root")" = "$(echo "$STORE"/*)" ]
	kill -KILL "$pid"
	until_true eval '[ -z "$(servers)" ]'
	run ask "$A" db; is closed
	dns reconcile
	run ask "$A" db; is 'NOERROR 10.1.0.3'
	run ask "$B" db; is 'NOERROR 10.1.0.3 10.3.0.3' # from both of its networks
	[ "$(servers | wc -l)" = 1 ]
	before=$(servers)
	dns reconcile
	[ "$(servers)" = "$before" ]
	# one leaves, and is served by its other network
	dns detach back db
	run ask "$B" db; is 'NOERROR 10.3.0.3'
	[ "$(servers | wc -l)" = 2 ]
	# a container that dies is let go without a word; the other leaves
	kill -KILL "$B"
	until_true eval '[ "$(servers | wc -l)" = 1 ]'
	dns detach back web
	until_true gone
	run find "$STORE" -name dns -path '*back*'; is ''
	# a port that is taken is said
	place D
	PIDS+=("$(at "$D" "$DRIVER" upstream 127.0.0.11 "$LOG")")
	run dns attach back late "$D" 10.1.0.7 late
	[ "$status" = 1 ]
	[[ $output = *'127.0.0.11, port 53'* ]]
}

@test "kist-dns is in a cgroup of its own: one that started it is killed, and names stay" {
	CGROUP=$(findmnt -n -t cgroup2 -o TARGET | head -n 1)
	[ -n "$CGROUP" ] || skip "no cgroup v2"
	place A B
	mkdir "$CGROUP/starter"
	DRIVER=$DRIVER STORE=$STORE A=$A CGROUP=$CGROUP bash -c 'echo $$ >"$CGROUP/starter/cgroup.procs"
		exec "$DRIVER" -d "$STORE" attach back web "$A" 10.1.0.2 web'
	dns attach back db "$B" 10.1.0.3 db
	grep -x '0::/kist-dns' "/proc/$(servers)/cgroup"
	[ ! -e "$CGROUP/starter/cgroup.kill" ] || echo 1 >"$CGROUP/starter/cgroup.kill"
	until_true rmdir "$CGROUP/starter"
	run ask "$B" web; is 'NOERROR 10.1.0.2'
	dns detach back web
	dns detach back db
	until_true gone
	# Who sends the last server off takes its cgroup away, unless the kernel or the server took its time.
	leave() { dns attach back db "$B" 10.1.0.3 db && dns detach back db && [ ! -e "$CGROUP/kist-dns" ]; }
	until_true leave
	until_true gone
	# What stayed, gc takes.
	mkdir -p "$CGROUP/kist-dns"
	"${KIST_BUILD:-$PWD/build}/kist" net gc
	[ ! -e "$CGROUP/kist-dns" ]
}

@test "a job with a network: resolv.conf of the host's without what it can't reach, hosts, hostname; its own files stay" {
	local root=$DISK/root kist=${KIST_BUILD:-$PWD/build}/kist
	mkdir -p "$root" "$BATS_TEST_TMPDIR/own"
	cp -a build/fixtures/busybox-rootfs/. "$root"
	mkdir -p "$root/etc"
	ln -s /run/nowhere "$root/etc/resolv.conf"
	printf 'nameserver 127.0.0.53\nnameserver 192.0.2.53\nsearch corp.example\noptions edns0\n' >/etc/resolv.conf
	job() { "$kist" --root "$BATS_TEST_TMPDIR/state" job run --id seven "$@"; }
	run job --net bridge "$root" -- cat /etc/resolv.conf
	is $'nameserver 192.0.2.53\nsearch corp.example\noptions edns0'
	run job --net bridge "$root" -- sh -c 'cat /etc/hostname; grep -w seven /etc/hosts; stat -c %u:%a /etc/hosts'
	is $'seven\n127.0.1.1\tseven\n0:644'
	# without a network there is nothing to say, nor without a server in reach
	run job "$root" -- sh -c 'ls -l /etc/resolv.conf | sed "s/.*-> //"'
	is /run/nowhere
	# what the caller says of it; nothing is taken and ignored
	run job --net bridge --dns 192.0.2.7 --dns 2001:db8::7 --dns-search a.example --dns-search b.example --dns-option ndots:2 \
		--add-host db:192.0.2.8 --add-host six:[2001:db8::8] "$root" -- sh -c 'cat /etc/resolv.conf; tail -n 2 /etc/hosts'
	is $'nameserver 192.0.2.7\nnameserver 2001:db8::7\nsearch a.example b.example\noptions ndots:2\n192.0.2.8\tdb\n2001:db8::8\tsix'
	run job --net bridge --dns-search . "$root" -- cat /etc/resolv.conf
	is $'nameserver 192.0.2.53\noptions edns0'
	for bad in --dns=name --dns-search=a/b '--dns-option=a=b' --add-host=db '--add-host=a b:192.0.2.1' --add-host=db:host-gateway; do
		run job --net bridge "$bad" "$root" -- true
		[ "$status" = 125 ]
		[[ $output = *"${bad%%=*}: "* ]]
	done
	run job --add-host db:192.0.2.8 "$root" -- true
	[[ $status = 125 && $output = *"--add-host: the job has no network"* ]]
	KIST_NETWORKS=$BATS_TEST_TMPDIR/networks "$kist" net create own
	# kist's own server answers on that one, and asks those of --dns
	upstream 127.9.9.7 "$LOG"
	run env KIST_NETWORKS="$BATS_TEST_TMPDIR/networks" "$kist" --root "$BATS_TEST_TMPDIR/state" job run --net own --dns 127.9.9.7 "$root" -- \
		sh -c 'head -n 1 /etc/resolv.conf; nslookup a.example | grep 192.0.2.'
	[[ $output = 'nameserver 127.0.0.11'*'192.0.2.9' ]]
	grep -q ' a.example.$' "$LOG"
	run job --net bridge,dns=192.0.2.7 "$root" -- true
	[[ $status = 125 && $output = *'dns= is for'*--dns* ]]
	run env KIST_NETWORKS="$BATS_TEST_TMPDIR/networks" "$kist" --root "$BATS_TEST_TMPDIR/state" job run --net own,names=no --dns 192.0.2.7 "$root" -- cat /etc/resolv.conf
	is $'nameserver 192.0.2.7\nsearch corp.example\noptions edns0'
	printf 'nameserver 127.0.0.53\n' >/etc/resolv.conf
	run job --net bridge "$root" -- sh -c 'ls -l /etc/resolv.conf | sed "s/.*-> //"'
	is /run/nowhere
}

@test "kist net connect: two containers find each other; reconcile brings the server back; who leaves asks his other network" {
	local root=$DISK/root kist=${KIST_BUILD:-$PWD/build}/kist state=$BATS_TEST_TMPDIR/state id
	export KIST_NETWORKS=$BATS_TEST_TMPDIR/networks
	mkdir -p "$root" "$KIST_NETWORKS"
	cp -a build/fixtures/busybox-rootfs/. "$root"
	k() { "$kist" --root "$state" "$@" 3>&-; }
	lookup() { k exec "$1" nslookup "$2" 127.0.0.11; }
	k net create back
	k net create --internal deep
	for id in one two; do
		k job run --id $id --wall max "$root" -- sleep 600 &
		PIDS+=($!)
	done
	for id in one two; do
		until_true eval '[ "$(k state $id 2>/dev/null | jq -r .status)" = running ]'
		k net connect back $id
	done
	run lookup one two
	[[ $output = *Name:*two*Address:*10.* ]]
	for_each_server kill -KILL
	until_true gone
	k net reconcile
	run lookup two one.back
	[[ $output = *Name:*one.back*Address:*10.* ]]
	k net connect deep two
	k net disconnect back two
	run lookup two two
	[[ $output = *Name:*two*Address:*10.* ]]
	run lookup two one
	[[ $output = *REFUSED* ]]
	k kill one KILL
	k kill two KILL
	until_true gone
}
