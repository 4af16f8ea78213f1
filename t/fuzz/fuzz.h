#ifndef HG_FUZZ_H
#define HG_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/**
 * A fuzz target: one parser, fed with any bytes.  It must come back, leak
 * nothing and trip no sanitizer and no assertion.  Linked with libFuzzer by
 * `make fuzz`, and with main.c, which feeds it files, for `make check`.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* For parsers that open files: the bytes as file ${name} of a directory of this process's own; its path. */
const char *fuzz_file(const char *name, const void *data, size_t n);

/* That directory; it goes when the process exits. */
const char *fuzz_dir(void);

/* A broken property of what was parsed: ends the process as an assertion does. */
void fuzz_must(int holds);

#endif
