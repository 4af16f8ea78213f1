#ifndef HG_SEARCH_H
#define HG_SEARCH_H

#include <stdint.h>

#include "base/sha256.h"
#include "base/str.h"

/**
 * Files that are known by digest and may have moved.  Where they may be is said by a list of directories, separated by
 * colons, as an environment variable has it.
 */

#define SEARCH_ANY UINT64_MAX /* the size is not known */

/* The file ${name} in ${dir}: 1 if it has this digest and size, else 0, ${hex} its digest or "" where there is none. */
int search_here(const char *dir, const char *name, const char *sha256, uint64_t size_bytes, char hex[SHA256_HEX_SIZE]);

/**
 * search_list(list, name, sha256, size_bytes, dir):
 * Look for the file in each directory of ${list} (NULL: none), and in each that
 * lies in one of these and whose name has no dot in front.  Which of several is
 * found does not matter: they are the same.
 * Errors: 1 and its directory in *dir, 0 not there, -1 with errno ENOMEM.
 * Checked: t/hg-score.bats.
 */
int search_list(const char *list, const char *name, const char *sha256, uint64_t size_bytes, struct str *dir);

#endif
