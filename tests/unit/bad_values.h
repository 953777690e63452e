/*
 * bad_values.h - the tables of test_bad_values.c: one configuration with every field, and for each
 * field the values it cannot have.
 */
#pragma once
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

#define MARK "@@mark@@" /* stands where the raw text of a mutation goes */

/* The value at a JSON pointer whose keys hold no '~'. NULL: there is none. */
static inline json_t *value_at(json_t *o, const char *pointer)
{
	while (o && *pointer) {
		char key[128];
		size_t len = strcspn(++pointer, "/");

		snprintf(key, sizeof key, "%.*s", (int)len, pointer);
		o = json_is_array(o) ? json_array_get(o, strtoul(key, NULL, 10))
				     : json_object_get(o, key);
		pointer += len;
	}
	return o;
}

/* The document with `raw` in place of the value at `pointer`, as text. */
static inline char *mutated(const json_t *full, const char *pointer, const char *raw)
{
	json_t *copy = json_deep_copy(full), *parent;
	char above[JSON_POINTER_MAX], *text, *at, *ret;
	const char *key = strrchr(pointer, '/') + 1;
	int r;

	snprintf(above, sizeof above, "%.*s", (int)(key - 1 - pointer), pointer);
	parent = value_at(copy, above);
	assert_non_null(parent);
	if (json_is_array(parent))
		r = json_array_set_new(parent, strtoul(key, NULL, 10), json_string(MARK));
	else
		r = json_object_set_new(parent, key, json_string(MARK));
	assert_int_equal(r, 0);
	text = json_dumps(copy, 0);
	json_decref(copy);
	at = strstr(text, "\"" MARK "\"");
	assert_non_null(at);
	ret = malloc(strlen(text) + strlen(raw) + 1);
	sprintf(ret, "%.*s%s%s", (int)(at - text), text, raw, at + sizeof MARK + 1);
	free(text);
	return ret;
}


