/* test_store.c - image/store*.c: resolving, pinning, sweeping, on a store made by hand. */
#include "image_test.h"
#include <sys/file.h>
#include "image/hash.h"
#include "image/store-gc.h"
#include "image/store.h"

static int scratch;
static struct store store;
static char path[128];
static struct digest chains[3], manifest_digest;

static struct digest put_blob(const char *text)
{
	struct digest d;
	struct err e = ERR_INIT;

	assert_int_equal(hash_memory(text, strlen(text), &d, &e), 0);
	write_file(store.dir, store_blob_path(&d).text, text, strlen(text));
	return d;
}

static void put_layer(int i, bool opaque_root)
{
	struct layer_marker m = { .has_parent = i > 0, .opaque_root = opaque_root };
	struct err e = ERR_INIT;
	int dir;

	memset(chains[i].hex, 'a' + i, DIGEST_HEX_LEN);
	m.diffid = chains[i];
	if (i > 0)
		m.parent = chains[i - 1];
	if (mkdirat(store.dir, store_layer_path(&chains[i], "").text, 0700) < 0 && errno == EEXIST)
		return;
	assert_int_equal(mkdirat(store.dir, store_layer_path(&chains[i], "/diff").text, 0755), 0);
	dir = openat(store.dir, store_layer_path(&chains[i], "").text, O_RDONLY | O_DIRECTORY);
	assert_int_equal(store_write_marker(dir, &m, &e), 0);
	close(dir);
}

static void put_image(const char *reference, bool opaque_root)
{
	static const char config[] =
		"{\"os\":\"linux\",\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[]},\"config\":"
		"{\"Env\":[\"A=b\",\"C=\"],\"Entrypoint\":null,\"Cmd\":[\"sh\",\"-c\"],"
		"\"WorkingDir\":\"/w\",\"User\":\"u\"}}";
	char manifest[2048];
	struct digest c = put_blob(config), layer = put_blob("layer");
	struct store_put put = { .reference = reference, .platform = { "linux", "x", "" } };
	struct err e = ERR_INIT;
	int i, n;

	n = snprintf(manifest, sizeof(manifest),
		     "{\"schemaVersion\":2,\"config\":{\"mediaType\":\"application/vnd.oci.image."
		     "config.v1+json\",\"digest\":\"sha256:%s\",\"size\":%zu},\"layers\":[",
		     c.hex, strlen(config));
	for (i = 0; i < 3; i++)
		n += snprintf(manifest + n, sizeof(manifest) - n,
			      "%s{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar\","
			      "\"digest\":\"sha256:%s\",\"size\":5}",
			      i ? "," : "", layer.hex);
	snprintf(manifest + n, sizeof(manifest) - n, "]}");
	for (i = 0; i < 3; i++)
		put_layer(i, opaque_root && i == 1);
	manifest_digest = put_blob(manifest);
	put.manifest.media_type = "application/vnd.oci.image.manifest.v1+json";
	put.manifest.digest = manifest_digest;
	put.manifest.size = strlen(manifest);
	put.chain = chains[2];
	assert_int_equal(store_index_put(&store, &put, 1, &e), 0);
}

static int set_up(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	scratch = scratch_open();
	snprintf(path, sizeof(path), "%s/deep/store", scratch_path);
	store = (struct store)STORE_INIT;
	if (store_open(&store, path, true, &e))
		fail_msg("%s", err_text(&e));
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	store_close(&store);
	scratch_remove(scratch);
	return 0;
}

static void an_image_resolves_by_all_its_names(void **state)
{
	static const char *const names[] = { "img", "img:latest", "docker.io/library/img" };
	char short_digest[64], by_digest[192], full[192];
	const char *all[6];
	size_t i;

	(void)state;
	put_image("docker.io/library/img:latest", false);
	snprintf(short_digest, sizeof(short_digest), "%.12s", manifest_digest.hex);
	snprintf(by_digest, sizeof(by_digest), "img@sha256:%s", manifest_digest.hex);
	snprintf(full, sizeof(full), "sha256:%s", manifest_digest.hex);
	memcpy(all, names, sizeof(names));
	all[3] = short_digest;
	all[4] = by_digest;
	all[5] = full;
	for (i = 0; i < 6; i++) {
		struct arena a = ARENA_INIT;
		struct image_info info;
		struct err e = ERR_INIT;
		int pin = -EBADF, probe;
		char want[512], **paths;

		if (image_resolve(path, all[i], &a, &info, &pin, &e))
			fail_msg("%s: %s", all[i], err_text(&e));
		assert_string_equal(info.reference, "docker.io/library/img:latest");
		assert_string_equal(info.manifest_digest, full);
		assert_int_equal(info.layer_count, 3);
		paths = image_layer_paths(&info, &a);
		snprintf(want, sizeof(want), "%s/layers/sha256/%s/diff", path, chains[2].hex);
		assert_string_equal(paths[0], want); /* top first */
		snprintf(want, sizeof(want), "%s/layers/sha256/%s/diff", path, chains[0].hex);
		assert_string_equal(paths[2], want);
		assert_string_equal(info.env[1], "C=");
		assert_null(info.env[2]);
		assert_null(info.entrypoint);
		assert_string_equal(info.cmd[1], "-c");
		assert_string_equal(info.workdir, "/w");
		assert_string_equal(info.user, "u");
		assert_true(fcntl(pin, F_GETFD) & FD_CLOEXEC);
		probe = openat(store.dir, store_layer_path(&chains[2], "").text, O_RDONLY);
		assert_int_equal(flock(probe, LOCK_EX | LOCK_NB), -1);
		assert_int_equal(errno, EWOULDBLOCK);
		close(pin);
		assert_int_equal(flock(probe, LOCK_EX | LOCK_NB), 0);
		close(probe);
		arena_free(&a);
	}
}

