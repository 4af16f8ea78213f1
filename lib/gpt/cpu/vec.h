#ifndef HG_VEC_H
#define HG_VEC_H

/**
 * vec: a vector of VL floats, in the widest form that the including file's
 * instruction set offers.  A variant file defines one of VEC_AVX512, VEC_AVX2
 * or nothing (portable C on the compiler's vector extension), and VEC_BF16_DOT
 * when avx512_bf16 may be used.  Everything else is written once over this.
 *
 * A *unit* is 32 bits of a product's inner dimension: one float, or two
 * adjacent bfloat16.  Packing and transposing move units, whatever they hold;
 * only vec_dot() and the loads and stores look inside.
 */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(VEC_AVX512) || defined(VEC_AVX2)
#include <immintrin.h>
#endif

typedef float __attribute__((may_alias)) unit;

#define VEC_FN static inline __attribute__((always_inline, unused))

#if defined(VEC_AVX512)

#define VL 16
typedef __m512 vf;

VEC_FN __mmask16
vec_mask(size_t n)
{
	return (n >= VL ? (__mmask16)0xffff : (__mmask16)((1u << n) - 1));
}
VEC_FN vf
vf_set(float x)
{
	return (_mm512_set1_ps(x));
}
VEC_FN vf
vf_zero(void)
{
	return (_mm512_setzero_ps());
}
VEC_FN vf
vf_load(const unit *p)
{
	return (_mm512_loadu_ps(p));
}
VEC_FN vf
vf_loadn(const unit *p, size_t n)
{
	return (_mm512_maskz_loadu_ps(vec_mask(n), p));
}
VEC_FN void
vf_store(unit *p, vf v)
{
	_mm512_storeu_ps(p, v);
}
VEC_FN void
vf_storen(unit *p, vf v, size_t n)
{
	_mm512_mask_storeu_ps(p, vec_mask(n), v);
}
VEC_FN vf
vf_fma(vf a, vf b, vf c)
{
	return (_mm512_fmadd_ps(a, b, c));
}
VEC_FN vf
vf_max(vf a, vf b)
{
	return (_mm512_max_ps(a, b));
}
VEC_FN vf
vf_sqrt(vf a)
{
	return (_mm512_sqrt_ps(a));
}
/* Lanes below n from a, the others from b. */
VEC_FN vf
vf_split(vf a, vf b, size_t n)
{
	return (_mm512_mask_blend_ps(vec_mask(n), b, a));
}
/* a where x < y, else b. */
VEC_FN vf
vf_less(vf x, vf y, vf a, vf b)
{
	return (_mm512_mask_blend_ps(_mm512_cmp_ps_mask(x, y, _CMP_LT_OQ), b, a));
}
VEC_FN vf
vf_round(vf a)
{
	return (_mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
/* a * 2^n for whole n. */
VEC_FN vf
vf_scale2(vf a, vf n)
{
	return (_mm512_scalef_ps(a, n));
}

VEC_FN vf
vf_from_bf16(const uint16_t *p)
{
	return (_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const void *)p)), 16)));
}

VEC_FN vf
vf_from_bf16n(const uint16_t *p, size_t n)
{
	return _mm512_castsi512_ps(
	    _mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(vec_mask(n), p)), 16));
}

/* Each lane rounded to bfloat16, to nearest even; the bits in the low half of 32. */
VEC_FN __m512i
vec_bf16_bits(vf v)
{
#ifdef VEC_BF16_DOT
	return (_mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(v)));
#else
	__m512i b = _mm512_castps_si512(v);
	__m512i odd = _mm512_and_si512(_mm512_srli_epi32(b, 16), _mm512_set1_epi32(1));

	return (_mm512_srli_epi32(_mm512_add_epi32(b, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff))), 16));
#endif
}

VEC_FN __m256i
vec_to_bf16(vf v)
{
#ifdef VEC_BF16_DOT
	return ((__m256i)_mm512_cvtneps_pbh(v));
#else
	return (_mm512_cvtepi32_epi16(vec_bf16_bits(v)));
#endif
}

