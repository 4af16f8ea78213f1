#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/array.h"
#include "base/bpb.h"
#include "base/clock.h"
#include "import/claimrow.h"
#include "import/grid.h"
#include "import/lineid.h"
#include "import/number.h"
#include "base/jsonio.h"
#include "base/say.h"
#include "base/str.h"
#include "base/utf8.h"

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
			/* Numbers, dashes and brackets; what else is not ASCII may mean anything. */
			n = utf8_punctuation(title);
			if (n == 0 && (unsigned char)*title >= 0x80)
				return (0);
			title += n == 0 ? 1 : n;
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

/* --- a table's line --------------------------------------------------------- */

static int
is_word_of(const char *name, const char *const *among)
{
	for (; *among != NULL && strcasecmp(*among, name) != 0; among++)
		;
	return (*among != NULL);
}

/* Is any of them in the name? */
static int
has_any(const char *name, const char *const *among)
{
	for (; *among != NULL && strstr(name, *among) == NULL; among++)
		;
	return (*among != NULL);
}

static int
is_seed_column(const char *name)
{
	size_t n = strlen(name);

	return (strcasecmp(name, "seed") == 0 || strcasecmp(name, "random_seed") == 0 ||
	    strcasecmp(name, "rng_seed") == 0 || (n > 5 && strcasecmp(name + n - 5, ".seed") == 0));
}

/* What a run yields, when it ran, what it is called: anything that two runs of one configuration may differ in. */
static int
is_outcome(const char *name)
{
	static const char *const parts[] = { "val_", "valid", "test_", "train_loss", "loss", "acc", "bpb", "ppl",
		"perplex", "mem", "time", "durat", "elapsed", "_sec", "hours", "date", "created", "score", "metric",
		"best", "auc", "error", "mfu", "tok_", "tokens_per", "per_s", "/s", "step_avg", "confidence", "gpu",
		"vram", "throughput", NULL };
	static const char *const settings[] = { "frac", "size", "limit", "every", "weight", "type", "ratio", "smooth",
		"interval", "max_", "cap", "split", "lr", NULL };
	static const char *const names[] = { "run", "id", "run_id", "exp_id", "exp", "iter", "iteration", "index",
		"rank", "name", "run_name", "slug", "label", "experiment", "user", "status", "state", "decision",
		"verdict", "outcome", "kept", "keep", "notes", "note", "executor", "rev", "_step", "step", "sps",
		NULL };

	if (is_word_of(name, names))
		return (1);
	return (has_any(name, parts) && !has_any(name, settings));
}

static unsigned
digits_of(const char *text)
{
	unsigned n = 0;
	int begun = 0;

	for (; *text != '\0' && *text != 'e' && *text != 'E'; text++)
		if (isdigit((unsigned char)*text)) {
			begun |= *text != '0';
			n += begun;
		}
	return (n);
}

static char *
dup_of(char **into, const char *text)
{
	free(*into);
	return (*into = strdup(text));
}

/*
 * The value that is looked at, by its column as an import would take it: called so, or by its place where columns have
 * no names, or the only one that ends so; NULL: none is.
 */
static const json_t *
looked_at(const json_t *values, const struct claimrow_look *look)
{
	char simple[CLAIM_TEXT + 1];
	const json_t *v, *found = NULL;
	const char *name, *path;
	int several = 0, is;
	size_t i;

	if (look->metric == NULL || strlen(look->metric) >= sizeof(simple))
		return (NULL);
	strcpy(simple, look->metric);
	grid_simplify(simple);
	json_array_foreach(values, i, v) {
		name = jsonio_text(v, "name", "");
		path = jsonio_text(v, "path", "");
		is = grid_called(*path == '\0' ? name : path, simple);
		if (is == 2 || strcasecmp(name, look->metric) == 0 || strcasecmp(path, look->metric) == 0 ||
		    (strncmp(path, "column ", 7) == 0 && strcmp(path + 7, look->metric) == 0))
			return (v);
		several |= is && found != NULL;
		if (is)
			found = v;
	}
	return (several ? NULL : found);
}

