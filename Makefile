# kist - see `make help`.
VERSION := 0.1.0
B := build
CC ?= cc
PKGS_kist := libseccomp libcap libmnl jansson
PKGS_image := libarchive libzstd libcrypto libisal zlib jansson
PKGS_test := cmocka
CFLAGS ?= -O2 -g
WARN := -Wall -Wextra -Wshadow -Wmissing-prototypes -Wstrict-prototypes -Wvla -Wformat=2 $(if $(CI),-Werror)
HARDEN := -fstack-protector-strong -D_FORTIFY_SOURCE=2 -fPIE -fstack-clash-protection -fcf-protection
ALL_CFLAGS := -std=gnu17 -D_GNU_SOURCE -DKIST_VERSION='"$(VERSION)"' -I. $(WARN) $(HARDEN) \
	$(shell pkg-config --cflags $(PKGS_kist) $(PKGS_image)) $(CFLAGS) -MMD -MP
ALL_LDFLAGS := -pie -Wl,-z,relro,-z,now -Wl,--as-needed $(LDFLAGS)
FOLDERS := base cgroup ns net image runtime supervisor cli
MAINS := cli/main-kist.c cli/main-kist-image.c
SRC := $(filter-out $(MAINS),$(foreach d,$(FOLDERS),$(wildcard $(d)/*.c)))
OBJ := $(SRC:%.c=$(B)/%.o)
UNIT := $(patsubst tests/unit/%.c,$(B)/tests/unit/%,$(wildcard tests/unit/test_*.c))

all: $(B)/kist $(B)/kist-image

$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -c -o $@ $<

$(B)/libkist.a: $(OBJ)
	@rm -f $@
	ar rcs $@ $^

$(B)/kist: $(B)/cli/main-kist.o $(B)/libkist.a
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(shell pkg-config --libs $(PKGS_kist))

$(B)/kist-image: $(B)/cli/main-kist-image.o $(B)/libkist.a
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(shell pkg-config --libs $(PKGS_image))

$(B)/tests/unit/%: tests/unit/%.c $(B)/libkist.a
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $< $(B)/libkist.a \
		$(shell pkg-config --libs $(PKGS_kist) $(PKGS_image) $(PKGS_test))

unit: $(UNIT)
	@set -e; for t in $(UNIT); do $$t; done

clean:
	rm -rf $(B)

.PHONY: all unit clean
-include $(shell find $(B) -name '*.d' 2>/dev/null)
