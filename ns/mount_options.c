/*
 * mount_options.c - the mount options of the OCI spec, as a table.
 *
 * Owns the words only: what they do to one mount (MOUNT_ATTR_*, mount_setattr(2)),
 * to its filesystem (fsconfig(2)) and to its propagation. Knows no paths.
 */
#include <errno.h>
#include <string.h>
#include <sys/mount.h>

#include "ns/spec.h"

enum word_kind {
	WORD_NOTHING,     /* the kernel's default, or a word without meaning to it */
	WORD_ATTR,        /* sets `bits` on this mount */
	WORD_ATTR_CLEAR,
	WORD_RATTR,       /* the same on the whole tree */
	WORD_RATTR_CLEAR,
	WORD_ATIME,       /* one value of the three-valued MOUNT_ATTR__ATIME */
	WORD_RATIME,
	WORD_PROPAGATION,
	WORD_SUPER,       /* a superblock flag, which fsconfig(2) knows by its name */
	WORD_CLASSIC,     /* a flag that only mount(2) can carry */
	WORD_CLASSIC_CLEAR,
	WORD_BIND,
	WORD_RBIND,
	WORD_REMOUNT,
	WORD_COPY_UP,
	WORD_IDMAP,
	WORD_RIDMAP,
	WORD_TRY_IDMAP,
	WORD_COPY_SYMLINK,
	WORD_SOURCE_NOFOLLOW,
	WORD_TARGET_NOFOLLOW,
};

struct word {
	const char *name;
	enum word_kind kind;
	uint64_t bits;
};

/* Sorted as in config.md, "Linux mount options". */
static const struct word words[] = {
	{ "async", WORD_SUPER, 0 },
	{ "atime", WORD_ATIME, MOUNT_ATTR_RELATIME },
	{ "bind", WORD_BIND, 0 },
	{ "defaults", WORD_NOTHING, 0 },
	{ "dev", WORD_ATTR_CLEAR, MOUNT_ATTR_NODEV },
	{ "diratime", WORD_ATTR_CLEAR, MOUNT_ATTR_NODIRATIME },
	{ "dirsync", WORD_SUPER, 0 },
	{ "exec", WORD_ATTR_CLEAR, MOUNT_ATTR_NOEXEC },
	{ "iversion", WORD_CLASSIC, MS_I_VERSION },
	{ "lazytime", WORD_SUPER, 0 },
	{ "loud", WORD_CLASSIC_CLEAR, MS_SILENT },
	{ "mand", WORD_SUPER, 0 },
	{ "noatime", WORD_ATIME, MOUNT_ATTR_NOATIME },
	{ "nodev", WORD_ATTR, MOUNT_ATTR_NODEV },
	{ "nodiratime", WORD_ATTR, MOUNT_ATTR_NODIRATIME },
	{ "noexec", WORD_ATTR, MOUNT_ATTR_NOEXEC },
	{ "noiversion", WORD_CLASSIC_CLEAR, MS_I_VERSION },
	{ "nolazytime", WORD_SUPER, 0 },
	{ "nomand", WORD_SUPER, 0 },
	/* Without noatime and strictatime the kernel always does relatime: there is nothing to
	 * clear (mount(2), MS_RELATIME). */
	{ "norelatime", WORD_NOTHING, 0 },
	{ "nostrictatime", WORD_ATIME, MOUNT_ATTR_RELATIME },
	{ "nosuid", WORD_ATTR, MOUNT_ATTR_NOSUID },
	{ "nosymfollow", WORD_ATTR, MOUNT_ATTR_NOSYMFOLLOW },
	{ "private", WORD_PROPAGATION, MS_PRIVATE },
	{ "rbind", WORD_RBIND, 0 },
	{ "relatime", WORD_ATIME, MOUNT_ATTR_RELATIME },
	{ "remount", WORD_REMOUNT, 0 },
	{ "ro", WORD_ATTR, MOUNT_ATTR_RDONLY },
	{ "rprivate", WORD_PROPAGATION, MS_PRIVATE | MS_REC },
	{ "rshared", WORD_PROPAGATION, MS_SHARED | MS_REC },
	{ "rslave", WORD_PROPAGATION, MS_SLAVE | MS_REC },
	{ "runbindable", WORD_PROPAGATION, MS_UNBINDABLE | MS_REC },
	{ "rw", WORD_ATTR_CLEAR, MOUNT_ATTR_RDONLY },
	{ "shared", WORD_PROPAGATION, MS_SHARED },
	{ "silent", WORD_CLASSIC, MS_SILENT },
	{ "slave", WORD_PROPAGATION, MS_SLAVE },
	{ "strictatime", WORD_ATIME, MOUNT_ATTR_STRICTATIME },
	{ "suid", WORD_ATTR_CLEAR, MOUNT_ATTR_NOSUID },
	{ "symfollow", WORD_ATTR_CLEAR, MOUNT_ATTR_NOSYMFOLLOW },
	{ "sync", WORD_SUPER, 0 },
	{ "unbindable", WORD_PROPAGATION, MS_UNBINDABLE },
	{ "rro", WORD_RATTR, MOUNT_ATTR_RDONLY },
	{ "rrw", WORD_RATTR_CLEAR, MOUNT_ATTR_RDONLY },
	{ "rnosuid", WORD_RATTR, MOUNT_ATTR_NOSUID },
	{ "rsuid", WORD_RATTR_CLEAR, MOUNT_ATTR_NOSUID },
	{ "rnodev", WORD_RATTR, MOUNT_ATTR_NODEV },
	{ "rdev", WORD_RATTR_CLEAR, MOUNT_ATTR_NODEV },
	{ "rnoexec", WORD_RATTR, MOUNT_ATTR_NOEXEC },
	{ "rexec", WORD_RATTR_CLEAR, MOUNT_ATTR_NOEXEC },
	{ "rnodiratime", WORD_RATTR, MOUNT_ATTR_NODIRATIME },
	{ "rdiratime", WORD_RATTR_CLEAR, MOUNT_ATTR_NODIRATIME },
	{ "rrelatime", WORD_RATIME, MOUNT_ATTR_RELATIME },
	{ "rnorelatime", WORD_NOTHING, 0 },
	{ "rnoatime", WORD_RATIME, MOUNT_ATTR_NOATIME },
	{ "ratime", WORD_RATIME, MOUNT_ATTR_RELATIME },
	{ "rstrictatime", WORD_RATIME, MOUNT_ATTR_STRICTATIME },
	{ "rnostrictatime", WORD_RATIME, MOUNT_ATTR_RELATIME },
	{ "rnosymfollow", WORD_RATTR, MOUNT_ATTR_NOSYMFOLLOW },
	{ "rsymfollow", WORD_RATTR_CLEAR, MOUNT_ATTR_NOSYMFOLLOW },
	{ "tmpcopyup", WORD_COPY_UP, 0 },
	{ "idmap", WORD_IDMAP, 0 },
	{ "ridmap", WORD_RIDMAP, 0 },
	/* Not in the specification; as crun has them, and podman writes them. */
	{ "copy-symlink", WORD_COPY_SYMLINK, 0 },
	{ "tryidmap", WORD_TRY_IDMAP, 0 }, /* kist's own: ridmap, where the filesystem can */
	{ "dest-nofollow", WORD_TARGET_NOFOLLOW, 0 },
	{ "src-nofollow", WORD_SOURCE_NOFOLLOW, 0 },
};

