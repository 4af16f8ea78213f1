/*
 * A ledger of a campaign that never happened: calibration, challengers, refusals, confirmations, each judged and
 * appended by the real code, so that it verifies and replays.  For tests of what reads ledgers, and to look at.
 *
 *	t/campaign [-n RUNS] [-s SEED] [-l LANES] LEDGER
 *
 * Beside the ledger, in runs/, the last eight runs that trained, of a small ledger all, leave what their loss curves
 * are read from.
 */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bpb.h"
#include "judge/add.h"
#include "judge/confirmation.h"
#include "judge/plan.h"
#include "law/classify.h"
#include "base/atomfile.h"
#include "base/clock.h"
#include "base/exit.h"
#include "base/file.h"
#include "base/jsonio.h"
#include "ledger/ledger.h"
#include "base/num.h"
#include "base/opt.h"
#include "base/rng.h"
#include "base/say.h"

enum { CURVES = 8, SMALL = 100, STEPS = 660, SEEDS = 5 };

struct world {
	struct ledger l;
	struct rng rng,
	    early;      /* early: for curves of all but the last runs, so that those of a ledger follow from its seed */
	json_t *base;   /* a run's member `run`, to be changed */
	json_t *report; /* a training report likewise */
	int64_t clock_ms;
	uint64_t runs, wanted;
	unsigned number; /* of challengers */
	int runs_dir;
};

/* What is tried: where it lies, and what it was meant to show. */
struct idea {
	uint64_t tag;
	unsigned lane;
	double mean;
	char hypothesis[128];
	char name[32];
	const char *key, *value;
};

static const struct {
	const char *hypothesis, *key, *value; /* one of what it sets, and as JSON */
} ideas[] = { { "matrix_lr 0.02 instead of 0.04", "train.matrix_lr", "0.02" },
	{ "one more layer, narrower", "model.num_layers", "10" },
	{ "warmdown over half of the steps", "train.warmdown_frac", "0.5" },
	{ "softcap 20", "model.logit_softcap", "20" }, { "qk gain 1.8", "model.qk_gain_init", "1.8" },
	{ "batch of 8,192 tokens, half the steps", "train.batch_tokens", "8192" },
	{ "untied head", "model.tie_embeddings", "false" }, { "mlp_mult 3", "model.mlp_mult", "3" },
	{ "two key-value heads", "model.num_kv_heads", "2" }, { "rope base 50,000", "model.rope_base", "50000" },
	{ "longer warm-up", "train.warmup_steps", "40" }, { "Muon momentum 0.9", "train.muon_momentum", "0.9" } };

static void
die(const char *what)
{
	say_error("cannot go on: %s", what);
	exit(HG_EXIT_BUG);
}

static void
put_hex(json_t *v, const char *key, uint64_t tag, int digits)
{
	char hex[SHA256_HEX_SIZE];
	int i;

	for (i = 0; i < digits; i += 16)
		snprintf(hex + i, sizeof(hex) - (size_t)i, "%016llx", (unsigned long long)rng_mix(tag + (uint64_t)i));
	json_object_set_new(v, key, json_string(hex));
}

static void
put_time(json_t *v, const char *key, int64_t ms)
{
	char text[CLOCK_TEXT_SIZE];

	json_object_set_new(v, key, json_string(clock_text(text, ms)));
}

static void
append(struct world *w, json_t *row)
{
	if (row == NULL)
		die("no row");
	w->clock_ms += 1000 + (int64_t)rng_below(&w->rng, 9000);
	put_time(row, "added_at", w->clock_ms);
	if (ledger_append(&w->l, row, NULL) == -1)
		die("the row was not appended");
	json_decref(row);
}

static void
write_at(int dir, const char *name, const char *text, char sha256[SHA256_HEX_SIZE])
{
	if (atomfile_post(dir, name, text, strlen(text)) == -1 || sha256_hex(text, strlen(text), sha256) == -1)
		die(name);
}

