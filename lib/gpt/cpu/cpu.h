#ifndef HG_CPU_H
#define HG_CPU_H

/**
 * What the driver (operations.c, ops_cpu.c) and the variants (one per instruction set and
 * arithmetic) of the `cpu` backend share.
 *
 * The driver cuts every operation into tasks, hands them to the pool, and adds
 * partial sums in task order.  What is summed in one go depends on the
 * operation's shapes alone, never on threads.  A variant does one task on one
 * thread.  Hence the same bits for any number of threads.
 *
 * Rows of a buffer are padded with zeros to whole multiples of CPU_PAD
 * elements and stay so, which frees the inner loops from remainders: every
 * operation maps zeros to zeros.  CPU_SLACK elements behind the last row may be
 * read (never used), because a head's last vector may reach beyond its row.
 */

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "gpt/ops.h"
#include "gpt/cpu/measure.h"

#define CPU_PAD OPS_WHOLE
#define CPU_SLACK 64
#define CPU_COLS 256         /* columns of a product worked on at a time: their float32 block stays in L1 and L2 */
#define CPU_KEYS 256         /* keys of an attention block */
#define CPU_BACK_KEYS 64     /* and of a block of its backward, */
#define CPU_BACK_QUERIES 256 /* which goes over so many queries at a time */

struct cpu_kernels;

struct ops_buf {
	enum ops_role role;
	int bf16;                  /* elements of data are bfloat16, not float */
	size_t rows, cols, ld;     /* ld: elements from row to row */
	void *data;                /* NULL where rows must be asked for first (tables.h) */
	void *home;                /* where data is, always */
	int placed;                /* data is part of another buffer's */
	struct cpu_panels *panels; /* OPS_WEIGHT, OPS_CACHE */
	struct cpu_table *table;   /* OPS_TABLE, OPS_ROWS, in training */
	struct ops_buf *of;        /* Adam's moments of a table: that table */
};

/* What a step of Adam multiplies with. */
struct cpu_adam {
	float rate, fix2, eps; /* the rate without m's bias, the factor against v's */
	float beta1, beta2, rest1, rest2;
	float scale; /* of gradients */
};

/* Steps that a row may be behind. */
#define CPU_LATE 64

/* What is known of the rows of a table, or of its gradient; see tables.h. */
struct cpu_table {
	struct ops_buf *self;
	unsigned char
	    *rows;      /* of a table: how many steps of late a row has had; of a gradient: whether it was written */
	uint32_t *list; /* rows at hand; of a gradient those that were written */
	size_t listed;
	int tracked; /* gradient: all rows but the listed ones are zeros */

	struct ops_adam p; /* table: as Adam has it, w NULL before the first step */
	size_t late;       /* steps that some rows have not had */
	struct cpu_adam steps[CPU_LATE];
};

/*
 * A weight as products take it: kept, and refreshed whenever data changes, or packed for one operation at a time.  Of
 * an OPS_CACHE by_row alone, what attention packed of the rows that it has seen, by kv head; then of each the norm of
 * its longest key.
 */
struct cpu_panels {
	int kept;
	float *by_row; /* for x w^T: panel columns are rows of w */
	float *by_col; /* for dy w: panel columns are columns of w; training only */
};

/* Bump allocator over one thread's scratch. */
struct cpu_scratch {
	char *at, *end;
};

static inline __attribute__((unused)) void *
cpu_take(struct cpu_scratch *s, size_t bytes)
{
	char *p = s->at;

	s->at += (bytes + 63) / 64 * 64;
	assert(s->at <= s->end);
	return (p);
}

static inline __attribute__((unused)) size_t
cpu_pad(size_t n)
{
	return ((n + CPU_PAD - 1) / CPU_PAD * CPU_PAD);
}

/*
 * The head's backward in one pass.  No logit is beyond the cap; while powers of the cap and sums of them are far from
 * where floats end, nothing need be counted off from them, and a few columns at a time do.  With a larger cap it is the
 * row's largest logit, so that they are all of the row's.
 */
#define CPU_CAP_OF_POWERS 43.0

static inline __attribute__((unused)) size_t
cpu_logits(const struct ops_geometry *g)
{
	const size_t V = cpu_pad(g->vocab_size);

	return (g->logit_softcap <= CPU_CAP_OF_POWERS && V > CPU_COLS ? CPU_COLS : V);
}

/* Whether anybody wants some of the rows r0..r0+n-1. */
static inline __attribute__((unused)) int
cpu_wants(struct ops_rows rows, size_t r0, size_t n)
{
	return (r0 % rows.T >= rows.from || r0 % rows.T + n > rows.from);
}

