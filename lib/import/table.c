#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/array.h"
#include "base/hash.h"
#include "base/utf8.h"
#include "import/candidates.h"
#include "import/csv.h"
#include "import/grid.h"
#include "import/header.h"
#include "import/metric.h"
#include "import/table.h"
#include "import/tableline.h"

/* A header as text has it: 1 if it has the usual metric or the one wanted; 2 if it tells lines apart as well. */
static int
is_header(const struct csv *cells, const struct table_want *want)
{
	struct header h;
	int metric = want->metric == NULL ? header_usual(cells) : header_column(cells, want->metric);

	header_read(&h, cells);
	return (metric == -1 ? 0 : h.commit == -1 && h.status == -1 && h.title == -1 ? 1 : 2);
}

/* A table of runs whose metric has a name of its own: what was decided, and a run or what was tried. */
static int
tells_runs(const struct csv *cells)
{
	struct header h;

	header_read(&h, cells);
	return ((h.status != -1 || h.kept != -1) && (h.commit != -1 || h.title != -1) && cells->count > 2);
}

/* A table begins with its header and first line; JSON has no header, but a segment has what began it. */
static int
digest_series(char hex[SHA256_HEX_SIZE], const struct grid *g, int nameless)
{
	struct csv salt = { .cell = { g->salt }, .count = 1 };

	if (g->form == CSV_NONE)
		return (tableline_digest(hex, g->salt == NULL ? NULL : &salt, &g->line[0]));
	return (tableline_digest(hex, nameless ? NULL : &g->names, &g->line[0]));
}

static int
is_empty(const struct csv *row)
{
	return (row->count == 0 || (row->count == 1 && row->cell[0][0] == '\0'));
}

static int
add(struct table *s, struct claim *c)
{
	struct claim **grown;

	if (c == NULL)
		goto err0;
	if ((grown = array_room(s->claims, s->count, &s->cap, sizeof(*grown))) == NULL) {
		claim_free(c);
		goto err0;
	}
	s->claims = grown;
	s->claims[s->count++] = c;
	return (0);
err0:
	errno = ENOMEM;
	return (-1);
}

/* The lines of one table that have the cells of one above. */
static int
note_twins(struct table *s, size_t from)
{
	struct hash seen = { 0 };
	const struct claim *before;
	struct claim *c;
	size_t i, at, *last;
	int rc = 0;

	for (i = from; i < s->count && rc == 0; i++) {
		c = s->claims[i];
		at = 0;
		if ((last = hash_find(&seen, hash_text(c->content), &at)) == NULL) {
			rc = hash_add(&seen, hash_text(c->content), i + 1);
			continue;
		}
		before = s->claims[*last - 1];
		*last = i + 1;
		if (strcmp(before->content, c->content) == 0)
			claim_note(c, DEFECT_DUPLICATE_ROW, c->file, c->value_count > 0 ? c->values[0].line : 0,
			    "the same cells as line %u", before->value_count > 0 ? before->values[0].line : 0);
	}
	hash_free(&seen);
	return (rc);
}

/* The header once more, as where tables were put one behind the other. */
static int
is_header_again(const struct grid *g, const struct csv *row)
{
	char cell[CLAIM_TEXT + 1];
	size_t i;

	if (g->form == CSV_NONE || row->count != g->names.count || row->count < 2)
		return (0);
	for (i = 0; i < row->count; i++) {
		if (strlen(row->cell[i]) >= sizeof(cell))
			return (0);
		strcpy(cell, row->cell[i]);
		grid_simplify(cell);
		if (strcmp(cell, g->names.cell[i]) != 0)
			return (0);
	}
	return (1);
}

/* Text that was broken: one cell, no number, in a table of several columns. */
static void
join_lines(struct grid *g, size_t *joined, unsigned *first)
{
	size_t i, k = 0;
	struct csv *row;

	*joined = 0;
	for (i = 0; i < g->count; i++) {
		row = &g->line[i];
		if (is_header_again(g, row)) {
			csv_free(row);
			continue;
		}
		if (g->form != CSV_NONE && k > 0 && row->count == 1 && g->names.count > 2 && row->cell[0][0] != '\0' &&
		    isnan(number_read(row->cell[0], strlen(row->cell[0]), NUMBER_ANY).number) &&
		    !claim_is_commit(row->cell[0])) {
			if ((*joined)++ == 0)
				*first = row->line;
			csv_free(row);
			continue;
		}
		if (k != i)
			g->line[k] = *row;
		k++;
	}
	g->count = k;
}

