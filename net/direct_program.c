/*
 * direct_program.c - the program of a container whose network delivers directly, by hand.
 *
 * It answers TC_ACT_UNSPEC, as if it were not there, to all but the few frames of which it knows
 * that the bridge would hand them to the same container.
 */
#include "base/bpf_code.h"
#include "net/direct.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/pkt_cls.h>
#include <string.h>

#include "net/bridge.h"

#define IP4_BYTES   20 /* without options */
#define IP6_BYTES   40
#define PORTS_BYTES 4
#define FRAGMENT    0x3fff /* more to come, or not the first */
#define PASSES_MAX  40

enum {
	R_RESULT = BPF_REG_0,
	R_VALUE = BPF_REG_2,
	R_PROTOCOL = BPF_REG_3,
	R_PORT = BPF_REG_4,
	R_CONTEXT = BPF_REG_6, /* from here on kept by calls */
	R_FRAME = BPF_REG_7,
	R_END = BPF_REG_8,
	R_NUMBER = BPF_REG_9,
};

struct assembler {
	struct bpf_code code;
	size_t passes[PASSES_MAX]; /* jumps to where it is left to the bridge */
	size_t pass_count;
};

static void pass_by(struct assembler *s, size_t jump)
{
	s->passes[s->pass_count++] = jump;
}

static void load(struct assembler *s, unsigned size, unsigned reg, size_t offset)
{
	bpf_emit(&s->code, BPF_LDX | BPF_MEM | size, reg, R_FRAME, (int)offset, 0);
}

static size_t jump_if(struct assembler *s, unsigned how, unsigned reg, uint32_t value)
{
	return bpf_emit(&s->code, BPF_JMP32 | how | BPF_K, reg, 0, 0, (int)value);
}

/* The frame has these bytes there, or is passed by. Numbers are loaded as the host has them. */
static void want4(struct assembler *s, size_t offset, const void *bytes)
{
	uint32_t value;

	memcpy(&value, bytes, sizeof value);
	load(s, BPF_W, R_VALUE, offset);
	pass_by(s, jump_if(s, BPF_JNE, R_VALUE, value));
}

static void want2(struct assembler *s, size_t offset, const void *bytes)
{
	uint16_t value;

	memcpy(&value, bytes, sizeof value);
	load(s, BPF_H, R_VALUE, offset);
	pass_by(s, jump_if(s, BPF_JNE, R_VALUE, value));
}

static void want_length(struct assembler *s, int bytes)
{
	bpf_emit(&s->code, BPF_ALU64 | BPF_MOV | BPF_X, R_VALUE, R_FRAME, 0, 0);
	bpf_emit(&s->code, BPF_ALU64 | BPF_ADD | BPF_K, R_VALUE, 0, 0, bytes);
	pass_by(s, bpf_emit(&s->code, BPF_JMP | BPF_JGT | BPF_X, R_VALUE, R_END, 0, 0));
}

/* ---- what it looks at ---- */

/* To a container, whose number is kept, from this one, in no VLAN. */
static void put_ethernet(struct assembler *s, const struct direct_sender *from)
{
	uint32_t own;
	uint8_t mac[ETH_ALEN];

	net_mac(0, mac);
	bpf_emit(&s->code, BPF_ALU64 | BPF_MOV | BPF_X, R_CONTEXT, BPF_REG_1, 0, 0);
	bpf_emit(&s->code, BPF_LDX | BPF_MEM | BPF_W, R_VALUE, R_CONTEXT,
	     offsetof(struct __sk_buff, vlan_present), 0);
	pass_by(s, jump_if(s, BPF_JNE, R_VALUE, 0));
	bpf_emit(&s->code, BPF_LDX | BPF_MEM | BPF_W, R_FRAME, R_CONTEXT, offsetof(struct __sk_buff, data), 0);
	bpf_emit(&s->code, BPF_LDX | BPF_MEM | BPF_W, R_END, R_CONTEXT, offsetof(struct __sk_buff, data_end),
	     0);
	want_length(s, ETH_HLEN + IP4_BYTES + PORTS_BYTES);
	want2(s, 0, mac);
	load(s, BPF_W, R_NUMBER, 2);
	want4(s, ETH_ALEN, from->mac);
	want2(s, ETH_ALEN + 4, from->mac + 4);
	memcpy(&own, from->mac + 2, sizeof own);
	pass_by(s, jump_if(s, BPF_JEQ, R_NUMBER, own)); /* a bridge sends nothing back */
}

/* Whole datagrams without options, from its own address to the one that the MAC is of. */
static void put_ip4(struct assembler *s, const struct direct_sender *from)
{
	const uint32_t address = htonl(from->address);

	load(s, BPF_B, R_VALUE, ETH_HLEN);
	pass_by(s, jump_if(s, BPF_JNE, R_VALUE, 0x45));
	load(s, BPF_H, R_VALUE, ETH_HLEN + 6);
	bpf_emit(&s->code, BPF_ALU | BPF_AND | BPF_K, R_VALUE, 0, 0, htons(FRAGMENT));
	pass_by(s, jump_if(s, BPF_JNE, R_VALUE, 0));
	want4(s, ETH_HLEN + 12, &address);
	load(s, BPF_W, R_VALUE, ETH_HLEN + 16);
	pass_by(s, bpf_emit(&s->code, BPF_JMP32 | BPF_JNE | BPF_X, R_VALUE, R_NUMBER, 0, 0));
	load(s, BPF_B, R_PROTOCOL, ETH_HLEN + 9);
	load(s, BPF_H, R_PORT, ETH_HLEN + IP4_BYTES);
}

