#include <string.h>

#include "base/jsonio.h"
#include "gpt/embedded_spec.h"
#include "gpt/trainspec.h"
#include "base/say.h"

static const char *const ariths[] = { [OPS_FP32] = "fp32", [OPS_BF16] = "bf16", NULL };
static const char *const laws[] = { [SCHEDULE_ITERATIONS] = "iterations", [SCHEDULE_WALLCLOCK] = "wallclock", NULL };
static const char
    *const shapes[] = { [SCHEDULE_LINEAR] = "linear", [SCHEDULE_COSINE] = "cosine", [SCHEDULE_SQRT] = "sqrt", NULL };
static const char *const batch_lrs[] = { [SCHEDULE_BATCH_SQRT] = "sqrt", [SCHEDULE_BATCH_NONE] = "none", NULL };

static const char
    *const decays[] = { [OPTIMIZER_DECAY_PLAIN] = "plain", [OPTIMIZER_DECAY_CAUTIOUS] = "cautious", NULL };
static const char
    *const norms[] = { [OPS_MUON_PLAIN] = "none", [OPS_MUON_ROW] = "row", [OPS_MUON_NEURON] = "neuron", NULL };
static const char *const averages[] = { [OPTIMIZER_NO_AVERAGE] = "none", [OPTIMIZER_AVERAGE_TAIL] = "tail", NULL };
static const char *const
    quantizers[] = { [QUANTIZE_MINMAX] = "minmax", [QUANTIZE_SDCLIP] = "sdclip", [QUANTIZE_GPTQ] = "gptq", NULL };
static const char *const coders[] = { [CODER_ZLIB] = "zlib", [CODER_XZ] = "xz", NULL };
static const char *const
    coefficients[] = { [OPS_MUON_FIXED] = "fixed", [OPS_MUON_POLAR] = "polar", [OPS_MUON_MINIMAX] = "minimax", NULL };
static const char *const forms[] = { [OPS_MUON_DIRECT] = "direct", [OPS_MUON_GRAM] = "gram", NULL };
static const char *const scales[] = { [OPS_MUON_FROBENIUS] = "frobenius", [OPS_MUON_SCHATTEN] = "schatten", NULL };

