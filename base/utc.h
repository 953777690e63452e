/*
 * utc.h - a time as text. gmtime(3) would read /etc/localtime first.
 */
#pragma once
#include <time.h>

#define UTC_TEXT_MAX 64
/* "2026-11-26T01:02:03", of the years 1970 to 9999. */
void utc_format(time_t seconds, char text[UTC_TEXT_MAX]);
