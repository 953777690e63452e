/*
 * hostsnap.c - what containers could leave on a host, a line each; or what is there now and was
 * not before. One program instead of a dozen, since in the test machine each costs tenths of a
 * second. Static, links none of kist.
 *
 * usage: hostsnap                  mounts of this namespace, cgroups of cgroup2, interfaces,
 *                                  nftables tables, named network namespaces, kist's folders
 *        hostsnap BEFORE MARK      lines that are not in the file BEFORE, and processes that name
 *                                  MARK in their arguments, or see a folder of that name mounted
 *                                  in another place (as a root, for instance)
 */
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static char **before;
static size_t before_count;

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void read_before(const char *path)
{
	FILE *file = fopen(path, "re");
	char *line = NULL;
	size_t size = 0;

	if (!file) {
		perror(path);
		exit(2);
	}
	while (getline(&line, &size, file) > 0) {
		before = realloc(before, (before_count + 1) * sizeof(*before));
		line[strcspn(line, "\n")] = '\0';
		if (!before || !(before[before_count++] = strdup(line)))
			abort();
	}
	free(line);
	fclose(file);
	qsort(before, before_count, sizeof(*before), compare);
}

static void __attribute__((format(printf, 1, 2))) say(const char *format, ...)
{
	char *text;
	va_list list;

	va_start(list, format);
	if (vasprintf(&text, format, list) < 0)
		abort();
	va_end(list);
	if (!before || !bsearch(&text, before, before_count, sizeof(*before), compare))
		puts(text);
	free(text);
}

/* proc_pid_mountinfo(5): id, parent, device, root, mount point, options ... Prints the mounts,
 * or with a mark looks for one that shows it anywhere but at its own place. */
static bool read_mounts(const char *path, const char *mark)
{
	FILE *file = fopen(path, "re");
	char *line = NULL;
	size_t size = 0;
	bool found = false;

	while (file && getline(&line, &size, file) > 0) {
		char root[4096], point[4096];

		if (sscanf(line, "%*s %*s %*s %4095s %4095s", root, point) != 2)
			continue;
		if (!mark)
			say("mount %s %s", point, root);
		else if (strstr(line, mark) && !strstr(point, mark))
			found = true;
	}
	free(line);
	if (file)
		fclose(file);
	return found;
}

static void list_folders(const char *kind, const char *path, int depth, bool only_folders)
{
	DIR *dir = opendir(path);
	const struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		char *below;

		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		if (only_folders && entry->d_type != DT_DIR)
			continue;
		if (asprintf(&below, "%s/%s", path, entry->d_name) < 0)
			abort();
		say("%s %s", kind, below);
		if (depth > 1 && entry->d_type == DT_DIR)
			list_folders(kind, below, depth - 1, only_folders);
		free(below);
	}
	if (dir)
		closedir(dir);
}

static void list_cgroups(void)
{
	FILE *file = fopen("/proc/self/mounts", "re");
	char *line = NULL, where[4096], type[64];
	size_t size = 0;

	while (file && getline(&line, &size, file) > 0)
		if (sscanf(line, "%*s %4095s %63s", where, type) == 2 && !strcmp(type, "cgroup2")) {
			list_folders("cgroup", where, 64, true);
			break;
		}
	free(line);
	if (file)
		fclose(file);
}

/* NFT_MSG_GETTABLE, dumped: the names of all nftables tables. */
static void list_tables(void)
{
	struct {
		struct nlmsghdr head;
		struct nfgenmsg body;
	} ask = {
		.head = { .nlmsg_len = sizeof(ask), .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
			  .nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETTABLE },
		.body = { .version = NFNETLINK_V0 },
	};
	static char data[65536] __attribute__((aligned(8)));
	int sock = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
	ssize_t size;

	if (sock < 0 || send(sock, &ask, sizeof(ask), 0) < 0)
		goto out;
	while ((size = recv(sock, data, sizeof(data), 0)) > 0) {
		int left = (int)size;

		for (struct nlmsghdr *h = (void *)data; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) {
			const struct nfgenmsg *body = NLMSG_DATA(h);
			const struct nlattr *name = (const void *)(body + 1);

			if (h->nlmsg_type == NLMSG_DONE || h->nlmsg_type == NLMSG_ERROR)
				goto out;
			/* NFTA_TABLE_NAME comes first: nf_tables_fill_table_info(). */
			say("nft %d %s", body->nfgen_family, (const char *)(name + 1));
		}
	}
out:
	if (sock >= 0)
		close(sock);
}

static bool names_mark(const char *pid, const char *mark, char *text, size_t room)
{
	char path[64];
	ssize_t size = 0;
	int fd;

	snprintf(path, sizeof(path), "/proc/%.20s/cmdline", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		size = read(fd, text, room - 1);
		close(fd);
	}
	if (size < 0)
		size = 0;
	text[size] = '\0';
	for (ssize_t i = 0; i < size; i++)
		if (text[i] == '\0')
			text[i] = ' ';
	snprintf(path, sizeof(path), "/proc/%.20s/mountinfo", pid);
	return strstr(text, mark) || read_mounts(path, mark);
}

static void list_processes(const char *mark)
{
	static char text[65536];
	DIR *dir = opendir("/proc");
	const struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (isdigit((unsigned char)entry->d_name[0]) && atol(entry->d_name) != getpid() &&
		    names_mark(entry->d_name, mark, text, sizeof(text)))
			say("process %s %s", entry->d_name, text);
	if (dir)
		closedir(dir);
}

int main(int argc, char **argv)
{
	if (argc != 1 && argc != 3) {
		fputs("usage: hostsnap [BEFORE MARK]\n", stderr);
		return 2;
	}
	if (argc == 3)
		read_before(argv[1]);
	read_mounts("/proc/self/mountinfo", NULL);
	list_cgroups();
	list_folders("link", "/sys/class/net", 1, false);
	list_tables();
	list_folders("netns", "/run/netns", 1, false);
	list_folders("state", "/run/kist", 2, false);
	list_folders("state", "/var/lib/kist", 2, false);
	if (argc == 3)
		list_processes(argv[2]);
	return 0;
}
