#ifndef HG_CHART_H
#define HG_CHART_H

#include "report/curves.h"
#include "report/markup.h"
#include "report/pagedata.h"

/**
 * Pictures of a survey as SVG.  Across, everything is placed in per cent, and
 * down in pixels, so that a picture fits any width with its text as large as
 * the page's.  What a picture shows stands in a table, too.
 */

/* The classes, and what is none of them. Each has a shape of its own. */
enum chart_mark { CHART_PENDING = VERDICT_CLASSES, CHART_ASIDE, CHART_ABANDONED, CHART_MARKS };

/* The shapes, once on a page, before the first picture. */
void chart_shapes(struct markup *m);

/* A shape in a line of text, its meaning beside it. */
void chart_mark(struct markup *m, unsigned mark);

/* A run's mark; and a confirmation's. */
unsigned chart_mark_of(const struct pagedata_run *r);
unsigned chart_mark_of_confirmation(enum verdict_class klass, enum verdict_reason reason);

/* Ticks of an axis: the first at or above ${low}, and their distance; returns how many decimals tell them apart. */
int chart_ticks(double low, double high, unsigned wanted, double *first, double *step);

/* Whose scores a picture shows, and what its marks mean. */
struct chart_source {
	const void *arg;
	const char *title;        /* what is on the axis, for those who do not see it */
	const char *const *names; /* of the marks */
	int sign;                 /* 1: lower is better */
	const char *foreign;      /* other people's, whose noise nobody knows: what the line is. NULL: ours */
	unsigned (*mark)(const void *arg, const struct timeline_point *q);
	void (*hint)(struct markup *m, const void *arg, const struct timeline_point *q);
};

/* Scores in order on one axis, with a legend; ${number} makes ids of it that no other picture on the page has. */
void chart_scores(struct markup *m, const struct chart_source *from, const struct timeline *k, unsigned number);

/* The same of our own runs. */
void chart_history(struct markup *m, const struct pagedata *s, const struct timeline *k, unsigned number);

/* A scale for gains that several intervals share. */
struct chart_scale {
	double low, high;
};
struct chart_scale chart_gains(const struct pagedata *s);
void chart_gain_axis(struct markup *m, const struct chart_scale *scale);
void chart_gain(struct markup *m, const struct chart_scale *scale, const struct pagedata_confirmation *c);

/* A loss curve over the incumbent's (NULL: none) on one scale of steps; all of a page between the same bounds. */
void chart_curve(struct markup *m, const struct curve *c, const struct curve *under, double low, double high,
    const char *what);

/* The pen of a curve in a line of text, its meaning beside it: the run's own, or the one beneath. */
void chart_pen(struct markup *m, int under);

#endif
