#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/atomfile.h"
#include "base/file.h"
#include "base/jsonio.h"
#include "base/say.h"
#include "base/str.h"
#include "data/corpus.h"
#include "data/dataset.h"
#include "data/documents.h"
#include "data/encode.h"
#include "data/prepare.h"
#include "data/resume.h"
#include "data/tokenizer.h"
#include "data/vocab.h"

#define DEFAULT_VAL_DOCS 5000

/* So many source files are listed in dataset.json; all are in files_sha256. */
#define LISTED_FILES 1000

struct work {
	const struct prepare *p;
	int dirfd;
	struct inputerror *f;
	struct corpus *corpus;
	struct documents_counts counts;
	json_t *files; /* as far as listed */
	struct str file_digests;
	uint64_t expected_bytes, read_bytes, duplicates, val_docs, val_given, dropped;
	struct vocab *vocab;
	struct resume resume;
	struct dataset dataset;
	struct str docs; /* val_docs.tsv */
};

/* --- reading ---------------------------------------------------------------------- */

/* Validation files come first, as their documents do. */
static const char *
source(const struct prepare *p, size_t i)
{
	return (i < p->val_count ? p->val_files[i] : p->files[i - p->val_count]);
}

static size_t
sources(const struct prepare *p)
{
	return (p->val_count + p->count);
}

