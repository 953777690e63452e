# kist - see `make help`.
#
# Every base|cgroup|ns|net|image|runtime|supervisor|cli/*.c goes into build/libkist.a;
# cli/main-X.c is the main() of build/X; tests/unit/test_X.c and tests/fuzz/fuzz_X.c are programs
# of their own, with tests/lib/*.c in each; tests/tools has its own build.sh.
# Whatever is longer than a line or two is a script in tests/.
VERSION  := 0.1.0
B        ?= build
CC       := $(if $(filter default,$(origin CC)),gcc,$(CC))
HOSTCC   ?= gcc
CFLAGS   ?= -O2 -g
PREFIX   ?= /usr/local
# V=1 shows the whole command lines.
Q := $(if $(V),,@)
say = $(if $(V),,@echo '  $(1) $@')
BINDIR   ?= $(PREFIX)/bin
MANDIR   ?= $(PREFIX)/share/man
UNITDIR  ?= $(PREFIX)/lib/systemd/system
# Runs of each fuzz target; or FUZZ_SECONDS=N, for a long look.
FUZZ_RUNS ?= 20000

PKGS_kist       := jansson
PKGS_kist-image := libarchive libzstd libcrypto libisal zlib jansson
# It opens libsystemd by itself, and needs no header of it.
PKGS_kist-systemd :=
PKGS_kist-dns   := jansson
# Only its headers: image/curl-lib.c opens it when a registry is asked.
PKGS_opened     := libcurl
# libseccomp knows the numbers of syscalls (runtime/gen) and is the witness of tests.
PKGS_test       := cmocka libseccomp
PKGS_all        := $(sort $(PKGS_kist) $(PKGS_kist-image) $(PKGS_opened) $(PKGS_test))

WARN   := -Wall -Wextra -Wshadow -Wmissing-prototypes -Wstrict-prototypes -Wvla -Wformat=2 \
	$(if $(CI),-Werror)
HARDEN := -fPIE -fstack-protector-strong -D_FORTIFY_SOURCE=2 -fstack-clash-protection \
	-fcf-protection -ffunction-sections -fdata-sections
LIB_CFLAGS = $(PKG_CFLAGS)
LINK_FLAGS := -pie -Wl,-z,pack-relative-relocs
ifdef STATIC
# See the rule `static`: musl, jansson from $(B), and of kist-image's parts none.
CC         := musl-gcc
LIB_CFLAGS = -include base/musl/compat.h -Ibase/musl -I$(B)/include -idirafter $(B)/kernel
# musl-gcc knows no -static-pie.
LINK_FLAGS := -static -nostartfiles -Wl,-pie,--no-dynamic-linker,-z,text \
	/usr/lib/$(shell uname -m)-linux-musl/rcrt1.o -L$(B)/lib
