/*
 * Evaluation by documents, and with test-time training: what no law may do, and what each says that it does.
 * Prints TAP.
 * test_tags=b96
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "base/say.h"
#include "gpt/model.h"
#include "gpt/score.h"
#include "gpt/ttt.h"
#include "t/unit/tap.h"

enum { V = 29, T = 12, BOS = 1, WINDOWS = 3, DOCUMENTS = 7 };

/* One is of BOS alone, some are longer than a window; the last one has an end that nothing follows. */
static const size_t lengths[DOCUMENTS] = { 5, 1, T, 2 * T + 7, 9, T + 1, 17 };

enum { STREAM = 5 + 1 + T + 2 * T + 7 + 9 + T + 1 + 17 };

static const struct config config = {
	.vocab_size = V,
	.num_layers = 3,
	.model_dim = 16,
	.num_heads = 4,
	.num_kv_heads = 2,
	.mlp_mult = 2,
	.tie_embeddings = 1,
	.rope_base = 10000,
	.logit_softcap = 30,
	.qk_gain_init = 1.5,
	.tied_embed_init_std = 0.3,
	CONFIG_LATER,
};

/* What runs, and how far a pass over fewer tokens may round otherwise. */
static struct {
	const char *name;
	enum ops_arith arith;
	double rounding;
} backend;

static struct model *
open_model(enum model_use use)
{
	const struct model_args args = {
		.config = &config,
		.use = use,
		.backend = backend.name,
		.isa = "auto",
		.arith = backend.arith,
		.threads = 1,
		.max_batch = WINDOWS,
		.max_seq = T,
		.max_passes = 1,
	};
	struct model *m = model_open(&args);
	struct rng rng;
	float *w;

	if (m == NULL || (w = calloc(model_params(m)->n, sizeof(*w))) == NULL)
		exit(1);
	params_init(model_params(m), 3, w);
	rng_seed(&rng, 4, 0);
	for (size_t i = 0; i < model_params(m)->n; i++)
		w[i] += (float)(0.1 * rng_normal(&rng));
	model_set(m, w);
	free(w);
	return (m);
}

/* The documents in the order that ${order} names them, and where each begins. */
static void
write_stream(int32_t *stream, const size_t *order, size_t *starts)
{
	int32_t *to = stream;

	for (size_t i = 0; i < DOCUMENTS; i++) {
		struct rng rng;

		starts[order[i]] = (size_t)(to - stream);
		rng_seed(&rng, 5, order[i]);
		*to++ = BOS;
		for (size_t j = 1; j < lengths[order[i]]; j++)
			*to++ = 2 + (int32_t)rng_below(&rng, V - 2);
	}
}

static int
read_stream(void *cookie, uint64_t at, int32_t *ids, size_t n)
{
	if (at + n > STREAM)
		return (-1);
	memcpy(ids, (const int32_t *)cookie + at, n * sizeof(*ids));
	return (0);
}

/* All losses by place, parts taken backwards; whether each place was scored, and once. */
static int
score_all(struct model *m, const char *mode, int32_t *stream, float *at)
{
	struct score_args args = { .model = m,
		.bos = BOS,
		.windows = WINDOWS,
		.tokens = STREAM,
		.source = read_stream,
		.cookie = stream };
	size_t count[STREAM] = { 0 }, n;
	uint64_t first, end, next = 1;
	const float *nats;
	struct score *s;
	int once = 1;

	if (score_law_parse(mode, T, &args.law) != 0 || (s = score_open(&args)) == NULL)
		return (0);
	for (uint64_t part = 0; part < score_parts(s); part++) {
		score_span(s, part, &first, &end);
		once &= first == next;
		next = end;
	}
	once &= next == STREAM && score_targets(s) == STREAM - 1;
	for (uint64_t part = score_parts(s); part-- > 0;) {
		score_span(s, part, &first, &end);
		if (score_part(s, part, &nats, &n) != 0 || n != end - first)
			return (0);
		for (size_t i = 0; i < n; i++) {
			at[first + i] = nats[i];
			count[first + i]++;
		}
	}
	for (size_t i = 1; i < STREAM; i++)
		once &= count[i] == 1;
	score_close(s);
	return (once);
}