VEC_FN void
vf_to_bf16(uint16_t *p, vf v)
{
	_mm256_storeu_si256((void *)p, vec_to_bf16(v));
}
VEC_FN void
vf_to_bf16n(uint16_t *p, vf v, size_t n)
{
	_mm256_mask_storeu_epi16(p, vec_mask(n), vec_to_bf16(v));
}

/* Units (lo[i], hi[i]) from two rows of floats, or of bfloat16. */
VEC_FN vf
vec_pair(vf lo, vf hi)
{
	return (_mm512_castsi512_ps(_mm512_or_si512(vec_bf16_bits(lo), _mm512_slli_epi32(vec_bf16_bits(hi), 16))));
}

VEC_FN vf
vec_pair_bf16(const uint16_t *lo, const uint16_t *hi)
{
	__m512i a = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const void *)lo));
	__m512i b = hi ? _mm512_cvtepu16_epi32(_mm256_loadu_si256((const void *)hi)) : _mm512_setzero_si512();

	return (_mm512_castsi512_ps(_mm512_or_si512(a, _mm512_slli_epi32(b, 16))));
}

/* Units from 2 * VL adjacent floats. */
VEC_FN vf
vec_narrow(vf first, vf second)
{
#ifdef VEC_BF16_DOT
	return ((vf)_mm512_cvtne2ps_pbh(second, first));
#else
	return _mm512_castsi512_ps(
	    _mm512_inserti64x4(_mm512_castsi256_si512(vec_to_bf16(first)), vec_to_bf16(second), 1));
#endif
}

/* acc + a.lo * b.lo + a.hi * b.hi, lane by lane. */
VEC_FN vf
vec_dot(vf acc, vf a, vf b)
{
#ifdef VEC_BF16_DOT
	return (_mm512_dpbf16_ps(acc, (__m512bh)a, (__m512bh)b));
#else
	__m512i ai = _mm512_castps_si512(a), bi = _mm512_castps_si512(b);
	__m512i high = _mm512_set1_epi32((int)0xffff0000);

	acc = _mm512_fmadd_ps(_mm512_castsi512_ps(_mm512_slli_epi32(ai, 16)),
	    _mm512_castsi512_ps(_mm512_slli_epi32(bi, 16)), acc);
	return _mm512_fmadd_ps(_mm512_castsi512_ps(_mm512_and_si512(ai, high)),
	    _mm512_castsi512_ps(_mm512_and_si512(bi, high)), acc);
#endif
}

VEC_FN float
vf_sum(vf v)
{
	__m256 h = _mm256_add_ps(_mm512_castps512_ps256(v),
	    _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(v), 1)));
	__m128 q = _mm_add_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1));

	q = _mm_add_ps(q, _mm_movehl_ps(q, q));
	return (_mm_cvtss_f32(_mm_add_ss(q, _mm_shuffle_ps(q, q, 1))));
}

VEC_FN float
vf_top(vf v)
{
	__m256 h = _mm256_max_ps(_mm512_castps512_ps256(v),
	    _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(v), 1)));
	__m128 q = _mm_max_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1));

	q = _mm_max_ps(q, _mm_movehl_ps(q, q));
	return (_mm_cvtss_f32(_mm_max_ss(q, _mm_shuffle_ps(q, q, 1))));
}

/* Transpose VL x VL units: 4 rounds of exchanging halves, quarters, pairs and neighbours. */
VEC_FN void
vec_transpose(vf r[VL])
{
	vf t[VL];

#pragma GCC unroll 16
	for (int i = 0; i < VL; i += 2) {
		t[i] = _mm512_unpacklo_ps(r[i], r[i + 1]);
		t[i + 1] = _mm512_unpackhi_ps(r[i], r[i + 1]);
	}
#pragma GCC unroll 16
	for (int i = 0; i < VL; i += 4) {
#pragma GCC unroll 2
		for (int j = 0; j < 2; j++) {
			__m512d a = _mm512_castps_pd(t[i + j]), b = _mm512_castps_pd(t[i + j + 2]);

			r[i + 2 * j] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, b));
			r[i + 2 * j + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a, b));
		}
	}
