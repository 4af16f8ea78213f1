#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/utf8.h"
#include "data/documents.h"
#include "base/say.h"
#include "base/str.h"

#define BLOCK_BYTES ((size_t)1 << 20)

/* A JSON line may spell each byte of its text as six. */
#define LINE_MAX_BYTES (6 * DOCUMENTS_MAX_BYTES + 4096)

static const char *const format_names[] = {
	[DOCUMENTS_PARA] = "para",
	[DOCUMENTS_LINES] = "lines",
	[DOCUMENTS_JSONL] = "jsonl",
	[DOCUMENTS_FILES] = "files",
};

#define FORMATS (sizeof(format_names) / sizeof(format_names[0]))

const char *
documents_format_name(enum documents_format format)
{
	return (format_names[format]);
}

int
documents_format_of(const char *name)
{
	size_t i;

	for (i = 0; i < FORMATS; i++)
		if (strcmp(name, format_names[i]) == 0)
			return ((int)i);
	return (-1);
}

/* --- making bytes UTF-8 ------------------------------------------------------- */

/* What 0x80 to 0x9f are in windows-1252; five are nothing. */
static const uint16_t windows_1252[32] = {
	0x20ac,
	0xfffd,
	0x201a,
	0x0192,
	0x201e,
	0x2026,
	0x2020,
	0x2021,
	0x02c6,
	0x2030,
	0x0160,
	0x2039,
	0x0152,
	0xfffd,
	0x017d,
	0xfffd,
	0xfffd,
	0x2018,
	0x2019,
	0x201c,
	0x201d,
	0x2022,
	0x2013,
	0x2014,
	0x02dc,
	0x2122,
	0x0161,
	0x203a,
	0x0153,
	0xfffd,
	0x017e,
	0x0178,
};

/* How many bytes from p on need no change. */
static size_t
clean_run(const unsigned char *p, size_t n)
{
	uint64_t eight;
	size_t at = 0, length;

	while (at < n) {
		/* Eight at a time while all are ASCII and none is NUL. */
		while (n - at >= sizeof(eight)) {
			memcpy(&eight, p + at, sizeof(eight));
			if (((eight | (eight - UINT64_C(0x0101010101010101))) & UINT64_C(0x8080808080808080)) != 0)
				break;
			at += sizeof(eight);
		}
		if (at == n)
			break;
		if (p[at] == '\0' || (length = utf8_read(p + at, n - at, NULL)) == 0)
			break;
		at += length;
	}
	return (at);
}

/* Append text to out, made UTF-8 without NUL. 0, or -1 with errno ENOMEM. */
static int
add_clean(struct str *out, const char *text, size_t n, struct documents_counts *counts)
{
	const unsigned char *p = (const unsigned char *)text;
	char utf8[UTF8_MAX_BYTES];
	size_t run;

	while (n > 0) {
		run = clean_run(p, n);
		if (run > 0 && str_add(out, p, run) == -1)
			return (-1);
		p += run;
		n -= run;
		if (n == 0)
			break;
		if (*p == '\0') {
			counts->nul++;
			if (str_add(out, " ", 1) == -1)
				return (-1);
		} else {
			counts->invalid_utf8++;
			if (str_add(out, utf8, utf8_write(utf8, *p < 0xa0 ? windows_1252[*p - 0x80] : *p)) == -1)
				return (-1);
		}
		p++;
		n--;
	}
	return (0);
}

static int
is_blank(const char *text, size_t n)
{
	while (n > 0 && strchr(" \t\n\v\f\r", text[n - 1]) != NULL && text[n - 1] != '\0')
		n--;
	return (n == 0);
}

/* --- cutting -------------------------------------------------------------------- */

struct cutter {
	const char *path;
	enum documents_format format;
	const char *key; /* of a JSON line's text */
	int skip;        /* lines that hold no document are counted, not refused */
	struct documents_counts *counts;
	documents_sink *sink;
	void *cookie;
	struct str document, line; /* under way; line: the raw beginning of one that crosses blocks */
	uint64_t number;           /* of the line, from 1 */
	struct inputerror *f;
};

static int
invalid(struct cutter *c, const char *what)
{
	char observed[320];

	snprintf(observed, sizeof(observed), "line %" PRIu64 ": %s", c->number, what);
	return (inputerror_set(c->f, REFUSAL_INPUT_INVALID, c->path, observed, ""));
}

