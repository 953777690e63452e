# A container with something of everything that confines one, whose program (tests/tools/posture.c)
# says what it sees of that; and how two such texts are compared. For the sweeps and legs.bats.
# shellcheck shell=bash

# An edit of config.json; $data is a folder of the host.
# shellcheck disable=SC2016,SC2034 # for jq; for who sources this
posture_config='.process.args = ["/bin/posture"] | .process.terminal = false |
	.process.user = {"uid": 0, "gid": 0, "additionalGids": [5, 7], "umask": 23} |
	.process.capabilities |= map_values(["CAP_MKNOD", "CAP_NET_BIND_SERVICE", "CAP_AUDIT_WRITE"]) |
	.process.capabilities.ambient = ["CAP_NET_BIND_SERVICE"] |
	.process.capabilities.inheritable = ["CAP_NET_BIND_SERVICE"] |
	.process.noNewPrivileges = true | .process.oomScoreAdj = 345 | .process.cwd = "/etc" |
	.process.rlimits = [{"type": "RLIMIT_NOFILE", "soft": 99, "hard": 100},
		{"type": "RLIMIT_CORE", "soft": 1, "hard": 2}] |
	.process.ioPriority = {"class": "IOPRIO_CLASS_BE", "priority": 6} |
	.process.scheduler = {"policy": "SCHED_BATCH", "nice": 3} |
	.root.readonly = true | .hostname = "swept" | .domainname = "d.example" |
	.mounts += [{"destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "noexec", "mode=1770", "size=1m"]},
		{"destination": "/ro", "type": "bind", "source": $data, "options": ["rbind", "ro", "nosuid", "nodev"]},
		{"destination": "/data", "type": "bind", "source": $data, "options": ["bind", "noatime", "rslave"]}] |
	.linux.devices = [{"path": "/dev/mine", "type": "c", "major": 1, "minor": 5, "fileMode": 416, "uid": 3, "gid": 4}] |
	.linux.resources.devices = [{"allow": false, "access": "rwm"},
		{"allow": true, "type": "c", "major": 1, "minor": 3, "access": "rwm"},
		{"allow": true, "type": "c", "major": 1, "minor": 11, "access": "m"}] |
	.linux.maskedPaths += ["/etc/secret"] | .linux.readonlyPaths += ["/data/sub"] |
	.linux.sysctl = {"net.ipv4.ip_forward": "1", "kernel.shm_rmid_forced": "1"} |
	.linux.rootfsPropagation = "private" |
	.linux.seccomp = {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"],
		"syscalls": [{"names": ["sethostname", "acct"], "action": "SCMP_ACT_ERRNO", "errnoRet": 5}]}'

# posture_rootfs DIR DATA TOOLS: the root folder DIR that goes with it, and $data.
posture_rootfs() {
	mkdir -p "$1"/{bin,proc,sys,dev,etc,tmp,ro,data} "$2/sub"
	cp "$3/posture" "$1/bin/posture"
	echo 'root:x:0:0:root:/:/bin/sh' >"$1/etc/passwd"
	echo secret >"$1/etc/secret"
}

# A sed script that takes out what is each container's own: its name, its pid, the numbers of its
# namespaces, but for those of the caller.
posture_normal() { # ID-REGEX
	local name link script=
	for name in cgroup ipc mnt net pid time user uts; do
		link=$(readlink "/proc/self/ns/$name")
		script+="s/^namespace ${link%[*}\\[${link//[!0-9]/}\\]/namespace $name of the host/;"
	done
	printf "%s\n" "$script s/\[[0-9]+\]/[own]/; s/$1/ID/g; s/(\"pid\": ?)[0-9]+/\1PID/
		s/(\"created\": ?)\"[^\"]*\"/\1NOW/; s/(cgroup.procs:)[0-9]+/\1PID/
		s/([ug]id=|[ug]id_map +0 +)1[0-9]{9}/\1LEASED/g # a job's range
		s/\"owner\": \"#0\"/\"owner\": \"root\"/ # its name could not be looked up
		s/lowerdir\+?=[^,]*/lowerdir/ # in which of two ways the kernel was told
		s/(shared|master|propagate_from):[0-9]+/\1:N/g"
}
