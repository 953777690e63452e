#!/usr/bin/env bats
# native only: needs a registry from Debian's packages, and libcurl, which the test machine has not
# kist pull, login, logout: a registry that lies, and Debian's own with TLS and passwords.

bats_require_minimum_version 1.5.0
load helpers
load registry

setup_file() { registry_begin; }
teardown_file() { registry_end; }
setup() {
	kist_setup
	KIST_IMAGE=${KIST_IMAGE:-${KIST_BUILD:-$TOP/build}/kist-image}
	read -r HTTP AWAY HTTPS <"$SERVED/ports"
	: >"$SERVED/log"
	unset REGISTRY_AUTH_FILE DOCKER_CONFIG XDG_RUNTIME_DIR {http,https,all,no}_proxy {HTTP,HTTPS,ALL,NO}_PROXY
	export HOME=$T
}
teardown() { kist_teardown; }

# pull [OPTION...] TRICK/IMAGE[:TAG]: from the server of tests/lib/registry.py.
pull() { "$KIST_IMAGE" pull --tries 3 --timeout 20 "${@:1:$#-1}" "127.0.0.1:$HTTP/${*: -1}"; }
img() { "$KIST_IMAGE" "$@"; }
asked() { grep -c -e "$1" "$SERVED/log" || true; }

# Nothing can be seen, and nothing that was wrong is kept.
nothing_visible() {
	[ -z "$(img ls --quiet)" ]
	[ -z "$(find "$KIST_STORE"/{blobs,layers}/sha256 "$KIST_STORE"/{tmp,locks} -mindepth 1 2>/dev/null)" ]
}
refused() { # TEXT ARG...: a pull that fails, in one line with TEXT
	local text=$1
	shift
	run timeout 60 "$KIST_IMAGE" pull --tries 2 --timeout "${STALL:-20}" "$@"
	echo "$* -> $status: $output"
	[ "$status" -eq 1 ]
	[[ ${lines[0]} == "kist: cannot pull "*"$text"* ]]
	nothing_visible
}
lies() { refused "$2" "127.0.0.1:$HTTP/$1"; } # TRICK/IMAGE TEXT
trees() { # of a store: what is in every blob and layer, by name; whiteouts have no times of their own
	(
		cd "$1" && find blobs/sha256 -type f -exec sha256sum {} + | sort
		find layers -mindepth 2 ! -name complete ! -type f -printf '%P %y %m %U %G %l\n' | sort
		find layers -type f ! -name complete -printf '%P %m %U %G %s %T@\n' | sort
		find layers -type f ! -name complete -exec sha256sum {} + | sort
	)
}

@test "pull: what load would give, byte for byte" {
	need_root
	run "$KIST" pull --store "$KIST_STORE" "127.0.0.1:$HTTP/good/everything:1.0"
	echo "$output"
	[ "$status" -eq 0 ]
	[[ $output == *"pulled 127.0.0.1:$HTTP/good/everything:1.0  sha256:"*"  3 layers (3 unpacked)"* ]]
	[[ $output == *"layer 1/3 "* ]]
	python3 "$TOP/tests/lib/check-layers.py" "$KIST_STORE" "$LAYOUTS/everything.expect.json" >/dev/null
	img --store "$D/other" load "$LAYOUTS/everything" >/dev/null
	diff <(trees "$KIST_STORE") <(trees "$D/other")
	# again: the documents are looked at, layers are here
	: >"$SERVED/log"
	run pull --quiet good/everything:1.0
	[[ $output == sha256:* ]]
	[ "$(asked blobs)" = 1 ]
	[ "$(ls "$KIST_STORE/partial")" = "" ]
	img rm "127.0.0.1:$HTTP/good/everything:1.0"
	nothing_visible
}

