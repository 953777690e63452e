/* The program that delivers directly, run by an interpreter of what it is made of: which frames it
 * takes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <linux/pkt_cls.h>
#include <stdio.h>
#include <string.h>

#include "net/address.h"
#include "net/direct.h"

#define ENDS	 7 /* the maps' fds */
#define COUNTERS 8
#define TAKEN	 7777
#define STEPS	 1000

/* What the kernel would hold: one end, whose number is 10.80.0.20's, at interface 42. */
static uint32_t end = 42;
static uint64_t counter[2];
static bool has_end, has_counter;
static int type_set, taken_by;

struct frame {
	uint32_t size, vlan; /* before the bytes: the frame's address is the context's */
	uint8_t bytes[128];
};

static uint64_t lookup(uint64_t map, const uint32_t *key)
{
	const uint8_t number[4] = { 10, 80, 0, 20 };

	assert_true(map == ENDS || map == COUNTERS);
	if (memcmp(key, number, sizeof number) != 0)
		return 0;
	if (map == ENDS)
		return has_end ? (uint64_t)(uintptr_t)&end : 0;
	return has_counter ? (uint64_t)(uintptr_t)counter : 0;
}

static uint64_t call(int helper, const uint64_t r[11])
{
	if (helper == BPF_FUNC_map_lookup_elem)
		return lookup(r[1], (const uint32_t *)(uintptr_t)r[2]);
	if (helper == BPF_FUNC_skb_change_type) {
		type_set = (int)r[2];
		return 0;
	}
	assert_int_equal(helper, BPF_FUNC_redirect_peer);
	taken_by = (int)r[1];
	assert_int_equal(r[2], 0);
	return TAKEN;
}

/* The context: numbers, and the frame by its first and last byte. */
static uint64_t context(const struct frame *f, int offset)
{
	switch ((size_t)offset) {
	case offsetof(struct __sk_buff, vlan_present):
		return f->vlan;
	case offsetof(struct __sk_buff, len):
		return f->size;
	case offsetof(struct __sk_buff, data):
		return (uint64_t)(uintptr_t)f->bytes;
	default:
		assert_int_equal(offset, offsetof(struct __sk_buff, data_end));
		return (uint64_t)(uintptr_t)(f->bytes + f->size);
	}
}

static uint64_t load(const struct frame *f, const struct bpf_insn *i, uint64_t base)
{
	const uint8_t *at = (const uint8_t *)(uintptr_t)base + i->off;
	uint32_t word = 0;
	size_t size = (i->code & 0x18) == BPF_W ? 4 : (i->code & 0x18) == BPF_H ? 2 : 1;

	if (base == (uint64_t)(uintptr_t)f)
		return context(f, i->off);
	if (at >= f->bytes && at < f->bytes + sizeof f->bytes)
		assert_true(at + size <= f->bytes + f->size); /* as the verifier wants it */
	memcpy(&word, at, size);
	return word;
}

static bool jumps(const struct bpf_insn *i, uint64_t a, uint64_t b)
{
	if ((i->code & 7) == BPF_JMP32) {
		a = (uint32_t)a;
		b = (uint32_t)b;
	}
	switch (i->code & 0xf0) {
	case BPF_JA:
		return true;
	case BPF_JEQ:
		return a == b;
	case BPF_JNE:
		return a != b;
	default:
		assert_int_equal(i->code & 0xf0, BPF_JGT);
		return a > b;
	}
}

static uint64_t alu(const struct bpf_insn *i, uint64_t a, uint64_t b)
{
	uint64_t value = (i->code & 0xf0) == BPF_MOV   ? b
			 : (i->code & 0xf0) == BPF_ADD ? a + b
						       : a & b;

	return (i->code & 7) == BPF_ALU ? (uint32_t)value : value;
}

static void store(const struct bpf_insn *i, uint64_t base, uint64_t value)
{
	void *at = (uint8_t *)(uintptr_t)base + i->off;

	if ((i->code & 0xe0) == BPF_ATOMIC)
		*(uint64_t *)at += value;
	else
		memcpy(at, &value, 4);
}