static const char *resolved(const char *name, struct arena *a, struct err *e)
{
	struct image_info info;
	int pin = -EBADF;

	err_clear(e);
	if (image_resolve(path, name, a, &info, &pin, e))
		return NULL;
	close(pin);
	return info.reference;
}

static void a_short_name_finds_another_registrys(void **state)
{
	struct arena a = ARENA_INIT;
	struct err e = ERR_INIT;
	struct store_put other = { .platform = { "linux", "x", "" } };
	struct store_removed removed = { 0 };
	const char *name = "img";
	char digest[192];

	(void)state;
	put_image("localhost:5000/img:latest", false);
	snprintf(digest, sizeof(digest), "img@sha256:%s", manifest_digest.hex);
	assert_string_equal(resolved("img", &a, &e), "localhost:5000/img:latest");
	assert_string_equal(resolved(digest, &a, &e), "localhost:5000/img:latest");
	assert_null(resolved("img:2", &a, &e));
	assert_null(resolved("other/img", &a, &e));
	assert_null(resolved("docker.io/img", &a, &e));
	assert_null(resolved("example.org/img", &a, &e));
	/* the same image at a third registry is no question, another one is */
	put_image("example.org/library/img:latest", false);
	assert_non_null(resolved("img", &a, &e));
	other.reference = "example.net/img:latest";
	other.manifest = (struct descriptor){ .media_type = "application/vnd.oci.image.manifest.v1+json",
					      .digest = chains[1], .size = 1 };
	other.chain = chains[2];
	assert_int_equal(store_index_put(&store, &other, 1, &e), 0);
	assert_null(resolved("img", &a, &e));
	assert_err(&e, "\"img:latest\" may mean ");
	/* Docker Hub's own goes first */
	put_image("docker.io/library/img:latest", false);
	assert_string_equal(resolved("img", &a, &e), "docker.io/library/img:latest");
	err_clear(&e);
	name = "example.net/img";
	assert_int_equal(store_remove(&store, &name, 1, false, &removed, &e), 0);
	name = "img";
	assert_int_equal(store_remove(&store, &name, 1, false, &removed, &e), 0);
	assert_string_equal(resolved("img", &a, &e), "localhost:5000/img:latest");
	assert_int_equal(store_remove(&store, &name, 1, false, &removed, &e), 0);
	assert_string_equal(resolved("img", &a, &e), "example.org/library/img:latest");
	arena_free(&a);
}

static void what_is_not_there(void **state)
{
	struct arena a = ARENA_INIT;
	struct image_info info = { .user = "untouched" };
	struct err e = ERR_INIT;
	int pin = -EBADF;
	char none[160];

	(void)state;
	assert_int_equal(image_resolve(path, "img", &a, &info, &pin, &e), -ENOENT);
	assert_err(&e, "no such image: img");
	assert_non_null(strstr(e.fix, "kist pull NAME"));
	err_clear(&e);
	snprintf(none, sizeof(none), "%s-none", path);
	assert_int_equal(image_resolve(none, "img", &a, &info, &pin, &e), -ENOENT);
	assert_non_null(strstr(e.fix, "kist pull NAME"));
	assert_int_equal(access(none, F_OK), -1);
	err_clear(&e);
	assert_int_equal(image_resolve(path, "../x", &a, &info, &pin, &e), -EINVAL);
	err_clear(&e);
	put_image("docker.io/library/img:latest", false);
	assert_int_equal(image_resolve(path, "img:other", &a, &info, &pin, &e), -ENOENT);
	err_clear(&e);
	assert_int_equal(image_resolve(path, "sha256:000000000000", &a, &info, &pin, &e), -ENOENT);
	err_clear(&e);
	unlinkat(store.dir, store_layer_path(&chains[1], "/complete").text, 0);
	assert_int_equal(image_resolve(path, "img", &a, &info, &pin, &e), -ENOENT);
	assert_err(&e, "is missing from the store");
	assert_string_equal(info.user, "untouched");
	assert_int_equal(pin, -EBADF);
	arena_free(&a);
}

