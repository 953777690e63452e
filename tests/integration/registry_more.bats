#!/usr/bin/env bats
# native only: needs a registry from Debian's packages, and libcurl, which the test machine has not
# What a new user types first; tags, referrers, artifacts, and the rarer parts of the specification.

bats_require_minimum_version 1.5.0
load helpers
load runtime
load registry

setup_file() {
	export PLAIN=
	registry_begin
	plain_begin
}
teardown_file() { registry_end; }
setup() {
	kist_setup
	KIST_IMAGE=${KIST_IMAGE:-$TOP/build/kist-image}
	read -r HTTP AWAY HTTPS <"$SERVED/ports"
	: >"$SERVED/log"
	unset REGISTRY_AUTH_FILE DOCKER_CONFIG XDG_RUNTIME_DIR {http,https,all,no}_proxy {HTTP,HTTPS,ALL,NO}_PROXY
	export HOME=$T
}
teardown() { runtime_teardown; }

img() { "$KIST_IMAGE" "$@"; }
need_plain() { [ -n "$PLAIN" ] || skip "no docker-registry or skopeo: tests/peers.sh docker-registry skopeo"; }
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
