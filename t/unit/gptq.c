/*
 * Levels that make up for one another: the arithmetic against a slow one of another kind, what a model's matrices read,
 * the file of it, and the artifact.  Prints TAP.
 * test_tags=b64,b66
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/jsonio.h"
#include "base/rng.h"
#include "base/say.h"
#include "gpt/artifact.h"
#include "gpt/calibration.h"
#include "gpt/f16.h"
#include "gpt/gptq.h"
#include "gpt/model.h"
#include "t/unit/tap.h"

enum { N = 70, ROWS = 21 };

static const struct quantize_law six = { 6, QUANTIZE_GPTQ, 3, 0 };

/* --- the arithmetic ------------------------------------------------------------ */

/* A layer that reads correlated inputs. */
struct sample {
	double h[N][N]; /* sum of x x^T */
	float gram[N * (N + 1) / 2], w[ROWS * N];
};

static void
pack(struct sample *s)
{
	float *to = s->gram;

	for (size_t i = 0; i < N; i++)
		for (size_t j = i; j < N; j++)
			*to++ = (float)s->h[i][j];
}

/* ${inputs} of them, each a mixture of a few causes; column ${dead} always 0. */
static void
correlate(struct sample *s, size_t inputs, size_t dead, uint64_t seed)
{
	double causes[6][N], x[N];
	struct rng rng;

	rng_seed(&rng, 11, seed);
	memset(s, 0, sizeof(*s));
	for (size_t k = 0; k < 6; k++)
		for (size_t i = 0; i < N; i++)
			causes[k][i] = rng_normal(&rng);
	for (size_t n = 0; n < inputs; n++) {
		for (size_t i = 0; i < N; i++)
			x[i] = 0.3 * rng_normal(&rng);
		for (size_t k = 0; k < 6; k++) {
			const double strength = rng_normal(&rng);

			for (size_t i = 0; i < N; i++)
				x[i] += strength * causes[k][i];
		}
		if (dead < N)
			x[dead] = 0;
		for (size_t i = 0; i < N; i++)
			for (size_t j = 0; j < N; j++)
				s->h[i][j] += x[i] * x[j];
	}
	for (size_t i = 0; i < ROWS * N; i++)
		s->w[i] = (float)(0.1 * rng_normal(&rng));
	pack(s);
}

struct rounded {
	int8_t q[ROWS * N];
	uint16_t scale[ROWS];
	float w[ROWS * N];
};

static int
by_gptq(const struct sample *s, struct rounded *r)
{
	struct gptq *g = gptq_new(s->gram, N);
	float scratch[N];
	int rc = g == NULL ? -1 : gptq_rows(g, &six, s->w, ROWS, r->q, r->scale, scratch);

	gptq_free(g);
	quantize_restore(r->q, r->scale, ROWS, N, r->w);
	return (rc);
}

static void
by_rounding(const struct sample *s, struct rounded *r)
{
	float scratch[N];

	quantize_rows(&six, s->w, ROWS, N, r->q, r->scale, scratch);
	quantize_restore(r->q, r->scale, ROWS, N, r->w);
}

/* How far the layer's outputs are off: tr((W - Q) H (W - Q)^T). */
static double
missed(const struct sample *s, const struct rounded *r)
{
	double sum = 0;

	for (size_t o = 0; o < ROWS; o++)
		for (size_t i = 0; i < N; i++)
			for (size_t j = 0; j < N; j++)
				sum += ((double)s->w[o * N + i] - r->w[o * N + i]) * s->h[i][j] *
				    ((double)s->w[o * N + j] - r->w[o * N + j]);
	return (sum);
}

static int
same(const struct rounded *a, const struct rounded *b)
{
	return (memcmp(a->q, b->q, sizeof(a->q)) == 0 && memcmp(a->scale, b->scale, sizeof(a->scale)) == 0);
}

/*
 * The slow way, which knows no factor: with the inverse of H over the columns that are left, by elimination, a column
 * is rounded, its error spread by its column of the inverse, and the column struck out of the inverse.
 */
