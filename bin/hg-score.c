/* hg-score: bits per byte of a run's artifact on the validation text. */
#include <stdint.h>

#include "base/exit.h"
#include "base/num.h"
#include "base/opt.h"
#include "base/say.h"
#include "work/scoring.h"
#include "stage/stage.h"

static const struct opt_tool tool = { "hg-score", "Bits per byte of a run's artifact on the validation text.",
	"hg-score [-c | -d] [-j THREADS] [-t SECONDS] RUN" };

int
main(int argc, char **argv)
{
	struct opt table[] = { { .letter = 'c', .help = "score again, compare with the receipt, write nothing" },
		{ .letter = 'd', .help = "detached: return (once the scorer runs); its messages go to score.log" },
		{ .letter = 'j', .arg = "THREADS", .help = "compute with this many threads" },
		{ .letter = 't', .arg = "SECONDS", .help = "the stage's deadline (90, 1.5, 10m, 2h)" },
		{ .letter = 0 } };
	struct scoring_options o = { 0, 0 };
	struct stage_job job = { .stage = STAGE_SCORE, .work = scoring_work, .arg = &o, .stops = 1 };
	const char *text;
	uint64_t n = 0;
	int i;

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
	if (argc - i != 1 || (o.check && job.detach))
		return (opt_usage(&tool));
	if (o.check)
		job.rehearse = scoring_compare;
	return (exit_flush(stage_run(argv[i], &job)));
}
