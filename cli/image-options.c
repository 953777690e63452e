/*
 * image-options.c - the options of kist-image: one table, which also says whose they are.
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include "cli/image-cli.h"

enum kind { FLAG, WORD, WORDS, BYTES, NUMBER, LOG_FORMAT, HELP };

static const struct row {
	const char *name;
	char letter;
	const char *verbs; /* NULL: all */
	enum kind kind;
	size_t at;	  /* in struct image_cli */
	uint64_t max;	  /* of a NUMBER */
	const char *like; /* what it should have been */
} rows[] = {
#define AT(member) offsetof(struct image_cli, member)
	{ "help", 'h', NULL, HELP, AT(help), 0, NULL },
	{ "store", 0, NULL, WORD, AT(store), 0, NULL },
	{ "quiet", 'q', NULL, FLAG, AT(quiet), 0, NULL },
	{ "log", 0, NULL, WORD, AT(log), 0, NULL },
	{ "log-format", 0, NULL, LOG_FORMAT, AT(log_json), 0, "text or json" },
	{ "json", 0, "ls pull push history tags referrers prune df fsck", FLAG, AT(json), 0, NULL },
	{ "tag", 0, "load", WORD, AT(tag), 0, NULL },
	{ "image", 0, "load", WORD, AT(only), 0, NULL },
	{ "off", 0, "share", FLAG, AT(off), 0, NULL },
	{ "max-size", 0, "load pull import", BYTES, AT(bytes_max), 0, "like 512M or 32G" },
	{ "max-entries", 0, "load pull import", NUMBER, AT(entries_max), INT64_MAX, "a number" },
	{ "platform", 0, "pull import", WORD, AT(platform), 0, NULL },
	{ "ids", 0, "load pull import", WORD, AT(ids), 0, NULL },
	{ "authfile", 0, "pull push login logout tags referrers inspect", WORD, AT(authfile), 0,
	  NULL },
	{ "certs-dir", 0, "pull push login tags referrers inspect", WORD, AT(certs_dir), 0, NULL },
	{ "plain-http", 0, "pull push login tags referrers inspect", FLAG, AT(plain_http), 0,
	  NULL },
	{ "tries", 0, "pull push login tags referrers inspect", NUMBER, AT(tries), 100,
	  "a number from 1 to 100" },
	{ "timeout", 0, "pull push login tags referrers inspect", NUMBER, AT(timeout), 3600,
	  "seconds, 1 to 3600" },
	{ "username", 'u', "login", WORD, AT(user), 0, NULL },
	{ "password-stdin", 0, "login", FLAG, AT(password_stdin), 0, NULL },
	{ "chunk-size", 0, "push", BYTES, AT(chunk), 0, "like 512k or 16M" },
	{ "output", 'o', "save export pull", WORD, AT(output), 0, NULL },
	{ "format", 0, "save ls inspect", WORD, AT(format), 0, NULL },
	{ "artifact", 0, "pull", FLAG, AT(artifact), 0, NULL },
	{ "artifact-type", 0, "referrers", WORD, AT(artifact_type), 0, NULL },
	{ "last", 0, "tags", WORD, AT(last), 0, NULL },
	{ "limit", 0, "tags", NUMBER, AT(limit), 100000, "a number from 1 to 100000" },
	{ "remote", 0, "inspect", FLAG, AT(remote), 0, NULL },
	{ "raw", 0, "inspect", FLAG, AT(raw), 0, NULL },
	{ "config", 0, "inspect", FLAG, AT(config), 0, NULL },
	{ "digests", 0, "ls", FLAG, AT(digests), 0, NULL },
	{ "change", 'c', "import", WORDS, AT(changes), 0, NULL },
	{ "message", 'm', "import", WORD, AT(message), 0, NULL },
	{ "rootfs", 0, "export", FLAG, AT(rootfs), 0, NULL },
	{ "rootless", 0, "bundle", FLAG, AT(rootless), 0, NULL },
	{ "overlay", 0, "bundle", FLAG, AT(overlay), 0, NULL },
	{ "tty", 't', "bundle", FLAG, AT(tty), 0, NULL },
	{ "user", 0, "bundle", WORD, AT(run_as), 0, NULL },
	{ "all", 'a', "prune", FLAG, AT(all), 0, NULL },
	{ "dry-run", 0, "prune", FLAG, AT(dry_run), 0, NULL },
	{ "filter", 0, "prune ls", WORDS, AT(filters), 0, NULL },
	{ "older-than", 0, "prune", WORD, AT(older_than), 0, NULL },
	{ "force", 'f', "rm", FLAG, AT(force), 0, NULL },
	{ "repair", 0, "fsck", FLAG, AT(repair), 0, NULL },
	{ "quick", 0, "fsck", FLAG, AT(quick), 0, NULL },
};
#define ROW_COUNT (sizeof(rows) / sizeof(rows[0]))
_Static_assert(ROW_COUNT <= 64, "image_cli.used has a bit for each");

