#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/atomfile.h"
#include "data/child.h"
#include "data/corpus.h"
#include "data/dataset.h"
#include "data/documents.h"
#include "base/file.h"
#include "data/idtext.h"
#include "base/jsonio.h"
#include "data/shardset.h"
#include "data/prepare.h"
#include "base/proc.h"
#include "base/rng.h"
#include "base/say.h"
#include "data/shard.h"
#include "base/str.h"
#include "data/vocab.h"

#define MODEL_FILE "tokenizer.model"
#define DOCS_FILE "val_docs.tsv"
#define MODEL_MAX_BYTES ((size_t)64 << 20)

#define DEFAULT_VAL_DOCS 5000

/* Text that spm_train sees: it holds some twelve bytes in memory for each of them. */
#define SAMPLE_BYTES ((uint64_t)32 << 20)
#define SAMPLE_STREAM UINT64_C(0x73706d5f74726169)

/* It skips longer lines. */
#define SENTENCE_BYTES 4000

/* Helpers are given this long, and as long again for each so many bytes: some fifty times what they need. */
#define TRAIN_WAIT_MS INT64_C(600000)
#define TRAIN_BYTES_PER_MS 20
#define ENCODE_WAIT_MS INT64_C(120000)
#define ENCODE_BYTES_PER_MS 100

#define MAX_ENCODERS 16

/* So many source files are listed in dataset.json; all are in files_sha256. */
#define LISTED_FILES 1000

struct job_doc {
	uint32_t raw_bytes;
	int is_val;
};

/* One bucket on its way through spm_encode. */
struct job {
	struct child child;
	struct job_doc *docs;
	size_t count;
	int text_fd, ids_fd, err_fd; /* files without names */
};

/* Which documents are validation, in one pass over them in order. */
struct split {
	struct corpus_set *val;
	uint64_t wanted, found;
	uint64_t dropped; /* copies of validation documents */
};

enum verdict { VERDICT_VAL, VERDICT_TRAIN, VERDICT_DROP };

struct work {
	const struct prepare *p;
	int dirfd;
	struct inputerror *f;
	struct corpus *corpus;
	struct documents_counts counts;
	json_t *files; /* as far as listed */
	struct str file_digests;
	uint64_t expected_bytes, read_bytes, duplicates, val_docs;
	struct vocab *vocab;
	struct split split;
	struct dataset dataset;
	struct shardset_writer *train, *val;
	struct sha256 *val_raw;
	struct str docs; /* val_docs.tsv */
	uint16_t *ids;   /* of one document, for bytes */
};

/* --- reading ---------------------------------------------------------------------- */

static int
open_source(const char *path)
{
	return (strcmp(path, "-") == 0 ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC));
}

/* Bytes of all files, or 0 if one of them is no regular file. */
static uint64_t
source_bytes(const struct prepare *p)
{
	uint64_t sum = 0;
	struct stat st;
	size_t i;

	for (i = 0; i < p->count; i++) {
		if (strcmp(p->files[i], "-") == 0 || stat(p->files[i], &st) == -1 || !S_ISREG(st.st_mode))
			return (0);
		sum += (uint64_t)st.st_size;
	}
	return (sum);
}

static int
take_document(void *cookie, const char *text, size_t n, struct inputerror *f)
{
	struct work *w = cookie;

	if (w->counts.documents % 1024 == 0)
		say_progress("reading: %" PRIu64 " documents, %" PRIu64 " MB", w->counts.documents,
		    w->counts.text_bytes / 1000000);
	return (corpus_add(w->corpus, text, n, f));
}

