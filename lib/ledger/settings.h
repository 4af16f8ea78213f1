#ifndef HG_SETTINGS_H
#define HG_SETTINGS_H

#include <jansson.h>

#include "base/str.h"

/**
 * A run's settings as its row has them: the spec's keys that count for results
 * and differ from their defaults, SECTION.KEY.  NULL is a row that does not
 * know them, which nothing can be said of.
 */

/* A key's value: its own, or the spec's default; NULL if there is neither. Borrowed. */
const json_t *settings_value(const json_t *settings, const char *key);

/* The same as text: a string without quotes, all else as in JSON. 0, or -1 with errno ENOMEM. */
int settings_text(const json_t *settings, const char *key, struct str *out);

/**
 * settings_differ(from, to, out):
 * Add what is set otherwise to ${out}, all keys with both values:
 * `train.matrix_lr 0.04 -> 0.02, train.seq_len 1024 -> 512`.
 * 0, or -1 with errno ENOMEM.
 */
int settings_differ(const json_t *from, const json_t *to, struct str *out);

#endif
