#ifndef HG_LINEID_H
#define HG_LINEID_H

#include "import/claimrow.h"

/**
 * lineid_settle(all):
 * What each line of a table is called, once all of its lines are known.  A
 * column that says the same in most lines, such as the last step of equally
 * long runs, names none of them: the line's own name does then, if it tells
 * more of them apart.  A line without an id whose commit is none ("exp12") is
 * called by that, unless most lines say the same, or it is a mere word.
 * Owns: nothing; ids and names stay the entries'.
 * 0, or -1 with errno ENOMEM.
 * Checked: t/loops.bats.
 */
int lineid_settle(struct entries *all);

#endif
