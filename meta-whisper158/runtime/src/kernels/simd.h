/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * The dozen vector operations that lanes.c is written in, for NEON (ARMv8.0-A), SSE2, AVX2+FMA and AVX-512. `vf` is a register
 * of W floats; + - * / and comparisons are the compiler's own. Anything else falls back to one lane.
 *
 * Fused multiply-add is used only where vf_fma says so (the build sets -ffp-contract=off), so the same source gives the
 * same result with every compiler.
 */
#ifndef W158_SIMD_H
#define W158_SIMD_H

#include "kernels.h"

#include <math.h>
#include <string.h>

#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__)
#include <immintrin.h>

#define W 16u
typedef __m512 vf;

static inline vf vf_load(const float *p) { return _mm512_loadu_ps(p); }
static inline void vf_store(float *p, vf a) { _mm512_storeu_ps(p, a); }
static inline vf vf_set(float a) { return _mm512_set1_ps(a); }
static inline vf vf_fma(vf a, vf b, vf c) { return _mm512_fmadd_ps(a, b, c); } /* a b + c */
static inline vf vf_max(vf a, vf b) { return _mm512_max_ps(a, b); }
static inline vf vf_min(vf a, vf b) { return _mm512_min_ps(a, b); }
static inline vf vf_abs(vf a) { return _mm512_abs_ps(a); }
static inline vf vf_sqrt(vf a) { return _mm512_sqrt_ps(a); }
static inline vf vf_round(vf a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
static inline vf vf_sign_of(vf magnitude, vf sign) {
    return _mm512_or_ps(magnitude, _mm512_and_ps(sign, _mm512_set1_ps(-0.0f)));
}
/* 2^n for whole n in [-126, 127] */
static inline vf vf_exp2i(vf n) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_add_epi32(_mm512_cvtps_epi32(n), _mm512_set1_epi32(127)), 23));
}
static inline vf vf_from_i8(const int8_t *p) {
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)p)));
}
/* whole numbers in [-128, 127] */
static inline void vf_to_i8(int8_t *p, vf a) {
    _mm_storeu_si128((__m128i *)p, _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(a)));
}
static inline vf vf_from_f16(const uint16_t *p) { return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p)); }
static inline float vf_sum(vf a) {
    __m256 s = _mm256_add_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1));
    __m128 t = _mm_add_ps(_mm256_castps256_ps128(s), _mm256_extractf128_ps(s, 1));

    t = _mm_add_ps(t, _mm_movehl_ps(t, t));
    return _mm_cvtss_f32(_mm_add_ss(t, _mm_shuffle_ps(t, t, 1)));
}

#elif defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)
#include <immintrin.h>

#define W 8u
typedef __m256 vf;

static inline vf vf_load(const float *p) { return _mm256_loadu_ps(p); }
static inline void vf_store(float *p, vf a) { _mm256_storeu_ps(p, a); }
static inline vf vf_set(float a) { return _mm256_set1_ps(a); }
static inline vf vf_fma(vf a, vf b, vf c) { return _mm256_fmadd_ps(a, b, c); } /* a b + c */
static inline vf vf_max(vf a, vf b) { return _mm256_max_ps(a, b); }
static inline vf vf_min(vf a, vf b) { return _mm256_min_ps(a, b); }
static inline vf vf_abs(vf a) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a); }
static inline vf vf_sqrt(vf a) { return _mm256_sqrt_ps(a); }
static inline vf vf_round(vf a) { return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
static inline vf vf_sign_of(vf magnitude, vf sign) {
    return _mm256_or_ps(magnitude, _mm256_and_ps(sign, _mm256_set1_ps(-0.0f)));
}
/* 2^n for whole n in [-126, 127] */
static inline vf vf_exp2i(vf n) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23));
}
static inline vf vf_from_i8(const int8_t *p) {
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)p)));
}
/* whole numbers in [-128, 127] */
static inline void vf_to_i8(int8_t *p, vf a) {
    __m256i i = _mm256_cvtps_epi32(a);
    __m128i s = _mm_packs_epi32(_mm256_castsi256_si128(i), _mm256_extracti128_si256(i, 1));

    _mm_storel_epi64((__m128i *)p, _mm_packs_epi16(s, s));
}
static inline vf vf_from_f16(const uint16_t *p) { return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p)); }
static inline float vf_sum(vf a) {
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));

    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_shuffle_ps(s, s, 1)));
}

#elif defined(__aarch64__)
#include <arm_neon.h>

#define W 4u
typedef float32x4_t vf;

