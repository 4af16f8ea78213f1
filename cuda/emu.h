#ifndef HG_EMU_H
#define HG_EMU_H

/**
 * A CUDA device in plain C++: just what the kernels of this folder use, so
 * that they compile and run where there is no card.  A test instrument: it
 * finds wrong arithmetic, indices, bounds, barriers and orders, and knows
 * nothing of speed.  NOTES.md lists what it cannot show.
 *
 *   block      its threads are fibers of one processor; each runs until it
 *              waits at a barrier or exchange, in an order tests choose
 *   shared     fresh for every block, filled with NaN, guarded at both ends
 *   global     exact allocations, filled with NaN, guarded at both ends
 *   warp       shuffles, ballots, ldmatrix and mma meet as real warps do; one
 *              that not all 32 lanes reach stops the program with a message
 *   stream     a queue, run only when somebody waits, one item of one stream
 *              at a time in an order tests choose, bounded by events alone;
 *              pinned host memory is read when the copy runs, not when it is
 *              asked for
 *   graph      what a capturing stream was given, arguments as they were then;
 *              nothing may wait meanwhile, nor run for the first time ever
 *   cublasLt   loops with float32 sums
 */

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <functional>
#include <tuple>
#include <utility>

#include "emu_control.h"

/* --- language -------------------------------------------------------------- */

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __grid_constant__

struct dim3 {
	unsigned x, y, z;
	dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_)
	{
	}
};

struct alignas(16) uint4 {
	uint32_t x, y, z, w;
};

struct alignas(8) float2 {
	float x, y;
};

/* Of the thread that runs. */
extern dim3 threadIdx, blockIdx, blockDim, gridDim;

void *emu_shared(void);
void emu_syncthreads(void);

enum { EMU_SLOT = 64 };

/* Publish n bytes (at most EMU_SLOT) and wait for the warp; what lane i published stands at i * EMU_SLOT. */
const char *emu_exchange(const void *mine, size_t n);

#define __syncthreads() emu_syncthreads()
#define __syncwarp() ((void)emu_exchange("", 1))

static inline int
emu_lane(void)
{
	return ((int)(threadIdx.x % 32));
}

template <typename X>
static X
__shfl_sync(unsigned, X value, int lane)
{
	X out;

	memcpy(&out, emu_exchange(&value, sizeof(value)) + lane % 32 * EMU_SLOT, sizeof(out));
	return (out);
}

template <typename X>
static X
__shfl_xor_sync(unsigned mask, X value, int bits)
{
	return (__shfl_sync(mask, value, emu_lane() ^ bits));
}

static inline unsigned
__ballot_sync(unsigned, int vote)
{
	const char *all = emu_exchange(&vote, sizeof(vote));
	unsigned out = 0;

	for (int i = 0; i < 32; i++) {
		int v;

		memcpy(&v, all + i * EMU_SLOT, sizeof(v));
		out |= (unsigned)(v != 0) << i;
	}
	return (out);
}

static inline int
__popc(unsigned x)
{
	return (__builtin_popcount(x));
}

static inline float
rsqrtf(float x)
{
	return (1.0f / sqrtf(x));
}

/* --- bfloat16 ---------------------------------------------------------------- */

struct __nv_bfloat16 {
	uint16_t bits;
};

static inline float
__bfloat162float(__nv_bfloat16 x)
{
	const uint32_t bits = (uint32_t)x.bits << 16;
	float out;

	memcpy(&out, &bits, sizeof(out));
	return (out);
}

/* Round to nearest, ties to even; a NaN stays one. */
static inline __nv_bfloat16
__float2bfloat16(float x)
{
	uint32_t bits;

	memcpy(&bits, &x, sizeof(bits));
	if (x != x)
		return (__nv_bfloat16{ 0x7fff });
	bits += 0x7fff + (bits >> 16 & 1);
	return (__nv_bfloat16{ (uint16_t)(bits >> 16) });
}

/* --- tensor cores ------------------------------------------------------------ */

void emu_ldmatrix(uint32_t *out, int count, int transposed, const void *row);
void emu_mma(float c[4], const uint32_t a[4], const uint32_t b[2]);
void emu_mma_float(float c[4], const float2 a[4], const float2 b[2]);

/* --- runtime ----------------------------------------------------------------- */

