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
#include "data/tokenizer.h"
#include "base/str.h"
#include "data/vocab.h"

#define CHUNK_IDS 65536

/* Where a walk over a part's ids stands. */
struct walk {
	const struct vocab *vocab;
	struct dataset_part *part;
	struct str *docs;       /* NULL: no rows are wanted */
	uint64_t tokens, bytes; /* of the document under way */
	uint32_t previous;
	struct overlap *overlap;
	uint16_t ids[4096]; /* of the document under way, not yet given to the overlap */
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
	    vocab_is_bytes(w->vocab) ? w->bytes : DATASET_UNKNOWN));
}

static int
take_id(struct walk *w, uint32_t id, uint64_t at)
{
	uint32_t bytes;

	if (id == vocab_bos(w->vocab)) {
		if (end_document(w) == -1)
			return (-1);
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
	w->previous = id;
	w->tokens++;
	w->bytes += bytes;
	w->part->tokens++;
	w->part->bytes += bytes;
	return (0);
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
			if (take_id(w, (uint32_t)ids[i], at + i) == -1) {
				inputerror_errno(f, "count", shard->path);
				goto err0;
			}
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

	if ((part->shards = calloc(count, sizeof(part->shards[0]))) == NULL)
		return (inputerror_errno(f, "adopt", part->name));
	for (; part->count < count; part->count++) {
		/* Links are resolved now: later nobody follows one. */
		if ((part->shards[part->count].path = file_given(paths[part->count])) == NULL)
			return (inputerror_errno(f, "read", paths[part->count]));
		if (walk_shard(w, &part->shards[part->count], f) == -1) {
			free(part->shards[part->count].path);
			return (-1);
		}
	}
	if (end_document(w) == -1)
		return (inputerror_errno(f, "adopt", part->name));
	part->raw_bytes = vocab_is_bytes(w->vocab) ? part->bytes : DATASET_UNKNOWN;
	part->lost_bytes = part->lost_documents = vocab_is_bytes(w->vocab) ? 0 : DATASET_UNKNOWN;
	return (0);
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
	struct dataset d = { .train = { .name = "train" }, .val = { .name = "val" } };
	struct str docs = STR_INIT;
	struct walk *train = calloc(1, sizeof(*train)), *val = calloc(1, sizeof(*val));
	struct overlap *overlap = overlap_new();
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
	free(train);
	free(val);
	return (out);
}
