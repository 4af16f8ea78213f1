#include <string.h>

#include "data/textloss.h"
#include "data/vocab_decode.h"

/* How far the walk looks for where both texts go on alike, and how many bytes must be equal there. */
#define REACH 16
#define ALIKE 4

/* The same where that was not enough: a character may come back as a sentence. */
#define FAR 256
#define FAR_ALIKE sizeof(uint64_t)
#define PLACES 1024

static int
is_blank(char c)
{
	return (c == ' ' || (c >= '\t' && c <= '\r'));
}

/* Do both go on alike? At an end fewer bytes are enough, if it is the end of both. */
static int
alike(const char *a, size_t n, const char *b, size_t m)
{
	if (n >= ALIKE && m >= ALIKE)
		return (memcmp(a, b, ALIKE) == 0);
	return (n == m && memcmp(a, b, n) == 0);
}

/* The nearest place where both go on alike, as steps in each; 0 if there is none in reach. */
static int
nearest(const char *a, size_t n, const char *b, size_t m, size_t *x, size_t *y)
{
	size_t steps;

	for (steps = 1; steps <= REACH; steps++)
		for (*x = 0; *x <= steps; ++*x) {
			*y = steps - *x;
			if (*x <= n && *y <= m && alike(a + *x, n - *x, b + *y, m - *y))
				return (1);
		}
	return (0);
}

static uint64_t
run_at(const char *p)
{
	uint64_t run;

	memcpy(&run, p, sizeof(run));
	return (run);
}

static size_t
place_of(uint64_t run)
{
	return ((size_t)(run * 0x9e3779b97f4a7c15u >> 54));
}

/* As nearest, farther off: places in the text are found by what stands there, so that time grows with FAR alone. */
static int
farther(const char *a, size_t n, const char *b, size_t m, size_t *x, size_t *y)
{
	uint16_t place[PLACES] = { 0 };
	size_t i, j, best = 2 * FAR;

	if (n < FAR_ALIKE || m < FAR_ALIKE)
		return (0);
	n = n - FAR_ALIKE < FAR ? n - FAR_ALIKE + 1 : FAR;
	m = m - FAR_ALIKE < FAR ? m - FAR_ALIKE + 1 : FAR;
	for (j = m; j-- > 0;)
		place[place_of(run_at(b + j))] = (uint16_t)(j + 1);
	for (i = 0; i < n && i < best; i++) {
		j = place[place_of(run_at(a + i))];
		if (j-- == 0 || i + j >= best || run_at(a + i) != run_at(b + j))
			continue;
		best = i + j;
		*x = i;
		*y = j;
	}
	return (best < 2 * FAR);
}

/* Bytes of ${raw} that ${text} does not give back. */
static uint64_t
lost(const char *raw, size_t n, const char *text, size_t m)
{
	uint64_t bytes = 0;
	size_t i = 0, j = 0, again = 0, x, y;

	while (i < n && j < m) {
		if (raw[i] == text[j]) {
			i++;
			j++;
		} else if (is_blank(raw[i])) {
			bytes++;
			i++;
		} else if (is_blank(text[j]))
			j++;
		else if (nearest(raw + i, n - i, text + j, m - j, &x, &y)) {
			bytes += x;
			i += x;
			j += y;
		} else if (i >= again && farther(raw + i, n - i, text + j, m - j, &x, &y)) {
			bytes += x;
			i += x;
			j += y;
		} else {
			/* Not at each byte, where nothing was found just now. */
			if (i >= again)
				again = i + FAR / 2;
			bytes++;
			i++;
			j++;
		}
	}
	return (bytes + (n - i));
}

int
textloss_add(struct textloss *t, const struct vocab *v, const uint16_t *ids, uint64_t n, const char *raw,
    size_t raw_bytes)
{
	const char *text;
	size_t m;

	t->text.n = 0;
	if (str_puts(&t->text, "") == -1 || vocab_decode_ids16(v, ids, n, &t->text) == -1)
		return (-1);
	text = t->text.p;
	m = t->text.n;
	if (vocab_adds_blank(v) && m > 0 && *text == ' ') {
		memmove(t->text.p, text + 1, m);
		m = --t->text.n;
	}
	if (m == raw_bytes && memcmp(text, raw, m) == 0)
		return (0);
	t->documents++;
	t->bytes += lost(raw, raw_bytes, text, m);
	return (0);
}

void
textloss_free(struct textloss *t)
{
	str_free(&t->text);
}