enum cudaError_t {
	cudaSuccess = 0,
	cudaErrorMemoryAllocation = 2,
	cudaErrorNoDevice = 100,
	cudaErrorStreamCaptureInvalidated = 901
};

struct emu_stream;
struct emu_event;
typedef emu_stream *cudaStream_t;
typedef emu_event *cudaEvent_t;
typedef struct emu_graph *cudaGraph_t, *cudaGraphExec_t;

struct cudaDeviceProp {
	char name[256];
	int major, minor, multiProcessorCount;
	size_t totalGlobalMem, sharedMemPerBlockOptin;
};

enum cudaMemcpyKind { cudaMemcpyHostToDevice, cudaMemcpyDeviceToHost, cudaMemcpyDeviceToDevice };
enum cudaFuncAttribute { cudaFuncAttributeMaxDynamicSharedMemorySize };
enum cudaStreamCaptureMode { cudaStreamCaptureModeThreadLocal };
enum { cudaStreamNonBlocking = 1, cudaEventDisableTiming = 2, cudaEventDefault = 0 };

cudaError_t cudaGetDeviceCount(int *count);
cudaError_t cudaSetDevice(int device);
cudaError_t cudaGetDeviceProperties(cudaDeviceProp *prop, int device);
cudaError_t cudaRuntimeGetVersion(int *version);
cudaError_t cudaDriverGetVersion(int *version);
cudaError_t cudaGetLastError(void);
const char *cudaGetErrorString(cudaError_t error);
cudaError_t cudaMemGetInfo(size_t *free, size_t *total);

cudaError_t emu_malloc(void **p, size_t n);
cudaError_t emu_malloc_host(void **p, size_t n);
template <typename X>
cudaError_t
cudaMalloc(X **p, size_t n)
{
	return (emu_malloc((void **)p, n));
}
template <typename X>
cudaError_t
cudaMallocHost(X **p, size_t n)
{
	return (emu_malloc_host((void **)p, n));
}
cudaError_t cudaFree(void *p);
cudaError_t cudaFreeHost(void *p);
cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t n, cudaMemcpyKind kind, cudaStream_t stream);
cudaError_t cudaMemsetAsync(void *p, int byte, size_t n, cudaStream_t stream);

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned flags);
cudaError_t cudaStreamDestroy(cudaStream_t stream);
cudaError_t cudaStreamSynchronize(cudaStream_t stream);
/* What runs for the first time is loaded then, which a stream that captures cannot do: stop with a message. */
void emu_load(const void *what, const char *name, cudaStream_t stream);

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned flags);
cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned flags);
cudaError_t cudaEventDestroy(cudaEvent_t event);
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream);
cudaError_t cudaEventSynchronize(cudaEvent_t event);
cudaError_t cudaEventElapsedTime(float *ms, cudaEvent_t from, cudaEvent_t to);

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode);
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *graph);
cudaError_t cudaGraphInstantiateWithFlags(cudaGraphExec_t *exec, cudaGraph_t graph, unsigned long long flags);
cudaError_t cudaGraphDestroy(cudaGraph_t graph);
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec);
cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream);

/* Let a kernel have that much dynamic shared memory; it may have 48 KB unasked. */
void emu_allow(const void *kernel, size_t bytes);

template <typename K>
cudaError_t
cudaFuncSetAttribute(K kernel, cudaFuncAttribute, int bytes)
{
	emu_allow((const void *)kernel, (size_t)bytes);
	return (cudaSuccess);
}

/* What a stream will do, in its turn. */
typedef std::function<void()> work;
void emu_submit(cudaStream_t stream, work item);

