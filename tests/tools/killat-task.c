/*
 * killat-task.c - the tasks that killat steps, and their names. Knows nothing of ptrace.
 */
#include "killat.h"
#include <fcntl.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAMES_MAX 1024

struct task *tasks[TASKS_MAX];
int task_count, births, processes;
struct task *current;

const char *call_name(long nr)
{
	static char *names[NAMES_MAX];
	static char other[24];

	if (nr < 0 || nr >= NAMES_MAX) {
		snprintf(other, sizeof other, "syscall_%ld", nr);
		return other;
	}
	if (!names[nr])
		names[nr] = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, (int)nr);
	if (!names[nr] && asprintf(&names[nr], "syscall_%ld", nr) < 0)
		die("out of memory");
	return names[nr];
}

struct task *task_find(pid_t tid)
{
	for (int i = 0; i < task_count; i++)
		if (tasks[i]->tid == tid)
			return tasks[i];
	return NULL;
}

struct task *task_add(pid_t tid)
{
	struct task *t = calloc(1, sizeof *t);
	char path[64];

	if (!t || task_count == TASKS_MAX)
		die("more than %d tasks", TASKS_MAX);
	t->tid = t->tgid = tid;
	t->state = ASLEEP;
	snprintf(path, sizeof path, "/proc/%d/task/%d/stat", (int)tid, (int)tid);
	t->stat_fd = open(path, O_RDONLY | O_CLOEXEC);
	tasks[task_count++] = t;
	return t;
}

void task_remove(struct task *t)
{
	for (int i = 0; i < task_count; i++)
		if (tasks[i] == t)
			tasks[i] = tasks[--task_count];
	if (current == t)
		current = NULL;
	if (t->stat_fd >= 0)
		close(t->stat_fd);
	free(t);
}

static pid_t read_tgid(pid_t tid)
{
	char path[64], line[128];
	pid_t tgid = tid;
	FILE *f;

	snprintf(path, sizeof path, "/proc/%d/status", (int)tid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof line, f))
		if (strncmp(line, "Tgid:", 5) == 0)
			tgid = (pid_t)strtol(line + 5, NULL, 10);
	if (f)
		fclose(f);
	return tgid;
}

void task_christen(struct task *t)
{
	t->birth = ++births;
	t->tgid = read_tgid(t->tid);
	t->thread = 1;
	if (t->tgid == t->tid) {
		t->process = ++processes;
		return;
	}
	for (int i = 0; i < task_count; i++) {
		struct task *other = tasks[i];

		if (other == t || other->tgid != t->tgid)
			continue;
		t->process = other->process;
		if (other->thread >= t->thread)
			t->thread = other->thread + 1;
	}
}

const char *task_role(const struct task *t)
{
	static char role[32];
	char process[16] = "main", thread[16] = "";

	if (t->process != 1)
		snprintf(process, sizeof process, "p%d", t->process);
	if (t->thread > 1)
		snprintf(thread, sizeof thread, ".%d", t->thread);
	snprintf(role, sizeof role, "%s%s", process, thread);
	return role;
}

bool task_is_program(const struct task *t, const char *name)
{
	char path[64], text[32] = "";
	FILE *f;

	snprintf(path, sizeof path, "/proc/%d/comm", (int)t->tid);
	f = fopen(path, "re");
	if (f && !fgets(text, sizeof text, f))
		text[0] = '\0';
	if (f)
		fclose(f);
	text[strcspn(text, "\n")] = '\0';
	return strcmp(text, name) == 0;
}

char task_letter(const struct task *t)
{
	char text[128];
	ssize_t size = t->stat_fd < 0 ? -1 : pread(t->stat_fd, text, sizeof text - 1, 0);
	char *end;

	if (size <= 0)
		return 'Z';
	text[size] = '\0';
	end = strrchr(text, ')');
	return end && end[1] ? end[2] : 'R';
}
