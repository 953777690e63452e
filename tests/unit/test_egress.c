/*
 * Egress lists: what the text means, what is refused, and that the kernel takes the programs
 * and obeys them, also where a list is tried to be gone around.
 */
#include "tests/unit/cgroup_live.h"
#include <arpa/inet.h>
#include <linux/bpf.h>
#include <linux/io_uring.h>
#include <linux/ipv6.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include "cgroup/cgroup_ops.h"
#include "cgroup/egress.h"

static struct arena arena = ARENA_INIT;

static void parses(void **state)
{
	struct egress list;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(egress_parse("10.0.0.0/8:5432,192.0.2.7:80-90/tcp,[2001:db8::/32]:53/udp,"
				      "[fd00::1],0.0.0.0/0/udp",
				      &arena, &list, &e),
			 0);
	assert_true(list.asked && list.count == 5);
	assert_int_equal(list.rules[0].address[0], 0x0a000000);
	assert_int_equal(list.rules[0].prefix, 8);
	assert_int_equal(list.rules[0].first, 5432);
	assert_int_equal(list.rules[0].last, 5432);
	assert_int_equal(list.rules[0].protocol, 0);
	assert_int_equal(list.rules[1].prefix, 32);
	assert_int_equal(list.rules[1].first, 80);
	assert_int_equal(list.rules[1].last, 90);
	assert_int_equal(list.rules[1].protocol, IPPROTO_TCP);
	assert_int_equal(list.rules[2].family, AF_INET6);
	assert_int_equal(list.rules[2].address[0], 0x20010db8);
	assert_int_equal(list.rules[2].prefix, 32);
	assert_int_equal(list.rules[2].protocol, IPPROTO_UDP);
	assert_int_equal(list.rules[3].prefix, 128);
	assert_int_equal(list.rules[3].address[3], 1);
	assert_int_equal(list.rules[3].first, 0);
	assert_int_equal(list.rules[3].last, 65535);
	assert_int_equal(list.rules[4].prefix, 0);
	assert_int_equal(list.rules[4].protocol, IPPROTO_UDP);
	assert_int_equal(egress_parse("none", &arena, &list, &e), 0);
	assert_true(list.asked && list.count == 0);
}

static void refuses(void **state)
{
	static const char *const wrong[] = {
		"",
		",",
		"10.0.0.0/8,",
		"10.0.0.0/8:",
		"10.0.0.0/8:0",
		"10.0.0.0/8:65536",
		"10.0.0.0/8:90-80",
		"10.0.0.0/8:80-",
		"10.0.0.0/8:-80",
		"10.0.0.0/8:+80",
		"10.0.0.0/33",
		"10.0.0.0/",
		"10.0.0.1/8",
		"10.0.0.0/8/icmp",
		"10.0.0.0/8:http",
		"example.org:443",
		"fd00::/8",
		"fd00::1:80",
		"[fd00::/8",
		"[fd00::/8]80",
		"[fd00::/129]",
		"[fd00::1/8]",
		"[10.0.0.0/8]:80",
		"[::ffff:10.0.0.1]:80",
		"[]",
		"10.0.0.0/8 :80",
		" 10.0.0.0/8",
		"010.0.0.0/8",
		"10.0.0/8",
		"none,10.0.0.0/8",
		"10.0.0.0/8:99999999999999999999",
		"[2001:0db8:0000:0000:0000:0000:0000:0001/128]:10000-20000/"
		"tcp00000000000000000000000",
	};
	struct egress list = { .count = 77 };
	char many[8 * (EGRESS_RULES_MAX + 2)] = "";

	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		struct err e = ERR_INIT;

		if (egress_parse(wrong[i], &arena, &list, &e) != -EINVAL)
			fail_msg("\"%s\" was taken", wrong[i]);
		assert_true(e.fix[0]);
		assert_int_equal(list.count, 77);
	}
	for (int i = 0; i <= EGRESS_RULES_MAX; i++)
		strcat(many, i ? ",1.2.3.4" : "1.2.3.4");
	assert_int_equal(egress_parse(many, &arena, &list, NULL), -EINVAL);
}

