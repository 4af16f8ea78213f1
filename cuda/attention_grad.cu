/*
 * Causal attention, backward, from the log of sums that forward left.  Two
 * kernels make the probabilities again: one owns keys and walks over queries
 * for dk and dv, one owns queries and walks over keys for dq and the gain.
 * Letters: p = exp(scale * q.k - lse), dp = dy.v, ds = p * (dp - delta),
 * delta = dy.y, scale = gain / sqrt(D).
 */

#include "attention.cuh"
#include "columns.cuh"

template <typename A>
struct attention_grad {
	const A *dy;			/* (B, T, H, D) */
	const float *lse, *delta;	/* (B, T, H) */
	A *dq, *dk, *dv;		/* as q, k, v */
	float *dgain;			/* (B, tiles, H): sums over the queries of a tile */
};

/* delta (N, H) = dy . y for each head.  One warp for each head of a row. */
template <typename A>
__global__ void __launch_bounds__(ROW_THREADS)
attention_delta(float *delta, const A *dy, const A *y, int count, int D)
{
	const int i = (int)blockIdx.x * (ROW_THREADS / 32) + warp_id();
	float sum = 0;

	if (i >= count)
		return;
	for (int d = lane_id(); d < D; d += 32)
		sum += to_float(dy[(size_t)i * D + d]) * to_float(y[(size_t)i * D + d]);
	sum = warp_sum(sum);
	if (lane_id() == 0)
		delta[i] = sum;
}

/*
 * dk, dv of 64 keys of one key/value head: over the query heads that read it,
 * and over the tiles of queries from the first that sees these keys.
 * Scores stand turned, (key, query), so that p and ds are operands as they are.
 * Grid: tiles of keys, of key/value heads of sequences.
 * Shared: keys, values (OWN rows); queries, dy (OTHER rows); lse, delta (OTHER).
 */
template <typename A, int DP>
__global__ void __launch_bounds__(ATTENTION_THREADS, 2)
attention_backward_keys(const struct attention<A> a, const struct attention_grad<A> d)
{
	constexpr int STRIDE = tile<A, DP>::STRIDE, OTHER = tile<A, DP>::OTHER;
	const struct place at = place_of_block(a.T, a.K);
	const int first = at.tile * OWN, kv = at.head, b = at.sequence;
	const int group = a.group, C = a.H * a.D, KD = a.K * a.D;
	const int my_key = first + warp_id() * 16 + lane_id() / 4;	/* of my upper row */
	const size_t keys_at = (size_t)b * a.T * KD + kv * a.D;
	A *ks = device_shared<A>(), *vs = ks + OWN * STRIDE, *qs = vs + OWN * STRIDE, *dys = qs + OTHER * STRIDE;
	float *lse = (float *)(dys + OTHER * STRIDE), *delta = lse + OTHER;
	frag_c p[OTHER / 8], ds[OTHER / 8], dk[DP / 8], dv[DP / 8];

	load_tile<A, DP, OWN>(ks, a.k + keys_at, KD, first, a.T, a.D);
	load_tile<A, DP, OWN>(vs, a.v + keys_at, KD, first, a.T, a.D);
#pragma unroll
	for (int j = 0; j < DP / 8; j++) {
		clear(dk[j]);
		clear(dv[j]);
	}
	for (int h = kv * group; h < (kv + 1) * group; h++) {
		const float scale = a.gain[h] / sqrtf((float)a.D);
		const size_t head_at = (size_t)b * a.T * C + h * a.D;

		for (int q0 = first; q0 < a.T; q0 += OTHER) {
			__syncthreads();
			load_tile<A, DP, OTHER>(qs, a.q + head_at, C, q0, a.T, a.D);
			load_tile<A, DP, OTHER>(dys, d.dy + head_at, C, q0, a.T, a.D);
			for (int i = (int)threadIdx.x; i < OTHER; i += ATTENTION_THREADS) {
				const size_t at = ((size_t)b * a.T + q0 + i) * a.H + h;

				lse[i] = q0 + i < a.T ? d.lse[at] : 0.0f;
				delta[i] = q0 + i < a.T ? d.delta[at] : 0.0f;
			}
			__syncthreads();
			scores_of<A, DP>(p, ks, qs);
			scores_of<A, DP>(ds, vs, dys);
#pragma unroll
			for (int j = 0; j < OTHER / 8; j++) {
#pragma unroll
				for (int e = 0; e < 4; e++) {
					const int i = j * 8 + lane_id() % 4 * 2 + e % 2, t = q0 + i;
					const bool seen = my_key + e / 2 * 8 <= t && t < a.T;

					p[j].x[e] = seen ? exp2f((p[j].x[e] * scale - lse[i]) * LOG2E) : 0.0f;
					ds[j].x[e] = seen ? p[j].x[e] * (ds[j].x[e] - delta[i]) * scale : 0.0f;
				}
			}
			add_weighted<A, DP>(dv, p, dys);
			add_weighted<A, DP>(dk, ds, qs);
		}
	}
	store_rows<A, DP>(d.dk + keys_at, KD, first, a.T, a.D, dk, 1, 1);
	store_rows<A, DP>(d.dv + keys_at, KD, first, a.T, a.D, dv, 1, 1);
}

