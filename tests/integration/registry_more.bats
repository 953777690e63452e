#!/usr/bin/env bats
# native only: needs a registry from Debian's packages, and libcurl, which the test machine has not
# What a new user types first; tags, referrers, artifacts, and the rarer parts of the specification.

bats_require_minimum_version 1.5.0
load helpers
load runtime
load registry
load rootless

setup_file() {
	export PLAIN=
	rootless_setup_file
	registry_begin
	plain_begin
}
teardown_file() { registry_end; }
setup() {
	kist_setup
	KIST_IMAGE=${KIST_IMAGE:-${KIST_BUILD:-$TOP/build}/kist-image}
	read -r HTTP AWAY HTTPS <"$SERVED/ports"
	: >"$SERVED/log"
	unset REGISTRY_AUTH_FILE DOCKER_CONFIG XDG_RUNTIME_DIR {http,https,all,no}_proxy {HTTP,HTTPS,ALL,NO}_PROXY
	export HOME=$T
}
teardown() { runtime_teardown; }

img() { "$KIST_IMAGE" "$@"; }
need_plain() { [ -n "$PLAIN" ] || skip "no docker-registry or skopeo: tests/peers.sh docker-registry skopeo"; }
asked() { grep -c -e "$1" "$SERVED/log" || true; }
skopeo() { "$PEERS/skopeo" --insecure-policy "$@"; }
plain_put() { # LAYOUT[:REF] NAME [OPTION...]: skopeo puts it into the plain registry
	skopeo copy -q "${@:3}" --dest-tls-verify=false "$1" "docker://$PLAIN/$2"
}

@test "a new user: pull from localhost:5000, and a job from the short name" {
	need_root
	need_plain
	plain_put "oci-archive:$FIXTURES/busybox.tar" debian:12
	# From here as it is typed.
	"$KIST" pull localhost:5000/debian:12 && run "$KIST" job run debian:12 -- cat /etc/os-release
	echo "$output"
	[ "$status" -eq 0 ]
	[ "$output" = "$(cat "$FIXTURES/busybox-rootfs/etc/os-release")" ]
	# Docker Hub's goes first, if there is one; and two registries' are a question.
	img tag debian:12 example.org/team/debian:12
	run img inspect team/debian:12
	[ "$status" -eq 0 ]
	[ "$(jq -r .reference <<<"$output")" = example.org/team/debian:12 ]
	run img rm debian:11
	[ "$status" -eq 1 ]
	"$KIST" rmi -q debian:12
	[ "$(img ls --json | jq -r '.[].reference')" = example.org/team/debian:12 ]
}

# Her own registry's name, too; and her store is mapped: the keyring is asked as herself, before that.
@test "a new user who is not root: the same; and a credential helper runs as that user, not as root of a namespace" {
	need_root
	need_plain
	[ -n "${KIST_TEST_ISOLATED-}" ] || skip "needs a mount namespace of its own: tests/integration.sh"
	rootless_setup
	cp "$KIST_IMAGE" "$T/bin/"
	plain_put "oci-archive:$FIXTURES/busybox.tar" debian:12
	kist pull -q localhost:5000/debian:12 && run kist job run debian:12 -- cat /etc/os-release
	echo "$output"
	[ "$status" -eq 0 ]
	[ "$output" = "$(cat "$FIXTURES/busybox-rootfs/etc/os-release")" ]
	[ "$(head -n 1 "$HOME_DIR/.local/share/kist/xattrs")" = user-mapped ]
	mount -t tmpfs helpers /usr/local/sbin
	cat >/usr/local/sbin/docker-credential-test <<-END
		#!/bin/sh
		echo "\$(id -u) \$(xargs </proc/self/uid_map)" >>$HOME_DIR/helper.log
		echo '{"ServerURL":"x","Username":"user","Secret":"pass word"}'
	END
	chmod 755 /usr/local/sbin/docker-credential-test
	mkdir "$HOME_DIR/.docker"
	echo '{"credsStore": "test"}' >"$HOME_DIR/.docker/config.json"
	chown -R "$ALICE:$ALICE" "$HOME_DIR/.docker"
	kist pull -q "127.0.0.1:$HTTP/basic/small"
	[ "$(cat "$HOME_DIR/helper.log")" = "$ALICE $(xargs </proc/self/uid_map)" ]
	umount /usr/local/sbin
}

