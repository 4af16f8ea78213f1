#ifndef HG_FINGERPRINT_H
#define HG_FINGERPRINT_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "base/sha256.h"

/**
 * What ran: the digest of the system, from what a report says was executed,
 * and the digest of the code, from the sources that the build was made of.
 */

/**
 * fingerprint_system(report, hex):
 * Digest (RFC 8785) of the members backend, isa, arith, threads, lane,
 * cpu_model, libraries and numerics_sha256 of ${report}: which machine and
 * which arithmetic made a number.  Writers call it to fill system_sha256,
 * gates to check it.
 * Errors: -1 with errno EBADMSG if one of them is missing, or ENOMEM.
 */
int fingerprint_system(const json_t *report, char hex[SHA256_HEX_SIZE]);

/**
 * fingerprint_machine(spec, report, hex):
 * What lanes of one machine class agree in, and both sides of a pair: backend,
 * threads, cpu_model and libraries of ${report}, the instruction set that
 * ${spec} asks for, and of a program also which one.  Neither the lane's name
 * counts nor the arithmetic, which is a configuration's to try, and with it the
 * instructions that execute it and their numerics (which both runs of a pair share
 * where they ask for one arithmetic: law/standings.c).
 * Errors: -1 with errno ENOMEM.
 */
int fingerprint_machine(const json_t *spec, const json_t *report, char hex[SHA256_HEX_SIZE]);

/* A source file that is counted, or a variant that only changes speed and is not. */
struct fingerprint_file {
	const char *path, *sha256;
	uint64_t bytes;
};

/**
 * fingerprint_code(bytes, sha256):
 * Counted code: the portable sources (ref backend) that a stranger needs to
 * train, restore and score, closed under what they include (counted.sh), without
 * comments and needless blanks.  ${bytes} is the size of them as one zlib stream,
 * each after a line with its path and size; ${sha256} (lasting) the digest of the
 * lines that `sha256sum` prints for them, in the list's order.
 * Checked: t/counted.bats.
 */
void fingerprint_code(uint64_t *bytes, const char **sha256);

/* The counted files, and those that only change speed; each ended by a NULL path. Exported for tests. */
const struct fingerprint_file *fingerprint_code_files(void);
const struct fingerprint_file *fingerprint_variant_files(void);

#endif
