/*
 * test_layers.c - runtime/layers.c and supervisor/job_ids.c: words that say where changes go, and
 * which ids subuid(5) gives; image/store-stack.c: what is not exactly right is not used.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "image/store-layout.h"
#include "runtime/layers.h"
#include "supervisor/job.h"

static void where_changes_go(void **state)
{
	static const struct {
		const char *text, *dir;
		uint64_t bytes;
	} good[] = {
		{ "64m", NULL, 64 << 20 },	 { "1", NULL, 1 },
		{ "/a/b", "/a/b", 0 },		 { "/a:4k", "/a", 4096 },
		{ "/a:b:1m", "/a:b", 1 << 20 },
	};
	static const char *const bad[] = { "", "0", "-1", "lots", "a/b", "/a:", "/a:b", "/a:0", "64q" };
	struct arena a = ARENA_INIT;
	struct root_layers l = ROOT_LAYERS_INIT;
	struct err e = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		assert_int_equal(root_layers_parse_writable(good[i].text, &a, &l, &e), 0);
		assert_int_equal(l.upper_bytes, good[i].bytes);
		assert_true(good[i].dir ? l.upper_dir && strcmp(l.upper_dir, good[i].dir) == 0
					: !l.upper_dir);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		err_clear(&e);
		assert_int_equal(root_layers_parse_writable(bad[i], &a, &l, &e), -EINVAL);
	}
	arena_free(&a);
}

/* Only a root that the program may change, of somebody who is not root, in a tmpfs without xattrs. */
static void tmpfs_without_xattrs(void **state)
{
	const struct host user = { .uid = 1000, .kernel = HOST_KERNEL(6, 5) }, root = { .root = true };
	const struct host newer = { .uid = 1000, .kernel = HOST_KERNEL(6, 6) };
	const struct root_layers memory = ROOT_LAYERS_INIT, folder = { .pin = -1, .upper_dir = "/d" };
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(root_layers_check(&memory, &user, false, &e), -ENOTSUP);
	assert_non_null(strstr(e.fix, "--writable /folder"));
	assert_int_equal(root_layers_check(&memory, &user, true, &e), 0);
	assert_int_equal(root_layers_check(&folder, &user, false, &e), 0);
	assert_int_equal(root_layers_check(&memory, &newer, false, &e), 0);
	assert_int_equal(root_layers_check(&memory, &root, false, &e), 0);
}

/* Of a user's store whose files have many owners. */
static void ids_of_the_container(void **state)
{
	static const struct ns_id_map good[] = { { 0, 4321, 1 }, { 1, 200000, 100 } };
	static const struct ns_id_map more[] = { { 0, 4321, 1 }, { 1, 200000, 65536 } };
	static const struct ns_id_map own[] = { { 0, 4321, 1 } }, root[] = { { 0, 5, 1 }, { 1, 200000, 100 } };
	static const struct ns_id_map other[] = { { 0, 4321, 1 }, { 1, 300000, 100 } };
	static const struct ns_id_map less[] = { { 0, 4321, 1 }, { 1, 200000, 99 } };
	static const struct ns_id_map turned[] = { { 0, 4321, 1 }, { 1, 200000, 1 }, { 2, 7, 99 } };
	static const struct {
		struct ns_id_maps uid, gid;
		int error;
	} cases[] = {
		{ { good, 2 }, { good, 2 }, 0 },       { { more, 2 }, { more, 2 }, 0 },
		{ { own, 1 }, { good, 2 }, -EINVAL },  { { good, 2 }, { own, 1 }, -EINVAL },
		{ { root, 2 }, { good, 2 }, -EINVAL }, { { other, 2 }, { good, 2 }, -EINVAL },
		{ { less, 2 }, { good, 2 }, -EINVAL }, { { turned, 3 }, { good, 2 }, -EINVAL },
		{ { NULL, 0 }, { NULL, 0 }, -EINVAL },
	};
	struct image_info image = { .mapped = true, .store = "/s",
				    .ids = { { 4321, 200000, 100 }, { 4321, 200000, 100 } } };
	struct root_layers l = { .image = &image }, folder = { .image = NULL };
	struct err e = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct ns_spec ns = { .uid_maps = cases[i].uid, .gid_maps = cases[i].gid };

		err_clear(&e);
		assert_int_equal(root_layers_check_ids(&l, &ns, &e), cases[i].error);
		assert_int_equal(root_layers_check_ids(&folder, &ns, &e), 0);
		ns.join_namespaces = CLONE_NEWUSER;
		assert_int_equal(root_layers_check_ids(&l, &ns, &e), 0);
	}
	assert_string_equal(e.where, "/linux/uidMappings");
	image.mapped = false;
	assert_int_equal(root_layers_check_ids(&l, &(struct ns_spec){ 0 }, &e), 0);
}

#define DEEP 9
static struct store store = STORE_INIT;

static void put(const char *path, const char *text, size_t size)
{
	_cleanup_fd_ int fd = openat(store.dir, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, text, size), 0);
}

static char folder[] = "/tmp/kist-stack.XXXXXX";
static time_t later; /* than the folder of layers, as all of this program see the time; 0: now */

int clock_gettime(clockid_t clock, struct timespec *ret)
{
	int r = (int)syscall(SYS_clock_gettime, clock, ret);
	struct stat st;

	if (later && fstatat(store.dir, "layers/sha256", &st, AT_SYMLINK_NOFOLLOW) == 0)
		ret->tv_sec = st.st_ctim.tv_sec + later;
	return r;
}

