#ifndef HG_ROOM_H
#define HG_ROOM_H

#include "campaign/campaign.h"

/* What keeps whoever asks from beginning anything in a campaign. */
struct room {
	const char *reason; /* "disk_full" or "not_writable"; NULL: nothing does */
	char why[256];      /* and what is to be mended */
};

/**
 * room_look(c, run, room):
 * Could a pass of whoever asks write what it has to: its log, runs/ and the run
 * runs/${run} if there is one (NULL: none), and the ledger?  It is asked of
 * permissions and file systems, and nothing is tried.
 * Checked: t/hg-triage.bats.
 */
void room_look(const struct campaign *c, const char *run, struct room *room);

#endif
