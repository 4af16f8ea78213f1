#ifndef HG_LEVERS_H
#define HG_LEVERS_H

#include "gpt/cpu/cpu.h"

/* What ops.h says of each, on contexts and buffers of the cpu backend: operations of single levers. */
void levers_context(struct ops_ctx *c, struct ops_rows rows, const struct ops_context *a);
void levers_context_grad(struct ops_ctx *c, struct ops_rows rows, const struct ops_context *a,
    const struct ops_context_grad *d);
void levers_values(struct ops_ctx *c, struct ops_rows rows, const struct ops_values *a);
void levers_values_grad(struct ops_ctx *c, struct ops_rows rows, const struct ops_values *a,
    const struct ops_values_grad *d);
void levers_output(struct ops_ctx *c, struct ops_rows rows, const struct ops_output *a);
void levers_output_grad(struct ops_ctx *c, struct ops_rows rows, const struct ops_output *a,
    const struct ops_output_grad *d);
void levers_skip(struct ops_ctx *c, struct ops_rows rows, const struct ops_skip *a);
void levers_skip_grad(struct ops_ctx *c, struct ops_rows rows, const struct ops_skip *a, const struct ops_skip_grad *d);
void levers_lanes(struct ops_ctx *c, struct ops_rows rows, const struct ops_lanes *a);
void
levers_lanes_grad(struct ops_ctx *c, struct ops_rows rows, const struct ops_lanes *a, const struct ops_lanes_grad *d);

#endif
