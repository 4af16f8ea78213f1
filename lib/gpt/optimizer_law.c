/* The published values; apart from the optimizer, so that a tool which only reads specs links no model. */

#include "gpt/optimizer.h"

void
optimizer_law_default(struct optimizer_law *law)
{
	*law = (struct optimizer_law){
		.matrix_lr = 0.04,
		.scalar_lr = 0.04,
		.tied_embed_lr = 0.05,
		.embed_lr = 0.6,
		.head_lr = 0.008,
		.muon_momentum = 0.95,
		.muon_momentum_warmup_start = 0.85,
		.muon_momentum_warmup_steps = 500,
		.muon_backend_steps = 5,
		.beta1 = 0.9,
		.beta2 = 0.95,
		.adam_eps = 1e-8,
		.grad_clip_norm = 0,
	};
}
