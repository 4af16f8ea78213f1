#ifndef HG_STAGING_H
#define HG_STAGING_H

#include "data/inputerror.h"

/**
 * A directory that appears whole or not at all: it is filled under a temporary
 * name beside its own, `.tmp.NAME.RANDOM`, and renamed.  A lock file beside it
 * (`...lock`) tells the temporary of a living writer from what a killed one
 * left; begin removes the latter, or goes on in it.
 */
struct staging;

/* Remove what killed writers of ${dir} left, no more. */
void staging_sweep(const char *dir);

/**
 * staging_begin(dir, notes, f):
 * With ${notes}, a file's name, what a killed writer left is the directory to
 * go on in if it holds that file; NULL: none is.
 * Owns:   the caller calls staging_free.
 * Errors: NULL, said.
 */
struct staging *staging_begin(const char *dir, const char *notes, struct inputerror *f);

/* The temporary directory's descriptor, lent. */
int staging_fd(const struct staging *s);

enum {
	STAGING_TAKEN = 1 /* the name is taken by something that is no empty directory */
};

/**
 * staging_commit(s, f):
 * Make the directory durable and give it its name; what is in it must be
 * durable already.  0, STAGING_TAKEN (nothing said), or -1, said.  Does not
 * release s.
 */
int staging_commit(struct staging *s, struct inputerror *f);

/* Let staging_free leave what was not committed to a next staging_begin, if it holds the notes. Is that so? */
int staging_keep(struct staging *s);

/* Remove what was not committed, unless it is kept, and release s. */
void staging_free(struct staging *s);

#endif