@test "tags: all pages, from where one says, as many as one wants; a registry that lies about them" {
	tags() { img tags --tries 2 "${@:1:$#-1}" "127.0.0.1:$HTTP/${*: -1}"; }
	[ "$(tags good/x | tr '\n' ' ')" = "a1 b2 c3 d4 e5 " ]
	[ "$(asked 'tags/list')" = 3 ]
	[ "$(tags --last c3 good/x | tr '\n' ' ')" = "d4 e5 " ]
	[ "$(tags --json --limit 3 good/x:ignored | jq -c .)" = '["a1","b2","c3"]' ]
	[ "$(tags tags-null/x)" = "" ]
	# another origin is gone to, without what is the registry's
	mkdir -p "$T/.docker"
	auth_file user "pass word" >"$T/.docker/config.json"
	[ "$(tags tags-away/x | tr '\n' ' ')" = "a1 b2 c3 d4 e5 " ]
	[ "$(asked "$AWAY .* auth=Basic")" = 0 ]
	run tags tags-bad/x
	echo "$output"
	[ "$status" -eq 0 ]
	[[ $output == *"4 of the registry's tags are none, and were left out"* && $output == *$'fine'* && $output != *$'\x1b'* ]]
	while IFS='|' read -r trick message; do
		run timeout 120 "$KIST_IMAGE" tags --tries 1 "127.0.0.1:$HTTP/$trick/x"
		echo "$trick: $output"
		[ "$status" -eq 1 ]
		[[ ${lines[0]} == "kist: cannot list the tags of "*"$message"* ]]
	done <<-'END'
		tags-loop|the registry's list leads to itself
		tags-endless|the registry's list has more than 500 pages
		tags-file|which is no http URL
		tags-text|tags must be an array
	END
	need_plain
	for tag in one two three; do
		plain_put "oci:$LAYOUTS/small" "listed:$tag"
	done
	[ "$(img tags "$PLAIN/listed" | sort | tr '\n' ' ')" = "one three two " ]
	run img tags "$PLAIN/nothing"
	[ "$status" -eq 1 ]
	[[ $output == *"not found (NAME_UNKNOWN: repository name not known to registry)"* ]]
}