static int
take_line(struct claimrow *e, const json_t *import, const struct claimrow_look *look)
{
	static const char *const ids[] = { "run_id", "exp_id", "id", "run", "exp", "experiment", "iteration", "iter",
		"name", "run_name", "slug", "label", "trial", "round", NULL };
	static const char *const hashes[] = { "config_hash", "cfg_hash", "config_sha", "config_sha256", "config_digest",
		"config_id", "params_hash", "hparams_hash", "arm", NULL };
	static const char *const parents[] = { "parent", "parent_id", "base_id", "parent_run", NULL };
	static const char *const titles[] = { "name", "run_name", "slug", "label", NULL };
	static const char *const commands[] = { "command", "cmd", "run_command", NULL };
	struct str settings = STR_INIT, columns = STR_INIT;
	size_t i, rank = sizeof(ids) / sizeof(ids[0]), k;
	const char *name, *path, *text, *title_path = "";
	const json_t *values = json_object_get(import, "values"), *looked = looked_at(values, look), *v;
	int bad = 0;

	json_array_foreach(values, i, v) {
		name = jsonio_text(v, "name", "");
		path = jsonio_text(v, "path", "");
		text = jsonio_text(v, "text", "");
		if (e->line == 0)
			e->line = (unsigned)jsonio_i64(v, "line", 0);
		if (*path == '\0')
			path = name;
		if (json_is_number(json_object_get(v, "number")) && strcmp(name, "commit") != 0 &&
		    strcmp(name, "status") != 0)
			bad |= str_printf(&columns, "%s%s", columns.n == 0 ? "" : ", ", path);
		if (v == looked) {
			e->looked = 1;
			e->claimed = jsonio_f64(v, "number", NAN);
			e->runs = isnan(e->claimed) ? 0 : 1;
			e->score[0] = e->claimed;
			e->digits = digits_of(text);
		} else if (look->metric == NULL && strcmp(name, e->metric) == 0)
			e->digits = digits_of(text);
		if (strcmp(name, "title") == 0 || strcmp(name, "name") == 0)
			title_path = path;
		for (k = 0; ids[k] != NULL && strcasecmp(ids[k], path) != 0; k++)
			;
		if (ids[k] != NULL && k < rank && *text != '\0' && strpbrk(text, " \t\n") == NULL) {
			rank = k;
			bad |= dup_of(&e->id, text) == NULL;
		}
		if (*e->name == '\0' && is_word_of(path, titles) && strpbrk(text, " \t\n") == NULL)
			bad |= dup_of(&e->name, text) == NULL;
		if (*e->command == '\0' && is_word_of(name, commands))
			bad |= dup_of(&e->command, text) == NULL;
		if (strcmp(path, CLAIM_CONFIG) == 0 && is_word_of(name, commands))
			continue; /* of all lines, and no setting of this one */
		if (is_word_of(path, hashes))
			bad |= dup_of(&e->hash, text) == NULL;
		else if (is_word_of(path, parents))
			bad |= dup_of(&e->parent, text) == NULL;
		else if (is_seed_column(path))
			bad |= dup_of(&e->seed, text) == NULL;
		else if (strcmp(name, e->metric) != 0 && strcmp(text, e->title) != 0 && !is_outcome(path))
			bad |= str_printf(&settings, "%s=%s\n", path, text);
	}
	e->named_by_id = is_word_of(title_path, titles) || (*e->id != '\0' && strcmp(e->id, e->title) == 0);
	if (settings.p != NULL)
		bad |= dup_of(&e->settings, settings.p) == NULL;
	if (columns.p != NULL)
		bad |= dup_of(&e->columns, columns.p) == NULL;
	str_free(&settings);
	str_free(&columns);
	return (bad ? -1 : 0);
}

static int
take(struct claimrow *e, const json_t *row, const struct claimrow_look *look)
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
	e->id = strdup("");
	e->name = strdup("");
	e->parent = strdup("");
	e->hash = strdup("");
	e->seed = strdup("");
	e->settings = strdup("");
	e->columns = strdup("");
	e->command = strdup("");
	if (e->id == NULL || e->name == NULL || e->parent == NULL || e->hash == NULL || e->seed == NULL ||
	    e->settings == NULL || e->columns == NULL || e->command == NULL)
		return (-1);
	if (e->file == NULL || e->title == NULL || e->author == NULL || e->metric == NULL || e->scoring == NULL ||
	    e->commit == NULL)
		return (-1);
	if (e->form == CLAIM_TABLE && take_line(e, import, look) == -1)
		return (-1);
	if (strcmp(jsonio_text(import, "status", ""), "checks_failed") == 0)
		e->status = 'f';
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

/* All lines of a table whose lines have the column are looked at by it. */
static int
look_at(struct entries *all, const struct claimrow_look *look)
{
	const char **series = NULL, **grown;
	struct claimrow *e;
	size_t i, k, n = 0;
	char *copy;
	int rc = -1;

	for (i = 0; look->metric != NULL && i < all->count; i++) {
		if (!all->entry[i].looked)
			continue;
		for (k = n; k > 0 && strcmp(series[k - 1], all->entry[i].series) != 0; k--)
			;
		if (k > 0)
			continue;
		if ((grown = array_few(series, n, sizeof(*grown))) == NULL)
			goto out;
		series = grown;
		series[n++] = all->entry[i].series;
	}
	for (i = 0; n > 0 && i < all->count; i++) {
		e = &all->entry[i];
		for (k = n; k > 0 && strcmp(series[k - 1], e->series) != 0; k--)
			;
		if (k == 0)
			continue;
		if (!e->looked) {
			e->claimed = NAN;
			e->runs = 0;
		}
		if ((copy = strdup(look->metric)) == NULL)
			goto out;
		free(e->metric);
		e->metric = copy;
		e->higher = look->higher;
		e->looked = 1;
	}
	rc = 0;
out:
	free(series);
	return (rc);
}

int
claimrow_read(struct entries *all, const struct ledger *l, const struct claimrow_look *look)
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
		if ((grown = array_room(all->entry, all->count, &all->cap, sizeof(*grown))) == NULL)
			goto err1;
		all->entry = grown;
		if ((row = ledger_row(l, f)) == NULL)
			goto err0;
		rc = take(&all->entry[all->count], row, look);
		json_decref(row);
		all->count++;
		if (rc == -1)
			goto err1;
		if (ledger_digest(l, f, all->entry[all->count - 1].digest) == -1)
			goto err0;
	}
	if (mark_revised(all) == -1 || look_at(all, look) == -1 || lineid_settle(all) == -1)
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
		free(all->entry[i].id);
		free(all->entry[i].name);
		free(all->entry[i].parent);
		free(all->entry[i].hash);
		free(all->entry[i].seed);
		free(all->entry[i].settings);
		free(all->entry[i].columns);
		free(all->entry[i].command);
	}
	free(all->entry);
	memset(all, 0, sizeof(*all));
}