#pragma GCC unroll 4
	for (int i = 0; i < 4; i++) {
		t[i] = _mm512_shuffle_f32x4(r[i], r[i + 4], 0x88);
		t[i + 4] = _mm512_shuffle_f32x4(r[i], r[i + 4], 0xdd);
		t[i + 8] = _mm512_shuffle_f32x4(r[i + 8], r[i + 12], 0x88);
		t[i + 12] = _mm512_shuffle_f32x4(r[i + 8], r[i + 12], 0xdd);
	}
#pragma GCC unroll 8
	for (int i = 0; i < 8; i++) {
		r[i] = _mm512_shuffle_f32x4(t[i], t[i + 8], 0x88);
		r[i + 8] = _mm512_shuffle_f32x4(t[i], t[i + 8], 0xdd);
	}
}

#elif defined(VEC_AVX2)

#define VL 8
typedef __m256 vf;

VEC_FN __m256i
vec_mask(size_t n)
{
	return (_mm256_cmpgt_epi32(_mm256_set1_epi32(n > VL ? VL : (int)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)));
}
VEC_FN vf
vf_set(float x)
{
	return (_mm256_set1_ps(x));
}
VEC_FN vf
vf_zero(void)
{
	return (_mm256_setzero_ps());
}
VEC_FN vf
vf_load(const unit *p)
{
	return (_mm256_loadu_ps(p));
}
VEC_FN vf
vf_loadn(const unit *p, size_t n)
{
	return (_mm256_maskload_ps(p, vec_mask(n)));
}
VEC_FN void
vf_store(unit *p, vf v)
{
	_mm256_storeu_ps(p, v);
}
VEC_FN void
vf_storen(unit *p, vf v, size_t n)
{
	_mm256_maskstore_ps(p, vec_mask(n), v);
}
VEC_FN vf
vf_fma(vf a, vf b, vf c)
{
	return (_mm256_fmadd_ps(a, b, c));
}
VEC_FN vf
vf_max(vf a, vf b)
{
	return (_mm256_max_ps(a, b));
}
VEC_FN vf
vf_sqrt(vf a)
{
	return (_mm256_sqrt_ps(a));
}
VEC_FN vf
vf_split(vf a, vf b, size_t n)
{
	return (_mm256_blendv_ps(b, a, _mm256_castsi256_ps(vec_mask(n))));
}
VEC_FN vf
vf_less(vf x, vf y, vf a, vf b)
{
	return (_mm256_blendv_ps(b, a, _mm256_cmp_ps(x, y, _CMP_LT_OQ)));
}
VEC_FN vf
vf_round(vf a)
{
	return (_mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
VEC_FN vf
vf_scale2(vf a, vf n)
{
	return _mm256_mul_ps(a,
	    _mm256_castsi256_ps(
		_mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23)));
}

VEC_FN vf
vec_widen(__m128i b)
{
	return (_mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(b), 16)));
}
VEC_FN vf
vf_from_bf16(const uint16_t *p)
{
	return (vec_widen(_mm_loadu_si128((const void *)p)));
}
VEC_FN vf
vf_from_bf16n(const uint16_t *p, size_t n)
{
	uint16_t t[VL] = { 0 };

	memcpy(t, p, 2 * (n > VL ? VL : n));
	return (vf_from_bf16(t));
}

VEC_FN __m256i
vec_bf16_bits(vf v)
{
	__m256i b = _mm256_castps_si256(v);
	__m256i odd = _mm256_and_si256(_mm256_srli_epi32(b, 16), _mm256_set1_epi32(1));

	return (_mm256_srli_epi32(_mm256_add_epi32(b, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff))), 16));
}

