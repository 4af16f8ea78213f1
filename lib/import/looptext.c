#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/shell.h"
#include "law/stats.h"
#include "import/looptext.h"
#include "import/repeats.h"

/* A line's name: its id, or else "line 7". */
static const char *
name_of(char out[80], const struct claimrow *e)
{
	if (*e->id != '\0')
		snprintf(out, 80, "%s%.60s", strspn(e->id, "0123456789") == strlen(e->id) ? "run " : "", e->id);
	else
		snprintf(out, 80, "line %u", e->line);
	return (out);
}

static const char *
number(char out[32], double x)
{
	snprintf(out, 32, "%.6g", x);
	return (out);
}

static const char *
spread(char out[32], double x)
{
	snprintf(out, 32, "%.3g", x);
	return (out);
}

int
looptext_headline(struct str *out, const struct rejudge_group *g)
{
	const struct loop *l = &g->loop;
	size_t n = l->keeps[LOOP_REAL] + l->keeps[LOOP_NOISE] + l->keeps[LOOP_UNKNOWN] + l->keeps[LOOP_NO_GAIN];
	size_t again = l->keeps[LOOP_REPEAT];
	int bad = 0;

	if (l->decided == 0 || l->keeps[LOOP_START] == 0)
		return (0);
	if (n == 0)
		bad |= str_puts(out, "No change was kept after the first line");
	else {
		bad |= str_printf(out, "Of %zu keep%s %zu %s real, %zu within noise, %zu cannot be told", n,
		    n == 1 ? "" : "s", l->keeps[LOOP_REAL], l->keeps[LOOP_REAL] == 1 ? "is" : "are",
		    l->keeps[LOOP_NOISE], l->keeps[LOOP_UNKNOWN]);
		if (l->keeps[LOOP_NO_GAIN] > 0)
			bad |= str_printf(out, ", %zu gained nothing", l->keeps[LOOP_NO_GAIN]);
	}
	if (again > 0)
		bad |= str_printf(out, "; %zu kept line%s an earlier one again and %s no change", again,
		    again == 1 ? " runs" : "s run", again == 1 ? "is" : "are");
	bad |= str_puts(out, ".\n");
	return (bad);
}

/* The highest of n draws is what it is: is this more? */
static int
is_what_draws_give(const struct loop *l, const struct loop_config *c, double score)
{
	double sd = c->runs > 1 ? sqrt(c->ss / ((double)c->runs - 1)) : NAN;

	return (c->runs >= 3 && fabs(score - c->mean) <= sd * stats_normal_quantile(1 - 0.05 / (double)c->runs) * 1.1 &&
	    l->df > 0);
}

static int
say_best(struct str *out, const struct loop *l)
{
	const struct loop_line *w = &l->line[l->best];
	const struct loop_config *c = &l->config[w->config];
	char name[80], other[80], a[32], b[32];
	int bad = 0;

	bad |= str_printf(out, "Best: %s with %s", name_of(name, w->entry), number(a, w->score));
	if (w->repeats == -1 && c->fresh > 0 && l->decided > 0 && w->config != l->line[l->start].config) {
		bad |= l->best_not_reproduced ?
		    str_printf(out, ", not reproduced by its %zu rerun%s", c->fresh, c->fresh == 1 ? "" : "s") :
		    str_printf(out, "; run again %zu time%s", c->fresh, c->fresh == 1 ? "" : "s");
		bad |= str_printf(out, ": %s", number(b, c->low));
		if (c->fresh > 1)
			bad |= str_printf(out, " to %s", number(b, c->high));
	} else if (c->runs > 1) {
		bad |= str_printf(out, ", the best of %zu runs of one configuration, whose mean is %s", c->runs,
		    number(b, c->mean));
		if (is_what_draws_give(l, c, w->score))
			bad |= str_printf(out, ": about what the best of %zu draws is", c->runs);
	}
	if (l->last_keep != -1 && l->best != l->last_keep)
		bad |= str_printf(out, "; last kept: %s with %s", name_of(other, l->line[l->last_keep].entry),
		    number(b, l->line[l->last_keep].score));
	bad |= str_puts(out, ".\n");
	return (bad);
}

