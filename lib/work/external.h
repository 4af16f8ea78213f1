#ifndef HG_EXTERNAL_H
#define HG_EXTERNAL_H

#include "data/dataset.h"
#include "data/docsums.h"
#include "stage/stage.h"

/**
 * The stages of a run whose trainer is a program: what is measured of it, and
 * what of its word is believed.
 */

/* hg-train's worker; ${arg} is what training_work takes (struct training_options). */
int external_train(struct stage_work *w, void *arg);

/* hg-export's worker, where the trainer left files that only its scorer understands; ${arg} is not used. */
int external_export(struct stage_work *w, void *arg);

/* What a scorer made of the documents. */
struct external_score {
	struct str table; /* score_docs.tsv */
	double nats;
};

/**
 * external_score(w, threads, dirfd, files, d, expected, y):
 * Run section scorer on the artifact ${files}, which lie in ${dirfd}, alone.  ${expected} is the table of documents, as
 * docsums_table writes it, whose column nats it has to fill in: every other column must come back as it is.
 * Owns:   the caller frees y->table.
 * Errors: -1, refused, or with errno, said.
 */
int external_score(struct stage_work *w, unsigned threads, int dirfd, const json_t *files, const struct dataset *d,
    const struct str *expected, struct external_score *y);

#endif
