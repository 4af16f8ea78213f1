#ifndef HG_ISA_H
#define HG_ISA_H

/**
 * What this processor and its operating system let a program use.
 */
#define ISA_AVX2 1u   /* AVX2 and FMA */
#define ISA_AVX512 2u /* F, BW, DQ, VL */
#define ISA_AVX512_BF16 4u
#define ISA_AMX_BF16 8u /* tiles and their bfloat16 product */

unsigned isa_features(void);

/**
 * isa_request_tiles():
 * Ask the kernel for the tile registers' state, for this process and the threads it starts from now on.
 * Returns 0, or -1 with errno (ENODEV where there are none).
 */
int isa_request_tiles(void);

#endif
