/*
 * image-archive.c - `kist image save`, `import`, `export`: images and root file systems as files.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/fd.h"
#include "base/log.h"
#include "base/path.h"
#include "cli/image-cli.h"
#include "image/export.h"
#include "image/layout-make.h"
#include "image/load.h"
#include "image/reference.h"
#include "image/save.h"

/* Under another name until it is whole. */
static int open_output(const char *path, char *temporary, size_t size, int *ret, struct err *e)
{
	if (path == NULL || strcmp(path, "-") == 0) {
		if (isatty(STDOUT_FILENO)) {
			err_say(e, EINVAL, "an archive is nothing for a terminal");
			return err_fix(e, "name a file: --output FILE");
		}
		temporary[0] = '\0';
		*ret = dup(STDOUT_FILENO);
		return *ret < 0 ? err_set(e, errno, "dup") : 0;
	}
	if (snprintf(temporary, size, "%s.XXXXXX", path) >= (int)size)
		return err_say(e, ENAMETOOLONG, "the file's name is too long");
	*ret = mkostemp(temporary, O_CLOEXEC);
	if (*ret < 0)
		return err_set(e, errno, "cannot make %s", path);
	return fchmod(*ret, 0644) < 0 ? err_set(e, errno, "cannot make %s", path) : 0;
}

static int read_format(const struct image_cli *o, enum save_format *ret, struct err *e)
{
	static const char *const names[] = { "oci-archive", "docker-archive", "oci" };
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(o->format ? o->format : names[0], names[i]) == 0) {
			*ret = (enum save_format)i;
			return 0;
		}
	return err_say(e, EINVAL, "--format is oci-archive, docker-archive or oci, not %.60s",
		       o->format);
}

/* Made by us, so that what is half-written can go again. */
static int save_folder(const struct image_cli *o, const struct store *s, struct err *e)
{
	_cleanup_fd_ int dir = -EBADF;
	int error = 0;

	if (o->output == NULL || strcmp(o->output, "-") == 0) {
		err_say(e, EINVAL, "a layout is a folder");
		return err_fix(e, "name it: --output DIR");
	}
	if (mkdir(o->output, 0755) < 0)
		return err_set(e, errno, "cannot make %s", o->output);
	dir = open(o->output, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0)
		error = err_set(e, errno, "cannot open %s", o->output);
	if (!error)
		error = image_save(s, (const char *const *)o->args, o->arg_count, SAVE_OCI, dir, e);
	if (!error && syncfs(dir) < 0)
		error = err_set(e, errno, "cannot sync %s", o->output);
	if (error)
		path_remove_tree(AT_FDCWD, o->output, NULL);
	return error;
}

/* Into --output, which appears when it is whole, or the standard output. */
static int write_output(const struct image_cli *o, int (*write)(void *user, int fd, struct err *e),
			void *user, struct err *e)
{
	_cleanup_fd_ int fd = -EBADF;
	char temporary[4200] = "";
	int error = open_output(o->output, temporary, sizeof(temporary), &fd, e);

	if (!error)
		error = write(user, fd, e);
	if (!error && temporary[0] && (fsync(fd) < 0 || rename(temporary, o->output) < 0))
		error = err_set(e, errno, "cannot put %s in place", o->output);
	if (error && temporary[0])
		unlink(temporary);
	return error;
}

struct saving {
	const struct image_cli *o;
	const struct store *store;
	enum save_format format;
};

static int write_images(void *user, int fd, struct err *e)
{
	const struct saving *v = user;

	return image_save(v->store, (const char *const *)v->o->args, v->o->arg_count, v->format, fd,
			  e);
}

int image_cli_save(const struct image_cli *o, struct err *e)
{
	_cleanup_store_ struct store s = STORE_INIT;
	enum save_format format = SAVE_OCI_ARCHIVE;
	struct saving v = { .o = o, .store = &s };
	int error = read_format(o, &format, e);

	if (!error)
		error = store_open(&s, o->store, false, e);
	if (error == -ENOENT && s.dir < 0) { /* none yet; a shared one may have it */
		err_clear(e);
		error = 0;
	}
	v.format = format;
	if (!error)
		error = format == SAVE_OCI ? save_folder(o, &s, e)
					   : write_output(o, write_images, &v, e);
	return error ? err_wrap(e, "cannot save") : 0;
}

static void loaded(void *user, const char *reference, const struct digest *manifest, size_t layers,
		   size_t unpacked)
{
	const struct image_cli *o = user;

	(void)layers;
	(void)unpacked;
	if (o->quiet)
		printf("%s\n", digest_text(manifest).text);
	else
		printf("imported %s  %s\n", reference_familiar(reference).text,
		       digest_text(manifest).text);
}

static void note(void *user, const char *text)
{
	const struct image_cli *o = user;

	if (!o->quiet)
		log_msg(LOG_WARN, "%s", text);
}

int image_cli_import(const struct image_cli *o, struct err *e)
{
	struct source_import import = { .changes = o->changes.item,
					.message = o->message,
					.platform = platform_here() };
	struct load_options load = {
		.store = o->store,
		.source = o->args[0],
		.import = &import,
		.tag = o->args[1],
		.platform = &import.platform,
		.bytes_max = o->bytes_max,
		.entries_max = o->entries_max,
		.loaded = loaded,
		.note = note,
		.user = (void *)(uintptr_t)o,
	};
	struct arena a = ARENA_INIT;
	int error;

	/* What this machine could do is not what the files need. */
	import.platform.variant =
		strcmp(import.platform.architecture, "arm") == 0 ? import.platform.variant : "";
	error = o->platform ? platform_parse(o->platform, &a, &import.platform, e) : 0;

	if (!error)
		error = image_cli_enter(o, true, e);
	if (!error)
		error = image_load(&load, e);
	arena_free(&a);
	return error;
}

static int write_export(void *user, int fd, struct err *e)
{
	return image_export(user, fd, e);
}

int image_cli_export(const struct image_cli *o, struct err *e)
{
	struct export_options x = { .store = o->store, .source = o->args[0], .plain = o->rootfs };
	int error = o->rootfs ? 0 : image_cli_enter(o, false, e);

	if (!error)
		error = write_output(o, write_export, &x, e);

	return error ? err_wrap(e, "cannot export %.200s", o->args[0]) : 0;
}
