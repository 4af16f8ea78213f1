#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "curves.h"
#include "file.h"
#include "jsonio.h"
#include "rundir.h"

#define MOST_BYTES ((size_t)256 << 20)

const char *
curves_why(enum curve_state state)
{
	static const char *const why[] = { "", "nothing was trained", "its files are no longer there",
		"its files are not those that the ledger names", "no step was logged" };

	return (why[state]);
}

/* A file with the digest that it must have. NULL: not there, or another, as *state says; or errno ENOMEM. */
static char *
bound(int dir, const char *name, const char *sha256, size_t *n, enum curve_state *state)
{
	char hex[SHA256_HEX_SIZE], *text;

	*state = CURVES_READ;
	if ((text = file_read(dir, name, MOST_BYTES, n)) == NULL) {
		*state = errno == ENOENT ? CURVES_GONE : CURVES_ALTERED;
		return (NULL);
	}
	if (sha256_hex(text, *n, hex) == 0 && strcmp(hex, sha256) == 0)
		return (text);
	free(text);
	*state = CURVES_ALTERED;
	return (NULL);
}

/* One line of metrics.jsonl; nonzero if it is none. */
static int
take_line(const char *line, size_t n, double *step, double *loss, double *val)
{
	json_t *v = json_loadb(line, n, JSON_REJECT_DUPLICATES, NULL);

	if (!json_is_object(v)) {
		json_decref(v);
		return (1);
	}
	*step = jsonio_f64(v, "step", NAN);
	*loss = jsonio_f64(v, "train_loss", NAN);
	*val = jsonio_f64(v, "val_loss", NAN);
	json_decref(v);
	return (!isfinite(*step));
}

static enum curve_state
take_lines(struct curve *c, const char *text, size_t n)
{
	const char *p, *end;
	double step, loss, val, steps = 0, sum = 0;
	size_t i, have = 0, seen = 0;

	for (i = 0; i < n; i++)
		c->rows += text[i] == '\n';
	c->per = (c->rows + CURVES_POINTS - 1) / CURVES_POINTS;
	for (p = text; (end = memchr(p, '\n', n - (size_t)(p - text))) != NULL; p = end + 1) {
		if (take_line(p, (size_t)(end - p), &step, &loss, &val))
			return (CURVES_ALTERED);
		seen++;
		c->last_step = step;
		c->last_loss = loss;
		if (isfinite(val) && c->vals < CURVES_POINTS) {
			c->val[c->vals].step = step;
			c->val[c->vals++].loss = val;
		}
		if (isfinite(loss)) {
			steps += step;
			sum += loss;
			have++;
		}
		/* A bucket without one finite loss is a gap. */
		if (seen % c->per == 0 || seen == c->rows) {
			c->point[c->count].step = have == 0 ? step : steps / (double)have;
			c->point[c->count++].loss = have == 0 ? NAN : sum / (double)have;
			steps = sum = 0;
			have = 0;
		}
	}
	return (c->count == 0 ? CURVES_EMPTY : CURVES_READ);
}

void
curves_read(const struct survey *s, const struct survey_run *r, struct curve *c)
{
	char sha256[SHA256_HEX_SIZE], *text;
	json_t *report;
	size_t n;
	int dir;

	memset(c, 0, sizeof(*c));
	c->last_step = c->last_loss = NAN;
	if (*r->report == '\0') {
		c->state = CURVES_UNTRAINED;
		return;
	}
	if ((dir = openat(s->l.dir, r->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1) {
		c->state = CURVES_GONE;
		return;
	}
	if ((text = bound(dir, rundir_stages[STAGE_TRAIN].receipt, r->report, &n, &c->state)) == NULL)
		goto out;
	/* Its digest is right, so it is what was judged. */
	report = json_loadb(text, n, 0, NULL);
	free(text);
	strncpy(sha256, jsonio_text(report, "metrics.sha256", ""), sizeof(sha256) - 1);
	sha256[sizeof(sha256) - 1] = '\0';
	json_decref(report);
	if ((text = bound(dir, RUNDIR_METRICS, sha256, &n, &c->state)) == NULL)
		goto out;
	c->state = take_lines(c, text, n);
	free(text);
out:
	close(dir);
}
