/*
 * The emulated cublasLt: column-major products in plain loops, float32 sums.
 * It insists on what the library would trust: shapes that agree, and operands
 * that lie whole within one allocation.
 */

#include "emu.h"

#include <vector>

struct emu_matmul {
	cublasOperation_t op[2];
};

struct emu_layout {
	cudaDataType type;
	uint64_t rows, cols;
	int64_t ld;
	int32_t batch;
	int64_t stride;
};

cublasStatus_t
cublasLtCreate(cublasLtHandle_t *handle)
{
	*handle = NULL;
	return (CUBLAS_STATUS_SUCCESS);
}

cublasStatus_t
cublasLtDestroy(cublasLtHandle_t)
{
	return (CUBLAS_STATUS_SUCCESS);
}

size_t
cublasLtGetVersion(void)
{
	return (0);
}

const char *
cublasLtGetStatusString(cublasStatus_t status)
{
	return (status == CUBLAS_STATUS_SUCCESS ? "success" : "not supported");
}

cublasStatus_t
cublasLtMatmulDescCreate(cublasLtMatmulDesc_t *desc, cublasComputeType_t, cudaDataType)
{
	*desc = new emu_matmul();
	return (CUBLAS_STATUS_SUCCESS);
}

cublasStatus_t
cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t desc)
{
	delete desc;
	return (CUBLAS_STATUS_SUCCESS);
}

cublasStatus_t
cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t desc, cublasLtMatmulDescAttributes_t which, const void *value,
    size_t n)
{
	if (n != sizeof(cublasOperation_t))
		emu_die("cublasLt: attribute of %zu bytes", n);
	memcpy(&desc->op[which == CUBLASLT_MATMUL_DESC_TRANSB], value, n);
	return (CUBLAS_STATUS_SUCCESS);
}

cublasStatus_t
cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t *layout, cudaDataType type, uint64_t rows, uint64_t cols, int64_t ld)
{
	*layout = new emu_layout { type, rows, cols, ld, 1, 0 };
	return (CUBLAS_STATUS_SUCCESS);
}

cublasStatus_t
cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout)
{
	delete layout;
	return (CUBLAS_STATUS_SUCCESS);
}

cublasStatus_t
cublasLtMatrixLayoutSetAttribute(cublasLtMatrixLayout_t layout, cublasLtMatrixLayoutAttribute_t which,
    const void *value, size_t n)
{
	if (which == CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT && n == sizeof(layout->batch))
		memcpy(&layout->batch, value, n);
	else if (which == CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET && n == sizeof(layout->stride))
		memcpy(&layout->stride, value, n);
	else
		emu_die("cublasLt: attribute of %zu bytes", n);
	return (CUBLAS_STATUS_SUCCESS);
}

cublasStatus_t
cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t *preference)
{
	*preference = NULL;
	return (CUBLAS_STATUS_SUCCESS);
}

cublasStatus_t
cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t)
{
	return (CUBLAS_STATUS_SUCCESS);
}

cublasStatus_t
cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t, cublasLtMatmulPreferenceAttributes_t, const void *,
    size_t)
{
	return (CUBLAS_STATUS_SUCCESS);
}

cublasStatus_t
cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t, cublasLtMatmulDesc_t, cublasLtMatrixLayout_t, cublasLtMatrixLayout_t,
    cublasLtMatrixLayout_t, cublasLtMatrixLayout_t, cublasLtMatmulPreference_t, int,
    cublasLtMatmulHeuristicResult_t *results, int *found)
{
	*results = cublasLtMatmulHeuristicResult_t();
	*found = 1;
	return (CUBLAS_STATUS_SUCCESS);
}

/* Element (r, c) of batch member b. */
static size_t
place(const emu_layout &m, int64_t b, uint64_t r, uint64_t c)
{
	return ((size_t)(b * m.stride) + r + c * (size_t)m.ld);
}

static float
element(const emu_layout &m, const void *p, size_t at)
{
	return (m.type == CUDA_R_32F ? ((const float *)p)[at] : __bfloat162float(((const __nv_bfloat16 *)p)[at]));
}

