/* hg-train: train the model that a spec asks for. */
#include <stdint.h>

#include "base/exit.h"
#include "base/num.h"
#include "base/opt.h"
#include "base/say.h"
#include "stage/stage.h"
#include "work/external.h"
#include "work/training.h"

static const struct opt_tool tool = { "hg-train", "Train the model that a spec asks for.",
	"hg-train [-n | -c] [-j THREADS] RUN" };

static int
work(struct stage_work *w, void *arg)
{
	return (rundir_external(stage_rundir(w)) ? external_train(w, arg) : training_work(w, arg));
}

int
main(int argc, char **argv)
{
	struct opt table[] = { { .letter = 'n', .help = "a dry run: check all that training needs, change nothing" },
		{ .letter = 'c', .help = "train again, compare with the receipt, change nothing" },
		{ .letter = 'j', .arg = "THREADS", .help = "compute with this many threads" }, { .letter = 0 } };
	struct stage_job job = { .stage = STAGE_TRAIN, .work = work, .lane = 1, .stops = 1 };
	struct training_options o = { 0, 0, 0 };
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
	o.dry = opt_row(table, 'n')->count != 0;
	o.again = opt_row(table, 'c')->count != 0;
	if (argc - i != 1 || (o.dry && o.again))
		return (opt_usage(&tool));
	o.threads = (unsigned)n;
	job.arg = &o;
	if (o.dry || o.again)
		job.rehearse = o.dry ? training_tell : training_compare;
	return (exit_flush(stage_run(argv[i], &job)));
}