/* What a loss curve is read from: metrics, bound by the training report, whose digest the row has. */
static void
leave(struct world *w, json_t *run, double bpb)
{
	const char *id = jsonio_text(run, "run_id", "?");
	struct str lines = STR_INIT;
	struct rng *rng = w->runs + CURVES > w->wanted ? &w->rng : &w->early;
	char sha256[SHA256_HEX_SIZE], *text;
	double loss;
	int dir, i;

	if (mkdirat(w->runs_dir, id, 0777) == -1 || (dir = openat(w->runs_dir, id, O_RDONLY | O_DIRECTORY)) == -1)
		die(id);
	for (i = 0; i < STEPS; i++) {
		loss = 1.62 * bpb + 4.2 * exp(-i / 40.0) + 0.5 * exp(-i / 250.0) + 0.05 * rng_normal(rng);
		(void)str_printf(&lines,
		    "{\"step\": %d, \"tokens\": %d, \"train_loss\": %.6f, \"lr_scale\": %g, "
		    "\"grad_norm\": null, \"wallclock_ms\": %d%s}\n",
		    i, 4096 * (i + 1), loss, i < 560 ? 1 : (660 - i) / 100.0, 90 * (i + 1),
		    (i + 1) % 220 == 0 ? ", \"val_bpb\": 1.7" : "");
	}
	write_at(dir, "metrics.jsonl", lines.p, sha256);
	jsonio_put(w->report, "metrics.sha256", json_string(sha256));
	jsonio_put(w->report, "metrics.bytes", json_integer((json_int_t)lines.n));
	jsonio_put(w->report, "metrics.rows", json_integer(STEPS));
	if ((text = jsonio_pretty(w->report)) == NULL)
		die("memory");
	write_at(dir, "training_report.json", text, sha256);
	json_object_set_new(run, "training_report_sha256", json_string(sha256));
	free(text);
	str_free(&lines);
	close(dir);
}

/* One run of an idea. What befalls it: 0 nothing, 1 refused, 2 over the cap. Returns why it was judged as it was. */
static enum verdict_reason
run(struct world *w, const struct idea *idea, int64_t seed, int64_t offset, int fate)
{
	json_t *r = json_deep_copy(w->base), *m = json_object_get(r, "metrics");
	double bpb = idea->mean + 0.006 * rng_normal(&w->rng);
	enum verdict_reason why;
	struct row row;
	char text[80];

	w->runs++;
	w->clock_ms += 70000 + (int64_t)rng_below(&w->rng, 40000);
	if (rng_below(&w->rng, 25) == 0)
		w->clock_ms += 6 * 3600000;
	snprintf(text, sizeof(text), "%s.%lld", idea->name, (long long)(w->runs));
	json_object_set_new(r, "run_id", json_string(text));
	snprintf(text, sizeof(text), "../runs/%s.%lld", idea->name, (long long)(w->runs));
	json_object_set_new(r, "dir", json_string(text));
	put_hex(r, "run_uid", rng_u64(&w->rng), 32);
	put_hex(r, "config_sha256", idea->tag, 64);
	put_hex(r, "model_sha256", idea->tag + 1, 64);
	put_hex(r, "spec_sha256", rng_u64(&w->rng), 64);
	put_hex(r, "artifact_sha256", rng_u64(&w->rng), 64);
	json_object_set_new(r, "hypothesis", json_string(idea->hypothesis));
	json_object_set_new(r, "seed", json_integer(seed));
	json_object_set_new(r, "data_offset", json_integer(offset));
	json_object_set_new(r, "stream_tokens", json_integer((int64_t)1 << 40));
	json_object_set_new(r, "data_name", json_string("fineweb"));
	json_object_set_new(r, "backend", json_string("cpu"));
	json_object_set_new(r, "settings", json_pack("{s:i, s:i}", "eval.seq_len", 1024, "train.iterations", STEPS));
	if (idea->key != NULL)
		json_object_set_new(json_object_get(r, "settings"), idea->key,
		    json_loads(idea->value, JSON_DECODE_ANY, NULL));
	put_time(r, "started_at", w->clock_ms);
	if (idea->lane > 0) {
		snprintf(text, sizeof(text), "lane%u", idea->lane);
		json_object_set_new(r, "lane", json_string(text));
		json_object_set_new(r, "cap_ms", json_integer(600000));
		put_hex(r, "group_sha256", idea->lane, 64);
		put_hex(r, "eval_sha256", idea->lane, 64);
	}
	json_object_set_new(m, "val_bpb", json_real(bpb));
	json_object_set_new(m, "val_bpb_raw", json_real(bpb));
	json_object_set_new(m, "val_loss", json_real(bpb_nats(bpb) * 2.5));
	json_object_set_new(m, "total_bytes", json_integer(318000 + (json_int_t)rng_below(&w->rng, 4000)));
	json_object_set_new(m, "train_ms", json_integer(58000 + (json_int_t)rng_below(&w->rng, 1900)));
	if (fate == 1) {
		static const char *const gone[] = { "group_sha256", "score_report_sha256", "export_report_sha256",
			"artifact_sha256", "training_report_sha256", "docs_sha256", "val_raw_sha256", "partial" };
		static const char *const numbers[] = { "val_bpb", "val_bpb_raw", "val_loss", "total_bytes" };
		size_t i;

		for (i = 0; i < sizeof(gone) / sizeof(gone[0]); i++)
			json_object_set_new(r, gone[i], json_null());
		for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
			json_object_set_new(m, numbers[i], json_null());
		json_object_set_new(r, "within_cap", json_null());
		json_array_append_new(json_object_get(r, "refusals"),
		    json_pack("{s:s, s:i, s:s, s:s}", "stage", "train", "attempt", 1, "kind",
			w->runs % 2 ? "loss_diverged" : "out_of_memory", "detail",
			w->runs % 2 ? "the loss was not finite at step 41" :
				      "the worker was killed for want of memory"));
	} else if (fate == 2) {
		json_object_set_new(m, "total_bytes", json_integer(16412008));
		json_object_set_new(r, "within_cap", json_false());
	}
	if ((w->wanted <= SMALL || w->runs + CURVES > w->wanted) && fate != 1)
		leave(w, r, bpb);
	if (row_read_run(&row, r) == -1 || add_judge(&w->l, &row) == -1)
		die("a run");
	append(w, row_write(&row));
	why = row.verdict.is.reason;
	row_free(&row);
	return (why);
}

