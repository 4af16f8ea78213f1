/* Any processor: vectors of four as the compiler makes them; bfloat16 widened for products. */

#define KERNELS portable_bf16
#define KERNELS_NAME "portable"
#define BF16 1
#define MR 4
#define NR 8
#define ROW_BLOCK 64
#define UNIT_PAD 1

#include "cpu.h"
#include "vec.h"
#include "gemm.h"
#include "blocks.h"
