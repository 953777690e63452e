/*
 * main-kist-systemd.c - the program `kist-systemd`: what kist asks of systemd, by libsystemd.
 *
 * Started by kist, with a socket for its standard input, and by nobody else.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cgroup/systemd_bus.h"

int main(int argc, char **argv)
{
	struct stat st;
	int r;

	(void)argv;
	if (argc != 1 || fstat(STDIN_FILENO, &st) < 0 || !S_ISSOCK(st.st_mode)) {
		fputs("kist-systemd: kist runs this program by itself, for --systemd-cgroup\n",
		      stderr);
		return 125;
	}
	r = systemd_serve(STDIN_FILENO);
	if (r < 0)
		fprintf(stderr, "kist-systemd: %s\n", strerror(-r));
	return r < 0 ? 125 : 0;
}
