#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"

static int64_t
now_ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return ((int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec);
}

int64_t
clock_mono_ns(void)
{
	return (now_ns(CLOCK_MONOTONIC));
}

int64_t
clock_mono_ms(void)
{
	return (now_ns(CLOCK_MONOTONIC) / 1000000);
}

int64_t
clock_boot_ms(void)
{
#ifdef CLOCK_BOOTTIME
	return (now_ns(CLOCK_BOOTTIME) / 1000000);
#else
	return (now_ns(CLOCK_MONOTONIC) / 1000000);
#endif
}

int64_t
clock_slept_ms(void)
{
	return (clock_boot_ms() - clock_mono_ms());
}

int64_t
clock_wall_ms(void)
{
	return (now_ns(CLOCK_REALTIME) / 1000000);
}

/* Days since 1970-01-01 of a Gregorian date, and back: the era arithmetic needs no table. */
static int64_t
days_from(int64_t y, int m, int d)
{
	int64_t era, yoe, doy;

	y -= m <= 2;
	era = (y >= 0 ? y : y - 399) / 400;
	yoe = y - era * 400;
	doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
	return (era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468);
}

char *
clock_text(char *text, int64_t wall_ms)
{
	time_t s = (time_t)(wall_ms / 1000);
	char out[64];
	struct tm tm;

	gmtime_r(&s, &tm);
	snprintf(out, sizeof(out), "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
	    tm.tm_hour, tm.tm_min, tm.tm_sec, (int)(wall_ms % 1000));
	memcpy(text, out, CLOCK_TEXT_SIZE - 1);
	text[CLOCK_TEXT_SIZE - 1] = '\0';
	return (text);
}

int
clock_parse(const char *text, int64_t *wall_ms)
{
	static const char shape[] = "dddd-dd-ddTdd:dd:dd.dddZ";
	int v[7] = { 0 }, i, field = 0;
	char again[CLOCK_TEXT_SIZE];
	int64_t ms;

	if (strlen(text) != sizeof(shape) - 1)
		goto bad;
	for (i = 0; shape[i] != '\0'; i++) {
		if (shape[i] == 'd') {
			if (text[i] < '0' || text[i] > '9')
				goto bad;
			v[field] = v[field] * 10 + text[i] - '0';
		} else {
			if (text[i] != shape[i])
				goto bad;
			field++;
		}
	}
	ms = (days_from(v[0], v[1], v[2]) * 86400 + v[3] * 3600 + v[4] * 60 + v[5]) * 1000 + v[6];
	/* A date that does not exist would come back as another one. */
	if (v[0] < 1970 || strcmp(clock_text(again, ms), text) != 0)
		goto bad;
	*wall_ms = ms;
	return (0);
bad:
	errno = EINVAL;
	return (-1);
}
