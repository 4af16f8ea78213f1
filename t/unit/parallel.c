/*
 * Two residual lanes against a forward pass of this file's own, written from hg-train(1) in plain loops over doubles
 * that share nothing with the operations: losses, and gradients as slopes of that pass.  Prints TAP.
 * test_tags=b64,b66
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "base/say.h"
#include "gpt/model.h"
#include "t/unit/tap.h"

enum { L = 5, C = 8, H = 2, K = 1, D = C / H, KD = K * D, F = 2 * C, V = 11, T = 6 };

static struct {
	struct config config;
	const struct params *params;
	double *w; /* all parameters */
} now;

/* A tensor by its name, a layer's where one is given. */
static double *
tensor(int layer, const char *name)
{
	const struct params_tensor *t;
	char full[64];

	if (layer >= 0)
		snprintf(full, sizeof(full), "blocks.%d.%s", layer, name);
	else
		snprintf(full, sizeof(full), "%s", name);
	if ((t = params_find(now.params, full)) == NULL) {
		fprintf(stderr, "no tensor %s\n", full);
		abort();
	}
	return (now.w + t->offset);
}

static void
rms(double *out, const double *x, int n, double scale)
{
	double sum = 0;

	for (int i = 0; i < n; i++)
		sum += x[i] * x[i];
	for (int i = 0; i < n; i++)
		out[i] = scale * x[i] / sqrt(sum / n + CONFIG_NORM_EPS);
}

/* out = x w^T */
static void
times(double *out, const double *x, const double *w, int rows, int cols)
{
	for (int i = 0; i < rows; i++) {
		out[i] = 0;
		for (int j = 0; j < cols; j++)
			out[i] += x[j] * w[i * cols + j];
	}
}

static void
turn(double *head, int position)
{
	double normed[D];

	rms(normed, head, D, 1);
	for (int i = 0; i < D / 2; i++) {
		const double angle = position * pow(now.config.rope_base, -2.0 * i / D);

		head[i] = normed[i] * cos(angle) + normed[i + D / 2] * sin(angle);
		head[i + D / 2] = normed[i + D / 2] * cos(angle) - normed[i] * sin(angle);
	}
}

/* What attention of layer l adds to a stream that it reads as x. */
static void
attention(int l, double (*x)[C], double (*x0)[C], double (*out)[C], double norm_scale)
{
	const double *mix = tensor(l, "resid_mix"), *gain = tensor(l, "attn.q_gain"), *scale = tensor(l, "attn_scale");
	double q[T][C], k[T][KD], v[T][KD], xm[C], h[C], y[C];

	for (int t = 0; t < T; t++) {
		for (int c = 0; c < C; c++)
			xm[c] = mix[c] * x[t][c] + mix[C + c] * x0[t][c];
		rms(h, xm, C, norm_scale);
		times(q[t], h, tensor(l, "attn.c_q.weight"), C, C);
		times(k[t], h, tensor(l, "attn.c_k.weight"), KD, C);
		times(v[t], h, tensor(l, "attn.c_v.weight"), KD, C);
		for (int i = 0; i < H; i++)
			turn(q[t] + i * D, t);
		for (int i = 0; i < K; i++)
			turn(k[t] + i * D, t);
	}
	for (int t = 0; t < T; t++) {
		for (int i = 0; i < H; i++) {
			const int kv = i / (H / K) * D;
			double p[T], sum = 0;

			for (int s = 0; s <= t; s++) {
				double score = 0;

				for (int d = 0; d < D; d++)
					score += gain[i] * q[t][i * D + d] * k[s][kv + d];
				sum += p[s] = exp(score / sqrt(D));
			}
			for (int d = 0; d < D; d++) {
				y[i * D + d] = 0;
				for (int s = 0; s <= t; s++)
					y[i * D + d] += p[s] / sum * v[s][kv + d];
			}
		}
		times(out[t], y, tensor(l, "attn.proj.weight"), C, C);
		for (int c = 0; c < C; c++)
			out[t][c] *= scale[c];
	}
}