static const char full_config[] =
"{\"ociVersion\": \"1.3.0\","
"\"process\": {"
"  \"terminal\": true,"
"  \"consoleSize\": {\"height\": 24, \"width\": 80},"
"  \"user\": {\"uid\": 1, \"gid\": 2, \"umask\": 18, \"additionalGids\": [3, 4]},"
"  \"args\": [\"sh\", \"-c\"],"
"  \"env\": [\"A=1\", \"B=2\"],"
"  \"cwd\": \"/\","
"  \"capabilities\": {\"bounding\": [\"CAP_KILL\"], \"effective\": [\"CAP_KILL\"],"
"    \"inheritable\": [\"CAP_KILL\"], \"permitted\": [\"CAP_KILL\"], \"ambient\": [\"CAP_KILL\"]},"
"  \"rlimits\": [{\"type\": \"RLIMIT_CORE\", \"soft\": 1, \"hard\": 2},"
"    {\"type\": \"RLIMIT_NOFILE\", \"soft\": 9, \"hard\": 9}],"
"  \"noNewPrivileges\": true,"
"  \"oomScoreAdj\": 5, \"apparmorProfile\": \"p\", \"selinuxLabel\": \"u:r:t:s0\","
"  \"execCPUAffinity\": {\"initial\": \"0-1\", \"final\": \"0\"},"
"  \"scheduler\": {\"policy\": \"SCHED_OTHER\", \"nice\": 1, \"priority\": 0,"
"    \"flags\": [\"SCHED_FLAG_RESET_ON_FORK\"], \"runtime\": 0, \"deadline\": 0, \"period\": 0},"
"  \"ioPriority\": {\"class\": \"IOPRIO_CLASS_BE\", \"priority\": 4}"
"},"
"\"root\": {\"path\": \"rootfs\", \"readonly\": true},"
"\"hooks\": {\"prestart\": [{\"path\": \"/a\", \"args\": [\"b\"], \"env\": [\"C=d\"], \"timeout\": 5}],"
"  \"createRuntime\": [{\"path\": \"/a\"}], \"createContainer\": [{\"path\": \"/a\"}],"
"  \"startContainer\": [{\"path\": \"/a\"}], \"poststart\": [{\"path\": \"/a\"}],"
"  \"poststop\": [{\"path\": \"/a\"}]},"
"\"hostname\": \"h\","
"\"domainname\": \"d\","
"\"annotations\": {\"org.x\": \"y\", \"empty\": \"\"},"
"\"mounts\": ["
"  {\"destination\": \"/proc\", \"type\": \"proc\", \"source\": \"proc\"},"
"  {\"destination\": \"/tmp\", \"type\": \"tmpfs\", \"source\": \"tmpfs\","
"    \"options\": [\"nosuid\", \"size=64k\"]},"
"  {\"destination\": \"/data\", \"type\": \"bind\", \"source\": \"/src\", \"options\": [\"rbind\", \"ro\"],"
"    \"uidMappings\": [{\"containerID\": 0, \"hostID\": 100000, \"size\": 10}],"
"    \"gidMappings\": [{\"containerID\": 0, \"hostID\": 100000, \"size\": 10}]}"
"],"
"\"linux\": {"
"  \"namespaces\": [{\"type\": \"pid\"}, {\"type\": \"network\", \"path\": \"/run/netns/x\"},"
"    {\"type\": \"mount\"}, {\"type\": \"ipc\"}, {\"type\": \"uts\"}, {\"type\": \"user\"},"
"    {\"type\": \"cgroup\"}, {\"type\": \"time\"}],"
"  \"uidMappings\": [{\"containerID\": 0, \"hostID\": 100000, \"size\": 10},"
"    {\"containerID\": 10, \"hostID\": 200000, \"size\": 10}],"
"  \"gidMappings\": [{\"containerID\": 0, \"hostID\": 100000, \"size\": 10}],"
"  \"timeOffsets\": {\"monotonic\": {\"secs\": 5, \"nanosecs\": 6}, \"boottime\": {\"secs\": 7, \"nanosecs\": 8}},"
"  \"devices\": [{\"type\": \"c\", \"path\": \"/dev/fuse\", \"major\": 10, \"minor\": 229,"
"    \"fileMode\": 438, \"uid\": 0, \"gid\": 0}, {\"type\": \"p\", \"path\": \"/dev/fifo\"}],"
"  \"cgroupsPath\": \"/a/b\","
"  \"personality\": {\"domain\": \"LINUX\", \"flags\": []},"
"  \"memoryPolicy\": {\"mode\": \"MPOL_BIND\", \"nodes\": \"0\", \"flags\": [\"MPOL_F_STATIC_NODES\"]},"
"  \"netDevices\": {\"eth9\": {\"name\": \"net0\"}, \"eth8\": {}},"
"  \"rootfsPropagation\": \"private\", \"mountLabel\": \"u:object_r:t:s0\","
"  \"maskedPaths\": [\"/proc/kcore\"],"
"  \"readonlyPaths\": [\"/proc/sys\"],"
"  \"sysctl\": {\"net.ipv4.ip_forward\": \"1\", \"kernel.shmmax\": \"1\"},"
"  \"resources\": {"
"    \"devices\": [{\"allow\": true, \"type\": \"c\", \"major\": 1, \"minor\": 3, \"access\": \"rwm\"}],"
"    \"memory\": {\"limit\": 1000000, \"reservation\": 1000, \"swap\": 2000000, \"kernel\": -1,"
"      \"kernelTCP\": -1, \"swappiness\": 60, \"disableOOMKiller\": false, \"useHierarchy\": true,"
"      \"checkBeforeUpdate\": true},"
"    \"cpu\": {\"shares\": 1024, \"quota\": 10000, \"burst\": 1000, \"period\": 100000,"
"      \"realtimeRuntime\": 0, \"realtimePeriod\": 0, \"cpus\": \"0-1\", \"mems\": \"0\", \"idle\": 0},"
"    \"pids\": {\"limit\": 10},"
"    \"blockIO\": {\"weight\": 100, \"leafWeight\": 100,"
"      \"weightDevice\": [{\"major\": 8, \"minor\": 0, \"weight\": 100, \"leafWeight\": 10}],"
"      \"throttleReadBpsDevice\": [{\"major\": 8, \"minor\": 0, \"rate\": 1}],"
"      \"throttleWriteBpsDevice\": [{\"major\": 8, \"minor\": 0, \"rate\": 1}],"
"      \"throttleReadIOPSDevice\": [{\"major\": 8, \"minor\": 0, \"rate\": 1}],"
"      \"throttleWriteIOPSDevice\": [{\"major\": 8, \"minor\": 0, \"rate\": 1}]},"
"    \"hugepageLimits\": [{\"pageSize\": \"2MB\", \"limit\": 0}],"
"    \"network\": {\"classID\": 1, \"priorities\": [{\"name\": \"eth0\", \"priority\": 1}]},"
"    \"rdma\": {\"mlx5_1\": {\"hcaHandles\": 3, \"hcaObjects\": 4}},"
"    \"unified\": {\"memory.high\": \"max\"}"
"  },"
"  \"seccomp\": {\"defaultAction\": \"SCMP_ACT_ERRNO\", \"defaultErrnoRet\": 1,"
"    \"architectures\": [\"SCMP_ARCH_X86_64\", \"SCMP_ARCH_X86\"],"
"    \"flags\": [\"SECCOMP_FILTER_FLAG_LOG\"],"
"    \"listenerPath\": \"/run/agent\", \"listenerMetadata\": \"m\","
"    \"syscalls\": [{\"names\": [\"execve\", \"read\"], \"action\": \"SCMP_ACT_ALLOW\"},"
"      {\"names\": [\"personality\"], \"action\": \"SCMP_ACT_ERRNO\", \"errnoRet\": 2,"
"        \"args\": [{\"index\": 0, \"value\": 8, \"valueTwo\": 1, \"op\": \"SCMP_CMP_MASKED_EQ\"}]}]}"
"}}";

