#ifndef HG_TAP_H
#define HG_TAP_H

#include <stdarg.h>
#include <stdio.h>

static int tap_count, tap_failed;

/* One test line; evaluates to whether it passed. */
static inline int __attribute__((format(printf, 2, 3))) tap_ok(int ok, const char *format, ...)
{
	va_list ap;

	printf("%sok %d - ", ok ? "" : "not ", ++tap_count);
	va_start(ap, format);
	vprintf(format, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
	tap_failed += !ok;
	return (ok);
}

/* The plan, last; the program's exit status. */
static inline int
tap_done(void)
{
	printf("1..%d\n", tap_count);
	return (tap_failed != 0);
}

#endif