/* ---- in the kernel ---- */

static char wrong[200];

/* One attempt: what connect(2) (or sendto(2), for a datagram) says. */
static int try(int family, int type, const char *address, uint16_t port, bool connected)
{
	struct sockaddr_in a4 = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_in6 a6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	const void *at = family == AF_INET ? (const void *)&a4 : (const void *)&a6;
	socklen_t size = family == AF_INET ? sizeof a4 : sizeof a6;
	_cleanup_fd_ int fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	long r;

	inet_pton(family, address,
		  family == AF_INET ? (void *)&a4.sin_addr : (void *)&a6.sin6_addr);
	if (fd < 0)
		return -errno;
	r = connected ? connect(fd, at, size) : sendto(fd, "x", 1, 0, at, size);
	return r < 0 ? -errno : 0;
}

static void expect(bool allowed, int family, const char *address, uint16_t port, int type)
{
	for (int connected = 0; connected < 2; connected++) {
		int r;

		if (type == SOCK_STREAM && !connected)
			continue;
		r = try(family, type, address, port, connected);
		/* Where it may go it finds no way (no interface but lo), nobody, or is on its way.
		 */
		if ((r == -EPERM) == allowed && !wrong[0])
			snprintf(wrong, sizeof wrong, "%s:%u type %d %s: %s", address, port, type,
				 connected ? "connected" : "sent", strerror(-r));
	}
}

/* A datagram to where it may go that takes another way: the option says to whom first. */
static int source_route(void)
{
	static const unsigned char to_other[8] = { 131, 7, 4, 127, 0, 0, 9, 0 };
	struct sockaddr_in good = { .sin_family = AF_INET,
				    .sin_port = htons(5432),
				    .sin_addr.s_addr = htonl(0x7f000007) };
	_cleanup_fd_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (setsockopt(fd, IPPROTO_IP, IP_OPTIONS, to_other, sizeof to_other) < 0)
		return -errno;
	return sendto(fd, "x", 1, 0, (struct sockaddr *)&good, sizeof good) < 0 ? -errno : 0;
}

static void note(const char *what, long r)
{
	if (r != -EPERM && !wrong[0])
		snprintf(wrong, sizeof wrong, "%s: %s", what, r < 0 ? strerror((int)-r) : "it went");
}

/* Where it must not go: 127.0.0.8. */
static const struct sockaddr_in bad4 = { .sin_family = AF_INET,
					 .sin_port = 0x3815, /* 5432 */
					 .sin_addr.s_addr = 0x0800007f };
static const struct sockaddr_in good4 = { .sin_family = AF_INET,
					  .sin_port = 0x3815,
					  .sin_addr.s_addr = 0x0700007f };

static long connect_to(int fd, const struct sockaddr_in *a)
{
	return connect(fd, (const struct sockaddr *)a, sizeof *a) < 0 ? -errno : 0;
}

static long send_to(int fd, const struct sockaddr_in *a, int flags)
{
	return sendto(fd, "x", 1, flags, (const struct sockaddr *)a, sizeof *a) < 0 ? -errno : 0;
}

/* A socket that went where it may is asked again for where it may not. */
static void connected_elsewhere(void)
{
	const struct sockaddr none = { .sa_family = AF_UNSPEC };
	_cleanup_fd_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct mmsghdr two[2] = { 0 };
	struct iovec iov = { (void *)"x", 1 };

	if (connect_to(fd, &good4) < 0)
		note("the good one", 0);
	note("connected again", connect_to(fd, &bad4));
	note("connected, sent elsewhere", send_to(fd, &bad4, 0));
	connect(fd, &none, sizeof none);
	note("let go, and sent", send_to(fd, &bad4, 0));
	note("let go, and connected", connect_to(fd, &bad4));
	for (int i = 0; i < 2; i++)
		two[i].msg_hdr = (struct msghdr){ .msg_iov = &iov,
						  .msg_iovlen = 1,
						  .msg_name = (void *)(i ? &bad4 : &good4),
						  .msg_namelen = sizeof bad4 };
	note("two at once", sendmmsg(fd, two, 2, 0) == 2 ? 0 : -EPERM);
}