static struct digest chains[DEEP];
static struct store_path stack_file;

static int make_deep(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(folder));
	store.dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	mkdirat(store.dir, "layers", 0700);
	mkdirat(store.dir, "layers/sha256", 0700);
	for (int i = 0; i < DEEP; i++) {
		snprintf(chains[i].hex, sizeof chains[i].hex, "%064d", i);
		mkdirat(store.dir, store_layer_path(&chains[i], "").text, 0700);
		put(store_layer_path(&chains[i], "/complete").text, "{}", 2);
	}
	stack_file = store_layer_path(&chains[0], "/stack");
	return 0;
}

static int remove_deep(void **state)
{
	char command[64];

	(void)state;
	fd_close(&store.dir);
	snprintf(command, sizeof command, "rm -rf %s", folder);
	snprintf(folder, sizeof folder, "/tmp/kist-stack.XXXXXX");
	return system(command);
}

static void write_deep(void)
{
	char *names[DEEP], text[DEEP][80];

	for (int i = 0; i < DEEP; i++) {
		snprintf(text[i], sizeof text[i], "%.64s/diff", chains[i].hex);
		names[i] = text[i];
	}
	store_write_stack(&store, &(struct store_stack){ names, DEEP });
}

static bool stack_is_read(void)
{
	struct store_stack got = { 0 };
	struct arena a = ARENA_INIT;
	bool is = store_read_stack(&store, &chains[0], &a, &got);

	if (is) {
		assert_int_equal(got.count, DEEP);
		for (int i = 0; i < DEEP; i++) {
			assert_memory_equal(got.names[i], chains[i].hex, 64);
			assert_string_equal(got.names[i] + 64, "/diff");
		}
	}
	arena_free(&a);
	return is;
}

static size_t read_stack_file(char *text, size_t room)
{
	size_t size = (size_t)file_read_at(store.dir, stack_file.text, text, room);

	text[size++] = '\n'; /* which it leaves out */
	return size;
}

static void stack_is_exact_or_unused(void **state)
{
	char text[DEEP * 70 + 80];
	size_t size;

	(void)state;
	assert_false(stack_is_read());
	write_deep();
	assert_true(stack_is_read());
	/* the folder was made just now: not written down what it was */
	size = read_stack_file(text, sizeof text);
	assert_int_equal(size, 2 + DEEP * 70 + 4);
	assert_memory_equal(text, "-\n", 2);
	/* cut off anywhere, a byte changed, another's, a layer that is gone */
	for (size_t cut = 0; cut < size; cut += 13) {
		put(stack_file.text, text, cut);
		assert_false(stack_is_read());
	}
	put(stack_file.text, text, size);
	for (size_t at = 2; at < size; at += 23) {
		char was = text[at];

		text[at] = was == '/' ? '0' : '/';
		put(stack_file.text, text, size);
		assert_false(stack_is_read());
		text[at] = was;
	}
	text[2] = '1';
	put(stack_file.text, text, size);
	assert_false(stack_is_read());
	text[2] = '0';
	put(stack_file.text, text, size);
	assert_true(stack_is_read());
	unlinkat(store.dir, store_layer_path(&chains[4], "/complete").text, 0);
	assert_false(stack_is_read());
}

/* While the folder of all layers is as it was when they were seen in it, none is looked for. */
static void a_stack_holds_until_the_folder_changes(void **state)
{
	struct store_path layer = store_layer_path(&chains[4], "");
	struct store_path marker = store_layer_path(&chains[4], "/complete");
	char text[DEEP * 70 + 80];

	(void)state;
	write_deep();
	later = 2;
	assert_true(stack_is_read());
	read_stack_file(text, sizeof text);
	assert_memory_equal(text, "-\n", 2);
	later = 10;
	assert_true(stack_is_read());
	read_stack_file(text, sizeof text);
	assert_memory_not_equal(text, "-\n", 2);
	unlinkat(store.dir, marker.text, 0);
	assert_true(stack_is_read()); /* not looked for */
	/* as a sweep takes one, and as a load brings one */
	assert_int_equal(renameat(store.dir, layer.text, store.dir, "gone"), 0);
	assert_false(stack_is_read());
	assert_int_equal(renameat(store.dir, "gone", store.dir, layer.text), 0);
	assert_false(stack_is_read());
	put(marker.text, "{}", 2);
	assert_true(stack_is_read());
	unlinkat(store.dir, marker.text, 0);
	assert_true(stack_is_read());
	/* of another folder */
	read_stack_file(text, sizeof text);
	text[0] = text[0] == '1' ? '2' : '1';
	put(stack_file.text, text, strcspn(text, "\n") + 1 + DEEP * 70 + 4);
	assert_false(stack_is_read());
	put(marker.text, "{}", 2);
	/* written down by who walks */
	unlinkat(store.dir, stack_file.text, 0);
	write_deep();
	unlinkat(store.dir, marker.text, 0);
	assert_true(stack_is_read());
	later = 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ids_of_the_container),
		cmocka_unit_test(where_changes_go),
		cmocka_unit_test(tmpfs_without_xattrs),
		cmocka_unit_test_setup_teardown(stack_is_exact_or_unused, make_deep, remove_deep),
		cmocka_unit_test_setup_teardown(a_stack_holds_until_the_folder_changes, make_deep,
						remove_deep),
	};

	return cmocka_run_group_tests_name("layers", tests, NULL, NULL);
}
