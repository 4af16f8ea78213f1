/*
 * Matrix products by cublasLt.  It speaks of column-major matrices; a
 * row-major (r, c) is its column-major (c, r), so we ask for the transposed
 * result with the operands swapped.  A plan (descriptors and the algorithm
 * that the library prefers) is made once for each shape; split sums that use
 * atomics are excluded, so equal calls give equal bits.
 */

#include <stdlib.h>
#include <string.h>

#include "product.cuh"

struct plan {
	struct product shape;		/* its pointers say only whether c is read and how operands are aligned */
	size_t aligned;
	cublasLtMatmulDesc_t desc;
	cublasLtMatrixLayout_t a, b, cd;
	cublasLtMatmulAlgo_t algo;
};

/* The largest power of two up to 16 that divides every address. */
static size_t
alignment(const struct product *p)
{
	const void *const c = p->beta != 0 ? p->c : p->d;
	const uintptr_t all = (uintptr_t)p->a | (uintptr_t)p->b | (uintptr_t)c | (uintptr_t)p->d;
	size_t n = 16;

	while (all % n != 0)
		n /= 2;
	return (n);
}

static bool
fits(const struct plan *plan, const struct product *p, size_t aligned)
{
	const struct product *s = &plan->shape;

	return (s->rows == p->rows && s->cols == p->cols && s->depth == p->depth && s->a_turned == p->a_turned &&
	    s->b_turned == p->b_turned && s->wide == p->wide && s->batch == p->batch &&
	    (s->beta != 0) == (p->beta != 0) && plan->aligned == aligned);
}

/* The layout of a row-major (rows, cols). */
static cublasLtMatrixLayout_t
layout(cudaDataType type, size_t rows, size_t cols, size_t batch)
{
	const int32_t count = (int32_t)batch;
	const int64_t stride = (int64_t)(rows * cols);
	cublasLtMatrixLayout_t m;

	CHECK_BLAS(cublasLtMatrixLayoutCreate(&m, type, cols, rows, (int64_t)cols));
	CHECK_BLAS(cublasLtMatrixLayoutSetAttribute(m, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &count, sizeof(count)));
	CHECK_BLAS(cublasLtMatrixLayoutSetAttribute(m, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &stride,
	    sizeof(stride)));
	return (m);
}

static void
choose(struct ops_ctx *ctx, struct plan *plan)
{
	const uint64_t workspace = PRODUCT_WORKSPACE;
	const uint32_t aligned = (uint32_t)plan->aligned, reductions = CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
	cublasLtMatmulPreference_t wish;
	cublasLtMatmulHeuristicResult_t result;
	int found = 0;

	CHECK_BLAS(cublasLtMatmulPreferenceCreate(&wish));
	CHECK_BLAS(cublasLtMatmulPreferenceSetAttribute(wish, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &workspace,
	    sizeof(workspace)));
	CHECK_BLAS(cublasLtMatmulPreferenceSetAttribute(wish, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &reductions,
	    sizeof(reductions)));
	CHECK_BLAS(cublasLtMatmulPreferenceSetAttribute(wish, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, &aligned,
	    sizeof(aligned)));
	CHECK_BLAS(cublasLtMatmulPreferenceSetAttribute(wish, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, &aligned,
	    sizeof(aligned)));
	CHECK_BLAS(cublasLtMatmulPreferenceSetAttribute(wish, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, &aligned,
	    sizeof(aligned)));
	CHECK_BLAS(cublasLtMatmulPreferenceSetAttribute(wish, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, &aligned,
	    sizeof(aligned)));
	CHECK_BLAS(cublasLtMatmulAlgoGetHeuristic(ctx->blas, plan->desc, plan->a, plan->b, plan->cd, plan->cd, wish, 1,
	    &result, &found));
	if (found == 0)
		CHECK_BLAS(CUBLAS_STATUS_NOT_SUPPORTED);
	plan->algo = result.algo;
	cublasLtMatmulPreferenceDestroy(wish);
}

