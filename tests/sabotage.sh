#!/bin/bash
# Takes kist's guards away, one at a time, and wants a test to turn red: a guard without such a test
# could be lost without anybody noticing.
#
#   tests/sabotage.sh [--quick] [--list] [NAME...]
#   tests/sabotage.sh --fits     only whether each record is complete and its edits still fit
#
# The guards stand in tests/sabotage/*.txt, a record each:
#
#   [name]                 how docs/security.md calls it; "quick" after it: also in make check
#   why   what is gone then
#   file  base/path.c      an edit; there may be more of them
#   -|    the text to replace, which the file holds exactly once; lines follow each other
#   +|    what stands there instead (no such line: nothing)
#   test  FILE.bats: NAME  a test that must fail then (or test_X: FUNCTION, a unit test)
#   dead                   not even a plain container starts then, and that is all right
#
# The product has no part in it: the edits are made in copies of the tree, in build/sabotage, which
# are built as far as an edit asks for. An edit that does not fit any more, a build that fails, a
# kist that starts nothing at all, a test that was skipped: all are failures, since they prove nothing.
# Prints TAP for tests/tap.awk. As root; needs `make build-tests` done.
set -u
cd "$(dirname "$0")/.." || exit 125
top=$PWD

# ---- records ---------------------------------------------------------------------------------

# Fills name, why, test, dead, and file[], old[], new[] from the record of that name.
read_record() {
	local line on='' n=-1
	name=$1 why='' test='' dead=''
	file=() old=() new=()
	while IFS= read -r line; do
		case $line in
		"[$name]"*) on=1 ;;
		"["*) on='' ;;
		*) [ -n "$on" ] || continue ;;&
		"why "*) why=${line#why   } ;;
		"file "*) file[++n]=${line#file  } old[n]='' new[n]='' ;;
		"-|"*) old[n]+=${old[n]:+$'\n'}${line#-|} ;;
		"+|"*) new[n]+=${new[n]:+$'\n'}${line#+|} ;;
		"test "*) test=${line#test  } ;;
		dead) dead=1 ;;
		esac
	done < <(cat tests/sabotage/*.txt)
	[ -n "$why" ] && [ "$n" -ge 0 ] && [ -n "$test" ] && ! [[ " ${old[*]/#/x} " == *" x "* ]]
}

names() { # [quick]
	sed -n "s/^\[\(.*\)\]${1:+ $1}.*/\1/p" tests/sabotage/*.txt
}

# ---- one tree and what is done in it -----------------------------------------------------------

make_tree() {
	local tree=$1
	rm -rf "$tree"
	mkdir -p "$tree/build"
	cp -a base cgroup ns net image runtime supervisor cli tests docs rootfs-fixtures Makefile "$tree"
	(
		cd build || exit
		cp -a .flags base cgroup ns net image runtime supervisor cli tests fixtures tools kist \
			kist-image kist-systemd kist-dns kist-monitor libkist.a "$tree/build"
	) || return
	[ ! -d build/peers ] || ln -s "$top/build/peers" "$tree/build/peers"
}

# Bash's own replacement knows no "exactly once".
edit() { # FILE OLD NEW
	local text rest
	text=$(cat "$1" && echo x) || return
	text=${text%x}
	rest=${text#*"$2"}
	[ "$rest" != "$text" ] || { echo "$1 does not hold the text any more"; return 1; }
	[ "${rest#*"$2"}" = "$rest" ] || { echo "$1 holds the text more than once"; return 1; }
	printf '%s%s%s' "${text%%"$2"*}" "$3" "$rest" >"$1"
}

edit_all() {
	local i
	for i in "${!file[@]}"; do
		edit "${file[i]}" "${old[i]}" "${new[i]}" || return
	done
}

build() {
	local what=(build/kist)
	case $test in
	test_*) what+=("build/tests/unit/${test%%:*}") ;;
	image*.bats* | rootless_image.bats* | overlay.bats* | store*.bats* | fsck.bats* | registry*.bats* | unpack_differential.bats*) what+=(build/kist-image) ;;
	unpack_hostile.bats*) what+=(build/tests/tools/unpack-driver) ;;
	net_firewall.bats* | net_publish.bats*) what+=(build/tests/tools/firewall-driver) ;;
	net_bridge.bats*) what+=(build/tests/tools/net-driver) ;;
	net_dns.bats*) what+=(build/kist-dns build/tests/tools/dns-driver) ;;
	esac
	make -s CI= "${what[@]}"
}

# Does a plain container still run? Else any test would be red, and prove nothing.
lives() {
	local bundle=build/alive
	if [ ! -d $bundle ]; then
		mkdir $bundle && cp -a build/fixtures/busybox-rootfs $bundle/rootfs &&
			(cd $bundle && "$top/build/kist" spec) &&
			jq '.process.terminal = false | .process.args = ["true"]' $bundle/config.json \
				>$bundle/new && mv $bundle/new $bundle/config.json
	fi
	build/kist --root "$PWD/build/alive/state" run -b $bundle alive
}

