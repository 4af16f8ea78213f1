#ifndef HG_SIZES_H
#define HG_SIZES_H

#include <stddef.h>

#include "gpt/ops.h"

/**
 * How much memory the cpu backend takes, from shapes alone: what open and alloc ask for, and what a reckoning before
 * them does.  Links no kernel.
 */

/* What of a variant sizes depend on; as in struct cpu_kernels. */
struct sizes_kernels {
	size_t row_block, per_unit, unit_pad;
};

/* The likeliest variant of an arithmetic; another's sizes differ by less than a percent. */
struct sizes_kernels sizes_usual(enum ops_arith arith);

/**
 * Of a context.  All but the tables and partial sums is one block, in which an operation of Muon needs only a piece of
 * ${muon} bytes for each thread, and every other one the pieces beside it: those are never in use at the same time.
 * Units: bytes, but rows and sequences.
 */
struct sizes {
	size_t chunk_rows, head_rows; /* most rows of a chunk; in head */
	size_t chunks;                /* that stand at a time, so that many threads find work */
	size_t group;                 /* sequences whose keys and values are packed at a time */

	size_t scratch;  /* of a thread, for all but Muon */
	size_t muon;     /* of a thread, for Muon; 0 unless training */
	size_t left[3];  /* of a chunk */
	size_t right[2]; /* likewise */
	size_t found;    /* gradients of rows of the table of pairs, of all chunks */
	size_t keys;     /* packed, and values likewise; where the chunk is while there is none */
	size_t panels;   /* of the weights of one operation, where they are packed when it needs them; else 0 */
	size_t block;    /* all of these */
	size_t table;    /* of cosines, and of sines */
	size_t partial;  /* sums of single tasks */
	size_t longest;  /* norms of keys */
	size_t whole;    /* all that open takes */
};

struct sizes sizes_of(const struct ops_geometry *g, struct sizes_kernels k, int training, unsigned threads);

/* Of what an OPS_CACHE of so many rows has packed. */
size_t sizes_cache(const struct ops_geometry *g, size_t rows);

/* Of what stands beside an OPS_TABLE or OPS_ROWS of so many rows in training. */
size_t sizes_table(size_t rows);

/*
 * Bytes of a buffer as alloc makes it, with the panels that stand beside a weight where they are kept, and what is kept
 * of the rows of a table.
 */
size_t sizes_buffer(const struct ops_geometry *g, struct sizes_kernels k, int training, enum ops_role role, size_t rows,
    size_t cols);

/* Whether the panels of weights are kept, rather than packed for each operation. */
int sizes_keeps_panels(const struct ops_geometry *g, int training);

#endif