static void
forget(struct ops_ctx *ctx)
{
	for (size_t i = 0; i < ctx->plan_count; i++) {
		cublasLtMatmulDescDestroy(ctx->plans[i].desc);
		cublasLtMatrixLayoutDestroy(ctx->plans[i].a);
		cublasLtMatrixLayoutDestroy(ctx->plans[i].b);
		cublasLtMatrixLayoutDestroy(ctx->plans[i].cd);
	}
	ctx->plan_count = 0;
}

static struct plan *
plan_for(struct ops_ctx *ctx, const struct product *p)
{
	const cudaDataType act = ctx->arith == OPS_BF16 ? CUDA_R_16BF : CUDA_R_32F;
	const cublasComputeType_t compute = ctx->arith == OPS_BF16 ? CUBLAS_COMPUTE_32F : CUBLAS_COMPUTE_32F_PEDANTIC;
	const cublasOperation_t first = p->b_turned ? CUBLAS_OP_T : CUBLAS_OP_N;
	const cublasOperation_t second = p->a_turned ? CUBLAS_OP_T : CUBLAS_OP_N;
	const size_t aligned = alignment(p);
	struct plan *plan = ctx->plans;

	for (size_t i = 0; i < ctx->plan_count; i++, plan++)
		if (fits(plan, p, aligned))
			return (plan);
	if (ctx->plan_count == PLANS) {		/* a caller of ever new shapes: begin again */
		forget(ctx);
		plan = ctx->plans;
	}
	plan->shape = *p;
	plan->aligned = aligned;
	CHECK_BLAS(cublasLtMatmulDescCreate(&plan->desc, compute, CUDA_R_32F));
	CHECK_BLAS(cublasLtMatmulDescSetAttribute(plan->desc, CUBLASLT_MATMUL_DESC_TRANSA, &first, sizeof(first)));
	CHECK_BLAS(cublasLtMatmulDescSetAttribute(plan->desc, CUBLASLT_MATMUL_DESC_TRANSB, &second, sizeof(second)));
	plan->a = p->b_turned ? layout(act, p->cols, p->depth, p->batch) : layout(act, p->depth, p->cols, p->batch);
	plan->b = p->a_turned ? layout(act, p->depth, p->rows, p->batch) : layout(act, p->rows, p->depth, p->batch);
	plan->cd = layout(p->wide ? CUDA_R_32F : act, p->rows, p->cols, p->batch);
	choose(ctx, plan);
	ctx->plan_count++;
	return (plan);
}

/* A product from the tape into the stream.  The library copies alpha and beta at once. */
static const char *
submit(struct ops_ctx *ctx, const struct call *call)
{
	const struct product *p = (const struct product *)(call + 1);
	const struct plan *plan = plan_for(ctx, p);
	const cublasStatus_t status = cublasLtMatmul(ctx->blas, plan->desc, &p->alpha, p->b, plan->a, p->a, plan->b,
	    &p->beta, p->beta != 0 ? p->c : p->d, plan->cd, p->d, plan->cd, &plan->algo, ctx->workspace,
	    PRODUCT_WORKSPACE, ctx->stream);

	return (status == CUBLAS_STATUS_SUCCESS ? NULL : cublasLtGetStatusString(status));
}

void
product_run(struct ops_ctx *ctx, const struct product *p)
{
	const struct call head = {
		submit, p->batch > 1 ? "product, batched" : p->a_turned ? "product, weight gradient" :
		p->b_turned ? "product, forward" : "product, input gradient", NULL, { 0, 0, 0 }, 0, 0, sizeof(*p)
	};

	memcpy(tape_add(ctx, &head), p, sizeof(*p));
}

int
product_open(struct ops_ctx *ctx)
{
	if ((ctx->plans = (struct plan *)calloc(PLANS, sizeof(*ctx->plans))) == NULL)
		return (-1);
	CHECK_BLAS(cublasLtCreate(&ctx->blas));
	return (0);
}

void
product_close(struct ops_ctx *ctx)
{
	forget(ctx);
	if (ctx->blas != NULL)
		cublasLtDestroy(ctx->blas);
	free(ctx->plans);
}
