/*
 * The emulated device.  It owns the fibers that threads of a block are, the
 * guard zones around memory, the queues that streams are, and a cublasLt of
 * plain loops.  One process thread; the order in which things run is chosen
 * by emu_set_order and is otherwise fixed, so every failure repeats.
 */

#include "emu.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <vector>

#if !defined(__x86_64__)
#include <ucontext.h>
#endif
#if defined(__SANITIZE_ADDRESS__)
#define HG_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HG_ASAN 1
#endif
#endif
#ifdef HG_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

dim3 threadIdx, blockIdx, blockDim, gridDim;

static struct emu_counts counts;
static enum emu_order order = EMU_FORWARD;
static uint64_t random_state = 1;
static size_t memory_limit = getenv("HG_EMU_MEMORY") != NULL ? strtoull(getenv("HG_EMU_MEMORY"), NULL, 10) :
    (size_t)8 << 30;
static int device_count = getenv("HG_EMU_DEVICES") != NULL ? atoi(getenv("HG_EMU_DEVICES")) : 1;
static bool capture_works = true;

void
emu_die(const char *format, ...)
{
	va_list ap;

	fputs("emulated device: ", stderr);
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fputc('\n', stderr);
	abort();
}

static uint64_t
random_below(uint64_t n)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return ((random_state >> 33) % n);
}

/* 0..n-1 in the order of the day. */
static void
arrange(unsigned *list, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		list[i] = order == EMU_REVERSE ? n - 1 - i : i;
	for (unsigned i = n; order == EMU_RANDOM && i > 1; i--)
		std::swap(list[i - 1], list[random_below(i)]);
}

void
emu_set_order(enum emu_order chosen, uint64_t seed)
{
	order = chosen;
	random_state = seed * 2 + 1;
}

void
emu_set_memory(size_t bytes)
{
	memory_limit = bytes;
}

void
emu_set_devices(int count)
{
	device_count = count;
}

void
emu_set_capture(int works)
{
	capture_works = works != 0;
}

/* --- memory ------------------------------------------------------------------- */

enum { GUARD = 256, POISON = 0xff, GUARD_BYTE = 0xfd };

/* Guard zone, n bytes, guard zone. */
struct zone {
	char *base;
	size_t n;
};

static std::map<char *, zone> live;	/* by first byte after the guard */
static std::map<char *, size_t> pinned;

static zone
zone_new(size_t n)
{
	zone z = { (char *)aligned_alloc(GUARD, (n + 3 * GUARD - 1) / GUARD * GUARD), n };

	if (z.base == NULL)
		emu_die("the host is out of memory");
	memset(z.base, GUARD_BYTE, GUARD);
	memset(z.base + GUARD, POISON, n);
	memset(z.base + GUARD + n, GUARD_BYTE, GUARD);
#ifdef HG_ASAN
	__asan_poison_memory_region(z.base, GUARD);
	__asan_poison_memory_region(z.base + GUARD + n, GUARD);
#endif
	return (z);
}

static bool
zone_damaged(const zone &z)
{
	bool damaged = false;

#ifdef HG_ASAN
	__asan_unpoison_memory_region(z.base, GUARD);
	__asan_unpoison_memory_region(z.base + GUARD + z.n, GUARD);
#endif
	for (size_t i = 0; i < GUARD; i++)
		if ((unsigned char)z.base[i] != GUARD_BYTE || (unsigned char)z.base[GUARD + z.n + i] != GUARD_BYTE)
			damaged = true;
#ifdef HG_ASAN
	__asan_poison_memory_region(z.base, GUARD);
	__asan_poison_memory_region(z.base + GUARD + z.n, GUARD);
#endif
	return (damaged);
}

static void
zone_free(const zone &z)
{
	if (zone_damaged(z))
		counts.damaged++;
#ifdef HG_ASAN
	__asan_unpoison_memory_region(z.base, GUARD);
	__asan_unpoison_memory_region(z.base + GUARD + z.n, GUARD);
#endif
	free(z.base);
}

