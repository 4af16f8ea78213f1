/*
 * The CUDA backend: opens a card, owns its memory, and fills ops.h.
 *
 * One stream that computes, in order, and one for what is copied beside it.
 * Entries write to the tape (graph.cuh); nothing waits for the device but
 * download, sync, sumsq, free and close.  Nothing is allocated after open and
 * alloc, but for what the first steps leave behind: graphs, plans of products
 * and the losses' mirror.
 */

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "convert.cuh"
#include "transfer.cuh"

/* Levers of the optimizer that have no kernels yet. */
static const char *const lacks[] = { "muon_form", "muon_scale", NULL };

static const char *const isa_names[] = { "sm_120", "sm_100", "sm_90", "sm_89", "sm_86", "sm_80", NULL };

static size_t
largest(size_t a, size_t b)
{
	return (a > b ? a : b);
}

/* Device memory of n bytes, or NULL after saying what was asked for. */
static void *
device_alloc(const struct ops_ctx *ctx, size_t n)
{
	size_t free_bytes = 0, total = 0;
	void *p = NULL;

	if (cudaMalloc(&p, largest(n, 4)) == cudaSuccess)
		return (p);
	cudaGetLastError();
	cudaMemGetInfo(&free_bytes, &total);
	say_error("the card is out of memory: %zu bytes asked for, %zu of %zu free; lower %s", n, free_bytes, total,
	    ctx->training ? "train.micro_batch_tokens" : "eval.seq_len");
	errno = ENOMEM;
	return (NULL);
}

void *
context_scratch(struct ops_ctx *ctx, size_t n)
{
	void *p;

	assert(ctx->owned_count < ctx->owned_room);
	if (ctx->starved || (p = device_alloc(ctx, n)) == NULL) {
		ctx->starved = 1;
		return (NULL);
	}
	ctx->owned[ctx->owned_count++] = p;
	return (p);
}

static void
make_scratch(struct ops_ctx *ctx)
{
	const size_t N = ctx->g.max_rows, C = ctx->C, F = ctx->F, V = ctx->V, H = ctx->H;
	const size_t act = ctx->arith == OPS_BF16 ? sizeof(bf16) : sizeof(float), wide = sizeof(float);
	const size_t matrix = context_matrix(ctx), strips = (N + STRIP_ROWS - 1) / STRIP_ROWS;
	const size_t angles = ctx->g.max_positions * (size_t)context_half(ctx);

	ctx->head_rows = largest(128, LOGITS / V);
	ctx->head_rows = at_most(ctx->head_rows, N);
	ctx->cosine = (float *)context_scratch(ctx, angles * wide);
	ctx->sine = (float *)context_scratch(ctx, angles * wide);
	ctx->h = context_scratch(ctx, N * C * act);
	ctx->square = context_scratch(ctx, N * F * act);
	ctx->scaled = context_scratch(ctx, matrix * act);
	ctx->z = (float *)context_scratch(ctx, ctx->head_rows * V * wide);
	ctx->staging = (float *)context_scratch(ctx, STAGING * wide);
	if (ctx->g.bigram_dim > 0)
		ctx->pairs = context_scratch(ctx, N * ctx->g.bigram_dim * act);
	ctx->held = (int *)context_scratch(ctx, sizeof(*ctx->held));
	if (!ctx->training)
		return;
	ctx->d = context_scratch(ctx, N * C * act);
	ctx->dh = (float *)context_scratch(ctx, N * C * wide);
	ctx->dr = context_scratch(ctx, N * F * act);
	if (ctx->g.mlp_gated)
		ctx->dgate = context_scratch(ctx, N * F * act);
	if (ctx->g.bigram_dim > 0)
		ctx->dpairs = (float *)context_scratch(ctx, N * ctx->g.bigram_dim * wide);
	ctx->r = (float *)context_scratch(ctx, N * wide);
	ctx->mean = (float *)context_scratch(ctx, N * wide);
	ctx->delta = (float *)context_scratch(ctx, N * H * wide);
	ctx->partial = (float *)context_scratch(ctx, strips * largest(3 * C, STRIP_ROWS * H) * wide);
	ctx->dw = (float *)context_scratch(ctx, matrix * wide);
	ctx->dz = context_scratch(ctx, ctx->head_rows * V * act);
	for (int i = 0; i < 2; i++) {
		ctx->muon[i] = context_scratch(ctx, MUON_BATCH * matrix * act);
		ctx->gram[i] = context_scratch(ctx, MUON_BATCH * C * C * act);
	}
	ctx->factors = (float *)context_scratch(ctx, MUON_BATCH * largest(C, F) * wide);
	ctx->sums = (double *)context_scratch(ctx, largest(SUM_BLOCKS + 1, MUON_BATCH * 32) * sizeof(double));
}

