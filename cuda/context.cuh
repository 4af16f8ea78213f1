#ifndef HG_CONTEXT_CUH
#define HG_CONTEXT_CUH

/**
 * One opened card, for the host side of the operations: the streams, scratch
 * that all of them share, and how kernels are launched.
 *
 * Element types: weights, vectors, streams and statistics are float32; the
 * activations (OPS_ACT, and scratch marked act) are bf16 under OPS_BF16, else
 * float32; a weight has a copy of that type too, which the products read.
 * Scratch is allocated by open, from the geometry; a step allocates nothing.
 */

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "check.cuh"
#include "device.cuh"
#include "graph.cuh"

extern "C" {
#include "gpt/ops.h"
#include "base/say.h"
}

struct ops_buf {
	enum ops_role role;
	size_t rows, cols;
	size_t words;		/* of data, in units of 4 bytes */
	void *data;		/* float, int32_t, or the activation's type */
	bf16 *low;		/* OPS_WEIGHT under OPS_BF16: the rounded copy */
};

enum {
	ROW_THREADS = 128,	/* a warp for each row: four rows a block */
	STRIP_ROWS = 128,	/* rows whose column sums one block adds up */
	MUON_BATCH = 20,	/* matrices of one shape orthogonalised at once */
	SUM_BLOCKS = 256,	/* partial sums of a reduction over everything */
	PLANS = 128,		/* shapes of products */
	STAGING = 1 << 20,	/* floats */
	LOGITS = 1 << 23,	/* at a time, in the head */
	PRODUCT_WORKSPACE = 32 << 20
};

struct transfer;			/* transfer.cu */
struct plan;			/* product.cu */
struct profile;			/* profile.cu */
struct tape;			/* graph.cu */

struct ops_ctx {
	struct ops_geometry g;
	enum ops_arith arith;
	bool training;
	int C, H, K, D, KD, F, V;	/* the geometry under its letters */
	float eps;
	char isa[16], library[200];
	cudaStream_t stream;	/* all that computes, in order */
	cudaStream_t copies;	/* what travels beside it */
	struct tape *tape;
	struct transfer *transfer;

	cublasLtHandle_t blas;
	void *workspace;
	struct plan *plans;
	size_t plan_count;

	float *cosine, *sine;	/* (max_positions, context_half) */
	/* Scratch, N = max_rows */
	void *h;		/* act (N, C): a normed input */
	void *d;		/* act (N, C): a stream's gradient, rounded */
	float *dh;		/* (N, C): gradient of h */
	void *square;		/* act (N, F): relu^2 */
	void *dr, *dgate;	/* act (N, F); the second for a gated MLP */
	void *pairs;		/* act (N, bigram_dim): rows of the table of pairs, where there is one */
	float *dpairs;		/* (N, bigram_dim): gradient of such rows */
	float *r, *mean;	/* (N): reciprocal rms, and mean of dh * h */
	float *delta;		/* (N, H): rows of attention's backward */
	float *partial;		/* (strips, 3 C), or more for many heads: sums by strip */
	void *scaled;		/* act: a weight whose rows are scaled, at most context_matrix */
	float *dw;		/* as large: the gradient of such a weight */
	float *z;		/* (head_rows, V): logits */
	void *dz;		/* act (head_rows, V) */
	size_t head_rows;
	void *muon[2];		/* act (MUON_BATCH, context_matrix): the matrices and their successors */
	void *gram[2];		/* act (MUON_BATCH, C, C) */
	double *sums;		/* (SUM_BLOCKS + 1), and more for Muon */
	float *factors;		/* (MUON_BATCH, max(C, F)): of a matrix's rows */
	float *staging;		/* device: conversion between host float32 and act */
	int *held;		/* device: a loss since begin was not finite, so nothing is updated */

	void **owned;		/* every device allocation of the context itself */
	size_t owned_count, owned_room;
	int starved;		/* one of them failed */

	struct profile *profile;	/* NULL unless asked for */
};

/* Half of the elements of a head that turn. */
static inline int
context_half(const struct ops_ctx *ctx)
{
	return ((ctx->g.rope_dims != 0 ? (int)ctx->g.rope_dims : ctx->D) / 2);
}

/* Elements of the largest matrix that products read a scaled copy of, or Muon updates. */
static inline size_t
context_matrix(const struct ops_ctx *ctx)
{
	const size_t side = ctx->F > ctx->C ? (size_t)ctx->F : (size_t)ctx->C;

	return ((size_t)ctx->C * (ctx->g.bigram_dim > side ? ctx->g.bigram_dim : side));
}

/* product.cu */
int product_open(struct ops_ctx *ctx);
void product_close(struct ops_ctx *ctx);

/* attention.cu, attention_grad.cu: let the kernels have the shared memory they need. */
void attention_open(struct ops_ctx *ctx);
void attention_grad_open(struct ops_ctx *ctx);

/* profile.cu: time between two marks in the stream, by name. */
void profile_open(struct ops_ctx *ctx);
void profile_close(struct ops_ctx *ctx);
void profile_begin(struct ops_ctx *ctx, const char *name);
void profile_end(struct ops_ctx *ctx);

/* The operations, each in the file of its name. */
void cuda_begin(struct ops_ctx *ctx);
void cuda_zero(struct ops_ctx *ctx, struct ops_buf *const *bufs, size_t count);
void cuda_add(struct ops_ctx *ctx, struct ops_rows rows, struct ops_buf *dst, const struct ops_buf *src);
void cuda_embed(struct ops_ctx *ctx, struct ops_rows rows, struct ops_buf *x0, const struct ops_buf *ids,
    const struct ops_buf *emb);