/* Stop with a message: the program under test did what no device would forgive. */
void emu_die(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* All of [p, p + n) must lie in one device allocation. */
void emu_inside(const void *p, size_t n, const char *what);

/* Queue a grid; ${body} is ${kernel} with its arguments bound, run once by every thread. */
void emu_launch(const char *name, const void *kernel, dim3 grid, unsigned threads, size_t shared, cudaStream_t stream,
    work body);

#include "mma_fp32.cuh"

/* --- what card.cuh defines for a real card ----------------------------------- */

template <typename X>
static X *
device_shared(void)
{
	return ((X *)emu_shared());
}

template <int COUNT, bool TRANSPOSED>
static void
device_ldmatrix(uint32_t *out, const __nv_bfloat16 *row)
{
	emu_ldmatrix(out, COUNT, TRANSPOSED, row);
}

static inline void
device_mma(float c[4], const uint32_t a[4], const uint32_t b[2])
{
	emu_mma(c, a, b);
}

static inline void
device_mma(float c[4], const float2 a[4], const float2 b[2])
{
#ifdef EMU_SHUFFLED /* the card's own way, slowly: mutate.sh runs it once */
	shuffled_mma(c, a, b);
#else
	emu_mma_float(c, a, b);
#endif
}

static inline uint32_t
device_pack(float low, float high)
{
	return ((uint32_t)__float2bfloat16(low).bits | (uint32_t)__float2bfloat16(high).bits << 16);
}

template <typename... P, size_t... I>
static work
emu_bind(void (*kernel)(P...), void **args, std::index_sequence<I...>)
{
	const std::tuple<P...> copies(*(const P *)args[I]...);

	return ([=] { kernel(std::get<I>(copies)...); });
}

template <typename... P>
static const char *
device_launch(const char *name, void (*kernel)(P...), dim3 grid, unsigned threads, size_t shared, cudaStream_t stream,
    void **args)
{
	emu_launch(name, (const void *)kernel, grid, threads, shared, stream,
	    emu_bind(kernel, args, std::index_sequence_for<P...>()));
	return (NULL);
}

/* --- cublasLt: column-major, as the library has it --------------------------- */

enum cublasStatus_t { CUBLAS_STATUS_SUCCESS, CUBLAS_STATUS_NOT_SUPPORTED = 15 };
enum cublasComputeType_t { CUBLAS_COMPUTE_32F, CUBLAS_COMPUTE_32F_PEDANTIC };
enum cublasOperation_t { CUBLAS_OP_N, CUBLAS_OP_T };
enum cudaDataType { CUDA_R_32F, CUDA_R_16BF };
enum cublasLtMatmulDescAttributes_t { CUBLASLT_MATMUL_DESC_TRANSA, CUBLASLT_MATMUL_DESC_TRANSB };
enum cublasLtMatrixLayoutAttribute_t {
	CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT,
	CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET
};
enum cublasLtMatmulPreferenceAttributes_t {
	CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
	CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES,
	CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
	CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES,
	CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES,
	CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK
};
enum { CUBLASLT_REDUCTION_SCHEME_NONE = 0, CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE = 2 };

typedef struct emu_blas *cublasLtHandle_t;
typedef struct emu_matmul *cublasLtMatmulDesc_t;
typedef struct emu_layout *cublasLtMatrixLayout_t;
typedef struct emu_preference *cublasLtMatmulPreference_t;
struct cublasLtMatmulAlgo_t {
	int unused;
};
struct cublasLtMatmulHeuristicResult_t {
	cublasLtMatmulAlgo_t algo;
	size_t workspaceSize;
};

cublasStatus_t cublasLtCreate(cublasLtHandle_t *handle);
cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle);
size_t cublasLtGetVersion(void);
const char *cublasLtGetStatusString(cublasStatus_t status);
cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t *desc, cublasComputeType_t compute, cudaDataType scale);
cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t desc);
cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t desc, cublasLtMatmulDescAttributes_t which,
    const void *value, size_t n);
cublasStatus_t
cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t *layout, cudaDataType type, uint64_t rows, uint64_t cols, int64_t ld);
cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout);
cublasStatus_t cublasLtMatrixLayoutSetAttribute(cublasLtMatrixLayout_t layout, cublasLtMatrixLayoutAttribute_t which,
    const void *value, size_t n);
cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t *preference);
cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference);
cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t preference,
    cublasLtMatmulPreferenceAttributes_t which, const void *value, size_t n);
cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t handle, cublasLtMatmulDesc_t desc,
    cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
    cublasLtMatmulPreference_t preference, int asked, cublasLtMatmulHeuristicResult_t *results, int *found);
cublasStatus_t cublasLtMatmul(cublasLtHandle_t handle, cublasLtMatmulDesc_t desc, const void *alpha, const void *A,
    cublasLtMatrixLayout_t a, const void *B, cublasLtMatrixLayout_t b, const void *beta, const void *C,
    cublasLtMatrixLayout_t c, void *D, cublasLtMatrixLayout_t d, const cublasLtMatmulAlgo_t *algo, void *workspace,
    size_t workspace_bytes, cudaStream_t stream);

#endif