/*
 * Rows of one pass whose weight gradients are summed in one go: left sides transposed, right sides in panels.  For many
 * threads several chunks stand at a time, one behind the other; the sums of each remain its own.
 */
struct cpu_chunk {
	size_t row0, rows;                  /* of all that stand */
	size_t size;                        /* rows of one of them, the last of a pass may have fewer */
	size_t ld;                          /* units from row to row of left */
	size_t depth;                       /* units of a panel of right */
	float *left[3];                     /* of the first: (outputs, rows); the third for a gated MLP */
	float *right[2];                    /* panels (rows, inputs) */
	size_t next_left[3], next_right[2]; /* floats from a chunk to the next */
};

/*
 * For each chunk in turn dw += scale * left right, by rows; dots, if wanted, gets <w[row], (left right)[row]> of these
 * columns.
 */
struct cpu_product {
	const struct cpu_chunk *chunk;
	size_t left, right; /* which of its sides, */
	size_t left_row;    /* and from which of the left's rows on */
	size_t out, in;
	size_t tile_rows; /* at most row_block; the same for all products of a round */
	struct ops_buf *dw;
	const float *scale;      /* NULL: ones */
	const struct ops_buf *w; /* for dots */
	float *dots;             /* (chunks, tile columns, out); NULL if not wanted */
	float *dscale;           /* where dots are added */
};

/*
 * Muon on one matrix, stage by stage; the parts of a stage need only what stood before it and write what is their own,
 * so that threads may share them.  Those from PACK to UPDATE make a step of Newton-Schulz and come again for the next.
 * Of several at once (cpu_muon_run) all but the last end at RETURN or ALL, and all but the first begin at PACK_SQUARE.
 */
enum cpu_muon_stage {
	CPU_MUON_MOMENTUM,
	CPU_MUON_BEGIN,
	CPU_MUON_PACK,
	CPU_MUON_SQUARE,
	CPU_MUON_PACK_SQUARE,
	CPU_MUON_CUBIC,
	CPU_MUON_TIMES, /* of all but the last: A becomes P A, */
	CPU_MUON_PACK_TIMES,
	CPU_MUON_RETURN,   /* and P A P */
	CPU_MUON_PACK_ALL, /* of all but the first: what they multiply with, together */
	CPU_MUON_ALL,
	CPU_MUON_PACK_COLS,
	CPU_MUON_UPDATE,
	CPU_MUON_NEURONS,
	CPU_MUON_END
};

/* The matrix on its way, turned so that m <= n: rows ldx and lda elements apart. */
struct cpu_muon {
	const struct ops_muon *p;
	const struct ops_muon_law *law;
	size_t rows, piece; /* of a part that multiplies, of one that streams: multiples of CPU_PAD if there are more */
	size_t m, n, ldx, lda;
	float *exact;         /* (m, n) unrounded, for a X and the result */
	void *x;              /* the same as the products take it */
	void *square, *cubic; /* A and b A + c A^2, or of steps at once what they multiply with but for its a I */
	void *later;          /* of their second step and those behind it b A + c A^2; NULL: each is computed alone */
	size_t at_once;       /* steps at most */
	float *panels;
	float *sums, *factors; /* by row of p */
};

/* Steps ${first} to ${end} - 1 are computed at once. */
struct cpu_muon_run {
	int first, end;
};

/*
 * The run that a step is in.  In float32 runs are of one length, or one longer behind; in bf16 only the last two steps
 * are a run: what rounding makes of A in a run all later steps enlarge, and nobody sees it in X (NOTES.md).
 */
static inline struct cpu_muon_run
cpu_muon_run(const struct cpu_muon *m, int step)
{
	const int steps = m->law->ns_steps, runs = (steps + (int)m->at_once - 1) / (int)m->at_once;
	int k = 0;

	if (m->at_once == 1 || steps == 0 || (m->at_once == 2 && step < steps - 2))
		return ((struct cpu_muon_run){ step, step + 1 });
	if (m->at_once == 2)
		return ((struct cpu_muon_run){ steps > 2 ? steps - 2 : 0, steps });
	while (steps * (k + 1) / runs <= step)
		k++;
	return ((struct cpu_muon_run){ steps * k / runs, steps * (k + 1) / runs });
}

