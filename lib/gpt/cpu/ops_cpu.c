/*
 * The `cpu` backend: which variant runs here, the memory that it needs, and its table.
 *
 * Invariants: what is summed in one go depends on the operation's shapes alone;
 * a task writes only rows, tiles or partial sums that are its own; partial sums
 * are added in task order.  How many chunks of rows stand at a time, and whether
 * Muon's matrices are shared, depends on threads, too.  All memory is taken by
 * open and alloc.
 */

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gpt/cpu/buffers.h"
#include "gpt/cpu/cpu.h"
#include "gpt/cpu/isa.h"
#include "gpt/cpu/job.h"
#include "gpt/cpu/levers.h"
#include "gpt/cpu/muon_tasks.h"
#include "gpt/cpu/operations.h"
#include "gpt/cpu/pool.h"
#include "base/say.h"
#include "gpt/cpu/selftest.h"
#include "gpt/sizes.h"

struct variant {
	const char *name;
	unsigned needs; /* of isa_features() */
	const struct cpu_kernels *fp32, *bf16;
	const char *fp32_name; /* what executes in fp32, when that is another */
	int only_asked;        /* never chosen by "auto" */
};

/* X(name, needs, fp32, bf16, what executes in fp32 when that is another, only_asked), fastest first. */
#if defined(__x86_64__)
#define X86_VARIANTS(X) \
	X("amx", ISA_AVX512 | ISA_AVX512_BF16 | ISA_AMX_BF16, &avx512_fp32, &amx_bf16, "avx512", 0) \
	X("avx512-bf16", ISA_AVX512 | ISA_AVX512_BF16, &avx512_fp32, &avx512dot_bf16, "avx512", 0) \
	X("avx512", ISA_AVX512, &avx512_fp32, &avx512_bf16, NULL, 0) \
	X("avx2", ISA_AVX2, &avx2_fp32, &avx2_bf16, NULL, 0)
/* amx with its tile instructions in plain C, so that its other parts can be tested anywhere; slow. */
#define X86_ASKED(X) X("amx-emulated", ISA_AVX512 | ISA_AVX512_BF16, &avx512_fp32, &amx_emulated_bf16, "avx512", 1)
#else
#define X86_VARIANTS(X)
#define X86_ASKED(X)
#endif
#define EACH_VARIANT(X) X86_VARIANTS(X) X("portable", 0, &portable_fp32, &portable_bf16, NULL, 0) X86_ASKED(X)

#define ROW(name, needs, fp32, bf16, fp32_name, only_asked) { name, needs, fp32, bf16, fp32_name, only_asked },
#define NAME(name, needs, fp32, bf16, fp32_name, only_asked) name,
static const struct variant variants[] = { EACH_VARIANT(ROW) };
static const char *const isa_names[] = { EACH_VARIANT(NAME) NULL };

#define VARIANTS (sizeof(variants) / sizeof(variants[0]))

static void
cpu_close(struct ops_ctx *c)
{
	if (c == NULL)
		return;
	pool_close(c->pool);
	free(c->cosine);
	free(c->sine);
	free(c->block);
	free(c->longest);
	free(c->partial);
	free(c->muon);
	free(c);
}

static void
rope_tables(struct ops_ctx *c)
{
	const size_t half = c->turning / 2;

	for (size_t p = 0; p < c->g.max_positions; p++) {
		for (size_t i = 0; i < half; i++) {
			const double angle = (double)p * pow(c->g.rope_base, -(double)i / (double)half);

			c->cosine[p * half + i] = (float)cos(angle);
			c->sine[p * half + i] = (float)sin(angle);
		}
	}
}

/* The next ${bytes} of the block; NULL for none. */
static float *
piece(char **at, size_t bytes)
{
	float *p = bytes != 0 ? (float *)(void *)*at : NULL;

	*at += bytes;
	return (p);
}

static int
take_memory(struct ops_ctx *c, unsigned threads)
{
	const struct sizes s = sizes_of(&c->g, buffers_kernels(c->kernels), c->training, threads);
	char *at;

	c->chunk_rows = s.chunk_rows;
	c->head_rows = s.head_rows;
	c->chunks = s.chunks;
	c->group = s.group;
	c->scratch_bytes = s.scratch;
	c->muon_bytes = s.muon;
	if ((c->cosine = buffers_zeroed(s.table)) == NULL || (c->sine = buffers_zeroed(s.table)) == NULL ||
	    (c->block = buffers_zeroed(s.block)) == NULL || (c->longest = buffers_zeroed(s.longest)) == NULL ||
	    (s.partial != 0 && (c->partial = buffers_zeroed(s.partial)) == NULL))
		return (-1);
	at = c->block + threads * s.scratch;
	c->panels = piece(&at, s.panels);
	/* Backward's chunk, and forward's keys and values in the same place. */
	c->keys = (float *)(void *)at;
	c->values = (float *)(void *)(at + s.keys);
	for (size_t i = 0; i < 3; i++) {
		c->chunk.left[i] = piece(&at, s.chunks * s.left[i]);
		c->chunk.next_left[i] = s.left[i] / sizeof(float);
	}
	for (size_t i = 0; i < 2; i++) {
		c->chunk.right[i] = piece(&at, s.chunks * s.right[i]);
		c->chunk.next_right[i] = s.right[i] / sizeof(float);
	}
	c->found = piece(&at, s.found);
	rope_tables(c);
	return (0);
}

