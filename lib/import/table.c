#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/array.h"
#include "import/csv.h"
#include "import/table.h"

/* A table's header, understood. */
struct header {
	struct csv cells;
	enum claim_what what[CSV_MOST];
	int commit;         /* columns, or -1 */
	int commit_is_hash; /* it is called commit, not merely run */
	int metric, status, title;
	int twice[CSV_MOST]; /* another column has the same name */
};

static const char *const commits[] = { "commit", "sha", "hash", "git_commit", "commit_hash", NULL };
static const char *const runs[] = { "run_id", "exp_id", "id", "run", "experiment", "exp", "iteration", "iter", "name",
	"run_name", "slug", "label", NULL };
static const char *const statuses[] = { "status", "decision", "verdict", "outcome", NULL };
static const char *const titles[] = { "description", "desc", "notes", "note", "hypothesis", "change", "comment", "idea",
	"experiment", "name", NULL };

static const struct {
	const char *word, *means;
} words[] = {
	{ "keep", "keep" },
	{ "kept", "keep" },
	{ "accept", "keep" },
	{ "accepted", "keep" },
	{ "discard", "discard" },
	{ "discarded", "discard" },
	{ "revert", "discard" },
	{ "reverted", "discard" },
	{ "reject", "discard" },
	{ "rejected", "discard" },
	{ "drop", "discard" },
	{ "crash", "crash" },
	{ "crashed", "crash" },
	{ "fail", "crash" },
	{ "failed", "crash" },
	{ "error", "crash" },
	{ "oom", "crash" },
	{ "timeout", "crash" },
};

/* The status that a cell is, NULL if it is none. */
static const char *
status_of(const char *cell)
{
	size_t i, n;

	for (n = 0; isalpha((unsigned char)cell[n]); n++)
		;
	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strlen(words[i].word) == n && strncasecmp(words[i].word, cell, n) == 0)
			return (words[i].means);
	return (NULL);
}

static int
column(const struct csv *header, const char *const *among)
{
	size_t i;

	for (; *among != NULL; among++)
		for (i = 0; i < header->count; i++)
			if (strcasecmp(header->cell[i], *among) == 0)
				return ((int)i);
	return (-1);
}

/* "Val BPB" is val_bpb. */
static void
simplify(char *cell)
{
	char *p;

	for (p = cell; *p == '#' || *p == ' '; p++)
		;
	memmove(cell, p, strlen(p) + 1);
	for (p = cell; *p != '\0'; p++)
		*p = *p == ' ' || *p == '-' ? '_' : (char)tolower((unsigned char)*p);
}

/* 1 if the cells are a header with a column for the metric; 2 if with one that tells lines apart as well. */
static int
understand(struct header *h, const struct table_want *want)
{
	const char *const wanted[] = { want->metric == NULL ? "val_bpb" : want->metric, NULL };
	size_t i, k;
	int known = 0;

	for (i = 0; i < h->cells.count; i++)
		simplify(h->cells.cell[i]);
	memset(h->twice, 0, sizeof(h->twice));
	for (i = 0; i < h->cells.count; i++) {
		h->what[i] = claim_what_of(h->cells.cell[i]);
		/* Only what a line is judged by has a meaning here; everything else keeps its own name. */
		if (h->what[i] != CLAIM_VAL_LOSS && h->what[i] != CLAIM_SEED && h->what[i] != CLAIM_STEPS &&
		    h->what[i] != CLAIM_TOTAL_BYTES && h->what[i] != CLAIM_TRAIN_MS && h->what[i] != CLAIM_TRAIN_S)
			h->what[i] = CLAIM_OWN;
		for (k = 0; k < i; k++)
			if (h->cells.cell[i][0] != '\0' && strcmp(h->cells.cell[i], h->cells.cell[k]) == 0)
				h->twice[i] = h->twice[k] = 1;
	}
	if ((h->commit = column(&h->cells, commits)) != -1)
		h->commit_is_hash = 1;
	else {
		h->commit = column(&h->cells, runs);
		h->commit_is_hash = 0;
	}
	h->status = column(&h->cells, statuses);
	h->title = column(&h->cells, titles);
	h->metric = column(&h->cells, wanted);
	/* Another name for bits per byte will do where it is the only one. */
	if (h->metric == -1 && want->metric == NULL)
		for (i = 0; i < h->cells.count; i++)
			if (claim_what_of(h->cells.cell[i]) == CLAIM_VAL_BPB) {
				h->metric = (int)i;
				known++;
			}
	if (known > 1)
		h->metric = -1;
	if (h->commit != -1)
		h->what[h->commit] = CLAIM_COMMIT;
	if (h->status != -1)
		h->what[h->status] = CLAIM_STATUS;
	if (h->title != -1 && h->title != h->commit)
		h->what[h->title] = CLAIM_TITLE;
	if (h->metric != -1)
		h->what[h->metric] = want->metric == NULL ? CLAIM_VAL_BPB : CLAIM_METRIC;
	return (h->metric == -1 ? 0 : h->commit == -1 && h->status == -1 && h->title == -1 ? 1 : 2);
}