@test "pull: by digest, by tag and digest; --json; images; rmi" {
	digest=$(jq -r '.manifests[0].digest' "$LAYOUTS/two/index.json")
	"$KIST" pull -q "127.0.0.1:$HTTP/good/two@$digest"
	run "$KIST" images
	echo "$output"
	[[ $output == *"127.0.0.1:$HTTP/good/two@$digest "* ]]
	run pull --json "good/two:v1@$digest"
	echo "$output"
	[ "$(jq -r '"\(.reference) \(.digest) \(.layers) \(.unpacked) \(.fetched)"' <<<"$output")" = \
		"127.0.0.1:$HTTP/good/two:v1 $digest 2 0 0" ]
	# found by name and digest, and each name can be removed
	"$KIST" rmi -q "127.0.0.1:$HTTP/good/two:v1"
	[ "$(img ls -q)" = "$digest" ]
	"$KIST" rmi -q "127.0.0.1:$HTTP/good/two@$digest"
	nothing_visible
	refused "not found" "127.0.0.1:$HTTP/good/two@sha256:$(printf '%064d' 0)"
	[[ $output == *"manifest"* ]]
	lies good/two:absent "not found (MANIFEST_UNKNOWN: manifest \\x1b[31munknown)"
	[[ $output == *$'\nfix: look at its name and tag'* ]]
}

@test "pull: an index, this machine's image, --platform, fallback to lower variants" {
	pull index/many:index
	[ "$(img ls --json | jq -r '.[0].digest')" = "$(cat "$LAYOUTS/many.here")" ]
	img rm "127.0.0.1:$HTTP/index/many:index"
	for platform in linux/arm64 linux/aarch64/v8 linux/arm/v6 linux/arm/v7; do
		run pull --quiet --platform $platform index/many:index
		echo "$platform: $output"
		[ "$status" -eq 0 ]
		[ "$output" = "$(grep "^$platform " "$LAYOUTS/many.platforms" | cut -d' ' -f2)" ]
	done
	img rm "127.0.0.1:$HTTP/index/many:index"
	refused "no image for linux/arm/v5 (it has " --platform linux/arm/v5 "127.0.0.1:$HTTP/index/many:index"
	refused "no image for plan9/amd64 (it has " --platform plan9/amd64 "127.0.0.1:$HTTP/index/many:index"
	refused "its config says linux/" --platform linux/mips "127.0.0.1:$HTTP/good/small"
	run img pull --platform nonsense "127.0.0.1:$HTTP/good/small"
	[ "$status" -eq 1 ]
	[[ $output == *"\"nonsense\" is no platform: it is written OS/ARCHITECTURE[/VARIANT]"* ]]
}

@test "a lying registry: documents" {
	lies header/bulk "its Docker-Content-Digest is sha256:"
	digest=$(jq -r '.manifests[0].digest' "$LAYOUTS/bulk/index.json")
	lies "content/bulk@$digest" "when asked for $(cut -c1-19 <<<"$digest")..."
	lies both/bulk "it is index and image at once"
	lies type/bulk "the registry calls it \"application/vnd.oci.image.index.v1+json\", but it is an image manifest"
	lies schema1/bulk "an image of docker's old schema 1"
	lies html/bulk "no manifest: what the registry gave: invalid token"
	lies big/bulk "a document of 5242880 bytes (limit 4194304)"
	lies endless-manifest/bulk "a document of more than 4194304 bytes"
	lies headers/bulk "the answer has more than 262144 bytes of headers"
	lies old-http/bulk "HTTP/0.9"
	lies drop/bulk "after 2 tries: registry 127.0.0.1:$HTTP: "
	STALL=1 lies hang/bulk "stalled: 0 bytes in"
	lies down/bulk "it answers 500 (UNKNOWN: never)"
	lies later/bulk "too many requests"
	[[ $output == *"fix: it asks to wait 9999 seconds"* ]]
	# a type nobody knows says nothing: the document itself does
	pull --quiet odd-type/small
}

@test "a lying registry: blobs" {
	lies wrong/bulk "it gives sha256:"
	lies longer/bulk "bytes, the blob's descriptor "
	lies shorter/bulk "bytes, the blob's descriptor "
	lies endless/bulk "layer sha256:"
	STALL=1 lies slow/bulk "stalled: "
	[ -z "$(find "$KIST_STORE/partial" -type f -size +100c)" ]
	# What a longer one has too much of is not read.
	pull --quiet chunked-longer/bulk
}