/* An IPv6 socket takes an IPv4 address; a TCP one connects by sending. */
static void other_ways(void)
{
	_cleanup_fd_ int six = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	_cleanup_fd_ int fast = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	_cleanup_fd_ int fast6 = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in6 mapped = { .sin6_family = AF_INET6, .sin6_port = bad4.sin_port };

	inet_pton(AF_INET6, "::ffff:127.0.0.8", &mapped.sin6_addr);
	note("IPv4 from an IPv6 socket, sent", send_to(six, &bad4, 0));
	note("IPv4 from an IPv6 socket, connected", connect_to(six, &bad4));
	note("TCP fast open", send_to(fast, &bad4, MSG_FASTOPEN));
	note("TCP fast open, mapped",
	     sendto(fast6, "x", 1, MSG_FASTOPEN, (struct sockaddr *)&mapped, sizeof mapped) < 0
		     ? -errno
		     : 0);
}

static void other_sockets(void)
{
	static const struct {
		int type, protocol;
	} list[] = {
		{ SOCK_RAW, IPPROTO_ICMP }, { SOCK_RAW, IPPROTO_RAW },	   { SOCK_RAW, IPPROTO_UDP },
		{ SOCK_DGRAM, IPPROTO_ICMP }, { SOCK_DGRAM, IPPROTO_UDPLITE },
		{ SOCK_STREAM, IPPROTO_MPTCP }, { SOCK_STREAM, IPPROTO_SCTP },
		{ SOCK_STREAM, IPPROTO_DCCP },
	};

	char name[64];

	for (size_t i = 0; i < sizeof list / sizeof *list; i++)
		for (int six = 0; six < 2; six++) {
			_cleanup_fd_ int fd = socket(six ? AF_INET6 : AF_INET,
						     list[i].type | SOCK_CLOEXEC, list[i].protocol);

			snprintf(name, sizeof name, "a socket of protocol %d, type %d",
				 list[i].protocol, list[i].type);
			if (fd >= 0)
				note(name, 0);
		}
}

/* Through a ring no system call names the address. -ENOSYS: this kernel has none, or gives none. */
static long by_ring(int op, int fd, const struct sockaddr_in *to)
{
	struct io_uring_params p = { 0 };
	_cleanup_fd_ int ring = (int)syscall(SYS_io_uring_setup, 4, &p);
	struct iovec iov = { (void *)"x", 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_name = (void *)to,
			    .msg_namelen = sizeof *to };
	struct io_uring_sqe *sqe;
	unsigned char *sq, *cq;
	size_t size = 16384;

	if (ring < 0)
		return -ENOSYS;
	sq = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQ_RING);
	cq = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_CQ_RING);
	sqe = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQES);
	if (sq == MAP_FAILED || cq == MAP_FAILED || sqe == MAP_FAILED)
		return -ENOSYS;
	*sqe = (struct io_uring_sqe){ .opcode = (uint8_t)op, .fd = fd };
	sqe->addr = op == IORING_OP_CONNECT ? (uintptr_t)to : (uintptr_t)&m;
	sqe->off = op == IORING_OP_CONNECT ? sizeof *to : 0;
	sqe->len = op == IORING_OP_CONNECT ? 0 : 1;
	((unsigned *)(void *)(sq + p.sq_off.array))[0] = 0;
	__atomic_store_n((unsigned *)(void *)(sq + p.sq_off.tail), 1, __ATOMIC_RELEASE);
	if (syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) < 0)
		return -errno;
	return ((struct io_uring_cqe *)(void *)(cq + p.cq_off.cqes))->res;
}

