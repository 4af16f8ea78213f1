#ifndef HG_UTF8_H
#define HG_UTF8_H

#include <stddef.h>
#include <stdint.h>

/**
 * UTF-8 as RFC 3629 has it: no overlong form, no surrogate, nothing past
 * U+10FFFF.  What a caller does with a byte that is no part of a character is
 * its own affair.
 * Checked: t/unit/base.c, t/unit/documents.c, t/unit/markup.c.
 */

#define UTF8_MAX_BYTES 4

/**
 * utf8_read(p, n, c):
 * Bytes of the well-formed character at ${p}, of at most ${n} bytes, and its
 * number in *c unless c is NULL; 0 if there is none (n is 0, or the bytes are
 * no character, or it is cut off), and then *c is as it was.  NUL is one.
 * Of a text that ends in a NUL, ${n} may be UTF8_MAX_BYTES: no byte after the
 * NUL is read.
 */
size_t utf8_read(const void *p, size_t n, uint32_t *c);

/* A character that can't be seen, or changes how others look: controls, marks that reorder or join, noncharacters. */
int utf8_hidden(uint32_t c);

/* Bytes of the dash, quotation mark, ellipsis, bullet, or blank beyond ASCII that a text begins with; 0: it doesn't. */
size_t utf8_punctuation(const char *text);

/* The bytes of a character, not a surrogate and at most U+10FFFF (asserted); how many. */
size_t utf8_write(char out[UTF8_MAX_BYTES], uint32_t c);

/* Characters of a text of n bytes, NULs too: the bytes that don't continue one. */
size_t utf8_count(const char *text, size_t n);

/* Does a byte go on with a character that began before it? */
int utf8_continues(char byte);

/* Where to cut a text longer than ${most} bytes so that no character is torn: there, or up to 4 bytes before. */
size_t utf8_cut(const char *text, size_t most);

#endif