/* The same angles as the reference, from double. */
static int
upload_angles(struct ops_ctx *ctx)
{
	const size_t half = (size_t)context_half(ctx), n = ctx->g.max_positions * half;
	float *cosine = (float *)malloc(2 * n * sizeof(float)), *sine = cosine + n;

	if (cosine == NULL)
		return (-1);
	for (size_t p = 0; p < ctx->g.max_positions; p++) {
		for (size_t i = 0; i < half; i++) {
			const double angle = (double)p * pow(ctx->g.rope_base, -(double)i / (double)half);

			cosine[p * half + i] = (float)cos(angle);
			sine[p * half + i] = (float)sin(angle);
		}
	}
	CHECK(cudaMemcpyAsync(ctx->cosine, cosine, n * sizeof(float), cudaMemcpyHostToDevice, ctx->stream));
	CHECK(cudaMemcpyAsync(ctx->sine, sine, n * sizeof(float), cudaMemcpyHostToDevice, ctx->stream));
	cuda_sync(ctx);
	free(cosine);
	return (0);
}

static void
cuda_close(struct ops_ctx *ctx)
{
	if (ctx == NULL)
		return;
	if (ctx->tape != NULL && ctx->transfer != NULL)
		cuda_sync(ctx);
	profile_close(ctx);
	tape_close(ctx);
	transfer_close(ctx);
	for (size_t i = 0; i < ctx->owned_count; i++)
		cudaFree(ctx->owned[i]);
	product_close(ctx);
	if (ctx->stream != NULL)
		cudaStreamDestroy(ctx->stream);
	free(ctx->owned);
	free(ctx);
}

/* The first card, or -1 after saying why it cannot be used. */
static int
find_card(struct ops_ctx *ctx, const char *isa)
{
	int count = 0, runtime = 0, driver = 0;
	const cudaError_t error = cudaGetDeviceCount(&count);
	const size_t blas = cublasLtGetVersion();
	cudaDeviceProp card;

	if (error != cudaSuccess || count == 0) {
		cudaGetLastError();
		say_error("no CUDA device: %s; install the NVIDIA driver until nvidia-smi lists a card, "
		    "or set system.backend=cpu", error != cudaSuccess ? cudaGetErrorString(error) : "none is listed");
		errno = ENODEV;
		return (-1);
	}
	CHECK(cudaSetDevice(0));
	CHECK(cudaGetDeviceProperties(&card, 0));
	snprintf(ctx->isa, sizeof(ctx->isa), "sm_%d%d", card.major, card.minor);
	if (card.major < 8) {
		say_error("'%s' is %s: sm_80 or newer is needed for bf16; set system.backend=cpu", card.name, ctx->isa);
		errno = ENODEV;
		return (-1);
	}
	if (strcmp(isa, "auto") != 0 && strcmp(isa, ctx->isa) != 0) {
		say_error("'%s' is %s, not %s; set system.isa=auto", card.name, ctx->isa, isa);
		errno = ENODEV;
		return (-1);
	}
	CHECK(cudaRuntimeGetVersion(&runtime));
	CHECK(cudaDriverGetVersion(&driver));
	/* The card is part of what executes: two models of one architecture may take another algorithm each. */
	snprintf(ctx->library, sizeof(ctx->library), "%.100s, cuda %d.%d driver %d.%d cublas %zu.%zu.%zu", card.name,
	    runtime / 1000, runtime / 10 % 100, driver / 1000, driver / 10 % 100, blas / 10000, blas / 100 % 100,
	    blas % 100);
	return (0);
}

/* What open may take whatever the micro-batch is not to be had: products' workspace, staging, logits and gradient. */
static uint64_t
cuda_memory(void)
{
	const size_t fixed = PRODUCT_WORKSPACE + (STAGING + 2 * LOGITS) * sizeof(float);
	size_t free_bytes = 0, total = 0;
	int count = 0;

	if (cudaGetDeviceCount(&count) != cudaSuccess || count == 0 || cudaSetDevice(0) != cudaSuccess ||
	    cudaMemGetInfo(&free_bytes, &total) != cudaSuccess) {
		cudaGetLastError();
		return (0);
	}
	return (free_bytes > fixed ? free_bytes - fixed : 1);
}