/* All of [p, p + n) must lie in one device allocation. */
void
emu_inside(const void *p, size_t n, const char *what)
{
	auto next = live.upper_bound((char *)p);

	if (next == live.begin())
		emu_die("%s: %p is no device memory", what, p);
	--next;
	if ((char *)p + n > next->first + next->second.n)
		emu_die("%s: %zu bytes at byte %zu of an allocation of %zu", what, n, (size_t)((char *)p - next->first),
		    next->second.n);
}

cudaError_t
emu_malloc(void **p, size_t n)
{
	zone z;

	if (counts.live_bytes + n > memory_limit)
		return (cudaErrorMemoryAllocation);
	z = zone_new(n);
	*p = z.base + GUARD;
	live[z.base + GUARD] = z;
	counts.live_bytes += n;
	counts.allocations++;
	return (cudaSuccess);
}

cudaError_t
cudaFree(void *p)
{
	if (p == NULL)
		return (cudaSuccess);
	auto found = live.find((char *)p);

	if (found == live.end())
		emu_die("cudaFree: %p was not allocated", p);
	counts.live_bytes -= found->second.n;
	zone_free(found->second);
	live.erase(found);
	return (cudaSuccess);
}

cudaError_t
emu_malloc_host(void **p, size_t n)
{
	*p = malloc(n);
	if (*p == NULL)
		return (cudaErrorMemoryAllocation);
	memset(*p, POISON, n);
	pinned[(char *)*p] = n;
	counts.allocations++;
	return (cudaSuccess);
}

cudaError_t
cudaFreeHost(void *p)
{
	pinned.erase((char *)p);
	free(p);
	return (cudaSuccess);
}

static bool
is_pinned(const void *p)
{
	auto next = pinned.upper_bound((char *)p);

	return (next != pinned.begin() && (--next, (char *)p < next->first + next->second));
}

struct emu_counts
emu_count(void)
{
	return (counts);
}

size_t
emu_damaged_now(void)
{
	size_t n = 0;

	for (auto &entry : live)
		n += zone_damaged(entry.second);
	return (n);
}

/* --- threads of a block ------------------------------------------------------- */

enum { STACK = 256 << 10, COLOURS = 64, COLOUR = 448, SLOT = EMU_SLOT, WARP = 32 };

#if defined(__x86_64__)
/*
 * Save what a call must preserve on this stack, continue on the other.  A jump, not `ret`, goes there: a return that is
 * not to its call is always mispredicted.
 */
extern "C" void emu_switch(void **save, void *stack);
__asm__(
    ".text\n.globl emu_switch\n.type emu_switch,@function\nemu_switch:\n"
    "	pushq %rbp\n	pushq %rbx\n	pushq %r12\n	pushq %r13\n	pushq %r14\n	pushq %r15\n"
    "	movq %rsp, (%rdi)\n	movq %rsi, %rsp\n"
    "	popq %r15\n	popq %r14\n	popq %r13\n	popq %r12\n	popq %rbx\n	popq %rbp\n"
    "	popq %rcx\n	jmp *%rcx\n"
    ".size emu_switch,.-emu_switch\n");
#endif

struct warp {
	alignas(8) char slot[2][WARP * SLOT];	/* what the lanes published; used in turn */
	unsigned lanes, arrived, passed;
};

struct fiber {
	char *stack;
	void *sp;
#if !defined(__x86_64__)
	ucontext_t context;
#endif
	bool running;			/* not yet returned */
	const unsigned *passed;		/* waits until this counter... */
	unsigned until;			/* ...differs from this */
	unsigned turns;			/* exchanges so far */
};

