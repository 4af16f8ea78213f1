#ifndef HG_LOSSES_H
#define HG_LOSSES_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/**
 * The losses of a training as its metrics.jsonl has them so far, read on from
 * where the last look ended.  A line that is only half there is left for the
 * next look; a file that became another or shorter, as where a training went
 * on from its resume point, is read anew.
 * Checked: t/hg-watch.bats.
 */

enum { LOSSES_POINTS = 512, LOSSES_TAIL = 64 };

struct losses_point {
	double step, ms, loss; /* means over the rows of the point; ms by the budget's clock */
};

/* Start from zeros. What no point (count) or validation (vals) was read for says nothing. */
struct losses {
	dev_t dev;
	ino_t ino;
	uint64_t read_bytes;
	char tail[LOSSES_TAIL]; /* the last bytes that were read, by which a file is known again */
	size_t tail_bytes;
	struct losses_point point[LOSSES_POINTS]; /* of ${per} rows with a finite loss each; the last may have fewer */
	size_t count, per, filled;
	struct losses_point last;               /* the last row with a finite loss, as it is; see losses_last */
	struct losses_point val[LOSSES_POINTS]; /* validations, the newest that fit */
	size_t vals;
	uint64_t rows, bad; /* lines; of them, those that are no row */
	/* Of the last validation, and the lowest so far of a step and of a validation; NAN. */
	double val_bpb, best_loss, best_val_loss;
};

/* Read what is new. 0, or -1 with errno, silent, and there are none: ENOENT is ordinary, see file_at_fault. */
int losses_look(struct losses *l, int dirfd);

/* The last row that has a finite loss; NAN if there is none. */
struct losses_point losses_last(const struct losses *l);

/**
 * losses_at_step(l, step), losses_at_ms(l, ms):
 * The mean loss over the last twentieth before a step, or a time of training; of a single step it says little.
 * NAN where the training had not begun or had ended.
 */
double losses_at_step(const struct losses *l, double step);
double losses_at_ms(const struct losses *l, double ms);

#endif