static void
slowly(const struct sample *s, struct rounded *r)
{
	static double h[N][2 * N];
	double mean = 0, left[ROWS][N];
	float clip, scale[ROWS], scratch[N];
	int done[N] = { 0 };

	for (size_t i = 0; i < N; i++)
		mean += s->h[i][i] / N;
	for (size_t i = 0; i < N; i++)
		for (size_t j = 0; j < N; j++) {
			h[i][j] = (float)s->h[i][j] + (i == j ? 0.01 * mean : 0);
			h[i][N + j] = i == j;
		}
	for (size_t k = 0; k < N; k++) {
		const double pivot = h[k][k];

		for (size_t j = 0; j < 2 * N; j++)
			h[k][j] /= pivot;
		for (size_t i = 0; i < N; i++) {
			const double times = h[i][k];

			for (size_t j = 0; i != k && j < 2 * N; j++)
				h[i][j] -= times * h[k][j];
		}
	}
	for (size_t o = 0; o < ROWS; o++) {
		scale[o] = quantize_scale(&six, s->w + o * N, N, scratch, &clip);
		r->scale[o] = f16_from(scale[o]);
		for (size_t i = 0; i < N; i++)
			left[o][i] = s->w[o * N + i];
	}
	for (size_t n = 0; n < N; n++) {
		size_t k = N;
		double column[N];

		for (size_t i = 0; i < N; i++)
			if (!done[i] && (k == N || s->h[i][i] > s->h[k][k]))
				k = i;
		done[k] = 1;
		for (size_t o = 0; o < ROWS; o++) {
			double error;

			clip = quantize_scale(&six, s->w + o * N, N, scratch, &clip) * 31;
			r->q[o * N + k] = quantize_level((float)left[o][k], clip, scale[o], 31);
			error = left[o][k] - r->q[o * N + k] * (double)f16_to(r->scale[o]);
			for (size_t i = 0; i < N; i++)
				if (!done[i])
					left[o][i] -= error * h[i][N + k] / h[k][N + k];
		}
		for (size_t i = 0; i < N; i++)
			column[i] = h[i][N + k];
		for (size_t i = 0; i < N; i++)
			for (size_t j = 0; j < N; j++)
				h[i][N + j] -= column[i] * column[j] / column[k];
	}
	quantize_restore(r->q, r->scale, ROWS, N, r->w);
}

static void
arithmetic(void)
{
	struct rounded mine, again, plain, slow;
	struct sample s;
	int beyond = 0, other = 0;

	correlate(&s, 400, N, 1);
	by_rounding(&s, &plain);
	tap_ok(by_gptq(&s, &mine) == 0 && by_gptq(&s, &again) == 0 && same(&mine, &again),
	    "the same gives the same levels");
	tap_ok(missed(&s, &mine) < 0.5 * missed(&s, &plain) && memcmp(mine.scale, plain.scale, sizeof(mine.scale)) == 0,
	    "on correlated inputs the outputs are off by less than half of what rounding makes, at the same scales "
	    "(%.3g of %.3g)",
	    missed(&s, &mine), missed(&s, &plain));
	for (size_t i = 0; i < ROWS * N; i++)
		beyond += mine.q[i] > 31 || mine.q[i] < -31;
	tap_ok(beyond == 0, "no level is beyond its bits");
	for (uint64_t seed = 1; seed <= 5; seed++) {
		correlate(&s, 400, N, seed);
		by_gptq(&s, &mine);
		slowly(&s, &slow);
		for (size_t i = 0; i < ROWS * N; i++)
			other += mine.q[i] != slow.q[i];
	}
	tap_ok(other == 0, "levels are those of elimination column by column (%d of %d are not)", other, 5 * ROWS * N);
	correlate(&s, 400, N, 2);
	for (size_t i = 0; i < N; i++)
		for (size_t j = 0; j < N; j++)
			s.h[i][j] = i == j ? s.h[i][j] : 0;
	pack(&s);
	by_rounding(&s, &plain);
	by_gptq(&s, &mine);
	tap_ok(same(&mine, &plain), "inputs without correlations leave every weight to plain rounding");
	memset(s.h, 0, sizeof(s.h));
	pack(&s);
	tap_ok(by_gptq(&s, &mine) == 0 && same(&mine, &plain), "and so do inputs that are all zero");
}

