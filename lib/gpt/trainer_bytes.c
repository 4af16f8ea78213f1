#include "gpt/model_bytes.h"
#include "gpt/params.h"
#include "gpt/trainer_bytes.h"

struct model_args
trainer_bytes_model(const struct trainspec *r, size_t micro_batch)
{
	struct model_args args = { .config = &r->config,
		.use = MODEL_TRAIN,
		.backend = r->backend,
		.isa = r->isa,
		.arith = r->arith,
		.threads = r->threads,
		.max_batch = micro_batch / r->seq_len,
		.max_seq = r->seq_len,
		.watches = trainspec_calibration(r) != 0 ? artifact_watches : NULL,
		.watches_law = &r->artifact,
		.max_passes = trainspec_batch_most(r) / micro_batch };

	if (r->val_every != 0 && r->eval_seq_len > r->seq_len) {
		args.max_batch = (micro_batch + r->eval_seq_len - 1) / r->eval_seq_len;
		args.max_seq = r->eval_seq_len;
	}
	return (args);
}

uint64_t
trainer_bytes(const struct trainspec *r, size_t micro_batch, int host)
{
	const struct model_args args = trainer_bytes_model(r, micro_batch);
	const struct params_sizes sizes = params_sizes(&r->config);
	const uint64_t averaged = r->law.average == OPTIMIZER_NO_AVERAGE ? 0 : sizes.n - sizes.of_group[PARAMS_FROZEN];

	return (model_bytes(&args) + sizeof(float) * (averaged + (host ? sizes.n : 0)));
}
