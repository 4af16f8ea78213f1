#ifndef HG_CALIBRATION_H
#define HG_CALIBRATION_H

#include <jansson.h>

#include "gpt/model.h"
#include "gpt/params.h"

/**
 * What the matrices of a model read on some text: for each one that was watched (model.h) the sum of x x^T over its
 * inputs x.  As a file, calibration.safetensors: for each matrix NAME (of several that read the same, the first) its
 * upper triangle, rows one after the other, as float32 NAME.gram; __metadata__ holds format "homegolf.calibration.v1",
 * config (JSON text) and what the caller adds.
 */
struct calibration {
	size_t count;
	float **gram; /* by place in the table of tensors; NULL where none is */
};

/* One of nothing. Owns: calibration_free. Errors: NULL after saying why; errno ENOMEM. */
struct calibration *calibration_new(const struct params *p);

/* What a model has watched. Owns: calibration_free. Errors: NULL, said; errno ENOMEM, ERANGE (not finite). */
struct calibration *calibration_watched(struct model *m);
void calibration_free(struct calibration *c);

/* Packed; NULL if what that tensor reads was not watched. Lives as long as ${c}. */
const float *calibration_gram(const struct calibration *c, const struct params *p, size_t tensor);

/* Write it; extra is an object of strings, or NULL. 0, or -1 after saying why. */
int calibration_write(int fd, const struct calibration *c, const struct params *p, const json_t *extra);

/**
 * calibration_read(fd, what, p, watches, law):
 * The Gram matrices of all that ${watches} says of, as in model_args; others may be there, and are passed over.
 * Owns:   calibration_free.
 * Errors: NULL after saying why; errno EBADMSG (a matrix is missing or of another size, or the file is none) or that of
 *         reading, or ENOMEM.
 * Checked: t/unit/gptq.c.
 */
struct calibration *
calibration_read(int fd, const char *what, const struct params *p, model_watches *watches, const void *law);

#endif
