#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/bpb.h"
#include "base/clock.h"
#include "import/claimrow.h"
#include "import/number.h"
#include "base/jsonio.h"
#include "base/say.h"

/* Does a description speak of the seed and of nothing else? */
static int
is_seed_change(const char *title)
{
	static const char *const words[] = { "seed", "seeds", "random", "rng", "change", "changed", "different",
		"another", "new", "from", "to", "with", "same", "config", "rerun", "re", "run", "repeat", "replicate",
		"baseline", "try", NULL };
	char word[16];
	size_t n, i;
	int seed = 0;

	while (*title != '\0') {
		if (!isalpha((unsigned char)*title)) {
			/* Numbers, arrows and brackets; what is not ASCII may mean anything. */
			if ((unsigned char)*title >= 0x80)
				return (0);
			title++;
			continue;
		}
		for (n = 0; isalpha((unsigned char)title[n]); n++)
			;
		if (n >= sizeof(word))
			return (0);
		memcpy(word, title, n);
		word[n] = '\0';
		for (i = 0; words[i] != NULL && strcasecmp(words[i], word) != 0; i++)
			;
		if (words[i] == NULL)
			return (0);
		seed |= i < 2;
		title += n;
	}
	return (seed);
}

/* One in the last digit of the text that a run's number was read from. */
static double
unit_of(const json_t *values, size_t run, const char *name, double number)
{
	const json_t *v;
	struct number f;
	double unit = 0;
	const char *text;
	size_t i;

	json_array_foreach(values, i, v) {
		if (jsonio_f64(v, "number", NAN) != number || strcmp(jsonio_text(v, "name", ""), name) != 0)
			continue;
		/* A lone run's values may be those of the whole. */
		if (json_is_integer(json_object_get(v, "run")) && jsonio_i64(v, "run", -1) != (json_int_t)run)
			continue;
		text = jsonio_text(v, "text", "");
		f = number_read(text, strlen(text), NUMBER_ANY);
		if (!isnan(f.number) && (unit == 0 || f.unit < unit))
			unit = f.unit;
	}
	return (unit);
}

static void
take_runs(struct claimrow *e, const json_t *runs, const json_t *values)
{
	double loss, bpb, sum = 0, ratio, error, score;
	const json_t *r;
	size_t i, n = 0;

	e->ratio = e->loss = NAN;
	json_array_foreach(runs, i, r) {
		score = jsonio_f64(r, "score", NAN);
		loss = jsonio_f64(r, "val_loss", NAN);
		bpb = jsonio_f64(r, "val_bpb", NAN);
		e->named += json_is_integer(json_object_get(r, "seed"));
		if (isfinite(score) && e->runs < CLAIMROW_RUNS)
			e->score[e->runs++] = score;
		if (isfinite(loss)) {
			sum += loss;
			n++;
		}
		if (e->tokens == 0)
			e->tokens = jsonio_f64(r, "tokens", 0);
		if (!(loss > 0 && bpb > 0))
			continue;
		ratio = bpb_token_bytes(loss, bpb);
		error = ratio *
		    (unit_of(values, i, "val_loss", loss) / loss + unit_of(values, i, "val_bpb", bpb) / bpb);
		if (isnan(e->ratio) || error < e->error) {
			e->ratio = ratio;
			e->error = error;
		}
	}
	if (n > 0)
		e->loss = sum / (double)n;
}

static char *
copy(const json_t *v, const char *key)
{
	return (strdup(jsonio_text(v, key, "")));
}

