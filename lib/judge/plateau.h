#ifndef HG_PLATEAU_H
#define HG_PLATEAU_H

#include "ledger.h"

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
	double power, screen, confirm;
};

/* For the group that was judged last. */
struct plateau_view plateau_look(const struct book *b);

unsigned plateau_patience(double miss, double success_rate, double power);

/* Print the view with its reasoning; returns the exit code: DONE stop, NO go on, PENDING pause or unknown. */
int plateau_print(const struct ledger *l, const struct plateau_view *v);

#endif