/* What the kernels' indices and tiles can hold. */
static int
check_geometry(const struct ops_geometry *g)
{
	const size_t D = g->model_dim / g->num_heads;

	errno = EINVAL;
	if (D % 2 != 0 || D > 128 || g->model_dim > 8192 || g->vocab_size > 1 << 20) {
		say_error("backend 'cuda' has no kernels for model_dim %zu with heads of %zu: model_dim is at most "
		    "8192, heads are even and at most 128", g->model_dim, D);
		return (-1);
	}
	if (g->bigram_dim > 8192) {
		say_error("backend 'cuda' has no kernels for model.bigram_dim=%zu: it is at most 8192", g->bigram_dim);
		return (-1);
	}
	/* Strips of rows lie along a grid's second dimension; heads of rows are counted by int. */
	if (g->max_rows <= (size_t)65535 * STRIP_ROWS && g->max_rows <= INT32_MAX / g->num_heads / 2)
		return (0);
	say_error("backend 'cuda' takes no %zu tokens in one pass: lower train.micro_batch_tokens", g->max_rows);
	return (-1);
}

/* Open without the self-test, which needs a context itself. */
static struct ops_ctx *
open_untested(const struct ops_open_args *args)
{
	const struct ops_geometry *g = &args->geometry;
	struct ops_ctx *ctx;

	if (check_geometry(g) != 0)
		return (NULL);
	if ((ctx = (struct ops_ctx *)calloc(1, sizeof(*ctx))) == NULL)
		goto err0;
	ctx->g = *g;
	ctx->arith = args->arith;
	ctx->training = args->training != 0;
	ctx->C = (int)g->model_dim;
	ctx->H = (int)g->num_heads;
	ctx->K = (int)g->num_kv_heads;
	ctx->D = ctx->C / ctx->H;
	ctx->KD = ctx->K * ctx->D;
	ctx->F = (int)g->mlp_dim;
	ctx->V = (int)g->vocab_size;
	ctx->eps = (float)g->norm_eps;
	if (find_card(ctx, args->isa) != 0)
		goto err1;
	CHECK(cudaStreamCreateWithFlags(&ctx->stream, cudaStreamNonBlocking));
	ctx->owned_room = 40;
	if ((ctx->owned = (void **)calloc(ctx->owned_room, sizeof(void *))) == NULL)
		goto err2;
	if ((ctx->workspace = context_scratch(ctx, PRODUCT_WORKSPACE)) == NULL)
		goto err1;
	make_scratch(ctx);
	if (ctx->starved)
		goto err1;
	CHECK(cudaMemsetAsync(ctx->held, 0, sizeof(*ctx->held), ctx->stream));
	if (transfer_open(ctx) != 0)
		goto err1;
	if (tape_open(ctx) != 0 || product_open(ctx) != 0 || upload_angles(ctx) != 0)
		goto err2;
	attention_open(ctx);
	attention_grad_open(ctx);
	return (ctx);

err2:
	say_error("backend 'cuda': out of host memory");
	errno = ENOMEM;
err1:
	{
		const int error = errno;

		cuda_close(ctx);
		errno = error;
	}
	return (NULL);
err0:
	say_error("backend 'cuda': out of host memory");
	errno = ENOMEM;
	return (NULL);
}

static struct ops_ctx *
cuda_open(const struct ops_open_args *args)
{
	struct ops_ctx *ctx = open_untested(args);

	int error;

	if (ctx == NULL)
		return (NULL);
	if (selftest_run(&ops_cuda, open_untested, args->arith) == 0) {
		profile_open(ctx);
		return (ctx);
	}
	error = errno;
	cuda_close(ctx);
	errno = error;
	return (NULL);
}

static const char *
cuda_isa(const struct ops_ctx *ctx)
{
	return (ctx->isa);
}

static const char *
cuda_library(const struct ops_ctx *ctx)
{
	return (ctx->library);
}

static int
is_act_bf16(const struct ops_ctx *ctx, enum ops_role role)
{
	return (ctx->arith == OPS_BF16 && (role == OPS_ACT || role == OPS_CACHE));
}

static void
cuda_free(struct ops_ctx *ctx, struct ops_buf *buf)
{
	if (buf == NULL)
		return;
	cuda_sync(ctx);
	transfer_forget(ctx, buf);
	cudaFree(buf->low);
	cudaFree(buf->data);
	free(buf);
}

static struct ops_buf *
cuda_alloc(struct ops_ctx *ctx, enum ops_role role, size_t rows, size_t cols)
{
	const size_t n = rows * cols;
	struct ops_buf *buf;

	if ((cols != 0 && rows > SIZE_MAX / 8 / cols) || (buf = (struct ops_buf *)calloc(1, sizeof(*buf))) == NULL) {
		errno = ENOMEM;
		return (NULL);
	}
	buf->role = role;
	buf->rows = rows;
	buf->cols = cols;
	buf->words = is_act_bf16(ctx, role) ? (n + 1) / 2 : n;
	if ((buf->data = device_alloc(ctx, buf->words * 4)) == NULL)
		goto err1;
	CHECK(cudaMemsetAsync(buf->data, 0, largest(buf->words * 4, 4), ctx->stream));
	if (ctx->arith == OPS_BF16 && role == OPS_WEIGHT) {
		if ((buf->low = (bf16 *)device_alloc(ctx, n * sizeof(bf16))) == NULL)
			goto err1;
		CHECK(cudaMemsetAsync(buf->low, 0, largest(n * sizeof(bf16), 4), ctx->stream));
	}
	return (buf);

err1:
	cuda_free(ctx, buf);
	errno = ENOMEM;
	return (NULL);
}

