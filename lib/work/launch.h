#ifndef HG_LAUNCH_H
#define HG_LAUNCH_H

#include <jansson.h>
#include <stdint.h>

#include "base/str.h"
#include "run/program.h"
#include "stage/stage.h"
#include "work/metrics.h"

/**
 * Running a program of somebody else's, in the worker of a stage: in a
 * directory of its own, with an environment that is known, bounded in all that
 * it may take, and ended with all that it started.
 */

/* What it may say on its standard output where that is a result, and in its log; what it may take besides. */
#define LAUNCH_RESULT_BYTES ((size_t)1 << 20)
#define LAUNCH_LOG_BYTES ((uint64_t)64 << 20)
#define LAUNCH_PROCESSES 4096
#define LAUNCH_ENTRIES 1000000
#define LAUNCH_DEPTH 32

/* From SIGTERM to SIGKILL, where its time is over. */
#define LAUNCH_STOP_MS 1000

struct launch {
	/* What to run, and where. */
	struct stage_work *w;
	const char *section; /* "trainer" */
	struct program program;
	const char *scratch;     /* its directory's name, below stage_outputs */
	const char *keep;        /* the name of the one that outlives an attempt, in the run, or NULL */
	const char *data;        /* the data directory */
	unsigned threads;        /* that it is told to use */
	int64_t life_ms;         /* how long it may live; 0: until the stage's deadline */
	int dry, says_to_log;    /* a dry run; its standard output is its log */
	int log;                 /* descriptor of the log */
	struct metrics *metrics; /* where lines that it writes to HOMEGOLF_METRICS go, or NULL */

	/* What became of it: valid once launch_prepare, and then launch_run, returned 0. */
	int at;                   /* its directory */
	char path[4096];          /* the same, absolute */
	json_t *command;          /* the words, with their replacements */
	json_t *executable;       /* {file, bytes, sha256} */
	struct str said;          /* its standard output, unless that is its log */
	int64_t lived_ms, cpu_ms; /* and cpu_ms of those whom it waited for */
	uint64_t peak_bytes;      /* resident, of all its processes together, as far as seen */
	uint64_t logged_bytes, dropped_bytes;
	int64_t kept; /* whether an earlier attempt had left something in keep */
};

/**
 * launch_prepare(l):
 * Make its directory, anew, with the program's own files, which are checked against the spec, and a copy of the spec.
 * What else it shall find there the caller adds.
 * Owns:   the caller need not free: a worker's process ends with it.
 * Errors: -1, refused (trainer_missing where something of the program is not there, or not what it was), or with errno,
 * said.
 */
int launch_prepare(struct launch *l);

/**
 * launch_run(l):
 * Run it to its end.  A signal to the stage and the end of its time end it, and so does what goes over a bound; then
 * nothing that it started is left, nor anything that it put where the run's own files are, and spec.json is as it was.
 * Errors: -1, refused (trainer_failed, result_invalid, out_of_memory), or stopped, or with errno, said.
 */
int launch_run(struct launch *l);

#endif
