/*
 * dns_cgroup.h - the cgroup of the servers for names.
 */
#pragma once

/* Into a cgroup of its own, away from that of whoever happened to start it first, with which it would be
 * killed under everybody else. Where there is no cgroup v2, or no right to it, it stays. */
void dns_cgroup_enter(void);
/* Removes that cgroup, if nobody is left in it. */
void dns_cgroup_remove(void);
