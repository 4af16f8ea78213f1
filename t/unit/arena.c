/* Where buffers lie that share memory (lib/gpt/arena.c).  Prints TAP. */
#include <stdint.h>

#include "base/rng.h"
#include "gpt/arena.h"
#include "t/unit/tap.h"

static int
are_apart(const struct arena_item *x, const struct arena_item *y)
{
	return (x->to < y->from || y->to < x->from || x->at + x->bytes <= y->at || y->at + y->bytes <= x->at);
}

/* Whether each lies on a line within what they take together, and none on one that lives while it does. */
static int
is_sound(const struct arena_item *items, size_t n, size_t whole)
{
	for (size_t i = 0; i < n; i++) {
		if (items[i].at % ARENA_ALIGN != 0 || items[i].at + items[i].bytes > whole)
			return (0);
		for (size_t j = 0; j < i; j++)
			if (!are_apart(&items[i], &items[j]))
				return (0);
	}
	return (1);
}

static void
none(void)
{
	struct arena_item one = { .bytes = 100, .from = 3, .to = 3, .at = 7 };

	tap_ok(arena_plan(NULL, 0) == 0, "no buffer takes no memory");
	tap_ok(arena_plan(&one, 1) == 128 && one.at == 0, "one takes whole lines from the beginning on");
}

static void
in_turn(void)
{
	struct arena_item items[] = { { 640, 0, 1, 1 }, { 640, 2, 3, 1 }, { 320, 4, 9, 1 } };
	struct arena_item touching[] = { { 640, 0, 2, 1 }, { 640, 2, 3, 1 } };

	tap_ok(arena_plan(items, 3) == 640 && items[0].at == 0 && items[1].at == 0 && items[2].at == 0,
	    "buffers that follow one another share a place");
	tap_ok(arena_plan(touching, 2) == 1280 && is_sound(touching, 2, 1280),
	    "one that begins in the step in which another ends lies beside it");
}

/*
 * By time: 0: a b; 1: a c; 2: d c; 3: d e.  At 1 and 2 they fill 640 + 320: nothing can take less.  c lives with the
 * last of a and the first of d, so b, c and e share what is behind a and d.
 */
static void
by_hand(void)
{
	struct arena_item items[] = { { 640, 0, 1, 0 }, { 192, 0, 0, 0 }, { 320, 1, 2, 0 }, { 640, 2, 3, 0 },
		{ 256, 3, 3, 0 } };

	tap_ok(arena_plan(items, 5) == 960 && is_sound(items, 5, 960) && items[1].at == 640 && items[4].at == 640,
	    "five whose least is known take no more");
}

/* What lives from 0 to 1 leaves a hole beneath what lives to the end. */
static void
holes(void)
{
	struct arena_item fits[] = { { 1024, 0, 9, 0 }, { 512, 0, 1, 0 }, { 512, 0, 9, 0 }, { 512, 2, 9, 0 } };
	struct arena_item late[] = { { 1024, 0, 9, 0 }, { 512, 0, 1, 0 }, { 512, 0, 9, 0 }, { 512, 1, 9, 0 } };

	tap_ok(arena_plan(fits, 4) == 2048 && is_sound(fits, 4, 2048) && fits[3].at == 1024,
	    "the place that another left is taken by who just fits in there");
	tap_ok(arena_plan(late, 4) == 2560 && is_sound(late, 4, 2560), "and not while the other is there");
}

static void
drawn(void)
{
	struct arena_item items[60];
	int sound = 1, enough = 1;
	size_t shared = 0;
	struct rng rng;

	rng_seed(&rng, 7, 0);
	for (size_t round = 0; round < 200; round++) {
		const size_t n = 1 + rng_below(&rng, 60);
		size_t whole, sum = 0;

		for (size_t i = 0; i < n; i++) {
			const unsigned from = (unsigned)rng_below(&rng, 20);

			items[i] = (struct arena_item){ 1 + rng_below(&rng, 2000), from,
				from + (unsigned)rng_below(&rng, 6), SIZE_MAX };
			sum += (items[i].bytes + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN;
		}
		whole = arena_plan(items, n);
		sound = sound && is_sound(items, n, whole);
		shared += whole < sum;
		for (unsigned t = 0; t < 26; t++) {
			size_t live = 0;

			for (size_t i = 0; i < n; i++)
				live += items[i].from <= t && t <= items[i].to ? items[i].bytes : 0;
			enough = enough && live <= whole;
		}
	}
	tap_ok(sound, "of many drawn at random no two that live at a time overlap, and all are within");
	tap_ok(enough && shared > 150, "they take what lives at a time, and most of them less than all together");
}

int
main(void)
{
	none();
	in_turn();
	by_hand();
	holes();
	drawn();
	return (tap_done());
}