@test "a layer whose last byte is wrong: nothing visible, and nothing kept for the next run" {
	lies flipped/big "layer sha256:"
	[ -z "$(ls "$KIST_STORE/partial")" ]
	pull --quiet good/big
}

@test "redirects: an end, no other scheme, not down to plain http" {
	lies loop/bulk "it redirects more than 10 times"
	[ "$(asked loop)" = 11 ]
	lies to-file/bulk "it points to \"file:///etc/passwd\", which is no http URL"
	lies to-open/bulk "it redirects to plain http at registry.test"
	refused "it redirects from https to http" --certs-dir "$CERTS" "localhost:$HTTPS/to-plain/bulk"
}

@test "redirects: another origin never sees the credentials; the same one does" {
	auth_file user "pass word" >"$T/auth.json"
	pull --quiet --authfile "$T/auth.json" basic-away/two
	[ "$(asked "$HTTP GET /v2/basic-away/two/blobs/.* auth=Basic_")" = 3 ]
	[ "$(asked "$AWAY GET /v2/away/two/blobs/.* auth=- ")" = 3 ]
	pull --quiet token-away/small
	[ "$(asked "$AWAY GET /v2/away/small/blobs/.* auth=- ")" = 1 ] # the layer is here
	[ "$(asked "$AWAY .* auth=[^-]")" = 0 ]
}

@test "tries: 429 with Retry-After, 503, breaks: it goes on where it stopped" {
	pull --quiet busy/small
	[ "$(asked busy.*manifests)" = 3 ]
	pull --quiet broken/two
	[ "$(asked broken.*manifests)" = 3 ]
	pull --quiet flaky/big
	[ "$(asked 'flaky.* range=bytes=[1-9][0-9]*-')" = 2 ]
	img rm -q "127.0.0.1:$HTTP/flaky/big"
	# who knows no ranges is read from the beginning; who gives another one, too
	pull --quiet no-range/big
	img rm -q "127.0.0.1:$HTTP/no-range/big"
	pull --quiet wrong-range/big
	[ "$(img ls --json | jq length)" = 3 ]
}

@test "a pull that was cut off: the next one fetches the rest, and hashes all of it" {
	run pull --tries 1 cut/big
	[ "$status" -eq 1 ]
	nothing_visible
	blob=$(jq -r '.layers[0].digest[7:]' "$LAYOUTS/big/blobs/sha256/$(jq -r '.manifests[0].digest[7:]' "$LAYOUTS/big/index.json")")
	had=$(stat -c %s "$KIST_STORE/partial/$blob")
	[ "$had" -gt 1000000 ]
	: >"$SERVED/log"
	run pull --json cut/big
	[ "$(jq '.resumed' <<<"$output")" = "$had" ]
	[ "$(asked "cut/big/blobs/sha256:$blob .* range=bytes=$had-")" = 1 ]
	[ "$(sha256sum <"$KIST_STORE/blobs/sha256/$blob")" = "$blob  -" ]
	[ -z "$(ls "$KIST_STORE/partial")" ]
	# Bytes that went bad meanwhile are found by the hash: once more, from the beginning.
	img rm -q "127.0.0.1:$HTTP/cut/big"
	head -c "$had" /dev/zero >"$KIST_STORE/partial/$blob"
	: >"$SERVED/log"
	pull --quiet good/big
	[ "$(asked "good/big/blobs/sha256:$blob .* range=-")" = 1 ]
	img rm -q "127.0.0.1:$HTTP/good/big"
	# a whole one needs no request
	cp "$LAYOUTS/big/blobs/sha256/$blob" "$KIST_STORE/partial/"
	: >"$SERVED/log"
	pull --quiet good/big
	[ "$(asked "blobs/sha256:$blob")" = 0 ]
	# and one that nobody came back for is cleared away
	touch -d '8 days ago' "$KIST_STORE/partial/$(printf '%064d' 1)"
	touch "$KIST_STORE/partial/$(printf '%064d' 2)"
	img rm -q "127.0.0.1:$HTTP/good/big"
	[ "$(ls "$KIST_STORE/partial")" = "$(printf '%064d' 2)" ]
}

