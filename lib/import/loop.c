#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "import/loop.h"
#include "law/stats.h"

/* --- what a text says ------------------------------------------------------- */

enum { TEXT = 240 };

/* A description without seeds and without words that say that something is run again. */
struct said {
	char rest[TEXT]; /* what is left, in lower case, one blank between words */
	long seed;       /* -1: none is named */
	int seeded;      /* it speaks of a seed */
	int again;       /* it says that something is run again */
	int unchanged;   /* that nothing was changed */
	int baseline;
	int ref;   /* index of an earlier line that it names, or -1 */
	int refs;  /* how many different ones */
	int plain; /* all of it was ASCII, and fitted */
};

static int
is_among(const char *word, const char *const *among)
{
	for (; *among != NULL && strcmp(*among, word) != 0; among++)
		;
	return (*among != NULL);
}

static int
is_index(const char *text)
{
	return (*text != '\0' && strspn(text, "0123456789") == strlen(text));
}

/* The line before ${at} with that id, or whose id begins with it as its number ("0004_deep"); or with that commit. */
static int
named_line(const struct loop *l, size_t at, const char *word, int numbers)
{
	const char *id;
	size_t i, n = strlen(word);
	int found = -1;

	if (n == 0 || (is_index(word) && !numbers && n < 3))
		return (-1);
	for (i = at; i-- > 0;) {
		id = l->line[i].entry->id;
		if (l->line[i].counts && *id != '\0' &&
		    (strcasecmp(id, word) == 0 ||
			(is_index(word) && n >= 3 && strncmp(id, word, n) == 0 && (id[n] == '_' || id[n] == '-')))) {
			if (is_index(word) && !numbers && strcasecmp(id, word) == 0 && n < 4)
				continue;
			return ((int)i);
		}
	}
	/* A commit names a configuration only where it is that of one alone. */
	if (claim_is_commit(word) && n >= 7 && strpbrk(word, "0123456789") != NULL)
		for (i = at; i-- > 0;)
			if (l->line[i].counts && strncasecmp(l->line[i].entry->commit, word, n) == 0) {
				if (found != -1 && l->line[found].config != l->line[i].config)
					return (-1);
				if (l->line[i].config != -1)
					found = (int)i;
			}
	return (found);
}

