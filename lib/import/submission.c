#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "jsontext.h"
#include "logtext.h"
#include "submission.h"

/* --- names ----------------------------------------------------------------- */

/* Where a score for each seed stands as a bare number. */
static const struct {
	const char *name;
	enum claim_what what;
} lists[] = {
	{ "seed_scores", CLAIM_VAL_BPB }, { "seed_bpbs", CLAIM_VAL_BPB }, { "val_bpb_seeds", CLAIM_VAL_BPB },
	{ "val_bpb_per_seed", CLAIM_VAL_BPB }, { "per_seed_bpb", CLAIM_VAL_BPB }, { "per_seed_val_bpb", CLAIM_VAL_BPB },
	{ "val_bpbs", CLAIM_VAL_BPB }, { "seed_val_bpb", CLAIM_VAL_BPB }, { "seed_val_bpbs", CLAIM_VAL_BPB },
	{ "val_loss_seeds", CLAIM_VAL_LOSS }, { "val_losses", CLAIM_VAL_LOSS }, { "val_loss_per_seed", CLAIM_VAL_LOSS },
	{ "val_bpb", CLAIM_VAL_BPB }, { "val_loss", CLAIM_VAL_LOSS }, { "bytes_total", CLAIM_TOTAL_BYTES },
	{ "artifact_bytes", CLAIM_ARTIFACT_BYTES }, { "artifact_size_bytes", CLAIM_ARTIFACT_BYTES },
	{ "steps", CLAIM_STEPS }, { "train_time_seconds", CLAIM_TRAIN_S },
	/* A number for a seed, of what nobody says: taken only if the score of the whole vouches for it. */
	{ "seed_results", CLAIM_WHATS }, { "seeds", CLAIM_WHATS }, { "per_seed", CLAIM_WHATS },
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

struct found {
	int value;
	enum claim_what what;
	enum scope scope;
	int64_t seed;
	size_t index;			/* in its list, or of its object */
	char list[40];			/* its name */
};

struct taking {
	struct claim *c;
	const char *file;
	struct found *found;
	size_t count, cap;
	int broken;
	char **twice;			/* paths that stand twice */
	size_t twice_count;
};

static void
keep(struct taking *t, struct found f)
{
	struct found *grown;

	if (t->count == t->cap) {
		t->cap = t->cap == 0 ? 64 : 2 * t->cap;
		if ((grown = realloc(t->found, t->cap * sizeof(*grown))) == NULL) {
			t->broken = 1;
			return;
		}
		t->found = grown;
	}
	t->found[t->count++] = f;
}

/* What the levels below the wrappers say. */
static struct found
place(const struct jsontext_level *level, size_t depth)
{
	struct found f = { -1, CLAIM_OWN, WHOLE, 0, 0, "" };
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
	struct taking *t = arg;
	const struct jsontext_level *last;
	struct found f;
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
	    t->file,
	    item->line, item->path);
	if (f.value < 0)
		return (t->c->broken);
	if (item->kind == JSONTEXT_STRING && what != CLAIM_OWN && !text) {
		if (!isnan(t->c->values[f.value].figure.number))
			t->c->values[f.value].flags |= FLAG_BIT(FLAG_QUOTED_NUMBER);
	}
	if (what != CLAIM_OWN)
		keep(t, f);
	return (t->broken);
}