/*
 * dq of 64 queries of one head, and their share of the gain's gradient: with
 * dq' the gradient of gain * q, dq = gain * dq' and dgain = the sum of q . dq'.
 * Grid: tiles of queries, the last (longest) first, of heads of sequences.
 * Shared: queries, dy (OWN rows); keys, values (OTHER rows); a place for each warp.
 * The bound of two blocks keeps ptxas from spilling in narrow heads; 0 leaves it free.
 */
template <typename A, int DP>
__global__ void __launch_bounds__(ATTENTION_THREADS, DP == 16 ? 2 : 0)
attention_backward_queries(const struct attention<A> a, const struct attention_grad<A> d)
{
	constexpr int STRIDE = tile<A, DP>::STRIDE, OTHER = tile<A, DP>::OTHER;
	const struct place at = place_of_block(a.T, a.H);
	const int part = (a.T - 1) / OWN - at.tile, first = part * OWN, h = at.head, b = at.sequence;
	const int C = a.H * a.D, KD = a.K * a.D;
	const int row = warp_id() * 16 + lane_id() / 4, last = (first + OWN < a.T ? first + OWN : a.T) - 1;
	const size_t head_at = (size_t)b * a.T * C + h * a.D;
	const size_t keys_at = (size_t)b * a.T * KD + h / a.group * a.D;
	const float root = 1 / sqrtf((float)a.D), scale = a.gain[h] * root;
	A *qs = device_shared<A>(), *dys = qs + OWN * STRIDE, *ks = dys + OWN * STRIDE, *vs = ks + OTHER * STRIDE;
	float *scratch = (float *)(vs + OTHER * STRIDE);
	frag_c p[OTHER / 8], ds[OTHER / 8], dq[DP / 8];
	float lse[2], delta[2], dgain = 0;

	load_tile<A, DP, OWN>(qs, a.q + head_at, C, first, a.T, a.D);
	load_tile<A, DP, OWN>(dys, d.dy + head_at, C, first, a.T, a.D);
#pragma unroll
	for (int half = 0; half < 2; half++) {
		const int t = first + row + half * 8;
		const size_t at = ((size_t)b * a.T + t) * a.H + h;

		lse[half] = t < a.T ? d.lse[at] : 0.0f;
		delta[half] = t < a.T ? d.delta[at] : 0.0f;
	}
#pragma unroll
	for (int j = 0; j < DP / 8; j++)
		clear(dq[j]);
	for (int k0 = 0; k0 <= last; k0 += OTHER) {
		__syncthreads();
		load_tile<A, DP, OTHER>(ks, a.k + keys_at, KD, k0, a.T, a.D);
		load_tile<A, DP, OTHER>(vs, a.v + keys_at, KD, k0, a.T, a.D);
		__syncthreads();
		scores_of<A, DP>(p, qs, ks);
		scores_of<A, DP>(ds, dys, vs);
#pragma unroll
		for (int j = 0; j < OTHER / 8; j++) {
#pragma unroll
			for (int e = 0; e < 4; e++) {
				const int key = k0 + j * 8 + lane_id() % 4 * 2 + e % 2, t = first + row + e / 2 * 8;
				const bool seen = key <= t && t < a.T;

				p[j].x[e] = seen ? exp2f((p[j].x[e] * scale - lse[e / 2]) * LOG2E) : 0.0f;
				ds[j].x[e] = seen ? p[j].x[e] * (ds[j].x[e] - delta[e / 2]) * root : 0.0f;
			}
		}
		add_weighted<A, DP>(dq, ds, ks);
	}
	store_rows<A, DP>(d.dq + head_at, C, first, a.T, a.D, dq, a.gain[h], a.gain[h]);
#pragma unroll
	for (int j = 0; j < DP / 8; j++) {
#pragma unroll
		for (int e = 0; e < 4; e++) {
			const int d_at = j * 8 + lane_id() % 4 * 2 + e % 2;

			dgain += dq[j].x[e] * to_float(qs[(row + e / 2 * 8) * STRIDE + d_at]);
		}
	}
	dgain = block_sum(dgain, scratch);
	if (threadIdx.x == 0)
		d.dgain[((size_t)b * ((a.T - 1) / OWN + 1) + part) * a.H + h] = dgain;
}

