/*
 * Settings without effect: each rule holds where it says, and nowhere else.
 */
#include <string.h>

#include "base/jsonio.h"
#include "ledger/inert.h"
#include "t/unit/tap.h"

static json_t *
settings(const char *text)
{
	json_t *v = jsonio_parse(text, strlen(text), "settings");

	return (v);
}

/* A run of our own trainer with these settings, from given weights with ${init}. */
static struct run_record
run_of(json_t *with, const char *schedule, const char *init)
{
	struct run_record run = { .settings = with, .schedule = schedule, .init = init, .data = "d", .tokenizer = "t" };

	return (run);
}

static const struct {
	const char *from, *to, *schedule, *init;
	int inert;
	const char *says;
} cases[] = {
	{ "{\"train.head_lr\": 0.01}", "{}", "iterations", "none", 1, "train.head_lr 0.01 -> 0.008 (the head is" },
	{ "{\"train.embed_lr\": 0.5}", "{\"train.embed_lr\": 0.4}", "iterations", "none", 1, "train.tied_embed_lr" },
	{ "{\"train.tied_embed_lr\": 0.1}", "{}", "iterations", "none", 0, NULL },
	{ "{\"model.tie_embeddings\": false}", "{\"model.tie_embeddings\": false, \"train.tied_embed_lr\": 0.1}",
	    "iterations", "none", 1, "train.embed_lr" },
	{ "{\"model.tie_embeddings\": false}", "{\"model.tie_embeddings\": false, \"train.head_lr\": 0.1}",
	    "iterations", "none", 0, NULL },
	{ "{\"model.tie_embeddings\": false}", "{\"train.head_lr\": 0.1}", "iterations", "none", 0, NULL },
	{ "{\"model.tie_embeddings\": false, \"model.tied_embed_init_std\": 0.1}", "{\"model.tie_embeddings\": false}",
	    "iterations", "none", 1, "tied embedding alone" },
	{ "{\"model.tied_embed_init_std\": 0.1}", "{}", "iterations", "none", 0, NULL },
	{ "{\"model.tied_embed_init_std\": 0.1, \"model.qk_gain_init\": 1.0}", "{}", "iterations", "abc", 1,
	    "model.qk_gain_init" },
	{ "{\"train.warmdown_frac\": 0.2, \"train.warmdown_iters\": 3}", "{\"train.warmdown_frac\": 0.2}", "iterations",
	    "none", 1, "train.warmdown_iters 3 -> 1200 (train.warmdown_frac stands in its place)" },
	{ "{\"train.warmdown_iters\": 3}", "{\"train.warmdown_frac\": 0.2}", "iterations", "none", 0, NULL },
	{ "{\"train.warmdown_iters\": 0, \"train.min_lr_frac\": 0.1}", "{\"train.warmdown_iters\": 0}", "wallclock",
	    "none", 1, "no warmdown" },
	{ "{\"train.min_lr_frac\": 0.1}", "{}", "iterations", "none", 0, NULL },
	{ "{\"train.warmdown_iters\": 0, \"train.warmdown_shape\": \"cosine\"}", "{\"train.warmdown_iters\": 0}",
	    "iterations", "none", 1, "no warmdown" },
	{ "{\"train.warmdown_shape\": \"cosine\"}", "{}", "iterations", "none", 0, NULL },
	{ "{\"train.warmdown_iters\": 0, \"train.adam_warmdown_frac\": 0.5, \"train.min_lr_frac\": 0.1}",
	    "{\"train.warmdown_iters\": 0, \"train.adam_warmdown_frac\": 0.5}", "iterations", "none", 0, NULL },
	{ "{\"train.muon_momentum_warmup_frac\": 0.1, \"train.muon_momentum_warmup_steps\": 3}",
	    "{\"train.muon_momentum_warmup_frac\": 0.1}", "iterations", "none", 1,
	    "train.muon_momentum_warmup_frac stands in its place" },
	{ "{\"train.muon_momentum_warmup_frac\": 0.1}", "{}", "iterations", "none", 0, NULL },
	{ "{\"train.muon_momentum_warmup_steps\": 0, \"train.muon_momentum_warmup_start\": 0.1}",
	    "{\"train.muon_momentum_warmup_steps\": 0}", "iterations", "none", 1, "no warm-up" },
	{ "{\"train.muon_momentum_warmup_start\": 0.1}", "{}", "iterations", "none", 0, NULL },
	{ "{\"train.muon_decay_mode\": \"cautious\"}", "{}", "iterations", "none", 1, "no weight decay" },
	{ "{\"train.muon_decay_mode\": \"cautious\", \"train.muon_weight_decay\": 0.1}",
	    "{\"train.muon_weight_decay\": 0.1}", "iterations", "none", 0, NULL },
	{ "{\"train.batch_schedule_lr\": \"none\"}", "{}", "iterations", "none", 1, "the batch never changes" },
	{ "{\"train.batch_schedule_lr\": \"none\", \"train.batch_schedule\": [[0.5, 64]]}",
	    "{\"train.batch_schedule\": [[0.5, 64]]}", "iterations", "none", 0, NULL },
	{ "{\"train.average_horizon\": 0.2, \"train.average_from\": 0.7}", "{}", "iterations", "none", 1,
	    "nothing is averaged" },
	{ "{\"train.average_horizon\": 0.2, \"train.average\": \"tail\"}", "{\"train.average\": \"tail\"}",
	    "iterations", "none", 0, NULL },
	{ "{\"train.warmup_steps\": 1}", "{}", "iterations", "none", 1, "rolled back" },
	{ "{\"train.warmup_steps\": 1}", "{}", "wallclock", "none", 0, NULL },
	{ "{\"budget.artifact_cap_bytes\": 16000001}", "{}", "wallclock", "none", 1, "only bounds" },
	{ "{\"train.adam_eps\": 1.0000001e-8}", "{}", "iterations", "none", 1, "millionth" },
	{ "{\"train.adam_eps\": 1.00001e-8}", "{}", "iterations", "none", 0, NULL },
	{ "{\"train.iterations\": 2000000001}", "{\"train.iterations\": 2000000002}", "iterations", "none", 0, NULL },
	/* One effect among them is enough, whichever side names it. */
	{ "{\"train.head_lr\": 0.01, \"train.matrix_lr\": 0.02}", "{}", "iterations", "none", 0, NULL },
	{ "{\"train.head_lr\": 0.01}", "{\"train.beta2\": 0.9}", "iterations", "none", 0, NULL },
	{ "{\"train.head_lr\": 0.01}", "{\"train.embed_lr\": 0.5}", "iterations", "none", 1,
	    "train.embed_lr 0.6 -> 0.5 (" },
	/* What is the same in all its settings differs in something that they don't tell. */
	{ "{}", "{}", "iterations", "none", 0, NULL },
	{ "{\"train.head_lr\": 0.01}", "{}", "replay", "none", 0, NULL },
};