VEC_FN __m128i
vec_to_bf16(vf v)
{
	__m256i b = vec_bf16_bits(v);

	return (_mm_packus_epi32(_mm256_castsi256_si128(b), _mm256_extracti128_si256(b, 1)));
}

VEC_FN void
vf_to_bf16(uint16_t *p, vf v)
{
	_mm_storeu_si128((void *)p, vec_to_bf16(v));
}
VEC_FN void
vf_to_bf16n(uint16_t *p, vf v, size_t n)
{
	uint16_t t[VL];

	vf_to_bf16(t, v);
	memcpy(p, t, 2 * (n > VL ? VL : n));
}

VEC_FN vf
vec_pair(vf lo, vf hi)
{
	return (_mm256_castsi256_ps(_mm256_or_si256(vec_bf16_bits(lo), _mm256_slli_epi32(vec_bf16_bits(hi), 16))));
}

VEC_FN vf
vec_pair_bf16(const uint16_t *lo, const uint16_t *hi)
{
	__m256i a = _mm256_cvtepu16_epi32(_mm_loadu_si128((const void *)lo));
	__m256i b = hi ? _mm256_cvtepu16_epi32(_mm_loadu_si128((const void *)hi)) : _mm256_setzero_si256();

	return (_mm256_castsi256_ps(_mm256_or_si256(a, _mm256_slli_epi32(b, 16))));
}

VEC_FN vf
vec_narrow(vf first, vf second)
{
	return _mm256_castsi256_ps(
	    _mm256_inserti128_si256(_mm256_castsi128_si256(vec_to_bf16(first)), vec_to_bf16(second), 1));
}

VEC_FN vf
vec_dot(vf acc, vf a, vf b)
{
	__m256i ai = _mm256_castps_si256(a), bi = _mm256_castps_si256(b);
	__m256i high = _mm256_set1_epi32((int)0xffff0000);

	acc = _mm256_fmadd_ps(_mm256_castsi256_ps(_mm256_slli_epi32(ai, 16)),
	    _mm256_castsi256_ps(_mm256_slli_epi32(bi, 16)), acc);
	return _mm256_fmadd_ps(_mm256_castsi256_ps(_mm256_and_si256(ai, high)),
	    _mm256_castsi256_ps(_mm256_and_si256(bi, high)), acc);
}

VEC_FN float
vf_sum(vf v)
{
	__m128 q = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));

	q = _mm_add_ps(q, _mm_movehl_ps(q, q));
	return (_mm_cvtss_f32(_mm_add_ss(q, _mm_shuffle_ps(q, q, 1))));
}

VEC_FN float
vf_top(vf v)
{
	__m128 q = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));

	q = _mm_max_ps(q, _mm_movehl_ps(q, q));
	return (_mm_cvtss_f32(_mm_max_ss(q, _mm_shuffle_ps(q, q, 1))));
}