@test "kill -9 in a pull, then another: whole, and the first one's bytes are used" {
	"$KIST_IMAGE" pull "127.0.0.1:$HTTP/slow-start/big" >/dev/null 2>&1 &
	pid=$!
	part() { [ -n "$(find "$KIST_STORE/partial" -type f -size +100k 2>/dev/null)" ]; }
	wait_until 20 part
	kill -9 $pid
	wait $pid || true
	run pull --json slow-start/big
	echo "$output"
	[ "$(jq '.resumed' <<<"$output")" -gt 100000 ]
	[ -z "$(ls "$KIST_STORE"/{tmp,partial,locks} | grep -v :)" ]
}

@test "two pulls of one image at once: each layer is fetched once" {
	pull --quiet good/bulk >"$T/a" &
	a=$!
	pull --quiet good/bulk >"$T/b" &
	b=$!
	wait $a
	wait $b
	[ "$(cat "$T/a")" = "$(cat "$T/b")" ]
	[ "$(grep 'good/bulk/blobs' "$SERVED/log" | sort | uniq -c | awk '$1 > 1' | wc -l)" -le 1 ] # the config
}

@test "tokens: anonymous, with a password, with an identity token; a new one when it expires" {
	lies token/bulk "the credentials were refused (401)"
	[[ $output == *$'\nfix: log in: kist login'* ]]
	pull --quiet token-anonymous/two
	# GET with service and scope; a token is good for two requests here
	[ "$(asked 'GET /token-anonymous?service=the%20registry&scope=repository%3Atoken-anonymous%2Ftwo%3Apull')" -ge 2 ]
	auth_file user "pass word" >"$T/auth.json"
	pull --quiet --authfile "$T/auth.json" token/everything
	[ "$(asked 'GET /token?.*&account=user auth=Basic_')" -ge 2 ]
	jq -n --arg host "127.0.0.1:$HTTP" '{auths: {($host): {auth: "PHRva2VuPjo=", identitytoken: "re fresh"}}}' >"$T/auth.json"
	pull --quiet --authfile "$T/auth.json" token-identity/small
	[ "$(asked '^form grant_type=refresh_token&client_id=kist&service=the%20registry&scope=[^&]*&refresh_token=re%20fresh$')" = 1 ]
}

@test "tokens: a realm that is a file, in the open, or answers too much" {
	lies token-file/bulk "it points to \"file:///etc/passwd\""
	lies token-open/bulk "its tokens come from http://registry.test/token, which is not encrypted"
	lies token-huge/bulk "a token of more than 1048576 bytes"
	lies token-newline/bulk "a token that cannot be sent"
	[ "$(asked 'x=injected')" = 0 ]
}

@test "credentials: whose they are: docker's and containers' files, longest key, helpers" {
	lies basic/small "it wants a user and a password, and there is none for it"
	[[ $output == *$'\nfix: log in: kist login '"127.0.0.1:$HTTP" ]]
	local works='pull --quiet basic/small'
	mkdir -p "$T/.docker" "$T/.config/containers" "$T/run/containers"
	auth_file user "pass word" "https://127.0.0.1:$HTTP/v1/" >"$T/.docker/config.json"
	$works
	rm "$T/.docker/config.json"
	auth_file user "pass word" >"$T/.config/containers/auth.json"
	$works
	auth_file user wrong >"$T/run/containers/auth.json"
	XDG_RUNTIME_DIR=$T/run run $works
	[[ $output == *"the credentials were refused"* ]]
	# the repository's own goes before the registry's
	jq -s '.[0] * .[1]' <(auth_file user wrong) <(auth_file user "pass word" "127.0.0.1:$HTTP/basic/small") \
		>"$T/run/containers/auth.json"
	XDG_RUNTIME_DIR=$T/run $works
	auth_file user wrong "127.0.0.1:$HTTP/basic/sma" >"$T/one.json" # no part of a name
	REGISTRY_AUTH_FILE=$T/one.json run $works
	[[ $output == *"there is none for it"* ]]
	echo '{"auths": {"127.0.0.1:'"$HTTP"'": {"auth": "!"}}}' >"$T/one.json"
	run pull --authfile "$T/one.json" basic/small
	[[ $output == *"is not the base64 of user:password"* ]]
}

