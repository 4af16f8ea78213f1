#ifndef HG_PLATEAU_H
#define HG_PLATEAU_H

#include "base/str.h"
#include "law/standings.h"

/**
 * When to stop: m valid comparable challengers in a row without a confirmed
 * gain, where m makes the chance of stopping too early `miss`, if a share r of
 * challengers were better by the gain that confirmations are made for, and
 * each of them were found with the power actually reached:
 *	m = ceil(ln miss / ln(1 - r power))
 */
enum plateau { PLATEAU_STOP, PLATEAU_GO_ON, PLATEAU_PAUSE, PLATEAU_UNKNOWN };

struct plateau_view {
	enum plateau what;
	unsigned m, resolved, waiting, failures;
	int spent; /* no confirmation is left, and none is open */
	double power, screen, confirm;
};

/* For the group that was judged last. */
struct plateau_view plateau_look(const struct standings *b);

/* The word alone, for who does not tell why: at once where that can't be to stop. */
enum plateau plateau_word(const struct standings *b);

/* "stop", "go on", "pause", "unknown". */
const char *plateau_name(enum plateau what);

/* The view's reasoning in words, a sentence or more a line. 0, or -1 with errno ENOMEM. */
int plateau_tell(const struct plateau_view *v, const struct standings *b, struct str *why);

#endif