static void
read_text(struct said *s, const struct loop *l, size_t at, const char *text)
{
	static const char *const again[] = { "rerun", "reruns", "repeat", "repeats", "repeated", "replicate",
		"replicates", "replication", "confirm", "confirms", "confirmed", "confirming", "confirmation", "again",
		"variance", "noise", "reproduce", "reproduces", "reproduced", "reproduction", "retest", "remeasure",
		"same", "identical", "rebaseline", NULL };
	static const char *const neutral[] = { "run", "runs", "of", "the", "a", "an", "check", "test", "nothing",
		"changed", "change", "changes", "no", "code", "unchanged", "number", "with", "for", "at", "on", "to",
		"new", "best", "state", "config", "configuration", "current", "previous", "last", "another",
		"different", "random", "from", "only", "exact", "exactly", "as", "and", "re", "kept", "this", "by",
		"result", "measurement", "measure", "verify", "verification", "sanity", "estimate", "floor", "rng",
		"set", "using", "exp", "line", "iter", "iteration", "x", "out", "fresh", "extra", NULL };
	static const char *const nouns[] = { "run", "exp", "line", "iter", "iteration", "id", NULL };
	char word[64];
	size_t n, k, rest = 0;
	int after_seed = 0, after_noun = 0, after_no = 0, negative, ref, digits;
	const char *p;

	memset(s, 0, sizeof(*s));
	s->seed = s->ref = -1;
	s->plain = 1;
	while (*text != '\0') {
		/* Words for names of lines keep their joints. */
		n = strcspn(text, " \t\n,;:()[]{}\"'=#/");
		if (n == 0) {
			if (*text == '#')
				after_noun = 1;
			text++;
			continue;
		}
		if (n >= sizeof(word)) {
			s->plain = 0;
			return;
		}
		for (k = 0; k < n; k++) {
			word[k] = (char)tolower((unsigned char)text[k]);
			if ((unsigned char)text[k] >= 0x80)
				s->plain = 0;
		}
		word[n] = '\0';
		while (n > 1 && (word[n - 1] == '.' || word[n - 1] == '!'))
			word[--n] = '\0';
		if (!after_seed && (ref = named_line(l, at, word, after_noun)) != -1) {
			if (s->ref == -1 || s->ref != ref)
				s->refs++;
			s->ref = ref;
			text += strcspn(text, " \t\n,;:()[]{}\"'=#/");
			after_seed = after_noun = 0;
			continue;
		}
		text += strcspn(text, " \t\n,;:()[]{}\"'=#/");
		/* Its parts: "seed_42", "re-run", "0003_wide_seed42". */
		for (p = word; *p != '\0';) {
			char part[64];

			negative = *p == '-' && isdigit((unsigned char)p[1]) && p == word;
			k = negative ? 1 + strcspn(p + 1, "_-") : strcspn(p, "_-");
			if (k == 0) {
				p++;
				continue;
			}
			memcpy(part, p, k);
			part[k] = '\0';
			p += k;
			digits = is_index(part);
			if (strncmp(part, "seed", 4) == 0 &&
			    (part[4] == '\0' || (part[4] == 's' && part[5] == '\0') || is_index(part + 4))) {
				s->seeded = 1;
				after_seed = part[4] != '\0' && part[4] != 's' ? 0 : 2;
				if (is_index(part + 4))
					s->seed = strtol(part + 4, NULL, 10);
			} else if (after_seed > 0 && digits) {
				s->seed = strtol(part, NULL, 10);
				after_seed = 1;
			} else if (after_seed > 0 && (strcmp(part, "to") == 0 || strcmp(part, "is") == 0))
				;
			else if (strcmp(part, "baseline") == 0) {
				s->baseline = 1;
				after_seed = 0;
			} else if (!after_no && is_among(part, again)) {
				s->again = 1;
				after_seed = 0;
			} else if (is_among(part, neutral)) {
				if (strcmp(part, "unchanged") == 0 ||
				    (after_no && (strncmp(part, "change", 6) == 0 || strcmp(part, "code") == 0)))
					s->unchanged = 1;
				if (strcmp(part, "re") == 0 && *p != '\0')
					s->again = 1;
				after_seed = 0;
			} else {
				if (rest + k + 2 > sizeof(s->rest)) {
					s->plain = 0;
					return;
				}
				if (rest > 0)
					s->rest[rest++] = ' ';
				memcpy(s->rest + rest, part, k + 1);
				rest += k;
				after_seed = 0;
			}
			after_no = strcmp(part, "no") == 0 || strcmp(part, "nothing") == 0 ||
			    (after_no && strcmp(part, "code") == 0);
			after_noun = is_among(part, nouns);
		}
	}
}

/* --- what repeats what ------------------------------------------------------ */

/* Was another configuration than that of line ${from} kept after it and before ${to}? */
static int
kept_between(const struct loop *l, size_t from, size_t to)
{
	size_t i;

	for (i = from + 1; i < to; i++)
		if (l->line[i].entry->status == 'k' && l->line[i].counts && l->line[i].config != l->line[from].config)
			return (1);
	return (0);
}

static int
last_kept(const struct loop *l, size_t at)
{
	while (at-- > 0)
		if (l->line[at].counts && l->line[at].entry->status == 'k')
			return ((int)at);
	return (-1);
}

static int
line_before(size_t at)
{
	return (at == 0 ? -1 : (int)at - 1);
}

