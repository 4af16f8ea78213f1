#ifndef HG_SPECISA_H
#define HG_SPECISA_H

#include <jansson.h>

/**
 * What system.isa may be for each system.backend, known without the backends
 * themselves, some of which are built on other machines.  Checked:
 * t/unit/keys.c, against the backends.
 */

/* The names of a backend, blanks between, fastest first; "auto" is one of any. NULL: no such backend. */
const char *specisa_names(const char *backend);

/* 0, or -1 with errno EINVAL, said, if a whole spec asks for an instruction set that its backend has not. */
int specisa_check(const json_t *spec);

#endif