MUSL_SRC   := base/musl/compat.c
endif
# The static kist has those of image/ that use none of its libraries; what it needs of them is linked.
# musl can't close what a helper for credentials should not inherit.
NOT_STATIC := image/credential-helper.c \
	$(shell grep -lE '^\#include (<(archive|curl|isa-l|openssl|zlib|zstd)|"image/curl-lib)' image/*.c)
ALL_CFLAGS   = -std=gnu17 -D_GNU_SOURCE -DKIST_VERSION='"$(VERSION)"' -I. -I$(B) $(WARN) $(HARDEN) \
	$(LIB_CFLAGS) $(SMALL) $(CPPFLAGS) $(CFLAGS)
ALL_LDFLAGS = $(or $(LINK_FLAGS_$(@F)),$(LINK_FLAGS)) -Wl,-z,relro,-z,now -Wl,--as-needed,--gc-sections \
	$(LDFLAGS)

# What gdb wants to know lies beside a program: kist copies itself at a start, and no more than it
# runs. Sanitizers want it inside.
SPLIT_DEBUG := $(if $(findstring -fsanitize,$(CFLAGS))$(findstring -fprofile,$(CFLAGS)),,yes)

# Libraries that are loaded cost a start 0.3 ms and 2 MB: libc and jansson are linked in where there
# are archives of them. SHARED=1 loads them all the same. Sanitizers can't do without.
archive  = $(wildcard $(shell $(CC) -print-file-name=$(1)))
ARCHIVES := $(if $(SHARED)$(STATIC),,$(call archive,libjansson.a))
LIBS_kist := $(ARCHIVES)
LIBS_kist-dns := $(ARCHIVES)
ifeq ($(words $(SPLIT_DEBUG) $(ARCHIVES) $(if $(ARCHIVES),$(call archive,libc.a))),3)
LINK_FLAGS_kist-dns := $(patsubst -pie,-static-pie,$(LINK_FLAGS))
LINK_FLAGS_kist := $(LINK_FLAGS_kist-dns) -Wl,-T,$(B)/kist.ld
endif
SMALL       = $(if $(SPLIT_DEBUG),-fno-asynchronous-unwind-tables)

FOLDERS  := base cgroup ns net image runtime supervisor cli
MAINS    := $(wildcard cli/main-*.c)
SRC      := $(filter-out $(MAINS) $(if $(STATIC),$(NOT_STATIC)),$(wildcard $(FOLDERS:%=%/*.c))) $(MUSL_SRC)
PROGRAMS := $(MAINS:cli/main-%.c=$(B)/%)
UNIT     := $(patsubst %.c,$(B)/%,$(wildcard tests/unit/test_*.c))
FUZZ     := $(patsubst %.c,$(B)/%,$(wildcard tests/fuzz/fuzz_*.c))
TEST_LIB := $(patsubst %.c,$(B)/%.o,$(wildcard tests/lib/*.c)) $(B)/libkist.a
BENCH    := $(B)/tests/bench/seccomp
TEST_SRC := $(wildcard tests/unit/*.c tests/fuzz/*.c tests/lib/*.c)
# Drivers link kist's library, static tools nothing of it; tests/tools/build.sh makes the rest.
DRIVERS  := $(patsubst %.c,$(B)/%,$(wildcard tests/tools/*driver.c))
TOOLS    := build/tools/hostsnap build/tools/probe
FIXTURES := build/fixtures/busybox.tar build/fixtures/busybox-rootfs

# Libraries that are missing are said in one line, by the rule need-libs, not by the compiler.
ifeq ($(filter-out help deps clean demo,$(or $(MAKECMDGOALS),all)),)
ifneq ($(MAKECMDGOALS),)
NO_LIBS := 1
endif
endif
ifndef NO_LIBS
PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS_all) 2>/dev/null || echo MISSING)
ifneq ($(filter MISSING,$(PKG_CFLAGS)),)
PKG_MISSING := $(if $(shell command -v pkg-config),$(shell for p in $(PKGS_all); do \
	pkg-config --exists $$p || echo $$p; done),pkg-config itself)
endif
endif

all: $(B)/libkist.a $(PROGRAMS) compile_commands.json

help:
	@echo 'kist $(VERSION): make ...'
	@echo '  all         build the programs in $(B)/ (the default)'
	@echo '  deps        install what is missing from Debian 12 (as root)'
	@echo '  static      build/static/kist: with musl, needs no library'
	@echo '  demo        the main job on a real image, shown (as root)'
	@echo '  check       everything, natively and in the VM; under 25 minutes (as root)'
	@echo '  check-full  the same and what takes longer (as root)'
	@echo '  check-vm    the integration suite in the VM: Debian 12 kernel, cgroup v2'
	@echo '  unit        the unit tests alone: seconds'
	@echo '  integration the integration suite natively (as root)'
	@echo '  asan        unit and integration tests with ASan, UBSan and LSan (as root)'
	@echo '  asan-short  the unit tests and a few integration files of these'
	@echo '  coverage    lines and branches that unit and integration tests reach (as root)'
	@echo '  sweep       kill -9, an error or a signal at every system call of every verb (as root)'
	@echo '  thousand    a thousand containers: the last one is made as fast as the first (as root)'
	@echo '  sabotage    each guard taken out of kist once: a test must see it (as root)'
	@echo '  flood       100 GiB of a job'"'"'s output: its monitor stays small (as root)'
	@echo '  reach       what a program reaches in a job and in others'"'"' sandboxes, into docs/security.md (as root)'
	@echo '  races       paths swapped beside kist, a minute each (as root)'
	@echo '  fuzz        each fuzz target, FUZZ_RUNS=$(FUZZ_RUNS) runs, or FUZZ_SECONDS=N'
	@echo '  lint        layering, cppcheck, shellcheck, file sizes'
	@echo '  bench       start-up times against the floor and runc (as root)'
	@echo '  bench-image what unpacking an image costs, beside umoci, tar, ctr (as root; also in bench)'
	@echo '  install     into DESTDIR$(PREFIX): DESTDIR=, PREFIX='
	@echo '  clean       remove $(B)/'

# The flags a build used: when they change, everything is rebuilt. MISSING libraries stop here.
$(B)/.flags: need-libs
	@mkdir -p $(@D)
	@printf '%s\n' "$$FLAGS_NOW" | cmp -s - $@ || printf '%s\n' "$$FLAGS_NOW" >$@
# Not -Werror: it makes no other objects.
$(B)/.flags: export FLAGS_NOW = $(CC) $(filter-out -Werror,$(ALL_CFLAGS)) $(ALL_LDFLAGS)
need-libs:
	@$(if $(PKG_MISSING),echo "make: missing: $(PKG_MISSING). Run: sudo make deps" >&2; exit 1,:)

$(B)/%.o: %.c $(B)/.flags
	@mkdir -p $(@D)
	$(call say,CC  )
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(B)/libkist.a: $(SRC:%.c=$(B)/%.o)
	@rm -f $@
	$(call say,AR  )
	$(Q)ar rcs $@ $^

# Which of its functions lie beside each other.
$(B)/kist.ld: cli/link-order.awk cli/link-order.txt
	@mkdir -p $(@D)
	$(Q)awk -f $^ >$@.new && mv $@.new $@
$(B)/kist: | $(B)/kist.ld
$(B)/cli/main-kist.o: cli/link-order.txt

# One of it runs for each detached container: with musl it has a tenth of the memory. In one
# command, since nothing else is made so.
ifneq ($(and $(SPLIT_DEBUG),$(shell command -v musl-gcc)),)
SMALL_MONITOR := $(B)/kist-monitor
MONITOR_SRC := cli/main-kist-monitor.c $(addprefix supervisor/,monitor.c container_log.c) \
	$(addprefix base/,err.c fd.c buf.c utc.c path.c reap.c musl/compat.c)
$(SMALL_MONITOR): $(MONITOR_SRC) $(wildcard base/*.h base/musl/*.h base/musl/sys/*.h supervisor/*.h) $(B)/.flags
	@mkdir -p $(B)/kernel
	@ln -sfn /usr/include/linux $(B)/kernel/linux
	@ln -sfn /usr/include/asm-generic $(B)/kernel/asm-generic
	@ln -sfn /usr/include/$$(gcc -print-multiarch)/asm $(B)/kernel/asm
	$(call say,MUSL)
	$(Q)musl-gcc -std=gnu17 -D_GNU_SOURCE -I. -include base/musl/compat.h -Ibase/musl \
		-idirafter $(B)/kernel $(WARN) -Os -fPIE -fstack-protector-strong -ffunction-sections \
		-fdata-sections -fno-asynchronous-unwind-tables -static -nostartfiles \
		-Wl,-pie,--no-dynamic-linker,-z,text,-z,relro,-z,now,--gc-sections,--strip-all \
		/usr/lib/$$(uname -m)-linux-musl/rcrt1.o -o $@ $(MONITOR_SRC)
endif

$(filter-out $(SMALL_MONITOR),$(PROGRAMS)): $(B)/%: $(B)/cli/main-%.o $(B)/libkist.a $(EXTRA)
	$(call say,LINK)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ \
		$(or $(LIBS_$*),$(if $(PKGS_$*),$(shell pkg-config --libs $(PKGS_$*))))
	$(if $(SPLIT_DEBUG),$(Q)objcopy --only-keep-debug $@ $@.debug && \
		objcopy --strip-all --add-gnu-debuglink=$@.debug $@)

# Their calls of libc go through tests/unit/failing.h.
$(patsubst %.c,$(B)/%,$(shell grep -lE "^#include \"tests/unit/failing" tests/unit/*.c)): \
	WRAP = -Wl,@tests/unit/failing.wrap
$(UNIT): $(B)/%: $(B)/%.o $(TEST_LIB) $(EXTRA)
	$(call say,LINK)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) $(WRAP) -o $@ $^ $(shell pkg-config --libs $(PKGS_all))

$(BENCH): $(B)/%: $(B)/%.o $(TEST_LIB)
	$(call say,LINK)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(shell pkg-config --libs $(PKGS_all))

$(DRIVERS): $(B)/%: $(B)/%.o $(B)/libkist.a $(EXTRA)
	$(call say,LINK)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(shell pkg-config --libs $(PKGS_all))

$(TOOLS): build/tools/%: tests/tools/%.c $(B)/.flags
	@mkdir -p $(@D)
	$(call say,CC  )
	$(Q)$(CC) -std=gnu17 -D_GNU_SOURCE $(WARN) -O2 -static -o $@ $<

# The numbers of syscalls, for every ABI of seccomp profiles.
$(B)/runtime/gen/syscalls: runtime/gen/syscalls.c runtime/seccomp_abi.c runtime/seccomp_abi.h $(B)/.flags
	@mkdir -p $(@D)
	$(call say,CC  )
	$(Q)$(HOSTCC) -std=gnu17 -D_GNU_SOURCE $(WARN) -I. $(PKG_CFLAGS) -O1 -o $@ $(filter %.c,$^) \
		$(shell pkg-config --libs libseccomp)
$(B)/runtime/seccomp_syscalls.h: $(B)/runtime/gen/syscalls
	$(call say,MAKE)
	$(Q)$< >$@.new && mv $@.new $@
$(B)/runtime/seccomp_calls.o: $(B)/runtime/seccomp_syscalls.h

# What --version says of where it comes from; a tree without .git has nothing to say.
$(B)/base/commit.h: FORCE
	@mkdir -p $(@D)
	@printf '#define KIST_COMMIT "%s"\n' \
		"$$([ ! -e .git ] || git describe --always --dirty=-changed 2>/dev/null)" >$@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@
$(B)/cli/main-kist.o: $(B)/base/commit.h

# So that editors find every file's flags.
$(B)/.sources: FORCE
	@mkdir -p $(@D)
	@echo $(SRC) $(MAINS) $(TEST_SRC) | cmp -s - $@ || echo $(SRC) $(MAINS) $(TEST_SRC) >$@
compile_commands.json: $(B)/.sources $(B)/.flags
	@! command -v jq >/dev/null || tr ' ' '\n' <$(B)/.sources | jq -nR --arg dir "$(CURDIR)" \
	'[inputs | {directory: $$dir, file: ., command: (env.COMMAND + " -c " + .)}]' >$@
compile_commands.json: export COMMAND = $(CC) $(ALL_CFLAGS)

# The image and the root folder the suite uses, made once.
build/fixtures/busybox.tar: $(wildcard rootfs-fixtures/*busybox* rootfs-fixtures/oci.py)
	@mkdir -p $(@D)
	$(call say,MAKE)
	$(Q)rootfs-fixtures/busybox-image.sh build/fixtures/busybox --tar $@.new >/dev/null
	@mv $@.new $@
build/fixtures/busybox-rootfs: rootfs-fixtures/busybox-rootfs.sh
	@rm -rf $@ $@.new && mkdir -p $(@D)
	$(call say,MAKE)
	$(Q)rootfs-fixtures/busybox-rootfs.sh $@.new
	@mv $@.new $@ && touch $@

# kist with musl: of programs without a library the one that starts quickest. kist-image and
# kist-systemd, which load some, are those of the ordinary build.
static: need-libs
	@tests/static-libs.sh build/static
	@$(MAKE) --no-print-directory B=build/static STATIC=1 CFLAGS='-Os -g' build/static/kist

check-static: static build-tests
	@tests/static.sh

# Would it build? In seconds, and without its libraries: its sources go through musl's headers, and
# its part of the ordinary objects has all that it refers to. (jansson.h is no matter of libc's.)
STATIC_SRC := cli/main-kist.c $(filter-out $(NOT_STATIC),$(SRC))
static-fits: all
	@command -v musl-gcc >/dev/null || { echo 'make: missing: musl-tools. Run: sudo make deps' >&2; exit 1; }
	@mkdir -p $(B)/musl
	@ln -sfn /usr/include/jansson.h /usr/include/jansson_config.h $(B)/musl
	@printf '%s\n' $(STATIC_SRC) base/musl/compat.c | xargs -P 2 -n 40 musl-gcc -fsyntax-only -std=gnu17 -D_GNU_SOURCE \
		-DKIST_VERSION='"$(VERSION)"' -I. -I$(B) $(WARN) -Werror=implicit-function-declaration \
		-include base/musl/compat.h -Ibase/musl -idirafter $(B)/musl -idirafter $(B)/kernel
	@$(CC) $(CFLAGS) $(LDFLAGS) -Wl,--gc-sections -o $(B)/musl/linked $(STATIC_SRC:%.c=$(B)/%.o) \
		$(or $(LIBS_kist),$(shell pkg-config --libs $(PKGS_kist)))
	@rm $(B)/musl/linked

build-tests: all $(UNIT) $(DRIVERS) $(TOOLS) $(FIXTURES)
	@[ ! -x tests/tools/build.sh ] || tests/tools/build.sh >/dev/null
unit: $(UNIT)
	@for t in $^; do $$t || exit 1; done
unit-tap: $(UNIT)
	@tests/unit.sh $^
integration: build-tests
	tests/integration.sh
check:
	@tests/check.sh
check-full:
	@KIST_CHECK_FULL=1 tests/check.sh
check-vm: build-tests
	tests/vm/run.sh tests/integration.sh
# Whom the kill hits: kist itself, and whichever process makes the call. Then calls that fail, with
# an errno each in turn (SWEEP_ERRNOS=all: with every one), and signals that are not SIGKILL.
SWEEP_ERRNOS ?= turn
sweep: build-tests
	@for verb in create run start exec kill delete; do \
		echo "$$verb:"; tests/sweep.sh --who both $$verb || exit 1; done
	@for verb in create run start exec kill list state pause resume delete 'delete --force'; do \
		echo "$$verb, calls fail:"; tests/sweep.sh --fail $(SWEEP_ERRNOS) $$verb || exit 1; done
	@echo "a job on the bridge, calls fail:"; KIST_ALLOW_DEGRADED=memory,pids,cpu tests/sweep.sh --fail $(SWEEP_ERRNOS) -- @KIST@ --root @ROOT@ \
		job run --net bridge --id @ID@ @BUNDLE@/rootfs -- /bin/posture once
	@for root in tmpfs folder; do \
		echo "create, from an image, changes go to a $$root:"; \
		SWEEP_IMAGE=$$root tests/sweep.sh --who both create || exit 1; \
		SWEEP_IMAGE=$$root tests/sweep.sh --fail $(SWEEP_ERRNOS) create || exit 1; done
	@echo "networks, and a container on two:"; tests/sweep-net.sh
	@echo "the same, whoever makes the call, and calls that fail:"; tests/sweep-net.sh --every 3 --who acting && \
		tests/sweep-net.sh --every 2 --fail $(SWEEP_ERRNOS)
	@echo "a job:"; tests/sweep-jobs.sh --who both
	@echo "a detached job:"; tests/sweep-jobs.sh --detach --who acting
	@echo "a job, calls fail:"; tests/sweep-jobs.sh --fail $(SWEEP_ERRNOS)
	@echo "a detached job, calls fail:"; tests/sweep-jobs.sh --detach --fail $(SWEEP_ERRNOS)
	@for verb in create run start exec delete; do \
		echo "$$verb, signals:"; tests/sweep.sh --every 5 \
		--signal INT,TERM,HUP,PIPE,QUIT,USR1,WINCH,CHLD,ALRM $$verb || exit 1; done
	@for verb in create run start exec kill delete; do \
		echo "$$verb, without root:"; tests/sweep-rootless.sh --every 3 --who both $$verb || exit 1; done
# Real races, each for a minute, and every pattern of those that are made certain.
races: build-tests
	@KIST_CHECK_FULL=1 KIST_RACE_SECONDS="$${KIST_RACE_SECONDS:-60}" \
		tests/integration.sh tests/integration/hostile_swap.bats
sabotage: build-tests
	@tests/sabotage.sh
# 100 GiB of a job's output through its monitor.
flood: build-tests
	@tests/flood.sh 107374182400 raw
	@tests/flood.sh 2147483648 json-file
# What a hostile program reaches in a job, and in docker's, runc's and bubblewrap's sandboxes.
reach: build-tests
	@tests/reach.sh --write
# Is the thousandth container made as fast as the first?
thousand: build-tests
	@tests/thousand.sh
lint:
	@tests/lint.sh
demo:
	@tests/demo.sh
# A static kist that is measured beside is not an old one.
bench: all $(BENCH) $(B)/tests/tools/net-driver $(B)/tests/tools/dns-driver $(if $(wildcard build/static/kist),static)
	@tests/bench/run.sh
	@tests/bench/layers.sh
	@tests/bench/net.sh
	@tests/bench/jobs.sh
	@tests/bench/batch.sh
	@tests/bench/image.sh -r 3
bench-image: all
	@tests/bench/image.sh
deps:
	@tests/deps.sh

# Sanitizers and libFuzzer share a tree of their own, without _FORTIFY_SOURCE; clang has warnings of
# its own, so -Werror is not for it.
SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
SANITIZED = $(MAKE) --no-print-directory B=build/san CC=clang CI= HARDEN=-fPIE \
	EXTRA=build/san/tests/tools/sanitized.o CPPFLAGS='-DKIST_SANITIZER_LOG="\"$(CURDIR)/build/san/reports\""' \
	CFLAGS="-O1 -g $(SANITIZE) -fsanitize=fuzzer-no-link"
asan:
	+@$(SANITIZED) asan-run
asan-short:
	+@$(SANITIZED) ASAN_SHORT=--short asan-run
asan-run: build-tests
	@tests/asan.sh $(ASAN_SHORT) $(B)

# clang's, whose counters lie in a mapped file: what a container's process does counts too, though it
# ends in execve or _exit, away from the host's files.
coverage:
	@$(MAKE) --no-print-directory B=build/coverage CC=clang CI= HARDEN=-fPIE CFLAGS="-O1 -g \
		-fprofile-instr-generate=$(CURDIR)/build/coverage/profiles/%m%c.profraw \
		-fcoverage-mapping -Xclang -mllvm -Xclang -runtime-counter-relocation" coverage-run
coverage-run: build-tests
	@tests/coverage.sh $(B) $(FILES)

fuzz:
	+@$(SANITIZED) fuzz-run
fuzz-run: $(FUZZ)
	@tests/fuzz.sh $^
$(FUZZ): $(B)/%: $(B)/%.o $(TEST_LIB)
	$(call say,LINK)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -fsanitize=fuzzer -o $@ $^ \
		$(shell pkg-config --libs $(PKGS_all))

install: all
	install -d $(DESTDIR)$(BINDIR)
	install -m 755 $(PROGRAMS) $(DESTDIR)$(BINDIR)
	install -d $(DESTDIR)$(UNITDIR)
	sed 's|@BINDIR@|$(BINDIR)|' cli/kist-net.service >$(DESTDIR)$(UNITDIR)/kist-net.service
	chmod 644 $(DESTDIR)$(UNITDIR)/kist-net.service
	@for page in $(wildcard docs/man/*.[1-8]); do \
		install -D -m 644 $$page $(DESTDIR)$(MANDIR)/man$${page##*.}/$${page##*/} || exit 1; done

clean:
	rm -rf $(B) compile_commands.json

FORCE:
.PHONY: reach flood all static static-fits check-static help deps demo check check-full check-vm unit unit-tap integration asan asan-short asan-run \
	coverage coverage-run fuzz fuzz-run lint sweep thousand sabotage bench bench-image install clean build-tests need-libs FORCE
.SECONDARY:
.DELETE_ON_ERROR:
ifndef NO_LIBS
-include $(wildcard $(FOLDERS:%=$(B)/%/*.d) $(B)/tests/*/*.d)
endif
