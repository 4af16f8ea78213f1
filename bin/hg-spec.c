/* hg-spec: validate a run's spec, fill its defaults, digest it and create the run with it. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/exit.h"
#include "base/file.h"
#include "base/jsonio.h"
#include "base/opt.h"
#include "base/proc.h"
#include "base/say.h"
#include "gpt/artifact.h"
#include "gpt/checkpoint.h"
#include "gpt/trainer_bytes.h"
#include "gpt/trainspec.h"
#include "run/mint.h"
#include "run/specdiff.h"
#include "run/specrequest.h"
#include "work/runsize.h"
#include "work/speccheck.h"

static const struct opt_tool tool = {
	"hg-spec",
	"Validate a spec, fill its defaults and digests, and create the run.",
	"hg-spec [-b BASE] [-s SECTION.KEY=VALUE]... RUN\n"
	"hg-spec [-b BASE] [-s SECTION.KEY=VALUE]... -u DIR/PREFIX\n"
	"hg-spec -d A B",
};

static struct opt options[] = {
	{ .letter = 'b',
	    .arg = "BASE",
	    .help = "start from this file, which may be partial, or from this run, the parent" },
	{ .letter = 'd', .help = "print the keys in which two specs, files or runs, differ" },
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

/* The run may be meant for another machine, so this is said and not refused. */
static void
warn_of_memory(const struct trainspec *r)
{
	const size_t pass = r->micro_batch_tokens != 0 ? r->micro_batch_tokens : r->seq_len;
	const uint64_t need = trainer_bytes(r, pass, 1), have = proc_memory_total();

	char text[512];

	/* What a card has is asked where the run trains. */
	if (strcmp(r->backend, "cuda") == 0 || have == 0 || need <= have)
		return;
	trainer_bytes_tell(r, pass, have, "all that this machine has, where hg-train will refuse it", text,
	    sizeof(text));
	say_note("%s", text);
}

static void
warn_of_artifact(const struct trainspec *r, const json_t *spec)
{
	const int64_t cap = jsonio_i64(spec, "budget.artifact_cap_bytes", 0);
	const uint64_t likely = artifact_likely(&r->config, &r->artifact);

	if (cap > 0 && likely > (uint64_t)cap)
		say_note(
		    "the artifact will likely be over its cap: %llu bytes before compression, some %llu after, and "
		    "budget.artifact_cap_bytes=%lld",
		    (unsigned long long)artifact_payload(&r->config, &r->artifact), (unsigned long long)likely,
		    (long long)cap);
}

/* What the data hold is known where they can be read, which the check has done. */
static void
warn_of_size(const struct trainspec *r, uint64_t train_tokens)
{
	struct runsize z;

	runsize_of(&z, r, train_tokens);
	runsize_tell(&z, 0);
}

/* Weights of another model, or none, would be found out by training. */
static void
warn_of_weights(const struct trainspec *r)
{
	struct params *p = NULL;
	float *w = NULL;
	int fd;

	if (r->init_from == NULL || (fd = file_open(AT_FDCWD, r->init_from, NULL)) == -1)
		return;
	if ((p = params_new(&r->config)) != NULL && (w = malloc(p->n * sizeof(*w))) != NULL &&
	    checkpoint_read(fd, r->init_from, p, w) == -1 && errno == EBADMSG)
		say_note("the run can't start from train.init_from: hg-train will refuse it");
	free(w);
	params_free(p);
	close(fd);
}

/* The keys in which two specs differ, a line each. The exit code. */
static int
print_diff(const char *a, const char *b)
{
	json_t *from, *to = NULL, *keys = NULL;
	int code = HG_EXIT_DONE;

	if ((from = specrequest_read(a)) == NULL || (to = specrequest_read(b)) == NULL)
		code = mint_exit(errno);
	else if ((keys = specdiff_keys(from, to)) == NULL || specdiff_print(keys) == -1) {
		say_errno("cannot compare '%s' and '%s'", a, b);
		code = HG_EXIT_SYSTEM;
	}
	json_decref(keys);
	json_decref(to);
	json_decref(from);
	return (code);
}

int
main(int argc, char **argv)
{
	const char *minted, *value;
	json_t *request, *spec = NULL;
	struct trainspec recipe;
	struct mint_place place;
	uint64_t train_tokens = 0;
	int first, at = 1, code = HG_EXIT_USAGE;

	exit_init("hg-spec");
	if ((first = opt_parse(&tool, options, argc, argv)) < 0)
		return (exit_flush(first == OPT_EXIT ? HG_EXIT_DONE : HG_EXIT_USAGE));
	minted = opt_row(options, 'u')->value;
	if (opt_row(options, 'd')->value != NULL) {
		if (argc - first != 2 || minted != NULL || opt_row(options, 'b')->value != NULL ||
		    opt_row(options, 's')->value != NULL)
			return (opt_usage(&tool));
		return (exit_flush(print_diff(argv[first], argv[first + 1])));
	}
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
	if ((code = speccheck(spec, &recipe, &train_tokens)) != HG_EXIT_DONE)
		goto done;
	/* What a program makes of schedule and memory only it knows, and only weights of the family are compressed. */
	if (strcmp(recipe.backend, "external") != 0) {
		warn_of_schedule(&recipe.schedule);
		warn_of_memory(&recipe);
		warn_of_weights(&recipe);
	}
	if (strcmp(recipe.backend, "external") != 0 ||
	    strcmp(jsonio_text(spec, "trainer.gives", "checkpoint"), "checkpoint") == 0)
		warn_of_artifact(&recipe, spec);
	code = minted == NULL ? mint_run(&place, argv[first], spec) : mint_next(&place, spec);
	/* Of a run that is not made nobody asks how long it would be. */
	if (code == HG_EXIT_DONE && strcmp(recipe.backend, "external") != 0)
		warn_of_size(&recipe, train_tokens);
done:
	json_decref(spec);
	json_decref(request);
	return (exit_flush(code));
}
