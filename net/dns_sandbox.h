/*
 * dns_sandbox.h - what is left to kist-dns once it has begun: its sockets, and the leases folder.
 */
#pragma once
#include "base/err.h"

/*
 * The folder becomes the root; the ids become nobody's; of all capabilities only the one that reads
 * the folder's files is left; system calls are those that the server makes. A parser that was taken
 * over by a packet then holds nothing but other containers' names. The caller is root, in its user
 * namespace.
 */
int dns_sandbox_enter(int dir, struct err *e);
