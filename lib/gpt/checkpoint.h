#ifndef HG_CHECKPOINT_H
#define HG_CHECKPOINT_H

#include <jansson.h>

#include "gpt/params.h"

/**
 * Weights as a safetensors file: float32 under their public state names;
 * __metadata__ holds format "homegolf.checkpoint.v1", config (JSON text), and
 * what the caller adds.
 */

/* Write weights w (p->n); extra is an object of strings, or NULL. 0, or -1 after saying why. */
int checkpoint_write(int fd, const struct params *p, const float *w, const json_t *extra);

/**
 * checkpoint_read(fd, what, p, w):
 * Read all tensors of ${p} by name, from any float type, whoever wrote the
 * file.  A tensor that is missing, of another shape, or unknown is refused by
 * name; optimizer state (as in a resume file) is passed over.
 * Errors: -1 after saying why; errno EBADMSG or that of reading.
 */
int checkpoint_read(int fd, const char *what, const struct params *p, float *w);

#endif
