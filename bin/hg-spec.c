/* hg-spec: validate a run's spec, fill its defaults, digest it and create the run with it. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/exit.h"
#include "base/jsonio.h"
#include "base/opt.h"
#include "base/proc.h"
#include "base/say.h"
#include "base/str.h"
#include "data/dataset.h"
#include "gpt/artifact.h"
#include "gpt/trainer_bytes.h"
#include "gpt/trainspec.h"
#include "run/mint.h"
#include "run/specisa.h"
#include "run/specrequest.h"
#include "schema/contract.h"

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

/* The run may be meant for another machine, so this is said and not refused. */
static void
warn_of_memory(const struct trainspec *r)
{
	const size_t pass = r->micro_batch_tokens != 0 ? r->micro_batch_tokens : r->seq_len;
	const uint64_t need = trainer_bytes(r, pass, 1), have = proc_memory_total();

	/* What a card has is asked where the run trains. */
	if (strcmp(r->backend, "cuda") != 0 && have != 0 && need > have)
		say_note("training needs %.1f GB of memory with %zu tokens in a pass, and this machine has %.1f GB: "
			 "hg-train will refuse it here",
		    (double)need / 1e9, pass, (double)have / 1e9);
}

/* Trained int8 weights hardly compress: the public baseline, of 17 million parameters, to 0.92 of its payload. */
static void
warn_of_artifact(const struct trainspec *r, const json_t *spec)
{
	const int64_t cap = jsonio_i64(spec, "budget.artifact_cap_bytes", 0);
	const uint64_t payload = artifact_payload(&r->config);
	const double likely = 0.92 * (double)payload;

	if (cap > 0 && likely > (double)cap)
		say_note(
		    "the artifact will likely be over its cap: %llu bytes before compression, some %.0f after, and "
		    "budget.artifact_cap_bytes=%lld",
		    (unsigned long long)payload, likely, (long long)cap);
}

/* What can't be scored whatever is trained: more documents than there are is refused, text below a window said. */
static int
check_validation(const struct trainspec *r, const json_t *spec)
{
	const char *dir = jsonio_text(spec, "data.dir", "");
	struct str file = STR_INIT;
	json_t *dataset = NULL;
	int64_t documents, tokens;
	int rc = -1;

	if (str_printf(&file, "%s/" DATASET_FILE, dir) == -1 ||
	    contract_read(AT_FDCWD, file.p, "dataset", NULL, &dataset) == -1) {
		say_errno("cannot read '%s'", dir);
		goto done;
	}
	documents = jsonio_i64(dataset, "val.documents", 0);
	tokens = jsonio_i64(dataset, "val.tokens", 0);
	if (r->eval_docs > (uint64_t)documents) {
		say_error("eval.docs=%llu: '%s' has %lld validation documents", (unsigned long long)r->eval_docs, dir,
		    (long long)documents);
		errno = EINVAL;
		goto done;
	}
	/* A spec of 0.1 may ask for it, and keeps its digests. */
	if (r->eval_stride == 0 && (uint64_t)tokens <= r->eval_seq_len)
		say_note("the run can't be scored: the %lld tokens of validation in '%s' do not fill one window of "
			 "eval.seq_len=%zu",
		    (long long)tokens, dir, r->eval_seq_len);
	rc = 0;
done:
	json_decref(dataset);
	str_free(&file);
	return (rc);
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
	if (check_validation(&recipe, spec) == -1) {
		code = mint_exit(errno);
		goto done;
	}
	/* What a program makes of schedule and memory only it knows, and only weights of the family are compressed. */
	if (strcmp(recipe.backend, "external") != 0) {
		warn_of_schedule(&recipe.schedule);
		warn_of_memory(&recipe);
	}
	if (strcmp(recipe.backend, "external") != 0 ||
	    strcmp(jsonio_text(spec, "trainer.gives", "checkpoint"), "checkpoint") == 0)
		warn_of_artifact(&recipe, spec);
	code = minted == NULL ? mint_run(&place, argv[first], spec) : mint_next(&place, spec);
done:
	json_decref(spec);
	json_decref(request);
	return (exit_flush(code));
}
