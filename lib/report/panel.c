#include <assert.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/jsonio.h"
#include "base/say.h"
#include "base/utf8.h"
#include "report/panel.h"

/* --- lines of items ------------------------------------------------------------ */

/* Items side by side as far as a line takes them. */
struct flow {
	struct str *out;
	unsigned columns, used;
	int failed;
};

static void
flow_end(struct flow *f)
{
	if (f->used != 0 && str_add(f->out, "\n", 1) == -1)
		f->failed = 1;
	f->used = 0;
}

/* Columns that a character takes: two of the scripts that are written in squares, and of pictures. */
static unsigned
columns_of(uint32_t c)
{
	static const uint32_t wide[][2] = { { 0x1100, 0x115f }, { 0x2e80, 0xa4cf }, { 0xac00, 0xd7a3 },
		{ 0xf900, 0xfaff }, { 0xfe30, 0xfe6f }, { 0xff00, 0xff60 }, { 0xffe0, 0xffe6 }, { 0x1f300, 0x1faff },
		{ 0x20000, 0x3fffd } };
	size_t i;

	for (i = 0; i < sizeof(wide) / sizeof(wide[0]); i++)
		if (c >= wide[i][0] && c <= wide[i][1])
			return (2);
	return (1);
}

/* Bytes of a text that fit so many columns, which are in *used. */
static size_t
fitting(const char *text, size_t n, unsigned columns, unsigned *used)
{
	uint32_t c;
	size_t at, k;

	*used = 0;
	for (at = 0; at < n; at += k) {
		if ((k = utf8_read(text + at, n - at, &c)) == 0)
			k = c = 1;
		if (*used + columns_of(c) > columns)
			break;
		*used += columns_of(c);
	}
	return (at);
}

/* Text that is safe to show already. */
static void
flow_add(struct flow *f, const char *text, size_t n)
{
	unsigned used;

	if (str_add(f->out, text, n) == -1)
		f->failed = 1;
	(void)fitting(text, n, UINT_MAX / 2, &used);
	f->used += used;
}

/* As much of it as fits a line; a '~' says that there is more. */
static void
flow_cut(struct flow *f, const char *text, size_t n)
{
	unsigned used;
	size_t fits = fitting(text, n, f->columns, &used);

	if (fits < n)
		fits = fitting(text, n, f->columns - 1, &used);
	flow_add(f, text, fits);
	if (fits < n)
		flow_add(f, "~", 1);
}

/* An item, which a line of its own cuts if need be. */
static void __attribute__((format(printf, 2, 3))) flow_item(struct flow *f, const char *format, ...)
{
	char raw[1024], clean[4 * sizeof(raw)];
	unsigned used;
	size_t n;
	va_list ap;

	va_start(ap, format);
	vsnprintf(raw, sizeof(raw), format, ap);
	va_end(ap);
	n = strlen(say_clean(clean, sizeof(clean), raw));
	(void)fitting(clean, n, UINT_MAX / 2, &used);
	if (f->used != 0 && f->used + 2 + used > f->columns)
		flow_end(f);
	if (f->used != 0)
		flow_add(f, "  ", 2);
	flow_cut(f, clean, n);
}

/* A longer text over at most so many lines, broken at blanks where there are some. */
static void __attribute__((format(printf, 3, 4))) flow_text(struct flow *f, unsigned lines, const char *format, ...)
{
	char raw[2048], clean[4 * sizeof(raw)];
	const char *p = clean;
	unsigned used;
	size_t n, fits;
	va_list ap;

	va_start(ap, format);
	vsnprintf(raw, sizeof(raw), format, ap);
	va_end(ap);
	flow_end(f);
	say_clean(clean, sizeof(clean), raw);
	for (; *p != '\0' && lines > 0; lines--) {
		n = strlen(p);
		if ((fits = fitting(p, n, f->columns, &used)) < n && lines > 1 && p[fits] != ' ') {
			for (n = fits; n > 0 && p[n - 1] != ' '; n--)
				continue;
			if (n > f->columns / 2)
				fits = n;
		}
		if (lines == 1)
			flow_cut(f, p, strlen(p));
		else {
			for (n = fits; n > 0 && p[n - 1] == ' '; n--)
				continue;
			flow_add(f, p, n);
		}
		flow_end(f);
		for (p += fits; *p == ' '; p++)
			continue;
	}
}

/* --- numbers for people ---------------------------------------------------------- */