static double
farthest(const float *a, const float *b, size_t n)
{
	double most = 0;

	for (size_t i = 0; i < n; i++)
		most = fmax(most, fabs((double)a[i] - b[i]));
	return (most);
}

/* Losses of one window, by a pass of its own. */
static void
window(struct model *m, const int32_t *ids, size_t n, float *nats)
{
	const struct model_batch batch = { ids, ids + 1, 1, n };

	model_begin(m);
	model_loss(m, &batch, 0);
	model_nats(m, 0, n, nats);
	model_end(m);
}

static const size_t given[DOCUMENTS] = { 0, 1, 2, 3, 4, 5, 6 };

static void
apart(struct model *m)
{
	float at[STREAM], nats[T];
	size_t starts[DOCUMENTS];
	int32_t stream[STREAM];
	int right = 1;

	write_stream(stream, given, starts);
	tap_ok(score_all(m, "documents", stream, at), "%s: by documents each token is scored, and once", backend.name);
	for (size_t d = 0; d < DOCUMENTS; d++) {
		const size_t targets = lengths[d] - (d == DOCUMENTS - 1);

		for (size_t k = 0; k < targets; k += T) {
			const size_t n = targets - k < T ? targets - k : T;

			window(m, stream + starts[d] + k, n, nats);
			right &= memcmp(nats, at + starts[d] + k + 1, n * sizeof(*nats)) == 0;
		}
	}
	tap_ok(right, "%s: from its own BOS on, each window as a pass of its own scores it", backend.name);
}

/* The last document stays in its place, as its end is no target. */
static void
order(struct model *m, const char *mode)
{
	static const size_t other[DOCUMENTS] = { 4, 2, 5, 0, 3, 1, 6 };
	float at[STREAM], again[STREAM];
	size_t here[DOCUMENTS], there[DOCUMENTS];
	int32_t stream[STREAM], moved[STREAM];
	int same = 1;

	write_stream(stream, given, here);
	write_stream(moved, other, there);
	same &= score_all(m, mode, stream, at) && score_all(m, mode, moved, again);
	for (size_t d = 0; d < DOCUMENTS; d++)
		same &= memcmp(at + here[d] + 1, again + there[d] + 1,
			    (lengths[d] - (d == DOCUMENTS - 1)) * sizeof(*at)) == 0;
	tap_ok(same, "%s, %s: a document has the same losses wherever it stands", backend.name, mode);
}

/* Each token in turn becomes another one, a BOS among them. */
static void
later(struct model *m, const char *mode)
{
	float at[STREAM], again[STREAM];
	size_t starts[DOCUMENTS], seen = 0;
	int32_t stream[STREAM];
	double most = 0;

	write_stream(stream, given, starts);
	score_all(m, mode, stream, at);
	for (size_t p = 1; p < STREAM; p++) {
		const int32_t was = stream[p];

		stream[p] = was == BOS ? 2 : p % 2 ? BOS : 2 + (was - 1) % (V - 2);
		score_all(m, mode, stream, again);
		stream[p] = was;
		most = fmax(most, farthest(at + 1, again + 1, p - 1));
		seen += at[p] != again[p];
	}
	tap_ok(most <= backend.rounding && seen == STREAM - 1,
	    "%s, %s: a later token never changes an earlier loss%s (%.2g)", backend.name, mode,
	    backend.rounding > 0 ? ", beyond rounding" : "", most);
}

/* Whatever stands at a place, its loss is that of one distribution, made before anybody looked. */
static void
normalised(struct model *m, const char *mode)
{
	size_t starts[DOCUMENTS];
	int32_t stream[STREAM];
	float at[STREAM];
	double most = 0;

	write_stream(stream, given, starts);
	for (size_t p = starts[3] + 1; p < starts[4]; p += 4) {
		const int32_t was = stream[p];
		double sum = 0;

		for (stream[p] = 0; stream[p] < V; stream[p]++) {
			score_all(m, mode, stream, at);
			sum += exp(-(double)at[p]);
		}
		stream[p] = was;
		most = fmax(most, fabs(sum - 1));
	}
	tap_ok(most < (backend.arith == OPS_BF16 ? 0.02 : 1e-5),
	    "%s, %s: the chances of all tokens at a place add up to one (%.2g)", backend.name, mode, most);
}

