#ifndef HG_INHERITED_H
#define HG_INHERITED_H

/**
 * inherited_settle():
 * Settle what this process inherited, before anything opens a file; exit_init calls it first.  Descriptors 0 to 2
 * that were closed become /dev/null, so that no file of ours is ever one of them; 0 and 1 the wrong way round, so
 * that reading and writing them still fails.  No signal is blocked; SIGCHLD is not ignored, so that children can be
 * waited for; SIGPIPE and SIGXFSZ are, so that the write tells.  HUP and INT stay ignored where they were: whoever
 * ignored them meant it.  The umask leaves the owner all permissions: what we make we can read again.
 * Errors: none; without /dev/null to put there it exits with 111, as there is nowhere to say why.
 * Checked: t/inherited.bats.
 */
void inherited_settle(void);

#endif