/* A time span: "41 s", "4 min 10 s", "2 h 05 min", "3 d 4 h". */
#define SPAN_SIZE 40
static const char *
span(char text[SPAN_SIZE], int64_t ms)
{
	const long long s = ms < 0 ? 0 : (ms + 500) / 1000;

	if (s < 60)
		snprintf(text, SPAN_SIZE, "%lld s", s);
	else if (s < 3600)
		snprintf(text, SPAN_SIZE, "%lld min %02lld s", s / 60, s % 60);
	else if (s < 86400)
		snprintf(text, SPAN_SIZE, "%lld h %02lld min", s / 3600, s / 60 % 60);
	else
		snprintf(text, SPAN_SIZE, "%lld d %lld h", s / 86400, s / 3600 % 24);
	return (text);
}

/* 1234567 as "1,234,567". */
#define COUNT_SIZE 32
static const char *
count(char text[COUNT_SIZE], int64_t n)
{
	char digits[24];
	size_t i, at = 0, k = (size_t)snprintf(digits, sizeof(digits), "%lld", (long long)n);

	for (i = 0; i < k; i++) {
		if (i != 0 && (k - i) % 3 == 0 && digits[i - 1] != '-')
			text[at++] = ',';
		text[at++] = digits[i];
	}
	text[at] = '\0';
	return (text);
}

/* A moment by the clock on the wall here, with the date if that is not today's. */
static const char *
moment(char text[COUNT_SIZE], int64_t ms, int64_t now_ms)
{
	const time_t t = (time_t)(ms / 1000), now = (time_t)(now_ms / 1000);
	struct tm here, today;

	if (localtime_r(&t, &here) == NULL || localtime_r(&now, &today) == NULL ||
	    strftime(text, COUNT_SIZE,
		here.tm_yday == today.tm_yday && here.tm_year == today.tm_year ? "%H:%M:%S" : "%F %H:%M", &here) == 0)
		strcpy(text, "?");
	return (text);
}

static const char *
state_of(const struct watched *w, int s)
{
	return (jsonio_text(watched_stage(w, (enum stage)s), "state", "absent"));
}

static int
is_word(const struct watched *w, const char *word)
{
	return (strcmp(w->word, word) == 0);
}

/* --- parts of the panel ------------------------------------------------------------ */

/* Why it is at what the word says, where that does not say it all. */
static void
draw_why(struct flow *f, const struct watched *w, const char *operand)
{
	const json_t *v = watched_stage(w, w->stage);
	const char *stage = w->stage == STAGE_COUNT ? "" : rundir_stages[w->stage].name;
	char a[COUNT_SIZE], b[COUNT_SIZE], c[SPAN_SIZE];
	int64_t ms;

	if (is_word(w, "none"))
		flow_text(f, 2, "no run in '%s' is running or complete", operand);
	else if (is_word(w, "removed"))
		flow_text(f, 2, "it is not there any more");
	else if (*w->why != '\0')
		flow_text(f, 4, "%s", w->why);
	else if (is_word(w, "waiting") && json_is_object(jsonio_get(v, "lane"))) {
		if (*w->lane_holder != '\0')
			flow_text(f, 4, "for its lane, which %s has since %s (%s)%s%s; %lld before it", w->lane_holder,
			    moment(a, w->lane_since_ms, w->now_ms), span(c, w->now_ms - w->lane_since_ms),
			    w->lane_until_ms > 0 ? ", until at the latest " : "",
			    w->lane_until_ms > 0 ? moment(b, w->lane_until_ms, w->now_ms) : "",
			    (long long)jsonio_i64(v, "lane.ahead", 0));
		else
			flow_text(f, 4, "for its lane, which process %lld has; %lld before it",
			    (long long)jsonio_i64(v, "lane.pid", 0), (long long)jsonio_i64(v, "lane.ahead", 0));
		if (clock_parse(jsonio_text(v, "started_at", ""), &ms) == 0)
			flow_text(f, 2, "it waits since %s (%s)", moment(a, ms, w->now_ms), span(c, w->now_ms - ms));
	} else if (is_word(w, "waiting"))
		flow_text(f, 2, "for somebody to start %s: nobody is at work on it", stage);
	else if (is_word(w, "wedged") || is_word(w, "stale")) {
		ms = jsonio_i64(v, "progress.frozen_ms", -1);
		if (ms >= 0)
			flow_text(f, 2, "%s lives, and made no progress for %s", stage, span(c, ms));
		else
			flow_text(f, 2, "%s lives, and made no progress since it began", stage);
	} else if (is_word(w, "dead"))
		flow_text(f, 2, "%s ended without a word: hg-await, hg-run or hg-reap closes it out", stage);
	if (jsonio_get(v, "unseen") != NULL)
		flow_text(f, 3, "as far as can be known: %s", jsonio_text(v, "unseen", ""));
}