void cuda_embed_grad(struct ops_ctx *ctx, struct ops_rows rows, struct ops_buf *demb, const struct ops_buf *dx0,
    const struct ops_buf *ids, const struct ops_buf *emb);
void cuda_qkv(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_qkv *a);
void cuda_qkv_grad(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_qkv *a, const struct ops_qkv_grad *d);
void cuda_attention(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_attention *a);
void cuda_attention_grad(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_attention *a,
    const struct ops_attention_grad *d);
void cuda_proj(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_proj *a);
void cuda_proj_grad(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_proj *a, const struct ops_proj_grad *d);
void cuda_mlp(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_mlp *a);
void cuda_gram(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_gram *a);
void cuda_mlp_grad(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_mlp *a, const struct ops_mlp_grad *d);
void cuda_head(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_head *a);
void cuda_logits(struct ops_ctx *ctx, struct ops_buf *out, const struct ops_buf *x, size_t first, size_t count,
    const struct ops_buf *w, const struct ops_prior *prior);
void cuda_context(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_context *a);
void cuda_context_grad(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_context *a,
    const struct ops_context_grad *d);
void cuda_values(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_values *a);
void cuda_values_grad(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_values *a,
    const struct ops_values_grad *d);
void cuda_output(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_output *a);
void cuda_output_grad(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_output *a,
    const struct ops_output_grad *d);
void cuda_skip(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_skip *a);
void cuda_skip_grad(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_skip *a, const struct ops_skip_grad *d);
void cuda_lanes(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_lanes *a);
void cuda_lanes_grad(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_lanes *a,
    const struct ops_lanes_grad *d);
double cuda_sumsq(struct ops_ctx *ctx, const struct ops_buf *const *bufs, const size_t *n, size_t count);
void cuda_muon(struct ops_ctx *ctx, const struct ops_muon *p, size_t count, const struct ops_muon_law *law);
void cuda_adam(struct ops_ctx *ctx, const struct ops_adam *p, size_t count, const struct ops_adam_law *law);
void cuda_average(struct ops_ctx *ctx, const struct ops_average *p, size_t count, float keep);

/* Wait for the device. */
void cuda_sync(struct ops_ctx *ctx);

/* Device memory that close releases; NULL after saying what was asked for. */
void *context_scratch(struct ops_ctx *ctx, size_t n);

/* selftest.cu: run a small known case on this card and compare; 0, or -1 after saying what disagreed. */
int selftest_run(const struct ops *ops, struct ops_ctx *(*open)(const struct ops_open_args *), enum ops_arith arith);

/* A kernel from the tape into the stream. */
template <typename... P>
static const char *
launch_now(struct ops_ctx *ctx, const struct call *call)
{
	void (*const kernel)(P...) = (void (*)(P...))call->kernel;
	char *at = (char *)(call + 1);
	void *args[sizeof...(P)];
	size_t i = 0, offset = 0;

	((args[i++] = at + offset, offset = tape_after<P>(offset)), ...);
	return (device_launch(call->name, kernel, dim3(call->grid[0], call->grid[1], call->grid[2]), call->threads,
	    call->shared, ctx->stream, args));
}

/* A kernel, with its arguments converted to what it takes, onto the tape. */
template <typename... P, typename... Q>
static void
launch(struct ops_ctx *ctx, const char *name, void (*kernel)(P...), dim3 grid, unsigned threads, size_t shared,
    Q... args)
{
	static_assert((tape_comparable<P>() && ...), "an argument with gaps, or a structure with a float in it");
	static_assert(tape_bytes<P...>() <= 4096, "more arguments than a kernel can have");
	const struct call head = {
		launch_now<P...>, name, (const void *)kernel, { grid.x, grid.y, grid.z }, threads, shared,
		tape_bytes<P...>()
	};
	char *at = tape_add(ctx, &head);
	size_t offset = 0;
	const auto put = [&](auto value) {
		memcpy(at + offset, &value, sizeof(value));
		offset = tape_after<decltype(value)>(offset);
	};

	(put(P(args)), ...);
}

/* Row ${row} of a buffer taken as rows of ${cols}; it must be there. */
template <typename X>
static X *
row_of(const struct ops_buf *buf, size_t row, size_t cols)
{
	assert((row + 1) * cols <= buf->rows * buf->cols);
	return ((X *)buf->data + row * cols);
}

/* The same, of which ${rows} follow. */
template <typename X>
static X *
rows_of(const struct ops_buf *buf, size_t first, size_t rows, size_t cols)
{
	assert(rows > 0);
	row_of<X>(buf, first + rows - 1, cols);
	return ((X *)buf->data + first * cols);
}

/* What products read of a weight. */
template <typename A> const A *low(const struct ops_buf *w);

template <>
inline const float *
low<float>(const struct ops_buf *w)
{
	return ((const float *)w->data);
}

template <>
inline const bf16 *
low<bf16>(const struct ops_buf *w)
{
	return (w->low);
}

static inline size_t
at_most(size_t n, size_t most)
{
	return (n < most ? n : most);
}

static inline unsigned
blocks_of(size_t n, size_t per_block)
{
	return ((unsigned)((n + per_block - 1) / per_block));
}

#endif