/* DVC's line for what is not committed: no run of its own. */
static int
drop_workspace(struct grid *g)
{
	int rev = header_column(&g->names, "rev");
	const char *cell;
	size_t i, k = 0, dropped;

	for (i = 0; i < g->count; i++) {
		cell = header_cell(&g->line[i], rev);
		if (cell != NULL && strcmp(cell, "workspace") == 0) {
			csv_free(&g->line[i]);
			continue;
		}
		if (k != i)
			g->line[k] = g->line[i];
		k++;
	}
	dropped = g->count - k;
	g->count = k;
	return (dropped > 0);
}

static void
look_for_percents(const struct grid *g, struct header *h)
{
	const char *cell;
	size_t i, k, n, some, all;

	for (i = 0; i < h->cells->count; i++) {
		for (some = all = k = 0; k < g->count; k++) {
			if ((cell = header_cell(&g->line[k], (int)i)) == NULL || (n = strlen(cell)) == 0 ||
			    (number_read(cell, n, NUMBER_ANY).flags & DEFECT_BIT(DEFECT_MISSING)) != 0)
				continue;
			all++;
			some += n > 1 && cell[n - 1] == '%' && !isnan(number_read(cell, n - 1, NUMBER_ANY).number);
		}
		h->percent[i] = some > 0 && some == all;
	}
}

/* Columns without names: what they look like, in words, and commit, status and text for their lines. */
static int
guess_columns(struct str *say, const struct grid *g, struct header *h)
{
	size_t i, k, n, commit, number, status;
	const char *cell;
	int bad = 0;

	bad |= str_puts(say, "no header; looks like ");
	for (i = 0; i < h->cells->count; i++) {
		for (n = commit = number = status = k = 0; k < g->count; k++) {
			if ((cell = header_cell(&g->line[k], (int)i)) == NULL || *cell == '\0')
				continue;
			n++;
			commit += claim_is_commit(cell);
			number += !isnan(number_read(cell, strlen(cell), NUMBER_ANY).number);
			status += header_status(cell) != NULL;
		}
		if (n > 0 && commit == n && h->commit == -1 && i == 0) {
			h->commit = (int)i;
			h->commit_is_hash = 1;
			h->what[i] = CLAIM_COMMIT;
		} else if (n > 0 && status == n && h->status == -1) {
			h->status = (int)i;
			h->what[i] = CLAIM_STATUS;
		} else if (n > 0 && number < n)
			h->title = (int)i;
		if (i < 16)
			bad |= str_printf(say, "%s%s", i == 0 ? "" : ", ",
			    h->commit == (int)i      ? "commit" :
				h->status == (int)i  ? "status" :
				n > 0 && number == n ? "number" :
						       "text");
	}
	if (h->title != -1)
		h->what[h->title] = CLAIM_TITLE;
	return (bad ? -1 : 0);
}

/* A metric that lines name themselves: 1 and the columns, if it is one for all of them. */
static int
named_in_rows(const struct grid *g, struct header *h, const char **called, int *higher)
{
	int name = header_column(h->cells, "metric_name"), value = header_column(h->cells, "metric_value");
	int way = header_column(h->cells, "metric_direction");
	const char *a, *b;
	size_t i;

	if (value == -1)
		value = header_column(h->cells, "value");
	if (way == -1)
		way = header_column(h->cells, "direction");
	if (name == -1 || value == -1 || g->count == 0)
		return (0);
	for (i = 1; i < g->count; i++) {
		a = header_cell(&g->line[i], name);
		b = header_cell(&g->line[0], name);
		if (a == NULL || b == NULL || strcmp(a, b) != 0)
			return (0);
	}
	*called = header_cell(&g->line[0], name);
	a = way == -1 ? NULL : header_cell(&g->line[0], way);
	if (*called == NULL || **called == '\0' || a == NULL)
		return (0);
	if ((*higher = metric_direction(a)) == -1)
		return (0);
	h->metric = value;
	return (1);
}

