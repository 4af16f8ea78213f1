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

/**
 * lint_check(schema, v, where):
 * As contract_check for a schema that is not embedded and is no contract of
 * ours: integers need no bounds, defaults need not keep it, what is required
 * need not be a property.
 * Errors: -1 with errno: EBADMSG ${v} breaks it; ENOTSUP it is outside the subset.
 * Checked: t/tools/schema_suite.py.
 */
int lint_check(const json_t *schema, const json_t *v, struct str *where);

#endif
