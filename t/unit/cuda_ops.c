/* The table of t/unit/ops.c on a card: emulated, or by check-gpu. */
#define BACKEND "cuda"
#define SUMSQ_ERROR 4e-14 /* partial sums in float64 of what is held in float32: 2e-7, squared */
#include "t/unit/ops.c"
