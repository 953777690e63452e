/*
 * container.c - state, list, kill, delete: commands on containers that exist.
 */
#include "cli/cli.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/json.h"
#include "base/log.h"
#include "runtime/exit_record.h"

/* The spec's state, with runc's additions. New reference. */
static json_t *state_json(const struct container *c)
{
	static const char *const copied[] = { "bundle", "rootfs", "created", "annotations" };
	json_t *o = json_pack("{s:s, s:s, s:s}", "ociVersion", SPEC_OCI_VERSION, "id", c->id,
			      "status", container_status_name(c->status));
	json_t *ended = exit_record_read(c);

	json_object_set_new(o, "pid", json_integer(c->pid));
	for (size_t i = 0; i < sizeof copied / sizeof *copied; i++) {
		json_t *value = json_object_get(c->state, copied[i]);

		if (value)
			json_object_set(o, copied[i], value);
	}
	json_object_set_new(o, "owner", json_string(""));
	if (ended)
		json_object_set_new(o, "exit", ended);
	return o;
}

int command_state(int argc, char **argv)
{
	_cleanup_container_ struct container c = CONTAINER_INIT;
	_cleanup_json_ json_t *state = NULL;
	_cleanup_fd_ int root = -EBADF;
	struct err e = ERR_INIT;
	int status, r, first = cli_parse(cli_find("state"), NULL, 0, argc, argv, &status);

	if (first < 0)
		return status;
	r = cli_open_root(false, &root, &e);
	if (r == 0)
		r = container_open(root, argv[first], false, &c, &e);
	if (r < 0)
		return cli_fail(&e, 1);
	state = state_json(&c);
	json_dumpf(state, stdout, JSON_INDENT(2));
	putchar('\n');
	return 0;
}

int command_kill(int argc, char **argv)
{
	bool all = false;
	const struct option table[] = {
		{ "all", 'a', OPTION_FLAG, &all, NULL, "signal every process of the container" },
	};
	_cleanup_fd_ int root = -EBADF;
	struct err e = ERR_INIT;
	int status, r, signal = -1;
	int first = cli_parse(cli_find("kill"), table, 1, argc, argv, &status);

	if (first < 0)
		return status;
	r = argc - first > 1 ? signal_parse(argv[first + 1], &signal, &e) : 0;
	if (r == 0)
		r = cli_open_root(false, &root, &e);
	if (r == 0)
		r = runtime_kill(root, argv[first], signal, all, &e);
	return r < 0 ? cli_fail(&e, 1) : 0;
}

int command_delete(int argc, char **argv)
{
	bool force = false;
	const struct option table[] = {
		{ "force", 'f', OPTION_FLAG, &force, NULL,
		  "kill it first if need be; an unknown id is no error" },
	};
	_cleanup_fd_ int root = -EBADF;
	struct err e = ERR_INIT;
	int status, failed = 0;
	int first = cli_parse(cli_find("delete"), table, 1, argc, argv, &status);

	if (first < 0)
		return status;
	if (cli_open_root(false, &root, &e) < 0)
		return e.error == ENOENT && force ? 0 : cli_fail(&e, 1);
	for (; first < argc; first++) {
		err_clear(&e);
		if (runtime_delete(root, argv[first], force, &e) < 0)
			failed = cli_fail(&e, 1);
	}
	return failed;
}

#define COLUMNS 6

static void row_of(json_t *o, char pid[12], const char *row[COLUMNS])
{
	static const char *const keys[COLUMNS] = { "id", "pid", "status", "bundle", "created",
						   "owner" };

	snprintf(pid, 12, "%d", (int)json_integer_value(json_object_get(o, "pid")));
	for (size_t i = 0; i < COLUMNS; i++) {
		const char *text = json_string_value(json_object_get(o, keys[i]));

		row[i] = i == 1 ? pid : text ? text : "-";
	}
}

static void print_row(const char *const row[COLUMNS], const int widths[COLUMNS])
{
	for (size_t i = 0; i + 1 < COLUMNS; i++)
		printf("%-*s", widths[i], row[i]);
	printf("%s\n", row[COLUMNS - 1]);
}

