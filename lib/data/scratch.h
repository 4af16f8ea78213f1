#ifndef HG_SCRATCH_H
#define HG_SCRATCH_H

#include <stddef.h>

#include "base/str.h"
#include "data/inputerror.h"

/**
 * What helper programs read and write: files without names, and texts of a
 * document a line.
 */

/* A new file without a name in a directory; -1, said, *f filled. */
int scratch_file(int dirfd, struct inputerror *f);

/* Append a line: line breaks inside are spaces to a tokenizer. 0, or -1 with errno ENOMEM. */
int scratch_line(struct str *out, const char *text, size_t n);

/* Write a text that has grown past ${keep} bytes, and empty it. 0, or -1 with errno. */
int scratch_flush(struct str *text, int fd, size_t keep);

#endif