static void
mlp(int l, double (*x)[C], double (*out)[C], double norm_scale)
{
	const double *scale = tensor(l, "mlp_scale");
	double h[C], r[F];

	for (int t = 0; t < T; t++) {
		rms(h, x[t], C, norm_scale);
		times(r, h, tensor(l, "mlp.fc.weight"), F, C);
		for (int i = 0; i < F; i++)
			r[i] = r[i] > 0 ? r[i] * r[i] : 0;
		times(out[t], r, tensor(l, "mlp.proj.weight"), C, F);
		for (int c = 0; c < C; c++)
			out[t][c] *= scale[c];
	}
}

/* The skip of a layer, where it has one, onto a stream. */
static void
skip(int l, double (*x)[C], double (*kept)[T][C])
{
	const int E = (int)config_skips(&now.config), row = l - E;
	const double *w, *gates;

	if (row < 0 || row >= E)
		return;
	w = tensor(-1, "skip_weights") + row * C;
	gates = now.config.skip_gate ? tensor(-1, "skip_gates") + row * C : NULL;
	for (int t = 0; t < T; t++)
		for (int c = 0; c < C; c++) {
			const double g = gates != NULL ? 1 / (1 + exp(-gates[c])) : 0;

			x[t][c] = (gates != NULL ? g : 1) * x[t][c] + (1 - g) * w[c] * kept[E - 1 - row][t][c];
		}
}

/* The mean loss in nats. */
static double
loss(const int32_t *ids)
{
	const int from = now.config.parallel_from == CONFIG_NONE ? L : (int)now.config.parallel_from;
	const double *emb = tensor(-1, "tok_emb.weight");
	double x0[T][C], a[T][C], b[T][C], att[T][C], add[T][C], kept[L][T][C], z[V], h[C], nats = 0;

	for (int t = 0; t < T; t++)
		rms(x0[t], emb + ids[t] * C, C, 1);
	memcpy(a, x0, sizeof(a));
	for (int l = 0; l < L; l++) {
		const double d = now.config.ln_scale ? 1 / sqrt(l + 1) : 1, *mix = tensor(l, "resid_mix");

		if (l == from)
			memcpy(b, a, sizeof(b));
		skip(l, a, kept);
		attention(l, a, x0, att, d);
		if (l >= from) {
			const double *keep = tensor(l, "lane_keep"), *share = tensor(l, "lane_add");

			mlp(l, b, add, d);
			for (int t = 0; t < T; t++)
				for (int c = 0; c < C; c++) {
					a[t][c] = keep[0] * a[t][c] + share[0] * att[t][c] + share[2] * add[t][c];
					b[t][c] = keep[1] * b[t][c] + share[1] * att[t][c] + share[3] * add[t][c];
				}
			continue;
		}
		for (int t = 0; t < T; t++)
			for (int c = 0; c < C; c++)
				a[t][c] = mix[c] * a[t][c] + mix[C + c] * x0[t][c] + att[t][c];
		mlp(l, a, add, d);
		for (int t = 0; t < T; t++)
			for (int c = 0; c < C; c++)
				kept[l][t][c] = a[t][c] += add[t][c];
	}
	for (int t = 0; t < T; t++) {
		double sum = 0, cap = now.config.logit_softcap;

		for (int c = 0; from < L && c < C; c++)
			a[t][c] = (a[t][c] + b[t][c]) / 2;
		rms(h, a[t], C, 1);
		times(z, h, emb, V, C);
		for (int i = 0; i < V; i++)
			sum += exp(z[i] = cap * tanh(z[i] / cap));
		nats += log(sum) - z[ids[t + 1]];
	}
	return (nats / T);
}

