#ifndef HG_REFUSALKIND_H
#define HG_REFUSALKIND_H

/* Why a stage closed out without its receipt: the kinds of hg-refusal(5), in the order in which they are listed. */
enum refusal_kind {
	REFUSAL_NONE, /* nothing is refused */
#define REFUSAL_KIND(id, name, retryable, meaning, next) REFUSAL_##id,
#include "schema/refusalkind.def"
	REFUSAL_COUNT
};

#endif
