#include <math.h>

#include "work/losslaw.def"
#include "work/losslaw.h"

const double losslaw_sd = LOSSLAW_SD, losslaw_text_sd = LOSSLAW_TEXT_SD;
const struct losslaw_run losslaw_least = LOSSLAW_LEAST, losslaw_most = LOSSLAW_MOST;

/* By vocabulary, rising. */
static const struct {
	double vocab_size, bpb;
} probes[] = LOSSLAW_PROBES;

#define PROBES (sizeof(probes) / sizeof(probes[0]))

double
losslaw_expect(const struct losslaw_run *r)
{
	return (LOSSLAW_E + LOSSLAW_A / pow(r->body, LOSSLAW_BODY_POWER) +
	    LOSSLAW_B / pow(r->bytes, LOSSLAW_BYTES_POWER) + LOSSLAW_C / pow(r->steps, LOSSLAW_STEPS_POWER) +
	    LOSSLAW_D / r->seq_len + LOSSLAW_F / sqrt(r->vocab_size));
}

double
losslaw_text(double probe_bpb, size_t vocab_size)
{
	const double v = fmax(probes[0].vocab_size, fmin(probes[PROBES - 1].vocab_size, (double)vocab_size));
	size_t i = 0;
	double at;

	while (i + 2 < PROBES && probes[i + 1].vocab_size <= v)
		i++;
	at = log(v / probes[i].vocab_size) / log(probes[i + 1].vocab_size / probes[i].vocab_size);
	return (probe_bpb / (probes[i].bpb + at * (probes[i + 1].bpb - probes[i].bpb)));
}
