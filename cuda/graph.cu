/*
 * The tape, and the graphs that were made of tapes that came again.  It owns
 * both; a graph is never changed, only forgotten for the sake of another.
 */

#include <stdlib.h>

#include "transfer.cuh"

enum {
	TAPE_BYTES = 1 << 20,		/* a flush comes early when a pass needs more */
	GRAPHS = 8,
	WORTH = 8			/* calls from which on a graph pays */
};

struct graph {
	uint64_t hash;
	size_t bytes;
	char *tape;			/* TAPE_BYTES */
	cudaGraphExec_t exec;		/* NULL: seen once */
	uint64_t used;			/* when, by the tape's counter; 0: free */
};

struct tape {
	char *calls;			/* TAPE_BYTES */
	size_t bytes, count;
	struct graph graphs[GRAPHS];
	uint64_t now;
	bool capturing;			/* unless refused, or not wanted */
	struct tape_counts counts;
};

int
tape_open(struct ops_ctx *ctx)
{
	const char *wanted = getenv("HG_CUDA_GRAPHS");
	struct tape *t = (struct tape *)calloc(1, sizeof(*t));

	if ((ctx->tape = t) == NULL)
		return (-1);
	t->capturing = (wanted == NULL || strcmp(wanted, "0") != 0);
	if ((t->calls = (char *)malloc((GRAPHS + 1) * (size_t)TAPE_BYTES)) == NULL)
		return (-1);
	for (size_t i = 0; i < GRAPHS; i++)
		t->graphs[i].tape = t->calls + (i + 1) * TAPE_BYTES;
	return (0);
}

static void
forget(struct graph *g)
{
	if (g->exec != NULL)
		CHECK(cudaGraphExecDestroy(g->exec));
	g->exec = NULL;
	g->used = 0;
}

void
tape_close(struct ops_ctx *ctx)
{
	struct tape *t = ctx->tape;

	if (t == NULL)
		return;
	for (size_t i = 0; i < GRAPHS; i++)
		forget(&t->graphs[i]);
	free(t->calls);
	free(t);
	ctx->tape = NULL;
}

bool
tape_empty(const struct ops_ctx *ctx)
{
	return (ctx->tape->count == 0);
}

struct tape_counts
tape_count(const struct ops_ctx *ctx)
{
	return (ctx->tape->counts);
}

void
tape_reserve(struct ops_ctx *ctx, size_t bytes)
{
	assert(bytes <= TAPE_BYTES);
	if (TAPE_BYTES - ctx->tape->bytes < bytes)
		tape_flush(ctx);
}

char *
tape_add(struct ops_ctx *ctx, const struct call *head)
{
	struct tape *t = ctx->tape;
	char *at;

	tape_reserve(ctx, sizeof(*head) + head->bytes);
	at = t->calls + t->bytes;
	memcpy(at, head, sizeof(*head));
	memset(at + sizeof(*head), 0, head->bytes);
	t->bytes += sizeof(*head) + head->bytes;
	t->count++;
	return (at + sizeof(*head));
}

/* All calls into the stream; NULL, or what the first to fail says. */
static const char *
submit(struct ops_ctx *ctx, const char **name)
{
	const struct tape *t = ctx->tape;

	for (size_t at = 0; at < t->bytes;) {
		const struct call *call = (const struct call *)(t->calls + at);
		const char *complaint;

		if (ctx->profile != NULL)
			profile_begin(ctx, call->name);
		if ((complaint = call->submit(ctx, call)) != NULL) {
			*name = call->name;
			return (complaint);
		}
		if (ctx->profile != NULL)
			profile_end(ctx);
		at += sizeof(*call) + call->bytes;
	}
	return (NULL);
}

/* Call by call. */
static void
perform(struct ops_ctx *ctx)
{
	const char *name, *complaint = submit(ctx, &name);

	if (complaint != NULL) {
		say_error("the card failed: %s (in %s)", complaint, name);
		_exit(HG_EXIT_SYSTEM);
	}
	ctx->tape->counts.done++;
}

/*
 * The tape as a graph, not yet run.  Nothing was done when this fails: a
 * stream that captures only takes notes.
 */
static bool
capture(struct ops_ctx *ctx, struct graph *g)
{
	static bool said;		/* the self-test has a context of its own */
	const char *name = "the step", *complaint = NULL;
	cudaGraph_t graph = NULL;
	cudaError_t error, ended;

	if ((error = cudaStreamBeginCapture(ctx->stream, cudaStreamCaptureModeThreadLocal)) == cudaSuccess) {
		complaint = submit(ctx, &name);
		ended = cudaStreamEndCapture(ctx->stream, &graph);
		error = complaint == NULL ? ended : cudaSuccess;
	}
	if (complaint == NULL && error == cudaSuccess)
		error = cudaGraphInstantiateWithFlags(&g->exec, graph, 0);
	if (graph != NULL)
		CHECK(cudaGraphDestroy(graph));
	if (complaint == NULL && error == cudaSuccess) {
		ctx->tape->counts.captured++;
		return (true);
	}
	if (!said)
		say_note("no CUDA graphs: %s (in %s); every kernel is launched by itself from now on",
		    complaint != NULL ? complaint : cudaGetErrorString(error), name);
	said = true;
	cudaGetLastError();
	g->exec = NULL;
	ctx->tape->capturing = false;
	return (false);
}

/* The tape's graph, or the place for one, marked as used now; *known: it has been here before. */
static struct graph *
find(struct ops_ctx *ctx, bool *known)
{
	struct tape *t = ctx->tape;
	struct graph *oldest = &t->graphs[0];
	uint64_t hash = 14695981039346656037u;

	for (size_t i = 0; i < t->bytes; i += 8) {	/* all lengths are multiples of 8 */
		uint64_t word;

		memcpy(&word, t->calls + i, sizeof(word));
		hash = (hash ^ word) * 1099511628211u;
		hash ^= hash >> 32;
	}
	t->now++;
	for (struct graph *g = t->graphs; g < t->graphs + GRAPHS; g++) {
		if (g->used != 0 && g->hash == hash && g->bytes == t->bytes &&
		    memcmp(g->tape, t->calls, t->bytes) == 0) {
			g->used = t->now;
			*known = true;
			return (g);
		}
		if (g->used < oldest->used)
			oldest = g;
	}
	if (oldest->exec != NULL)
		CHECK(cudaStreamSynchronize(ctx->stream));	/* it may be running; so many shapes are rare */
	forget(oldest);
	oldest->hash = hash;
	oldest->bytes = t->bytes;
	oldest->used = t->now;
	memcpy(oldest->tape, t->calls, t->bytes);
	*known = false;
	return (oldest);
}

void
tape_flush(struct ops_ctx *ctx)
{
	struct tape *t = ctx->tape;
	struct graph *g = NULL;
	bool known = false;

	transfer_send(ctx);
	transfer_fetch(ctx);
	if (t->count == 0)
		return;
	if (t->capturing && ctx->profile == NULL && t->count >= WORTH)
		g = find(ctx, &known);
	if (known && (g->exec != NULL || capture(ctx, g))) {
		CHECK(cudaGraphLaunch(g->exec, ctx->stream));
		t->counts.replayed++;
	} else {
		perform(ctx);
	}
	transfer_computed(ctx);
	t->bytes = t->count = 0;
}
