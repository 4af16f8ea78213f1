#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/hash.h"
#include "law/standings.h"
#include "base/rng.h"

void
standings_init(struct standings *b)
{
	memset(b, 0, sizeof(*b));
}

/* All that follows from facts. */
static void
forget(struct standings *b)
{
	free(b->marks);
	free(b->configs);
	free(b->kept);
	hash_free(&b->table);
	hash_free(&b->given);
	free(b->stats);
	free(b->groups);
	free(b->lanes);
	free(b->plans);
	free(b->campaigns);
}

void
standings_free(struct standings *b)
{
	free(b->more);
	forget(b);
	memset(b, 0, sizeof(*b));
}

uint64_t
standings_tag(const char *hex)
{
	uint64_t x = 0;
	int i, c;

	if (hex == NULL)
		return (0);
	for (i = 0; i < 16 && hex[i] != '\0'; i++) {
		c = hex[i];
		x = x << 4 | (uint64_t)(c >= '0' && c <= '9' ? c - '0' : (c | 32) - 'a' + 10);
	}
	return (x);
}

uint64_t
standings_text_tag(const char *text)
{
	uint64_t x = rng_mix(hash_text(text));

	return (x == 0 ? 1 : x);
}

uint64_t
standings_lane_tag(const char *name, int64_t cap_ms)
{
	uint64_t x = rng_mix(standings_text_tag(name) ^ rng_mix((uint64_t)cap_ms));

	return (x == 0 ? 1 : x);
}

size_t
standings_count(const struct standings *b)
{
	return (b->bases + b->mores);
}

const struct standings_fact *
standings_fact(const struct standings *b, size_t i)
{
	const size_t block = i / STANDINGS_BLOCK;

	assert(i < standings_count(b));
	if (i >= b->bases)
		return (&b->more[i - b->bases]);
	if (b->unseen != NULL && (b->unseen[block / 64] >> block % 64 & 1) != 0) {
		b->unseen[block / 64] &= ~((uint64_t)1 << block % 64);
		b->see(b->see_arg, block);
	}
	return (&b->base[i]);
}

static const struct standings_mark *
mark_at(const struct standings *b, size_t i)
{
	return (i < b->settled_count ? &b->settled[i] : &b->marks[i - b->settled_count]);
}

const struct standings_fact *
standings_run(const struct standings *b, uint64_t run, unsigned attempt)
{
	const struct standings_fact *f;
	size_t i;

	for (i = b->mark_count; i-- > 0;) {
		if (mark_at(b, i)->run != (uint32_t)run)
			continue;
		f = standings_fact(b, i);
		if (f->run == run && f->kind == STANDINGS_RUN && (attempt == 0 || f->attempt == attempt))
			return (f);
	}
	return (NULL);
}

/* Does a run show, if it is sound, how good its configuration is? */
static int
screens(const struct standings_fact *f)
{
	return (f->kind == STANDINGS_RUN &&
	    (f->reason == VERDICT_OUTRUN || verdict_reason_counts((enum verdict_reason)f->reason) == VERDICT_SCREEN));
}

static struct standings_mark
mark_of(const struct standings_fact *f)
{
	const uint64_t again = (uint64_t)f->begins * 0x9e3779b97f4a7c15 ^ f->init ^
	    (f->init != 0 ? 0 : (uint64_t)f->seed);

	return ((struct standings_mark){ .run = (uint32_t)f->run,
	    .artifact = (uint32_t)f->artifact,
	    .config = ((uint32_t)f->config & ~1U) | (uint32_t)screens(f),
	    .again = (uint32_t)again });
}

/* May a row be of the history of a run with the mark ${f}? Else it has none of what would make it so. */
static int
may_tell(const struct standings_mark *x, const struct standings_mark *f, int any)
{
	return (x->run == f->run || x->artifact == f->artifact ||
	    ((x->config ^ f->config) < 2 && (any || (x->config & 1) != 0 || x->again == f->again)));
}

int
standings_replicate(const struct standings_fact *a, const struct standings_fact *b)
{
	return (a->begins == b->begins && a->init == b->init && (a->init != 0 || a->seed == b->seed));
}

int
standings_starved(const struct standings *b, const struct standings_fact *f)
{
	return (f->starved && (b->policy.law < 2 || f->clocked));
}

struct standings_history
standings_history(const struct standings *b, const struct standings_fact *f, uint64_t rival)
{
	const struct standings_mark mark = mark_of(f);
	struct standings_history h = { .screening = NULL };
	const struct standings_fact *x;
	size_t i;

	for (i = b->mark_count; i-- > 0;) {
		/* Law 1 takes a seed for all that there is to a run. */
		if (!may_tell(mark_at(b, i), &mark, b->policy.law < 2))
			continue;
		x = standings_fact(b, i);
		if (x->config != f->config && (x->artifact != f->artifact || f->artifact == 0))
			continue;
		/* A run of the ledger that is judged again is no history of itself, nor a copy of later ones. */
		if (f->run != 0 && x->run == f->run && x->attempt == f->attempt) {
			h.twin = h.copy = NULL;
			if (b->policy.law >= 3) {
				h.screening = NULL;
				h.screenings = 0;
			}
			continue;
		}
		if (x->kind != STANDINGS_RUN || x->group != f->group)
			continue;
		/* One that was outrun screens, and is no run that another could be again. */
		if (x->reason == VERDICT_OUTRUN && x->config == f->config && x->lane == f->lane)
			h.screening = x;
		if (x->klass > VERDICT_REGRESSION)
			continue;
		if (x->config == rival && x->artifact == f->artifact && f->artifact != 0)
			h.same_artifact = 1;
		if (x->config != f->config || x->lane != f->lane)
			continue;
		if (verdict_reason_counts((enum verdict_reason)x->reason) == VERDICT_SCREEN) {
			h.screening = x;
			h.screenings++;
		}
		if (standings_starved(b, x))
			continue;
		if (b->policy.law < 2 ? x->seed == f->seed : standings_replicate(x, f))
			h.twin = x;
		else if (b->policy.law >= 2 && x->artifact == f->artifact && f->artifact != 0)
			h.copy = x;
	}
	return (h);
}

const struct standings_fact *
standings_screening(const struct standings *b, uint64_t group, uint64_t lane, uint64_t config)
{
	const struct standings_fact *x;
	size_t i;

	for (i = b->mark_count; i-- > 0;) {
		if (mark_at(b, i)->config != ((uint32_t)config | 1))
			continue;
		x = standings_fact(b, i);
		if (x->kind == STANDINGS_RUN && x->config == config && x->group == group && x->lane == lane &&
		    x->klass <= VERDICT_REGRESSION &&
		    verdict_reason_counts((enum verdict_reason)x->reason) == VERDICT_SCREEN)
			return (x);
	}
	return (NULL);
}

