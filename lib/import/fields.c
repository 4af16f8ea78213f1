#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/array.h"
#include "import/fields.h"
#include "import/jsontext.h"

/* --- names ----------------------------------------------------------------- */

/* Where a score for each seed stands as a bare number. */
static const struct {
	const char *name;
	enum claim_what what;
} lists[] = {
	{ "seed_scores", CLAIM_VAL_BPB },
	{ "seed_bpbs", CLAIM_VAL_BPB },
	{ "val_bpb_seeds", CLAIM_VAL_BPB },
	{ "val_bpb_per_seed", CLAIM_VAL_BPB },
	{ "per_seed_bpb", CLAIM_VAL_BPB },
	{ "per_seed_val_bpb", CLAIM_VAL_BPB },
	{ "val_bpbs", CLAIM_VAL_BPB },
	{ "seed_val_bpb", CLAIM_VAL_BPB },
	{ "seed_val_bpbs", CLAIM_VAL_BPB },
	{ "val_loss_seeds", CLAIM_VAL_LOSS },
	{ "val_losses", CLAIM_VAL_LOSS },
	{ "val_loss_per_seed", CLAIM_VAL_LOSS },
	{ "val_bpb", CLAIM_VAL_BPB },
	{ "val_loss", CLAIM_VAL_LOSS },
	{ "bytes_total", CLAIM_TOTAL_BYTES },
	{ "artifact_bytes", CLAIM_ARTIFACT_BYTES },
	{ "artifact_size_bytes", CLAIM_ARTIFACT_BYTES },
	{ "steps", CLAIM_STEPS },
	{ "training_steps", CLAIM_STEPS },
	{ "train_time_seconds", CLAIM_TRAIN_S },
	{ "train_time_ms", CLAIM_TRAIN_MS },
	{ "training_time_ms", CLAIM_TRAIN_MS },
	{ "training_time_seconds", CLAIM_TRAIN_S },
	/* A number for a seed, of what nobody says: taken only if the score of the whole vouches for it. */
	{ "seed_results", CLAIM_WHATS },
	{ "seeds", CLAIM_WHATS },
	{ "per_seed", CLAIM_WHATS },
};

/* What holds runs. */
static const char *const holders[] = { "seed_results", "seeds", "per_seed", "seed_metrics", "results_by_seed", "runs",
	"results", "per_seed_results", "results_per_seed", "seed_runs", NULL };

/* What may stand around all of it. */
static const char *const wrappers[] = { "results", "result", "metrics", "final", "final_results", "summary",
	"submission", "evaluation", NULL };

static int
is_among(const char *key, const char *const *among)
{
	for (; *among != NULL && strcasecmp(*among, key) != 0; among++)
		;
	return (*among != NULL);
}