@test "credential helpers: found in the system's folders, with a clean environment" {
	need_root
	[ -n "${KIST_TEST_ISOLATED-}" ] || skip "needs a mount namespace of its own: tests/integration.sh"
	mount -t tmpfs helpers /usr/local/sbin
	cat >/usr/local/sbin/docker-credential-test <<-END
		#!/bin/sh
		read -r server
		echo "\$1 \$server \$(env | grep -c SECRET) \$(grep SigIgn /proc/\$\$/status | cut -c21) \$PATH" >>$T/helper.log
		case \$server in
		127.0.0.1:$HTTP) echo '{"ServerURL":"x","Username":"user","Secret":"pass word"}' ;;
		*) echo "credentials not found in native keychain"; exit 1 ;;
		esac
	END
	chmod 755 /usr/local/sbin/docker-credential-test
	printf '#!/bin/sh\ntouch %s/evil\n' "$T" >"$T/docker-credential-test"
	chmod 755 "$T/docker-credential-test"
	echo '{"credHelpers": {"127.0.0.1:'"$HTTP"'": "test"}}' >"$T/one.json"
	PATH=$T:$PATH MY_SECRET=1 pull --quiet --authfile "$T/one.json" basic/small
	echo '{"credsStore": "test"}' >"$T/one.json"
	pull --quiet --authfile "$T/one.json" basic/two
	cat "$T/helper.log"
	[ "$(sort -u "$T/helper.log")" = "get 127.0.0.1:$HTTP 0 0 /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" ]
	[ ! -e "$T/evil" ]
	echo '{"credsStore": "../../tmp/x"}' >"$T/one.json"
	run pull --authfile "$T/one.json" basic/bulk
	[[ $output == *"is no name of a credential helper"* ]]
	echo '{"credsStore": "absent"}' >"$T/one.json"
	run pull --authfile "$T/one.json" basic/bulk
	[[ $output == *"no program docker-credential-absent"* ]]
	umount /usr/local/sbin
}

@test "login and logout: tried first, kept for this user alone, beside what is there" {
	mkdir "$T/.docker"
	echo '{"auths": {"other": {"auth": "eDp5"}}, "currentContext": "mine"}' >"$T/.docker/config.json"
	run "$KIST" login -u user "127.0.0.1:$HTTP" <<<"wrong"
	echo "$output"
	[ "$status" -eq 1 ]
	[[ $output == *"cannot log in to 127.0.0.1:$HTTP: "*"the credentials were refused"* ]]
	[ "$(jq '.auths | length' "$T/.docker/config.json")" = 1 ]
	run "$KIST" login -u user --password-stdin "127.0.0.1:$HTTP" <<<"pass word"
	echo "$output"
	[ "$status" -eq 0 ]
	[ "$output" = "logged in to 127.0.0.1:$HTTP as user; kept in $T/.docker/config.json" ]
	[ "$(stat -c %a "$T/.docker/config.json")" = 600 ]
	[ "$(jq -c '[.currentContext, (.auths | keys)]' "$T/.docker/config.json")" = '["mine",["127.0.0.1:'"$HTTP"'","other"]]' ]
	pull --quiet basic/small
	run "$KIST" logout "127.0.0.1:$HTTP"
	[ "$output" = "logged out of 127.0.0.1:$HTTP" ]
	run "$KIST" logout "127.0.0.1:$HTTP"
	[ "$output" = "was not logged in to 127.0.0.1:$HTTP" ]
	[ "$(jq -c '.auths | keys' "$T/.docker/config.json")" = '["other"]' ]
	run "$KIST" login "127.0.0.1:$HTTP" </dev/null
	[[ $output == *"whose password is it?"* ]]
	run "$KIST" login -u x "a/b"
	[[ $output == *"\"a/b\" is no registry"* ]]
}

