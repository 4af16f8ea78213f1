#ifndef HG_EMBEDDED_CODE_H
#define HG_EMBEDDED_CODE_H

#include <stdint.h>

#include "run/fingerprint.h"

/* Sources with their digests, as lib/schema/embed.c writes them at build; both lists end in a NULL path. */
extern const struct fingerprint_file embedded_code[], embedded_code_variants[];
extern const uint64_t embedded_code_bytes;
extern const char embedded_code_sha256[];

#endif