static struct {
	fiber fibers[1024];		/* their stacks are made once and kept */
	warp warps[1024 / WARP];
	const std::function<void()> *body;
	const char *kernel;
	unsigned threads, arrived, passed;	/* at __syncthreads */
	unsigned current, running;	/* the thread, and how many have not returned */
	zone shared;
	void *home;			/* the scheduler's stack */
#if !defined(__x86_64__)
	ucontext_t home_context;
#endif
#ifdef HG_ASAN
	const void *home_bottom;
	size_t home_size;
	bool from_home;			/* the last switch was from there */
#endif
} block;

/* The round of the warp that runs: each of its lanes that can move does so once, in this order. */
static struct {
	unsigned list[WARP], lanes, first, at;
} lanes_round;

/* The next lane of the round that can move, as the thread that runs; NULL: none is left. */
static fiber *
next_lane(void)
{
	while (lanes_round.at < lanes_round.lanes) {
		const unsigned thread = lanes_round.first + lanes_round.list[lanes_round.at++];
		fiber &f = block.fibers[thread];

		if (!f.running || (f.passed != NULL && *f.passed == f.until))
			continue;
		f.passed = NULL;
		block.current = threadIdx.x = thread;
		return (&f);
	}
	return (NULL);
}

#ifdef HG_ASAN
static void
arrived_on_stack(void *fake)
{
	const void *bottom;
	size_t size;

	__sanitizer_finish_switch_fiber(fake, &bottom, &size);
	if (block.from_home) {
		block.home_bottom = bottom;
		block.home_size = size;
	}
	block.from_home = false;
}
#endif

/* Let the round's next lane run, straight away, or else the scheduler. */
static void
give_way(bool for_good)
{
	fiber &f = block.fibers[block.current], *next = next_lane();

#ifdef HG_ASAN
	void *fake = NULL;

	__sanitizer_start_switch_fiber(for_good ? NULL : &fake, next != NULL ? next->stack : block.home_bottom,
	    next != NULL ? (size_t)STACK : block.home_size);
#else
	(void)for_good;
#endif
#if defined(__x86_64__)
	emu_switch(&f.sp, next != NULL ? next->sp : block.home);
#else
	swapcontext(&f.context, next != NULL ? &next->context : &block.home_context);
#endif
#ifdef HG_ASAN
	arrived_on_stack(fake);
#endif
}

static void
fiber_main(void)
{
#ifdef HG_ASAN
	arrived_on_stack(NULL);
#endif
	(*block.body)();
	block.fibers[block.current].running = false;
	block.running--;
	give_way(true);
	emu_die("a finished thread ran on");
}

static void
fiber_start(fiber &f)
{
	if (f.stack == NULL && (f.stack = (char *)aligned_alloc(64, STACK)) == NULL)
		emu_die("the host is out of memory");
#if defined(__x86_64__)
	/* Tops a power of two apart would share one set of the cache: each stands some lines lower than the last. */
	void **top = (void **)(f.stack + STACK - (&f - block.fibers) % COLOURS * COLOUR) - 1;

	*--top = (void *)fiber_main;	/* where the switch goes, with the stack as after a call */
	for (int i = 0; i < 6; i++)
		*--top = NULL;
	f.sp = top;
#else
	getcontext(&f.context);
	f.context.uc_stack.ss_sp = f.stack;
	f.context.uc_stack.ss_size = STACK;
	f.context.uc_link = NULL;
	makecontext(&f.context, fiber_main, 0);
#endif
	f.running = true;
	f.passed = NULL;
	f.turns = 0;
}

/* Run a lane, and after it what is left of its round. */
static void
fiber_run(fiber &f)
{
#ifdef HG_ASAN
	void *fake = NULL;

	block.from_home = true;
	__sanitizer_start_switch_fiber(&fake, f.stack, STACK);
#endif
#if defined(__x86_64__)
	emu_switch(&block.home, f.sp);
#else
	swapcontext(&block.home_context, &f.context);
#endif
#ifdef HG_ASAN
	__sanitizer_finish_switch_fiber(fake, NULL, NULL);
#endif
}