template <typename A, int DP>
static constexpr size_t
keys_shared(void)
{
	return (2 * tile<A, DP>::OWN_BYTES + 2 * tile<A, DP>::OTHER_BYTES + 2 * tile<A, DP>::OTHER * sizeof(float));
}

template <typename A, int DP>
static constexpr size_t
queries_shared(void)
{
	return (2 * tile<A, DP>::OWN_BYTES + 2 * tile<A, DP>::OTHER_BYTES + ATTENTION_THREADS / 32 * sizeof(float));
}

template <typename A, int DP>
static void
run(struct ops_ctx *ctx, const struct attention<A> *a, const struct attention_grad<A> *d, size_t B)
{
	launch(ctx, "attention_backward_keys", attention_backward_keys<A, DP>, places(a->T, a->K, B), ATTENTION_THREADS,
	    keys_shared<A, DP>(), *a, *d);
	launch(ctx, "attention_backward_queries", attention_backward_queries<A, DP>, places(a->T, a->H, B),
	    ATTENTION_THREADS, queries_shared<A, DP>(), *a, *d);
}

template <typename A>
static void
attention_grad_run(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_attention *a,
    const struct ops_attention_grad *d)
{
	const size_t N = rows.B * rows.T, C = ctx->C, KD = ctx->KD, H = ctx->H;
	const size_t tiles = rows.B * blocks_of(rows.T, OWN);
	const struct attention<A> args = {
		rows_of<A>(a->q, 0, N, C), rows_of<A>(a->k, 0, N, KD), rows_of<A>(a->v, 0, N, KD),
		rows_of<float>(a->gain, 0, H, 1), NULL, NULL, (int)rows.T, 0, ctx->H, ctx->K, ctx->D, ctx->H / ctx->K
	};
	const struct attention_grad<A> grad = {
		rows_of<A>(d->dy, 0, N, C), rows_of<float>(a->lse, 0, N, H), ctx->delta, rows_of<A>(d->dq, 0, N, C),
		rows_of<A>(d->dk, 0, N, KD), rows_of<A>(d->dv, 0, N, KD), ctx->partial
	};

	assert(rows.pos0 == 0);
	launch(ctx, "attention_delta", attention_delta<A>, blocks_of(N * H, ROW_THREADS / 32), ROW_THREADS, 0,
	    ctx->delta, grad.dy, (const A *)rows_of<A>(a->y, 0, N, C), (int)(N * H), ctx->D);
	FOR_WIDTH(ctx->D, run, A, ctx, &args, &grad, rows.B);
	columns_add(ctx, rows_of<float>(d->dgain, 0, H, 1), ctx->partial, tiles, H, H);
}

void
cuda_attention_grad(struct ops_ctx *ctx, struct ops_rows rows, const struct ops_attention *a,
    const struct ops_attention_grad *d)
{
	if (ctx->arith == OPS_BF16)
		attention_grad_run<bf16>(ctx, rows, a, d);
	else
		attention_grad_run<float>(ctx, rows, a, d);
}

template <typename A, int DP>
static void
allow(void)
{
	CHECK(cudaFuncSetAttribute(attention_backward_keys<A, DP>, cudaFuncAttributeMaxDynamicSharedMemorySize,
	    (int)keys_shared<A, DP>()));
	CHECK(cudaFuncSetAttribute(attention_backward_queries<A, DP>, cudaFuncAttributeMaxDynamicSharedMemorySize,
	    (int)queries_shared<A, DP>()));
}

void
attention_grad_open(struct ops_ctx *ctx)
{
	if (ctx->arith == OPS_BF16)
		FOR_WIDTH(ctx->D, allow, bf16);
	else
		FOR_WIDTH(ctx->D, allow, float);
}
