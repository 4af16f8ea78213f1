/* AVX2 and FMA: 6 x 16 sums in twelve of sixteen registers. */

#define KERNELS avx2_fp32
#define KERNELS_NAME "avx2"
#define BF16 0
#define VEC_AVX2
#define MR 6
#define NR 16
#define ROW_BLOCK 48
#define UNIT_PAD 1

#include "gpt/cpu/cpu.h"
#include "gpt/cpu/vec.h"
#include "gpt/cpu/gemm.h"
#include "gpt/cpu/blocks.h"
