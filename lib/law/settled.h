#ifndef HG_SETTLED_H
#define HG_SETTLED_H

#include <stddef.h>

#include "law/standings.h"

/**
 * What follows from the facts so far, as one piece of memory: for an index,
 * whose next reader then need not apply all of them again.  It was made by
 * applying them in order and holds for these facts under this policy alone;
 * that it does is for its keeper to know.
 */

/**
 * settled_image(b, bytes):
 * Of all that was applied to a book; nothing of memory's chances is in it.
 * Owns:   the caller frees.  Errors: NULL with errno ENOMEM.
 */
void *settled_image(const struct standings *b, size_t *bytes);

/**
 * settled_take(b, image, bytes, n):
 * Into a book that has a policy and no facts: as if ${n} facts had been
 * applied, which standings_adopt must be given next.
 * Owns:   nothing; the image, at whole words, outlives the book.
 * Errors: -1, and the book is as it was: it is no image of so many facts under
 *         that policy, or leads out of itself, or memory is short.
 * Checked: t/unit/settled.c.
 */
int settled_take(struct standings *b, const void *image, size_t bytes, size_t n);

#endif
