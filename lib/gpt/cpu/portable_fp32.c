/* Any processor: vectors of four as the compiler makes them. */

#define KERNELS portable_fp32
#define KERNELS_NAME "portable"
#define BF16 0
#define MR 4
#define NR 8
#define ROW_BLOCK 64
#define UNIT_PAD 1

#include "cpu.h"
#include "vec.h"
#include "gemm.h"
#include "blocks.h"
