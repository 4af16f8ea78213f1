#ifndef HG_PRUNED_H
#define HG_PRUNED_H

#include <jansson.h>
#include <stdint.h>

#include "base/clock.h"
#include "run/rundir.h"

/**
 * RUN/pruned.json, hg-pruned(5): which files hg-prune removed.  The list is
 * written before a file goes: what is listed and missing was pruned, what is
 * missing alone was lost.
 */

/**
 * pruned_read(r, files):
 * The list of a run that is loaded; *files is NULL if it has none.
 * Owns:   the caller decrefs *files.
 * Errors: -1 with errno, said: EBADMSG it breaks its contract, or is another run's.
 * Checked: t/hg-prune.bats.
 */
int pruned_read(const struct rundir *r, json_t **files);

/* The entry of a file in such a list (NULL: an empty one), and of that digest unless ${sha256} is NULL; or NULL. */
const json_t *pruned_find(const json_t *files, const char *file, const char *sha256);

/* Add a file to the list, in place of what it says of that name. 0, or -1 with errno ENOMEM. */
int pruned_add(json_t *files, const char *file, uint64_t bytes, const char *sha256, const char *at);

/* Write the list, durably. 0, or -1 with errno, said. */
int pruned_write(const struct rundir *r, const json_t *files, const char *at);

/**
 * pruned_given(path, sha256, at):
 * A file that was named by its path and is not there: does the run in whose directory it was say that it was pruned?
 * 1 with when, or 0.
 */
int pruned_given(int dirfd, const char *path, const char *sha256, char at[CLOCK_TEXT_SIZE]);

#endif