/* Read the sources: into the corpus, or with corpus NULL for their digests alone. */
static int
read_sources(struct work *w)
{
	const struct prepare *p = w->p;
	char hex[SHA256_HEX_SIZE];
	uint64_t bytes;
	size_t i;
	int fd, rc;

	if ((w->files = json_array()) == NULL)
		return (inputerror_errno(w->f, "read", "the corpus"));
	for (i = 0; i < p->count; i++) {
		if ((fd = open_source(p->files[i])) == -1)
			return (inputerror_errno(w->f, "read", p->files[i]));
		rc = documents_read(fd, p->files[i], p->format, &w->counts, w->corpus == NULL ? NULL : take_document, w,
		    hex, &bytes, w->f);
		close(fd);
		if (rc == -1)
			return (-1);
		w->read_bytes += bytes;
		if (str_printf(&w->file_digests, "%s %" PRIu64 "\n", hex, bytes) == -1 ||
		    (i < LISTED_FILES &&
			json_array_append_new(w->files,
			    json_pack("{s:s, s:I, s:s}", "path", p->files[i], "bytes", (json_int_t)bytes, "sha256",
				hex)) == -1))
			return (inputerror_set(w->f, REFUSAL_INPUT_INVALID, p->files[i], "its name is not UTF-8", ""));
	}
	return (0);
}

static int
read_corpus(struct work *w)
{
	const struct prepare *p = w->p;
	char expected[64];

	w->corpus = corpus_begin(w->dirfd, w->expected_bytes, p->keep_order ? NULL : &p->seed, w->f);
	if (w->corpus == NULL || read_sources(w) == -1 || corpus_end(w->corpus, &w->duplicates, w->f) == -1)
		return (-1);
	if (w->counts.documents == 0)
		return (inputerror_set(w->f, REFUSAL_INPUT_INVALID, "the corpus", "no document that is not empty", ""));
	w->val_docs = p->val_docs;
	if (w->val_docs == 0) {
		w->val_docs = w->counts.documents / 10 < DEFAULT_VAL_DOCS ? w->counts.documents / 10 : DEFAULT_VAL_DOCS;
		w->val_docs += w->val_docs == 0;
	}
	if (w->val_docs >= w->counts.documents - w->duplicates) {
		snprintf(expected, sizeof(expected), "more than the %" PRIu64 " for validation", w->val_docs);
		return (
		    inputerror_set(w->f, REFUSAL_INPUT_INVALID, "the corpus", "too few different documents", expected));
	}
	return (0);
}

/* --- validation or training ---------------------------------------------------------- */

static int
split_begin(struct work *w)
{
	corpus_set_free(w->split.val);
	memset(&w->split, 0, sizeof(w->split));
	w->split.wanted = w->val_docs;
	if ((w->split.val = corpus_set_new()) == NULL)
		return (inputerror_errno(w->f, "split", "the corpus"));
	return (0);
}

/* The first that differ are validation; copies of them are dropped wherever they stand. -1 with errno ENOMEM. */
static int
split_next(struct split *s, const struct corpus_doc *doc)
{
	int rc;

	if (s->found < s->wanted) {
		if ((rc = corpus_set_add(s->val, doc->digest)) == -1)
			return (-1);
		s->found += (uint64_t)rc;
		s->dropped += rc == 0;
		return (rc == 1 ? VERDICT_VAL : VERDICT_DROP);
	}
	if (!corpus_set_has(s->val, doc->digest))
		return (VERDICT_TRAIN);
	s->dropped++;
	return (VERDICT_DROP);
}

/* --- helper programs --------------------------------------------------------------------- */

/* A file without a name in the working directory. */
static int
scratch(struct work *w)
{
	static const char name[] = ".scratch";
	int fd;

	if ((fd = openat(w->dirfd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600)) == -1 ||
	    unlinkat(w->dirfd, name, 0) == -1) {
		inputerror_errno(w->f, "write", "temporary files");
		if (fd != -1)
			close(fd);
		return (-1);
	}
	return (fd);
}

/* Line breaks inside are spaces to the tokenizer. */
static int
put_text(struct str *out, const char *text, size_t n)
{
	size_t at = out->n, i;

	if (str_add(out, text, n) == -1 || str_add(out, "\n", 1) == -1)
		return (-1);
	for (i = at; i < at + n; i++)
		if (out->p[i] == '\n')
			out->p[i] = ' ';
	return (0);
}

static int
flush_text(struct str *text, int fd, size_t keep)
{
	if (text->n <= keep)
		return (0);
	if (file_write_all(fd, text->p, text->n) == -1)
		return (-1);
	text->n = 0;
	return (0);
}

/* --- the tokenizer --------------------------------------------------------------------- */