/* Of lines whose text is the same without seeds, the last; -1: none. */
static int
same_text(const struct loop *l, const struct said *all, size_t at, int ids)
{
	const struct claimrow *e = l->line[at].entry, *f;
	const struct said *s = &all[at], *t;
	size_t i;

	if (s->rest[0] == '\0' || !s->plain || s->refs > 0)
		return (-1);
	for (i = at; i-- > 0;) {
		f = l->line[i].entry;
		t = &all[i];
		if (!l->line[i].counts || !t->plain || strcmp(t->rest, s->rest) != 0)
			continue;
		if (s->seed != -1 && s->seed == t->seed)
			continue;
		if (strcmp(f->hash, e->hash) != 0)
			continue;
		/* One of them has to say that it is one of several. */
		if (!s->seeded && !s->again && !t->seeded) {
			if (ids || e->named_by_id || strcmp(e->commit, f->commit) != 0 ||
			    strcmp(e->settings, f->settings) != 0)
				return (-1);
			return (kept_between(l, i, at) ? -1 : (int)i);
		}
		if (kept_between(l, i, at) && f->status != 'k')
			return (-1);
		return ((int)i);
	}
	return (-1);
}

/* Does an id say more than a letter and a number? */
static int
has_words(const char *text)
{
	size_t n;

	for (; *text != '\0'; text += n == 0 ? 1 : n) {
		for (n = 0; isalpha((unsigned char)text[n]); n++)
			;
		if (n >= 3)
			return (1);
	}
	return (0);
}

static int
repeated_by(const struct loop *l, const struct said *text, const struct said *id, size_t at)
{
	const struct claimrow *e = l->line[at].entry, *f;
	const struct said *s = &text[at];
	size_t i;
	int found, kept;

	if (e->hash[0] != '\0') {
		for (i = at; i-- > 0;)
			if (l->line[i].counts && strcmp(l->line[i].entry->hash, e->hash) == 0)
				return ((int)i);
		return (-1);
	}
	if (e->seed[0] != '\0' && e->settings[0] != '\0') {
		for (i = at; i-- > 0;) {
			f = l->line[i].entry;
			if (l->line[i].counts && strcmp(f->settings, e->settings) == 0 && f->seed[0] != '\0' &&
			    strcmp(f->seed, e->seed) != 0 && strcmp(text[i].rest, s->rest) == 0 &&
			    (!has_words(id[at].rest) || strcmp(id[i].rest, id[at].rest) == 0))
				return ((int)i);
		}
	}
	if (s->plain && s->rest[0] == '\0' && (s->seeded || s->again)) {
		kept = last_kept(l, at);
		if (s->refs == 1)
			return (s->ref);
		if (s->refs > 1)
			return (-1);
		if (s->baseline) {
			/* Once others were kept it may mean the state that is the baseline now. */
			if (kept != -1 && l->line[kept].config != l->line[l->start].config &&
			    fabs(l->line[at].score - l->line[kept].score) <
				fabs(l->line[at].score - l->line[l->start].score))
				return (-1);
			for (i = at; i-- > 0;)
				if (l->line[i].counts && text[i].baseline && text[i].rest[0] == '\0' && !text[i].again)
					return ((int)i);
			return (l->start != -1 && (size_t)l->start < at ? l->start : -1);
		}
		if (e->parent[0] != '\0') {
			if ((found = named_line(l, at, e->parent, 1)) != -1)
				return (found);
			return (-1);
		}
		found = line_before(at);
		/* After a line that was discarded "rerun" may mean either; what changed nothing is what was kept. */
		if (kept != -1 &&
		    (s->unchanged || (s->seeded && !s->again) ||
			(found != -1 && l->line[found].config == l->line[kept].config && l->line[found].counts)))
			return (kept);
		return (-1);
	}
	if ((found = same_text(l, text, at, 0)) != -1)
		return (found);
	return (id[at].seeded ? same_text(l, id, at, 1) : -1);
}

/* The number before a name: "0003_wide" is wide. */
static const char *
behind_number(const char *id)
{
	size_t n = strspn(id, "0123456789");

	return (n > 0 && (id[n] == '_' || id[n] == '-') ? id + n + 1 : id);
}