/* Other types that a field may well have. */
static const struct {
	const char *pointer, *raw;
} __attribute__((unused)) tolerated[] = {
	{ "/process/args/0", "\"7x\"" },
};

#define A65 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define OVER_U32 "4294967296"
#define OVER_I64 "9223372036854775808"

static const struct {
	const char *pointer, *raw, *where; /* where: NULL, the same */
} __attribute__((unused)) bad[] = {
	{ "/ociVersion", "\"\"", NULL }, { "/ociVersion", "\"1\"", NULL },
	{ "/ociVersion", "\"1.0\"", NULL }, { "/ociVersion", "\"1.0.\"", NULL },
	{ "/ociVersion", "\"1.0.0x\"", NULL }, { "/ociVersion", "\"1.0.0-\"", NULL },
	{ "/ociVersion", "\"1.0.0+\"", NULL }, { "/ociVersion", "\" 1.0.0\"", NULL },
	{ "/ociVersion", "\"+1.0.0\"", NULL }, { "/ociVersion", "\"-1.0.0\"", NULL },
	{ "/ociVersion", "\"1. 0.0\"", NULL }, { "/ociVersion", "\"1.-1.0\"", NULL },
	{ "/ociVersion", "\"01.0.0\"", NULL }, { "/ociVersion", "\"1.00.0\"", NULL },
	{ "/ociVersion", "\"0.9.0\"", NULL }, { "/ociVersion", "\"2.0.0\"", NULL },
	{ "/ociVersion", "\"4294967297.0.0\"", NULL }, { "/ociVersion", "\"1.0.0 \"", NULL },
	{ "/ociVersion", "\"1.0.0-a b\"", NULL },

	{ "/process/args", "[]", NULL }, { "/process/args/0", "\"\"", NULL },
	{ "/process/env/0", "\"\"", NULL }, { "/process/env/0", "\"A\"", NULL },
	{ "/process/env/0", "\"=1\"", NULL }, { "/process/env/1", "\"B\"", NULL },
	{ "/process/cwd", "\"\"", NULL }, { "/process/cwd", "\"rel\"", NULL },
	{ "/process/cwd", "\"./x\"", NULL },
	{ "/process/user/uid", "-1", NULL }, { "/process/user/uid", "4294967295", NULL },
	{ "/process/user/uid", OVER_U32, NULL }, { "/process/user/uid", OVER_I64, NULL },
	{ "/process/user/uid", "\"1000\"", NULL }, { "/process/user/uid", "\"root\"", NULL },
	{ "/process/user/gid", "-1", NULL }, { "/process/user/gid", "4294967295", NULL },
	{ "/process/user/gid", OVER_U32, NULL },
	{ "/process/user/umask", "-1", NULL }, { "/process/user/umask", "512", NULL },
	{ "/process/user/umask", OVER_U32, NULL },
	{ "/process/user/additionalGids/1", "-1", NULL },
	{ "/process/user/additionalGids/1", "4294967295", NULL },
	{ "/process/user/additionalGids/1", OVER_U32, NULL },
	{ "/process/consoleSize/height", "-1", NULL },
	{ "/process/consoleSize/height", "65536", NULL },
	{ "/process/consoleSize/width", "-1", NULL },
	{ "/process/consoleSize/width", "65536", NULL },
	{ "/process/capabilities/permitted", "[]", "/process/capabilities/effective" },
	{ "/process/capabilities/bounding", "[]", "/process/capabilities/inheritable" },
	{ "/process/rlimits/0/type", "\"\"", NULL },
	{ "/process/rlimits/0/type", "\"RLIMIT_NONE\"", NULL },
	{ "/process/rlimits/0/type", "\"rlimit_core\"", NULL },
	{ "/process/rlimits/1/type", "\"RLIMIT_CORE\"", NULL },
	{ "/process/rlimits/0/soft", "-1", NULL }, { "/process/rlimits/0/hard", "-1", NULL },
	{ "/process/rlimits/0/soft", "3", NULL },
	{ "/process/oomScoreAdj", "-1001", NULL }, { "/process/oomScoreAdj", "1001", NULL },
	{ "/process/oomScoreAdj", OVER_U32, NULL },
	{ "/process/apparmorProfile", "\"a\\n\"", NULL },
	{ "/process/selinuxLabel", "\"a\\n\"", NULL },
	{ "/linux/mountLabel", "\"a\\n\"", NULL },
	{ "/process/execCPUAffinity/initial", "\"x\"", NULL },
	{ "/process/execCPUAffinity/final", "\"1-0\"", NULL },
	{ "/process/execCPUAffinity/final", "\"-1\"", NULL },
	{ "/process/execCPUAffinity/final", "\"0,\"", NULL },
	{ "/process/execCPUAffinity/final", "\"99999999999\"", NULL },
	{ "/process/scheduler/policy", "\"\"", NULL },
	{ "/process/scheduler/policy", "\"SCHED_NONE\"", NULL },
	{ "/process/scheduler/nice", "-21", NULL }, { "/process/scheduler/nice", "20", NULL },
	{ "/process/scheduler/priority", "-1", NULL },
	{ "/process/scheduler/priority", "100", NULL },
	{ "/process/scheduler/flags/0", "\"SCHED_FLAG_NONE\"", NULL },
	{ "/process/scheduler/runtime", "-1", NULL },
	{ "/process/scheduler/deadline", "-1", NULL },
	{ "/process/scheduler/period", "-1", NULL },
	{ "/process/ioPriority/class", "\"\"", NULL },
	{ "/process/ioPriority/class", "\"IOPRIO_CLASS_NONE\"", NULL },
	{ "/process/ioPriority/priority", "-1", NULL },
	{ "/process/ioPriority/priority", "8", NULL },

	{ "/hooks/prestart/0/path", "\"\"", NULL }, { "/hooks/poststop/0/path", "\"a\"", NULL },
	{ "/hooks/prestart/0/env/0", "\"C\"", NULL }, { "/hooks/prestart/0/env/0", "\"=d\"", NULL },
	{ "/hooks/prestart/0/timeout", "0", NULL }, { "/hooks/prestart/0/timeout", "-1", NULL },
	{ "/hooks/prestart/0/timeout", OVER_U32, NULL },
	{ "/root/path", "\"\"", NULL },
	{ "/hostname", "\"" A65 "\"", NULL }, { "/hostname", "\"a b\"", NULL },
	{ "/hostname", "\"a\\nb\"", NULL }, { "/domainname", "\"" A65 "\"", NULL },
	{ "/domainname", "\"a\\u0001\"", NULL },
	{ "/annotations", "{\"\": \"x\"}", "/annotations/" },
	{ "/annotations", "{\"a\": \"x\", \"b\": 1}", "/annotations/b" },

	{ "/mounts/1/destination", "\"\"", NULL },
	{ "/mounts/1/destination", "\"/\"", NULL },
	{ "/mounts/1/destination", "\"/x/..\"", NULL },
	{ "/mounts/1/destination", "\"/proc/x\"", NULL },
	{ "/mounts/0/type", "\"tmpfs\"", NULL },
	{ "/mounts/1/type", "\"\"", NULL }, { "/mounts/1/type", "\"none\"", NULL },
	{ "/mounts/2/source", "\"\"", NULL },
	{ "/mounts/1/options/0", "\"\"", NULL }, { "/mounts/1/options/0", "\"=x\"", NULL },
	{ "/mounts/1/options/1", "\"ro,rw\"", NULL },
	{ "/mounts/2/options/1", "\"size=5\"", NULL },
	{ "/mounts/2/options/1", "\"sync\"", NULL },
	{ "/mounts/1/options", "[\"idmap\"]", NULL },
	{ "/mounts/2/uidMappings", "[]", NULL },
	{ "/mounts/2/gidMappings", "[]", NULL },
	{ "/mounts/2/uidMappings/0/containerID", "-1", NULL },
	{ "/mounts/2/uidMappings/0/hostID", OVER_U32, NULL },
	{ "/mounts/2/gidMappings/0/size", "0", NULL },

	{ "/linux/namespaces", "[]", NULL },
	{ "/linux/namespaces/0/type", "\"\"", NULL },
	{ "/linux/namespaces/0/type", "\"mnt\"", NULL },
	{ "/linux/namespaces/0/type", "\"PID\"", NULL },
	{ "/linux/namespaces/3/type", "\"pid\"", NULL },
	{ "/linux/namespaces/1/path", "\"netns\"", NULL },
	{ "/linux/namespaces/2", "{\"type\": \"mount\", \"path\": \"/x\"}", "/linux/namespaces/2/path" },
	{ "/linux/uidMappings", "[]", NULL }, { "/linux/gidMappings", "[]", NULL },
	{ "/linux/uidMappings/0/containerID", "-1", NULL },
	{ "/linux/uidMappings/0/containerID", "20", "/linux/uidMappings" },
	{ "/linux/uidMappings/1/containerID", "9", "/linux/uidMappings/1/containerID" },
	{ "/linux/uidMappings/1/hostID", "100009", "/linux/uidMappings/1/hostID" },
	{ "/linux/uidMappings/0/hostID", OVER_U32, NULL },
	{ "/linux/uidMappings/0/hostID", "4294967295", NULL },
	{ "/linux/uidMappings/0/hostID", "4294967290", NULL },
	{ "/linux/uidMappings/0/containerID", "4294967290", NULL },
	{ "/linux/uidMappings/0/size", "0", NULL },
	{ "/linux/uidMappings/0/size", "-1", NULL },
	{ "/linux/uidMappings/0/size", OVER_U32, NULL },
	{ "/linux/gidMappings/0/size", "0", NULL },
	{ "/linux/timeOffsets", "{\"realtime\": {\"secs\": 1}}", "/linux/timeOffsets/realtime" },
	{ "/linux/timeOffsets/monotonic/nanosecs", "-1", NULL },
	{ "/linux/timeOffsets/monotonic/nanosecs", "1000000000", NULL },
	{ "/linux/timeOffsets/boottime/secs", "9223372036854775807", NULL },
	{ "/linux/devices/0/type", "\"\"", NULL }, { "/linux/devices/0/type", "\"a\"", NULL },
	{ "/linux/devices/0/path", "\"\"", NULL }, { "/linux/devices/0/path", "\"dev/x\"", NULL },
	{ "/linux/devices/0/path", "\"/\"", NULL }, { "/linux/devices/0/path", "\"/proc/x\"", NULL },
	{ "/linux/devices/1/path", "\"/dev//fuse\"", NULL },
	{ "/linux/devices/0/major", "-1", NULL }, { "/linux/devices/0/major", "4096", NULL },
	{ "/linux/devices/0/minor", "-1", NULL }, { "/linux/devices/0/minor", "1048576", NULL },
	{ "/linux/devices/0/fileMode", "-1", NULL },
	{ "/linux/devices/0/fileMode", "65536", NULL },
	{ "/linux/devices/0/uid", "-1", NULL }, { "/linux/devices/0/uid", "4294967295", NULL },
	{ "/linux/devices/0/gid", "4294967295", NULL }, { "/linux/devices/0/gid", OVER_U32, NULL },
	{ "/linux/cgroupsPath", "\"/\"", NULL }, { "/linux/cgroupsPath", "\"/a/../b\"", NULL },
	{ "/linux/cgroupsPath", "\"a//b\"", NULL }, { "/linux/cgroupsPath", "\"a/./b\"", NULL },
	{ "/linux/cgroupsPath", "\"a\\nb\"", NULL },
	{ "/linux/rootfsPropagation", "\"public\"", NULL },
	{ "/linux/maskedPaths/0", "\"\"", NULL }, { "/linux/maskedPaths/0", "\"proc\"", NULL },
	{ "/linux/maskedPaths/0", "\"/a/..\"", NULL },
	{ "/linux/readonlyPaths/0", "\"\"", NULL }, { "/linux/readonlyPaths/0", "\"/\"", NULL },
	{ "/linux/sysctl/net.ipv4.ip_forward", "\"1\\n2\"", NULL },
	{ "/linux/sysctl", "{\"kernel.core_pattern\": \"x\"}", "/linux/sysctl/kernel.core_pattern" },
	{ "/linux/sysctl", "{\"\": \"x\"}", "/linux/sysctl/" },

	{ "/linux/personality/domain", "\"\"", NULL },
	{ "/linux/personality/domain", "\"LINUX64\"", NULL },
	{ "/linux/personality/flags", "[\"x\"]", NULL },
	{ "/linux/memoryPolicy/mode", "\"MPOL_NONE\"", NULL },
	{ "/linux/memoryPolicy/nodes", "\"x\"", NULL }, { "/linux/memoryPolicy/nodes", "\"2-1\"", NULL },
	{ "/linux/memoryPolicy/nodes", "\"0,\"", NULL }, { "/linux/memoryPolicy/nodes", "\"-1\"", NULL },
	{ "/linux/memoryPolicy/nodes", "\"999999999\"", NULL },
	{ "/linux/memoryPolicy/flags/0", "\"MPOL_F_NONE\"", NULL },
	{ "/linux/netDevices", "{\"\": {}}", "/linux/netDevices/" },
	{ "/linux/netDevices", "{\"a/b\": {}}", "/linux/netDevices/a~1b" },
	{ "/linux/netDevices", "{\"aaaaaaaaaaaaaaaa\": {}}", "/linux/netDevices/aaaaaaaaaaaaaaaa" },
	{ "/linux/netDevices/eth9/name", "\"a b\"", NULL },
	{ "/linux/netDevices/eth9/name", "\"..\"", NULL },
	{ "/linux/netDevices/eth9/name", "\"aaaaaaaaaaaaaaaa\"", NULL },
	{ "/linux/netDevices/eth9/name", "\"eth8\"", "/linux/netDevices/eth8" },

	{ "/linux/resources/devices/0/type", "\"p\"", NULL },
	{ "/linux/resources/devices/0/type", "\"\"", NULL },
	{ "/linux/resources/devices/0/major", "-2", NULL },
	{ "/linux/resources/devices/0/minor", "4294967296", NULL },
	{ "/linux/resources/devices/0/access", "\"x\"", NULL },
	{ "/linux/resources/devices/0/access", "\"\"", NULL },
	{ "/linux/resources/devices/0/access", "\"rwmx\"", NULL },
	{ "/linux/resources/memory/limit", "-2", NULL },
	{ "/linux/resources/memory/limit", OVER_I64, NULL },
	{ "/linux/resources/memory/reservation", "-2", NULL },
	{ "/linux/resources/memory/reservation", "1000001", NULL },
	{ "/linux/resources/memory/swap", "-2", NULL },
	{ "/linux/resources/memory/swap", "999999", NULL },
	{ "/linux/resources/memory/kernel", "-2", NULL },
	{ "/linux/resources/memory/kernelTCP", "-2", NULL },
	{ "/linux/resources/memory/swappiness", "-2", NULL },
	{ "/linux/resources/memory/swappiness", "201", NULL },
	{ "/linux/resources/cpu/shares", "-1", NULL },
	{ "/linux/resources/cpu/quota", "-2", NULL }, { "/linux/resources/cpu/quota", "999", NULL },
	{ "/linux/resources/cpu/burst", "-1", NULL },
	{ "/linux/resources/cpu/burst", "10001", NULL },
	{ "/linux/resources/cpu/period", "-1", NULL }, { "/linux/resources/cpu/period", "999", NULL },
	{ "/linux/resources/cpu/period", "1000001", NULL },
	{ "/linux/resources/cpu/realtimePeriod", "-1", NULL },
	{ "/linux/resources/cpu/cpus", "\"a\"", NULL }, { "/linux/resources/cpu/cpus", "\"1-\"", NULL },
	{ "/linux/resources/cpu/cpus", "\"-1\"", NULL }, { "/linux/resources/cpu/cpus", "\"1,,2\"", NULL },
	{ "/linux/resources/cpu/cpus", "\"3-1\"", NULL },
	{ "/linux/resources/cpu/cpus", "\"0 1\"", NULL },
	{ "/linux/resources/cpu/cpus", "\"99999999999\"", NULL },
	{ "/linux/resources/cpu/mems", "\"x\"", NULL }, { "/linux/resources/cpu/mems", "\",\"", NULL },
	{ "/linux/resources/cpu/idle", "-1", NULL }, { "/linux/resources/cpu/idle", "2", NULL },
	{ "/linux/resources/pids/limit", "-2", NULL },
	{ "/linux/resources/blockIO/weight", "-1", NULL },
	{ "/linux/resources/blockIO/weight", "9", NULL },
	{ "/linux/resources/blockIO/weight", "1001", NULL },
	{ "/linux/resources/blockIO/leafWeight", "1001", NULL },
	{ "/linux/resources/blockIO/weightDevice/0/weight", "9", NULL },
	{ "/linux/resources/blockIO/weightDevice/0/major", "-1", NULL },
	{ "/linux/resources/blockIO/weightDevice/0/minor", OVER_U32, NULL },
	{ "/linux/resources/blockIO/throttleReadBpsDevice/0/rate", "-1", NULL },
	{ "/linux/resources/blockIO/throttleWriteIOPSDevice/0/major", "-1", NULL },
	{ "/linux/resources/hugepageLimits/0/pageSize", "\"\"", NULL },
	{ "/linux/resources/hugepageLimits/0/pageSize", "\"2\"", NULL },
	{ "/linux/resources/hugepageLimits/0/pageSize", "\"2MiB\"", NULL },
	{ "/linux/resources/hugepageLimits/0/pageSize", "\"../2MB\"", NULL },
	{ "/linux/resources/hugepageLimits/0/limit", "-1", NULL },
	{ "/linux/resources/network/classID", "-1", NULL },
	{ "/linux/resources/network/classID", OVER_U32, NULL },
	{ "/linux/resources/network/priorities/0/priority", "-1", NULL },
	{ "/linux/resources/rdma", "{\"a b\": {\"hcaHandles\": 1}}", "/linux/resources/rdma/a b" },
	{ "/linux/resources/rdma/mlx5_1/hcaHandles", "-1", NULL },
	{ "/linux/resources/rdma/mlx5_1/hcaHandles", OVER_U32, NULL },
	{ "/linux/resources/rdma/mlx5_1", "{}", NULL },
	{ "/linux/resources/unified", "{\"cgroup.procs\": \"1\"}",
	  "/linux/resources/unified/cgroup.procs" },
	{ "/linux/resources/unified", "{\"..\": \"1\"}", "/linux/resources/unified/.." },
	{ "/linux/resources/unified", "{\"a/b.c\": \"1\"}", "/linux/resources/unified/a~1b.c" },

	{ "/linux/seccomp/defaultAction", "\"\"", NULL },
	{ "/linux/seccomp/defaultAction", "\"SCMP_ACT_NONE\"", NULL },
	{ "/linux/seccomp/defaultErrnoRet", "-1", NULL },
	{ "/linux/seccomp/defaultErrnoRet", "4096", NULL },
	{ "/linux/seccomp/architectures/0", "\"SCMP_ARCH_PDP11\"", NULL },
	{ "/linux/seccomp/architectures/0", "\"\"", NULL },
	{ "/linux/seccomp/flags/0", "\"SECCOMP_FILTER_FLAG_NONE\"", NULL },
	{ "/linux/seccomp/listenerPath", "\"rel\"", NULL },
	{ "/linux/seccomp/syscalls/0/names", "[]", NULL },
	{ "/linux/seccomp/syscalls/0/names/1", "\"\"", NULL },
	{ "/linux/seccomp/syscalls/0/action", "\"SCMP_ACT_NONE\"", NULL },
	{ "/linux/seccomp/syscalls/1/errnoRet", "-1", NULL },
	{ "/linux/seccomp/syscalls/1/args/0/index", "-1", NULL },
	{ "/linux/seccomp/syscalls/1/args/0/index", "6", NULL },
	{ "/linux/seccomp/syscalls/1/args/0/value", "-1", NULL },
	{ "/linux/seccomp/syscalls/1/args/0/op", "\"SCMP_CMP_NONE\"", NULL },
	{ "/linux/seccomp/syscalls/1/args/0/op", "\"SCMP_CMP_EQ\"",
	  "/linux/seccomp/syscalls/1/args/0/valueTwo" },
};