/* Hand the document over and begin another. */
static int
emit(struct cutter *c)
{
	size_t n = c->document.n;

	c->document.n = 0;
	if (n > DOCUMENTS_MAX_BYTES)
		return (invalid(c, "a document of more than 16 MiB ends here"));
	if (is_blank(c->document.p, n)) {
		c->counts->empty++;
		return (0);
	}
	c->counts->documents++;
	c->counts->text_bytes += n;
	return (c->sink(c->cookie, c->document.p, n, c->f));
}

/* A line of JSONL that holds no document. */
static int
bad_line(struct cutter *c, const char *what)
{
	char text[256];

	if (c->skip) {
		c->counts->skipped++;
		return (0);
	}
	snprintf(text, sizeof(text), "%.200s; -k skips and counts such lines", what);
	return (invalid(c, text));
}

/* The member that holds the text of a line of JSON. */
static int
json_line(struct cutter *c, const char *text, size_t n)
{
	struct documents_counts ignored;
	json_error_t error;
	const json_t *member;
	json_t *v;
	struct str utf8 = STR_INIT;
	char what[256];
	int rc = -1;

	if (is_blank(text, n))
		return (0);
	/* The line must be UTF-8 before it can be JSON. */
	if (add_clean(&utf8, text, n, c->counts) == -1) {
		inputerror_errno(c->f, "read", c->path);
		goto done0;
	}
	if ((v = json_loadb(utf8.p, utf8.n, JSON_ALLOW_NUL, &error)) == NULL) {
		snprintf(what, sizeof(what), "not JSON: %s", error.text);
		rc = bad_line(c, what);
		goto done0;
	}
	member = json_object_get(v, c->key);
	if (!json_is_string(member)) {
		snprintf(what, sizeof(what), "no object with a string \"%.60s\" (-j names another key)", c->key);
		rc = bad_line(c, what);
		goto done1;
	}
	memset(&ignored, 0, sizeof(ignored));
	if (add_clean(&c->document, json_string_value(member), json_string_length(member), &ignored) == -1) {
		inputerror_errno(c->f, "read", c->path);
		goto done1;
	}
	c->counts->nul += ignored.nul;
	rc = emit(c);
done1:
	json_decref(v);
done0:
	str_free(&utf8);
	return (rc);
}

/* A whole line without its LF. */
static int
take_line(struct cutter *c, const char *text, size_t n)
{
	c->number++;
	if (n > 0 && text[n - 1] == '\r')
		n--;
	if (c->format == DOCUMENTS_JSONL)
		return (json_line(c, text, n));
	if (c->format == DOCUMENTS_PARA && is_blank(text, n)) {
		if (c->document.n == 0)
			return (0);
		c->document.n--;
		return (emit(c));
	}
	if (add_clean(&c->document, text, n, c->counts) == -1)
		return (inputerror_errno(c->f, "read", c->path));
	if (c->format == DOCUMENTS_LINES)
		return (emit(c));
	if (str_add(&c->document, "\n", 1) == -1)
		return (inputerror_errno(c->f, "read", c->path));
	if (c->document.n > DOCUMENTS_MAX_BYTES + 1)
		return (invalid(c, "a document of more than 16 MiB"));
	return (0);
}

/* The lines of a block; what follows the last LF waits for the next. */
static int
take_block(struct cutter *c, const char *p, size_t n)
{
	const char *end;
	size_t length;

	for (; n > 0; n -= length + 1, p += length + 1) {
		if ((end = memchr(p, '\n', n)) == NULL) {
			if (str_add(&c->line, p, n) == -1)
				return (inputerror_errno(c->f, "read", c->path));
			if (c->line.n > (c->format == DOCUMENTS_JSONL ? LINE_MAX_BYTES : DOCUMENTS_MAX_BYTES + 1)) {
				c->number++;
				return (invalid(c, "longer than any document may be"));
			}
			return (0);
		}
		length = (size_t)(end - p);
		if (c->line.n == 0) {
			if (take_line(c, p, length) == -1)
				return (-1);
			continue;
		}
		if (str_add(&c->line, p, length) == -1)
			return (inputerror_errno(c->f, "read", c->path));
		if (take_line(c, c->line.p, c->line.n) == -1)
			return (-1);
		c->line.n = 0;
	}
	return (0);
}

