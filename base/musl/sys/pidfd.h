/* musl 1.2.3 has no sys/pidfd.h. */
#pragma once
#include <signal.h>
#include <sys/types.h>

int pidfd_open(pid_t pid, unsigned int flags);
int pidfd_getfd(int pidfd, int fd, unsigned int flags);
int pidfd_send_signal(int pidfd, int signal, siginfo_t *info, unsigned int flags);
