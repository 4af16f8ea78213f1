#ifndef HG_INPUTS_H
#define HG_INPUTS_H

#include <jansson.h>
#include <stdint.h>

#include "base/sha256.h"
#include "stage/stage.h"

/**
 * What a stage's worker takes from the stages before it: nothing is used
 * unless it is of this run and of the digest that a receipt names.  Whatever
 * is wrong becomes the stage's refusal, by kind: missing, truncated, of the
 * wrong size, of the wrong digest, invalid, changed while it was in use.
 */

/**
 * inputs_receipt(w, s, receipt, sha256):
 * The receipt of stage ${s}: its contract, its spec and its run are checked;
 * ${sha256} gets the digest of its bytes.
 * Owns:   the caller decrefs *receipt.
 * Errors: -1, refused.
 */
int inputs_receipt(struct stage_work *w, enum stage s, json_t **receipt, char sha256[SHA256_HEX_SIZE]);

/**
 * inputs_open(w, name, bytes, sha256):
 * A descriptor at the start of the run's file ${name}, which is ${bytes} long
 * and of that digest; bound.
 * Owns:   the caller closes.
 * Errors: -1, refused.
 */
int inputs_open(struct stage_work *w, const char *name, int64_t bytes, const char *sha256);

/* The same below another directory, which stays open. */
int inputs_open_at(struct stage_work *w, int dirfd, const char *name, int64_t bytes, const char *sha256);

/* Likewise for a file of the spec's own, of any size: train.init_from, train.replay. */
int inputs_given(struct stage_work *w, const char *path, const char *sha256);

/**
 * inputs_bind(w, dirfd, path, sha256) / inputs_still(w):
 * Note what a file is, BEFORE its digest is compared with ${sha256} and before it
 * is used; inputs_still says whether all that were noted are what they were: by
 * device, inode, size, mtime and ctime, and by their bytes where these differ or
 * were too young to tell.  A file that was written to and is as it was again is
 * refused, too: nobody knows what was read.  stage_deliver asks at the end; ask
 * before anything is kept for a later attempt.
 * Owns:   ${dirfd} stays open.
 * Errors: -1, refused (input_changed), or with errno, said.
 * Checked: t/hg-train.bats, t/hg-score.bats.
 */
int inputs_bind(struct stage_work *w, int dirfd, const char *path, const char *sha256);
int inputs_still(struct stage_work *w);

/* Those noted of a directory that was the worker's own are as they were, and are looked at no more. Errors as above. */
int inputs_done(struct stage_work *w, int dirfd);

/*
 * -1 for a file that was not understood: input_invalid or input_truncated with what was said last, unless errno tells
 * of the system; input_changed where a noted file was written to, moved or removed since.
 */
int inputs_broken(struct stage_work *w);

/**
 * inputs_fault(w, kind, observed, expected):
 * A refusal for what another library found; texts that are "" are null.  The
 * detail is what was said last; input_changed as above.  Returns -1.
 */
int inputs_fault(struct stage_work *w, enum refusal_kind kind, const char *observed, const char *expected);

#endif
