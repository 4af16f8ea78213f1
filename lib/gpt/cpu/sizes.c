#include "gpt/cpu/cpu.h"
#include "gpt/cpu/job.h"
#include "gpt/sizes.h"

/* Rows whose weight gradients are summed in one product: long enough to write dw seldom, short enough for L3. */
#define CHUNK_ROWS 1024
/* Most elements of the head's gradient that stand in a chunk. */
#define HEAD_ELEMENTS ((size_t)4 << 20)
/* From so many rows of a pass on, packing all weights once for each way through is less than a percent of its time. */
#define PANEL_ROWS 2048

/* Pieces begin on lines of their own, and threads' on pages. */
static size_t
line(size_t bytes)
{
	return ((bytes + 63) / 64 * 64);
}

static size_t
page(size_t bytes)
{
	return ((bytes + 4095) / 4096 * 4096);
}

static size_t
units_of(struct sizes_kernels k, size_t elements)
{
	return (blocks(blocks(elements, k.per_unit), k.unit_pad) * k.unit_pad);
}

struct sizes_kernels
sizes_usual(enum ops_arith arith)
{
	return ((struct sizes_kernels){ 64, arith == OPS_BF16 ? 2 : 1, 1 });
}

int
sizes_keeps_panels(const struct ops_geometry *g, int training)
{
	return (!training || g->max_rows < PANEL_ROWS);
}

/* What one thread needs at most, over all tasks of cpu.h but Muon's; activations are counted as floats. */
static size_t
scratch_floats(const struct ops_geometry *g, size_t R, int training)
{
	const size_t V = cpu_pad(g->vocab_size), C = cpu_pad(g->model_dim), F = cpu_pad(g->mlp_dim);
	const size_t D = cpu_pad(g->model_dim / g->num_heads), T = cpu_pad(g->max_positions) + CPU_PAD;
	const size_t pairs = cpu_pad(g->bigram_dim), wide = most(C, CPU_COLS);
	const size_t gated = g->mlp_gated != 0;
	size_t floats;

	floats = R * (C + F + (1 + gated) * wide);                         /* qkv, proj, mlp */
	floats = most(floats, R * (C + pairs) + C);                        /* context */
	floats = most(floats, R * (2 * C + 2 * V + 5));                    /* head, logits */
	floats = most(floats, R * (CPU_PAD + CPU_KEYS + D + 1 + CPU_PAD)); /* attention */
	if (!training)
		return (floats);
	floats = most(floats, R * (2 * C + (2 + gated) * F + wide + 1) + C); /* mlp_grad, qkv_grad */
	floats = most(floats, R * CPU_COLS);                                 /* product */
	floats = most(floats,
	    8 * T * D + 2 * T + 16 * D + CPU_BACK_KEYS * (3 * CPU_BACK_QUERIES + 2 * CPU_PAD + D)); /* attention_grad */
	return (most(floats, CEILING_ROWS * CEILING_UNITS + CEILING_COLS * (CEILING_UNITS + CEILING_ROWS)));
}

/* Steps at once need a matrix more, which bf16 has room for. */
static size_t
muon_floats(const struct ops_geometry *g, struct sizes_kernels k)
{
	const size_t C = cpu_pad(g->model_dim);
	const size_t long_side = most(most(C, cpu_pad(g->mlp_dim)), cpu_pad(g->bigram_dim));

	return ((C + CPU_PAD) * (2 * long_side + (k.per_unit == 2 ? 2 : 3) * C) + (k.row_block + 2) * long_side);
}

/*
 * qkv_grad's sums; dots of the wider weight; embed_grad's rates; dgain; rates by row and gates' sums by block.
 */
static size_t
partial_floats(const struct ops_geometry *g, size_t R, size_t chunks)
{
	const size_t C = cpu_pad(g->model_dim), F = cpu_pad(g->mlp_dim), N = g->max_rows;
	size_t partial = 3 * C * blocks(N, R);

	partial = most(partial, chunks * most(blocks(F, CPU_COLS), blocks(C, CPU_COLS)) * most(C, F));
	partial = most(partial, most(2 * N, N * g->num_heads));
	return (most(partial, N * most(2, g->num_kv_heads) + blocks(N, R) * (2 + CPU_PAD * g->num_heads)));
}

/* Floats of the panels of (rows, cols), by row or by column. */
static size_t
by_row(struct sizes_kernels k, size_t rows, size_t cols)
{
	return (cpu_pad(rows) * units_of(k, cols));
}