# Inside of tests/isolated.sh, in the tree: "red", or what is not.
judge() { # TEST DEAD
	local test=$1 where=${1%%: *} regex out
	[ -n "$2" ] || lives || { echo "not even a plain container runs"; return; }
	# Into a file: what a test leaves behind may hold a pipe open.
	case $where in
	*.bats)
		regex=$(sed 's/[][\.*^$(){}?+|]/\\&/g' <<<"${test#*: }")
		BATS_TEST_TIMEOUT=100 timeout 110 bats --tap -f "^$regex\$" "tests/integration/$where" \
			</dev/null >build/said 2>&1
		;;
	# Its stderr has no lines of its own, and would break those of stdout.
	*) CMOCKA_MESSAGE_OUTPUT=TAP timeout 60 "build/tests/unit/$where" </dev/null >build/said 2>/dev/null ||
		echo "exit $?" >>build/said ;;
	esac
	out=$(cat build/said)
	case $where:$'\n'$out in
	*.bats:*$'\n'"not ok "*) echo red ;;
	test_*:*$'\n'"not ok "*"${test#*: }"*) echo red ;;
	test_*:*$'\n'"exit "1[0-9][0-9]*) echo red ;; # a crash
	*"# skip"*) echo "the test was skipped" ;;
	*$'\n'"ok "*) echo "the test stayed green" ;;
	*) echo "the test did not run: $out" ;;
	esac | head -n 5
}

if [ "${1-}" = --judge ]; then
	judge "$2" "$3"
	exit
fi

sabotage() { # NAME TREE: prints "red", or what is wrong
	local said i
	read_record "$1" || { echo "the record is not complete"; return; }
	cd "$2" || return
	rm -rf build/kept
	for i in "${file[@]}" "${file[@]/#/build/}"; do
		[ "$i" != "${i#build/}" ] && i=${i%.c}.o
		[ ! -f "$i" ] || { mkdir -p "build/kept/${i%/*}" && cp -a "$i" "build/kept/$i"; }
	done
	if ! said=$(edit_all 2>&1); then
		echo "$said"
	elif ! said=$(build 2>&1); then
		echo "it does not build: $said"
	else
		# A test that hangs is told by its own limit; a container that does, by this one.
		timeout -k 5 150 tests/isolated.sh tests/sabotage.sh --judge "$test" "$dead" 2>&1 ||
			echo "it hung"
	fi
	# The next edit makes an archive anew, with these objects as they were.
	cp -a build/kept/. .
}

worker() { # TREE, names on stdin
	local name said begin
	make_tree "$1" || exit
	while read -r name; do
		begin=$SECONDS
		said=$(cd "$top" && sabotage "$name" "$1" </dev/null)
		if [ "$said" = red ]; then
			echo "ok 1 $name # $((SECONDS - begin)) s"
		else
			echo "not ok 1 $name: $said"
		fi
	done
	rm -rf "$1"
}

# ---- all of them -------------------------------------------------------------------------------

mapfile -t chosen < <(
	case ${1-} in
	--quick) names quick ;;
	--list | '') names ;;
	*) printf '%s\n' "$@" ;;
	esac
)
if [ "${1-}" = --list ]; then
	for name in "${chosen[@]}"; do
		read_record "$name" || echo "$name: the record is not complete"
		printf '%s\t%s\t%s\t%s\n' "$name" "${file[*]}" "$test" "$why"
	done
	exit
fi
if [ "${1-}" = --fits ]; then
	mkdir -p build
	copy=$(mktemp -d "$top/build/fits.XXXXXX") status=0
	trap 'rm -rf "$copy"' EXIT
	mapfile -t chosen < <(names)
	for name in "${chosen[@]}"; do
		read_record "$name" || { echo "$name: the record is not complete"; status=1; continue; }
		for i in "${!file[@]}"; do
			[ -f "$copy/${file[i]}" ] || mkdir -p "$copy/${file[i]%/*}"
			cp "${file[i]}" "$copy/${file[i]}" || status=1
		done
		where=${test%%: *}
		case $where in
		*.bats) grep -qF "@test \"${test#*: }\"" "tests/integration/$where" ;;
		*) grep -qw "${test#*: }" "tests/unit/$where.c" ;;
		esac || { echo "$name: no such test: $test"; status=1; }
		(cd "$copy" && edit_all) || { echo "$name: does not fit"; status=1; }
	done
	[ $status != 0 ] || echo "sabotage: ${#chosen[@]} records, each fits"
	exit $status
fi
[ "$(id -u)" = 0 ] || { echo "sabotage: needs root" >&2; exit 125; }
# One at a time: the trees are the same.
mkdir -p build/sabotage
exec 9<build/sabotage && flock 9
echo "# begin sabotage"
echo "1..${#chosen[@]}"
jobs=${KIST_TEST_JOBS:-$(nproc)}
[ "${#chosen[@]}" -gt 4 ] || jobs=1
output=$(mktemp -d)
for ((i = 0; i < jobs; i++)); do
	for ((n = i; n < ${#chosen[@]}; n += jobs)); do
		echo "${chosen[n]}"
	done | worker "$top/build/sabotage/$i" >"$output/$i" 9<&- &
done
wait
cat "$output"/*
bad=$(cat "$output"/* | grep -c '^not ok')
rm -rf "$output"
echo "# exit $((bad > 0)) sabotage"
[ "$bad" = 0 ]
