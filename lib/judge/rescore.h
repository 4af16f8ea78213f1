#ifndef HG_RESCORE_H
#define HG_RESCORE_H

#include "base/sha256.h"
#include "base/str.h"

enum rescore {
	RESCORE_SAME,
	RESCORE_DIFFERS, /* it was scored, and the score is another */
	RESCORE_UNKNOWN, /* it could not be scored now: no data, refused, busy */
	RESCORE_NOBODY   /* there is no hg-score beside this tool */
};

/**
 * rescore_run(path, scorer, found):
 * Score the run at ${path} again, in a temporary, by the hg-score that came
 * with this tool (hg-score -c), and compare with its receipt.  ${scorer} gets
 * the digest of that program, or ""; ${found}, which is empty, what was found.
 * Nothing is written.
 * Checked: t/hg-ledger.bats.
 */
enum rescore rescore_run(const char *path, char scorer[SHA256_HEX_SIZE], struct str *found);

#endif
