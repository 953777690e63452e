/*
 * bpf_devices.c - which device nodes a container may open and make.
 *
 * cgroup v2 has no devices controller: the rules of linux.resources.devices
 * become a BPF program that the kernel asks at every open(2) and mknod(2) of a
 * device in the cgroup (BPF_PROG_TYPE_CGROUP_DEVICE). Without it a container
 * with CAP_MKNOD reads the host's disks. The program is assembled here by
 * hand; there is no libbpf.
 */
#include <errno.h>
#include <linux/bpf.h>
#include <string.h>
#include "base/bpf_code.h"
#include "cgroup/cgroup_ops.h"
#include "cgroup/cgroup_parse.h"

#define INSNS_PER_RULE 10 /* 5 in the half for characters, 5 in the half for blocks */
#define INSNS_AROUND   16
#define MINOR_BITS     20 /* of the kernel's dev_t; the rest is the major number */

/* What the default devices need (config-linux.md, "Default Devices"). Any node may be made: what
 * counts is opening it. /dev/console needs no rule: in a container it is a pty (136:*), and 5:1
 * would be the host's own console. */
const struct cgroup_device_rule cgroup_devices_default[] = {
	{ true, 'c', -1, -1, CGROUP_DEVICE_MKNOD }, { true, 'b', -1, -1, CGROUP_DEVICE_MKNOD },
	{ true, 'c', 1, 3, CGROUP_DEVICE_RWM },	   /* null */
	{ true, 'c', 1, 5, CGROUP_DEVICE_RWM },	   /* zero */
	{ true, 'c', 1, 7, CGROUP_DEVICE_RWM },	   /* full */
	{ true, 'c', 1, 8, CGROUP_DEVICE_RWM },	   /* random */
	{ true, 'c', 1, 9, CGROUP_DEVICE_RWM },	   /* urandom */
	{ true, 'c', 5, 0, CGROUP_DEVICE_RWM },	   /* tty */
	{ true, 'c', 5, 2, CGROUP_DEVICE_RWM },	   /* ptmx */
	{ true, 'c', 136, -1, CGROUP_DEVICE_RWM }, /* pts */
};
const size_t cgroup_devices_default_count =
	sizeof(cgroup_devices_default) / sizeof(cgroup_devices_default[0]);

/* ---- parsing ---- */

static int parse_access(const json_t *o, const struct json_at *at, unsigned *ret, struct err *e)
{
	struct json_at here = json_at_key(at, "access");
	const char *access = "rwm"; /* absent means all, as for its siblings */
	int r = json_get_string(o, at, "access", &access, e);

	if (r < 0)
		return r;
	if (!*access)
		return json_bad(e, &here, "must be one or more of r, w, m");
	*ret = 0;
	for (; *access; access++) {
		if (*access == 'r')
			*ret |= CGROUP_DEVICE_READ;
		else if (*access == 'w')
			*ret |= CGROUP_DEVICE_WRITE;
		else if (*access == 'm')
			*ret |= CGROUP_DEVICE_MKNOD;
		else
			return json_bad(e, &here, "must be one or more of r, w, m");
	}
	return 0;
}

static int parse_rule(const json_t *o, const struct json_at *at, struct cgroup_device_rule *ret,
		      struct err *e)
{
	struct json_at type_at = json_at_key(at, "type");
	struct cgroup_device_rule rule = { .major = -1, .minor = -1 };
	const char *type = "a";
	int r;

	if (!json_is_object(o))
		return json_bad(e, at, "must be an object");
	r = json_require(json_get_bool(o, at, "allow", &rule.allow, e), at, "allow", e);
	if (r < 0)
		return r;
	if ((r = json_get_string(o, at, "type", &type, e)) < 0 ||
	    (r = json_get_int(o, at, "major", -1, INT32_MAX, &rule.major, e)) < 0 ||
	    (r = json_get_int(o, at, "minor", -1, INT32_MAX, &rule.minor, e)) < 0 ||
	    (r = parse_access(o, at, &rule.access, e)) < 0)
		return r;
	if (strlen(type) != 1 || !strchr("abc", type[0]))
		return json_bad(e, &type_at, "must be \"a\", \"b\" or \"c\"");
	rule.type = type[0];
	*ret = rule;
	return 0;
}

