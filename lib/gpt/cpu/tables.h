#ifndef HG_TABLES_H
#define HG_TABLES_H

#include "gpt/cpu/cpu.h"

/**
 * Large tables of which a step looks at few rows (OPS_TABLE, OPS_ROWS).
 *
 * Of a gradient it is known which rows were written since zeros were made of it: only those are made zeros, summed and
 * read again.  A row without gradient moves by what Adam has in m and v alone, by factors that are the same for all
 * rows: so it is left behind, and moved through up to CPU_LATE steps at once when somebody looks at it, by the same
 * operations in the same order.  Every bit is that of a table of which each step updates every row.
 *
 * While rows are behind, or a gradient's are known, data of the buffers is NULL: an operation that has not said here
 * which rows it wants can't read one or miss one, it faults.  Whoever wants all of a buffer asks for it whole.
 * Without training, and before the first step, all are buffers like any other.
 *
 * Checked: t/unit/tables.c, against the same training with each row updated in each step (model_args.tables).
 */

/* What is kept beside a buffer of the two roles. Errors: -1, ENOMEM. */
int tables_take(const struct ops_ctx *c, struct ops_buf *buf);

/* Before a buffer's memory is given back: nothing else refers to it, and what refers to it is whole. */
void tables_forget(struct ops_ctx *c, struct ops_buf *buf);

/* Rows ${ids}, n of them, are going to be read, or added to; until the buffer is left. */
void tables_look(struct ops_ctx *c, const struct ops_buf *buf, const struct ops_buf *ids, size_t n);
void tables_mark(struct ops_buf *rows, const struct ops_buf *ids, size_t n);
void tables_leave(const struct ops_buf *buf);

/* All of a table or of one of its moments is going to be read or written. */
void tables_whole(struct ops_ctx *c, const struct ops_buf *buf);

/*
 * Whether it is known which rows of a gradient were written; zero: make zeros of them; dense: all are going to be read
 * or written, and nothing is known from now on; track: all are zeros now.
 */
int tables_is_tracked(const struct ops_buf *rows);
void tables_zero(struct ops_ctx *c, struct ops_buf *rows);
void tables_dense(struct ops_buf *rows);
void tables_track(struct ops_buf *rows);

/* A step of Adam, if this is a table whose gradient's rows are known: 1, else 0, and nothing was done. */
int tables_adam(struct ops_ctx *c, const struct ops_adam *p, const struct cpu_adam *by);

#endif