static void by_rings(void)
{
	_cleanup_fd_ int udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	_cleanup_fd_ int tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	long r = by_ring(IORING_OP_SENDMSG, udp, &good4);

	if (r == -ENOSYS)
		return;
	if (r < 0 && r != -ECONNREFUSED)
		note("the good one by a ring", r == -EPERM ? 0 : r);
	note("sent by a ring", by_ring(IORING_OP_SENDMSG, udp, &bad4));
	note("connected by a ring", by_ring(IORING_OP_CONNECT, tcp, &bad4));
}

/* A segment routing header has the datagram visit somebody else first. fd00::9 is made ours, so that
 * there is a way. */
static void route_header(void)
{
	unsigned char header[8 + 32] = { 0, 4, 4, 1, 1 };
	struct sockaddr_in6 good = { .sin6_family = AF_INET6, .sin6_port = htons(53) }, any = good;
	struct in6_ifreq own = { .ifr6_prefixlen = 128, .ifr6_ifindex = 1 };
	_cleanup_fd_ int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	_cleanup_fd_ int in = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct pollfd heard = { .fd = in, .events = POLLIN };

	inet_pton(AF_INET6, "fd00::9", &good.sin6_addr);
	own.ifr6_addr = good.sin6_addr;
	memcpy(header + 8, &good.sin6_addr, 16);
	memcpy(header + 24, &good.sin6_addr, 16);
	if (ioctl(fd, SIOCSIFADDR, &own) < 0)
		note("an address", -errno);
	/* Without the header it gets there, once the kernel has the address in use. */
	bind(in, (struct sockaddr *)&any, sizeof any);
	for (int i = 0; i < 100 && poll(&heard, 1, i ? 100 : 0) == 0; i++)
		if (sendto(fd, "x", 1, 0, (struct sockaddr *)&good, sizeof good) < 0)
			note("the good one over IPv6", errno == EPERM ? 0 : -errno);
	if (!heard.revents)
		note("the good one over IPv6", -ETIMEDOUT);
	if (setsockopt(fd, IPPROTO_IPV6, IPV6_RTHDR, header, sizeof header) < 0)
		note("setting a routing header", -errno);
	note("a routing header",
	     sendto(fd, "x", 1, 0, (struct sockaddr *)&good, sizeof good) < 0 ? -errno : 0);
}

static int report_fd;

static int own_network(void)
{
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	_cleanup_fd_ int fd = -EBADF;

	if (unshare(CLONE_NEWNET) < 0)
		return -1;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return fd < 0 ? -1 : ioctl(fd, SIOCSIFFLAGS, &lo);
}

/* In the cgroup and a network namespace of its own. The list is asked before the routes are. */
static int inside(void)
{
	int r;

	if (own_network() < 0)
		return 2;
	expect(true, AF_INET, "127.0.0.7", 5432, SOCK_DGRAM);
	expect(false, AF_INET, "127.0.0.7", 5431, SOCK_DGRAM);
	expect(false, AF_INET, "127.0.0.7", 5433, SOCK_STREAM);
	expect(false, AF_INET, "127.0.0.8", 5432, SOCK_DGRAM);
	expect(true, AF_INET, "10.9.9.9", 80, SOCK_STREAM);
	expect(true, AF_INET, "10.9.9.9", 90, SOCK_STREAM);
	expect(false, AF_INET, "10.9.9.9", 79, SOCK_STREAM);
	expect(false, AF_INET, "10.9.9.9", 91, SOCK_STREAM);
	expect(false, AF_INET, "10.9.9.9", 80, SOCK_DGRAM);
	expect(false, AF_INET, "11.9.9.9", 80, SOCK_STREAM);
	expect(true, AF_INET6, "fd00::9", 53, SOCK_DGRAM);
	expect(false, AF_INET6, "fd00::9", 53, SOCK_STREAM);
	expect(false, AF_INET6, "fc00::9", 53, SOCK_DGRAM);
	expect(true, AF_INET6, "::ffff:10.9.9.9", 80, SOCK_STREAM);
	expect(false, AF_INET6, "::ffff:11.9.9.9", 80, SOCK_STREAM);
	expect(false, AF_INET6, "::ffff:10.9.9.9", 79, SOCK_STREAM);
	expect(true, AF_INET6, "::ffff:127.0.0.7", 5432, SOCK_DGRAM);
	expect(false, AF_INET6, "::ffff:127.0.0.8", 5432, SOCK_DGRAM);
	expect(false, AF_INET6, "::1", 5432, SOCK_STREAM);
	expect(false, AF_INET6, "::", 5432, SOCK_STREAM);
	expect(false, AF_INET, "0.0.0.0", 5432, SOCK_STREAM);
	r = source_route();
	if (r != -EPERM && !wrong[0])
		snprintf(wrong, sizeof wrong, "a source route: %s", strerror(-r));
	connected_elsewhere();
	other_ways();
	other_sockets();
	by_rings();
	route_header();
	if (write(report_fd, wrong, strlen(wrong)) < 0)
		return 3;
	return wrong[0] ? 1 : 0;
}