/* Wait until ${passed} moves on. */
static void
wait_for(const unsigned &passed)
{
	fiber &f = block.fibers[block.current];

	f.passed = &passed;
	f.until = passed;
	give_way(false);
}

void
emu_syncthreads(void)
{
	if (++block.arrived == block.threads) {
		block.arrived = 0;
		block.passed++;
		return;
	}
	wait_for(block.passed);
}

/* Inline, so that a size which is known where it is called makes a copy of that size. */
static inline const char *
exchange(const void *mine, size_t n)
{
	const unsigned thread = block.current, lane = thread % WARP;
	warp &w = block.warps[thread / WARP];
	char *slots = w.slot[block.fibers[thread].turns++ % 2];

	memcpy(slots + lane * SLOT, mine, n);
	if (++w.arrived == w.lanes) {
		w.arrived = 0;
		w.passed++;
	} else {
		wait_for(w.passed);
	}
	return (slots);
}

const char *
emu_exchange(const void *mine, size_t n)
{
	return (n == sizeof(float) ? exchange(mine, sizeof(float)) : exchange(mine, n));
}

void *
emu_shared(void)
{
	return (block.shared.base + GUARD);
}

/* Run the threads of a warp until none of them can move; in random order, sometimes only a little. Returns how far. */
static bool
run_warp(unsigned w)
{
	bool any = false, moved = true;

	while (moved && !(any && order == EMU_RANDOM && random_below(2))) {
		fiber *f;

		lanes_round.lanes = block.warps[w].lanes;
		lanes_round.first = w * WARP;
		lanes_round.at = 0;
		arrange(lanes_round.list, lanes_round.lanes);
		f = next_lane();
		if ((moved = f != NULL))
			fiber_run(*f);
		any = any || moved;
	}
	return (any);
}

/* A warp runs as far ahead of the others as barriers let it: what is not kept apart by one will meet. */
static void
run_block(void)
{
	const unsigned warps = block.threads / WARP;
	unsigned list[1024 / WARP];

	block.running = block.threads;
	for (unsigned i = 0; i < block.threads; i++)
		fiber_start(block.fibers[i]);
	for (unsigned w = 0; w < warps; w++)
		block.warps[w] = warp();
	for (unsigned i = 0; i < block.threads; i++)
		block.warps[i / WARP].lanes++;
	block.arrived = block.passed = 0;
	memset(emu_shared(), POISON, block.shared.n);
	while (block.running > 0) {
		bool moved = false;

		arrange(list, warps);
		for (unsigned i = 0; i < warps; i++)
			if (run_warp(list[i]))
				moved = true;
		if (!moved)
			emu_die("kernel %s, block (%u, %u, %u): a barrier or exchange that not all threads reach",
			    block.kernel, blockIdx.x, blockIdx.y, blockIdx.z);
	}
	if (block.arrived > 0)
		emu_die("kernel %s: a barrier was left waiting", block.kernel);
}

static void
run_grid(const char *name, dim3 grid, unsigned threads, size_t shared, const std::function<void()> &body)
{
	const uint64_t blocks64 = (uint64_t)grid.x * grid.y * grid.z;
	const unsigned blocks = (unsigned)blocks64;
	std::vector<unsigned> list(blocks);

	gridDim = grid;
	blockDim = dim3(threads);
	block.kernel = name;
	block.body = &body;
	block.threads = threads;
	if (block.threads % WARP != 0 || block.threads == 0 || block.threads > 1024)
		emu_die("kernel %s: a block of %u threads is not whole warps", name, block.threads);
	if (blocks64 == 0 || blocks64 > INT32_MAX || grid.y > 65535 || grid.z > 65535)
		emu_die("kernel %s: no grid of (%u, %u, %u)", name, grid.x, grid.y, grid.z);
	block.shared = zone_new(shared);
	arrange(list.data(), blocks);
	for (unsigned i : list) {
		blockIdx = dim3(i % grid.x, i / grid.x % grid.y, i / grid.x / grid.y);
		run_block();
	}
	if (zone_damaged(block.shared))
		fprintf(stderr, "emulated device: kernel %s wrote outside its shared memory\n", name);
	zone_free(block.shared);
}

