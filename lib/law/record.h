#ifndef HG_RECORD_H
#define HG_RECORD_H

#include <jansson.h>
#include <stdint.h>

#include "law/policy.h"

/**
 * A run as judgement knows it: the member `run` of a ledger row, filled once
 * from verified receipts (judge/runrecord.c) or from a row (ledger/row.c).
 * Texts and lists are borrowed; digests are named by what they are of.
 */

enum { RECORD_NONE = -1 }; /* no such count, no cap */

enum record_from { RECORD_OWN, RECORD_SPEC, RECORD_TRAIN, RECORD_EXPORT, RECORD_SCORE, RECORD_SOURCES };

struct record_metrics {
	double of[POLICY_METRICS]; /* by enum policy_metric; NAN where it was not measured */
};

struct run_record {
#define RECORD_TEXT(member) const char *member
#define RECORD_NAME(member) const char *member
#define RECORD_COUNT(member) int64_t member
#define RECORD_CAP(member) int64_t member
#define RECORD_REAL(member) double member
#define RECORD_FLAG(member) int member
#define RECORD_YES(member) int member
#define RECORD_LIST(member) const json_t *member
#define RECORD_METRICS(member) struct record_metrics member
#define MEMBER(type, member, key, from, path) RECORD_##type(member);
#define MEMBER_SINCE(version, type, member, key, from, path) RECORD_##type(member);
#define METRIC(type, metric, from, path)
#include "law/record.def"
	uint16_t asked; /* of settings that a scan left unread: see struct standings_fact */
};

#endif
