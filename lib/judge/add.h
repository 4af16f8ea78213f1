#ifndef HG_ADD_H
#define HG_ADD_H

#include "judge/advice.h"
#include "judge/runrecord.h"
#include "ledger/ledger.h"

/**
 * Adding a run to a ledger, and what follows at once: its class, the verdict
 * of a confirmation whose last slot it fills, and the witness that the run
 * keeps of its row.
 */

struct add {
	enum runrecord how;           /* only a closed run gets a row */
	int judged;                   /* there is a verdict: it is closed, or this is a preview */
	struct row row;               /* the run's row, as it is or would be */
	int confirmed;                /* a verdict on its plan followed: */
	struct row confirmation;      /* its row */
	struct advice next;           /* what to do after it, if it is judged */
	uint64_t already;             /* number of the row that was there before, or 0; of a preview: */
	enum verdict_class was_class; /* what it says, */
	enum verdict_reason was_reason;
	struct str altered;           /* and which files are no longer those of it; p NULL if all are */
	char digest[SHA256_HEX_SIZE]; /* of the run's row, once it is in */
};

/**
 * add_run(l, path, interrupted, out):
 * ${l} is open for writing.  A run attempt that is in the ledger already
 * changes nothing, and neither does one that was only interrupted, unless
 * ${interrupted} asks for its row.
 * Owns:   add_free releases what is in *out.
 * Errors: -1 with errno, said.
 */
int add_run(struct ledger *l, const char *path, int interrupted, struct add *out);

/*
 * The same without adding: what the row would be as of now, by the files that there are now and against the present
 * incumbent, also of a run that has one. ${l} may be open for reading.
 */
int add_preview(const struct ledger *l, const char *path, struct add *out);

void add_free(struct add *a);

/* Make the whole row of a run as it would be now, from row->run. 0, or -1 with errno, said. */
int add_judge(const struct ledger *l, struct row *row);

#endif
