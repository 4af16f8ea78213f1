#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "data/adopt.h"
#include "base/atomfile.h"
#include "data/dataset.h"
#include "base/file.h"
#include "base/say.h"
#include "data/overlap.h"
#include "data/shard.h"
#include "data/sidecar.h"
#include "data/tokenizer.h"
#include "base/str.h"
#include "data/vocab.h"

#define CHUNK_IDS 65536

/* What the public game puts into the names of byte counts, which a pattern for its shards matches, too. */
#define COUNTS_NAME "_val_bytes_"

/* Texts that were not transformed hardly have so large a share of private-use characters. */
#define TRANSFORMED 200

/* Where a walk over a part's ids stands. */
struct walk {
	const struct vocab *vocab;
	struct dataset_part *part;
	struct str *docs;       /* NULL: no rows are wanted */
	uint64_t tokens, bytes; /* of the document under way */
	uint32_t previous;
	struct overlap *overlap;
	struct sidecar *counts;   /* or NULL: the vocabulary tells bytes */
	struct sidecar_text text; /* of all tokens so far */
	uint16_t ids[4096];       /* of the document under way, not yet given to the overlap */
	size_t held;
	/* Where the document under way begins; training documents that are in validation, and where the first does. */
	const char *shard, *path, *same_path;
	uint64_t token, same, same_document, same_token;
	/* Documents of BOS alone, where the last of them begins, and whether nothing follows it. */
	const char *empty_path;
	uint64_t empty_token;
	int empty_last;
};

static int
end_document(struct walk *w)
{
	int same;

	if (w->tokens == 0)
		return (0);
	w->empty_last = w->tokens == 1 && w->part->documents > 0;
	if (w->empty_last) {
		w->part->empty_documents++;
		w->empty_path = w->path;
		w->empty_token = w->token;
	}
	overlap_ids(w->overlap, w->ids, w->held);
	w->held = 0;
	if ((same = overlap_end(w->overlap, w->docs != NULL)) == -1)
		return (-1);
	if (same && w->same++ == 0) {
		w->same_document = w->part->documents;
		w->same_path = w->path;
		w->same_token = w->token;
	}
	if (w->docs == NULL)
		return (0);
	return (dataset_docs_row(w->docs, w->part->documents - 1, w->tokens, w->bytes,
	    vocab_is_bytes(w->vocab) && w->counts == NULL ? w->bytes : DATASET_UNKNOWN));
}

static int
take_id(struct walk *w, uint32_t id, uint64_t at, struct inputerror *f)
{
	uint32_t bytes;

	if (id == vocab_bos(w->vocab)) {
		if (end_document(w) == -1)
			return (inputerror_errno(f, "count", w->shard));
		w->part->documents++;
		w->tokens = w->bytes = 0;
		w->path = w->shard;
		w->token = at;
	}
	if (w->held == sizeof(w->ids) / sizeof(w->ids[0])) {
		overlap_ids(w->overlap, w->ids, w->held);
		w->held = 0;
	}
	w->ids[w->held++] = (uint16_t)id;
	bytes = w->part->tokens == 0 ? 0 : vocab_target_bytes(w->vocab, w->previous, id);
	if (w->docs != NULL)
		sidecar_text_add(&w->text, w->vocab, id, bytes);
	if (w->counts != NULL && sidecar_next(w->counts, w->vocab, id, &w->text, &bytes, f) == -1)
		return (-1);
	w->previous = id;
	w->tokens++;
	w->bytes += bytes;
	w->part->tokens++;
	w->part->bytes += bytes;
	return (0);
}

/* What is recorded of a shard that is read elsewhere. */
static int
digest_shard(struct dataset_shard *shard, struct inputerror *f)
{
	struct shard s;
	int rc = 0;

	if (shard_open(&s, AT_FDCWD, shard->path, f) == -1)
		return (-1);
	shard->tokens = s.tokens;
	shard->bytes = s.size_bytes;
	if (sha256_fd(s.fd, shard->sha256, NULL) == -1)
		rc = inputerror_errno(f, "read", shard->path);
	shard_close(&s);
	return (rc);
}

/* Every id of one shard. */
static int
walk_shard(struct walk *w, struct dataset_shard *shard, struct inputerror *f)
{
	int32_t ids[CHUNK_IDS];
	struct shard s;
	uint64_t at, n, i;

	if (shard_open(&s, AT_FDCWD, shard->path, f) == -1)
		return (-1);
	w->shard = shard->path;
	shard->tokens = s.tokens;
	shard->bytes = s.size_bytes;
	for (at = 0; at < s.tokens; at += n) {
		n = s.tokens - at < CHUNK_IDS ? s.tokens - at : CHUNK_IDS;
		if (shard_read(&s, at, n, vocab_size(w->vocab), ids, f) == -1)
			goto err0;
		if (w->docs != NULL && w->part->tokens == 0 && (uint32_t)ids[0] != vocab_bos(w->vocab)) {
			inputerror_set(f, REFUSAL_INPUT_INVALID, shard->path, "its first id is not BOS",
			    "a document's beginning");
			goto err0;
		}
		for (i = 0; i < n; i++)
			if (take_id(w, (uint32_t)ids[i], at + i, f) == -1)
				goto err0;
		say_progress("reading %s: %" PRIu64 " tokens", w->part->name, w->part->tokens);
	}
	if (sha256_fd(s.fd, shard->sha256, NULL) == -1) {
		inputerror_errno(f, "read", shard->path);
		goto err0;
	}
	shard_close(&s);
	return (0);
err0:
	shard_close(&s);
	return (-1);
}

