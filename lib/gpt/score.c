#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "base/say.h"
#include "gpt/score.h"

struct score {
	struct score_args args;
	uint64_t targets; /* in the stream, scored or not */
	size_t T;         /* seq_len, or less for a short sliding stream */
	uint64_t windows;
	int32_t *inputs, *outputs; /* (windows of a part, T) */
	int32_t *ids;              /* one window and its last target */
	float *all, *nats;         /* what the model gives; what the law takes of it */
};

int
score_law_parse(const char *text, size_t seq_len, struct score_law *law)
{
	uint64_t stride;

	*law = (struct score_law){ SCORE_NON_OVERLAPPING, seq_len, seq_len };
	if (strcmp(text, "non_overlapping") == 0)
		return (0);
	if (strncmp(text, "sliding:", 8) == 0 && num_u64(text + 8, 1, seq_len, &stride) == 0) {
		law->mode = SCORE_SLIDING;
		law->stride = (size_t)stride;
		return (0);
	}
	say_error("evaluation mode '%s' is neither 'non_overlapping' nor 'sliding:STRIDE' with a stride of 1 to %zu",
	    text, seq_len);
	errno = EINVAL;
	return (-1);
}

/* Targets scored by windows 0..w-1: the first scores T places, each later one stride more, until the stream ends. */
static uint64_t
scored_before(const struct score *s, uint64_t w)
{
	uint64_t end;

	if (w == 0)
		return (0);
	end = s->T + (w - 1) * s->args.law.stride;
	return (end < s->targets ? end : s->targets);
}

uint64_t
score_law_targets(const struct score_law *law, uint64_t ids)
{
	uint64_t n = ids < 2 ? 0 : ids - 1;

	return (law->mode == SCORE_NON_OVERLAPPING ? n / law->seq_len * law->seq_len : n);
}

struct score *
score_open(const struct score_args *args)
{
	const struct score_law *law = &args->law;
	struct score *s;
	size_t n;

	assert(args->windows > 0 && law->stride > 0 && law->stride <= law->seq_len);
	if (score_law_targets(law, args->tokens) == 0) {
		say_error("%ju tokens do not fill one window of %zu", (uintmax_t)args->tokens, law->seq_len);
		errno = EINVAL;
		return (NULL);
	}
	if ((s = calloc(1, sizeof(*s))) == NULL)
		goto err0;
	s->args = *args;
	s->targets = score_law_targets(law, args->tokens);
	s->T = law->seq_len;
	if (law->mode == SCORE_NON_OVERLAPPING) {
		s->args.law.stride = s->T;
		s->windows = s->targets / s->T;
	} else if (s->targets <= s->T) {
		s->T = (size_t)s->targets;
		s->windows = 1;
	} else {
		s->windows = 1 + (s->targets - s->T + law->stride - 1) / law->stride;
	}
	n = args->windows * s->T;
	s->inputs = calloc(n, sizeof(*s->inputs));
	s->outputs = calloc(n, sizeof(*s->outputs));
	s->ids = calloc(s->T + 1, sizeof(*s->ids));
	s->all = calloc(n, sizeof(*s->all));
	s->nats = calloc(n, sizeof(*s->nats));
	if (s->inputs == NULL || s->outputs == NULL || s->ids == NULL || s->all == NULL || s->nats == NULL)
		goto err1;
	return (s);

err1:
	score_close(s);
err0:
	say_error("cannot score: out of memory");
	errno = ENOMEM;
	return (NULL);
}

void
score_close(struct score *s)
{
	if (s == NULL)
		return;
	free(s->inputs);
	free(s->outputs);
	free(s->ids);
	free(s->all);
	free(s->nats);
	free(s);
}

uint64_t
score_targets(const struct score *s)
{
	return (s->targets);
}

uint64_t
score_parts(const struct score *s)
{
	return ((s->windows + s->args.windows - 1) / s->args.windows);
}

static uint64_t
window_of(const struct score *s, uint64_t part)
{
	const uint64_t w = part * s->args.windows;

	return (w < s->windows ? w : s->windows);
}

void
score_span(const struct score *s, uint64_t part, uint64_t *first, uint64_t *end)
{
	*first = 1 + scored_before(s, window_of(s, part));
	*end = 1 + scored_before(s, window_of(s, part + 1));
}

int
score_part(struct score *s, uint64_t part, const float **nats, size_t *n)
{
	const uint64_t first = window_of(s, part), end = window_of(s, part + 1);
	const struct model_batch batch = { s->inputs, s->outputs, (size_t)(end - first), s->T };
	size_t taken = 0;
	int rc;

	assert(part < score_parts(s));
	for (uint64_t w = first; w < end; w++) {
		/* A window ends with the last target that it scores, and reaches back as far as it can. */
		const uint64_t start = scored_before(s, w + 1) - s->T;

		if (s->args.source(s->args.cookie, start, s->ids, s->T + 1) != 0)
			return (-1);
		memcpy(s->inputs + (w - first) * s->T, s->ids, s->T * sizeof(*s->ids));
		memcpy(s->outputs + (w - first) * s->T, s->ids + 1, s->T * sizeof(*s->ids));
	}
	model_begin(s->args.model);
	if ((rc = model_loss(s->args.model, &batch, 0)) == 0)
		model_nats(s->args.model, 0, batch.B * s->T, s->all);
	model_end(s->args.model);
	if (rc != 0)
		return (-1);
	for (uint64_t w = first; w < end; w++) {
		const size_t scored = (size_t)(scored_before(s, w + 1) - scored_before(s, w));

		memcpy(s->nats + taken, s->all + (w - first + 1) * s->T - scored, scored * sizeof(*s->nats));
		taken += scored;
	}
	*nats = s->nats;
	*n = taken;
	return (0);
}
