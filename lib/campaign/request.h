#ifndef HG_REQUEST_H
#define HG_REQUEST_H

#include <jansson.h>

#include "base/sha256.h"
#include "campaign/campaign.h"

/**
 * A request is a file in/NAME.json: a partial spec.  The file is the request,
 * and the digest of its bytes its identity.
 */

enum { REQUEST_NAME = 65, REQUEST_WHY = 512 };

/* Why a request is escalated; what the owner may clear is for hg-campaign(5) to say. */
enum reason {
	REASON_NOT_JSON,
	REASON_UNREADABLE,
	REASON_SPEC_REFUSED,
	REASON_EDITED,
	REASON_THIN,
	REASON_UNROUTED,
	REASON_AMBIGUOUS,
	REASON_OUT_OF_SCOPE,
	REASON_RESERVED,
	REASON_DUPLICATE,
	REASON_UNDETECTABLE,
	REASON_ATTEMPTS,
	REASON_SAME_KIND,
	REASON_CORRUPT,
	REASONS
};
const char *request_reason(enum reason r);

struct request {
	char name[REQUEST_NAME];
	char sha256[SHA256_HEX_SIZE]; /* "" where its bytes can't be read */
	char lane[REQUEST_NAME];      /* "" while none is found */
	json_t *json;                 /* NULL: it is no JSON */
	json_t *spec;          /* the whole spec, not identified; NULL unless request_build was called and it is one */
	unsigned reasons;      /* a bit each */
	unsigned cleared;      /* those that the owner's answer clears */
	int64_t attempts;      /* by the owner's answer; 0: it says nothing of them */
	char why[REQUEST_WHY]; /* of the reason that a person must mend, or "" */
	char answer[REQUEST_WHY]; /* why the file of an owner's answer is none to this request, or "" */
};

/* Read in/FILE, or what lies at another path in the campaign, and the owner's answer. 0, or -1 with errno, said. */
int request_read(const struct campaign *c, const char *dir, const char *file, const char *name, struct request *r);

/* One more reason, unless it is cleared. ${why}, a format, is kept of the first. */
void request_because(struct request *r, enum reason reason, const char *why, ...) __attribute__((format(printf, 3, 4)));

/**
 * request_build(c, r):
 * Make the spec of a request that has no run yet, and find its lane; what stands against it are reasons.
 * Errors: -1 with errno, said: the system failed.
 */
int request_build(const struct campaign *c, struct request *r);

void request_free(struct request *r);

#endif