static int
walk_part(struct walk *w, char *const *paths, size_t count, struct inputerror *f)
{
	struct dataset_part *part = w->part;
	int is_raw;

	if ((part->shards = calloc(count, sizeof(part->shards[0]))) == NULL)
		return (inputerror_errno(f, "adopt", part->name));
	for (; part->count < count; part->count++) {
		/* Links are resolved now: later nobody follows one. */
		if ((part->shards[part->count].path = file_given(paths[part->count])) == NULL)
			return (inputerror_errno(f, "read", paths[part->count]));
		if (strstr(strrchr(part->shards[part->count].path, '/'), COUNTS_NAME) != NULL) {
			inputerror_set(f, REFUSAL_INPUT_INVALID, part->shards[part->count].path,
			    "by its name it has byte counts and no tokens; it belongs behind a second '--'", "");
			free(part->shards[part->count].path);
			return (-1);
		}
		if (walk_shard(w, &part->shards[part->count], f) == -1) {
			free(part->shards[part->count].path);
			return (-1);
		}
	}
	if (end_document(w) == -1)
		return (inputerror_errno(f, "adopt", part->name));
	if (w->counts != NULL && sidecar_end(w->counts, &w->text, f) == -1)
		return (-1);
	/* Of a text that was transformed before, its tokens give nothing back as it was. */
	is_raw = vocab_is_bytes(w->vocab) && w->counts == NULL;
	part->raw_bytes = is_raw ? part->bytes : DATASET_UNKNOWN;
	part->lost_bytes = part->lost_documents = is_raw ? 0 : DATASET_UNKNOWN;
	return (0);
}

/* The files of byte counts; as many as there are tokens of validation. */
static struct sidecar *
open_counts(const struct adopt *a, struct dataset *d, struct inputerror *f)
{
	struct dataset_part *part = &d->val_counts;
	uint64_t tokens = 0;
	struct shard s;
	size_t i;

	for (i = 0; i < a->val_count; i++) {
		if (shard_open(&s, AT_FDCWD, a->val[i], f) == -1)
			return (NULL);
		tokens += s.tokens;
		shard_close(&s);
	}
	if ((part->shards = calloc(a->counts_count, sizeof(part->shards[0]))) == NULL) {
		inputerror_errno(f, "adopt", part->name);
		return (NULL);
	}
	for (; part->count < a->counts_count; part->count++) {
		if ((part->shards[part->count].path = file_given(a->counts[part->count])) == NULL) {
			inputerror_errno(f, "read", a->counts[part->count]);
			return (NULL);
		}
		if (digest_shard(&part->shards[part->count], f) == -1) {
			free(part->shards[part->count].path);
			return (NULL);
		}
	}
	return (sidecar_open(part, tokens, a->declared_bytes, f));
}

/* The vocabulary, and the model's bytes to copy. */
static struct vocab *
get_vocab(const struct adopt *a, int dirfd, struct inputerror *f)
{
	struct vocab *v = NULL;
	char *path, *text = NULL;
	size_t n;

	if (a->model == NULL) {
		if ((v = vocab_bytes()) == NULL)
			inputerror_errno(f, "open", "bytes");
		return (v);
	}
	if ((path = file_given(a->model)) == NULL || (text = file_read(AT_FDCWD, path, VOCAB_MAX_BYTES, &n)) == NULL) {
		inputerror_errno(f, "read", a->model);
		goto done;
	}
	if ((v = vocab_open(path, f)) == NULL)
		goto done;
	if (atomfile_replace(dirfd, TOKENIZER_FILE, text, n) == -1) {
		inputerror_errno(f, "write", TOKENIZER_FILE);
		vocab_free(v);
		v = NULL;
	}
done:
	free(text);
	free(path);
	return (v);
}

/* Is a shard in both parts, or a document? A score on what was trained on is none. */
static int
check_overlap(const struct adopt *a, const struct dataset *d, const struct walk *train, struct inputerror *f)
{
	char observed[512];
	size_t i, j;

	for (i = 0; i < d->train.count; i++)
		for (j = 0; j < d->val.count; j++)
			if (strcmp(d->train.shards[i].sha256, d->val.shards[j].sha256) == 0)
				return (inputerror_set(f, REFUSAL_INPUT_INVALID, d->val.shards[j].path,
				    "the same shard is given for training; give each to one side", ""));
	if (train->same == 0 || a->keep_overlap)
		return (0);
	snprintf(observed, sizeof(observed),
	    "%" PRIu64 " of %" PRIu64 " training documents are in validation too, first document %" PRIu64
	    ", which begins at token %" PRIu64 "; adopt other shards, or keep them with -k",
	    train->same, d->train.documents, train->same_document, train->same_token);
	return (inputerror_set(f, REFUSAL_INPUT_INVALID, train->same_path, observed, ""));
}