static void an_opaque_root_hides_what_is_below(void **state)
{
	struct arena a = ARENA_INIT;
	struct image_info info;
	struct err e = ERR_INIT;
	int pin = -EBADF;

	(void)state;
	put_image("docker.io/library/img:latest", true);
	assert_int_equal(image_resolve(path, "img", &a, &info, &pin, &e), 0);
	assert_int_equal(info.layer_count, 2);
	close(pin);
	arena_free(&a);
}

static bool there(const char *name)
{
	return faccessat(store.dir, name, F_OK, 0) == 0;
}

static void rm_keeps_what_is_pinned(void **state)
{
	static const char *const names[] = { "img" };
	struct store_removed removed = { 0 };
	struct arena a = ARENA_INIT;
	struct image_info info;
	struct err e = ERR_INIT;
	int pin = -EBADF, copy;

	(void)state;
	put_image("docker.io/library/img:latest", false);
	put_blob("an orphan");
	assert_int_equal(image_resolve(path, "img", &a, &info, &pin, &e), 0);
	copy = dup(pin);
	close(pin); /* the copy holds it as well */
	assert_int_equal(store_remove(&store, names, 1, false, &removed, &e), -EBUSY);
	assert_err(&e, "img:latest is used by a container");
	assert_true(there(store_blob_path(&manifest_digest).text));
	err_clear(&e);
	removed = (struct store_removed){ 0 };
	assert_int_equal(store_remove(&store, names, 1, true, &removed, &e), 0);
	assert_int_equal(removed.references, 1);
	assert_int_equal(removed.blobs, 4);
	assert_int_equal(removed.layers, 0);
	assert_int_equal(removed.layers_in_use, 1);
	assert_true(there(store_layer_path(&chains[0], "/complete").text));
	close(copy);
	arena_free(&a);
}

static void rm_is_all_or_nothing(void **state)
{
	static const char *const names[] = { "img", "absent" };
	struct store_removed removed = { 0 };
	struct err e = ERR_INIT;

	(void)state;
	put_image("docker.io/library/img:latest", false);
	assert_int_equal(store_remove(&store, names, 2, false, &removed, &e), -ENOENT);
	assert_err(&e, "no such image: absent (see: kist image ls)");
	err_clear(&e);
	assert_int_equal(store_remove(&store, names, 1, false, &removed, &e), 0);
	assert_int_equal(removed.layers, 3);
	assert_false(there(store_layer_path(&chains[0], "").text));
	assert_false(there(store_blob_path(&manifest_digest).text));
}

static void leftovers_of_the_dead_go_those_of_the_living_stay(void **state)
{
	struct store_tmp living = STORE_TMP_INIT, later = STORE_TMP_INIT;
	struct store_removed removed = { 0 };
	struct digest pinned, orphan;
	struct err e = ERR_INIT;
	char name[80];

	(void)state;
	assert_int_equal(store_tmp_new(&store, &living, &e), 0);
	assert_int_equal(mkdirat(store.dir, "tmp/dead", 0700), 0);
	assert_int_equal(mkdirat(store.dir, "tmp/dead/sub", 0), 0);
	write_file(store.dir, "locks/dead", "", 0);
	write_file(store.dir, ".index.json.1.tmp", "", 0);
	pinned = put_blob("pinned");
	orphan = put_blob("orphan");
	assert_int_equal(store_tmp_pin(&living, &pinned, 1, &e), 0);
	assert_int_equal(store_tmp_new(&store, &later, &e), 0);
	assert_false(there("tmp/dead"));
	assert_false(there("locks/dead"));
	assert_false(there(".index.json.1.tmp"));
	snprintf(name, sizeof(name), "tmp/%s", living.name);
	assert_true(there(name));
	assert_int_equal(store_sweep(&store, &later, &removed, &e), 0);
	assert_int_equal(removed.blobs, 1);
	assert_true(there(store_blob_path(&pinned).text));
	assert_false(there(store_blob_path(&orphan).text));
	assert_int_equal(store_tmp_remove(&store, &living, &e), 0);
	assert_int_equal(store_tmp_remove(&store, &later, &e), 0);
	assert_false(there(name));
}

static void nothing_is_swept_when_a_root_cannot_be_read(void **state)
{
	struct store_tmp tmp = STORE_TMP_INIT;
	struct store_removed removed = { 0 };
	struct err e = ERR_INIT;

	(void)state;
	put_image("docker.io/library/img:latest", false);
	write_file(store.dir, store_blob_path(&manifest_digest).text, "{}", 2);
	assert_int_equal(store_tmp_new(&store, &tmp, &e), 0);
	assert_true(store_sweep(&store, &tmp, &removed, &e) < 0);
	assert_true(there(store_layer_path(&chains[0], "/complete").text));
	store_tmp_remove(&store, &tmp, &e);
}

