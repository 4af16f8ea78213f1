#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "data/idtext.h"
#include "data/shard.h"

#define BLOCK_BYTES ((size_t)1 << 18)

struct idtext {
	int fd;
	const char *what;
	uint32_t vocab_size, bos;
	uint64_t line; /* lines finished */
	uint16_t *ids;
	size_t count, room;
	/* A number may cross blocks. */
	uint32_t number;
	unsigned digits;
	char *p, *end; /* what is left of the block; *end is NUL and stops every scan */
	char block[BLOCK_BYTES + 1];
};

struct idtext *
idtext_begin(int fd, const char *what, uint32_t vocab_size, uint32_t bos)
{
	struct idtext *r;

	if ((r = malloc(sizeof(*r))) == NULL)
		return (NULL);
	*r = (struct idtext){ .fd = fd, .what = what, .vocab_size = vocab_size, .bos = bos };
	r->p = r->end = r->block;
	return (r);
}

void
idtext_free(struct idtext *r)
{
	if (r == NULL)
		return;
	free(r->ids);
	free(r);
}

static int
invalid(const struct idtext *r, const char *what, const char *expected, struct inputerror *f)
{
	char observed[128];

	snprintf(observed, sizeof(observed), "line %" PRIu64 ": %s", r->line + 1, what);
	return (inputerror_set(f, REFUSAL_INPUT_INVALID, r->what, observed, expected));
}

/* The next block: 1, 0 at the end, -1. */
static int
refill(struct idtext *r, struct inputerror *f)
{
	ssize_t n;

	do
		n = read(r->fd, r->block, BLOCK_BYTES);
	while (n == -1 && errno == EINTR);
	if (n == -1)
		return (inputerror_errno(f, "read", r->what));
	r->p = r->block;
	r->end = r->block + n;
	*r->end = '\0';
	return (n > 0);
}

/* The number just read is an id. */
static int
take(struct idtext *r, struct inputerror *f)
{
	char text[64], expected[64];
	uint16_t *more;

	if (r->digits > 5 || r->number >= r->vocab_size) {
		if (r->digits > 5)
			snprintf(text, sizeof(text), "an id of %u digits", r->digits);
		else
			snprintf(text, sizeof(text), "id %" PRIu32, r->number);
		snprintf(expected, sizeof(expected), "ids below %" PRIu32, r->vocab_size);
		return (invalid(r, text, expected, f));
	}
	if ((r->number == r->bos) != (r->count == 0)) {
		if (r->count > 0)
			return (invalid(r, "BOS inside a document", "it at the beginning alone", f));
		snprintf(text, sizeof(text), "id %" PRIu32, r->number);
		snprintf(expected, sizeof(expected), "BOS (%" PRIu32 ") at the beginning of a document", r->bos);
		return (invalid(r, text, expected, f));
	}
	if (r->count == r->room) {
		if (r->count >= SHARD_MAX_TOKENS)
			return (invalid(r, "more ids than a shard may hold", "100000000 at most", f));
		r->room = r->room == 0 ? 4096 : 2 * r->room;
		if ((more = realloc(r->ids, r->room * sizeof(*more))) == NULL)
			return (inputerror_errno(f, "read", r->what));
		r->ids = more;
	}
	r->ids[r->count++] = (uint16_t)r->number;
	r->number = 0;
	r->digits = 0;
	return (0);
}

static int
finish_line(struct idtext *r, const uint16_t **ids, uint64_t *n, struct inputerror *f)
{
	if (r->digits > 0 && take(r, f) == -1)
		return (-1);
	if (r->count == 0)
		return (invalid(r, "an empty line", "a document", f));
	r->line++;
	*ids = r->ids;
	*n = r->count;
	r->count = 0;
	return (1);
}

int
idtext_next(struct idtext *r, const uint16_t **ids, uint64_t *n, struct inputerror *f)
{
	uint32_t number, digit;
	unsigned digits;
	char *p, what[32];
	int rc;

	for (;;) {
		/* Digits first: most of the input. Too many are found by their count, whatever the value wrapped to. */
		p = r->p;
		number = r->number;
		digits = r->digits;
		while ((digit = (uint32_t)(unsigned char)*p - '0') <= 9) {
			number = 10 * number + digit;
			digits += digits < 1000;
			p++;
		}
		r->p = p;
		r->number = number;
		r->digits = digits;
		switch (*p) {
		case ' ':
		case '\t':
		case '\r':
			r->p++;
			if (digits > 0 && take(r, f) == -1)
				return (-1);
			break;
		case '\n':
			r->p++;
			return (finish_line(r, ids, n, f));
		case '\0':
			if (p == r->end) {
				if ((rc = refill(r, f)) == -1)
					return (-1);
				if (rc == 1)
					break;
				/* The end; a last line may lack its LF. */
				if (r->count == 0 && r->digits == 0)
					return (0);
				return (finish_line(r, ids, n, f));
			}
			/* FALLTHROUGH */
		default:
			snprintf(what, sizeof(what), "byte 0x%02x", (unsigned)(unsigned char)*p);
			return (invalid(r, what, "decimal ids", f));
		}
	}
}
