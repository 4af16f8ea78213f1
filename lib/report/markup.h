#ifndef HG_MARKUP_H
#define HG_MARKUP_H

#include "base/str.h"

/**
 * HTML and SVG as text.  Tags stand in formats, which are literals; whatever
 * comes from data goes through a conversion, and there is one place where it
 * is made harmless, for text and for quoted attributes alike.
 * Checked: t/unit/markup.c, t/hg-report.bats.
 */

struct markup {
	struct str out;
	int failed; /* an errno: what there is must not be used */
};

/**
 * markup_put(m, format, ...):
 * As printf, but what %s inserts is escaped: & < > " and ', and characters
 * that can't be seen (utf8_hidden), but for newline and tab, are shown as \u
 * and their number; bytes that are no UTF-8 as U+FFFD.  What a precision cuts,
 * %.12s, ends in an ellipsis, but for %-.12s.  Conversions: base/format.h.
 */
void markup_put(struct markup *m, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A command to type: the format as shell_command has it, and what comes of that escaped. */
void markup_command(struct markup *m, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A whole number with commas between thousands: 16,000,000. */
void markup_count(struct markup *m, long long n);

/* A number as people read it, with the number itself for machines: <data value="...">. An en dash if it is none. */
void markup_data(struct markup *m, double x, int decimals);

/* The same with its sign, + or a true minus. */
void markup_signed(struct markup *m, double x, int decimals);

#endif
