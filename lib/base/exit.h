#ifndef HG_EXIT_H
#define HG_EXIT_H

/**
 * The one table of exit codes (hg-exit(7) explains it).  Small numbers are
 * answers, 100 and up are failures; a code tells the state, never who wrote it.
 */
enum {
	HG_EXIT_DONE = 0,       /* done, yes */
	HG_EXIT_NO = 1,         /* refused, no */
	HG_EXIT_PENDING = 2,    /* evidence is missing */
	HG_EXIT_NOT_YET = 99,   /* running, busy, or the wait's deadline passed */
	HG_EXIT_USAGE = 100,    /* the command line is wrong */
	HG_EXIT_BUG = 101,      /* a failed assertion or a sanitizer report */
	HG_EXIT_RETRY = 102,    /* refused, but a retry may help */
	HG_EXIT_CONTRACT = 103, /* a file breaks its contract */
	HG_EXIT_SYSTEM = 111    /* the system failed and nothing changed */
};

/**
 * exit_init(tool):
 * First call of every main: settles what the process inherited (inherited_settle),
 * names the tool for messages, makes a failed assertion end in HG_EXIT_BUG.
 */
void exit_init(const char *tool);

/* Of two codes the one that says more: a failure over all answers, no over pending, pending over done. */
int exit_worse(int a, int b);

/**
 * exit_flush(code):
 * Flush stdout and check it: return ${code}, or HG_EXIT_SYSTEM after saying
 * why if the product could not be written.  A reader that went away, as head
 * does, wanted no more: nothing is said, and it is no failure.  Last call of
 * every main, and of whoever needs to know earlier.
 */
int exit_flush(int code);

#endif