static uint32_t
pair_of(const uint16_t *low, const uint16_t *high)
{
	return ((uint32_t)*low | (uint32_t)*high << 16);
}

void
emu_ldmatrix(uint32_t *out, int count, int transposed, const void *row)
{
	const char *rows = exchange(&row, sizeof(row));
	const int lane = emu_lane();

	for (int m = 0; m < count; m++) {
		const uint16_t *p[8];

		for (int r = 0; r < 8; r++) {
			memcpy(&p[r], rows + (m * 8 + r) * SLOT, sizeof(p[r]));
			if ((uintptr_t)p[r] % 16 != 0)
				emu_die("kernel %s: ldmatrix of a row that is not aligned to 16 bytes", block.kernel);
		}
		if (transposed)
			out[m] = pair_of(&p[lane % 4 * 2][lane / 4], &p[lane % 4 * 2 + 1][lane / 4]);
		else
			out[m] = pair_of(&p[lane / 4][lane % 4 * 2], &p[lane / 4][lane % 4 * 2 + 1]);
	}
}

static float2
halves(uint32_t pair)
{
	return (float2 { __bfloat162float(__nv_bfloat16 { (uint16_t)pair }),
	    __bfloat162float(__nv_bfloat16 { (uint16_t)(pair >> 16) }) });
}

static float2
halves(float2 pair)
{
	return (pair);
}

/* All lanes lend their pairs; each makes its four results of them, side by side, each sum by rising k. */
template <typename P>
static void
mma(float c[4], const P a[4], const P b[2])
{
	const P mine[6] = { a[0], a[1], a[2], a[3], b[0], b[1] };
	const char *slots = exchange(mine, sizeof(mine));
	const int lane = emu_lane(), row = lane / 4, col = lane % 4 * 2;

	for (int k = 0; k < 8; k++) { /* pairs of k */
		const P *left = (const P *)(slots + (row * 4 + k % 4) * SLOT) + k / 4 * 2;
		const P *right = (const P *)(slots + (col * 4 + k % 4) * SLOT) + 4 + k / 4;
		const P *next = (const P *)((const char *)right + 4 * SLOT);
		const float2 above = halves(left[0]), below = halves(left[1]), one = halves(*right), two = halves(*next);

		c[0] += above.x * one.x;
		c[1] += above.x * two.x;
		c[2] += below.x * one.x;
		c[3] += below.x * two.x;
		c[0] += above.y * one.y;
		c[1] += above.y * two.y;
		c[2] += below.y * one.y;
		c[3] += below.y * two.y;
	}
}

void
emu_mma(float c[4], const uint32_t a[4], const uint32_t b[2])
{
	mma(c, a, b);
}

void
emu_mma_float(float c[4], const float2 a[4], const float2 b[2])
{
	mma(c, a, b);
}

/* --- streams and events --------------------------------------------------- */

struct emu_event {
	uint64_t asked, done;		/* records asked for, and passed */
};

/* Something to do, or a record to wait for. */
struct item {
	work run;
	const emu_event *until;		/* NULL: nothing */
	uint64_t record;
};

struct emu_graph {
	std::vector<work> items;
};

struct emu_stream {
	std::deque<item> queue;
	emu_graph *capture;		/* NULL unless it captures */
};

static std::vector<emu_stream *> streams;

void
emu_submit(cudaStream_t stream, work run)
{
	if (stream->capture != NULL) {
		stream->capture->items.push_back(run);
		return;
	}
	counts.submitted++;
	stream->queue.push_back({ run, NULL, 0 });
}

/* No device forgives it while a stream captures: it would have to do what is only being noted. */
static void
not_captured(const emu_stream *stream, const char *what)
{
	if (stream->capture != NULL)
		emu_die("%s while the stream is being captured", what);
}