size_t
standings_incumbent(const struct standings *b, const struct standings_group *g, uint64_t lane)
{
	const struct standings_fact *f;
	size_t i;

	if (standings_fact(b, g->reference)->lane == lane)
		return (g->reference + 1);
	for (i = standings_count(b); i-- > 0;) {
		f = standings_fact(b, i);
		if (f->kind == STANDINGS_RUN && f->group == g->group && f->config == g->incumbent && f->lane == lane &&
		    f->klass <= VERDICT_REGRESSION)
			return (i + 1);
	}
	return (0);
}

const struct standings_fact *
standings_row(const struct standings *b, uint64_t row)
{
	const struct standings_fact *f;
	size_t i;

	for (i = standings_count(b); i-- > 0;) {
		f = standings_fact(b, i);
		if (f->row == row)
			return (f);
	}
	return (NULL);
}

struct standings_group *
standings_group(const struct standings *b, uint64_t group)
{
	size_t i;

	for (i = 0; i < b->group_count; i++)
		if (b->groups[i].group == group)
			return (&b->groups[i]);
	return (NULL);
}

static struct standings_group *
group_of(struct standings *b, uint64_t group)
{
	struct standings_group *g, *array;

	if ((g = standings_group(b, group)) != NULL)
		return (g);
	if ((array = array_few(b->groups, b->group_count, sizeof(*array))) == NULL)
		return (NULL);
	b->groups = array;
	g = &array[b->group_count++];
	memset(g, 0, sizeof(*g));
	g->group = group;
	return (g);
}

const struct standings_lane *
standings_lane(const struct standings *b, uint64_t group, uint64_t lane)
{
	size_t i;

	for (i = 0; i < b->lane_count; i++)
		if (b->lanes[i].group == group && b->lanes[i].lane == lane)
			return (&b->lanes[i]);
	return (NULL);
}

static struct standings_lane *
lane_of(struct standings *b, uint64_t group, uint64_t lane)
{
	const struct standings_lane *l = standings_lane(b, group, lane);

	return (l == NULL ? NULL : &b->lanes[l - b->lanes]);
}

static uint64_t
key_of(uint64_t group, uint64_t lane, uint64_t config)
{
	return (config ^ (group * 0x9e3779b97f4a7c15) ^ (lane << 1 | lane >> 63));
}

const struct standings_config *
standings_config(const struct standings *b, uint64_t group, uint64_t lane, uint64_t config)
{
	const struct standings_config *c;
	const size_t *found;
	size_t at = 0;

	/* Runs come in rows: mostly it is the one that was asked for last. */
	if (b->last_config != 0) {
		c = &b->configs[b->last_config - 1];
		if (c->config == config && c->group == group && c->lane == lane)
			return (c);
	}
	while ((found = hash_find(&b->table, key_of(group, lane, config), &at)) != NULL) {
		c = &b->configs[*found - 1];
		if (c->config == config && c->group == group && c->lane == lane)
			return (c);
	}
	return (NULL);
}

static struct standings_config *
config_of(struct standings *b, uint64_t group, uint64_t lane, uint64_t config)
{
	const struct standings_config *known;
	struct standings_config *array, *c;

	if ((known = standings_config(b, group, lane, config)) != NULL) {
		b->last_config = (size_t)(known - b->configs) + 1;
		return (&b->configs[known - b->configs]);
	}
	if ((array = array_room(b->configs, b->config_count, &b->config_cap, sizeof(*array))) == NULL)
		return (NULL);
	b->configs = array;
	if (hash_add(&b->table, key_of(group, lane, config), b->config_count + 1) == -1)
		return (NULL);
	c = &array[b->config_count++];
	memset(c, 0, sizeof(*c));
	c->group = group;
	c->lane = lane;
	c->config = config;
	return (c);
}

static const struct standings_stats *
standings_stats(const struct standings *b, const struct standings_config *c)
{
	return (c == NULL || c->stats == 0 ? NULL : &b->stats[c->stats - 1]);
}

static struct standings_stats *
stats_of(struct standings *b, struct standings_config *c)
{
	struct standings_stats *array;
	uint32_t *kept, index = (uint32_t)(c - b->configs);
	size_t i;

	if (c->stats == 0) {
		if ((kept = array_room(b->kept, b->kept_count, &b->kept_cap, sizeof(*kept))) == NULL)
			return (NULL);
		b->kept = kept;
		for (i = b->kept_count++; i > 0 && kept[i - 1] > index; i--)
			kept[i] = kept[i - 1];
		kept[i] = index;
		if ((array = array_room(b->stats, b->stats_count, &b->stats_cap, sizeof(*array))) == NULL)
			return (NULL);
		b->stats = array;
		memset(&array[b->stats_count++], 0, sizeof(*array));
		c->stats = (uint32_t)b->stats_count;
	}
	return (&b->stats[c->stats - 1]);
}

static const struct standings_campaign *
campaign(const struct standings *b)
{
	uint64_t tag = standings_text_tag(b->policy.campaign.name);
	size_t i;

	for (i = 0; i < b->campaign_count; i++)
		if (b->campaigns[i].campaign == tag)
			return (&b->campaigns[i]);
	return (NULL);
}

/* A configuration that is incumbent now. */
static int
mark_incumbent(struct standings *b, uint64_t group, uint64_t lane, uint64_t config)
{
	struct standings_config *c = config_of(b, group, lane, config);
	struct standings_stats *s = c == NULL ? NULL : stats_of(b, c);

	if (s == NULL)
		return (-1);
	s->was_incumbent = 1;
	return (0);
}

/* What the pairs of a plan that was looked at say of its lane. */
static void
count_pairs(struct standings *b, const struct standings_plan *p)
{
	struct noise_pool unit = noise_pool(b->policy.noise.ln_sigma_sd, b->policy.noise.floor), one;
	struct stats_sample side[2];
	struct standings_pairs *sum;
	struct standings_lane *l;
	struct noise_pairs pairs;
	double w, e;
	unsigned k;
	int m;

	if ((l = lane_of(b, p->group, p->lane)) == NULL)
		return;
	for (m = 0; m < STANDINGS_SCORES; m++) {
		pairs = standings_pairs(b, p, (enum policy_metric)m);
		sum = &l->pairs[m];
		if ((w = noise_pairs_weight(&unit, &pairs, &e)) <= 0)
			continue;
		sum->w += w;
		sum->we += w * e;
		one = unit;
		noise_pool_add(&one, pairs.n - 1, pairs.ss / 2);
		sum->lane_w += one.w;
		sum->lane_we += one.we;
		memset(side, 0, sizeof(side));
		for (k = 0; k < 2 * (unsigned)pairs.n; k++)
			stats_sample_add(&side[p->slot[k].challenger],
			    standings_fact(b, p->slot[k].fact - 1)->metric[m]);
		/* Of deviations x and y the products add up to (xx + yy - (x - y)^2) / 2. */
		sum->shared += (side[0].ss + side[1].ss - pairs.ss) / 2;
		sum->df += pairs.n - 1;
	}
}

