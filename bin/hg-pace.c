/* hg-pace: how many steps of a spec fit its cap on this machine, and which spec to train in a given time. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/exit.h"
#include "base/jsonio.h"
#include "base/num.h"
#include "base/opt.h"
#include "base/out.h"
#include "base/proc.h"
#include "base/say.h"
#include "data/locate.h"
#include "gpt/trainspec.h"
#include "run/mint.h"
#include "run/rundir.h"
#include "run/specrequest.h"
#include "stage/lane.h"
#include "work/pacing.h"
#include "work/planner.h"
#include "work/runsize.h"

static const struct opt_tool tool = {
	"hg-pace",
	"How many iterations of a spec fit its cap on this machine, and which spec to train in a given time.",
	"hg-pace [-t SECONDS] RUN\n"
	"hg-pace [-t SECONDS] [-b BASE] [-s SECTION.KEY=VALUE]... [-o RUN] -w BUDGET DATA...",
};

static struct opt options[] = {
	{ .letter = 't', .arg = "SECONDS", .help = "measure for this long (90, 1.5, 10m; default 10, planning 60)" },
	{ .letter = 'w', .arg = "BUDGET", .help = "plan: the time that the training may take (60, 10m, 8h)" },
	{ .letter = 'b', .arg = "BASE", .help = "plan: what this file or run asks for stays" },
	{ .letter = 's', .arg = "SECTION.KEY=VALUE", .help = "plan: this key stays", .repeats = 1 },
	{ .letter = 'o', .arg = "RUN", .help = "plan: make this run of what is proposed" }, { .letter = 0 }
};

#define LANE_WAIT_MS 60000
#define MEASURE_MS 10000
#define PLAN_MS 60000
#define MOST_MS 3600000
#define DAYS_MS (INT64_C(30) * 86400000)

/* Hold the lane: a trainer beside us would make the figures a lie. An exit code, said. */
static int
take_lane(const char *lane, int *fd)
{
	if ((*fd = lane_open(lane)) == -1)
		return (HG_EXIT_SYSTEM);
	if (proc_lock_wait(*fd, LANE_WAIT_MS) == 0)
		return (HG_EXIT_DONE);
	say_error("lane '%s' is busy", lane);
	return (HG_EXIT_NOT_YET);
}

/* Print a JSON object, which is released. An exit code. */
static int
print(json_t *v)
{
	char *line = v == NULL ? NULL : jsonio_line(v);
	int code = HG_EXIT_DONE;

	if (line == NULL) {
		say_errno("cannot print");
		code = HG_EXIT_SYSTEM;
	} else
		out_json(line, strlen(line));
	free(line);
	json_decref(v);
	return (code);
}

static void
tell_starved(int starved)
{
	if (starved)
		say_note("other work took the processors meanwhile: the figures are of a machine as busy");
}

/* --- a run ----------------------------------------------------------------- */

static int
print_pace(const struct rundir *run, const struct pacing *p)
{
	const int64_t cap = run->spec.limits.cap_ms;
	const double fit = cap > 0 ? pacing_fit(p, cap) : 0;
	int code;

	code = print(json_pack("{s:o, s:o, s:I, s:o, s:o, s:o, s:I}", "step_ms", jsonio_real(p->median_ms),
	    "step_ms_p90", jsonio_real(p->p90_ms), "steps", (json_int_t)p->steps, "tokens_per_s",
	    jsonio_real(p->batch_tokens * 1e3 / p->median_ms), "cap_ms",
	    cap > 0 ? json_integer(cap) : json_string("none"), "iterations",
	    cap > 0 ? json_integer((json_int_t)fit) : json_null(), "micro_batch_tokens", (json_int_t)p->micro_batch));
	if (code == HG_EXIT_DONE && cap > 0 && fit < 1) {
		say_error("a step takes %.0f ms: not even one fits in budget.max_wallclock_ms=%lld", p->median_ms,
		    (long long)cap);
		code = HG_EXIT_NO;
	}
	return (code);
}

