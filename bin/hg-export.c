/* hg-export: make the artifact of a trained run, and count its bytes against the cap. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gpt/artifact.h"
#include "base/atomfile.h"
#include "gpt/checkpoint.h"
#include "base/exit.h"
#include "run/fingerprint.h"
#include "run/program.h"
#include "stage/inputs.h"
#include "base/jsonio.h"
#include "base/opt.h"
#include "gpt/trainspec.h"
#include "base/say.h"
#include "stage/stage.h"
#include "work/external.h"

static const struct opt_tool tool = { "hg-export",
	"Make the artifact of a trained run and count its bytes against the cap.", "hg-export RUN" };

/* Sources that only change speed: printed beside what is counted. */
static uint64_t
variants_bytes(void)
{
	const struct fingerprint_file *f;
	uint64_t n = 0;

	for (f = fingerprint_variant_files(); f->path != NULL; f++)
		n += f->bytes;
	return (n);
}

static json_t *
tensor_table(const struct params *p, const struct artifact_report *report)
{
	json_t *table = json_array(), *shape;
	const struct artifact_tensor *t;
	size_t i;

	for (i = 0; i < p->count; i++) {
		t = &report->tensors[i];
		shape = t->dims == 1 ? json_pack("[I]", (json_int_t)t->cols) :
				       json_pack("[I, I]", (json_int_t)t->rows, (json_int_t)t->cols);
		json_array_append_new(table,
		    json_pack("{s:s, s:s, s:i, s:o, s:I, s:o, s:o}", "name", t->name, "dtype", t->dtype, "bits",
			(int)t->bits, "shape", shape, "bytes", (json_int_t)t->bytes, "max_error",
			jsonio_real(t->max_error), "rms_error", jsonio_real(t->rms_error)));
	}
	return (table);
}

/* A program that trained is code that a stranger needs, too. */
static int
code_of(const json_t *spec, uint64_t *bytes, char hex[SHA256_HEX_SIZE])
{
	const char *sha256;

	if (strcmp(jsonio_text(spec, "system.backend", ""), "external") == 0)
		return (program_code(spec, 1, bytes, hex));
	fingerprint_code(bytes, &sha256);
	memcpy(hex, sha256, SHA256_HEX_SIZE);
	return (0);
}

/* What matrices read, where the law wants to know it; *inputs stays NULL where not. 0, or -1, refused. */
static int
read_calibration(struct stage_work *w, const struct trainspec *recipe, const struct params *p, const json_t *training,
    struct calibration **inputs)
{
	int fd;

	*inputs = NULL;
	if (recipe->artifact.quantizer != QUANTIZE_GPTQ)
		return (0);
	if (trainspec_calibration(recipe) == 0)
		return ((*inputs = calibration_new(p)) == NULL ? -1 : 0);
	if (json_object_get(training, "calibration") == NULL)
		return (stage_refuse(w, REFUSAL_INPUT_MISSING, NULL, json_string(RUNDIR_CALIBRATION),
		    "export.quantizer=gptq needs '%s', which the training of this run did not leave: hg-train does "
		    "where the spec asks for gptq, and a program's weights have none; ask for sdclip",
		    RUNDIR_CALIBRATION));
	if ((fd = inputs_open(w, RUNDIR_CALIBRATION, jsonio_i64(training, "calibration.bytes", -1),
		 jsonio_text(training, "calibration.sha256", ""))) == -1)
		return (-1);
	if ((*inputs = calibration_read(fd, RUNDIR_CALIBRATION, p, artifact_watches, &recipe->artifact)) == NULL)
		return (errno == ENOMEM ? -1 : inputs_broken(w));
	return (0);
}

