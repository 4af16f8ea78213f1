#ifndef HG_SPECISA_H
#define HG_SPECISA_H

#include <jansson.h>

/**
 * What system.isa may be for each system.backend, known without the backends
 * themselves, some of which are built on other machines.  Checked:
 * t/unit/keys.c, against the backends.
 */

/*
 * 0, or -1 with errno EINVAL, said, if a whole spec asks for an instruction set that its backend has not; "auto" is one
 * of any.
 */
int specisa_check(const json_t *spec);

#endif