static int
say_noise(struct str *out, const struct loop *l)
{
	size_t repeats = 0, of = 0, i;
	char sd[32], low[32], high[32];
	int bad = 0;

	for (i = 0; i < l->config_count; i++)
		if (l->config[i].runs > 1) {
			of++;
			repeats += l->config[i].runs - 1;
		}
	if (l->df >= 1)
		bad |= str_printf(out,
		    "Noise: a run's deviation is %s (%s to %s with 90 %%), from %zu repeat%s of %zu configuration%s.\n",
		    spread(sd, l->sd), spread(low, l->sd * sqrt(l->df / stats_chi2_isf(0.05, l->df))),
		    spread(high, l->sd * sqrt(l->df / stats_chi2_isf(0.95, l->df))), repeats, repeats == 1 ? "" : "s",
		    of, of == 1 ? "" : "s");
	else if (l->equal == 0)
		bad |= str_puts(out,
		    "Noise unknown: no line repeats another, so nobody knows what noise alone would give.\n");
	if (l->equal > 0) {
		bad |= str_printf(out,
		    "%zu repeat%s to the last digit: deterministic, or one run logged twice; %s not counted.", l->equal,
		    l->equal == 1 ? " agrees" : "s agree", l->equal == 1 ? "it is" : "they are");
		if (l->df < 1)
			bad |= str_puts(out,
			    " If it is deterministic, differences are real for this data, and nothing is known"
			    " of other data or seeds.");
		bad |= str_puts(out, "\n");
	}
	if (l->twins > 0)
		bad |= str_printf(out,
		    "%zu line%s the score and the commit of an earlier one: one run logged twice, as it"
		    " seems; not counted.\n",
		    l->twins, l->twins == 1 ? " has" : "s have");
	return (bad);
}

/* Configurations with several runs, of a table that nothing was decided of. */
static int
say_configs(struct str *out, const struct rejudge *r, const struct rejudge_group *g)
{
	enum { SHOWN = 12 };
	const struct loop *l = &g->loop;
	const struct rejudge_row *w;
	const struct loop_config *c;
	char name[80], other[80], a[32], b[32], d[32];
	size_t i, n = 0;
	int bad = 0;

	for (i = g->first; i != 0; i = w->next) {
		w = &r->row[i - 1];
		if (w->line == NULL || w->line->config == -1 || w->line->repeats != -1)
			continue;
		c = &l->config[w->line->config];
		if (c->runs < 2 || n++ >= SHOWN)
			continue;
		bad |= str_printf(out, "%s and its repeats: mean %s of %zu runs", name_of(name, w->entry),
		    number(a, c->mean), c->runs);
		if (w->incumbent != NULL && !isnan(w->lower))
			bad |= str_printf(out, "; gain over %s %s, at least %s with %g %% for all %zu together: %s",
			    name_of(other, w->incumbent), spread(b, w->gain), spread(d, w->lower),
			    100 * r->policy.promotion.confidence, l->tries, rejudge_verdict_name(w->verdict));
		bad |= str_puts(out, ".\n");
	}
	return (bad);
}

/* Decisions that the metric does not bear out were made by something else, and what is told by it alone is not all. */
static int
say_misfit(struct str *out, const struct rejudge_group *g)
{
	enum { DECISIONS = 8, KEPT = 3 };
	static const double poor = 0.65;
	const struct metric_fit *f = &g->loop.fit;

	if (f->decisions < DECISIONS || f->kept < KEPT || metric_fit_share(f) >= poor)
		return (0);
	return (str_printf(out,
	    "Only %zu of %zu decisions of its author fit %s, %s is better: something else was decided by, too, or"
	    " lines of several tasks stand in one table; then cut it by them.\n",
	    f->fits, f->decisions, g->metric, g->loop.higher ? "higher" : "lower"));
}

int
looptext_findings(struct str *out, const struct rejudge *r, const struct rejudge_group *g)
{
	const struct loop *l = &g->loop;
	char name[80], before[80], a[32], b[32];
	size_t i, shown = 0;
	int bad = 0;

	if (l->best != -1)
		bad |= say_best(out, l);
	bad |= say_misfit(out, g);
	if (l->count > 1)
		bad |= say_noise(out, l);
	if (l->decided == 0)
		bad |= say_configs(out, r, g);
	for (i = 0; i < l->count && shown < 12; i++) {
		const struct loop_line *w = &l->line[i];

		if (w->keep != LOOP_REAL)
			continue;
		shown++;
		bad |= str_printf(out,
		    "Real: %s, %s better than %s, at least %s with %g %% for all %zu tries together.\n",
		    name_of(name, w->entry), spread(a, w->gain), name_of(before, l->line[w->before].entry),
		    spread(b, w->lower), 100 * r->policy.promotion.confidence, l->tries);
	}
	return (bad);
}