static void
edges(void)
{
	struct rounded mine, plain;
	struct sample s;
	int others = 0, off = 0;

	correlate(&s, 400, 17, 3);
	by_rounding(&s, &plain);
	by_gptq(&s, &mine);
	for (size_t o = 0; o < ROWS; o++) {
		off += mine.q[o * N + 17] != plain.q[o * N + 17];
		others += memcmp(mine.q + o * N, plain.q + o * N, N) != 0;
	}
	tap_ok(off == 0 && others == ROWS,
	    "a column that is never read is rounded plainly, while others make up for one another");
	correlate(&s, 1, N, 4);
	by_rounding(&s, &plain);
	off += by_gptq(&s, &mine) == -1;
	tap_ok(off == 0 && missed(&s, &mine) < 0.1 * missed(&s, &plain),
	    "one input alone, whose sum of squares has no inverse, is made up for almost wholly (%.2g of %.2g)",
	    missed(&s, &mine), missed(&s, &plain));
	correlate(&s, 400, N, 5);
	memset(s.w + 4 * N, 0, N * sizeof(*s.w));
	by_gptq(&s, &mine);
	for (size_t i = 0; i < N; i++)
		off += mine.q[4 * N + i] != 0;
	tap_ok(off == 0 && mine.scale[4] == 0, "a row of zeros stays zeros");
	s.gram[5] = NAN;
	tap_ok(by_gptq(&s, &mine) == -1 && errno == EBADMSG, "what is no number is refused");
	s.gram[5] = 0;
	s.gram[0] = -1e6f;
	tap_ok(by_gptq(&s, &mine) == -1 && errno == EBADMSG, "and so is what is no sum of squares");
}

/* --- what matrices read -------------------------------------------------------- */

enum { V = 37, B = 3, T = 7 };

static const char *const models[] = {
	"{}",
	"{\"mlp_activation\": \"leaky_relu2\", \"tie_embeddings\": false}",
	"{\"mlp_activation\": \"swiglu\", \"mlp_mult\": 3, \"ln_scale\": true, \"skip_gate\": true}",
	("{\"value_residual\": true, \"value_embed_layers\": [0, 2], \"attn_gate\": true, \"smear\": true, "
	 "\"bigram_buckets\": 11, \"bigram_dim\": 6, \"bigram_prior\": \"counts\"}"),
};

static int
everything(const void *law, const struct params_tensor *t)
{
	(void)law, (void)t;
	return (1);
}

static struct model *
open_model(const char *keys, const char *backend, model_watches *watches)
{
	json_t *over = jsonio_parse(keys, strlen(keys), "a lever"), *object;
	struct config c;
	struct model_args args = { .config = &c,
		.use = MODEL_TRAIN,
		.backend = backend,
		.isa = "auto",
		.arith = OPS_FP32,
		.threads = 2,
		.max_batch = B,
		.max_seq = T,
		.max_passes = 1,
		.watches = watches };
	struct model *m;
	struct rng rng;
	float *w;

	config_default(&c);
	c.vocab_size = V;
	c.num_layers = 5;
	c.model_dim = 40;
	c.num_heads = 4;
	c.num_kv_heads = 2;
	object = config_to_json(&c);
	json_object_update(object, over);
	if (config_from_json(&c, object) == -1 || (m = model_open(&args)) == NULL)
		exit(1);
	json_decref(object);
	json_decref(over);
	w = calloc(model_params(m)->n, sizeof(*w));
	params_init(model_params(m), 3, w);
	rng_seed(&rng, 4, 0);
	for (size_t i = 0; i < model_params(m)->n; i++)
		w[i] += (float)(0.1 * rng_normal(&rng));
	model_set(m, w);
	free(w);
	return (m);
}

static void
watch(struct model *m, const int32_t *ids, size_t sequences, size_t length)
{
	const struct model_batch batch = { ids, ids + 1, sequences, length };

	model_begin(m);
	if (model_watch(m, &batch) == -1)
		exit(1);
	model_end(m);
}

/* The row of a gradient by which it says most; of an embedding one that stands for no input. */
static const float *
telling(const float *grad, const struct params_tensor *t, int32_t not )
{
	const float *best = NULL;
	double most = 0;

	for (size_t r = 0; r < t->rows; r++) {
		double sum = 0;

		for (size_t i = 0; i < t->cols; i++)
			sum += (double)grad[r * t->cols + i] * grad[r * t->cols + i];
		if (sum > most && !(t->id == PARAMS_TOK_EMB && (int32_t)r == not )) {
			most = sum;
			best = grad + r * t->cols;
		}
	}
	return (best);
}

/* Is g, of one input x, x x^T?  Every row of the gradient of its matrix is a multiple of x, too. */
static int
is_of(const float *g, const float *x, size_t n)
{
	double trace = 0, square = 0, off = 0, all = 0;

	for (size_t i = 0; i < n; i++) {
		trace += g[i * n + i];
		square += (double)x[i] * x[i];
	}
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < n; j++) {
			const double want = trace / square * x[i] * x[j];

			off += (g[i * n + j] - want) * (g[i * n + j] - want);
			all += want * want;
		}
	return (off < 1e-8 * all);
}