/* How far the slope of the loss along the gradient of a tensor is from that gradient's length, relative to it. */
static double
slope_error(const struct params_tensor *t, const float *g, const int32_t *ids)
{
	const double h = 1e-5;
	double length = 0, measured, *was = malloc(t->n * sizeof(*was));

	memcpy(was, now.w + t->offset, t->n * sizeof(*was));
	for (size_t i = 0; i < t->n; i++)
		length += (double)g[i] * g[i];
	length = sqrt(length);
	for (size_t i = 0; i < t->n; i++)
		now.w[t->offset + i] = was[i] + h * g[i] / length;
	measured = loss(ids);
	for (size_t i = 0; i < t->n; i++)
		now.w[t->offset + i] = was[i] - h * g[i] / length;
	measured = (measured - loss(ids)) / (2 * h);
	memcpy(now.w + t->offset, was, t->n * sizeof(*was));
	free(was);
	return (fabs(measured - length) / length);
}

static void
check(const char *what, const struct config *over)
{
	const struct model_args args = { .config = &now.config,
		.use = MODEL_TRAIN,
		.backend = "ref",
		.isa = "auto",
		.arith = OPS_FP32,
		.threads = 1,
		.max_batch = 1,
		.max_seq = T,
		.max_passes = 1 };
	int32_t ids[T + 1];
	const struct model_batch batch = { ids, ids + 1, 1, T };
	struct model *m;
	struct rng rng;
	float *w, *g, nats[T];
	double sum = 0, worst = 0;
	const char *where = "";

	now.config = *over;
	now.config.num_layers = L;
	now.config.vocab_size = V;
	now.config.model_dim = C;
	now.config.num_heads = H;
	now.config.num_kv_heads = K;
	now.config.mlp_mult = F / C;
	if (!tap_ok(config_check(&now.config) == 0 && (m = model_open(&args)) != NULL, "%s: opens", what))
		return;
	now.params = model_params(m);
	now.w = calloc(now.params->n, sizeof(*now.w));
	w = calloc(now.params->n, sizeof(*w));
	g = calloc(now.params->n, sizeof(*g));
	rng_seed(&rng, 8, 0);
	for (size_t i = 0; i < now.params->count; i++) {
		const struct params_tensor *t = &now.params->tensors[i];

		for (size_t j = t->offset; j < t->offset + t->n; j++)
			now.w[j] = w[j] = (float)(t->group == PARAMS_SCALAR ? 0.8 + 0.3 * rng_normal(&rng) :
									      0.5 * rng_normal(&rng));
	}
	for (size_t i = 0; i <= T; i++)
		ids[i] = (int32_t)rng_below(&rng, V);
	model_set(m, w);
	model_begin(m);
	model_grad(m, &batch, 0, 1.0f / T);
	model_end(m);
	model_nats(m, 0, T, nats);
	model_get_grad(m, g);
	for (size_t t = 0; t < T; t++)
		sum += nats[t] / T;
	tap_ok(fabs(sum - loss(ids)) < 1e-6, "%s: the loss is that of the equations (%.8f, off by %.2g)", what, sum,
	    sum - loss(ids));
	for (size_t i = 0; i < now.params->count; i++) {
		const struct params_tensor *t = &now.params->tensors[i];
		const double error = slope_error(t, g + t->offset, ids);

		if (!(error <= worst)) {
			worst = error;
			where = t->name;
		}
	}
	tap_ok(worst < 1e-5, "%s: its gradient is their slope (worst %.2g, %s)", what, worst, where);
	free(w);
	free(g);
	free(now.w);
	model_close(m);
}

int
main(void)
{
	struct config c;

	say_init("parallel");
	config_default(&c);
	check("one stream, by which this file's pass is known to be the model's", &c);
	for (c.parallel_from = 2; c.parallel_from < L; c.parallel_from++) {
		char what[32];

		snprintf(what, sizeof(what), "lanes from layer %zu", c.parallel_from);
		check(what, &c);
	}
	c.parallel_from = 2;
	c.skip_gate = c.ln_scale = 1;
	check("lanes from layer 2, gated skips, norms by depth", &c);
	c.skip_gate = 0;
	c.encoder_layers = c.parallel_from = 0;
	check("lanes from the first layer on", &c);
	return (tap_done());
}