/* A document for spm_train, cut at blanks where its lines would be too long. */
static int
put_sentences(struct str *out, const char *text, size_t n)
{
	size_t length;

	for (; n > 0; n -= length, text += length) {
		length = n;
		if (length > SENTENCE_BYTES) {
			length = SENTENCE_BYTES;
			while (length > 0 && text[length] != ' ' && text[length] != '\n')
				length--;
			/* No blank at all: cut before a character. */
			length = length == 0 ? SENTENCE_BYTES : length;
			while ((text[length] & 0xc0) == 0x80)
				length--;
		}
		if (put_text(out, text, length) == -1)
			return (-1);
	}
	return (0);
}

/* A sample of the training documents: each is in it by a hash of its own, so that any order gives an even one. */
static int
write_sample(struct work *w, int fd)
{
	struct corpus_bucket bucket;
	struct str text = STR_INIT;
	uint64_t threshold = UINT64_MAX, taken = 0;
	size_t i, j;
	int verdict, rc = -1;

	if (w->counts.text_bytes > SAMPLE_BYTES)
		threshold = UINT64_MAX / (w->counts.text_bytes / 1024) * (SAMPLE_BYTES / 1024);
	if (split_begin(w) == -1)
		return (-1);
	for (i = 0; i < corpus_buckets(w->corpus); i++) {
		if (corpus_load(w->corpus, i, &bucket, w->f) == -1)
			goto done;
		for (j = 0; j < bucket.count; j++) {
			if ((verdict = split_next(&w->split, &bucket.docs[j])) == -1)
				break;
			if (verdict != VERDICT_TRAIN || rng_mix(bucket.docs[j].place ^ SAMPLE_STREAM) > threshold ||
			    taken > 2 * SAMPLE_BYTES)
				continue;
			taken += bucket.docs[j].bytes;
			if (put_sentences(&text, bucket.docs[j].text, bucket.docs[j].bytes) == -1 ||
			    flush_text(&text, fd, 1 << 20) == -1)
				break;
		}
		rc = j < bucket.count ? -1 : 0;
		corpus_release(&bucket);
		if (rc == -1) {
			inputerror_errno(w->f, "write", "a sample for spm_train");
			goto done;
		}
	}
	if ((rc = flush_text(&text, fd, 0)) == -1)
		inputerror_errno(w->f, "write", "a sample for spm_train");
done:
	str_free(&text);
	return (rc);
}

/* Run spm_train with the public settings. Names are relative: they end up in the model's bytes. */
static int
run_spm_train(struct work *w, int err_fd, uint64_t sample_bytes)
{
	char vocab_size[48];
	const char *argv[] = { "spm_train", "--input=sample.txt", "--model_prefix=spm", "--model_type=bpe", vocab_size,
		"--character_coverage=0.999", "--byte_fallback=true", "--split_digits=true",
		"--normalization_rule_name=nmt_nfkc", "--add_dummy_prefix=false", "--hard_vocab_limit=false",
		"--pad_id=0", "--bos_id=1", "--eos_id=2", "--unk_id=3", "--minloglevel=1", NULL };
	struct child c;

	snprintf(vocab_size, sizeof(vocab_size), "--vocab_size=%" PRIu32, w->p->vocab_size);
	if (child_start(&c, argv, w->dirfd, -1, -1, err_fd, TRAIN_WAIT_MS + (int64_t)sample_bytes / TRAIN_BYTES_PER_MS,
		w->f) == -1)
		return (-1);
	return (child_wait(&c, w->f));
}

/* Publish a model's bytes under its name; steals the text. */
static int
put_model(struct work *w, char *text, size_t n)
{
	int rc;

	if ((rc = atomfile_replace(w->dirfd, MODEL_FILE, text, n)) == -1)
		inputerror_errno(w->f, "write", MODEL_FILE);
	free(text);
	return (rc);
}

