#ifndef HG_SCHEDULE_READ_H
#define HG_SCHEDULE_READ_H

#include <stddef.h>
#include <stdint.h>

/**
 * schedule_read_scales(text, n, scales, count):
 * The `lr_scale` of each line of a metrics.jsonl, which must hold every step
 * from 0 on (log_every 1); a resumed step stands twice and must agree.
 * Owns:   the caller frees *scales.
 * Errors: -1 after saying why.
 */
int schedule_read_scales(const char *text, size_t n, double **scales, uint64_t *count);

#endif
