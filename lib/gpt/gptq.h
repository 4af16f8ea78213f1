#ifndef HG_GPTQ_H
#define HG_GPTQ_H

#include <stddef.h>
#include <stdint.h>

#include "gpt/quantize.h"

/**
 * Levels of a matrix that make up for one another: columns are rounded one after the other, and what rounding one
 * missed is made up for, as far as the inputs of the matrix let it, by those to come.
 *   H = G + 0.01 * mean of G's diagonal, on the diagonal, where G = sum of x x^T over inputs x
 *   columns in the order of H's diagonal, the largest first, equals as they stand
 *   U upper triangular with U^T U = H^-1, in that order
 *   for each column i: q_i by the rows' law (quantize.h), of w as it then is; w_j -= (w_i - restored q_i) U_ij / U_ii
 *                      for all j > i
 * A row's clip and scale are those of the whole row before.  Without correlations nothing is passed on: that is
 * quantize_rows.  So it is where G is zero, and for a column whose input never was anything else.
 * Source: arXiv:2210.17323, with the ordering and the damping of the public records.
 * Checked: t/unit/gptq.c.
 */
struct gptq;

/* Elements of a packed upper triangle: rows one after the other, each from its diagonal on. */
size_t gptq_packed(size_t n);

/**
 * gptq_new(gram, n):
 * Shapes: gram, packed (n, n), which need not live on.
 * Owns:   the caller frees.
 * Errors: NULL with errno EBADMSG (it is no sum of squares) or ENOMEM.
 */
struct gptq *gptq_new(const float *gram, size_t n);
void gptq_free(struct gptq *g);

/* Shapes: w, q (rows, n); scale (rows); scratch (n). w must be finite. Errors: -1 with errno ENOMEM. */
int gptq_rows(const struct gptq *g, const struct quantize_law *law, const float *w, size_t rows, int8_t *q,
    uint16_t *scale, float *scratch);

#endif
