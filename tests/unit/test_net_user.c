/* A user network: what its program is told, and who is ended. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net/user.h"

/* The one step, as it is shown and as a shell line. */
static void plan_texts(const struct net_spec *s, char *shown, char *hand, size_t size)
{
	struct arena a = ARENA_INIT;
	struct plan p;
	struct buf out = { .text = shown, .size = size };
	struct err e = ERR_INIT;

	plan_init(&p, &a);
	net_plan_user(&p, s);
	assert_int_equal(plan_check(&p, &e), 0);
	assert_int_equal(p.count, 1);
	assert_ptr_equal(p.steps[0].undo, &net_undo_user);
	buf_reset(&out);
	p.steps[0].op->show(&out, &p, p.steps[0].args);
	out = (struct buf){ .text = hand, .size = size };
	buf_reset(&out);
	p.steps[0].op->by_hand(&out, &p, p.steps[0].args);
	arena_free(&a);
}

static void test_closed(void **state)
{
	const struct published_port ports[] = {
		{ .protocol = IPPROTO_TCP,
		  .family = AF_INET,
		  .address = 0x7f000001,
		  .host = 8080,
		  .port = 80,
		  .count = 2 },
		{ .protocol = IPPROTO_TCP,
		  .family = AF_INET6,
		  .address6 = IN6ADDR_LOOPBACK_INIT,
		  .host = 8443,
		  .port = 443,
		  .count = 1 },
	};
	struct net_spec s = { .mode = NET_USER,
			      .user_program = "/usr/bin/pasta",
			      .user_is_pasta = true };
	char shown[2048], hand[2048];

	(void)state;
	plan_texts(&s, shown, hand, sizeof shown);
	assert_string_equal(
		hand,
		"/usr/bin/pasta --foreground --quiet --config-net --ns-ifname eth0 --address "
		"10.0.2.100 --netmask 24 --gateway 10.0.2.2 --dns-forward 10.0.2.3 --no-map-gw "
		"--tcp-ns none --udp-ns none --tcp-ports none --udp-ports none --userns "
		"/proc/$PID/ns/user --netns /proc/$PID/ns/net &");
	assert_non_null(strstr(shown, "\"--pid\", \"/proc/self/fd/1\""));
	s.ports = ports;
	s.port_count = 2;
	plan_texts(&s, shown, hand, sizeof shown);
	assert_non_null(strstr(hand,
			       "--tcp-ports 127.0.0.1/8080-8081:80-81 --tcp-ports ::1/8443:443 "
			       "--udp-ports none "));
	s = (struct net_spec){ .mode = NET_USER, .user_program = "/usr/bin/slirp4netns" };
	plan_texts(&s, shown, hand, sizeof shown);
	assert_string_equal(hand,
			    "/usr/bin/slirp4netns --configure --mtu=65520 --disable-host-loopback "
			    "--enable-sandbox --enable-seccomp $PID eth0 &");
}

static void write_record(int dir, const char *text)
{
	int fd = openat(dir, NET_USER_RECORD, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static int undo(int root)
{
	const struct undo_at at = { .id = "web", .state_root = root };
	struct err e = ERR_INIT;

	return net_undo_user.act(&at, (const char *const[PLAN_UNDO_ARGS]){ NULL }, &e);
}

static void test_undo(void **state)
{
	char path[] = "/tmp/test-net-user.XXXXXX", text[64];
	int root, dir;
	pid_t pid;

	(void)state;
	assert_non_null(mkdtemp(path));
	root = open(path, O_RDONLY | O_DIRECTORY);
	assert_int_equal(undo(root), 0); /* no folder */
	assert_int_equal(mkdirat(root, "web", 0700), 0);
	dir = openat(root, "web", O_RDONLY | O_DIRECTORY);
	assert_int_equal(undo(root), 0); /* no record */
	pid = fork();
	if (pid == 0) {
		pause();
		_exit(0);
	}
	/* Cut off, of nobody, of everybody, of a process that has the number now. */
	for (int i = 0; i < 4; i++) {
		snprintf(text, sizeof text,
			 i == 0	  ? "%d"
			 : i == 1 ? "0 1\n"
			 : i == 2 ? "-1 1\n"
				  : "%d 1\n",
			 (int)pid);
		write_record(dir, text);
		assert_int_equal(undo(root), 0);
		assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
	}
	snprintf(text, sizeof text, "%d %llu\n", (int)pid,
		 (unsigned long long)endpoint_start_time(pid));
	assert_int_equal(renameat(dir, NET_USER_RECORD, dir, "other"), 0);
	write_record(dir, text);
	assert_int_equal(renameat(dir, NET_USER_RECORD, dir, "other"), 0);
	assert_int_equal(symlinkat("other", dir, NET_USER_RECORD), 0);
	assert_int_equal(undo(root), -ELOOP);
	assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
	assert_int_equal(renameat(dir, "other", dir, NET_USER_RECORD), 0);
	assert_int_equal(undo(root), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(undo(root), 0); /* ended already */
	unlinkat(dir, NET_USER_RECORD, 0);
	unlinkat(root, "web", AT_REMOVEDIR);
	close(dir);
	close(root);
	rmdir(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_closed),
		cmocka_unit_test(test_undo),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
