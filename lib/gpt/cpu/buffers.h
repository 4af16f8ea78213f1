#ifndef HG_BUFFERS_H
#define HG_BUFFERS_H

#include "gpt/cpu/cpu.h"
#include "gpt/sizes.h"

/**
 * Memory of the cpu backend, as ops.h says of alloc, free, upload, download
 * and zero.  A weight stands beside its panels: packed by row for products
 * with it, by column for those with its transpose.  Training in large passes keeps none and packs them for
 * each operation (sizes_keeps_panels).
 */
struct ops_buf *buffers_alloc(struct ops_ctx *c, enum ops_role role, size_t rows, size_t cols);
struct ops_buf *
buffers_place(struct ops_ctx *c, enum ops_role role, size_t rows, size_t cols, struct ops_buf *in, size_t at);
void buffers_free(struct ops_ctx *c, struct ops_buf *buf);
void buffers_upload(struct ops_ctx *c, struct ops_buf *buf, size_t at, const void *host, size_t n);
void buffers_download(struct ops_ctx *c, const struct ops_buf *buf, size_t at, void *host, size_t n);
void buffers_zero(struct ops_ctx *c, struct ops_buf *const *bufs, size_t count);

/* Bytes aligned for vectors, zero. Owns: the caller frees. Errors: NULL with errno ENOMEM. */
void *buffers_zeroed(size_t bytes);

/* A weight was written: its panels anew if they are kept, all by the pool, or part by part of buffers_parts(). */
void buffers_pack(struct ops_ctx *c, struct ops_buf *w);
size_t buffers_parts(const struct ops_buf *w);
void buffers_pack_part(const struct cpu_kernels *k, const struct ops_buf *w, size_t task);

/* The panels that an operation will read, packed now unless they are kept. */
struct buffers_need {
	const struct ops_buf *w; /* NULL: none */
	int by_row, by_col;
};
void buffers_need(struct ops_ctx *c, const struct buffers_need *needs, size_t count);

static inline struct sizes_kernels
buffers_kernels(const struct cpu_kernels *k)
{
	return ((struct sizes_kernels){ k->row_block, k->per_unit, k->unit_pad });
}

#endif
