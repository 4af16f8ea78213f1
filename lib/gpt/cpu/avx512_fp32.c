/* AVX-512 (F, BW, DQ, VL): 8 x 32 sums in sixteen of 32 registers. */

#define KERNELS avx512_fp32
#define KERNELS_NAME "avx512"
#define BF16 0
#define VEC_AVX512
#define MR 8
#define NR 32
#define ROW_BLOCK 64
#define UNIT_PAD 1

#include "gpt/cpu/cpu.h"
#include "gpt/cpu/vec.h"
#include "gpt/cpu/gemm.h"
#include "gpt/cpu/blocks.h"
