#ifndef HG_REPLAY_H
#define HG_REPLAY_H

/**
 * replay_ledger(path, quiet):
 * Derive every verdict of a ledger again, from its rows alone, and say where
 * what stands there differs: runs and confirmations (class, reason, numbers,
 * incumbent), calibrations, plans (seeds, level), and that no run stands there
 * twice.  Prints a summary line.  Returns the exit code: DONE if nothing
 * differs, NO if something does, CONTRACT if it can't be read.
 */
int replay_ledger(const char *path);

#endif
