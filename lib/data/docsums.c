#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/say.h"
#include "base/sha256.h"
#include "data/docsums.h"
#include "data/shard.h"

#define CHUNK 4096

struct row {
	uint64_t tokens, bytes;
	double nats;
};

struct docsums {
	struct tokens *tokens;
	struct tokens *counts; /* bytes of each token, where a sidecar tells them; or NULL */
	struct vocab *vocab;
	struct dataset_doc *docs;
	struct row *rows;
	uint64_t documents;          /* rows */
	uint64_t ids;                /* their ids together */
	uint64_t doc, doc_end;       /* the document of the next target, and the place where it ends */
	uint64_t next;               /* place of the next target */
	uint64_t noted;              /* rows before this one stand in notes */
	char chain[SHA256_HEX_SIZE]; /* digest of all notes so far */
};

struct docsums *
docsums_open(const struct dataset *d, uint64_t documents, struct inputerror *f)
{
	struct docsums *t;
	uint64_t i;

	if (documents > d->val.documents) {
		inputerror_set(f, REFUSAL_INPUT_INVALID, "eval.docs", "fewer validation documents than that",
		    "at most as many as there are");
		return (NULL);
	}
	if ((t = calloc(1, sizeof(*t))) == NULL) {
		inputerror_errno(f, "read", d->dir);
		return (NULL);
	}
	t->documents = documents != 0 ? documents : d->val.documents;
	if ((t->docs = dataset_docs(d, f)) == NULL || (t->vocab = dataset_vocab(d, f)) == NULL ||
	    (t->tokens = tokens_open(&d->val, d->vocab_size, f)) == NULL ||
	    (d->val_counts.count > 0 && (t->counts = tokens_open(&d->val_counts, SHARD_MAX_VOCAB, f)) == NULL))
		goto err0;
	if ((t->rows = calloc(t->documents, sizeof(*t->rows))) == NULL) {
		inputerror_errno(f, "read", d->dir);
		goto err0;
	}
	for (i = 0; i < t->documents; i++)
		t->ids += t->docs[i].tokens;
	t->next = 1;
	t->doc_end = t->docs[0].tokens;
	return (t);
err0:
	docsums_close(t);
	return (NULL);
}

void
docsums_close(struct docsums *t)
{
	if (t == NULL)
		return;
	tokens_close(t->tokens);
	tokens_close(t->counts);
	vocab_free(t->vocab);
	free(t->docs);
	free(t->rows);
	free(t);
}

uint64_t
docsums_ids(const struct docsums *t)
{
	return (t->ids);
}

int
docsums_read(const struct docsums *t, uint64_t at, int32_t *ids, uint64_t n, struct inputerror *f)
{
	return (tokens_read(t->tokens, at, n, ids, f));
}

uint64_t
docsums_expected(const struct docsums *t, uint64_t targets)
{
	uint64_t end = 0, i, n = 0;

	for (i = 0; i < t->documents && end <= targets; i++) {
		end += t->docs[i].tokens;
		/* The first document has no target if it is BOS alone. */
		n += i != 0 || end > 1;
	}
	return (n);
}

int
docsums_add(struct docsums *t, uint64_t first, const float *nats, uint64_t n, struct inputerror *f)
{
	int32_t ids[CHUNK + 1], counts[CHUNK];
	uint64_t at, k, i;
	struct row *row;

	assert(first == t->next && first + n <= t->ids);
	for (at = 0; at < n; at += k) {
		k = n - at < CHUNK ? n - at : CHUNK;
		if (tokens_read(t->tokens, first + at - 1, k + 1, ids, f) == -1 ||
		    (t->counts != NULL && tokens_read(t->counts, first + at, k, counts, f) == -1))
			return (-1);
		for (i = 0; i < k; i++) {
			while (t->next >= t->doc_end)
				t->doc_end += t->docs[++t->doc].tokens;
			row = &t->rows[t->doc];
			row->tokens++;
			row->bytes += t->counts != NULL ?
			    (uint32_t)counts[i] :
			    vocab_target_bytes(t->vocab, (uint32_t)ids[i], (uint32_t)ids[i + 1]);
			row->nats += (double)nats[at + i];
			t->next++;
		}
	}
	return (0);
}

/* Raw bytes that the targets of a document stand for: all of them unless its end was left out. */
static uint64_t
raw_share(const struct dataset_doc *d, const struct row *row)
{
	if (row->bytes >= d->bytes)
		return (d->raw_bytes);
	return ((uint64_t)((double)d->raw_bytes * (double)row->bytes / (double)d->bytes + 0.5));
}

void
docsums_total(const struct docsums *t, struct docsums_sum *sum)
{
	uint64_t i;

	memset(sum, 0, sizeof(*sum));
	for (i = 0; i < t->documents; i++) {
		if (t->rows[i].tokens == 0)
			continue;
		sum->documents++;
		sum->tokens += t->rows[i].tokens;
		sum->bytes += t->rows[i].bytes;
		sum->nats += t->rows[i].nats;
		if (t->docs[i].raw_bytes == DATASET_UNKNOWN)
			sum->raw_bytes = DATASET_UNKNOWN;
		else if (sum->raw_bytes != DATASET_UNKNOWN)
			sum->raw_bytes += raw_share(&t->docs[i], &t->rows[i]);
	}
}

