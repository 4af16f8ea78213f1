#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/proc.h"
#include "base/str.h"
#include "data/child.h"
#include "data/encode_spm.h"
#include "data/idtext.h"
#include "data/parts.h"
#include "data/scratch.h"
#include "data/shard.h"
#include "data/tokenizer.h"

/* spm_encode is given this long, and as long again for each so many bytes: some fifty times what it needs. */
#define ENCODE_WAIT_MS INT64_C(120000)
#define ENCODE_BYTES_PER_MS 100

#define MAX_ENCODERS 16

/* One bucket on its way through spm_encode. */
struct job {
	struct child child;
	size_t number;    /* of the bucket */
	uint64_t first;   /* number of its first document in the order */
	uint16_t mark[8]; /* ids of what stands in front of a part that was cut off */
	size_t mark_ids;
	int text_fd, ids_fd, err_fd; /* files without names */
};

struct work {
	const struct encoded_from *from;
	encoded_sink *sink;
	void *cookie;
	struct inputerror *f;
	struct encoded_meter *meter;
	uint64_t number; /* of the next document to be written for an encoder */
	int cut;         /* long documents may be encoded in parts */
	int32_t newline; /* id that stands for a line break that is kept */
	uint16_t *ids;   /* of a document of several parts */
	size_t room;
};

static void
job_clear(struct job *job)
{
	child_kill(&job->child);
	if (job->text_fd != -1)
		close(job->text_fd);
	if (job->ids_fd != -1)
		close(job->ids_fd);
	if (job->err_fd != -1)
		close(job->err_fd);
	*job = (struct job){ .text_fd = -1, .ids_fd = -1, .err_fd = -1 };
}

/* What stands in front of a part that begins with a blank, which would be stripped there. Its ids are taken off. */
#define CUT_MARK "x"

/* A document as lines for the encoder. */
static int
put_parts(struct work *w, struct str *text, const struct corpus_doc *doc)
{
	struct parts parts;
	const char *p;
	size_t n;
	int how;

	parts_begin(&parts, doc->text, doc->bytes, w->from->keep_lines, w->cut);
	while ((how = parts_next(&parts, &p, &n)) != -1)
		if ((how == PARTS_CUT && str_puts(text, CUT_MARK) == -1) || scratch_line(text, p, n) == -1)
			return (-1);
	return (0);
}

static int
is_skipped(const struct work *w, uint64_t number)
{
	return (number >= w->from->skip && number < w->from->skip_end);
}

/* Write a bucket's documents for the encoder. */
static int
job_fill(struct work *w, struct job *job, const struct corpus_bucket *bucket)
{
	struct str text = STR_INIT;
	int rc = -1;
	size_t i;

	if (w->cut && str_puts(&text, CUT_MARK "\n") == -1)
		goto done;
	job->first = w->number;
	for (i = 0; i < bucket->count; i++)
		if (!is_skipped(w, w->number++) &&
		    (put_parts(w, &text, &bucket->docs[i]) == -1 || scratch_flush(&text, job->text_fd, 1 << 20) == -1))
			goto done;
	rc = scratch_flush(&text, job->text_fd, 0);
done:
	str_free(&text);
	if (rc == -1)
		inputerror_errno(w->f, "write", "temporary files");
	return (rc);
}

static int
job_start(struct work *w, struct job *job, size_t number)
{
	static const char *const argv[] = { "spm_encode", "--model=" TOKENIZER_FILE, "--output_format=id",
		"--extra_options=bos", NULL };
	struct corpus_bucket bucket;
	struct stat st;
	int rc;

	if ((job->text_fd = scratch_file(w->from->dirfd, w->f)) == -1 ||
	    (job->ids_fd = scratch_file(w->from->dirfd, w->f)) == -1 ||
	    (job->err_fd = scratch_file(w->from->dirfd, w->f)) == -1 ||
	    corpus_load(w->from->corpus, number, &bucket, w->f) == -1)
		return (-1);
	job->number = number;
	rc = job_fill(w, job, &bucket);
	corpus_release(&bucket);
	if (rc == -1)
		return (-1);
	if (lseek(job->text_fd, 0, SEEK_SET) == -1 || fstat(job->text_fd, &st) == -1)
		return (inputerror_errno(w->f, "read", "temporary files"));
	return (child_start(&job->child, argv, w->from->dirfd, job->text_fd, job->ids_fd, job->err_fd,
	    ENCODE_WAIT_MS + (int64_t)st.st_size / ENCODE_BYTES_PER_MS, w->f));
}

/* Append ids to those of the document under way. 0, or -1 with errno ENOMEM. */
static int
keep_ids(struct work *w, size_t had, const uint16_t *ids, uint64_t n)
{
	uint16_t *more;

	if (had + n > w->room) {
		if ((more = realloc(w->ids, 2 * (had + n) * sizeof(ids[0]))) == NULL)
			return (-1);
		w->ids = more;
		w->room = 2 * (had + n);
	}
	if (n > 0)
		memcpy(w->ids + had, ids, n * sizeof(ids[0]));
	return (0);
}

/* The encoder's ids of CUT_MARK, without BOS: 1, or as idtext_next. */
static int
read_mark(struct work *w, struct idtext *r, struct job *job)
{
	const uint16_t *ids;
	uint64_t n;
	int rc;

	if (!w->cut)
		return (1);
	if ((rc = idtext_next(r, &ids, &n, w->f)) != 1)
		return (rc);
	if (n < 2 || n - 1 > sizeof(job->mark) / sizeof(job->mark[0]))
		return (inputerror_set(w->f, REFUSAL_INPUT_INVALID, "spm_encode", "it does not know a letter", ""));
	job->mark_ids = n - 1;
	memcpy(job->mark, ids + 1, (n - 1) * sizeof(ids[0]));
	return (1);
}

