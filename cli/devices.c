/*
 * devices.c - kist devices add|remove: a device more, or less, in a container that runs.
 */
#include "cli/cli.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/fd.h"
#include "base/json.h"

struct wish { /* PATH[:PATH][:ACCESS] */
	char source[4096], path[4096], access[4];
};

static bool is_access(const char *text, size_t length)
{
	return length >= 1 && length <= 3 && strspn(text, "rwm") >= length;
}

static int take(char *to, size_t size, const char *from, size_t length)
{
	if (length >= size)
		return -ENAMETOOLONG;
	memcpy(to, from, length);
	to[length] = '\0';
	return 0;
}

static int bad_wish(const char *text, struct err *e)
{
	err_say(e, EINVAL, "\"%.200s\" is no device", text);
	return err_fix(e,
		       "PATH[:PATH-IN-THE-CONTAINER][:ACCESS], ACCESS of r, w, m; absolute in the "
		       "container");
}

static int parse_wish(const char *text, struct wish *w, struct err *e)
{
	size_t first = strcspn(text, ":"), second, third;
	const char *rest = text + first + (text[first] == ':');

	second = strcspn(rest, ":");
	third = rest[second] ? strlen(rest + second + 1) : 0;
	take(w->access, sizeof w->access, "rwm", 3);
	if (first == 0 || take(w->source, sizeof w->source, text, first) < 0 ||
	    (text[first] && second == 0) || (rest[second] && !is_access(rest + second + 1, third)))
		return bad_wish(text, e);
	if (rest[second])
		take(w->access, sizeof w->access, rest + second + 1, third);
	else if (is_access(rest, second)) {
		take(w->access, sizeof w->access, rest, second);
		second = 0;
	}
	if (take(w->path, sizeof w->path, second ? rest : text, second ? second : first) < 0 ||
	    w->path[0] != '/')
		return bad_wish(text, e);
	return 0;
}

/* The host's node as a device object of config.json, under its path in the container. */
static int look_at(const struct wish *w, json_t **ret, struct err *e)
{
	struct stat st;

	if (stat(w->source, &st) < 0)
		return err_set(e, errno, "%s", w->source);
	if (!S_ISCHR(st.st_mode) && !S_ISBLK(st.st_mode))
		return err_say(e, EINVAL, "%s is no device", w->source);
	*ret = json_pack("{s:s, s:s, s:i, s:i, s:i, s:I, s:I}", "path", w->path, "type",
			 S_ISBLK(st.st_mode) ? "b" : "c", "major", (int)major(st.st_rdev), "minor",
			 (int)minor(st.st_rdev), "fileMode", (int)(st.st_mode & 0777), "uid",
			 (json_int_t)st.st_uid, "gid", (json_int_t)st.st_gid);
	return *ret ? 0 : err_say(e, EINVAL, "the path is no UTF-8");
}

int command_devices(int argc, char **argv)
{
	bool explain = false;
	const struct option table[] = {
		{ "explain", 0, OPTION_FLAG, &explain, NULL,
		  "print every kernel primitive to stderr as it runs" },
	};
	struct runtime_hooks_in in = { 0 };
	_cleanup_json_ json_t *device = NULL;
	_cleanup_fd_ int root = -EBADF;
	struct err e = ERR_INIT;
	struct wish w;
	const char *verb;
	struct host h;
	int r, status,
		first = cli_parse(cli_find("devices"), table, sizeof table / sizeof *table, argc,
				  argv, &status);

	if (first < 0)
		return status;
	verb = argv[first];
	r = strcmp(verb, "add") == 0 || strcmp(verb, "remove") == 0
		    ? 0
		    : err_say(&e, EINVAL, "devices: \"%.40s\" is neither add nor remove", verb);
	if (r == 0)
		r = cli_fault(&in, &e);
	in.report = explain ? explain_report : NULL;
	if (r == 0)
		r = cli_open_root(false, &root, &e);
	if (r == 0)
		r = host_probe(&h, &e);
	if (r == 0 && strcmp(verb, "remove") == 0) {
		r = runtime_device_remove(root, argv[first + 1], argv[first + 2], &h, &in, &e);
	} else if (r == 0) {
		r = parse_wish(argv[first + 2], &w, &e);
		if (r == 0)
			r = look_at(&w, &device, &e);
		if (r == 0)
			r = runtime_device_add(root, argv[first + 1], device, w.source, w.access,
					       &h, &in, &e);
	}
	if (r < 0)
		err_wrap(&e, "cannot %s a device", strcmp(verb, "add") == 0 ? "add" : "remove");
	return r < 0 ? cli_fail(&e, 1) : 0;
}