/* Bytes of all files, or 0 if one of them is no regular file. */
static uint64_t
source_bytes(const struct prepare *p)
{
	uint64_t sum = 0;
	struct stat st;
	size_t i;

	for (i = 0; i < sources(p); i++) {
		if (strcmp(source(p, i), "-") == 0 || stat(source(p, i), &st) == -1 || !S_ISREG(st.st_mode))
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
	const char *path;
	uint64_t bytes;
	size_t i;
	int fd, rc;

	if ((w->files = json_array()) == NULL)
		return (inputerror_errno(w->f, "read", "the corpus"));
	for (i = 0; i < sources(p); i++) {
		path = source(p, i);
		if ((fd = file_open_given(path)) == -1)
			return (inputerror_errno(w->f, "read", path));
		rc = documents_read(fd, path, &p->how, &w->counts, w->corpus == NULL ? NULL : take_document, w, hex,
		    &bytes, w->f);
		close(fd);
		if (rc == -1)
			return (-1);
		w->read_bytes += bytes;
		if (str_printf(&w->file_digests, "%s %" PRIu64 "\n", hex, bytes) == -1 ||
		    (i < LISTED_FILES &&
			json_array_append_new(w->files,
			    json_pack("{s:s, s:I, s:s}", "path", path, "bytes", (json_int_t)bytes, "sha256", hex)) ==
			    -1))
			return (inputerror_set(w->f, REFUSAL_INPUT_INVALID, path, "its name is not UTF-8", ""));
		if (i + 1 == p->val_count) {
			w->val_given = w->counts.documents;
			if (w->corpus != NULL && w->val_given == 0)
				return (inputerror_set(w->f, REFUSAL_INPUT_INVALID, path,
				    "no document that is not empty in the files for validation", ""));
			if (w->corpus != NULL)
				corpus_second(w->corpus);
		}
	}
	return (0);
}

/* What there is, what is needed, and what would help. */
static int
too_few(const struct work *w, uint64_t different)
{
	char observed[160], expected[160];

	snprintf(observed, sizeof(observed), "too few different documents: %" PRIu64, different);
	snprintf(expected, sizeof(expected), "at least %" PRIu64 ": %" PRIu64 " for validation and one to train on%s%s",
	    w->val_docs + 1, w->val_docs, w->p->how.format == DOCUMENTS_PARA ? "; -f lines makes each line one" : "",
	    w->val_docs > 1 && different > 1 ? "; -n asks for fewer" : "");
	return (inputerror_set(w->f, REFUSAL_INPUT_INVALID, "the corpus", observed, expected));
}

static int
read_corpus(struct work *w)
{
	const struct prepare *p = w->p;
	uint64_t different;

	w->corpus = corpus_begin(w->dirfd, w->expected_bytes, p->keep_order ? NULL : &p->seed, w->f);
	if (w->corpus != NULL && p->val_count > 0)
		corpus_first(w->corpus);
	if (w->corpus == NULL || read_sources(w) == -1 || corpus_end(w->corpus, &w->duplicates, w->f) == -1)
		return (-1);
	if (w->counts.documents == 0)
		return (inputerror_set(w->f, REFUSAL_INPUT_INVALID, "the corpus", "no document that is not empty", ""));
	w->val_docs = p->val_docs;
	if (w->val_docs == 0) {
		w->val_docs = w->counts.documents / 10 < DEFAULT_VAL_DOCS ? w->counts.documents / 10 : DEFAULT_VAL_DOCS;
		w->val_docs += w->val_docs == 0;
	}
	different = w->counts.documents - w->duplicates;
	if (p->val_count == 0 && w->val_docs >= different)
		return (too_few(w, different));
	if (p->val_count > 0 && w->counts.documents == w->val_given)
		return (inputerror_set(w->f, REFUSAL_INPUT_INVALID, "the corpus",
		    "no document that is not empty in the files for training", ""));
	return (0);
}

/* --- ids ----------------------------------------------------------------------------- */

/* What decides the shards, in the order of docs and ids: what is there already must be of just that. */
static int
request_digest(const struct work *w, char hex[SHA256_HEX_SIZE])
{
	const struct prepare *p = w->p;
	struct str text = STR_INIT;
	char files[SHA256_HEX_SIZE];
	int rc = -1;

	if (sha256_hex(w->file_digests.p, w->file_digests.n, files) == 0 &&
	    str_printf(&text,
		"%s\n%s %s\n%s\n%d %d %d\n%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu32 "\n%s\n",
		HG_VERSION, files, documents_format_name(p->how.format), p->how.key == NULL ? "" : p->how.key,
		p->how.skip, p->keep_lines, p->keep_order, p->seed, w->val_docs, w->val_given, p->shard_tokens,
		p->vocab_size, p->model == NULL ? "" : vocab_sha256(w->vocab)) == 0)
		rc = sha256_hex(text.p, text.n, hex);
	str_free(&text);
	return (rc);
}

/* See what is there. A model that is given is copied before that, for its digest is part of the request. */
static int
take_up(struct work *w)
{
	char request[SHA256_HEX_SIZE];

	if (w->p->model != NULL && (w->vocab = tokenizer_copy(w->dirfd, w->p->model, w->f)) == NULL)
		return (-1);
	if (request_digest(w, request) == -1)
		return (inputerror_errno(w->f, "read", "the corpus"));
	if (resume_begin(&w->resume, w->dirfd, request, w->p->model != NULL, w->f) == -1)
		return (-1);
	if (w->resume.next > 0)
		say_note("%zu shards with %" PRIu64 " training documents are complete already", w->resume.train.count,
		    w->resume.train.documents);
	return (0);
}

static int
get_vocab(struct work *w)
{
	const struct tokenizer_sample sample = { w->corpus, w->counts.text_bytes, w->val_docs, w->val_given,
		w->p->keep_lines };
	const struct prepare *p = w->p;

	if (p->model == NULL && p->vocab_size == 0)
		return ((w->vocab = vocab_bytes()) == NULL ? inputerror_errno(w->f, "open", "bytes") : 0);
	if (w->vocab == NULL)
		w->vocab = w->resume.next > 0 ? tokenizer_open(w->dirfd, w->f) :
						tokenizer_train(w->dirfd, &sample, p->vocab_size, w->f);
	if (w->vocab == NULL)
		return (-1);
	w->dataset.tokenizer_path = strdup(TOKENIZER_FILE);
	if (w->dataset.tokenizer_path == NULL)
		return (inputerror_errno(w->f, "open", TOKENIZER_FILE));
	if (p->model == NULL && vocab_size(w->vocab) != p->vocab_size)
		say_note("the corpus yields a vocabulary of %" PRIu32 ", not %" PRIu32, vocab_size(w->vocab),
		    p->vocab_size);
	return (0);
}

static int
encode(struct work *w)
{
	struct encode e = {
		.dirfd = w->dirfd,
		.corpus = w->corpus,
		.vocab = w->vocab,
		.documents = w->counts.documents,
		.text_bytes = w->counts.text_bytes,
		.val_docs = w->val_docs,
		.val_given = w->val_given,
		.keep_lines = w->p->keep_lines,
		.shard_tokens = w->p->shard_tokens,
		.resume = &w->resume,
	};
	int rc = encode_corpus(&e, w->f);

	w->dataset.train = e.train;
	w->dataset.val = e.val;
	memcpy(w->dataset.val_raw_sha256, e.val_raw_sha256, SHA256_HEX_SIZE);
	memcpy(w->dataset.val_kept_sha256, e.val_kept_sha256, SHA256_HEX_SIZE);
	w->docs = e.docs;
	w->dropped = e.dropped;
	return (rc);
}

/* --- the dataset's value -------------------------------------------------------------------- */

/* Members that came after 0.1, where they say something. */
static int
put_later(json_t *v, const struct work *w)
{
	const struct prepare *p = w->p;

	return ((p->keep_lines && json_object_set_new(v, "keep_lines", json_true()) == -1) ||
		    (p->how.key != NULL && json_object_set_new(v, "json_key", json_string(p->how.key)) == -1) ||
		    (w->counts.skipped > 0 &&
			json_object_set_new(v, "skipped", json_integer((json_int_t)w->counts.skipped)) == -1) ||
		    (p->val_count > 0 &&
			json_object_set_new(v, "val_files", json_integer((json_int_t)p->val_count)) == -1) ?
		-1 :
		0);
}

static json_t *
source_json(struct work *w)
{
	const struct prepare *p = w->p;
	char hex[SHA256_HEX_SIZE];
	json_t *v;

	if (sha256_hex(w->file_digests.p, w->file_digests.n, hex) == -1)
		return (NULL);
	v = json_pack("{s:s, s:O, s:I, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o}", "format",
	    documents_format_name(p->how.format), "files", w->files, "files_total", (json_int_t)sources(p),
	    "files_sha256", hex, "documents", (json_int_t)w->counts.documents, "empty", (json_int_t)w->counts.empty,
	    "invalid_utf8", (json_int_t)w->counts.invalid_utf8, "nul", (json_int_t)w->counts.nul, "duplicates",
	    (json_int_t)w->duplicates, "duplicates_dropped", (json_int_t)w->dropped, "seed",
	    p->keep_order ? json_string("none") : json_integer((json_int_t)p->seed), "val_docs_asked",
	    p->val_docs == 0 ? json_null() : json_integer((json_int_t)p->val_docs), "vocab_size_asked",
	    p->model != NULL || p->vocab_size == 0 ? json_null() : json_integer((json_int_t)p->vocab_size));
	if (v != NULL && put_later(v, w) == -1) {
		json_decref(v);
		v = NULL;
	}
	return (v);
}

static json_t *
finish(struct work *w)
{
	struct dataset *d = &w->dataset;
	json_t *source, *v;

	dataset_take_vocab(d, w->vocab);
	if ((d->docs_path = strdup(DATASET_DOCS_FILE)) == NULL ||
	    sha256_hex(w->docs.p, w->docs.n, d->docs_sha256) == -1 ||
	    atomfile_replace(w->dirfd, DATASET_DOCS_FILE, w->docs.p, w->docs.n) == -1) {
		inputerror_errno(w->f, "write", DATASET_DOCS_FILE);
		return (NULL);
	}
	if (atomfile_remove(w->dirfd, RESUME_FILE) == -1) {
		inputerror_errno(w->f, "remove", RESUME_FILE);
		return (NULL);
	}
	if ((source = source_json(w)) == NULL || (v = dataset_json(d, source)) == NULL) {
		inputerror_errno(w->f, "write", DATASET_FILE);
		return (NULL);
	}
	return (v);
}

/* What the tokenizer loses: of validation text, since that is what a score is of, else of training text. */
static void
tell_loss(const struct work *w)
{
	const struct dataset_part *part = w->dataset.val.lost_documents > 0 ? &w->dataset.val : &w->dataset.train;

	if (part->lost_documents == 0)
		return;
	say_note("the tokenizer loses %" PRIu64 " of %" PRIu64 " bytes (%.3g %%) of the %s text, in %" PRIu64
		 " of %" PRIu64 " documents%s%s; -B loses nothing",
	    part->lost_bytes, part->raw_bytes, 100 * (double)part->lost_bytes / (double)part->raw_bytes,
	    part == &w->dataset.val ? "validation" : "training", part->lost_documents, part->documents,
	    part == &w->dataset.val ?
		", so its scores have no bits per raw byte and compare with no other tokenizer's" :
		"",
	    w->p->keep_lines ? "" : "; -L keeps line breaks, and blanks where the model does");
}

static void
work_clear(struct work *w)
{
	corpus_free(w->corpus);
	vocab_free(w->vocab);
	resume_clear(&w->resume);
	json_decref(w->files);
	str_free(&w->file_digests);
	str_free(&w->docs);
	dataset_clear(&w->dataset);
}

json_t *
prepare_dataset(const struct prepare *p, int dirfd, struct inputerror *f)
{
	struct work w = { .p = p, .dirfd = dirfd, .f = f };
	json_t *v = NULL;

	w.expected_bytes = source_bytes(p);
	if (read_corpus(&w) == 0 && take_up(&w) == 0 && get_vocab(&w) == 0 && encode(&w) == 0)
		v = finish(&w);
	say_progress_end();
	if (v != NULL && w.dropped > 0)
		say_note("%" PRIu64 " copies of validation documents were dropped, so that none is trained on",
		    w.dropped);
	if (v != NULL)
		tell_loss(&w);
	if (v != NULL && w.counts.skipped > 0)
		say_note("%" PRIu64 " lines that hold no document were skipped", w.counts.skipped);
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

	if (strcmp(jsonio_text(dataset, "source.format", ""), documents_format_name(p->how.format)) != 0 ||
	    strcmp(jsonio_text(dataset, "source.seed", ""), p->keep_order ? "none" : "") != 0 ||
	    (!p->keep_order && !same_number(dataset, "source.seed", 0, p->seed)) ||
	    !same_number(dataset, "source.val_docs_asked", p->val_docs == 0, p->val_docs) ||
	    jsonio_i64(dataset, "source.val_files", 0) != (int64_t)p->val_count ||
	    jsonio_true(dataset, "source.keep_lines") != p->keep_lines ||
	    strcmp(jsonio_text(dataset, "source.json_key", ""), p->how.key == NULL ? "" : p->how.key) != 0)
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
