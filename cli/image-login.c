/*
 * image-login.c - `kist image login` and `logout`: a password is tried, then kept.
 *
 * It is read from the standard input, never from an argument: every user of a
 * host sees the others' command lines.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>
#include "base/fd.h"
#include "cli/image-cli.h"
#include "image/registry.h"

/* A line, without its end. */
static int read_line(char *text, size_t size, const char *what, struct err *e)
{
	size_t len;

	if (fgets(text, size, stdin) == NULL)
		return err_say(e, ENODATA, "no %s on the standard input", what);
	len = strlen(text);
	if (len + 1 == size && text[len - 1] != '\n')
		return err_say(e, EFBIG, "the %s is too long", what);
	while (len > 0 && strchr("\r\n", text[len - 1]))
		text[--len] = '\0';
	return len ? 0 : err_say(e, EINVAL, "the %s is empty", what);
}

static struct termios terminal; /* as it was */

/* Who gives up at the prompt must get his echo back. */
static void restore_and_die(int signal_number)
{
	tcsetattr(STDIN_FILENO, TCSANOW, &terminal);
	signal(signal_number, SIG_DFL);
	raise(signal_number);
}

static int ask_password(char *text, size_t size, struct err *e)
{
	static const int deaths[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
	struct termios hidden;
	size_t i;
	int error;

	if (tcgetattr(STDIN_FILENO, &terminal) < 0)
		return read_line(text, size, "password", e);
	for (i = 0; i < sizeof(deaths) / sizeof(deaths[0]); i++)
		signal(deaths[i], restore_and_die);
	hidden = terminal;
	hidden.c_lflag &= ~ECHO;
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden);
	fputs("Password: ", stderr);
	error = read_line(text, size, "password", e);
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &terminal);
	for (i = 0; i < sizeof(deaths) / sizeof(deaths[0]); i++)
		signal(deaths[i], SIG_DFL);
	fputc('\n', stderr);
	return error;
}

static int ask(const struct image_cli *o, struct credential *c, struct err *e)
{
	int error = 0;

	if (o->user) {
		if (strlen(o->user) >= sizeof(c->user) || strchr(o->user, ':'))
			return err_say(e, EINVAL, "a user's name is short, and has no colon");
		snprintf(c->user, sizeof(c->user), "%s", o->user);
	} else if (o->password_stdin || !isatty(STDIN_FILENO)) {
		err_say(e, EINVAL, "whose password is it?");
		return err_fix(e, "give the user's name: --username NAME");
	} else {
		fputs("Username: ", stderr);
		error = read_line(c->user, sizeof(c->user), "user's name", e);
	}
	if (error)
		return error;
	return o->password_stdin ? read_line(c->secret, sizeof(c->secret), "password", e)
				 : ask_password(c->secret, sizeof(c->secret), e);
}

/* "docker.io", "localhost:5000": a reference's first part. */
static int domain_of(const struct image_cli *o, struct reference *ret, struct err *e)
{
	const char *domain = o->arg_count ? o->args[0] : "docker.io";
	char text[300];
	size_t len;

	if (strncmp(domain, "https://", 8) == 0)
		domain += 8;
	if (snprintf(text, sizeof(text), "%s", domain) >= (int)sizeof(text))
		return err_say(e, EINVAL, "that is no registry: it is too long");
	len = strcspn(text, "/");
	if (strncmp(domain, "index.docker.io/v1", 18) != 0 && text[len] && text[len + 1])
		return err_say(e, EINVAL, "\"%.100s\" is no registry: it is written HOST[:PORT]",
			       domain);
	snprintf(text + len, sizeof(text) - len, "/x/x");
	if (reference_parse(text, ret, NULL) || strncmp(ret->name, "docker.io/", 10) == 0) {
		if (strncmp(text, "docker.io/", 10) != 0 &&
		    strncmp(text, "index.docker.io/", 16) != 0)
			return err_say(e, EINVAL,
				       "\"%.100s\" is no registry: it is written HOST[:PORT]",
				       domain);
	}
	ret->name[strcspn(ret->name, "/")] = '\0';
	return 0;
}

static int try_it(const struct image_cli *o, const struct reference *where,
		  const struct credential *c, struct err *e)
{
	struct registry_options options;
	struct registry r = { 0 };
	struct http *h = NULL;
	int error = http_open(&h, e);

	image_cli_registry(o, &options);
	options.credential = c;
	if (!error)
		error = registry_open(&r, where, &options, e);
	if (!error)
		error = registry_ping(&r, h, e);
	http_close(&h);
	registry_close(&r);
	return error;
}

int image_cli_login(const struct image_cli *o, struct err *e)
{
	struct credential c = { 0 };
	struct reference where = { 0 };
	char place[4096] = "", user[sizeof(c.user)];
	int error = domain_of(o, &where, e);

	if (!error)
		error = ask(o, &c, e);
	if (!error)
		error = try_it(o, &where, &c, e);
	if (!error)
		error = credentials_store(o->authfile, where.name, &c, place, sizeof(place), e);
	memcpy(user, c.user, sizeof(user));
	credential_forget(&c);
	if (error)
		return err_wrap(e, "cannot log in%s%s", where.name[0] ? " to " : "", where.name);
	if (!o->quiet)
		printf("logged in to %s as %s; kept in %s\n", where.name, user, place);
	return 0;
}

int image_cli_logout(const struct image_cli *o, struct err *e)
{
	struct reference where;
	int error = domain_of(o, &where, e), got;

	if (error)
		return error;
	got = credentials_erase(o->authfile, where.name, e);
	if (got < 0)
		return err_wrap(e, "cannot log out of %s", where.name);
	if (!o->quiet)
		printf(got ? "logged out of %s\n" : "was not logged in to %s\n", where.name);
	return 0;
}