static enum claim_what
list_of(const char *key)
{
	size_t i;

	for (i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		if (strcasecmp(lists[i].name, key) == 0)
			return (lists[i].what);
	return (CLAIM_OWN);
}

/* "42", "seed42", "seed_42": 1 and the seed; bare numbers only where they can be nothing else. */
static int
seed_key(const char *key, int bare, int64_t *seed)
{
	size_t n;

	if (strncasecmp(key, "seed", 4) == 0) {
		key += 4;
		if (*key == '_' || *key == '-' || *key == ' ')
			key++;
	} else if (!bare)
		return (0);
	n = strspn(key, "0123456789");
	if (n == 0 || n > 15 || key[n] != '\0')
		return (0);
	*seed = strtoll(key, NULL, 10);
	return (1);
}

/* --- the JSON -------------------------------------------------------------- */

/* A value of one of several runs, or of all. */
enum scope { WHOLE, OF_SEED, IN_LIST, IN_OBJECT };

struct fields_found {
	int value;
	enum claim_what what;
	enum scope scope;
	int64_t seed;
	size_t index;  /* in its list, or of its object */
	char list[40]; /* its name */
};

static void
keep(struct fields *t, struct fields_found f)
{
	struct fields_found *grown;

	if ((grown = array_room(t->found, t->count, &t->cap, sizeof(*grown))) == NULL) {
		t->broken = 1;
		return;
	}
	t->found = grown;
	t->found[t->count++] = f;
}

/* What the levels below the wrappers say. */
static struct fields_found
place(const struct jsontext_level *level, size_t depth)
{
	struct fields_found f = { -1, CLAIM_OWN, WHOLE, 0, 0, "" };
	size_t i = 0;
	int64_t seed;

	/* One wrapper at most, and never one that holds the runs itself. */
	if (depth > 1 && !level[0].in_array && is_among(level[0].key, wrappers) && !level[1].in_array &&
	    !seed_key(level[1].key, 1, &seed))
		i = 1;
	level += i;
	depth -= i;
	if (depth == 0 || level[0].in_array)
		return (f);
	if (depth == 1) {
		const char *at = strstr(level[0].key, "_seed");
		char stem[40];

		/* "seeds": 3 may be how many or which. */
		f.what = strcasecmp(level[0].key, "seeds") == 0 ? CLAIM_OWN : claim_what_of(level[0].key);
		if (at != NULL && (size_t)(at - level[0].key) < sizeof(stem) && seed_key(at + 1, 0, &seed)) {
			memcpy(stem, level[0].key, (size_t)(at - level[0].key));
			stem[at - level[0].key] = '\0';
			f.what = claim_what_of(stem);
			f.scope = OF_SEED;
			f.seed = seed;
		}
		return (f);
	}
	if (depth == 2 && level[1].in_array) {
		f.what = strcasecmp(level[0].key, "seeds") == 0 ? CLAIM_SEED : list_of(level[0].key);
		if (f.what == CLAIM_OWN)
			return (f);
		f.scope = IN_LIST;
		f.index = level[1].index;
		snprintf(f.list, sizeof(f.list), "%s", level[0].key);
		return (f);
	}
	if (depth == 2 && seed_key(level[1].key, 1, &seed) && (f.what = list_of(level[0].key)) != CLAIM_OWN) {
		f.scope = OF_SEED;
		f.seed = seed;
		return (f);
	}
	if (depth == 2 && seed_key(level[0].key, 0, &seed)) {
		f.scope = OF_SEED;
		f.seed = seed;
		f.what = claim_what_of(level[1].key);
		return (f);
	}
	if (depth == 3 && is_among(level[0].key, holders)) {
		if (level[1].in_array) {
			f.scope = IN_OBJECT;
			f.index = level[1].index;
			snprintf(f.list, sizeof(f.list), "%s", level[0].key);
			f.what = claim_what_of(level[2].key);
		} else if (seed_key(level[1].key, 1, &seed)) {
			f.scope = OF_SEED;
			f.seed = seed;
			f.what = claim_what_of(level[2].key);
		}
		return (f);
	}
	if (i == 1 && depth == 2 && seed_key(level[0].key, 1, &seed)) {
		f.scope = OF_SEED;
		f.seed = seed;
		f.what = claim_what_of(level[1].key);
	}
	return (f);
}

static int
take_item(void *arg, const struct jsontext_item *item)
{
	struct fields *t = arg;
	const struct jsontext_level *last;
	struct fields_found f;
	enum claim_what what;
	int text;

	/* A scalar that is all of the file says nothing. */
	if (item->depth == 0)
		return (0);
	last = &item->level[item->depth - 1];
	/* "results.seed42.val_bpb" is the seed's, "results.val_bpb" is all's. */
	f = place(item->level, item->depth);
	if (f.what == CLAIM_OWN && item->depth == 3 && is_among(item->level[0].key, wrappers) &&
	    !item->level[1].in_array && seed_key(item->level[1].key, 1, &f.seed)) {
		f.scope = OF_SEED;
		f.what = claim_what_of(item->level[2].key);
	}
	what = f.what == CLAIM_WHATS ? CLAIM_VAL_BPB : f.what;
	text = what == CLAIM_TITLE || what == CLAIM_AUTHOR || what == CLAIM_DATE || what == CLAIM_METHOD;
	f.value = claim_value(t->c, what, last->in_array ? "" : last->key, item->text, item->n, claim_what_kind(what),
	    t->file, item->line, item->path);
	if (f.value < 0)
		return (t->c->broken);
	if (item->kind == JSONTEXT_STRING && what != CLAIM_OWN && !text) {
		if (!isnan(t->c->values[f.value].figure.number))
			t->c->values[f.value].flags |= DEFECT_BIT(DEFECT_QUOTED_NUMBER);
	}
	if (what != CLAIM_OWN)
		keep(t, f);
	return (t->broken);
}

static void
take_twice(void *arg, const char *path, unsigned line)
{
	struct fields *t = arg;
	char **grown;

	claim_note(t->c, DEFECT_DUPLICATE_KEY, t->file, line, "%s stands twice", path);
	if ((grown = array_few(t->twice, t->twice_count, sizeof(*grown))) == NULL) {
		t->broken = 1;
		return;
	}
	t->twice = grown;
	if ((grown[t->twice_count] = strdup(path)) == NULL)
		t->broken = 1;
	else
		t->twice_count++;
}

/* Is it the path, or below it? */
static int
within(const char *path, const char *of)
{
	size_t n = strlen(of);

	return (strncmp(path, of, n) == 0 && (path[n] == '\0' || path[n] == '.' || path[n] == '['));
}

static double
number_of(const struct claim *c, int value)
{
	return (c->values[value].figure.number);
}

unsigned *
fields_of_run(struct claim_run *r, enum claim_what what)
{
	switch (what) {
	case CLAIM_VAL_BPB:
		return (&r->val_bpb);
	case CLAIM_VAL_LOSS:
		return (&r->val_loss);
	case CLAIM_TOTAL_BYTES:
		return (&r->total_bytes);
	case CLAIM_TOKENS:
		return (&r->tokens);
	case CLAIM_STEPS:
		return (&r->steps);
	case CLAIM_TRAIN_MS:
	case CLAIM_TRAIN_S:
		return (&r->train);
	default:
		return (NULL);
	}
}

/* A run's value: the finer of two that agree; of two that do not, neither. */
static void
give(struct claim *c, int run, int value)
{
	enum claim_what what = c->values[value].what;
	unsigned *at;
	double a, b;

	if (run < 0)
		return;
	c->values[value].run = run;
	if ((at = fields_of_run(&c->runs[run], what)) == NULL || isnan(number_of(c, value)))
		return;
	if (*at == 0) {
		*at = (unsigned)value + 1;
		return;
	}
	a = claim_number(c, *at);
	b = number_of(c, value);
	if (number_agree(a, claim_unit(c, *at), b, c->values[value].figure.unit)) {
		if (c->values[value].figure.unit < claim_unit(c, *at))
			*at = (unsigned)value + 1;
		return;
	}
	if (what == CLAIM_VAL_BPB || what == CLAIM_VAL_LOSS || what == CLAIM_TOTAL_BYTES) {
		claim_note(c, DEFECT_AMBIGUOUS, c->values[value].file, c->values[value].line, "%s is %s, and %s is %s",
		    c->values[*at - 1].path, c->values[*at - 1].text, c->values[value].path, c->values[value].text);
		claim_doubt(c, (int)*at - 1, DEFECT_AMBIGUOUS);
		claim_doubt(c, value, DEFECT_AMBIGUOUS);
		*at = 0;
	}
}

void
fields_assign(struct fields *t)
{
	struct claim *c = t->c;
	struct fields_found *f, *s;
	size_t i, k, seeds = 0, n, longest = 0;
	int run;

	for (i = 0; i < t->count; i++)
		if (t->found[i].scope == IN_LIST && t->found[i].what == CLAIM_SEED)
			seeds++;
	for (i = 0; i < t->count; i++) {
		f = &t->found[i];
		if (f->scope == OF_SEED)
			give(c, claim_run_of(c, f->seed), f->value);
		if (f->scope == IN_LIST && f->index + 1 > longest)
			longest = f->index + 1;
	}
	for (i = 0; i < t->count; i++) {
		f = &t->found[i];
		if (f->scope != IN_OBJECT && (f->scope != IN_LIST || f->what == CLAIM_SEED))
			continue;
		for (s = NULL, k = 0; k < t->count; k++)
			if (t->found[k].what == CLAIM_SEED && t->found[k].scope == f->scope &&
			    t->found[k].index == f->index && !isnan(number_of(c, t->found[k].value)))
				s = &t->found[k];
		if (f->scope == IN_LIST) {
			for (n = 0, k = 0; k < t->count; k++)
				n += t->found[k].scope == IN_LIST && strcmp(t->found[k].list, f->list) == 0;
			if (n != seeds) {
				if (f->index == 0)
					claim_note(c, DEFECT_SEEDS_UNMATCHED, t->file, c->values[f->value].line,
					    "%zu values in %s, %zu seeds", n, f->list, seeds);
				/*
				 * Without seeds they are runs all the same; with another number of them nobody
				 * knows whose.
				 */
				if (seeds != 0)
					continue;
				while (c->run_count <= f->index && claim_run(c) != -1)
					;
				if (f->index < c->run_count)
					give(c, (int)f->index, f->value);
				continue;
			}
		}
		if (s != NULL)
			give(c, claim_run_of(c, (int64_t)number_of(c, s->value)), f->value);
		/* Results in a list that names no seeds may be of anything, unless it says that they are of seeds. */
		else if (f->scope == IN_OBJECT && f->what == CLAIM_VAL_BPB && strstr(f->list, "seed") != NULL &&
		    (run = claim_run(c)) != -1)
			give(c, run, f->value);
	}
	/* Seeds that are named without a value are runs as well. */
	for (i = 0; i < t->count; i++)
		if (t->found[i].what == CLAIM_SEED && t->found[i].scope == IN_LIST &&
		    !isnan(number_of(c, t->found[i].value)))
			c->values[t->found[i].value].run = claim_run_of(c, (int64_t)number_of(c, t->found[i].value));
	/* An object's own seed. */
	for (i = 0; i < t->count; i++)
		if (t->found[i].what == CLAIM_SEED && t->found[i].scope == IN_OBJECT &&
		    !isnan(number_of(c, t->found[i].value)))
			c->values[t->found[i].value].run = claim_run_of(c, (int64_t)number_of(c, t->found[i].value));
}

static int
is_mean(const char *key)
{
	return (strstr(key, "mean") != NULL || strstr(key, "avg") != NULL);
}

unsigned
fields_whole(const struct fields *t, enum claim_what what, int note)
{
	struct claim *c = t->c;
	const struct claim_value *v, *b;
	unsigned best = 0;
	size_t i;

	for (i = 0; i < t->count; i++) {
		if (t->found[i].scope != WHOLE || t->found[i].what != what || isnan(number_of(c, t->found[i].value)))
			continue;
		v = &c->values[t->found[i].value];
		if (best == 0) {
			best = (unsigned)t->found[i].value + 1;
			continue;
		}
		b = &c->values[best - 1];
		if (note && !number_agree(v->figure.number, v->figure.unit, b->figure.number, b->figure.unit))
			claim_note(c, DEFECT_SCORES_DISAGREE, t->file, v->line, "%s is %s, and %s is %s", b->path,
			    b->text, v->path, v->text);
		if (is_mean(v->name) > is_mean(b->name) ||
		    (is_mean(v->name) == is_mean(b->name) &&
			number_agree(v->figure.number, v->figure.unit, b->figure.number, b->figure.unit) &&
			v->figure.unit < b->figure.unit))
			best = (unsigned)t->found[i].value + 1;
	}
	return (best);
}

char *
fields_text(const struct fields *t, enum claim_what what)
{
	struct claim *c = t->c;
	size_t i;

	for (i = 0; i < t->count; i++)
		if (t->found[i].what == what && t->found[i].scope == WHOLE &&
		    c->values[t->found[i].value].text[0] != '\0')
			return (claim_copy(c, c->values[t->found[i].value].text,
			    strlen(c->values[t->found[i].value].text)));
	return (NULL);
}

void
fields_vouch(struct fields *t, unsigned score)
{
	struct claim *c = t->c;
	double sum = 0, unit = 0, mean;
	size_t i, n = 0;

	for (i = 0; i < t->count; i++)
		if (t->found[i].what == CLAIM_WHATS && !isnan(number_of(c, t->found[i].value))) {
			sum += number_of(c, t->found[i].value);
			unit = fmax(unit, c->values[t->found[i].value].figure.unit);
			n++;
		}
	if (n == 0)
		return;
	mean = sum / (double)n;
	if (score != 0 && number_agree(mean, unit, claim_number(c, score), claim_unit(c, score)))
		return;
	for (i = 0; i < t->count && score != 0; i++)
		if (t->found[i].what == CLAIM_WHATS && number_of(c, t->found[i].value) == claim_number(c, score))
			return;
	for (i = 0; i < t->count; i++)
		if (t->found[i].what == CLAIM_WHATS) {
			claim_note(c, DEFECT_AMBIGUOUS, t->file, c->values[t->found[i].value].line,
			    "nothing says what %s of %s is", c->values[t->found[i].value].text,
			    c->values[t->found[i].value].path);
			claim_doubt(c, t->found[i].value, DEFECT_AMBIGUOUS);
		}
}

void
fields_read(struct fields *t, const struct textfile *json)
{
	const struct jsontext_reader reader = { take_item, take_twice, t };
	struct claim *c = t->c;
	struct jsontext_end end;
	size_t i, k;

	if (json->text == NULL)
		return;
	if (jsontext_read(json->text, json->n, &reader, &end) == -1) {
		t->broken = 1;
		return;
	}
	if (end.lax_line != 0)
		claim_note(c, DEFECT_LAX_JSON, t->file, end.lax_line,
		    "comments, trailing commas or words that JSON does not have");
	for (i = 0; i < c->value_count; i++)
		for (k = 0; k < t->twice_count; k++)
			if (within(c->values[i].path, t->twice[k]))
				claim_doubt(c, (int)i, DEFECT_DUPLICATE_KEY);
	if (end.ok || c->full)
		return;
	if (json->n > 0)
		claim_note(c, end.too_deep ? DEFECT_TOO_DEEP : DEFECT_NOT_JSON, t->file, end.line, "%s",
		    end.why == NULL ? "it cannot be read" : end.why);
	/* What stood before the place is kept, but who knows what the whole would have said. */
	for (i = 0; i < c->value_count; i++)
		claim_doubt(c, (int)i, end.too_deep ? DEFECT_TOO_DEEP : DEFECT_NOT_JSON);
}

unsigned
fields_method(const struct fields *t)
{
	unsigned method = 0;
	size_t i;

	for (i = 0; i < t->count; i++)
		if (t->found[i].what == CLAIM_METHOD)
			method = (unsigned)t->found[i].value + 1;
	return (method);
}

void
fields_free(struct fields *t)
{
	size_t i;

	for (i = 0; i < t->twice_count; i++)
		free(t->twice[i]);
	free(t->twice);
	free(t->found);
}
