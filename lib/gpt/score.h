#ifndef HG_SCORE_H
#define HG_SCORE_H

#include <stddef.h>
#include <stdint.h>

#include "gpt/model.h"
#include "gpt/score_law.h"

/**
 * Losses of a token stream under an evaluation law, part by part.  A target is
 * named by its place in the stream; the first id is never a target.
 */

/* Fill ids with the n ids of the stream from place at on; 0, or -1 after saying why. */
typedef int score_source(void *cookie, uint64_t at, int32_t *ids, size_t n);

struct score_args {
	struct model *model; /* of score_use, or MODEL_TRAIN between steps; max_seq at least law.seq_len */
	struct score_law law;
	int32_t bos;     /* the id that opens a document */
	size_t windows;  /* of a part: at most the model's max_batch */
	uint64_t tokens; /* ids in the stream */
	score_source *source;
	void *cookie;
};

struct score;

/* What a model must be opened for to be scored under a law. */
enum model_use score_use(const struct score_law *law);

/**
 * score_open(args): The model has its weights already.  A law by documents reads the stream once.
 * Owns:   the caller closes.
 * Errors: NULL after saying why: errno ENOMEM, EINVAL (the stream fills no window), or what the source left there.
 */
struct score *score_open(const struct score_args *args);
void score_close(struct score *s);

/* Targets that the law scores: places 1..score_targets(). */
uint64_t score_targets(const struct score *s);

/* Parts, and the first and one past the last place that a part scores: parts follow each other without a gap. */
uint64_t score_parts(const struct score *s);
void score_span(const struct score *s, uint64_t part, uint64_t *first, uint64_t *end);

/**
 * score_part(s, part, nats, n):
 * The losses of one part, in order of place; they do not depend on which parts
 * were scored before, so scoring can stop and go on anywhere.  The model has its weights again after each.
 * Owns:   nothing: *nats stays valid until the next call.
 * Errors: -1 after saying why.
 */
int score_part(struct score *s, uint64_t part, const float **nats, size_t *n);

#endif
