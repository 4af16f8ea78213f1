#ifndef HG_TRAINER_BYTES_H
#define HG_TRAINER_BYTES_H

/**
 * What training as a spec asks will take, apart from trainer_open.h, so that a
 * tool which only reads specs links no backend.
 */

#include <stddef.h>
#include <stdint.h>

#include "gpt/model.h"
#include "gpt/trainspec.h"

/*
 * How the model is opened for passes of ${micro_batch} tokens; validation between steps takes windows of its own length
 * from the same buffers.
 */
struct model_args trainer_bytes_model(const struct trainspec *r, size_t micro_batch);

/*
 * Bytes at most.  With ${host} the backend has no memory of its own, and the weights stand there once more, to be set
 * and to be written.
 */
uint64_t trainer_bytes(const struct trainspec *r, size_t micro_batch, int host);

/**
 * trainer_bytes_tell(r, micro_batch, there, what, text, size):
 * One sentence for who is short of memory: what passes of ${micro_batch} tokens need by part, on the host, that
 * ${there} bytes are ${what} ("free"), and the largest that would fit: a micro-batch, or else layers, or a width of the
 * model.
 */
void trainer_bytes_tell(const struct trainspec *r, size_t micro_batch, uint64_t there, const char *what, char *text,
    size_t size);

#endif