static int
take_end(struct cutter *c)
{
	if (c->line.n > 0 && take_line(c, c->line.p, c->line.n) == -1)
		return (-1);
	if (c->format == DOCUMENTS_PARA && c->document.n > 0) {
		c->document.n--;
		return (emit(c));
	}
	if (c->format != DOCUMENTS_FILES)
		return (0);
	while (c->document.n > 0 && c->document.p[c->document.n - 1] == '\n')
		c->document.n--;
	return (emit(c));
}

/* Kinds of files that are no text, by the bytes at a place, and what would make text of them. */
static const struct {
	size_t at, n;
	const char *bytes, *what;
} magics[] = {
	{ 0, 4, "\xff\xfe\0\0", "UTF-32; make it UTF-8 first (iconv -f UTF-32)" },
	{ 0, 4, "\0\0\xfe\xff", "UTF-32; make it UTF-8 first (iconv -f UTF-32)" },
	{ 0, 2, "\xff\xfe", "UTF-16; make it UTF-8 first (iconv -f UTF-16)" },
	{ 0, 2, "\xfe\xff", "UTF-16; make it UTF-8 first (iconv -f UTF-16)" },
	{ 0, 2, "\x1f\x8b", "compressed by gzip; unpack it first (zcat)" },
	{ 0, 2, "\x1f\x9d", "compressed by compress; unpack it first (zcat)" },
	{ 0, 6,
	    "\xfd"
	    "7zXZ\0",
	    "compressed by xz; unpack it first (xzcat)" },
	{ 4, 6, "1AY&SY", "compressed by bzip2; unpack it first (bzcat)" },
	{ 0, 4, "\x04\x22\x4d\x18", "compressed by lz4; unpack it first (lz4cat)" },
	{ 0, 4, "\x28\xb5\x2f\xfd", "compressed by zstd; unpack it first (zstdcat)" },
	{ 0, 5, "LZIP\1", "compressed by lzip; unpack it first (lzip -dc)" },
	{ 0, 4, "PK\x03\x04", "a zip archive; unpack it first (unzip -p)" },
	{ 0, 4, "PK\x05\x06", "an empty zip archive" },
	{ 0, 6, "7z\xbc\xaf\x27\x1c", "a 7-Zip archive; unpack it first (7z e -so)" },
	{ 0, 6, "Rar!\x1a\x07", "a RAR archive; unpack it first (unrar p)" },
	{ 257, 5, "ustar", "a tar archive; unpack it first (tar -xO)" },
	{ 0, 4,
	    "\x7f"
	    "ELF",
	    "a program or library (ELF)" },
	{ 0, 4, "PAR1", "Parquet; make it JSONL first" },
	{ 0, 5, "%PDF-", "PDF; make it text first (pdftotext)" },
	{ 0, 16, "SQLite format 3\0", "an SQLite database; make it JSONL first (sqlite3)" },
	{ 0, 8, "\x89PNG\r\n\x1a\n", "a PNG image" },
	{ 0, 3, "\xff\xd8\xff", "a JPEG image" },
};

/* Text without a mark is judged by its first bytes, not more than these, and by shares only if there are some. */
#define JUDGED_BYTES ((size_t)65536)
#define JUDGED_LEAST ((size_t)64)

/* UTF-16 of most scripts has NUL for every other byte of what is ASCII in it: blanks and line breaks at least. */
static int
is_utf16(const unsigned char *p, size_t n)
{
	size_t i, nul[2] = { 0, 0 };

	for (i = 0; i < n; i++)
		nul[i & 1] += p[i] == '\0';
	for (i = 0; i < 2; i++)
		if (nul[i] >= 2 && nul[i] > n / 8 && nul[1 - i] <= nul[i] / 16)
			return (1);
	return (0);
}

/* Of four bytes the upper two are NUL nearly always, at either end, and the lowest nearly never. */
static int
is_utf32(const unsigned char *p, size_t n)
{
	size_t i, nul[4] = { 0 };

	for (i = 0; i < n; i++)
		nul[i & 3] += p[i] == '\0';
	n /= 4;
	return (n >= 2 &&
	    ((nul[3] > n / 8 * 7 && nul[2] > n / 8 * 7 && nul[0] <= n / 16) ||
		(nul[0] > n / 8 * 7 && nul[1] > n / 8 * 7 && nul[3] <= n / 16)));
}

