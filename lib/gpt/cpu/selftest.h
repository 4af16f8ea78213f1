#ifndef HG_SELFTEST_H
#define HG_SELFTEST_H

#include "gpt/ops.h"

/**
 * selftest_run(ops, ctx, arith):
 * A small known case, one block forward and backward and a Muon update, on a
 * context opened with selftest_args(); compared with the reference backend.
 * Returns 0, or -1 with errno: EPROTO after saying which quantity disagrees, ENOMEM.
 */
int selftest_run(const struct ops *ops, struct ops_ctx *ctx, enum ops_arith arith);

/* How the context must be opened. */
struct ops_open_args selftest_args(enum ops_arith arith);

#endif
