#ifndef HG_MAIL_CUH
#define HG_MAIL_CUH

/**
 * What travels between host and card within a step, on the copy stream: token
 * ids and the numbers that differ from step to step on their way in, losses on
 * their way out.  The host never waits for any of it but when it asks for a
 * loss, or is SLOTS flushes ahead of the card.
 *
 *   in    pinned slot -> (copy stream) -> the slot's twin on the card ->
 *         (compute stream, in order) -> the ids' buffer, or ctx->transfer's values
 *   out   a buffer of losses -> (copy stream) -> its pinned mirror
 *
 * Events bound either stream: nobody reads what has not arrived, and nobody
 * writes where the other still reads.
 */

#include "context.cuh"

/* 0, or -1 after saying why. */
int transfer_open(struct ops_ctx *ctx);
void transfer_close(struct ops_ctx *ctx);

/* n token ids, from host memory that may change at once; what is on the tape is done before they arrive. */
void transfer_ids(struct ops_ctx *ctx, int32_t *to, const void *host, size_t n);

/* Where on the card the n bytes at ${x} will stand when the tape runs.  Good for the next MAIL_ROOM bytes of calls. */
enum { MAIL_ROOM = 64 << 10 };
const void *transfer_bytes(struct ops_ctx *ctx, const void *x, size_t n);

template <typename X>
static const X *
transfer_value(struct ops_ctx *ctx, const X &x)
{
	return ((const X *)transfer_bytes(ctx, &x, sizeof(x)));
}

/* Said when all is on the tape that writes losses to elements at..at+n-1 of buf: they will be asked for. */
void transfer_losses(struct ops_ctx *ctx, const struct ops_buf *buf, size_t at, size_t n);

/* Losses that stand in, or are on their way to, the mirror: wait, and true; else false. */
bool transfer_read(struct ops_ctx *ctx, const struct ops_buf *buf, size_t at, float *host, size_t n);

/* buf was written by something else, or is no more. */
void transfer_forget(struct ops_ctx *ctx, const struct ops_buf *buf);

/* What follows is no part of a pass: losses on the tape can be fetched without waiting for it. */
void transfer_part(struct ops_ctx *ctx);

/*
 * For tape_flush: send what the calls read; after them, note that they are done.  Losses are fetched from behind
 * the next load that is sent, lest it wait for them: the two share a stream.
 */
void transfer_send(struct ops_ctx *ctx);
void transfer_fetch(struct ops_ctx *ctx);
void transfer_computed(struct ops_ctx *ctx);

#endif