static inline vf vf_load(const float *p) { return vld1q_f32(p); }
static inline void vf_store(float *p, vf a) { vst1q_f32(p, a); }
static inline vf vf_set(float a) { return vdupq_n_f32(a); }
static inline vf vf_fma(vf a, vf b, vf c) { return vfmaq_f32(c, a, b); }
static inline vf vf_max(vf a, vf b) { return vmaxq_f32(a, b); }
static inline vf vf_min(vf a, vf b) { return vminq_f32(a, b); }
static inline vf vf_abs(vf a) { return vabsq_f32(a); }
static inline vf vf_sqrt(vf a) { return vsqrtq_f32(a); }
static inline vf vf_round(vf a) { return vrndnq_f32(a); }
static inline vf vf_sign_of(vf magnitude, vf sign) { return vbslq_f32(vdupq_n_u32(0x80000000u), sign, magnitude); }
static inline vf vf_exp2i(vf n) {
    return vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(vcvtnq_s32_f32(n), vdupq_n_s32(127)), 23));
}
static inline vf vf_from_i8(const int8_t *p) {
    int32_t four;

    memcpy(&four, p, sizeof four);
    return vcvtq_f32_s32(vmovl_s16(vget_low_s16(vmovl_s8(vreinterpret_s8_s32(vdup_n_s32(four))))));
}
static inline void vf_to_i8(int8_t *p, vf a) {
    int16x4_t s = vqmovn_s32(vcvtnq_s32_f32(a));
    int32_t four = vget_lane_s32(vreinterpret_s32_s8(vqmovn_s16(vcombine_s16(s, s))), 0);

    memcpy(p, &four, sizeof four);
}
static inline vf vf_from_f16(const uint16_t *p) { return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p))); }
static inline float vf_sum(vf a) { return vaddvq_f32(a); }

#elif defined(__SSE2__)
#include <emmintrin.h>

#define W 4u
typedef __m128 vf;

static inline vf vf_load(const float *p) { return _mm_loadu_ps(p); }
static inline void vf_store(float *p, vf a) { _mm_storeu_ps(p, a); }
static inline vf vf_set(float a) { return _mm_set1_ps(a); }
static inline vf vf_fma(vf a, vf b, vf c) { return _mm_add_ps(_mm_mul_ps(a, b), c); } /* SSE2 cannot fuse */
static inline vf vf_max(vf a, vf b) { return _mm_max_ps(a, b); }
static inline vf vf_min(vf a, vf b) { return _mm_min_ps(a, b); }
static inline vf vf_abs(vf a) { return _mm_andnot_ps(_mm_set1_ps(-0.0f), a); }
static inline vf vf_sqrt(vf a) { return _mm_sqrt_ps(a); }
static inline vf vf_round(vf a) { return _mm_cvtepi32_ps(_mm_cvtps_epi32(a)); } /* |a| < 2^31 */
static inline vf vf_sign_of(vf magnitude, vf sign) {
    return _mm_or_ps(magnitude, _mm_and_ps(sign, _mm_set1_ps(-0.0f)));
}
static inline vf vf_exp2i(vf n) {
    return _mm_castsi128_ps(_mm_slli_epi32(_mm_add_epi32(_mm_cvtps_epi32(n), _mm_set1_epi32(127)), 23));
}
static inline vf vf_from_i8(const int8_t *p) {
    int32_t four;
    __m128i a;

    memcpy(&four, p, sizeof four);
    a = _mm_cvtsi32_si128(four);
    a = _mm_unpacklo_epi8(a, a); /* each byte into the top byte of a lane, then shifted down with its sign */
    a = _mm_unpacklo_epi16(a, a);
    return _mm_cvtepi32_ps(_mm_srai_epi32(a, 24));
}
static inline void vf_to_i8(int8_t *p, vf a) {
    __m128i s = _mm_cvtps_epi32(a);
    int32_t four;

    s = _mm_packs_epi32(s, s);
    four = _mm_cvtsi128_si32(_mm_packs_epi16(s, s));
    memcpy(p, &four, sizeof four);
}
static inline vf vf_from_f16(const uint16_t *p) {
    return _mm_set_ps(f16_to_f32(p[3]), f16_to_f32(p[2]), f16_to_f32(p[1]), f16_to_f32(p[0]));
}
static inline float vf_sum(vf a) {
    a = _mm_add_ps(a, _mm_movehl_ps(a, a));
    return _mm_cvtss_f32(_mm_add_ss(a, _mm_shuffle_ps(a, a, 1)));
}

#else
#define W158_NO_SIMD
#endif

#ifndef W158_NO_SIMD

/* Whole numbers in as many lanes; + - * and shifts are the compiler's own. */
typedef int32_t vi __attribute__((vector_size(W * sizeof(int32_t))));
typedef uint32_t vu __attribute__((vector_size(W * sizeof(int32_t))));

/* to even, |a| < 2^31 */
static inline vi vi_round(vf a) {
#if W == 16
    return (vi)_mm512_cvtps_epi32(a);
#elif W == 8
    return (vi)_mm256_cvtps_epi32(a);
#elif defined(__aarch64__)
    return (vi)vcvtnq_s32_f32(a);
#else
    return (vi)_mm_cvtps_epi32(a);
#endif
}
static inline vf vf_from_i32(vi a) { return __builtin_convertvector(a, vf); }

#endif

#endif