static int
train_model(struct work *w)
{
	struct stat st;
	char *text;
	int fd, err_fd, rc = -1;
	size_t n;

	if ((err_fd = scratch(w)) == -1)
		return (-1);
	if ((fd = openat(w->dirfd, "sample.txt", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600)) == -1) {
		inputerror_errno(w->f, "write", "sample.txt");
		goto done;
	}
	if (write_sample(w, fd) == -1 || fstat(fd, &st) == -1)
		goto done;
	say_progress("training the tokenizer on %ju MB", (uintmax_t)st.st_size / 1000000);
	if (run_spm_train(w, err_fd, (uint64_t)st.st_size) == -1)
		goto done;
	if ((text = file_read(w->dirfd, "spm.model", MODEL_MAX_BYTES, &n)) == NULL) {
		inputerror_errno(w->f, "read", "spm.model");
		goto done;
	}
	if (put_model(w, text, n) == -1 || atomfile_remove(w->dirfd, "sample.txt") == -1 ||
	    atomfile_remove(w->dirfd, "spm.model") == -1 || atomfile_remove(w->dirfd, "spm.vocab") == -1)
		goto done;
	rc = 0;
done:
	if (fd != -1)
		close(fd);
	close(err_fd);
	return (rc);
}

static int
copy_model(struct work *w)
{
	size_t n;
	char *text;
	int fd;

	/* The path is the user's own: links in it are meant. */
	if ((fd = open(w->p->model, O_RDONLY | O_CLOEXEC)) == -1)
		return (inputerror_errno(w->f, "read", w->p->model));
	text = file_read_fd(fd, MODEL_MAX_BYTES, &n);
	close(fd);
	if (text == NULL)
		return (inputerror_errno(w->f, "read", w->p->model));
	return (put_model(w, text, n));
}

/* Open a vocabulary that stands in the working directory. */
static struct vocab *
open_model(struct work *w)
{
	struct str path = STR_INIT;
	struct vocab *v;

	if (str_printf(&path, "/proc/self/fd/%d/" MODEL_FILE, w->dirfd) == -1) {
		inputerror_errno(w->f, "read", MODEL_FILE);
		return (NULL);
	}
	v = vocab_open_as(path.p, w->p->model != NULL ? w->p->model : MODEL_FILE, w->f);
	str_free(&path);
	return (v);
}

static int
get_vocab(struct work *w)
{
	const struct prepare *p = w->p;

	if (p->model == NULL && p->vocab_size == 0) {
		if ((w->vocab = vocab_bytes()) == NULL)
			return (inputerror_errno(w->f, "open", "bytes"));
		if ((w->ids = malloc((DOCUMENTS_MAX_BYTES + 1) * sizeof(w->ids[0]))) == NULL)
			return (inputerror_errno(w->f, "encode", "bytes"));
		return (0);
	}
	if ((p->model != NULL ? copy_model(w) : train_model(w)) == -1 || (w->vocab = open_model(w)) == NULL)
		return (-1);
	w->dataset.tokenizer_path = strdup(MODEL_FILE);
	if (w->dataset.tokenizer_path == NULL)
		return (inputerror_errno(w->f, "open", MODEL_FILE));
	if (p->model == NULL && vocab_size(w->vocab) != p->vocab_size)
		say_note("the corpus yields a vocabulary of %" PRIu32 ", not %" PRIu32, vocab_size(w->vocab),
		    p->vocab_size);
	if (!vocab_joins_lines(w->vocab))
		say_note("this tokenizer tells line breaks from spaces; inside documents it is given spaces");
	return (0);
}

/* --- encoding ----------------------------------------------------------------------------- */

static int
add_document(struct work *w, const uint16_t *ids, uint64_t n, uint64_t raw_bytes, int is_val)
{
	uint64_t bytes = vocab_count_bytes16(w->vocab, ids, n);

	if (is_val && dataset_docs_row(&w->docs, w->dataset.val.documents, n, bytes, raw_bytes) == -1)
		return (inputerror_errno(w->f, "write", DOCS_FILE));
	if ((w->dataset.train.documents + w->dataset.val.documents) % 1024 == 0)
		say_progress("encoding: %" PRIu64 " of %" PRIu64 " documents",
		    w->dataset.train.documents + w->dataset.val.documents, w->counts.documents);
	return (shardset_add(is_val ? w->val : w->train, ids, n, bytes, raw_bytes, w->f));
}

