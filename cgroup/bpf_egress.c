/*
 * bpf_egress.c - the programs that keep a container to its list of destinations.
 *
 * Four say yes or no to an address (connect and sendmsg, IPv4 and IPv6). The
 * address of a packet is another one than asked for when the sender sets a
 * source route (IP_OPTIONS, IPV6_RTHDR: no privilege needed), and other
 * sockets than TCP's and UDP's ask no such hook: a fifth program allows no
 * others, a sixth no packet with options or extension headers.
 */
#include <linux/bpf.h>
#include <netinet/in.h>
#include <stddef.h>
#include <sys/socket.h>
#include "base/bpf_code.h"
#include "cgroup/cgroup_ops.h"

#define INSNS_PER_RULE 20 /* protocol 1, ports 2, four words of an address 3 each, the jump 1 */
#define INSNS_AROUND   40
#define NEED	       "needs CAP_SYS_ADMIN on the host; or leave the list out"

#define ADDRESS_KIND(hook, lower)                                                                  \
	{                                                                                          \
		.type = BPF_PROG_TYPE_CGROUP_SOCK_ADDR, .attach = hook, .bound_to_hook = true,     \
		.type_name = "BPF_PROG_TYPE_CGROUP_SOCK_ADDR", .attach_name = #hook,               \
		.name = "kist_" lower, .what = "the egress list (" lower ")", .fix = NEED          \
	}

const struct bpf_kind bpf_egress_kinds[BPF_EGRESS_PROGRAMS] = {
	ADDRESS_KIND(BPF_CGROUP_INET4_CONNECT, "connect4"),
	ADDRESS_KIND(BPF_CGROUP_INET6_CONNECT, "connect6"),
	ADDRESS_KIND(BPF_CGROUP_UDP4_SENDMSG, "sendmsg4"),
	ADDRESS_KIND(BPF_CGROUP_UDP6_SENDMSG, "sendmsg6"),
	{ .type = BPF_PROG_TYPE_CGROUP_SOCK,
	  .attach = BPF_CGROUP_INET_SOCK_CREATE,
	  .bound_to_hook = true,
	  .type_name = "BPF_PROG_TYPE_CGROUP_SOCK",
	  .attach_name = "BPF_CGROUP_INET_SOCK_CREATE",
	  .name = "kist_socket",
	  .what = "the egress list (socket)",
	  .fix = NEED },
	{ .type = BPF_PROG_TYPE_CGROUP_SKB,
	  .attach = BPF_CGROUP_INET_EGRESS,
	  .bound_to_hook = true,
	  .type_name = "BPF_PROG_TYPE_CGROUP_SKB",
	  .attach_name = "BPF_CGROUP_INET_EGRESS",
	  .name = "kist_packet",
	  .what = "the egress list (packet)",
	  .fix = NEED },
};

enum {
	R_RESULT = BPF_REG_0,
	R_CONTEXT = BPF_REG_1,
	R_SCRATCH = BPF_REG_2,
	R_PROTOCOL = BPF_REG_3,
	R_PORT = BPF_REG_4,
	R_ADDRESS = BPF_REG_5, /* and the three after it: an IPv6 address */
};

struct assembler {
	struct bpf_code code;
	size_t *allowed; /* jumps to the one place that allows */
	size_t allowed_count;
};

/* A jump to where bpf_jump_here() will say. */
static size_t emit_jump(struct assembler *s, unsigned how, unsigned reg, uint32_t value)
{
	return bpf_emit(&s->code, BPF_JMP32 | how | BPF_K, reg, 0, 0, (int)value);
}

static void emit_allow_if(struct assembler *s, unsigned how, unsigned reg, uint32_t value)
{
	s->allowed[s->allowed_count++] = emit_jump(s, how, reg, value);
}