static void
still(struct model *m, struct model *train)
{
	static const char *const modes[] = { "ttt:1:0", "ttt:5:0", "ttt:12:0" };
	float at[STREAM], again[STREAM], *before, *after;
	size_t starts[DOCUMENTS], n = model_params(m)->n;
	int32_t stream[STREAM];

	before = calloc(n, sizeof(*before));
	after = calloc(n, sizeof(*after));
	model_get(train, before);
	write_stream(stream, given, starts);
	score_all(m, "documents", stream, at);
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		const int once = score_all(train, modes[i], stream, again);
		const double most = farthest(at + 1, again + 1, STREAM - 1);

		tap_ok(once && most <= backend.rounding, "%s, %s: at rate 0 the losses are those by documents%s (%.2g)",
		    backend.name, modes[i], backend.rounding > 0 ? ", beyond rounding" : ", bit for bit", most);
	}
	score_all(train, "ttt:4:0.5", stream, again);
	model_get(train, after);
	tap_ok(memcmp(before, after, n * sizeof(*after)) == 0, "%s: the model has its weights again", backend.name);
	free(before);
	free(after);
}

/* What a chunk teaches, by way of whole passes: the gradient of all that was read, less that of what came before. */
static void
teach(struct model *m, const int32_t *ids, size_t before, size_t chunk, double lr)
{
	const struct params *p = model_params(m);
	const struct model_batch all = { ids, ids + 1, 1, before + chunk }, less = { ids, ids + 1, 1, before };
	float *w = calloc(p->n, sizeof(*w)), *g = calloc(p->n, sizeof(*g)), *g0 = calloc(p->n, sizeof(*g0));

	model_begin(m);
	model_grad(m, &all, 0, 1.0f / (float)chunk);
	model_end(m);
	model_get_grad(m, g);
	model_begin(m);
	if (before > 0)
		model_grad(m, &less, 0, 1.0f / (float)chunk);
	model_end(m);
	model_get_grad(m, g0);
	model_get(m, w);
	for (size_t i = 0; i < p->count; i++) {
		const struct params_tensor *t = &p->tensors[i];

		if (strstr(t->name, "_scale") == NULL && strstr(t->name, "resid_mix") == NULL &&
		    strstr(t->name, "q_gain") == NULL)
			continue;
		for (size_t j = t->offset; j < t->offset + t->n; j++)
			w[j] = (float)(w[j] - lr * ((double)g[j] - g0[j]));
	}
	model_set(m, w);
	free(w);
	free(g);
	free(g0);
}

static void
taught(struct model *train)
{
	enum { CHUNK = 5, D = 3 };
	const double lr = 0.5;
	const size_t targets = lengths[D];
	float at[STREAM], plain[STREAM], nats[T], *first;
	size_t starts[DOCUMENTS], steps = 0;
	int32_t stream[STREAM];
	double most = 0;

	first = calloc(model_params(train)->n, sizeof(*first));
	model_get(train, first);
	write_stream(stream, given, starts);
	score_all(train, "documents", stream, plain);
	score_all(train, "ttt:5:0.5", stream, at);
	for (size_t k = 0; k < targets; k += T) {
		const size_t n = targets - k < T ? targets - k : T;
		const int32_t *ids = stream + starts[D] + k;

		for (size_t c = 0, chunk; c < n; c += chunk) {
			chunk = n - c < CHUNK ? n - c : CHUNK;
			window(train, ids, c + chunk, nats);
			most = fmax(most, farthest(nats + c, at + starts[D] + k + c + 1, chunk));
			teach(train, ids, c, chunk, lr);
			steps++;
		}
	}
	model_set(train, first);
	tap_ok(steps == 8 && most < (backend.arith == OPS_BF16 ? 0.05 : 1e-4),
	    "%s: each chunk is scored with a step for each before it, across windows, with all their context (%.2g)",
	    backend.name, most);
	tap_ok(farthest(plain + starts[D] + 1, at + starts[D] + 1, CHUNK) <= backend.rounding &&
		farthest(plain + starts[D] + 1 + CHUNK, at + starts[D] + 1 + CHUNK, targets - CHUNK) > 1e-3,
	    "%s: a document's first chunk is scored as by documents, and those after it are not", backend.name);
	free(first);
}