static const struct {
	const char *pointer, *raw;
} __attribute__((unused)) good[] = {
	{ "/ociVersion", "\"1.0.0\"" }, { "/ociVersion", "\"1.0.2-dev\"" },
	{ "/ociVersion", "\"1.3.0-rc.1+x.y\"" }, { "/ociVersion", "\"1.99.100\"" },
	{ "/process/user/uid", "4294967294" }, { "/process/user/umask", "511" },
	{ "/process/args/1", "\"\"" }, { "/process/env/0", "\"A=\"" },
	{ "/process/consoleSize/width", "65535" }, { "/process/consoleSize/width", "0" },
	{ "/process/oomScoreAdj", "-1000" }, { "/process/oomScoreAdj", "1000" },
	{ "/process/rlimits/0/hard", "18446744073709551615" },
	{ "/process/scheduler/nice", "-20" }, { "/process/scheduler/nice", "19" },
	{ "/process/ioPriority/priority", "7" },
	{ "/linux/uidMappings/1/hostID", "4294967285" },
	{ "/linux/devices/0/major", "4095" }, { "/linux/devices/0/minor", "1048575" },
	{ "/linux/devices/0/uid", "4294967294" },
	{ "/linux/resources/memory/swappiness", "200" },
	{ "/linux/resources/memory/swap", "9223372036854775807" },
	{ "/linux/resources/pids/limit", "-1" }, { "/linux/resources/pids/limit", "0" },
	{ "/linux/resources/cpu/cpus", "\"\"" }, { "/linux/resources/cpu/cpus", "\"0-3,8,10-10\"" },
	{ "/linux/resources/devices/0/major", "-1" },
	{ "/linux/seccomp/syscalls/1/args/0/value", "18446744073709551615" },
	{ "/linux/seccomp/syscalls/0/names/1", "\"not_a_syscall\"" },
	{ "/mounts/1/destination", "\"relative\"" },
	{ "/mounts/1/options/0", "\"tmpcopyup\"" },
	{ "/linux/memoryPolicy/nodes", "\"0-3,7\"" },
	{ "/linux/netDevices/eth9/name", "\"eth%d\"" },
};

