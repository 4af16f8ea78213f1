#ifndef HG_ARTIFACT_H
#define HG_ARTIFACT_H

#include <stddef.h>
#include <stdint.h>

#include "gpt/calibration.h"
#include "gpt/coder.h"
#include "gpt/config.h"
#include "gpt/params.h"
#include "gpt/quantize.h"
#include "base/sha256.h"

/**
 * The artifact: one zlib stream (level 9), or one of xz, of a safetensors file.  Two-dimensional
 * tensors over 65,536 elements are I8 with F16 scales under NAME.scale; control
 * tensors are F32; all others F16.  __metadata__ holds
 *   format      "homegolf.artifact.v1"
 *   config      the model configuration as JSON text
 *   export      how it was quantised, as JSON text: what in the law is not its default; absent where all is
 *   tokenizer_sha256
 * It opens with anybody's zlib or xz, and safetensors reader.
 */

#define ARTIFACT_FORMAT "homegolf.artifact.v1"

/* How weights become bytes: section export of a spec (hg-spec(5)). */
struct artifact_law {
	unsigned bits;       /* of the matrices: 16 (binary16), or levels of 8, 7 or 6 */
	unsigned embed_bits; /* of embeddings and head */
	enum quantize_clip quantizer;
	double sdclip_k, sdclip_embed_k;
	double scale_floor;
	enum coder coder;
	uint64_t gptq_tokens; /* QUANTIZE_GPTQ: of training text, on which what matrices read is watched */
};

/* What became of one tensor of the table. */
struct artifact_tensor {
	const char *name;  /* as in params */
	const char *dtype; /* "I8", "F16", "F32" */
	unsigned bits;     /* of its levels; of a float, if it is one */
	int dims;
	size_t rows, cols;
	uint64_t bytes;              /* before compression, scales included */
	double max_error, rms_error; /* restored against original */
};

struct artifact_report {
	struct artifact_tensor *tensors; /* params->count of them, in its order */
	uint64_t payload_bytes;          /* tensor data before compression */
	uint64_t bytes;                  /* of the artifact */
	double max_error;
};

/**
 * artifact_watches(law, t):
 * Whether a law (a struct artifact_law) rounds that tensor with an eye on what it reads, so that a calibration must
 * have it; of those that multiply nothing (params_input) the answer is of no use.
 */
model_watches artifact_watches;

/**
 * artifact_write(fd, p, w, tokenizer_sha256, law, inputs, report):
 * Write the artifact of weights ${w} to ${fd}; the same arguments give the same bytes.  ${inputs} is of use with
 * QUANTIZE_GPTQ alone, which must have it.
 * Owns:   the caller calls artifact_report_free; its names live as long as ${p}.
 * Errors: -1 after saying why; errno of write, ENOMEM, or ERANGE (a weight that is not finite, or it or a row's
 *         scale too large for binary16, or ${inputs} are no sums of squares).
 */
int artifact_write(int fd, const struct params *p, const float *w, const char *tokenizer_sha256,
    const struct artifact_law *law, const struct calibration *inputs, struct artifact_report *report);
void artifact_report_free(struct artifact_report *report);

/* The payload_bytes of a model's artifact, before there is one; 0 if memory is short. Checked: t/unit/artifact.c. */
uint64_t artifact_payload(const struct config *c, const struct artifact_law *law);

/*
 * The likely bytes of it, 0 if memory is short.  Trained weights hardly compress: floats, and levels up to the row's
 * largest weight, to 0.92 of the bits that they have; levels of so many deviations to what a normal distribution's have
 * in information, and 0.4 bits.  A floor under the scales that is large for the weights makes it less.
 * Checked: t/unit/artifact.c, with runs of this project, within a tenth.
 */
uint64_t artifact_likely(const struct config *c, const struct artifact_law *law);

struct artifact {
	struct config config;
	struct artifact_law law; /* but for what only the writer needs and nobody wrote: the scale's floor is 0 */
	char tokenizer_sha256[SHA256_HEX_SIZE];
	struct params *params;
	float *w; /* restored weights, (params->n) */
};

/**
 * artifact_read(data, n, what, a):
 * Restore an artifact from memory.  Nothing is believed: configuration and law
 * stand in the header, from them follow all names, types and sizes, and no more
 * is unpacked than that; the stream must end there, its checksum hold, and no
 * level be beyond its bits.
 * Owns:   the caller calls artifact_free.
 * Errors: -1 after saying why; errno EBADMSG (altered or malformed), ENODATA (cut short), ENOMEM.
 */
int artifact_read(const void *data, size_t n, const char *what, struct artifact *a);
void artifact_free(struct artifact *a);

#endif
