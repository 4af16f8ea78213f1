#ifndef HG_EMBEDDED_H
#define HG_EMBEDDED_H

#include <stdint.h>

#include "fingerprint.h"

/* What lib/run/embed.c writes into sources at build; see area.mk. */

/* contracts/NAME.json, sorted by name, ended by a NULL name. */
struct embedded_contract {
	const char *name, *text;
};
extern const struct embedded_contract embedded_contracts[];

/* Sources with their digests; both lists end in a NULL path. */
extern const struct fingerprint_file embedded_code[], embedded_code_variants[];
extern const uint64_t embedded_code_bytes;
extern const char embedded_code_sha256[];

#endif
