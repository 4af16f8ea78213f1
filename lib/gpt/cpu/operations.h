#ifndef HG_OPERATIONS_H
#define HG_OPERATIONS_H

#include "gpt/cpu/cpu.h"

struct job; /* job.h */

/* The products that a job wants of its chunk. */
void operations_run_products(struct job *j);

/* What ops.h says of each, on contexts and buffers of the cpu backend. */
void operations_embed(struct ops_ctx *c, struct ops_rows rows, struct ops_buf *x0, const struct ops_buf *ids,
    const struct ops_buf *emb);
void operations_embed_grad(struct ops_ctx *c, struct ops_rows rows, struct ops_buf *demb, const struct ops_buf *dx0,
    const struct ops_buf *ids, const struct ops_buf *emb);
void operations_qkv(struct ops_ctx *c, struct ops_rows rows, const struct ops_qkv *a);
void
operations_qkv_grad(struct ops_ctx *c, struct ops_rows rows, const struct ops_qkv *a, const struct ops_qkv_grad *d);
void operations_attention(struct ops_ctx *c, struct ops_rows rows, const struct ops_attention *a);
void operations_attention_grad(struct ops_ctx *c, struct ops_rows rows, const struct ops_attention *a,
    const struct ops_attention_grad *d);
void operations_proj(struct ops_ctx *c, struct ops_rows rows, const struct ops_proj *a);
void
operations_proj_grad(struct ops_ctx *c, struct ops_rows rows, const struct ops_proj *a, const struct ops_proj_grad *d);
void operations_mlp(struct ops_ctx *c, struct ops_rows rows, const struct ops_mlp *a);
void
operations_mlp_grad(struct ops_ctx *c, struct ops_rows rows, const struct ops_mlp *a, const struct ops_mlp_grad *d);
void operations_head(struct ops_ctx *c, struct ops_rows rows, const struct ops_head *a);
void operations_logits(struct ops_ctx *c, struct ops_buf *out, const struct ops_buf *x, size_t first, size_t count,
    const struct ops_buf *w, const struct ops_prior *prior);
void operations_gram(struct ops_ctx *c, struct ops_rows rows, const struct ops_gram *a);
void operations_add(struct ops_ctx *c, struct ops_rows rows, struct ops_buf *dst, const struct ops_buf *src);
double operations_sumsq(struct ops_ctx *c, const struct ops_buf *const *bufs, const size_t *n, size_t count);
void operations_adam(struct ops_ctx *c, const struct ops_adam *p, size_t count, const struct ops_adam_law *law);
void operations_average(struct ops_ctx *c, const struct ops_average *p, size_t count, float keep);

#endif
