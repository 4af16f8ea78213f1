#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/jsonio.h"
#include "report/losses.h"
#include "run/rundir.h"

/* More than any training writes. */
#define MOST_BYTES ((uint64_t)1 << 30)

/* How much is read at a time; no line of ours is nearly as long. */
#define PIECE ((size_t)1 << 16)

/* There is none. */
static void
empty(struct losses *l)
{
	memset(l, 0, sizeof(*l));
	l->val_bpb = l->best_loss = l->best_val_loss = NAN;
}

static void
begin(struct losses *l, const struct stat *st)
{
	empty(l);
	l->dev = st->st_dev;
	l->ino = st->st_ino;
	l->per = 1;
}

/* Two points become one, all along. */
static void
halve(struct losses *l)
{
	struct losses_point *p = l->point;
	size_t i;

	for (i = 0; i < l->count / 2; i++)
		p[i] = (struct losses_point){ (p[2 * i].step + p[2 * i + 1].step) / 2,
			(p[2 * i].ms + p[2 * i + 1].ms) / 2, (p[2 * i].loss + p[2 * i + 1].loss) / 2 };
	l->count /= 2;
	l->per *= 2;
	l->filled = l->per;
}

static void
add(struct losses *l, const struct losses_point *q)
{
	struct losses_point *p;
	double n;

	if (l->count == 0 || l->filled == l->per) {
		if (l->count == LOSSES_POINTS)
			halve(l);
		l->point[l->count++] = *q;
		l->filled = 1;
		return;
	}
	p = &l->point[l->count - 1];
	n = (double)++l->filled;
	p->step += (q->step - p->step) / n;
	p->ms += (q->ms - p->ms) / n;
	p->loss += (q->loss - p->loss) / n;
}

static void
take_line(struct losses *l, const char *line, size_t n)
{
	json_t *v = json_loadb(line, n, JSON_REJECT_DUPLICATES, NULL);
	struct losses_point p;

	l->rows++;
	p.step = jsonio_f64(v, "step", NAN);
	p.ms = jsonio_f64(v, "wallclock_ms", NAN);
	p.loss = jsonio_f64(v, "train_loss", NAN);
	if (!json_is_object(v) || !isfinite(p.step) || !isfinite(p.ms))
		l->bad++;
	else {
		if (isfinite(p.loss)) {
			add(l, &p);
			l->last = p;
			l->best_loss = fmin(l->best_loss, p.loss);
		}
		p.loss = jsonio_f64(v, "val_loss", NAN);
		if (isfinite(p.loss)) {
			if (l->vals == LOSSES_POINTS)
				memmove(l->val, l->val + 1, --l->vals * sizeof(*l->val));
			l->val[l->vals++] = p;
			l->best_val_loss = fmin(l->best_val_loss, p.loss);
			l->val_bpb = jsonio_f64(v, "val_bpb", NAN);
		}
	}
	json_decref(v);
}

/* Is the file still the one whose beginning was read? */
static int
known_again(const struct losses *l, int fd, const struct stat *st)
{
	char tail[LOSSES_TAIL];

	if (l->per == 0 || l->dev != st->st_dev || l->ino != st->st_ino || (uint64_t)st->st_size < l->read_bytes)
		return (0);
	return (file_read_at(fd, tail, l->tail_bytes, l->read_bytes - l->tail_bytes) == 0 &&
	    memcmp(tail, l->tail, l->tail_bytes) == 0);
}

/* The whole lines of a piece; how many bytes they have. */
static size_t
take_lines(struct losses *l, const char *text, size_t n)
{
	const char *p, *end;

	for (p = text; (end = memchr(p, '\n', n - (size_t)(p - text))) != NULL; p = end + 1)
		take_line(l, p, (size_t)(end - p));
	return ((size_t)(p - text));
}

static int
read_on(struct losses *l, int fd, uint64_t size)
{
	size_t n, taken;
	char *piece;
	int rc = 0;

	if ((piece = malloc(PIECE)) == NULL)
		return (-1);
	while (l->read_bytes < size && rc == 0) {
		n = size - l->read_bytes < PIECE ? (size_t)(size - l->read_bytes) : PIECE;
		if ((rc = file_read_at(fd, piece, n, l->read_bytes)) == -1)
			break;
		if ((taken = take_lines(l, piece, n)) == 0) {
			if (n < PIECE)
				break;
			/* A line without an end is none. */
			l->bad++;
			taken = n;
		}
		l->read_bytes += taken;
		l->tail_bytes = taken < sizeof(l->tail) ? taken : sizeof(l->tail);
		memcpy(l->tail, piece + taken - l->tail_bytes, l->tail_bytes);
	}
	free(piece);
	return (rc);
}

int
losses_look(struct losses *l, int dirfd)
{
	int fd, error, rc;
	struct stat st;

	if ((fd = file_open_most(dirfd, RUNDIR_METRICS, MOST_BYTES, NULL)) == -1) {
		empty(l);
		return (-1);
	}
	if ((rc = fstat(fd, &st)) == 0) {
		if (!known_again(l, fd, &st))
			begin(l, &st);
		/* What shrinks meanwhile is looked at again the next time. */
		if ((rc = read_on(l, fd, (uint64_t)st.st_size)) == -1)
			empty(l);
	}
	error = errno;
	close(fd);
	errno = error;
	return (rc);
}

struct losses_point
losses_last(const struct losses *l)
{
	return (l->count == 0 ? (struct losses_point){ NAN, NAN, NAN } : l->last);
}

/* By step or by time. */
static double
mean_before(const struct losses *l, int by_ms, double at)
{
	double x, sum = 0, nearest = l->point[0].loss;
	size_t i, n = 0;

	if (l->count == 0 || !isfinite(at) || at > (by_ms ? l->last.ms : l->last.step))
		return (NAN);
	for (i = 0; i < l->count; i++) {
		x = by_ms ? l->point[i].ms : l->point[i].step;
		if (x > at)
			break;
		nearest = l->point[i].loss;
		if (x > 0.95 * at) {
			sum += l->point[i].loss;
			n++;
		}
	}
	return (n == 0 ? nearest : sum / (double)n);
}

double
losses_at_step(const struct losses *l, double step)
{
	return (mean_before(l, 0, step));
}

double
losses_at_ms(const struct losses *l, double ms)
{
	return (mean_before(l, 1, ms));
}
