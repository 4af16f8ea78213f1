#include <errno.h>

#include "base/say.h"
#include "judge/base.h"
#include "judge/plan.h"
#include "law/classify.h"
#include "law/standings.h"

int
base_set(struct ledger *l, const char *path, enum base *how, struct row *out)
{
	const struct standings *b = &l->book;
	const struct standings_fact *f, *screening;
	const struct standings_group *g;
	const char *no;
	struct row row;
	char digest[SHA256_HEX_SIZE];
	int rc = -1;

	*how = BASE_NO;
	if (plan_row_of_run(l, path, &f, &row) == -1)
		return (-1);
	g = f->group == 0 ? NULL : standings_group(b, f->group);
	if (g != NULL && g->base != 0 && g->base == f->config) {
		*how = BASE_THERE;
		rc = 0;
		goto err0;
	}
	if ((no = classify_no_base(b, f->group, f->lane, f->config)) != NULL) {
		say_error("'%s' is made no base: %s", path, no);
		rc = 0;
		goto err0;
	}
	screening = standings_screening(b, f->group, f->lane, f->config);
	row_free(&row);
	if (ledger_digest(l, screening, digest) == -1 || ledger_read(l, screening, &row) == -1)
		return (-1);
	row_init(out, STANDINGS_BASE);
	out->base = (struct row_base){ .group = row_text(out, row.run.group),
		.lane = row_text(out, row.run.lane),
		.config = row_text(out, row.run.config),
		.run_id = row_text(out, row.run.run_id),
		.run = row_text(out, digest),
		.cap_ms = row.run.cap_ms,
		.steps = (int64_t)g->base_steps + 1 };
	if (out->base.group == NULL || out->base.lane == NULL || out->base.config == NULL || out->base.run_id == NULL ||
	    out->base.run == NULL || ledger_start(l, out) == -1 || ledger_append_row(l, out, NULL) == -1)
		row_free(out);
	else {
		*how = BASE_SET;
		rc = 0;
	}
err0:
	row_free(&row);
	return (rc);
}

int
base_drop(struct ledger *l, enum base *how, struct row *out)
{
	const struct standings *b = &l->book;
	const struct standings_group *g = standings_group(b, b->last_group);
	struct row row;
	size_t i;

	/* That of the runs that came last, if it has one. */
	for (i = 0; i < b->group_count && (g == NULL || g->base == 0); i++)
		g = &b->groups[i];
	if (g == NULL || g->base == 0) {
		*how = BASE_THERE;
		return (0);
	}
	if (standings_open_plan(b, g->group) != NULL) {
		say_error("a confirmation is open: nothing is changed under it");
		*how = BASE_NO;
		return (0);
	}
	if (ledger_read(l, standings_fact(b, g->base_run), &row) == -1)
		return (-1);
	row_init(out, STANDINGS_BASE);
	out->base = (struct row_base){ .group = row_text(out, row.run.group),
		.lane = row_text(out, row.run.lane),
		.cap_ms = row.run.cap_ms };
	row_free(&row);
	if (out->base.group == NULL || out->base.lane == NULL || ledger_start(l, out) == -1 ||
	    ledger_append_row(l, out, NULL) == -1) {
		row_free(out);
		return (-1);
	}
	*how = BASE_SET;
	return (0);
}
