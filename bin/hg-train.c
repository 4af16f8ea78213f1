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
	"hg-train [-j THREADS] RUN" };

static int
work(struct stage_work *w, void *arg)
{
	return (rundir_external(stage_rundir(w)) ? external_train(w, arg) : training_work(w, arg));
}

int
main(int argc, char **argv)
{
	struct opt table[] = { { .letter = 'j', .arg = "THREADS", .help = "compute with this many threads" },
		{ .letter = 0 } };
	struct stage_job job = { .stage = STAGE_TRAIN, .work = work, .lane = 1, .stops = 1 };
	const char *text;
	unsigned threads;
	uint64_t n = 0;
	int i;

	exit_init(tool.name);
	if ((i = opt_parse(&tool, table, argc, argv)) < 0)
		return (exit_flush(i == OPT_EXIT ? HG_EXIT_DONE : HG_EXIT_USAGE));
	if ((text = opt_row(table, 'j')->value) != NULL && num_u64(text, 1, 1024, &n) == -1) {
		say_error("-j '%s' is not a number of threads from 1 to 1024", text);
		return (opt_usage(&tool));
	}
	if (argc - i != 1)
		return (opt_usage(&tool));
	threads = (unsigned)n;
	job.arg = &threads;
	return (exit_flush(stage_run(argv[i], &job)));
}