VEC_FN void
vec_transpose(vf r[VL])
{
	vf t[VL];

#pragma GCC unroll 8
	for (int i = 0; i < VL; i += 2) {
		t[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
		t[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
	}
#pragma GCC unroll 8
	for (int i = 0; i < VL; i += 4) {
#pragma GCC unroll 2
		for (int j = 0; j < 2; j++) {
			__m256d a = _mm256_castps_pd(t[i + j]), b = _mm256_castps_pd(t[i + j + 2]);

			r[i + 2 * j] = _mm256_castpd_ps(_mm256_unpacklo_pd(a, b));
			r[i + 2 * j + 1] = _mm256_castpd_ps(_mm256_unpackhi_pd(a, b));
		}
	}
#pragma GCC unroll 4
	for (int i = 0; i < 4; i++) {
		vf a = r[i], b = r[i + 4];

		r[i] = _mm256_permute2f128_ps(a, b, 0x20);
		r[i + 4] = _mm256_permute2f128_ps(a, b, 0x31);
	}
}

#else /* portable: four lanes of the compiler's vector extension, SSE2 or NEON or plain code as it sees fit */

#define VL 4
typedef float vf __attribute__((vector_size(16)));
typedef int32_t vi __attribute__((vector_size(16)));
typedef uint32_t vu __attribute__((vector_size(16)));

VEC_FN vf
vf_set(float x)
{
	return ((vf){ x, x, x, x });
}
VEC_FN vf
vf_zero(void)
{
	return ((vf){ 0, 0, 0, 0 });
}
VEC_FN vf
vf_load(const unit *p)
{
	vf v;
	memcpy(&v, p, sizeof v);
	return (v);
}
VEC_FN vf
vf_loadn(const unit *p, size_t n)
{
	vf v = vf_zero();
	memcpy(&v, p, 4 * (n > VL ? VL : n));
	return (v);
}
VEC_FN void
vf_store(unit *p, vf v)
{
	memcpy(p, &v, sizeof v);
}
VEC_FN void
vf_storen(unit *p, vf v, size_t n)
{
	memcpy(p, &v, 4 * (n > VL ? VL : n));
}
VEC_FN vf
vf_fma(vf a, vf b, vf c)
{
	return (a * b + c);
}
VEC_FN vf
vf_less(vf x, vf y, vf a, vf b)
{
	vi m = x < y;
	return ((vf)(((vi)a & m) | ((vi)b & ~m)));
}
VEC_FN vf
vf_max(vf a, vf b)
{
	return (vf_less(b, a, a, b));
}
VEC_FN vf
vf_sqrt(vf a)
{
	vf r;

	for (int i = 0; i < VL; i++)
		r[i] = __builtin_sqrtf(a[i]);
	return (r);
}
VEC_FN vf
vf_split(vf a, vf b, size_t n)
{
	int32_t k = n > VL ? VL : (int32_t)n;
	vi m = (vi){ 0, 1, 2, 3 } < (vi){ k, k, k, k };

	return ((vf)(((vi)a & m) | ((vi)b & ~m)));
}
/* Adding and taking away 1.5 * 2^23 leaves the nearest whole number, for |a| < 2^22. */
VEC_FN vf
vf_round(vf a)
{
	return ((a + vf_set(12582912.0f)) - vf_set(12582912.0f));
}
VEC_FN vf
vf_scale2(vf a, vf n)
{
	/* The same sum holds n in its low bits. */
	vu e = ((vu)(n + vf_set(12582912.0f)) - 0x4b400000u + 127) << 23;

	return (a * (vf)e);
}

VEC_FN vf
vf_from_bf16n(const uint16_t *p, size_t n)
{
	vu v = { 0, 0, 0, 0 };

	for (size_t i = 0; i < VL && i < n; i++)
		v[i] = (uint32_t)p[i] << 16;
	return ((vf)v);
}
VEC_FN vf
vf_from_bf16(const uint16_t *p)
{
	return (vf_from_bf16n(p, VL));
}
VEC_FN vu
vec_bf16_bits(vf v)
{
	vu b = (vu)v;
	return ((b + ((b >> 16) & 1) + 0x7fff) >> 16);
}
VEC_FN void
vf_to_bf16n(uint16_t *p, vf v, size_t n)
{
	vu b = vec_bf16_bits(v);

	for (size_t i = 0; i < VL && i < n; i++)
		p[i] = (uint16_t)b[i];
}
VEC_FN void
vf_to_bf16(uint16_t *p, vf v)
{
	vf_to_bf16n(p, v, VL);
}
VEC_FN vf
vec_pair(vf lo, vf hi)
{
	return ((vf)(vec_bf16_bits(lo) | vec_bf16_bits(hi) << 16));
}
VEC_FN vf
vec_pair_bf16(const uint16_t *lo, const uint16_t *hi)
{
	vu v;

	for (int i = 0; i < VL; i++)
		v[i] = lo[i] | (hi ? (uint32_t)hi[i] << 16 : 0);
	return ((vf)v);
}
VEC_FN vf
vec_narrow(vf first, vf second)
{
	uint16_t t[2 * VL];
	vf v;

	vf_to_bf16(t, first);
	vf_to_bf16(t + VL, second);
	memcpy(&v, t, sizeof v);
	return (v);
}
VEC_FN vf
vec_dot(vf acc, vf a, vf b)
{
	acc = vf_fma((vf)((vu)a << 16), (vf)((vu)b << 16), acc);
	return (vf_fma((vf)((vu)a & 0xffff0000u), (vf)((vu)b & 0xffff0000u), acc));
}
VEC_FN float
vf_sum(vf v)
{
	return ((v[0] + v[2]) + (v[1] + v[3]));
}
VEC_FN float
vf_top(vf v)
{
	float a = v[0] > v[2] ? v[0] : v[2], b = v[1] > v[3] ? v[1] : v[3];

	return (a > b ? a : b);
}
VEC_FN void
vec_transpose(vf r[VL])
{
	vf a = r[0], b = r[1], c = r[2], d = r[3];

	r[0] = (vf){ a[0], b[0], c[0], d[0] };
	r[1] = (vf){ a[1], b[1], c[1], d[1] };
	r[2] = (vf){ a[2], b[2], c[2], d[2] };
	r[3] = (vf){ a[3], b[3], c[3], d[3] };
}

#endif

#define LOG2_E 1.44269504f

/* exp(x): 2^n e^r with |r| <= ln 2 / 2; relative error under 2e-7.  0 below -87, where floats end. */
VEC_FN vf
vf_exp(vf x)
{
	vf top = vf_set(88.0f), low = vf_set(-87.0f);
	vf y = vf_less(top, x, top, vf_max(low, x)); /* a NaN stays one */
	vf n = vf_round(y * vf_set(LOG2_E));
	vf r = vf_fma(n, vf_set(-0.693145752f), y);
	vf p;

	r = vf_fma(n, vf_set(-1.42860677e-6f), r);
	p = vf_fma(vf_set(1.0f / 720), r, vf_set(1.0f / 120));
	p = vf_fma(p, r, vf_set(1.0f / 24));
	p = vf_fma(p, r, vf_set(1.0f / 6));
	p = vf_fma(p, r, vf_set(0.5f));
	p = vf_fma(p, r, vf_set(1.0f));
	p = vf_fma(p, r, vf_set(1.0f));
	return (vf_less(x, low, vf_zero(), vf_scale2(p, n)));
}

/*
 * 2^x for x up to 127: 2^n 2^r with |r| <= 1/2, r's polynomial of least relative error; 3e-7 with rounding. Below -126
 * it stays at 2^-126; a NaN stays one.
 */
VEC_FN vf
vf_exp2(vf x)
{
	vf y = vf_max(vf_set(-126.0f), x);
	vf n = vf_round(y);
	vf r = y - n;
	vf p = vf_fma(vf_set(1.32764722e-3f), r, vf_set(9.67554156e-3f));

	p = vf_fma(p, r, vf_set(5.55071327e-2f));
	p = vf_fma(p, r, vf_set(2.40221197e-1f));
	p = vf_fma(p, r, vf_set(6.93146967e-1f));
	p = vf_fma(p, r, vf_set(1.00000007f));
	return (vf_scale2(p, n));
}

/* tanh(x): its series near 0, where 1 - 2 / (e^2x + 1) cancels; relative error under 3e-7. */
VEC_FN vf
vf_tanh(vf x)
{
	vf s = x * x, a = vf_max(x, vf_zero() - x);
	vf p = vf_fma(vf_set(-1382.0f / 155925), s, vf_set(62.0f / 2835));

	p = vf_fma(p, s, vf_set(-17.0f / 315));
	p = vf_fma(p, s, vf_set(2.0f / 15));
	p = vf_fma(p, s, vf_set(-1.0f / 3));
	p = vf_fma(p * s, x, x);
	return (vf_less(a, vf_set(0.35f), p, vf_set(1.0f) - vf_set(2.0f) / (vf_exp(x + x) + vf_set(1.0f))));
}

#endif
