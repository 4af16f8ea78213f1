/* Causal attention, forward: one block for 64 queries of one head. */

#include "attention.cuh"

/* The largest of a row's numbers: four neighbouring lanes hold it. */
static __device__ __forceinline__ float
quad_max(float x)
{
	x = fmaxf(x, __shfl_xor_sync(~0u, x, 1));
	return (fmaxf(x, __shfl_xor_sync(~0u, x, 2)));
}

static __device__ __forceinline__ float
quad_sum(float x)
{
	x += __shfl_xor_sync(~0u, x, 1);
	return (x + __shfl_xor_sync(~0u, x, 2));
}

/*
 * y = softmax(gain * q k^T / sqrt(D)) v by an online softmax in powers of two.
 * Grid: tiles of queries, the last (longest) first, of heads of sequences.
 * Shared: queries, OWN rows, then in their place keys and values, OTHER rows each.
 */
template <typename A, int DP>
__global__ void __launch_bounds__(ATTENTION_THREADS)
attention_forward(const struct attention<A> a)
{
	constexpr int STRIDE = tile<A, DP>::STRIDE, OTHER = tile<A, DP>::OTHER;
	const struct place at = place_of_block(a.T, a.H);
	const int first = ((a.T - 1) / OWN - at.tile) * OWN, h = at.head, b = at.sequence;
	const int kv = h / a.group, C = a.H * a.D, KD = a.K * a.D, keys = a.pos0 + a.T;
	const int last = a.pos0 + (first + OWN < a.T ? first + OWN : a.T) - 1;	/* key that the last query sees */
	const int position = a.pos0 + first + warp_id() * 16 + lane_id() / 4;	/* of my upper row */
	const A *k = a.k + (size_t)b * a.T * KD + kv * a.D, *v = a.v + (size_t)b * a.T * KD + kv * a.D;
	const float scale = a.gain[h] / sqrtf((float)a.D) * LOG2E;
	A *own = device_shared<A>(), *ks = own, *vs = own + OTHER * STRIDE;
	frag_a<A> q[DP / 16];
	frag_c s[OTHER / 8], y[DP / 8];
	float max[2] = { -INFINITY, -INFINITY }, sum[2] = { 0, 0 };

	load_tile<A, DP, OWN>(own, a.q + (size_t)b * a.T * C + h * a.D, C, first, a.T, a.D);
	__syncthreads();
#pragma unroll
	for (int i = 0; i < DP / 16; i++)
		load_a(q[i], own + warp_id() * 16 * STRIDE + i * 16, STRIDE);
#pragma unroll
	for (int j = 0; j < DP / 8; j++)
		clear(y[j]);
	for (int k0 = 0; k0 <= last; k0 += OTHER) {
		__syncthreads();
		load_tile<A, DP, OTHER>(ks, k, KD, k0, keys, a.D);
		load_tile<A, DP, OTHER>(vs, v, KD, k0, keys, a.D);
		__syncthreads();
#pragma unroll
		for (int j = 0; j < OTHER / 8; j++) {
			clear(s[j]);
#pragma unroll
			for (int i = 0; i < DP / 16; i++) {
				frag_b<A> kt;

				load_b_turned(kt, ks + j * 8 * STRIDE + i * 16, STRIDE);
				mma(s[j], q[i], kt);
			}
		}
#pragma unroll
		for (int half = 0; half < 2; half++) {		/* my upper row, my lower row */
			float larger = max[half], shrink, part = 0;

#pragma unroll
			for (int j = 0; j < OTHER / 8; j++) {
#pragma unroll
				for (int e = half * 2; e < half * 2 + 2; e++) {
					const int key = k0 + j * 8 + lane_id() % 4 * 2 + e % 2;

					s[j].x[e] = key <= position + half * 8 ? s[j].x[e] * scale : -INFINITY;
					larger = fmaxf(larger, s[j].x[e]);
				}
			}
			larger = quad_max(larger);
			shrink = exp2f(max[half] - larger);
			max[half] = larger;
#pragma unroll
			for (int j = 0; j < OTHER / 8; j++) {
#pragma unroll
				for (int e = half * 2; e < half * 2 + 2; e++) {
					s[j].x[e] = exp2f(s[j].x[e] - larger);
					part += s[j].x[e];
				}
			}
			sum[half] = sum[half] * shrink + quad_sum(part);
#pragma unroll
			for (int j = 0; j < DP / 8; j++) {
				y[j].x[half * 2] *= shrink;
				y[j].x[half * 2 + 1] *= shrink;
			}
		}
		add_weighted<A, DP>(y, s, vs);
	}
	store_rows<A, DP>(a.y + (size_t)b * a.T * C + h * a.D, C, first, a.T, a.D, y, 1 / sum[0], 1 / sum[1]);
	for (int half = 0; half < 2; half++) {
		const int t = position - a.pos0 + half * 8;

		if (a.lse != NULL && lane_id() % 4 == 0 && t < a.T)
			a.lse[((size_t)b * a.T + t) * a.H + h] = (max[half] + log2f(sum[half])) * LN2;
	}
}

template <typename A, int DP>
static constexpr size_t
shared_bytes(void)
{
	return (tile<A, DP>::OWN_BYTES > 2 * tile<A, DP>::OTHER_BYTES ? tile<A, DP>::OWN_BYTES :
	    2 * tile<A, DP>::OTHER_BYTES);
}

template <typename A, int DP>
static void
run(struct ops_ctx *ctx, const struct attention<A> *a, size_t B)
{
	launch(ctx, "attention_forward", attention_forward<A, DP>,
	    places(a->T, a->H, B), ATTENTION_THREADS, shared_bytes<A, DP>(), *a);
}

template <typename A>
static void
attention_run(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_attention *a)
{
	const size_t N = rows.B * rows.T, keys = rows.pos0 > 0 ? rows.pos0 + rows.T : N;
	const struct attention<A> args = {
		rows_of<A>(a->q, 0, N, ctx->C), rows_of<A>(a->k, 0, keys, ctx->KD), rows_of<A>(a->v, 0, keys, ctx->KD),
		rows_of<float>(a->gain, 0, ctx->H, 1), rows_of<A>(a->y, 0, N, ctx->C),
		a->lse != NULL ? rows_of<float>(a->lse, 0, N, ctx->H) : NULL,
		(int)rows.T, (int)rows.pos0, ctx->H, ctx->K, ctx->D, ctx->H / ctx->K
	};

	assert(rows.pos0 == 0 || rows.B == 1);
	FOR_WIDTH(ctx->D, run, A, ctx, &args, rows.B);
}

void
cuda_attention(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_attention *a)
{
	if (ctx->arith == OPS_BF16)
		attention_run<bf16>(ctx, rows, a);
	else
		attention_run<float>(ctx, rows, a);
}

template <typename A, int DP>
static void
allow(void)
{
	CHECK(cudaFuncSetAttribute(attention_forward<A, DP>, cudaFuncAttributeMaxDynamicSharedMemorySize,
	    (int)shared_bytes<A, DP>()));
}

void
attention_open(struct ops_ctx *ctx)
{
	if (ctx->arith == OPS_BF16)
		FOR_WIDTH(ctx->D, allow, bf16);
	else
		FOR_WIDTH(ctx->D, allow, float);
}
