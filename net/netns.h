/*
 * netns.h - another network namespace, visited for a moment.
 */
#pragma once

/* Enters it. 0, and the way back for netns_leave(), or -errno. The program has one thread, which
 * does nothing else meanwhile. */
int netns_enter(int netns, int *ret_back);
/* Goes back. A program that can't ends here: every step it would take, and every undo, would act on
 * the wrong host. */
void netns_leave(int back);
/* A socket of rtnetlink(7) that belongs to the other namespace; -errno. */
int netns_open_rtnl(int netns);
