#ifndef HG_PREVIEW_H
#define HG_PREVIEW_H

#include "ledger/ledger.h"

/**
 * preview_run(l, path, json):
 * Judge a run as of the ledger's head, write its classification.json, and
 * print the verdict in words, or the file itself.  Returns the exit code:
 * DONE if the run could be judged, NO if it is refused or does not count,
 * PENDING if evidence is missing, NOT_YET while a stage runs.
 */
int preview_run(struct ledger *l, const char *path, int json);

#endif
