#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/format.h"

/* A number at *p, or the next argument for a star, and *p goes on behind it; -1 if neither is there. */
static int
count(const char **p, va_list *ap)
{
	char *end;
	long n;

	if (**p == '*') {
		++*p;
		return (va_arg(*ap, int));
	}
	if (**p < '0' || **p > '9')
		return (-1);
	n = strtol(*p, &end, 10);
	*p = end;
	return ((int)n);
}

static void
add_nothing(void *arg, const char *text, size_t n)
{
	(void)arg, (void)text, (void)n;
}

static void
insert(const struct format *f, const char *text, int width, int precision, int left)
{
	const struct format dry = { add_nothing, f->insert, f->arg };
	size_t most = precision < 0 ? SIZE_MAX : (size_t)precision, n, blanks = 0;

	if (width > 0 && !left && (n = f->insert(&dry, text, most, left)) < (size_t)width)
		blanks = (size_t)width - n;
	for (; blanks > 0; blanks--)
		f->add(f->arg, " ", 1);
	n = f->insert(f, text, most, left);
	for (; left && width > 0 && n < (size_t)width; n++)
		f->add(f->arg, " ", 1);
}

/* One conversion that begins after its %; returns where it ends. */
static const char *
convert(const struct format *f, const char *p, va_list *ap)
{
	char flags[8], spec[48], text[512];
	const char *length, *inserted;
	size_t n = strspn(p, "-+ 0");
	int width, precision = -1, longs = 0, size = 0;

	assert(n < sizeof(flags));
	memcpy(flags, p, n);
	flags[n] = '\0';
	p += n;
	width = count(&p, ap);
	if (*p == '.') {
		p++;
		precision = count(&p, ap);
	}
	for (length = p; *p == 'l' || *p == 'z' || *p == 'h'; p++)
		longs += *p == 'l' ? 1 : *p == 'z' ? 3 : 0;
	if (*p == '%') {
		f->add(f->arg, "%", 1);
		return (p + 1);
	}
	if (*p == 's') {
		inserted = va_arg(*ap, const char *);
		insert(f, inserted == NULL ? "" : inserted, width, precision, strchr(flags, '-') != NULL);
		return (p + 1);
	}
	n = (size_t)snprintf(spec, sizeof(spec), "%%%s", flags);
	if (width >= 0)
		n += (size_t)snprintf(spec + n, sizeof(spec) - n, "%d", width);
	if (precision >= 0)
		n += (size_t)snprintf(spec + n, sizeof(spec) - n, ".%d", precision);
	n += (size_t)snprintf(spec + n, sizeof(spec) - n, "%.*s", (int)(p + 1 - length), length);
	assert(n < sizeof(spec));
	switch (*p) {
	case 'f':
	case 'e':
	case 'g':
		size = snprintf(text, sizeof(text), spec, va_arg(*ap, double));
		break;
	case 'c':
	case 'd':
	case 'i':
	case 'u':
	case 'x':
		if (longs == 0)
			size = snprintf(text, sizeof(text), spec, va_arg(*ap, int));
		else if (longs == 1)
			size = snprintf(text, sizeof(text), spec, va_arg(*ap, long));
		else if (longs == 2)
			size = snprintf(text, sizeof(text), spec, va_arg(*ap, long long));
		else
			size = snprintf(text, sizeof(text), spec, va_arg(*ap, size_t));
		break;
	default:
		assert(!"a conversion that format_put knows");
	}
	assert(size >= 0);
	f->add(f->arg, text, (size_t)size < sizeof(text) ? (size_t)size : sizeof(text) - 1);
	return (p + 1);
}

void
format_put(const struct format *f, const char *format, va_list ap)
{
	const char *p, *end;
	va_list rest;

	va_copy(rest, ap);
	for (p = format; *p != '\0'; p = end) {
		if (*p == '%') {
			end = convert(f, p + 1, &rest);
			continue;
		}
		end = p + strcspn(p, "%");
		f->add(f->arg, p, (size_t)(end - p));
	}
	va_end(rest);
}
