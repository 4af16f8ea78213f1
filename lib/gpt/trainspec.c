#include <string.h>

#include "base/jsonio.h"
#include "base/num.h"
#include "gpt/trainspec.h"
#include "base/say.h"
#include "schema/contract.h"
#include "schema/later.h"

static const char sliding[] = "sliding:";

static const char *const ariths[] = { [OPS_FP32] = "fp32", [OPS_BF16] = "bf16", NULL };
static const char *const laws[] = { [SCHEDULE_ITERATIONS] = "iterations", [SCHEDULE_WALLCLOCK] = "wallclock", NULL };

#define AT(field) offsetof(struct trainspec, field)

/* Defaults and ranges are the contract's; the section model has its rows in config.c, what no model sees in spec.c. */
const struct bind trainspec_keys[] = {
	{ "train.seed", BIND_U64, AT(seed), NULL },
	{ "train.seq_len", BIND_SIZE, AT(seq_len), NULL },
	{ "train.batch_tokens", BIND_SIZE, AT(batch_tokens), NULL },
	{ "train.micro_batch_tokens", BIND_SIZE, AT(micro_batch_tokens), NULL },
	{ "train.iterations", BIND_U64, AT(schedule.iterations), NULL },
	{ "train.schedule", BIND_WORD, AT(schedule.law), laws },
	{ "train.warmup_steps", BIND_U64, AT(warmup_steps), NULL },
	{ "train.warmdown_iters", BIND_REAL, AT(schedule.warmdown_iters), NULL },
	{ "train.warmdown_frac", BIND_REAL, AT(schedule.warmdown_frac), NULL },
	{ "train.min_lr_frac", BIND_REAL, AT(schedule.min_lr_frac), NULL },
	{ "train.min_steps", BIND_U64, AT(min_steps), NULL },
	{ "train.init_from", BIND_TEXT, AT(init_from), NULL },
	{ "train.replay", BIND_TEXT, AT(replay), NULL },
	{ "train.log_every", BIND_U64, AT(log_every), NULL },
	{ "train.checkpoint_every_ms", BIND_I64, AT(checkpoint_every_ms), NULL },
	{ "train.val_every", BIND_U64, AT(val_every), NULL },
	{ "train.arith", BIND_WORD, AT(arith), ariths },
	{ "train.tied_embed_lr", BIND_REAL, AT(law.tied_embed_lr), NULL },
	{ "train.embed_lr", BIND_REAL, AT(law.embed_lr), NULL },
	{ "train.head_lr", BIND_REAL, AT(law.head_lr), NULL },
	{ "train.matrix_lr", BIND_REAL, AT(law.matrix_lr), NULL },
	{ "train.scalar_lr", BIND_REAL, AT(law.scalar_lr), NULL },
	{ "train.muon_momentum", BIND_REAL, AT(law.muon_momentum), NULL },
	{ "train.muon_momentum_warmup_start", BIND_REAL, AT(law.muon_momentum_warmup_start), NULL },
	{ "train.muon_momentum_warmup_steps", BIND_U64, AT(law.muon_momentum_warmup_steps), NULL },
	{ "train.muon_backend_steps", BIND_UNSIGNED, AT(law.muon_backend_steps), NULL },
	{ "train.beta1", BIND_REAL, AT(law.beta1), NULL },
	{ "train.beta2", BIND_REAL, AT(law.beta2), NULL },
	{ "train.adam_eps", BIND_REAL, AT(law.adam_eps), NULL },
	{ "train.grad_clip_norm", BIND_REAL, AT(law.grad_clip_norm), NULL },
	{ "eval.mode", BIND_TEXT, AT(eval_mode), NULL },
	{ "eval.seq_len", BIND_SIZE, AT(eval_seq_len), NULL },
	{ "eval.docs", BIND_U64, AT(eval_docs), NULL },
	{ "eval.arith", BIND_WORD, AT(eval_arith), ariths },
	{ "export.scale_floor", BIND_REAL, AT(scale_floor), NULL },
	{ "prompt.text", BIND_TEXT, AT(prompt_text), NULL },
	{ "prompt.tokens", BIND_U64, AT(prompt_tokens), NULL },
	{ "prompt.temperature", BIND_REAL, AT(prompt_temperature), NULL },
	{ "prompt.seed", BIND_U64, AT(prompt_seed), NULL },
	{ "budget.max_wallclock_ms", BIND_REAL, AT(schedule.cap_ms), NULL },
	{ "system.backend", BIND_TEXT, AT(backend), NULL },
	{ "system.isa", BIND_TEXT, AT(isa), NULL },
	{ "system.threads", BIND_UNSIGNED, AT(threads), NULL },
	{ NULL, BIND_SIZE, 0, NULL },
};

