/*
 * source-import.c - a root file system as an image of one layer, with docker's changes.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>
#include "base/fd.h"
#include "base/json.h"
#include "base/utc.h"
#include "image/decompress.h"
#include "image/hash.h"
#include "image/layout-make.h"

#define BLOCK (256u << 10)

static int bad(struct err *e, const char *change, const char *why)
{
	return err_say(e, EINVAL, "--change \"%.150s\": %s", change, why);
}

/* CMD and ENTRYPOINT: a JSON array, or words for the shell. */
static int set_command(json_t *config, const char *key, const char *value, const char *change,
		       struct err *e)
{
	json_t *list = NULL, *word;
	size_t i;

	if (value[0] != '[') {
		list = json_pack("[s, s, s]", "/bin/sh", "-c", value);
		return list && json_object_set_new(config, key, list) == 0
			       ? 0
			       : bad(e, change, "it is no UTF-8");
	}
	if (json_parse_strict(value, strlen(value), "the array", &list, e))
		return err_wrap(e, "--change \"%.150s\"", change);
	json_array_foreach(list, i, word) if (!json_is_string(word)) break;
	if (!json_is_array(list) || i < json_array_size(list)) {
		json_decref(list);
		return bad(e, change, "an array of strings is wanted");
	}
	json_object_set_new(config, key, list);
	return 0;
}

static json_t *member(json_t *config, const char *key, bool array)
{
	if (json_object_get(config, key) == NULL)
		json_object_set_new(config, key, array ? json_array() : json_object());
	return json_object_get(config, key);
}

/* "a=b", "a b"; quotes around the value are docker's way to keep spaces. */
static int split(const char *value, char *name, size_t size, const char **ret, size_t *ret_len,
		 const char *change, struct err *e)
{
	size_t len = strcspn(value, "= \t");
	const char *rest = value + len + (value[len] != '\0');
	size_t rest_len = strlen(rest);

	if (len == 0 || len >= size || value[len] == '\0')
		return bad(e, change, "NAME=VALUE is wanted");
	snprintf(name, size, "%.*s", (int)len, value);
	if (rest_len >= 2 && (rest[0] == '"' || rest[0] == '\'') && rest[rest_len - 1] == rest[0]) {
		rest++;
		rest_len -= 2;
	} else if (value[len] == '=' && strpbrk(rest, " \t")) {
		return bad(e, change, "one NAME=VALUE in each --change; quote a value with spaces");
	}
	*ret = rest;
	*ret_len = rest_len;
	return 0;
}

static int set_env(json_t *config, const char *value, const char *change, struct err *e)
{
	json_t *env = member(config, "Env", true), *text;
	char name[256];
	const char *rest;
	size_t len, i = json_array_size(env);
	int error = split(value, name, sizeof(name), &rest, &len, change, e);

	if (error)
		return error;
	while (i-- > 0) {
		const char *old = json_string_value(json_array_get(env, i));

		if (strncmp(old, name, strlen(name)) == 0 && old[strlen(name)] == '=')
			json_array_remove(env, i);
	}
	text = json_sprintf("%s=%.*s", name, (int)len, rest);
	return text && json_array_append_new(env, text) == 0 ? 0 : bad(e, change, "it is no UTF-8");
}

static int set_label(json_t *config, const char *value, const char *change, struct err *e)
{
	json_t *labels = member(config, "Labels", false), *text;
	char name[256];
	const char *rest;
	size_t len;
	int error = split(value, name, sizeof(name), &rest, &len, change, e);

	if (error)
		return error;
	text = json_stringn(rest, len);
	return text && json_object_set_new(labels, name, text) == 0
		       ? 0
		       : bad(e, change, "it is no UTF-8");
}

/* Each word a key of an object: EXPOSE 80 443/udp, VOLUME /a /b */
static int set_keys(json_t *config, const char *key, const char *value, const char *tail,
		    const char *change, struct err *e)
{
	json_t *object = member(config, key, false);
	char word[512];
	size_t len;

	for (; *value; value += len + strspn(value + len, " \t")) {
		len = strcspn(value, " \t");
		if (len + strlen(tail) >= sizeof(word))
			return bad(e, change, "a word is too long");
		snprintf(word, sizeof(word), "%.*s%s", (int)len, value,
			 memchr(value, '/', len) ? "" : tail);
		if (json_object_set_new(object, word, json_object()) < 0)
			return bad(e, change, "it is no UTF-8");
	}
	return 0;
}

