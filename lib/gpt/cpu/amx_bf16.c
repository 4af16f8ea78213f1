/* AMX tiles for products, AVX-512 with avx512_bf16 for the rest. */

#define KERNELS amx_bf16
#define KERNELS_NAME "amx"
#define BF16 1
#define VEC_AVX512
#define VEC_BF16_DOT
#define NR 32
#define ROW_BLOCK 64
#define UNIT_PAD 16

#include "gpt/cpu/cpu.h"
#include "gpt/cpu/vec.h"
#include "gpt/cpu/gemm_tile.h"
#include "gpt/cpu/blocks.h"
