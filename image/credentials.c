/*
 * credentials.c - finding and keeping credentials in auth files.
 *
 * A key is a registry ("host", "https://host/v1/", as docker writes them) or,
 * in containers' files, a repository or the start of one ("host/team"): the
 * longest wins.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include "base/fd.h"
#include "base/json.h"
#include "image/credentials.h"

#define AUTH_FILE_MAX (1u << 20)
#define HUB_KEY	      "https://index.docker.io/v1/"

void credential_forget(struct credential *c)
{
	OPENSSL_cleanse(c, sizeof(*c));
}

bool credential_to_base64(const struct credential *c, char *text, size_t size)
{
	char plain[sizeof(c->user) + sizeof(c->secret) + 2];
	int n = snprintf(plain, sizeof(plain), "%s:%s", c->user, c->secret);
	bool fine = n > 0 && ((size_t)n + 2) / 3 * 4 + 1 <= size;

	if (fine)
		EVP_EncodeBlock((unsigned char *)text, (unsigned char *)plain, n);
	OPENSSL_cleanse(plain, sizeof(plain));
	return fine;
}

bool credential_from_base64(const char *text, struct credential *ret)
{
	unsigned char plain[sizeof(ret->user) + sizeof(ret->secret) + 8];
	size_t len = strcspn(text, "="), tail = strlen(text);
	struct credential c = { 0 };
	char *colon;
	int n;

	if (tail % 4 != 0 || tail - len > 2 || tail == 0 || tail / 4 * 3 + 1 > sizeof(plain))
		return false;
	n = EVP_DecodeBlock(plain, (const unsigned char *)text, tail);
	if (n < 0 || (size_t)n < tail - len)
		return false;
	n -= tail - len;
	plain[n] = '\0';
	colon = strchr((char *)plain, ':');
	if (strlen((char *)plain) != (size_t)n || colon == NULL)
		return false;
	*colon = '\0';
	if (strlen((char *)plain) >= sizeof(c.user) || strlen(colon + 1) >= sizeof(c.secret))
		return false;
	memcpy(c.user, plain, strlen((char *)plain) + 1);
	memcpy(c.secret, colon + 1, strlen(colon + 1) + 1);
	*ret = c;
	OPENSSL_cleanse(plain, sizeof(plain));
	credential_forget(&c);
	return true;
}

static bool path_from(char *to, size_t size, const char *variable, const char *tail)
{
	const char *value = getenv(variable);
	int n = value && value[0] == '/' ? snprintf(to, size, "%s%s", value, tail) : -1;

	return n >= 0 && (size_t)n < size;
}

static bool docker_file(char *to, size_t size)
{
	return path_from(to, size, "DOCKER_CONFIG", "/config.json") ||
	       path_from(to, size, "HOME", "/.docker/config.json");
}

/* File number i of those that may know; false: there is none. */
static bool file_number(const char *given, int i, char *to, size_t size)
{
	const char *env = getenv("REGISTRY_AUTH_FILE");

	if (given == NULL && env && env[0])
		given = env;
	if (given)
		return i == 0 && snprintf(to, size, "%s", given) < (int)size;
	to[0] = '\0';
	switch (i) {
	case 0:
		path_from(to, size, "XDG_RUNTIME_DIR", "/containers/auth.json");
		return true;
	case 1:
		path_from(to, size, "HOME", "/.config/containers/auth.json");
		return true;
	case 2:
		docker_file(to, size);
		return true;
	default:
		return false;
	}
}

/* A key of a file as "host[:port][/path]": without scheme; what docker puts behind a host after a
 * scheme (/v1/, /v2/) is no path. */
static void plain_key(const char *key, char *to, size_t size)
{
	const char *mark = strstr(key, "://");
	size_t len;

	if (mark)
		key = mark + 3;
	len = mark ? strcspn(key, "/") : strlen(key);
	while (len > 0 && key[len - 1] == '/')
		len--;
	snprintf(to, size, "%.*s", (int)len, key);
	if (strcmp(to, "index.docker.io") == 0 || strcmp(to, "registry-1.docker.io") == 0)
		snprintf(to, size, "docker.io");
}

/* How much of the repository the key names: 0 not it. */
static size_t key_matches(const char *key, const char *repository)
{
	char plain[512];
	size_t len;

	plain_key(key, plain, sizeof(plain));
	len = strlen(plain);
	if (len == 0 || strncmp(plain, repository, len) != 0)
		return 0;
	return repository[len] == '\0' || repository[len] == '/' ? len : 0;
}

