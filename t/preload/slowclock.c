/* For LD_PRELOAD: a monotonic clock that runs SLOW times as fast from the moment on that the file SLOW_AT is there. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

int
clock_gettime(clockid_t id, struct timespec *ts)
{
	static int (*real)(clockid_t, struct timespec *);
	const char *at = getenv("SLOW_AT"), *s = getenv("SLOW");
	struct timespec wall;
	struct stat st;
	long long ns;
	int rc;

	if (real == NULL)
		real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
	rc = real(id, ts);
	if (rc == -1 || id != CLOCK_MONOTONIC || at == NULL || s == NULL || stat(at, &st) == -1)
		return (rc);
	real(CLOCK_REALTIME, &wall);
	ns = (wall.tv_sec - st.st_mtim.tv_sec) * 1000000000LL + wall.tv_nsec - st.st_mtim.tv_nsec;
	if (ns < 0)
		return (rc);
	ns = ts->tv_nsec + ns * (atol(s) - 1);
	ts->tv_sec += ns / 1000000000;
	ts->tv_nsec = ns % 1000000000;
	return (rc);
}
