/*
 * job_task.h - one job on its way: prepared, started, watched, looked back at, taken away; in
 * parts, so that one process can have many of them under way.
 *
 *   job_task_open()       nothing of it is in the world yet but its lease of ids and its files
 *   job_task_start()      its program runs
 *   job_watch...()        until its first process is gone: job_watch.h, with task->watch
 *   job_task_finish()     what became of it; nothing of it is left
 */
#pragma once
#include "supervisor/job.h"
#include "supervisor/job_watch.h"

#define JOB_FILTERS 8

struct job_image { /* found once, and kept from being removed as long as its host is open */
	struct job_image *next;
	const char *name; /* as jobs say it */
	struct image_info info;
	int pin;
	struct image_user user; /* says who: owned */
	struct job_user runs_as;
	bool knows_user;
};

/* What all jobs of one process stand on. */
struct job_host {
	const char *store, *root_path;
	int root;	    /* fd of the state root */
	const char *holder; /* named as the user of its images; NULL: the job */
	const struct runtime_hooks_in *in;
	struct host host;
	struct arena *arena; /* for what is found once */
	struct job_image *images;
	struct spec_known filter[JOB_FILTERS]; /* of the profiles */
};
/* Probes; strings and arena are the caller's. Undo: job_host_close(). */
int job_host_open(struct job_host *on, const char *store, int root, const char *root_path,
		  const struct runtime_hooks_in *in, struct arena *a, struct err *e);
void job_host_close(struct job_host *on);

struct job_task {
	struct job *job;
	struct job_host *on;
	struct arena *arena;
	struct job_image *image; /* NULL: a folder */
	struct job_user user;
	struct job_ids ids;
	struct root_layers layers;
	struct container_spec spec;
	struct create_options options;
	struct compiled compiled;
	struct run run;
	struct job_stdio stdio;
	struct job_watch watch;
	int collect_to, shared; /* shared: another container's network namespace */
	struct job_result result;
};
/* All that can be refused is, here. On error nothing is left. The task does not move from here on:
 * parts of it point to each other. */
int job_task_open(struct job_task *t, struct job_host *on, struct job *job, struct arena *a,
		  struct err *e);
/* On error everything is taken back, and the task closed. */
int job_task_start(struct job_task *t, struct err *e);
#define JOB_TASK_HELD 2
/* The same in parts: JOB_TASK_HELD means, again once t->run.hold, which the caller set, was taken off
 * and job_task_let_run() called; 1 means, again once t->run.sync can be read. */
int job_task_start_on(struct job_task *t, struct err *e);
/* It was held for so long: not of its time. */
void job_task_let_run(struct job_task *t, int64_t held_ms);
/* After its end, as job_watch said it. Closes the task, also on error. */
int job_task_finish(struct job_task *t, struct err *e);
/* A start, or a watch, that is given up: all of it is killed and taken away. */
void job_task_drop(struct job_task *t);

/* The result of one that never ran, or that kist failed at. */
void job_result_begin(struct job_result *ret);
void job_result_fail(struct job_result *ret, const struct err *e);
/* What job_watch() and a monitor saw, made the job's result; everything of it is dead. */
void job_result_conclude(const struct job *job, const struct job_end *end, struct job_result *ret);
/* SIGKILLs what is left, and reads the figures, which are final. */
void job_result_read(int cgroup, struct job_result *ret);
/* What it left, looked at from outside, and collected. */
int job_result_look_back(const struct job *job, int root, int collect_to, struct job_result *ret,
			 struct err *e);
