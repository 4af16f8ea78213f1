/* hg-score: bits per byte of a run's artifact on the validation text. */
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "base/exit.h"
#include "base/jsonio.h"
#include "base/num.h"
#include "base/opt.h"
#include "base/say.h"
#include "run/specrequest.h"
#include "work/evaluation.h"
#include "work/scoring.h"
#include "stage/stage.h"

static const struct opt_tool tool = { "hg-score", "Bits per byte of a run's artifact on the validation text.",
	"hg-score [-c | -d] [-j THREADS] [-t SECONDS] RUN\n"
	"hg-score -e NAME [-s eval.KEY=VALUE]... [-j THREADS] [-t SECONDS] RUN" };

/* What -e asks for, of the run at ${path}; HG_EXIT_PENDING if it is still to be made, else the exit code. */
static int
open_evaluation(struct evaluation *e, const char *path, const char *name, struct opt *table, int argc, char **argv)
{
	json_t *request = specrequest_new();
	const char *setting;
	struct rundir r;
	int at = 1, code;

	while ((setting = opt_next(table, argc, argv, 's', &at)) != NULL) {
		if (strncmp(setting, "eval.", 5) == 0 && specrequest_set(request, setting) == 0)
			continue;
		if (strncmp(setting, "eval.", 5) != 0)
			say_error("-s '%s' is no setting of section eval: an evaluation changes how it is scored alone",
			    setting);
		json_decref(request);
		return (HG_EXIT_USAGE);
	}
	if (rundir_open(&r, path) == -1) {
		code = rundir_exit(errno);
		json_decref(request);
		return (code);
	}
	if (rundir_load(&r) == -1 || evaluation_open(e, &r, name, jsonio_get(request, "set.eval")) == -1)
		code = rundir_exit(errno);
	else
		code = evaluation_there(e, &r);
	rundir_close(&r);
	json_decref(request);
	return (code);
}

int
main(int argc, char **argv)
{
	struct opt table[] = { { .letter = 'c', .help = "score again, compare with the receipt, write nothing" },
		{ .letter = 'd', .help = "detached: return (once the scorer runs); its messages go to score.log" },
		{ .letter = 'j', .arg = "THREADS", .help = "compute with this many threads" },
		{ .letter = 't', .arg = "SECONDS", .help = "the stage's deadline (90, 1.5, 10m, 2h)" },
		{ .letter = 'e',
		    .arg = "NAME",
		    .help = "a further evaluation, for comparison only, in evals/NAME.json" },
		{ .letter = 's',
		    .arg = "eval.KEY=VALUE",
		    .help = "with -e: by another law than the spec's",
		    .repeats = 1 },
		{ .letter = 0 } };
	struct scoring_options o = { 0, 0, NULL };
	struct evaluation e = { NULL, NULL };
	struct stage_job job = { .stage = STAGE_SCORE, .work = scoring_work, .arg = &o, .stops = 1 };
	const char *text;
	uint64_t n = 0;
	int i, code;

	exit_init(tool.name);
	if ((i = opt_parse(&tool, table, argc, argv)) < 0)
		return (exit_flush(i == OPT_EXIT ? HG_EXIT_DONE : HG_EXIT_USAGE));
	if ((text = opt_row(table, 'j')->value) != NULL && num_u64(text, 1, 1024, &n) == -1) {
		say_error("-j '%s' is not a number of threads from 1 to 1024", text);
		return (opt_usage(&tool));
	}
	if ((text = opt_row(table, 't')->value) != NULL &&
	    num_duration_ms(text, (int64_t)365 * 86400000, &job.deadline_ms) == -1) {
		say_error("-t '%s' is not a time in seconds greater than zero", text);
		return (opt_usage(&tool));
	}
	o.threads = (unsigned)n;
	o.check = opt_row(table, 'c')->count != 0;
	job.detach = opt_row(table, 'd')->count != 0;
	text = opt_row(table, 'e')->value;
	if (argc - i != 1 || (o.check && job.detach) || (text != NULL && (o.check || job.detach)) ||
	    (text == NULL && opt_row(table, 's')->count != 0))
		return (opt_usage(&tool));
	if (text != NULL) {
		if ((code = open_evaluation(&e, argv[i], text, table, argc, argv)) != HG_EXIT_PENDING) {
			json_decref(e.spec);
			return (exit_flush(code));
		}
		o.evaluation = &e;
		o.check = 1;
		job.rehearse = evaluation_keep;
	} else if (o.check)
		job.rehearse = scoring_compare;
	code = stage_run(argv[i], &job);
	json_decref(e.spec);
	return (exit_flush(code));
}
