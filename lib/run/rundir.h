#ifndef HG_RUNDIR_H
#define HG_RUNDIR_H

#include "run/spec.h"

/**
 * The run directory: every file name that a tool may use, in one place, and
 * the way in.  All files of a run lie directly in it, but for attempts/.
 * Nothing here follows a symbolic link out of the directory.
 */

#define RUNDIR_SPEC SPEC_FILE
#define RUNDIR_METRICS "metrics.jsonl"
#define RUNDIR_RESUME "resume.safetensors"
#define RUNDIR_CHECKPOINT "checkpoint.safetensors"
#define RUNDIR_CALIBRATION "calibration.safetensors"
#define RUNDIR_ARTIFACT "artifact.hgz"
#define RUNDIR_SCORE_DOCS "score_docs.tsv"
/* The largest file that is bound by its digest alone, the table of documents. */
#define RUNDIR_DIGEST_ONLY_MAX_BYTES ((uint64_t)1 << 30)
#define RUNDIR_SCORE_REPORT "artifact_score_report.json"
#define RUNDIR_SCORE_RESUME "score_resume.tsv"
#define RUNDIR_SCORE_LOG "score.log"
#define RUNDIR_PACE "pace.json"
#define RUNDIR_CLASSIFICATION "classification.json"
#define RUNDIR_SUMMARY "summary.json"
#define RUNDIR_PRUNED "pruned.json"
#define RUNDIR_ATTEMPTS "attempts"
#define RUNDIR_EVALS "evals"

/* Where a program trains: what it left, where it works, what it keeps for its next attempt, its messages. */
#define RUNDIR_FILES "artifact"
#define RUNDIR_TRAIN_OUT "train.out"
#define RUNDIR_TRAIN_KEEP "train.keep"
#define RUNDIR_TRAIN_LOG "train.log"
#define RUNDIR_SCORE_OUT "score.out"

/* The stages, in the order in which they are run. */
enum stage { STAGE_TRAIN, STAGE_EXPORT, STAGE_PROMPT, STAGE_SCORE, STAGE_COUNT };

/* Lengths of the longest lists below, with what ends them. */
#define RUNDIR_NAMES 6
#define RUNDIR_BINDS 9

/* How a member of a receipt, or of the report where there is one, is bound to what it was made from. */
enum rundir_bind_how {
	RUNDIR_BIND_END,     /* no more */
	RUNDIR_BIND_FILE,    /* it has the bytes and sha256 of file ${to}; null or absent, by its contract: none */
	RUNDIR_BIND_DIGEST,  /* it is the digest of file ${to} */
	RUNDIR_BIND_SPEC,    /* it is member ${to} of the spec */
	RUNDIR_BIND_RECEIPT, /* it is the digest of the receipt of ${stage} */
	RUNDIR_BIND_MEMBER   /* it is member ${to} of the receipt of ${stage} */
};

struct rundir_bind {
	enum rundir_bind_how how;
	const char *key;
	const char *to;
	enum stage stage;
};

/* What belongs to one stage. Names that a stage does not have are NULL. */
struct rundir_stage {
	const char *name;             /* "train" */
	const char *tool;             /* "hg-train" */
	int needs;                    /* the stage whose receipt this one starts from, or -1 */
	int optional;                 /* no score rests on it: a refusal stops nothing, judgement does not look at it */
	const char *lock;             /* the lock file; never unlinked */
	const char *receipt;          /* the marker, published last */
	const char *receipt_contract; /* "training_report"; of a program's runs by rundir_contract */
	const char *report;           /* a JSON file bound by the receipt, published just before it */
	const char *report_contract;
	const char *refusal; /* the other way to close out */
	const char *status;  /* progress, posted */
	const char *status_contract;
	struct {
		const char *done, *expected, *loss;
	} progress;                        /* keys of what the status file tells */
	const char *log;                   /* output of a detached stage */
	const char *outputs[RUNDIR_NAMES]; /* created; worthless, and so removed, without the receipt */
	const char *keeps[RUNDIR_NAMES];   /* survive a refusal and a retry: what the next attempt resumes from */
	const char *spent[RUNDIR_NAMES];   /* of those, what is removed once the receipt stands */
	const char *trees[RUNDIR_NAMES];   /* directories that go with the outputs */
	const char *scratch[RUNDIR_NAMES]; /* of these, what goes before the receipt stands, too */
	const char *kept_tree;             /* a directory that is kept as keeps, and then spent */
	const char *repeats[RUNDIR_NAMES]; /* keys that the receipt has as the report has them */
	const char *report_key;            /* the report's digest in the receipt */
	struct rundir_bind binds[RUNDIR_BINDS];
	/* The receipt that the stage has where a program trains (system.backend=external), if it is another one. */
	const char *external_contract;
	struct rundir_bind external_binds[RUNDIR_BINDS];
};

extern const struct rundir_stage rundir_stages[STAGE_COUNT];

/* A stage by its name, or -1. */
int rundir_stage_of(const char *name);

