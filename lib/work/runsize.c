#include "base/say.h"
#include "gpt/params.h"
#include "work/runsize.h"

unsigned
runsize_warnings(const struct runsize *z)
{
	const double tokens = (double)z->steps * (double)z->batch_tokens;
	unsigned w = 0;

	if (z->steps == 0)
		return (0);
	if (z->momentum_steps >= z->steps)
		w |= RUNSIZE_MOMENTUM;
	if (z->params != 0 && tokens < (double)z->params * RUNSIZE_TOKENS_PER_PARAM)
		w |= RUNSIZE_FEW_TOKENS;
	if (z->steps < RUNSIZE_STEPS)
		w |= RUNSIZE_FEW_STEPS;
	if (z->train_tokens != 0 && tokens > (double)z->train_tokens)
		w |= RUNSIZE_AGAIN;
	return (w);
}

void
runsize_tell(const struct runsize *z, int over)
{
	const double tokens = (double)z->steps * (double)z->batch_tokens;
	const unsigned w = runsize_warnings(z);

	if ((w & RUNSIZE_MOMENTUM) != 0)
		say_note("Muon's momentum never %s its full value: train.muon_momentum_warmup_steps %llu, and %llu "
			 "steps; train.muon_momentum_warmup_frac goes by the length of the run",
		    over ? "reached" : "reaches", (unsigned long long)z->momentum_steps, (unsigned long long)z->steps);
	if ((w & RUNSIZE_FEW_TOKENS) != 0)
		say_note("%.2g tokens a parameter: under %d, and a smaller model may do better in this time",
		    tokens / (double)z->params, RUNSIZE_TOKENS_PER_PARAM);
	if ((w & RUNSIZE_FEW_STEPS) != 0)
		say_note("%llu steps: under %d, what helps here need not help a longer run",
		    (unsigned long long)z->steps, RUNSIZE_STEPS);
	if ((w & RUNSIZE_AGAIN) != 0)
		say_note("%.2f epochs: %.0f tokens of training, and the data hold %llu, so that text %s again",
		    tokens / (double)z->train_tokens, tokens, (unsigned long long)z->train_tokens,
		    over ? "came" : "comes");
}

void
runsize_of(struct runsize *z, const struct trainspec *r, uint64_t train_tokens)
{
	const struct schedule *s = &r->schedule;

	*z = (struct runsize){ .steps = s->iterations,
		.batch_tokens = r->batch_tokens,
		.params = params_sizes(&r->config).n,
		.momentum_steps = r->law.muon_momentum_warmup_steps,
		.train_tokens = s->law == SCHEDULE_WALLCLOCK ? 0 : train_tokens };
	if (s->law == SCHEDULE_REPLAY && s->scales == NULL)
		z->steps = 0;
	/* Where both ends are the same nothing rises; a rise by share of the run ends with it. */
	if (r->law.muon_momentum_warmup_start == r->law.muon_momentum || s->momentum_rise_frac > 0)
		z->momentum_steps = 0;
}
