#ifndef HG_F16_H
#define HG_F16_H

#include <stdint.h>

/**
 * Half-width floats as bit patterns: IEEE binary16 and bfloat16.
 * from: round to nearest, ties to even; beyond the largest finite value comes
 * infinity; a NaN stays one.  to: exact.
 */
uint16_t f16_from(float x);
float f16_to(uint16_t h);
float f16_bf16_to(uint16_t b);

#endif