/* The digest of the raw validation text: each document, then a NUL, which none of them holds. */
static void
digest_raw(struct work *w, const struct corpus_doc *doc)
{
	sha256_add(w->val_raw, doc->text, doc->bytes);
	sha256_add(w->val_raw, "", 1);
}

static int
encode_bytes(struct work *w)
{
	struct corpus_bucket bucket;
	const struct corpus_doc *doc;
	size_t i, j, k;
	int verdict, rc = 0;

	for (i = 0; i < corpus_buckets(w->corpus) && rc == 0; i++) {
		if (corpus_load(w->corpus, i, &bucket, w->f) == -1)
			return (-1);
		corpus_forget(w->corpus, i);
		for (j = 0; j < bucket.count && rc == 0; j++) {
			doc = &bucket.docs[j];
			if ((verdict = split_next(&w->split, doc)) == -1) {
				rc = inputerror_errno(w->f, "split", "the corpus");
				break;
			}
			if (verdict == VERDICT_DROP)
				continue;
			if (verdict == VERDICT_VAL)
				digest_raw(w, doc);
			w->ids[0] = (uint16_t)vocab_bos(w->vocab);
			for (k = 0; k < doc->bytes; k++)
				w->ids[k + 1] = (uint16_t)((unsigned char)doc->text[k] + 4);
			rc = add_document(w, w->ids, doc->bytes + 1, doc->bytes, verdict == VERDICT_VAL);
		}
		corpus_release(&bucket);
	}
	return (rc);
}

static void
job_clear(struct job *job)
{
	child_kill(&job->child);
	free(job->docs);
	if (job->text_fd != -1)
		close(job->text_fd);
	if (job->ids_fd != -1)
		close(job->ids_fd);
	if (job->err_fd != -1)
		close(job->err_fd);
	*job = (struct job){ .text_fd = -1, .ids_fd = -1, .err_fd = -1 };
}

/* Write a bucket's documents for the encoder, decide on each, and digest those of validation. */
static int
job_fill(struct work *w, struct job *job, const struct corpus_bucket *bucket)
{
	const struct corpus_doc *doc;
	struct str text = STR_INIT;
	int verdict, rc = -1;
	size_t i;

	if ((job->docs = calloc(bucket->count + 1, sizeof(job->docs[0]))) == NULL)
		goto done;
	for (i = 0; i < bucket->count; i++) {
		doc = &bucket->docs[i];
		if ((verdict = split_next(&w->split, doc)) == -1)
			goto done;
		if (verdict == VERDICT_DROP)
			continue;
		if (verdict == VERDICT_VAL)
			digest_raw(w, doc);
		job->docs[job->count++] = (struct job_doc){ doc->bytes, verdict == VERDICT_VAL };
		if (put_text(&text, doc->text, doc->bytes) == -1 || flush_text(&text, job->text_fd, 1 << 20) == -1)
			goto done;
	}
	rc = flush_text(&text, job->text_fd, 0);
done:
	str_free(&text);
	if (rc == -1)
		inputerror_errno(w->f, "write", "temporary files");
	return (rc);
}

static int
job_start(struct work *w, struct job *job, size_t number)
{
	static const char *const argv[] = { "spm_encode", "--model=" MODEL_FILE, "--output_format=id",
		"--extra_options=bos", NULL };
	struct corpus_bucket bucket;
	struct stat st;
	int rc;

	if ((job->text_fd = scratch(w)) == -1 || (job->ids_fd = scratch(w)) == -1 || (job->err_fd = scratch(w)) == -1 ||
	    corpus_load(w->corpus, number, &bucket, w->f) == -1)
		return (-1);
	corpus_forget(w->corpus, number);
	rc = job_fill(w, job, &bucket);
	corpus_release(&bucket);
	if (rc == -1)
		return (-1);
	if (lseek(job->text_fd, 0, SEEK_SET) == -1 || fstat(job->text_fd, &st) == -1)
		return (inputerror_errno(w->f, "read", "temporary files"));
	return (child_start(&job->child, argv, w->dirfd, job->text_fd, job->ids_fd, job->err_fd,
	    ENCODE_WAIT_MS + (int64_t)st.st_size / ENCODE_BYTES_PER_MS, w->f));
}