static void
calibrate(struct world *w, const struct idea *idea)
{
	struct stats_sample s = { 0, 0, 0 };
	const struct standings_fact *f;
	json_t *runs = json_array(), *row, *last = NULL;
	char hex[SHA256_HEX_SIZE];
	size_t i;

	for (i = 0; i < standings_count(&w->l.book); i++) {
		f = standings_fact(&w->l.book, i);
		json_decref(last);
		if ((last = ledger_row(&w->l, f)) == NULL || ledger_digest(&w->l, f, hex) == -1)
			die("a row");
		put_hex(w->base, "scratch", idea->tag, 64);
		if (f->kind != STANDINGS_RUN ||
		    strcmp(jsonio_text(last, "run.config_sha256", ""), jsonio_text(w->base, "scratch", "?")) != 0)
			continue;
		json_array_append_new(runs, json_string(hex));
		stats_sample_add(&s, f->metric[POLICY_VAL_BPB]);
	}
	json_object_del(w->base, "scratch");
	row = ledger_begin(&w->l, STANDINGS_CALIBRATION);
	json_object_set_new(row, "calibration",
	    json_pack("{s:O, s:O, s:O, s:O, s:o, s:s, s:f, s:f, s:f, s:f}", "group_sha256",
		jsonio_get(last, "run.group_sha256"), "lane", jsonio_get(last, "run.lane"), "cap_ms",
		jsonio_get(last, "run.cap_ms"), "config_sha256", jsonio_get(last, "run.config_sha256"), "runs", runs,
		"metric", "val_bpb", "mean", s.mean, "sd", sqrt(s.ss / (s.n - 1)), "sd_lower",
		sqrt(s.ss / stats_chi2_isf(0.025, s.n - 1)), "sd_upper", sqrt(s.ss / stats_chi2_isf(0.975, s.n - 1))));
	append(w, row);
	json_decref(last);
}

static json_t *
side(const struct world *w, const json_t *row)
{
	(void)w;
	return (json_pack("{s:O, s:O, s:O, s:O, s:{}}", "config_sha256", jsonio_get(row, "run.config_sha256"), "run_id",
	    jsonio_get(row, "run.run_id"), "row", json_object_get(row, "row"), "dir", jsonio_get(row, "run.dir"),
	    "spec"));
}

static void
put_prior(json_t *plan, struct standings_prior x)
{
	json_object_set_new(plan, "metric", json_string("val_bpb"));
	json_object_set_new(plan, "prior",
	    json_pack("{s:f, s:f, s:f, s:o, s:f, s:f, s:f, s:f, s:f}", "lane_sd", x.lane_sd, "ln_variance_spread",
		x.tau2, "ln_variance", x.centre, "ln_variance_doubt", jsonio_real(x.doubt), "incumbent_df", x.df,
		"incumbent_ss", x.ss, "pairs_ln_variance", x.pairs_e, "pairs_precision", x.pairs_w, "screened_gain",
		x.screened));
}

