/*
 * mounts.c - kist mounts add|remove: a bind mount more, or less, in a container that runs.
 */
#include "cli/cli.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/json.h"

static bool has_word(const json_t *list, const char *word)
{
	json_t *item;
	size_t i;

	json_array_foreach(list, i, item)
	{
		if (json_is_string(item) && strcmp(json_string_value(item), word) == 0)
			return true;
	}
	return false;
}

/* "SOURCE:DESTINATION[:OPTION,...]" as a mount object of config.json. */
static int parse_mount(const char *text, json_t **ret, struct err *e)
{
	const char *colon = strchr(text, ':'), *end, *option;
	json_t *options;

	if (!colon || colon == text || colon[1] != '/') {
		err_say(e, EINVAL, "\"%.200s\" is no mount", text);
		return err_fix(e, "SOURCE:DESTINATION[:OPTION,...], the destination absolute");
	}
	end = strchrnul(colon + 1, ':');
	options = json_array();
	for (option = end; *option; option = strchrnul(option + 1, ','))
		json_array_append_new(options, json_stringn(option + 1, strcspn(option + 1, ",")));
	/* All that is mounted below comes along, unless "bind" says otherwise. */
	if (!has_word(options, "bind"))
		json_array_append_new(options, json_string("rbind"));
	*ret = json_pack("{s:s%, s:s%, s:s, s:o}", "source", text, (size_t)(colon - text),
			 "destination", colon + 1, (size_t)(end - colon - 1), "type", "bind",
			 "options", options);
	return *ret ? 0 : err_say(e, EINVAL, "the mount is no UTF-8");
}

int command_mounts(int argc, char **argv)
{
	bool explain = false;
	const struct option table[] = {
		{ "explain", 0, OPTION_FLAG, &explain, NULL,
		  "print every kernel primitive to stderr as it runs" },
	};
	struct runtime_hooks_in in = { 0 };
	_cleanup_json_ json_t *mount = NULL;
	_cleanup_fd_ int root = -EBADF;
	struct err e = ERR_INIT;
	char here[PATH_MAX];
	const char *verb;
	struct host h;
	int r, status,
		first = cli_parse(cli_find("mounts"), table, sizeof table / sizeof *table, argc,
				  argv, &status);

	if (first < 0)
		return status;
	verb = argv[first];
	r = strcmp(verb, "add") == 0 || strcmp(verb, "remove") == 0
		    ? 0
		    : err_say(&e, EINVAL, "mounts: \"%.40s\" is neither add nor remove", verb);
	if (r == 0)
		r = cli_fault(&in, &e);
	in.report = explain ? explain_report : NULL;
	if (r == 0)
		r = cli_open_root(false, &root, &e);
	if (r == 0)
		r = host_probe(&h, &e);
	if (r == 0 && strcmp(verb, "remove") == 0) {
		r = runtime_mount_remove(root, argv[first + 1], argv[first + 2], &h, &in, &e);
	} else if (r == 0) {
		r = parse_mount(argv[first + 2], &mount, &e);
		if (r == 0 && !getcwd(here, sizeof here))
			r = err_set(&e, errno, "getcwd");
		if (r == 0)
			r = runtime_mount_add(root, argv[first + 1], mount, here, &h, &in, &e);
	}
	if (r < 0)
		err_wrap(&e, "cannot %s a mount", strcmp(verb, "add") == 0 ? "add" : "remove");
	return r < 0 ? cli_fail(&e, 1) : 0;
}
