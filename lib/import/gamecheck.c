#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/bpb.h"
#include "import/denominator.h"
#include "import/gamecheck.h"

#define GRANTED_MS 500.0

/*
 * Bytes per token that public claims imply again and again, and what was found to be behind them.  The first ones are
 * exact, by the tokens of whole logs; the others as far as reports go.
 */
static const struct {
	double ratio, within;
	const char *name;
	int fault;
} denominators[] = {
	{ 2.4359301, 2e-5, "V1024", 0 },
	{ 3.3192518, 2e-4, "V4096", 0 },
	{ 3.7266311, 2e-4, "V8192", 0 },
	{ 1.0, 1e-3, "bytes", 0 },
	{ 3.7266311 * 1.177, 5e-4, "V8192 with leading spaces counted twice, x 1.177", 1 },
	{ 4.164, 2e-4, "V8192 of casefolded text, which lost its capitals before it was scored", 1 },
	{ 3.1572, 2e-4, "V8192 with operators for letter case, in bytes of the text before them", 0 },
};

/* A loss that is just twice the bits per byte. */
static const char assumed[] = "2 / ln 2: the loss is twice the bpb, so one of them was computed and not measured";

const char *
gamecheck_denominator(double ratio, double error, int *fault)
{
	size_t i;

	*fault = 0;
	if (!(ratio > 0) || !(error <= 1e-3 * ratio))
		return (NULL);
	if (fabs(ratio - bpb_bits(2)) <= error + 1e-9) {
		*fault = 1;
		return (assumed);
	}
	for (i = 0; i < sizeof(denominators) / sizeof(denominators[0]); i++)
		if (fabs(ratio - denominators[i].ratio) <= error + denominators[i].within * denominators[i].ratio) {
			*fault = denominators[i].fault;
			return (denominators[i].name);
		}
	return (NULL);
}

static const char *
name_of(const struct claim_value *v)
{
	return (v->path[0] == '\0' ? claim_what_name(v->what) : v->path);
}

static int
holds(const char *text, const char *word)
{
	size_t n = strlen(word);

	for (; *text != '\0'; text++)
		if (strncasecmp(text, word, n) == 0)
			return (1);
	return (0);
}

static int
unlimited(const char *text)
{
	return (text != NULL && (holds(text, "non-record") || holds(text, "non_record") || holds(text, "unlimited")));
}

/* Does it say that it is outside the race against the clock? */
static int
is_untimed(const struct claim *c)
{
	size_t i;

	for (i = 0; i < c->value_count; i++)
		if (c->values[i].what == CLAIM_OWN && strcasecmp(c->values[i].name, "track") == 0 &&
		    unlimited(c->values[i].text))
			return (1);
	return (unlimited(c->title) || unlimited(c->file));
}

/* A log alone is of the game where it trains under the game's limit or a shorter one. */
static int
is_of_game(const struct claim *c)
{
	const struct claim_value *v;
	size_t i;

	for (i = 0; i < c->value_count; i++) {
		v = &c->values[i];
		if (v->what == CLAIM_OWN && strcmp(v->name, "max_wallclock_seconds") == 0 &&
		    v->figure.number * 1000 <= GAMECHECK_TIME_MS)
			return (1);
	}
	return (c->form == CLAIM_SUBMISSION);
}

/*
 * Training that took longer than the limit.  The step in which it passes is the last one and is granted, as the game
 * does, and half a second at least: the program looks at a clock that the card has not caught up with, and logs end a
 * fifth of a second late by the dozen.
 */
static void
check_time(struct claim *c)
{
	const struct claim_value *v;
	const struct claim_run *r;
	size_t i, n = c->value_count;
	double ms, unit, steps, step;
	const char *allowed = is_untimed(c) ? "; its track allows that" : "";

	for (i = 0; i < n && is_of_game(c); i++) {
		v = &c->values[i];
		if ((v->what != CLAIM_TRAIN_MS && v->what != CLAIM_TRAIN_S) || isnan(v->figure.number))
			continue;
		ms = v->figure.number * (v->what == CLAIM_TRAIN_S ? 1000 : 1);
		unit = v->figure.unit * (v->what == CLAIM_TRAIN_S ? 1000 : 1);
		/* Of all runs it may be their sum. */
		if (v->run < 0 && c->run_count > 1 && ms >= 2 * GAMECHECK_TIME_MS)
			continue;
		r = v->run >= 0 ? &c->runs[v->run] : c->run_count == 1 ? &c->runs[0] : NULL;
		steps = r == NULL ? NAN : claim_number(c, r->steps);
		step = steps >= 1 ? fmax(ms / steps, GRANTED_MS) : GRANTED_MS;
		if (ms - unit > GAMECHECK_TIME_MS + step)
			claim_note(c, DEFECT_OVER_TIME, v->file, v->line,
			    "%s is %s: %.3f s of training, and the limit is %d s and the step in which it passes%s",
			    name_of(v), v->text, ms / 1000, GAMECHECK_TIME_MS / 1000, allowed);
	}
}

