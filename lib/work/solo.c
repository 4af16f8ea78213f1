/*
 * The counted code's own program: trains, restores and scores with nothing but what counts, without run directory,
 * contracts and receipts.  It is built from the counted files alone:
 *   cc -std=c11 -ffp-contract=off -D_XOPEN_SOURCE=700 -DHG_PORTABLE -Ilib $(find lib -name "*.c") -ljansson -lz \
 *       -llzma -lcrypto -lm
 *   solo SPEC.json MODEL|bytes TRAIN_SHARD... -- VAL_SHARD... [-- BYTE_COUNTS...]
 * leaves checkpoint.safetensors and artifact.hgz, and prints their digests and the score of the latter.
 * Checked: t/counted.bats compares all of it with what hg-train, hg-export and hg-score say.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/exit.h"
#include "base/file.h"
#include "base/jsonio.h"
#include "base/say.h"
#include "base/str.h"
#include "data/loader.h"
#include "data/shard.h"
#include "data/tokens.h"
#include "data/vocab.h"
#include "gpt/artifact.h"
#include "gpt/checkpoint.h"
#include "gpt/prior.h"
#include "gpt/score.h"
#include "gpt/trainer_open.h"

#define CHECKPOINT "checkpoint.safetensors"
#define ARTIFACT "artifact.hgz"
#define ARTIFACT_MAX_BYTES ((size_t)1 << 30)

struct stream {
	int32_t *ids;
	uint64_t n;
};

/* The part whose shards are ${n} paths. */
static int
open_part(struct dataset_part *p, const char *name, int n, char **paths)
{
	struct shard shard;

	memset(p, 0, sizeof(*p));
	p->name = name;
	if ((p->shards = calloc((size_t)n + 1, sizeof(*p->shards))) == NULL)
		return (-1);
	for (; p->count < (size_t)n; p->count++) {
		if (shard_open(&shard, AT_FDCWD, paths[p->count], NULL) == -1)
			return (-1);
		p->shards[p->count].path = paths[p->count];
		p->shards[p->count].tokens = shard.tokens;
		shard_close(&shard);
	}
	return (0);
}

static int
take_span(void *cookie, uint64_t span, int32_t *ids, size_t n)
{
	struct loader *loader = cookie;

	(void)n;
	if (loader_cursor(loader) != span)
		loader_seek(loader, span);
	return (loader_take(loader, ids, NULL));
}

static int
read_stream(void *cookie, uint64_t at, int32_t *ids, size_t n)
{
	const struct stream *s = cookie;

	memcpy(ids, s->ids + at, n * sizeof(*ids));
	return (0);
}

static int
read_training(void *cookie, uint64_t at, int32_t *ids, size_t n)
{
	return (tokens_read(cookie, at, n, ids, NULL));
}

/* What the model begins with that is counted; weights from elsewhere bring theirs. */
static int
count_prior(struct model *m, const struct trainspec *r, const struct dataset_part *part, const struct vocab *v)
{
	struct tokens *t;
	int rc;

	if (r->init_from != NULL)
		return (0);
	if ((t = tokens_open(part, vocab_size(v), NULL)) == NULL)
		return (-1);
	rc = prior_fill(m, tokens_count(t), read_training, t);
	tokens_close(t);
	return (rc);
}

static double
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ((double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6);
}

/* Warm-up, then all steps: the law of lib/work/training.c. The loss is that of the last one. */
static int
steps(struct trainer *t, const struct trainspec *r, double *loss)
{
	const struct schedule *s = &r->schedule;
	struct trainer_result result;
	struct schedule_rates rates;
	double ms = 0, began_ms, updated_ms = 0, last_ms;

	if (r->warmup_steps != 0) {
		if (trainer_mark(t) == -1)
			return (-1);
		for (uint64_t i = 0; i < r->warmup_steps; i++)
			if (trainer_step(t, &schedule_full_rates, &result) != 0)
				return (-1);
		trainer_rollback(t);
	}
	while (!schedule_done(s, trainer_steps(t), ms) && (s->cap_ms <= 0 || ms < s->cap_ms)) {
		began_ms = now_ms();
		rates = schedule_rates(s, trainer_steps(t), ms);
		if (trainer_step(t, &rates, &result) != 0)
			return (-1);
		last_ms = updated_ms;
		updated_ms = ms + now_ms() - began_ms;
		if (r->law.average != OPTIMIZER_NO_AVERAGE)
			trainer_average(t, schedule_average(s, trainer_steps(t) - 1, last_ms, updated_ms));
		ms += now_ms() - began_ms;
		*loss = result.loss;
	}
	if (trainer_steps(t) == 0 || !trainer_finite(t)) {
		say_error("no step was trained, or the last one left weights that are not finite");
		return (-1);
	}
	return (0);
}

