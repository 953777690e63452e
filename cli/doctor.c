/*
 * doctor.c - kist doctor: what this host has for kist, what not, and how to get it.
 */
#include "cli/cli.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>

#include "base/json.h"
#include "runtime/doctor.h"

static const char *const states[] = { "ok", "missing", "needed" };

static json_t *as_json(const struct doctor_finding *list, size_t count)
{
	json_t *array = json_array();

	for (size_t i = 0; i < count; i++)
		json_array_append_new(array,
				      json_pack("{s:s, s:s, s:s, s:s, s:s*}", "name", list[i].name,
						"state", states[list[i].state], "tried",
						list[i].tried, "means", list[i].means, "fix",
						list[i].fix[0] ? list[i].fix : NULL));
	return array;
}

static void as_text(const struct doctor_finding *list, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		printf("%-8s %-16s %s\n", states[list[i].state], list[i].name, list[i].means);
		if (list[i].state != DOCTOR_OK)
			printf("%-25s tried: %s\n%-25s fix: %s\n", "", list[i].tried, "",
			       list[i].fix);
	}
}

int command_doctor(int argc, char **argv)
{
	bool json = false;
	const struct option table[] = {
		{ "json", 0, OPTION_FLAG, &json, NULL, "as JSON" },
	};
	struct doctor_finding list[DOCTOR_MAX];
	struct err e = ERR_INIT;
	struct host host;
	int status, needed = 0;
	size_t count;

	if (cli_parse(cli_find("doctor"), table, 1, argc, argv, &status) < 0)
		return status;
	if (host_probe(&host, &e) < 0)
		return cli_fail(&e, 1);
	count = doctor_look(&host, list);
	for (size_t i = 0; i < count; i++)
		needed += list[i].state == DOCTOR_NEEDED;
	if (json) {
		_cleanup_json_ json_t *array = as_json(list, count);

		if (!array) {
			err_set(&e, ENOMEM, "cannot print what was found");
			return cli_fail(&e, 1);
		}
		json_dumpf(array, stdout, JSON_INDENT(2));
		putchar('\n');
	} else {
		as_text(list, count);
	}
	return cli_flush() || needed ? 1 : 0;
}
