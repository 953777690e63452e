/*
 * test_exec_path.c - finding the executable, HOME and the working directory, and execve's errors.
 */
#include "tests/unit/guest_run.h"

/* --- finding things --------------------------------------------------------- */

static char folder[64];

static void put_file(const char *name, const char *text, mode_t mode)
{
	char path[128];
	int fd;

	snprintf(path, sizeof path, "%s/%s", folder, name);
	fd = open(path, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	fchmod(fd, mode);
	close(fd);
}

static int make_folder(void **state)
{
	char path[128];

	(void)state;
	snprintf(folder, sizeof folder, "/tmp/kist-test-XXXXXX");
	if (!mkdtemp(folder) || chmod(folder, 0755) < 0)
		return -1;
	snprintf(path, sizeof path, "%s/dir", folder);
	mkdir(path, 0755);
	put_file("kistscript", "#!/bin/sh\necho script $0 $1\n", 0755);
	put_file("script", "#!/bin/sh\necho script $0 $1\n", 0755);
	put_file("plain", "echo\n", 0644);
	put_file("lost", "#!/no/such/interpreter\n", 0755);
	put_file("noexec", "not a program\n", 0755);
	return 0;
}

static int remove_folder(void **state)
{
	char command[128];

	snprintf(command, sizeof command, "rm -rf %s", folder);
	return clean(state) | (system(command) != 0);
}

static void finds_executables_in_runcs_words(void **state)
{
	static const struct {
		const char *name, *search;
		int result, exit_code;
		const char *words; /* %s: the folder */
	} cases[] = {
		{ "script", "/nowhere::%s", 0, 0, "%s/script" },
		{ "script", "%s/dir/:%s/", 0, 0, "%s//script" },
		{ "nope", "%s", -ENOENT, 127,
		  "exec: \"nope\": executable file not found in $PATH" },
		{ "script", "", -ENOENT, 127,
		  "exec: \"script\": executable file not found in $PATH" },
		{ "plain", "%s", -EACCES, 126, "exec: \"plain\": permission denied" },
		{ "dir", "%s", -EACCES, 126, "exec: \"dir\": permission denied" },
		{ "%s/script", "", 0, 0, "%s/script" },
		{ "%s/nope", "%s", -ENOENT, 127, "exec: \"%s/nope\": no such file or directory" },
		{ "%s/dir", "", -EACCES, 126, "exec: \"%s/dir\": permission denied" },
		{ "%s/plain", "", -EACCES, 126, "exec: \"%s/plain\": permission denied" },
		{ "%s/plain/x", "", -ENOTDIR, 127, "exec: \"%s/plain/x\": Not a directory" },
		{ "/dev/null", "", -EACCES, 126, "exec: \"/dev/null\": permission denied" },
		{ "\x1b[2J", "%s", -ENOENT, 127,
		  "exec: \"\\033[2J\": executable file not found in $PATH" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char name[128], search[256], words[256], path[PATH_MAX], line[1000];
		struct err e = ERR_INIT;
		int r;

/* Every "%s" of the table is the folder: at most two in one string. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-extra-args"
		snprintf(name, sizeof name, cases[i].name, folder);
		snprintf(search, sizeof search, cases[i].search, folder, folder);
		snprintf(words, sizeof words, cases[i].words, folder);
#pragma GCC diagnostic pop
		r = exec_find(name, search, path, &e);
		assert_int_equal(r, cases[i].result);
		assert_int_equal(e.exit_code, cases[i].exit_code);
		if (r == 0) {
			assert_string_equal(path, words);
			continue;
		}
		err_format(&e, line, sizeof line);
		assert_string_equal(line, words);
	}
}

static int home_of(const char *passwd, uint32_t uid, char *home, size_t size)
{
	put_file("passwd", passwd, 0644);
	{
		char path[128];
		_cleanup_fd_ int fd = -EBADF;

		snprintf(path, sizeof path, "%s/passwd", folder);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		assert_true(fd >= 0);
		return exec_read_home(fd, uid, home, size);
	}
}

static void reads_home(void **state)
{
	char home[64] = "unchanged", *longer = malloc(20001);

	(void)state;
	assert_int_equal(home_of("a:x:0:0::/root:/bin/sh\nb:x:7:7:g:/home/b:\n", 7, home, 64), 0);
	assert_string_equal(home, "/home/b");
	assert_int_equal(home_of("b:x:7:7:g:/last/line:/bin/sh", 7, home, 64), 0);
	assert_string_equal(home, "/last/line");
	/* the first of two; a name that looks like the id; ids that are no ids */
	assert_int_equal(home_of("7:x:8:7::/no:\n", 7, home, 64), -ENOENT);
	assert_int_equal(home_of("a:x:0x7:7::/no:\nb:x:+7:7::/no:\nc:x: 7:7::/no:\nd:x::7::/no:\n"
				 "e:x:4294967303:7::/no:\nf:x:007:7::/yes:\n",
				 7, home, 64),
			 0);
	assert_string_equal(home, "/yes");
	/* no directory, relative, with control characters, too long, too few fields */
	assert_int_equal(home_of("a:x:7:7:::\nb:x:7:7::rel:\nc:x:7:7::/a\033[2J:\nd:x:7:7:/x\n", 7,
				 home, 64),
			 -ENOENT);
	assert_int_equal(home_of("a:x:7:7::/0123456789:\n", 7, home, 8), -ENOENT);
	assert_int_equal(home_of("", 0, home, 64), -ENOENT);
	/* a line beyond every bound is skipped whole, even where its rest looks like an entry */
	memset(longer, 'y', 20000);
	memcpy(longer + 4 * 4096, "z:x:7:7::/no:", 13); /* starts a read of the buffer's size */
	memcpy(longer + 19970, "\nb:x:7:7::/after:\n", 18);
	longer[20000] = '\0';
	assert_int_equal(home_of(longer, 7, home, 64), 0);
	assert_string_equal(home, "/after");
	free(longer);
}

static void runs_scripts_and_sets_home(void **state)
{
	char json[512], words[128];
	struct result r;

	(void)state;
	if (!am_root())
		skip();
	snprintf(json, sizeof json,
		 "{\"args\": [\"kistscript\", \"x\"], \"cwd\": \"/\","
		 "\"env\": [\"PATH=/bin:%s\"], " USER "}",
		 folder);
	run_spec(json, NULL, NULL, &r);
	must_run(&r);
	snprintf(words, sizeof words, "script %s/kistscript x\n", folder);
	assert_string_equal(r.out, words);
	run_spec("{\"args\": [\"/usr/bin/env\"], \"cwd\": \"/\", \"env\": [\"B=2\", \"A=1\"], " USER
		 "}",
		 NULL, NULL, &r);
	must_run(&r);
	assert_string_equal(r.out, "B=2\nA=1\nHOME=/root\n");
	run_spec("{\"args\": [\"/usr/bin/env\"], \"cwd\": \"/\", \"env\": [\"HOME=/h\"], " USER "}",
		 NULL, NULL, &r);
	must_run(&r);
	assert_string_equal(r.out, "HOME=/h\n");
	run_spec("{\"args\": [\"/usr/bin/env\"], \"cwd\": \"/\", \"user\": {\"uid\": 54321, "
		 "\"gid\": 1}}",
		 NULL, NULL, &r);
	must_run(&r);
	assert_string_equal(r.out, "HOME=/\n");
	/* The process is called as its file, not as a descriptor. */
	run_spec("{\"args\": [\"/bin/cat\", \"/proc/self/comm\"], \"cwd\": \"/\", " USER "}", NULL,
		 NULL, &r);
	must_run(&r);
	assert_string_equal(r.out, "cat\n");
}

static void execve_failures_reach_the_host(void **state)
{
	static const struct {
		const char *name;
		int result, exit_code;
		const char *words;
	} cases[] = {
		{ "lost", -ENOENT, 127, "no such file or directory" },
		{ "noexec", -ENOEXEC, 126, "exec format error" },
		{ "nope", -ENOENT, 127, "no such file or directory" },
		{ "plain", -EACCES, 126, "permission denied" },
	};
	static const char *const profiles[] = {
		NULL,
		"{\"defaultAction\": \"SCMP_ACT_ERRNO\", \"syscalls\": [{\"names\": "
		"[\"execve\", \"sendmsg\", \"exit_group\"], \"action\": \"SCMP_ACT_ALLOW\"}]}",
	};

	(void)state;
	if (!am_root())
		skip();
	for (size_t i = 0; i < 2 * sizeof cases / sizeof cases[0]; i++) {
		char json[512], line[1000], end[64];
		struct result r;

		snprintf(json, sizeof json, "{\"args\": [\"%s/%s\"], \"cwd\": \"/\", " USER "}",
			 folder, cases[i / 2].name);
		run_spec(json, profiles[i % 2], NULL, &r);
		assert_int_equal(r.walk, cases[i / 2].result);
		assert_int_equal(r.err.exit_code, cases[i / 2].exit_code);
		err_format(&r.err, line, sizeof line);
		snprintf(end, sizeof end, ": %s", cases[i / 2].words);
		assert_string_equal(line + strlen(line) - strlen(end), end);
	}
}

static void makes_and_enters_cwd(void **state)
{
	char json[512], words[128];
	struct result r;

	(void)state;
	if (!am_root())
		skip();
	snprintf(json, sizeof json,
		 "{\"args\": [\"/bin/pwd\"], \"cwd\": \"%s/new/er\", "
		 "\"user\": {\"uid\": 1000, \"gid\": 1000}}",
		 folder);
	run_spec(json, NULL, NULL, &r);
	must_run(&r);
	snprintf(words, sizeof words, "%s/new/er\n", folder);
	assert_string_equal(r.out, words);
	/* As runc: a directory only root may enter. */
	snprintf(words, sizeof words, "%s/new", folder);
	chmod(words, 0700);
	snprintf(json, sizeof json,
		 "{\"args\": [\"/bin/ls\"], \"cwd\": \"%s\", "
		 "\"user\": {\"uid\": 1000, \"gid\": 1000}}",
		 words);
	run_spec(json, NULL, NULL, &r);
	assert_int_equal(r.walk, 0);
}

static void give_away_a_directory(void)
{
	dup2(open("/etc", O_RDONLY | O_DIRECTORY), 209);
}

static void refuses_a_hostile_cwd(void **state)
{
	static const struct {
		const char *cwd, *words;
		int result;
	} cases[] = {
		{ "/proc/self/fd/209", "magic link", -ELOOP },
		{ "/proc/self/root", "magic link", -ELOOP },
		{ "/dev/null", "not a directory", -ENOTDIR },
		{ "/dev/null/x", "not a directory", -ENOTDIR },
	};

	(void)state;
	if (!am_root())
		skip();
	guest_prepare = give_away_a_directory;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char json[256], line[1000];
		struct result r;

		snprintf(json, sizeof json, "{\"args\": [\"/bin/pwd\"], \"cwd\": \"%s\", " USER "}",
			 cases[i].cwd);
		/* The step that makes it, and the one that enters it, each for itself. */
		for (int alone = 0; alone < 2; alone++) {
			guest_keeps_cwd = alone;
			run_spec(json, NULL, NULL, &r);
			err_format(&r.err, line, sizeof line);
			assert_int_equal(r.walk, cases[i].result);
			assert_non_null(strstr(line, cases[i].words));
		}
	}
	guest_keeps_cwd = false;
	guest_prepare = NULL;
}

/* Behind a chroot everything of the old root is "(unreachable)". */
static void cwd_outside_of_the_root_is_refused(void **state)
{
	pid_t pid;
	int status;

	(void)state;
	if (!am_root())
		skip();
	pid = fork();
	if (pid == 0) {
		struct op_cwd_args args = { -1, "/" };
		char name[PATH_MAX] = "";
		struct run run = { 0 };
		struct err e = ERR_INIT;

		if (chdir("/etc") < 0 || chroot(folder) < 0)
			_exit(1);
		/* What the op relies on: the raw call says it. */
		if (syscall(SYS_getcwd, name, sizeof name) < 0 || name[0] == '/')
			_exit(2);
		/* And the op itself only ever lands inside. */
		if (op_enter_cwd.act(&run, &args, &e) != 0 || access("script", X_OK) < 0)
			_exit(3);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(finds_executables_in_runcs_words, make_folder,
						remove_folder),
		cmocka_unit_test_setup_teardown(reads_home, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(runs_scripts_and_sets_home, make_folder,
						remove_folder),
		cmocka_unit_test_setup_teardown(execve_failures_reach_the_host, make_folder,
						remove_folder),
		cmocka_unit_test_setup_teardown(makes_and_enters_cwd, make_folder, remove_folder),
		cmocka_unit_test_teardown(refuses_a_hostile_cwd, clean),
		cmocka_unit_test_setup_teardown(cwd_outside_of_the_root_is_refused, make_folder,
						remove_folder),
	};

	if (guest_run_begin() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
