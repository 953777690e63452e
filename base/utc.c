/*
 * utc.c - seconds since 1970 to a date.
 */
#include "base/utc.h"

#include <stdbool.h>
#include <stdio.h>

static bool is_leap(long year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int month_days(int month, long year)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

	return days[month] + (month == 1 && is_leap(year));
}

void utc_format(time_t seconds, char text[UTC_TEXT_MAX])
{
	long day = seconds / 86400, second = seconds % 86400, year = 1970;
	int month = 0;

	for (; day >= 365 + is_leap(year); year++)
		day -= 365 + is_leap(year);
	for (; day >= month_days(month, year); month++)
		day -= month_days(month, year);
	snprintf(text, UTC_TEXT_MAX, "%04ld-%02d-%02ldT%02ld:%02ld:%02ld", year % 10000, month + 1,
		 day + 1, second / 3600, second / 60 % 60, second % 60);
}