/* The ids of a document, its parts put together: 1, or as idtext_next. */
static int
read_document(struct work *w, struct job *job, struct idtext *r, const struct corpus_doc *doc, const uint16_t **ids,
    uint64_t *n)
{
	struct parts parts;
	uint64_t had = 0, skip;
	uint16_t newline = (uint16_t)w->newline;
	const char *p;
	size_t bytes;
	int how, rc;

	parts_begin(&parts, doc->text, doc->bytes, w->from->keep_lines, w->cut);
	while ((how = parts_next(&parts, &p, &bytes)) != -1) {
		if ((rc = idtext_next(r, ids, n, w->f)) != 1)
			return (rc);
		if (how == PARTS_FIRST && parts.done)
			return (1);
		skip = how == PARTS_FIRST ? 0 : how == PARTS_LINE ? 1 : 1 + job->mark_ids;
		if (*n < skip ||
		    (how == PARTS_CUT && memcmp(*ids + 1, job->mark, job->mark_ids * sizeof(newline)) != 0))
			return (inputerror_set(w->f, REFUSAL_INPUT_INVALID, "spm_encode",
			    "it encodes a document differently in parts", ""));
		if ((how == PARTS_LINE && keep_ids(w, had++, &newline, 1) == -1) ||
		    keep_ids(w, had, *ids + skip, *n - skip) == -1)
			return (inputerror_errno(w->f, "encode", "a document"));
		had += *n - skip;
	}
	if (had > SHARD_MAX_TOKENS)
		return (
		    inputerror_set(w->f, REFUSAL_INPUT_INVALID, "spm_encode", "more ids than a shard may hold", ""));
	*ids = w->ids;
	*n = had;
	return (1);
}

/* Hand one document over, with what it was. 0 or -1. */
static int
hand_over(struct work *w, const struct corpus_doc *doc, const uint16_t *ids, uint64_t n)
{
	struct encoded d = { .ids = ids, .n = n };

	if (encoded_measure(w->meter, doc, &d) == -1)
		return (inputerror_errno(w->f, "decode", "a document"));
	return (w->sink(w->cookie, doc, &d, w->f));
}

/* Wait for the encoder and hand over what it printed, each document beside what it was. */
static int
job_finish(struct work *w, struct job *job)
{
	struct corpus_bucket bucket;
	const uint16_t *ids;
	struct idtext *r;
	uint64_t n;
	size_t i;
	int rc = 1;

	if (child_wait(&job->child, w->f) == -1 || corpus_load(w->from->corpus, job->number, &bucket, w->f) == -1)
		return (-1);
	corpus_forget(w->from->corpus, job->number);
	if (lseek(job->ids_fd, 0, SEEK_SET) == -1 ||
	    (r = idtext_begin(job->ids_fd, "spm_encode", vocab_size(w->from->vocab), vocab_bos(w->from->vocab))) ==
		NULL) {
		corpus_release(&bucket);
		return (inputerror_errno(w->f, "read", "temporary files"));
	}
	rc = read_mark(w, r, job);
	for (i = 0; i < bucket.count && rc == 1; i++)
		if (!is_skipped(w, job->first + i) && (rc = read_document(w, job, r, &bucket.docs[i], &ids, &n)) == 1 &&
		    hand_over(w, &bucket.docs[i], ids, n) == -1)
			rc = -1;
	if (rc == 1)
		rc = idtext_next(r, &ids, &n, w->f) == 0 ? 1 : 0;
	if (rc == 0)
		rc = inputerror_set(w->f, REFUSAL_INPUT_INVALID, "spm_encode", "it printed another number of documents",
		    "");
	idtext_free(r);
	corpus_release(&bucket);
	return (rc == 1 ? 0 : -1);
}

/* As many encoders at once as there are processors; what they print is taken in order. */
static int
run(struct work *w)
{
	size_t buckets = corpus_buckets(w->from->corpus), started = 0, finished = 0, encoders = proc_cpus(), i;
	struct job jobs[MAX_ENCODERS];
	int rc = 0;

	if (encoders > MAX_ENCODERS)
		encoders = MAX_ENCODERS;
	for (i = 0; i < MAX_ENCODERS; i++)
		jobs[i] = (struct job){ .text_fd = -1, .ids_fd = -1, .err_fd = -1, .child = { .fd = -1 } };
	while (finished < buckets && rc == 0) {
		if (started < buckets && started - finished < encoders) {
			rc = job_start(w, &jobs[started % encoders], started);
			started++;
			continue;
		}
		rc = job_finish(w, &jobs[finished % encoders]);
		job_clear(&jobs[finished % encoders]);
		finished++;
	}
	for (i = 0; i < MAX_ENCODERS; i++)
		job_clear(&jobs[i]);
	return (rc);
}

int
encode_spm(const struct encoded_from *from, encoded_sink *sink, void *cookie, struct inputerror *f)
{
	struct work w = { .from = from, .sink = sink, .cookie = cookie, .f = f };
	int rc;

	w.cut = vocab_cuts(from->vocab);
	w.newline = vocab_byte_id(from->vocab, '\n');
	if ((w.meter = encoded_meter_new(from->vocab)) == NULL)
		return (inputerror_errno(f, "encode", "the corpus"));
	rc = run(&w);
	encoded_meter_free(w.meter);
	free(w.ids);
	return (rc);
}
