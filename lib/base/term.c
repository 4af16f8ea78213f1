#include <assert.h>
#include <langinfo.h>
#include <locale.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/num.h"
#include "base/say.h"
#include "base/term.h"
#include "base/utf8.h"

unsigned
term_columns(int fd)
{
	const char *text = getenv("COLUMNS");
	struct winsize size;
	uint64_t n;

	if (text != NULL && num_u64(text, 1, 1000, &n) == 0)
		return (n < TERM_COLUMNS_LEAST ? TERM_COLUMNS_LEAST : (unsigned)n);
	if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
		return (size.ws_col < TERM_COLUMNS_LEAST ? TERM_COLUMNS_LEAST : size.ws_col);
	return (0);
}

int
term_utf8(void)
{
	locale_t l = newlocale(LC_CTYPE_MASK, "", (locale_t)0);
	int utf8;

	if (l == (locale_t)0)
		return (0);
	utf8 = strcmp(nl_langinfo_l(CODESET, l), "UTF-8") == 0;
	freelocale(l);
	return (utf8);
}

char *
term_fit(char *out, size_t size, const char *text, unsigned columns)
{
	char *p, *last = out;
	unsigned n = 0;

	assert(size > columns);
	say_clean(out, size, text);
	for (p = out; *p != '\0'; p++)
		if (!utf8_continues(*p)) {
			if (n == columns) {
				strcpy(last, "~");
				return (out);
			}
			last = p;
			n++;
		}
	for (; n < columns && (size_t)(p - out) + 1 < size; n++)
		*p++ = ' ';
	*p = '\0';
	return (out);
}

char *
term_spark(char *out, size_t size, const double *x, size_t n, double low, double high, int utf8)
{
	static const char *const blocks[] = { "\xe2\x96\x81", "\xe2\x96\x82", "\xe2\x96\x83", "\xe2\x96\x84",
		"\xe2\x96\x85", "\xe2\x96\x86", "\xe2\x96\x87", "\xe2\x96\x88" };
	static const char *const ascii[] = { "_", ".", ",", "-", "~", "=", "*", "#" };
	char *p = out;
	double at;
	size_t i;
	int level;

	assert(size > 3 * n);
	*p = '\0';
	for (i = 0; i < n; i++) {
		at = high > low ? (x[i] - low) / (high - low) : 0.5;
		level = at <= 0 ? 0 : at >= 1 ? 7 : (int)(8 * at);
		p = stpcpy(p, isnan(x[i]) ? " " : (utf8 ? blocks : ascii)[level]);
	}
	return (out);
}
