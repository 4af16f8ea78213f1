#ifndef HG_CAMPAIGN_H
#define HG_CAMPAIGN_H

#include <jansson.h>
#include <stdint.h>

#include "base/str.h"

/**
 * A campaign's directory and what its owner decided, hg-campaign(5).
 * Checked: t/hg-triage.bats.
 */

#define CAMPAIGN_FILE "campaign.json"
#define CAMPAIGN_REQUESTS "in"
#define CAMPAIGN_ANSWERS "admit"
#define CAMPAIGN_RUNS "runs"
#define CAMPAIGN_LEDGER "ledger"
#define CAMPAIGN_HALT "halt"
#define CAMPAIGN_GO_ON "go_on"
#define CAMPAIGN_LOG "campaign.log"
#define CAMPAIGN_LOCK ".lock" /* held while a run is minted */

struct campaign {
	char *path;        /* as it was given */
	int fd;            /* the directory */
	json_t *json;      /* campaign.json */
	int64_t within_ms; /* what would not end within that time waits; 0: it need not */
};

/**
 * campaign_open(c, path):
 * Owns:   campaign_close releases it.
 * Errors: -1 with errno, said: ENOENT no campaign there; EBADMSG campaign.json breaks its contract, or names a lane in
 *         a route or a key that is none; others.
 */
int campaign_open(struct campaign *c, const char *path);
void campaign_close(struct campaign *c);

/* A member, or what the contract says where it is absent. Borrowed. */
const json_t *campaign_get(const struct campaign *c, const char *key);
const char *campaign_word(const struct campaign *c, const char *key);
int64_t campaign_count(const struct campaign *c, const char *key);

/* A lane's member of campaign.json, or NULL. */
const json_t *campaign_lane(const struct campaign *c, const char *name);

/* Does a key fit one of the patterns of a list? */
int campaign_fits(const json_t *patterns, const char *key);

/* A path from the campaign's directory on, as a person where the tool was called would type it. 0, or -1, said. */
int campaign_place(const struct campaign *c, const char *name, struct str *out);

/* Is somebody's word that nothing is to be begun there? */
int campaign_halted(const struct campaign *c);

/*
 * Does the owner's answer, the first word of go_on, say to go on in spite of the stop rule, which was judged at the
 * ledger's last row, whose digest is ${head}?  1; 0: there is none; -1: it is about another row.
 */
int campaign_goes_on(const struct campaign *c, const char *head);

#endif