/* Plan, run in turns until the law decides; or leave the plan open. Returns 1 if the idea is incumbent now. */
static int
confirm(struct world *w, const struct idea *idea, const struct idea *incumbent, unsigned slots)
{
	const struct standings *b = &w->l.book;
	const unsigned n = b->policy.law >= 3 ? b->policy.confirm.pairs : b->policy.confirm.seeds;
	const struct standings_plan *p;
	struct standings_slot slot[2 * STANDINGS_SEEDS];
	struct standings_fact draft;
	json_t *mine, *theirs, *row, *list = json_array(), *plan;
	const struct standings_fact *f = standings_fact(b, standings_count(b) - 1);
	const uint64_t reference = standings_group(b, f->group)->incumbent;
	struct row judged;
	int won;
	unsigned k;

	mine = ledger_row(&w->l, f);
	theirs = ledger_row(&w->l, standings_fact(b, standings_group(b, f->group)->reference));
	row = ledger_begin(&w->l, STANDINGS_PLAN);
	plan = json_pack("{s:O, s:O, s:O, s:s, s:i, s:i, s:f, s:i, s:f, s:f, s:f, s:i, s:s, s:o, s:o}", "group_sha256",
	    jsonio_get(mine, "run.group_sha256"), "lane", jsonio_get(mine, "run.lane"), "cap_ms",
	    jsonio_get(mine, "run.cap_ms"), "campaign", b->policy.campaign.name, "confirmation",
	    (int)standings_spent(b) + 1, "confirmations", (int)b->policy.campaign.confirmations, "level",
	    policy_level(&b->policy), "seeds_a_side", (int)n, "gain_sd", b->policy.confirm.gain_sd, "power", 0.8,
	    "lane_sd", standings_lane_sd(b, f->group, f->lane, POLICY_VAL_BPB), "cost_ms", 1800000, "nonce", "",
	    "challenger", side(w, mine), "incumbent", side(w, theirs));
	put_hex(plan, "nonce", rng_u64(&w->rng), 64);
	memset(&draft, 0, sizeof(draft));
	draft.n = n;
	draft.nonce = standings_tag(jsonio_text(plan, "nonce", ""));
	if (b->policy.law >= 3) {
		draft.place[0] = draft.place[1] = STANDINGS_PAIRED;
		put_prior(plan, plan_prior(b, f->group, f->lane, f->config, reference, POLICY_VAL_BPB));
	}
	standings_slots(&draft, slot);
	for (k = 0; k < 2 * n; k++)
		json_array_append_new(list,
		    json_pack("{s:s, s:I, s:I}", "side", slot[k].challenger ? "challenger" : "incumbent", "seed",
			(json_int_t)slot[k].seed, "data_offset", (json_int_t)slot[k].offset));
	json_object_set_new(plan, "slots", list);
	json_object_set_new(row, "plan", plan);
	json_decref(mine);
	json_decref(theirs);
	append(w, row);
	for (k = 0; k < slots && !classify_plan_ready(b, standings_open_plan(b, 0)); k++)
		(void)run(w, slot[k].challenger ? idea : incumbent, slot[k].seed, slot[k].offset, 0);
	if ((p = standings_open_plan(b, 0)) == NULL)
		die("no plan is open");
	if (!classify_plan_ready(b, p))
		return (0);
	if (confirmation_judge(&w->l, p, 0, &judged) == -1)
		die("the plan is not judged");
	won = judged.verdict.is.klass == VERDICT_IMPROVEMENT;
	append(w, row_write(&judged));
	row_free(&judged);
	return (won);
}

static struct idea
think(struct world *w, unsigned lane, double best)
{
	struct idea idea = { .tag = rng_u64(&w->rng), .lane = lane };
	uint64_t dice = rng_below(&w->rng, 100), which;

	idea.mean = best + (dice < 12 ? -0.03 : dice < 75 ? 0 : dice < 97 ? 0.03 * rng_uniform(&w->rng) : 1.4);
	which = rng_below(&w->rng, sizeof(ideas) / sizeof(ideas[0]));
	snprintf(idea.hypothesis, sizeof(idea.hypothesis), "%s", ideas[which].hypothesis);
	idea.key = ideas[which].key;
	idea.value = ideas[which].value;
	snprintf(idea.name, sizeof(idea.name), "try%u", ++w->number);
	return (idea);
}