/* Another spread of deviations is declared: they weigh otherwise. */
static void
recount_pairs(struct standings *b)
{
	size_t i;

	for (i = 0; i < b->lane_count; i++)
		memset(b->lanes[i].pairs, 0, sizeof(b->lanes[i].pairs));
	for (i = 0; i < b->plan_count; i++)
		if (b->plans[i].looked)
			count_pairs(b, &b->plans[i]);
}

unsigned
standings_spent(const struct standings *b)
{
	const struct standings_campaign *c = campaign(b);

	return (c == NULL ? 0 : c->spent);
}

unsigned
standings_left(const struct standings *b)
{
	const struct standings_campaign *c = campaign(b);
	unsigned all = b->policy.campaign.confirmations;
	double left;

	if (c == NULL)
		return (all);
	if (b->policy.law < 3)
		return (c->spent >= all ? 0 : all - c->spent);
	/* Whatever the policy says by now: a campaign's levels never add up to more than it began with. */
	left = floor((fmin(c->declared, b->policy.campaign.alpha) - c->level) / policy_level(&b->policy) + 1e-6);
	return (left < 1 ? 0 : left > all ? all : (unsigned)left);
}

unsigned
standings_campaigns(const struct standings *b, double *level)
{
	unsigned n = 0;
	size_t i;

	*level = 0;
	for (i = 0; i < b->campaign_count; i++) {
		n += b->campaigns[i].spent > 0;
		*level += b->campaigns[i].level;
	}
	return (n);
}

void
standings_slots(const struct standings_fact *plan, struct standings_slot slot[2 * STANDINGS_SEEDS])
{
	unsigned i, j, pair;
	int64_t place;
	uint64_t x;
	int paired = plan->place[0] == STANDINGS_PAIRED;

	/*
	 * Seeds are 31-bit numbers drawn from the nonce, none twice.  Within each
	 * pair the sides take turns in going first, so that a drift of the machine
	 * weighs on both alike; who begins is the nonce's to say.  From law 3 on a
	 * pair shares its seed, and the place in the data that follows from it.
	 */
	assert(plan->n <= STANDINGS_SEEDS);
	for (i = 0, x = plan->nonce; i < 2 * plan->n; i++) {
		pair = i / 2;
		slot[i].challenger = (int)((i + pair + plan->nonce) & 1);
		slot[i].taken = 0;
		slot[i].taken_ms = 0;
		slot[i].taken_lane = 0;
		slot[i].take = 0;
		slot[i].released = 0;
		slot[i].fact = 0;
		slot[i].invalid = 0;
		if (paired && i % 2 == 1) {
			slot[i].seed = slot[i - 1].seed;
			slot[i].offset = slot[i - 1].offset;
			continue;
		}
		do {
			x += 0x9e3779b97f4a7c15;
			slot[i].seed = (int64_t)(rng_mix(x) >> 33);
			for (j = 0; j < i && slot[j].seed != slot[i].seed; j++)
				;
		} while (j < i);
		place = plan->place[slot[i].challenger];
		slot[i].offset = place == STANDINGS_DRAWN || place == STANDINGS_PAIRED ? slot[i].seed : place;
	}
}

struct standings_plan *
standings_plan(const struct standings *b, uint64_t row)
{
	size_t i;

	for (i = b->plan_count; i-- > 0;)
		if (b->plans[i].row == row)
			return (&b->plans[i]);
	return (NULL);
}

struct standings_plan *
standings_open_plan(const struct standings *b, uint64_t group)
{
	size_t i;

	for (i = 0; b->open_plans > 0 && i < b->plan_count; i++)
		if (!b->plans[i].closed && (group == 0 || b->plans[i].group == group))
			return (&b->plans[i]);
	return (NULL);
}

/*
 * Is a run the one that a slot asks for? Where weights are given the place is all that there is to ask for; a program
 * that trains does not say where it begins.
 */
static int
fits(const struct standings_plan *p, const struct standings_slot *slot, const struct standings_fact *f)
{
	if (slot->offset == STANDINGS_ANYWHERE || (p->paired && f->stream == 0))
		return (slot->seed == f->seed);
	return ((f->stream > 0 ? slot->offset % f->stream : slot->offset) == f->begins &&
	    (f->init != 0 || slot->seed == f->seed));
}

/* Is it the run that has taken the slot, and did so before it began? */
static int
has_taken(const struct standings_slot *slot, const struct standings_fact *f)
{
	return (slot->taken == f->run && !slot->released && f->started_ms >= slot->taken_ms);
}

int
standings_names_lane(const struct standings_plan *p, uint64_t lane)
{
	unsigned i;

	for (i = 0; i < STANDINGS_LANES && p->lanes[i] != 0; i++)
		if (p->lanes[i] == lane)
			return (1);
	return (p->lane == lane);
}

/* On which lane the other run of a slot's pair is, or will be; 0: not said yet. */
static uint64_t
lane_of_pair(const struct standings *b, const struct standings_plan *p, unsigned slot)
{
	const struct standings_slot *other = &p->slot[slot ^ 1];

	if (!p->paired)
		return (0);
	if (other->fact != 0)
		return (standings_fact(b, other->fact - 1)->lane);
	return (other->taken != 0 && !other->released ? other->taken_lane : 0);
}

int
standings_open_to(const struct standings *b, const struct standings_plan *p, unsigned slot, uint64_t lane)
{
	uint64_t pair = lane_of_pair(b, p, slot);

	return (p->slot[slot].fact == 0 && standings_names_lane(p, lane) && (pair == 0 || pair == lane));
}

/*
 * Both runs of a pair: of one machine class, and where one arithmetic is asked for, of one build, too, by the numerics
 * of the system, which is of the lane's name besides.
 */
static int
same_system(const struct standings_fact *a, const struct standings_fact *b)
{
	return (a->machine == b->machine && (a->asked != b->asked || a->lane != b->lane || a->system == b->system));
}

/*
 * Is a run on the machine that its slot wants? Lanes of one plan are of one machine class, and both runs of a pair are,
 * too, but for programs, which are part of what is compared.  What did not come so far as to train says nothing of its
 * machine.
 */
static int
same_machine(const struct standings *b, const struct standings_plan *p, unsigned slot, const struct standings_fact *f)
{
	const struct standings_slot *other = &p->slot[slot ^ 1];

	if (f->system == 0 || f->trainer != 0)
		return (1);
	if (p->machine != 0 && f->machine != p->machine && (p->announced || f->lane != p->lane))
		return (0);
	return (!p->announced || !p->paired || other->fact == 0 || same_system(standings_fact(b, other->fact - 1), f));
}

/* The open plan that asks for a run wherever that ran, and the slot from ${k} on; NULL if none. */
static struct standings_plan *
asks_for(const struct standings *b, const struct standings_fact *f, size_t *i, unsigned *k)
{
	struct standings_plan *p;

	for (; b->open_plans > 0 && *i < b->plan_count; ++*i, *k = 0) {
		p = &b->plans[*i];
		/* A run begun before the plan was made could have been looked at. */
		if (p->closed || (p->group != f->group && f->group != 0) || !standings_names_lane(p, f->lane) ||
		    f->started_ms < p->at_ms)
			continue;
		for (; *k < 2 * p->n; ++*k)
			if (p->slot[*k].fact == 0 && fits(p, &p->slot[*k], f) &&
			    f->config == (p->slot[*k].challenger ? p->config : p->other))
				return (p);
	}
	return (NULL);
}

