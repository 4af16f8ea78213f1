#ifndef HG_CHECK_CUH
#define HG_CHECK_CUH

/**
 * Calls that fail only when the card or its driver does.  Entries of ops.h
 * return void, and after such a failure nothing on the device can be trusted:
 * the worker says what happened and ends with HG_EXIT_SYSTEM; its owner closes
 * the stage out.
 */

#include <unistd.h>

#include "device.cuh"

extern "C" {
#include "base/exit.h"
#include "base/say.h"
}

static inline void
check_cuda(cudaError_t error, const char *call, const char *file, int line)
{
	if (error == cudaSuccess)
		return;
	say_error("the card failed: %s (%s at %s:%d)", cudaGetErrorString(error), call, file, line);
	_exit(HG_EXIT_SYSTEM);
}

static inline void
check_blas(cublasStatus_t status, const char *call, const char *file, int line)
{
	if (status == CUBLAS_STATUS_SUCCESS)
		return;
	say_error("cublasLt failed: %s (%s at %s:%d)", cublasLtGetStatusString(status), call, file, line);
	_exit(HG_EXIT_SYSTEM);
}

#define CHECK(call) check_cuda(call, #call, __FILE__, __LINE__)
#define CHECK_BLAS(call) check_blas(call, #call, __FILE__, __LINE__)

#endif