static void default_paths(void **state)
{
	char text[64];

	(void)state;
	setenv("KIST_STORE", "/x/y", 1);
	assert_int_equal(store_default_path(text, sizeof(text)), 0);
	assert_string_equal(text, "/x/y");
	assert_int_equal(store_default_path(text, 4), -ENAMETOOLONG);
	unsetenv("KIST_STORE");
	setenv("XDG_DATA_HOME", "/d", 1);
	assert_int_equal(store_default_path(text, sizeof(text)), 0);
	assert_string_equal(text, geteuid() == 0 ? "/var/lib/kist" : "/d/kist");
}

/* The file `xattrs`, whoever wrote it. */
static void kinds(void **state)
{
	static const struct {
		const char *text;
		int error;
		bool userxattr, mapped;
	} cases[] = {
		{ "trusted\n", 0, false, false },
		{ "user\n", 0, true, false },
		{ "user", 0, true, false },
		{ "user-mapped\nuids 4321 200000 65535\ngids 9 300000 7\n", 0, true, true },
		{ "user-mapped\nuids 4321 200000 65535\ngids 9 300000 7", 0, true, true },
		{ "", -EINVAL, false, false },
		{ "users\n", -EINVAL, false, false },
		{ "user-mapped\n", -EINVAL, false, false },
		{ "user-mapped\nuids 1 2 3\n", -EINVAL, false, false },
		{ "user-mapped\ngids 1 2 3\nuids 1 2 3\n", -EINVAL, false, false },
		{ "user-mapped\nuids 1 2 0\ngids 1 2 3\n", -EINVAL, false, false },
		{ "user-mapped\nuids 1 2 65536\ngids 1 2 3\n", -EINVAL, false, false },
		{ "user-mapped\nuids 1 4294967295 3\ngids 1 2 3\n", -EINVAL, false, false },
		{ "user-mapped\nuids 1 2 3 4\ngids 1 2 3\n", -EINVAL, false, false },
		{ "user-mapped\nuids x 2 3\ngids 1 2 3\n", -EINVAL, false, false },
	};
	struct err e = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct store s = { .dir = store.dir };

		write_file(store.dir, "xattrs", cases[i].text, strlen(cases[i].text));
		err_clear(&e);
		assert_int_equal(store_read_kind(&s, &e), cases[i].error);
		if (cases[i].error)
			continue;
		assert_int_equal(s.userxattr, cases[i].userxattr);
		assert_int_equal(s.mapped, cases[i].mapped);
		if (!s.mapped)
			continue;
		assert_int_equal(s.ids.uid.own, 4321);
		assert_int_equal(s.ids.uid.first, 200000);
		assert_int_equal(s.ids.uid.count, 65535);
		assert_int_equal(s.ids.gid.own, 9);
		assert_int_equal(s.ids.gid.count, 7);
	}
}

/* Two make one store, each of another kind: who is first decides, and the other must not go on. */
static void one_kind_is_on_record(void **state)
{
	struct store single = { .dir = store.dir, .userxattr = true }, mapped = single, read = single;
	struct err e = ERR_INIT;

	(void)state;
	mapped.mapped = true;
	mapped.ids = (struct subids){ { 1, 2, 3 }, { 4, 5, 6 } };
	assert_int_equal(unlinkat(store.dir, "xattrs", 0), 0);
	assert_int_equal(store_write_kind(&mapped, &e), 0);
	assert_int_equal(store_read_kind(&read, &e), 0);
	assert_true(read.mapped);
	assert_memory_equal(&read.ids, &mapped.ids, sizeof(read.ids));
	assert_int_equal(store_write_kind(&mapped, &e), 0);
	assert_int_equal(store_write_kind(&single, &e), -EAGAIN);
	assert_non_null(strstr(err_text(&e), "meanwhile, of another kind"));
}

#define STORE_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(an_image_resolves_by_all_its_names),
		STORE_TEST(a_short_name_finds_another_registrys),
		STORE_TEST(what_is_not_there),
		STORE_TEST(an_opaque_root_hides_what_is_below),
		STORE_TEST(rm_keeps_what_is_pinned),
		STORE_TEST(rm_is_all_or_nothing),
		STORE_TEST(leftovers_of_the_dead_go_those_of_the_living_stay),
		STORE_TEST(nothing_is_swept_when_a_root_cannot_be_read),
		STORE_TEST(kinds),
		STORE_TEST(one_kind_is_on_record),
		cmocka_unit_test(default_paths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
