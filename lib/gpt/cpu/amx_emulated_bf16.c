/* amx_bf16.c with its tile instructions emulated: for tests on machines without them, never chosen by "auto". */

#define KERNELS amx_emulated_bf16
#define KERNELS_NAME "amx-emulated"
#define BF16 1
#define TILE_EMULATED
#define VEC_AVX512
#define VEC_BF16_DOT
#define NR 32
#define ROW_BLOCK 64
#define UNIT_PAD 16

#include "gpt/cpu/cpu.h"
#include "gpt/cpu/vec.h"
#include "gpt/cpu/gemm_tile.h"
#include "gpt/cpu/blocks.h"
