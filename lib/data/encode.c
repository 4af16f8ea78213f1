#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/say.h"
#include "data/dataset.h"
#include "data/encode.h"
#include "data/encode_spm.h"
#include "data/encode_threads.h"
#include "data/overlap.h"
#include "data/shard.h"
#include "data/shardset.h"
#include "data/split.h"
#include "data/textloss.h"
#include "data/tokenizer.h"

struct work {
	struct encode *e;
	struct split split;
	struct shardset_writer *train, *val;
	struct sha256 *val_raw, *val_kept;
	struct textloss val_text; /* a validation document as it comes back */
	struct overlap *overlap;
	uint64_t overlapping; /* training documents that only their text tells from one of validation: dropped */
	uint64_t number;      /* of the next document in the order */
	uint64_t first;       /* of the first that is training, which is not 0: there is validation */
};

/* The digest of validation text: each document, then a NUL, which none of them holds. */
static void
digest_text(struct sha256 *h, const char *text, size_t n)
{
	sha256_add(h, text, n);
	sha256_add(h, "", 1);
}

static int
add_val(struct work *w, const struct corpus_doc *doc, const struct encoded *d, struct inputerror *f)
{
	const struct vocab *v = w->e->vocab;

	digest_text(w->val_raw, doc->text, doc->bytes);
	if (!vocab_is_bytes(v)) {
		if (textloss_add(&w->val_text, v, d->ids, d->n, doc->text, doc->bytes) == -1)
			return (inputerror_errno(f, "decode", "a document"));
		digest_text(w->val_kept, w->val_text.text.p, w->val_text.text.n);
	}
	if (dataset_docs_row(&w->e->docs, w->e->val.documents, d->n, d->bytes, doc->bytes) == -1)
		return (inputerror_errno(f, "write", DATASET_DOCS_FILE));
	return (0);
}

/* Note that the shards before the last are complete: they hold the documents before ${number}. */
static int
note(const struct work *w, const struct dataset_part *before, uint64_t number, struct inputerror *f)
{
	const struct encode *e = w->e;
	struct resume now = *e->resume;

	now.next = number;
	now.first = w->first;
	now.dropped = w->split.dropped;
	now.overlapping = w->overlapping;
	now.train = *before;
	now.train.shards = e->train.shards;
	snprintf(now.tokenizer, sizeof(now.tokenizer), "%s",
	    vocab_is_bytes(e->vocab) ? RESUME_BYTES : vocab_sha256(e->vocab));
	return (resume_note(&now, e->dirfd) == -1 ? inputerror_errno(f, "write", RESUME_FILE) : 0);
}

static int
add_train(struct work *w, uint64_t number, const struct corpus_doc *doc, const struct encoded *d, struct inputerror *f)
{
	struct dataset_part *part = &w->e->train;
	const struct dataset_part before = *part;

	if (shardset_add(w->train, d->ids, d->n, d->bytes, doc->bytes, f) == -1)
		return (-1);
	part->lost_bytes += d->lost_bytes;
	part->lost_documents += d->lost;
	return (before.count > 0 && part->count > before.count ? note(w, &before, number, f) : 0);
}

/* Behind validation those documents were passed over that are in complete shards. */
static void
pass_over(struct work *w)
{
	const struct resume *r = w->e->resume;

	if (r->next == 0 || w->number != r->first)
		return;
	w->number = r->next;
	w->split.dropped = r->dropped;
	w->overlapping = r->overlapping;
}