/* Defaults and ranges are the contract's; the section model has its rows in config.c, what no model sees in spec.c. */
const struct bind trainspec_keys[] = {
	BIND(struct trainspec, "train.seed", seed),
	BIND(struct trainspec, "train.data_offset", data_offset),
	BIND(struct trainspec, "train.seq_len", seq_len),
	BIND(struct trainspec, "train.batch_tokens", batch_tokens),
	BIND(struct trainspec, "train.micro_batch_tokens", micro_batch_tokens),
	BIND(struct trainspec, "train.iterations", schedule.iterations),
	BIND_ENUM(struct trainspec, "train.schedule", schedule.law, laws),
	BIND(struct trainspec, "train.warmup_steps", warmup_steps),
	BIND(struct trainspec, "train.warmdown_iters", schedule.warmdown_iters),
	BIND(struct trainspec, "train.warmdown_frac", schedule.warmdown_frac),
	BIND(struct trainspec, "train.min_lr_frac", schedule.min_lr_frac),
	BIND_ENUM(struct trainspec, "train.warmdown_shape", schedule.shape, shapes),
	BIND(struct trainspec, "train.adam_warmdown_frac", schedule.adam_warmdown_frac),
	BIND(struct trainspec, "train.batch_schedule", schedule.batches),
	BIND_ENUM(struct trainspec, "train.batch_schedule_lr", schedule.batch_lr, batch_lrs),
	BIND(struct trainspec, "train.seq_schedule", schedule.seqs),
	BIND(struct trainspec, "train.loop_from", loop_from),
	BIND_ENUM(struct trainspec, "train.average", law.average, averages),
	BIND(struct trainspec, "train.average_horizon", schedule.average_horizon),
	BIND(struct trainspec, "train.average_from", schedule.average_from),
	BIND(struct trainspec, "train.min_steps", min_steps),
	BIND(struct trainspec, "train.init_from", init_from),
	BIND(struct trainspec, "train.replay", replay),
	BIND(struct trainspec, "train.log_every", log_every),
	BIND(struct trainspec, "train.checkpoint_every_ms", checkpoint_every_ms),
	BIND(struct trainspec, "train.val_every", val_every),
	BIND_ENUM(struct trainspec, "train.arith", arith, ariths),
	BIND(struct trainspec, "train.numerics", numerics),
	BIND(struct trainspec, "train.tied_embed_lr", law.tied_embed_lr),
	BIND(struct trainspec, "train.embed_lr", law.embed_lr),
	BIND(struct trainspec, "train.head_lr", law.head_lr),
	BIND(struct trainspec, "train.value_embed_lr", law.value_embed_lr),
	BIND(struct trainspec, "train.matrix_lr", law.matrix_lr),
	BIND(struct trainspec, "train.scalar_lr", law.scalar_lr),
	BIND(struct trainspec, "train.muon_momentum", law.muon_momentum),
	BIND(struct trainspec, "train.muon_momentum_warmup_start", law.muon_momentum_warmup_start),
	BIND(struct trainspec, "train.muon_momentum_warmup_steps", law.muon_momentum_warmup_steps),
	BIND(struct trainspec, "train.muon_momentum_warmup_frac", schedule.momentum_rise_frac),
	BIND(struct trainspec, "train.muon_backend_steps", law.muon_backend_steps),
	BIND(struct trainspec, "train.muon_weight_decay", law.muon_weight_decay),
	BIND_ENUM(struct trainspec, "train.muon_decay_mode", law.muon_decay_mode, decays),
	BIND_ENUM(struct trainspec, "train.muon_norm", law.muon_norm, norms),
	BIND_ENUM(struct trainspec, "train.muon_coefficients", law.muon_coefficients, coefficients),
	BIND_ENUM(struct trainspec, "train.muon_form", law.muon_form, forms),
	BIND_ENUM(struct trainspec, "train.muon_scale", law.muon_scale, scales),
	BIND(struct trainspec, "train.muon_grad_power", law.muon_grad_power),
	BIND(struct trainspec, "train.beta1", law.beta1),
	BIND(struct trainspec, "train.beta2", law.beta2),
	BIND(struct trainspec, "train.adam_eps", law.adam_eps),
	BIND(struct trainspec, "train.grad_clip_norm", law.grad_clip_norm),
	BIND(struct trainspec, "eval.mode", eval_mode),
	BIND(struct trainspec, "eval.seq_len", eval_seq_len),
	BIND(struct trainspec, "eval.docs", eval_docs),
	BIND_ENUM(struct trainspec, "eval.arith", eval_arith, ariths),
	BIND(struct trainspec, "export.scale_floor", artifact.scale_floor),
	BIND(struct trainspec, "export.bits", artifact.bits),
	BIND(struct trainspec, "export.embed_bits", artifact.embed_bits),
	BIND_ENUM(struct trainspec, "export.quantizer", artifact.quantizer, quantizers),
	BIND(struct trainspec, "export.sdclip_k", artifact.sdclip_k),
	BIND(struct trainspec, "export.sdclip_embed_k", artifact.sdclip_embed_k),
	BIND(struct trainspec, "export.gptq_tokens", artifact.gptq_tokens),
	BIND_ENUM(struct trainspec, "export.coder", artifact.coder, coders),
	BIND(struct trainspec, "prompt.text", prompt_text),
	BIND(struct trainspec, "prompt.tokens", prompt_tokens),
	BIND(struct trainspec, "prompt.temperature", prompt_temperature),
	BIND(struct trainspec, "prompt.seed", prompt_seed),
	BIND(struct trainspec, "budget.max_wallclock_ms", schedule.cap_ms),
	BIND(struct trainspec, "system.backend", backend),
	BIND(struct trainspec, "system.isa", isa),
	BIND(struct trainspec, "system.threads", threads),
	BIND_END,
};

const char *
trainspec_arith_name(enum ops_arith arith)
{
	return (ariths[arith]);
}

/* The contract's default of a key that came after 0.1, or with ${any} of any; NULL if there is none. Lives for ever. */
static json_t *
default_of(const char *path, int any)
{
	static json_t *defaults;
	json_t *value;

	if (defaults == NULL)
		defaults = jsonio_parse(embedded_spec, strlen(embedded_spec), "the contract's defaults");
	value = json_object_get(json_object_get(defaults, "later"), path);
	return (value != NULL || !any ? value : json_object_get(json_object_get(defaults, "first"), path));
}