static void
moving(struct model *train)
{
	static const char *const named[] = { "attn_scale", "mlp_scale", "resid_mix", "attn.q_gain" };
	const struct params *p = model_params(train);
	float *before = calloc(p->n, sizeof(*before)), *after = calloc(p->n, sizeof(*after)), nats[T];
	struct ttt *t = ttt_open(train, 0.5);
	size_t starts[DOCUMENTS];
	int32_t stream[STREAM];
	int right = 1;

	write_stream(stream, given, starts);
	model_get(train, before);
	right &= ttt_score(t, stream + starts[3], 8, 4, 1, nats) == 0;
	model_get(train, after);
	for (size_t i = 0; i < p->count; i++) {
		const struct params_tensor *x = &p->tensors[i];
		const char *name = strncmp(x->name, "blocks.", 7) == 0 ? x->name + 9 : x->name;
		int is_named = 0;

		for (size_t j = 0; j < sizeof(named) / sizeof(named[0]); j++)
			is_named |= strcmp(name, named[j]) == 0;
		right &= (memcmp(before + x->offset, after + x->offset, x->n * sizeof(*after)) != 0) == is_named;
	}
	tap_ok(right, "%s: scales, mixes and gains move, each of them, and nothing else", backend.name);
	ttt_reset(t);
	model_get(train, after);
	right = memcmp(before, after, p->n * sizeof(*after)) == 0;
	stream[starts[3] + 2] = V;
	right &= ttt_score(t, stream + starts[3], 8, 4, 1, nats) == -1;
	model_get(train, after);
	tap_ok(right && memcmp(before, after, p->n * sizeof(*after)) == 0,
	    "%s: a reset brings the bits back, and an id out of range teaches nothing", backend.name);
	ttt_close(t);
	free(before);
	free(after);
}

static void
words(void)
{
	static const char *const wrong[] = { "documents:4", "document", "ttt", "ttt:4", "ttt:0:1", "ttt:13:1",
		"ttt:4:", "ttt:4:-1", "ttt:4:10001", "ttt:4:x", "ttt::1", "ttt:99999999999999999999999999:1" };
	struct score_law law;
	int refused = 1;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		refused &= score_law_parse(wrong[i], T, &law) == -1;
	tap_ok(refused, "what names no law is refused");
	tap_ok(score_law_parse("ttt:12:0.25", T, &law) == 0 && law.mode == SCORE_TTT && law.chunk == 12 &&
		law.lr == 0.25 && score_use(&law) == MODEL_TRAIN && score_law_targets(&law, 9) == 8 &&
		score_law_targets(&law, 1) == 0,
	    "a chunk may be a whole window");
}

static void
check(const char *name, enum ops_arith arith, double rounding)
{
	struct model *m, *train;

	backend.name = name;
	backend.arith = arith;
	backend.rounding = rounding;
	m = open_model(MODEL_SCORE);
	train = open_model(MODEL_TRAIN);
	apart(m);
	order(m, "documents");
	order(train, "ttt:4:0.5");
	later(m, "documents");
	later(train, "ttt:4:0.5");
	normalised(m, "documents");
	normalised(train, "ttt:4:0.5");
	still(m, train);
	taught(train);
	moving(train);
	model_close(m);
	model_close(train);
}

int
main(void)
{
	say_init("score");
	if (freopen("/dev/null", "w", stderr) == NULL)
		return (1);
	words();
	check("ref", OPS_FP32, 0);
	check("cpu", OPS_FP32, 4e-6);
	check("cpu", OPS_BF16, 0.03);
	return (tap_done());
}