/* The worker: checkpoint in, artifact and the keys of its receipt out. The process ends with it, and frees. */
static int
work(struct stage_work *w, void *arg)
{
	const json_t *spec = stage_rundir(w)->spec.json;
	int64_t cap = stage_rundir(w)->spec.limits.artifact_cap_bytes;
	const char *checkpoint_sha256;
	char training_sha256[SHA256_HEX_SIZE], sha256[SHA256_HEX_SIZE], code_sha256[SHA256_HEX_SIZE];
	struct artifact_report report;
	struct calibration *inputs;
	uint64_t bytes, code_bytes;
	struct trainspec recipe;
	struct atomfile *out;
	struct params *p;
	json_t *training, *levers;
	float *weights;
	int fd;

	(void)arg;
	if (rundir_evidence(stage_rundir(w)) == RUNDIR_ARTIFACTS)
		return (external_export(w, arg));
	if (inputs_receipt(w, STAGE_TRAIN, &training, training_sha256) == -1)
		return (-1);
	if (trainspec_read(&recipe, spec) == -1)
		return (stage_refuse(w, REFUSAL_SPEC_INVALID, NULL, NULL, "%s", say_last()));
	if ((p = params_new(&recipe.config)) == NULL || (weights = malloc(p->n * sizeof(*weights))) == NULL)
		return (-1);
	checkpoint_sha256 = jsonio_text(training, "checkpoint.sha256", "");
	if ((fd = inputs_open(w, RUNDIR_CHECKPOINT, jsonio_i64(training, "checkpoint.bytes", -1), checkpoint_sha256)) ==
	    -1)
		return (-1);
	if (checkpoint_read(fd, RUNDIR_CHECKPOINT, p, weights) == -1)
		return (inputs_broken(w));
	if (read_calibration(w, &recipe, p, training, &inputs) == -1)
		return (-1);

	if ((out = atomfile_begin(stage_outputs(w), RUNDIR_ARTIFACT)) == NULL)
		goto err0;
	if (artifact_write(atomfile_fd(out), p, weights, jsonio_text(spec, "data.tokenizer_sha256", ""),
		&recipe.artifact, inputs, &report) == -1) {
		atomfile_abort(out);
		return (errno == ERANGE ? inputs_broken(w) : -1);
	}
	if (atomfile_commit(out, ATOMFILE_CREATE) == -1)
		goto err0;
	/* What counts is what lies there, not what was meant to. */
	if (sha256_at(stage_outputs(w), RUNDIR_ARTIFACT, sha256, &bytes) == -1)
		goto err0;
	if (code_of(spec, &code_bytes, code_sha256) == -1)
		return (-1);
	if ((levers = trainspec_levers(&recipe, "export.")) == NULL)
		return (-1);
	return (stage_deliver(w,
	    json_pack("{s:s, s:s, s:{s:s, s:I, s:s}, s:I, s:I, s:I, s:s, s:I, s:I, s:b, s:o*, s:o, s:o}",
		"training_report_sha256", training_sha256, "checkpoint_sha256", checkpoint_sha256, "artifact", "file",
		RUNDIR_ARTIFACT, "bytes", (json_int_t)bytes, "sha256", sha256, "payload_bytes",
		(json_int_t)report.payload_bytes, "code_bytes", (json_int_t)code_bytes, "variants_bytes",
		(json_int_t)variants_bytes(), "code_sha256", code_sha256, "total_bytes",
		(json_int_t)(code_bytes + bytes), "cap_bytes", (json_int_t)cap, "within_cap",
		code_bytes + bytes <= (uint64_t)cap, "levers", json_object_size(levers) > 0 ? levers : NULL, "tensors",
		tensor_table(p, &report), "roundtrip_max_error", jsonio_real(report.max_error))));
err0:
	say_errno("cannot write '%s'", RUNDIR_ARTIFACT);
	return (-1);
}

int
main(int argc, char **argv)
{
	struct stage_job job = { .stage = STAGE_EXPORT, .work = work };
	struct opt table[] = { { .letter = 0 } };
	int i;

	exit_init(tool.name);
	if ((i = opt_parse(&tool, table, argc, argv)) < 0)
		return (exit_flush(i == OPT_EXIT ? HG_EXIT_DONE : HG_EXIT_USAGE));
	if (argc - i != 1)
		return (opt_usage(&tool));
	return (exit_flush(stage_run(argv[i], &job)));
}
