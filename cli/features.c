/*
 * features.c - what this runtime can do, for engines.
 */
#include "cli/cli.h"

#include <errno.h>
#include <stdio.h>

#include "runtime/features.h"

int command_features(int argc, char **argv)
{
	struct err e = ERR_INIT;
	json_t *features;
	int status;

	if (cli_parse(cli_find("features"), NULL, 0, argc, argv, &status) < 0)
		return status;
	features = features_json();
	if (!features || json_dumpf(features, stdout, JSON_INDENT(2)) < 0 || putchar('\n') == EOF ||
	    fflush(stdout) != 0) {
		err_set(&e, features ? errno : ENOMEM, "cannot print the features");
		json_decref(features);
		return cli_fail(&e, 1);
	}
	json_decref(features);
	return 0;
}