int cgroup_parse_devices(struct cgroup_parser *p, const json_t *resources, const struct json_at *up,
			 struct err *e)
{
	struct json_at list_at = json_at_key(up, "devices"), at;
	struct cgroup_device_rule *rules;
	json_t *list = NULL;
	size_t count;
	int r;

	r = json_get_array(resources, up, "devices", &list, e);
	count = json_array_size(list);
	if (r < 0 || !count)
		return r < 0 ? r : 0;
	if (count > CGROUP_DEVICES_MAX)
		return json_bad(e, &list_at, "has more than %d rules", CGROUP_DEVICES_MAX);
	rules = arena_array(p->arena, count + cgroup_devices_default_count, sizeof(*rules));
	if (!rules)
		return err_set(e, ENOMEM, "device rules");
	for (size_t i = 0; i < count; i++) {
		at = json_at_index(&list_at, i);
		r = parse_rule(json_array_get(list, i), &at, &rules[i], e);
		if (r < 0)
			return r;
	}
	memcpy(rules + count, cgroup_devices_default, sizeof(cgroup_devices_default));
	p->spec->devices = rules;
	p->spec->device_count = count + cgroup_devices_default_count;
	p->spec->devices_why = arena_strdup(p->arena, list_at.text);
	return 0;
}

/* ---- assembling ---- */

/* r1 is the context, from then on: */
enum {
	R_RESULT = BPF_REG_0,
	R_CONTEXT = BPF_REG_1,
	R_ACCESS = BPF_REG_2, /* bits that no rule has decided yet */
	R_TYPE = BPF_REG_3,
	R_MAJOR = BPF_REG_4,
	R_MINOR = BPF_REG_5,
	R_DEVICE = BPF_REG_6, /* both in one */
};

struct assembler {
	struct bpf_code code;
	size_t *allowed; /* jumps to the one place that allows */
	size_t allowed_count;
};

static void emit_load(struct assembler *s, unsigned dst, size_t offset)
{
	bpf_emit(&s->code, BPF_LDX | BPF_MEM | BPF_W, dst, R_CONTEXT, (int)offset, 0);
}

