#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "law/settled.h"

/* An array of a book: where its pointer stands, how many elements it has, room for how many, and of which size. */
struct part {
	size_t pointer, count, cap, size;
};

#define PART(member, count, cap, type) \
	{ \
		offsetof(struct standings, member), offsetof(struct standings, count), cap, sizeof(type) \
	}
#define CAP(member) offsetof(struct standings, member)

/* Of an array of few, which keeps no capacity (base/array.h); and of a table, whose size is one. */
#define NO_CAP SIZE_MAX

static const struct part parts[] = {
	PART(configs, config_count, CAP(config_cap), struct standings_config),
	PART(stats, stats_count, CAP(stats_cap), struct standings_stats),
	PART(kept, kept_count, CAP(kept_cap), uint32_t),
	PART(groups, group_count, NO_CAP, struct standings_group),
	PART(lanes, lane_count, NO_CAP, struct standings_lane),
	PART(plans, plan_count, NO_CAP, struct standings_plan),
	PART(campaigns, campaign_count, NO_CAP, struct standings_campaign),
	PART(table.slots, table.size, NO_CAP, struct hash_slot),
	PART(given.slots, given.size, NO_CAP, struct hash_slot),
};

enum { PARTS = sizeof(parts) / sizeof(parts[0]) };

static size_t
number_at(const struct standings *b, size_t offset)
{
	size_t n;

	memcpy(&n, (const char *)b + offset, sizeof(n));
	return (n);
}

static void *
array_at(const struct standings *b, const struct part *p)
{
	void *array;

	memcpy(&array, (const char *)b + p->pointer, sizeof(array));
	return (array);
}

static void
set_array(struct standings *b, const struct part *p, void *array)
{
	memcpy((char *)b + p->pointer, &array, sizeof(array));
}

/* What an array takes in an image, where all begin at whole words. */
static size_t
whole(size_t bytes)
{
	return ((bytes + sizeof(uint64_t) - 1) / sizeof(uint64_t) * sizeof(uint64_t));
}

void *
settled_image(const struct standings *b, size_t *bytes)
{
	struct standings head = *b;
	const size_t late = b->mark_count - b->settled_count;
	char *image, *to;
	size_t i, n;

	/* Facts are not part of it, nor is what there is room for. */
	head.base = NULL;
	head.bases = standings_count(b);
	head.unseen = NULL;
	head.see = NULL;
	head.see_arg = NULL;
	head.more = NULL;
	head.settled = NULL;
	head.marks = NULL;
	head.mores = head.more_cap = head.settled_count = head.mark_cap = 0;
	*bytes = whole(sizeof(head)) + whole(b->mark_count * sizeof(*b->marks));
	for (i = 0; i < PARTS; i++) {
		*bytes += whole(number_at(b, parts[i].count) * parts[i].size);
		set_array(&head, &parts[i], NULL);
		if (parts[i].cap != NO_CAP)
			memset((char *)&head + parts[i].cap, 0, sizeof(size_t));
	}
	if ((image = calloc(1, *bytes)) == NULL)
		return (NULL);
	memcpy(image, &head, sizeof(head));
	to = image + whole(sizeof(head));
	for (i = 0; i < PARTS; i++) {
		n = number_at(b, parts[i].count) * parts[i].size;
		if (n != 0)
			memcpy(to, array_at(b, &parts[i]), n);
		to += whole(n);
	}
	if (b->settled_count != 0)
		memcpy(to, b->settled, b->settled_count * sizeof(*b->settled));
	if (late != 0)
		memcpy(to + b->settled_count * sizeof(*b->settled), b->marks, late * sizeof(*b->marks));
	return (image);
}

/* Does a table lead to none but the first ${most}, and has it as many as it says, and room? */
static int
is_table(const struct hash *t, size_t most)
{
	size_t i, n = 0;

	if ((t->size & (t->size - 1)) != 0 || 2 * t->count > t->size)
		return (0);
	for (i = 0; i < t->size; i++) {
		if (t->slots[i].value > most)
			return (0);
		n += t->slots[i].value != 0;
	}
	return (n == t->count);
}

