/* Any processor: vectors of four as the compiler makes them. */

#define KERNELS portable_fp32
#define KERNELS_NAME "portable"
#define BF16 0
#define MR 4
#define NR 8
#define ROW_BLOCK 64
#define UNIT_PAD 1

#include "gpt/cpu/cpu.h"
#include "gpt/cpu/vec.h"
#include "gpt/cpu/gemm.h"
#include "gpt/cpu/blocks.h"
