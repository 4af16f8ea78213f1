#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

int
str_room(struct str *s, size_t more)
{
	size_t cap = s->cap ? s->cap : 64;
	char *p;

	if (s->p != NULL && more < s->cap - s->n)
		return (0);
	if (more > SIZE_MAX / 4 - s->n) {
		errno = ENOMEM;
		return (-1);
	}
	while (cap < s->n + more + 1)
		cap *= 2;
	if (cap == s->cap)
		return (0);
	if ((p = realloc(s->p, cap)) == NULL)
		return (-1);
	s->p = p;
	s->cap = cap;
	return (0);
}

int
str_add(struct str *s, const void *data, size_t n)
{
	if (str_room(s, n) == -1)
		return (-1);
	if (n != 0)
		memcpy(s->p + s->n, data, n);
	s->n += n;
	s->p[s->n] = '\0';
	return (0);
}

int
str_puts(struct str *s, const char *text)
{
	return (str_add(s, text, strlen(text)));
}

int
str_printf(struct str *s, const char *format, ...)
{
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(NULL, 0, format, ap);
	va_end(ap);
	if (n < 0) {
		errno = EINVAL;
		return (-1);
	}
	if (str_room(s, (size_t)n) == -1)
		return (-1);
	va_start(ap, format);
	vsnprintf(s->p + s->n, (size_t)n + 1, format, ap);
	va_end(ap);
	s->n += (size_t)n;
	return (0);
}

int
str_is_name(const char *text)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
	size_t n = strlen(text);

	return (n >= 1 && n <= STR_NAME_MAX && text[0] != '.' && strspn(text, allowed) == n);
}

void
str_free(struct str *s)
{
	free(s->p);
	s->p = NULL;
	s->n = s->cap = 0;
}
