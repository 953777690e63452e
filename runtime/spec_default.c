/*
 * spec_default.c - the configuration `kist spec` prints: the same shape and
 * values as runc's, so that a bundle made by one runs under the other.
 */
#include "runtime/spec.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* clang-format off */
static const char default_text[] =
"{\"ociVersion\":\"1.0.2\","
"\"process\":{\"terminal\":true,\"user\":{\"uid\":0,\"gid\":0},\"args\":[\"sh\"],"
"\"env\":[\"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\",\"TERM=xterm\"],"
"\"cwd\":\"/\","
"\"capabilities\":{"
"\"bounding\":[\"CAP_AUDIT_WRITE\",\"CAP_KILL\",\"CAP_NET_BIND_SERVICE\"],"
"\"effective\":[\"CAP_AUDIT_WRITE\",\"CAP_KILL\",\"CAP_NET_BIND_SERVICE\"],"
"\"permitted\":[\"CAP_AUDIT_WRITE\",\"CAP_KILL\",\"CAP_NET_BIND_SERVICE\"]},"
"\"rlimits\":[{\"type\":\"RLIMIT_NOFILE\",\"hard\":1024,\"soft\":1024}],"
"\"noNewPrivileges\":true},"
"\"root\":{\"path\":\"rootfs\",\"readonly\":true},"
"\"hostname\":\"kist\","
"\"mounts\":["
"{\"destination\":\"/proc\",\"type\":\"proc\",\"source\":\"proc\"},"
"{\"destination\":\"/dev\",\"type\":\"tmpfs\",\"source\":\"tmpfs\","
"\"options\":[\"nosuid\",\"strictatime\",\"mode=755\",\"size=65536k\"]},"
"{\"destination\":\"/dev/pts\",\"type\":\"devpts\",\"source\":\"devpts\","
"\"options\":[\"nosuid\",\"noexec\",\"newinstance\",\"ptmxmode=0666\",\"mode=0620\",\"gid=5\"]},"
"{\"destination\":\"/dev/shm\",\"type\":\"tmpfs\",\"source\":\"shm\","
"\"options\":[\"nosuid\",\"noexec\",\"nodev\",\"mode=1777\",\"size=65536k\"]},"
"{\"destination\":\"/dev/mqueue\",\"type\":\"mqueue\",\"source\":\"mqueue\","
"\"options\":[\"nosuid\",\"noexec\",\"nodev\"]},"
"{\"destination\":\"/sys\",\"type\":\"sysfs\",\"source\":\"sysfs\","
"\"options\":[\"nosuid\",\"noexec\",\"nodev\",\"ro\"]},"
"{\"destination\":\"/sys/fs/cgroup\",\"type\":\"cgroup\",\"source\":\"cgroup\","
"\"options\":[\"nosuid\",\"noexec\",\"nodev\",\"relatime\",\"ro\"]}],"
"\"linux\":{\"resources\":{\"devices\":[{\"allow\":false,\"access\":\"rwm\"}]},"
"\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"network\"},{\"type\":\"ipc\"},{\"type\":\"uts\"},"
"{\"type\":\"mount\"},{\"type\":\"cgroup\"}],"
"\"maskedPaths\":[\"/proc/acpi\",\"/proc/asound\",\"/proc/kcore\",\"/proc/keys\","
"\"/proc/latency_stats\",\"/proc/timer_list\",\"/proc/timer_stats\",\"/proc/sched_debug\","
"\"/sys/firmware\",\"/proc/scsi\"],"
"\"readonlyPaths\":[\"/proc/bus\",\"/proc/fs\",\"/proc/irq\",\"/proc/sys\","
"\"/proc/sysrq-trigger\"]}}";
/* clang-format on */

/* Without root: an own user namespace with the caller as its root, the host's network, and no
 * mount or option that needs more than one id. */
static void make_rootless(json_t *spec)
{
	json_t *linux_object = json_object_get(spec, "linux");
	json_t *namespaces = json_object_get(linux_object, "namespaces");
	json_t *mounts = json_object_get(spec, "mounts");

	json_array_set_new(namespaces, 1, json_pack("{s:s}", "type", "user"));
	json_object_set_new(linux_object, "uidMappings", json_pack("[{s:i,s:i,s:i}]",
			    "containerID", 0, "hostID", (int)geteuid(), "size", 1));
	json_object_set_new(linux_object, "gidMappings", json_pack("[{s:i,s:i,s:i}]",
			    "containerID", 0, "hostID", (int)getegid(), "size", 1));
	json_object_del(linux_object, "resources");
	/* gid=5 is not mapped; a new sysfs needs the network namespace that is not made. "rro": what
	 * is mounted in it too, as the caller's own cgroups. */
	json_array_remove(json_object_get(json_array_get(mounts, 2), "options"), 5);
	json_array_set_new(mounts, 5, json_pack("{s:s,s:s,s:s,s:[s,s,s,s,s,s]}", "destination",
			   "/sys", "type", "none", "source", "/sys", "options", "rbind", "nosuid",
			   "noexec", "nodev", "ro", "rro"));
	json_array_remove(mounts, 6);
}

json_t *spec_default(bool rootless)
{
	json_t *spec = json_loads(default_text, 0, NULL);

	if (spec && rootless)
		make_rootless(spec);
	return spec;
}