static int
pace_run(const char *path, int64_t ms)
{
	static struct rundir run;
	struct inputerror f = { .kind = REFUSAL_NONE };
	struct dataset *data;
	struct trainspec r;
	struct pacing p;
	int code, lane;

	if (rundir_open(&run, path) == -1)
		return (HG_EXIT_SYSTEM);
	if (rundir_load(&run) == -1 || trainspec_read(&r, run.spec.json) == -1)
		return (errno == ENOENT ? HG_EXIT_SYSTEM : HG_EXIT_CONTRACT);
	if (rundir_external(&run)) {
		say_error("'%s' is trained by a program, whose pace only it knows: system.backend=external", run.path);
		return (HG_EXIT_USAGE);
	}
	if (r.threads == 0)
		r.threads = proc_cpus();
	if ((data = locate_dataset(jsonio_text(run.spec.json, "data.dir", ""),
		 jsonio_text(run.spec.json, "data.dataset_sha256", ""), run.path, &f)) == NULL)
		return (inputerror_exit(f.kind));
	if ((code = take_lane(run.spec.limits.lane, &lane)) == HG_EXIT_DONE &&
	    (code = pacing_measure(&r, data, ms, 0, &p)) == HG_EXIT_DONE) {
		tell_starved(p.starved);
		code = print_pace(&run, &p);
	}
	dataset_free(data);
	return (code);
}

/* --- a plan ---------------------------------------------------------------- */

static json_t *
shape_json(const struct planner *p, const struct planner_choice *c)
{
	return (json_pack("{s:s, s:I, s:I, s:I, s:I, s:o, s:I, s:o}", "data_dir", p->data_dirs[c->shape.data],
	    "num_layers", (json_int_t)c->shape.layers, "model_dim", (json_int_t)c->shape.dim, "batch_tokens",
	    (json_int_t)c->shape.batch_tokens, "seq_len", (json_int_t)c->shape.seq_len, "step_ms",
	    jsonio_real(c->step_ms), "iterations", (json_int_t)c->iterations, "val_bpb", jsonio_real(c->val_bpb)));
}

/* The sections of the spec that hg-spec -b takes. */
static json_t *
base_json(const json_t *spec)
{
	static const char *const sections[] = { "model", "train", "eval", "export", "budget", "system" };
	json_t *v = json_object(), *section;

	for (size_t i = 0; v != NULL && i < sizeof(sections) / sizeof(sections[0]); i++)
		if ((section = json_object_get(spec, sections[i])) != NULL)
			json_object_set(v, sections[i], section);
	return (v);
}

static int
outside(const struct losslaw_run *r)
{
	const struct losslaw_run *a = &losslaw_least, *z = &losslaw_most;

	return (r->body < a->body || r->body > z->body || r->bytes < a->bytes || r->bytes > z->bytes ||
	    r->steps < a->steps || r->steps > z->steps || r->seq_len < a->seq_len || r->seq_len > z->seq_len ||
	    r->vocab_size < a->vocab_size || r->vocab_size > z->vocab_size);
}