static int run(const struct bpf_insn *program, size_t count, const struct frame *f)
{
	uint64_t r[11] = { 0 };
	_Alignas(8) uint8_t stack[64];
	size_t at = 0;

	r[1] = (uint64_t)(uintptr_t)f;
	r[10] = (uint64_t)(uintptr_t)(stack + sizeof stack);
	for (int steps = 0; steps < STEPS && at < count; steps++) {
		const struct bpf_insn *i = &program[at++];
		uint64_t b = i->code & BPF_X ? r[i->src_reg] : (uint64_t)(int64_t)i->imm;

		if (i->code == (BPF_LD | BPF_DW | BPF_IMM)) {
			assert_int_equal(i->src_reg, BPF_PSEUDO_MAP_FD);
			r[i->dst_reg] = (uint64_t)i->imm;
			at++;
		} else if (i->code == (BPF_JMP | BPF_EXIT)) {
			return (int)r[0];
		} else if (i->code == (BPF_JMP | BPF_CALL)) {
			r[0] = call(i->imm, r);
		} else if ((i->code & 7) == BPF_LDX) {
			r[i->dst_reg] = load(f, i, r[i->src_reg]);
		} else if ((i->code & 7) == BPF_STX) {
			store(i, r[i->dst_reg], r[i->src_reg]);
		} else if ((i->code & 7) == BPF_JMP || (i->code & 7) == BPF_JMP32) {
			at += jumps(i, r[i->dst_reg], b) ? (size_t)i->off : 0;
		} else {
			r[i->dst_reg] = alu(i, r[i->dst_reg], b);
		}
	}
	fail_msg("ran off its end");
	return 0;
}

/* ---- frames ---- */

static struct direct_sender sender(bool v4, bool v6)
{
	struct direct_sender s = { .mac = { 2, 'k', 10, 80, 0, 10 } };

	if (v4)
		s.address = 10u << 24 | 80u << 16 | 10;
	if (v6) {
		inet_pton(AF_INET6, "fd00:80:1:2::10", &s.address6);
		inet_pton(AF_INET6, "fd00:80:1:2::", &s.subnet6);
		s.prefix6 = 64;
	}
	return s;
}

static struct frame honest(bool v6, uint8_t protocol)
{
	static const uint8_t ether[] = { 2, 'k', 10, 80, 0, 20, 2, 'k', 10, 80, 0, 10 };
	static const uint8_t ip4[] = { 0x45, 0, 0,  40, 0, 0,  0x40, 0,	 64, 0,
				       0,    0, 10, 80, 0, 10, 10,   80, 0,  20 };
	struct frame f = { .size = v6 ? 74 : 54 };
	struct in6_addr from, to;

	memcpy(f.bytes, ether, sizeof ether);
	inet_pton(AF_INET6, "fd00:80:1:2::10", &from);
	inet_pton(AF_INET6, "fd00:80:1:2::20", &to);
	f.bytes[12] = v6 ? 0x86 : 8;
	f.bytes[13] = v6 ? 0xdd : 0;
	if (v6) {
		f.bytes[14] = 0x60;
		f.bytes[20] = protocol;
		memcpy(f.bytes + 22, &from, 16);
		memcpy(f.bytes + 38, &to, 16);
	} else {
		memcpy(f.bytes + 14, ip4, sizeof ip4);
		f.bytes[23] = protocol;
	}
	f.bytes[v6 ? 55 : 35] = 99; /* source port */
	return f;
}

static int answer(const struct direct_sender *s, const struct frame *f)
{
	struct bpf_insn program[DIRECT_INSNS];
	size_t count = direct_assemble(s, ENDS, COUNTERS, program);

	assert_true(count > 20 && count <= DIRECT_INSNS);
	type_set = taken_by = -1;
	return run(program, count, f);
}

static int setup(void **state)
{
	(void)state;
	has_end = has_counter = true;
	memset(counter, 0, sizeof counter);
	return 0;
}

static void takes_what_is_honest(void **state)
{
	static const uint8_t protocols[] = { IPPROTO_TCP, IPPROTO_UDP };

	(void)state;
	for (int families = 1; families < 4; families++)
		for (int i = 0; i < 4; i++) {
			struct direct_sender s = sender(families & 1, families & 2);
			struct frame f = honest(i & 1, protocols[i / 2]);
			bool can = families & (i & 1 ? 2 : 1);

			assert_int_equal(answer(&s, &f), can ? TAKEN : TC_ACT_UNSPEC);
			assert_int_equal(taken_by, can ? 42 : -1);
			assert_int_equal(type_set, can ? PACKET_HOST : -1);
		}
	assert_int_equal(counter[1], 8);
	assert_int_equal(counter[0], 4 * 54 + 4 * 74);
}

