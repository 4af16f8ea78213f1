#ifndef HG_LATER_H
#define HG_LATER_H

#include <jansson.h>

/**
 * Keys that came after version 0.1 (x-since in their contract).  Files written
 * before them lack them, and absent means default.  Rules are what a contract
 * says of one key; values compare by their RFC 8785 form.
 * Checked: t/unit/keys.c.
 */

/* Did this key come after 0.1? */
int later_is(const json_t *rule);

/* A key's value as it is meant: ${v}, or for an absent later key its default. NULL where neither is. Borrowed. */
json_t *later_or_default(const json_t *rule, json_t *v);

/* As later_or_default of the member of ${v} at a dotted path of contract ${name}. */
json_t *later_value(const char *name, const json_t *v, const char *path);

/* Does ${v} (NULL: absent) differ from the default? 1, 0, or -1 with errno ENOMEM. */
int later_deviates(const json_t *rule, const json_t *v);

/* Put defaults where later keys of the objects in ${v} are absent. 0, or -1 with errno ENOMEM. */
int later_fill(const char *name, json_t *v);

#endif
