/*
 * Which keys have no effect where: one row a rule, from how lib/gpt and lib/work use them.
 */
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "ledger/inert.h"
#include "ledger/settings.h"

static double
value(const struct run_record *run, const char *key)
{
	const json_t *v = settings_value(run->settings, key);

	return (json_is_number(v) ? json_number_value(v) : 0);
}

static int
always(const struct run_record *run)
{
	(void)run;
	return (1);
}

static int
is_tied(const struct run_record *run)
{
	return (json_is_true(settings_value(run->settings, "model.tie_embeddings")));
}

static int
is_untied(const struct run_record *run)
{
	return (!is_tied(run));
}

static int
is_given(const struct run_record *run)
{
	return (run->init != NULL && strcmp(run->init, "none") != 0);
}

static int
falls_by_share(const struct run_record *run)
{
	return (value(run, "train.warmdown_frac") > 0);
}

static int
never_falls(const struct run_record *run)
{
	return (!falls_by_share(run) && !(value(run, "train.warmdown_iters") > 0) &&
	    !(value(run, "train.adam_warmdown_frac") > 0));
}

static int
rises_by_share(const struct run_record *run)
{
	return (value(run, "train.muon_momentum_warmup_frac") > 0);
}

static int
never_rises(const struct run_record *run)
{
	return (!rises_by_share(run) && !(value(run, "train.muon_momentum_warmup_steps") > 0));
}

static int
never_decays(const struct run_record *run)
{
	return (!(value(run, "train.muon_weight_decay") > 0));
}

static int
has_one_batch(const struct run_record *run)
{
	return (json_array_size(settings_value(run->settings, "train.batch_schedule")) == 0);
}

static int
never_averages(const struct run_record *run)
{
	const json_t *v = settings_value(run->settings, "train.average");

	return (v != NULL && strcmp(json_string_value(v), "none") == 0);
}

static int
by_steps(const struct run_record *run)
{
	return (strcmp(run->schedule, "iterations") == 0);
}

static const struct {
	const char *key;
	int (*idle)(const struct run_record *run); /* on both sides */
	const char *why;
} rules[] = {
	{ "train.head_lr", is_tied, "the head is the embedding, and has no rate of its own" },
	{ "train.embed_lr", is_tied, "a tied embedding has the rate train.tied_embed_lr" },
	{ "train.tied_embed_lr", is_untied, "an untied embedding has the rate train.embed_lr" },
	{ "model.tied_embed_init_std", is_untied, "it is of a tied embedding alone" },
	{ "model.tied_embed_init_std", is_given, "the initial weights are given" },
	{ "model.qk_gain_init", is_given, "the initial weights are given" },
	{ "train.warmdown_iters", falls_by_share, "train.warmdown_frac stands in its place" },
	{ "train.min_lr_frac", never_falls, "there is no warmdown" },
	{ "train.warmdown_shape", never_falls, "there is no warmdown" },
	{ "train.muon_momentum_warmup_steps", rises_by_share, "train.muon_momentum_warmup_frac stands in its place" },
	{ "train.muon_momentum_warmup_start", never_rises, "the momentum has no warm-up" },
	{ "train.muon_decay_mode", never_decays, "there is no weight decay" },
	{ "train.batch_schedule_lr", has_one_batch, "the batch never changes" },
	{ "train.average_horizon", never_averages, "nothing is averaged" },
	{ "train.average_from", never_averages, "nothing is averaged" },
	{ "train.warmup_steps", by_steps, "these steps are rolled back before the first one that counts" },
	{ "budget.artifact_cap_bytes", always, "it only bounds what counts" },
};

/* Why a key's other value has no effect, or NULL. */
static const char *
why_inert(const struct run_record *from, const struct run_record *to, const char *key)
{
	const json_t *a = settings_value(from->settings, key), *b = settings_value(to->settings, key);
	double x, y;
	size_t i;

	for (i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (strcmp(rules[i].key, key) == 0 && rules[i].idle(from) && rules[i].idle(to))
			return (rules[i].why);
	if (json_is_number(a) && json_is_number(b) && (json_is_real(a) || json_is_real(b))) {
		x = json_number_value(a);
		y = json_number_value(b);
		if (fabs(x - y) <= 1e-6 * fmax(fabs(x), fabs(y)))
			return ("less than a millionth of it");
	}
	return (NULL);
}

static int
same(const char *a, const char *b)
{
	return (a == NULL || b == NULL ? a == b : strcmp(a, b) == 0);
}

/* Nothing but settings tells the two apart, and ours is what reads these. */
static int
can_be_told(const struct run_record *from, const struct run_record *to)
{
	return (from->settings != NULL && to->settings != NULL && from->trainer == NULL && to->trainer == NULL &&
	    from->schedule != NULL && to->schedule != NULL && strcmp(from->schedule, "replay") != 0 &&
	    strcmp(to->schedule, "replay") != 0 && same(from->data, to->data) && same(from->tokenizer, to->tokenizer) &&
	    same(from->init, to->init));
}

int
inert_differences(const struct run_record *from, const struct run_record *to, struct str *out)
{
	/* jansson iterates over values that are not const. */
	json_t *side[2] = { (json_t *)(uintptr_t)from->settings, (json_t *)(uintptr_t)to->settings }, *v;
	const char *key, *why;
	int i;

	if (!can_be_told(from, to))
		return (0);
	for (i = 0; i < 2; i++)
		json_object_foreach(side[i], key, v) {
			if ((i == 1 && json_object_get(side[0], key) != NULL) ||
			    !settings_differs(from->settings, to->settings, key))
				continue;
			if ((why = why_inert(from, to, key)) == NULL) {
				str_free(out);
				return (0);
			}
			if (settings_change(from->settings, to->settings, key, ", ", out) == -1 ||
			    str_printf(out, " (%s)", why) == -1)
				return (-1);
		}
	return (out->n > 0);
}
