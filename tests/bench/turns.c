/*
 * turns.c - times commands turn by turn, in one process that starts them itself.
 *
 * usage: turns [-r ROUNDS] [-j AT-ONCE] <TABLE
 *
 * A line of TABLE is: NAME|BEFORE|TIMED|AFTER. Each of the three is a list of commands, ';' between
 * them, split at blanks without any quoting; %i becomes an id that is new in every turn; words
 * NAME=VALUE at the beginning go to the environment. Only TIMED is timed, as a whole. In every
 * round each line has one turn, and each round begins one line later, so that neither a drifting
 * machine nor the place in the queue favours anyone. With -j, so many do the same at the same time.
 *
 * Prints one line for each: NAME, p50 and p99 in ms, the median over the rounds of its time to the
 * first line's, and the greatest memory of a process of TIMED in KiB; tabs between them.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LINES_MAX    32
#define COMMANDS_MAX 8
#define WORDS_MAX    64
#define JOBS_MAX     16

extern char **environ;

struct command {
	char *word[WORDS_MAX + 1];
	int first; /* the program; words before it are for the environment */
};
struct list {
	struct command command[COMMANDS_MAX];
	int count;
};
struct entry {
	char *name;
	struct list before, timed, after;
	double *ms;      /* [round * jobs + job] */
	double *ratio;   /* [round] */
	long memory;
};

static struct entry entry[LINES_MAX];
static int entries, rounds = 50, jobs = 1;

static _Noreturn void die(const char *what, const char *why)
{
	fprintf(stderr, "turns: %s: %s\n", what, why);
	exit(1);
}

/* --- the table ---- */

static void parse_list(char *text, struct list *l)
{
	char *rest = NULL;

	for (char *one = strtok_r(text, ";", &rest); one; one = strtok_r(NULL, ";", &rest)) {
		struct command *c = &l->command[l->count];
		char *more = NULL;
		int n = 0;

		for (char *w = strtok_r(one, " ", &more); w; w = strtok_r(NULL, " ", &more)) {
			if (n == WORDS_MAX)
				die(w, "too many words");
			if (n == c->first && strchr(w, '=') && w[0] != '/' && w[0] != '-')
				c->first++;
			c->word[n++] = w;
		}
		if (n == c->first)
			continue;
		if (++l->count == COMMANDS_MAX)
			die(one, "too many commands");
	}
}

static void read_table(void)
{
	char *line = NULL;
	size_t size = 0;
	ssize_t n;

	while ((n = getline(&line, &size, stdin)) > 0) {
		struct entry *e = &entry[entries];
		char *text = strdup(line);

		text[strcspn(text, "\n")] = '\0';
		if (!text[0])
			continue;
		if (entries++ == LINES_MAX)
			die("the table", "too many lines");
		e->name = strsep(&text, "|");
		for (int i = 0; i < 3; i++) {
			char *part = strsep(&text, "|");

			if (!part)
				die(e->name, "not NAME|BEFORE|TIMED|AFTER");
			parse_list(part, i == 0 ? &e->before : i == 1 ? &e->timed : &e->after);
		}
		e->ms = calloc((size_t)(rounds * jobs), sizeof *e->ms);
		e->ratio = calloc((size_t)rounds, sizeof *e->ratio);
	}
	free(line);
	if (!entries)
		die("the table", "is empty");
}

/* --- running ---- */

static void exec_command(const struct command *c, const char *id)
{
	char *argv[WORDS_MAX + 1], made[WORDS_MAX][256];
	int n = 0, quiet = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int i = 0; i < c->first; i++)
		putenv(c->word[i]);
	for (int i = c->first; c->word[i]; i++, n++) {
		const char *mark = strstr(c->word[i], "%i");

		argv[n] = c->word[i];
		if (!mark)
			continue;
		snprintf(made[n], sizeof made[n], "%.*s%s%s", (int)(mark - c->word[i]), c->word[i], id,
			 mark + 2);
		argv[n] = made[n];
	}
	argv[n] = NULL;
	dup2(quiet, 0);
	dup2(quiet, 1);
	execv(argv[0], argv);
	die(argv[0], strerror(errno));
}

