#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/file.h"
#include "base/jsonio.h"
#include "base/say.h"
#include "trace/losses.h"

#define MOST_BYTES ((size_t)256 << 20)

/* One line; 1 if it is none, -1 with errno ENOMEM. */
static int
take_line(struct losses *l, const char *line, size_t n)
{
	struct losses_row *rows;
	json_error_t error;
	json_t *v = json_loadb(line, n, JSON_REJECT_DUPLICATES, &error);
	double step = jsonio_f64(v, "step", NAN), ms = jsonio_f64(v, "wallclock_ms", NAN);

	if (!json_is_object(v) || !isfinite(step) || !isfinite(ms)) {
		json_decref(v);
		errno = ENOMEM;
		return (v == NULL && json_error_code(&error) == json_error_out_of_memory ? -1 : 1);
	}
	if ((rows = array_room(l->rows, l->count, &l->cap, sizeof(*rows))) != NULL) {
		l->rows = rows;
		rows[l->count++] = (struct losses_row){ step, ms, jsonio_f64(v, "train_loss", NAN),
			jsonio_f64(v, "val_loss", NAN) };
	}
	json_decref(v);
	return (rows == NULL ? -1 : 0);
}

/* A last line that is not whole yet is left out. */
static int
take_lines(struct losses *l, const char *text, size_t n)
{
	const char *p, *end;
	int rc;

	for (p = text; (end = memchr(p, '\n', n - (size_t)(p - text))) != NULL; p = end + 1)
		if ((rc = take_line(l, p, (size_t)(end - p))) != 0) {
			l->state = LOSSES_ALTERED;
			return (rc == -1 ? -1 : 0);
		}
	l->state = l->count == 0 ? LOSSES_NONE : LOSSES_READ;
	return (0);
}

int
losses_read(const struct rundir *r, const json_t *receipt, struct losses *l)
{
	const char *sha256 = jsonio_text(receipt, "metrics.sha256", NULL);
	char hex[SHA256_HEX_SIZE], *text;
	size_t n;
	int rc;

	memset(l, 0, sizeof(*l));
	l->state = LOSSES_NONE;
	if ((text = file_read(r->fd, RUNDIR_METRICS, MOST_BYTES, &n)) == NULL) {
		if (errno == ENOENT) {
			l->state = sha256 == NULL ? LOSSES_NONE : LOSSES_GONE;
			return (0);
		}
		if (file_at_fault(errno)) {
			l->state = LOSSES_ALTERED;
			return (0);
		}
		goto err0;
	}
	if ((rc = sha256_hex(text, n, hex)) == 0) {
		if (sha256 != NULL && strcmp(hex, sha256) != 0)
			l->state = LOSSES_ALTERED;
		else
			rc = take_lines(l, text, n);
	}
	free(text);
	if (rc == 0)
		return (0);
	losses_free(l);
err0:
	say_errno("cannot read '%s/%s'", r->path, RUNDIR_METRICS);
	return (-1);
}

void
losses_free(struct losses *l)
{
	free(l->rows);
	l->rows = NULL;
	l->count = l->cap = 0;
}

static double
place(const struct losses_row *row, enum losses_by by)
{
	return (by == LOSSES_BY_STEP ? row->step : row->ms);
}

/* The mean loss of rows from *i on that lie at or before ${at}. */
static double
mean_until(const struct losses *l, enum losses_by by, double at, size_t *i)
{
	double sum = 0;
	size_t n = 0;

	for (; *i < l->count && place(&l->rows[*i], by) <= at; ++*i)
		if (isfinite(l->rows[*i].loss)) {
			sum += l->rows[*i].loss;
			n++;
		}
	return (n == 0 ? NAN : sum / (double)n);
}

static int
put_point(json_t *list, double at, double from, double to)
{
	json_t *point = json_pack("{s:I, s:o, s:o}", "at", (json_int_t)at, "from", jsonio_real(from), "to",
	    jsonio_real(to));

	return (json_array_append_new(list, point));
}

json_t *
losses_compare(const struct losses *a, const struct losses *b, enum losses_by by, size_t points)
{
	json_t *list = json_array();
	double end, at, before = -1, from, to;
	size_t i = 0, j = 0, k;

	if (a->count == 0 || b->count == 0)
		return (list);
	end = fmin(place(&a->rows[a->count - 1], by), place(&b->rows[b->count - 1], by));
	for (k = 1; list != NULL && k <= points; k++) {
		if ((at = ceil(end * (double)k / (double)points)) <= before)
			continue;
		from = mean_until(a, by, at, &i);
		to = mean_until(b, by, at, &j);
		before = at;
		if ((isfinite(from) || isfinite(to)) && put_point(list, at, from, to) == -1) {
			json_decref(list);
			list = NULL;
		}
	}
	if (list == NULL)
		errno = ENOMEM;
	return (list);
}

json_t *
losses_validation(const struct losses *a, const struct losses *b)
{
	json_t *list = json_array();
	size_t i, j = 0;

	for (i = 0; list != NULL && i < a->count; i++) {
		for (; j < b->count && b->rows[j].step < a->rows[i].step; j++)
			;
		if (j < b->count && b->rows[j].step == a->rows[i].step && isfinite(a->rows[i].val) &&
		    isfinite(b->rows[j].val) &&
		    put_point(list, a->rows[i].step, a->rows[i].val, b->rows[j].val) == -1) {
			json_decref(list);
			list = NULL;
		}
	}
	if (list == NULL)
		errno = ENOMEM;
	return (list);
}