static int
is_plan(const struct standings_plan *p, size_t facts)
{
	const struct standings_slot *s;
	unsigned i;

	if (p->n < 1 || p->n > STANDINGS_SEEDS || p->pairs > p->n || p->last >= 2 * STANDINGS_SEEDS ||
	    (unsigned)p->policy.metric.name >= POLICY_METRICS || p->policy.guards > POLICY_GUARDS)
		return (0);
	for (i = 0; i < p->policy.guards; i++)
		if ((unsigned)p->policy.guarded[i].name >= POLICY_METRICS)
			return (0);
	for (s = p->slot; s < p->slot + 2 * STANDINGS_SEEDS; s++)
		if (s->fact > facts || s->take > facts || (s->challenger & ~1) != 0)
			return (0);
	return (1);
}

/* Whatever is said elsewhere, nothing leads out of it. */
static int
is_closed(const struct standings *b, size_t facts)
{
	size_t i;

	if (b->bases != facts || b->mark_count != facts || b->broken || b->last_config > b->config_count ||
	    b->failing_since > facts || !is_table(&b->table, b->config_count) || !is_table(&b->given, facts))
		return (0);
	for (i = 0; i < b->config_count; i++)
		if (b->configs[i].stats > b->stats_count)
			return (0);
	for (i = 0; i < b->kept_count; i++)
		if (b->kept[i] >= b->config_count || b->configs[b->kept[i]].stats == 0)
			return (0);
	for (i = 0; i < b->group_count; i++)
		if (b->groups[i].reference >= facts || b->groups[i].base_run >= facts)
			return (0);
	for (i = 0; i < b->plan_count; i++)
		if (!is_plan(&b->plans[i], facts))
			return (0);
	return (1);
}

static size_t
power_above(size_t n)
{
	size_t power = 1;

	while (power < n)
		power *= 2;
	return (power);
}

int
settled_take(struct standings *b, const void *image, size_t bytes, size_t n)
{
	const char *from = image;
	struct standings made;
	size_t i, k, left, room, count;
	void *array;

	if (bytes < whole(sizeof(made)))
		return (-1);
	memcpy(&made, from, sizeof(made));
	for (i = 0; i < PARTS; i++)
		set_array(&made, &parts[i], NULL);
	made.base = NULL;
	made.unseen = b->unseen;
	made.see = b->see;
	made.see_arg = b->see_arg;
	made.more = NULL;
	made.settled = NULL;
	made.marks = NULL;
	made.mores = made.more_cap = made.mark_cap = 0;
	/* By the law and the noise of this policy it was counted. */
	if (memcmp(&made.policy, &b->policy, sizeof(made.policy)) != 0)
		return (-1);
	from += whole(sizeof(made));
	left = bytes - whole(sizeof(made));
	for (i = 0; i < PARTS; i++) {
		count = number_at(&made, parts[i].count);
		if (count > left / parts[i].size || whole(count * parts[i].size) > left)
			goto err0;
		if (count == 0)
			continue;
		room = parts[i].cap == NO_CAP ? power_above(count) : count + count / 8 + 16;
		if (parts[i].cap != NO_CAP)
			memcpy((char *)&made + parts[i].cap, &room, sizeof(room));
		if ((array = malloc(room * parts[i].size)) == NULL)
			goto err0;
		memcpy(array, from, count * parts[i].size);
		set_array(&made, &parts[i], array);
		from += whole(count * parts[i].size);
		left -= whole(count * parts[i].size);
	}
	/* Marks stay where they are. */
	if (made.mark_count != n || left / sizeof(*made.settled) < n || left != whole(n * sizeof(*made.settled)) ||
	    !is_closed(&made, n))
		goto err0;
	made.settled = (const struct standings_mark *)(const void *)from;
	made.settled_count = n;
	*b = made;
	return (0);
err0:
	for (k = 0; k < i && k < PARTS; k++)
		free(array_at(&made, &parts[k]));
	return (-1);
}