static struct standings_plan *
slot_of(const struct standings *b, const struct standings_fact *f, int asked, unsigned *slot)
{
	struct standings_plan *p;
	size_t i = 0;
	unsigned k = 0;

	for (; (p = asks_for(b, f, &i, &k)) != NULL; k++)
		if (standings_open_to(b, p, k, f->lane) && same_machine(b, p, k, f) &&
		    (asked || !p->announced || has_taken(&p->slot[k], f))) {
			*slot = k;
			return (p);
		}
	return (NULL);
}

struct standings_plan *
standings_slot(const struct standings *b, const struct standings_fact *f, unsigned *slot)
{
	return (slot_of(b, f, 0, slot));
}

struct standings_plan *
standings_asked(const struct standings *b, const struct standings_fact *f, unsigned *slot)
{
	return (slot_of(b, f, 1, slot));
}

enum standings_astray
standings_astray(const struct standings *b, const struct standings_fact *f)
{
	const struct standings_plan *p;
	size_t i = 0;
	unsigned k = 0;

	if (standings_slot(b, f, &k) != NULL)
		return (STANDINGS_FITS);
	if (standings_asked(b, f, &k) != NULL)
		return (STANDINGS_UNTAKEN);
	k = 0;
	if ((p = asks_for(b, f, &i, &k)) == NULL)
		return (STANDINGS_FITS);
	return (same_machine(b, p, k, f) ? STANDINGS_OTHER_LANE : STANDINGS_OTHER_MACHINE);
}

static struct standings_campaign *
campaign_of(struct standings *b, uint64_t tag)
{
	struct standings_campaign *campaigns;
	size_t i;

	for (i = 0; i < b->campaign_count; i++)
		if (b->campaigns[i].campaign == tag)
			return (&b->campaigns[i]);
	if ((campaigns = array_few(b->campaigns, i, sizeof(*campaigns))) == NULL)
		return (NULL);
	b->campaigns = campaigns;
	memset(&campaigns[i], 0, sizeof(*campaigns));
	campaigns[i].campaign = tag;
	campaigns[i].declared = INFINITY;
	b->campaign_count++;
	return (&campaigns[i]);
}

/* What a campaign may claim is the least that it ever said. */
static int
apply_policy(struct standings *b, const struct standings_fact *f)
{
	struct standings_campaign *c;

	b->policy_row = f->row;
	if (f->campaign == 0)
		return (0);
	if ((c = campaign_of(b, f->campaign)) == NULL)
		return (-1);
	c->declared = fmin(c->declared, f->prior.level);
	return (0);
}

/* How many provisional bases the challenger of a plan was built on, itself included. */
static unsigned
base_steps(const struct standings *b, const struct standings_fact *f)
{
	const struct standings_group *g = standings_group(b, f->group);

	return (g != NULL && g->base != 0 && g->base == f->config ? g->base_steps : 0);
}

static int
apply_plan(struct standings *b, const struct standings_fact *f)
{
	struct standings_plan *plans, *p;
	struct standings_campaign *c;

	if ((plans = array_few(b->plans, b->plan_count, sizeof(*plans))) == NULL)
		return (-1);
	b->plans = plans;
	p = &plans[b->plan_count++];
	b->open_plans++;
	memset(p, 0, sizeof(*p));
	p->steps = base_steps(b, f);
	p->announced = f->announced;
	p->row = f->row;
	p->group = f->group;
	p->lane = f->lane;
	p->config = f->config;
	p->other = f->other;
	p->machine = f->machine;
	memcpy(p->lanes, f->lanes, sizeof(p->lanes));
	p->campaign = f->campaign;
	p->at_ms = f->at_ms;
	p->n = f->n;
	p->paired = f->place[0] == STANDINGS_PAIRED;
	p->policy = b->policy;
	p->policy_row = b->policy_row;
	p->prior = f->prior;
	standings_slots(f, p->slot);
	if ((c = campaign_of(b, f->campaign)) == NULL)
		return (-1);
	c->spent++;
	c->level += f->prior.level;
	return (0);
}

/*
 * Is a run from given weights one that was there before, whatever its row says? Rows under law 1 did not ask.  1, 0, or
 * -1 with errno ENOMEM.
 */
static int
is_again(struct standings *b, const struct standings_fact *f, size_t index)
{
	uint64_t key = key_of(f->group, f->lane, f->config) ^ rng_mix((uint64_t)f->begins);
	const struct standings_fact *x;
	const size_t *found;
	size_t at = 0;

	if (b->policy.law < 2 || f->init == 0 || standings_starved(b, f))
		return (0);
	while ((found = hash_find(&b->given, key, &at)) != NULL) {
		x = standings_fact(b, *found - 1);
		if (x->config == f->config && x->group == f->group && x->lane == f->lane && standings_replicate(x, f))
			return (1);
	}
	return (hash_add(&b->given, key, index + 1) == -1 ? -1 : 0);
}

/* The runs of a plan's side that are runs of their own. */
static int
counts_in_arm(const struct standings *b, const struct standings_plan *p, unsigned k)
{
	const struct standings_fact *f;
	unsigned j;

	if (p->slot[k].fact == 0)
		return (0);
	f = standings_fact(b, p->slot[k].fact - 1);
	if (b->policy.law < 2 || f->init == 0)
		return (1);
	for (j = 0; j < k; j++)
		if (p->slot[j].fact != 0 && p->slot[j].challenger == p->slot[k].challenger &&
		    standings_replicate(standings_fact(b, p->slot[j].fact - 1), f))
			return (0);
	return (1);
}

/*
 * A run that says nothing new about its configuration's standing still says something of its variance, unless it was
 * picked.
 */
static int
apply_loose(struct standings *b, const struct standings_fact *f, int again)
{
	struct standings_config *c;
	struct standings_stats *s;
	int m;

	if ((c = config_of(b, f->group, f->lane, f->config)) == NULL || (s = stats_of(b, c)) == NULL)
		return (-1);
	s->again += (unsigned)again;
	for (m = 0; m < STANDINGS_SCORES && !again; m++)
		if (isfinite(f->metric[m]))
			stats_sample_add(&s->loose[m], f->metric[m]);
	return (0);
}

/* A run that belongs in a slot of a plan and does not fill it: nobody learns of a better one that it was not there. */
static void
count_try(struct standings *b, const struct standings_fact *f)
{
	struct standings_fact tried = *f;
	struct standings_plan *p;
	unsigned k;

	/* Only a run that trained to its end says when it began. */
	if (tried.started_ms == 0)
		tried.started_ms = f->at_ms;
	if (b->policy.law < 3 || (p = standings_slot(b, &tried, &k)) == NULL || !p->paired)
		return;
	p->slot[k].released = 1;
	p->tries[p->slot[k].challenger]++;
	p->starved[p->slot[k].challenger] += f->reason == VERDICT_STARVED;
	p->diverged |= f->diverged && p->slot[k].challenger;
}