static const char *const __attribute__((unused)) required[] = {
	"/ociVersion", "/process", "/process/args", "/process/cwd", "/process/user",
	"/process/user/uid", "/process/user/gid", "/process/consoleSize/height",
	"/process/consoleSize/width", "/process/rlimits/0/type", "/process/rlimits/0/soft",
	"/process/rlimits/0/hard", "/process/scheduler/policy", "/process/ioPriority/class",
	"/hooks/prestart/0/path", "/hooks/startContainer/0/path", "/root", "/root/path", "/mounts/0/destination", "/mounts/2/uidMappings/0/containerID",
	"/linux", "/linux/namespaces/0/type", "/linux/uidMappings/0/size",
	"/linux/devices/0/type", "/linux/devices/0/path", "/linux/devices/0/major",
	"/linux/devices/0/minor", "/linux/resources/devices/0/allow",
	"/linux/resources/blockIO/throttleReadBpsDevice/0/major",
	"/linux/resources/blockIO/throttleReadBpsDevice/0/rate",
	"/linux/resources/hugepageLimits/0/pageSize", "/linux/resources/hugepageLimits/0/limit",
	"/linux/resources/network/priorities/0/name",
	"/linux/seccomp/defaultAction", "/linux/seccomp/syscalls/0/names",
	"/linux/seccomp/syscalls/0/action", "/linux/seccomp/syscalls/1/args/0/index",
	"/linux/seccomp/syscalls/1/args/0/value", "/linux/seccomp/syscalls/1/args/0/op",
};