const char *ns_mount_option_name(size_t i)
{
	return i < sizeof words / sizeof words[0] ? words[i].name : NULL;
}

static const struct word *find_word(const char *option)
{
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if (strcmp(words[i].name, option) == 0)
			return &words[i];
	return NULL;
}

static void attr_change(uint64_t *set, uint64_t *clr, uint64_t bits, bool on)
{
	if (on) {
		*set |= bits;
		*clr &= ~bits;
	} else {
		*clr |= bits;
		*set &= ~bits;
	}
}

/* The access time is one value in three bits: mount_setattr(2) wants all of them cleared. */
static void atime_change(uint64_t *set, uint64_t *clr, uint64_t value)
{
	*set = (*set & ~(uint64_t)MOUNT_ATTR__ATIME) | value;
	*clr |= MOUNT_ATTR__ATIME;
}

static void super_add(struct ns_mount_flags *f, const char *name)
{
	/* Each pair of words has one place, so that the last one counts and the array is enough. */
	static const char *const pairs[][2] = {
		{ "async", "sync" }, { "lazytime", "nolazytime" }, { "mand", "nomand" },
	};
	int same = -1;

	for (int i = 0; i < f->super_count; i++)
		if (strcmp(f->super[i].key, name) == 0)
			same = i;
	for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
		bool first = strcmp(pairs[i][0], name) == 0, second = strcmp(pairs[i][1], name) == 0;

		for (int j = 0; (first || second) && j < f->super_count; j++)
			if (strcmp(f->super[j].key, pairs[i][first]) == 0)
				same = j;
	}
	f->super[same >= 0 ? same : f->super_count++] = (struct ns_option){ name, NULL };
}

