/*
 * check.c - would this bundle start here?
 */
#include "cli/cli.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "runtime/check.h"

static const char *text_of(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key));
}

static void print_text(const char *bundle, const json_t *problems)
{
	size_t i, errors = 0;
	const json_t *o;

	json_array_foreach(problems, i, o)
	{
		const char *where = text_of(o, "where"), *fix = text_of(o, "fix");

		printf("%s: %s%s%s\n", text_of(o, "level"), where, *where ? ": " : "",
		       text_of(o, "what"));
		if (*fix)
			printf("  fix: %s\n", fix);
		errors += strcmp(text_of(o, "level"), "error") == 0;
	}
	if (i == 0)
		printf("%s: no problem found\n", bundle);
	else
		printf("%s: %zu error%s, %zu warning%s\n", bundle, errors, errors == 1 ? "" : "s",
		       i - errors, i - errors == 1 ? "" : "s");
}

int command_check(int argc, char **argv)
{
	const char *format = "text", *config = NULL, *bundle;
	const struct option table[] = {
		{ "config", 0, OPTION_TEXT, &config, "FILE", "instead of config.json in the bundle" },
		{ "format", 'f', OPTION_TEXT, &format, "FORMAT", "text or json" },
	};
	_cleanup_json_ json_t *problems = NULL, *answer = NULL;
	struct err e = ERR_INIT;
	struct host host;
	int status, first = cli_parse(cli_find("check"), table, sizeof table / sizeof *table, argc,
				      argv, &status);

	if (first < 0)
		return status;
	if (strcmp(format, "text") != 0 && strcmp(format, "json") != 0) {
		err_say(&e, EINVAL, "--format: \"%s\" is neither text nor json", format);
		return cli_fail(&e, 1);
	}
	bundle = first < argc ? argv[first] : ".";
	if (host_probe(&host, &e) < 0)
		return cli_fail(&e, 1);
	problems = check_bundle(bundle, config, &host, cli_settle);
	answer = json_pack("{s:b, s:O}", "ok", !check_failed(problems), "problems", problems);
	if (!answer) {
		err_set(&e, ENOMEM, "the answer");
		return cli_fail(&e, 1);
	}
	if (strcmp(format, "json") == 0) {
		json_dumpf(answer, stdout, JSON_INDENT(2));
		putchar('\n');
	} else {
		print_text(bundle, problems);
	}
	return check_failed(problems) ? 1 : 0;
}
