#ifndef HG_SCORE_LAW_H
#define HG_SCORE_LAW_H

#include <stddef.h>
#include <stdint.h>

/**
 * What eval.mode may say, apart from score.h, so that a tool which only reads specs links no model.
 *   non_overlapping  windows of seq_len tokens side by side; the tail that fills
 *                    no window is dropped, as in the public scorer
 *   sliding:STRIDE   every token once; all but the first window's score their
 *                    last STRIDE tokens; the last window ends with the stream
 *   documents        every token once, each document by itself: windows of
 *                    seq_len tokens side by side from its BOS on, the last as
 *                    short as what is left, so that nothing hangs on where a
 *                    document will end
 *   ttt:CHUNK:LR     as documents; but each window is scored by chunks of CHUNK
 *                    tokens, and after each but a document's last, gpt/ttt.h
 *                    makes a step at the rate LR on it, and forgets at its end
 * A document's last target is the BOS that opens the next one.
 */
enum score_mode { SCORE_NON_OVERLAPPING, SCORE_SLIDING, SCORE_DOCUMENTS, SCORE_TTT };

struct score_law {
	enum score_mode mode;
	size_t seq_len;
	size_t stride; /* of windows: 1..seq_len */
	size_t chunk;  /* ttt: 1..seq_len */
	double lr;     /* ttt */
};

/* Read eval.mode. Errors: -1 after saying why; errno EINVAL. */
int score_law_parse(const char *text, size_t seq_len, struct score_law *law);

/* How many targets of a stream of so many ids the law scores; 0 if it fills no window. */
uint64_t score_law_targets(const struct score_law *law, uint64_t ids);

#endif