/* What matrices read, where the export asks for it; here no cap ends it early. */
static int
calibrate(struct trainer *t, struct model *m, const struct trainspec *r, size_t micro_batch,
    struct calibration **inputs)
{
	const uint64_t all = trainspec_calibration(r);

	for (uint64_t at = 0; at < all; at += micro_batch)
		if (trainer_watch(t, at / micro_batch, all - at < micro_batch ? all - at : micro_batch) == -1)
			return (-1);
	if (r->artifact.quantizer == QUANTIZE_GPTQ && (*inputs = calibration_watched(m)) == NULL)
		return (-1);
	return (0);
}

static int
create(const char *name)
{
	int fd = file_open_change(AT_FDCWD, name, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	if (fd == -1)
		say_errno("cannot write '%s'", name);
	return (fd);
}

/* From data to checkpoint and artifact. The program ends soon where it fails, and frees nothing then. */
static int
train(const struct trainspec *r, const struct vocab *v, const struct dataset_part *part, double *loss)
{
	const size_t micro_batch = trainer_open_micro_batch(r, UINT64_MAX, UINT64_MAX);
	struct artifact_report report;
	struct calibration *inputs = NULL;
	const struct params *p;
	struct loader *loader;
	struct trainer *t;
	struct model *m;
	float *w;
	int fd;

	if (micro_batch == 0 ||
	    (loader = loader_open(part, vocab_size(v), micro_batch, r->data_offset, NULL)) == NULL ||
	    trainer_open_spec(r, micro_batch, take_span, loader, &m, &t) == -1 || count_prior(m, r, part, v) == -1 ||
	    steps(t, r, loss) == -1)
		return (-1);
	p = model_params(m);
	if ((w = malloc(p->n * sizeof(*w))) == NULL)
		return (-1);
	(void)trainer_exchange(t);
	if (calibrate(t, m, r, micro_batch, &inputs) == -1)
		return (-1);
	model_get(m, w);
	if ((fd = create(CHECKPOINT)) == -1 || checkpoint_write(fd, p, w, NULL) == -1 || close(fd) == -1 ||
	    (fd = create(ARTIFACT)) == -1 ||
	    artifact_write(fd, p, w, vocab_sha256(v), &r->artifact, inputs, &report) == -1 || close(fd) == -1)
		return (-1);
	artifact_report_free(&report);
	calibration_free(inputs);
	free(w);
	trainer_close(t);
	model_close(m);
	loader_close(loader);
	return (0);
}

/* Ids of the first ${documents} documents (0: all), each of which opens with BOS. */
static int
read_part(const struct dataset_part *part, const struct vocab *v, uint64_t documents, struct stream *s)
{
	struct tokens *t = tokens_open(part, vocab_size(v), NULL);
	uint64_t n, seen = 0;

	if (t == NULL || (s->ids = malloc(tokens_count(t) * sizeof(*s->ids))) == NULL ||
	    tokens_read(t, 0, n = tokens_count(t), s->ids, NULL) == -1)
		return (-1);
	for (s->n = 0; s->n < n; s->n++)
		if ((uint32_t)s->ids[s->n] == vocab_bos(v) && seen++ == documents && documents != 0)
			break;
	tokens_close(t);
	return (0);
}

/* The bytes of the ids of a stream, where a sidecar counts them; NULL where the vocabulary does. */
static int
read_counts(const struct dataset_part *part, const struct stream *text, int32_t **counts)
{
	struct tokens *t;

	*counts = NULL;
	if (part->count == 0)
		return (0);
	if ((t = tokens_open(part, SHARD_MAX_VOCAB, NULL)) == NULL ||
	    (*counts = malloc(text->n * sizeof(**counts))) == NULL || tokens_count(t) < text->n ||
	    tokens_read(t, 0, text->n, *counts, NULL) == -1)
		return (-1);
	tokens_close(t);
	return (0);
}

/* The artifact's score; documents are added up one by one, as docsums.h has it. */
static int
score(const struct trainspec *r, const struct vocab *v, struct stream *text, const int32_t *counts, double *nats,
    uint64_t *tokens, uint64_t *bytes)
{
	struct model_args args = { .use = score_use(&r->eval_law),
		.backend = r->backend,
		.isa = r->isa,
		.arith = r->eval_arith,
		.threads = r->threads,
		.max_batch = 1,
		.max_seq = r->eval_seq_len,
		.max_passes = 1 };
	struct score_args job = { .law = r->eval_law,
		.bos = (int32_t)vocab_bos(v),
		.windows = 1,
		.tokens = text->n,
		.source = read_stream,
		.cookie = text };
	uint64_t first, end;
	struct artifact a;
	const float *part;
	double document = 0;
	struct score *s;
	char *data;
	size_t n;

	if ((data = file_read(AT_FDCWD, ARTIFACT, ARTIFACT_MAX_BYTES, &n)) == NULL ||
	    artifact_read(data, n, ARTIFACT, &a) == -1)
		return (-1);
	args.config = &a.config;
	if ((job.model = model_open(&args)) == NULL)
		return (-1);
	model_set(job.model, a.w);
	if ((s = score_open(&job)) == NULL)
		return (-1);
	*nats = 0;
	*tokens = *bytes = 0;
	for (uint64_t i = 0; i < score_parts(s); i++) {
		if (score_part(s, i, &part, &n) == -1)
			return (-1);
		score_span(s, i, &first, &end);
		for (uint64_t at = first; at < end; at++) {
			if ((uint32_t)text->ids[at] == vocab_bos(v)) {
				*nats += document;
				document = 0;
			}
			document += (double)part[at - first];
			*bytes += counts != NULL ?
			    (uint32_t)counts[at] :
			    vocab_target_bytes(v, (uint32_t)text->ids[at - 1], (uint32_t)text->ids[at]);
		}
		*tokens += n;
	}
	*nats += document;
	score_close(s);
	model_close(job.model);
	artifact_free(&a);
	free(data);
	return (0);
}

static int
run(int train_shards, int val_shards, int count_files, char **argv)
{
	char checkpoint[SHA256_HEX_SIZE], artifact[SHA256_HEX_SIZE], text[3][JSONIO_NUMBER_SIZE];
	struct dataset_part part[3];
	int32_t *counts;
	uint64_t tokens, bytes, size;
	struct str said = STR_INIT;
	struct stream stream;
	struct trainspec r;
	double loss = 0, nats;
	struct vocab *v;
	json_t *spec;

	if (jsonio_read(AT_FDCWD, argv[1], JSONIO_MAX_BYTES, NULL, &spec) == -1 || trainspec_read(&r, spec) == -1)
		return (-1);
	if (r.replay != NULL) {
		say_error("train.replay is nothing that this program follows");
		return (-1);
	}
	r.backend = "ref";
	r.isa = "auto";
	r.threads = 1;
	v = strcmp(argv[2], "bytes") == 0 ? vocab_bytes() : vocab_open(argv[2], NULL);
	if (v == NULL || open_part(&part[0], "train", train_shards, argv + 3) == -1 ||
	    open_part(&part[1], "val", val_shards, argv + 4 + train_shards) == -1 ||
	    open_part(&part[2], "byte counts", count_files, argv + 5 + train_shards + val_shards) == -1 ||
	    train(&r, v, &part[0], &loss) == -1 || read_part(&part[1], v, r.eval_docs, &stream) == -1 ||
	    read_counts(&part[2], &stream, &counts) == -1 ||
	    score(&r, v, &stream, counts, &nats, &tokens, &bytes) == -1 ||
	    sha256_at(AT_FDCWD, CHECKPOINT, checkpoint, NULL) == -1 ||
	    sha256_at(AT_FDCWD, ARTIFACT, artifact, &size) == -1)
		return (-1);
	if (str_printf(&said,
		"{\"train_loss\": %s, \"checkpoint_sha256\": \"%s\", \"artifact_sha256\": \"%s\", "
		"\"artifact_bytes\": %" PRIu64 ", \"val_loss\": %s, \"val_bpb\": %s, \"tokens\": %" PRIu64
		", \"bytes\": %" PRIu64 "}\n",
		jsonio_number(text[0], loss), checkpoint, artifact, size, jsonio_number(text[1], nats / (double)tokens),
		jsonio_number(text[2], nats / M_LN2 / (double)bytes), tokens, bytes) == -1 ||
	    file_write_all(STDOUT_FILENO, said.p, said.n) == -1)
		return (-1);
	str_free(&said);
	free(stream.ids);
	free(part[0].shards);
	free(part[1].shards);
	free(part[2].shards);
	free(counts);
	vocab_free(v);
	json_decref(spec);
	return (0);
}

int
main(int argc, char **argv)
{
	int cut, end;

	exit_init("solo");
	for (cut = 3; cut < argc && strcmp(argv[cut], "--") != 0; cut++)
		continue;
	for (end = cut + 1; end < argc && strcmp(argv[end], "--") != 0; end++)
		continue;
	if (cut == 3 || end <= cut + 1 || end > argc) {
		say_error("usage: solo SPEC.json MODEL|bytes TRAIN_SHARD... -- VAL_SHARD... [-- BYTE_COUNTS...]");
		return (HG_EXIT_USAGE);
	}
	return (exit_flush(
	    run(cut - 3, end - cut - 1, end < argc ? argc - end - 1 : 0, argv) == 0 ? HG_EXIT_DONE : HG_EXIT_SYSTEM));
}