/* A run that took a slot and then ran on a machine of another class leaves it to another run. */
static void
release(struct standings *b, const struct standings_fact *f)
{
	struct standings_plan *p;
	size_t i;
	unsigned k;

	for (i = 0; b->open_plans > 0 && i < b->plan_count; i++) {
		p = &b->plans[i];
		for (k = 0; !p->closed && p->announced && k < 2 * p->n; k++)
			if (p->slot[k].taken == f->run && p->slot[k].fact == 0 && !p->slot[k].released &&
			    !same_machine(b, p, k, f)) {
				p->slot[k].released = 1;
				p->tries[p->slot[k].challenger]++;
			}
	}
}

/* Attempts of a run before this one that no row told of: whoever interrupts a run may have seen how it went. */
static unsigned
untold(const struct standings *b, const struct standings_fact *f, size_t index)
{
	unsigned n = f->attempt > 1 ? f->attempt - 1 : 0;
	size_t i;

	for (i = 0; n > 0 && i < index; i++)
		n -= standings_fact(b, i)->kind == STANDINGS_RUN && standings_fact(b, i)->run == f->run;
	return (n);
}

/* Is it a run of the row of failures that goes on, tried again? It is still one run that failed. */
static int
failed_before(const struct standings *b, const struct standings_fact *f, size_t index)
{
	const struct standings_fact *e;
	size_t i;

	for (i = f->attempt > 1 ? b->failing_since : index; i < index; i++) {
		e = standings_fact(b, i);
		if (e->kind == STANDINGS_RUN && e->run == f->run && !(e->klass == VERDICT_BLOCKED && e->interrupted))
			return (1);
	}
	return (0);
}

static int
apply_run(struct standings *b, const struct standings_fact *f, size_t index)
{
	struct standings_group *g;
	struct standings_plan *p;
	unsigned k;
	int again;

	if (f->klass == VERDICT_BLOCKED || f->klass == VERDICT_INVALID || f->reason == VERDICT_STARVED)
		count_try(b, f);
	release(b, f);
	/* Whoever stops a run says nothing of it; law 1 took that for a failure. */
	if (f->klass == VERDICT_BLOCKED && f->interrupted && b->policy.law >= 2)
		return (0);
	/* A challenger found no better, and not one of the runs that failed. */
	if (f->reason == VERDICT_OUTRUN && f->group != 0) {
		if ((g = group_of(b, f->group)) == NULL)
			return (-1);
		b->failures = 0;
		b->last_group = f->group;
		g->resolved++;
		return (0);
	}
	if (f->klass == VERDICT_BLOCKED || f->klass == VERDICT_INVALID) {
		if (b->failures == 0)
			b->failing_since = index;
		b->failures += !failed_before(b, f, index);
		if (f->klass == VERDICT_INVALID && f->group != 0 && (p = standings_slot(b, f, &k)) != NULL) {
			p->slot[k].invalid = 1;
			p->invalid = 1;
			p->incumbent_invalid |= !p->slot[k].challenger;
		}
		return (0);
	}
	b->failures = 0;
	if (f->group == 0)
		return (0);
	if ((g = group_of(b, f->group)) == NULL)
		return (-1);
	b->last_group = f->group;
	p = f->reason == VERDICT_SLOT ? standings_slot(b, f, &k) : NULL;
	/* A pair that ran on another lane than its plan's takes the incumbent nowhere. */
	if (f->config == g->incumbent &&
	    (f->reason == VERDICT_REPLICATE || (f->reason == VERDICT_SLOT && (p == NULL || p->lane == f->lane)))) {
		g->reference = index;
		g->lane = f->lane;
	}
	if (f->reason == VERDICT_FIRST) {
		g->incumbent = f->config;
		g->lane = f->lane;
		g->reference = index;
	}
	/* Also where it is only run again: each lane that it is run on has a deviation of its own. */
	if (f->config == g->incumbent && mark_incumbent(b, f->group, f->lane, f->config) == -1)
		return (-1);
	if ((again = is_again(b, f, index)) == -1)
		return (-1);
	switch (verdict_reason_counts((enum verdict_reason)f->reason)) {
	case VERDICT_SEED:
		return (apply_loose(b, f, again));
	case VERDICT_SCREEN:
		/* A configuration is screened once; there is nothing more to keep of it. */
		if (f->reason == VERDICT_PROMISING)
			g->promising++;
		else if (f->reason != VERDICT_SECOND)
			g->resolved++;
		return (0);
	case VERDICT_NOTHING:
	case VERDICT_RULE:
		break;
	}
	if (p != NULL) {
		p->slot[k].fact = index + 1;
		p->last = k;
		p->filled++;
		if (p->announced)
			p->tries[p->slot[k].challenger] += untold(b, f, index);
	}
	return (0);
}

/* Was another plan of the same configuration closed before, or, where that is asked, found no better? */
static int
closed_before(const struct standings *b, const struct standings_plan *p, int no_better)
{
	const struct standings_plan *q;
	size_t i;

	for (i = 0; i < b->plan_count; i++) {
		q = &b->plans[i];
		if (q != p && (no_better ? q->no_better : q->closed) && q->config == p->config &&
		    q->group == p->group && q->lane == p->lane)
			return (1);
	}
	return (0);
}

/* Does a verdict say of a sound challenger, compared with the incumbent, that it is not shown to be better? */
static int
finds_no_better(const struct standings_fact *f)
{
	switch ((enum verdict_reason)f->reason) {
	case VERDICT_NOT_CONFIRMED:
	case VERDICT_WORSE:
	case VERDICT_GUARDED_METRIC:
	case VERDICT_IDENTICAL_ARTIFACT:
		return (1);
	default:
		/* Given up, invalid, or against an incumbent that is none any more: nothing was found out. */
		return (0);
	}
}

/*
 * What the pairs of a plan that was looked at say of both sides and of the lane.  One that was given up, or could not
 * be judged, says nothing.
 */
static int
apply_pairs(struct standings *b, struct standings_plan *p)
{
	struct standings_config *c;
	struct standings_stats *s;
	struct noise_pairs pairs;
	unsigned k;
	double x;
	int side, m;

	for (side = 0; side < 2; side++) {
		if ((c = config_of(b, p->group, p->lane, side ? p->config : p->other)) == NULL ||
		    (s = stats_of(b, c)) == NULL)
			return (-1);
		for (m = 0; m < STANDINGS_SCORES; m++) {
			pairs = standings_pairs(b, p, (enum policy_metric)m);
			for (k = 0; k < 2 * (unsigned)pairs.n; k++) {
				x = standings_fact(b, p->slot[k].fact - 1)->metric[m];
				if (p->slot[k].challenger == side)
					stats_sample_add(&s->arm[m], x);
			}
		}
	}
	count_pairs(b, p);
	return (0);
}

