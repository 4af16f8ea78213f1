#ifndef HG_ATOMFILE_H
#define HG_ATOMFILE_H

#include <stddef.h>

/**
 * The file verbs.  A reader sees a file's old bytes or its new ones, never
 * half; a kill at any system call leaves at most a temporary behind, which
 * atomfile_sweep removes.  ${name} lies directly in ${dirfd}.
 *
 *   replace  temporary, full write, fsync, close, rename, fsync of the directory
 *   create   likewise, but published by a rename that refuses to overwrite, or by link
 *   post     replace without any fsync: progress, worthless after a crash
 *   append   one write at the end, then fsync; for the holder of the file's lock
 *
 * Errors: -1 with errno; nothing is said.  create: EEXIST if the name is taken.
 * Source: renameat2(2) with RENAME_NOREPLACE; link(2) as in git's objects and multilog.
 * Checked: t/unit/base.c, t/torture.bats.
 */
enum atomfile_verb { ATOMFILE_REPLACE, ATOMFILE_CREATE, ATOMFILE_POST };

int atomfile_replace(int dirfd, const char *name, const void *data, size_t n);
int atomfile_create(int dirfd, const char *name, const void *data, size_t n);
int atomfile_post(int dirfd, const char *name, const void *data, size_t n);
int atomfile_append(int dirfd, const char *name, const void *data, size_t n);

/**
 * The same for bytes that come piece by piece: begin opens the temporary, whose
 * descriptor atomfile_fd lends; commit publishes; abort removes.  Both release a.
 * With verb POST commit does not fsync.
 */
struct atomfile;
struct atomfile *atomfile_begin(int dirfd, const char *name);
int atomfile_fd(const struct atomfile *a);
int atomfile_commit(struct atomfile *a, enum atomfile_verb verb);
void atomfile_abort(struct atomfile *a);

/**
 * Remove what writers of ${name} left that have ended: by pid, start time and
 * boot, which the temporary's name holds; those of another machine or boot once
 * they have not been written for ten minutes.  Others' that write go on.  0 or -1.
 * Checked: t/unit/base.c, t/locks.bats.
 */
int atomfile_sweep(int dirfd, const char *name);

/* Remove ${name}; a missing one is fine. The directory is not synced. */
int atomfile_remove(int dirfd, const char *name);

/* fsync a directory. */
int atomfile_sync_dir(int dirfd);

#endif
