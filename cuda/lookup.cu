/* Tables of single levers: gradients of the rows that were looked up. */

#include "lookup.cuh"

template <typename A>
__global__ void __launch_bounds__(LOOKUP_THREADS)
lookup_backward(float *dtable, const struct lookup<A> l)
{
	const int id = (int)blockIdx.x;
	float *sum = device_shared<float>();
	const auto value = [&](int n, int c) {
		const float x = to_float(l.from[(size_t)n * l.C + c]);

		return (l.rates != NULL ? x * l.rates[(size_t)n * (l.C / l.group) + c / l.group] : x);
	};

	if (!lookup_sum(sum, l.ids, id, l.N, l.C, value))
		return;
	for (int c = (int)threadIdx.x; c < l.C; c += LOOKUP_THREADS)
		dtable[(size_t)id * l.C + c] += l.by != NULL ? *l.by * sum[c] : sum[c];
}

template <typename A>
void
lookup_grad(struct ops_ctx *ctx, float *dtable, const struct lookup<A> &l)
{
	launch(ctx, "lookup_backward", lookup_backward<A>, (unsigned)l.rows, LOOKUP_THREADS,
	    lookup_shared((size_t)l.C), dtable, l);
}

template void lookup_grad<float>(struct ops_ctx *, float *, const struct lookup<float> &);
template void lookup_grad<bf16>(struct ops_ctx *, float *, const struct lookup<bf16> &);
