#ifndef HG_CLOCK_H
#define HG_CLOCK_H

#include <stdint.h>

/* Budgets are measured on the monotonic clock, deadlines on the boot clock (it runs through suspend). */
int64_t clock_mono_ns(void);
int64_t clock_mono_ms(void);
int64_t clock_boot_ms(void);

/* How long the machine has slept since it started: the boot clock less the monotonic one, read one after the other. */
int64_t clock_slept_ms(void);

/* Milliseconds since 1970-01-01 UTC. */
int64_t clock_wall_ms(void);

#define CLOCK_TEXT_SIZE sizeof("2026-01-01T00:00:00.000Z")

/* Write RFC 3339 with milliseconds, UTC, into text[CLOCK_TEXT_SIZE]; returns text. */
char *clock_text(char *text, int64_t wall_ms);

/* Read what clock_text writes; 0, or -1 with errno EINVAL. */
int clock_parse(const char *text, int64_t *wall_ms);

#endif