static void run_list(const struct entry *e, const struct list *l, const char *id, long *memory)
{
	for (int i = 0; i < l->count; i++) {
		struct rusage used;
		int status;
		pid_t pid = fork();

		if (pid == 0)
			exec_command(&l->command[i], id);
		if (pid < 0 || wait4(pid, &status, 0, &used) < 0)
			die("fork", strerror(errno));
		if (status) {
			fprintf(stderr, "turns: %s: ", e->name);
			for (int w = l->command[i].first; l->command[i].word[w]; w++)
				fprintf(stderr, "%s ", l->command[i].word[w]);
			fprintf(stderr, "(id %s): status %#x\n", id, status);
			exit(1);
		}
		if (memory && used.ru_maxrss > *memory)
			*memory = used.ru_maxrss;
	}
}

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

struct turn {
	double ms;
	long memory;
};

static void take_turn(struct entry *e, int round, int job, struct turn *ret)
{
	char id[64];
	double begin;

	snprintf(id, sizeof id, "bench-%d-%d-%d", (int)getppid(), round, job);
	run_list(e, &e->before, id, NULL);
	begin = now_ms();
	run_list(e, &e->timed, id, &ret->memory);
	ret->ms = now_ms() - begin;
	run_list(e, &e->after, id, NULL);
}

static void one_turn(struct entry *e, int round, struct turn *shared)
{
	pid_t pids[JOBS_MAX];
	int status;

	memset(shared, 0, sizeof *shared * JOBS_MAX);
	for (int job = 0; job < jobs; job++) {
		pids[job] = fork();
		if (pids[job] == 0) {
			take_turn(e, round, job, &shared[job]);
			_exit(0);
		}
	}
	for (int job = 0; job < jobs; job++) {
		if (waitpid(pids[job], &status, 0) < 0 || status)
			exit(1);
		e->ms[round * jobs + job] = shared[job].ms;
		if (shared[job].memory > e->memory)
			e->memory = shared[job].memory;
	}
}

/* --- figures ---- */

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double quantile(double *values, int count, double q)
{
	qsort(values, (size_t)count, sizeof *values, compare);
	return values[(int)((double)(count - 1) * q)];
}

static double round_ms(const struct entry *e, int round)
{
	double sum = 0;

	for (int job = 0; job < jobs; job++)
		sum += e->ms[round * jobs + job];
	return sum / jobs;
}

int main(int argc, char **argv)
{
	struct turn *shared;
	int option;

	while ((option = getopt(argc, argv, "r:j:")) != -1) {
		if (option == 'r')
			rounds = atoi(optarg);
		else if (option == 'j')
			jobs = atoi(optarg);
		else
			return 2;
	}
	if (rounds < 1 || jobs < 1 || jobs > JOBS_MAX)
		die("-r, -j", "not usable numbers");
	read_table();
	shared = mmap(NULL, sizeof *shared * JOBS_MAX, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		die("mmap", strerror(errno));
	/* One for warming up, which the first round then overwrites. */
	for (int i = 0; i < entries; i++)
		one_turn(&entry[i], 0, shared);
	for (int round = 0; round < rounds; round++) {
		for (int i = 0; i < entries; i++)
			one_turn(&entry[(round + i) % entries], round, shared);
		for (int i = 0; i < entries; i++)
			entry[i].ratio[round] = round_ms(&entry[i], round) / round_ms(&entry[0], round);
	}
	for (int i = 0; i < entries; i++)
		printf("%s\t%.3f\t%.3f\t%.3f\t%ld\n", entry[i].name,
		       quantile(entry[i].ms, rounds * jobs, 0.5), quantile(entry[i].ms, rounds * jobs, 0.99),
		       quantile(entry[i].ratio, rounds, 0.5), entry[i].memory);
	return 0;
}