/* A new incumbent stands where the one before it did, less what its pairs show to have been gained. */
static int
succeed(struct standings *b, const struct standings_plan *p)
{
	struct standings_config *c;
	struct noise_pairs pairs;
	struct noise_arm before;
	struct standings_stats *s;
	double mean[STANDINGS_SCORES], runs = 0;
	int m;

	for (m = 0; m < STANDINGS_SCORES; m++) {
		before = standings_standing(b, standings_config(b, p->group, p->lane, p->other), (enum policy_metric)m);
		pairs = standings_pairs(b, p, (enum policy_metric)m);
		mean[m] = before.n > 0 && pairs.n > 0 ? before.mean - p->policy.metric.sign * pairs.mean : NAN;
		if (m == (int)b->policy.metric.name && isfinite(mean[m]))
			runs = 1 / (1 / before.n + 2 / pairs.n);
	}
	if ((c = config_of(b, p->group, p->lane, p->config)) == NULL || (s = stats_of(b, c)) == NULL)
		return (-1);
	memcpy(s->chain, mean, sizeof(mean));
	s->chain_runs = runs;
	s->was_incumbent = 1;
	return (0);
}

static int
apply_verdict(struct standings *b, const struct standings_fact *f)
{
	const struct standings_fact *screening;
	struct standings_fact challenger;
	struct standings_campaign *campaign;
	int waited;
	struct stats_sample arm[STANDINGS_SCORES];
	struct standings_plan *p;
	struct standings_config *c;
	struct standings_stats *s;
	struct standings_group *g;
	unsigned k;
	int side, m;

	if ((p = standings_plan(b, f->plan)) == NULL || p->closed)
		return (0);
	p->closed = 1;
	b->open_plans--;
	p->pairs = p->paired ? f->n : 0;
	if ((g = group_of(b, p->group)) == NULL)
		return (-1);
	b->last_group = p->group;
	/* Confirmed or not, nothing more is built on it unless somebody asks for that again. */
	if (p->steps != 0 && g->base == p->config && f->reason != VERDICT_ABANDONED) {
		g->base = 0;
		g->base_steps = 0;
	}
	p->looked = p->paired && (f->klass == VERDICT_IMPROVEMENT || finds_no_better(f));
	if (p->paired && f->klass == VERDICT_IMPROVEMENT && succeed(b, p) == -1)
		return (-1);
	if (p->looked && apply_pairs(b, p) == -1)
		return (-1);
	for (side = 0; side < 2 && !p->paired; side++) {
		memset(arm, 0, sizeof(arm));
		for (k = 0; k < 2 * p->n; k++)
			for (m = 0; m < STANDINGS_SCORES; m++)
				if (counts_in_arm(b, p, k) && p->slot[k].challenger == side &&
				    isfinite(standings_fact(b, p->slot[k].fact - 1)->metric[m]))
					stats_sample_add(&arm[m], standings_fact(b, p->slot[k].fact - 1)->metric[m]);
		/* From law 3 on what was given up leaves no trace. */
		if (b->policy.law >= 3 && f->reason == VERDICT_ABANDONED)
			break;
		if ((c = config_of(b, p->group, p->lane, side ? p->config : p->other)) == NULL ||
		    (s = stats_of(b, c)) == NULL)
			return (-1);
		for (m = 0; m < STANDINGS_SCORES; m++)
			if (arm[m].n >= 2) {
				s->df[m] += arm[m].n - 1;
				s->ss[m] += arm[m].ss;
				s->recent[m] = arm[m];
				s->arm[m] = arm[m];
			}
		s->was_incumbent |= side ? f->klass == VERDICT_IMPROVEMENT : 1;
	}
	memset(&challenger, 0, sizeof(challenger));
	challenger.group = p->group;
	challenger.lane = p->lane;
	challenger.config = p->config;
	screening = p->paired ? standings_screening(b, p->group, p->lane, p->config) :
				standings_history(b, &challenger, 0).screening;
	/* One that was promising waits no longer; another one was counted when it was screened. */
	waited = screening != NULL && screening->reason == VERDICT_PROMISING;
	if (waited && !closed_before(b, p, 0))
		g->promising--;
	if (f->klass == VERDICT_IMPROVEMENT) {
		/* A claim that was right leaves what it might have cost to the next one. */
		if (p->paired) {
			if ((campaign = campaign_of(b, p->campaign)) == NULL)
				return (-1);
			campaign->spent--;
			campaign->level -= p->prior.level;
		}
		g->incumbent = p->config;
		g->lane = p->lane;
		for (k = 0; k < 2 * (p->pairs != 0 ? p->pairs : p->n); k++)
			if (p->slot[k].challenger && p->slot[k].fact != 0)
				g->reference = p->slot[k].fact - 1;
		/* What comes after is set beside a run of the same lane, wherever pairs ran. */
		if ((k = (unsigned)standings_incumbent(b, g, p->lane)) != 0)
			g->reference = k - 1;
		g->resolved = 0;
		g->improvements++;
	} else if (finds_no_better(f)) {
		if (waited && !closed_before(b, p, 1))
			g->resolved++;
		p->no_better = 1;
	}
	return (0);
}

static int
apply_calibration(struct standings *b, const struct standings_fact *f)
{
	const struct standings_stats *s = standings_stats(b, standings_config(b, f->group, f->lane, f->config));
	const struct standings_group *g;
	struct standings_lane *lanes, *l;
	size_t i;

	/* One run under several seeds, which law 1 took for several runs, is no calibration under a later law. */
	if (b->policy.law >= 2 && s != NULL && s->again && s->loose[POLICY_VAL_LOSS].n < f->n)
		return (0);
	/* Nor is a configuration that was picked for how little it varies. */
	if (b->policy.law >= 3 && ((g = standings_group(b, f->group)) == NULL || g->incumbent != f->config))
		return (0);
	for (i = 0; i < b->lane_count; i++)
		if (b->lanes[i].group == f->group && b->lanes[i].lane == f->lane)
			break;
	if (i == b->lane_count) {
		if ((lanes = array_few(b->lanes, i, sizeof(*lanes))) == NULL)
			return (-1);
		b->lanes = lanes;
		memset(&lanes[b->lane_count++], 0, sizeof(*lanes));
	}
	l = &b->lanes[i];
	l->group = f->group;
	l->lane = f->lane;
	l->config = f->config;
	l->seeds = f->n;
	return (0);
}

static void
apply_take(struct standings *b, const struct standings_fact *f, size_t index)
{
	struct standings_plan *p = standings_plan(b, f->plan);
	struct standings_slot *slot;

	if (p == NULL || p->closed || f->n < 1 || f->n > 2 * p->n)
		return;
	slot = &p->slot[f->n - 1];
	/* One that is gone came to nothing, as far as anybody can tell. */
	if (f->interrupted) {
		if (slot->taken == f->run && !slot->released && slot->fact == 0) {
			slot->released = 1;
			p->tries[slot->challenger]++;
		}
		return;
	}
	slot->taken = f->run;
	slot->taken_ms = f->at_ms;
	slot->taken_lane = f->lane;
	slot->take = index + 1;
	slot->released = 0;
}

