#ifndef HG_VERDICTS_H
#define HG_VERDICTS_H

#include "import/rejudge.h"

/**
 * What rejudge found, for people and for programs: a line for each row in
 * order of time, what they were scored on, the groups, and a summary.
 * Errors: verdicts_json -1 with errno ENOMEM.
 */
void verdicts_print(const struct rejudge *r);

/* Its rows alone, with a heading. */
void verdicts_rows(const struct rejudge *r);
int verdicts_json(const struct rejudge *r);

/* The name of a validation text: A, B, ... Z, AA, ... Returns ${out}. */
char *verdicts_text(char out[8], int text);

#endif
