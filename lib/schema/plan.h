#ifndef HG_PLAN_H
#define HG_PLAN_H

#include <jansson.h>

#include "base/jsonscan.h"

/**
 * A contract made ready for many values: its keywords are read once, and a
 * check of a value looks up no names.  It says "kept" or "look closer"; why
 * not, and whatever it has no form for, is for check_value (schema/check.h),
 * whose verdict it never contradicts where it says kept.
 */
struct plan;

/**
 * plan_make(root):
 * Of a schema that lint lets pass; ${root} outlives it.  Owns: the caller frees
 * with plan_free.  Errors: NULL with errno ENOMEM.
 */
struct plan *plan_make(const json_t *root);
void plan_free(struct plan *p);

/**
 * plan_keeps(p, v, reals):
 * 1 if ${v} keeps the contract, 0 if check_value is to be asked.  *reals is
 * set where an integer may be written 3.0.
 * Checked: t/unit/contract.c, t/fuzz/plan.c, by check_value itself.
 */
int plan_keeps(const struct plan *p, const json_t *v, int *reals);

/* The same of what was scanned; 0 also where an integer may be written 3.0. */
int plan_keeps_tokens(const struct plan *p, const struct jsonscan *s);

#endif