const char *
trainspec_arith_name(enum ops_arith arith)
{
	return (ariths[arith]);
}

void
trainspec_law(struct optimizer_law *law)
{
	const struct bind *row;
	struct trainspec r;

	memset(&r, 0, sizeof(r));
	for (row = trainspec_keys; row->path != NULL; row++)
		(void)bind_set(row, &r, json_object_get(contract_at("spec", row->path), "default"));
	*law = r.law;
}

static int
read_keys(struct trainspec *r, const json_t *spec)
{
	const struct bind *row;

	memset(r, 0, sizeof(*r));
	if (config_from_json(&r->config, jsonio_get(spec, "model")) == -1)
		return (-1);
	for (row = trainspec_keys; row->path != NULL; row++)
		if (bind_set(row, r, later_value("spec", spec, row->path)) == -1) {
			say_error("%s is missing, or of another type than its contract has it", row->path);
			return (-1);
		}
	return (0);
}

static int
check_schedule(struct trainspec *r)
{
	struct schedule *s = &r->schedule;

	if (r->replay != NULL)
		s->law = SCHEDULE_REPLAY;
	if (s->law == SCHEDULE_WALLCLOCK && s->cap_ms <= 0) {
		say_error("train.schedule=wallclock needs budget.max_wallclock_ms to be a number, not \"none\"");
		return (-1);
	}
	return (0);
}

static int
read_stride(struct trainspec *r)
{
	uint64_t stride;

	if (strncmp(r->eval_mode, sliding, sizeof(sliding) - 1) != 0)
		return (0);
	if (num_u64(r->eval_mode + sizeof(sliding) - 1, 1, r->eval_seq_len, &stride) == -1) {
		say_error("eval.mode=%s: the stride must be between 1 and eval.seq_len, which is %zu", r->eval_mode,
		    r->eval_seq_len);
		return (-1);
	}
	r->eval_stride = (size_t)stride;
	return (0);
}

int
trainspec_read(struct trainspec *r, const json_t *spec)
{
	if (read_keys(r, spec) == -1 || check_schedule(r) == -1 || read_stride(r) == -1)
		return (-1);

	if (r->batch_tokens % r->seq_len != 0) {
		say_error("train.batch_tokens=%zu is not a multiple of train.seq_len=%zu", r->batch_tokens, r->seq_len);
		return (-1);
	}
	if (r->micro_batch_tokens != 0 && r->micro_batch_tokens % r->seq_len != 0) {
		say_error("train.micro_batch_tokens=%zu is not a multiple of train.seq_len=%zu", r->micro_batch_tokens,
		    r->seq_len);
		return (-1);
	}
	if (r->micro_batch_tokens != 0 && r->batch_tokens % r->micro_batch_tokens != 0) {
		say_error("train.batch_tokens=%zu is not a multiple of train.micro_batch_tokens=%zu", r->batch_tokens,
		    r->micro_batch_tokens);
		return (-1);
	}
	if (r->min_steps > r->schedule.iterations) {
		say_error("train.min_steps=%llu is more than train.iterations=%llu", (unsigned long long)r->min_steps,
		    (unsigned long long)r->schedule.iterations);
		return (-1);
	}
	return (0);
}
