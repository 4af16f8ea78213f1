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
 * As printf, with two differences: what %s inserts is escaped, and %S is not
 * known.  Escaped are & < > " and '; control characters but newline and tab,
 * and the marks that reorder or hide text, are shown as \u and their number;
 * bytes that are no UTF-8 as U+FFFD.  A precision, %.12s, counts characters,
 * and what was cut ends in an ellipsis, but for %-.12s.
 * Conversions: %d %i %u %x with hh, h, l, ll or z; %f %e %g, with .* too; %c
 * (ASCII); %s; %%.
 */
void markup_put(struct markup *m, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A whole number with commas between thousands: 16,000,000. */
void markup_count(struct markup *m, long long n);

/* A number as people read it, with the number itself for machines: <data value="...">. An en dash if it is none. */
void markup_data(struct markup *m, double x, int decimals);

/* The same with its sign, + or a true minus. */
void markup_signed(struct markup *m, double x, int decimals);

#endif
