/* Any processor: vectors of four as the compiler makes them; bfloat16 widened for products. */

#define KERNELS portable_bf16
#define KERNELS_NAME "portable"
#define BF16 1
#define MR 4
#define NR 8
#define ROW_BLOCK 64
#define UNIT_PAD 1

#include "gpt/cpu/cpu.h"
#include "gpt/cpu/vec.h"
#include "gpt/cpu/gemm.h"
#include "gpt/cpu/blocks.h"
