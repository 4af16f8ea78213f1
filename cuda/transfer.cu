/* Owns the copy stream, the slots on either side, the values' place on the card, and the losses' mirror. */

#include <errno.h>
#include <stdlib.h>

#include "transfer.cuh"

enum { SLOTS = 16, VALUES = 32 << 10, LETTERS = 4 };

/* One flush's worth: VALUES bytes of numbers, then ids. */
struct slot {
	char *pinned, *card;
	cudaEvent_t copied;		/* card has what pinned had */
	cudaEvent_t taken;		/* all of it stands where kernels read it */
};

/* A range of elements. */
struct range {
	size_t first, end;
};

struct transfer {
	struct slot slots[SLOTS];
	size_t sent;			/* slots so far; the next is being filled */
	bool open;			/* the next is the host's to write */
	char *values;			/* on the card: where kernels read numbers */
	size_t value_bytes, id_count;
	struct {
		int32_t *to;
		size_t first, n;
	} letters[LETTERS];
	size_t letter_count;

	const struct ops_buf *losses;	/* the buffer that has a mirror, or NULL */
	float *mirror;
	struct range written;		/* by calls on the tape */
	struct range ready;		/* after the event computed */
	struct range known;		/* in the mirror, or on its way */
	cudaEvent_t computed, fetched;
};

static size_t
ids_room(const struct ops_ctx *ctx)
{
	return (2 * ctx->g.max_rows);
}

int
transfer_open(struct ops_ctx *ctx)
{
	const size_t bytes = VALUES + ids_room(ctx) * sizeof(int32_t);
	struct transfer *m = (struct transfer *)calloc(1, sizeof(*m));
	char *card;

	if ((ctx->transfer = m) == NULL) {
		say_error("backend 'cuda': out of host memory");
		errno = ENOMEM;
		return (-1);
	}
	CHECK(cudaStreamCreateWithFlags(&ctx->copies, cudaStreamNonBlocking));
	CHECK(cudaEventCreateWithFlags(&m->computed, cudaEventDisableTiming));
	CHECK(cudaEventCreateWithFlags(&m->fetched, cudaEventDisableTiming));
	if ((m->values = (char *)context_scratch(ctx, VALUES)) == NULL ||
	    (card = (char *)context_scratch(ctx, SLOTS * bytes)) == NULL)
		return (-1);
	for (size_t i = 0; i < SLOTS; i++) {
		struct slot *s = &m->slots[i];

		s->card = card + i * bytes;
		CHECK(cudaEventCreateWithFlags(&s->copied, cudaEventDisableTiming));
		CHECK(cudaEventCreateWithFlags(&s->taken, cudaEventDisableTiming));
	}
	if (cudaMallocHost(&m->slots[0].pinned, SLOTS * bytes) != cudaSuccess) {
		cudaGetLastError();
		m->slots[0].pinned = NULL;
		say_error("backend 'cuda': %zu bytes of pinned host memory asked for, none to be had; "
		    "lower %s", SLOTS * bytes, ctx->training ? "train.micro_batch_tokens" : "eval.seq_len");
		errno = ENOMEM;
		return (-1);
	}
	for (size_t i = 1; i < SLOTS; i++)
		m->slots[i].pinned = m->slots[0].pinned + i * bytes;
	return (0);
}

void
transfer_close(struct ops_ctx *ctx)
{
	struct transfer *m = ctx->transfer;

	if (m == NULL)
		return;
	if (ctx->copies != NULL)
		cudaStreamSynchronize(ctx->copies);
	for (size_t i = 0; i < SLOTS; i++) {
		if (m->slots[i].copied != NULL)
			cudaEventDestroy(m->slots[i].copied);
		if (m->slots[i].taken != NULL)
			cudaEventDestroy(m->slots[i].taken);
	}
	if (m->slots[0].pinned != NULL)
		cudaFreeHost(m->slots[0].pinned);
	if (m->mirror != NULL)
		cudaFreeHost(m->mirror);
	if (m->computed != NULL)
		cudaEventDestroy(m->computed);
	if (m->fetched != NULL)
		cudaEventDestroy(m->fetched);
	if (ctx->copies != NULL)
		cudaStreamDestroy(ctx->copies);
	free(m);
	ctx->transfer = NULL;
}

/* --- in ------------------------------------------------------------------------ */

/* The slot that is being filled; the host waits here when it has come round to one that is not yet copied. */
static struct slot *
filling(struct transfer *m)
{
	struct slot *s = &m->slots[m->sent % SLOTS];

	if (!m->open)
		CHECK(cudaEventSynchronize(s->copied));
	m->open = true;
	return (s);
}

void
transfer_ids(struct ops_ctx *ctx, int32_t *to, const void *host, size_t n)
{
	struct transfer *m = ctx->transfer;

	assert(n <= ctx->g.max_rows);
	if (!tape_empty(ctx) || m->letter_count == LETTERS || m->id_count + n > ids_room(ctx))
		tape_flush(ctx);
	memcpy(filling(m)->pinned + VALUES + m->id_count * sizeof(int32_t), host, n * sizeof(int32_t));
	m->letters[m->letter_count].to = to;
	m->letters[m->letter_count].first = m->id_count;
	m->letters[m->letter_count++].n = n;
	m->id_count += n;
}