/* The most that one operation needs: qkv, the MLP, the head both ways. */
static size_t
panel_floats(const struct ops_geometry *g, struct sizes_kernels k)
{
	const size_t C = g->model_dim, F = g->mlp_dim, V = g->vocab_size, P = most(1, g->bigram_dim);
	const size_t KD = g->num_kv_heads * (C / g->num_heads), wide = g->mlp_gated ? 2 : 1;
	size_t floats = by_row(k, V, C) + by_row(k, C, V);

	floats = most(floats, by_row(k, C, C) + 2 * most(by_row(k, KD, C), by_row(k, C, KD)));
	floats = most(floats, wide * by_row(k, F, C) + by_row(k, C, F));
	floats = most(floats, by_row(k, F, C) + wide * by_row(k, C, F));
	return (most(floats, most(by_row(k, C, P), by_row(k, P, C))) + 4 * CPU_PAD);
}

struct sizes
sizes_of(const struct ops_geometry *g, struct sizes_kernels k, int training, unsigned threads)
{
	const size_t C = cpu_pad(g->model_dim), F = cpu_pad(g->mlp_dim), V = cpu_pad(g->vocab_size);
	const size_t head_dim = g->model_dim / g->num_heads, KD = cpu_pad(g->num_kv_heads * head_dim);
	const size_t R = k.row_block, N = g->max_rows, pairs = cpu_pad(g->bigram_dim);
	struct sizes s = { 0 };
	size_t depth, ld, chunk, keys;

	s.chunk_rows = least(CHUNK_ROWS / R * R, blocks(N, R) * R);
	s.head_rows = least(s.chunk_rows, most(1, HEAD_ELEMENTS / V / R) * R);
	s.chunks = least(blocks(N, s.chunk_rows), blocks(ROUND_TASKS * threads * R, s.chunk_rows));
	s.group = most(1, blocks(N, g->max_positions));
	s.scratch = page(scratch_floats(g, R, training) * sizeof(float) + 32 * 64);
	s.keys = line(s.group * g->num_kv_heads * cpu_pad(g->max_positions) * cpu_pad(head_dim) * sizeof(float));
	if (training) {
		depth = cpu_pad(s.chunk_rows) / k.per_unit;
		ld = depth + 16;
		s.muon = page(muon_floats(g, k) * sizeof(float) + 32 * 64);
		s.left[0] = most(most(C + 2 * KD, F) * ld, V * (cpu_pad(s.head_rows) / k.per_unit + 16));
		s.left[1] = C * ld;
		s.left[2] = g->mlp_gated ? F * ld : 0;
		s.right[0] = most(C, pairs) * depth;
		s.right[1] = F * depth;
		s.found = s.chunks * s.chunk_rows * pairs;
		s.partial = line(partial_floats(g, R, s.chunks) * sizeof(float));
	}
	for (size_t i = 0; i < 3; i++)
		s.left[i] = line(s.left[i] * sizeof(float));
	for (size_t i = 0; i < 2; i++)
		s.right[i] = line(s.right[i] * sizeof(float));
	s.found = line(s.found * sizeof(float));
	if (!sizes_keeps_panels(g, training))
		s.panels = line(panel_floats(g, k) * sizeof(float));
	chunk = s.chunks * (s.left[0] + s.left[1] + s.left[2] + s.right[0] + s.right[1]) + s.found;
	keys = 2 * s.keys;
	s.block = most(threads * s.muon, threads * s.scratch + s.panels + most(chunk, keys));
	s.table = line(g->max_positions * head_dim / 2 * sizeof(float) + 64);
	s.longest = line(s.group * g->num_kv_heads * sizeof(float));
	s.whole = s.block + 2 * s.table + s.partial + s.longest;
	return (s);
}

size_t
sizes_cache(const struct ops_geometry *g, size_t rows)
{
	return (g->num_kv_heads * (cpu_pad(rows) * cpu_pad(g->model_dim / g->num_heads) + 1) * sizeof(float));
}

size_t
sizes_table(size_t rows)
{
	return (sizeof(struct cpu_table) + rows * (sizeof(uint32_t) + 1));
}

size_t
sizes_buffer(const struct ops_geometry *g, struct sizes_kernels k, int training, enum ops_role role, size_t rows,
    size_t cols)
{
	const size_t ld = role == OPS_STAT || role == OPS_IDS ? cols : cpu_pad(cols);
	const int narrow = (role == OPS_ACT || role == OPS_CACHE) && k.per_unit == 2;
	size_t bytes = (rows * ld + CPU_SLACK) * (narrow ? 2 : 4);

	if (role == OPS_WEIGHT && sizes_keeps_panels(g, training)) {
		bytes += by_row(k, rows, cols) * sizeof(float);
		if (training)
			bytes += by_row(k, cols, rows) * sizeof(float);
	}
	if (role == OPS_CACHE)
		bytes += sizes_cache(g, rows);
	if (training && (role == OPS_TABLE || role == OPS_ROWS))
		bytes += sizes_table(rows);
	return (bytes);
}