/* What it does before the work whose steps are counted, with a blank; else "". */
static const char *
before_work(const json_t *progress)
{
	const char *phase = jsonio_text(progress, "phase", "");

	return (strcmp(phase, "warmup") == 0 ? "warmup " : strcmp(phase, "load") == 0 ? "load " : "");
}

/* How far it is, as a bar and in numbers. */
static void
draw_progress(struct flow *f, const struct watched *w, int utf8)
{
	static const char *const unit[STAGE_COUNT] = { "steps", "", "", "documents" };
	const json_t *v = watched_stage(w, w->stage), *p = jsonio_get(v, "progress");
	const int64_t done = jsonio_i64(p, "done", -1), expected = jsonio_i64(p, "expected", -1);
	unsigned i, width = f->columns < 60 ? f->columns - 8 : 40;
	char a[COUNT_SIZE], b[COUNT_SIZE], c[SPAN_SIZE];
	const char *sign;
	double part;
	int64_t ms;

	if (done < 0)
		return;
	flow_end(f);
	if (expected > 0) {
		part = fmin(1, (double)done / (double)expected);
		flow_add(f, "[", 1);
		for (i = 0; i < width; i++) {
			sign = i < (unsigned)(part * width) ? (utf8 ? "\xe2\x96\x88" : "#") :
			    utf8                            ? "\xe2\x96\x91" :
							      "-";
			flow_add(f, sign, strlen(sign));
		}
		flow_add(f, "]", 1);
		flow_item(f, "%.0f %%", floor(100 * part));
		flow_item(f, "%s%s of %s %s", before_work(p), count(a, done), count(b, expected), unit[w->stage]);
	} else
		flow_item(f, "%s %s", count(a, done), unit[w->stage]);
	flow_end(f);
	/* Of one that does not get on neither means anything. */
	if (!is_word(w, "stale") && !is_word(w, "wedged") && json_is_number(jsonio_get(p, "tokens_per_s")))
		flow_item(f, "%s tokens/s", count(a, (int64_t)jsonio_f64(p, "tokens_per_s", 0)));
	if (!is_word(w, "stale") && !is_word(w, "wedged") && (ms = jsonio_i64(p, "eta_ms", -1)) >= 0)
		flow_item(f, "ETA %s", span(c, ms));
	if (json_is_integer(jsonio_get(v, "left_ms"))) {
		ms = jsonio_i64(v, "left_ms", 0);
		flow_item(f, ms < 0 ? "%s past its deadline" : "deadline in %s", span(c, ms < 0 ? -ms : ms));
	}
	flow_end(f);
}

static void
draw_losses(struct flow *f, const struct watched *w)
{
	const struct losses *l = &w->losses;
	const double loss = jsonio_f64(watched_stage(w, STAGE_TRAIN), "progress.loss",
	    losses_at_step(l, losses_last(l).step));
	char a[COUNT_SIZE];

	if (isfinite(loss))
		flow_item(f, "loss %.4f", loss);
	if (l->count != 0)
		flow_item(f, "best %.4f", l->best_loss);
	if (l->vals != 0) {
		flow_item(f, "validation %.4f", l->val[l->vals - 1].loss);
		if (isfinite(l->val_bpb))
			flow_item(f, "(%.4f bpb)", l->val_bpb);
		flow_item(f, "best %.4f", l->best_val_loss);
	}
	if (l->bad != 0)
		flow_item(f, "%s lines of " RUNDIR_METRICS " are no rows", count(a, (int64_t)l->bad));
	flow_end(f);
	if (json_is_number(jsonio_get(w->state, "val_bpb")))
		flow_item(f, "score %.4f val_bpb", jsonio_f64(w->state, "val_bpb", 0));
	if (json_is_integer(jsonio_get(w->state, "total_bytes")))
		flow_item(f, "%s bytes", count(a, jsonio_i64(w->state, "total_bytes", 0)));
	if (json_is_string(jsonio_get(w->state, "class")))
		flow_item(f, "%s", jsonio_text(w->state, "class", ""));
	flow_end(f);
}

