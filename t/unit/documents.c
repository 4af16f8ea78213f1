/* lib/data: documents cut from hostile bytes, and a corpus in its order. Prints TAP. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "data/corpus.h"
#include "data/documents.h"
#include "base/exit.h"
#include "base/file.h"
#include "base/rng.h"
#include "base/str.h"
#include "t/unit/tap.h"

static char dir[] = "/tmp/hg-documents-unit.XXXXXX";
static int dirfd_of;

/* All documents, each closed by a NUL. */
static int
collect(void *cookie, const char *text, size_t n, struct inputerror *f)
{
	struct str *all = cookie;

	(void)f;
	return (str_add(all, text, n) == -1 || str_add(all, "", 1) == -1 ? -1 : 0);
}

static struct documents_counts counts;

static int
read_text(enum documents_format format, const void *text, size_t n, struct str *all, enum refusal_kind *kind)
{
	struct inputerror f = { .kind = REFUSAL_NONE };
	const struct documents_how how = { .format = format };
	char hex[SHA256_HEX_SIZE], want[SHA256_HEX_SIZE];
	uint64_t bytes;
	int fd, rc;

	fd = openat(dirfd_of, "text", O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (fd == -1 || file_write_all(fd, text, n) == -1 || lseek(fd, 0, SEEK_SET) == -1)
		abort();
	memset(&counts, 0, sizeof(counts));
	all->n = 0;
	rc = documents_read(fd, "text", &how, &counts, collect, all, hex, &bytes, &f);
	close(fd);
	if (rc == 0 && (bytes != n || sha256_hex(text, n, want) == -1 || strcmp(hex, want) != 0))
		abort();
	*kind = f.kind;
	return (rc);
}

/* Does the text give these documents (each closed by a NUL, as a literal's end closes the last)? */
static int
gives(enum documents_format format, const char *text, size_t n, const char *want, size_t want_n)
{
	struct str all = STR_INIT;
	enum refusal_kind kind;
	int same;

	same = read_text(format, text, n, &all, &kind) == 0 && all.n == want_n && memcmp(all.p, want, want_n) == 0;
	str_free(&all);
	return (same);
}

#define GIVES(format, text, want) gives(DOCUMENTS_##format, text, sizeof(text) - 1, want, sizeof(want))

static void
cutting(void)
{
	tap_ok(GIVES(PARA, "a\nb\n\n\nc", "a\nb\0c") && counts.documents == 2 && counts.text_bytes == 4,
	    "blank lines part paragraphs, however many");
	tap_ok(GIVES(PARA, "\n\n a\n\t\nb\n\n", " a\0b"), "blank is blank, and blanks in front of text stay");
	tap_ok(GIVES(PARA, "a\r\n\r\nb\rc\r\n", "a\0b\rc"), "CR LF ends a line, CR alone does not");
	tap_ok(GIVES(LINES, "a\n\nb\n \nc", "a\0b\0c") && counts.empty == 2, "empty lines are counted");
	tap_ok(GIVES(FILES, "\na\n\nb\n\n", "\na\n\nb"), "a file is a document without the line ends at its end");
	tap_ok(GIVES(JSONL, "{\"text\":\"a\\u0000b\\n\"}\n\n{\"text\":\"\"}", "a b\n") && counts.empty == 1 &&
		counts.nul == 1,
	    "JSONL may hold escaped NUL and line ends");
	tap_ok(GIVES(LINES,
		   "\xef\xbb\xbf"
		   "a\n\xef\xbb\xbf"
		   "b",
		   "a\0\xef\xbb\xbf"
		   "b"),
	    "a byte-order mark is dropped in front of a file alone");
}

static void
cleaning(void)
{
	tap_ok(GIVES(LINES, "\x80\x81\x9f\xa0\xe9\xff", "\xe2\x82\xac\xef\xbf\xbd\xc5\xb8\xc2\xa0\xc3\xa9\xc3\xbf") &&
		counts.invalid_utf8 == 6,
	    "bytes that are no UTF-8 are windows-1252");
	tap_ok(GIVES(LINES, "a\0b", "a b") && counts.nul == 1, "NUL is a space");
	tap_ok(GIVES(LINES, "\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xf0\x90\x80\x80\xf4\x8f\xbf\xbf",
		   "\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xf0\x90\x80\x80\xf4\x8f\xbf\xbf") &&
		counts.invalid_utf8 == 0,
	    "the first and last characters of each length are UTF-8");
	tap_ok(GIVES(LINES, "\xc0\xaf", "\xc3\x80\xc2\xaf") &&
		GIVES(LINES, "\xe0\x9f\xbf", "\xc3\xa0\xc5\xb8\xc2\xbf") && counts.invalid_utf8 == 3,
	    "overlong forms are not");
	tap_ok(GIVES(LINES, "\xed\xa0\x80", "\xc3\xad\xc2\xa0\xe2\x82\xac"), "surrogates are not");
	tap_ok(GIVES(LINES, "\xf4\x90\x80\x80", "\xc3\xb4\xef\xbf\xbd\xe2\x82\xac\xe2\x82\xac") &&
		GIVES(LINES, "\xf5", "\xc3\xb5"),
	    "nothing past U+10FFFF is");
	tap_ok(GIVES(LINES, "a\xe2\x82\n\xe2\x82", "a\xc3\xa2\xe2\x80\x9a\0\xc3\xa2\xe2\x80\x9a"),
	    "a character cut by a line's or the file's end is not");
}

static void
refusing(void)
{
	struct str all = STR_INIT;
	enum refusal_kind kind;
	char *long_text;

	tap_ok(read_text(DOCUMENTS_PARA,
		   "\xff\xfe"
		   "a\0",
		   4, &all, &kind) == -1 &&
		kind == REFUSAL_INPUT_INVALID,
	    "UTF-16 is refused");
	tap_ok(read_text(DOCUMENTS_JSONL, "[1]", 3, &all, &kind) == -1 && kind == REFUSAL_INPUT_INVALID,
	    "JSONL without objects is refused");
	tap_ok(read_text(DOCUMENTS_JSONL, "{\"text\":\"\\ud800\"}", 17, &all, &kind) == -1 &&
		kind == REFUSAL_INPUT_INVALID,
	    "a lone surrogate in JSON is refused");
	long_text = malloc(DOCUMENTS_MAX_BYTES + 2);
	memset(long_text, 'x', DOCUMENTS_MAX_BYTES + 2);
	tap_ok(read_text(DOCUMENTS_FILES, long_text, DOCUMENTS_MAX_BYTES, &all, &kind) == 0 && counts.documents == 1,
	    "a document of 16 MiB is read");
	tap_ok(read_text(DOCUMENTS_FILES, long_text, DOCUMENTS_MAX_BYTES + 1, &all, &kind) == -1 &&
		kind == REFUSAL_INPUT_INVALID,
	    "one byte more is refused");
	memset(long_text, '\n', DOCUMENTS_MAX_BYTES + 2);
	tap_ok(read_text(DOCUMENTS_PARA, long_text, DOCUMENTS_MAX_BYTES + 2, &all, &kind) == 0 && counts.documents == 0,
	    "16 MiB of line ends are no document");
	free(long_text);
	str_free(&all);
}

/* Whatever the bytes and wherever blocks cut them, documents are UTF-8 without NUL, and nothing valid changes. */
static void
noise(void)
{
	static const char usual[] = "a \n\r\xe2\x80\x94\xc3\xa9";
	struct str all = STR_INIT, again = STR_INIT;
	struct documents_counts first;
	enum refusal_kind kind;
	size_t n = 3 << 20, i;
	struct rng r;
	char *text = malloc(n);
	int good = 1, round;

	rng_seed(&r, 7, 7);
	for (round = 0; round < 4; round++) {
		for (i = 0; i < n; i++)
			text[i] = rng_below(&r, 3) == 0 ? (char)rng_below(&r, 256) : usual[rng_below(&r, 9)];
		memset(text, 'a', 65536); /* by its first bytes it is text */
		good &= read_text((enum documents_format)(round % 2), text, n, &all, &kind) == 0 &&
		    counts.invalid_utf8 > 0;
		first = counts;
		/* Read as lines, what came out comes out again as it is. */
		for (i = 0; i < all.n; i++)
			if (all.p[i] == '\0')
				all.p[i] = '\n';
			else if (all.p[i] == '\n' || all.p[i] == '\r')
				all.p[i] = '_';
		good &= read_text(DOCUMENTS_LINES, all.p, all.n, &again, &kind) == 0 && counts.invalid_utf8 == 0 &&
		    counts.nul == 0 && counts.documents == first.documents && counts.text_bytes == first.text_bytes;
		for (i = 0; i < again.n; i++)
			if (again.p[i] == '\0')
				again.p[i] = '\n';
		good &= again.n == all.n && memcmp(again.p, all.p, all.n) == 0;
	}
	tap_ok(good, "noise becomes documents of clean UTF-8, and clean text stays as it is");
	free(text);
	str_free(&all);
	str_free(&again);
}

/* Fill a corpus with the decimal numbers below n, each ${copies} times, and read it back in order. */
static void
walk(uint64_t n, uint64_t expected, const uint64_t *key, uint64_t *order, uint64_t *duplicates)
{
	struct corpus *c = corpus_begin(dirfd_of, expected, key, NULL);
	struct corpus_bucket b;
	char text[64];
	uint64_t i, at = 0;
	size_t k, j;

	if (c == NULL)
		abort();
	for (i = 0; i < n; i++) {
		snprintf(text, sizeof(text), "%ju", (uintmax_t)(i % 1000 == 999 ? 7 : i));
		if (corpus_add(c, text, strlen(text), NULL) == -1)
			abort();
	}
	if (corpus_end(c, duplicates, NULL) == -1)
		abort();
	for (k = 0; k < corpus_buckets(c); k++) {
		if (corpus_load(c, k, &b, NULL) == -1)
			abort();
		for (j = 0; j < b.count; j++) {
			snprintf(text, sizeof(text), "%.*s", (int)b.docs[j].bytes, b.docs[j].text);
			order[at++] = strtoull(text, NULL, 10);
		}
		corpus_release(&b);
		corpus_forget(c, k);
	}
	if (at != n)
		abort();
	corpus_free(c);
}

#define N 20000

static void
ordering(void)
{
	static uint64_t a[N], b[N], sevens;
	uint64_t key = 1, other = 2, duplicates, i, low = 0, seen = 0;

	walk(N, 0, NULL, a, &duplicates);
	for (i = 0; i < N && a[i] == (i % 1000 == 999 ? 7 : i); i++)
		continue;
	tap_ok(i == N, "without a key documents keep their order");
	tap_ok(duplicates == 20, "copies are counted");
	walk(N, 1, &key, a, &duplicates);
	walk(N, 100 << 20, &key, b, &duplicates);
	tap_ok(memcmp(a, b, sizeof(a)) == 0, "the order does not depend on the number of buckets");
	walk(N, 1, &other, b, &duplicates);
	tap_ok(memcmp(a, b, sizeof(a)) != 0, "another key gives another order");
	for (i = 0; i < N; i++) {
		sevens += a[i] == 7;
		low += i < N / 2 && a[i] < N / 2;
	}
	tap_ok(sevens == 21, "nothing is lost or doubled");
	tap_ok(low > 4700 && low < 5300, "halves mix evenly (%ju of 5000)", (uintmax_t)low);
	/* Text added at the end moves nothing: the first half's documents keep their order among themselves. */
	walk(N / 2, 1, &key, b, &duplicates);
	for (i = 0; i < N; i++)
		if (a[i] < N / 2 && a[i] != 7 && seen < N / 2) {
			while (seen < N / 2 && b[seen] == 7)
				seen++;
			if (seen < N / 2 && a[i] == b[seen])
				seen++;
		}
	while (seen < N / 2 && b[seen] == 7)
		seen++;
	tap_ok(seen == N / 2, "documents added at the end leave the order of the others alone");
}

int
main(void)
{
	char command[64];

	exit_init("documents");
	if (mkdtemp(dir) == NULL || (dirfd_of = open(dir, O_RDONLY | O_DIRECTORY)) == -1 ||
	    freopen("/dev/null", "w", stderr) == NULL)
		return (1);
	cutting();
	cleaning();
	refusing();
	noise();
	ordering();
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	if (system(command) != 0)
		return (1);
	return (tap_done());
}