static void
take_twice(void *arg, const char *path, unsigned line)
{
	struct taking *t = arg;
	char **grown;

	claim_note(t->c, FLAG_DUPLICATE_KEY, t->file, line, "%s stands twice", path);
	if ((grown = realloc(t->twice, (t->twice_count + 1) * sizeof(*grown))) == NULL) {
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

static unsigned *
field(struct claim_run *r, enum claim_what what)
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
	if ((at = field(&c->runs[run], what)) == NULL || isnan(number_of(c, value)))
		return;
	if (*at == 0) {
		*at = (unsigned)value + 1;
		return;
	}
	a = claim_number(c, *at);
	b = number_of(c, value);
	if (figure_agree(a, claim_unit(c, *at), b, c->values[value].figure.unit)) {
		if (c->values[value].figure.unit < claim_unit(c, *at))
			*at = (unsigned)value + 1;
		return;
	}
	if (what == CLAIM_VAL_BPB || what == CLAIM_VAL_LOSS || what == CLAIM_TOTAL_BYTES) {
		claim_note(c, FLAG_AMBIGUOUS, c->values[value].file, c->values[value].line, "%s is %s, and %s is %s",
		    c->values[*at - 1].path, c->values[*at - 1].text, c->values[value].path, c->values[value].text);
		claim_doubt(c, (int)*at - 1, FLAG_AMBIGUOUS);
		claim_doubt(c, value, FLAG_AMBIGUOUS);
		*at = 0;
	}
}

/* Values in lists go to the seeds of the list beside them; values in objects to the seed of their object. */
static void
assign(struct taking *t)
{
	struct claim *c = t->c;
	struct found *f, *s;
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
			if (t->found[k].what == CLAIM_SEED && t->found[k].scope == f->scope && t->found[k].index ==
			    f->index &&
			    !isnan(number_of(c, t->found[k].value)))
				s = &t->found[k];
		if (f->scope == IN_LIST) {
			for (n = 0, k = 0; k < t->count; k++)
				n += t->found[k].scope == IN_LIST && strcmp(t->found[k].list, f->list) == 0;
			if (n != seeds) {
				if (f->index == 0)
					claim_note(c, FLAG_SEEDS_UNMATCHED, t->file, c->values[f->value].line,
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
		if (t->found[i].what == CLAIM_SEED && t->found[i].scope == IN_LIST && !isnan(number_of(c,
		    t->found[i].value)))
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

/* The claim of the whole: means by name come first. Two that disagree are noted. */
static unsigned
whole(const struct taking *t, enum claim_what what, int note)
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
		if (note && !figure_agree(v->figure.number, v->figure.unit, b->figure.number, b->figure.unit))
			claim_note(c, FLAG_SCORES_DISAGREE, t->file, v->line, "%s is %s, and %s is %s", b->path,
			    b->text, v->path,
			    v->text);
		if (is_mean(v->name) > is_mean(b->name) || (is_mean(v->name) == is_mean(b->name) &&
		    figure_agree(v->figure.number, v->figure.unit, b->figure.number, b->figure.unit) &&
		    v->figure.unit < b->figure.unit))
			best = (unsigned)t->found[i].value + 1;
	}
	return (best);
}

static char *
first_text(const struct taking *t, enum claim_what what)
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

/* Values that were read in vain, with what is wrong with them, as findings; what is missing altogether is none. */
static void
note_values(struct claim *c)
{
	const flag_set quiet = FLAG_BIT(FLAG_QUOTED_NUMBER) | FLAG_BIT(FLAG_AMBIGUOUS) | FLAG_BIT(FLAG_NOT_JSON) |
	    FLAG_BIT(FLAG_TOO_DEEP) | FLAG_BIT(FLAG_DUPLICATE_KEY) | FLAG_BIT(FLAG_MISSING);
	struct claim_value *v;
	size_t i, n = c->value_count;
	int k;

	for (i = 0; i < n; i++) {
		v = &c->values[i];
		for (k = 0; k < FLAGS; k++)
			if ((v->flags & ~quiet & FLAG_BIT(k)) != 0)
				claim_note(c, (enum flag)k, v->file, v->line, "%s is \"%.200s\"", v->path[0] == '\0' ?
				    claim_what_name(v->what) : v->path, v->text);
	}
}

/*
 * A number for each seed under a name that does not say of what: believed if the score of the whole is their mean, or
 * one of them.
 */
static void
vouch(struct taking *t, unsigned score)
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
	if (score != 0 && figure_agree(mean, unit, claim_number(c, score), claim_unit(c, score)))
		return;
	for (i = 0; i < t->count && score != 0; i++)
		if (t->found[i].what == CLAIM_WHATS && number_of(c, t->found[i].value) == claim_number(c, score))
			return;
	for (i = 0; i < t->count; i++)
		if (t->found[i].what == CLAIM_WHATS) {
			claim_note(c, FLAG_AMBIGUOUS, t->file, c->values[t->found[i].value].line,
			    "nothing says what %s of %s is", c->values[t->found[i].value].text,
			    c->values[t->found[i].value].path);
			claim_doubt(c, t->found[i].value, FLAG_AMBIGUOUS);
		}
}

/* --- against itself -------------------------------------------------------- */

static size_t
scored(const struct claim *c)
{
	size_t i, n = 0;

	for (i = 0; i < c->run_count; i++)
		n += c->runs[i].score != 0;
	return (n);
}

static void
check_mean(struct claim *c, unsigned sd_value)
{
	double sum = 0, unit = 0, mean, ss = 0, x, best = INFINITY, sd, claimed, sd_unit;
	size_t i, n = scored(c), single = 0;
	const struct claim_value *v;

	if (c->score == 0 || n < 2)
		return;
	v = &c->values[c->score - 1];
	claimed = v->figure.number;
	for (i = 0; i < c->run_count; i++) {
		if (c->runs[i].score == 0)
			continue;
		x = claim_number(c, c->runs[i].score);
		sum += x;
		best = fmin(best, x);
		unit = fmax(unit, claim_unit(c, c->runs[i].score));
		single += figure_agree(x, claim_unit(c, c->runs[i].score), claimed, v->figure.unit);
	}
	mean = sum / (double)n;
	for (i = 0; i < c->run_count; i++)
		if (c->runs[i].score != 0)
			ss += pow(claim_number(c, c->runs[i].score) - mean, 2);
	if (!figure_agree(mean, unit, claimed, v->figure.unit)) {
		if (figure_agree(best, unit, claimed, v->figure.unit))
			claim_note(c, FLAG_BEST_OF_SEEDS, v->file, v->line,
			    "%s is %s, the best of %zu runs; their mean is %.8f",
			    v->path, v->text, n, mean);
		else
			claim_note(c, FLAG_MEAN_DISAGREES, v->file, v->line,
			    "%s is %s; the mean of %zu runs is %.8f%s", v->path,
			    v->text, n, mean, single > 0 ? ", and it is one of them" : "");
	}
	if (sd_value == 0)
		return;
	v = &c->values[sd_value - 1];
	sd = sqrt(ss / (double)(n - 1));
	/* What rounding of the scores can do to it, and of itself. */
	sd_unit = v->figure.unit + unit;
	if (fabs(v->figure.number - sd) > sd_unit && fabs(v->figure.number - sqrt(ss / (double)n)) > sd_unit)
		claim_note(c, FLAG_SD_DISAGREES, v->file, v->line, "%s is %s; that of %zu runs is %.8f", v->path,
		    v->text, n, sd);
}

/* Loss and bpb of each run in the same proportion, within what their digits leave open. */
static void
check_ratio(struct claim *c)
{
	double ratio, error, first = NAN, first_error = 0, loss, bpb;
	const struct claim_run *r;
	size_t i;

	for (i = 0; i < c->run_count; i++) {
		r = &c->runs[i];
		loss = claim_number(c, r->val_loss);
		bpb = claim_number(c, r->val_bpb);
		if (isnan(loss) || isnan(bpb))
			continue;
		ratio = loss / log(2) / bpb;
		error = ratio * (claim_unit(c, r->val_loss) / loss + claim_unit(c, r->val_bpb) / bpb);
		if (isnan(first)) {
			first = ratio;
			first_error = error;
		} else if (fabs(ratio - first) > error + first_error + 1e-3 * first)
			claim_note(c, FLAG_RATIO_APART, c->values[r->val_bpb - 1].file, c->values[r->val_bpb - 1].line,
			    "loss and bpb imply %.6f bytes per token, those of the first run %.6f", ratio, first);
	}
}

static void
over_cap(struct claim *c, const struct claim_value *v)
{

	if (!(v->figure.number > CLAIM_CAP_BYTES))
		return;
	claim_note(c, FLAG_OVER_CAP, v->file, v->line, "%s is %.0f, over %d", v->path[0] == '\0' ?
	    claim_what_name(v->what) :
	    v->path, v->figure.number, CLAIM_CAP_BYTES);
}

/* Megabytes of 2^20: provable where the bytes stand beside them. */
static void
check_mib(struct claim *c, double total)
{
	const struct claim_value *v;
	struct figure f;
	size_t i, n, k, count = c->value_count;

	if (isnan(total))
		return;
	for (i = 0; i < count; i++) {
		v = &c->values[i];
		n = strlen(v->name);
		k = strspn(v->text, "0123456789.");
		if (v->what == CLAIM_OWN && n > 3 && strcasecmp(v->name + n - 3, "_mb") == 0)
			f = v->figure;
		else if (k > 0 && strcasecmp(v->text + k + strspn(v->text + k, " "), "mb") == 0)
			f = figure_read(v->text, k, FIGURE_ANY);
		else if (v->what == CLAIM_OWN && strcmp(v->text, "true") == 0 && strstr(v->name, "under_16") != NULL &&
		    total > CLAIM_CAP_BYTES && total <= 16 << 20) {
			claim_note(c, FLAG_MIB_AS_MB, v->file, v->line,
			    "%s is true of 16 MiB; %.0f bytes are over 16,000,000",
			    v->path, total);
			continue;
		} else
			continue;
		if (!isnan(f.number) && f.unit < 0.2 && !figure_agree(f.number, f.unit, total / 1e6, 0) &&
		    figure_agree(f.number, f.unit, total / 1048576, 0))
			claim_note(c, FLAG_MIB_AS_MB, v->file, v->line,
			    "%s is %s; %.0f bytes are %.3f MB and %.3f MiB", v->path,
			    v->text, total, total / 1e6, total / 1048576);
	}
}

static void
check_bytes(struct claim *c, const struct taking *t)
{
	unsigned total = whole(t, CLAIM_TOTAL_BYTES, 0), code = whole(t, CLAIM_CODE_BYTES, 0);
	unsigned model = whole(t, CLAIM_MODEL_BYTES, 0);
	double x = claim_number(c, total), sum = 0, parts = claim_number(c, code) + claim_number(c, model), known = NAN;
	size_t i, n = 0, same = 0, count = c->value_count;
	const struct claim_value *v;

	for (i = 0; i < c->run_count; i++)
		if (c->runs[i].total_bytes != 0) {
			n++;
			known = claim_number(c, c->runs[i].total_bytes);
			sum += known;
			same += known == x;
		}
	if (total != 0) {
		v = &c->values[total - 1];
		if (n > 0 && same == 0 && fabs(sum / (double)n - x) >= 1)
			claim_note(c, FLAG_BYTES_DISAGREE, v->file, v->line,
			    "%s is %s, and none of %zu runs has as many, nor their"
			    " mean of %.0f", v->path, v->text, n, sum / (double)n);
		else if (n == 0 && !isnan(parts) && parts != x)
			claim_note(c, FLAG_BYTES_DISAGREE, v->file, v->line, "%s is %s, and its parts add up to %.0f",
			    v->path,
			    v->text, parts);
		if (c->run_count == 1 && c->runs[0].total_bytes == 0)
			c->runs[0].total_bytes = total;
	}
	check_mib(c, total != 0 ? x : known);
	for (i = 0; i < count; i++)
		if (c->values[i].what == CLAIM_TOTAL_BYTES || c->values[i].what == CLAIM_ARTIFACT_BYTES)
			over_cap(c, &c->values[i]);
}

/*
 * Bits per byte under the name of a loss: the same number under both, or a loss that no tokenizer in use gives.  A loss
 * under the name of bits per byte: together they would give a token less than a byte.
 */
static int
check_pair(struct claim *c, unsigned loss, unsigned bpb)
{
	const struct claim_value *l, *b;
	double ratio;

	if (loss == 0 || bpb == 0 || isnan(claim_number(c, loss)) || isnan(claim_number(c, bpb)))
		return (0);
	l = &c->values[loss - 1];
	b = &c->values[bpb - 1];
	if (l->figure.number == b->figure.number) {
		claim_note(c, FLAG_BPB_AS_LOSS, l->file, l->line, "%s and %s are both %s", l->path, b->path, l->text);
		claim_doubt(c, (int)loss - 1, FLAG_BPB_AS_LOSS);
		return (1);
	}
	/* A hundredth for tokens of no bytes, and what the digits leave open. */
	ratio = l->figure.number / log(2) / b->figure.number;
	if (ratio * (1 + l->figure.unit / l->figure.number + b->figure.unit / b->figure.number) >= 0.99)
		return (0);
	claim_note(c, FLAG_LOSS_AS_BPB, b->file, b->line, "%s is %s and %s is %s: %.3f bytes per token", b->path,
	    b->text,
	    l->path, l->text, ratio);
	claim_doubt(c, (int)bpb - 1, FLAG_LOSS_AS_BPB);
	claim_doubt(c, (int)loss - 1, FLAG_BPB_AS_LOSS);
	return (1);
}

static void
check_loss(struct claim *c, const struct taking *t)
{
	unsigned loss = whole(t, CLAIM_VAL_LOSS, 0), bpb = whole(t, CLAIM_VAL_BPB, 0);
	struct claim_run *r;
	size_t i;

	if (loss != 0 && bpb == 0 && scored(c) == 0 && claim_number(c, loss) < 2 * log(2)) {
		claim_note(c, FLAG_BPB_AS_LOSS, t->file, c->values[loss - 1].line,
		    "%s is %s and there is no val_bpb: at 2 bytes a token or more it would be under 1 bit per byte",
		    c->values[loss - 1].path, c->values[loss - 1].text);
		claim_doubt(c, (int)loss - 1, FLAG_BPB_AS_LOSS);
	} else
		check_pair(c, loss, bpb);
	for (i = 0; i < c->run_count; i++) {
		r = &c->runs[i];
		check_pair(c, r->val_loss, r->val_bpb);
		if (isnan(claim_number(c, r->val_loss)))
			r->val_loss = 0;
		if (isnan(claim_number(c, r->val_bpb)))
			r->val_bpb = 0;
		if (isnan(claim_number(c, r->score)))
			r->score = 0;
	}
	if (c->score != 0 && isnan(claim_number(c, c->score)))
		c->score = 0;
}

/* --- the logs -------------------------------------------------------------- */

struct log {
	const struct submission_log *from;
	struct logtext text;
	int has_seed;
	int64_t seed;
	int used;
};

static int
log_value(struct claim *c, enum claim_what what, const struct logtext_figure *f, const char *file, const char *label,
    size_t label_n)
{
	char path[128];
	int value;

	if (f->text == NULL)
		return (-1);
	snprintf(path, sizeof(path), "%.*s", label_n < sizeof(path) - 4 ? (int)label_n : (int)sizeof(path) - 4, label);
	value = claim_value(c, what, "", f->text, f->n, claim_what_kind(what), file, f->line, path);
	return (value);
}

/* What a log says besides scores, for a run. */
static void
log_rest(struct claim *c, const struct log *log, int run)
{
	const struct {
		enum claim_what what;
		const struct logtext_figure *f;
		const char *label;
	} rest[] = {
		{ CLAIM_TOKENS, &log->text.tokens, "val tokens" }, { CLAIM_STEPS, &log->text.step, "step" },
		{ CLAIM_TRAIN_MS, &log->text.train_ms, "train_time" },
		{ CLAIM_CODE_BYTES, &log->text.code_bytes, "Code size" },
		{ CLAIM_TOTAL_BYTES, &log->text.total_bytes, "Total submission size" },
	};
	struct claim_value *v;
	unsigned *at;
	size_t i;
	int value;

	for (i = 0; i < sizeof(rest) / sizeof(rest[0]); i++) {
		if ((value = log_value(c, rest[i].what, rest[i].f, log->from->name, rest[i].label,
		    strlen(rest[i].label))) < 0)
			continue;
		v = &c->values[value];
		v->run = run;
		if (run < 0 || isnan(v->figure.number) || (at = field(&c->runs[run], v->what)) == NULL)
			continue;
		if (*at != 0 && v->what == CLAIM_TOTAL_BYTES && claim_number(c, *at) != v->figure.number)
			claim_note(c, FLAG_BYTES_DISAGREE, v->file, v->line, "the log says %s bytes, %s says %s",
			    v->text,
			    c->values[*at - 1].path, c->values[*at - 1].text);
		/* What was measured stands before what was said. */
		*at = (unsigned)value + 1;
	}
	if (log->text.other_total.text != NULL && log->text.total_bytes.text == NULL)
		log_value(c, CLAIM_OWN, &log->text.other_total, log->from->name, "Total submission size", 21);
}

/* The scores of a log as values; the index + 1 of each bpb in ${bpb}, of each loss in ${loss}. */
static void
log_scores(struct claim *c, const struct log *log, int run, unsigned *bpb, unsigned *loss)
{
	const struct logtext_score *s;
	size_t i;
	int value;

	for (i = 0; i < log->text.score_count; i++) {
		s = &log->text.scores[i];
		value = log_value(c, CLAIM_VAL_BPB, &s->val_bpb, log->from->name, s->label, s->label_n);
		bpb[i] = (unsigned)(value + 1);
		if (value >= 0)
			c->values[value].run = run;
		value = log_value(c, CLAIM_VAL_LOSS, &s->val_loss, log->from->name, s->label, s->label_n);
		loss[i] = (unsigned)(value + 1);
		if (value >= 0)
			c->values[value].run = run;
	}
}

/* "final_int6_roundtrip_exact" and "final_int6_roundtrip" are one score, printed twice. */
static size_t
stem(const struct logtext_score *s)
{

	return (s->label_n > 6 && memcmp(s->label + s->label_n - 6, "_exact", 6) == 0 ? s->label_n - 6 : s->label_n);
}

static int
same_label(const struct logtext_score *a, const struct logtext_score *b)
{

	return (stem(a) == stem(b) && memcmp(a->label, b->label, stem(a)) == 0);
}

/* The finest score of a log with that label; its last one among equals. */
static int
labelled(const struct logtext *log, const struct logtext_score *like)
{
	int best = -1;
	size_t i;

	for (i = 0; i < log->score_count; i++) {
		if (!same_label(&log->scores[i], like) || isnan(log->scores[i].val_bpb.figure.number))
			continue;
		if (best == -1 || log->scores[i].val_bpb.figure.unit <= log->scores[best].val_bpb.figure.unit)
			best = (int)i;
	}
	return (best);
}

/*
 * The scores that a number can be, the most particular way of scoring among them: a number under two labels is one
 * score.
 */
static int
agreeing(const struct logtext *log, double x, double unit)
{
	const struct logtext_score *s, *b;
	int best = -1;
	size_t i;

	for (i = 0; i < log->score_count; i++) {
		s = &log->scores[i];
		if (isnan(s->val_bpb.figure.number) || !figure_agree(s->val_bpb.figure.number, s->val_bpb.figure.unit,
		    x, unit))
			continue;
		b = best == -1 ? NULL : &log->scores[best];
		if (b == NULL || s->scoring > b->scoring ||
		    (s->scoring == b->scoring && s->val_bpb.figure.unit <= b->val_bpb.figure.unit))
			best = (int)i;
	}
	return (best);
}

/* The last score that is of the artifact, as far as labels tell. */
static int
final(const struct logtext *log)
{
	size_t i;

	for (i = log->score_count; i-- > 0; )
		if (log->scores[i].scoring != CLAIM_PREQUANT && !isnan(log->scores[i].val_bpb.figure.number))
			return (labelled(log, &log->scores[i]));
	return (-1);
}

/* How a score was made, by its label and by what else the log says. */
static void
scoring(struct claim *c, int run, const struct log *log, int which)
{
	const struct logtext_score *s = &log->text.scores[which];
	struct claim_run *r = &c->runs[run];
	size_t i;

	r->scoring = s->scoring;
	r->stride = 0;
	if (s->scoring == CLAIM_PLAIN && log->text.slides) {
		for (i = 0; i < log->text.score_count && log->text.scores[i].scoring != CLAIM_SLIDING; i++)
			;
		if (i == log->text.score_count) {
			r->scoring = CLAIM_SLIDING;
			claim_note(c, FLAG_SCORING_UNDECLARED, log->from->name, s->val_bpb.line,
			    "%.*s is a score by sliding windows, as other lines of the log say", (int)stem(s),
			    s->label);
		}
	}
	/* The stride may stand on the line without digits to spare. */
	for (i = 0; i < log->text.score_count && r->stride == 0 && r->scoring == CLAIM_SLIDING; i++)
		if (same_label(&log->text.scores[i], s))
			r->stride = log->text.scores[i].stride;
	if (r->scoring == CLAIM_SLIDING && r->stride == 0)
		r->stride = log->text.stride;
	if (r->scoring == CLAIM_PREQUANT)
		claim_note(c, FLAG_PREQUANT_SCORE, log->from->name, s->val_bpb.line, "%.*s is no score of the artifact",
		    (int)stem(s), s->label);
}

/* Take a log's score for a run. */
static void
take_score(struct claim *c, int run, const struct log *log, int which, const unsigned *bpb, const unsigned *loss)
{
	struct claim_run *r = &c->runs[run];
	unsigned claimed = r->val_loss;

	scoring(c, run, log, which);
	if (bpb[which] == 0)
		return;
	r->val_bpb = bpb[which];
	if (r->score == 0 || claim_unit(c, bpb[which]) <= claim_unit(c, r->score))
		r->score = bpb[which];
	if (loss[which] == 0 || isnan(claim_number(c, loss[which])))
		return;
	if (claimed != 0 && !figure_agree(claim_number(c, claimed), claim_unit(c, claimed), claim_number(c,
	    loss[which]),
	    claim_unit(c, loss[which])))
		claim_note(c, FLAG_SCORE_DISAGREES, c->values[claimed - 1].file, c->values[claimed - 1].line,
		    "%s is %s, and '%s' says %s with the same bpb", c->values[claimed - 1].path, c->values[claimed -
		    1].text,
		    log->from->name, c->values[loss[which] - 1].text);
	r->val_loss = loss[which];
}

/* Does the log's end tell of failure, or of nothing? */
static void
check_end(struct claim *c, const struct log *log)
{
	int has = final(&log->text);

	if (log->text.templates > 0)
		claim_note(c, FLAG_TEMPLATE, log->from->name, log->text.template.line,
		    "%u lines of source stand where values would; the first: \"%.*s\"", log->text.templates,
		    log->text.template.n < 60 ? (int)log->text.template.n : 60, log->text.template.text);
	if (log->text.crashed != 0 && has == -1)
		claim_note(c, FLAG_CRASHED, log->from->name, log->text.crashed,
		    "it failed here, and has no final score");
	else if (log->text.cut != 0)
		claim_note(c, FLAG_TRUNCATED_LOG, log->from->name, log->text.cut, "it ends in the middle of a line");
	else if (log->text.trained != 0 && has == -1)
		claim_note(c, FLAG_TRUNCATED_LOG, log->from->name, log->text.trained,
		    "the last training step; no final score in %u lines", log->text.lines);
}

/* A claimed score of the run against its log. */
static void
match_run(struct claim *c, int run, const struct log *log)
{
	unsigned bpb[LOGTEXT_SCORES] = { 0 }, loss[LOGTEXT_SCORES] = { 0 }, claimed = c->runs[run].score;
	const struct claim_value *v;
	size_t i;
	int which;

	log_scores(c, log, run, bpb, loss);
	log_rest(c, log, run);
	check_end(c, log);
	if (claimed == 0) {
		if ((which = final(&log->text)) != -1)
			take_score(c, run, log, which, bpb, loss);
		return;
	}
	if ((which = agreeing(&log->text, claim_number(c, claimed), claim_unit(c, claimed))) != -1) {
		take_score(c, run, log, which, bpb, loss);
		return;
	}
	v = &c->values[claimed - 1];
	for (i = 0; i < log->text.score_count; i++)
		if (figure_agree(log->text.scores[i].val_loss.figure.number, log->text.scores[i].val_loss.figure.unit,
		    v->figure.number, v->figure.unit)) {
			claim_note(c, FLAG_LOSS_AS_BPB, v->file, v->line, "%s is %s, a loss in '%s'", v->path, v->text,
			    log->from->name);
			claim_doubt(c, (int)claimed - 1, FLAG_LOSS_AS_BPB);
			c->runs[run].score = c->runs[run].val_bpb = 0;
			return;
		}
	if (log->text.progress.label != NULL && !isnan(log->text.progress.val_bpb.figure.number) &&
	    figure_agree(log->text.progress.val_bpb.figure.number, log->text.progress.val_bpb.figure.unit,
	    v->figure.number,
	    v->figure.unit)) {
		claim_note(c, FLAG_PREQUANT_SCORE, v->file, v->line,
		    "%s is %s, the validation of line %u of '%s' while it"
		    " trained", v->path, v->text, log->text.progress.val_bpb.line, log->from->name);
		c->runs[run].scoring = CLAIM_PREQUANT;
		return;
	}
	if ((which = final(&log->text)) != -1)
		claim_note(c, FLAG_SCORE_DISAGREES, v->file, v->line, "%s is %s; '%s' ends with %s %.*s on line %u",
		    v->path,
		    v->text, log->from->name, claim_what_name(CLAIM_VAL_BPB), (int)log->text.scores[which].val_bpb.n,
		    log->text.scores[which].val_bpb.text, log->text.scores[which].val_bpb.line);
}

/*
 * Which of the scores that all logs have is the claimed one: the label whose mean it is, or else that one of them has
 * it.  -1: none is; then the logs' final scores stand for themselves.
 */
static int
choose(const struct log *logs, size_t n, double claimed, double unit, int *as_mean)
{
	const struct logtext *first = &logs[0].text;
	double sum, coarse;
	int best = -1, rank, best_rank = 0, at, single;
	size_t i, k, have;

	for (i = 0; i < first->score_count; i++) {
		for (sum = 0, coarse = 0, single = 0, have = 0, k = 0; k < n; k++) {
			if ((at = labelled(&logs[k].text, &first->scores[i])) == -1)
				continue;
			have++;
			sum += logs[k].text.scores[at].val_bpb.figure.number;
			coarse = fmax(coarse, logs[k].text.scores[at].val_bpb.figure.unit);
			single |= figure_agree(logs[k].text.scores[at].val_bpb.figure.number,
			    logs[k].text.scores[at].val_bpb.figure.unit, claimed, unit);
		}
		if (have == 0)
			continue;
		rank = have == n && figure_agree(sum / (double)n, coarse, claimed, unit) ? 2 : single ? 1 : 0;
		if (rank == 0)
			continue;
		rank = 16 * rank + (int)first->scores[i].scoring;
		if (rank >= best_rank) {
			best_rank = rank;
			best = (int)i;
		}
	}
	*as_mean = best_rank >= 32;
	return (best);
}

/* Is each log of a seed of its own? Then they are the runs of one configuration, as far as anybody says. */
static int
one_each(const struct log *logs, size_t n)
{
	size_t i, k;

	for (i = 0; i < n; i++)
		for (k = 0; k <= i; k++)
			if (n > 1 && (!logs[i].has_seed || (k < i && logs[k].seed == logs[i].seed)))
				return (0);
	return (1);
}

static void
run_from_log(struct claim *c, const struct log *log, int which)
{
	unsigned bpb[LOGTEXT_SCORES] = { 0 }, loss[LOGTEXT_SCORES] = { 0 };
	int run = log->has_seed ? claim_run_of(c, log->seed) : claim_run(c);

	/* A seed may have been run twice. */
	if (run >= 0 && c->runs[run].score != 0 && (run = claim_run(c)) >= 0) {
		c->runs[run].has_seed = 1;
		c->runs[run].seed = log->seed;
	}
	if (run < 0)
		return;
	log_scores(c, log, run, bpb, loss);
	log_rest(c, log, run);
	check_end(c, log);
	if (which != -1)
		take_score(c, run, log, which, bpb, loss);
}

/*
 * Logs that are not one for each seed may be of anything: other settings, earlier attempts.  Only the one that has the
 * claimed score is taken, if there is but one.
 */
static void
run_among_logs(struct claim *c, const struct log *logs, size_t n)
{
	size_t i, hits = 0, hit = 0;
	int which = -1, at;

	for (i = 0; i < n && c->score != 0; i++) {
		if ((at = agreeing(&logs[i].text, claim_number(c, c->score), claim_unit(c, c->score))) == -1)
			continue;
		hits++;
		hit = i;
		which = at;
	}
	claim_note(c, FLAG_SEEDS_UNMATCHED, c->file, 0,
	    "%zu logs that are not one for each seed; %zu of them have the score",
	    n, hits);
	if (hits == 1)
		run_from_log(c, &logs[hit], which);
}

/* The runs of a claim that names none, from its logs. */
static void
runs_from_logs(struct claim *c, struct log *logs, size_t n)
{
	const struct claim_value *v;
	int which = -1, at, as_mean = 0;
	size_t i;

	if (c->score != 0)
		which = choose(logs, n, claim_number(c, c->score), claim_unit(c, c->score), &as_mean);
	if (!one_each(logs, n) && !as_mean) {
		run_among_logs(c, logs, n);
		return;
	}
	if (which == -1 && c->score != 0) {
		v = &c->values[c->score - 1];
		for (i = 0; i < n && (at = final(&logs[i].text)) == -1; i++)
			;
		if (i < n)
			claim_note(c, FLAG_SCORE_DISAGREES, v->file, v->line,
			    "%s is %s; '%s' ends with %.*s on line %u", v->path,
			    v->text, logs[i].from->name, (int)logs[i].text.scores[at].val_bpb.n,
			    logs[i].text.scores[at].val_bpb.text, logs[i].text.scores[at].val_bpb.line);
	}
	for (i = 0; i < n; i++)
		run_from_log(c, &logs[i], which == -1 ? final(&logs[i].text) : labelled(&logs[i].text,
		    &logs[0].text.scores[which]));
}

/* Log and name may tell of different seeds; two logs of one seed are one too many, unless their bytes are the same. */
static size_t
sort_logs(struct claim *c, const struct submission_log *from, size_t count, struct log *logs)
{
	size_t i, k, n = 0;
	int64_t named;
	struct log *log;

	for (i = 0; i < count; i++) {
		claim_file(c, from[i].name, &from[i].file);
		if (from[i].file.text == NULL)
			continue;
		log = &logs[n];
		memset(log, 0, sizeof(*log));
		log->from = &from[i];
		for (k = 0; k < n && strcmp(logs[k].from->file.sha256, from[i].file.sha256) != 0; k++)
			;
		if (k < n) {
			claim_note(c, FLAG_DUPLICATE_LOG, from[i].name, 0, "the same bytes as '%s'",
			    logs[k].from->name);
			continue;
		}
		logtext_read(&log->text, from[i].file.text, from[i].file.n);
		if (!logtext_is_one(&log->text) && log->text.templates == 0)
			continue;
		if (log->text.seed.text != NULL && log->text.seeds == 1) {
			log->has_seed = 1;
			log->seed = (int64_t)log->text.seed.figure.number;
		}
		if (log->text.seeds > 1) {
			claim_note(c, FLAG_SEED_DISAGREES, from[i].name, log->text.seed.line,
			    "it tells of several seeds");
		} else if (logtext_name_seed(from[i].name, &named)) {
			if (log->has_seed && log->seed != named)
				claim_note(c, FLAG_SEED_DISAGREES, from[i].name, log->text.seed.line,
				    "its name says seed %lld, its line %u seed %lld", (long long)named,
				    log->text.seed.line,
				    (long long)log->seed);
			else if (!log->has_seed) {
				log->has_seed = 1;
				log->seed = named;
			}
		}
		n++;
	}
	return (n);
}

static void
match_logs(struct claim *c, struct log *logs, size_t n)
{
	size_t i, k, hits, run;
	int best;

	for (run = 0; run < c->run_count; run++) {
		for (hits = 0, best = -1, i = 0; i < n; i++) {
			if (!(c->runs[run].has_seed ? logs[i].has_seed && logs[i].seed == c->runs[run].seed :
			    c->run_count == 1 && n == 1))
				continue;
			hits++;
			/* Of several logs of a seed the one that has its score. */
			if (best == -1 || (c->runs[run].score != 0 && agreeing(&logs[best].text,
			    claim_number(c, c->runs[run].score), claim_unit(c, c->runs[run].score)) == -1))
				best = (int)i;
		}
		if (hits > 1) {
			claim_note(c, FLAG_SEED_TWICE, logs[best].from->name, 0, "%zu logs of seed %lld that differ",
			    hits,
			    (long long)c->runs[run].seed);
			if (c->runs[run].score == 0 || agreeing(&logs[best].text, claim_number(c, c->runs[run].score),
			    claim_unit(c, c->runs[run].score)) == -1)
				continue;
		}
		if (best == -1) {
			claim_note(c, FLAG_SEEDS_UNMATCHED, c->file, 0, "no log is of seed %lld",
			    (long long)c->runs[run].seed);
			continue;
		}
		match_run(c, (int)run, &logs[best]);
		for (k = 0; k < n; k++)
			if (logs[k].has_seed && c->runs[run].has_seed && logs[k].seed == c->runs[run].seed)
				logs[k].used = 1;
		logs[best].used = 1;
	}
	for (i = 0; i < n; i++) {
		if (logs[i].used)
			continue;
		if (logs[i].has_seed)
			claim_note(c, FLAG_SEEDS_UNMATCHED, logs[i].from->name, 0,
			    "a log of seed %lld, which the claim does not name",
			    (long long)logs[i].seed);
		else
			claim_note(c, FLAG_SEEDS_UNMATCHED, logs[i].from->name, 0, "a log that names no seed");
		check_end(c, &logs[i]);
	}
}

/* --------------------------------------------------------------------------- */

/* All runs alike, or nothing can be said. */
static void
settle_scoring(struct claim *c)
{
	int seen = 0;
	size_t i;

	for (i = 0; i < c->run_count; i++) {
		if (c->runs[i].score == 0)
			continue;
		if (!seen) {
			c->scoring = c->runs[i].scoring;
			c->stride = c->runs[i].stride;
			seen = 1;
		} else if (c->scoring != c->runs[i].scoring || c->stride != c->runs[i].stride) {
			/* A run whose log is missing says nothing against the others. */
			if (c->runs[i].scoring == CLAIM_UNKNOWN)
				continue;
			if (c->scoring == CLAIM_UNKNOWN) {
				c->scoring = c->runs[i].scoring;
				c->stride = c->runs[i].stride;
				continue;
			}
			claim_note(c, FLAG_AMBIGUOUS, c->file, 0, "its runs were scored in different ways");
			c->scoring = CLAIM_UNKNOWN;
			return;
		}
	}
}

static int
digest_files(struct claim *c)
{
	struct sha256 *h;
	size_t i;

	if ((h = sha256_begin()) == NULL)
		return (-1);
	for (i = 0; i < c->file_count; i++) {
		const char *base = strrchr(c->files[i].name, '/');

		/* Names within the folder count, the way to it does not. */
		base = base == NULL ? c->files[i].name : base + 1;
		sha256_add(h, base, strlen(base) + 1);
		sha256_add(h, c->files[i].sha256, SHA256_HEX_SIZE);
	}
	/* A log alone is another claim than a submission with that log and no more. */
	sha256_add(h, "log", c->form == CLAIM_LOG ? 3 : 0);
	sha256_end(h, c->content);
	return (0);
}

/* Whose claim: folder, file's name, title and author, none of which says what is claimed. */
static int
digest_key(struct claim *c, const char *name, const char *folder)
{
	const char *base = strrchr(name, '/');
	struct sha256 *h;

	base = base == NULL ? name : base + 1;
	if ((h = sha256_begin()) == NULL)
		return (-1);
	sha256_add(h, folder, strlen(folder) + 1);
	sha256_add(h, base, strlen(base) + 1);
	sha256_add(h, c->title == NULL ? "" : c->title, c->title == NULL ? 1 : strlen(c->title) + 1);
	sha256_add(h, c->author == NULL ? "" : c->author, c->author == NULL ? 1 : strlen(c->author) + 1);
	sha256_end(h, c->key);
	return (0);
}

static void
take_json(struct taking *t, const struct textfile *json)
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
		claim_note(c, FLAG_LAX_JSON, t->file, end.lax_line,
		    "comments, trailing commas or words that JSON does not have");
	for (i = 0; i < c->value_count; i++)
		for (k = 0; k < t->twice_count; k++)
			if (within(c->values[i].path, t->twice[k]))
				claim_doubt(c, (int)i, FLAG_DUPLICATE_KEY);
	if (end.ok || c->full)
		return;
	if (json->n > 0)
		claim_note(c, end.too_deep ? FLAG_TOO_DEEP : FLAG_NOT_JSON, t->file, end.line, "%s", end.why == NULL ?
		    "it cannot be read" : end.why);
	/* What stood before the place is kept, but who knows what the whole would have said. */
	for (i = 0; i < c->value_count; i++)
		claim_doubt(c, (int)i, end.too_deep ? FLAG_TOO_DEEP : FLAG_NOT_JSON);
}

/* The runs of a JSON without logs, or whose logs are none. */
static void
lone_run(struct claim *c, const struct taking *t)
{
	unsigned loss = whole(t, CLAIM_VAL_LOSS, 0), steps = whole(t, CLAIM_STEPS, 0), tokens = whole(t, CLAIM_TOKENS,
	    0);
	unsigned train_ms = whole(t, CLAIM_TRAIN_MS, 0), train_s = whole(t, CLAIM_TRAIN_S, 0);
	unsigned seed = whole(t, CLAIM_SEED, 0);
	struct claim_run *r;
	int run;

	if ((run = claim_run(c)) == -1)
		return;
	r = &c->runs[run];
	r->score = r->val_bpb = c->score;
	r->val_loss = loss;
	r->steps = steps;
	r->tokens = tokens;
	r->train = train_ms != 0 ? train_ms : train_s;
	if (seed != 0) {
		r->has_seed = 1;
		r->seed = (int64_t)claim_number(c, seed);
	}
}

static void
judge_scores(struct taking *t, struct log *logs, size_t n)
{
	struct claim *c = t->c;
	unsigned method = 0, stride;
	size_t i;

	for (i = 0; i < c->run_count; i++)
		c->runs[i].score = c->runs[i].val_bpb;
	if (scored(c) > 0) {
		if (n > 0)
			match_logs(c, logs, n);
	} else if (c->run_count > 1 && n == 0) {
		/* Seeds that are only named: the score is of all of them, and of none in particular. */
	} else if (n > 0) {
		c->run_count = 0;
		runs_from_logs(c, logs, n);
		if (scored(c) == 0 && c->score != 0) {
			c->run_count = 0;
			lone_run(c, t);
		}
	} else {
		c->run_count = 0;
		lone_run(c, t);
	}
	settle_scoring(c);
	/* Without a log the author's word for the method, if it says anything. */
	for (i = 0; i < t->count; i++)
		if (t->found[i].what == CLAIM_METHOD)
			method = (unsigned)t->found[i].value + 1;
	if (c->scoring == CLAIM_UNKNOWN && method != 0 && !claim_has(c, FLAG_AMBIGUOUS)) {
		c->scoring = claim_scoring_of(c->values[method - 1].text, strlen(c->values[method - 1].text));
		stride = whole(t, CLAIM_STRIDE, 0);
		if (c->scoring == CLAIM_SLIDING && stride != 0)
			c->stride = (unsigned)claim_number(c, stride);
	}
}

struct claim *
submission_claim(const char *name, const char *folder, const struct textfile *json, const struct submission_log *from,
    size_t count)
{
	struct taking t = { .c = NULL };
	struct log *logs = NULL;
	size_t i, n;

	if ((t.c = claim_new(CLAIM_SUBMISSION, name)) == NULL)
		return (NULL);
	t.file = name;
	claim_file(t.c, name, json);
	take_json(&t, json);
	if ((logs = calloc(count + 1, sizeof(*logs))) == NULL || t.broken)
		goto err0;
	n = sort_logs(t.c, from, count, logs);
	t.c->title = first_text(&t, CLAIM_TITLE);
	t.c->author = first_text(&t, CLAIM_AUTHOR);
	t.c->date = first_text(&t, CLAIM_DATE);
	assign(&t);
	t.c->score = whole(&t, CLAIM_VAL_BPB, 1);
	vouch(&t, t.c->score);
	for (i = 0; i < t.c->run_count; i++)
		if (t.c->runs[i].val_bpb != 0 && isnan(claim_number(t.c, t.c->runs[i].val_bpb)))
			t.c->runs[i].val_bpb = 0;
	note_values(t.c);
	judge_scores(&t, logs, n);
	check_loss(t.c, &t);
	check_mean(t.c, whole(&t, CLAIM_SD, 0));
	check_ratio(t.c);
	check_bytes(t.c, &t);
	if (t.c->score == 0 && t.c->run_count == 1)
		t.c->score = t.c->runs[0].score;
	if (t.c->score == 0 && scored(t.c) == 0)
		claim_note(t.c, FLAG_NO_SCORE, name, 0, "no bits per byte that can be believed");
	if (digest_files(t.c) == -1 || digest_key(t.c, name, folder) == -1 || t.broken || t.c->broken)
		goto err0;
	goto out;
err0:
	claim_free(t.c);
	t.c = NULL;
	errno = ENOMEM;
out:
	for (i = 0; i < t.twice_count; i++)
		free(t.twice[i]);
	free(t.twice);
	free(t.found);
	free(logs);
	return (t.c);
}

struct claim *
submission_log_claim(const char *name, const char *folder, const struct textfile *file)
{
	struct submission_log from = { name, *file };
	struct taking t = { .c = NULL };
	struct log *log;
	size_t n, i;

	if ((log = calloc(1, sizeof(*log))) == NULL)
		return (NULL);
	if ((t.c = claim_new(CLAIM_LOG, name)) == NULL) {
		free(log);
		return (NULL);
	}
	n = sort_logs(t.c, &from, 1, log);
	if (n > 0) {
		runs_from_logs(t.c, log, n);
		for (i = 0; i < t.c->value_count; i++)
			if (t.c->values[i].what == CLAIM_TOTAL_BYTES)
				over_cap(t.c, &t.c->values[i]);
	}
	settle_scoring(t.c);
	if (t.c->run_count == 1)
		t.c->score = t.c->runs[0].score;
	if (t.c->score == 0)
		claim_note(t.c, FLAG_NO_SCORE, name, 0, "no final score");
	free(log);
	if (digest_files(t.c) == -1 || digest_key(t.c, name, folder) == -1 || t.c->broken) {
		claim_free(t.c);
		errno = ENOMEM;
		return (NULL);
	}
	return (t.c);
}

int
submission_is_log(const struct textfile *file)
{
	struct logtext *log;
	int is;

	if (file->text == NULL)
		return (0);
	if ((log = malloc(sizeof(*log))) == NULL)
		return (-1);
	logtext_read(log, file->text, file->n);
	is = logtext_is_one(log);
	free(log);
	return (is);
}
