/* Between float32 and bf16, element by element. */

#include "convert.cuh"

template <typename To, typename From>
__global__ void __launch_bounds__(ROW_THREADS)
convert(To *out, const From *x, size_t n)
{
	const size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x;

	if (i < n)
		store(&out[i], to_float(x[i]));
}

void
convert_to_bf16(struct ops_ctx *ctx, bf16 *out, const float *x, size_t n)
{
	launch(ctx, "convert", convert<bf16, float>, blocks_of(n, ROW_THREADS), ROW_THREADS, 0, out, x, n);
}

void
convert_from_bf16(struct ops_ctx *ctx, float *out, const bf16 *x, size_t n)
{
	launch(ctx, "convert", convert<float, bf16>, blocks_of(n, ROW_THREADS), ROW_THREADS, 0, out, x, n);
}

const void *
convert_round(struct ops_ctx *ctx, void *out, const float *x, size_t n)
{
	if (ctx->arith != OPS_BF16)
		return (x);
	convert_to_bf16(ctx, (bf16 *)out, x, n);
	return (out);
}