/* Hold the direction against what was decided, and say both. */
static int
say_decisions(struct str *say, const struct grid *g, const struct header *h, const char *how)
{
	struct metric_fit f, other;
	double *score = calloc(g->count + 1, sizeof(*score));
	char *status = calloc(g->count + 1, 1);
	int fractions, bad = score == NULL || status == NULL;
	size_t i;

	if (!bad) {
		for (i = 0; i < g->count; i++)
			status[i] = header_decision(h, &g->line[i]);
		candidates_numbers(g, h, h->metric, score, &fractions);
		if (h->zero_is_none)
			for (i = 0; i < g->count; i++)
				if (score[i] == 0)
					score[i] = NAN;
		f = metric_fit(score, status, g->count, h->higher);
		other = metric_fit(score, status, g->count, !h->higher);
		bad |= str_printf(say, "metric %s, %s is better%s", h->called, h->higher ? "higher" : "lower", how);
		if (h->percent[h->metric])
			bad |= str_puts(say, ", in percent");
		if (f.decisions > 1)
			bad |= str_printf(say, ": %zu of %zu decisions of its author fit", f.fits, f.decisions);
		if (f.kept > 0 && f.kept_worse == f.kept && other.fits > f.fits)
			bad |= str_printf(say,
			    "; the author kept %zu of %zu changes that are worse in this direction: -%c?", f.kept_worse,
			    f.kept, h->higher ? 'm' : 'M');
	}
	free(score);
	free(status);
	return (bad ? -1 : 0);
}

/* A copy of a name that lives as long as the claims. */
static const char *
hold(struct table *s, const char *name)
{
	enum { LONGEST = 256 };
	size_t n = strlen(name), i, k;
	char **grown, *copy;

	if ((grown = array_few(s->held, s->held_count, sizeof(*grown))) == NULL)
		return (NULL);
	s->held = grown;
	if ((copy = strndup(name, n > LONGEST ? utf8_cut(name, LONGEST) : n)) == NULL)
		return (NULL);
	for (i = 0, n = strlen(copy); i < n; i += k)
		if ((k = utf8_read(copy + i, n - i, NULL)) == 0) {
			copy[i] = '?';
			k = 1;
		}
	return (s->held[s->held_count++] = copy);
}

/* What -m and -M take for a column: its name, or its place where it has none. */
static int
column_of(struct str *out, const struct header *h, int column)
{
	return (h->nameless ? str_printf(out, "%d", column + 1) : str_puts(out, h->cells->cell[column]));
}

/* What is to be said of a table whose metric is not known, and the column that its author's decisions speak for. */
static int
ask_for(struct table *s, struct str *ask, const struct grid *g, const struct header *h, const struct table_want *want,
    int *higher, int *sure)
{
	struct str fits = STR_INIT;
	int found, first, bad = 0;

	if ((found = candidates_ask(&fits, g, h, higher, sure)) == -3)
		goto out;
	if (h->nameless) {
		if ((first = found >= 0 ? found : candidates_varying(g, h)) == -3) {
			found = -3;
			goto out;
		}
		first = first < 0 ? 1 : first + 1;
		bad |= str_puts(ask, s->guess.p);
		bad |= found >= 0 ?
		    str_printf(ask, ": name the column, -%c %d%s", *higher ? 'M' : 'm', first, fits.p) :
		    str_printf(ask, ": name the column, -m %d or -M %d%s", first, first, fits.p == NULL ? "" : fits.p);
	} else {
		bad |= str_printf(ask, "no column %s; ", want->metric == NULL ? "val_bpb" : want->metric);
		bad |= candidates_list(ask, g, h);
		bad |= str_puts(ask, fits.p == NULL ? "" : fits.p);
		if (found >= 0)
			bad |= str_printf(ask, ": -%c %s", *higher ? 'M' : 'm', h->cells->cell[found]);
		else
			bad |= str_puts(ask, "; name one, -m NAME where lower is better, -M NAME where higher is");
	}
	if (bad)
		found = -3;
out:
	str_free(&fits);
	return (found);
}

