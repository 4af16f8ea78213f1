#ifndef HG_SCORE_H
#define HG_SCORE_H

#include <stddef.h>
#include <stdint.h>

#include "gpt/model.h"

/**
 * Losses of a token stream under an evaluation law, part by part.
 *   non_overlapping  windows of seq_len tokens side by side; the tail that fills
 *                    no window is dropped, as in the public scorer
 *   sliding:STRIDE   every token once; all but the first window's score their
 *                    last STRIDE tokens; the last window ends with the stream
 * A target is named by its place in the stream; the first id is never a target.
 */
enum score_mode { SCORE_NON_OVERLAPPING, SCORE_SLIDING };

struct score_law {
	enum score_mode mode;
	size_t seq_len;
	size_t stride; /* sliding only: 1..seq_len */
};

/* Read "non_overlapping" or "sliding:STRIDE"; -1 after saying why. */
int score_law_parse(const char *text, size_t seq_len, struct score_law *law);

/* How many targets of a stream of so many ids the law scores; 0 if it fills no window. */
uint64_t score_law_targets(const struct score_law *law, uint64_t ids);

/* Fill ids with the n ids of the stream from place at on; 0, or -1 after saying why. */
typedef int score_source(void *cookie, uint64_t at, int32_t *ids, size_t n);

struct score_args {
	struct model *model; /* MODEL_SCORE, or MODEL_TRAIN between steps; max_seq at least law.seq_len */
	struct score_law law;
	size_t windows;  /* of a part: at most the model's max_batch */
	uint64_t tokens; /* ids in the stream */
	score_source *source;
	void *cookie;
};

struct score;

/* Owns: the caller closes. Errors: NULL after saying why: errno ENOMEM, or EINVAL (the stream fills no window). */
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
 * were scored before, so scoring can stop and go on anywhere.
 * Owns:   nothing: *nats stays valid until the next call.
 * Errors: -1 after saying why.
 */
int score_part(struct score *s, uint64_t part, const float **nats, size_t *n);

#endif
