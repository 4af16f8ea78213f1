#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "report/curves.h"
#include "base/file.h"
#include "base/jsonio.h"
#include "run/rundir.h"

#define MOST_BYTES ((size_t)256 << 20)

const char *
curves_why(enum curve_state state)
{
	static const char *const why[] = { "", "nothing was trained", "its files are no longer there",
		"its files are not those that the ledger names", "no step was logged" };

	return (why[state]);
}

/* What a failure to read says of a file: nothing, if the system is to blame. 0 or -1. */
static int
blame(enum curve_state *state)
{
	switch (errno) {
	case ENOENT:
	case ENOTDIR:
		*state = CURVES_GONE;
		return (0);
	case EACCES:
		*state = CURVES_ALTERED;
		return (0);
	default:
		if (!file_at_fault(errno))
			return (-1);
		*state = CURVES_ALTERED;
		return (0);
	}
}

/* A file with the digest that it must have; 0 with *text, or with NULL and why not in *state; -1 with errno. */
static int
bound(int dir, const char *name, const char *sha256, char **text, size_t *n, enum curve_state *state)
{
	char hex[SHA256_HEX_SIZE];
	int rc;

	if ((*text = file_read(dir, name, MOST_BYTES, n)) == NULL)
		return (blame(state));
	if ((rc = sha256_hex(*text, *n, hex)) == 0 && strcmp(hex, sha256) == 0)
		return (0);
	*state = CURVES_ALTERED;
	free(*text);
	*text = NULL;
	return (rc);
}

/* One line of metrics.jsonl; nonzero if it is none, -1 if memory ran out. */
static int
take_line(const char *line, size_t n, double *step, double *loss, double *val)
{
	json_error_t error;
	json_t *v = json_loadb(line, n, JSON_REJECT_DUPLICATES, &error);

	if (!json_is_object(v)) {
		json_decref(v);
		return (v == NULL && json_error_code(&error) == json_error_out_of_memory ? -1 : 1);
	}
	*step = jsonio_f64(v, "step", NAN);
	*loss = jsonio_f64(v, "train_loss", NAN);
	*val = jsonio_f64(v, "val_loss", NAN);
	json_decref(v);
	return (!isfinite(*step));
}

static int
take_lines(struct curve *c, const char *text, size_t n)
{
	const char *p, *end;
	double step, loss, val, steps = 0, sum = 0;
	size_t i, have = 0, seen = 0;
	int rc;

	for (i = 0; i < n; i++)
		c->rows += text[i] == '\n';
	c->per = (c->rows + CURVES_POINTS - 1) / CURVES_POINTS;
	for (p = text; (end = memchr(p, '\n', n - (size_t)(p - text))) != NULL; p = end + 1) {
		if ((rc = take_line(p, (size_t)(end - p), &step, &loss, &val)) != 0) {
			c->state = CURVES_ALTERED;
			errno = ENOMEM;
			return (rc == -1 ? -1 : 0);
		}
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
	c->state = c->count == 0 ? CURVES_EMPTY : CURVES_READ;
	return (0);
}

int
curves_read(const struct pagedata *s, const struct pagedata_run *r, struct curve *c)
{
	char sha256[SHA256_HEX_SIZE], *text;
	json_t *report;
	size_t n;
	int dir, error, rc = -1;

	memset(c, 0, sizeof(*c));
	c->last_step = c->last_loss = NAN;
	if (*r->report == '\0') {
		c->state = CURVES_UNTRAINED;
		return (0);
	}
	if ((dir = openat(s->l.dir, r->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1)
		return (blame(&c->state));
	if (bound(dir, rundir_stages[STAGE_TRAIN].receipt, r->report, &text, &n, &c->state) == -1)
		goto out;
	rc = 0;
	if (text == NULL)
		goto out;
	/* Its digest is right, so it is what was judged; no memory, then, if it is no JSON. */
	report = json_loadb(text, n, 0, NULL);
	free(text);
	if (report == NULL) {
		errno = ENOMEM;
		rc = -1;
		goto out;
	}
	strncpy(sha256, jsonio_text(report, "metrics.sha256", ""), sizeof(sha256) - 1);
	sha256[sizeof(sha256) - 1] = '\0';
	json_decref(report);
	/* A program may tell of no step. */
	if (*sha256 == '\0') {
		c->state = CURVES_EMPTY;
		goto out;
	}
	if ((rc = bound(dir, RUNDIR_METRICS, sha256, &text, &n, &c->state)) == 0 && text != NULL) {
		rc = take_lines(c, text, n);
		free(text);
	}
out:
	error = errno;
	close(dir);
	errno = error;
	return (rc);
}
