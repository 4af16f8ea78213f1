#ifndef HG_CONTRACT_H
#define HG_CONTRACT_H

#include <jansson.h>
#include <stddef.h>

#include "base/jsonscan.h"
#include "base/str.h"

/**
 * Contracts: what each JSON file may hold.  contracts/NAME.json is a JSON
 * Schema (2020-12), embedded at build and interpreted here, so that the
 * writers, the readers, the man pages and other people's validators follow one
 * text.  Programs carry it without its words for people ($schema, title,
 * description).  Only this subset is understood; any other keyword is an error
 * of the contract, which lint_contract finds and a check trips over:
 *
 *   type (one or several), const, enum, $ref "#/$defs/NAME", $defs,
 *   properties, required, additionalProperties (false or a schema),
 *   items, minItems, maxItems, minimum, maximum, exclusiveMinimum,
 *   exclusiveMaximum, minLength, maxLength (code points), pattern,
 *   and without effect on the verdict: $schema, title, description, default,
 *   readOnly (computed, never set by hand), x-tag (result; replicate, in which
 *   the runs of one configuration differ; system; cosmetic),
 *   x-timing (may differ when the same thing is done again), x-unit, x-since
 *   (the version that a key came with after 0.1: never required, and absent
 *   means default, see schema/later.h).
 *
 * Patterns are anchored at both ends, ASCII, and of the syntax that POSIX
 * extended and ECMA-262 expressions share (schema/lint.c says which).
 * An integer may be written 3.0, as JSON Schema has it.
 *
 * Within these keywords the JSON Schema Test Suite (draft2020-12) is followed
 * but for what is not read: true and false as schemas elsewhere than above,
 * const and enum of objects or arrays, a $ref to a $ref, other patterns, and
 * integers beyond 64 bits, which are no JSON to us.  t/tools/schema_suite.py sees
 * to it.
 */

/* Larger files are refused unread. */
#define CONTRACT_MAX_BYTES ((size_t)4 << 20)

/**
 * contract_check(name, v, where):
 * Does ${v} keep the contract ${name}?  0, or -1 with errno EBADMSG and in
 * ${where} (may be NULL) path, expected and observed: `train.seed: 3.5 is not
 * an integer`.  Nothing is said.  ${name} must be a contract (asserted).
 * Checked: t/contracts.bats, t/unit/contract.c.
 */
int contract_check(const char *name, const json_t *v, struct str *where);

/* As contract_check, and integers written 3.0 become integers in ${v}, so that readers need not care. */
int contract_accept(const char *name, json_t *v, struct str *where);

/* As contract_check, but a member that is required may be missing: a file to build upon. */
int contract_check_part(const char *name, const json_t *v, struct str *where);

/* As contract_check for the value of one member, by dotted path; an unknown path is a break too. */
int contract_check_key(const char *name, const char *path, const json_t *value, struct str *where);

/**
 * contract_read(dirfd, file, name, text_sha256, out):
 * Read a JSON file and check it.  ${text_sha256} (or NULL) gets the digest of
 * its bytes.  Integers written 3.0 become integers.
 * Owns:   the caller decrefs *out.
 * Errors: -1 with errno: ENOENT ordinary and silent; EBADMSG no JSON or a
 *         broken contract, and all others, said.
 */
int contract_read(int dirfd, const char *file, const char *name, char *text_sha256, json_t **out);

/**
 * contract_scan(dirfd, file, name):
 * As contract_read, for who needs few values of many files: its tokens, which
 * last until the next scan, and no copy of them to free.
 * Errors: NULL, of which nothing is said: contract_read is to be asked, which
 *         says why, or reads what is declined here.
 * Checked: t/unit/contract.c.
 */
const struct jsonscan *contract_scan(int dirfd, const char *file, const char *name);

/* As contract_read for text in memory, such as a line of a ledger, called ${what} in messages. NULL with errno. */
json_t *contract_parse(const char *text, size_t n, const char *what, const char *name);

/**
 * contract_pretty(name, v, n):
 * The text to publish: checked, then indented.  A value that breaks its own
 * contract is never written.
 * Owns:   the caller frees.
 * Errors: NULL with errno EBADMSG (said) or ENOMEM.
 */
char *contract_pretty(const char *name, const json_t *v, size_t *n);

/* The schema of a member by dotted path ("" is the whole), $ref followed; NULL if the contract names no such member. */
const json_t *contract_at(const char *name, const char *path);

/* How a member of an object's schema is tagged: its x-tag, or "". */
const char *contract_tag(const json_t *schema);

/* Is this one of the types that a schema names? */
int contract_has_type(const json_t *schema, const char *name);

/* The names of all contracts in order, ended by NULL; and the text of one, or NULL. */
const char *const *contract_names(void);
const char *contract_text(const char *name);

#endif