@test "referrers: by the API, by the tag that stands for it, of one type alone" {
	digest=$(jq -r '.manifests[0].digest' "$LAYOUTS/artifact/index.json")
	for trick in good no-api filters; do
		run img referrers "127.0.0.1:$HTTP/$trick/small"
		echo "$trick: $output"
		[ "$status" -eq 0 ]
		[[ $output == "DIGEST "*"$digest "*" application/vnd.test.sbom"* && $output != *$'\x1b'* ]]
		[ "$(img referrers --json --artifact-type application/vnd.test.sbom "127.0.0.1:$HTTP/$trick/small" |
			jq -c 'map([.digest, .annotations.a])')" = "[[\"$digest\",\"b\"]]" ]
	done
	[ "$(asked 'referrers/sha256:[0-9a-f]*?artifactType=application%2Fvnd.test.sbom ')" = 3 ]
	[ "$(asked 'no-api/small/manifests/sha256-[0-9a-f]* ')" = 2 ]
	[ "$(img referrers --json "127.0.0.1:$HTTP/good/big")" = "[]" ]
	[ "$(img referrers --json "127.0.0.1:$HTTP/no-api/big")" = "[]" ]
	need_plain # which has no such API
	plain_put "oci:$LAYOUTS/small" listed:one
	[ "$(img referrers --json "$PLAIN/listed:one")" = "[]" ]
}

@test "artifacts: looked at, and fetched as files that can't go anywhere; images alike, never unpacked" {
	at=127.0.0.1:$HTTP/good/artifact
	digest=$(jq -r '.manifests[0].digest' "$LAYOUTS/artifact/index.json")
	[ "$(img inspect --remote "$at" | jq -r '"\(.digest) \(.manifest.artifactType) \(.config)"')" = "$digest application/vnd.test.sbom null" ]
	img inspect --remote --raw "$at@$digest" | cmp - "$LAYOUTS/artifact/blobs/sha256/${digest#sha256:}"
	run img pull "$at"
	[ "$status" -eq 1 ]
	[[ $output == *"is an artifact, not an image's config"*$'\nfix: '*"--artifact"* ]]
	run img pull --artifact "$at"
	[[ $output == *"an artifact's files go into a folder"* ]]
	run img pull --artifact --output "$T/files" "$at"
	echo "$output"
	[ "$status" -eq 0 ]
	[[ $output == *"sbom.json: 11 B, application/x-strange"*"pulled $at  $digest  into $T/files"* ]]
	[ "$(ls -A "$T/files" | grep -v ^sha256- | tr '\n' ' ')" = "manifest.json sbom.json " ]
	[ "$(ls -A "$T/files" | wc -l)" = 5 ]
	[ "$(cat "$T/files/sbom.json")" = '{"sbom": 1}' ]
	(cd "$T/files" && for f in sha256-*; do echo "${f#sha256-}  $f"; done | sha256sum -c --quiet)
	[ ! -e "$T/evil" ] && [ ! -e "$D/evil" ]
	# nothing is replaced, and a wrong byte leaves no file
	run img pull --artifact -o "$T/files" "$at"
	[ "$status" -eq 1 ]
	[[ $output == *"cannot make $T/files/sbom.json: File exists"* ]]
	run img pull --artifact -o "$T/wrong" --tries 1 "127.0.0.1:$HTTP/wrong/big"
	[ "$status" -eq 1 ]
	[[ $output == *"the blob's content is sha256:"* ]]
	[ ! -e "$T/wrong/manifest.json" ]
	run img pull --artifact -o "$T/limit" --max-size 5 "$at"
	[[ $output == *"it has more than 5 bytes"* ]]
	# an image too; and its configuration from afar
	img pull -q --artifact -o "$T/image" "127.0.0.1:$HTTP/good/two"
	[ "$(ls "$T/image" | wc -l)" = 4 ]
	[ "$(img inspect --remote --config "127.0.0.1:$HTTP/good/two" | jq -r .os)" = linux ]
	[ "$(img inspect --remote "127.0.0.1:$HTTP/index/many:index" | jq '.manifest.manifests | length')" = 6 ]
	run img pull --artifact -o "$T/index" "127.0.0.1:$HTTP/index/many:index"
	[[ $output == *"it is an index of several manifests"* ]]
	[ -z "$(img ls -q)" ]
}

@test "what a registry warns of is shown, once, and can't steer a terminal" {
	run img pull "127.0.0.1:$HTTP/warn/small"
	echo "$output"
	[ "$status" -eq 0 ]
	[ "$(grep -c "registry 127.0.0.1:$HTTP says: this tag \\\\x1b\[31mgoes away" <<<"$output")" = 1 ]
	[[ $output != *"not this"* && $output != *$'\x1b'* ]]
	img rm -q "127.0.0.1:$HTTP/warn/small"
	run img pull -q "127.0.0.1:$HTTP/warn/small"
	[[ $output != *says* ]]
}

@test "layers that are not for distribution come from where their descriptor says, without what is ours" {
	mkdir -p "$T/.docker"
	auth_file user "pass word" >"$T/.docker/config.json"
	run img pull --tries 2 "127.0.0.1:$HTTP/urls/foreign"
	echo "$output"
	[ "$status" -eq 0 ]
	[ "$(img export "127.0.0.1:$HTTP/urls/foreign" | tar -xO foreign | wc -c)" = 5000 ]
	# the registry first, then the places in their order; http is gone to on this machine alone
	[ "$(asked "$HTTP GET /v2/urls/foreign/blobs/sha256:.* auth=")" = 2 ]
	[ "$(asked "$HTTP GET /nothing auth=")" = 1 ]
	[ "$(asked "$AWAY GET /v2/good/foreign-blobs/blobs/.* auth=- ")" = 1 ]
	[ "$(asked registry.test)" = 0 ]
	# it is not asked for when the layer is for all, and never sent
	run img push "127.0.0.1:$HTTP/urls/foreign" "127.0.0.1:$HTTP/push-fine/foreign:1"
	[ "$(asked "HEAD /v2/push-fine/foreign/blobs/")" = 1 ]
}

@test "a configuration within the manifest: taken when it is what its digest says" {
	img pull -q "127.0.0.1:$HTTP/good/inline"
	[ "$(asked 'good/inline/blobs/')" = 1 ]
	[ "$(img inspect --config "127.0.0.1:$HTTP/good/inline" | jq -r .os)" = linux ]
	run img pull "127.0.0.1:$HTTP/good/inline-wrong"
	echo "$output"
	[ "$status" -eq 1 ]
	[[ $output == *"the data in the descriptor of sha256:"*"... is sha256:"* ]]
	run img pull "127.0.0.1:$HTTP/good/inline-long"
	[ "$status" -eq 1 ]
	[[ $output == *"the data in the descriptor of sha256:"*"is not its content"* ]]
}

@test "login: a config.json that is a symlink stays one; only to what is one's own" {
	mkdir -p "$T/.docker" "$T/elsewhere"
	echo '{"kept": 1}' >"$T/elsewhere/config"
	ln -s ../elsewhere/config "$T/.docker/config.json"
	login() { img login -u user --password-stdin "127.0.0.1:$HTTP" <<<"pass word"; }
	run login
	echo "$output"
	[ "$status" -eq 0 ]
	[[ $output == *"kept in $T/elsewhere/config" ]]
	[ -L "$T/.docker/config.json" ]
	[ "$(jq -r '[.kept, (.auths | keys[0])] | join(" ")' "$T/elsewhere/config")" = "1 127.0.0.1:$HTTP" ]
	[ "$(stat -c %a "$T/elsewhere/config")" = 600 ]
	img logout "127.0.0.1:$HTTP"
	[ -L "$T/.docker/config.json" ]
	[ "$(jq -c .auths "$T/elsewhere/config")" = '{}' ]
	rm "$T/elsewhere/config"
	run login
	[ "$status" -eq 1 ]
	[[ $output == *"$T/.docker/config.json is a symlink that leads nowhere"* ]]
	need_root
	echo '{}' >"$T/elsewhere/config"
	chown 65534 "$T/elsewhere/config"
	run login
	[ "$status" -eq 1 ]
	[[ $output == *"which is not yours"* ]]
	[ "$(cat "$T/elsewhere/config")" = '{}' ]
}

@test "push: the token that a mount wants is for both repositories" {
	img pull -q "127.0.0.1:$HTTP/good/two"
	run img push "127.0.0.1:$HTTP/good/two" "127.0.0.1:$HTTP/token-anonymous/other:1"
	echo "$output"
	[ "$status" -eq 0 ]
	[ "$(asked 'GET /token-anonymous?service=the%20registry&scope=repository%3Atoken-anonymous%2Fother%3Apull%2Cpush%20repository%3Agood%2Ftwo%3Apull ')" -ge 1 ]
	[ "$(asked 'POST /v2/token-anonymous/other/blobs/uploads/?mount=sha256:[0-9a-f]*&from=good%2Ftwo auth=Bearer')" -ge 1 ]
}
