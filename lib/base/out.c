#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/format.h"
#include "base/out.h"
#include "base/say.h"
#include "base/utf8.h"

static void
add(void *arg, const char *text, size_t n)
{
	(void)arg;
	fwrite(text, 1, n, stdout);
}

static size_t
show(const struct format *f, const char *text, size_t most, int left)
{
	char shown[SAY_CHARACTER];
	size_t n, count = 0;

	(void)left;
	for (; *text != '\0'; text += n) {
		n = say_character(text, shown);
		if (utf8_count(shown, strlen(shown)) > most - count)
			break;
		count += utf8_count(shown, strlen(shown));
		f->add(f->arg, shown, strlen(shown));
	}
	return (count);
}

static const struct format out = { add, show, NULL };

void
out_put(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	format_put(&out, format, ap);
	va_end(ap);
}

void
out_lines(const char *text, size_t n)
{
	const char *end = text + n;
	char shown[SAY_CHARACTER];
	size_t k;

	for (; text < end; text += k) {
		k = say_character(text, shown);
		if (*text == '\n' || *text == '\t')
			putchar(*text);
		else
			fputs(shown, stdout);
	}
	putchar('\n');
}

void
out_json(const char *text, size_t n)
{
	const char *end = text + n;
	uint32_t c = '\n';
	size_t k;

	for (; text < end; text += k) {
		if ((k = utf8_read(text, (size_t)(end - text), &c)) == 0) {
			c = 0xfffd;
			k = 1;
		}
		if (c == '\n' || !utf8_hidden(c))
			fwrite(text, 1, k, stdout);
		else if (c < 0x20)
			putchar(' '); /* between values: in strings there are none */
		else if (c < 0x10000)
			printf("\\u%04lx", (unsigned long)c);
		else
			printf("\\u%04lx\\u%04lx", 0xd7c0 + (unsigned long)(c >> 10),
			    0xdc00 + (unsigned long)(c & 0x3ff));
	}
	if (c != '\n')
		putchar('\n');
}