size_t
standings_reference(const struct standings *b, const struct standings_group *g, const struct standings_fact *f)
{
	return (b->policy.law >= 3 && g->base != 0 && f->lane == g->base_lane && f->config != g->base &&
		    f->config != g->incumbent ?
		g->base_run :
		g->reference);
}

/* A base is as good as the runs that it looked better by; one more stands on the one before. */
static int
apply_base(struct standings *b, const struct standings_fact *f)
{
	struct standings_group *g = group_of(b, f->group);
	struct stats_sample s[STANDINGS_SCORES];
	const struct standings_fact *x;
	size_t i;
	int m;

	if (g == NULL)
		return (-1);
	g->base = f->config;
	if (g->base == 0) {
		g->base_steps = 0;
		return (0);
	}
	memset(s, 0, sizeof(s));
	/* Of the rows before it alone, also where later ones are in memory already. */
	for (i = 0; i < b->mark_count; i++) {
		x = standings_fact(b, i);
		if (x->kind != STANDINGS_RUN || x->group != f->group || x->lane != f->lane || x->config != f->config ||
		    (x->reason != VERDICT_SECOND && x->reason != VERDICT_PROMISING))
			continue;
		g->base_run = i;
		for (m = 0; m < STANDINGS_SCORES; m++)
			stats_sample_add(&s[m], x->metric[m]);
	}
	g->base_lane = f->lane;
	g->base_steps++;
	g->base_runs = s[0].n;
	for (m = 0; m < STANDINGS_SCORES; m++)
		g->base_score[m] = s[m].mean;
	return (0);
}

static int
put_mark(struct standings *b, const struct standings_fact *f)
{
	const size_t at = b->mark_count - b->settled_count;
	struct standings_mark *marks = array_room(b->marks, at, &b->mark_cap, sizeof(*marks));

	if (marks == NULL)
		return (-1);
	b->marks = marks;
	marks[at] = mark_of(f);
	b->mark_count++;
	return (0);
}

static int
fold(struct standings *b, const struct standings_fact *f, size_t index)
{
	int rc = 0;

	switch ((enum standings_kind)f->kind) {
	case STANDINGS_POLICY:
		rc = apply_policy(b, f);
		break;
	case STANDINGS_RUN:
		rc = apply_run(b, f, index);
		break;
	case STANDINGS_CALIBRATION:
		rc = apply_calibration(b, f);
		break;
	case STANDINGS_PLAN:
		rc = apply_plan(b, f);
		break;
	case STANDINGS_VERDICT:
		rc = apply_verdict(b, f);
		break;
	case STANDINGS_TAKE:
		apply_take(b, f, index);
		break;
	case STANDINGS_BASE:
		rc = apply_base(b, f);
		break;
	case STANDINGS_PROMOTION:
	case STANDINGS_IMPORT:
	case STANDINGS_REVOCATION:
	case STANDINGS_NOTE:
	case STANDINGS_KINDS:
		break;
	}
	/* A row is no history of its own. */
	if (rc == 0)
		rc = put_mark(b, f);
	if (rc == -1) {
		b->broken = 1;
		errno = ENOMEM;
	}
	return (rc);
}

int
standings_adopt(struct standings *b, const struct standings_fact *facts, size_t n)
{
	size_t i = b->bases;

	assert(b->mores == 0 && i <= n);
	b->base = facts;
	b->bases = n;
	for (; i < n; i++)
		if (fold(b, &facts[i], i) == -1)
			return (-1);
	return (0);
}

int
standings_policy(struct standings *b, const struct policy *p)
{
	struct standings was = *b;
	size_t i;

	b->policy = *p;
	if (standings_count(b) == 0)
		return (0);
	if (p->law == was.policy.law) {
		if (p->noise.ln_sigma_sd != was.policy.noise.ln_sigma_sd || p->noise.floor != was.policy.noise.floor)
			recount_pairs(b);
		return (0);
	}
	standings_init(b);
	b->policy = *p;
	b->base = was.base;
	b->bases = was.bases;
	b->unseen = was.unseen;
	b->see = was.see;
	b->see_arg = was.see_arg;
	b->more = was.more;
	b->mores = was.mores;
	b->more_cap = was.more_cap;
	forget(&was);
	for (i = 0; i < standings_count(b); i++)
		if (fold(b, standings_fact(b, i), i) == -1)
			return (-1);
	return (0);
}

int
standings_apply(struct standings *b, const struct standings_fact *f)
{
	struct standings_fact *array;

	if ((array = array_room(b->more, b->mores, &b->more_cap, sizeof(*array))) == NULL)
		return (-1);
	b->more = array;
	array[b->mores++] = *f;
	return (fold(b, f, b->bases + b->mores - 1));
}

static struct noise_arm
of_sample(const struct stats_sample *s)
{
	return ((struct noise_arm){ s->n, s->mean, s->n > 1 ? s->n - 1 : 0, s->ss });
}

/* A configuration's runs outside of plans, those that screened it excepted. */
static struct noise_arm
loose_runs(const struct standings *b, const struct standings_config *c, enum policy_metric metric)
{
	return (of_sample(&standings_stats(b, c)->loose[metric]));
}

/* Where an incumbent stands under law 3, whose runs outside of plans are those. */
static struct noise_arm
incumbent_standing(const struct standings *b, const struct standings_config *c, enum policy_metric metric,
    const struct stats_sample *outside)
{
	const struct standings_stats *s = standings_stats(b, c);
	const struct standings_lane *l = standings_lane(b, c->group, c->lane);
	struct noise_arm at = of_sample(outside);
	double sd, v, shared = 0, loose, arm = 0;

	if (l == NULL || s->arm[metric].n < 1)
		return (at);
	/*
	 * Runs of confirmations read the data from other places on than those outside of plans; how much that moves a
	 * score bounds what they say of this one.
	 */
	sd = standings_lane_sd(b, c->group, c->lane, metric);
	v = fmax(sd * sd, b->policy.noise.floor * b->policy.noise.floor);
	if (l->pairs[metric].df > 0)
		shared = fmax(0, l->pairs[metric].shared / l->pairs[metric].df);
	arm = 1 / (shared + (v + shared) / s->arm[metric].n);
	loose = at.n / v;
	if (at.n > 0) {
		at.mean = (loose * at.mean + arm * s->arm[metric].mean) / (loose + arm);
		at.n += s->arm[metric].n;
	} else if (isfinite(s->chain[metric]) && s->chain_runs / v > arm) {
		at.mean = s->chain[metric];
		at.n = s->arm[metric].n;
	} else {
		at.mean = s->arm[metric].mean;
		at.n = s->arm[metric].n;
	}
	return (at);
}

unsigned
standings_whole(const struct standings_plan *p)
{
	unsigned k;

	for (k = 0; k < p->n && p->slot[2 * k].fact != 0 && p->slot[2 * k + 1].fact != 0; k++)
		;
	return (k);
}

