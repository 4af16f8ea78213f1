#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/proc.h"
#include "base/say.h"
#include "data/child.h"
#include "data/dataset.h"
#include "data/documents.h"
#include "data/encode.h"
#include "data/idtext.h"
#include "data/overlap.h"
#include "data/parts.h"
#include "data/scratch.h"
#include "data/shard.h"
#include "data/shardset.h"
#include "data/split.h"
#include "data/textloss.h"
#include "data/tokenizer.h"

/* spm_encode is given this long, and as long again for each so many bytes: some fifty times what it needs. */
#define ENCODE_WAIT_MS INT64_C(120000)
#define ENCODE_BYTES_PER_MS 100

#define MAX_ENCODERS 16

/* One bucket on its way through spm_encode. */
struct job {
	struct child child;
	size_t number;       /* of the bucket */
	unsigned char *side; /* SPLIT_* of each of its documents */
	uint16_t mark[8];    /* ids of what stands in front of a part that was cut off */
	size_t mark_ids;
	int text_fd, ids_fd, err_fd; /* files without names */
};

struct work {
	struct encode *e;
	struct inputerror *f;
	struct split split;
	struct shardset_writer *train, *val;
	struct sha256 *val_raw, *val_kept;
	struct textloss train_loss, val_loss;
	struct overlap *overlap;
	int cut;         /* long documents may be encoded in parts */
	int32_t newline; /* id that stands for a line break that is kept */
	uint16_t *ids;   /* of a document of several parts */
	size_t room;
	uint64_t overlapping; /* training documents that only their text tells from one of validation: dropped */
};

/* The digest of validation text: each document, then a NUL, which none of them holds. */
static void
digest_text(struct sha256 *h, const char *text, size_t n)
{
	sha256_add(h, text, n);
	sha256_add(h, "", 1);
}

static int
add_document(struct work *w, const struct corpus_doc *doc, const uint16_t *ids, uint64_t n, int is_val)
{
	uint64_t bytes = vocab_count_bytes16(w->e->vocab, ids, n), raw_bytes = doc->bytes;
	struct textloss *loss = is_val ? &w->val_loss : &w->train_loss;

	int same;

	/* Bytes are the text: nothing to decode, and copies are dropped already. */
	if (!vocab_is_bytes(w->e->vocab)) {
		overlap_ids(w->overlap, ids, n);
		if ((same = overlap_end(w->overlap, is_val)) == -1)
			return (inputerror_errno(w->f, "split", "the corpus"));
		if (same) {
			w->overlapping++;
			return (0);
		}
		if (textloss_add(loss, w->e->vocab, ids, n, doc->text, doc->bytes) == -1)
			return (inputerror_errno(w->f, "decode", "a document"));
	}
	if (is_val) {
		digest_text(w->val_raw, doc->text, doc->bytes);
		if (!vocab_is_bytes(w->e->vocab))
			digest_text(w->val_kept, loss->text.p, loss->text.n);
		if (dataset_docs_row(&w->e->docs, w->e->val.documents, n, bytes, raw_bytes) == -1)
			return (inputerror_errno(w->f, "write", DATASET_DOCS_FILE));
	}
	if ((w->e->train.documents + w->e->val.documents) % 1024 == 0)
		say_progress("encoding: %" PRIu64 " of %" PRIu64 " documents",
		    w->e->train.documents + w->e->val.documents, w->e->documents);
	return (shardset_add(is_val ? w->val : w->train, ids, n, bytes, raw_bytes, w->f));
}

static int
encode_bytes(struct work *w)
{
	struct corpus_bucket bucket;
	const struct corpus_doc *doc;
	uint16_t *ids; /* of one document */
	size_t i, j, k;
	int side, rc = 0;

	if ((ids = malloc((DOCUMENTS_MAX_BYTES + 1) * sizeof(ids[0]))) == NULL)
		return (inputerror_errno(w->f, "encode", "bytes"));
	for (i = 0; i < corpus_buckets(w->e->corpus) && rc == 0; i++) {
		if ((rc = corpus_load(w->e->corpus, i, &bucket, w->f)) == -1)
			break;
		corpus_forget(w->e->corpus, i);
		for (j = 0; j < bucket.count && rc == 0; j++) {
			doc = &bucket.docs[j];
			if ((side = split_next(&w->split, doc)) == -1) {
				rc = inputerror_errno(w->f, "split", "the corpus");
				break;
			}
			if (side == SPLIT_DROP)
				continue;
			ids[0] = (uint16_t)vocab_bos(w->e->vocab);
			for (k = 0; k < doc->bytes; k++)
				ids[k + 1] = (uint16_t)((unsigned char)doc->text[k] + 4);
			rc = add_document(w, doc, ids, doc->bytes + 1, side == SPLIT_VAL);
		}
		corpus_release(&bucket);
	}
	free(ids);
	return (rc);
}

static void
job_clear(struct job *job)
{
	child_kill(&job->child);
	free(job->side);
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

	parts_begin(&parts, doc->text, doc->bytes, w->e->keep_lines, w->cut);
	while ((how = parts_next(&parts, &p, &n)) != -1)
		if ((how == PARTS_CUT && str_puts(text, CUT_MARK) == -1) || scratch_line(text, p, n) == -1)
			return (-1);
	return (0);
}