/* Loopback is the container's own. */
static int inside_loopback(void)
{
	if (own_network() < 0)
		return 2;
	expect(true, AF_INET, "127.1.2.3", 1, SOCK_DGRAM);
	expect(true, AF_INET, "0.0.0.0", 1, SOCK_STREAM);
	expect(true, AF_INET6, "::1", 1, SOCK_DGRAM);
	expect(true, AF_INET6, "::", 1, SOCK_STREAM);
	expect(true, AF_INET6, "::ffff:127.0.0.1", 1, SOCK_STREAM);
	expect(false, AF_INET6, "::2", 1, SOCK_STREAM);
	expect(false, AF_INET, "10.0.0.1", 1, SOCK_STREAM);
	expect(false, AF_INET, "128.0.0.1", 1, SOCK_DGRAM);
	if (write(report_fd, wrong, strlen(wrong)) < 0)
		return 3;
	return wrong[0] ? 1 : 0;
}

static void obey(const char *text, bool loopback, int (*run)(void))
{
	struct cgroup_spec s = { .path = live_path("egress") };
	struct err e = ERR_INIT;
	struct plan p;
	struct run r;
	int slot, ends[2], status;
	char said[200] = "";

	assert_int_equal(egress_parse(text, &arena, &s.egress, &e), 0);
	s.egress.loopback = loopback;
	s.egress.why = "/annotations/io.kist.egress";
	plan_init(&p, &arena);
	slot = plan_new_slot(&p, "cgroup");
	cgroup_plan_make(&p, &s, &live_host, "egress", slot);
	assert_int_equal(plan_check(&p, &e), 0);
	run_init(&r, &p);
	if (run_walk(&r, &e) < 0) {
		err_format(&e, said, sizeof said);
		fail_msg("%s", said);
	}
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	report_fd = ends[1];
	status = live_wait(live_child(run_slot(&r, slot), run));
	close(ends[1]);
	assert_true(read(ends[0], said, sizeof said - 1) >= 0);
	close(ends[0]);
	plan_take_back(&p, p.count, &(struct undo_at){ .id = "egress" }, &e);
	run_close(&r);
	if (status != 0)
		fail_msg("status %d: %s", status, said);
}

static void the_kernel_obeys(void **state)
{
	(void)state;
	live_or_skip(0);
	obey("127.0.0.7:5432,10.0.0.0/8:80-90/tcp,[fd00::/8]:53/udp", false, inside);
	obey("none", true, inside_loopback);
}

