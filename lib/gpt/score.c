#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/say.h"
#include "gpt/score.h"
#include "gpt/ttt.h"

#define SCAN 4096

/* What windows do not reach across: a document, or the whole stream. Its targets follow the id at start. */
struct stretch {
	uint64_t start, targets;
	uint64_t windows; /* of those before */
};

struct score {
	struct score_args args;
	struct ttt *ttt;  /* NULL without it */
	uint64_t targets; /* in the stream, scored or not */
	struct stretch *stretches;
	size_t count, room;
	uint64_t windows;
	int32_t *inputs, *outputs; /* of one pass */
	int32_t *ids;              /* one window and its last target */
	float *all, *nats;         /* what the model gives; what the law takes of it */
};

/* The inputs of a window are the T ids from start on, and it scores the last of its targets. */
struct window {
	uint64_t start;
	size_t T, scored;
};

static int
is_apart(const struct score_law *law)
{
	return (law->mode == SCORE_DOCUMENTS || law->mode == SCORE_TTT);
}

static size_t
longest(const struct score *s, const struct stretch *d)
{
	return (d->targets < s->args.law.seq_len ? (size_t)d->targets : s->args.law.seq_len);
}

/* The first window scores all its places, each later one a stride more, until the stretch ends. */
static uint64_t
windows_of(const struct score *s, const struct stretch *d)
{
	const size_t T = longest(s, d), stride = s->args.law.stride;

	return (1 + (d->targets - T + stride - 1) / stride);
}

static uint64_t
scored_by(const struct score *s, const struct stretch *d, uint64_t windows)
{
	const uint64_t end = windows == 0 ? 0 : longest(s, d) + (windows - 1) * s->args.law.stride;

	return (end < d->targets ? end : d->targets);
}

/* The stretch that a window is of. */
static const struct stretch *
stretch_of(const struct score *s, uint64_t window)
{
	size_t low = 0, high = s->count;

	while (high - low > 1) {
		const size_t middle = low + (high - low) / 2;

		if (s->stretches[middle].windows <= window)
			low = middle;
		else
			high = middle;
	}
	return (&s->stretches[low]);
}

/*
 * A window ends with the last target that it scores, and reaches back as far as it can; but not in a document, where
 * how far the last one reaches would tell of tokens to come.
 */
static struct window
window_at(const struct score *s, uint64_t window)
{
	const struct stretch *d = stretch_of(s, window);
	const uint64_t before = scored_by(s, d, window - d->windows), end = scored_by(s, d, window - d->windows + 1);
	const size_t scored = (size_t)(end - before), T = is_apart(&s->args.law) ? scored : longest(s, d);

	return ((struct window){ d->start + end - T, T, scored });
}

static int
add_stretch(struct score *s, uint64_t start, uint64_t targets)
{
	struct stretch *d = array_room(s->stretches, s->count, &s->room, sizeof(*s->stretches));

	if (d == NULL) {
		say_error("cannot score: out of memory");
		return (-1);
	}
	s->stretches = d;
	d += s->count++;
	*d = (struct stretch){ start, targets, s->windows };
	s->windows += windows_of(s, d);
	return (0);
}

/* A document's targets end with the BOS of the next one; what begins with the stream's last id has none. */
static int
add_documents(struct score *s)
{
	int32_t ids[SCAN];
	uint64_t start = 0;
	size_t n;

	for (uint64_t at = 0; at < s->args.tokens; at += n) {
		n = s->args.tokens - at < SCAN ? (size_t)(s->args.tokens - at) : SCAN;
		if (s->args.source(s->args.cookie, at, ids, n) != 0)
			return (-1);
		for (size_t i = 0; i < n; i++) {
			if (ids[i] != s->args.bos || at + i == 0)
				continue;
			if (add_stretch(s, start, at + i - start) != 0)
				return (-1);
			start = at + i;
		}
	}
	return (start < s->targets ? add_stretch(s, start, s->targets - start) : 0);
}

