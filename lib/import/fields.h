#ifndef HG_FIELDS_H
#define HG_FIELDS_H

#include <stddef.h>

#include "import/claim.h"
#include "import/textfile.h"

/**
 * The fields of a submission's JSON, by their names and places: each becomes a
 * value of the claim, and is of one run or of the whole.  Where a name or a
 * place can mean two things, the value is kept and no run gets it.
 *
 * Shapes: those that submission.h lists.
 *
 * Usage: { .c, .file }, then fields_read, fields_assign, fields_vouch, and
 * fields_free in the end, which leaves the claim alone.  Out of memory is said
 * once, in `broken` here or in the claim's; until then all may be called.
 */

struct fields {
	struct claim *c;
	const char *file;           /* the JSON's name */
	struct fields_found *found; /* what means something to us, in order */
	size_t count, cap;
	int broken;
	char **twice; /* paths that stand twice */
	size_t twice_count;
};

/* Take all values of the text, and note what is wrong with it as JSON. */
void fields_read(struct fields *t, const struct textfile *json);

/* Values in lists go to the seeds of the list beside them; values in objects to the seed of their object. */
void fields_assign(struct fields *t);

/*
 * A number for each seed under a name that does not say of what: believed if ${score} (index + 1) is their mean, or one
 * of them; else doubted.
 */
void fields_vouch(struct fields *t, unsigned score);

/*
 * The value that claims for the whole, by index + 1; 0: none.  Means by name come first.  If ${note}, two that disagree
 * are noted.
 */
unsigned fields_whole(const struct fields *t, enum claim_what what, int note);

/* The author's word for the method, by index + 1; 0: none. */
unsigned fields_method(const struct fields *t);

/* The first text of the whole; NULL if there is none. Owns: it is a claim_copy. */
char *fields_text(const struct fields *t, enum claim_what what);

/* Where a run keeps values of that meaning; NULL: nowhere. */
unsigned *fields_of_run(struct claim_run *r, enum claim_what what);

void fields_free(struct fields *t);

#endif