/*
 * Which column counts: the one that was asked for, the one that the table names itself, the one it has in the ledger,
 * bits per byte, or the only one that its author's decisions are sure of.  1 if that is known, 0 after saying why not.
 */
static int
choose(struct table *s, struct grid *g, struct header *h, const struct table_want *want, const char *series, int loose)
{
	const char *called = NULL, *how = "", *known;
	struct str ask = STR_INIT;
	double *score;
	int higher = 0, sure = 0, found, rc = -1, fractions;
	char *end;
	long place;

	h->higher = want->higher;
	if (want->metric != NULL) {
		h->called = want->metric;
		h->metric = header_column(h->cells, want->metric);
		if (h->metric == -1 && g->metric != NULL && strcasecmp(g->metric, want->metric) == 0)
			h->metric = header_column(h->cells, "metric");
		if (h->metric == -1 && named_in_rows(g, h, &called, &higher) && strcasecmp(called, want->metric) != 0)
			h->metric = -1;
		if (h->metric == -1 && h->nameless) {
			place = strtol(want->metric, &end, 10);
			if (*end == '\0' && place >= 1 && (size_t)place <= h->cells->count) {
				h->metric = (int)place - 1;
				h->called = h->cells->cell[h->metric];
			}
		}
	} else if (g->metric != NULL && g->higher != -1 &&
	    ((found = header_column(h->cells, "metric")) != -1 || (found = header_column(h->cells, g->metric)) != -1)) {
		h->metric = found;
		h->called = g->metric;
		h->higher = g->higher;
		how = ", as it says itself";
	} else if (named_in_rows(g, h, &called, &higher)) {
		h->called = called;
		h->higher = higher;
		how = ", as it says itself";
	} else if (want->known != NULL && (known = want->known(want->arg, series, &higher)) != NULL &&
	    (found = header_column(h->cells, known)) != -1) {
		h->metric = found;
		h->called = known;
		h->higher = higher;
		h->usual = strcmp(known, "val_bpb") == 0 && !higher;
		how = ", as in the ledger";
	} else if ((found = header_usual(h->cells)) != -1) {
		h->metric = found;
		h->called = "val_bpb";
		h->higher = 0;
		h->usual = 1;
	}
	if (h->metric == -1) {
		if ((found = ask_for(s, &ask, g, h, want, &higher, &sure)) == -3)
			goto out;
		if (found >= 0 && sure && want->metric == NULL && !h->nameless) {
			h->metric = found;
			h->called = h->cells->cell[found];
			h->higher = higher;
			how = ", as nothing else fits what its author decided";
		} else {
			rc = 0;
			if (!loose && !tells_runs(h->cells))
				goto out;
			if (s->asked.p == NULL) {
				s->asked = ask;
				ask = (struct str)STR_INIT;
				if (found >= 0) {
					s->higher = higher;
					if (column_of(&s->column, h, found) == -1)
						rc = -1;
				}
			}
			goto out;
		}
	}
	if ((score = calloc(g->count + 1, sizeof(*score))) == NULL)
		goto out;
	candidates_numbers(g, h, h->metric, score, &fractions);
	h->zero_is_none = metric_zero_is_none(score, g->count, fractions, h->higher);
	free(score);
	/* What is known by the usual name is what it was before. */
	h->what[h->metric] = h->usual ? CLAIM_VAL_BPB : CLAIM_METRIC;
	if (h->status == h->metric)
		h->status = -1;
	if (h->title == h->metric)
		h->title = -1;
	if (h->commit == h->metric)
		h->commit = -1;
	if ((h->called = hold(s, h->called)) == NULL)
		goto out;
	if (s->said.p != NULL && str_puts(&s->said, "; then ") == -1)
		goto out;
	rc = say_decisions(&s->said, g, h, how) == -1 ? -1 : 1;
out:
	str_free(&ask);
	return (rc);
}