/* Wait for the encoder and put what it printed into the shards. */
static int
job_finish(struct work *w, struct job *job)
{
	const uint16_t *ids;
	struct idtext *r;
	uint64_t n;
	size_t i;
	int rc = 1;

	if (child_wait(&job->child, w->f) == -1)
		return (-1);
	if (lseek(job->ids_fd, 0, SEEK_SET) == -1 ||
	    (r = idtext_begin(job->ids_fd, "spm_encode", vocab_size(w->vocab), vocab_bos(w->vocab))) == NULL)
		return (inputerror_errno(w->f, "read", "temporary files"));
	for (i = 0; i < job->count && (rc = idtext_next(r, &ids, &n, w->f)) == 1; i++)
		if (add_document(w, ids, n, job->docs[i].raw_bytes, job->docs[i].is_val) == -1) {
			rc = -1;
			break;
		}
	if (rc == 1)
		rc = idtext_next(r, &ids, &n, w->f) == 0 ? 1 : 0;
	if (rc == 0)
		rc = inputerror_set(w->f, REFUSAL_INPUT_INVALID, "spm_encode", "it printed another number of documents",
		    "");
	idtext_free(r);
	return (rc == 1 ? 0 : -1);
}

/* As many encoders at once as there are processors; what they print is taken in order. */
static int
encode_model(struct work *w)
{
	size_t buckets = corpus_buckets(w->corpus), started = 0, finished = 0, encoders = proc_cpus(), i;
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

static int
encode(struct work *w)
{
	int rc;

	if (split_begin(w) == -1)
		return (-1);
	w->dataset.train.name = "train";
	w->dataset.val.name = "val";
	if ((w->train = shardset_begin(w->dirfd, "corpus_train", &w->dataset.train)) == NULL ||
	    (w->val = shardset_begin(w->dirfd, "corpus_val", &w->dataset.val)) == NULL ||
	    (w->val_raw = sha256_begin()) == NULL || str_puts(&w->docs, DATASET_DOCS_HEADER) == -1)
		return (inputerror_errno(w->f, "encode", "the corpus"));
	if ((vocab_is_bytes(w->vocab) ? encode_bytes(w) : encode_model(w)) == -1)
		return (-1);
	rc = shardset_end(w->train, w->f);
	w->train = NULL;
	if (shardset_end(w->val, w->f) == -1)
		rc = -1;
	w->val = NULL;
	return (rc);
}

/* --- the dataset's value -------------------------------------------------------------------- */

static json_t *
source_json(struct work *w)
{
	const struct prepare *p = w->p;
	char hex[SHA256_HEX_SIZE];

	if (sha256_hex(w->file_digests.p, w->file_digests.n, hex) == -1)
		return (NULL);
	return (json_pack("{s:s, s:O, s:I, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o}", "format",
	    documents_format_name(p->format), "files", w->files, "files_total", (json_int_t)p->count, "files_sha256",
	    hex, "documents", (json_int_t)w->counts.documents, "empty", (json_int_t)w->counts.empty, "invalid_utf8",
	    (json_int_t)w->counts.invalid_utf8, "nul", (json_int_t)w->counts.nul, "duplicates",
	    (json_int_t)w->duplicates, "duplicates_dropped", (json_int_t)w->split.dropped, "seed",
	    p->keep_order ? json_string("none") : json_integer((json_int_t)p->seed), "val_docs_asked",
	    p->val_docs == 0 ? json_null() : json_integer((json_int_t)p->val_docs), "vocab_size_asked",
	    p->model != NULL || p->vocab_size == 0 ? json_null() : json_integer((json_int_t)p->vocab_size)));
}

static json_t *
finish(struct work *w)
{
	struct dataset *d = &w->dataset;
	json_t *source, *v;

	sha256_end(w->val_raw, d->val_raw_sha256);
	w->val_raw = NULL;
	memcpy(d->tokenizer_sha256, vocab_sha256(w->vocab), SHA256_HEX_SIZE);
	d->vocab_size = vocab_size(w->vocab);
	d->bos_id = vocab_bos(w->vocab);
	if ((d->docs_path = strdup(DOCS_FILE)) == NULL || sha256_hex(w->docs.p, w->docs.n, d->docs_sha256) == -1 ||
	    atomfile_replace(w->dirfd, DOCS_FILE, w->docs.p, w->docs.n) == -1) {
		inputerror_errno(w->f, "write", DOCS_FILE);
		return (NULL);
	}
	if ((source = source_json(w)) == NULL || (v = dataset_json(d, source)) == NULL) {
		inputerror_errno(w->f, "write", DATASET_FILE);
		return (NULL);
	}
	return (v);
}

static void
work_clear(struct work *w)
{
	corpus_free(w->corpus);
	corpus_set_free(w->split.val);
	shardset_abort(w->train);
	shardset_abort(w->val);
	vocab_free(w->vocab);
	sha256_free(w->val_raw);
	json_decref(w->files);
	str_free(&w->file_digests);
	str_free(&w->docs);
	dataset_clear(&w->dataset);
	free(w->ids);
}

json_t *
prepare_dataset(const struct prepare *p, int dirfd, struct inputerror *f)
{
	struct work w = { .p = p, .dirfd = dirfd, .f = f };
	json_t *v = NULL;

	w.expected_bytes = source_bytes(p);
	if (read_corpus(&w) == 0 && get_vocab(&w) == 0 && encode(&w) == 0)
		v = finish(&w);
	say_progress_end();
	if (v != NULL && w.counts.invalid_utf8 + w.counts.nul > 0)
		say_note("%" PRIu64 " bytes that are no UTF-8 were read as windows-1252, %" PRIu64
			 " NUL bytes as spaces",
		    w.counts.invalid_utf8, w.counts.nul);
	work_clear(&w);
	return (v);
}

/* A member is null for 0, or that number. */
static int
same_number(const json_t *v, const char *path, int is_null, uint64_t x)
{
	const json_t *member = jsonio_get(v, path);

	return (is_null ? json_is_null(member) : json_is_integer(member) && (uint64_t)json_integer_value(member) == x);
}

static int
same_tokenizer(const struct prepare *p, const json_t *v, struct inputerror *f)
{
	struct vocab *vocab;
	char *path;
	int rc;

	if (!same_number(v, "source.vocab_size_asked", p->model != NULL || p->vocab_size == 0, p->vocab_size))
		return (0);
	/* Sizes agree: nothing was trained where nothing is to be. */
	if (p->model == NULL)
		return (p->vocab_size > 0 || strcmp(jsonio_text(v, "tokenizer.kind", ""), "bytes") == 0);
	if ((path = realpath(p->model, NULL)) == NULL)
		return (inputerror_errno(f, "read", p->model));
	vocab = vocab_open(path, f);
	free(path);
	if (vocab == NULL)
		return (-1);
	rc = strcmp(jsonio_text(v, "tokenizer.sha256", ""), vocab_sha256(vocab)) == 0;
	vocab_free(vocab);
	return (rc);
}

int
prepare_same(const struct prepare *p, const json_t *dataset, struct inputerror *f)
{
	struct work w = { .p = p, .f = f };
	char hex[SHA256_HEX_SIZE];
	int rc;

	if (strcmp(jsonio_text(dataset, "source.format", ""), documents_format_name(p->format)) != 0 ||
	    strcmp(jsonio_text(dataset, "source.seed", ""), p->keep_order ? "none" : "") != 0 ||
	    (!p->keep_order && !same_number(dataset, "source.seed", 0, p->seed)) ||
	    !same_number(dataset, "source.val_docs_asked", p->val_docs == 0, p->val_docs))
		return (0);
	if ((rc = same_tokenizer(p, dataset, f)) != 1)
		return (rc);
	rc = read_sources(&w);
	if (rc == 0 && (rc = sha256_hex(w.file_digests.p, w.file_digests.n, hex)) == -1)
		inputerror_errno(f, "read", "the corpus");
	if (rc == 0)
		rc = strcmp(jsonio_text(dataset, "source.files_sha256", ""), hex) == 0;
	work_clear(&w);
	return (rc);
}