/* "32G": a number and maybe one of k M G T (powers of 1024). */
static bool read_size(const char *text, bool units, uint64_t *ret)
{
	static const char letters[] = "kMGT";
	const char *letter;
	uint64_t n = 0;
	size_t i;

	for (i = 0; text[i] >= '0' && text[i] <= '9'; i++)
		if (__builtin_mul_overflow(n, 10, &n) ||
		    __builtin_add_overflow(n, (uint64_t)(text[i] - '0'), &n))
			return false;
	if (i == 0)
		return false;
	if (units && text[i] && (letter = strchr(letters, text[i])) != NULL) {
		if (__builtin_mul_overflow(n, 1ull << (10 * (letter - letters + 1)), &n))
			return false;
		i++;
	}
	*ret = n;
	return text[i] == '\0' && n > 0 && n <= INT64_MAX;
}

static bool is_among(const char *word, const char *words)
{
	size_t len = strlen(word);
	const char *at = words;

	while ((at = strstr(at, word)) != NULL) {
		if ((at == words || at[-1] == ' ') && (at[len] == ' ' || at[len] == '\0'))
			return true;
		at += len;
	}
	return false;
}

int image_cli_bad_usage(const char *what, const char *value)
{
	fprintf(stderr, "kist image: %s%s (see: kist image --help)\n", what, value);
	return IMAGE_CLI_USAGE;
}

static int bad_value(const struct row *row, const char *value)
{
	char text[128];

	snprintf(text, sizeof(text), "--%s must be %s, not ", row->name, row->like);
	return image_cli_bad_usage(text, value);
}

static int take(struct image_cli *o, const struct row *row, const char *value)
{
	void *to = (char *)o + row->at;
	struct image_cli_words *words = to;

	switch (row->kind) {
	case FLAG:
	case HELP:
		*(bool *)to = true;
		return 0;
	case WORD:
		*(const char **)to = value;
		return 0;
	case WORDS:
		if (words->count == IMAGE_CLI_WORDS_MAX)
			return image_cli_bad_usage("too often: --", row->name);
		words->item[words->count++] = value;
		return 0;
	case LOG_FORMAT:
		*(bool *)to = strcmp(value, "json") == 0;
		return *(bool *)to || strcmp(value, "text") == 0 ? 0 : bad_value(row, value);
	default:
		return read_size(value, row->kind == BYTES, to) &&
				       (row->kind == BYTES || *(uint64_t *)to <= row->max)
			       ? 0
			       : bad_value(row, value);
	}
}

int image_cli_options(int argc, char **argv, struct image_cli *o)
{
	struct option options[ROW_COUNT + 1] = { 0 };
	char letters[2 * ROW_COUNT + 1] = "", *end = letters;
	int option, code = 0;
	size_t i;

	for (i = 0; i < ROW_COUNT; i++) {
		bool bare = rows[i].kind == FLAG || rows[i].kind == HELP;

		options[i] = (struct option){ rows[i].name, bare ? no_argument : required_argument,
					      NULL, 256 + (int)i };
		if (rows[i].letter)
			end += snprintf(end, 3, "%c%s", rows[i].letter, bare ? "" : ":");
	}
	opterr = 0;
	while (!code && (option = getopt_long(argc, argv, letters, options, NULL)) != -1) {
		for (i = 0; i < ROW_COUNT; i++)
			if (option == 256 + (int)i || (option == rows[i].letter && option))
				break;
		if (i == ROW_COUNT)
			return image_cli_bad_usage("unknown or incomplete option ",
						   argv[optind - 1]);
		o->used |= 1ull << i;
		code = take(o, &rows[i], optarg);
		if (o->help)
			return 0;
	}
	o->args = argv + optind;
	o->arg_count = argc - optind;
	return code;
}

const char *image_cli_foreign(const struct image_cli *o, const char *verb)
{
	size_t i;

	for (i = 0; i < ROW_COUNT; i++)
		if ((o->used >> i & 1) && rows[i].verbs && !is_among(verb, rows[i].verbs))
			return rows[i].name;
	return NULL;
}
