#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "import/denominator.h"

static int
by_error(const void *a, const void *b)
{
	const struct claimrow *x = *(struct claimrow *const *)a, *y = *(struct claimrow *const *)b;

	if (x->error != y->error)
		return (x->error < y->error ? -1 : 1);
	return (x->row < y->row ? -1 : x->row > y->row);
}

/* The relative difference that tails of a text of so many tokens can make. */
static double
tail(double tokens)
{
	return (tokens > 0 && DENOMINATOR_TAIL / tokens <= 1e-3 ? DENOMINATOR_TAIL / tokens : 0);
}

static int
fits(const struct denominator_cluster *c, const struct claimrow *e)
{
	double digits = c->error + e->error + 1e-12 * c->ratio;

	if (c->tokens > 0 && e->tokens > 0)
		return (fabs(c->tokens - e->tokens) <= DENOMINATOR_TAIL &&
		    (tail(c->tokens) > 0 || c->tokens == e->tokens) &&
		    fabs(c->ratio - e->ratio) <= digits + c->ratio * tail(c->tokens));
	return (fabs(c->ratio - e->ratio) <= digits);
}

static int
add(struct denominator *a, const struct claimrow *e)
{
	struct denominator_cluster *grown, *c;

	if ((grown = array_few(a->cluster, a->count, sizeof(*grown))) == NULL)
		return (-1);
	a->cluster = grown;
	c = &a->cluster[a->count];
	memset(c, 0, sizeof(*c));
	c->ratio = e->ratio;
	c->error = e->error;
	c->tokens = e->tokens;
	c->first = e->row;
	c->bytes = e->tokens > 0 ? e->tokens * e->ratio : NAN;
	c->bytes_error = e->tokens * e->error + (tail(e->tokens) > 0 ? DENOMINATOR_TAIL * e->ratio : 0);
	c->text = (int)a->count;
	return ((int)a->count++);
}

/* The nearest denominator that a row can have. One that knows no tokens must fit one text alone. */
static int
place(struct denominator *a, struct claimrow *e)
{
	struct denominator_cluster *c;
	size_t i;
	int hit = -1, texts = 0;

	for (i = 0; i < a->count; i++) {
		c = &a->cluster[i];
		if (!fits(c, e))
			continue;
		texts += hit == -1 || c->text != a->cluster[hit].text;
		if (hit == -1 || fabs(c->ratio - e->ratio) < fabs(a->cluster[hit].ratio - e->ratio))
			hit = (int)i;
	}
	if (texts > 1 && e->tokens == 0) {
		e->unclear = 1;
		a->unclear++;
		return (0);
	}
	if (hit == -1 && (hit = add(a, e)) == -1)
		return (-1);
	e->cluster = hit;
	a->cluster[hit].rows++;
	if (e->row < a->cluster[hit].first)
		a->cluster[hit].first = e->row;
	return (0);
}

/* Which denominators are one text. */
static void
link_texts(struct denominator *a)
{
	struct denominator_cluster *c, *d;
	size_t i, k, x;
	int old;

	for (i = 0; i < a->count; i++) {
		c = &a->cluster[i];
		for (k = 0; k < i; k++) {
			d = &a->cluster[k];
			if (tail(c->tokens) == 0 || tail(d->tokens) == 0 || d->text == c->text ||
			    fabs(c->bytes - d->bytes) > c->bytes_error + d->bytes_error)
				continue;
			for (old = c->text, x = 0; x <= i; x++)
				if (a->cluster[x].text == old)
					a->cluster[x].text = d->text;
		}
	}
}

/* Texts numbered by their first rows. */
static void
number_texts(struct denominator *a)
{
	struct denominator_cluster *c;
	size_t i;
	int text;

	for (i = 0; i < a->count; i++)
		a->cluster[i].text = -1 - a->cluster[i].text;
	for (;; a->texts++) {
		for (c = NULL, i = 0; i < a->count; i++)
			if (a->cluster[i].text < 0 && (c == NULL || a->cluster[i].first < c->first))
				c = &a->cluster[i];
		if (c == NULL)
			break;
		for (text = c->text, i = 0; i < a->count; i++)
			if (a->cluster[i].text == text)
				a->cluster[i].text = a->texts;
	}
}

int
denominator_entries(struct denominator *a, struct entries *all)
{
	struct claimrow **sorted, *e;
	size_t i, n = 0;
	int pass, rc = 0;

	memset(a, 0, sizeof(*a));
	if ((sorted = calloc(all->count + 1, sizeof(*sorted))) == NULL)
		return (-1);
	for (i = 0; i < all->count; i++) {
		e = &all->entry[i];
		e->cluster = -1;
		e->unclear = 0;
		if (e->form == CLAIM_TABLE)
			continue;
		if (isnan(e->ratio) || (e->flags & DEFECT_BIT(DEFECT_RATIO_APART)) != 0)
			a->without++;
		else
			sorted[n++] = e;
	}
	/* What is vague joins what is sharp: the exact first, and those that know their tokens before the others. */
	qsort(sorted, n, sizeof(*sorted), by_error);
	for (pass = 0; pass < 2 && rc == 0; pass++) {
		for (i = 0; i < n && rc == 0; i++)
			if ((sorted[i]->tokens > 0) == (pass == 0))
				rc = place(a, sorted[i]);
		if (pass == 0)
			link_texts(a);
	}
	free(sorted);
	if (rc == -1) {
		denominator_free(a);
		errno = ENOMEM;
		return (-1);
	}
	number_texts(a);
	return (0);
}

void
denominator_free(struct denominator *a)
{
	free(a->cluster);
	memset(a, 0, sizeof(*a));
}
