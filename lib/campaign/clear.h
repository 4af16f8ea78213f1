#ifndef HG_CLEAR_H
#define HG_CLEAR_H

#include "campaign/triage.h"

/**
 * What would clear an escalated request.
 * Checked: t/hg-report.bats.
 */

/* In words, one reason. */
const char *clear_words(enum reason reason);

/* The reasons that a line names, a bit each; 0 where it is not escalated. */
unsigned clear_reasons(const struct triage_line *line);

/**
 * clear_command(t, line, out):
 * Append the command that writes the owner's answer to these very bytes, for
 * all its reasons; nothing if one of them is cleared by no answer.
 * Errors: -1 with errno.
 */
int clear_command(const struct triage *t, const struct triage_line *line, struct str *out);

#endif
