/*
 * events.c - what a container uses, as a stream of JSON records.
 */
#include "cli/cli.h"

#include <errno.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/size.h"
#include "runtime/live.h"

int command_events(int argc, char **argv)
{
	const char *interval = "5s";
	bool stats = false;
	const struct option table[] = {
		{ "interval", 0, OPTION_TEXT, &interval, "TIME",
		  "between two records of what it uses: 500ms, 5s (the default), 1m" },
		{ "stats", 0, OPTION_FLAG, &stats, NULL, "one record, now" },
	};
	_cleanup_fd_ int root = -EBADF;
	struct err e = ERR_INIT;
	int64_t interval_ms = 0;
	int status, r, first = cli_parse(cli_find("events"), table, 2, argc, argv, &status);

	if (first < 0)
		return status;
	if (duration_parse(interval, &interval_ms) < 0) {
		err_say(&e, EINVAL, "--interval: \"%.40s\" is no time such as 500ms, 5s or 1m", interval);
		return cli_fail(&e, 1);
	}
	r = cli_open_root(false, &root, &e);
	if (r == 0)
		r = runtime_events(root, argv[first], stats ? 0 : interval_ms, STDOUT_FILENO, &e);
	return r < 0 ? cli_fail(&e, 1) : 0;
}
