#ifndef HG_NOTE_H
#define HG_NOTE_H

#include "ledger/ledger.h"

/**
 * What is said of a run after it has a row, hg-ledger(1): a note of a person's,
 * or the revocation of a promotion.  The word `altered` and a revocation bar
 * its artifact from being promoted, or from standing so, until the word
 * `cleared`.
 */

/**
 * note_bar(b, run):
 * The row that bars the run of the fact ${run}, or one with the very artifact;
 * NULL if none does, or the last was cleared.  *cleared (or NULL) is the row
 * that cleared it then.
 * Checked: t/hg-ledger.bats.
 */
const struct standings_fact *
note_bar(const struct standings *b, const struct standings_fact *run, const struct standings_fact **cleared);

/* What such a row says, as "row 7: altered: TEXT". 0, or -1 with errno, said. */
int note_tell(const struct ledger *l, const struct standings_fact *f, struct str *out);

/**
 * note_find(l, path):
 * The last row of the run at ${path}; or, where no run lies there, of one of
 * that name.  NULL with errno, said: ENOENT the ledger has none.
 */
const struct standings_fact *note_find(const struct ledger *l, const char *path);

/*
 * Begin a row of that kind about the run of a row, all but what it says. Owns: the caller frees *row. 0, or -1 with
 * errno, said.
 */
int note_begin(const struct ledger *l, enum standings_kind kind, const struct standings_fact *run, struct row *row);

#endif