/* Choose a variant, before any thread starts: tiles are asked for here. NULL, said; errno ENODEV, EINVAL: no such. */
static const struct variant *
choose(const char *isa)
{
	const unsigned have = isa_features();

	for (size_t i = 0; i < VARIANTS; i++) {
		const struct variant *v = &variants[i];
		const int runs = (have & v->needs) == v->needs &&
		    ((v->needs & ISA_AMX_BF16) == 0 || isa_request_tiles() == 0);

		if (strcmp(isa, v->name) == 0 && runs)
			return (v);
		if (strcmp(isa, v->name) == 0) {
			say_error("this machine cannot run isa '%s'", isa);
			errno = ENODEV;
			return (NULL);
		}
		if (strcmp(isa, "auto") == 0 && runs && !v->only_asked)
			return (v);
	}
	say_error("backend 'cpu' has no isa '%s'; hg-spec(5) lists them under system.isa", isa);
	errno = EINVAL;
	return (NULL);
}

/* Open without a self-test: the self-test's own context. NULL with errno ENOMEM. */
static struct ops_ctx *
open_variant(const struct ops_open_args *args, const struct variant *v)
{
	struct ops_ctx *c;

	if ((c = calloc(1, sizeof(*c))) == NULL)
		goto err0;
	c->g = args->geometry;
	c->arith = args->arith;
	c->numerics = args->numerics;
	c->training = args->training;
	c->head_dim = c->g.model_dim / c->g.num_heads;
	c->turning = c->g.rope_dims != 0 ? c->g.rope_dims : c->head_dim;
	c->kernels = args->arith == OPS_BF16 ? v->bf16 : v->fp32;
	c->isa = args->arith == OPS_FP32 && v->fp32_name != NULL ? v->fp32_name : v->name;
	if ((c->pool = pool_open(args->threads)) == NULL || take_memory(c, args->threads) != 0)
		goto err1;
	return (c);

err1:
	cpu_close(c);
err0:
	say_error("backend 'cpu': cannot open: out of memory");
	errno = ENOMEM;
	return (NULL);
}

/* 0, or -1 after saying what disagrees. */
static int
test_variant(const struct variant *v, enum ops_arith arith, unsigned numerics)
{
	struct ops_open_args args = selftest_args(arith);
	struct ops_ctx *c;
	int result, error;

	args.numerics = numerics;
	if ((c = open_variant(&args, v)) == NULL)
		return (-1);
	result = selftest_run(&ops_cpu, c, arith);
	error = errno;
	cpu_close(c);
	errno = error;
	return (result);
}

static struct ops_ctx *
cpu_open(const struct ops_open_args *args)
{
	const struct ops_geometry *g = &args->geometry;
	const struct variant *v;

	if (g->num_heads == 0 || g->num_kv_heads == 0 || g->num_heads % g->num_kv_heads != 0 ||
	    g->model_dim % g->num_heads != 0 || g->model_dim / g->num_heads % 2 != 0 || args->threads == 0) {
		say_error("backend 'cpu' needs heads of an even width, shared evenly");
		errno = EINVAL;
		return (NULL);
	}
	if ((v = choose(args->isa)) == NULL || test_variant(v, args->arith, args->numerics) != 0)
		return (NULL);
	return (open_variant(args, v));
}

static const char *
cpu_isa(const struct ops_ctx *c)
{
	return (c->isa);
}

static const char *
cpu_library(const struct ops_ctx *c)
{
	(void)c;
	return ("");
}

static void
cpu_nothing(struct ops_ctx *c)
{
	(void)c;
}

static void
cpu_begin(struct ops_ctx *c)
{
	c->held = 0;
}

const struct ops ops_cpu = {
	.name = "cpu",
	.isa_names = isa_names,
	.open = cpu_open,
	.close = cpu_close,
	.isa = cpu_isa,
	.library = cpu_library,
	.alloc = buffers_alloc,
	.place = buffers_place,
	.free = buffers_free,
	.upload = buffers_upload,
	.download = buffers_download,
	.zero = buffers_zero,
	.sync = cpu_nothing,
	.begin = cpu_begin,
	.end = cpu_nothing,
	.embed = operations_embed,
	.embed_grad = operations_embed_grad,
	.qkv = operations_qkv,
	.qkv_grad = operations_qkv_grad,
	.attention = operations_attention,
	.attention_grad = operations_attention_grad,
	.proj = operations_proj,
	.proj_grad = operations_proj_grad,
	.mlp = operations_mlp,
	.mlp_grad = operations_mlp_grad,
	.head = operations_head,
	.logits = operations_logits,
	.add = operations_add,
	.gram = operations_gram,
	.context = levers_context,
	.context_grad = levers_context_grad,
	.values = levers_values,
	.values_grad = levers_values_grad,
	.output = levers_output,
	.output_grad = levers_output_grad,
	.skip = levers_skip,
	.skip_grad = levers_skip_grad,
	.lanes = levers_lanes,
	.lanes_grad = levers_lanes_grad,
	.sumsq = operations_sumsq,
	.muon = muon_tasks_run,
	.adam = operations_adam,
	.average = operations_average,
};
