#ifndef HG_OUT_H
#define HG_OUT_H

#include <stddef.h>

/**
 * Standard output, for people and for scripts.  Names and texts come from
 * files that others may have written, so nothing that a terminal would obey
 * gets out: printf is not used elsewhere (t/style.bats).  A failed write is
 * exit_flush's affair.
 */

/* As printf; what %s inserts is shown as say_clean shows it, on one line. Conversions: base/format.h. */
void out_put(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A text of several lines; what can't be seen in it is shown, but for newlines and tabs, and a newline is added. */
void out_lines(const char *text, size_t n);

/**
 * out_json(text, n):
 * JSON, as jsonio makes it: characters that can't be seen become \u and four
 * digits, which means the same.  A newline is added unless it ends in one.
 */
void out_json(const char *text, size_t n);

#endif
