/* Apart from the others, so that a tool which only reads specs links no backend. */

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "base/say.h"
#include "gpt/calibration.h"
#include "gpt/gptq.h"

/* A square becomes its upper triangle, in place; nonzero if a number is not finite. */
static int
pack(float *square, size_t n)
{
	float *to = square;
	int bad = 0;

	for (size_t i = 0; i < n; i++)
		for (size_t j = i; j < n; j++) {
			*to = square[i * n + j];
			bad |= !isfinite(*to++);
		}
	return (bad);
}

struct calibration *
calibration_watched(struct model *m)
{
	const struct params *p = model_params(m);
	struct calibration *c = calibration_new(p);
	float *less;

	for (size_t i = 0; c != NULL && i < p->count; i++) {
		const size_t n = p->tensors[i].cols;

		if (!model_watched(m, i))
			continue;
		if ((c->gram[i] = malloc(n * n * sizeof(**c->gram))) == NULL) {
			say_error("cannot keep what '%s' reads: out of memory", p->tensors[i].name);
			errno = ENOMEM;
			goto err0;
		}
		model_get_gram(m, i, c->gram[i]);
		if (pack(c->gram[i], n)) {
			say_error("what '%s' reads is not finite", p->tensors[i].name);
			errno = ERANGE;
			goto err0;
		}
		if ((less = realloc(c->gram[i], gptq_packed(n) * sizeof(*less))) != NULL)
			c->gram[i] = less;
	}
	return (c);
err0:
	calibration_free(c);
	return (NULL);
}
