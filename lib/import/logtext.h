#ifndef HG_LOGTEXT_H
#define HG_LOGTEXT_H

#include <stddef.h>
#include <stdint.h>

#include "import/claim.h"
#include "import/number.h"
#include "import/textfile.h"

/**
 * A training log, read for what its lines say outright: scores under their
 * labels, sizes, seed, steps, tokens.  A log often holds the program that
 * wrote it, so a line with a template is never a value, and each score keeps
 * its label, since one log scores a model in several ways.
 *
 * Strings point into the text that was read.
 */

enum { LOGTEXT_SCORES = 256, LOGTEXT_SIZES = 16 };

struct logtext_file {
	const char *name; /* from the import root */
	struct textfile file;
};

struct logtext_figure {
	const char *text; /* NULL: not said */
	size_t n;
	unsigned line;
	struct number figure;
};

struct logtext_score {
	const char *label; /* without what stands before it, such as times */
	size_t label_n;
	struct logtext_figure val_loss, val_bpb;
	enum claim_scoring scoring;
	unsigned stride;
};

struct logtext {
	struct logtext_score scores[LOGTEXT_SCORES]; /* in order; the last ones if there are more */
	size_t score_count;
	size_t score_total;
	struct logtext_score progress; /* the last validation during training; label NULL: none */
	struct logtext_figure seed, tokens, step, train_ms, code_bytes, total_bytes;
	struct logtext_figure params, time_cap; /* number of parameters, if all lines agree on it; seconds */
	struct logtext_figure other_total;      /* a total without the name of a compression: before it, as a rule */
	struct logtext_figure template;         /* the first place where source stands for a value */
	unsigned templates;
	int seeds;  /* different seeds that lines of its form name */
	int models; /* different numbers of parameters that it names */
	int slides; /* it says that windows slide */
	unsigned stride;
	const char *end;  /* of the text */
	unsigned cut;     /* its last line, if a number in it may be cut */
	unsigned crashed; /* line of the last traceback or abort */
	unsigned trained; /* line of the last training step */
	unsigned lines;
};

void logtext_read(struct logtext *log, const char *text, size_t n);

/* The seed in a name such as train_seed42.log: 1 and *seed, or 0. */
int logtext_name_seed(const char *name, int64_t *seed);

/* Does it look like a log of training at all? */
int logtext_is_one(const struct logtext *log);

#endif
