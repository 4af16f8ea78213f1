#ifndef HG_PREVIEW_H
#define HG_PREVIEW_H

#include "ledger/ledger.h"

/**
 * preview_run(l, path, json):
 * Judge a run as of the ledger's head, write its classification.json, and
 * print the verdict in words, or the file itself; of a run that has a row what
 * the verdict would be now, and the row's beside it.  Returns the exit code:
 * DONE if the run could be judged, NO if it is refused, does not count or is
 * not what its row says, PENDING if evidence is missing, NOT_YET while a stage
 * runs.
 */
int preview_run(struct ledger *l, const char *path, int json);

#endif
