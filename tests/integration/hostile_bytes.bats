#!/usr/bin/env bats
# Configurations made to crash kist, to hold it up, or to be read in two ways.

bats_require_minimum_version 1.5.0
# native only: parsers are the same everywhere, and slow under TCG
load helpers
load runtime

setup() {
	need_root
	kist_setup
	ID=${T##*.}
	make_bundle "$T/b"
	bundle_args "$T/b" true
	cd "$T/b" || return
}
teardown() { runtime_teardown; }

# quickly SECONDS CMD...: `refused` in that time (ten times as much, on a busy machine), with 512 MiB
# to live in; ASan alone maps more.
quickly() {
	local begin=$SECONDS limit=$(($1 * 10))
	shift
	([ -n "${KIST_SANITIZED-}" ] || ulimit -v 524288; refused "$@") || return
	[ $((SECONDS - begin)) -le "$limit" ] || { echo "took $((SECONDS - begin)) s"; return 1; }
}

@test "files that are no files, too large or without end, for a configuration and for exec's process" {
	cp config.json "$T/good"
	mkfifo "$T/fifo"
	truncate -s 16777217 "$T/large"
	truncate -s 1T "$T/sparse"
	: >"$T/empty"
	for file in /dev/zero "$T/fifo" "$T/large" "$T/sparse" "$T/empty" "$T/b" /proc/self/mem /dev/full; do
		rm -f config.json
		ln -s "$file" config.json
		quickly 2 1 'config.json|regular|large|16' kist run "$ID"
	done
	rm config.json
	cp "$T/good" config.json
	bundle_args . sleep 100
	detached kist run -d "$ID"
	for file in /dev/zero "$T/fifo" "$T/large" "$T/empty" "$T/b"; do
		run --separate-stderr kist exec --process "$file" "$ID"
		is_one_line 255
	done
	kist delete --force "$ID"
}

@test "a hundred thousand of everything: a limit that is named, soon" {
	need_program python3
	python3 - <<-'END'
		import json
		base = json.load(open("config.json"))
		many = 100000
		def out(name, change):
		    c = json.loads(json.dumps(base))
		    change(c)
		    json.dump(c, open("many-" + name, "w"))
		m = {"destination": "/m", "type": "tmpfs", "source": "t"}
		out("mounts", lambda c: c.update(mounts=[dict(m, destination="/m%d" % i) for i in range(many)]))
		out("options", lambda c: c["mounts"].append(dict(m, options=["o%d" % i for i in range(many)])))
		out("maps", lambda c: c["linux"].update(uidMappings=[{"containerID": i, "hostID": i, "size": 1} for i in range(many)],
		    gidMappings=[], namespaces=c["linux"]["namespaces"] + [{"type": "user"}]))
		out("rlimits", lambda c: c["process"].update(rlimits=[{"type": "RLIMIT_CORE", "soft": 0, "hard": 0}] * many))
		out("gids", lambda c: c["process"]["user"].update(additionalGids=list(range(many))))
		out("masked", lambda c: c["linux"].update(maskedPaths=["/m%d" % i for i in range(many)]))
		out("devices", lambda c: c["linux"].update(devices=[{"path": "/dev/d%d" % i, "type": "c", "major": 1, "minor": 3} for i in range(many)]))
		out("sysctl", lambda c: c["linux"].update(sysctl={"net.x%d" % i: "1" for i in range(many)}))
		out("hooks", lambda c: c.update(hooks={"prestart": [{"path": "/bin/true"}] * many}))
		out("syscalls", lambda c: c["linux"].update(seccomp={"defaultAction": "SCMP_ACT_ALLOW", "syscalls":
		    [{"names": ["read"], "action": "SCMP_ACT_ERRNO", "args": [{"index": 0, "value": i, "op": "SCMP_CMP_EQ"}]} for i in range(many)]}))
		out("env", lambda c: c["process"].update(env=["E%d=%s" % (i, "x" * 60) for i in range(many)]))
		out("args", lambda c: c["process"].update(args=["true"] + ["x" * 60] * many))
		out("path", lambda c: c["process"].update(cwd="/" + "d" * 1000000))
		out("destination", lambda c: c["mounts"].append(dict(m, destination="/" + "x/" * 500000)))
		out("hostname", lambda c: c.update(hostname="h" * 1000000))
		out("annotation", lambda c: c.update(annotations={"k" * 1000000: "v"}))
		out("rule", lambda c: c["linux"]["resources"].update(devices=[{"allow": True, "access": "rwm"}] * many))
		out("cpus", lambda c: c["linux"]["resources"].update(cpu={"cpus": "0-9999999999"}))
		out("hugepages", lambda c: c["linux"]["resources"].update(hugepageLimits=[{"pageSize": "9" * 100000 + "MB", "limit": 1}]))
	END
	for file in many-*; do
		echo "$file"
		case $file in
		many-annotation) # a key nobody looks at is none of the limits' business
			kist run --config "$file" "$ID" ;;
		*) quickly 3 1 . kist run --config "$file" "$ID" ;;
		esac
	done
}

@test "control sequences in paths: --explain and plan show them, and no terminal acts on them" {
	edit_bundle . '.mounts += [{"destination": "/x\u001b[31m\u009b1m", "type": "tmpfs", "source": "s\u009b2m",
		"options": ["size=4k"]}] | .process.args = ["sh", "-c", "exit 0 #\u009b3m"] |
		.linux.maskedPaths += ["/y\u009b4m\u001b[4m"]'
	"$KIST" --root "$ROOT" run --explain "$ID" >"$T/said" 2>&1
	"$KIST" plan --format text -b . >>"$T/said" 2>&1
	grep -q '31m' "$T/said"
	none env LC_ALL=C grep -a -P '\xc2[\x80-\x9f]|\x1b' "$T/said"
}

@test "what kist's JSON parser takes, a strict one takes too" {
	seed=${KIST_SEED:-$(date +%j)}
	run python3 "$TOP/tests/lib/json-differential.py" "${KIST_BUILD:-$TOP/build}/tests/tools/json-driver" config.json \
		"${KIST_DOCUMENTS:-4000}" "$seed"
	echo "seed $seed: $output"
	[ "$status" -eq 0 ]
}