const void *
transfer_bytes(struct ops_ctx *ctx, const void *x, size_t n)
{
	struct transfer *m = ctx->transfer;
	size_t at;

	/* A flush among the calls that read it would let what comes later take its place. */
	tape_reserve(ctx, MAIL_ROOM);
	if (m->value_bytes + n > VALUES)
		tape_flush(ctx);
	at = m->value_bytes;
	memcpy(filling(m)->pinned + at, x, n);
	m->value_bytes += (n + 15) / 16 * 16;
	return (m->values + at);
}

void
transfer_send(struct ops_ctx *ctx)
{
	struct transfer *m = ctx->transfer;
	struct slot *s = &m->slots[m->sent % SLOTS];

	if (m->open) {
		CHECK(cudaStreamWaitEvent(ctx->copies, s->taken, 0));
		if (m->value_bytes > 0)
			CHECK(cudaMemcpyAsync(s->card, s->pinned, m->value_bytes, cudaMemcpyHostToDevice,
			    ctx->copies));
		if (m->id_count > 0)
			CHECK(cudaMemcpyAsync(s->card + VALUES, s->pinned + VALUES, m->id_count * sizeof(int32_t),
			    cudaMemcpyHostToDevice, ctx->copies));
		CHECK(cudaEventRecord(s->copied, ctx->copies));
		CHECK(cudaStreamWaitEvent(ctx->stream, s->copied, 0));
		if (m->value_bytes > 0)
			CHECK(cudaMemcpyAsync(m->values, s->card, m->value_bytes, cudaMemcpyDeviceToDevice,
			    ctx->stream));
		for (size_t i = 0; i < m->letter_count; i++)
			CHECK(cudaMemcpyAsync(m->letters[i].to,
			    s->card + VALUES + m->letters[i].first * sizeof(int32_t),
			    m->letters[i].n * sizeof(int32_t), cudaMemcpyDeviceToDevice, ctx->stream));
		CHECK(cudaEventRecord(s->taken, ctx->stream));
		m->value_bytes = m->id_count = m->letter_count = 0;
		m->open = false;
		m->sent++;
	}
}

/* --- out ----------------------------------------------------------------------- */

void
transfer_part(struct ops_ctx *ctx)
{
	if (ctx->transfer->written.first != ctx->transfer->written.end)
		tape_flush(ctx);
}

void
transfer_losses(struct ops_ctx *ctx, const struct ops_buf *buf, size_t at, size_t n)
{
	struct transfer *m = ctx->transfer;

	if (m->losses == NULL) {
		/* Made at the first step.  Without it the losses are fetched when somebody asks. */
		if (cudaMallocHost(&m->mirror, buf->words * sizeof(float)) != cudaSuccess) {
			cudaGetLastError();
			m->mirror = NULL;
			return;
		}
		m->losses = buf;
	}
	if (buf != m->losses)
		return;
	if (m->written.first == m->written.end)
		m->written = { at, at + n };
	m->written.first = at < m->written.first ? at : m->written.first;
	m->written.end = at + n > m->written.end ? at + n : m->written.end;
}

void
transfer_computed(struct ops_ctx *ctx)
{
	struct transfer *m = ctx->transfer;

	if (m->written.first == m->written.end)
		return;
	transfer_fetch(ctx);
	CHECK(cudaEventRecord(m->computed, ctx->stream));
	m->ready = m->written;
	m->written = { 0, 0 };
}

/*
 * Losses that are overwritten while an earlier copy still reads them spoil only
 * what the next copy, behind it on the same stream, puts right; whoever asks
 * waits for the last.
 */
void
transfer_fetch(struct ops_ctx *ctx)
{
	struct transfer *m = ctx->transfer;

	if (m->ready.first == m->ready.end)
		return;
	CHECK(cudaStreamWaitEvent(ctx->copies, m->computed, 0));
	CHECK(cudaMemcpyAsync(m->mirror + m->ready.first, (const float *)m->losses->data + m->ready.first,
	    (m->ready.end - m->ready.first) * sizeof(float), cudaMemcpyDeviceToHost, ctx->copies));
	CHECK(cudaEventRecord(m->fetched, ctx->copies));
	/* One stretch is remembered: that of a step's passes, which follow each other. */
	if (m->known.first < m->known.end && m->ready.first == m->known.end)
		m->known.end = m->ready.end;
	else
		m->known = m->ready;
	m->ready = { 0, 0 };
}

bool
transfer_read(struct ops_ctx *ctx, const struct ops_buf *buf, size_t at, float *host, size_t n)
{
	const struct transfer *m = ctx->transfer;

	if (buf != m->losses)
		return (false);
	transfer_fetch(ctx);
	if (at < m->known.first || at + n > m->known.end)
		return (false);
	CHECK(cudaEventSynchronize(m->fetched));
	memcpy(host, m->mirror + at, n * sizeof(float));
	return (true);
}

void
transfer_forget(struct ops_ctx *ctx, const struct ops_buf *buf)
{
	struct transfer *m = ctx->transfer;

	if (m == NULL || m->losses == NULL || buf != m->losses)
		return;
	cuda_sync(ctx);
	cudaFreeHost(m->mirror);
	m->mirror = NULL;
	m->losses = NULL;
	m->written = m->ready = m->known = { 0, 0 };
}
