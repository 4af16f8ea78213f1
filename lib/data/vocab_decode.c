#include <string.h>

#include "base/str.h"
#include "data/vocab_decode.h"

static const char space_mark[] = "\xe2\x96\x81"; /* U+2581 */
#define MARK_BYTES (sizeof(space_mark) - 1)

/* A piece's text: its space marks are spaces. */
static int
add_piece(struct str *out, const char *text, size_t bytes)
{
	const char *mark;
	size_t run;

	for (; bytes > 0; text += run, bytes -= run) {
		if (bytes >= MARK_BYTES && memcmp(text, space_mark, MARK_BYTES) == 0) {
			run = MARK_BYTES;
			if (str_add(out, " ", 1) == -1)
				return (-1);
			continue;
		}
		mark = memchr(text + 1, space_mark[0], bytes - 1);
		run = mark == NULL ? bytes : (size_t)(mark - text);
		if (str_add(out, text, run) == -1)
			return (-1);
	}
	return (0);
}

static int
add_id(const struct vocab *v, uint32_t id, struct str *out)
{
	const char *text;
	size_t bytes;
	uint8_t byte;

	switch (vocab_type(v, id)) {
	case VOCAB_CONTROL:
	case VOCAB_UNUSED:
		return (0);
	case VOCAB_UNKNOWN:
		return (str_puts(out, " \xe2\x81\x87 "));
	case VOCAB_BYTE:
		byte = vocab_byte(v, id);
		return (str_add(out, &byte, 1));
	default:
		text = vocab_piece(v, id, &bytes);
		return (add_piece(out, text, bytes));
	}
}

/* What came is taken back. */
static void
cut_back(struct str *out, size_t had)
{
	if (out->p != NULL)
		out->p[out->n = had] = '\0';
}

int
vocab_decode(const struct vocab *v, const int32_t *ids, uint64_t n, struct str *out)
{
	size_t had = out->n;
	uint64_t i;

	for (i = 0; i < n; i++)
		if (add_id(v, (uint32_t)ids[i], out) == -1) {
			cut_back(out, had);
			return (-1);
		}
	return (0);
}

int
vocab_decode_ids16(const struct vocab *v, const uint16_t *ids, uint64_t n, struct str *out)
{
	size_t had = out->n;
	uint64_t i;

	for (i = 0; i < n; i++)
		if (add_id(v, ids[i], out) == -1) {
			cut_back(out, had);
			return (-1);
		}
	return (0);
}