/* What a file's first bytes say it is, if that is not text. */
static const char *
not_text(const char *p, size_t n)
{
	size_t i, nul = 0, controls = 0, invalid = 0, run;

	for (i = 0; i < sizeof(magics) / sizeof(magics[0]); i++)
		if (n >= magics[i].at + magics[i].n && memcmp(p + magics[i].at, magics[i].bytes, magics[i].n) == 0)
			return (magics[i].what);
	n = n < JUDGED_BYTES ? n : JUDGED_BYTES;
	if (is_utf16((const unsigned char *)p, n))
		return ("it looks like UTF-16 without a mark; make it UTF-8 first (iconv -f UTF-16LE or UTF-16BE)");
	if (is_utf32((const unsigned char *)p, n))
		return ("it looks like UTF-32 without a mark; make it UTF-8 first (iconv -f UTF-32LE or UTF-32BE)");
	for (i = 0; i < n; i++) {
		nul += p[i] == '\0';
		controls += (p[i] > 0 && p[i] < '\t') || (p[i] > '\r' && p[i] < ' ' && p[i] != '\x1b');
	}
	if (n < JUDGED_LEAST)
		return (NULL);
	if ((nul + controls) * 10 > n)
		return ("no text: more than a tenth of it is NUL or control bytes (strings)");
	for (i = 0; i < n; i += run)
		if (p[i] == '\0')
			run = 1;
		else if ((run = utf8_read((const unsigned char *)p + i, n - i, NULL)) == 0) {
			invalid++;
			run = 1;
		}
	if (invalid * 10 > n * 3)
		return ("more than three tenths of it is no UTF-8; make it UTF-8 first (iconv -f ENCODING)");
	return (NULL);
}

/* Fill the block as far as the file goes, so that its first bytes can be looked at even when they come from a pipe. */
static ssize_t
read_block(int fd, char *block)
{
	size_t at = 0;
	ssize_t n;

	while (at < BLOCK_BYTES) {
		n = read(fd, block + at, BLOCK_BYTES - at);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return (-1);
		if (n == 0)
			break;
		at += (size_t)n;
	}
	return ((ssize_t)at);
}

int
documents_read(int fd, const char *path, const struct documents_how *how, struct documents_counts *counts,
    documents_sink *sink, void *cookie, char hex[SHA256_HEX_SIZE], uint64_t *bytes, struct inputerror *f)
{
	struct cutter c = {
		.path = path,
		.format = how->format,
		.key = how->key == NULL ? "text" : how->key,
		.skip = how->skip,
		.counts = counts,
		.sink = sink,
		.cookie = cookie,
		.f = f,
	};
	struct sha256 *digest;
	const char *what;
	size_t skip;
	ssize_t n;
	char *block;

	*bytes = 0;
	if ((digest = sha256_begin()) == NULL || (block = malloc(BLOCK_BYTES)) == NULL) {
		inputerror_errno(f, "read", path);
		goto err0;
	}
	while ((n = read_block(fd, block)) > 0) {
		sha256_add(digest, block, (size_t)n);
		skip = 0;
		if (*bytes == 0 && sink != NULL) {
			if ((what = not_text(block, (size_t)n)) != NULL) {
				inputerror_set(f, REFUSAL_INPUT_INVALID, path, what, "");
				goto err1;
			}
			skip = n >= 3 && memcmp(block, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
		}
		*bytes += (uint64_t)n;
		if (sink != NULL && take_block(&c, block + skip, (size_t)n - skip) == -1)
			goto err1;
	}
	if (n == -1) {
		inputerror_errno(f, "read", path);
		goto err1;
	}
	if (sink != NULL && take_end(&c) == -1)
		goto err1;
	str_free(&c.document);
	str_free(&c.line);
	free(block);
	sha256_end(digest, hex);
	return (0);
err1:
	str_free(&c.document);
	str_free(&c.line);
	free(block);
err0:
	sha256_free(digest);
	return (-1);
}
