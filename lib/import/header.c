#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "import/grid.h"
#include "import/header.h"

static const char *const commits[] = { "commit", "sha", "hash", "git_commit", "commit_hash", NULL };
static const char *const runs[] = { "run_id", "exp_id", "id", "run", "experiment", "exp", "iteration", "iter", "name",
	"run_name", "slug", "label", NULL };
static const char *const statuses[] = { "status", "decision", "verdict", "outcome", "state", NULL };
static const char *const kepts[] = { "kept", "keep", "accepted", "is_kept", NULL };
static const char *const errors[] = { "error", "exception", "crash_reason", NULL };
static const char *const dates[] = { "timestamp", "date", "created", "created_at", "start_time", "started_at",
	"datetime", "time_utc", NULL };
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
	{ "killed", "crash" },
	{ "failure", "crash" },
	{ "aborted", "crash" },
	{ "canceled", "crash" },
	{ "cancelled", "crash" },
	{ "diverged", "crash" },
	{ "baseline", "keep" },
	{ "promote", "keep" },
	{ "promoted", "keep" },
	{ "approve", "keep" },
	{ "approved", "keep" },
	{ "merged", "keep" },
	/* What stands there so far is no result. */
	{ "running", "unfinished" },
	{ "pruned", "unfinished" },
	{ "queued", "unfinished" },
	{ "scheduled", "unfinished" },
	{ "waiting", "unfinished" },
	{ "pending", "unfinished" },
	/* Sound, and nothing was decided. */
	{ "ok", "" },
	{ "success", "" },
	{ "succeeded", "" },
	{ "successful", "" },
	{ "finished", "" },
	{ "complete", "" },
	{ "completed", "" },
	{ "done", "" },
	{ "passed", "" },
};

/* The status that a cell is, "" if it says that the run is sound and no more, NULL if it is none. */
const char *
header_status(const char *cell)
{
	size_t i, n;

	if (strcasecmp(cell, "checks_failed") == 0)
		return ("checks_failed");
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

/* A column of that name, or the one that a dotted name ends in, where it is the only one. */
int
header_column(const struct csv *header, const char *name)
{
	char copy[CLAIM_TEXT + 1];
	int found = -1, several = 0, is;
	size_t i;

	if (strlen(name) >= sizeof(copy))
		return (-1);
	strcpy(copy, name);
	grid_simplify(copy);
	for (i = 0; i < header->count; i++) {
		if ((is = grid_called(header->cell[i], copy)) == 2)
			return ((int)i);
		several |= is && found != -1;
		if (is)
			found = (int)i;
	}
	return (several ? -1 : found);
}

void
header_none(struct header *h, const struct csv *cells)
{
	memset(h, 0, sizeof(*h));
	h->cells = cells;
	h->commit = h->metric = h->status = h->title = h->date = h->kept = h->error = -1;
}

/* What columns mean by their names, but for the metric. */
void
header_read(struct header *h, const struct csv *cells)
{
	size_t i, k;

	header_none(h, cells);
	for (i = 0; i < cells->count; i++) {
		h->what[i] = claim_what_of(cells->cell[i]);
		/* Only what a line is judged by has a meaning here; everything else keeps its own name. */
		if (h->what[i] != CLAIM_VAL_LOSS && h->what[i] != CLAIM_SEED && h->what[i] != CLAIM_STEPS &&
		    h->what[i] != CLAIM_TOTAL_BYTES && h->what[i] != CLAIM_TRAIN_MS && h->what[i] != CLAIM_TRAIN_S)
			h->what[i] = CLAIM_OWN;
		for (k = 0; k < i; k++)
			if (cells->cell[i][0] != '\0' && strcmp(cells->cell[i], cells->cell[k]) == 0)
				h->twice[i] = h->twice[k] = 1;
	}
	if ((h->commit = column(cells, commits)) != -1)
		h->commit_is_hash = 1;
	else
		h->commit = column(cells, runs);
	h->status = column(cells, statuses);
	h->title = column(cells, titles);
	h->date = column(cells, dates);
	h->kept = column(cells, kepts);
	h->error = column(cells, errors);
	if (h->commit != -1)
		h->what[h->commit] = CLAIM_COMMIT;
	if (h->status != -1)
		h->what[h->status] = CLAIM_STATUS;
	if (h->title != -1 && h->title != h->commit)
		h->what[h->title] = CLAIM_TITLE;
}

/* Bits per byte by its own name, or by another where that is the only one; -1: neither. */
int
header_usual(const struct csv *cells)
{
	int found = header_column(cells, "val_bpb"), known = 0;
	size_t i;

	for (i = 0; found == -1 && i < cells->count; i++)
		known += claim_what_of(cells->cell[i]) == CLAIM_VAL_BPB;
	for (i = 0; found == -1 && known == 1 && i < cells->count; i++)
		if (claim_what_of(cells->cell[i]) == CLAIM_VAL_BPB)
			return ((int)i);
	return (found);
}

const char *
header_cell(const struct csv *row, int column)
{
	return (column < 0 || (size_t)column >= row->count ? NULL : row->cell[column]);
}

/* A number, in percent where all of its column is. */
struct number
header_figure(const char *cell, int percent, enum number_kind kind)
{
	size_t n = strlen(cell);

	while (percent && n > 0 && (cell[n - 1] == '%' || cell[n - 1] == ' '))
		n--;
	return (number_read(cell, n, kind));
}

/* What was decided of a line: k, d, c for crash, f for failed checks, u for unfinished, 0. */
char
header_decision(const struct header *h, const struct csv *row)
{
	const char *cell = header_cell(row, h->status), *kept = header_cell(row, h->kept), *means;

	means = cell == NULL ? NULL : header_status(cell);
	if (means != NULL && *means != '\0')
		return (strcmp(means, "checks_failed") == 0 ? 'f' : *means);
	if (kept != NULL) {
		if (strcasecmp(kept, "true") == 0 || strcasecmp(kept, "yes") == 0 || strcmp(kept, "1") == 0)
			return ('k');
		if (strcasecmp(kept, "false") == 0 || strcasecmp(kept, "no") == 0 || strcmp(kept, "0") == 0)
			return ('d');
	}
	return ('\0');
}