static int
digest_cells(char hex[SHA256_HEX_SIZE], const struct csv *a, const struct csv *b)
{
	struct sha256 *h;
	size_t i;

	if ((h = sha256_begin()) == NULL)
		return (-1);
	for (i = 0; a != NULL && i < a->count; i++)
		sha256_add(h, a->cell[i], strlen(a->cell[i]) + 1);
	for (i = 0; i < b->count; i++)
		sha256_add(h, b->cell[i], strlen(b->cell[i]) + 1);
	sha256_end(h, hex);
	return (0);
}

/* What names a line: its commit if it is one, else commit and description. */
static int
digest_key(char hex[SHA256_HEX_SIZE], const struct header *h, const struct csv *row)
{
	const char *commit = h->commit != -1 && (size_t)h->commit < row->count ? row->cell[h->commit] : "";
	const char *title = h->title != -1 && (size_t)h->title < row->count ? row->cell[h->title] : "";
	struct sha256 *d;

	if ((d = sha256_begin()) == NULL)
		return (-1);
	sha256_add(d, commit, strlen(commit) + 1);
	if (!claim_is_commit(commit))
		sha256_add(d, title, strlen(title) + 1);
	/* Nothing names it: only all of it does. */
	if (h->commit == -1 && h->title == -1) {
		size_t i;

		for (i = 0; i < row->count; i++)
			sha256_add(d, row->cell[i], strlen(row->cell[i]) + 1);
	}
	sha256_end(d, hex);
	return (0);
}

static void
check_status(struct claim *c, const struct header *h, const struct csv *row, const char *name)
{
	const char *cell;

	if (h->status == -1 || (size_t)h->status >= row->count || *(cell = row->cell[h->status]) == '\0')
		return;
	if ((c->status = status_of(cell)) == NULL)
		claim_note(c, DEFECT_UNKNOWN_STATUS, name, row->line, "status is \"%.100s\"", cell);
}

/* Zero stands for no score at all, unless its author kept it: then nobody knows what it is. */
static void
check_zero(struct claim *c, int value)
{
	struct claim_value *v = &c->values[value];
	struct number f = number_read(v->text, strlen(v->text), NUMBER_ANY);

	if (f.number != 0 || c->status == NULL || strcmp(c->status, "keep") == 0)
		return;
	v->flags &= ~DEFECT_BIT(DEFECT_OUT_OF_RANGE);
	claim_doubt(c, value, DEFECT_ZERO_FOR_CRASH);
}

static int
is_empty(const struct csv *row)
{
	return (row->count == 0 || (row->count == 1 && row->cell[0][0] == '\0'));
}

/* Are the cells before the status where the header has them? */
static int
aligned(const struct header *h, const struct csv *row)
{
	if (row->count == h->cells.count && !row->more)
		return (1);
	return (h->status != -1 && (size_t)h->status < row->count && h->metric < h->status &&
	    status_of(row->cell[h->status]) != NULL);
}

static void
take_cell(struct claim *c, const struct header *h, const struct csv *row, size_t i, const char *name, int believed)
{
	enum claim_what what = i < h->cells.count ? h->what[i] : CLAIM_OWN;
	const char *column_name = i < h->cells.count ? h->cells.cell[i] : "";
	struct claim_run *r = &c->runs[0];
	enum number_kind kind = claim_what_kind(what);
	char path[32];
	int value;
	defect_set f;
	int k;

	snprintf(path, sizeof(path), "column %zu", i + 1);
	value = claim_value(c, what,
	    what == CLAIM_OWN || what == CLAIM_METRIC ? (column_name[0] == '\0' ? path : column_name) : "",
	    row->cell[i], strlen(row->cell[i]), kind, name, row->line, column_name[0] == '\0' ? path : column_name);
	if (value < 0)
		return;
	c->values[value].run = 0;
	if (i < h->cells.count && h->twice[i])
		claim_doubt(c, value, DEFECT_DUPLICATE_COLUMN);
	else if (!believed && what != CLAIM_OWN)
		claim_doubt(c, value, row->count > h->cells.count ? DEFECT_CELLS_EXTRA : DEFECT_CELLS_MISSING);
	if ((int)i == h->metric)
		check_zero(c, value);
	if (what != CLAIM_OWN)
		for (f = c->values[value].flags, k = 0; k < FLAGS; k++)
			if ((f & DEFECT_BIT(k)) != 0 && k != DEFECT_CELLS_EXTRA && k != DEFECT_CELLS_MISSING &&
			    (k != DEFECT_MISSING || (int)i == h->metric))
				claim_note(c, (enum defect)k, name, row->line, "%s is \"%.200s\"", column_name,
				    row->cell[i]);
	if (isnan(c->values[value].figure.number))
		return;
	switch (what) {
	case CLAIM_VAL_BPB:
		r->val_bpb = r->score = (unsigned)value + 1;
		break;
	case CLAIM_METRIC:
		r->score = (unsigned)value + 1;
		break;
	case CLAIM_VAL_LOSS:
		r->val_loss = (unsigned)value + 1;
		break;
	case CLAIM_STEPS:
		r->steps = (unsigned)value + 1;
		break;
	case CLAIM_TOTAL_BYTES:
		r->total_bytes = (unsigned)value + 1;
		break;
	case CLAIM_TRAIN_MS:
	case CLAIM_TRAIN_S:
		r->train = (unsigned)value + 1;
		break;
	case CLAIM_SEED:
		r->has_seed = 1;
		r->seed = (int64_t)c->values[value].figure.number;
		break;
	default:
		break;
	}
}

