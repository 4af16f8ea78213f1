#ifndef HG_SPEC_H
#define HG_SPEC_H

#include <jansson.h>
#include <stdint.h>

#include "base/bind.h"
#include "base/sha256.h"
#include "base/str.h"

/**
 * spec.json: what was asked of a run.  Its keys, defaults, ranges and tags
 * stand in contracts/spec.json and nowhere else.  The file has every key of
 * version 0.1, and of later ones those that deviate from their default; what
 * spec_read returns has them all, so a reader needs no defaults.  Of models
 * and training this knows nothing: rules between keys are lib/gpt's
 * (trainspec_read).
 */

#define SPEC_FILE "spec.json"

/* Keys that concern the run, whatever its model; 0 stands for "none" and "auto". */
struct spec_limits {
	int64_t cap_ms, artifact_cap_bytes;
	int64_t train_deadline_ms, export_deadline_ms, prompt_deadline_ms, score_deadline_ms;
	int64_t lane_wait_ms, stall_ms, overhead_ms;
	const char *lane, *cpus; /* cpus NULL: any */
};

/* The rows that bind them; a NULL path ends them. Exported for tests. */
extern const struct bind spec_keys[];

/* Keys whose null, in a request, takes another key's value; in a spec they are never null. A NULL key ends them. */
struct spec_taken {
	const char *key, *from;
};
extern const struct spec_taken spec_taken[];

struct spec {
	json_t *json; /* all keys, absent ones filled in: not to be digested or written again */
	char *text;   /* the file's bytes, text_bytes of them */
	size_t text_bytes;
	char text_sha256[SHA256_HEX_SIZE]; /* of them: spec_sha256 in receipts */
	const char *run_id, *run_uid;      /* point into json */
	struct spec_limits limits;
};

/**
 * spec_read(rundir, path, s):
 * Read ${rundir}'s spec.json, called ${path}/spec.json in messages, check its contract and recompute its digests:
 * an edited spec is refused.
 * Owns:   the caller calls spec_free.
 * Errors: -1 with errno: ENOENT ordinary and silent; EBADMSG and others said.
 */
int spec_read(int rundir, const char *path, struct spec *s);
void spec_free(struct spec *s);

/**
 * The stage's deadline: milliseconds from its start, in train from when it has its lane, never zero.  ${stage} is
 * train, export, prompt or score.
 * "auto" is resolved here: twice the cap and half an hour; a day without a cap.
 */
int64_t spec_deadline_ms(const struct spec *s, const char *stage);

/* The training clock's cap in milliseconds; INT64_MAX where the spec says "none". Exported for tests. */
int64_t spec_cap_ms(const struct spec *s);

#endif
