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

/* Is a key set otherwise?  And one key, as settings_differ puts it, behind what is in ${out}: 0, or -1 as there. */
int settings_differs(const json_t *from, const json_t *to, const char *key);
int settings_change(const json_t *from, const json_t *to, const char *key, const char *between, struct str *out);

/**
 * settings_differ(from, to, between, out):
 * Put what is set otherwise into ${out}, which is empty: all keys with both
 * values, `train.matrix_lr 0.04 -> 0.02`, and ${between} between them.
 * 0, or -1 with errno ENOMEM.
 */
int settings_differ(const json_t *from, const json_t *to, const char *between, struct str *out);

#endif
