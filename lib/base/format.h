#ifndef HG_FORMAT_H
#define HG_FORMAT_H

#include <stdarg.h>
#include <stddef.h>

/**
 * printf with one difference: what %s inserts goes through a function of the
 * caller's, so that no text from outside is inserted as it is.  The format
 * itself is a literal, and goes as it stands.
 * Conversions: %d %i %u %x with hh, h, l, ll or z; %f %e %g; %c (ASCII); %s;
 * %%; widths and precisions, stars too.
 * Checked: t/unit/markup.c, t/unit/base.c.
 */
struct format {
	void (*add)(void *arg, const char *text, size_t n);

	/*
	 * Add what stands for a text, at most so many characters of it (SIZE_MAX: all); ${left}: the conversion had a
	 * minus.  Returns how many characters that is, for the width.  Where blanks come first it is called twice, the
	 * first time with an add that does nothing.
	 */
	size_t (*insert)(const struct format *f, const char *text, size_t most, int left);
	void *arg;
};

/* A NULL for %s is "". Errors: those of add, which keeps them; an unknown conversion is asserted. */
void format_put(const struct format *f, const char *format, va_list ap);

#endif