static void
cuda_upload(struct ops_ctx *ctx, struct ops_buf *buf, size_t at, const void *host, size_t n)
{
	const float *from = (const float *)host;

	assert(at + n <= buf->rows * buf->cols);
	if (n == 0)
		return;
	if (buf->role == OPS_IDS) {
		transfer_ids(ctx, (int32_t *)buf->data + at, host, n);
		return;
	}
	transfer_forget(ctx, buf);
	tape_flush(ctx);
	if (!is_act_bf16(ctx, buf->role)) {
		CHECK(cudaMemcpyAsync((float *)buf->data + at, from, n * sizeof(float), cudaMemcpyHostToDevice,
		    ctx->stream));
		if (buf->low != NULL)
			convert_to_bf16(ctx, buf->low + at, (float *)buf->data + at, n);
		return;
	}
	for (size_t done = 0, some; done < n; done += some) {
		some = at_most(n - done, STAGING);
		CHECK(cudaMemcpyAsync(ctx->staging, from + done, some * sizeof(float), cudaMemcpyHostToDevice,
		    ctx->stream));
		convert_to_bf16(ctx, (bf16 *)buf->data + at + done, ctx->staging, some);
		tape_flush(ctx);
	}
}

static void
cuda_download(struct ops_ctx *ctx, const struct ops_buf *buf, size_t at, void *host, size_t n)
{
	float *to = (float *)host;

	assert(at + n <= buf->rows * buf->cols);
	tape_flush(ctx);
	if (n == 0 || transfer_read(ctx, buf, at, to, n))
		return;
	if (!is_act_bf16(ctx, buf->role)) {
		CHECK(cudaMemcpyAsync(to, (const float *)buf->data + at, n * sizeof(float), cudaMemcpyDeviceToHost,
		    ctx->stream));
		cuda_sync(ctx);
		return;
	}
	for (size_t done = 0, some; done < n; done += some) {
		some = at_most(n - done, STAGING);
		convert_from_bf16(ctx, ctx->staging, (const bf16 *)buf->data + at + done, some);
		tape_flush(ctx);
		CHECK(cudaMemcpyAsync(to + done, ctx->staging, some * sizeof(float), cudaMemcpyDeviceToHost,
		    ctx->stream));
		cuda_sync(ctx);
	}
}

void
cuda_sync(struct ops_ctx *ctx)
{
	tape_flush(ctx);
	CHECK(cudaStreamSynchronize(ctx->stream));
	CHECK(cudaStreamSynchronize(ctx->copies));
}

/* In the order of ops.h, which the compiler insists on. */
extern "C" const struct ops ops_cuda = {
	.name = "cuda",
	.isa_names = isa_names,
	.lacks = lacks,
	.open = cuda_open,
	.close = cuda_close,
	.isa = cuda_isa,
	.library = cuda_library,
	.memory = cuda_memory,
	.alloc = cuda_alloc,
	.free = cuda_free,
	.place = NULL,
	.upload = cuda_upload,
	.download = cuda_download,
	.zero = cuda_zero,
	.sync = cuda_sync,
	.begin = cuda_begin,
	.end = tape_flush,
	.embed = cuda_embed,
	.embed_grad = cuda_embed_grad,
	.qkv = cuda_qkv,
	.qkv_grad = cuda_qkv_grad,
	.attention = cuda_attention,
	.attention_grad = cuda_attention_grad,
	.proj = cuda_proj,
	.proj_grad = cuda_proj_grad,
	.mlp = cuda_mlp,
	.mlp_grad = cuda_mlp_grad,
	.head = cuda_head,
	.logits = cuda_logits,
	.add = cuda_add,
	.gram = cuda_gram,
	.context = cuda_context,
	.context_grad = cuda_context_grad,
	.values = cuda_values,
	.values_grad = cuda_values_grad,
	.output = cuda_output,
	.output_grad = cuda_output_grad,
	.skip = cuda_skip,
	.skip_grad = cuda_skip_grad,
	.lanes = cuda_lanes,
	.lanes_grad = cuda_lanes_grad,
	.sumsq = cuda_sumsq,
	.muon = cuda_muon,
	.adam = cuda_adam,
	.average = cuda_average,
};