static json_t *best_match(json_t *object, const char *repository)
{
	json_t *value, *best = NULL;
	const char *key;
	size_t most = 0, n;

	json_object_foreach(object, key, value)
	{
		n = key_matches(key, repository);
		if (n > most) {
			most = n;
			best = value;
		}
	}
	return best;
}

static int read_file(const char *path, json_t **ret, struct err *e)
{
	_cleanup_free_ char *text = NULL;
	size_t size = 0;
	int error = file_read_whole(AT_FDCWD, path, AUTH_FILE_MAX, &text, &size, e);

	if (error)
		return error;
	error = json_parse_strict(text, size, path, ret, e);
	OPENSSL_cleanse(text, size);
	if (!error && !json_is_object(*ret)) {
		json_decref(*ret);
		*ret = NULL;
		return err_say(e, EINVAL, "%s: must be an object", path);
	}
	return error;
}

static int ask_helper(const char *helper, const char *repository, struct credential *ret,
		      struct err *e)
{
	_cleanup_free_ char *output = calloc(1, 2 * CREDENTIAL_MAX);
	_cleanup_json_ json_t *o = NULL;
	struct json_at root = JSON_AT_ROOT;
	const char *user = "", *secret = "";
	char server[512];
	int error;

	snprintf(server, sizeof(server), "%.*s", (int)strcspn(repository, "/"), repository);
	if (output == NULL)
		return err_set(e, ENOMEM, "no memory for a credential");
	error = credential_helper(helper, "get",
				  strcmp(server, "docker.io") == 0 ? HUB_KEY : server, output,
				  2 * CREDENTIAL_MAX, e);
	if (error == -ENOENT && (e == NULL || e->error == 0))
		return 0;
	if (!error)
		error = json_parse_strict(output, strlen(output), "the helper's answer", &o, e);
	OPENSSL_cleanse(output, 2 * CREDENTIAL_MAX);
	if (!error)
		error = json_get_string(o, &root, "Username", &user, e);
	if (error >= 0)
		error = json_get_string(o, &root, "Secret", &secret, e);
	if (error < 0)
		return err_wrap(e, "docker-credential-%.100s", helper);
	if (strlen(user) >= sizeof(ret->user) || strlen(secret) >= sizeof(ret->secret))
		return err_say(e, EFBIG, "docker-credential-%.100s: too long a secret", helper);
	ret->is_token = strcmp(user, "<token>") == 0;
	snprintf(ret->user, sizeof(ret->user), "%s", user);
	snprintf(ret->secret, sizeof(ret->secret), "%s", secret);
	return secret[0] != '\0';
}

/* An entry of "auths". */
static int from_entry(json_t *entry, struct credential *ret, struct err *e)
{
	struct json_at at = { "/auths/..." };
	const char *auth = "", *token = "", *user = "", *password = "";
	int got = json_is_object(entry) ? 0 : json_bad(e, &at, "must be an object");

	if (got >= 0)
		got = json_get_string(entry, &at, "auth", &auth, e);
	if (got >= 0)
		got = json_get_string(entry, &at, "identitytoken", &token, e);
	if (got >= 0)
		got = json_get_string(entry, &at, "username", &user, e);
	if (got >= 0)
		got = json_get_string(entry, &at, "password", &password, e);
	if (got < 0)
		return got;
	*ret = (struct credential){ 0 };
	if (auth[0] && !credential_from_base64(auth, ret))
		return json_bad(e, &at, "\"auth\" is not the base64 of user:password");
	if (token[0]) {
		if (strlen(token) >= sizeof(ret->secret))
			return json_bad(e, &at, "\"identitytoken\" is too long");
		snprintf(ret->secret, sizeof(ret->secret), "%s", token);
		ret->is_token = true;
	} else if (!auth[0] && user[0]) {
		if (strlen(user) >= sizeof(ret->user) || strlen(password) >= sizeof(ret->secret))
			return json_bad(e, &at, "too long");
		snprintf(ret->user, sizeof(ret->user), "%s", user);
		snprintf(ret->secret, sizeof(ret->secret), "%s", password);
	}
	return ret->secret[0] != '\0';
}