static void
must_hold(const emu_layout &m, const void *p, const char *what)
{
	if (m.ld < (int64_t)m.rows || m.rows == 0 || m.cols == 0)
		emu_die("cublasLt: %s has %ju rows, %ju columns, leading dimension %jd", what, (uintmax_t)m.rows,
		    (uintmax_t)m.cols, (intmax_t)m.ld);
	emu_inside(p, (place(m, m.batch - 1, m.rows - 1, m.cols - 1) + 1) * (m.type == CUDA_R_32F ? 4 : 2), what);
}

/* So many sums run side by side, each over its own terms in their order. */
enum { TILE = 16 };

/* op(X) of batch member b in tiles of i, the last filled up: out[(i / TILE * depth + k) * TILE + i % TILE]. */
static void
unfold(std::vector<float> &out, const emu_layout &m, const void *p, int64_t b, bool index_is_row, uint64_t n,
    uint64_t depth)
{
	out.assign((n + TILE - 1) / TILE * TILE * depth, 0);
	for (uint64_t i = 0; i < n; i++)
		for (uint64_t k = 0; k < depth; k++)
			out[(i / TILE * depth + k) * TILE + i % TILE] =
			    element(m, p, index_is_row ? place(m, b, i, k) : place(m, b, k, i));
}

/* One result. */
static void
put(const emu_layout &d, void *D, size_t at, float result)
{
	if (d.type == CUDA_R_32F)
		((float *)D)[at] = result;
	else
		((__nv_bfloat16 *)D)[at] = __float2bfloat16(result);
}

cublasStatus_t
cublasLtMatmul(cublasLtHandle_t, cublasLtMatmulDesc_t desc, const void *alpha_p, const void *A,
    cublasLtMatrixLayout_t a_p, const void *B, cublasLtMatrixLayout_t b_p, const void *beta_p, const void *C,
    cublasLtMatrixLayout_t c_p, void *D, cublasLtMatrixLayout_t d_p, const cublasLtMatmulAlgo_t *, void *, size_t,
    cudaStream_t stream)
{
	const emu_layout a = *a_p, b = *b_p, c = *c_p, d = *d_p;
	const bool a_turned = desc->op[0] == CUBLAS_OP_T, b_turned = desc->op[1] == CUBLAS_OP_T;
	const uint64_t m = d.rows, n = d.cols, depth = a_turned ? a.rows : a.cols;
	const float alpha = *(const float *)alpha_p, beta = *(const float *)beta_p;

	if ((a_turned ? a.cols : a.rows) != m || (b_turned ? b.rows : b.cols) != n ||
	    (b_turned ? b.cols : b.rows) != depth || c.rows != m || c.cols != n || a.type != b.type ||
	    c.type != d.type || a.batch != d.batch || b.batch != d.batch || c.batch != d.batch)
		emu_die("cublasLt: shapes disagree");
	emu_load(desc, "cublasLt product", stream);
	must_hold(a, A, "cublasLt operand A");
	must_hold(b, B, "cublasLt operand B");
	must_hold(d, D, "cublasLt result");
	if (beta != 0)
		must_hold(c, C, "cublasLt addend");
	emu_submit(stream, [=] {
		std::vector<float> left, right;

		for (int64_t i = 0; i < d.batch; i++) {
			unfold(left, a, A, i, !a_turned, m, depth);
			unfold(right, b, B, i, b_turned, n, depth);
			for (uint64_t col = 0; col < n; col++) {
				const float *r = &right[col / TILE * depth * TILE + col % TILE];

				for (uint64_t row = 0; row < m; row += TILE) {
					const float *l = &left[row * depth];
					float sums[TILE] = { 0 };

					for (uint64_t k = 0; k < depth; k++)
						for (int j = 0; j < TILE; j++)
							sums[j] += l[k * TILE + j] * r[k * TILE];
					for (uint64_t j = row; j < m && j < row + TILE; j++) {
						float sum = sums[j - row] * alpha;

						if (beta != 0)
							sum += beta * element(c, C, place(c, i, j, col));
						put(d, D, place(d, i, j, col), sum);
					}
				}
			}
		}
	});
	return (CUBLAS_STATUS_SUCCESS);
}
