#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/jsonio.h"
#include "base/say.h"
#include "gpt/schedule_read.h"

enum { COLUMNS = 7 };

/* The members of a line that are taken, the first of them by necessity. */
static const char *const members[COLUMNS] = { "lr_scale", "adam_lr_scale", "momentum_rise", "batch_tokens", "seq_len",
	"visits", "average_keep" };

struct table {
	double *columns[COLUMNS]; /* NAN where a line has none */
	uint64_t count, room;
};

static int
same(double a, double b)
{
	return (a == b || (isnan(a) && isnan(b)));
}

static int
grow(struct table *t)
{
	const uint64_t more = t->room ? t->room * 2 : 1024;

	for (size_t c = 0; c < COLUMNS; c++) {
		double *p = realloc(t->columns[c], more * sizeof(*p));

		if (p == NULL) {
			say_error("cannot keep %ju scales: out of memory", (uintmax_t)more);
			return (-1);
		}
		t->columns[c] = p;
	}
	t->room = more;
	return (0);
}

/* Take one metrics line; 0, or -1 after saying why. */
static int
take(const char *line, size_t n, struct table *t)
{
	json_t *row = jsonio_parse(line, n, "metrics line");
	const int64_t step = jsonio_i64(row, "step", -1);
	double values[COLUMNS];
	int rc = -1;

	if (row == NULL)
		return (-1);
	for (size_t c = 0; c < COLUMNS; c++) {
		const json_t *v = jsonio_get(row, members[c]);

		values[c] = json_is_number(v) ? json_number_value(v) : NAN;
	}
	if (step < 0 || isnan(values[0])) {
		say_error("a metrics line has no step or no lr_scale");
		goto out;
	}
	if ((uint64_t)step > t->count) {
		say_error("metrics lack step %ju, so they cannot be replayed (train.log_every must be 1)",
		    (uintmax_t)t->count);
		goto out;
	}
	if ((uint64_t)step == t->count && t->count == t->room && grow(t) != 0)
		goto out;
	for (size_t c = 0; c < COLUMNS; c++) {
		if ((uint64_t)step == t->count) {
			t->columns[c][t->count] = values[c];
		} else if (!same(t->columns[c][step], values[c])) {
			say_error("metrics give two scales for step %jd", (intmax_t)step);
			goto out;
		}
	}
	t->count += (uint64_t)step == t->count;
	rc = 0;
out:
	json_decref(row);
	return (rc);
}

/* Drop the columns that no line has; those that only some have are an error. */
static int
settle(struct table *t)
{
	for (size_t c = 1; c < COLUMNS; c++) {
		uint64_t given = 0;

		for (uint64_t i = 0; i < t->count; i++)
			given += !isnan(t->columns[c][i]);
		if (given != 0 && given != t->count) {
			say_error("metrics have %s at %ju of %ju steps, so they cannot be replayed", members[c],
			    (uintmax_t)given, (uintmax_t)t->count);
			return (-1);
		}
		if (given == 0) {
			free(t->columns[c]);
			t->columns[c] = NULL;
		}
	}
	return (0);
}

int
schedule_read(const char *text, size_t n, struct schedule_recorded *recorded)
{
	const char *end = text + n;
	struct table t = { { NULL }, 0, 0 };

	memset(recorded, 0, sizeof(*recorded));
	while (text < end) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		const char *stop = newline != NULL ? newline : end;

		if (take(text, (size_t)(stop - text), &t) != 0)
			goto err;
		text = stop + 1;
	}
	if (t.count == 0) {
		say_error("metrics hold no step to replay");
		goto err;
	}
	if (settle(&t) != 0)
		goto err;
	*recorded = (struct schedule_recorded){ t.columns[0], t.columns[1], t.columns[2], t.columns[3], t.columns[4],
		t.columns[5], t.columns[6], t.count };
	return (0);
err:
	for (size_t c = 0; c < COLUMNS; c++)
		free(t.columns[c]);
	return (-1);
}

static int
is_among(const struct bind_pairs *changes, size_t first, double number)
{
	int found = number == (double)first;

	for (size_t i = 0; i < changes->count; i++)
		found = found || number == (double)changes->number[i];
	return (found);
}

int
schedule_read_follow(struct schedule *s, const struct schedule_recorded *recorded)
{
	for (uint64_t i = 0; i < recorded->count; i++) {
		const struct {
			const char *what, *key;
			const struct bind_pairs *changes;
			size_t first;
			const double *recorded;
		} kinds[] = {
			{ "a batch of %.0f tokens", "train.batch_schedule", &s->batches, s->batch_tokens,
			    recorded->batch_sizes },
			{ "sequences of %.0f tokens", "train.seq_schedule", &s->seqs, s->seq_len, recorded->seq_lens },
			{ "%.0f visits of layers", "train.loop_from", &s->visits, s->visits_first,
			    recorded->visit_counts },
		};

		for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
			char what[64];

			if (kinds[k].recorded == NULL ||
			    is_among(kinds[k].changes, kinds[k].first, kinds[k].recorded[i]))
				continue;
			snprintf(what, sizeof(what), kinds[k].what, kinds[k].recorded[i]);
			say_error("step %llu of train.replay has %s, which the spec's %s has not: take the replayed "
				  "run's own keys",
			    (unsigned long long)i, what, kinds[k].key);
			return (-1);
		}
	}
	s->scales = recorded->scales;
	s->adam_scales = recorded->adam_scales;
	s->rises = recorded->rises;
	s->batch_sizes = recorded->batch_sizes;
	s->seq_lens = recorded->seq_lens;
	s->visit_counts = recorded->visit_counts;
	s->keeps = recorded->keeps;
	s->iterations = recorded->count;
	return (0);
}