static int
take(struct claimrow *e, const json_t *row)
{
	const json_t *import = json_object_get(row, "import"), *f;
	const char *form = jsonio_text(import, "form", "");
	size_t i;

	memset(e, 0, sizeof(*e));
	e->cluster = -1;
	e->row = (uint64_t)jsonio_i64(row, "row", 0);
	e->form = strcmp(form, "table") == 0 ? CLAIM_TABLE : strcmp(form, "log") == 0 ? CLAIM_LOG : CLAIM_SUBMISSION;
	e->file = copy(import, "file");
	e->title = copy(import, "title");
	e->author = copy(import, "author");
	e->metric = copy(import, "metric");
	e->scoring = copy(import, "scoring");
	strncpy(e->revises, jsonio_text(import, "revises", ""), SHA256_HEX_SIZE - 1);
	strncpy(e->series, jsonio_text(import, "series_sha256", ""), SHA256_HEX_SIZE - 1);
	e->higher = strcmp(jsonio_text(import, "direction", ""), "higher") == 0;
	e->dated = clock_parse(jsonio_text(import, "dated_at", ""), &e->at_ms) == 0;
	e->status = jsonio_text(import, "status", "")[0];
	e->claimed = jsonio_f64(import, "score", NAN);
	json_array_foreach(json_object_get(import, "values"), i, f)
		if (e->commit == NULL && strcmp(jsonio_text(f, "name", ""), "commit") == 0)
			e->commit = copy(f, "text");
	if (e->commit == NULL)
		e->commit = strdup("");
	json_array_foreach(json_object_get(import, "flags"), i, f) {
		enum defect k = defect_find(jsonio_text(f, "flag", ""));

		if (k != FLAGS)
			e->flags |= DEFECT_BIT(k);
	}
	take_runs(e, json_object_get(import, "runs"), json_object_get(import, "values"));
	if (e->file == NULL || e->title == NULL || e->author == NULL || e->metric == NULL || e->scoring == NULL ||
	    e->commit == NULL)
		return (-1);
	e->seed_only = e->form == CLAIM_TABLE && is_seed_change(e->title);
	return (0);
}

static int
by_digest(const void *a, const void *b)
{
	return (strcmp((*(struct claimrow *const *)a)->digest, (*(struct claimrow *const *)b)->digest));
}

/* Rows that a later one revises. */
static int
mark_revised(struct entries *all)
{
	struct claimrow **sorted, **hit, key, *k = &key;
	size_t i;

	if ((sorted = calloc(all->count + 1, sizeof(*sorted))) == NULL)
		return (-1);
	for (i = 0; i < all->count; i++)
		sorted[i] = &all->entry[i];
	qsort(sorted, all->count, sizeof(*sorted), by_digest);
	for (i = 0; i < all->count; i++) {
		if (all->entry[i].revises[0] == '\0')
			continue;
		memcpy(key.digest, all->entry[i].revises, SHA256_HEX_SIZE);
		if ((hit = bsearch(&k, sorted, all->count, sizeof(*sorted), by_digest)) != NULL)
			(*hit)->revised = 1;
	}
	free(sorted);
	return (0);
}

int
claimrow_read(struct entries *all, const struct ledger *l)
{
	const struct standings_fact *f;
	struct claimrow *grown;
	json_t *row;
	size_t i;
	int rc;

	memset(all, 0, sizeof(*all));
	for (i = 0; i < standings_count(&l->book); i++) {
		f = standings_fact(&l->book, i);
		if (f->kind != STANDINGS_IMPORT)
			continue;
		if (all->count == all->cap) {
			all->cap = all->cap == 0 ? 256 : 2 * all->cap;
			if ((grown = realloc(all->entry, all->cap * sizeof(*grown))) == NULL)
				goto err1;
			all->entry = grown;
		}
		if ((row = ledger_row(l, f)) == NULL)
			goto err0;
		rc = take(&all->entry[all->count], row);
		json_decref(row);
		all->count++;
		if (rc == -1)
			goto err1;
		if (ledger_digest(l, f, all->entry[all->count - 1].digest) == -1)
			goto err0;
	}
	if (mark_revised(all) == -1)
		goto err1;
	return (0);
err1:
	errno = ENOMEM;
	say_errno("cannot read the ledger '%s'", l->path);
err0:
	claimrow_free(all);
	return (-1);
}

void
claimrow_free(struct entries *all)
{
	size_t i;

	for (i = 0; i < all->count; i++) {
		free(all->entry[i].file);
		free(all->entry[i].title);
		free(all->entry[i].author);
		free(all->entry[i].metric);
		free(all->entry[i].scoring);
		free(all->entry[i].commit);
	}
	free(all->entry);
	memset(all, 0, sizeof(*all));
}
