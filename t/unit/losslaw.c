/* The planner's law of loss: more of anything never costs, and a text is as hard as its probe says. */
#include <math.h>

#include "t/unit/tap.h"
#include "work/losslaw.h"

static double
with(const struct losslaw_run *base, size_t member, double factor)
{
	struct losslaw_run r = *base;
	double *const members[] = { &r.body, &r.bytes, &r.steps, &r.seq_len, &r.vocab_size };

	*members[member] *= factor;
	return (losslaw_expect(&r));
}

static void
more_never_costs(void)
{
	static const char *const names[] = { "parameters", "text", "steps", "context", "vocabulary" };
	const struct losslaw_run *const bases[] = { &losslaw_least, &losslaw_most };
	size_t b, m;

	for (m = 0; m < sizeof(names) / sizeof(names[0]); m++)
		for (b = 0; b < 2; b++)
			tap_ok(with(bases[b], m, 2) <= with(bases[b], m, 1),
			    "all else equal, twice the %s is expected to score no worse, from the %s run fitted",
			    names[m], b == 0 ? "smallest" : "largest");
}

/* What was measured of the dictionary, examples/campaigns/law/probes.tsv. */
static void
texts(void)
{
	tap_ok(fabs(losslaw_text(2.635, 1024) - 1) < 1e-9 && fabs(losslaw_text(2.3675, 8192) - 1) < 1e-9,
	    "the law's own text is as hard as itself, whatever its vocabulary");
	tap_ok(fabs(losslaw_text(2 * 2.4061, 4096) - 2) < 1e-9, "a text of twice the probe's loss is twice as hard");
	tap_ok(losslaw_text(2.55, 1448) > losslaw_text(2.55, 1024) &&
		losslaw_text(2.55, 1448) < losslaw_text(2.55, 2048),
	    "between two vocabularies that were measured the probe's loss is between theirs");
	tap_ok(losslaw_text(2.635, 256) == 1 && losslaw_text(2.3675, 50000) == 1,
	    "beyond them it is that of the nearest");
}

int
main(void)
{
	tap_ok(losslaw_sd > 0 && losslaw_sd < 0.1 && losslaw_text_sd > 0, "the law says how well it fits");
	more_never_costs();
	texts();
	return (tap_done());
}
