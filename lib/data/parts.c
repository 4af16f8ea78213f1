#include <string.h>

#include "data/parts.h"

/* A part is cut at the first place behind so many bytes. */
#define LONG_BYTES 8192

void
parts_begin(struct parts *s, const char *text, size_t n, int keep_lines, int cut)
{
	*s = (struct parts){ text, text + n, keep_lines, cut, PARTS_FIRST, 0 };
}

static int
is_alnum(char c)
{
	return ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'));
}

/* Where to cut a long stretch, or its end. */
static const char *
cut_before(const char *p, const char *end)
{
	const char *q;

	for (q = p + LONG_BYTES; q < end - 1; q++)
		if ((*q == ' ' || *q == '\n') && is_alnum(q[-1]) && is_alnum(q[1]))
			return (q);
	return (end);
}

int
parts_next(struct parts *s, const char **text, size_t *n)
{
	const char *end = s->end;
	int how = s->how;

	if (s->done)
		return (-1);
	*text = s->p;
	if (s->keep_lines && (end = memchr(s->p, '\n', (size_t)(s->end - s->p))) == NULL)
		end = s->end;
	s->how = PARTS_LINE;
	if (s->cut && end - s->p > LONG_BYTES) {
		end = cut_before(s->p, end);
		if (end < s->end && (*end != '\n' || !s->keep_lines))
			s->how = PARTS_CUT;
	}
	*n = (size_t)(end - s->p);
	s->done = end == s->end;
	s->p = s->done || s->how == PARTS_CUT ? end : end + 1;
	return (how);
}