/* What documents by their BOS come to, where that is not what anybody means by them. */
static void
tell_documents(const struct walk *w, uint32_t bos)
{
	const struct dataset_part *part = w->part;

	if (part->documents <= 1)
		say_note("%s holds %s BOS (id %u) in %" PRIu64 " tokens, so that nobody knows where documents begin: "
			 "eval.docs and what is told by document mean nothing",
		    part->name, part->documents == 0 ? "no" : "a single", bos, part->tokens);
	if (part->empty_documents > 0)
		say_note("%" PRIu64 " of %" PRIu64
			 " documents of %s are BOS alone, without text; the last begins at token %" PRIu64 " of '%s'%s",
		    part->empty_documents, part->documents, part->name, w->empty_token, w->empty_path,
		    w->empty_last ? " and ends it" : "");
}

/* Whose bytes a score will be over. */
static void
tell_bytes(const struct dataset *d, const struct sidecar_text *text)
{
	const double share = 100.0 * (double)text->operators / (double)(text->bytes > 0 ? text->bytes : 1);

	if (d->val_counts.count > 0)
		say_note("val has %" PRIu64 " bytes by its byte counts, which %s; its tokens' text has %" PRIu64
			 ", %" PRIu64 " of them in private-use characters",
		    d->val.bytes, d->val_declared_bytes != DATASET_UNKNOWN ? "-b says" : "its text bears out",
		    text->bytes, text->operators);
	else if (text->operators > text->bytes / TRANSFORMED)
		say_note("%.1f %% of the text of val are private-use characters, as where it was transformed before it "
			 "became tokens: val_bpb would be over them, too; byte counts of the original go behind a "
			 "second '--'",
		    share);
}

static json_t *
source_json(const struct dataset *d)
{
	return (json_pack("{s:s, s:[], s:i, s:n, s:I, s:n, s:n, s:n, s:n, s:n, s:n, s:n, s:n}", "format", "adopted",
	    "files", "files_total", 0, "files_sha256", "documents", (json_int_t)(d->train.documents + d->val.documents),
	    "empty", "invalid_utf8", "nul", "duplicates", "duplicates_dropped", "seed", "val_docs_asked",
	    "vocab_size_asked"));
}

json_t *
adopt_dataset(const struct adopt *a, int dirfd, struct inputerror *f)
{
	struct dataset d = { .train = { .name = "train" },
		.val = { .name = "val" },
		.val_counts = { .name = "byte counts" } };
	struct str docs = STR_INIT;
	struct walk *train = calloc(1, sizeof(*train)), *val = calloc(1, sizeof(*val));
	struct overlap *overlap = overlap_new();
	struct sidecar *counts = NULL;
	struct vocab *v = NULL;
	json_t *out = NULL, *source;

	if (train == NULL || val == NULL || overlap == NULL) {
		inputerror_errno(f, "adopt", "shards");
		goto done;
	}

	if ((v = get_vocab(a, dirfd, f)) == NULL)
		goto done;
	*train = (struct walk){ .vocab = v, .part = &d.train, .overlap = overlap };
	*val = (struct walk){ .vocab = v, .part = &d.val, .docs = &docs, .overlap = overlap };
	if (a->counts_count > 0 && (val->counts = counts = open_counts(a, &d, f)) == NULL)
		goto done;
	if (str_puts(&docs, DATASET_DOCS_HEADER) == -1) {
		inputerror_errno(f, "write", DATASET_DOCS_FILE);
		goto done;
	}
	/* Validation first: it is what training is held against. */
	if (walk_part(val, a->val, a->val_count, f) == -1 || walk_part(train, a->train, a->train_count, f) == -1 ||
	    check_overlap(a, &d, train, f) == -1)
		goto done;
	tell_documents(train, vocab_bos(v));
	tell_documents(val, vocab_bos(v));
	d.val_counts.tokens = d.val_counts.count > 0 ? d.val.tokens : 0;
	d.val_piece_bytes = val->text.bytes;
	d.val_declared_bytes = a->declared_bytes;
	tell_bytes(&d, &val->text);
	d.train_overlap = train->same;
	dataset_take_vocab(&d, v);
	if ((d.docs_path = strdup(DATASET_DOCS_FILE)) == NULL ||
	    (a->model != NULL && (d.tokenizer_path = strdup(TOKENIZER_FILE)) == NULL) ||
	    sha256_hex(docs.p, docs.n, d.docs_sha256) == -1 ||
	    atomfile_replace(dirfd, DATASET_DOCS_FILE, docs.p, docs.n) == -1) {
		inputerror_errno(f, "write", DATASET_DOCS_FILE);
		goto done;
	}
	if ((source = source_json(&d)) == NULL || (out = dataset_json(&d, source)) == NULL)
		inputerror_errno(f, "write", DATASET_FILE);
done:
	say_progress_end();
	dataset_clear(&d);
	str_free(&docs);
	vocab_free(v);
	overlap_free(overlap);
	sidecar_close(counts);
	free(train);
	free(val);
	return (out);
}
