#ifndef HG_GENERATE_H
#define HG_GENERATE_H

#include <stddef.h>
#include <stdint.h>

#include "gpt/model.h"

struct generate_law {
	double temperature; /* 0: always the likeliest token, the lowest id among equals */
	uint64_t seed;
	int32_t stop; /* an id that ends the text and is not part of it; -1: none */
};

enum generate_end { GENERATE_LENGTH, GENERATE_STOP };

/**
 * generate_run(m, law, prompt, prompt_n, out, out_max, out_n):
 * Continue ${prompt} (at least one id) by up to ${out_max} ids.  ${m} was
 * opened with MODEL_GENERATE; when its positions are used up, the text goes on
 * with the last half of them as context.
 * Returns why it ended (enum generate_end).
 * Errors: -1 after saying why: an id out of range, or logits that are not finite.
 */
int generate_run(struct model *m, const struct generate_law *law, const int32_t *prompt, size_t prompt_n, int32_t *out,
    size_t out_max, size_t *out_n);

#endif