enum model_use
score_use(const struct score_law *law)
{
	return (law->mode == SCORE_TTT ? MODEL_TRAIN : MODEL_SCORE);
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
	if ((is_apart(law) ? add_documents(s) : add_stretch(s, 0, s->targets)) != 0) {
		score_close(s);
		return (NULL);
	}
	/* A part of ttt is a document, which must not be left half learnt. */
	n = args->windows * law->seq_len;
	for (size_t i = 0; law->mode == SCORE_TTT && i < s->count; i++)
		n = s->stretches[i].targets > n ? (size_t)s->stretches[i].targets : n;
	s->inputs = calloc(n, sizeof(*s->inputs));
	s->outputs = calloc(n, sizeof(*s->outputs));
	s->ids = calloc(law->seq_len + 1, sizeof(*s->ids));
	s->all = calloc(n, sizeof(*s->all));
	s->nats = calloc(n, sizeof(*s->nats));
	if (s->inputs == NULL || s->outputs == NULL || s->ids == NULL || s->all == NULL || s->nats == NULL)
		goto err1;
	if (law->mode == SCORE_TTT && (s->ttt = ttt_open(args->model, law->lr)) == NULL) {
		score_close(s);
		return (NULL);
	}
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
	const int error = errno;

	if (s == NULL)
		return;
	ttt_close(s->ttt);
	free(s->stretches);
	free(s->inputs);
	free(s->outputs);
	free(s->ids);
	free(s->all);
	free(s->nats);
	free(s);
	errno = error;
}

uint64_t
score_targets(const struct score *s)
{
	return (s->targets);
}

uint64_t
score_parts(const struct score *s)
{
	return (s->ttt != NULL ? s->count : (s->windows + s->args.windows - 1) / s->args.windows);
}

/* The first of a part. */
static uint64_t
window_of(const struct score *s, uint64_t part)
{
	const uint64_t w = s->ttt == NULL ? part * s->args.windows :
	    part < s->count               ? s->stretches[part].windows :
					    s->windows;

	return (w < s->windows ? w : s->windows);
}

/* The first place that a window scores; of the one past the last, the place past the last. */
static uint64_t
place_of(const struct score *s, uint64_t window)
{
	struct window w;

	if (window == s->windows)
		return (1 + s->targets);
	w = window_at(s, window);
	return (w.start + 1 + w.T - w.scored);
}

void
score_span(const struct score *s, uint64_t part, uint64_t *first, uint64_t *end)
{
	*first = place_of(s, window_of(s, part));
	*end = place_of(s, window_of(s, part + 1));
}

/*
 * One pass: windows from ${first} on that are as long as that one and score as many of their targets, and end before
 * ${end}.  How many, or 0, said.
 */
static size_t
pass(struct score *s, uint64_t first, uint64_t end, size_t *taken)
{
	const struct window all = window_at(s, first);
	struct window w = all;
	struct model_batch batch = { s->inputs, s->outputs, 0, w.T };
	int rc;

	do {
		if (s->args.source(s->args.cookie, w.start, s->ids, w.T + 1) != 0)
			return (0);
		memcpy(s->inputs + batch.B * w.T, s->ids, w.T * sizeof(*s->ids));
		memcpy(s->outputs + batch.B * w.T, s->ids + 1, w.T * sizeof(*s->ids));
		batch.B++;
		if (first + batch.B == end)
			break;
		w = window_at(s, first + batch.B);
	} while (w.T == all.T && w.scored == all.scored);
	model_begin(s->args.model);
	if ((rc = model_loss_last(s->args.model, &batch, all.scored)) == 0)
		model_nats(s->args.model, 0, batch.B * batch.T, s->all);
	model_end(s->args.model);
	if (rc != 0)
		return (0);
	for (size_t i = 0; i < batch.B; i++) {
		memcpy(s->nats + *taken, s->all + (i + 1) * all.T - all.scored, all.scored * sizeof(*s->nats));
		*taken += all.scored;
	}
	return (batch.B);
}

/* The windows of a document. */
static int
learn(struct score *s, uint64_t first, uint64_t end, size_t *taken)
{
	for (uint64_t i = first; i < end; i++) {
		const struct window w = window_at(s, i);
		size_t chunk;

		if (s->args.source(s->args.cookie, w.start, s->ids, w.T + 1) != 0)
			return (-1);
		for (size_t at = 0; at < w.T; at += chunk) {
			chunk = w.T - at < s->args.law.chunk ? w.T - at : s->args.law.chunk;
			if (ttt_score(s->ttt, s->ids, at + chunk, chunk, at + chunk < w.T || i + 1 < end,
				s->nats + *taken) != 0)
				return (-1);
			*taken += chunk;
		}
	}
	return (0);
}

int
score_part(struct score *s, uint64_t part, const float **nats, size_t *n)
{
	const uint64_t first = window_of(s, part), end = window_of(s, part + 1);
	size_t done;
	int rc = 0;

	assert(part < score_parts(s));
	*n = 0;
	*nats = s->nats;
	if (s->ttt != NULL) {
		rc = learn(s, first, end, n);
		ttt_reset(s->ttt);
		return (rc);
	}
	for (uint64_t w = first; w < end; w += done)
		if ((done = pass(s, w, end, n)) == 0)
			return (-1);
	return (0);
}
