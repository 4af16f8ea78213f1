#ifndef HG_RESUME_H
#define HG_RESUME_H

#include <jansson.h>

#include "gpt/trainer.h"

/**
 * resume_save(t, fd, extra) / resume_load(t, fd, what, extra):
 * The complete state as one safetensors file: of each tensor the weights under
 * its name, then what params.h has the optimizer keep of it, under
 * NAME.momentum or the like; the counters and shape of the batch in
 * __metadata__, where the caller's own strings (${extra}: clocks, offsets) ride
 * along, and the digest of the file with zeros in its place, which load holds it
 * to (a file of 0.1 has none).  Training on after load gives the bits of training on without it.
 * Owns:   the caller decrefs *extra.
 * Errors: -1 after saying why; errno of writing or reading, EBADMSG (malformed, altered, or of another model or batch).
 */
int resume_save(const struct trainer *t, int fd, const json_t *extra);
int resume_load(struct trainer *t, int fd, const char *what, json_t **extra);

#endif