static void
reads(const char *keys, const char *backend)
{
	struct model *m = open_model(keys, backend, everything);
	const struct params *p = model_params(m);
	const int32_t ids[B * T + 1] = { 5, 9, 1, 30, 7, 7, 2, 12, 1, 1, 8, 36, 20, 3, 4, 5, 9, 11, 6, 33, 28, 2 };
	const struct model_batch one = { ids, ids + 1, 1, 1 };
	float *grad = calloc(p->n, sizeof(*grad)), *g = calloc(4096 * 4, sizeof(*g)),
	      *parts = calloc(4096 * 4, sizeof(*g));
	size_t seen = 0, wrong = 0, apart = 0, norms = 0;

	model_begin(m);
	model_grad(m, &one, 0, 1);
	model_end(m);
	model_get_grad(m, grad);
	watch(m, ids, 1, 1);
	for (size_t i = 0; i < p->count; i++) {
		const struct params_tensor *t = &p->tensors[i];
		const size_t input = params_input(p, i);
		const float *x;
		double trace = 0;

		if (input == PARAMS_NONE)
			continue;
		/* With one key to look at, a query and a key change nothing. */
		if (t->id == PARAMS_C_Q || t->id == PARAMS_C_K)
			continue;
		seen++;
		model_get_gram(m, input, g);
		x = telling(grad + t->offset, t, ids[0]);
		wrong += x == NULL || !is_of(g, x, t->cols);
		for (size_t j = 0; j < t->cols; j++)
			trace += g[j * t->cols + j];
		if (t->id == PARAMS_FC || t->id == PARAMS_C_V)
			norms += !p->config.ln_scale && fabs(trace / (double)t->cols - 1) > 1e-3;
	}
	tap_ok(seen >= 5 * 4 + 1 && wrong == 0 && norms == 0,
	    "%s, %s: of one token each of %zu matrices has x x^T of the x that its gradient shows, normed where it is",
	    backend, keys, seen);
	/* Sequences are summed up, and forgotten. */
	for (size_t i = 0, n; i < p->count; i++) {
		double off = 0, all = 0;

		if (!model_watched(m, i))
			continue;
		n = p->tensors[i].cols * p->tensors[i].cols;
		model_forget(m);
		for (size_t b = 0; b < B; b++)
			watch(m, ids + b * T, 1, T);
		model_get_gram(m, i, parts);
		model_forget(m);
		watch(m, ids, B, T);
		model_get_gram(m, i, g);
		for (size_t j = 0; j < n; j++) {
			off += ((double)g[j] - parts[j]) * ((double)g[j] - parts[j]);
			all += (double)parts[j] * parts[j];
		}
		apart += off > 1e-10 * all || all == 0;
	}
	tap_ok(apart == 0, "%s, %s: of several sequences it is the sum of theirs", backend, keys);
	free(parts);
	free(g);
	free(grad);
	model_close(m);
}

/* --- the file and the artifact ------------------------------------------------- */

#define DIGEST "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static int
temporary(void)
{
	char path[] = "/tmp/hg-gptq-XXXXXX";
	const int fd = mkstemp(path);

	unlink(path);
	return (fd);
}

/* Gram matrices of random inputs for all that the law watches. */
static struct calibration *
invented(const struct params *p, const struct artifact_law *law)
{
	struct calibration *c = calibration_new(p);
	struct rng rng;

	rng_seed(&rng, 8, 0);
	for (size_t i = 0; i < p->count; i++) {
		const size_t input = params_input(p, i), n = p->tensors[i].cols;
		float *g, *x;

		if (input == PARAMS_NONE || !artifact_watches(law, &p->tensors[i]) || c->gram[input] != NULL)
			continue;
		g = c->gram[input] = calloc(gptq_packed(n), sizeof(*g));
		x = calloc(n, sizeof(*x));
		for (int k = 0; k < 40; k++) {
			size_t at = 0;

			for (size_t j = 0; j < n; j++)
				x[j] = (float)rng_normal(&rng) + (j > 0 ? x[j - 1] : 0);
			for (size_t j = 0; j < n; j++)
				for (size_t l = j; l < n; l++)
					g[at++] += x[j] * x[l];
		}
		free(x);
	}
	return (c);
}

