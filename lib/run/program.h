#ifndef HG_PROGRAM_H
#define HG_PROGRAM_H

#include <jansson.h>

#include "base/bind.h"
#include "base/sha256.h"
#include "base/str.h"

/**
 * Programs that are not ours: sections trainer and scorer of a spec.  What
 * they are made of stands in the spec by digest and lies in the run, so that
 * what was executed can be executed again.
 */

/* Where the files of a run's programs lie. */
#define PROGRAM_DIR "program"

/* What a program's directory has beside them and spec.json. */
#define PROGRAM_FIFO "metrics.fifo"
#define PROGRAM_TEMPORARY "tmp"

/* The table that a scorer is to fill in. */
#define PROGRAM_DOCS "docs.tsv"

/* Is that, or what it lies in, the name of what a program's directory has without its doing, or of a scorer's table? */
int program_owns(const char *name);

/* Together they may have so much. */
#define PROGRAM_MAX_BYTES ((int64_t)4 << 20)

/* A section's keys (contracts/spec.json says what they mean). All point into the spec. */
struct program {
	const json_t *command, *set, *files, *program, *params, *env, *reads;
	const char *executable, *gives; /* NULL: the command's first word is one of the files */
	int64_t max_bytes;
};

/* The rows that bind them, without the section's name: of both sections; of the trainer alone. Exported for tests. */
extern const struct bind program_keys[], program_trainer_keys[];

/* Read section ${section} of a spec that spec_read returned; 1, or 0 if there is none. */
int program_read(struct program *p, const json_t *spec, const char *section);

/**
 * program_resolve(spec, base, set, base_file):
 * For a spec in the making: check the rules between the keys of trainer and
 * scorer, digest their files, find their executables.  Files that ${base} (or
 * NULL), which was read from ${base_file}, names are taken from beside it,
 * where a run keeps them, as long as they are the same and not named anew in
 * ${set}, what the command line asks for (or NULL).
 * Errors: -1 with errno, said: EINVAL a rule is broken, others of reading.
 */
int program_resolve(json_t *spec, const json_t *base, const json_t *set, const char *base_file);

/* Copy the programs' files into a run that is being made. 0, or -1 with errno, said. */
int program_copy(const json_t *spec, int rundir);

/* A word with its replacements: ${values} is an object of texts. 0, or -1 with errno EINVAL, silent, or ENOMEM. */
int program_expand(struct str *out, const char *word, const json_t *values);

/* A pattern of trainer.reads without its `last:`, and whether it had one. */
const char *program_pattern(const char *text, int *last);

/* What a log says is read of lines of at most so many bytes, and is so long, with its end, at most. */
#define PROGRAM_LINE_BYTES 16384
#define PROGRAM_NUMBER_SIZE 64

/* A log as lines: a progress bar's carriage returns end some, too, and none has a NUL. NULL with errno, silent. */
char *program_log(int dirfd, const char *name, size_t max_bytes);

/**
 * program_number(text, log, said, value, found):
 * What ${text} of trainer.reads finds in ${log}, of program_log, which is altered and comes back as it was: how many
 * lines matched, and the number of the last.
 * Errors: -1 with errno, silent: EINVAL ${text} is no regular expression, ERANGE what it found, ${said}, is no finite
 * number.
 */
int program_number(const char *text, char *log, char said[PROGRAM_NUMBER_SIZE], double *value, int *found);

/**
 * program_code(spec, ours, bytes, hex):
 * The program's own files as counted code: their size, and the digest of what sha256sum prints for them, with the
 * counted sources of this build after them if ${ours} is nonzero.
 * Errors: -1 with errno ENOMEM.
 */
int program_code(const json_t *spec, int ours, uint64_t *bytes, char hex[SHA256_HEX_SIZE]);

#endif
