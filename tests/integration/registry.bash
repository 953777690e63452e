# What registry.bats starts once: a server of tests/lib/registry.py over some layouts, certificates,
# and Debian's docker-registry, unpacked into build/peers, filled by skopeo.
# shellcheck shell=bash

PEERS=$TOP/build/peers/bin

# auth_file USER PASSWORD [KEY]: an auth file's text, for the server or for KEY.
auth_file() {
	jq -n --arg key "${3-127.0.0.1:$HTTP}" --arg auth "$(printf %s:%s "$1" "$2" | base64 -w0)" \
		'{auths: {($key): {auth: $auth}}}'
}

certificates() { # DIR
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=kist-test \
		-addext "subjectAltName=DNS:localhost" -addext "basicConstraints=critical,CA:TRUE" \
		-keyout "$1/key.pem" -out "$1/cert.pem" 2>/dev/null
}

background() { # NAME CMD...
	"${@:2}" </dev/null >"$SERVED/$1.log" 2>&1 3>&- 4>&- &
	echo $! >>"$SERVED/pids"
	disown
}

registry_begin() {
	local image at=$BATS_FILE_TMPDIR
	export LAYOUTS=$at/layouts SERVED=$at/served CERTS=$at/certs REAL=
	mkdir -p "$LAYOUTS" "$SERVED" "$CERTS"
	need_program python3 zstd openssl
	python3 "$TOP/tests/lib/registry-layouts.py" "$LAYOUTS"
	certificates "$SERVED"
	background server python3 "$TOP/tests/lib/registry.py" "$LAYOUTS" "$SERVED" "$SERVED"/{cert,key,cert}.pem
	real_begin
	wait_until 20 test -s "$SERVED/ports"
	mkdir "$CERTS/localhost:$(cut -d' ' -f3 "$SERVED/ports")"
	cp "$SERVED/cert.pem" "$CERTS/localhost:$(cut -d' ' -f3 "$SERVED/ports")/ca.crt"
}

real_begin() {
	local name
	for name in docker-registry skopeo; do
		[ -x "$PEERS/$name" ] || return 0
	done
	REAL=45443 # the network is ours alone
	mkdir -p "$SERVED/real"
	cat >"$SERVED/config.yml" <<-END
		version: 0.1
		log: {level: warn}
		storage: {filesystem: {rootdirectory: $SERVED/real}}
		http: {addr: "localhost:$REAL", secret: x, tls: {certificate: $SERVED/cert.pem, key: $SERVED/key.pem}}
		auth: {htpasswd: {realm: real, path: $LAYOUTS/htpasswd}}
	END
	background real "$PEERS/docker-registry" serve "$SERVED/config.yml"
	mkdir "$CERTS/localhost:$REAL"
	cp "$SERVED/cert.pem" "$CERTS/localhost:$REAL/ca.crt"
	wait_until 20 bash -c "exec 3<>/dev/tcp/localhost/$REAL" 2>/dev/null
	put() { # LAYOUT NAME [OPTION...]
		HOME=$SERVED "$PEERS/skopeo" --insecure-policy copy -q "${@:3}" --dest-creds kist:s3cret \
			--dest-cert-dir "$CERTS/localhost:$REAL" "oci:$LAYOUTS/$1" "docker://localhost:$REAL/team/$2"
	}
	put everything everything:1 --preserve-digests
	put small docker:2 --format v2s2
	export REAL
}

# plain_begin: Debian's registry on localhost:5000, without TLS and for everybody.
plain_begin() {
	[ -x "$PEERS/docker-registry" ] && [ -x "$PEERS/skopeo" ] || return 0
	mkdir -p "$SERVED/plain"
	cat >"$SERVED/plain.yml" <<-END
		version: 0.1
		log: {level: warn}
		storage: {filesystem: {rootdirectory: $SERVED/plain}, delete: {enabled: true}}
		http: {addr: "localhost:5000", secret: x}
	END
	background plain "$PEERS/docker-registry" serve "$SERVED/plain.yml"
	wait_until 20 bash -c "exec 3<>/dev/tcp/localhost/5000" 2>/dev/null
	export PLAIN=localhost:5000
}

registry_end() {
	local pid
	[ -e "$SERVED/pids" ] || return 0
	while read -r pid; do
		kill "$pid" 2>/dev/null || true
	done <"$SERVED/pids"
}

# registry_forward ADDRESS PORT: a second way to loopback's PORT; prints its own port.
registry_forward() {
	python3 - "$1" "$2" "$T/forward" >/dev/null 2>&1 3>&- 4>&- <<-'END' &
		import socket, sys, threading
		s = socket.create_server((sys.argv[1], 0))
		open(sys.argv[3], "w").write(str(s.getsockname()[1]))
		def pump(a, b):
		    while data := a.recv(65536):
		        b.sendall(data)
		    b.shutdown(socket.SHUT_WR)
		while True:
		    a = s.accept()[0]
		    b = socket.create_connection(("127.0.0.1", int(sys.argv[2])))
		    for x, y in ((a, b), (b, a)):
		        threading.Thread(target=pump, args=(x, y), daemon=True).start()
	END
	echo $! >"$T/forward.pid"
	disown
	wait_until 20 test -s "$T/forward"
	cat "$T/forward"
}
registry_forward_end() { kill "$(cat "$T/forward.pid")"; }
