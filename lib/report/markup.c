#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/format.h"
#include "base/jsonio.h"
#include "base/shell.h"
#include "base/utf8.h"
#include "report/markup.h"

static void
add(void *arg, const char *text, size_t n)
{
	struct markup *m = arg;

	if (!m->failed && str_add(&m->out, text, n) == -1)
		m->failed = ENOMEM;
}

static void
put(const struct format *f, const char *text)
{
	f->add(f->arg, text, strlen(text));
}

/* The one place where text from outside becomes markup. */
static size_t
escape(const struct format *f, const char *text, size_t most, int left)
{
	const unsigned char *s = (const unsigned char *)text;
	uint32_t c = 0;
	char number[16];
	size_t n, count;

	for (count = 0; *s != '\0'; count++, s += n) {
		if (count == most) {
			if (!left)
				put(f, "\xe2\x80\xa6");
			break;
		}
		if ((n = utf8_read(s, UTF8_MAX_BYTES, &c)) == 0) {
			put(f, "\xef\xbf\xbd");
			n = 1;
		} else if (strchr("&<>\"'", *s) != NULL)
			put(f,
			    c == '&'     ? "&amp;" :
				c == '<' ? "&lt;" :
				c == '>' ? "&gt;" :
				c == '"' ? "&quot;" :
					   "&#39;");
		else if (utf8_hidden(c) && c != '\n' && c != '\t') {
			snprintf(number, sizeof(number), "\\u%04lx", (unsigned long)c);
			put(f, number);
		} else
			f->add(f->arg, (const char *)s, n);
	}
	return (count);
}

void
markup_put(struct markup *m, const char *format, ...)
{
	const struct format f = { add, escape, m };
	va_list ap;

	va_start(ap, format);
	format_put(&f, format, ap);
	va_end(ap);
}

void
markup_command(struct markup *m, const char *format, ...)
{
	struct str command = STR_INIT;
	va_list ap;

	va_start(ap, format);
	if (shell_vcommand(&command, format, ap) == -1)
		m->failed = ENOMEM;
	else
		markup_put(m, "%s", command.p);
	va_end(ap);
	str_free(&command);
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
