#ifndef HG_CLAIM_H
#define HG_CLAIM_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "import/number.h"
#include "import/defect.h"
#include "import/textfile.h"

/**
 * What somebody claims: everything that was read, value by value, as it is
 * written and where; the runs that it amounts to; and what is wrong with it.
 * Parsers add to a claim, and it becomes the member `import` of a row.
 *
 * Memory: a claim that ran out of it says so once, in `broken`; until then
 * every function may be called and may do nothing.  Text of others is copied,
 * and cut after CLAIM_TEXT bytes.
 */

enum { CLAIM_TEXT = 4096, CLAIM_VALUES = 4096, CLAIM_RUNS = 1024, CLAIM_NOTES = 1024, CLAIM_FILES = 1024 };
#define CLAIM_CAP_BYTES 16000000

/* The path of what the line says that begins a segment of a log. */
#define CLAIM_CONFIG "config"

enum claim_form { CLAIM_SUBMISSION, CLAIM_LOG, CLAIM_TABLE };

/* How a score was made, from the least to the most particular. */
enum claim_scoring { CLAIM_UNKNOWN, CLAIM_PREQUANT, CLAIM_PLAIN, CLAIM_SLIDING, CLAIM_TTT, CLAIM_OTHER };

/* What values mean to us; CLAIM_OWN is all the rest, under its own name. */
enum claim_what {
	CLAIM_OWN,
	CLAIM_VAL_BPB,
	CLAIM_VAL_LOSS,
	CLAIM_SD,
	CLAIM_TOTAL_BYTES,
	CLAIM_CODE_BYTES,
	CLAIM_MODEL_BYTES,
	CLAIM_ARTIFACT_BYTES,
	CLAIM_SEED,
	CLAIM_STEPS,
	CLAIM_TRAIN_MS,
	CLAIM_TRAIN_S,
	CLAIM_TOKENS,
	CLAIM_SEEDS_N,
	CLAIM_TITLE,
	CLAIM_AUTHOR,
	CLAIM_DATE,
	CLAIM_STATUS,
	CLAIM_METHOD,
	CLAIM_STRIDE,
	CLAIM_COMMIT,
	CLAIM_METRIC,
	CLAIM_WHATS
};

struct claim_value {
	enum claim_what what;
	char *name; /* its own, for CLAIM_OWN and CLAIM_METRIC */
	char *text, *path;
	const char *file; /* one of the claim's files, or of whoever outlives it */
	unsigned line;
	int run; /* index of a run, or -1 */
	struct number figure;
	defect_set flags;
};

struct claim_run {
	int has_seed;
	int64_t seed;
	enum claim_scoring scoring;
	unsigned stride; /* 0: not known */
	/* Indices + 1 of the values that are believed; 0: none */
	unsigned score, val_loss, val_bpb, tokens, total_bytes, steps, train;
};

struct claim_note {
	enum defect flag;
	char *detail, *file;
	unsigned line;
};

struct claim_file {
	char *name, sha256[SHA256_HEX_SIZE];
	uint64_t bytes;
};

struct claim {
	enum claim_form form;
	char *file;
	char *title, *author, *date;
	const char *status; /* keep, discard, crash or NULL */
	const char *metric; /* val_bpb, or the column that was named */
	int higher;         /* more of it is better */
	unsigned score;     /* index + 1 of the value that claims for all seeds */
	enum claim_scoring scoring;
	unsigned stride;
	char content[SHA256_HEX_SIZE], key[SHA256_HEX_SIZE], series[SHA256_HEX_SIZE];
	struct claim_value *values;
	size_t value_count, value_cap;
	struct claim_run *runs;
	size_t run_count, run_cap;
	struct claim_note *notes;
	size_t note_count, note_cap;
	struct claim_file *files;
	size_t file_count, file_cap;
	int broken, full;
};

/* Owns: claim_free releases it. NULL with errno ENOMEM. */
struct claim *claim_new(enum claim_form form, const char *file);
void claim_free(struct claim *c);

/**
 * claim_value(c, what, name, text, n, kind, file, line, path):
 * Add a value; its number is read as ${kind}.  Returns its index, or -1 if the
 * claim is broken or full (which is noted).
 */
int claim_value(struct claim *c, enum claim_what what, const char *name, const char *text, size_t n,
    enum number_kind kind, const char *file, unsigned line, const char *path);

/* Take away a value's number, and say why. */
void claim_doubt(struct claim *c, int value, enum defect f);

/* Another run; its index, or -1. And the run of a seed, made if there is none yet. */
int claim_run(struct claim *c);
int claim_run_of(struct claim *c, int64_t seed);

/* Something is wrong. */
void claim_note(struct claim *c, enum defect f, const char *file, unsigned line, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
int claim_has(const struct claim *c, enum defect f);

/* A file was read; what textfile found wrong with it is noted. */
void claim_file(struct claim *c, const char *name, const struct textfile *t);

/* A copy that lives as long as the claim's owner frees it; NULL breaks the claim. */
char *claim_copy(struct claim *c, const char *text, size_t n);

/* The number of a value by index + 1 (NAN for 0), and its unit. */
double claim_number(const struct claim *c, unsigned value);
double claim_unit(const struct claim *c, unsigned value);

/* How many of its runs have a score. */
size_t claim_scored(const struct claim *c);

/* What people mean by a name, CLAIM_OWN if it is none of the usual ones. */
enum claim_what claim_what_of(const char *name);

const char *claim_what_name(enum claim_what what);
enum number_kind claim_what_kind(enum claim_what what);

/* Is it a commit: six to forty digits of a digest? */
int claim_is_commit(const char *text);

/* How a label or method in words says that a score was made. */
enum claim_scoring claim_scoring_of(const char *label, size_t n);

/* The member `import`, but for `revises`, null here. Owns: the caller decrefs. NULL if the claim is broken. */
json_t *claim_json(const struct claim *c);

#endif
