/*
 * update.c - other limits for a container that lives: from a document, or from
 * options that become one.
 */
#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/json.h"
#include "base/log.h"
#include "base/size.h"
#include "runtime/live.h"

enum number_kind { KIND_INTEGER, KIND_SIZE, KIND_TEXT };

/* An option that is one value of the document. */
static const struct field {
	const char *option, *part, *key;
	enum number_kind kind;
	const char *value, *help;
} fields[] = {
	{ "blkio-weight", "blockIO", "weight", KIND_INTEGER, "N", "10 to 1000" },
	{ "cpu-period", "cpu", "period", KIND_INTEGER, "USEC", "length of a period" },
	{ "cpu-quota", "cpu", "quota", KIND_INTEGER, "USEC", "time in each period; -1: no limit" },
	{ "cpu-burst", "cpu", "burst", KIND_INTEGER, "USEC", "unused time that may be saved up" },
	{ "cpu-share", "cpu", "shares", KIND_INTEGER, "N", "2 to 262144; 1024 is the default" },
	{ "cpu-idle", "cpu", "idle", KIND_INTEGER, "0|1", "1: only what others leave" },
	{ "cpu-rt-period", "cpu", "realtimePeriod", KIND_INTEGER, "USEC",
	  "of cgroup v1; no effect" },
	{ "cpu-rt-runtime", "cpu", "realtimeRuntime", KIND_INTEGER, "USEC",
	  "of cgroup v1; no effect" },
	{ "cpuset-cpus", "cpu", "cpus", KIND_TEXT, "LIST", "processors, such as 0-3,8" },
	{ "cpuset-mems", "cpu", "mems", KIND_TEXT, "LIST", "memory nodes" },
	{ "memory", "memory", "limit", KIND_SIZE, "SIZE", "such as 64M; -1: no limit" },
	{ "memory-reservation", "memory", "reservation", KIND_SIZE, "SIZE",
	  "not taken back below that" },
	{ "memory-swap", "memory", "swap", KIND_SIZE, "SIZE",
	  "memory and swap together; -1: no limit" },
	{ "kernel-memory", "memory", "kernel", KIND_SIZE, "SIZE", "of cgroup v1; no effect" },
	{ "kernel-memory-tcp", "memory", "kernelTCP", KIND_SIZE, "SIZE",
	  "of cgroup v1; no effect" },
	{ "pids-limit", "pids", "limit", KIND_INTEGER, "N", "processes; -1: no limit" },
};
#define FIELDS (sizeof fields / sizeof *fields)

static const struct option other_options[] = {
	{ "l3-cache-schema", 0, OPTION_REFUSED, NULL, NULL,
	  "Intel RDT is set at create (linux.intelRdt), not by update" },
	{ "mem-bw-schema", 0, OPTION_REFUSED, NULL, NULL,
	  "Intel RDT is set at create (linux.intelRdt), not by update" },
};
#define OTHERS (sizeof other_options / sizeof *other_options)

static void warn_line(const char *text)
{
	log_msg(LOG_WARN, "%s", text);
}

static int read_stdin(json_t **ret, struct err *e)
{
	_cleanup_free_ char *text = malloc(JSON_BYTES_LIMIT + 1);
	ssize_t n;

	if (!text)
		return err_set(e, ENOMEM, "stdin");
	n = fd_read_full(STDIN_FILENO, text, JSON_BYTES_LIMIT + 1);
	if (n < 0)
		return err_set(e, (int)-n, "stdin");
	if (n > (ssize_t)JSON_BYTES_LIMIT)
		return err_say(e, E2BIG, "stdin: more than %u bytes", JSON_BYTES_LIMIT);
	return json_parse_strict(text, (size_t)n, "stdin", ret, e);
}

static int read_document(const char *path, json_t **ret, struct err *e)
{
	return strcmp(path, "-") == 0 ? read_stdin(ret, e)
				      : json_read_file(AT_FDCWD, path, ret, e);
}

static int add_field(json_t *document, const struct field *f, const char *text, struct err *e)
{
	json_t *part = json_object_get(document, f->part);
	int64_t number = 0;

	if (!part) {
		part = json_object();
		if (json_object_set_new(document, f->part, part) < 0)
			return err_set(e, ENOMEM, "limits");
	}
	if ((f->kind == KIND_INTEGER && integer_parse(text, &number) < 0) ||
	    (f->kind == KIND_SIZE && size_parse(text, &number) < 0))
		return err_say(e, EINVAL, "--%s: \"%.40s\" is not %s", f->option, text,
			       f->kind == KIND_SIZE ? "a size such as 64M, nor -1" : "a number");
	if (json_object_set_new(part, f->key, f->kind == KIND_TEXT ? json_string(text)
								   : json_integer(number)) < 0)
		return err_set(e, EINVAL, "--%s", f->option);
	return 0;
}

/* The document to set, from --resources or from all the other options. */
static int build_document(const char *resources, const char *const values[FIELDS], json_t **ret,
			  struct err *e)
{
	_cleanup_json_ json_t *document = NULL;
	int r = 0;

	for (size_t i = 0; resources && i < FIELDS; i++)
		if (values[i])
			return err_say(e, EINVAL, "--resources and --%s exclude each other",
				       fields[i].option);
	if (resources)
		return read_document(resources, ret, e);
	document = json_object();
	if (!document)
		return err_set(e, ENOMEM, "limits");
	for (size_t i = 0; r == 0 && i < FIELDS; i++)
		if (values[i])
			r = add_field(document, &fields[i], values[i], e);
	if (r == 0)
		*ret = json_incref(document);
	return r;
}

static int update(const char *id, const json_t *document, bool explain, struct err *e)
{
	_cleanup_fd_ int root = -EBADF;
	struct runtime_hooks_in in;
	struct arena arena = ARENA_INIT;
	struct cgroup_watch watch = { .report = explain ? explain_report : NULL };
	struct update_options o = { .watch = &watch, .warn = warn_line };
	struct host host;
	int r = cli_open_root(false, &root, e);

	if (r == 0)
		r = host_probe(&host, e);
	if (r == 0)
		r = cli_fault(&in, e);
	if (r == 0) {
		watch.fault_step = in.fault_step;
		watch.fault_error = in.fault_error;
		r = runtime_update(root, id, document, &host, &o, &arena, e);
	}
	arena_free(&arena);
	return r;
}

int command_update(int argc, char **argv)
{
	struct option table[FIELDS + OTHERS + 2];
	const char *values[FIELDS] = { NULL }, *resources = NULL;
	_cleanup_json_ json_t *document = NULL;
	struct err e = ERR_INIT;
	bool explain = false;
	int status, first;

	table[0] = (struct option){ "resources", 'r', OPTION_TEXT, &resources, "FILE",
				    "linux.resources as JSON; -: from stdin" };
	table[1] = (struct option){ "explain", 0, OPTION_FLAG, &explain, NULL,
				    "print every kernel primitive to stderr as it runs" };
	for (size_t i = 0; i < FIELDS; i++)
		table[2 + i] = (struct option){ fields[i].option, 0, OPTION_TEXT, &values[i],
						fields[i].value, fields[i].help };
	memcpy(table + 2 + FIELDS, other_options, sizeof other_options);
	first = cli_parse(cli_find("update"), table, sizeof table / sizeof *table, argc, argv,
			  &status);
	if (first < 0)
		return status;
	if (build_document(resources, values, &document, &e) == 0 &&
	    update(argv[first], document, explain, &e) == 0)
		return 0;
	err_wrap(&e, "cannot update %.64s", argv[first]);
	return cli_fail(&e, 1);
}
