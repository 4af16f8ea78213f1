/* hg-prompt: generate text from a run's artifact. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gpt/artifact.h"
#include "data/dataset.h"
#include "base/exit.h"
#include "gpt/generate.h"
#include "stage/inputs.h"
#include "base/jsonio.h"
#include "work/dependencies.h"
#include "base/num.h"
#include "base/opt.h"
#include "base/proc.h"
#include "gpt/trainspec.h"
#include "base/say.h"
#include "stage/stage.h"
#include "data/vocab.h"
#include "data/vocab_decode.h"
#include "data/vocab_encode.h"

static const struct opt_tool tool = { "hg-prompt", "Generate text from a run's artifact.",
	"hg-prompt [-p TEXT] [-n TOKENS] [-T TEMPERATURE] [-S SEED] RUN" };

#define MAX_TOKENS 65536
#define MAX_PROMPT_BYTES 65536

struct request {
	const char *text; /* NULL: the spec's; so for the others where not set */
	uint64_t tokens, seed;
	double temperature;
	int tokens_set, seed_set, temperature_set;
};

/* Text as valid UTF-8: bytes that are none become U+FFFD. */
static int
put_text(struct str *out, const char *p, size_t n)
{
	json_t *whole;
	size_t i, k;

	for (i = 0; i < n; i += k) {
		for (k = n - i < 4 ? n - i : 4; k > 0; k--) {
			/* jansson knows what UTF-8 is; NUL is a character to it as well. */
			if ((whole = json_stringn(p + i, k)) != NULL) {
				json_decref(whole);
				break;
			}
		}
		if ((k == 0 ? str_puts(out, "\xef\xbf\xbd") : str_add(out, p + i, k)) == -1)
			return (-1);
		k += k == 0;
	}
	return (0);
}

/* The tokenizer that the artifact names, from the data directory that the spec names. */
static struct vocab *
open_vocab(struct stage_work *w, const struct artifact *a)
{
	struct inputerror f = { .kind = REFUSAL_NONE };
	struct dataset *d;
	struct vocab *v;

	if (dependencies_data(w, DATASET_TOKENIZER, &d) == -1)
		return (NULL);
	if ((v = dataset_vocab(d, &f)) == NULL) {
		dependencies_fault(w, &f);
		return (NULL);
	}
	if (dependencies_tokenizer(w, vocab_sha256(v), a) == -1)
		return (NULL);
	return (v);
}

static struct model *
open_model(struct stage_work *w, const struct trainspec *c, const struct artifact *a)
{
	struct model_args args = { .config = &a->config,
		.use = MODEL_GENERATE,
		.backend = c->backend,
		.isa = c->isa,
		.arith = OPS_FP32,
		.threads = c->threads,
		.max_batch = 1,
		.max_seq = c->eval_seq_len,
		.max_passes = 1 };
	struct model *m;

	if ((m = model_open(&args)) == NULL) {
		dependencies_model(w, c->backend);
		return (NULL);
	}
	model_set(m, a->w);
	return (m);
}