/* Let all streams run, one item of one stream at a time, until ${done}. */
static void
run_until(const std::function<bool()> &done)
{
	std::vector<unsigned> list;

	while (!done()) {
		bool moved = false;

		list.resize(streams.size());
		arrange(list.data(), (unsigned)list.size());
		for (unsigned i : list) {
			std::deque<item> &queue = streams[i]->queue;

			if (queue.empty() || (queue.front().until != NULL &&
			    queue.front().until->done < queue.front().record))
				continue;
			const item next = queue.front();

			queue.pop_front();
			if (next.run)
				next.run();
			moved = true;
			break;
		}
		if (!moved)
			emu_die("waited for something that was never asked for");
	}
}

static std::map<const void *, size_t> allowed;

void
emu_allow(const void *kernel, size_t bytes)
{
	if (bytes > (size_t)99 << 10)
		emu_die("%zu bytes of shared memory are more than the smallest card has", bytes);
	allowed[kernel] = bytes;
}

void
emu_launch(const char *name, const void *kernel, dim3 grid, unsigned threads, size_t shared, cudaStream_t stream,
    work body)
{
	if (shared > (size_t)48 << 10 && shared > allowed[kernel])
		emu_die("kernel %s: %zu bytes of shared memory, %zu allowed", name, shared, allowed[kernel]);
	emu_load(kernel, name, stream);
	emu_submit(stream, [=] { run_grid(name, grid, threads, shared, body); });
}

cudaError_t
cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned)
{
	*stream = new emu_stream();
	streams.push_back(*stream);
	return (cudaSuccess);
}

cudaError_t
cudaStreamSynchronize(cudaStream_t stream)
{
	not_captured(stream, "cudaStreamSynchronize");
	counts.waits++;
	run_until([=] { return (stream->queue.empty()); });
	return (cudaSuccess);
}

void
emu_load(const void *what, const char *name, cudaStream_t stream)
{
	static std::set<const void *> loaded;

	if (loaded.insert(what).second && stream->capture != NULL)
		emu_die("%s runs for the first time, and that while its stream is being captured", name);
}

cudaError_t
cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned)
{
	not_captured(stream, "cudaStreamWaitEvent");
	stream->queue.push_back({ work(), event, event->asked });
	return (cudaSuccess);
}

cudaError_t
cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode)
{
	not_captured(stream, "cudaStreamBeginCapture");
	stream->capture = new emu_graph();
	return (cudaSuccess);
}

cudaError_t
cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *graph)
{
	if (stream->capture == NULL)
		emu_die("cudaStreamEndCapture of a stream that is not captured");
	*graph = capture_works ? stream->capture : NULL;
	if (!capture_works)
		delete stream->capture;
	stream->capture = NULL;
	return (capture_works ? cudaSuccess : cudaErrorStreamCaptureInvalidated);
}

cudaError_t
cudaGraphInstantiateWithFlags(cudaGraphExec_t *exec, cudaGraph_t graph, unsigned long long)
{
	*exec = new emu_graph(*graph);
	counts.captured++;
	return (cudaSuccess);
}

cudaError_t
cudaGraphDestroy(cudaGraph_t graph)
{
	delete graph;
	return (cudaSuccess);
}

cudaError_t
cudaGraphExecDestroy(cudaGraphExec_t exec)
{
	delete exec;
	return (cudaSuccess);
}

cudaError_t
cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream)
{
	not_captured(stream, "cudaGraphLaunch");
	counts.replayed++;
	for (const work &run : exec->items)
		emu_submit(stream, run);
	return (cudaSuccess);
}

cudaError_t
cudaStreamDestroy(cudaStream_t stream)
{
	run_until([=] { return (stream->queue.empty()); });
	for (size_t i = 0; i < streams.size(); i++) {
		if (streams[i] == stream) {
			streams.erase(streams.begin() + (long)i);
			break;
		}
	}
	delete stream;
	return (cudaSuccess);
}

