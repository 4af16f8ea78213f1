#ifndef HG_DOCSUMS_H
#define HG_DOCSUMS_H

#include <stdint.h>

#include "data/dataset.h"
#include "base/str.h"
#include "data/tokens.h"
#include "data/vocab.h"

/**
 * The sums of a score: losses of validation targets, in order of place, are
 * added up per document, and the documents in their order, all in float64; so
 * the sums have the same bits whenever and in however many parts they came.
 *
 * A target is named by its place in the validation stream; place 0 is never
 * one.  A document opens with BOS, and the BOS target belongs to it.
 * Of a document of which the law leaves out the end (the tail that fills no
 * window) the raw bytes are taken in proportion to the bytes counted, rounded.
 */
struct docsums_sum {
	uint64_t tokens, bytes; /* targets, and the bytes that they count, or that a sidecar counts for them */
	double nats;
	uint64_t documents; /* with at least one target */
	uint64_t raw_bytes; /* of the documents before the tokenizer; DATASET_UNKNOWN for adopted shards */
};

struct docsums;

/**
 * docsums_open(d, documents, f):
 * For the first ${documents} validation documents of ${d} (0: all), whose files
 * have been verified.  Opens the shards, the vocabulary and val_docs.tsv.
 * Owns:   the caller calls docsums_close; ${d} must stay valid.
 * Errors: NULL, said, *f filled.
 */
struct docsums *docsums_open(const struct dataset *d, uint64_t documents, struct inputerror *f);
void docsums_close(struct docsums *t);

/* Ids in those documents: the stream that a law scores. And the stream itself. */
uint64_t docsums_ids(const struct docsums *t);
int docsums_read(const struct docsums *t, uint64_t at, int32_t *ids, uint64_t n, struct inputerror *f);

/* Documents that the targets 1..targets of the stream touch. */
uint64_t docsums_expected(const struct docsums *t, uint64_t targets);

/* Losses of the targets at places first..first+n-1; calls follow each other without a gap. 0, or -1, said. */
int docsums_add(struct docsums *t, uint64_t first, const float *nats, uint64_t n, struct inputerror *f);

/* All that was added. */
void docsums_total(const struct docsums *t, struct docsums_sum *sum);

/**
 * docsums_table(t, out): score_docs.tsv: a line for each document that has
 * targets, `index tokens bytes raw_bytes nats`, under a header line; raw_bytes
 * is `-` where unknown.  0, or -1 with errno ENOMEM.
 */
int docsums_table(const struct docsums *t, struct str *out);

/* What notes say: parts done, how often the work went on from notes, and the bytes that are whole. */
struct docsums_resumed {
	uint64_t part, resumes;
	size_t bytes;
};

/**
 * docsums_note(t, part, out) / docsums_note_resume(t, out) / docsums_resume(t, text, n, there):
 * To go on after a kill: note appends what changed since the last note and
 * ends with a line that says that ${part} parts are done, with the digest of all
 * notes so far; note_resume a line that counts a resume, likewise; resume takes a
 * text of such notes, and stops at the last line that ends one: what follows it
 * must go before more is appended, as no digest would cover it.
 * Errors: -1; of resume, a text that is not of notes or was altered, nothing taken.
 */
int docsums_note(struct docsums *t, uint64_t part, struct str *out);
int docsums_note_resume(struct docsums *t, struct str *out);
int docsums_resume(struct docsums *t, const char *text, size_t n, struct docsums_resumed *there);

#endif
