/*
 * job_policy.c - the administrator's rules for all jobs of this host.
 */
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/json.h"
#include "supervisor/job.h"

#define VERSION 1

static int broken(const char *rule, struct err *e, const char *what)
{
	err_say(e, EPERM, "the policy of this host forbids it: %s: %s", rule, what);
	err_fix(e, "%s has the rules; its administrator can change them", JOB_POLICY_FILE);
	e->exit_code = 125;
	return -EPERM;
}

static bool is_allowed(const json_t *patterns, const char *image)
{
	const json_t *v;
	size_t i;

	json_array_foreach(patterns, i,
			   v) if (fnmatch(json_string_value(v), image, 0) == 0) return true;
	return false;
}

static const struct job_setting *find_limit(const char *key)
{
	for (size_t i = 0; i < job_setting_count; i++)
		if (job_settings[i].section && strcmp(job_settings[i].key, key) == 0)
			return &job_settings[i];
	return NULL;
}

/* Sizes, times and numbers are all of 64 bits, and 0 is none. */
static uint64_t limit_of(const struct job *job, const struct job_setting *s)
{
	uint64_t value;

	memcpy(&value, (const char *)job + s->offset, sizeof value);
	return value;
}

static int check_limit(const char *key, const json_t *v, const struct job *job, struct err *e)
{
	struct json_at root = JSON_AT_ROOT, max = json_at_key(&root, "max"),
		       at = json_at_key(&max, key);
	const struct job_setting *s = find_limit(key);
	struct job most = { 0 };
	char text[32], what[128];
	uint64_t has, may;

	if (!s || s->choices)
		return json_bad(e, &at, "is no limit of a job");
	if (json_is_integer(v))
		snprintf(text, sizeof text, "%lld", (long long)json_integer_value(v));
	else if (json_is_real(v))
		snprintf(text, sizeof text, "%.6f", json_real_value(v));
	else if (!json_is_string(v))
		return json_bad(e, &at, "must be a string or a number");
	if (s->set(&most, s, at.text, json_is_string(v) ? json_string_value(v) : text, e) < 0)
		return -e->error;
	has = limit_of(job, s);
	may = limit_of(&most, s);
	if (has && has <= may)
		return 0;
	snprintf(what, sizeof what, "--%s must be given, and be no more", s->option);
	snprintf(text, sizeof text, "max.%s", key);
	return broken(text, e, what);
}

static int check_flags(const json_t *document, const struct job *job, uint32_t uid, struct err *e)
{
	const struct {
		const char *rule;
		bool breaks;
		const char *what;
	} rules[] = {
		{ "no_privileged", false, "" }, /* no job is */
		{ "no_root", uid == 0, "the job's user is root (--user UID)" },
		{ "read_only_root", job->writable, "the root is writable (--writable)" },
		{ "no_network", job->bridge || (job->net && strcmp(job->net, "none") != 0),
		  "it has a network (--net)" },
		{ "no_degraded", job->waived, "controls are waived (--allow-degraded)" },
	};
	struct json_at root = JSON_AT_ROOT;

	for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
		bool on = false;

		if (json_get_bool(document, &root, rules[i].rule, &on, e) < 0)
			return -e->error;
		if (on && rules[i].breaks)
			return broken(rules[i].rule, e, rules[i].what);
	}
	return 0;
}

static int check_keys(const json_t *document, struct err *e)
{
	static const char known[] = " version no_privileged no_root read_only_root no_network "
				    "no_degraded images profiles max ";
	struct json_at root = JSON_AT_ROOT, at = json_at_key(&root, "version");
	int64_t version = 0;
	const char *key;
	json_t *v;
	char word[64];
	int n;

	if (!json_is_object(document))
		return json_bad(e, &root, "must be an object");
	json_object_foreach((json_t *)document, key, v)
	{
		struct json_at here = json_at_key(&root, key);

		if (snprintf(word, sizeof word, " %s ", key) >= (int)sizeof word ||
		    !strstr(known, word))
			return json_bad(e, &here, "is no rule that this kist knows");
	}
	n = json_get_int(document, &root, "version", INT64_MIN, INT64_MAX, &version, e);
	n = n < 0 ? n : json_require(n, &root, "version", e);
	return n < 0 ? n : version != VERSION ? json_bad(e, &at, "must be %d", VERSION) : 0;
}

/* A list of patterns, of which one must fit; `subject` NULL fits none. */
static int check_list(const json_t *document, const char *rule, const char *subject,
		      const char *what, struct err *e)
{
	struct json_at root = JSON_AT_ROOT, at = json_at_key(&root, rule);
	json_t *list = NULL, *v;
	int n = json_get_array(document, &root, rule, &list, e);
	size_t i;

	if (n <= 0)
		return n;
	json_array_foreach(list, i, v) if (!json_is_string(v)) return json_bad(
		e, &at, "must be a list of strings");
	return subject && is_allowed(list, subject) ? 0 : broken(rule, e, what);
}

int job_policy_check_document(const json_t *document, const struct job *job, uint32_t uid,
			      struct err *e)
{
	struct json_at root = JSON_AT_ROOT;
	json_t *max = NULL, *v;
	const char *key;
	int n = check_keys(document, e);

	if (n == 0)
		n = check_flags(document, job, uid, e);
	if (n == 0)
		n = check_list(document, "images", job->is_folder ? NULL : job->source,
			       "the image is none of those allowed", e);
	if (n == 0)
		n = check_list(document, "profiles", job_profile_name(job->profile),
			       "the profile is none of those allowed (--profile)", e);
	if (n < 0)
		return n;
	n = json_get_object(document, &root, "max", &max, e);
	json_object_foreach(max, key, v)
	{
		n = check_limit(key, v, job, e);
		if (n < 0)
			return n;
	}
	return n < 0 ? n : 0;
}

int job_policy_check(const struct job *job, uint32_t uid, struct err *e)
{
	_cleanup_fd_ int fd = open(JOB_POLICY_FILE, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	_cleanup_json_ json_t *document = NULL;
	char name[32];
	struct stat st;
	int n;

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_set(e, errno, "%s", JOB_POLICY_FILE);
	/* In a user namespace the host's root may have no number here. */
	if (!S_ISREG(st.st_mode) || (st.st_mode & 022) ||
	    (st.st_uid && !host_in_user_namespace())) {
		err_say(e, EPERM, "%s must be root's, and nobody else's to write", JOB_POLICY_FILE);
		err_fix(e, "chown root: %s && chmod 644 %s", JOB_POLICY_FILE, JOB_POLICY_FILE);
		e->exit_code = 125;
		return -EPERM;
	}
	snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
	n = json_read_file(AT_FDCWD, name, &document, e);
	if (n == 0)
		n = job_policy_check_document(document, job, uid, e);
	if (n < 0 && !e->exit_code) {
		err_wrap(e, "%s", JOB_POLICY_FILE);
		e->exit_code = 125;
	}
	return n;
}