static void emit_return(struct assembler *s, bool allow)
{
	bpf_emit(&s->code, BPF_ALU64 | BPF_MOV | BPF_K, R_RESULT, 0, 0, allow);
	bpf_emit(&s->code, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

static bool matches_any_device(const struct cgroup_device_rule *rule)
{
	return rule->major < 0 && rule->minor < 0;
}

/* A jump taken when the device is (BPF_JEQ) or is not (BPF_JNE) the rule's. */
static void emit_compare(struct assembler *s, unsigned how, const struct cgroup_device_rule *rule)
{
	if (rule->minor < 0)
		bpf_emit(&s->code, BPF_JMP32 | how | BPF_K, R_MAJOR, 0, 0, (int)rule->major);
	else if (rule->major < 0)
		bpf_emit(&s->code, BPF_JMP32 | how | BPF_K, R_MINOR, 0, 0, (int)rule->minor);
	else
		bpf_emit(&s->code, BPF_JMP32 | how | BPF_K, R_DEVICE, 0, 0,
		     (int)((uint32_t)rule->major << MINOR_BITS | (uint32_t)rule->minor));
}

static void emit_rule(struct assembler *s, const struct cgroup_device_rule *rule)
{
	size_t next = s->code.count;
	bool any = matches_any_device(rule);

	if (rule->allow && rule->access == CGROUP_DEVICE_RWM) { /* nothing is left to ask */
		s->allowed[s->allowed_count++] = s->code.count;
		emit_compare(s, BPF_JEQ, rule);
		return;
	}
	if (!any)
		emit_compare(s, BPF_JNE, rule);
	if (rule->allow) { /* these bits are granted; when none is left, that is the answer */
		bpf_emit(&s->code, BPF_ALU | BPF_AND | BPF_K, R_ACCESS, 0, 0,
		     CGROUP_DEVICE_RWM & ~(int)rule->access);
		bpf_emit(&s->code, BPF_JMP32 | BPF_JNE | BPF_K, R_ACCESS, 0, 2, 0);
		emit_return(s, true);
	} else { /* one undecided bit in here, and all is refused */
		bpf_emit(&s->code, BPF_JMP32 | BPF_JSET | BPF_K, R_ACCESS, 0, 1, (int)rule->access);
		bpf_emit(&s->code, BPF_JMP | BPF_JA, 0, 0, 2, 0);
		emit_return(s, false);
	}
	if (!any)
		bpf_jump_here(&s->code, next);
}

/* No device has such numbers. */
static bool matches_none(const struct cgroup_device_rule *rule)
{
	return rule->major >= 1 << (32 - MINOR_BITS) || rule->minor >= 1 << MINOR_BITS;
}

/* The rules that concern one type, from the last to the first. */
static void emit_half(struct assembler *s, const struct cgroup_device_rule *rules, size_t count,
		      char type)
{
	while (count--) {
		const struct cgroup_device_rule *rule = &rules[count];

		if ((rule->type != 'a' && rule->type != type) || matches_none(rule))
			continue;
		/* nothing before such a rule can matter, and the kernel's verifier refuses
		 * instructions that can't be reached */
		if (matches_any_device(rule) && rule->access == CGROUP_DEVICE_RWM) {
			emit_return(s, rule->allow);
			return;
		}
		emit_rule(s, rule);
	}
	emit_return(s, false);
}

/*
 * "Entries are applied in the listed order": for each access bit the last rule that covers the
 * device decides. So the program asks from the last rule to the first, crosses off the bits a
 * rule grants and refuses at the first that denies one; what no rule decided is refused. The
 * verifier walks every branch at every start: there are as few as can be.
 */
struct bpf_insn *bpf_devices_assemble(const struct cgroup_device_rule *rules, size_t count,
				      struct arena *a, size_t *ret_count)
{
	struct assembler s = { .code.at = arena_array(a, INSNS_AROUND + count * INSNS_PER_RULE,
						 sizeof(struct bpf_insn)),
			       .allowed = arena_array(a, 2 * count, sizeof(size_t)) };
	size_t to_blocks;

	*ret_count = 0;
	if (!s.code.at || !s.allowed)
		return NULL;
	emit_load(&s, R_ACCESS, offsetof(struct bpf_cgroup_dev_ctx, access_type));
	bpf_emit(&s.code, BPF_ALU | BPF_MOV | BPF_X, R_TYPE, R_ACCESS, 0, 0);
	bpf_emit(&s.code, BPF_ALU | BPF_AND | BPF_K, R_TYPE, 0, 0, 0xffff);
	bpf_emit(&s.code, BPF_ALU | BPF_RSH | BPF_K, R_ACCESS, 0, 0, 16);
	emit_load(&s, R_MAJOR, offsetof(struct bpf_cgroup_dev_ctx, major));
	emit_load(&s, R_MINOR, offsetof(struct bpf_cgroup_dev_ctx, minor));
	bpf_emit(&s.code, BPF_ALU | BPF_MOV | BPF_X, R_DEVICE, R_MAJOR, 0, 0);
	bpf_emit(&s.code, BPF_ALU | BPF_LSH | BPF_K, R_DEVICE, 0, 0, MINOR_BITS);
	bpf_emit(&s.code, BPF_ALU | BPF_OR | BPF_X, R_DEVICE, R_MINOR, 0, 0);
	to_blocks = s.code.count;
	bpf_emit(&s.code, BPF_JMP32 | BPF_JNE | BPF_K, R_TYPE, 0, 0, BPF_DEVCG_DEV_CHAR);
	emit_half(&s, rules, count, 'c');
	bpf_jump_here(&s.code, to_blocks);
	emit_half(&s, rules, count, 'b');
	for (size_t i = 0; i < s.allowed_count; i++)
		bpf_jump_here(&s.code, s.allowed[i]);
	if (s.allowed_count)
		emit_return(&s, true);
	*ret_count = s.code.count;
	return s.code.at;
}

const struct bpf_kind bpf_devices_kind = {
	.type = BPF_PROG_TYPE_CGROUP_DEVICE,
	.attach = BPF_CGROUP_DEVICE,
	.type_name = "BPF_PROG_TYPE_CGROUP_DEVICE",
	.attach_name = "BPF_CGROUP_DEVICE",
	.name = "kist_devices",
	.what = "the device filter",
	.fix = "needs CAP_SYS_ADMIN on the host; or leave out linux.resources.devices",
};
