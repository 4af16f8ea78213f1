#ifndef HG_GATE_H
#define HG_GATE_H

#include <jansson.h>

#include "run/rundir.h"
#include "base/sha256.h"
#include "run/state.h"

/**
 * The gate: is everything that a stage owes there, complete, of this run,
 * valid, and bound by digest through the chain
 *   score -> export -> training -> spec?
 * hg-gate, hg-run, hg-classify and hg-ledger all ask here, so that there is no
 * way around it.  What it read and verified it hands on, so that whoever builds
 * upon it reads nothing twice.
 */

enum gate_problem {
	GATE_UNFINISHED, /* pending: the stage has not begun, or is at work */
	GATE_MISSING,    /* pending: a file that a receipt names is not there */
	GATE_REFUSED,    /* no: the stage closed out by a refusal */
	GATE_OTHER_RUN,  /* no: the file is of another run, spec, stage or attempt */
	GATE_ALTERED,    /* no: a file's bytes are not those that its receipt names */
	GATE_UNBOUND,    /* no: a receipt was made from other bytes than those that are here */
	GATE_DIFFERS,    /* no: the run executed something else than its spec asks for, or a sum is wrong */
	GATE_PARTIAL,    /* no: fewer documents were scored than the law says */
	GATE_MALFORMED,  /* contract: a file breaks its contract */
	GATE_CORRUPT,    /* contract: a stage has both a receipt and a refusal */
	GATE_PRUNED,     /* none: hg-prune removed the file, whose digest was the receipt's */
	GATE_PROBLEMS
};

struct gate {
	struct rundir *run;
	enum stage stage;
	enum state states[STAGE_COUNT];
	json_t *receipt[STAGE_COUNT];                      /* valid and of this run, or NULL */
	char receipt_sha256[STAGE_COUNT][SHA256_HEX_SIZE]; /* of its bytes */
	json_t *report;                                    /* artifact_score_report.json likewise */
	char report_sha256[SHA256_HEX_SIZE];
	json_t *refusal[STAGE_COUNT]; /* of stages that are refused */
	json_t *findings; /* array: {stage, file, problem, expected, observed, detail}; empty if all is well */
	json_t *pruned;   /* likewise, of files that are missing on purpose: nothing that anybody owes */
	unsigned count[GATE_PROBLEMS];
};

/**
 * gate_gather(e, r, s):
 * Look at all that stage ${s} of ${r} owes, stages before it included; close out
 * the dead first.  Every problem is found at once.  The same files give the
 * same findings.
 * Owns:   ${r} is borrowed; gate_free releases the rest.
 * Errors: -1 with errno, said, when it could not be found out (I/O, memory).
 */
int gate_gather(struct gate *e, struct rundir *r, enum stage s);

/* The answer: HG_EXIT_DONE, HG_EXIT_NO, HG_EXIT_PENDING or HG_EXIT_CONTRACT. */
int gate_verdict(const struct gate *e);

void gate_free(struct gate *e);

/* After a failed read: is it the file that is at fault, or the system that could not read it? */
int gate_at_fault(int error);

#endif
