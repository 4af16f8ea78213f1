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
	int64_t lane_wait_ms;
	const char *lane;
};

/* The rows that bind them; a NULL path ends them. */
extern const struct bind spec_keys[];

struct spec {
	json_t *json;                      /* all keys, absent ones filled in: not to be digested or written again */
	char text_sha256[SHA256_HEX_SIZE]; /* of the file's bytes: spec_sha256 in receipts */
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
 * The stage's deadline: milliseconds from its start, never zero.  ${stage} is train, export, prompt or score.
 * "auto" is resolved here: twice the cap, half an hour and the wait for the lane; a day without a cap.
 */
int64_t spec_deadline_ms(const struct spec *s, const char *stage);

/* The training clock's cap in milliseconds; INT64_MAX where the spec says "none". */
int64_t spec_cap_ms(const struct spec *s);

/**
 * spec_new():
 * An empty request.  spec_base and spec_set add to it, spec_build makes the
 * spec of it; values set win over the base, defaults fill the rest.
 * Owns: the caller decrefs.
 */
json_t *spec_new(void);

/**
 * spec_base(request, file):
 * Start from a partial or complete spec file.  Its identity and digests are
 * not taken over; digests of data that it names must turn out the same.
 * Errors: -1 with errno EBADMSG (not JSON, an unknown key, a value out of
 *         range) or that of reading, all said.
 */
int spec_base(json_t *request, const char *file);

/**
 * spec_set(request, text):
 * Take `SECTION.KEY=VALUE`, typed by the contract.
 * Errors: -1 with errno EINVAL, said: an unknown key (with the nearest known
 *         one), a value out of range, a key given twice, a computed key.
 */
int spec_set(json_t *request, const char *text);

/**
 * spec_build(request, out):
 * Fill defaults, read what data.dir, train.init_from and train.replay name,
 * make their paths absolute and compute the data's and the spec's digests.
 * No identity yet, see spec_identify.
 * Owns:   the caller decrefs *out.
 * Errors: -1 with errno, said: EINVAL data.dir is not set or the vocabulary is
 *         not the data's; EBADMSG dataset.json breaks its contract, or its
 *         digests are not those that the base names; others of reading.
 */
int spec_build(const json_t *request, json_t **out);

/* Give a built spec its run_id, a random run_uid and created_at, and seal it. 0, or -1 with errno, said. */
int spec_identify(json_t *spec, const char *run_id);

/**
 * spec_differs(a, b, where):
 * Do two specs ask for different things?  Identity (run_id, run_uid,
 * created_at) aside; an absent later key is its default.  0, or 1 with the first difference in ${where}:
 * `train.seed is 1, not 2`.  -1 with errno ENOMEM.
 */
int spec_differs(const json_t *a, const json_t *b, struct str *where);

/**
 * spec_data(path, data, data_sha256):
 * Fill the spec's section data from PATH/dataset.json: digests of that file
 * and of its lists of shards, tokenizer and vocabulary.  The shards themselves
 * are not read: dataset_verify (lib/data) holds them against the same file.
 * Owns:   the caller decrefs *data.
 * Errors: -1 with errno, said: EBADMSG it breaks its contract.
 */
int spec_data(const char *path, json_t **data, char data_sha256[SHA256_HEX_SIZE]);

/* Is dataset.json still what the spec was made with? 0, or -1 with errno, said: EBADMSG another one. */
int spec_data_check(const struct spec *s);

/* A run's id: 1 to 64 of A-Z a-z 0-9 . _ -, not starting with a dot. */
int spec_id_valid(const char *id);

#endif
