/*
 * killat.h - what the parts of killat share: the wishes of the command line, and the tasks.
 */
#pragma once
#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

#define TASKS_MAX     4096
#define STATUS_BROKEN 125
#define FAIL_SHORT    -1 /* the call is done, of one byte */

enum mode { COUNT, KILL, FAIL, SIGNAL, PAUSE };
enum who { WHO_MAIN, WHO_ACTING, WHO_ALL };

struct wishes {
	enum mode mode;
	enum who who;
	int signal;
	int fail_errno;	  /* or FAIL_SHORT */
	const char *hook;
	long number;	  /* the point: a number... */
	char name[32];	  /* ...or the number-th call of this name... */
	const char *path; /* ...with a path that contains this */
	const char *let_go; /* a task that becomes this program is no longer followed */
	bool at_exit;
	bool each; /* that point, and each after it */
	bool list;
	bool free_run;
	bool detach_after_main;
	unsigned timeout;
	FILE *out;
	char **command;
};

extern struct wishes want;

enum task_state {
	HELD,	 /* stopped, its stop not dealt with yet */
	RUNNING, /* resumed; has the turn, when it is `current` */
	ASLEEP,	 /* resumed, but waits in the kernel: others may run */
};

struct task {
	pid_t tid, tgid;
	int birth;	    /* order of birth */
	int process, thread; /* for the role; process 1 is the command */
	enum task_state state;
	int stop;	    /* of HELD: what waitpid said */
	bool counted;	    /* of HELD: the call has its number already */
	long call, index;   /* the call it is in, and its number */
	int fail;	    /* errno that call shall answer */
	int stat_fd;
};

extern struct task *tasks[TASKS_MAX];
extern int task_count, births, processes;
extern struct task *current; /* who has the turn; NULL: nobody */

/* killat-args.c: fills `want`, or ends with a message. */
void parse(int argc, char **argv);
/* Ends with 125 and a line on stderr. */
void die(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* killat-task.c */
const char *call_name(long nr);
struct task *task_find(pid_t tid);
struct task *task_add(pid_t tid);
void task_remove(struct task *t);
/* Gives a task its place in the order; its parent must have told of it, so that the order can be
 * repeated. */
void task_christen(struct task *t);
/* "main", "main.2" (its second thread), "p2" (second process); in a static buffer. */
const char *task_role(const struct task *t);
/* After its execve: is it that program (at most 15 letters, proc_pid_comm(5))? */
bool task_is_program(const struct task *t, const char *name);
/* The letter of proc_pid_stat(5): R running, S asleep, D asleep and deaf, t stopped, Z dead. */
char task_letter(const struct task *t);
