/*
 * stuckfs.c - a filesystem that never answers: who touches it sleeps where no signal wakes it.
 *
 *   stuckfs FOLDER [attributes|deaf]   mounts it there, answers the first request, reads the others and
 *                    is silent, until it is killed: then all of them fail. With "attributes" it tells
 *                    what the folder itself is, so that it can be bound; with "deaf" it tells that
 *                    once, for good, and reads no request any more: who waits can be killed then.
 *
 * Needs /dev/fuse. Prints "mounted" once it is, "silent" for each request it will not answer.
 *
 * Build:  cc -O2 -static -o stuckfs stuckfs.c
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	static char request[1 << 18];
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	char options[100];
	bool deaf = argc > 2 && strcmp(argv[2], "deaf") == 0;

	if (argc < 2 || fd < 0) {
		perror("stuckfs: /dev/fuse");
		return 1;
	}
	snprintf(options, sizeof options, "fd=%d,rootmode=40755,user_id=0,group_id=0,allow_other",
		 fd);
	if (mount("stuckfs", argv[1], "fuse.stuckfs", MS_NOSUID | MS_NODEV, options) < 0) {
		perror("stuckfs: mount");
		return 1;
	}
	puts("mounted");
	fflush(stdout);
	for (;;) {
		const struct fuse_in_header *in = (void *)request;
		struct {
			struct fuse_out_header head;
			union {
				struct fuse_init_out init;
				struct fuse_attr_out attr;
			};
		} out = { 0 };
		ssize_t n = read(fd, request, sizeof request);

		if (n < 0 && errno != EINTR && errno != EAGAIN && errno != ENOENT)
			return 0;
		if (n < (ssize_t)sizeof *in)
			continue;
		out.head.unique = in->unique;
		if (in->opcode == FUSE_INIT) {
			out.head.len = sizeof out.head + sizeof out.init;
			out.init = (struct fuse_init_out){ .major = FUSE_KERNEL_VERSION,
							   .minor = 31,
							   .max_write = 4096 };
		} else if (in->opcode == FUSE_GETATTR && argc > 2) {
			out.head.len = sizeof out.head + sizeof out.attr;
			out.attr.attr = (struct fuse_attr){ .ino = 1, .mode = 040755, .nlink = 2 };
		} else if (deaf) { /* FUSE_STATX, for one */
			out.head.len = sizeof out.head;
			out.head.error = -ENOSYS;
		} else {
			/* From now on its caller is beyond signals. */
			puts("silent");
			fflush(stdout);
			continue;
		}
		out.attr.attr_valid = deaf && in->opcode == FUSE_GETATTR ? 3600 : out.attr.attr_valid;
		if (write(fd, &out, out.head.len) < 0)
			return 1;
		while (deaf && in->opcode == FUSE_GETATTR)
			pause();
	}
}
