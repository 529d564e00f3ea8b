/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/* Functions of a register of floats (simd.h), and what matrix products do with a finished sum. */
#ifndef W158_LANE_MATH_H
#define W158_LANE_MATH_H

#include "simd.h"

#ifndef W158_NO_SIMD

/* e^x for -87 <= x <= 88, and e^-87 below: 2^n e^r with n = round(x / ln 2), the reduction in two parts and the polynomial of
 * degree 6 as in Cephes' expf (Moshier); relative error below 2e-7. What it makes of a NaN differs between processors. */
static inline vf exp_lanes(vf x) {
    vf n, r, p, clamped = vf_max(x, vf_set(-87.0f));

    n = vf_round(clamped * vf_set(1.44269504f));
    r = vf_fma(n, vf_set(-0.693359375f), clamped);
    r = vf_fma(n, vf_set(2.12194440e-4f), r);
    p = vf_set(1.9875691500e-4f);
    p = vf_fma(p, r, vf_set(1.3981999507e-3f));
    p = vf_fma(p, r, vf_set(8.3334519073e-3f));
    p = vf_fma(p, r, vf_set(4.1665795894e-2f));
    p = vf_fma(p, r, vf_set(1.6666665459e-1f));
    p = vf_fma(p, r, vf_set(5.0000001201e-1f));
    p = vf_fma(p * r, r, r) + vf_set(1);
    return p * vf_exp2i(n);
}

/* Abramowitz and Stegun 7.1.26: absolute error of erf below 1.5e-7. */
static inline vf erf_lanes(vf x) {
    vf a = vf_min(vf_abs(x), vf_set(6)), t = vf_set(1) / vf_fma(vf_set(0.3275911f), a, vf_set(1)), p;

    p = vf_set(1.061405429f);
    p = vf_fma(p, t, vf_set(-1.453152027f));
    p = vf_fma(p, t, vf_set(1.421413741f));
    p = vf_fma(p, t, vf_set(-0.284496736f));
    p = vf_fma(p, t, vf_set(0.254829592f));
    return vf_sign_of(vf_set(1) - p * t * exp_lanes(vf_set(0) - a * a), x);
}

static inline vf gelu_lanes(vf x) {
    return vf_set(0.5f) * x * (vf_set(1) + erf_lanes(x * vf_set(0.70710678f)));
}

/* finish (kernels.h) of a register of row `row`, sum + bias, into y. */
static inline void finish_lanes(Finish finish, vf sum, const float *bias, uint32_t row, float *y) {
    if (bias)
        sum += vf_set(bias[row]);
    if (finish == FINISH_GELU)
        sum = gelu_lanes(sum);
    else if (finish == FINISH_ADD)
        sum = vf_load(y) + sum;
    vf_store(y, sum);
}

#endif

#endif
