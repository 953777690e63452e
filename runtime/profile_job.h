/*
 * profile_job.h - the seccomp profile of `kist job run`.
 */
#pragma once

/*
 * The profile as OCI JSON (config-linux.md#seccomp), ready for seccomp_parse().
 * Built on first use in static memory; not for several threads at once.
 */
const char *profile_job_json(void);
/* What a container of Docker's with its default capabilities may call. */
const char *profile_docker_json(void);
/* For a job that only computes: without sockets and without IPC other than pipes. */
const char *profile_compute_json(void);