static int apply_word(const struct word *w, struct ns_mount_flags *f)
{
	switch (w->kind) {
	case WORD_NOTHING:
		break;
	case WORD_ATTR:
	case WORD_ATTR_CLEAR:
		attr_change(&f->attr_set, &f->attr_clr, w->bits, w->kind == WORD_ATTR);
		f->attr_asked = true;
		break;
	case WORD_RATTR:
	case WORD_RATTR_CLEAR:
		attr_change(&f->rattr_set, &f->rattr_clr, w->bits, w->kind == WORD_RATTR);
		f->rattr_asked = true;
		break;
	case WORD_ATIME:
		atime_change(&f->attr_set, &f->attr_clr, w->bits);
		f->attr_asked = true;
		break;
	case WORD_RATIME:
		atime_change(&f->rattr_set, &f->rattr_clr, w->bits);
		f->rattr_asked = true;
		break;
	case WORD_PROPAGATION:
		if (f->propagation_count == NS_PROPAGATIONS_MAX)
			return -E2BIG;
		f->propagation[f->propagation_count++] = (unsigned int)w->bits;
		break;
	case WORD_SUPER:
		super_add(f, w->name);
		break;
	case WORD_CLASSIC:
		f->classic |= w->bits;
		break;
	case WORD_CLASSIC_CLEAR:
		f->classic &= ~w->bits;
		break;
	case WORD_RBIND:
		f->recursive = true;
		f->bind = true;
		break;
	case WORD_BIND:
		f->bind = true;
		break;
	case WORD_REMOUNT:
		f->remount = true;
		break;
	case WORD_COPY_UP:
		f->copy_up = true;
		break;
	case WORD_TRY_IDMAP:
		f->idmap_try = true;
		f->idmap_recursive = true;
		f->idmap = true;
		break;
	case WORD_RIDMAP:
		f->idmap_recursive = true;
		f->idmap = true;
		break;
	case WORD_IDMAP:
		f->idmap = true;
		break;
	case WORD_COPY_SYMLINK:
		f->copy_symlink = true;
		break;
	case WORD_SOURCE_NOFOLLOW:
		f->source_nofollow = true;
		break;
	case WORD_TARGET_NOFOLLOW:
		f->target_nofollow = true;
		break;
	}
	return 0;
}

static int bad_option(struct err *e, const char *at, size_t index, const char *text)
{
	char where[96];

	snprintf(where, sizeof where, "%s/%zu", at, index);
	err_say(e, EINVAL, "%s", text);
	return err_at(e, where);
}

bool ns_option_is_label(const char *key)
{
	return strcmp(key, "context") == 0 || strcmp(key, "fscontext") == 0 ||
	       strcmp(key, "defcontext") == 0 || strcmp(key, "rootcontext") == 0;
}

/* "key=value" or "key", as data for the filesystem. */
static int add_data(const char *option, struct arena *a, struct ns_option *ret)
{
	const char *equals = strchr(option, '=');
	size_t len;

	if (equals) {
		ret->key = arena_strndup(a, option, (size_t)(equals - option));
		len = strlen(++equals);
		/* Labels come in quotes, as mount(8) wants them; fsconfig(2) takes them without. */
		if (ret->key && ns_option_is_label(ret->key) && len >= 2 && equals[0] == '"' &&
		    equals[len - 1] == '"')
			ret->value = arena_strndup(a, equals + 1, len - 2);
		else
			ret->value = arena_strdup(a, equals);
	} else {
		ret->key = arena_strdup(a, option);
		ret->value = NULL;
	}
	return arena_failed(a) ? -ENOMEM : 0;
}

/* "idmap=..." and "ridmap=...": maps of the mount's own, which ns_idmap_text_parse() reads. */
static bool take_idmap(const char *option, struct arena *a, struct ns_mount_flags *f)
{
	bool recursive = option[0] == 'r';

	if (strncmp(option + recursive, "idmap=", 6) != 0)
		return false;
	f->idmap = true;
	f->idmap_recursive = f->idmap_recursive || recursive;
	f->idmap_text = arena_strdup(a, option + recursive + 6);
	return true;
}

int ns_mount_options_parse(const char *const *options, size_t count, const char *at,
			   struct arena *a, struct ns_mount_flags *ret, struct err *e)
{
	struct ns_mount_flags f = { 0 };
	struct ns_option *data;
	size_t bytes = 0;

	if (count > NS_OPTIONS_MAX)
		return bad_option(e, at, NS_OPTIONS_MAX, "too many options for one mount");
	data = arena_array(a, count ? count : 1, sizeof *data);
	if (!data)
		return err_set(e, ENOMEM, "cannot read mount options");
	for (size_t i = 0; i < count; i++) {
		const struct word *w = find_word(options[i]);

		if (w && apply_word(w, &f) < 0)
			return bad_option(e, at, i, "too many propagation options for one mount");
		if (w || take_idmap(options[i], a, &f))
			continue;
		/* A comma would become two options where the kernel takes one string. */
		if (options[i][0] == '\0' || options[i][0] == '=')
			return bad_option(e, at, i, "an empty mount option");
		if (!strchr(options[i], '=') && strchr(options[i], ','))
			return bad_option(e, at, i, "must be one mount option, not a list with commas");
		bytes += strlen(options[i]) + 1;
		if (bytes > NS_OPTION_BYTES_MAX)
			return bad_option(e, at, i, "the options of one mount do not fit in a page");
		if (add_data(options[i], a, &data[f.data_count++]) < 0)
			return err_set(e, ENOMEM, "cannot read mount options");
	}
	f.data = data;
	*ret = f;
	return 0;
}