struct noise_pairs
standings_pairs(const struct standings *b, const struct standings_plan *p, enum policy_metric metric)
{
	return (standings_first_pairs(b, p, metric, p->pairs != 0 ? p->pairs : p->n));
}

struct noise_pairs
standings_first_pairs(const struct standings *b, const struct standings_plan *p, enum policy_metric metric,
    unsigned most)
{
	struct stats_sample s = { 0, 0, 0 };
	double x[2];
	unsigned k, whole = standings_whole(p);

	for (k = 0; k < 2 * (most < whole ? most : whole); k += 2) {
		x[p->slot[k].challenger] = standings_fact(b, p->slot[k].fact - 1)->metric[metric];
		x[p->slot[k + 1].challenger] = standings_fact(b, p->slot[k + 1].fact - 1)->metric[metric];
		if (!isfinite(x[0]) || !isfinite(x[1]))
			break;
		stats_sample_add(&s, p->policy.metric.sign * (x[0] - x[1]));
	}
	return ((struct noise_pairs){ s.n, s.mean, s.ss });
}

/* The lane's configurations, and what its pairs say as if they were more of them. */
static struct noise_pool
whole_pool(const struct standings *b, uint64_t group, uint64_t lane, enum policy_metric metric)
{
	struct noise_pool pool = standings_pool(b, group, lane, 0, 0, metric);
	const struct standings_lane *l = standings_lane(b, group, lane);

	if (l != NULL && b->policy.law >= 3) {
		pool.w += l->pairs[metric].lane_w;
		pool.we += l->pairs[metric].lane_we;
	}
	return (pool);
}

double
standings_lane_sd(const struct standings *b, uint64_t group, uint64_t lane, enum policy_metric metric)
{
	struct noise_pool pool = whole_pool(b, group, lane, metric);

	return (noise_lane_sd(&pool));
}

double
standings_lane_doubt(const struct standings *b, uint64_t group, uint64_t lane, enum policy_metric metric)
{
	struct noise_pool pool = whole_pool(b, group, lane, metric);

	return (pool.w > 0 ? 1 / pool.w : INFINITY);
}

struct noise_before
standings_before(const struct standings *b, uint64_t group, uint64_t lane, uint64_t config, uint64_t other,
    enum policy_metric metric, double screened)
{
	struct noise_pool pool = standings_pool(b, group, lane, config, other, metric);
	const struct standings_lane *l = standings_lane(b, group, lane);
	const struct standings_stats *s = standings_stats(b, standings_config(b, group, lane, other));
	struct noise_before before = { .lane_sd = standings_lane_sd(b, group, lane, metric),
		.floor = b->policy.noise.floor,
		.lane = noise_prior(&pool),
		.screened = screened };

	if (s != NULL && s->loose[metric].n > 1) {
		before.df = s->loose[metric].n - 1;
		before.ss = s->loose[metric].ss;
	}
	if (l != NULL && l->pairs[metric].w > 0) {
		before.pairs_w = l->pairs[metric].w;
		before.pairs_e = l->pairs[metric].we / l->pairs[metric].w;
	}
	return (before);
}

struct noise_before
standings_planned(const struct standings_plan *p)
{
	const struct standings_prior *x = &p->prior;

	return ((struct noise_before){ x->lane_sd, p->policy.noise.floor, { x->tau2, x->centre, x->doubt }, x->df,
	    x->ss, x->pairs_w, x->pairs_e, x->screened });
}

struct noise_arm
standings_arm(const struct standings *b, const struct standings_plan *p, int challenger, enum policy_metric metric,
    unsigned most)
{
	struct stats_sample s = { 0, 0, 0 };
	const struct standings_stats *own;
	struct noise_arm arm;
	double x;
	unsigned k;

	for (k = 0; k < 2 * (p->paired && most != 0 ? most : p->n); k++) {
		if (!counts_in_arm(b, p, k) || p->slot[k].challenger != challenger)
			continue;
		x = standings_fact(b, p->slot[k].fact - 1)->metric[metric];
		if (isfinite(x))
			stats_sample_add(&s, x);
	}
	arm.n = s.n;
	arm.mean = s.mean;
	arm.df = s.n > 1 ? s.n - 1 : 0;
	arm.ss = s.ss;
	own = standings_stats(b, standings_config(b, p->group, p->lane, challenger ? p->config : p->other));
	if (own != NULL) {
		/* What a closed plan's runs say of their variance stands among its configuration's already. */
		if (p->closed)
			arm.df = arm.ss = 0;
		arm.df += own->df[metric] + (own->loose[metric].n > 1 ? own->loose[metric].n - 1 : 0);
		arm.ss += own->ss[metric] + own->loose[metric].ss;
	}
	return (arm);
}

struct noise_arm
standings_standing(const struct standings *b, const struct standings_config *c, enum policy_metric metric)
{
	const struct standings_stats *s = standings_stats(b, c);
	const struct stats_sample *at;
	struct noise_arm arm = { 0, 0, 0, 0 };

	if (s == NULL)
		return (arm);
	if (b->policy.law >= 3)
		return (incumbent_standing(b, c, metric, &s->loose[metric]));
	at = s->recent[metric].n >= 2 ? &s->recent[metric] : &s->loose[metric];
	arm.n = at->n;
	arm.mean = at->mean;
	arm.df = s->df[metric] + (s->loose[metric].n > 1 ? s->loose[metric].n - 1 : 0);
	arm.ss = s->ss[metric] + s->loose[metric].ss;
	return (arm);
}

struct noise_arm
standings_standing_with(const struct standings *b, const struct standings_config *c, enum policy_metric metric,
    double score)
{
	const struct standings_stats *s = standings_stats(b, c);
	struct stats_sample outside;

	memset(&outside, 0, sizeof(outside));
	if (s != NULL)
		outside = s->loose[metric];
	if (isfinite(score))
		stats_sample_add(&outside, score);
	if (s != NULL && b->policy.law >= 3)
		return (incumbent_standing(b, c, metric, &outside));
	return (s != NULL && s->recent[metric].n >= 2 ? standings_standing(b, c, metric) : of_sample(&outside));
}

struct noise_pool
standings_pool(const struct standings *b, uint64_t group, uint64_t lane, uint64_t but, uint64_t and_but,
    enum policy_metric metric)
{
	struct noise_pool pool = noise_pool(b->policy.noise.ln_sigma_sd, b->policy.noise.floor);
	const struct standings_config *c;
	struct noise_arm arm;
	size_t i;

	for (i = 0; i < b->kept_count; i++) {
		c = &b->configs[b->kept[i]];
		if (c->group != group || c->lane != lane || c->config == but || c->config == and_but ||
		    (b->policy.law >= 3 && !b->stats[c->stats - 1].was_incumbent))
			continue;
		arm = b->policy.law >= 3 ? loose_runs(b, c, metric) : standings_standing(b, c, metric);
		noise_pool_add(&pool, arm.df, arm.ss);
	}
	return (pool);
}
