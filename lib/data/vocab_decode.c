#include <string.h>

#include "base/str.h"
#include "data/vocab_decode.h"

static const char space_mark[] = "\xe2\x96\x81"; /* U+2581 */
#define MARK_BYTES (sizeof(space_mark) - 1)

int
vocab_decode(const struct vocab *v, const int32_t *ids, uint64_t n, struct str *out)
{
	size_t at, bytes, had = out->n;
	const char *text;
	uint64_t i;
	uint8_t byte;
	int rc = 0;

	for (i = 0; i < n && rc == 0; i++) {
		switch (vocab_type(v, (uint32_t)ids[i])) {
		case VOCAB_CONTROL:
		case VOCAB_UNUSED:
			break;
		case VOCAB_UNKNOWN:
			rc = str_puts(out, " \xe2\x81\x87 ");
			break;
		case VOCAB_BYTE:
			byte = vocab_byte(v, (uint32_t)ids[i]);
			rc = str_add(out, &byte, 1);
			break;
		default:
			text = vocab_piece(v, (uint32_t)ids[i], &bytes);
			for (at = 0; at < bytes && rc == 0;) {
				if (bytes - at >= MARK_BYTES && memcmp(text + at, space_mark, MARK_BYTES) == 0) {
					rc = str_puts(out, " ");
					at += MARK_BYTES;
				} else
					rc = str_add(out, text + at++, 1);
			}
		}
	}
	if (rc == -1 && out->p != NULL)
		out->p[out->n = had] = '\0';
	return (rc);
}
