#ifndef HG_RECEIPT_H
#define HG_RECEIPT_H

#include <jansson.h>

#include "run/runlock.h"
#include "run/rundir.h"

/**
 * Receipts and refusals have one form: who and what comes first, then the
 * keys of their own, then owner and times.
 */

/* schema, run_id, run_uid, stage, attempt, spec_sha256. Owns: the caller decrefs. NULL with errno ENOMEM. */
json_t *receipt_begin(const struct rundir *r, enum stage s, const char *contract, int attempt);

/* {pid, start_time, boot_id, host} of a process. */
json_t *receipt_owner(const struct proc_id *id);

/**
 * receipt_publish(r, s, lock, body):
 * Close out stage ${s} by its receipt, whose own keys are those of ${body}.
 * For a stage that has a report, ${body} is {"report": {..}, "receipt": {..}}:
 * the report is published first and the receipt gets its digest as
 * CONTRACT_sha256.  The caller holds the lock; ${r} is loaded.
 * Returns 0; 1 if the stage had closed out already; -1 with errno, said:
 * EBADMSG if the result breaks its contract, and then nothing is published.
 */
int receipt_publish(const struct rundir *r, enum stage s, const struct runlock *lock, const json_t *body);

#endif
