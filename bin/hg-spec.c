/* hg-spec: validate a run's spec, fill its defaults, digest it and create the run with it. */
#include <errno.h>

#include "base/exit.h"
#include "base/opt.h"
#include "base/say.h"
#include "gpt/trainspec.h"
#include "run/mint.h"
#include "run/specisa.h"
#include "run/specrequest.h"

static const struct opt_tool tool = {
	"hg-spec",
	"Validate a spec, fill its defaults and digests, and create the run.",
	"hg-spec [-b BASE.json] [-s SECTION.KEY=VALUE]... RUN\n"
	"hg-spec [-b BASE.json] [-s SECTION.KEY=VALUE]... -u DIR/PREFIX",
};

static struct opt options[] = {
	{ .letter = 'b', .arg = "BASE.json", .help = "start from this file, which may be partial" },
	{ .letter = 's', .arg = "SECTION.KEY=VALUE", .help = "set a key; wins over the base", .repeats = 1 },
	{ .letter = 'u', .arg = "DIR/PREFIX", .help = "make the run DIR/PREFIX-N with a free N, and print its path" },
	{ .letter = '\0' },
};

/* A schedule that never reaches the full rate spoils a run without any error. */
static void
warn_of_schedule(const struct schedule *s)
{
	if (s->law != SCHEDULE_REPLAY && !schedule_reaches_full_rate(s))
		say_note("the learning rate never reaches its full value: train.warmdown_iters %.0f is more than "
			 "train.iterations %llu; try -s train.warmdown_frac=0.4",
		    s->warmdown_iters, (unsigned long long)s->iterations);
}

int
main(int argc, char **argv)
{
	const char *minted, *value;
	json_t *request, *spec = NULL;
	struct trainspec recipe;
	struct mint_place place;
	int first, at = 1, code = HG_EXIT_USAGE;

	exit_init("hg-spec");
	if ((first = opt_parse(&tool, options, argc, argv)) < 0)
		return (exit_flush(first == OPT_EXIT ? HG_EXIT_DONE : HG_EXIT_USAGE));
	minted = opt_row(options, 'u')->value;
	if (argc - first != (minted == NULL))
		return (opt_usage(&tool));
	if (mint_place(&place, minted == NULL ? argv[first] : minted) == -1)
		return (HG_EXIT_USAGE);

	if ((request = specrequest_new()) == NULL)
		return (HG_EXIT_SYSTEM);
	while ((value = opt_next(options, argc, argv, 's', &at)) != NULL)
		if (specrequest_set(request, value) == -1)
			goto done;
	value = opt_row(options, 'b')->value;
	if ((value != NULL && specrequest_base(request, value) == -1) || specrequest_build(request, &spec) == -1) {
		code = mint_exit(errno);
		goto done;
	}
	if (specisa_check(spec) == -1 || trainspec_read(&recipe, spec) == -1)
		goto done;
	warn_of_schedule(&recipe.schedule);
	code = minted == NULL ? mint_run(&place, argv[first], spec) : mint_next(&place, spec);
done:
	json_decref(spec);
	json_decref(request);
	return (exit_flush(code));
}