void
trainspec_law(struct optimizer_law *law)
{
	const struct bind *row;
	struct trainspec r;

	memset(&r, 0, sizeof(r));
	for (row = trainspec_keys; row->path != NULL; row++)
		(void)bind_set(row, &r, default_of(row->path, 1));
	*law = r.law;
}

json_t *
trainspec_levers(const struct trainspec *r, const char *section)
{
	const size_t n = strlen(section);
	json_t *levers = json_object(), *mine, *published;
	const struct bind *row;
	struct trainspec defaults;

	memset(&defaults, 0, sizeof(defaults));
	for (row = trainspec_keys; levers != NULL && row->path != NULL; row++) {
		if (strncmp(row->path, section, n) != 0 || default_of(row->path, 0) == NULL)
			continue;
		(void)bind_set(row, &defaults, default_of(row->path, 0));
		mine = bind_get(row, r);
		published = bind_get(row, &defaults);
		if (mine != NULL && published != NULL && !json_equal(mine, published))
			json_object_set(levers, row->path + n, mine);
		json_decref(mine);
		json_decref(published);
	}
	return (levers);
}

int
trainspec_take(struct trainspec *r, const char *section, const json_t *levers)
{
	const size_t n = strlen(section);
	const struct bind *row;
	size_t taken = 0;
	const char *key;
	json_t *v;

	for (row = trainspec_keys; row->path != NULL; row++) {
		if (strncmp(row->path, section, n) != 0 || default_of(row->path, 0) == NULL)
			continue;
		v = json_object_get(levers, row->path + n);
		taken += v != NULL;
		if (bind_set(row, r, v != NULL ? v : default_of(row->path, 0)) == -1 ||
		    (json_is_number(v) && bind_number(row, r) != json_number_value(v))) {
			say_error("%s is of another type than its contract has it, or too large", row->path);
			return (-1);
		}
	}
	if (taken == json_object_size(levers))
		return (0);
	json_object_foreach((json_t *)(uintptr_t)levers, key, v) {
		for (row = trainspec_keys; row->path != NULL; row++)
			if (strncmp(row->path, section, n) == 0 && strcmp(row->path + n, key) == 0 &&
			    default_of(row->path, 0) != NULL)
				break;
		if (row->path == NULL)
			break;
	}
	say_error("%s%s is no key that this program knows", section, key);
	return (-1);
}

static int
read_keys(struct trainspec *r, const json_t *spec)
{
	const struct bind *row;
	json_t *v;

	memset(r, 0, sizeof(*r));
	if (config_from_json(&r->config, jsonio_get(spec, "model")) == -1)
		return (-1);
	for (row = trainspec_keys; row->path != NULL; row++) {
		v = jsonio_get(spec, row->path);
		if (bind_set(row, r, v != NULL ? v : default_of(row->path, 0)) == -1) {
			if (row->type == BIND_PAIRS)
				say_error(
				    "%s must be a list of pairs [share of the run, tokens]: shares that grow, from 0 "
				    "to below 1, and whole numbers of tokens from 1 on; at most %d",
				    row->path, BIND_PAIRS_MOST);
			else
				say_error("%s is missing, or of another type than its contract has it", row->path);
			return (-1);
		}
	}
	return (0);
}

static int
check_schedule(struct trainspec *r)
{
	struct schedule *s = &r->schedule;
	struct optimizer_law published;

	trainspec_law(&published);
	if (s->momentum_rise_frac > 0 && r->law.muon_momentum_warmup_steps != published.muon_momentum_warmup_steps) {
		say_error("train.muon_momentum_warmup_frac=%g excludes train.muon_momentum_warmup_steps=%llu: leave "
			  "one out (steps at %llu, frac at null)",
		    s->momentum_rise_frac, (unsigned long long)r->law.muon_momentum_warmup_steps,
		    (unsigned long long)published.muon_momentum_warmup_steps);
		return (-1);
	}
	if (r->replay != NULL)
		s->law = SCHEDULE_REPLAY;
	if (s->law == SCHEDULE_WALLCLOCK && s->cap_ms <= 0) {
		say_error("train.schedule=wallclock needs budget.max_wallclock_ms to be a number, not \"none\"");
		return (-1);
	}
	return (0);
}