static int
work(struct stage_work *w, void *arg)
{
	const struct request *q = arg;
	const json_t *spec = stage_rundir(w)->spec.json;
	struct generate_law law;
	const char *prompt;
	uint64_t want, count;
	struct str text = STR_INIT, clean = STR_INIT;
	char export_sha256[SHA256_HEX_SIZE];
	struct inputerror f = { .kind = REFUSAL_NONE };
	struct artifact a;
	struct trainspec c;
	struct vocab *v;
	struct model *m;
	json_t *ids, *body, *export;
	int32_t *in, *out;
	size_t n, i;
	int end;

	if (trainspec_read(&c, spec) == -1)
		return (stage_refuse(w, REFUSAL_SPEC_INVALID, NULL, NULL, "%s", say_last()));
	prompt = q->text != NULL ? q->text : c.prompt_text;
	want = q->tokens_set ? q->tokens : c.prompt_tokens;
	law = (struct generate_law){ .temperature = q->temperature_set ? q->temperature : c.prompt_temperature,
		.seed = q->seed_set ? q->seed : c.prompt_seed };
	if (c.threads == 0)
		c.threads = proc_cpus();
	/* The tokenizer's child is run before the model makes threads. */
	if (dependencies_artifact(w, &a, &export, export_sha256) == -1 || (v = open_vocab(w, &a)) == NULL)
		return (-1);
	if (vocab_encode(v, prompt, strlen(prompt), stage_left_ms(w) > 1 ? stage_left_ms(w) : 1, &in, &count, &f) == -1)
		return (dependencies_fault(w, &f));
	law.stop = (int32_t)vocab_bos(v);
	if ((m = open_model(w, &c, &a)) == NULL || (out = malloc((want + 1) * sizeof(*out))) == NULL)
		return (-1);
	if ((end = generate_run(m, &law, in, (size_t)count, out, (size_t)want, &n)) == -1)
		return (inputs_broken(w));
	if (vocab_decode(v, out, n, &text) == -1 || put_text(&clean, text.p == NULL ? "" : text.p, text.n) == -1 ||
	    (ids = json_array()) == NULL)
		return (-1);
	for (i = 0; i < n; i++)
		json_array_append_new(ids, json_integer(out[i]));
	text.n = 0;
	if (str_puts(&text, prompt) == -1 || str_add(&text, clean.p, clean.n) == -1)
		return (-1);
	body = json_pack("{s:s, s:s, s:o, s:s%, s:s%, s:s, s:o, s:I}", "artifact_sha256",
	    jsonio_text(export, "artifact.sha256", ""), "prompt", prompt, "tokens", ids, "text", text.p, text.n,
	    "generated", clean.n == 0 ? "" : clean.p, clean.n, "termination", end == GENERATE_STOP ? "bos" : "length",
	    "temperature", jsonio_real(law.temperature), "seed", (json_int_t)law.seed);
	/* The product goes to standard output, whatever becomes of the receipt. */
	fwrite(text.p, 1, text.n, stdout);
	putchar('\n');
	if (fflush(stdout) != 0) {
		say_errno("cannot write standard output");
		return (-1);
	}
	return (stage_deliver(w, body));
}

/* Asked again, the stage has closed out: the text is made again and nothing is written. */
static int
only_print(void *arg, const struct rundir *r, int outputs, const json_t *delivered)
{
	(void)arg, (void)r, (void)outputs, (void)delivered;
	return (HG_EXIT_DONE);
}

static int
has_receipt(const char *path)
{
	struct rundir r;
	int yes;

	if (rundir_open(&r, path) == -1)
		return (-1);
	yes = rundir_has(&r, rundir_stages[STAGE_PROMPT].receipt);
	rundir_close(&r);
	return (yes);
}

int
main(int argc, char **argv)
{
	struct opt table[] = { { .letter = 'p', .arg = "TEXT", .help = "the prompt" },
		{ .letter = 'n', .arg = "TOKENS", .help = "generate at most this many tokens" },
		{ .letter = 'T', .arg = "TEMPERATURE", .help = "sample at this temperature; 0 takes the likeliest" },
		{ .letter = 'S', .arg = "SEED", .help = "seed of the sampling" }, { .letter = 0 } };
	struct request q = { 0 };
	struct stage_job job = { .stage = STAGE_PROMPT, .work = work, .arg = &q };
	const char *text;
	int i, yes;

	exit_init(tool.name);
	if ((i = opt_parse(&tool, table, argc, argv)) < 0)
		return (exit_flush(i == OPT_EXIT ? HG_EXIT_DONE : HG_EXIT_USAGE));
	if ((q.text = opt_row(table, 'p')->value) != NULL && strlen(q.text) > MAX_PROMPT_BYTES) {
		say_error("-p: the prompt is %zu bytes long, at most %d are taken", strlen(q.text), MAX_PROMPT_BYTES);
		return (opt_usage(&tool));
	}
	if ((text = opt_row(table, 'n')->value) != NULL && num_u64(text, 1, MAX_TOKENS, &q.tokens) == -1) {
		say_error("-n '%s' is not a number of tokens from 1 to %d", text, MAX_TOKENS);
		return (opt_usage(&tool));
	}
	q.tokens_set = text != NULL;
	if ((text = opt_row(table, 'T')->value) != NULL && num_f64(text, 0, 100, &q.temperature) == -1) {
		say_error("-T '%s' is not a temperature from 0 to 100", text);
		return (opt_usage(&tool));
	}
	q.temperature_set = text != NULL;
	if ((text = opt_row(table, 'S')->value) != NULL && num_u64(text, 0, INT64_MAX, &q.seed) == -1) {
		say_error("-S '%s' is not a seed", text);
		return (opt_usage(&tool));
	}
	q.seed_set = text != NULL;
	if (argc - i != 1)
		return (opt_usage(&tool));
	if ((yes = has_receipt(argv[i])) == -1)
		return (HG_EXIT_SYSTEM);
	if (yes)
		job.rehearse = only_print;
	return (exit_flush(stage_run(argv[i], &job)));
}