/* Loss and bits per byte that stand together, by index + 1, and what they imply: bytes per token, within +- error. */
struct pair {
	unsigned loss, bpb;
	double ratio, error;
};

static int
pair_of(const struct claim *c, struct pair *p, unsigned loss, unsigned bpb)
{
	p->loss = loss;
	p->bpb = bpb;
	if (loss == 0 || bpb == 0 || !(claim_number(c, loss) > 0 && claim_number(c, bpb) > 0))
		return (0);
	p->ratio = bpb_token_bytes(claim_number(c, loss), claim_number(c, bpb));
	p->error = p->ratio * (claim_unit(c, loss) / claim_number(c, loss) + claim_unit(c, bpb) / claim_number(c, bpb));
	return (1);
}

/* Those of the first run that has both, or else of the whole; 0: there are none. */
static int
first_pair(const struct claim *c, struct pair *p)
{
	size_t i;

	for (i = 0; i < c->run_count; i++)
		if (pair_of(c, p, c->runs[i].val_loss, c->runs[i].val_bpb))
			return (1);
	for (i = 0; i < c->value_count; i++)
		if (c->values[i].what == CLAIM_VAL_LOSS && c->values[i].run == -1 &&
		    pair_of(c, p, (unsigned)i + 1, c->score))
			return (1);
	return (0);
}

/* As many tokens as the whole split has, but for what fills no window. */
static int
is_whole(double tokens)
{
	static const double known[] = { 62021632, 45514752, 40540160 };
	size_t i;

	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (fabs(tokens - known[i]) <= DENOMINATOR_TAIL)
			return (1);
	return (0);
}

/* A score of far fewer bytes than the split has. Without bytes per token: 8 are more than any vocabulary gives. */
static void
check_subset(struct claim *c)
{
	const struct claim_value *v;
	const struct claim_run *r;
	struct pair p;
	double bytes;
	size_t i;
	int both;

	for (i = 0; i < c->run_count; i++) {
		r = &c->runs[i];
		if (r->tokens == 0 || !(claim_number(c, r->tokens) > 0) || is_whole(claim_number(c, r->tokens)))
			continue;
		v = &c->values[r->tokens - 1];
		both = pair_of(c, &p, r->val_loss, r->val_bpb);
		bytes = v->figure.number * (both ? p.ratio + p.error : 8);
		if (bytes >= 0.9 * GAMECHECK_TEXT_BYTES)
			continue;
		claim_note(c, DEFECT_SUBSET, v->file, v->line, "%s tokens are %s%.0f bytes; the whole split has %d",
		    v->text, both ? "" : "at most ", bytes, GAMECHECK_TEXT_BYTES);
		return;
	}
}

static int
is_params(const char *name)
{
	static const char *const names[] = { "model_params", "params", "num_params", "n_params", "total_params",
		"params_total", "num_parameters", "parameters", "parameter_count", "param_count", NULL };
	size_t i;

	for (i = 0; names[i] != NULL && strcasecmp(names[i], name) != 0; i++)
		;
	return (names[i] != NULL);
}

/* A number of parameters, and what its last digit that is no zero leaves open; NAN: none. "35.9M" is one. */
static double
params_of(const struct claim_value *v, double *unit)
{
	size_t k = strspn(v->text, "0123456789.");
	struct number f = v->figure;

	if (v->what != CLAIM_OWN || !is_params(v->name))
		return (NAN);
	if (isnan(f.number) && k > 0 && (v->text[k] == 'M' || v->text[k] == 'm') &&
	    !isalpha((unsigned char)v->text[k + 1])) {
		f = number_read(v->text, k, NUMBER_ANY);
		*unit = 1e6 * f.unit;
		return (1e6 * f.number);
	}
	/* "params": 35.9 is of millions, or of anything. */
	if (!(f.number >= 10000) || f.number != floor(f.number) || f.number > 1e12)
		return (NAN);
	for (*unit = 1; fmod(f.number, 10 * *unit) == 0; *unit *= 10)
		;
	return (f.number);
}