@test "push: to a registry that lies" {
	img load -q "$LAYOUTS/small"
	auth_file user "pass word" >"$T/auth.json"
	push() { "$KIST_IMAGE" push --tries 3 --authfile "$T/auth.json" small "127.0.0.1:$HTTP/$1/x:1"; }
	fails() { # TRICK TEXT
		run push "$1"
		echo "$1 -> $status: $output"
		[ "$status" -eq 1 ]
		[[ $output == *"kist: cannot push 127.0.0.1:$HTTP/$1/x:1: "*"$2"* ]]
	}
	push push-busy
	[ "$(asked 'PUT /v2/push-busy/')" = 5 ] # two of them refused, three blobs taken
	# An upload elsewhere: without the password.
	push push-away
	[ "$(asked "$AWAY PUT /upload?state=x&digest=sha256%3A[0-9a-f]* auth=- ")" = 2 ]
	[ "$(asked "$HTTP PUT /v2/push-away/x/manifests/1 auth=Basic_")" = 1 ]
	fails push-file "no http URL"
	fails push-none "a redirect without a usable Location"
	fails push-open "plain http at registry.test"
	fails push-redirect "it redirects an upload"
	fails push-refused "it answers 400 (DIGEST_INVALID: not what it says)"
	fails push-lies "the registry took the manifest for sha256:"
	run img push "small@$(img ls -q)"
	[ "$status" -eq 1 ]
	run img push nothing
	[[ $output == *"no such image: nothing"* ]]
	[ -z "$(ls "$KIST_STORE/tmp")" ]
}

@test "Debian's registry: what kist pushes skopeo reads, in one piece or many, and only what is missing" {
	need_root
	[ -n "$REAL" ] || skip "no docker-registry or skopeo: tests/peers.sh docker-registry skopeo"
	local there="localhost:$REAL"
	login() { "$KIST" login -q --certs-dir "$CERTS" -u kist --password-stdin "$there" <<<"s3cret"; }
	push() { "$KIST" push --json --certs-dir "$CERTS" "$@"; }
	back() { # REPOSITORY DIR
		"$PEERS/skopeo" --insecure-policy copy -q --preserve-digests --src-creds kist:s3cret \
			--src-cert-dir "$CERTS/$there" "docker://$there/$1" "oci:$2:x"
	}
	img load -q "$LAYOUTS/bulk"
	run push bulk:1 "$there/pushed/one:1"
	[ "$status" -eq 1 ]
	[[ $output == *"it wants a user and a password"* ]]
	login
	run push bulk:1 "$there/pushed/one:1"
	echo "$output"
	[ "$(jq -c '[.blobs, .sent, .mounted, .there]' <<<"$output")" = '[4,4,0,0]' ]
	back pushed/one:1 "$T/one"
	diff -r "$T/one/blobs" "$LAYOUTS/bulk/blobs"
	# again: nothing is sent
	[ "$(push bulk:1 "$there/pushed/one:2" | jq -c '[.blobs, .sent, .there, .bytes]')" = '[4,0,4,0]' ]
	# another repository there: mounted, as the store knows where it is
	img tag bulk:1 "$there/pushed/one:1"
	[ "$(push "$there/pushed/one:1" "$there/pushed/two:1" | jq -c '[.blobs, .sent, .mounted]')" = '[4,0,4]' ]
	back pushed/two:1 "$T/two"
	diff -r "$T/one/blobs" "$T/two/blobs"
	# in pieces
	img load -q "$LAYOUTS/big"
	[ "$(push --chunk-size 700k big:1 "$there/pushed/three:1" | jq .sent)" = 2 ]
	back pushed/three:1 "$T/three"
	diff -r "$T/three/blobs" "$LAYOUTS/big/blobs"
	# and kist gets back what it sent
	img --store "$D/other" pull -q --certs-dir "$CERTS" "$there/pushed/three:1"
}