static int
find_repeats(struct loop *l)
{
	struct said *text = calloc(l->count + 1, sizeof(*text)), *id = calloc(l->count + 1, sizeof(*id));
	struct loop_line *w, *v;
	size_t i, k;
	int rc = -1;

	if (text == NULL || id == NULL)
		goto out;
	l->config_count = 0;
	for (i = 0; i < l->count; i++) {
		w = &l->line[i];
		read_text(&text[i], l, i, w->entry->title);
		read_text(&id[i], l, 0, behind_number(w->entry->id));
		w->repeats = w->twin = w->before = -1;
		w->config = -1;
		w->why = "";
		w->gain = w->lower = w->p = NAN;
		if (!w->counts)
			continue;
		if (l->start == -1)
			l->start = (int)i;
		w->repeats = repeated_by(l, text, id, i);
		if (w->repeats != -1 && !l->line[w->repeats].counts)
			w->repeats = -1;
		if (w->repeats != -1) {
			w->config = l->line[w->repeats].config;
			continue;
		}
		/* The same commit with the same digits. */
		for (k = i; k-- > 0 && w->twin == -1;) {
			v = &l->line[k];
			if (v->counts && v->score == w->score && claim_is_commit(w->entry->commit) &&
			    strcmp(v->entry->commit, w->entry->commit) == 0 && w->entry->digits >= 3)
				w->twin = (int)k;
		}
		if (w->twin != -1) {
			w->config = l->line[w->twin].config;
			l->twins++;
			continue;
		}
		w->config = (int)l->config_count++;
	}
	rc = 0;
out:
	free(text);
	free(id);
	return (rc);
}

/* --- noise ------------------------------------------------------------------ */

static int
gather(struct loop *l)
{
	struct loop_config *c;
	struct loop_line *w;
	struct stats_sample *all, *fresh;
	double ss = 0;
	size_t i, k, different = 0;

	l->config = calloc(l->config_count + 1, sizeof(*l->config));
	all = calloc(l->config_count + 1, sizeof(*all));
	fresh = calloc(l->config_count + 1, sizeof(*fresh));
	if (l->config == NULL || all == NULL || fresh == NULL) {
		free(all);
		free(fresh);
		return (-1);
	}
	for (i = 0; i < l->count; i++) {
		w = &l->line[i];
		l->decided += w->entry->status == 'k' || w->entry->status == 'd';
		if (w->config == -1)
			continue;
		c = &l->config[w->config];
		if (c->lines++ == 0) {
			c->first = i;
			c->kept = -1;
			c->low = c->high = NAN;
		}
		if (w->entry->status == 'k') {
			if (c->kept == -1)
				c->kept = (int)i;
			l->last_keep = (int)i;
		}
		if (w->twin != -1)
			continue;
		if (w->repeats != -1) {
			/* Digits that agree are no second draw. */
			for (k = 0; k < i; k++)
				if (l->line[k].config == w->config && l->line[k].score == w->score)
					break;
			if (k < i) {
				l->equal++;
				continue;
			}
			different++;
			stats_sample_add(&fresh[w->config], w->score);
			c->low = fmin(c->low, w->score);
			c->high = fmax(c->high, w->score);
		}
		stats_sample_add(&all[w->config], w->score);
	}
	for (i = 0; i < l->config_count; i++) {
		c = &l->config[i];
		c->runs = (size_t)all[i].n;
		c->mean = all[i].mean;
		c->ss = all[i].ss;
		c->fresh = (size_t)fresh[i].n;
		c->fresh_mean = fresh[i].n > 0 ? fresh[i].mean : NAN;
		if (c->runs > 1) {
			l->df += (double)c->runs - 1;
			ss += c->ss;
		}
	}
	l->sd = l->df > 0 ? sqrt(ss / l->df) : NAN;
	/* Where some repeats agree to the last digit and others do not, digits are coarse or runs were logged twice. */
	(void)different;
	free(all);
	free(fresh);
	return (0);
}

/* One side: a line that was run again stands with what came afterwards, but for where the loop began. */
static struct noise_arm
arm_of(const struct loop *l, int config)
{
	const struct loop_config *c = &l->config[config];
	struct noise_arm a = { (double)c->runs, c->mean, (double)c->runs - 1, c->ss };

	if (c->fresh > 0 && l->start != -1 && l->line[l->start].config != config && l->decided > 0) {
		a.n = (double)c->fresh;
		a.mean = c->fresh_mean;
	}
	return (a);
}

/*
 * A single run may have gone wrong in its favour.  What was tried afterwards started from it: where the gain is real
 * most of that has a quarter of it, too.
 */
