/*
 * through.c - how fast somebody takes a pipe's bytes into a file.
 *
 * usage: through MIB CMD [ARG...]
 *
 * A child writes so many MiB of text into a pipe, as fast as it goes, and CMD becomes the process
 * that is its parent, as kist-monitor is. In ARG %p is the pipe's end to read, %d a descriptor of
 * the child (pidfd_open(2)), and %. one of the working directory; `<` as the first ARG: the pipe is
 * CMD's standard input. Prints nothing: what is measured is the time until CMD has ended.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BLOCK 65536

static _Noreturn void die(const char *what)
{
	perror(what);
	exit(1);
}

static _Noreturn void write_text(int to, long mib)
{
	static char block[BLOCK];

	for (int i = 0; i < BLOCK; i++)
		block[i] = (char)(i % 80 == 79 ? '\n' : 'a' + i % 26);
	for (long n = mib * (1048576 / BLOCK); n > 0; n--)
		for (ssize_t done = 0, w; done < BLOCK; done += w) {
			w = write(to, block + done, BLOCK - (size_t)done);
			if (w <= 0)
				_exit(1);
		}
	_exit(0);
}

int main(int argc, char **argv)
{
	int pipefd[2], pidfd, here = open(".", O_RDONLY | O_DIRECTORY), count = 0;
	static char number[3][16];
	char *words[64];
	pid_t pid;

	if (argc < 3 || argc > 60 || here < 0 || pipe(pipefd) < 0)
		die("usage: through MIB CMD [ARG...]");
	pid = fork();
	if (pid < 0)
		die("fork");
	if (pid == 0) {
		close(pipefd[0]);
		write_text(pipefd[1], atol(argv[1]));
	}
	close(pipefd[1]);
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (pidfd < 0 || fcntl(pidfd, F_SETFD, 0) < 0)
		die("pidfd_open");
	snprintf(number[0], sizeof number[0], "%d", pipefd[0]);
	snprintf(number[1], sizeof number[1], "%d", pidfd);
	snprintf(number[2], sizeof number[2], "%d", here);
	for (int i = 2; i < argc; i++) {
		char *word = argv[i];

		if (strcmp(word, "<") == 0) {
			if (dup2(pipefd[0], 0) < 0)
				die("dup2");
			continue;
		}
		words[count++] = strcmp(word, "%p") == 0   ? number[0]
				 : strcmp(word, "%d") == 0 ? number[1]
				 : strcmp(word, "%.") == 0 ? number[2]
							   : word;
	}
	words[count] = NULL;
	execvp(words[0], words);
	die(words[0]);
}