struct ops_ctx {
	struct ops_geometry g;
	enum ops_arith arith;
	unsigned numerics; /* 2: the head's backward in one pass */
	const struct cpu_kernels *kernels;
	const char *isa;
	struct pool *pool;
	int training;
	int held;             /* a loss since begin was not finite: no updates */
	size_t head_dim;      /* D */
	size_t turning;       /* elements of a head that turn */
	float *cosine, *sine; /* (max_positions, turning / 2) */

	char *block;          /* scratch, panels, chunk, keys and values; or Muon's */
	size_t scratch_bytes; /* of a thread's piece of it */
	size_t muon_bytes;    /* likewise, while Muon has it to itself */
	float *panels;        /* of the weights of the operation at hand, unless they are kept */
	struct cpu_chunk chunk;
	size_t chunk_rows, head_rows; /* most rows of a chunk; in head */
	size_t chunks;                /* that stand at a time */
	float *keys, *values;         /* attention: packed for the products, by sequence of a group and kv head */
	float *longest;               /* the norm of the longest key, likewise */
	size_t group;                 /* sequences whose keys and values are packed at a time */
	float *partial;               /* sums of single tasks, added in task order */
	struct muon_task *muon;       /* room for so many of them */
	size_t muon_room;
	float *found; /* (chunk_rows, bigram_dim padded): gradients of rows of the table of pairs */
	double seconds[OPS_CPU_PHASES];
	measure_ended *ended; /* NULL: nobody watches */
	void *cookie;
};

/**
 * One variant.  Every function works on rows r0..r0+n-1, or on one numbered
 * task, on the calling thread.  Scratch sizes are in sizes.c; cpu_take asserts.
 */
struct cpu_kernels {
	const char *name;
	size_t row_block; /* rows of a task: a multiple of the tile's, and of 32 */
	size_t per_unit;  /* elements in 32 bits: 1 or 2 */
	size_t unit_pad;  /* inner lengths are padded to a multiple of so many units */

	void (*gemm)(size_t m, size_t n, size_t units, const float *a, size_t lda, const float *b, size_t depth,
	    float *c, size_t ldc, int add);
	void (*pack_by_row)(float *panels, size_t depth, const float *src, size_t ld, size_t rows, size_t k);
	void (*pack_by_col)(float *panels, size_t depth, const float *src, size_t ld, size_t rows, size_t cols);
	void (*narrow)(void *dst, const float *src, size_t n); /* float32 to this variant's activations */

