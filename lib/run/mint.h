#ifndef HG_MINT_H
#define HG_MINT_H

#include <jansson.h>

/**
 * A run comes to be: its directory is made and its spec published, so that
 * whoever is killed, or wants the same name at the same time, leaves a whole
 * run, or none.  A directory that holds anything else is never touched.
 */

/* Where the run goes, cut apart. */
struct mint_place {
	char dir[4096];   /* "" is the root */
	const char *name; /* within dir's storage */
};

/**
 * mint_place(p, path):
 * Cut a path.  A run's name is its id, and the way to it is written straight.
 * Errors: -1, said.
 */
int mint_place(struct mint_place *p, const char *path);

/**
 * mint_run(p, path, spec):
 * Make the run at ${p}, called ${path} in messages, with a spec as specrequest_build made it; it is identified here.
 * The very same spec there already is fine, another one stays.  Returns an exit code, everything said.
 */
int mint_run(const struct mint_place *p, const char *path, json_t *spec);

/* As mint_run, at DIR/PREFIX-N for a free N that no two callers get; prints the path. */
int mint_next(const struct mint_place *p, json_t *spec);

/*
 * 1 if nothing is in the directory but what whoever makes a run, and was killed or met a full disk, may leave: mint_run
 * makes the run there.  Else 0; -1 with errno.
 */
int mint_is_fresh(int rundir);

/* The exit code for an errno of specrequest and its like. */
int mint_exit(int error);

#endif
