#ifndef HG_DURABLE_H
#define HG_DURABLE_H

#include <stdint.h>
#include <sys/types.h>

#include "t/torture/calls.h"

/**
 * The durability order, read from a trace: a kill never loses the page cache,
 * so that no kill can show a missing fsync.  Told every call of a process
 * tree, it complains of
 *
 *   unsynced-data     a name published before the bytes behind it were synced
 *   unsynced-name     a marker published, or a command ended in an answer, before the
 *                     directory that got an earlier name was synced
 *   unsynced-append   likewise, for records appended in place: by itself, by a dead process
 *                     that it started, or by a dead one whose file it has read since
 *   written-in-place  bytes changed behind a name that readers trust
 *   overwritable      a result published by a call that would overwrite another
 *   failed-sync       bytes published, or success claimed, although a sync of them failed; a command that
 *                     ends in a refusal because of it claims nothing of what is replaced now and then
 *
 * What each file name promises stands in one table in durable.c (DESIGN.md,
 * "The run directory").  Names with a component that starts with a dot are
 * temporaries and promise nothing, as does what lies in the directories of programs.
 */
struct durable;

/* say is called with each complaint: its rule and the rest of the line. NULL with errno ENOMEM. */
struct durable *durable_new(void (*say)(const char *rule, const char *text));
void durable_free(struct durable *d);

/* Judge what lies below this directory; several may be added. 0, or -1 with errno. */
int durable_guard(struct durable *d, const char *dir);

/* A process has come, started by another. */
void durable_began(struct durable *d, pid_t tgid, pid_t parent);

/* A process of the tree enters a call, then leaves it with a result; command is the pid of the exec it belongs to. */
void durable_enter(struct durable *d, pid_t tid, pid_t tgid, pid_t command, const struct calls *c);
void durable_leave(struct durable *d, pid_t tid, int64_t result);

/* What a process claims by how it ended: nothing, that it refused, or that what it did is done. */
enum durable_answer { DURABLE_NONE, DURABLE_REFUSED, DURABLE_DONE };

void durable_ended(struct durable *d, pid_t tgid, pid_t command, enum durable_answer answer);

#endif