/* Every form that is assembled is one the verifier takes. */
static void the_verifier_takes_any(void **state)
{
	static const char *const lists[] = {
		"none",
		"0.0.0.0/0",
		"[::/0]",
		"0.0.0.0/0,[::/0]",
		"0.0.0.0/0,1.2.3.4",
		"[::/0],1.2.3.4",
		"0.0.0.0/0:1-65535",
		"[::/0]/udp",
		"[fd00::/33]:7-8/tcp",
		"[fd00::/64],[fd00::/127]",
	};
	char many[40 * EGRESS_RULES_MAX] = "";

	(void)state;
	live_or_skip(0);
	for (int i = 0; i < EGRESS_RULES_MAX; i++)
		snprintf(many + strlen(many), sizeof many - strlen(many),
			 "%s[fd00:%d::/63]:%d-9000/tcp", i ? "," : "", i, i + 1);
	for (size_t i = 0; i <= sizeof lists / sizeof *lists; i++)
		for (int loopback = 0; loopback < 2; loopback++)
			for (int program = 0; program < BPF_EGRESS_PROGRAMS; program++) {
				const char *text =
					i < sizeof lists / sizeof *lists ? lists[i] : many;
				struct op_bpf_load_args args = { .kind = &bpf_egress_kinds[program],
								 .slot = SLOT_FIRST_FREE };
				struct egress list;
				struct err e = ERR_INIT;
				struct plan p;
				struct run r;
				size_t count;

				assert_int_equal(egress_parse(text, &arena, &list, &e), 0);
				list.loopback = loopback;
				args.program = bpf_egress_assemble(&list, program, &arena, &count);
				args.count = (unsigned)count;
				plan_init(&p, &arena);
				args.slot = plan_new_slot(&p, "program");
				run_init(&r, &p);
				if (op_bpf_load.act(&r, &args, &e) < 0)
					fail_msg("%s, program %d: %s", text, program,
						 strerror(e.error));
				run_close(&r);
			}
}

static unsigned loaded_id(struct run *r, const struct op_bpf_load_args *a)
{
	struct bpf_prog_info info = { 0 };
	union bpf_attr attr;
	struct err e = ERR_INIT;

	if (op_bpf_load.act(r, a, &e) < 0)
		fail_msg("%s", strerror(e.error));
	memset(&attr, 0, sizeof attr);
	attr.info.bpf_fd = (unsigned)run_slot(r, a->slot);
	attr.info.info_len = sizeof info;
	attr.info.info = (uintptr_t)&info;
	assert_int_equal(syscall(SYS_bpf, BPF_OBJ_GET_INFO_BY_FD, &attr, sizeof attr), 0);
	return info.id;
}

static struct op_bpf_load_args program_of(const char *text, struct plan *p)
{
	struct op_bpf_load_args a = { .kind = &bpf_egress_kinds[0] };
	struct egress list;
	struct err e = ERR_INIT;
	size_t count;

	assert_int_equal(egress_parse(text, &arena, &list, &e), 0);
	a.program = bpf_egress_assemble(&list, 0, &arena, &count);
	a.count = (unsigned)count;
	a.slot = plan_new_slot(p, "program");
	return a;
}

/* By who has many containers under way; never another's, and never by who has one. */
static void the_same_is_loaded_once(void **state)
{
	struct op_bpf_load_args one, again, other;
	unsigned first;
	struct plan p;
	struct run r;

	(void)state;
	live_or_skip(0);
	plan_init(&p, &arena);
	one = program_of("1.2.3.4:80", &p);
	again = program_of("1.2.3.4:80", &p);
	other = program_of("1.2.3.4:81", &p);
	run_init(&r, &p);
	assert_int_not_equal(loaded_id(&r, &one), loaded_id(&r, &again));
	r.patient = true;
	first = loaded_id(&r, &one);
	assert_int_equal(loaded_id(&r, &again), first);
	assert_int_not_equal(run_slot(&r, one.slot), run_slot(&r, again.slot));
	assert_int_not_equal(loaded_id(&r, &other), first);
	run_close(&r);
	assert_int_equal(loaded_id(&r, &one), first);
	run_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parses),
		cmocka_unit_test(refuses),
		cmocka_unit_test(the_kernel_obeys),
		cmocka_unit_test(the_verifier_takes_any),
		cmocka_unit_test(the_same_is_loaded_once),
	};
	int r = cmocka_run_group_tests(tests, NULL, NULL);

	arena_free(&arena);
	return r;
}