/* Bytes that stand there in two units must be the same bytes; a loss is no bpb. */
static void
check_line(struct claim *c, const char *name, unsigned line)
{
	struct claim_run *r = &c->runs[0];
	const struct claim_value *v, *mb = NULL, *bytes = NULL;
	size_t i, n;

	for (i = 0; i < c->value_count; i++) {
		v = &c->values[i];
		n = strlen(v->name);
		if (isnan(v->figure.number))
			continue;
		if (v->what == CLAIM_OWN && n > 3 && strcmp(v->name + n - 3, "_mb") == 0 &&
		    strstr(v->name, "mem") == NULL)
			mb = v;
		if (v->what == CLAIM_TOTAL_BYTES ||
		    (v->what == CLAIM_OWN && strstr(v->name, "artifact") != NULL && n > 5 &&
			strcmp(v->name + n - 5, "bytes") == 0))
			bytes = v;
	}
	if (mb != NULL && bytes != NULL && mb->figure.unit < 0.2 &&
	    !number_agree(mb->figure.number, mb->figure.unit, bytes->figure.number / 1e6, 0) &&
	    number_agree(mb->figure.number, mb->figure.unit, bytes->figure.number / 1048576, 0))
		claim_note(c, DEFECT_MIB_AS_MB, name, line, "%s is %s; %s bytes are %.3f MB and %.3f MiB", mb->name,
		    mb->text, bytes->text, bytes->figure.number / 1e6, bytes->figure.number / 1048576);
	if (r->val_loss != 0 && r->val_bpb != 0 && claim_number(c, r->val_loss) == claim_number(c, r->val_bpb)) {
		claim_note(c, DEFECT_BPB_AS_LOSS, name, line, "val_loss and val_bpb are both %s",
		    c->values[r->val_bpb - 1].text);
		claim_doubt(c, (int)r->val_loss - 1, DEFECT_BPB_AS_LOSS);
		r->val_loss = 0;
	}
}

static struct claim *
line_claim(const struct header *h, const struct csv *row, const char *name, const struct textfile *file,
    const struct table_want *want, const char *series)
{
	struct claim *c;
	int believed = aligned(h, row);
	size_t i;

	if ((c = claim_new(CLAIM_TABLE, name)) == NULL)
		return (NULL);
	claim_file(c, name, file);
	if (want->metric != NULL) {
		c->metric = want->metric;
		c->higher = want->higher;
	}
	claim_run(c);
	if (c->run_count == 1) {
		check_status(c, h, row, name);
		if (row->form == CSV_LITERAL_TAB)
			claim_note(c, DEFECT_LITERAL_TAB, name, row->line, "cells are parted by a backslash and a t");
		if (h->cells.count == 0)
			claim_note(c, DEFECT_NO_HEADER, name, row->line, "nothing says which of %zu cells is the score",
			    row->count);
		else if (row->count != h->cells.count)
			claim_note(c, row->count > h->cells.count ? DEFECT_CELLS_EXTRA : DEFECT_CELLS_MISSING, name,
			    row->line, "%zu cells under %zu names%s", row->count, h->cells.count,
			    believed ? "; the status stands where it should" : "");
		for (i = 0; i < row->count; i++)
			take_cell(c, h, row, i, name, believed);
		if (h->commit_is_hash && (size_t)h->commit < row->count && !claim_is_commit(row->cell[h->commit]))
			claim_note(c, DEFECT_PSEUDO_COMMIT, name, row->line, "commit is \"%.100s\"",
			    row->cell[h->commit]);
		if (h->title != -1 && (size_t)h->title < row->count && row->cell[h->title][0] != '\0')
			c->title = claim_copy(c, row->cell[h->title], strlen(row->cell[h->title]));
		check_line(c, name, row->line);
		c->score = c->runs[0].score;
		/* A crash has none, and says so. */
		if (c->score == 0 && (c->status == NULL || strcmp(c->status, "crash") != 0))
			claim_note(c, DEFECT_NO_SCORE, name, row->line, "no %s that can be believed", c->metric);
	}
	memcpy(c->series, series, SHA256_HEX_SIZE);
	if (digest_cells(c->content, NULL, row) == -1 || digest_key(c->key, h, row) == -1)
		c->broken = 1;
	if (!c->broken)
		return (c);
	claim_free(c);
	return (NULL);
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
	s->broken = 1;
	errno = ENOMEM;
	return (-1);
}

