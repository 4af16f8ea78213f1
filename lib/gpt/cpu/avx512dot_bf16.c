/* AVX-512 with the bfloat16 dot product (avx512_bf16). */

#define KERNELS avx512dot_bf16
#define KERNELS_NAME "avx512dot"
#define BF16 1
#define VEC_AVX512
#define VEC_BF16_DOT
#define MR 8
#define NR 32
#define ROW_BLOCK 64
#define UNIT_PAD 1

#include "gpt/cpu/cpu.h"
#include "gpt/cpu/vec.h"
#include "gpt/cpu/gemm.h"
#include "gpt/cpu/blocks.h"
