#ifndef HG_TAPE_CUH
#define HG_TAPE_CUH

/**
 * What the stream will be asked to do: kernels and products, each with copies
 * of all its arguments, written down one after the other and done at a flush,
 * that is, when somebody waits, sends new token ids or ends a step.
 *
 * A tape that comes a second time is captured as a CUDA graph, and every
 * further one like it is a single launch.  (The first is done call by call: by
 * then the driver and the library have loaded whatever they load late, which a
 * capture does not allow.)  Tapes are compared byte by byte, so nothing stale
 * can be replayed: a call with another argument is another tape, whether of
 * another shape or in another place.  What differs from step to step is
 * therefore no argument, but read from device memory: transfer.cuh.
 *
 * When the driver refuses a capture, that is said once, and from then on every
 * tape is done call by call.  HG_CUDA_GRAPHS=0 asks for the same.
 */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <type_traits>

#include "device.cuh"

struct ops_ctx;

/* The head of a call; its arguments follow.  Submitting gives NULL, or what the card has against it. */
struct call {
	const char *(*submit)(struct ops_ctx *ctx, const struct call *call);
	const char *name;		/* for the profile */
	const void *kernel;		/* NULL: a product */
	unsigned grid[3], threads;
	size_t shared;
	size_t bytes;			/* of the arguments */
};

static_assert(std::has_unique_object_representations<struct call>::value, "compared byte by byte");

/* Since the context was opened. */
struct tape_counts {
	uint64_t done, captured, replayed;
};

/* 0, or -1: no memory.  close needs a stream on which nothing is left to do. */
int tape_open(struct ops_ctx *ctx);
void tape_close(struct ops_ctx *ctx);

/* Write a call down; its arguments, head->bytes of zeros, are the caller's to fill in at once. */
char *tape_add(struct ops_ctx *ctx, const struct call *head);

/* Let at least ${bytes} follow without a flush of the tape's own making. */
void tape_reserve(struct ops_ctx *ctx, size_t bytes);

/* Hand everything to the stream; waits for nothing. */
void tape_flush(struct ops_ctx *ctx);

bool tape_empty(const struct ops_ctx *ctx);
struct tape_counts tape_count(const struct ops_ctx *ctx);

/* Where an argument of type X ends, when it begins at ${at}. */
template <typename X>
static constexpr size_t
tape_after(size_t at)
{
	static_assert(alignof(X) <= 8, "arguments lie at multiples of 8");
	return (at + (sizeof(X) + 7) / 8 * 8);
}

template <typename... P>
static constexpr size_t
tape_bytes(void)
{
	size_t at = 0;

	((at = tape_after<P>(at)), ...);
	return (at);
}

/* Equal values have equal bytes: numbers, pointers, and structures of them that have no gaps (and no floats). */
template <typename X>
static constexpr bool
tape_comparable(void)
{
	return (std::is_arithmetic<X>::value || std::has_unique_object_representations<X>::value);
}

#endif
