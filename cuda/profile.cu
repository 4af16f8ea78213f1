/*
 * Time by kernel, from events around each launch, when HG_CUDA_PROFILE is set.
 * The events themselves cost time: shares are to be trusted, not the sum.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "context.cuh"

enum { MARKS = 4096, NAMES = 64 };

struct profile {
	cudaEvent_t from[MARKS], to[MARKS];
	int name_of[MARKS];
	int marks;
	struct {
		const char *name;
		size_t calls;
		double ms;
	} names[NAMES];
	int name_count;
};

static void
gather(struct ops_ctx *ctx)
{
	struct profile *p = ctx->profile;

	CHECK(cudaStreamSynchronize(ctx->stream));
	for (int i = 0; i < p->marks; i++) {
		float ms = 0;

		CHECK(cudaEventElapsedTime(&ms, p->from[i], p->to[i]));
		p->names[p->name_of[i]].ms += ms;
		p->names[p->name_of[i]].calls++;
	}
	p->marks = 0;
}

void
profile_begin(struct ops_ctx *ctx, const char *name)
{
	struct profile *p = ctx->profile;
	int i = 0;

	if (p->marks == MARKS)
		gather(ctx);
	while (i < p->name_count && strcmp(p->names[i].name, name) != 0)
		i++;
	if (i == p->name_count) {
		assert(p->name_count < NAMES);
		p->names[p->name_count++].name = name;
	}
	p->name_of[p->marks] = i;
	CHECK(cudaEventRecord(p->from[p->marks], ctx->stream));
}

void
profile_end(struct ops_ctx *ctx)
{
	CHECK(cudaEventRecord(ctx->profile->to[ctx->profile->marks++], ctx->stream));
}

void
profile_open(struct ops_ctx *ctx)
{
	struct profile *p;

	if (getenv("HG_CUDA_PROFILE") == NULL || (p = (struct profile *)calloc(1, sizeof(*p))) == NULL)
		return;
	for (int i = 0; i < MARKS; i++) {
		CHECK(cudaEventCreateWithFlags(&p->from[i], cudaEventDefault));
		CHECK(cudaEventCreateWithFlags(&p->to[i], cudaEventDefault));
	}
	ctx->profile = p;
}

void
profile_close(struct ops_ctx *ctx)
{
	struct profile *p = ctx->profile;
	double all = 0;

	if (p == NULL)
		return;
	gather(ctx);
	for (int i = 0; i < p->name_count; i++)
		all += p->names[i].ms;
	fprintf(stderr, "%-28s %9s %11s %7s\n", "kernel", "calls", "ms", "share");
	for (int i = 0; i < p->name_count; i++)
		fprintf(stderr, "%-28s %9zu %11.3f %6.1f%%\n", p->names[i].name, p->names[i].calls, p->names[i].ms,
		    all > 0 ? 100 * p->names[i].ms / all : 0);
	for (int i = 0; i < MARKS; i++) {
		cudaEventDestroy(p->from[i]);
		cudaEventDestroy(p->to[i]);
	}
	free(p);
	ctx->profile = NULL;
}