/* All lines of a table become claims, once its metric is known. */
static int
settle(struct table *s, struct grid *g, const char *name, const struct textfile *file, const struct table_want *want,
    int loose, int nameless)
{
	char series[SHA256_HEX_SIZE];
	struct header h;
	size_t i, joined, from = s->count;
	unsigned joined_at = 0;
	int rc;

	join_lines(g, &joined, &joined_at);
	if (drop_workspace(g))
		s->workspace = 1;
	if (nameless) {
		header_none(&h, &g->names);
		h.nameless = 1;
		str_free(&s->guess);
		if (guess_columns(&s->guess, g, &h) == -1)
			return (-1);
	} else
		header_read(&h, &g->names);
	if (g->count == 0) {
		s->empty = 1;
		return (0);
	}
	look_for_percents(g, &h);
	if (digest_series(series, g, nameless) == -1)
		return (-1);
	if ((rc = choose(s, g, &h, want, series, loose)) != 1)
		return (rc);
	for (i = 0; i < g->count; i++) {
		if (add(s, tableline_claim(&h, &g->line[i], name, file, series)) == -1)
			return (-1);
		if (g->command != NULL)
			claim_value(s->claims[s->count - 1], CLAIM_OWN, "command", g->command, strlen(g->command),
			    NUMBER_ANY, name, g->said_at, CLAIM_CONFIG);
	}
	if (joined > 0 && s->count > from)
		claim_note(s->claims[from], DEFECT_CELLS_MISSING, name, joined_at,
		    "%zu line%s with one cell and no number: taken for the rest of the text above", joined,
		    joined == 1 ? "" : "s");
	if (nameless && s->count > from)
		claim_note(s->claims[from], DEFECT_NO_HEADER, name, g->line[0].line,
		    "columns have no names; %s was named", h.called);
	if (g->more && s->count > from)
		claim_note(s->claims[s->count - 1], DEFECT_TOO_MANY, name, g->line[g->count - 1].line,
		    "more than %d lines; the rest is left out", GRID_LINES);
	return (note_twins(s, from));
}

/* Lines from *at on that belong to the header. */
static int
body(struct grid *g, enum csv_form form, const struct textfile *file, size_t *at, unsigned *line)
{
	struct csv row, *into;
	size_t before;
	unsigned line_before;
	int got;

	for (;;) {
		before = *at;
		line_before = *line;
		if ((got = csv_next(&row, form, file->text, file->n, at, line)) != 1)
			return (got);
		if (form == CSV_BAR && csv_form_of(file->text + before, *at - before) != CSV_BAR) {
			/* A Markdown table ends where a line is none of it. */
			*at = before;
			*line = line_before;
			csv_free(&row);
			return (0);
		}
		if (is_empty(&row) || row.cell[0][0] == '#' || csv_is_rule(&row)) {
			csv_free(&row);
			continue;
		}
		if (g->count >= GRID_LINES) {
			csv_free(&row);
			g->more = 1;
			*at = file->n;
			return (0);
		}
		if ((into = grid_add(g, row.line)) == NULL) {
			csv_free(&row);
			return (-1);
		}
		*into = row;
	}
}

/* JSON: every object is a line. */
static int
read_json(struct table *s, const char *name, const struct textfile *file, const struct table_want *want, int loose)
{
	struct grid *all, *g;
	size_t bad;
	int rc = 0;

	if ((all = grid_json(file, &bad)) == NULL)
		return (errno == ENOMEM ? -1 : 0);
	for (g = all; g != NULL && rc == 0; g = g->next) {
		/* A file of something else is passed by, unless it was named. */
		if (!loose && g->metric == NULL && !tells_runs(&g->names))
			continue;
		if (g->count == 0 && g->metric == NULL)
			continue;
		rc = settle(s, g, name, file, want, loose, 0);
	}
	if (rc == 0 && bad > 0 && s->count > 0)
		claim_note(s->claims[0], DEFECT_NOT_JSON, name, 0, "%zu line%s no JSON", bad,
		    bad == 1 ? " is" : "s are");
	grid_free(all);
	return (rc);
}

