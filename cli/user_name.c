/*
 * user_name.c - the host's name of a user, by /etc/passwd alone.
 *
 * getpwuid(3) would load whatever modules nsswitch.conf(5) names into a program
 * that runs as root, and can't in one that is static.
 */
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "cli/cli.h"

static bool look_up(uid_t uid, char *ret, size_t size)
{
	_cleanup_stream_ FILE *file = fopen("/etc/passwd", "re");
	const struct passwd *user;

	while (file && (user = fgetpwent(file)))
		if (user->pw_uid == uid && strlen(user->pw_name) < size) {
			memcpy(ret, user->pw_name, strlen(user->pw_name) + 1);
			return true;
		}
	return false;
}

const char *cli_user_name(uid_t uid)
{
	/* A table asks for the same one again and again. */
	static char name[64];
	static uid_t last;
	static bool known, found;

	if (!known || uid != last)
		found = look_up(uid, name, sizeof name);
	known = true;
	last = uid;
	return found ? name : NULL;
}