cudaError_t
cudaMemcpyAsync(void *to, const void *from, size_t n, cudaMemcpyKind kind, cudaStream_t stream)
{
	if (kind != cudaMemcpyHostToDevice)
		emu_inside(from, n, "copy from the device");
	if (kind != cudaMemcpyDeviceToHost)
		emu_inside(to, n, "copy to the device");
	if (kind == cudaMemcpyHostToDevice && !is_pinned(from)) {
		auto staged = std::make_shared<std::vector<char>>((const char *)from, (const char *)from + n);

		emu_submit(stream, [=] { memcpy(to, staged->data(), n); });
		return (cudaSuccess);
	}
	emu_submit(stream, [=] { memmove(to, from, n); });
	if (kind == cudaMemcpyDeviceToHost && !is_pinned(to))
		return (cudaStreamSynchronize(stream));
	return (cudaSuccess);
}

cudaError_t
cudaMemsetAsync(void *p, int byte, size_t n, cudaStream_t stream)
{
	emu_inside(p, n, "memset");
	emu_submit(stream, [=] { memset(p, byte, n); });
	return (cudaSuccess);
}

cudaError_t
cudaEventCreateWithFlags(cudaEvent_t *event, unsigned)
{
	*event = new emu_event();
	return (cudaSuccess);
}

cudaError_t
cudaEventDestroy(cudaEvent_t event)
{
	delete event;
	return (cudaSuccess);
}

cudaError_t
cudaEventRecord(cudaEvent_t event, cudaStream_t stream)
{
	not_captured(stream, "cudaEventRecord");
	const uint64_t number = ++event->asked;

	emu_submit(stream, [=] { event->done = number; });
	return (cudaSuccess);
}

cudaError_t
cudaEventSynchronize(cudaEvent_t event)
{
	if (event->done == event->asked)
		return (cudaSuccess);
	counts.waits++;
	run_until([=] { return (event->done == event->asked); });
	return (cudaSuccess);
}

cudaError_t
cudaEventElapsedTime(float *ms, cudaEvent_t, cudaEvent_t)
{
	*ms = 0;
	return (cudaSuccess);
}

/* --- the device ------------------------------------------------------------------ */

cudaError_t
cudaGetDeviceCount(int *count)
{
	*count = device_count;
	return (device_count > 0 ? cudaSuccess : cudaErrorNoDevice);
}

cudaError_t
cudaSetDevice(int)
{
	return (cudaSuccess);
}

cudaError_t
cudaGetDeviceProperties(cudaDeviceProp *prop, int)
{
	*prop = cudaDeviceProp();
	strcpy(prop->name, "emulated device");
	prop->major = 8;
	prop->minor = 0;
	prop->multiProcessorCount = 4;
	prop->totalGlobalMem = memory_limit;
	prop->sharedMemPerBlockOptin = (size_t)99 << 10;
	return (cudaSuccess);
}

cudaError_t
cudaRuntimeGetVersion(int *version)
{
	*version = 0;
	return (cudaSuccess);
}

cudaError_t
cudaDriverGetVersion(int *version)
{
	*version = 0;
	return (cudaSuccess);
}

cudaError_t
cudaGetLastError(void)
{
	return (cudaSuccess);
}

const char *
cudaGetErrorString(cudaError_t error)
{
	switch (error) {
	case cudaSuccess:
		return ("no error");
	case cudaErrorMemoryAllocation:
		return ("out of memory");
	case cudaErrorStreamCaptureInvalidated:
		return ("operation failed due to a previous error during capture");
	default:
		return ("no CUDA-capable device is detected");
	}
}

cudaError_t
cudaMemGetInfo(size_t *free_bytes, size_t *total)
{
	*free_bytes = memory_limit - counts.live_bytes;
	*total = memory_limit;
	return (cudaSuccess);
}
