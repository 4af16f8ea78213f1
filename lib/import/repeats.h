#ifndef HG_REPEATS_H
#define HG_REPEATS_H

#include "base/str.h"
#include "import/loop.h"

/**
 * repeats_find(l):
 * Which lines of a table run an earlier one again, by what the loop wrote
 * down; loop.h says by what evidence.  Sets of each line config, repeats, twin
 * and reruns, and of the loop config_count, start and twins; what is judged later is
 * unknown then.
 * 0, or -1: no memory.
 */
int repeats_find(struct loop *l);

/* What a line that runs ${e} again may say, but for its seed. 0, or -1 with errno ENOMEM. */
int repeats_text(struct str *out, const struct claimrow *e, enum loop_rerun how);

#endif