static int find_in(json_t *document, const char *repository, struct credential *ret, struct err *e)
{
	struct json_at root = JSON_AT_ROOT;
	json_t *auths = NULL, *helpers = NULL, *match;
	const char *store = NULL;
	int got = json_get_object(document, &root, "credHelpers", &helpers, e);

	if (got >= 0)
		got = json_get_object(document, &root, "auths", &auths, e);
	if (got >= 0)
		got = json_get_string(document, &root, "credsStore", &store, e);
	if (got < 0)
		return got;
	match = helpers ? best_match(helpers, repository) : NULL;
	if (match && !json_is_string(match))
		return err_say(e, EINVAL, "/credHelpers: must hold strings");
	if (match)
		return ask_helper(json_string_value(match), repository, ret, e);
	match = auths ? best_match(auths, repository) : NULL;
	got = match ? from_entry(match, ret, e) : 0;
	if (got == 0 && store && store[0])
		got = ask_helper(store, repository, ret, e);
	return got;
}

int credentials_find(const char *file, const char *repository, struct credential *ret,
		     struct err *e)
{
	char path[4096];
	int i, got = 0;

	for (i = 0; got == 0 && file_number(file, i, path, sizeof(path)); i++) {
		_cleanup_json_ json_t *document = NULL;

		if (path[0] == '\0')
			continue;
		got = read_file(path, &document, e);
		if (got == -ENOENT && file == NULL) {
			err_clear(e);
			got = 0;
			continue;
		}
		if (got == 0)
			got = find_in(document, repository, ret, e);
		if (got < 0)
			return err_wrap(e, "credentials: %.200s", path);
	}
	return got;
}

static int login_file(const char *given, char *to, size_t size, struct err *e)
{
	const char *env = getenv("REGISTRY_AUTH_FILE");

	if (given == NULL && env && env[0])
		given = env;
	if (given ? snprintf(to, size, "%s", given) < (int)size : docker_file(to, size))
		return 0;
	err_say(e, ENOENT, "no place for credentials (HOME is not set)");
	return err_fix(e, "name a file: --authfile FILE");
}

/* Where the file really is: who keeps it elsewhere by a symlink keeps the symlink. Only to a file of
 * the caller's own: with sudo the home may be somebody else's. */
static int follow_link(char *path, size_t size, struct err *e)
{
	_cleanup_free_ char *target = NULL;
	struct stat st;

	if (lstat(path, &st) < 0 || !S_ISLNK(st.st_mode))
		return 0;
	target = realpath(path, NULL);
	if (target == NULL || stat(target, &st) < 0) {
		err_set(e, errno, "%s is a symlink that leads nowhere", path);
		return err_fix(e, "make the file it leads to, with {} in it, or remove it");
	}
	if (st.st_uid != geteuid() || strlen(target) >= size) {
		err_say(e, EPERM, "%s is a symlink to %.200s, which is not yours", path, target);
		return err_fix(e, "remove it, or name another file: --authfile FILE");
	}
	memcpy(path, target, strlen(target) + 1);
	return 0;
}

/* The file's folder, locked against another login. */
static int open_folder(const char *path, int *ret, const char **ret_name, struct err *e)
{
	char folder[4096];
	const char *slash = strrchr(path, '/');
	_cleanup_fd_ int fd = -EBADF;

	snprintf(folder, sizeof(folder), "%.*s", slash ? (int)(slash - path) + 1 : 2,
		 slash ? path : "./");
	if (mkdir(folder, 0700) < 0 && errno != EEXIST)
		return err_set(e, errno, "cannot make %s", folder);
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || flock(fd, LOCK_EX) < 0)
		return err_set(e, errno, "cannot open %s", folder);
	*ret_name = slash ? slash + 1 : path;
	*ret = fd_take(&fd);
	return 0;
}

static const char *key_of(const char *registry)
{
	return strcmp(registry, "docker.io") == 0 ? HUB_KEY : registry;
}

/* All keys that mean this registry; whether there was one. */
static bool drop(json_t *auths, const char *registry)
{
	const char *key;
	json_t *value;
	void *next;
	bool any = false;
	char plain[512];

	json_object_foreach_safe(auths, next, key, value)
	{
		plain_key(key, plain, sizeof(plain));
		if (strcmp(plain, registry) == 0) {
			json_object_del(auths, key);
			any = true;
		}
	}
	return any;
}

static int write_file(int folder, const char *name, const json_t *document, struct err *e)
{
	_cleanup_free_ char *text = json_dumps(document, JSON_INDENT(1));
	int error;

	if (text == NULL)
		return err_set(e, ENOMEM, "no memory for the credentials");
	error = file_replace_at(folder, name, text, strlen(text), 0600, true, e);
	OPENSSL_cleanse(text, strlen(text));
	return error;
}