#define RUNDIR_ID_MAX 64

/* A run that is open. Owns all it points to; rundir_close releases it. */
struct rundir {
	int fd;                     /* the directory */
	char *path;                 /* as it was given */
	char id[RUNDIR_ID_MAX + 1]; /* its name */
	struct spec spec;           /* spec.json is NULL until rundir_load */
};

/* Can ${path} be written to a file of a run, all of which are UTF-8? 0, or -1 with errno EINVAL, said. */
int rundir_can_tell(const char *path);

/**
 * rundir_open(r, path):
 * Open the directory alone; "." stands for the working directory.
 * Errors: -1 with errno, said: EINVAL the name can't be a run's id, or its path can't be told of; ENOENT,
 * ENOTDIR, ELOOP (a symbolic link) and others of openat(2).
 */
int rundir_open(struct rundir *r, const char *path);

/* The same for NAME below a directory that is open, for whoever walks over many; prefix is said before the name. */
int rundir_open_at(struct rundir *r, int dirfd, const char *prefix, const char *name);

/**
 * rundir_load(r):
 * Read spec.json: from here on r knows whose run it is.  Asked again, it does
 * nothing.  Errors: -1 with errno, said: ENOENT there is no spec, so this is no
 * run; EBADMSG it breaks its contract or names another run.
 */
int rundir_load(struct rundir *r);

void rundir_close(struct rundir *r);

/* What a run's trainer hands over: the built-in family's weights, files that a program can score, or its word alone. */
enum rundir_evidence { RUNDIR_CHECKPOINTS, RUNDIR_ARTIFACTS, RUNDIR_CLAIMS };
enum rundir_evidence rundir_evidence(const struct rundir *r);

/* Is its trainer a program of section trainer? */
int rundir_external(const struct rundir *r);

/* Does this run have that stage at all? A claim has no export and nothing to score, files no prompt. */
int rundir_owes(const struct rundir *r, enum stage s);

/* The stage on which judgement rests. */
enum stage rundir_last(const struct rundir *r);

/* The contract of a stage's receipt in this run, and what the receipt binds. ${r} is loaded, as in all of these. */
const char *rundir_contract(const struct rundir *r, enum stage s);
const struct rundir_bind *rundir_binds(const struct rundir *r, enum stage s);

/* Remove what is of no use once a stage's outputs are there, before its receipt is. 0, or -1 with errno, said. */
int rundir_clear(const struct rundir *r, enum stage s);

/* Remove what is worthless once the stage's receipt stands; what a kill leaves of it does no harm. */
void rundir_spend(const struct rundir *r, enum stage s);

/* The exit code for an errno of rundir_open or rundir_load: usage, contract or system. */
int rundir_exit(int error);

/* Whether a regular file of that name is there: 1, 0, or -1 with errno (something else in its place: as file_open). */
int rundir_has(const struct rundir *r, const char *name);

/**
 * What the programs that an attempt starts have in their environment, "HOMEGOLF_STAGE=uid/stage/attempt": by it
 * whoever closes the stage out finds them, whatever session, group or parent they have by then.  Returns out.
 */
#define RUNDIR_MARK "HOMEGOLF_STAGE"
#define RUNDIR_MARK_SIZE 96
char *rundir_mark(const struct rundir *r, enum stage s, int attempt, char out[RUNDIR_MARK_SIZE]);

/**
 * A run in which a program of somebody else's was at work.
 * rundir_markers(r): which names of stages' outputs, receipts, reports and refusals are there, a bit each.
 * rundir_restore(r, before, name): Remove those that are not in ${before}, and whatever lies in the place of a file or
 * a directory of ours and is none; put spec.json back as rundir_load read it.
 * Returns 0 if there was nothing to do, or 1 with the name of the last in *name.  Errors: -1 with errno, said.
 */
uint64_t rundir_markers(const struct rundir *r);
int rundir_restore(const struct rundir *r, uint64_t before, const char **name);

/* The number that the next attempt of a stage has: 1 + the largest N of attempts/S.N, or -1 with errno. */
int rundir_attempt(const struct rundir *r, enum stage s);

/*
 * May a refusal that stands in the run be of that attempt?  1 if that is the next one's number, or that of one whose
 * retirement was interrupted: its folder has no refusal yet. 0 if not, -1 with errno.
 */
int rundir_refusal_fits(const struct rundir *r, enum stage s, int64_t attempt);

/*
 * Remove all that a stage may have left without its receipt: outputs and temporaries. Only under its lock. 0 or -1,
 * said.
 */
int rundir_discard(const struct rundir *r, enum stage s);

/**
 * rundir_retire(r, s, attempt):
 * Move what a refused attempt left to attempts/S.N/, the refusal last, so that
 * a kill in between leaves the stage refused and the move to be asked again.
 * Only under its lock.  0 or -1, said.
 */
int rundir_retire(const struct rundir *r, enum stage s, int attempt);

#endif