/* The incumbent's loss when it was as far as this run is now. */
static void
draw_there(struct flow *f, const char *at, double theirs, double ours)
{
	if (isfinite(theirs) && isfinite(ours)) {
		flow_item(f, "at this %s %.4f", at, theirs);
		flow_item(f, "here %+.4f", ours - theirs);
		flow_end(f);
	} else if (isfinite(ours))
		flow_item(f, "ended before this %s", at);
}

static void
draw_target(struct flow *f, const struct watched *w)
{
	const struct target *t = w->target;
	const struct losses_point last = losses_last(&w->losses);
	const double ours = losses_at_step(&w->losses, last.step);

	if (t == NULL)
		return;
	if (t->path == NULL)
		flow_text(f, 2, "target none: %s", t->why == NULL ? "" : t->why);
	else {
		flow_item(f, "target %.4f %s", t->score, t->metric);
		flow_item(f, "%s%s", t->path, t->itself ? ", this very run" : "");
		flow_item(f, "(%lld run%s)", (long long)t->runs, t->runs == 1 ? "" : "s");
		flow_end(f);
		if (t->why != NULL)
			flow_text(f, 2, "no losses of it: %s", t->why);
		else if (!t->itself) {
			draw_there(f, "step", losses_at_step(&t->losses, last.step), ours);
			draw_there(f, "time", losses_at_ms(&t->losses, last.ms), ours);
		}
	}
	flow_end(f);
}

/* --- the curve ---------------------------------------------------------------------- */

enum { CURVE_ROWS_MOST = 8, CURVE_ROWS_LEAST = 3, CURVE_LABEL = 7 };

/* Dots of the run's own losses, a bit each, and one mark a cell for what else there is. */
struct curve_cells {
	unsigned columns, rows, across, down; /* cells, and dots of one */
	double low, high, steps;
	unsigned char dots[CURVE_ROWS_MOST][PANEL_COLUMNS_MOST];
	char mark[CURVE_ROWS_MOST][PANEL_COLUMNS_MOST];
};

/* Bounds that show what matters: the fall at the beginning may go beyond them. */
static void
bound(struct curve_cells *c, const struct losses *l)
{
	const double from = l->count < 16 ? 0 : losses_last(l).step / 8;
	size_t i;

	for (i = 0; i < l->count; i++)
		if (l->point[i].step >= from) {
			c->low = fmin(c->low, l->point[i].loss);
			c->high = fmax(c->high, l->point[i].loss);
		}
	for (i = 0; i < l->vals; i++)
		if (l->val[i].step >= from) {
			c->low = fmin(c->low, l->val[i].loss);
			c->high = fmax(c->high, l->val[i].loss);
		}
}

/* Where a point is, in dots; 0, or -1 if that is beyond the picture. */
static int
place(const struct curve_cells *c, double step, double loss, unsigned *x, unsigned *y)
{
	const unsigned wide = c->columns * c->across, high = c->rows * c->down;
	double at = c->high > c->low ? (c->high - loss) / (c->high - c->low) : 0.5;

	if (!(step >= 0) || step > c->steps)
		return (-1);
	at = fmax(0, fmin(1, at));
	*x = (unsigned)(step / c->steps * (wide - 1));
	*y = (unsigned)(at * (high - 1) + 0.5);
	return (0);
}

static void
mark(struct curve_cells *c, const struct losses_point *p, size_t n, char sign)
{
	unsigned x, y;
	size_t i;

	for (i = 0; i < n; i++)
		if (place(c, p[i].step, p[i].loss, &x, &y) == 0)
			c->mark[y / c->down][x / c->across] = sign;
}

static void
dot(struct curve_cells *c, const struct losses *l)
{
	/* Which bit of a braille character is the dot in column x and row y. */
	static const unsigned char bit[4][2] = { { 0x01, 0x08 }, { 0x02, 0x10 }, { 0x04, 0x20 }, { 0x40, 0x80 } };
	unsigned x, y;
	size_t i;

	for (i = 0; i < l->count; i++)
		if (place(c, l->point[i].step, l->point[i].loss, &x, &y) == 0)
			c->dots[y / c->down][x / c->across] |= bit[y % c->down][x % c->across];
}