static const char *helper_for(json_t *document, const char *registry)
{
	json_t *helpers = json_object_get(document, "credHelpers"), *match;
	const char *store = json_string_value(json_object_get(document, "credsStore"));

	match = json_is_object(helpers) ? best_match(helpers, registry) : NULL;
	return match ? json_string_value(match) : store && store[0] ? store : NULL;
}

static int store_in_helper(const char *helper, const char *registry, const struct credential *c,
			   struct err *e)
{
	_cleanup_json_ json_t *o = json_pack("{s:s, s:s, s:s}", "ServerURL", key_of(registry),
					     "Username", c->user, "Secret", c->secret);
	_cleanup_free_ char *text = json_dumps(o, JSON_COMPACT);
	char output[4096] = "";
	int error;

	if (text == NULL)
		return err_set(e, ENOMEM, "no memory for the credentials");
	error = credential_helper(helper, "store", text, output, sizeof(output), e);
	OPENSSL_cleanse(text, strlen(text));
	return error;
}

static int read_or_new(const char *path, json_t **ret, struct err *e)
{
	int error = read_file(path, ret, e);

	if (error != -ENOENT)
		return error;
	err_clear(e);
	*ret = json_object();
	return *ret ? 0 : err_set(e, ENOMEM, "no memory for the credentials");
}

static int store_in_file(int folder, const char *name, json_t *document, const char *registry,
			 const struct credential *c, struct err *e)
{
	_cleanup_free_ char *auth = malloc(2 * CREDENTIAL_MAX);
	json_t *auths = json_object_get(document, "auths");
	int error;

	if (auths && !json_is_object(auths))
		return err_say(e, EINVAL, "%s: /auths: must be an object", name);
	if (auths == NULL) {
		auths = json_object();
		json_object_set_new(document, "auths", auths);
	}
	drop(auths, registry);
	if (auth == NULL || !credential_to_base64(c, auth, 2 * CREDENTIAL_MAX))
		return err_set(e, ENOMEM, "no memory for the credentials");
	json_object_set_new(auths, key_of(registry), json_pack("{s:s}", "auth", auth));
	error = write_file(folder, name, document, e);
	OPENSSL_cleanse(auth, 2 * CREDENTIAL_MAX);
	return error;
}

int credentials_store(const char *file, const char *registry, const struct credential *c,
		      char *ret_where, size_t size, struct err *e)
{
	_cleanup_json_ json_t *document = NULL;
	_cleanup_fd_ int folder = -EBADF;
	const char *name = NULL, *helper;
	char path[4096];
	int error = login_file(file, path, sizeof(path), e);

	if (!error)
		error = follow_link(path, sizeof(path), e);
	if (!error)
		error = open_folder(path, &folder, &name, e);
	if (!error)
		error = read_or_new(path, &document, e);
	if (error)
		return error;
	helper = helper_for(document, registry);
	if (helper) {
		snprintf(ret_where, size, "docker-credential-%s", helper);
		return store_in_helper(helper, registry, c, e);
	}
	snprintf(ret_where, size, "%s", path);
	return store_in_file(folder, name, document, registry, c, e);
}

int credentials_erase(const char *file, const char *registry, struct err *e)
{
	_cleanup_json_ json_t *document = NULL;
	_cleanup_fd_ int folder = -EBADF;
	const char *name = NULL, *helper;
	char path[4096], output[4096] = "";
	json_t *auths;
	bool any = false;
	int error = login_file(file, path, sizeof(path), e);

	if (!error && access(path, F_OK) < 0 && errno == ENOENT)
		return 0;
	if (!error)
		error = follow_link(path, sizeof(path), e);
	if (!error)
		error = open_folder(path, &folder, &name, e);
	if (!error)
		error = read_file(path, &document, e);
	if (error)
		return error;
	helper = helper_for(document, registry);
	if (helper) {
		error = credential_helper(helper, "erase", key_of(registry), output, sizeof(output),
					  e);
		any = error == 0;
		if (error && error != -ENOENT)
			return error;
	}
	auths = json_object_get(document, "auths");
	if (json_is_object(auths) && drop(auths, registry)) {
		any = true;
		error = write_file(folder, name, document, e);
	}
	return error && error != -ENOENT ? error : any;
}