static void
campaign(struct world *w, unsigned lane, uint64_t until)
{
	struct idea incumbent = { .tag = rng_u64(&w->rng), .lane = lane, .mean = 1.52 - 0.2 * lane }, next;
	enum verdict_reason why;
	int64_t seed;
	uint64_t dice;

	snprintf(incumbent.name, sizeof(incumbent.name), "base%u", lane);
	snprintf(incumbent.hypothesis, sizeof(incumbent.hypothesis), "the recipe as it is");
	for (seed = 1; seed <= SEEDS && w->runs < until; seed++)
		(void)run(w, &incumbent, seed, 0, 0);
	if (seed > SEEDS && lane != 1)
		calibrate(w, &incumbent);
	while (w->runs < until) {
		next = think(w, lane, incumbent.mean);
		dice = rng_below(&w->rng, 100);
		why = run(w, &next, 1337, 0, dice < 5 ? 1 : dice < 8 ? 2 : 0);
		if (why == VERDICT_SECOND && w->runs < until)
			why = run(w, &next, 1338, 0, 0);
		if (why != VERDICT_PROMISING || standings_open_plan(&w->l.book, 0) != NULL ||
		    standings_left(&w->l.book) == 0)
			continue;
		if (confirm(w, &next, &incumbent,
			until - w->runs < 2 * STANDINGS_SEEDS ? (unsigned)(until - w->runs) : 2 * STANDINGS_SEEDS))
			incumbent = next;
	}
}

static json_t *
sample(const char *name, const char *member)
{
	const char *top = getenv("HG_TOP");
	char path[4096];
	json_t *v, *part;
	int dir;

	snprintf(path, sizeof(path), "%s/contracts", top == NULL ? "." : top);
	if ((dir = open(path, O_RDONLY | O_DIRECTORY)) == -1 ||
	    jsonio_read(dir, name, JSONIO_MAX_BYTES, NULL, &v) == -1)
		die(path);
	close(dir);
	if (member == NULL)
		return (v);
	part = json_incref(json_object_get(v, member));
	json_decref(v);
	return (part);
}

int
main(int argc, char **argv)
{
	static const struct opt_tool tool = { "campaign", "Write the ledger of a campaign that never happened.",
		"campaign [-n RUNS] [-s SEED] [-l LANES] LEDGER" };
	static struct opt table[] = { { .letter = 'n', .arg = "RUNS", .help = "how many (60)" },
		{ .letter = 's', .arg = "SEED", .help = "for another one" },
		{ .letter = 'l', .arg = "LANES", .help = "comparability groups, each on a lane of its own (1)" },
		{ .letter = '\0' } };
	struct world w;
	uint64_t lanes = 1, seed = 1, i;
	char path[4096];
	int at;

	exit_init(tool.name);
	if ((at = opt_parse(&tool, table, argc, argv)) < 0)
		return (at == OPT_EXIT ? exit_flush(HG_EXIT_DONE) : HG_EXIT_USAGE);
	memset(&w, 0, sizeof(w));
	w.wanted = 60;
	if (argc - at != 1 || (table[0].value != NULL && num_u64(table[0].value, 0, 1000000, &w.wanted) == -1) ||
	    (table[1].value != NULL && num_u64(table[1].value, 0, UINT64_MAX, &seed) == -1) ||
	    (table[2].value != NULL && num_u64(table[2].value, 1, 1000, &lanes) == -1))
		return (opt_usage(&tool));
	rng_seed(&w.rng, seed, 0);
	rng_seed(&w.early, seed, 1);
	w.clock_ms = 1763200000000;
	w.base = sample("ledger_row.valid/run.json", "run");
	w.report = sample("training_report.valid/full.json", NULL);
	if (ledger_open(&w.l, argv[at], LEDGER_WRITE) == -1)
		return (HG_EXIT_SYSTEM);
	snprintf(path, sizeof(path), "%s/../runs", argv[at]);
	if ((mkdir(path, 0777) == -1 && errno != EEXIST) || (w.runs_dir = open(path, O_RDONLY | O_DIRECTORY)) == -1)
		die(path);
	for (i = 0; i < lanes; i++)
		campaign(&w, (unsigned)i, w.wanted * (i + 1) / lanes);
	ledger_close(&w.l);
	json_decref(w.base);
	json_decref(w.report);
	return (exit_flush(HG_EXIT_DONE));
}
