#ifndef HG_TALLY_H
#define HG_TALLY_H

#include <stdint.h>

#include "dataset.h"
#include "str.h"
#include "tokens.h"
#include "vocab.h"

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
struct tally_sum {
	uint64_t tokens, bytes;		/* targets, and the bytes that they count */
	double nats;
	uint64_t documents;		/* with at least one target */
	uint64_t raw_bytes;		/* of the documents before the tokenizer; DATASET_UNKNOWN for adopted shards */
};

struct tally;

/**
 * tally_open(d, documents, f):
 * For the first ${documents} validation documents of ${d} (0: all), whose files
 * have been verified.  Opens the shards, the vocabulary and val_docs.tsv.
 * Owns:   the caller calls tally_close; ${d} must stay valid.
 * Errors: NULL, said, *f filled.
 */
struct tally *tally_open(const struct dataset *d, uint64_t documents, struct fault *f);
void tally_close(struct tally *t);

/* Ids in those documents: the stream that a law scores. And the stream itself. */
uint64_t tally_ids(const struct tally *t);
int tally_read(const struct tally *t, uint64_t at, int32_t *ids, uint64_t n, struct fault *f);

/* Documents that the targets 1..targets of the stream touch. */
uint64_t tally_expected(const struct tally *t, uint64_t targets);

/* Losses of the targets at places first..first+n-1; calls follow each other without a gap. 0, or -1, said. */
int tally_add(struct tally *t, uint64_t first, const float *nats, uint64_t n, struct fault *f);

/* All that was added. */
void tally_total(const struct tally *t, struct tally_sum *sum);

/**
 * tally_table(t, out): score_docs.tsv: a line for each document that has
 * targets, `index tokens bytes raw_bytes nats`, under a header line; raw_bytes
 * is `-` where unknown.  0, or -1 with errno ENOMEM.
 */
int tally_table(const struct tally *t, struct str *out);

/**
 * tally_note(t, part, out) / tally_resume(t, text, n, part):
 * To go on after a kill: note appends what changed since the last note and
 * ends with a line that says that ${part} parts are done; resume takes a text
 * of such notes, stops at the last one that is whole, and returns its ${part}.
 * Errors: -1; of resume, a text that is not of notes, nothing taken.
 */
int tally_note(struct tally *t, uint64_t part, struct str *out);
int tally_resume(struct tally *t, const char *text, size_t n, uint64_t *part);

#endif
