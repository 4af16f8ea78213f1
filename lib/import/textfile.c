#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/utf8.h"
#include "base/file.h"
#include "base/str.h"
#include "import/textfile.h"

static int
put(struct str *s, uint32_t c)
{
	char utf8[UTF8_MAX_BYTES];

	return (str_add(s, utf8, utf8_write(utf8, c)));
}

/* UTF-16 with its mark before it; a surrogate without its other half, or half a unit, is shown as its bytes. */
static int
take_utf16(struct textfile *t, struct str *out, const unsigned char *p, size_t n, int big)
{
	uint32_t c, low;
	size_t i;

	t->flags |= DEFECT_BIT(DEFECT_UTF16);
	for (i = 2; i + 1 < n; i += 2) {
		c = big ? (uint32_t)p[i] << 8 | p[i + 1] : (uint32_t)p[i + 1] << 8 | p[i];
		if (c >= 0xd800 && c < 0xdc00 && i + 3 < n) {
			low = big ? (uint32_t)p[i + 2] << 8 | p[i + 3] : (uint32_t)p[i + 3] << 8 | p[i + 2];
			if (low >= 0xdc00 && low < 0xe000) {
				c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
				i += 2;
			}
		}
		if (c == 0 || (c >= 0xd800 && c < 0xe000)) {
			t->flags |= DEFECT_BIT(DEFECT_NOT_UTF8);
			if (str_printf(out, "\\x%02x\\x%02x", p[i], p[i + 1]) == -1)
				return (-1);
		} else if (put(out, c) == -1)
			return (-1);
	}
	if (i < n) {
		t->flags |= DEFECT_BIT(DEFECT_NOT_UTF8);
		return (str_printf(out, "\\x%02x", p[i]));
	}
	return (0);
}

/* Is it text at all? NULs, or a tenth of broken bytes, say no. */
static int
is_binary(const char *p, size_t n)
{
	size_t i, bad = 0, k;

	for (i = 0; i < n; i += k) {
		k = utf8_read(p + i, n - i, NULL);
		if (k == 0 || p[i] == '\0') {
			k = 1;
			bad++;
		}
	}
	return (bad > 16 && bad > n / 10);
}

int
textfile_take(struct textfile *t, const char *bytes, size_t n)
{
	const unsigned char *p = (const unsigned char *)bytes;
	struct str out = STR_INIT;
	size_t i, k, from;

	memset(t, 0, sizeof(*t));
	t->bytes = n;
	if (sha256_hex(bytes, n, t->sha256) == -1)
		return (-1);
	if (n == 0)
		t->flags |= DEFECT_BIT(DEFECT_EMPTY);
	if (n >= 2 && ((p[0] == 0xff && p[1] == 0xfe) || (p[0] == 0xfe && p[1] == 0xff))) {
		if (take_utf16(t, &out, p, n, p[0] == 0xfe) == -1)
			goto err0;
	} else if (is_binary(bytes, n)) {
		t->flags |= DEFECT_BIT(DEFECT_BINARY);
		return (0);
	} else {
		i = n >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
		for (from = i; i < n; i += k) {
			k = utf8_read(bytes + i, n - i, NULL);
			if (k != 0 && bytes[i] != '\0')
				continue;
			t->flags |= DEFECT_BIT(DEFECT_NOT_UTF8);
			if (str_add(&out, bytes + from, i - from) == -1 || str_printf(&out, "\\x%02x", p[i]) == -1)
				goto err0;
			k = 1;
			from = i + 1;
		}
		if (str_add(&out, bytes + from, n - from) == -1)
			goto err0;
	}
	if (str_add(&out, "", 0) == -1)
		goto err0;
	/* Where only carriage returns end lines, they end lines. */
	if (memchr(out.p, '\n', out.n) == NULL)
		for (i = 0; i < out.n; i++)
			if (out.p[i] == '\r')
				out.p[i] = '\n';
	t->text = out.p;
	t->n = out.n;
	return (0);
err0:
	str_free(&out);
	return (-1);
}

int
textfile_at_fault(int error)
{
	switch (error) {
	case EACCES:
	case EPERM:
	case ENOENT:
	case ENOTDIR:
	case ENAMETOOLONG:
	case ENXIO:
	case ENODEV:
	case EOVERFLOW:
		return (1);
	default:
		return (file_at_fault(error));
	}
}

int
textfile_read(struct textfile *t, int dirfd, const char *name, size_t max_bytes)
{
	uint64_t size = 0;
	char *bytes;
	size_t n;
	int fd, error, rc;

	memset(t, 0, sizeof(*t));
	if ((fd = file_open(dirfd, name, &size)) == -1)
		goto err1;
	t->bytes = size;
	if (size > max_bytes) {
		t->flags |= DEFECT_BIT(DEFECT_HUGE);
		close(fd);
		return (0);
	}
	bytes = file_read_fd(fd, max_bytes, &n);
	error = errno;
	close(fd);
	errno = error;
	if (bytes == NULL)
		goto err1;
	rc = textfile_take(t, bytes, n);
	free(bytes);
	return (rc);
err1:
	if (!textfile_at_fault(errno))
		return (-1);
	t->error = errno;
	t->flags |= DEFECT_BIT(errno == EFBIG ? DEFECT_HUGE : DEFECT_UNREADABLE);
	return (0);
}

void
textfile_free(struct textfile *t)
{
	free(t->text);
	t->text = NULL;
}

void
textfile_pieces(struct textfile_piece *piece, const char *text, size_t n)
{
	memset(piece, 0, sizeof(*piece));
	piece->next = text;
	piece->end = text + n;
	piece->next_line = 1;
}

int
textfile_next(struct textfile_piece *piece)
{
	const char *q;

	if (piece->next == NULL || piece->next >= piece->end)
		return (0);
	piece->p = piece->next;
	piece->line = piece->next_line;
	for (q = piece->p; q < piece->end && *q != '\n' && *q != '\r'; q++)
		;
	piece->n = (size_t)(q - piece->p);
	if (q < piece->end && *q == '\r')
		q++;
	if (q < piece->end && *q == '\n') {
		q++;
		piece->next_line++;
	}
	piece->next = q;
	return (1);
}