int
docsums_table(const struct docsums *t, struct str *out)
{
	char raw[24];
	uint64_t i;

	if (str_puts(out, "# doc\ttokens\tbytes\traw_bytes\tnats\n") == -1)
		return (-1);
	for (i = 0; i < t->documents; i++) {
		if (t->rows[i].tokens == 0)
			continue;
		snprintf(raw, sizeof(raw), "%" PRIu64, t->docs[i].raw_bytes);
		if (str_printf(out, "%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\t%s\t%.17g\n", i, t->rows[i].tokens,
			t->rows[i].bytes, t->docs[i].raw_bytes == DATASET_UNKNOWN ? "-" : raw, t->rows[i].nats) == -1)
			return (-1);
	}
	return (0);
}

/* The digest of notes that end with ${n} bytes more: of that before, and of these. */
static int
chain(char hex[SHA256_HEX_SIZE], const char *text, size_t n)
{
	struct sha256 *h;

	if ((h = sha256_begin()) == NULL)
		return (-1);
	sha256_add(h, hex, strlen(hex));
	sha256_add(h, text, n);
	sha256_end(h, hex);
	return (0);
}

int
docsums_note(struct docsums *t, uint64_t part, struct str *out)
{
	const size_t before = out->n;
	uint64_t i;

	for (i = t->noted; i <= t->doc; i++)
		if (str_printf(out, "%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\t%.17g\n", i, t->rows[i].tokens,
			t->rows[i].bytes, t->rows[i].nats) == -1)
			return (-1);
	if (str_printf(out, "part\t%" PRIu64 "\t%" PRIu64, part, t->next) == -1 ||
	    chain(t->chain, out->p + before, out->n - before) == -1 || str_printf(out, "\t%s\n", t->chain) == -1)
		return (-1);
	t->noted = t->doc;
	return (0);
}

int
docsums_note_resume(struct docsums *t, struct str *out)
{
	const size_t before = out->n;

	if (str_puts(out, "resume") == -1 || chain(t->chain, out->p + before, out->n - before) == -1 ||
	    str_printf(out, "\t%s\n", t->chain) == -1)
		return (-1);
	return (0);
}

/* What a line of notes is. */
enum note { NOTE_NONE, NOTE_ROW, NOTE_PART, NOTE_RESUME };

/* One line of notes, a row into ${rows}. */
static enum note
note_line(struct docsums *t, struct row *rows, const char *line, uint64_t *part, uint64_t *next,
    char digest[SHA256_HEX_SIZE])
{
	uint64_t i, tokens, bytes;
	double nats;
	char more;

	if (sscanf(line, "part\t%" SCNu64 "\t%" SCNu64 "\t%64s%c", part, next, digest, &more) == 3)
		return (*next >= 1 && *next <= t->ids ? NOTE_PART : NOTE_NONE);
	if (sscanf(line, "resume\t%64s%c", digest, &more) == 1)
		return (NOTE_RESUME);
	if (sscanf(line, "%" SCNu64 "\t%" SCNu64 "\t%" SCNu64 "\t%lf%c", &i, &tokens, &bytes, &nats, &more) != 4 ||
	    i >= t->documents || tokens > t->docs[i].tokens || !isfinite(nats))
		return (NOTE_NONE);
	rows[i] = (struct row){ tokens, bytes, nats };
	return (NOTE_ROW);
}

int
docsums_resume(struct docsums *t, const char *text, size_t n, struct docsums_resumed *there)
{
	size_t size = t->documents * sizeof(*t->rows), length;
	struct docsums_resumed so_far = { 0, 0, 0 };
	const char *end, *begin = text, *all = text;
	uint64_t place = 1, p = 0, next = 1;
	struct row *rows, *good;
	char line[128], digest[SHA256_HEX_SIZE], now[SHA256_HEX_SIZE] = "";
	enum note kind;

	if ((rows = calloc(2, size)) == NULL)
		return (-1);
	good = rows + t->documents;
	for (; n != 0 && (end = memchr(text, '\n', n)) != NULL; n -= length + 1, text += length + 1) {
		length = (size_t)(end - text);
		if (length >= sizeof(line))
			goto err0;
		memcpy(line, text, length);
		line[length] = '\0';
		if ((kind = note_line(t, rows, line, &p, &next, digest)) == NOTE_NONE ||
		    (kind == NOTE_PART && (p < so_far.part || next < place)))
			goto err0;
		if (kind == NOTE_ROW)
			continue;
		/* The digest's own digits end the line. */
		if (chain(now, begin, (size_t)(end - begin) - strlen(digest) - 1) == -1 || strcmp(now, digest) != 0)
			goto err0;
		begin = end + 1;
		so_far.bytes = (size_t)(begin - all);
		so_far.resumes += kind == NOTE_RESUME;
		memcpy(good, rows, size);
		so_far.part = p;
		place = next;
	}
	memcpy(t->rows, good, size);
	free(rows);
	t->next = place;
	t->doc = 0;
	t->doc_end = t->docs[0].tokens;
	while (t->next > t->doc_end)
		t->doc_end += t->docs[++t->doc].tokens;
	t->noted = t->doc;
	strcpy(t->chain, now);
	*there = so_far;
	return (0);
err0:
	free(rows);
	errno = EBADMSG;
	return (-1);
}