/* A first line that is a line like the others, and no header. */
static int
is_line(const struct csv *cells)
{
	size_t i, numbers = 0;

	for (i = 0; i < cells->count; i++)
		numbers += !isnan(number_read(cells->cell[i], strlen(cells->cell[i]), NUMBER_ANY).number);
	return (numbers > 0);
}

static int
name_by_place(struct grid *g, size_t n)
{
	char text[32];
	size_t i;

	for (i = 0; i < n; i++) {
		snprintf(text, sizeof(text), "column %zu", i + 1);
		if ((g->names.cell[i] = strdup(text)) == NULL)
			return (-1);
		g->names.count++;
	}
	return (0);
}

static int
is_lines_of_json(const char *name)
{
	const char *dot = strrchr(name, '.');

	return (dot != NULL && (strcasecmp(dot, ".jsonl") == 0 || strcasecmp(dot, ".ndjson") == 0));
}

int
table_read(struct table *s, const char *name, const struct textfile *file, const struct table_want *want, int loose)
{
	struct grid *g = NULL;
	enum csv_form form;
	const char *end;
	size_t at = 0, before, size;
	unsigned line = 1, line_before;
	int got, rc = 0, is, tables = 0, nameless;

	memset(s, 0, sizeof(*s));
	s->higher = -1;
	if (file->text == NULL)
		return (0);
	if (grid_is_json(file, is_lines_of_json(name) ? 1 : 2)) {
		rc = read_json(s, name, file, want, loose);
		goto out;
	}
	while (at < file->n && rc == 0) {
		end = memchr(file->text + at, '\n', file->n - at);
		size = end == NULL ? file->n - at : (size_t)(end - (file->text + at));
		form = csv_form_of(file->text + at, size);
		before = at;
		line_before = line;
		if ((g = grid_new(form)) == NULL) {
			rc = -1;
			break;
		}
		if ((got = csv_next(&g->names, form, file->text, file->n, &at, &line)) != 1) {
			rc = got;
			break;
		}
		nameless = 0;
		is = 0;
		if (form != CSV_NONE) {
			nameless = loose && tables == 0 && form != CSV_BAR && is_line(&g->names);
			for (size_t i = 0; i < g->names.count; i++)
				grid_simplify(g->names.cell[i]);
			is = is_header(&g->names, want) > !loose;
			/* Decisions, too, tell that it is a table of runs; and whatever was named itself may be one. */
			is |= tells_runs(&g->names);
			is |= loose && tables == 0 && form != CSV_BAR && g->names.cell[0][0] != '#' &&
			    g->names.count > 1;
		}
		if (is && nameless && is_header(&g->names, want) == 0) {
			size_t n = g->names.count;

			csv_free(&g->names);
			at = before;
			line = line_before;
			rc = name_by_place(g, n);
		} else
			nameless = 0;
		if (is && rc == 0) {
			tables++;
			if ((rc = body(g, form, file, &at, &line)) == 0 && (rc = grid_chart(g)) != -1)
				rc = settle(s, g, name, file, want, loose, nameless);
		} else if (rc == 0) {
			/* One line on: a quoted cell must not swallow what follows. */
			at = before + size + (end != NULL);
			line = line_before + (end != NULL);
		}
		grid_free(g);
		g = NULL;
	}
	grid_free(g);
out:
	if (rc == -1) {
		table_free(s);
		errno = ENOMEM;
	}
	return (rc);
}

int
table_grid(struct table *s, const char *name, struct grid *g, const struct table_want *want)
{
	static const struct textfile nothing = { .text = NULL };

	memset(s, 0, sizeof(*s));
	s->higher = -1;
	if (settle(s, g, name, &nothing, want, 1, 0) == 0)
		return (0);
	table_free(s);
	errno = ENOMEM;
	return (-1);
}

void
table_free(struct table *s)
{
	size_t i;

	for (i = 0; i < s->count; i++)
		claim_free(s->claims[i]);
	free(s->claims);
	for (i = 0; i < s->held_count; i++)
		free(s->held[i]);
	free(s->held);
	str_free(&s->asked);
	str_free(&s->said);
	str_free(&s->column);
	str_free(&s->guess);
	memset(s, 0, sizeof(*s));
}
