/* hg-prompt: generate text from a run's artifact. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gpt/artifact.h"
#include "data/dataset.h"
#include "base/exit.h"
#include "gpt/generate.h"
#include "stage/inputs.h"
#include "base/jsonio.h"
#include "work/dependencies.h"
#include "base/num.h"
#include "base/opt.h"
#include "base/out.h"
#include "base/proc.h"
#include "gpt/trainspec.h"
#include "base/say.h"
#include "stage/stage.h"
#include "schema/contract.h"
#include "base/utf8.h"
#include "data/vocab.h"
#include "data/vocab_decode.h"
#include "data/vocab_encode.h"

static const struct opt_tool tool = { "hg-prompt", "Generate text from a run's artifact.",
	"hg-prompt [-p TEXT] [-n TOKENS] [-T TEMPERATURE] [-S SEED] RUN" };

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
	dependencies_own(&c);
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
	if (isatty(STDOUT_FILENO))
		out_lines(text.p, text.n);
	else {
		fwrite(text.p, 1, text.n, stdout);
		putchar('\n');
	}
	if (exit_flush(HG_EXIT_DONE) != HG_EXIT_DONE)
		return (-1);
	return (stage_deliver(w, body));
}

/* Is an option's value what the spec may say in its place? Takes the reference; 0, or -1 after saying why not. */
static int
allowed(char letter, const char *path, json_t *v)
{
	struct str where = STR_INIT;
	int ok = v != NULL && contract_check_key("spec", path, v, &where) == 0;

	json_decref(v);
	if (!ok)
		say_error("-%c: %s", letter, where.p == NULL ? "out of memory" : where.p);
	str_free(&where);
	return (ok ? 0 : -1);
}

/* The options into ${q}; 0, or -1 after saying what is wrong with one. */
static int
take_options(struct opt *table, struct request *q)
{
	const char *text;
	size_t at, n, size;

	if ((q->text = opt_row(table, 'p')->value) != NULL) {
		for (at = 0, size = strlen(q->text); at < size; at += n)
			if ((n = utf8_read(q->text + at, size - at, NULL)) == 0) {
				say_error("-p: the prompt is no UTF-8: byte %zu, 0x%02x, begins no character", at + 1,
				    (unsigned char)q->text[at]);
				return (-1);
			}
		if (allowed('p', "prompt.text", json_string(q->text)) == -1)
			return (-1);
	}
	if ((text = opt_row(table, 'n')->value) != NULL) {
		if (num_u64(text, 0, INT64_MAX, &q->tokens) == -1) {
			say_error("-n '%s' is not a number of tokens", text);
			return (-1);
		}
		if (allowed('n', "prompt.tokens", json_integer((json_int_t)q->tokens)) == -1)
			return (-1);
		q->tokens_set = 1;
	}
	if ((text = opt_row(table, 'T')->value) != NULL) {
		if (num_f64(text, -HUGE_VAL, HUGE_VAL, &q->temperature) == -1) {
			say_error("-T '%s' is not a temperature", text);
			return (-1);
		}
		if (allowed('T', "prompt.temperature", json_real(q->temperature)) == -1)
			return (-1);
		q->temperature_set = 1;
	}
	if ((text = opt_row(table, 'S')->value) != NULL) {
		if (num_u64(text, 0, INT64_MAX, &q->seed) == -1) {
			say_error("-S '%s' is not a seed", text);
			return (-1);
		}
		if (allowed('S', "prompt.seed", json_integer((json_int_t)q->seed)) == -1)
			return (-1);
		q->seed_set = 1;
	}
	return (0);
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
	int i, yes;

	exit_init(tool.name);
	if ((i = opt_parse(&tool, table, argc, argv)) < 0)
		return (exit_flush(i == OPT_EXIT ? HG_EXIT_DONE : HG_EXIT_USAGE));
	if (take_options(table, &q) == -1)
		return (opt_usage(&tool));
	if (argc - i != 1)
		return (opt_usage(&tool));
	if ((yes = has_receipt(argv[i])) == -1)
		return (HG_EXIT_SYSTEM);
	if (yes)
		job.rehearse = only_print;
	return (exit_flush(stage_run(argv[i], &job)));
}