static void
draw_cell(struct flow *f, const struct curve_cells *c, unsigned row, unsigned column, int utf8)
{
	char text[UTF8_MAX_BYTES + 1] = " ";
	const unsigned char dots = c->dots[row][column];
	const char sign = c->mark[row][column];

	/* A validation is seen before the run's own line, and that before the incumbent's. */
	if (sign == 'o' || (sign != '\0' && dots == 0))
		text[0] = sign;
	else if (dots != 0 && !utf8)
		text[0] = '*';
	else if (dots != 0)
		text[utf8_write(text, 0x2800 + (uint32_t)dots)] = '\0';
	flow_add(f, text, strlen(text));
}

static void
draw_curve(struct flow *f, const struct watched *w, unsigned rows, int utf8)
{
	const struct losses *own = &w->losses, *their = NULL;
	const double last = losses_last(own).step;
	struct curve_cells c = { .rows = rows, .low = INFINITY, .high = -INFINITY };
	char a[COUNT_SIZE];
	unsigned row, i;

	if (own->count < 2 || rows < CURVE_ROWS_LEAST || f->columns < CURVE_LABEL + 8)
		return;
	if (w->target != NULL && w->target->why == NULL && !w->target->itself && w->target->losses.count > 1)
		their = &w->target->losses;
	c.columns = f->columns - CURVE_LABEL;
	c.across = utf8 ? 2 : 1;
	c.down = utf8 ? 4 : 1;
	c.steps = fmax(last, (double)jsonio_i64(watched_stage(w, STAGE_TRAIN), "progress.expected", 0));
	bound(&c, own);
	if (their != NULL) {
		bound(&c, their);
		mark(&c, their->point, their->count, '.');
	}
	mark(&c, own->val, own->vals, 'o');
	dot(&c, own);
	flow_end(f);
	for (row = 0; row < rows; row++) {
		if (row == 0 || row == rows - 1)
			flow_item(f, "%6.4g ", row == 0 ? c.high : c.low);
		else
			flow_add(f, "       ", CURVE_LABEL);
		for (i = 0; i < c.columns; i++)
			draw_cell(f, &c, row, i, utf8);
		flow_end(f);
	}
	flow_item(f, "training loss by step, 0 to %s", count(a, (int64_t)c.steps));
	if (own->vals != 0)
		flow_item(f, "o validation");
	if (their != NULL)
		flow_item(f, ". incumbent");
	flow_end(f);
}

/* --- the end of the panel -------------------------------------------------------------- */

static void
draw_stages(struct flow *f, const struct watched *w)
{
	char c[SPAN_SIZE];
	int s;

	if (w->resume_ms > 0) {
		flow_item(f, "resume point %s ago", span(c, w->now_ms - w->resume_ms));
		flow_end(f);
	}
	if (w->state == NULL)
		return;
	for (s = 0; s < STAGE_COUNT; s++)
		flow_item(f, "%s %s", rundir_stages[s].name, state_of(w, s));
	flow_end(f);
}

static void
draw_last_words(struct flow *f, const struct watched *w)
{
	const json_t *v;
	int s;

	for (s = 0; s < STAGE_COUNT; s++) {
		v = watched_stage(w, (enum stage)s);
		if (json_is_string(jsonio_get(v, "kind"))) {
			flow_text(f, 4, "%s refused (%s): %s", rundir_stages[s].name, jsonio_text(v, "kind", ""),
			    jsonio_text(v, "detail", ""));
			flow_text(f, 3, "next: %s", jsonio_text(v, "next", ""));
		}
		if (*jsonio_text(v, "log.last_line", "") != '\0')
			flow_text(f, 2, "%s: %s", rundir_stages[s].log, jsonio_text(v, "log.last_line", ""));
	}
}

static unsigned
lines_of(const struct str *s, size_t from)
{
	unsigned n = 0;

	for (; from < s->n; from++)
		n += s->p[from] == '\n';
	return (n);
}

/* What a hypothesis says in other letters a terminal without them would garble. */
static void
to_ascii(struct str *s, size_t from)
{
	size_t i, n = from;

	for (i = from; i < s->n; i++)
		if (!utf8_continues(s->p[i]))
			s->p[n++] = (unsigned char)s->p[i] > 0x7f ? '?' : s->p[i];
	s->p[n] = '\0';
	s->n = n;
}

