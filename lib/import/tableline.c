#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "import/tableline.h"

int
tableline_digest(char hex[SHA256_HEX_SIZE], const struct csv *a, const struct csv *b)
{
	struct sha256 *h;
	size_t i;

	if ((h = sha256_begin()) == NULL)
		return (-1);
	for (i = 0; a != NULL && i < a->count; i++)
		sha256_add(h, a->cell[i], strlen(a->cell[i]) + 1);
	for (i = 0; i < b->count; i++)
		if (b->cell[i] != NULL)
			sha256_add(h, b->cell[i], strlen(b->cell[i]) + 1);
	sha256_end(h, hex);
	return (0);
}

/* What names a line: its commit if it is one, else commit and description. */
static int
digest_key(char hex[SHA256_HEX_SIZE], const struct header *h, const struct csv *row)
{
	const char *commit = header_cell(row, h->commit), *title = header_cell(row, h->title);
	struct sha256 *d;

	commit = commit == NULL ? "" : commit;
	title = title == NULL ? "" : title;
	if ((d = sha256_begin()) == NULL)
		return (-1);
	sha256_add(d, commit, strlen(commit) + 1);
	if (!claim_is_commit(commit))
		sha256_add(d, title, strlen(title) + 1);
	/* Nothing names it: only all of it does. */
	if (h->commit == -1 && h->title == -1) {
		size_t i;

		for (i = 0; i < row->count; i++)
			if (row->cell[i] != NULL)
				sha256_add(d, row->cell[i], strlen(row->cell[i]) + 1);
	}
	sha256_end(d, hex);
	return (0);
}

/* A run that crashed, or goes on, has no score, and says so. */
static int
owes_score(const struct claim *c)
{
	return (c->status == NULL || (strcmp(c->status, "crash") != 0 && strcmp(c->status, "unfinished") != 0));
}

static void
check_status(struct claim *c, const struct header *h, const struct csv *row, const char *name)
{
	const char *cell = header_cell(row, h->status), *error = header_cell(row, h->error);

	switch (header_decision(h, row)) {
	case 'k':
		c->status = "keep";
		break;
	case 'd':
		c->status = "discard";
		break;
	case 'c':
		c->status = "crash";
		break;
	case 'f':
		c->status = "checks_failed";
		break;
	case 'u':
		c->status = "unfinished";
		break;
	default:
		if (cell != NULL && *cell != '\0' && header_status(cell) == NULL)
			claim_note(c, DEFECT_UNKNOWN_STATUS, name, row->line, "status is \"%.100s\"", cell);
	}
	/* An error in place of a score is a crash, whatever was decided of it. */
	if (error != NULL && *error != '\0' && strcasecmp(error, "false") != 0 && strcasecmp(error, "none") != 0 &&
	    (header_cell(row, h->metric) == NULL || *header_cell(row, h->metric) == '\0'))
		c->status = "crash";
}

/* Zero stands for no score at all where a run crashed, and where its column tells so; see metric_zero_is_none. */
static void
check_zero(struct claim *c, const struct header *h, int value)
{
	struct claim_value *v = &c->values[value];
	struct number f = number_read(v->text, strlen(v->text), NUMBER_ANY);
	int crash = c->status != NULL && strcmp(c->status, "crash") == 0;

	if (f.number != 0)
		return;
	if (v->what == CLAIM_VAL_BPB ? c->status == NULL || strcmp(c->status, "keep") == 0 : !crash && !h->zero_is_none)
		return;
	v->flags &= ~DEFECT_BIT(DEFECT_OUT_OF_RANGE);
	claim_doubt(c, value, DEFECT_ZERO_FOR_CRASH);
}

/* Are the cells before the status where the header has them? */
static int
aligned(const struct header *h, const struct csv *row)
{
	if (row->form == CSV_NONE || (row->count == h->cells->count && !row->more))
		return (1);
	return (h->status != -1 && (size_t)h->status < row->count && h->metric < h->status &&
	    header_status(row->cell[h->status]) != NULL);
}