static int set_text(json_t *config, const char *key, const char *value, const char *change,
		    struct err *e)
{
	json_t *text = json_string(value);

	return text && json_object_set_new(config, key, text) == 0
		       ? 0
		       : bad(e, change, "it is no UTF-8");
}

int source_change(json_t *config, const char *change, struct err *e)
{
	size_t len = strcspn(change, " \t");
	const char *value = change + len + strspn(change + len, " \t");
	char word[16];

	if (value[0] == '\0' || len >= sizeof(word))
		return bad(e, change, "it is written INSTRUCTION VALUE");
	snprintf(word, sizeof(word), "%.*s", (int)len, change);
	if (strcasecmp(word, "CMD") == 0)
		return set_command(config, "Cmd", value, change, e);
	if (strcasecmp(word, "ENTRYPOINT") == 0)
		return set_command(config, "Entrypoint", value, change, e);
	if (strcasecmp(word, "ENV") == 0)
		return set_env(config, value, change, e);
	if (strcasecmp(word, "LABEL") == 0)
		return set_label(config, value, change, e);
	if (strcasecmp(word, "EXPOSE") == 0)
		return set_keys(config, "ExposedPorts", value, "/tcp", change, e);
	if (strcasecmp(word, "VOLUME") == 0)
		return value[0] == '[' ? bad(e, change, "volumes are written VOLUME /a /b")
				       : set_keys(config, "Volumes", value, "", change, e);
	if (strcasecmp(word, "USER") == 0)
		return set_text(config, "User", value, change, e);
	if (strcasecmp(word, "WORKDIR") == 0)
		return set_text(config, "WorkingDir", value, change, e);
	if (strcasecmp(word, "STOPSIGNAL") == 0)
		return set_text(config, "StopSignal", value, change, e);
	err_say(e, EINVAL, "--change \"%.150s\": no such instruction", change);
	return err_fix(e,
		       "CMD ENTRYPOINT ENV EXPOSE LABEL STOPSIGNAL USER VOLUME WORKDIR are known");
}