@test "TLS: an authority per host, a client's certificate, and what is not trusted" {
	refused "its certificate is not trusted" "localhost:$HTTPS/good/bulk"
	[[ $output == *"fix: put its authority's certificate into "* ]]
	img pull -q --certs-dir "$CERTS" "localhost:$HTTPS/good/small"
	[ "$(asked "$HTTPS .* unknown$")" = 3 ]
	cp -r "$CERTS" "$T/known"
	cp "$SERVED/cert.pem" "$T/known/localhost:$HTTPS/me.cert"
	cp "$SERVED/key.pem" "$T/known/localhost:$HTTPS/me.key"
	img pull -q --certs-dir "$T/known" "localhost:$HTTPS/good/two"
	[ "$(asked "$HTTPS .* known$")" = 3 ] # a layer was here
	img rm -q "localhost:$HTTPS/good/two"
	# the certificate is localhost's, not this name's
	mkdir "$T/certs"
	cp -r "$CERTS/localhost:$HTTPS" "$T/certs/127.0.0.1:$HTTPS"
	img rm -q "localhost:$HTTPS/good/small"
	refused "its certificate is not trusted" --certs-dir "$T/certs" "127.0.0.1:$HTTPS/good/bulk"
	# hosts.toml of containerd's: the authority, a header, skip_verify
	rm "$T/certs/127.0.0.1:$HTTPS/"*
	printf 'skip_verify = true\n[header]\nx-test = "hello"\n' >"$T/certs/127.0.0.1:$HTTPS/hosts.toml"
	img pull -q --certs-dir "$T/certs" "127.0.0.1:$HTTPS/good/small"
	[ "$(asked 'good/small.* x=hello')" = 3 ]
	printf '[host]\nx = 1\n' >"$T/certs/127.0.0.1:$HTTPS/hosts.toml"
	run img pull -q --certs-dir "$T/certs" "127.0.0.1:$HTTPS/good/small"
	[[ $output == *"$T/certs/127.0.0.1:$HTTPS/hosts.toml: /host/x: must be a table"* ]]
}

@test "plain http: loopback only, or when asked for" {
	need_root
	[ -n "${KIST_TEST_ISOLATED-}" ] || skip "needs a network of its own: tests/integration.sh"
	ip addr add 192.0.2.1/32 dev lo
	socat=$(registry_forward 192.0.2.1 "$HTTP")
	refused "no TLS connection" "192.0.2.1:$socat/good/small"
	[[ $output == *"fix: if it speaks plain http, and you trust the way there: --plain-http"* ]]
	img pull -q --plain-http "192.0.2.1:$socat/good/small"
	registry_forward_end
	ip addr del 192.0.2.1/32 dev lo
}

@test "mirrors: hosts.toml's, in order, with ns=; the registry itself when they fail" {
	mkdir -p "$T/certs/registry.test"
	cat >"$T/certs/registry.test/hosts.toml" <<-END
		server = "http://127.0.0.1:$HTTP"
		[host."http://127.0.0.1:1"] # nobody there
		[host."http://127.0.0.1:$AWAY"]
		  capabilities = ["pull"]
		  [host."http://127.0.0.1:$AWAY".header]
		    X-Test = ["mirror"]
	END
	mkdir -p "$T/.docker"
	auth_file user "pass word" "registry.test" >"$T/.docker/config.json"
	run img pull --certs-dir "$T/certs" registry.test/good/bulk
	echo "$output"
	[ "$status" -eq 0 ]
	[[ $output == *"a mirror was passed over: registry 127.0.0.1:1: "* ]]
	[[ $output == *"pulled registry.test/good/bulk:latest"* ]]
	# it may not say what a tag is
	[ "$(asked "$HTTP GET /v2/good/bulk/manifests/latest ")" = 1 ]
	[ "$(asked "$AWAY GET /v2/good/bulk/blobs/.*?ns=registry.test .* x=mirror")" = 4 ]
	[ "$(asked "$HTTP GET /v2/good/bulk/blobs")" = 0 ]
	# a mirror's wrong layer is asked for again, from the registry
	img rm -q registry.test/good/bulk
	: >"$SERVED/log"
	sed -i "s#:$AWAY\"#:$AWAY/mirror\"#" "$T/certs/registry.test/hosts.toml"
	img pull -q --certs-dir "$T/certs" registry.test/good/big
	[ "$(asked "$AWAY GET /mirror/v2/good/big/blobs/.* auth=- ")" -ge 2 ]
	[ "$(asked "$HTTP GET /v2/good/big/blobs")" = 1 ]
	# one that wants a password does not get the registry's, which is asked instead
	img pull -q --certs-dir "$T/certs" registry.test/basic/two
	[ "$(asked "$AWAY GET /mirror/v2/basic/two/blobs")" -ge 3 ]
	[ "$(asked "$HTTP GET /v2/basic/two/blobs/.* auth=Basic_")" = 3 ]
	[ "$(asked "$AWAY .* auth=Basic")" = 0 ]
}