static void
take_cell(struct claim *c, const struct header *h, const struct csv *row, size_t i, const char *name, int believed)
{
	enum claim_what what = i < h->cells->count ? h->what[i] : CLAIM_OWN;
	const char *column_name = i < h->cells->count ? h->cells->cell[i] : "";
	struct claim_run *r = &c->runs[0];
	enum number_kind kind = claim_what_kind(what);
	char path[32];
	int value;
	defect_set f;
	int k;

	snprintf(path, sizeof(path), "column %zu", i + 1);
	value = claim_value(c, what,
	    what == CLAIM_METRIC  ? h->called :
		what == CLAIM_OWN ? (column_name[0] == '\0' ? path : column_name) :
				    "",
	    row->cell[i], strlen(row->cell[i]), kind, name, row->line, column_name[0] == '\0' ? path : column_name);
	if (value < 0)
		return;
	c->values[value].run = 0;
	if (i < h->cells->count && h->percent[i]) {
		c->values[value].figure = header_figure(row->cell[i], 1, kind);
		if (what != CLAIM_OWN)
			c->values[value].flags = c->values[value].figure.flags;
	}
	if (i < h->cells->count && h->twice[i])
		claim_doubt(c, value, DEFECT_DUPLICATE_COLUMN);
	else if (!believed && what != CLAIM_OWN)
		claim_doubt(c, value, row->count > h->cells->count ? DEFECT_CELLS_EXTRA : DEFECT_CELLS_MISSING);
	if ((int)i == h->metric)
		check_zero(c, h, value);
	if (what != CLAIM_OWN && ((int)i != h->metric || owes_score(c)))
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

struct claim *
tableline_claim(const struct header *h, const struct csv *row, const char *name, const struct textfile *file,
    const char *series)
{
	struct claim *c;
	int believed = aligned(h, row);
	const char *text;
	size_t i;

	if ((c = claim_new(CLAIM_TABLE, name)) == NULL)
		return (NULL);
	claim_file(c, name, file);
	c->metric = h->called;
	c->higher = h->higher;
	claim_run(c);
	if (c->run_count == 1) {
		check_status(c, h, row, name);
		if (row->form == CSV_LITERAL_TAB)
			claim_note(c, DEFECT_LITERAL_TAB, name, row->line, "cells are parted by a backslash and a t");
		if (row->form != CSV_NONE && row->count != h->cells->count)
			claim_note(c, row->count > h->cells->count ? DEFECT_CELLS_EXTRA : DEFECT_CELLS_MISSING, name,
			    row->line, "%zu cells under %zu names%s", row->count, h->cells->count,
			    believed ? "; the status stands where it should" : "");
		for (i = 0; i < row->count; i++)
			if (row->cell[i] != NULL)
				take_cell(c, h, row, i, name, believed);
		if (h->commit_is_hash && (text = header_cell(row, h->commit)) != NULL && !claim_is_commit(text))
			claim_note(c, DEFECT_PSEUDO_COMMIT, name, row->line, "commit is \"%.100s\"", text);
		if ((text = header_cell(row, h->title)) != NULL && *text != '\0')
			c->title = claim_copy(c, text, strlen(text));
		if ((text = header_cell(row, h->date)) != NULL && *text != '\0')
			c->date = claim_copy(c, text, strlen(text));
		check_line(c, name, row->line);
		c->score = c->runs[0].score;
		if (c->score == 0 && owes_score(c))
			claim_note(c, DEFECT_NO_SCORE, name, row->line, "no %s that can be believed", c->metric);
	}
	memcpy(c->series, series, SHA256_HEX_SIZE);
	if (tableline_digest(c->content, NULL, row) == -1 || digest_key(c->key, h, row) == -1)
		c->broken = 1;
	if (!c->broken)
		return (c);
	claim_free(c);
	return (NULL);
}