/* The tar as it came, into files/layer. */
static int spool(int dir, int from, uint64_t bytes_max, struct err *e)
{
	_cleanup_fd_ int to = openat(dir, "files/layer",
				     O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	_cleanup_free_ char *block = malloc(BLOCK);
	uint64_t bytes = 0;
	ssize_t n = 1;
	int error;

	if (to < 0 || block == NULL)
		return err_set(e, to < 0 ? errno : ENOMEM, "cannot make a file in the store");
	while (n > 0) {
		n = fd_read_full(from, block, BLOCK);
		if (n < 0)
			return err_set(e, -n, "cannot read it");
		bytes += n;
		if (bytes > bytes_max) {
			err_say(e, EFBIG, "it has more than %llu bytes",
				(unsigned long long)bytes_max);
			return err_fix(e, "if you trust it, allow more with --max-size");
		}
		error = fd_write_all(to, block, n);
		if (error)
			return err_set(e, -error, "cannot write to the store");
	}
	return bytes ? 0 : err_say(e, EBADMSG, "it is empty");
}

static const char *type_of(enum compression kind)
{
	return kind == COMPRESSION_GZIP	  ? "application/vnd.oci.image.layer.v1.tar+gzip"
	       : kind == COMPRESSION_ZSTD ? "application/vnd.oci.image.layer.v1.tar+zstd"
					  : "application/vnd.oci.image.layer.v1.tar";
}

static int find_diffid(int dir, uint64_t bytes_max, struct digest *ret, const char **ret_type,
		       struct err *e)
{
	_cleanup_fd_ int fd = openat(dir, "files/layer", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	_cleanup_decompressor_ struct decompressor *d = NULL;
	_cleanup_hash_ struct hash h = HASH_INIT;
	const void *data;
	uint64_t bytes = 0;
	ssize_t n = 1;
	int error = fd < 0 ? err_set(e, errno, "cannot open it again")
			   : decompress_new(fd, NULL, -EBADF, &d, e);

	if (!error)
		error = hash_begin(&h, e);
	while (!error && n > 0) {
		n = decompress_read(d, &data, e);
		if (n < 0)
			return n;
		bytes += n;
		if (bytes > bytes_max)
			return err_say(e, EFBIG,
				       "it has more than %llu bytes unpacked (see --max-size)",
				       (unsigned long long)bytes_max);
		hash_add(&h, data, n);
	}
	if (error)
		return error;
	hash_end(&h, ret);
	*ret_type = type_of(decompress_kind(d));
	return 0;
}

/* As of now; or of SOURCE_DATE_EPOCH, so that the same input gives the same image. */
static void say_time(char text[UTC_TEXT_MAX + 1])
{
	const char *epoch = getenv("SOURCE_DATE_EPOCH");
	char *end = NULL;
	long long seconds =
		epoch && isdigit((unsigned char)epoch[0]) ? strtoll(epoch, &end, 10) : 0;

	utc_format(end && *end == '\0' ? (time_t)seconds : time(NULL), text);
	strcat(text, "Z");
}

static int make_config(const struct source_import *o, const struct digest *diffid, json_t **ret,
		       struct err *e)
{
	json_t *run = json_object(), *step, *c;
	char created[UTC_TEXT_MAX + 1];
	int error = 0;
	size_t i;

	for (i = 0; !error && o->changes && o->changes[i]; i++)
		error = source_change(run, o->changes[i], e);
	if (error) {
		json_decref(run);
		return error;
	}
	say_time(created);
	step = json_pack("{s:s, s:s}", "created", created, "created_by", "kist image import");
	if (o->message)
		json_object_set_new(step, "comment", json_string(o->message));
	c = json_pack("{s:s, s:s, s:s, s:o, s:{s:s, s:[s]}, s:[o]}", "created", created,
		      "architecture", o->platform.architecture, "os", o->platform.os, "config", run,
		      "rootfs", "type", "layers", "diff_ids", digest_text(diffid).text, "history",
		      step);
	if (c && o->platform.variant[0])
		json_object_set_new(c, "variant", json_string(o->platform.variant));
	*ret = c;
	return c ? 0 : err_set(e, ENOMEM, "no memory for a config");
}

static int make_layout(int dir, const struct source_import *o, uint64_t bytes_max, struct err *e)
{
	_cleanup_json_ json_t *config = NULL, *config_d = NULL, *layer = NULL, *manifest_d = NULL;
	_cleanup_json_ json_t *layers = json_array(), *entries = json_array(), *manifest = NULL;
	const char *type = NULL;
	struct digest diffid;
	int error = find_diffid(dir, bytes_max, &diffid, &type, e);

	if (!error)
		error = make_config(o, &diffid, &config, e);
	if (!error)
		error = layout_adopt(dir, "files/layer", type, &layer, e);
	if (!error)
		error = layout_add(dir, config, "application/vnd.oci.image.config.v1+json",
				   &config_d, e);
	if (error)
		return error;
	json_array_append(layers, layer);
	manifest = layout_manifest(config_d, layers);
	error = layout_add(dir, manifest, "application/vnd.oci.image.manifest.v1+json", &manifest_d,
			   e);
	json_array_append(entries, manifest_d);
	return error ? error : layout_finish(dir, entries, e);
}

int source_from_rootfs(int spool_dir, const char *path, const struct source_import *o,
		       uint64_t bytes_max, struct err *e)
{
	_cleanup_fd_ int fd = strcmp(path, "-") == 0 ? dup(STDIN_FILENO)
						     : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	int error =
		fd < 0 ? err_set(e, errno, "cannot open it") : layout_make_folders(spool_dir, e);

	if (!error)
		error = spool(spool_dir, fd, bytes_max, e);
	return error ? error : make_layout(spool_dir, o, bytes_max, e);
}