@test "a proxy of the environment is asked, unless NO_PROXY says no, or it is our own loopback" {
	export http_proxy=http://127.0.0.1:$AWAY NO_PROXY=
	img pull --plain-http -q registry.test/good/small
	[ "$(asked "$AWAY GET http://registry.test/v2/good/small/manifests/latest ")" = 1 ]
	: >"$SERVED/log"
	pull -q good/two
	[ "$(asked "$AWAY ")" = 0 ]
	img rm -q registry.test/good/small "127.0.0.1:$HTTP/good/two"
	NO_PROXY=nowhere.test refused "resolve host" --plain-http nowhere.test/good/small
	[ "$(asked nowhere)" = 0 ]
}

@test "a terminal gets a line for each layer, redrawn" {
	run timeout 60 python3 "$TOP/tests/lib/on-a-pty.py" 24x100 "$KIST_IMAGE" pull "127.0.0.1:$HTTP/good/bulk"
	echo "$output" | cat -v
	[[ $output == *$'\x1b[3A'* ]]
	[[ $output == *"[========================] "*" MB  done"* ]]
	[[ $output == *"pulled 127.0.0.1:$HTTP/good/bulk"* ]]
	img rm -q "127.0.0.1:$HTTP/good/bulk"
	run timeout 60 python3 "$TOP/tests/lib/on-a-pty.py" 4x40 "$KIST_IMAGE" pull "127.0.0.1:$HTTP/good/bulk"
	[[ $output == *"3 of 3 layers  12 MB / 12 MB"* ]]
	[[ $output != *"[=="* ]]
}

@test "login on a terminal: the password is asked for, and not shown" {
	run timeout 60 python3 "$TOP/tests/lib/on-a-pty.py" 24x80 -s "Password: " $'pass word\n' \
		"$KIST_IMAGE" login -u user "127.0.0.1:$HTTP"
	echo "$output"
	[ "$status" -eq 0 ]
	[[ $output == *"Password: "*"logged in to 127.0.0.1:$HTTP as user"* ]]
	[[ $output != *"pass word"* ]]
}

@test "Debian's registry, TLS and a password: what skopeo puts in, kist pulls, the same as load" {
	need_root
	[ -n "$REAL" ] || skip "no docker-registry or skopeo: tests/peers.sh docker-registry skopeo"
	refused "it wants a user and a password" --certs-dir "$CERTS" "localhost:$REAL/team/everything:1"
	"$KIST" login --certs-dir "$CERTS" -u kist --password-stdin "localhost:$REAL" <<<"s3cret"
	img pull -q --certs-dir "$CERTS" "localhost:$REAL/team/everything:1"
	img --store "$D/other" load "$LAYOUTS/everything" >/dev/null
	diff <(trees "$KIST_STORE") <(trees "$D/other")
	# docker's types, as skopeo converts them
	img pull -q --certs-dir "$CERTS" "localhost:$REAL/team/docker:2"
	[ "$(jq -r '.manifests[-1].mediaType' "$KIST_STORE/index.json")" = application/vnd.docker.distribution.manifest.v2+json ]
	# and skopeo reads what kist has pulled
	"$PEERS/skopeo" --insecure-policy copy -q "oci:$KIST_STORE:localhost:$REAL/team/everything:1" "oci:$T/out:x"
	# and what it saves, in both its readings
	img save -o "$T/saved.tar" "localhost:$REAL/team/docker:2"
	"$PEERS/skopeo" --insecure-policy copy -q "docker-archive:$T/saved.tar" "oci:$T/out:y"
	img save -o "$T/saved.tar" "localhost:$REAL/team/everything:1"
	"$PEERS/skopeo" --insecure-policy copy -q "oci-archive:$T/saved.tar:1" "oci:$T/out:z"
}
