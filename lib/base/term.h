#ifndef HG_TERM_H
#define HG_TERM_H

#include <stddef.h>

/**
 * What a text may look like where it is going to be read.
 */

enum { TERM_COLUMNS_LEAST = 20 };

/*
 * Columns of the terminal at ${fd}, or $COLUMNS where that is a number up to 1000; 0 if neither is known.  Fewer than
 * TERM_COLUMNS_LEAST are as many as that.
 */
unsigned term_columns(int fd);

/* 1 if the locale that the environment asks for writes UTF-8. */
int term_utf8(void);

/**
 * term_fit(out, size, text, columns):
 * Copy ${text} into ${out}, made safe as say_clean does, cut to at most
 * ${columns} characters (the last one is then a '~') and filled up to them
 * with blanks.  Characters are counted as one column each.  Returns ${out}.
 */
char *term_fit(char *out, size_t size, const char *text, unsigned columns);

/**
 * term_spark(out, size, x, n, low, high, utf8):
 * One character for each of ${n} numbers: eight heights between ${low} and
 * ${high}, beyond which they are clipped; NAN is a blank.  ${out} has room for
 * 3 n + 1 bytes (asserted).  Returns ${out}.
 */
char *term_spark(char *out, size_t size, const double *x, size_t n, double low, double high, int utf8);

#endif