/* Write a bucket's documents for the encoder, and decide on each. */
static int
job_fill(struct work *w, struct job *job, const struct corpus_bucket *bucket)
{
	const struct corpus_doc *doc;
	struct str text = STR_INIT;
	int side, rc = -1;
	size_t i;

	if ((job->side = calloc(bucket->count + 1, sizeof(job->side[0]))) == NULL ||
	    (w->cut && str_puts(&text, CUT_MARK "\n") == -1))
		goto done;
	for (i = 0; i < bucket->count; i++) {
		doc = &bucket->docs[i];
		if ((side = split_next(&w->split, doc)) == -1)
			goto done;
		job->side[i] = (unsigned char)side;
		if (side == SPLIT_DROP)
			continue;
		if (put_parts(w, &text, doc) == -1 || scratch_flush(&text, job->text_fd, 1 << 20) == -1)
			goto done;
	}
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

	if ((job->text_fd = scratch_file(w->e->dirfd, w->f)) == -1 ||
	    (job->ids_fd = scratch_file(w->e->dirfd, w->f)) == -1 ||
	    (job->err_fd = scratch_file(w->e->dirfd, w->f)) == -1 ||
	    corpus_load(w->e->corpus, number, &bucket, w->f) == -1)
		return (-1);
	job->number = number;
	rc = job_fill(w, job, &bucket);
	corpus_release(&bucket);
	if (rc == -1)
		return (-1);
	if (lseek(job->text_fd, 0, SEEK_SET) == -1 || fstat(job->text_fd, &st) == -1)
		return (inputerror_errno(w->f, "read", "temporary files"));
	return (child_start(&job->child, argv, w->e->dirfd, job->text_fd, job->ids_fd, job->err_fd,
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

	parts_begin(&parts, doc->text, doc->bytes, w->e->keep_lines, w->cut);
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

/* Wait for the encoder and put what it printed into the shards, each document beside what it was. */
static int
job_finish(struct work *w, struct job *job)
{
	struct corpus_bucket bucket;
	const uint16_t *ids;
	struct idtext *r;
	uint64_t n;
	size_t i;
	int rc = 1;

	if (child_wait(&job->child, w->f) == -1 || corpus_load(w->e->corpus, job->number, &bucket, w->f) == -1)
		return (-1);
	corpus_forget(w->e->corpus, job->number);
	if (lseek(job->ids_fd, 0, SEEK_SET) == -1 ||
	    (r = idtext_begin(job->ids_fd, "spm_encode", vocab_size(w->e->vocab), vocab_bos(w->e->vocab))) == NULL) {
		corpus_release(&bucket);
		return (inputerror_errno(w->f, "read", "temporary files"));
	}
	rc = read_mark(w, r, job);
	for (i = 0; i < bucket.count && rc == 1; i++)
		if (job->side[i] != SPLIT_DROP && (rc = read_document(w, job, r, &bucket.docs[i], &ids, &n)) == 1 &&
		    add_document(w, &bucket.docs[i], ids, n, job->side[i] == SPLIT_VAL) == -1)
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
encode_model(struct work *w)
{
	size_t buckets = corpus_buckets(w->e->corpus), started = 0, finished = 0, encoders = proc_cpus(), i;
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
encode_corpus(struct encode *e, struct inputerror *f)
{
	struct work w = { .e = e, .f = f };
	int rc = -1;

	e->train.name = "train";
	e->val.name = "val";
	w.cut = vocab_cuts(e->vocab);
	w.newline = vocab_byte_id(e->vocab, '\n');
	if (e->keep_lines && !vocab_is_bytes(e->vocab) && w.newline == -1) {
		inputerror_set(f, REFUSAL_INPUT_INVALID, TOKENIZER_FILE,
		    "it has no byte pieces, so line breaks can't be kept (-L)", "");
		goto done;
	}
	if (split_begin(&w.split, e->val_docs, e->val_given) == -1) {
		inputerror_errno(f, "split", "the corpus");
		goto done;
	}
	if ((w.train = shardset_begin(e->dirfd, "corpus_train", &e->train)) == NULL ||
	    (w.val = shardset_begin(e->dirfd, "corpus_val", &e->val)) == NULL || (w.val_raw = sha256_begin()) == NULL ||
	    (w.val_kept = sha256_begin()) == NULL || (w.overlap = overlap_new()) == NULL ||
	    str_puts(&e->docs, DATASET_DOCS_HEADER) == -1) {
		inputerror_errno(f, "encode", "the corpus");
		goto done;
	}
	if ((vocab_is_bytes(e->vocab) ? encode_bytes(&w) : encode_model(&w)) == -1)
		goto done;
	if (e->train.documents == 0) {
		inputerror_set(f, REFUSAL_INPUT_INVALID, "the corpus",
		    "to this tokenizer every training document is one of validation", "");
		goto done;
	}
	rc = shardset_end(w.train, f);
	w.train = NULL;
	if (shardset_end(w.val, f) == -1)
		rc = -1;
	w.val = NULL;
	sha256_end(w.val_raw, e->val_raw_sha256);
	sha256_end(w.val_kept, e->val_kept_sha256);
	if (vocab_is_bytes(e->vocab))
		memcpy(e->val_kept_sha256, e->val_raw_sha256, SHA256_HEX_SIZE);
	w.val_raw = w.val_kept = NULL;
	e->train.lost_bytes = w.train_loss.bytes;
	e->train.lost_documents = w.train_loss.documents;
	e->val.lost_bytes = w.val_loss.bytes;
	e->val.lost_documents = w.val_loss.documents;
	e->dropped = w.split.dropped + w.overlapping;
done:
	shardset_abort(w.train);
	shardset_abort(w.val);
	sha256_free(w.val_raw);
	sha256_free(w.val_kept);
	free(w.ids);
	overlap_free(w.overlap);
	textloss_free(&w.train_loss);
	textloss_free(&w.val_loss);
	split_free(&w.split);
	return (rc);
}