	void (*embed)(const struct ops_ctx *c, struct ops_buf *x0, const struct ops_buf *ids, const struct ops_buf *emb,
	    size_t r0, size_t n);
	void (*embed_rates)(const struct ops_ctx *c, float *rates, const struct ops_buf *dx0, const struct ops_buf *ids,
	    const struct ops_buf *emb, size_t r0, size_t n);
	void (*embed_grad)(const struct ops_ctx *c, struct ops_buf *demb, const float *rates, const struct ops_buf *dx0,
	    const struct ops_buf *ids, const struct ops_buf *emb, size_t rows, size_t col0, size_t cols);
	void (*qkv)(const struct ops_ctx *c, struct ops_rows rows, const struct ops_qkv *a, size_t r0, size_t n,
	    struct cpu_scratch s);
	void (*qkv_grad)(const struct ops_ctx *c, struct ops_rows rows, const struct ops_qkv *a,
	    const struct ops_qkv_grad *d, float *sums, size_t r0, size_t n, struct cpu_scratch s);
	void (*attention_pack)(const struct ops_ctx *c, struct ops_rows rows, const struct ops_attention *a, size_t b,
	    size_t kv);
	void (*attention)(const struct ops_ctx *c, struct ops_rows rows, const struct ops_attention *a, size_t b,
	    size_t h, size_t t0, size_t n, struct cpu_scratch s);
	void (*attention_grad)(const struct ops_ctx *c, struct ops_rows rows, const struct ops_attention *a,
	    const struct ops_attention_grad *d, size_t b, size_t kv, float *dgain, struct cpu_scratch s);
	void (*proj)(const struct ops_ctx *c, const struct ops_proj *a, size_t r0, size_t n, struct cpu_scratch s);
	void (*proj_grad)(const struct ops_ctx *c, const struct ops_proj *a, const struct ops_proj_grad *d, size_t r0,
	    size_t n, struct cpu_scratch s);
	void (*mlp)(const struct ops_ctx *c, const struct ops_mlp *a, size_t r0, size_t n, struct cpu_scratch s);
	void (*mlp_grad)(const struct ops_ctx *c, const struct ops_mlp *a, const struct ops_mlp_grad *d, size_t r0,
	    size_t n, struct cpu_scratch s);
	void (*gram)(const struct ops_ctx *c, const struct ops_gram *a, size_t r0, size_t n, struct cpu_scratch s);
	void (*head)(const struct ops_ctx *c, const struct ops_head *a, size_t r0, size_t n, struct cpu_scratch s);
	void (*logits)(const struct ops_ctx *c, struct ops_buf *out, size_t out0, const struct ops_buf *x, size_t r0,
	    size_t n, const struct ops_buf *w, const struct ops_prior *prior, struct cpu_scratch s);
	/* Tile (row0, col0) of a weight gradient: tile_rows rows, CPU_COLS columns. */
	void (*product)(const struct cpu_product *p, size_t row0, size_t col0, struct cpu_scratch s);
	void (*add)(struct ops_buf *dst, const struct ops_buf *src, size_t r0, size_t n);
	void (*context_embed)(const struct ops_ctx *c, struct ops_rows rows, const struct ops_context *a, size_t r0,
	    size_t n, struct cpu_scratch s);
	void (*context_norm)(const struct ops_ctx *c, struct ops_rows rows, const struct ops_context *a, size_t r0,
	    size_t n);
	void (*context_back)(const struct ops_ctx *c, const struct ops_context *a, const struct ops_context_grad *d,
	    float *rates, float *sums, size_t r0, size_t n, struct cpu_scratch s);
	void (*context_de)(const struct ops_context *a, const struct ops_context_grad *d, const float *rates,
	    size_t all, size_t r0, size_t n);
	void (*scatter)(struct ops_buf *dst, const struct ops_buf *ids, const float *src, float scale, size_t row0,
	    size_t n, size_t col0);
	void (*pairs_back)(const struct ops_ctx *c, const struct ops_context *a, const struct ops_context_grad *d,
	    float *found, float *dots, size_t r0, size_t n, struct cpu_scratch s);
	void (*values)(const struct ops_ctx *c, struct ops_rows rows, const struct ops_values *a, size_t r0, size_t n);
	void (*values_grad)(const struct ops_ctx *c, const struct ops_values *a, const struct ops_values_grad *d,
	    float *rates, float *sums, size_t r0, size_t n);
	void (*values_scatter)(const struct ops_ctx *c, const struct ops_values *a, const struct ops_values_grad *d,
	    const float *rates, size_t rows, size_t col0);
	void (*output)(const struct ops_ctx *c, struct ops_rows rows, const struct ops_output *a, size_t r0, size_t n);
	void (*output_grad)(const struct ops_ctx *c, const struct ops_output *a, const struct ops_output_grad *d,
	    float *sums, size_t r0, size_t n);
	void (*skip)(const struct ops_skip *a, size_t r0, size_t n);
	void (*skip_grad)(const struct ops_skip *a, const struct ops_skip_grad *d, float *sums, size_t r0, size_t n);
	void (*lanes)(const struct ops_lanes *a, size_t r0, size_t n);
	void (*lanes_grad)(const struct ops_lanes *a, const struct ops_lanes_grad *d, float *sums, size_t r0, size_t n);
	double (*sumsq)(const float *x, size_t n);
	/* As sumsq, over rows of ${ld} elements, of which all but those marked are zeros. */
	double (*sumsq_rows)(const float *x, size_t ld, const unsigned char *marked, size_t rows);
	/* A part of a stage; step: of Newton-Schulz, from 0; s: ${rows} rows of a product. */
	void (*muon)(const struct cpu_muon *m, enum cpu_muon_stage stage, int step, size_t part, struct cpu_scratch s);
	void (*adam)(const struct ops_adam *p, const struct cpu_adam *by, size_t first, size_t n);
	/* So many steps of adam one after another, without gradient. */
	void (*adam_late)(const struct ops_adam *p, const struct cpu_adam *by, size_t steps, size_t first, size_t n);
	void (*average)(const struct ops_average *p, float keep, size_t first, size_t n);
};

/* Units in k elements, padded as this variant wants them. */
static inline __attribute__((unused)) size_t
cpu_units(const struct cpu_kernels *v, size_t k)
{
	return (((k + v->per_unit - 1) / v->per_unit + v->unit_pad - 1) / v->unit_pad * v->unit_pad);
}

extern const struct cpu_kernels portable_fp32, portable_bf16;
#if defined(__x86_64__)
extern const struct cpu_kernels avx2_fp32, avx2_bf16;
extern const struct cpu_kernels avx512_fp32, avx512_bf16, avx512dot_bf16, amx_bf16, amx_emulated_bf16;
#endif

#endif