/* Of one model, but for rounding, as a value of a log? */
static int
same_params(const struct claim_value *v, double x, double unit)
{
	double other, other_unit;

	return (!isnan(other = params_of(v, &other_unit)) && number_agree(x, unit, other, other_unit));
}

/* The parameters at the top of the JSON against the logs: none has as many. And the logs against the first. */
static void
check_params(struct claim *c)
{
	const struct claim_value *v, *log = NULL;
	size_t i, k, n = c->value_count;
	double x, unit;
	int apart = 0;

	for (i = 0; i < n && log == NULL; i++)
		if (strcmp(c->values[i].file, c->file) != 0 && !isnan(params_of(&c->values[i], &unit)))
			log = &c->values[i];
	for (i = 0; i < n && log != NULL; i++) {
		v = &c->values[i];
		if (v == log || isnan(x = params_of(v, &unit)) || same_params(log, x, unit))
			continue;
		if (strcmp(v->file, c->file) != 0) {
			if (!apart)
				claim_note(c, DEFECT_PARAMS_DISAGREE, v->file, v->line,
				    "%s is %s, and '%s' has %s on line %u", v->path, v->text, log->file, log->text,
				    log->line);
			apart = 1;
			continue;
		}
		for (k = 0; k < n; k++)
			if (strcmp(c->values[k].file, c->file) != 0 && same_params(&c->values[k], x, unit))
				break;
		if (k == n && strcmp(v->path, v->name) == 0)
			claim_note(c, DEFECT_PARAMS_DISAGREE, v->file, v->line, "%s is %s, and '%s' has %s on line %u",
			    v->path, v->text, log->file, log->text, log->line);
	}
}

/* Weights that adapt, or a scorer of its own, by its label, its title or its folder's name. */
static int
is_own(const struct claim *c, const struct claim_run *r)
{
	return (c->scoring == CLAIM_OTHER || r->scoring == CLAIM_OTHER || r->scoring == CLAIM_TTT ||
	    (c->title != NULL && claim_scoring_of(c->title, strlen(c->title)) == CLAIM_OTHER) ||
	    claim_scoring_of(c->file, strlen(c->file)) == CLAIM_OTHER);
}

/* Numbers that are possible, and that nobody has measured by these means. One of a kind is enough. */
static void
check_plausible(struct claim *c)
{
	const struct claim_value *v;
	struct pair p;
	size_t i, n = c->value_count;

	if (first_pair(c, &p) && p.ratio - p.error > 6)
		claim_note(c, DEFECT_IMPLAUSIBLE, c->values[p.bpb - 1].file, c->values[p.bpb - 1].line,
		    "loss %s and bpb %s imply %.2f bytes per token, more than any vocabulary gives",
		    c->values[p.loss - 1].text, c->values[p.bpb - 1].text, p.ratio);
	for (i = 0; i < c->run_count; i++) {
		if (c->runs[i].score == 0 || is_own(c, &c->runs[i]))
			continue;
		v = &c->values[c->runs[i].score - 1];
		if (!(v->figure.number < 0.85))
			continue;
		claim_note(c, DEFECT_IMPLAUSIBLE, v->file, v->line,
		    "%s is %s, below 0.85, which so far meant ids outside the vocabulary, miscounted bytes, a cache or"
		    " text that was seen before",
		    name_of(v), v->text);
		break;
	}
	for (i = 0; i < n; i++) {
		v = &c->values[i];
		if (v->what != CLAIM_TOTAL_BYTES || !(v->figure.number > 0 && v->figure.number < 1000))
			continue;
		claim_note(c, DEFECT_IMPLAUSIBLE, v->file, v->line, "%s is %s: no model is so small; is it megabytes?",
		    name_of(v), v->text);
		break;
	}
}

static void
check_denominator(struct claim *c)
{
	const struct claim_value *v;
	const char *name;
	struct pair p;
	int fault;

	if (!first_pair(c, &p) || (name = gamecheck_denominator(p.ratio, p.error, &fault)) == NULL || !fault)
		return;
	v = &c->values[p.bpb - 1];
	claim_note(c, DEFECT_KNOWN_DENOMINATOR, v->file, v->line,
	    "loss %s and bpb %s imply %.4f bytes per token, as %s", c->values[p.loss - 1].text, v->text, p.ratio, name);
}

void
gamecheck_claim(struct claim *c)
{
	check_time(c);
	check_params(c);
	check_denominator(c);
	if (c->form != CLAIM_SUBMISSION)
		return;
	check_subset(c);
	check_plausible(c);
}
