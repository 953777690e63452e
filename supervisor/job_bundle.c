/*
 * job_bundle.c - a bundle as a job's root: its config.json says what an image's configuration
 * would.
 *
 * Only where the root is, and what it runs: what it may do is the job's profile, never the bundle's
 * word.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "supervisor/job.h"

#define CONFIG "config.json"

/* The bundle's, then the job's: a later one of a name wins. */
static int add_env(struct job *job, char **env, size_t count, struct arena *a, struct err *e)
{
	const char **all = arena_array(a, job->env_count + count + 1, sizeof *all);

	if (!all)
		return err_set(e, ENOMEM, "the environment");
	if (count)
		memcpy(all, env, count * sizeof *all);
	if (job->env_count)
		memcpy(all + count, job->env, job->env_count * sizeof *all);
	job->env = all;
	job->env_count += count;
	return 0;
}

static int read_process(const json_t *config, struct arena *a, struct job *job, struct err *e)
{
	struct json_at root = JSON_AT_ROOT, at = json_at_key(&root, "process"),
		       user_at = json_at_key(&at, "user");
	json_t *process = NULL, *user = NULL;
	char **args = NULL, **env = NULL;
	const char *cwd = NULL;
	size_t count = 0;
	int n = json_get_object(config, &root, "process", &process, e);

	if (n <= 0)
		return n;
	n = json_get_strings(process, &at, "args", a, &args, NULL, e);
	if (n > 0 && (!job->args || !job->args[0]))
		job->args = args;
	if (n >= 0)
		n = json_get_strings(process, &at, "env", a, &env, &count, e);
	if (n > 0)
		n = add_env(job, env, count, a, e);
	if (n >= 0)
		n = json_get_string(process, &at, "cwd", &cwd, e);
	if (n > 0 && !job->workdir && !job->workspace && cwd[0] == '/')
		job->workdir = arena_strdup(a, cwd);
	if (n >= 0)
		n = json_get_object(process, &at, "user", &user, e);
	if (n > 0 && !job->user_given) {
		n = json_get_u32(user, &user_at, "uid", &job->uid, e);
		n = n < 0 ? n : json_get_u32(user, &user_at, "gid", &job->gid, e);
		job->user_given = true;
	}
	return n < 0 ? n : 0;
}

int job_bundle_read(const char *bundle, struct arena *a, struct job *job, struct err *e)
{
	_cleanup_json_ json_t *config = NULL;
	struct json_at root = JSON_AT_ROOT, at = json_at_key(&root, "root");
	const char *file = arena_printf(a, "%s/" CONFIG, bundle), *path = NULL;
	json_t *object = NULL;
	int n;

	if (!file)
		return err_set(e, ENOMEM, "%s", bundle);
	if (faccessat(AT_FDCWD, file, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	n = json_read_file(AT_FDCWD, file, &config, e);
	if (n == 0)
		n = json_require(json_get_object(config, &root, "root", &object, e), &root, "root",
				 e);
	if (n > 0)
		n = json_require(json_get_string(object, &at, "path", &path, e), &at, "path", e);
	if (n > 0) {
		job->source = path[0] == '/' ? arena_strdup(a, path)
					     : arena_printf(a, "%s/%s", bundle, path);
		n = read_process(config, a, job, e);
	}
	return n < 0 ? err_wrap(e, "the bundle %s", bundle) : 0;
}
