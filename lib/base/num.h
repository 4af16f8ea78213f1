#ifndef HG_NUM_H
#define HG_NUM_H

#include <stdint.h>

/**
 * Bounded numbers from text: the whole string must be one number, in decimal,
 * within [min, max].  Return 0, or -1 with errno EINVAL (no such number) or
 * ERANGE (outside the bounds) and *out untouched.  Nothing is said.
 */
int num_u64(const char *text, uint64_t min, uint64_t max, uint64_t *out);
int num_i64(const char *text, int64_t min, int64_t max, int64_t *out);
/* Finite only: "nan" and "inf" are EINVAL. */
int num_f64(const char *text, double min, double max, double *out);

/* Seconds such as "90", "1.5", "10m", "2h" as whole milliseconds in [1, max_ms]; zero is ERANGE. */
int num_duration_ms(const char *text, int64_t max_ms, int64_t *out);

#endif