int
panel_draw(struct str *out, const struct watched *w, const char *operand, const struct panel_size *size)
{
	struct flow f = { .out = out, .columns = size->columns };
	struct str end = STR_INIT;
	const char *lane = jsonio_text(watched_spec(w), "system.lane", ""),
		   *about = jsonio_text(watched_spec(w), "about.hypothesis", "");
	const size_t from = out->n;
	unsigned rows = CURVE_ROWS_MOST, used;

	assert(size->columns >= PANEL_COLUMNS_LEAST && size->columns <= PANEL_COLUMNS_MOST);
	flow_item(&f, "%s", w->word);
	flow_item(&f, "%s", w->path == NULL ? operand : w->path);
	if (*lane != '\0')
		flow_item(&f, "lane %s", lane);
	if (*w->host != '\0')
		flow_item(&f, "host %s", w->host);
	flow_end(&f);
	if (*about != '\0')
		flow_text(&f, 2, "%s", about);
	draw_why(&f, w, operand);
	draw_progress(&f, w, size->utf8);
	draw_losses(&f, w);
	draw_target(&f, w);
	/* What is below the curve comes first where there is no room for all. */
	f.out = &end;
	draw_stages(&f, w);
	draw_last_words(&f, w);
	if (size->rows != 0) {
		used = lines_of(out, from) + lines_of(&end, 0) + 2;
		rows = used + CURVE_ROWS_LEAST > size->rows ? 0 : size->rows - used > rows ? rows : size->rows - used;
	}
	f.out = out;
	draw_curve(&f, w, rows, size->utf8);
	if (end.n != 0 && str_add(out, end.p, end.n) == -1)
		f.failed = 1;
	str_free(&end);
	if (!f.failed && !size->utf8)
		to_ascii(out, from);
	return (f.failed ? -1 : 0);
}

int
panel_line(struct str *out, const struct watched *w, const char *operand)
{
	const json_t *v = watched_stage(w, w->stage), *p = jsonio_get(v, "progress");
	char now[CLOCK_TEXT_SIZE], c[SPAN_SIZE];
	int rc;

	rc = str_printf(out, "%s %s %s", clock_text(now, w->now_ms), w->path == NULL ? operand : w->path, w->word);
	if (w->stage != STAGE_COUNT)
		rc |= str_printf(out, " %s", rundir_stages[w->stage].name);
	if (json_is_integer(jsonio_get(p, "done")))
		rc |= str_printf(out, ", %s%lld", before_work(p), (long long)jsonio_i64(p, "done", 0));
	if (json_is_integer(jsonio_get(p, "expected")))
		rc |= str_printf(out, " of %lld", (long long)jsonio_i64(p, "expected", 0));
	if (json_is_number(jsonio_get(p, "loss")))
		rc |= str_printf(out, ", loss %.4f", jsonio_f64(p, "loss", 0));
	if (w->stage == STAGE_TRAIN && w->losses.vals != 0)
		rc |= str_printf(out, ", validation %.4f", w->losses.val[w->losses.vals - 1].loss);
	if (json_is_integer(jsonio_get(p, "eta_ms")))
		rc |= str_printf(out, ", %s to go", span(c, jsonio_i64(p, "eta_ms", 0)));
	if (*w->lane_holder != '\0')
		rc |= str_printf(out, ", for its lane, which %s has", w->lane_holder);
	if (json_is_number(jsonio_get(w->state, "val_bpb")))
		rc |= str_printf(out, ", val_bpb %.4f", jsonio_f64(w->state, "val_bpb", 0));
	if (json_is_string(jsonio_get(v, "kind")))
		rc |= str_printf(out, " (%s)", jsonio_text(v, "kind", ""));
	if (json_is_string(jsonio_get(v, "detail")))
		rc |= str_printf(out, ": %s", jsonio_text(v, "detail", ""));
	if (*w->why != '\0')
		rc |= str_printf(out, ": %s", w->why);
	return (rc == 0 ? 0 : -1);
}

int
panel_key(struct str *out, const struct watched *w)
{
	const json_t *p = jsonio_get(watched_stage(w, w->stage), "progress");
	const int64_t done = jsonio_i64(p, "done", 0), expected = jsonio_i64(p, "expected", 0);
	int s, rc;

	rc = str_printf(out, "%s %s %s %zu %lld %s", w->path == NULL ? "" : w->path,
	    jsonio_text(w->state, "run_uid", ""), w->word, w->losses.vals,
	    expected > 0 ? (long long)(10 * done / expected) : -1, w->why);
	for (s = 0; s < STAGE_COUNT; s++)
		rc |= str_printf(out, " %s %s", state_of(w, s),
		    jsonio_text(watched_stage(w, (enum stage)s), "kind", ""));
	return (rc == 0 ? 0 : -1);
}
