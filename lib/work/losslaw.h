#ifndef HG_LOSSLAW_H
#define HG_LOSSLAW_H

#include <stddef.h>

/**
 * What a run of the planner's recipe may be expected to score, from a small law
 * fitted to runs of this project:
 *   val_bpb = text * (E + A / body^a + B / bytes^b + C / steps^c + D / seq_len +
 *                    F / sqrt(vocab_size))
 * Its constants stand in losslaw.def, made from the runs in examples/campaigns/law by t/tools/fitlaw.py.
 * Source: the form is that of the published scaling laws (Kaplan 2020, Hoffmann 2022), with terms for the steps and
 *         for the context.
 * Checked: t/unit/losslaw.c.
 */
struct losslaw_run {
	double body;  /* parameters but for embedding, head and tables of values */
	double bytes; /* of text that its steps read; what is read twice counts twice */
	double steps;
	double seq_len; /* of training and scoring */
	double vocab_size;
};

/* Bits per byte on a text as hard as that of the law's runs. */
double losslaw_expect(const struct losslaw_run *r);

/* Standard deviation of the ratio of a score to what was expected: on the text of the law's runs, and on others. */
extern const double losslaw_sd, losslaw_text_sd;

/* The range of what the law was fitted on; outside it extrapolates. */
extern const struct losslaw_run losslaw_least, losslaw_most;

/*
 * How hard a text is: the loss of the planner's probe on it, in bits per byte, beside that on the law's own text
 * with a vocabulary of this size.
 */
double losslaw_text(double probe_bpb, size_t vocab_size);

#endif