/* As runc's: columns of at least 12, and three blanks after the longest word. */
static void print_table(json_t *list)
{
	static const char *const heading[COLUMNS] = { "ID", "PID", "STATUS", "BUNDLE", "CREATED",
						      "OWNER" };
	int widths[COLUMNS] = { 12, 12, 12, 12, 12, 12 };
	const char *row[COLUMNS];
	char pid[12];
	size_t i;
	json_t *o;

	json_array_foreach(list, i, o) {
		row_of(o, pid, row);
		for (size_t k = 0; k < COLUMNS; k++)
			if ((int)strlen(row[k]) + 3 > widths[k])
				widths[k] = (int)strlen(row[k]) + 3;
	}
	print_row(heading, widths);
	json_array_foreach(list, i, o) {
		row_of(o, pid, row);
		print_row(row, widths);
	}
}

static int add_owner(const struct container *c, json_t *state, struct err *e)
{
	struct stat st;
	const char *name;

	if (fstat(c->dir, &st) < 0)
		return err_set(e, errno, "cannot tell whose container %s is", c->id);
	name = cli_user_name(st.st_uid);
	if (name)
		json_object_set_new(state, "owner", json_string(name));
	else
		json_object_set_new(state, "owner", json_sprintf("#%u", st.st_uid));
	return 0;
}

/* *ret_status becomes 1 when one is missing that could be there; a damaged one is only told of. */
static int list_all(int root, json_t *list, int *ret_status, struct err *e)
{
	_cleanup_fd_ int fd = openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	int error = 0;

	if (!dir)
		return err_set(e, errno, "cannot read the state root");
	fd = -EBADF;
	while (errno = 0, (entry = readdir(dir))) {
		_cleanup_container_ struct container c = CONTAINER_INIT;
		struct err one = ERR_INIT;
		json_t *state;
		int r;

		if (entry->d_name[0] == '.' || container_check_id(entry->d_name, NULL) < 0)
			continue;
		r = container_open(root, entry->d_name, false, &c, &one);
		if (r < 0) {
			/* One that goes away while we look is no news; a damaged one is. */
			if (r != -ENOENT)
				log_err(&one);
			if (r != -ENOENT && r != -EINVAL)
				*ret_status = 1;
			continue;
		}
		state = state_json(&c);
		json_array_append_new(list, state);
		if (add_owner(&c, state, &one) < 0) {
			log_err(&one);
			*ret_status = 1;
		}
	}
	error = errno;
	closedir(dir);
	if (error || json_out_of_memory)
		return err_set(e, error ? error : ENOMEM, "cannot read the state root");
	return 0;
}

int command_list(int argc, char **argv)
{
	const char *format = "table";
	bool quiet = false;
	const struct option table[] = {
		{ "format", 'f', OPTION_TEXT, &format, "FORMAT", "table or json" },
		{ "quiet", 'q', OPTION_FLAG, &quiet, NULL, "only ids" },
	};
	_cleanup_json_ json_t *list = json_array();
	_cleanup_fd_ int root = -EBADF;
	struct err e = ERR_INIT;
	json_t *o;
	size_t i;
	int status, result = 0;

	if (cli_parse(cli_find("list"), table, 2, argc, argv, &status) < 0)
		return status;
	if (strcmp(format, "table") != 0 && strcmp(format, "json") != 0) {
		err_say(&e, EINVAL, "--format: \"%s\" is neither table nor json", format);
		return cli_fail(&e, 1);
	}
	if (cli_open_root(false, &root, &e) < 0 && e.error != ENOENT)
		return cli_fail(&e, 1);
	if (root >= 0 && list_all(root, list, &result, &e) < 0)
		return cli_fail(&e, 1);
	if (quiet) {
		json_array_foreach(list, i, o)
			printf("%s\n", json_string_value(json_object_get(o, "id")));
	} else if (strcmp(format, "json") == 0) {
		json_dumpf(list, stdout, 0);
		putchar('\n');
	} else {
		print_table(list);
	}
	return result;
}