/* Does the commit of a line stand for its state? Not where an earlier line has it, too. */
static int
has_state(const struct loop *l, int line)
{
	const char *commit = l->line[line].entry->commit;
	int i;

	if (!claim_is_commit(commit))
		return (0);
	for (i = 0; i < line; i++)
		if (l->line[i].counts && strcmp(l->line[i].entry->commit, commit) == 0 &&
		    l->line[i].config != l->line[line].config)
			return (0);
	return (1);
}

/* What measures a line: its loop's own command, which is shell already, or one that its owner has to know. */
static int
put_measure(struct str *out, const char *command)
{
	/* As it stands where sh takes it for nothing but words; else as the one word that it was given to sh as. */
	if (*command == '\0' || *command == '-' || *command == ' ')
		return (str_puts(out, "./measure"));
	if (shell_is_plain(command))
		return (str_puts(out, command));
	return (shell_command(out, "sh -c %s", command));
}

/* One run of a line's state, to be pasted. */
static int
put_run(struct str *out, const struct loop *l, int line)
{
	const struct claimrow *e = l->line[line].entry;
	int bad = 0;

	if (has_state(l, line))
		bad |= shell_command(out, "git checkout %s; ", e->commit);
	return (bad | put_measure(out, e->command));
}

/* Both sides in turn, on lines that begin with a blank; what no command brings back is said in words. */
static int
put_turn(struct str *out, const struct loop *l)
{
	int side[2] = { l->line[l->promising].before, l->promising }, i, bad = 0;
	char name[80];

	if (has_state(l, side[0]) && has_state(l, side[1])) {
		bad |= str_puts(out, "  ");
		bad |= put_run(out, l, side[0]);
		bad |= str_puts(out, "; ");
		bad |= put_run(out, l, side[1]);
		return (bad | str_puts(out, "\n"));
	}
	for (i = 0; i < 2; i++) {
		name_of(name, l->line[side[i]].entry);
		bad |= has_state(l, side[i]) ?
		    str_printf(out, "A run of %s:\n  ", name) :
		    str_printf(out, "A run of %s, whose state no commit alone stands for; bring it back by hand:\n  ",
			name);
		bad |= put_run(out, l, side[i]);
		bad |= str_puts(out, "\n");
	}
	return (bad);
}

/* What to write of each run, by the first kind of text that is taken for either line. */
static int
put_reruns(struct str *out, const struct loop_line *before, const struct loop_line *after)
{
	int how, bad = 0;

	for (how = 0; how < LOOP_RERUNS && (before->reruns & after->reruns & 1U << how) == 0; how++)
		;
	if (how == LOOP_RERUNS)
		return (str_puts(out,
		    "No text names both lines beyond doubt: give the table a column config_hash, equal for runs of one"
		    " configuration, and import it into another ledger.\n"));
	bad |= str_puts(out, "Add a line for each with the text \"");
	bad |= repeats_text(out, before->entry, (enum loop_rerun)how);
	bad |= str_puts(out, " seed=1\" or \"");
	bad |= repeats_text(out, after->entry, (enum loop_rerun)how);
	return (bad | str_puts(out, " seed=1\", its number and discard, and import the table again.\n"));
}

int
looptext_test(struct str *out, const struct rejudge_group *g)
{
	const struct loop *l = &g->loop;
	const struct loop_line *w, *v;
	char name[80], before[80], a[32];
	unsigned n;
	double minutes;
	int bad = 0;

	/* Where runs agree to the last digit, running again tells nothing. */
	if (l->promising == -1 || (l->df < 1 && l->equal > 0))
		return (0);
	w = &l->line[l->promising];
	v = &l->line[w->before];
	n = l->test_runs == 0 ? 3 : l->test_runs;
	bad |= str_printf(out, "To settle %s (%s better than %s): ", name_of(name, w->entry), spread(a, w->gain),
	    name_of(before, v->entry));
	if (l->test_runs > 0)
		bad |= str_printf(out, "%u more runs a side tell with a chance of 80 %%, if it gains what was seen", n);
	else
		bad |= str_printf(out, "begin with %u more runs a side, which show the noise", n);
	minutes = 2 * n * l->pace_ms / 60000;
	if (!isnan(minutes))
		bad |= minutes < 120 ? str_printf(out, "; about %.0f min at this loop's pace", ceil(minutes)) :
				       str_printf(out, "; about %.1f h at this loop's pace", minutes / 60);
	bad |= str_puts(out, ". In turn, each run with another seed:\n");
	bad |= put_turn(out, l);
	bad |= put_reruns(out, v, w);
	return (bad);
}