static void emit_return(struct assembler *s, bool allow)
{
	bpf_emit(&s->code, BPF_ALU64 | BPF_MOV | BPF_K, R_RESULT, 0, 0, allow);
	bpf_emit(&s->code, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

/* The place that allows; nothing when nothing leads there: the verifier refuses what can't be
 * reached. */
static void emit_allowed(struct assembler *s)
{
	for (size_t i = 0; i < s->allowed_count; i++)
		bpf_jump_here(&s->code, s->allowed[i]);
	if (s->allowed_count)
		emit_return(s, true);
}

/* A number of the context in network byte order, as the host counts. */
static void emit_load(struct assembler *s, unsigned reg, size_t offset, int swap_bits)
{
	bpf_emit(&s->code, BPF_LDX | BPF_MEM | BPF_W, reg, R_CONTEXT, (int)offset, 0);
	if (swap_bits)
		bpf_emit(&s->code, BPF_ALU | BPF_END | BPF_TO_BE, reg, 0, 0, swap_bits);
}

/* ---- the list ---- */

/* Jumps over the rule when the word's upper bits are others; how many jumps were made. */
static size_t emit_word(struct assembler *s, unsigned reg, uint32_t word, int bits,
			size_t *ret_jump)
{
	if (bits <= 0)
		return 0;
	if (bits < 32) {
		bpf_emit(&s->code, BPF_ALU | BPF_MOV | BPF_X, R_SCRATCH, reg, 0, 0);
		bpf_emit(&s->code, BPF_ALU | BPF_AND | BPF_K, R_SCRATCH, 0, 0, (int)(~0u << (32 - bits)));
		reg = R_SCRATCH;
	}
	*ret_jump = emit_jump(s, BPF_JNE, reg, word);
	return 1;
}

/* True: it allows whatever comes this far, so nothing after it can matter. */
static bool emit_rule(struct assembler *s, const struct egress_rule *rule)
{
	size_t next[8], count = 0;

	if (rule->protocol)
		next[count++] = emit_jump(s, BPF_JNE, R_PROTOCOL, rule->protocol);
	if (rule->first == rule->last)
		next[count++] = emit_jump(s, BPF_JNE, R_PORT, rule->first);
	if (rule->first != rule->last && rule->first > 0)
		next[count++] = emit_jump(s, BPF_JLT, R_PORT, rule->first);
	if (rule->first != rule->last && rule->last < 65535)
		next[count++] = emit_jump(s, BPF_JGT, R_PORT, rule->last);
	for (int i = 0; i < (rule->family == AF_INET ? 1 : 4); i++)
		count += emit_word(s, R_ADDRESS + (unsigned)i, rule->address[i],
				   rule->prefix - 32 * i, &next[count]);
	s->allowed[s->allowed_count++] = bpf_emit(&s->code, BPF_JMP | BPF_JA, 0, 0, 0, 0);
	for (size_t i = 0; i < count; i++)
		bpf_jump_here(&s->code, next[i]);
	return count == 0;
}

/* All rules of one family, for the address in the registers; else no. An unspecified address is
 * loopback to the kernel (tcp_v4_connect, ip6_datagram_connect). */
static void emit_list(struct assembler *s, const struct egress *list, int family)
{
	size_t other;

	if (list->loopback && family == AF_INET) {
		emit_allow_if(s, BPF_JEQ, R_ADDRESS, 0);
		bpf_emit(&s->code, BPF_ALU | BPF_MOV | BPF_X, R_SCRATCH, R_ADDRESS, 0, 0);
		bpf_emit(&s->code, BPF_ALU | BPF_RSH | BPF_K, R_SCRATCH, 0, 0, 24);
		emit_allow_if(s, BPF_JEQ, R_SCRATCH, 127);
	} else if (list->loopback) {
		bpf_emit(&s->code, BPF_ALU | BPF_MOV | BPF_X, R_SCRATCH, R_ADDRESS, 0, 0);
		for (unsigned i = 1; i < 3; i++)
			bpf_emit(&s->code, BPF_ALU | BPF_OR | BPF_X, R_SCRATCH, R_ADDRESS + i, 0, 0);
		other = emit_jump(s, BPF_JNE, R_SCRATCH, 0);
		emit_allow_if(s, BPF_JLE, R_ADDRESS + 3, 1);
		bpf_jump_here(&s->code, other);
	}
	for (size_t i = 0; i < list->count; i++)
		if (list->rules[i].family == family && emit_rule(s, &list->rules[i]))
			return;
	emit_return(s, false);
}

static void assemble_address(struct assembler *s, const struct egress *list, int family)
{
	size_t jump, jumps[3];

	emit_load(s, R_PROTOCOL, offsetof(struct bpf_sock_addr, protocol), 0);
	emit_load(s, R_PORT, offsetof(struct bpf_sock_addr, user_port), 16);
	if (family == AF_INET) {
		emit_load(s, R_ADDRESS, offsetof(struct bpf_sock_addr, user_ip4), 32);
		emit_list(s, list, AF_INET);
		emit_allowed(s);
		return;
	}
	for (unsigned i = 0; i < 4; i++)
		emit_load(s, R_ADDRESS + i, offsetof(struct bpf_sock_addr, user_ip6) + 4 * i, 32);
	/* ::ffff:a.b.c.d on an IPv6 socket goes out as IPv4 */
	jumps[0] = emit_jump(s, BPF_JNE, R_ADDRESS, 0);
	jumps[1] = emit_jump(s, BPF_JNE, R_ADDRESS + 1, 0);
	jumps[2] = emit_jump(s, BPF_JNE, R_ADDRESS + 2, 0xffff);
	bpf_emit(&s->code, BPF_ALU | BPF_MOV | BPF_X, R_ADDRESS, R_ADDRESS + 3, 0, 0);
	jump = bpf_emit(&s->code, BPF_JMP | BPF_JA, 0, 0, 0, 0);
	for (int i = 0; i < 3; i++)
		bpf_jump_here(&s->code, jumps[i]);
	emit_list(s, list, AF_INET6);
	bpf_jump_here(&s->code, jump);
	emit_list(s, list, AF_INET);
	emit_allowed(s);
}

/* ---- the two that do not look at the list ---- */

/* By their type, too: a raw socket may have the protocol's number. */
static void assemble_socket(struct assembler *s)
{
	size_t raw;

	emit_load(s, R_SCRATCH, offsetof(struct bpf_sock, type), 0);
	emit_load(s, R_PROTOCOL, offsetof(struct bpf_sock, protocol), 0);
	raw = emit_jump(s, BPF_JEQ, R_SCRATCH, SOCK_RAW);
	emit_allow_if(s, BPF_JEQ, R_PROTOCOL, IPPROTO_TCP);
	emit_allow_if(s, BPF_JEQ, R_PROTOCOL, IPPROTO_UDP);
	bpf_jump_here(&s->code, raw);
	emit_return(s, false);
	emit_allowed(s);
}

/* IPv4 without options; IPv6 with nothing between its header and TCP, UDP or ICMPv6. */
static void assemble_packet(struct assembler *s)
{
	size_t short_one;

	bpf_emit(&s->code, BPF_LDX | BPF_MEM | BPF_W, R_ADDRESS, R_CONTEXT, offsetof(struct __sk_buff, data),
	     0);
	bpf_emit(&s->code, BPF_LDX | BPF_MEM | BPF_W, R_PORT, R_CONTEXT, offsetof(struct __sk_buff, data_end),
	     0);
	bpf_emit(&s->code, BPF_ALU64 | BPF_MOV | BPF_X, R_SCRATCH, R_ADDRESS, 0, 0);
	bpf_emit(&s->code, BPF_ALU64 | BPF_ADD | BPF_K, R_SCRATCH, 0, 0, 20);
	short_one = bpf_emit(&s->code, BPF_JMP | BPF_JGT | BPF_X, R_SCRATCH, R_PORT, 0, 0);
	bpf_emit(&s->code, BPF_LDX | BPF_MEM | BPF_B, R_PROTOCOL, R_ADDRESS, 0, 0);
	emit_allow_if(s, BPF_JEQ, R_PROTOCOL, 0x45);
	bpf_emit(&s->code, BPF_ALU | BPF_RSH | BPF_K, R_PROTOCOL, 0, 0, 4);
	bpf_emit(&s->code, BPF_JMP32 | BPF_JEQ | BPF_K, R_PROTOCOL, 0, 2, 6);
	bpf_jump_here(&s->code, short_one);
	emit_return(s, false);
	bpf_emit(&s->code, BPF_LDX | BPF_MEM | BPF_B, R_PROTOCOL, R_ADDRESS, 6, 0); /* the next header */
	emit_allow_if(s, BPF_JEQ, R_PROTOCOL, IPPROTO_TCP);
	emit_allow_if(s, BPF_JEQ, R_PROTOCOL, IPPROTO_UDP);
	emit_allow_if(s, BPF_JEQ, R_PROTOCOL, IPPROTO_ICMPV6);
	emit_return(s, false);
	emit_allowed(s);
}

struct bpf_insn *bpf_egress_assemble(const struct egress *list, int program, struct arena *a,
				     size_t *ret_count)
{
	/* In connect6 and sendmsg6 the IPv4 rules stand, too. */
	struct assembler s = { .code.at = arena_array(a, INSNS_AROUND + list->count * INSNS_PER_RULE,
						 sizeof(struct bpf_insn)),
			       .allowed = arena_array(a, list->count + 8, sizeof(size_t)) };

	*ret_count = 0;
	if (!s.code.at || !s.allowed)
		return NULL;
	switch (bpf_egress_kinds[program].attach) {
	case BPF_CGROUP_INET_SOCK_CREATE:
		assemble_socket(&s);
		break;
	case BPF_CGROUP_INET_EGRESS:
		assemble_packet(&s);
		break;
	case BPF_CGROUP_INET4_CONNECT:
	case BPF_CGROUP_UDP4_SENDMSG:
		assemble_address(&s, list, AF_INET);
		break;
	default:
		assemble_address(&s, list, AF_INET6);
	}
	*ret_count = s.code.count;
	return s.code.at;
}
