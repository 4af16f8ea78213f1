/*
 * For LD_PRELOAD: the boot clock of a machine that slept for SLEPT_S seconds at the moment the file SLEPT_AT appeared.
 * The monotonic clock stands while a machine sleeps, so it is left alone.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

int
clock_gettime(clockid_t id, struct timespec *ts)
{
	static int (*real)(clockid_t, struct timespec *);
	const char *at = getenv("SLEPT_AT"), *s = getenv("SLEPT_S");
	int rc;

	if (real == NULL)
		real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
	rc = real(id, ts);
	if (rc == 0 && id == CLOCK_BOOTTIME && at != NULL && s != NULL && access(at, F_OK) == 0)
		ts->tv_sec += atol(s);
	return (rc);
}