static void
rules(void)
{
	struct str out = STR_INIT;
	struct run_record from, to;
	json_t *a, *b;
	size_t i;
	int is;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		a = settings(cases[i].from);
		b = settings(cases[i].to);
		from = run_of(a, cases[i].schedule, cases[i].init);
		to = run_of(b, cases[i].schedule, cases[i].init);
		is = inert_differences(&from, &to, &out);
		tap_ok(is == cases[i].inert &&
			(cases[i].says == NULL || (out.p != NULL && strstr(out.p, cases[i].says) != NULL)),
		    "%s -> %s by %s is %s", cases[i].from, cases[i].to, cases[i].schedule, out.n == 0 ? "no" : out.p);
		str_free(&out);
		json_decref(a);
		json_decref(b);
	}
}

/* Where something else differs, or cannot be known, nothing is said. */
static void
else_differs(void)
{
	struct str out = STR_INIT;
	json_t *a = settings("{\"train.head_lr\": 0.01}"), *b = settings("{}");
	struct run_record from = run_of(a, "iterations", "none"), to = run_of(b, "iterations", "none"), other;

	tap_ok(inert_differences(&from, &to, &out) == 1, "the two differ in nothing of effect");
	str_free(&out);
	other = to;
	other.data = "e";
	tap_ok(inert_differences(&from, &other, &out) == 0 && out.n == 0, "other data have an effect");
	other = to;
	other.tokenizer = "u";
	tap_ok(inert_differences(&from, &other, &out) == 0 && out.n == 0, "another tokenizer has an effect");
	other = to;
	other.init = "abc";
	tap_ok(inert_differences(&from, &other, &out) == 0 && out.n == 0, "other initial weights have an effect");
	other = to;
	other.trainer = "abc";
	tap_ok(inert_differences(&from, &other, &out) == 0 && out.n == 0,
	    "what another trainer makes of a key is not known");
	other = to;
	other.settings = NULL;
	tap_ok(inert_differences(&from, &other, &out) == 0 && out.n == 0, "a row of 0.1 does not know its settings");
	json_decref(a);
	json_decref(b);
}

int
main(void)
{
	rules();
	else_differs();
	return (tap_done());
}
