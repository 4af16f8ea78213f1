#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "base/jsonio.h"
#include "report/markup.h"

static void
add(struct markup *m, const char *text, size_t n)
{
	if (!m->failed && str_add(&m->out, text, n) == -1)
		m->failed = ENOMEM;
}

/* Characters that change how others look, or can't be seen: they are shown as what they are. */
static int
is_hidden(uint32_t c)
{
	return ((c < 0x20 && c != '\n' && c != '\t') || (c >= 0x7f && c < 0xa0) || c == 0xad || c == 0x61c ||
	    c == 0x180e || (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
	    (c >= 0x2060 && c <= 0x206f) || c == 0xfeff || (c >= 0xfff0 && c <= 0xfffb) ||
	    (c >= 0xe0000 && c <= 0xe0fff) || (c & 0xfffe) == 0xfffe || (c >= 0xfdd0 && c <= 0xfdef));
}

/* The one place where text from outside becomes markup. */
static void
escape(struct markup *m, const char *text, size_t most, int ellipsis)
{
	const unsigned char *s = (const unsigned char *)text;
	const char *entity;
	uint32_t c = 0;
	char number[16];
	size_t n;

	for (; *s != '\0'; s += n) {
		if (most-- == 0) {
			if (ellipsis)
				add(m, "\xe2\x80\xa6", 3);
			return;
		}
		if ((n = utf8_read(s, UTF8_MAX_BYTES, &c)) == 0) {
			add(m, "\xef\xbf\xbd", 3);
			n = 1;
			continue;
		}
		entity = c == '&' ? "&amp;" :
		    c == '<'      ? "&lt;" :
		    c == '>'      ? "&gt;" :
		    c == '"'      ? "&quot;" :
		    c == '\''     ? "&#39;" :
				    NULL;
		if (entity != NULL)
			add(m, entity, strlen(entity));
		else if (is_hidden(c)) {
			snprintf(number, sizeof(number), "\\u%04lx", (unsigned long)c);
			add(m, number, strlen(number));
		} else
			add(m, (const char *)s, n);
	}
}

void
markup_put(struct markup *m, const char *format, ...)
{
	char spec[32], text[512];
	const char *p, *end;
	const char *inserted;
	size_t n, precision;
	va_list ap;
	int longs, size, star;

	va_start(ap, format);
	for (p = format; *p != '\0'; p = end) {
		if (*p != '%') {
			end = p + strcspn(p, "%");
			add(m, p, (size_t)(end - p));
			continue;
		}
		n = 1 + strspn(p + 1, "-+ 0123456789.*");
		star = memchr(p, '*', n) != NULL ? va_arg(ap, int) : -1;
		longs = p[n] == 'z' ? 3 : 0;
		for (; p[n] == 'l' || p[n] == 'z' || p[n] == 'h'; n++)
			longs += p[n] == 'l';
		end = p + n + 1;
		assert(n + 2 < sizeof(spec));
		memcpy(spec, p, n + 1);
		spec[n + 1] = '\0';
		text[0] = '\0';
		size = 0;
		switch (p[n]) {
		case '%':
			add(m, "%", 1);
			continue;
		case 's':
			inserted = va_arg(ap, const char *);
			p = strchr(spec, '.');
			precision = p == NULL ? SIZE_MAX : (size_t)strtoul(p + 1, NULL, 10);
			escape(m, inserted == NULL ? "" : inserted, precision, spec[1] != '-');
			continue;
		case 'f':
		case 'e':
		case 'g':
			size = star < 0 ? snprintf(text, sizeof(text), spec, va_arg(ap, double)) :
					  snprintf(text, sizeof(text), spec, star, va_arg(ap, double));
			break;
		case 'c':
		case 'd':
		case 'i':
		case 'u':
		case 'x':
			if (longs == 0)
				size = snprintf(text, sizeof(text), spec, va_arg(ap, int));
			else if (longs == 1)
				size = snprintf(text, sizeof(text), spec, va_arg(ap, long));
			else if (longs == 2)
				size = snprintf(text, sizeof(text), spec, va_arg(ap, long long));
			else
				size = snprintf(text, sizeof(text), spec, va_arg(ap, size_t));
			break;
		default:
			assert(!"a conversion that markup_put knows");
		}
		assert(size >= 0);
		add(m, text, (size_t)size < sizeof(text) ? (size_t)size : sizeof(text) - 1);
	}
	va_end(ap);
}

void
markup_count(struct markup *m, long long n)
{
	char digits[32];
	size_t i, length;

	snprintf(digits, sizeof(digits), "%lld", n);
	length = strlen(digits);
	for (i = 0; i < length; i++) {
		if (i > 0 && (length - i) % 3 == 0 && digits[i - 1] != '-')
			add(m, ",", 1);
		add(m, digits + i, 1);
	}
}

void
markup_data(struct markup *m, double x, int decimals)
{
	char number[JSONIO_NUMBER_SIZE], text[400];

	if (!isfinite(x))
		markup_put(m, "<span class=\"nil\">\xe2\x80\x93</span>");
	else {
		snprintf(text, sizeof(text), "%.*f", decimals, x);
		markup_put(m, "<data value=\"%s\">%s</data>", jsonio_number(number, x), text);
	}
}

void
markup_signed(struct markup *m, double x, int decimals)
{
	char number[JSONIO_NUMBER_SIZE], text[400];

	if (!isfinite(x))
		markup_put(m, "<span class=\"nil\">\xe2\x80\x93</span>");
	else {
		snprintf(text, sizeof(text), "%.*f", decimals, fabs(x));
		markup_put(m, "<data value=\"%s\">%s%s</data>", jsonio_number(number, x), x < 0 ? "\xe2\x88\x92" : "+",
		    text);
	}
}
