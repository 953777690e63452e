/*
 * main-kist-dns.c - the program `kist-dns`: names for the containers of one network.
 *
 * Started by kist, with a listening socket for its standard input and the
 * leases folder as fd 3, and by nobody else. It goes on in a child, and ends
 * itself as soon as that one serves.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "net/dns_cgroup.h"
#include "net/dns_sandbox.h"
#include "net/dns_server.h"

#define DIR_FD 3

static struct dns_server server;

static int fail(const struct err *e)
{
	char line[1024];

	err_format(e, line, sizeof line);
	fprintf(stderr, "%s\n", line);
	return 125;
}

static int prepare(const char *network, struct err *e)
{
	struct rlimit files;
	int r;

	setsid();
	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	dns_cgroup_enter();
	if (fchdir(DIR_FD) < 0)
		return err_set(e, errno, "fchdir to the leases folder");
	server.owner_uid = geteuid();
	r = dns_server_open(&server, STDIN_FILENO, DIR_FD, network, e);
	return r < 0 ? r : dns_sandbox_enter(DIR_FD, e);
}

static int serve(const char *network, int ready, struct err *e)
{
	_cleanup_fd_ int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int r = null < 0 ? err_set(e, errno, "/dev/null") : prepare(network, e);

	if (r < 0)
		return fail(e);
	/* From here on nobody listens: what the caller had for output is let go. */
	if (dup3(null, STDOUT_FILENO, O_CLOEXEC) < 0 || dup3(null, STDERR_FILENO, O_CLOEXEC) < 0 ||
	    write(ready, "", 1) != 1)
		return 125;
	fd_close(&null);
	fd_close(&ready);
	r = dns_server_run(&server);
	dns_server_close(&server);
	return r < 0 ? 125 : 0;
}

static bool is_started_by_kist(int argc)
{
	struct stat st;
	int listens = 0;
	socklen_t size = sizeof listens;

	return argc == 2 &&
	       getsockopt(STDIN_FILENO, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 &&
	       listens && fstat(DIR_FD, &st) == 0 && S_ISDIR(st.st_mode);
}

/* The parent waits until the child serves, or has said on stderr why it can't. */
int main(int argc, char **argv)
{
	struct err e = ERR_INIT;
	int ready[2];
	pid_t child;
	char byte;

	if (!is_started_by_kist(argc)) {
		fputs("kist-dns: kist runs this program by itself, for the containers of a "
		      "network\n",
		      stderr);
		return 125;
	}
	/* It outlives its caller: what that one had open is none of its business. */
	if (close_range(DIR_FD + 1, ~0U, 0) < 0 || pipe2(ready, O_CLOEXEC) < 0) {
		err_set(&e, errno, "pipe2");
		return fail(&e);
	}
	child = fork();
	if (child < 0) {
		err_set(&e, errno, "fork");
		return fail(&e);
	}
	close(ready[child == 0 ? 0 : 1]);
	if (child == 0)
		return serve(argv[1], ready[1], &e);
	return read(ready[0], &byte, 1) == 1 ? 0 : 125;
}
