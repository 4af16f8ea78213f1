#ifndef HG_TREE_H
#define HG_TREE_H

#include <stdint.h>

/**
 * Directories that others filled, of any depth and with any names: symbolic
 * links are never followed, and depth costs no stack and no descriptors.
 * Checked: t/unit/base.c.
 */

/* Make the directories on the way to ${name}, a path of at most 255 bytes. 0, or -1 with errno. */
int tree_make_way(int at, const char *name);

/* Where a measure of a tree ends. */
struct tree_limits {
	uint64_t bytes, entries, depth;
};

/**
 * tree_measure(at, name, limits, bytes):
 * Add what the files below directory ${name} take on the disk to *bytes.  What vanishes meanwhile is not counted.
 * Returns 0; 1 once there is more of anything than ${limits} allow, or a directory that can't be looked into.
 * Errors: -1 with errno.
 */
int tree_measure(int at, const char *name, const struct tree_limits *limits, uint64_t *bytes);

/* Remove ${name} and all below it; what is not there is removed. 0, or -1 with errno. */
int tree_remove(int at, const char *name);

#endif
