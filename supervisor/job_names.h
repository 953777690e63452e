/*
 * job_names.h - the files by which a job with a network finds names.
 */
#pragma once
#include "net/net.h"
#include "net/resolv.h"
#include "ns/builders.h"
#include "supervisor/job.h"

#define JOB_NAMES_FILES 3

/* What the job gets beside its own files, at most JOB_NAMES_FILES; texts in the arena. */
size_t job_names_files(const struct job *job, const struct net_spec *net, struct arena *a,
		       struct ns_file file[JOB_NAMES_FILES]);
/* Whether kist's own server for names answers on one of its networks. */
bool job_is_served(const struct net_spec *net);

/* job_lookup.c: what the caller says of names. Refused where nothing would come of it. */
int job_lookup_check(const struct job *job, const struct net_spec *net, struct err *e);
/* Those of --dns are whom kist's server asks for the job, where that answers. */
int job_lookup_servers(const struct job *job, struct net_spec *net, struct err *e);
void job_lookup_apply(const struct job *job, struct resolv *r);
/* Lines of /etc/hosts; "" when there are none. In the arena. */
const char *job_lookup_hosts(const struct job *job, struct arena *a);
