/*
 * seccomp.c - what a seccomp profile costs a start: compiling it, and loading its program, beside
 * libseccomp's programs for the same profile.
 *
 * usage: seccomp [-r ROUNDS] [-j FILE] PROFILE...
 *        seccomp -o FILE PROFILE    only writes kist's program, an array of struct sock_filter
 *
 * PROFILE is the JSON of /linux/seccomp, or "job" for the profile of jobs. Loads are timed in a
 * child each, around seccomp(2) alone, turn by turn; figures are medians. libseccomp is asked for
 * its default program, which runc loads, and for the one with a binary tree. -j also writes the
 * figures as JSON.
 */
#include <errno.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "runtime/profile_job.h"
#include "runtime/seccomp.h"
#include "tests/lib/seccomp_witness.h"

#define ROUNDS_MAX 1000

enum { KIST, TREE, DEFAULT, PROGRAMS };
static const char *const who[PROGRAMS] = { "kist", "libseccomp, tree", "libseccomp" };

struct figures {
	size_t instructions[PROGRAMS];
	double load_us[PROGRAMS], compile_us[PROGRAMS];
	double ratio[PROGRAMS]; /* kist's load to theirs, the median of rounds */
};

static double now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values, int count)
{
	qsort(values, (size_t)count, sizeof *values, by_size);
	return values[count / 2];
}

static void die(const char *what)
{
	fprintf(stderr, "seccomp: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double load(const struct sock_filter *code, size_t count)
{
	struct sock_fprog program = { (unsigned short)count, (struct sock_filter *)code };
	double took = -1;
	int fd[2];
	pid_t pid;

	if (pipe(fd) < 0 || (pid = fork()) < 0)
		die("fork");
	if (pid == 0) {
		double begin;

		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		begin = now_us();
		if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0)
			took = now_us() - begin;
		_exit(write(fd[1], &took, sizeof took) != sizeof took);
	}
	close(fd[1]);
	if (read(fd[0], &took, sizeof took) != sizeof took || took < 0)
		die("a program is not loaded (it must permit write, exit_group)");
	close(fd[0]);
	waitpid(pid, NULL, 0);
	return took;
}

static void parse(const json_t *profile, struct arena *a, struct seccomp_filter *f)
{
	struct json_at at = { "/linux/seccomp" };
	struct err e = ERR_INIT;
	char line[500];

	if (seccomp_parse(profile, &at, a, f, &e) < 0) {
		err_format(&e, line, sizeof line);
		fprintf(stderr, "seccomp: %s\n", line);
		exit(1);
	}
}

static double compile(const json_t *profile, int rounds)
{
	static double took[ROUNDS_MAX];

	for (int i = 0; i < rounds; i++) {
		struct arena arena = ARENA_INIT;
		struct seccomp_filter f;
		double begin = now_us();

		parse(profile, &arena, &f);
		took[i] = now_us() - begin;
		arena_free(&arena);
	}
	return median(took, rounds);
}

static struct sock_filter *witness(const struct eval_profile *p, int optimize, size_t *ret_count,
				   double *ret_us)
{
	double begin = now_us();
	struct sock_filter *code = witness_build(p, optimize, ret_count);

	*ret_us = now_us() - begin;
	if (!code)
		die("libseccomp refuses the profile");
	return code;
}

static void measure(const json_t *profile, int rounds, struct figures *ret)
{
	static double took[PROGRAMS][ROUNDS_MAX], ratio[PROGRAMS][ROUNDS_MAX];
	struct eval_profile *p = eval_read(profile, seccomp_arch_native());
	struct arena arena = ARENA_INIT;
	struct seccomp_filter f;
	struct sock_filter *code[PROGRAMS];

	parse(profile, &arena, &f);
	code[KIST] = f.code;
	ret->instructions[KIST] = f.count;
	ret->compile_us[KIST] = compile(profile, rounds);
	code[TREE] = witness(p, 2, &ret->instructions[TREE], &ret->compile_us[TREE]);
	code[DEFAULT] = witness(p, 1, &ret->instructions[DEFAULT], &ret->compile_us[DEFAULT]);
	for (int i = 0; i < rounds; i++) {
		for (int k = 0; k < PROGRAMS; k++)
			took[k][i] = load(code[k], ret->instructions[k]);
		for (int k = 0; k < PROGRAMS; k++)
			ratio[k][i] = took[KIST][i] / took[k][i];
	}
	for (int k = 0; k < PROGRAMS; k++) {
		ret->load_us[k] = median(took[k], rounds);
		ret->ratio[k] = median(ratio[k], rounds);
	}
	free(code[TREE]);
	free(code[DEFAULT]);
	free(p);
	arena_free(&arena);
}

static json_t *show(const char *name, const struct figures *f)
{
	json_t *o = json_object();

	printf("%-40s %12s %10s %12s %14s\n", name, "instructions", "load us", "kist's load",
	       "compile us");
	for (int k = 0; k < PROGRAMS; k++) {
		printf("  %-38s %12zu %10.1f %10.2f x %14.1f\n", who[k], f->instructions[k],
		       f->load_us[k], f->ratio[k], f->compile_us[k]);
		json_object_set_new(o, who[k],
				    json_pack("{s:i, s:f, s:f, s:f}", "instructions",
					      (int)f->instructions[k], "load_us", f->load_us[k],
					      "kist_load_ratio", f->ratio[k], "compile_us",
					      f->compile_us[k]));
	}
	return o;
}

static json_t *read_profile(const char *path)
{
	json_t *profile = strcmp(path, "job") == 0 ? json_loads(profile_job_json(), 0, NULL)
						   : json_load_file(path, 0, NULL);

	if (!profile)
		die(path);
	return profile;
}

static int write_program(const char *profile, const char *file)
{
	struct arena arena = ARENA_INIT;
	FILE *out = fopen(file, "we");
	struct seccomp_filter f;

	parse(read_profile(profile), &arena, &f);
	if (!out || fwrite(f.code, sizeof *f.code, f.count, out) != f.count || fclose(out) != 0)
		die(file);
	return 0;
}

int main(int argc, char **argv)
{
	json_t *all = json_object();
	const char *out = NULL, *program = NULL;
	int rounds = 101, c;

	while ((c = getopt(argc, argv, "r:j:o:")) != -1) {
		if (c == 'r')
			rounds = atoi(optarg);
		else if (c == 'o')
			program = optarg;
		else if (c == 'j')
			out = optarg;
		else
			return 2;
	}
	if (rounds < 1 || rounds > ROUNDS_MAX || optind == argc) {
		fprintf(stderr, "usage: seccomp [-r ROUNDS] [-j FILE] PROFILE...\n");
		return 2;
	}
	if (program)
		return write_program(argv[optind], program);
	for (; optind < argc; optind++) {
		const char *path = argv[optind];
		const char *slash = strrchr(path, '/');
		json_t *profile = read_profile(path);
		struct figures f;

		measure(profile, rounds, &f);
		json_object_set_new(all, slash ? slash + 1 : path,
				    show(slash ? slash + 1 : path, &f));
		json_decref(profile);
	}
	if (out && json_dump_file(all, out, JSON_INDENT(1)) < 0)
		die(out);
	json_decref(all);
	return 0;
}
