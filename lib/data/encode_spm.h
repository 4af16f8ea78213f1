#ifndef HG_ENCODE_SPM_H
#define HG_ENCODE_SPM_H

#include "data/encoded.h"

/**
 * encode_spm(from, sink, cookie, f):
 * Encode a corpus by spm_encode, with the TOKENIZER_FILE in from->dirfd: as many
 * of it run as there are processors.
 * Errors: -1, said: tokenizer_missing, deadline, invalid, memory, io, or what
 *         ${sink} failed of.
 * Checked: t/hg-data.bats.
 */
int encode_spm(const struct encoded_from *from, encoded_sink *sink, void *cookie, struct inputerror *f);

#endif
