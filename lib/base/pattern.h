#ifndef HG_PATTERN_H
#define HG_PATTERN_H

#include <regex.h>

/**
 * pattern_compile(out, pattern, flags):
 * Compile the extended regular expression ${pattern} into ${out}, which the
 * caller frees by regfree(3); ${flags} are regcomp's beside REG_EXTENDED.
 * Return 0 or regcomp's error.  Where memory runs out that is REG_ESPACE:
 * glibc's own regcomp frees twice there and ends the process.
 */
int pattern_compile(regex_t *out, const char *pattern, int flags);

#endif
