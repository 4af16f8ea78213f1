/*
 * The `cpu` backend: which variant runs here, the memory that it needs, and its table.
 *
 * Invariants: a task's shape depends on the operation's shapes alone; a task
 * writes only rows, tiles or partial sums that are its own; partial sums are
 * added in task order.  All memory is taken by open and alloc.
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
#include "gpt/cpu/operations.h"
#include "gpt/cpu/pool.h"
#include "base/say.h"
#include "gpt/cpu/selftest.h"

/* Rows whose weight gradients are summed in one product: long enough to write dw seldom, short enough for L3. */
#define CHUNK_ROWS 1024
/* Most elements of the head's gradient that stand at a time. */
#define HEAD_ELEMENTS ((size_t)4 << 20)

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

/* What one thread needs at most, over all tasks of cpu.h; activations are counted as floats. */
static size_t
scratch_bytes(const struct ops_ctx *c)
{
	const struct ops_geometry *g = &c->g;
	const size_t R = c->kernels->row_block, V = cpu_pad(g->vocab_size);
	const size_t C = cpu_pad(g->model_dim), F = cpu_pad(g->mlp_dim);
	const size_t D = cpu_pad(c->head_dim), T = cpu_pad(g->max_positions) + CPU_PAD;
	const size_t pairs = cpu_pad(g->bigram_dim), wide = most(C, CPU_COLS), long_side = most(most(C, F), pairs);
	const size_t gated = g->mlp_gated != 0;
	size_t floats, training;

	floats = R * (C + F + (1 + gated) * wide);                         /* qkv, proj, mlp */
	floats = most(floats, R * (C + pairs) + C);                        /* context */
	floats = most(floats, R * (2 * C + V + CPU_COLS + 2 * CPU_PAD));   /* head, logits */
	floats = most(floats, R * (CPU_PAD + CPU_KEYS + D + 1 + CPU_PAD)); /* attention */
	if (c->training) {
		training = R * (2 * C + (2 + gated) * F + wide + 1) + C; /* mlp_grad, qkv_grad */
		training = most(training, R * CPU_COLS);                 /* product */
		training = most(training,
		    8 * T * D + 2 * T + 16 * D + /* attention_grad */
			CPU_BACK_KEYS * (3 * CPU_BACK_QUERIES + 2 * CPU_PAD + D));
		training = most(training, (C + CPU_PAD) * (2 * long_side + 2 * C) + (R + 1) * long_side); /* muon */
		training = most(training, CEILING_ROWS * CEILING_UNITS + CEILING_COLS * (CEILING_UNITS + CEILING_ROWS));
		floats = most(floats, training);
	}
	return (floats * sizeof(float) + 32 * 64);
}

static void
cpu_close(struct ops_ctx *c)
{
	if (c == NULL)
		return;
	pool_close(c->pool);
	free(c->cosine);
	free(c->sine);
	free(c->scratch);
	free(c->chunk.left[0]);
	free(c->chunk.left[1]);
	free(c->chunk.left[2]);
	free(c->chunk.right[0]);
	free(c->chunk.right[1]);
	free(c->keys);
	free(c->values);
	free(c->longest);
	free(c->partial);
	free(c->found);
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

static int
take_memory(struct ops_ctx *c, unsigned threads)
{
	const struct ops_geometry *g = &c->g;
	const struct cpu_kernels *v = c->kernels;
	const size_t C = cpu_pad(g->model_dim), KD = cpu_pad(g->num_kv_heads * c->head_dim), F = cpu_pad(g->mlp_dim);
	const size_t V = cpu_pad(g->vocab_size), D = cpu_pad(c->head_dim), P = cpu_pad(g->max_positions);
	const size_t tables = g->max_positions * c->head_dim / 2 * sizeof(float) + 64;
	const size_t N = g->max_rows;
	size_t partial;

	c->chunk_rows = least(CHUNK_ROWS / v->row_block * v->row_block, blocks(N, v->row_block) * v->row_block);
	c->head_rows = least(c->chunk_rows, most(1, HEAD_ELEMENTS / V / v->row_block) * v->row_block);
	c->group = most(1, blocks(N, g->max_positions));
	c->scratch_bytes = (scratch_bytes(c) + 4095) / 4096 * 4096;
	if ((c->cosine = buffers_zeroed(tables)) == NULL || (c->sine = buffers_zeroed(tables)) == NULL ||
	    (c->scratch = buffers_zeroed(c->scratch_bytes * threads)) == NULL ||
	    (c->keys = buffers_zeroed(c->group * g->num_kv_heads * P * D * sizeof(float))) == NULL ||
	    (c->values = buffers_zeroed(c->group * g->num_kv_heads * P * D * sizeof(float))) == NULL ||
	    (c->longest = buffers_zeroed(c->group * g->num_kv_heads * sizeof(float))) == NULL)
		return (-1);
	if (c->training) {
		const size_t depth = cpu_pad(c->chunk_rows) / v->per_unit, ld = depth + 16;
		const size_t head = V * (cpu_pad(c->head_rows) / v->per_unit + 16);

		/*
		 * qkv_grad's sums; dots of the wider weight; embed_grad's rates; dgain; rates by row and gates' sums by
		 * block.
		 */
		partial = 3 * C * blocks(N, v->row_block);
		partial = most(partial, most(blocks(F, CPU_COLS), blocks(C, CPU_COLS)) * most(C, F));
		partial = most(partial, most(2 * N, N * g->num_heads));
		partial = most(partial,
		    N * most(2, g->num_kv_heads) + blocks(N, v->row_block) * (2 + CPU_PAD * g->num_heads));
		partial = most(partial, c->chunk_rows);
		if ((c->chunk.left[0] = buffers_zeroed(most(most(C + 2 * KD, F) * ld, head) * sizeof(float))) == NULL ||
		    (c->chunk.left[1] = buffers_zeroed(C * ld * sizeof(float))) == NULL ||
		    (c->chunk.right[0] = buffers_zeroed(most(C, cpu_pad(g->bigram_dim)) * depth * sizeof(float))) ==
			NULL ||
		    (c->chunk.right[1] = buffers_zeroed(F * depth * sizeof(float))) == NULL ||
		    (c->partial = buffers_zeroed(partial * sizeof(float))) == NULL)
			return (-1);
		if (g->bigram_dim != 0 &&
		    (c->found = buffers_zeroed(c->chunk_rows * cpu_pad(g->bigram_dim) * sizeof(float))) == NULL)
			return (-1);
		if (g->mlp_gated && (c->chunk.left[2] = buffers_zeroed(F * ld * sizeof(float))) == NULL)
			return (-1);
	}
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
test_variant(const struct variant *v, enum ops_arith arith)
{
	const struct ops_open_args args = selftest_args(arith);
	struct ops_ctx *c = open_variant(&args, v);
	int result, error;

	if (c == NULL)
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
	if ((v = choose(args->isa)) == NULL || test_variant(v, args->arith) != 0)
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
	.muon = operations_muon,
	.adam = operations_adam,
	.average = operations_average,
};