static void
files(void)
{
	const struct artifact_law law = { 6, 7, QUANTIZE_GPTQ, 4, 5, 1e-4, CODER_ZLIB, 1000 };
	struct artifact_report report;
	struct calibration *c, *back;
	size_t n, plain = 0, fed = 0, off = 0;
	struct artifact a;
	struct config config;
	struct params *p;
	char *bytes;
	float *w, *want, *scratch;
	int fd = temporary(), same_numbers = 1;

	config_default(&config);
	config.vocab_size = 300;
	config.num_layers = 2;
	config.model_dim = 264;
	config.num_heads = 4;
	config.num_kv_heads = 2;
	p = params_new(&config);
	w = calloc(p->n, sizeof(*w));
	params_init(p, 1, w);
	c = invented(p, &law);
	if (calibration_write(fd, c, p, NULL) == -1)
		exit(1);
	back = calibration_read(fd, "calibration", p, artifact_watches, &law);
	for (size_t i = 0; back != NULL && i < p->count; i++)
		same_numbers &= (c->gram[i] == NULL) == (back->gram[i] == NULL) &&
		    (c->gram[i] == NULL ||
			memcmp(c->gram[i], back->gram[i], gptq_packed(p->tensors[i].cols) * sizeof(float)) == 0);
	tap_ok(back != NULL && same_numbers, "what was written is read back to the bit");
	calibration_free(back);
	n = params_at(p, 1, PARAMS_MLP_PROJ);
	free(c->gram[n]);
	c->gram[n] = NULL;
	ftruncate(fd, 0);
	lseek(fd, 0, SEEK_SET);
	calibration_write(fd, c, p, NULL);
	tap_ok(calibration_read(fd, "calibration", p, artifact_watches, &law) == NULL && errno == EBADMSG &&
		strstr(say_last(), "blocks.1.mlp.proj.weight.gram") != NULL,
	    "a matrix that is missing is named, and the file refused");
	calibration_free(c);
	c = invented(p, &law);
	close(fd);
	fd = temporary();
	if (artifact_write(fd, p, w, DIGEST, &law, c, &report) == -1)
		exit(1);
	lseek(fd, 0, SEEK_SET);
	bytes = file_read_fd(fd, 1 << 24, &n);
	if (artifact_read(bytes, n, "artifact", &a) == -1)
		exit(1);
	tap_ok(a.law.quantizer == QUANTIZE_GPTQ && a.law.gptq_tokens == 1000, "the artifact says how it was rounded");
	want = calloc(p->n, sizeof(*want));
	scratch = calloc(4096, sizeof(*scratch));
	for (size_t i = 0; i < p->count; i++) {
		const struct params_tensor *t = &p->tensors[i];
		const int embeds = t->id == PARAMS_TOK_EMB;
		const struct quantize_law rows = { embeds ? 7 : 6, QUANTIZE_GPTQ, embeds ? 5 : 4, 1e-4 };
		int8_t *q = calloc(t->n, 1);
		uint16_t *scale = calloc(t->rows, sizeof(*scale));
		struct gptq *g;

		if (t->group != PARAMS_SCALAR && t->dims == 2 && t->n > QUANTIZE_MIN_ELEMENTS) {
			quantize_rows(&rows, w + t->offset, t->rows, t->cols, q, scale, scratch);
			quantize_restore(q, scale, t->rows, t->cols, want);
			plain += memcmp(want, a.w + t->offset, t->n * sizeof(*want)) == 0;
			g = gptq_new(calibration_gram(c, p, i), t->cols);
			gptq_rows(g, &rows, w + t->offset, t->rows, q, scale, scratch);
			gptq_free(g);
			quantize_restore(q, scale, t->rows, t->cols, want);
			fed++;
			off += memcmp(want, a.w + t->offset, t->n * sizeof(*want)) != 0;
		}
		free(scale);
		free(q);
	}
	tap_ok(fed == 9 && off == 0 && plain <= 4,
	    "matrices and the tied embedding are rounded with an eye on what they read (%zu of %zu; %zu, all zeros, "
	    "are as by plain rounding)",
	    fed - off, fed, plain);
	artifact_report_free(&report);
	artifact_free(&a);
	calibration_free(c);
	free(scratch);
	free(want);
	free(bytes);
	free(w);
	params_free(p);
	close(fd);
}

int
main(void)
{
	arithmetic();
	edges();
	for (size_t i = 0; i < sizeof(models) / sizeof(models[0]); i++) {
		reads(models[i], "ref");
		reads(models[i], "cpu");
	}
	files();
	return (tap_done());
}