/* From its own address to one of the network's; TCP or UDP come first. */
static void put_ip6(struct assembler *s, const struct direct_sender *from)
{
	want_length(s, ETH_HLEN + IP6_BYTES + PORTS_BYTES);
	load(s, BPF_B, R_VALUE, ETH_HLEN);
	bpf_emit(&s->code, BPF_ALU | BPF_AND | BPF_K, R_VALUE, 0, 0, 0xf0);
	pass_by(s, jump_if(s, BPF_JNE, R_VALUE, 0x60));
	for (size_t i = 0; i < 16; i += 4)
		want4(s, ETH_HLEN + 8 + i, from->address6.s6_addr + i);
	load(s, BPF_B, R_VALUE, ETH_HLEN + 24);
	pass_by(s, jump_if(s, BPF_JEQ, R_VALUE, 0xff)); /* to many */
	for (size_t i = 0; i < (size_t)from->prefix6 / 32 * 4; i += 4)
		want4(s, ETH_HLEN + 24 + i, from->subnet6.s6_addr + i);
	load(s, BPF_B, R_PROTOCOL, ETH_HLEN + 6);
	load(s, BPF_H, R_PORT, ETH_HLEN + IP6_BYTES);
}

/* One of the two families' headers, whichever it has. */
static void put_network(struct assembler *s, const struct direct_sender *from)
{
	static const struct in6_addr none;
	bool has6 = memcmp(&from->address6, &none, sizeof none) != 0;
	size_t other, done;

	load(s, BPF_H, R_VALUE, ETH_ALEN * 2);
	other = jump_if(s, BPF_JNE, R_VALUE, htons(has6 ? ETH_P_IPV6 : ETH_P_IP));
	if (!has6 || !from->address)
		pass_by(s, other);
	if (!has6) {
		put_ip4(s, from);
		return;
	}
	put_ip6(s, from);
	if (!from->address)
		return;
	done = bpf_emit(&s->code, BPF_JMP | BPF_JA, 0, 0, 0, 0);
	bpf_jump_here(&s->code, other);
	pass_by(s, jump_if(s, BPF_JNE, R_VALUE, htons(ETH_P_IP)));
	put_ip4(s, from);
	bpf_jump_here(&s->code, done);
}

/* TCP, or UDP that is no answer of a DHCP server. */
static void put_transport(struct assembler *s)
{
	size_t tcp = jump_if(s, BPF_JEQ, R_PROTOCOL, IPPROTO_TCP);

	pass_by(s, jump_if(s, BPF_JNE, R_PROTOCOL, IPPROTO_UDP));
	pass_by(s, jump_if(s, BPF_JEQ, R_PORT, htons(67)));
	pass_by(s, jump_if(s, BPF_JEQ, R_PORT, htons(547)));
	bpf_jump_here(&s->code, tcp);
}

/* ---- what it does ---- */

/* What the map has of the number; without an entry the frame is passed by. */
static void put_lookup(struct assembler *s, int map)
{
	bpf_emit(&s->code, BPF_LD | BPF_DW | BPF_IMM, BPF_REG_1, BPF_PSEUDO_MAP_FD, 0, map);
	bpf_emit(&s->code, 0, 0, 0, 0, 0);
	bpf_emit(&s->code, BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_2, BPF_REG_10, 0, 0);
	bpf_emit(&s->code, BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_2, 0, 0, -4);
	bpf_emit(&s->code, BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_map_lookup_elem);
	pass_by(s, bpf_emit(&s->code, BPF_JMP | BPF_JEQ | BPF_K, R_RESULT, 0, 0, 0));
}

static void put_count(struct assembler *s)
{
	const int add = BPF_STX | BPF_ATOMIC | BPF_DW;

	bpf_emit(&s->code, BPF_LDX | BPF_MEM | BPF_W, BPF_REG_1, R_CONTEXT, offsetof(struct __sk_buff, len),
	     0);
	bpf_emit(&s->code, (unsigned)add, R_RESULT, BPF_REG_1, 0, BPF_ADD);
	bpf_emit(&s->code, BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_1, 0, 0, 1);
	bpf_emit(&s->code, (unsigned)add, R_RESULT, BPF_REG_1, 8, BPF_ADD);
}

static void put_delivery(struct assembler *s, int ends, int counters)
{
	bpf_emit(&s->code, BPF_STX | BPF_MEM | BPF_W, BPF_REG_10, R_NUMBER, -4, 0);
	put_lookup(s, ends);
	bpf_emit(&s->code, BPF_LDX | BPF_MEM | BPF_W, R_FRAME, R_RESULT, 0,
	     0); /* from here on the interface */
	put_lookup(s, counters);
	put_count(s);
	/* It came to the host's end, whose MAC is another: without this it is for somebody else. */
	bpf_emit(&s->code, BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_1, R_CONTEXT, 0, 0);
	bpf_emit(&s->code, BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_2, 0, 0, PACKET_HOST);
	bpf_emit(&s->code, BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_skb_change_type);
	bpf_emit(&s->code, BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_1, R_FRAME, 0, 0);
	bpf_emit(&s->code, BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_2, 0, 0, 0);
	bpf_emit(&s->code, BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_redirect_peer);
	bpf_emit(&s->code, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

size_t direct_assemble(const struct direct_sender *from, int ends, int counters,
		       struct bpf_insn program[DIRECT_INSNS])
{
	struct assembler s = { .code.at = program };

	put_ethernet(&s, from);
	put_network(&s, from);
	put_transport(&s);
	put_delivery(&s, ends, counters);
	for (size_t i = 0; i < s.pass_count; i++)
		bpf_jump_here(&s.code, s.passes[i]);
	bpf_emit(&s.code, BPF_ALU64 | BPF_MOV | BPF_K, R_RESULT, 0, 0, TC_ACT_UNSPEC);
	bpf_emit(&s.code, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
	return s.code.count;
}
