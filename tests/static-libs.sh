#!/bin/bash
# static-libs.sh - what `make static` links: jansson of Debian's source package, built with musl.
#
# usage: static-libs.sh DIR
#
# Leaves DIR/include, DIR/lib/libjansson.a, and DIR/kernel with the kernel's headers alone, since
# musl-gcc must not find glibc's. The source comes by apt with lists of its own in DIR/apt: the
# system's are neither read nor changed. What is there already is not made again.
set -euo pipefail
dir=${1:?usage: static-libs.sh DIR}
if [ -e "$dir/lib/libjansson.a" ]; then
	exit 0
fi
for tool in musl-gcc apt-get dpkg-source; do
	command -v $tool >/dev/null || { echo "static: $tool is missing. Run: sudo make deps" >&2; exit 1; }
done
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
log=$dir/libs.log
trap '[ $? = 0 ] || { tail -n 5 "$log"; echo "static: the whole story: $log"; } >&2' EXIT

# The system's own choice of mirrors and keys, for sources.
get_source() { # PACKAGE VERSION
	local apt=$dir/apt file
	rm -rf "$apt" "$dir/source"
	mkdir -p "$apt/sources" "$apt/lists/partial" "$apt/cache/archives/partial" "$dir/source"
	for file in /etc/apt/sources.list /etc/apt/sources.list.d/debian.sources \
		/etc/apt/sources.list.d/debian.list; do
		[ -e "$file" ] || continue
		sed -E 's/^Types: deb$/Types: deb-src/; s/^deb /deb-src /' "$file" \
			>"$apt/sources/system.${file##*.}"
	done
	cat >"$apt/conf" <<-END
		Dir::Etc::sourcelist "/dev/null";
		Dir::Etc::sourceparts "$apt/sources";
		Dir::State::lists "$apt/lists";
		Dir::Cache "$apt/cache";
		APT::Sandbox::User "";
	END
	(cd "$dir/source" && export APT_CONFIG=$apt/conf && apt-get -q update &&
		apt-get -q source --only-source "$1=$2")
}

# Not its autotools: they would want more tools than its dozen files are worth. Debian ships the
# configuration for Android, which is right for musl too.
build_jansson() {
	local source file have
	source=$(echo "$dir"/source/jansson-*/)
	have=$(printf -- '-DHAVE_%s ' CONFIG_H STDINT_H UNISTD_H FCNTL_H ENDIAN_H SYS_TYPES_H SYS_TIME_H \
		SYS_STAT_H SYS_PARAM_H OPEN CLOSE READ GETPID GETTIMEOFDAY SYNC_BUILTINS ATOMIC_BUILTINS)
	mkdir -p "$dir/include" "$dir/lib" "$dir/source/objects"
	: >"$dir/include/jansson_private_config.h"
	cp "$source/android/jansson_config.h" "$source/src/jansson.h" "$dir/include"
	for file in "$source"/src/*.c; do
		# shellcheck disable=SC2086 # one word each
		musl-gcc -O2 -g -fPIE -fstack-protector-strong -fcf-protection -ffunction-sections \
			-fdata-sections $have -DUSE_URANDOM -DINITIAL_HASHTABLE_ORDER=3 \
			-I"$dir/include" -c "$file" -o "$dir/source/objects/$(basename "$file" .c).o"
	done
	ar rcs "$dir/lib/libjansson.a.new" "$dir"/source/objects/*.o
}

kernel_headers() {
	mkdir -p "$dir/kernel"
	ln -sfn /usr/include/linux "$dir/kernel/linux"
	ln -sfn /usr/include/asm-generic "$dir/kernel/asm-generic"
	ln -sfn "/usr/include/$(gcc -print-multiarch)/asm" "$dir/kernel/asm"
}

{
	kernel_headers
	get_source jansson "$(dpkg-query -W -f '${source:Version}' libjansson-dev)"
	build_jansson
	rm -rf "$dir/source" "$dir/apt"
	mv "$dir/lib/libjansson.a.new" "$dir/lib/libjansson.a"
} >"$log" 2>&1