static int
print_plan(const struct planner *p)
{
	const struct planner_choice *c = &p->choice;
	const double tokens = (double)c->iterations * (double)c->shape.batch_tokens;
	const double sd = hypot(losslaw_sd, losslaw_text_sd);
	json_t *measured = json_array();

	for (size_t i = 0; measured != NULL && i < p->measured_count; i++)
		json_array_append_new(measured, shape_json(p, &p->measured[i]));
	return (print(json_pack("{s:o, s:o, s:o, s:o, s:b, s:o, s:o, s:b, s:b, s:I, s:o, s:o, s:I, s:I, s:o, s:o}",
	    "choice", shape_json(p, c), "val_bpb", jsonio_real(c->val_bpb), "val_bpb_low",
	    jsonio_real(c->val_bpb * (1 - 2 * sd)), "val_bpb_high", jsonio_real(c->val_bpb * (1 + 2 * sd)),
	    "extrapolated", outside(&c->run), "probe_bpb", jsonio_real(p->probe_bpb), "text", jsonio_real(p->text),
	    "settled", p->settled, "starved", p->starved, "params", (json_int_t)c->params, "tokens_per_param",
	    jsonio_real(tokens / (double)c->params), "epochs", jsonio_real(tokens / (double)p->train_tokens),
	    "artifact_bytes", (json_int_t)p->artifact_bytes, "memory_bytes", (json_int_t)p->memory_bytes, "measured",
	    measured, "spec", base_json(p->spec))));
}

static int
plan(int argc, char **argv, int first, int64_t ms)
{
	struct planner p = { .data_dirs = (const char *const *)&argv[first],
		.data_count = (size_t)(argc - first),
		.measure_ms = ms };
	const char *value, *out = opt_row(options, 'o')->value;
	struct mint_place place;
	struct runsize size;
	json_t *request;
	int at = 1, code, lane = -1;

	if (num_duration_ms(opt_row(options, 'w')->value, DAYS_MS, &p.budget_ms) == -1) {
		say_error("-w '%s' is not a time of up to 30 days", opt_row(options, 'w')->value);
		return (opt_usage(&tool));
	}
	if (p.data_count > PLANNER_DATA) {
		say_error("more than %d data directories", PLANNER_DATA);
		return (HG_EXIT_USAGE);
	}
	if (out != NULL && mint_place(&place, out) == -1)
		return (HG_EXIT_USAGE);
	if ((request = specrequest_new()) == NULL)
		return (HG_EXIT_SYSTEM);
	code = HG_EXIT_USAGE;
	while ((value = opt_next(options, argc, argv, 's', &at)) != NULL)
		if (specrequest_set(request, value) == -1)
			goto done;
	value = opt_row(options, 'b')->value;
	if (value != NULL && specrequest_base(request, value) == -1) {
		code = mint_exit(errno);
		goto done;
	}
	p.request = request;
	value = json_string_value(specrequest_given(request, "system.lane"));
	if ((code = take_lane(value == NULL ? "default" : value, &lane)) != HG_EXIT_DONE ||
	    (code = planner_propose(&p)) != HG_EXIT_DONE)
		goto done;
	if (out != NULL && (code = mint_run(&place, out, p.spec)) != HG_EXIT_DONE)
		goto done;
	tell_starved(p.starved);
	runsize_of(&size, &p.recipe, p.train_tokens);
	runsize_tell(&size, 0);
	code = print_plan(&p);
done:
	json_decref(p.spec);
	json_decref(request);
	return (code);
}

int
main(int argc, char **argv)
{
	const char *given;
	int64_t ms;
	int i, planning;

	exit_init(tool.name);
	if ((i = opt_parse(&tool, options, argc, argv)) < 0)
		return (exit_flush(i == OPT_EXIT ? HG_EXIT_DONE : HG_EXIT_USAGE));
	planning = opt_row(options, 'w')->value != NULL;
	ms = planning ? PLAN_MS : MEASURE_MS;
	given = opt_row(options, 't')->value;
	if (given != NULL && num_duration_ms(given, MOST_MS, &ms) == -1) {
		say_error("-t '%s' is not a time of up to an hour", given);
		return (opt_usage(&tool));
	}
	if (planning)
		return (exit_flush(argc - i < 1 ? opt_usage(&tool) : plan(argc, argv, i, ms)));
	if (argc - i != 1 || opt_row(options, 'b')->value != NULL || opt_row(options, 's')->value != NULL ||
	    opt_row(options, 'o')->value != NULL)
		return (opt_usage(&tool));
	return (exit_flush(pace_run(argv[i], ms)));
}
