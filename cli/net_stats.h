/*
 * net_stats.h - kist net stats: what went through the interfaces of containers.
 */
#pragma once

int net_stats(int argc, char **argv);