static int
is_built_on(const struct loop *l, const struct loop_line *w, double quarter)
{
	enum { LEAST = 3 };
	const struct loop_line *v;
	size_t n = 0, better = 0;

	for (v = w + 1; v < l->line + l->count; v++) {
		if (!v->counts || v->config == w->config || v->repeats != -1 || v->twin != -1)
			continue;
		n++;
		better += l->higher ? v->score > quarter : v->score < quarter;
	}
	return (n >= LEAST && 3 * better >= 2 * n);
}

/* One configuration against another, with the repeats of all others. */
static struct noise_test
compare(const struct loop *l, int before, int after, double ln_sigma_sd, double floor, double level)
{
	struct noise_arm a = arm_of(l, before), b = arm_of(l, after);
	struct noise_pool pool = noise_pool(ln_sigma_sd, floor);
	const struct loop_config *c;
	size_t i;

	for (i = 0; i < l->config_count; i++) {
		c = &l->config[i];
		if ((int)i != after && (int)i != before && c->runs > 1)
			noise_pool_add(&pool, (double)c->runs - 1, c->ss);
	}
	return (noise_compare(&a, &b, &pool, l->higher ? -1 : 1, 0, 1 - level));
}

/* The configuration with the best mean of those that were kept before a line. */
static int
best_kept(const struct loop *l, const struct loop_line *w)
{
	const struct loop_line *v;
	int best = -1;
	double mean = NAN, x;

	for (v = l->line; v < w; v++) {
		if (!v->counts || v->entry->status != 'k' || v->config == w->config)
			continue;
		x = arm_of(l, v->config).mean;
		if (best == -1 || (l->higher ? x > mean : x < mean)) {
			best = v->config;
			mean = x;
		}
	}
	return (best);
}

static void
judge_keep(struct loop *l, struct loop_line *w, const struct loop_line *before, double ln_sigma_sd, double floor,
    double level)
{
	struct noise_arm a = arm_of(l, before->config), b = arm_of(l, w->config);
	double tries = (double)(l->tries < 1 ? 1 : l->tries), least, se;
	struct noise_test t;
	int best;

	w->gain = (l->higher ? 1 : -1) * (b.mean - a.mean);
	w->p = w->lower = NAN;
	if (l->df < 1) {
		w->keep = w->gain <= 0 ? LOOP_NO_GAIN : LOOP_UNKNOWN;
		w->why = w->gain <= 0 ? "" :
		    l->equal > 0      ? "its repeats agree to the last digit" :
					"no line repeats another";
		return;
	}
	t = compare(l, before->config, w->config, ln_sigma_sd, floor, level / tries);
	w->p = fmin(1, t.p * tries);
	w->lower = t.lower;
	least = l->sd * sqrt(l->df / stats_chi2_isf(0.05, l->df));
	se = least * sqrt(1 / a.n + 1 / b.n);
	/* What was before may have gone wrong in its one run; what was kept earlier stands for it then. */
	best = best_kept(l, w);
	if (t.p * tries <= level && l->config[w->config].fresh == 0 &&
	    !is_built_on(l, w, a.mean + (b.mean - a.mean) / 4)) {
		w->keep = LOOP_UNKNOWN;
		w->why = "a single run";
	} else if (t.p * tries <= level && l->config[before->config].runs < 2 && best != before->config &&
	    compare(l, best, w->config, ln_sigma_sd, floor, level / tries).p * tries > level) {
		w->keep = LOOP_UNKNOWN;
		w->why = "no more than before";
	} else if (t.p * tries <= level)
		w->keep = LOOP_REAL;
	else if (t.p_loss * tries <= level)
		w->keep = LOOP_NO_GAIN;
	else if (w->gain <= 1.6449 * se)
		w->keep = LOOP_NOISE;
	else {
		w->keep = LOOP_UNKNOWN;
		w->why = l->df < 3 ? "too few repeats" : "worth a test";
	}
}

static int
better(const struct loop *l, double a, double b)
{
	return (l->higher ? a > b : a < b);
}