/* Decide on the next document, and add it to its side. */
static int
add_document(void *cookie, const struct corpus_doc *doc, const struct encoded *d, struct inputerror *f)
{
	struct work *w = cookie;
	struct encode *e = w->e;
	uint64_t number;
	int side, same;

	pass_over(w);
	number = w->number++;
	if (number % 1024 == 0)
		say_progress("encoding: %" PRIu64 " of %" PRIu64 " documents, %" PRIu64 " of %" PRIu64 " MB", number,
		    e->documents, (e->train.raw_bytes + e->val.raw_bytes) / 1000000, e->text_bytes / 1000000);
	if ((side = split_next(&w->split, doc)) == -1)
		return (inputerror_errno(f, "split", "the corpus"));
	if (side == SPLIT_DROP)
		return (0);
	if (d->n > SHARD_MAX_TOKENS)
		return (inputerror_set(f, REFUSAL_INPUT_INVALID, "a document", "more ids than a shard may hold", ""));
	if (side == SPLIT_TRAIN && w->first == 0)
		w->first = number;
	if (!vocab_is_bytes(e->vocab) && d->n > 1) {
		if ((same = overlap_digest(w->overlap, d->digest, side == SPLIT_VAL)) == -1)
			return (inputerror_errno(f, "split", "the corpus"));
		if (same) {
			w->overlapping++;
			return (0);
		}
	}
	if (side == SPLIT_TRAIN)
		return (add_train(w, number, doc, d, f));
	if (add_val(w, doc, d, f) == -1)
		return (-1);
	e->val.lost_bytes += d->lost_bytes;
	e->val.lost_documents += d->lost;
	return (shardset_add(w->val, d->ids, d->n, d->bytes, doc->bytes, f));
}

/* By our own encoder, or by spm_encode where the model is none for it. */
static int
encode_all(struct work *w, struct inputerror *f)
{
	const struct encoded_from from = { .dirfd = w->e->dirfd,
		.corpus = w->e->corpus,
		.vocab = w->e->vocab,
		.keep_lines = w->e->keep_lines,
		.skip = w->e->resume->first,
		.skip_end = w->e->resume->next };
	struct bpe *b = NULL;
	int rc;

	if (!vocab_is_bytes(from.vocab) && (b = bpe_open(from.vocab)) == NULL)
		return (errno == ENOTSUP ? encode_spm(&from, add_document, w, f) :
					   inputerror_errno(f, "read", TOKENIZER_FILE));
	rc = encode_threads(&from, b, add_document, w, f);
	bpe_free(b);
	return (rc);
}

int
encode_corpus(struct encode *e, struct inputerror *f)
{
	struct work w = { .e = e };
	int rc = -1;

	e->train = e->resume->train;
	memset(&e->resume->train, 0, sizeof(e->resume->train));
	e->train.name = "train";
	e->val.name = "val";
	w.first = e->resume->first;
	if (e->keep_lines && !vocab_is_bytes(e->vocab) && vocab_byte_id(e->vocab, '\n') == -1) {
		inputerror_set(f, REFUSAL_INPUT_INVALID, TOKENIZER_FILE,
		    "it has no byte pieces, so line breaks can't be kept (-L)", "");
		goto done;
	}
	if (split_begin(&w.split, e->val_docs, e->val_given) == -1) {
		inputerror_errno(f, "split", "the corpus");
		goto done;
	}
	if ((w.train = shardset_begin(e->dirfd, "corpus_train", e->shard_tokens, &e->train)) == NULL ||
	    (w.val = shardset_begin(e->dirfd, "corpus_val", e->shard_tokens, &e->val)) == NULL ||
	    (w.val_raw = sha256_begin()) == NULL || (w.val_kept = sha256_begin()) == NULL ||
	    (w.overlap = overlap_new()) == NULL || str_puts(&e->docs, DATASET_DOCS_HEADER) == -1) {
		inputerror_errno(f, "encode", "the corpus");
		goto done;
	}
	if (encode_all(&w, f) == -1)
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
	e->dropped = w.split.dropped + w.overlapping;
done:
	shardset_abort(w.train);
	shardset_abort(w.val);
	sha256_free(w.val_raw);
	sha256_free(w.val_kept);
	overlap_free(w.overlap);
	textloss_free(&w.val_text);
	split_free(&w.split);
	return (rc);
}
