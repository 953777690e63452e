/*
 * job_names.c - the files by which a job with a network finds names: /etc/resolv.conf, hosts,
 * hostname.
 *
 * They are the job's own, new in its root, whatever its image has there; what
 * the job itself was given at one of these paths stays.
 */
#include "supervisor/job.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "net/dns.h"
#include "net/resolv.h"
#include "net/user.h"
#include "supervisor/job_names.h"

/* As much as a job is given of the host's /etc/hosts, which block lists have large. */
#define HOSTS_MAX (4u << 20)

static bool is_given(const struct job *job, const char *path)
{
	for (size_t i = 0; i < job->file_count; i++)
		if (strcmp(job->file[i].path, path) == 0)
			return true;
	for (size_t i = 0; i < job->input_count; i++)
		if (strcmp(job->input[i].path, path) == 0 ||
		    strcmp(job->input[i].path, "/etc") == 0)
			return true;
	return false;
}

static size_t add(const struct job *job, const char *path, const char *text, struct ns_file *file)
{
	if (!text || is_given(job, path))
		return 0;
	*file = (struct ns_file){ .path = path, .data = text, .size = strlen(text), .mode = 0644 };
	return 1;
}

bool job_is_served(const struct net_spec *net)
{
	for (int i = 0; i < net->join_count; i++)
		if (dns_serves(net->joins[i].network) && !net->joins[i].no_names)
			return true;
	return false;
}

/* NULL: the host knows no server that the job could reach; then the image's file is as good. */
static const char *make_resolv(const struct job *job, bool served, bool user, struct arena *a)
{
	char *text = arena_alloc(a, RESOLV_TEXT_MAX);
	struct buf b = { .text = text, .size = RESOLV_TEXT_MAX };
	struct resolv host;

	resolv_read_host(!served && !user && !job->host_net, &host);
	if (user) {
		host.server[0] = (struct dns_upstream){ .family = AF_INET, .address = NET_USER_DNS_BYTES };
		host.count = 1;
	}
	job_lookup_apply(job, &host);
	if (!text || (!served && host.count == 0))
		return NULL;
	buf_reset(&b);
	resolv_make(&host, served, &b);
	return text;
}

static const char plain_hosts[] = "127.0.0.1\tlocalhost\n"
				  "::1\tlocalhost ip6-localhost ip6-loopback\n"
				  "ff02::1\tip6-allnodes\n"
				  "ff02::2\tip6-allrouters\n";

static const char *hosts_of_host(struct arena *a)
{
	_cleanup_free_ char *text = NULL;
	size_t size = 0;

	if (file_read_whole(AT_FDCWD, "/etc/hosts", HOSTS_MAX, &text, &size, NULL) < 0 || size == 0)
		return plain_hosts;
	return arena_printf(a, "%s%s", text, text[size - 1] == '\n' ? "" : "\n");
}

/* Its own name leads to its own address by the server, which knows that; without one to itself. */
static const char *make_hosts(const struct job *job, bool served, struct arena *a)
{
	return arena_printf(a, "%s%s%s%s%s", job->host_net ? hosts_of_host(a) : plain_hosts,
			    served ? "" : "127.0.1.1\t", served ? "" : job->id, served ? "" : "\n",
			    job_lookup_hosts(job, a));
}

size_t job_names_files(const struct job *job, const struct net_spec *net, struct arena *a,
		       struct ns_file file[JOB_NAMES_FILES])
{
	bool served = job_is_served(net) || job->shared == JOB_SHARED_SERVED;
	size_t count = 0;

	if (net->mode != NET_BRIDGE && net->mode != NET_USER && net->mode != NET_HOST &&
	    job->shared == JOB_SHARED_ALIEN)
		return 0;
	count += add(job, "/etc/resolv.conf", make_resolv(job, served, net->mode == NET_USER, a), file + count);
	count += add(job, "/etc/hosts", make_hosts(job, served, a), file + count);
	count += add(job, "/etc/hostname", arena_printf(a, "%s\n", job->id), file + count);
	return count;
}