/* The best line, of those kept where any was; and whether its own later runs bear it out. */
static void
find_best(struct loop *l)
{
	const struct loop_config *c;
	const struct loop_line *w;
	double before;
	size_t i;

	for (i = 0; i < l->count; i++) {
		w = &l->line[i];
		if (!w->counts || w->entry->status == 'd' || (l->last_keep != -1 && w->entry->status != 'k'))
			continue;
		if (l->best == -1 || better(l, w->score, l->line[l->best].score))
			l->best = (int)i;
	}
	if (l->best == -1)
		return;
	w = &l->line[l->best];
	c = &l->config[w->config];
	if (c->fresh == 0 || w->repeats != -1 || c->lines < 2)
		return;
	if (!better(l, w->score, l->higher ? c->high : c->low))
		return;
	before = w->before != -1 ? l->line[w->before].score : NAN;
	if (!isnan(before) && !better(l, c->fresh_mean, before))
		l->best_not_reproduced = 1;
}

static int
by_value(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x < *y ? -1 : *x > *y);
}

/* Median time between lines that follow one another. */
static int
find_pace(struct loop *l)
{
	double *gap = calloc(l->count + 1, sizeof(*gap));
	size_t i, n = 0;

	l->pace_ms = NAN;
	if (gap == NULL)
		return (-1);
	for (i = 1; i < l->count; i++)
		if (l->line[i].entry->dated && l->line[i - 1].entry->dated &&
		    l->line[i].entry->at_ms > l->line[i - 1].entry->at_ms)
			gap[n++] = (double)(l->line[i].entry->at_ms - l->line[i - 1].entry->at_ms);
	if (n >= 2) {
		qsort(gap, n, sizeof(*gap), by_value);
		l->pace_ms = gap[n / 2];
	}
	free(gap);
	return (0);
}

/* The kept line that a test would tell most of, and how many runs a side it takes. */
static void
find_promising(struct loop *l, double ln_sigma_sd, double floor, double level)
{
	struct noise_pool pool = noise_pool(ln_sigma_sd, floor);
	const struct loop_line *w;
	double power;
	unsigned n;
	size_t i;

	for (i = 0; i < l->count; i++) {
		w = &l->line[i];
		if (w->keep != LOOP_UNKNOWN || !(w->gain > 0))
			continue;
		if (l->promising == -1 || w->gain > l->line[l->promising].gain)
			l->promising = (int)i;
	}
	if (l->promising == -1 || l->df < 1)
		return;
	for (i = 0; i < l->config_count; i++)
		if (l->config[i].runs > 1)
			noise_pool_add(&pool, (double)l->config[i].runs - 1, l->config[i].ss);
	for (n = 2; n <= 32 && l->test_runs == 0; n++) {
		power = noise_power(&pool, 0, level, l->line[l->promising].gain / noise_lane_sd(&pool), n);
		if (power >= 0.8)
			l->test_runs = n;
	}
}

int
loop_judge(struct loop *l, double ln_sigma_sd, double floor, double level)
{
	const struct loop_line *before = NULL;
	struct loop_line *w;
	size_t i;

	l->start = l->best = l->last_keep = l->promising = -1;
	if (find_repeats(l) == -1 || gather(l) == -1 || find_pace(l) == -1) {
		loop_free(l);
		errno = ENOMEM;
		return (-1);
	}
	l->tries = l->config_count > 0 ? l->config_count - 1 : 0;
	for (i = 0; i < l->count; i++) {
		w = &l->line[i];
		if (!w->counts || w->entry->status != 'k')
			continue;
		if (before == NULL)
			w->keep = LOOP_START;
		else if (w->config == before->config || l->config[w->config].kept != (int)i) {
			w->keep = LOOP_REPEAT;
			/* An earlier state that is kept again is what the next is built on. */
		} else {
			w->before = (int)(before - l->line);
			judge_keep(l, w, before, ln_sigma_sd, floor, level);
		}
		l->keeps[w->keep]++;
		before = w;
	}
	find_best(l);
	find_promising(l, ln_sigma_sd, floor, level);
	return (0);
}

void
loop_free(struct loop *l)
{
	free(l->line);
	free(l->config);
	memset(l, 0, sizeof(*l));
}