/* Lines from *at on that belong to the header. */
static int
body(struct table *s, const struct header *h, enum csv_form form, const char *name, const struct textfile *file,
    size_t *at, unsigned *line, const struct table_want *want)
{
	char series[SHA256_HEX_SIZE] = "";
	struct csv row;
	size_t before, first = s->count;
	unsigned line_before;
	int rc, got;

	for (;;) {
		before = *at;
		line_before = *line;
		if ((got = csv_next(&row, form, file->text, file->n, at, line)) != 1)
			return (got);
		rc = 0;
		if (form == CSV_BAR && csv_form_of(file->text + before, *at - before) != CSV_BAR) {
			/* A Markdown table ends where a line is none of it. */
			*at = before;
			*line = line_before;
			csv_free(&row);
			return (0);
		}
		if (!is_empty(&row) && row.cell[0][0] != '#' && !csv_is_rule(&row)) {
			if (s->count - first >= TABLE_ROWS) {
				claim_note(s->claims[s->count - 1], DEFECT_TOO_MANY, name, row.line,
				    "more than %d lines; the rest is left out", TABLE_ROWS);
				*at = file->n;
			} else {
				if (series[0] == '\0')
					rc = digest_cells(series, &h->cells, &row);
				if (rc == 0)
					rc = add(s, line_claim(h, &row, name, file, want, series));
			}
		}
		csv_free(&row);
		if (rc == -1)
			return (-1);
	}
}

static void
note_twins(struct table *s, size_t from)
{
	size_t i, k;

	/* The lines of one table; identical ones are rare, and quadratic only among equal digests. */
	for (i = from; i < s->count; i++)
		for (k = i; k-- > from && i - k < 512;)
			if (strcmp(s->claims[i]->content, s->claims[k]->content) == 0) {
				claim_note(s->claims[i], DEFECT_DUPLICATE_ROW, s->claims[i]->file,
				    s->claims[i]->value_count > 0 ? s->claims[i]->values[0].line : 0,
				    "the same cells as line %u",
				    s->claims[k]->value_count > 0 ? s->claims[k]->values[0].line : 0);
				break;
			}
}

int
table_read(struct table *s, const char *name, const struct textfile *file, const struct table_want *want, int loose)
{
	struct header h;
	enum csv_form form;
	const char *end;
	size_t at = 0, before, from, size;
	unsigned line = 1, line_before;
	int got, rc = 0, tables = 0;

	memset(s, 0, sizeof(*s));
	if (file->text == NULL)
		return (0);
	while (at < file->n && rc == 0) {
		end = memchr(file->text + at, '\n', file->n - at);
		size = end == NULL ? file->n - at : (size_t)(end - (file->text + at));
		form = csv_form_of(file->text + at, size);
		before = at;
		line_before = line;
		memset(&h, 0, sizeof(h));
		if ((got = csv_next(&h.cells, form, file->text, file->n, &at, &line)) != 1) {
			rc = got;
			break;
		}
		from = s->count;
		/* A column of scores by step is a curve, unless somebody says that it is a table of runs. */
		if (form != CSV_NONE && understand(&h, want) > !loose) {
			tables++;
			rc = body(s, &h, form, name, file, &at, &line, want);
			note_twins(s, from);
		} else if (form != CSV_NONE && form != CSV_BAR && h.cells.cell[0][0] != '#' && loose && tables == 0) {
			/* Something with columns that nobody names. */
			csv_free(&h.cells);
			memset(&h, 0, sizeof(h));
			h.commit = h.metric = h.status = h.title = -1;
			at = before;
			line = line_before;
			tables++;
			rc = body(s, &h, form, name, file, &at, &line, want);
			note_twins(s, from);
		} else {
			/* One line on: a quoted cell must not swallow what follows. */
			at = before + size + (end != NULL);
			line = line_before + (end != NULL);
		}
		csv_free(&h.cells);
	}
	if (rc == -1)
		table_free(s);
	return (rc);
}

void
table_free(struct table *s)
{
	size_t i;

	for (i = 0; i < s->count; i++)
		claim_free(s->claims[i]);
	free(s->claims);
	memset(s, 0, sizeof(*s));
}
