/*
 * job_names.h - the files by which a job with a network finds names.
 */
#pragma once
#include "net/net.h"
#include "ns/builders.h"
#include "supervisor/job.h"

#define JOB_NAMES_FILES 3

/* What the job gets beside its own files, at most JOB_NAMES_FILES; texts in the arena. */
size_t job_names_files(const struct job *job, const struct net_spec *net, struct arena *a,
		       struct ns_file file[JOB_NAMES_FILES]);