static int
check_muon(const struct trainspec *r)
{
	const unsigned steps = r->law.muon_backend_steps;

	if (r->law.muon_coefficients != OPS_MUON_MINIMAX || (steps >= OPS_MINIMAX_LEAST && steps <= OPS_MINIMAX_MOST))
		return (0);
	say_error(
	    "train.muon_coefficients=minimax has coefficients for %d to %d steps, and train.muon_backend_steps is "
	    "%u: set that, or other coefficients",
	    OPS_MINIMAX_LEAST, OPS_MINIMAX_MOST, steps);
	return (-1);
}

/* Batches are whole sequences and whole micro-batches, as train.batch_tokens is; sequences are cut from whole ones. */
static int
check_changes(struct trainspec *r)
{
	struct schedule *s = &r->schedule;

	s->batch_tokens = r->batch_tokens;
	s->seq_len = r->seq_len;
	s->visits_first = r->config.num_layers;
	if (r->loop_from > 0) {
		if (r->config.loop.count == 0) {
			say_error("train.loop_from=%g without a loop: set model.loop, or train.loop_from=0",
			    r->loop_from);
			return (-1);
		}
		s->visits.count = 1;
		s->visits.share[0] = r->loop_from;
		s->visits.number[0] = config_visits(&r->config);
	}
	for (size_t i = 0; i < s->batches.count; i++) {
		const unsigned long long tokens = s->batches.number[i];

		if (tokens % r->seq_len != 0) {
			say_error("train.batch_schedule has %llu tokens, which is not a multiple of train.seq_len=%zu",
			    tokens, r->seq_len);
			return (-1);
		}
		if (r->micro_batch_tokens != 0 && tokens % r->micro_batch_tokens != 0) {
			say_error("train.batch_schedule has %llu tokens, which is not a multiple of "
				  "train.micro_batch_tokens=%zu",
			    tokens, r->micro_batch_tokens);
			return (-1);
		}
	}
	for (size_t i = 0; i < s->seqs.count; i++) {
		if (r->seq_len % s->seqs.number[i] != 0) {
			say_error(
			    "train.seq_schedule has %llu tokens, which does not divide train.seq_len=%zu: rows of that "
			    "length are cut into shorter ones",
			    (unsigned long long)s->seqs.number[i], r->seq_len);
			return (-1);
		}
	}
	return (0);
}

uint64_t
trainspec_calibration(const struct trainspec *r)
{
	uint64_t tokens = 0;
	struct params *p;

	if (r->artifact.quantizer != QUANTIZE_GPTQ || (p = params_new(&r->config)) == NULL)
		return (0);
	for (size_t i = 0; i < p->count && tokens == 0; i++)
		if (params_input(p, i) != PARAMS_NONE && artifact_watches(&r->artifact, &p->tensors[i]))
			tokens = (r->artifact.gptq_tokens + r->seq_len - 1) / r->seq_len * r->seq_len;
	params_free(p);
	return (tokens);
}

size_t
trainspec_batch_most(const struct trainspec *r)
{
	size_t most = r->batch_tokens;

	for (size_t i = 0; i < r->schedule.batches.count; i++)
		if (r->schedule.batches.number[i] > most)
			most = (size_t)r->schedule.batches.number[i];
	return (most);
}

size_t
trainspec_batch_common(const struct trainspec *r)
{
	size_t common = r->batch_tokens;

	for (size_t i = 0; i < r->schedule.batches.count; i++)
		for (size_t rest = (size_t)r->schedule.batches.number[i], next; rest != 0; rest = next) {
			next = common % rest;
			common = rest;
		}
	return (common);
}

int
trainspec_read(struct trainspec *r, const json_t *spec)
{
	if (read_keys(r, spec) == -1 || check_schedule(r) == -1 || check_muon(r) == -1 ||
	    score_law_parse(r->eval_mode, r->eval_seq_len, &r->eval_law) == -1 || check_changes(r) == -1)
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
