/* What follows from facts, kept and taken up again, against what follows from applying all of them. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/exit.h"
#include "base/rng.h"
#include "law/settled.h"
#include "t/unit/tap.h"

enum { FACTS = 3000, GROUPS = 2, LANES = 2, CONFIGS = 40 };

static struct standings_fact facts[FACTS];
static struct policy policy;
static uint64_t state;

static uint64_t
below(uint64_t n)
{
	state += 0x9e3779b97f4a7c15;
	return (rng_mix(state) % n);
}

/* A run, of the kind that a slot of an open plan asks for where there is one and chance will have it. */
static void
make_run(struct standings_fact *f, const struct standings *b)
{
	static const uint8_t reasons[] = { VERDICT_FIRST, VERDICT_REPLICATE, VERDICT_PROMISING, VERDICT_SECOND,
		VERDICT_SLOT, VERDICT_SLOT, VERDICT_OUTRUN, VERDICT_STARVED, VERDICT_SAME_REPLICATE };
	const struct standings_plan *p = standings_open_plan(b, 0);
	const struct standings_slot *s;
	int m;

	f->kind = STANDINGS_RUN;
	f->run = below(1500) + 1;
	f->attempt = (uint32_t)below(3) + 1;
	f->group = below(GROUPS) + 1;
	f->lane = below(LANES) + 1;
	f->config = below(CONFIGS) + 1;
	f->seed = (int64_t)below(50);
	f->begins = (int64_t)below(3);
	f->init = below(4) == 0 ? below(3) + 1 : 0;
	f->artifact = below(200);
	f->klass = (uint8_t)below(VERDICT_CLASSES);
	f->reason = reasons[below(sizeof(reasons))];
	f->interrupted = below(5) == 0;
	f->starved = below(9) == 0;
	f->diverged = below(9) == 0;
	f->stream = 1000;
	for (m = 0; m < POLICY_METRICS; m++)
		f->metric[m] = below(30) == 0 ? NAN : 2 + (double)below(1000) / 1000;
	if (p == NULL || below(3) == 0)
		return;
	s = &p->slot[below(2 * p->n)];
	f->group = p->group;
	f->lane = p->lane;
	f->config = s->challenger ? p->config : p->other;
	f->seed = s->seed;
	f->init = 0;
	f->begins = s->offset % f->stream;
	f->reason = VERDICT_SLOT;
	f->klass = VERDICT_NOISE;
	if (s->taken != 0)
		f->run = s->taken;
}

static void
make(struct standings_fact *f, const struct standings *b, size_t i)
{
	static const uint8_t ends[] = { VERDICT_CONFIRMED, VERDICT_NOT_CONFIRMED, VERDICT_WORSE, VERDICT_ABANDONED };
	const struct standings_plan *p = standings_open_plan(b, 0);

	memset(f, 0, sizeof(*f));
	f->row = i + 1;
	f->at_ms = f->started_ms = (int64_t)i + 1;
	switch (i == 0 ? 99 : below(60)) {
	case 0:
	case 1:
		f->kind = STANDINGS_PLAN;
		f->n = (uint32_t)below(4) + 2;
		f->nonce = below(UINT64_MAX);
		f->group = below(GROUPS) + 1;
		f->lane = below(LANES) + 1;
		f->config = below(CONFIGS) + 1;
		f->other = below(CONFIGS) + 1;
		f->campaign = below(3) + 1;
		f->announced = below(2) == 0;
		f->place[0] = f->place[1] = policy.law >= 3 ? STANDINGS_PAIRED : STANDINGS_ANYWHERE;
		f->prior.level = 0.001;
		break;
	case 2:
		f->kind = STANDINGS_VERDICT;
		f->plan = p == NULL ? 0 : p->row;
		f->n = p == NULL ? 0 : standings_whole(p);
		f->reason = ends[below(sizeof(ends))];
		f->klass = f->reason == VERDICT_CONFIRMED ? VERDICT_IMPROVEMENT : VERDICT_NOISE;
		break;
	case 3:
		f->kind = STANDINGS_CALIBRATION;
		f->group = below(GROUPS) + 1;
		f->lane = below(LANES) + 1;
		f->config = below(CONFIGS) + 1;
		f->n = 5;
		break;
	case 4:
		f->kind = STANDINGS_BASE;
		f->group = below(GROUPS) + 1;
		f->lane = below(LANES) + 1;
		f->config = below(CONFIGS);
		break;
	case 5:
	case 6:
	case 7:
		f->kind = STANDINGS_TAKE;
		f->plan = p == NULL ? 0 : p->row;
		f->n = p == NULL ? 0 : (uint32_t)below(2 * p->n) + 1;
		f->run = below(1500) + 1;
		f->lane = p == NULL ? 0 : p->lane;
		f->interrupted = below(6) == 0;
		break;
	case 99:
		f->kind = STANDINGS_POLICY;
		f->campaign = 1;
		f->prior.level = 0.05;
		break;
	default:
		make_run(f, b);
	}
}

