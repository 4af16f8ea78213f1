#ifndef HG_LINT_H
#define HG_LINT_H

#include <jansson.h>

#include "base/str.h"

/**
 * lint_contract(name, where):
 * Is the contract ${name} itself sound: every keyword known and used as
 * schema/contract.h has it, every default within its own bounds?  For tests
 * and tools: what a product embeds has passed.
 * Errors: -1 with the reason in ${where} (may be NULL).
 * Checked: t/contracts.bats.
 */
int lint_contract(const char *name, struct str *where);

/* As lint_contract for a schema that is not embedded. */
int lint_schema(const json_t *schema, struct str *where);

#endif
