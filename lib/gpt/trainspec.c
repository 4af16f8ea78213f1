#include <string.h>

#include "base/jsonio.h"
#include "base/num.h"
#include "gpt/trainspec.h"
#include "base/say.h"

static const char sliding[] = "sliding:";

static enum ops_arith
arith_of(const json_t *spec, const char *path)
{
	return (strcmp(jsonio_text(spec, path, "fp32"), "bf16") == 0 ? OPS_BF16 : OPS_FP32);
}

const char *
trainspec_arith_name(enum ops_arith arith)
{
	return (arith == OPS_BF16 ? "bf16" : "fp32");
}

static uint64_t
count(const json_t *spec, const char *path, uint64_t fallback)
{
	return ((uint64_t)jsonio_i64(spec, path, (int64_t)fallback));
}

static void
read_law(struct optimizer_law *law, const json_t *spec)
{
	optimizer_law_default(law);
	law->matrix_lr = jsonio_f64(spec, "train.matrix_lr", law->matrix_lr);
	law->scalar_lr = jsonio_f64(spec, "train.scalar_lr", law->scalar_lr);
	law->tied_embed_lr = jsonio_f64(spec, "train.tied_embed_lr", law->tied_embed_lr);
	law->embed_lr = jsonio_f64(spec, "train.embed_lr", law->embed_lr);
	law->head_lr = jsonio_f64(spec, "train.head_lr", law->head_lr);
	law->muon_momentum = jsonio_f64(spec, "train.muon_momentum", law->muon_momentum);
	law->muon_momentum_warmup_start = jsonio_f64(spec, "train.muon_momentum_warmup_start",
	    law->muon_momentum_warmup_start);
	law->muon_momentum_warmup_steps = count(spec, "train.muon_momentum_warmup_steps",
	    law->muon_momentum_warmup_steps);
	law->muon_backend_steps = (unsigned)count(spec, "train.muon_backend_steps", law->muon_backend_steps);
	law->beta1 = jsonio_f64(spec, "train.beta1", law->beta1);
	law->beta2 = jsonio_f64(spec, "train.beta2", law->beta2);
	law->adam_eps = jsonio_f64(spec, "train.adam_eps", law->adam_eps);
	law->grad_clip_norm = jsonio_f64(spec, "train.grad_clip_norm", law->grad_clip_norm);
}

static int
read_schedule(struct trainspec *r, const json_t *spec)
{
	struct schedule *s = &r->schedule;
	int clock = strcmp(jsonio_text(spec, "train.schedule", "iterations"), "wallclock") == 0;

	memset(s, 0, sizeof(*s));
	r->replay = jsonio_text(spec, "train.replay", NULL);
	s->law = r->replay != NULL ? SCHEDULE_REPLAY : clock ? SCHEDULE_WALLCLOCK : SCHEDULE_ITERATIONS;
	s->iterations = count(spec, "train.iterations", 20000);
	s->warmdown_iters = jsonio_f64(spec, "train.warmdown_iters", 1200);
	s->warmdown_frac = jsonio_f64(spec, "train.warmdown_frac", 0);
	s->cap_ms = (double)jsonio_i64(spec, "budget.max_wallclock_ms", 0);
	if (s->law == SCHEDULE_WALLCLOCK && s->cap_ms <= 0) {
		say_error("train.schedule=wallclock needs budget.max_wallclock_ms to be a number, not \"none\"");
		return (-1);
	}
	return (0);
}

static int
read_eval(struct trainspec *r, const json_t *spec)
{
	uint64_t stride;

	r->eval_mode = jsonio_text(spec, "eval.mode", "non_overlapping");
	r->eval_seq_len = count(spec, "eval.seq_len", r->seq_len);
	r->eval_docs = count(spec, "eval.docs", 0);
	r->eval_arith = arith_of(spec, "eval.arith");
	r->eval_stride = 0;
	if (strncmp(r->eval_mode, sliding, sizeof(sliding) - 1) == 0) {
		if (num_u64(r->eval_mode + sizeof(sliding) - 1, 1, r->eval_seq_len, &stride) == -1) {
			say_error("eval.mode=%s: the stride must be between 1 and eval.seq_len, which is %zu",
			    r->eval_mode, r->eval_seq_len);
			return (-1);
		}
		r->eval_stride = (size_t)stride;
	}
	return (0);
}

int
trainspec_read(struct trainspec *r, const json_t *spec)
{
	memset(r, 0, sizeof(*r));
	if (config_from_json(&r->config, jsonio_get(spec, "model")) == -1)
		return (-1);
	read_law(&r->law, spec);
	r->seed = count(spec, "train.seed", 1337);
	r->seq_len = count(spec, "train.seq_len", 1024);
	r->batch_tokens = count(spec, "train.batch_tokens", 524288);
	r->micro_batch_tokens = count(spec, "train.micro_batch_tokens", 0);
	r->warmup_steps = count(spec, "train.warmup_steps", 20);
	r->min_steps = count(spec, "train.min_steps", 1);
	r->log_every = count(spec, "train.log_every", 1);
	r->val_every = count(spec, "train.val_every", 0);
	r->checkpoint_every_ms = jsonio_i64(spec, "train.checkpoint_every_ms", 60000);
	r->init_from = jsonio_text(spec, "train.init_from", NULL);
	r->arith = arith_of(spec, "train.arith");
	r->backend = jsonio_text(spec, "system.backend", "cpu");
	r->isa = jsonio_text(spec, "system.isa", "auto");
	r->lane = jsonio_text(spec, "system.lane", "default");
	r->threads = (unsigned)count(spec, "system.threads", 0);
	if (read_schedule(r, spec) == -1 || read_eval(r, spec) == -1)
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
