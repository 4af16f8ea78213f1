#ifndef HG_BUFFERS_H
#define HG_BUFFERS_H

#include "gpt/cpu/cpu.h"

/**
 * Memory of the cpu backend, as ops.h says of alloc, free, upload, download
 * and zero.  A weight stands beside its panels: packed by row for products
 * with it, by column for those with its transpose.
 */
struct ops_buf *buffers_alloc(struct ops_ctx *c, enum ops_role role, size_t rows, size_t cols);
void buffers_free(struct ops_ctx *c, struct ops_buf *buf);
void buffers_upload(struct ops_ctx *c, struct ops_buf *buf, size_t at, const void *host, size_t n);
void buffers_download(struct ops_ctx *c, const struct ops_buf *buf, size_t at, void *host, size_t n);
void buffers_zero(struct ops_ctx *c, struct ops_buf *const *bufs, size_t count);

/* Bytes aligned for vectors, zero. Owns: the caller frees. Errors: NULL with errno ENOMEM. */
void *buffers_zeroed(size_t bytes);

/* A weight was written: its panels anew, all by the pool, or part by part of buffers_parts() by whoever wrote. */
void buffers_pack(struct ops_ctx *c, struct ops_buf *w);
size_t buffers_parts(const struct ops_buf *w);
void buffers_pack_part(const struct cpu_kernels *k, struct ops_buf *w, size_t task);

#endif