/* Every bit of what it looks at: another one than it wants goes over the bridge. */
static void passes_by_all_else(void **state)
{
	struct direct_sender s = sender(true, true);

	(void)state;
	for (int v6 = 0; v6 < 2; v6++)
		for (uint32_t bit = 0; bit < (v6 ? 54u : 34u) * 8; bit++) {
			struct frame f = honest(v6, IPPROTO_TCP);
			uint32_t at = bit / 8;
			/* Traffic class, flow label, lengths, ids, lifetime, checksum; of IPv6 the
			 * host's part of whom it is for. */
			bool free = v6 ? (at == 14 && bit % 8 < 4) || (at > 14 && at < 20) ||
						    at == 21 || at >= 46
				       : (at > 14 && at < 20) || (at == 20 && bit % 8 > 5) ||
						    at == 22 || at == 24 || at == 25;

			f.bytes[at] ^= (uint8_t)(1u << bit % 8);
			if (answer(&s, &f) != (free ? TAKEN : TC_ACT_UNSPEC))
				fail_msg("IPv%c, byte %u, bit %u: %s", v6 ? '6' : '4', at, bit % 8,
					 free ? "not taken" : "taken");
		}
}

static void passes_by_the_rest(void **state)
{
	struct direct_sender s = sender(true, true);
	struct frame f;

	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		for (uint32_t size = 0; size < (v6 ? 58u : 38u); size++) {
			f = honest(v6, IPPROTO_TCP);
			f.size = size;
			assert_int_equal(answer(&s, &f), TC_ACT_UNSPEC);
		}
		f = honest(v6, IPPROTO_TCP);
		f.vlan = 1;
		assert_int_equal(answer(&s, &f), TC_ACT_UNSPEC);
		for (int port = 0; port < 65536; port++) {
			f = honest(v6, IPPROTO_UDP);
			f.bytes[v6 ? 54 : 34] = (uint8_t)(port >> 8);
			f.bytes[v6 ? 55 : 35] = (uint8_t)port;
			assert_int_equal(answer(&s, &f),
					 port == 67 || port == 547 ? TC_ACT_UNSPEC : TAKEN);
		}
		for (int protocol = 0; protocol < 256; protocol++) {
			f = honest(v6, (uint8_t)protocol);
			assert_int_equal(answer(&s, &f),
					 protocol == IPPROTO_TCP || protocol == IPPROTO_UDP
						 ? TAKEN
						 : TC_ACT_UNSPEC);
		}
		f = honest(v6, IPPROTO_TCP);
		has_end = false;
		assert_int_equal(answer(&s, &f), TC_ACT_UNSPEC);
		has_end = true;
		has_counter = false; /* what would not be counted */
		assert_int_equal(answer(&s, &f), TC_ACT_UNSPEC);
		has_counter = true;
	}
	/* To itself: its own number is among the ends as well. */
	s = sender(true, false);
	s.mac[5] = 20;
	s.address += 10;
	f = honest(false, IPPROTO_TCP);
	f.bytes[11] = f.bytes[29] = 20;
	assert_int_equal(answer(&s, &f), TC_ACT_UNSPEC);
}

/* A subnet of IPv6 that ends within a word, one of all: the whole words count, and multicast does
 * not. */
static void subnets6(void **state)
{
	static const struct {
		int prefix;
		uint32_t at;
		bool taken;
	} cases[] = {
		{ 64, 45, false }, { 64, 46, true },   { 56, 42, true },  { 56, 41, false },
		{ 0, 39, true },   { 112, 49, false }, { 112, 50, true },
	};
	struct direct_sender s = sender(true, true);
	struct frame f;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		s.prefix6 = cases[i].prefix;
		f = honest(true, IPPROTO_TCP);
		f.bytes[cases[i].at] ^= 1;
		assert_int_equal(answer(&s, &f), cases[i].taken ? TAKEN : TC_ACT_UNSPEC);
	}
	s.prefix6 = 0;
	f.bytes[38] = 0xff;
	assert_int_equal(answer(&s, &f), TC_ACT_UNSPEC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(takes_what_is_honest, setup),
		cmocka_unit_test_setup(passes_by_all_else, setup),
		cmocka_unit_test_setup(passes_by_the_rest, setup),
		cmocka_unit_test_setup(subnets6, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