/* A book of all facts, of which the first ${n} follow from an image. */
static void
begin(struct standings *b)
{
	standings_init(b);
	if (standings_policy(b, &policy) == -1)
		abort();
}

/* The image of all, where the first ${n} were settled before (0: none were). */
static char *
image_of(size_t n, size_t count, size_t *bytes)
{
	struct standings b;
	char *half = NULL, *all;
	size_t size;

	begin(&b);
	if (n != 0) {
		half = image_of(0, n, &size);
		if (settled_take(&b, half, size, n) == -1)
			abort();
	}
	if (standings_adopt(&b, facts, count) == -1)
		abort();
	all = settled_image(&b, bytes);
	standings_free(&b);
	free(half);
	return (all);
}

static void
one_law(unsigned law)
{
	static const size_t at[] = { 1, 2, 100, 777, 1500, 2999, 3000 };
	struct standings one, other;
	char *whole, *again;
	size_t bytes, size, i, wrong = 0, plans, closed = 0, k;

	memset(&policy, 0, sizeof(policy));
	policy.law = law;
	strcpy(policy.campaign.name, "first");
	policy.campaign.alpha = 0.05;
	policy.campaign.confirmations = 8;
	policy.metric.sign = 1;
	policy.noise.ln_sigma_sd = 0.42;
	policy.noise.floor = 1e-4;
	begin(&one);
	for (i = 0; i < FACTS; i++) {
		make(&facts[i], &one, i);
		if (standings_apply(&one, &facts[i]) == -1)
			abort();
	}
	plans = one.plan_count;
	for (k = 0; k < plans; k++)
		closed += (size_t)one.plans[k].closed;
	tap_ok(plans > 20 && closed > 5 && one.group_count == GROUPS && one.kept_count > 10 &&
		(law == 1 || one.given.count > 10),
	    "law %u: of %zu plans %zu are closed, %zu configurations have a standing", law, plans, closed,
	    one.kept_count);
	whole = settled_image(&one, &bytes);
	again = image_of(0, FACTS, &size);
	tap_ok(size == bytes && memcmp(whole, again, bytes) == 0,
	    "law %u: facts added one by one and found all there say the same", law);
	free(again);
	for (i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		again = image_of(at[i], FACTS, &size);
		wrong += size != bytes || memcmp(whole, again, bytes) != 0;
		free(again);
	}
	tap_ok(wrong == 0, "law %u: whatever was settled of them before, the same follows", law);
	begin(&other);
	wrong = settled_take(&other, whole, bytes, FACTS - 1) != -1;
	for (i = 0; i < bytes; i += bytes / 50 + 1)
		wrong += settled_take(&other, whole, i, FACTS) != -1;
	other.policy.noise.floor *= 2;
	wrong += settled_take(&other, whole, bytes, FACTS) != -1;
	tap_ok(wrong == 0 && standings_count(&other) == 0 && other.config_count == 0,
	    "law %u: no image of other facts, none that is torn, and none under another policy is taken", law);
	standings_free(&other);
	free(whole);
	standings_free(&one);
}

/* Whatever bytes stand in an image: what is taken can be freed, and every number in it leads somewhere. */
static void
spoilt(void)
{
	size_t bytes, i, taken = 0, k;
	struct standings b;
	char *whole, *copy;

	whole = image_of(0, FACTS, &bytes);
	copy = malloc(bytes);
	for (i = 0; i < 3000; i++) {
		memcpy(copy, whole, bytes);
		for (k = below(3) + 1; k > 0; k--)
			copy[below(k == 1 ? bytes : sizeof(b))] ^= (char)(1 << below(8));
		begin(&b);
		if (settled_take(&b, copy, bytes, FACTS) == 0 && standings_adopt(&b, facts, FACTS) == 0) {
			taken++;
			(void)standings_run(&b, facts[7].run, 0);
			(void)standings_history(&b, &facts[7], 2);
			(void)standings_pool(&b, 1, 1, 0, 0, POLICY_VAL_LOSS);
			for (k = 0; k < b.plan_count; k++)
				(void)standings_pairs(&b, &b.plans[k], POLICY_VAL_LOSS);
		}
		standings_free(&b);
	}
	tap_ok(taken > 0, "of 3000 images with bits turned over %zu are taken, and none leads out of itself", taken);
	free(copy);
	free(whole);
}

int
main(void)
{
	exit_init("settled");
	for (state = 1; state <= 3; state++) {
		const uint64_t law = state;

		one_law((unsigned)law);
		state = law;
	}
	spoilt();
	return (tap_done());
}
