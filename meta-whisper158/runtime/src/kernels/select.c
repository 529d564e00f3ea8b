/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * Which kernel sets there are and which of them this processor can run. What it can run is asked of the processor, so
 * one binary serves every machine of an architecture.
 */
#include "kernels.h"

#include <assert.h>
#include <errno.h>

typedef struct Set {
    const char *name;
    int (*runs_here)(void);
    void (*init[7])(Kernels *k); /* one after the other, on top of the reference */
} Set;

static int always(void) {
    return 1;
}

#if defined(__x86_64__)
/* No processor has AVX2 and lacks F16C, which older compilers know no name for here. */
static int has_avx2(void) {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
}

static int has_avx512(void) {
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}

static int has_vnni(void) {
    return has_avx512() && __builtin_cpu_supports("avx512vnni");
}
#endif

#if defined(__aarch64__)
#define PLAIN_SIMD "neon"
#else
#define PLAIN_SIMD "sse2"
#endif

/* From the plainest to the best. */
static const Set sets[] = {
    {"ref", always, {kernels_init_ref}},
#if defined(__x86_64__) || defined(__aarch64__)
    {PLAIN_SIMD, always,
     {kernels_init_lanes, kernels_init_tbl, kernels_init_dot, kernels_init_lut, kernels_init_gemv,
      kernels_init_nibbles, kernels_init_attention}},
#endif
#if defined(__x86_64__)
    {"avx2", has_avx2,
     {kernels_init_lanes_avx2, kernels_init_tbl_avx2, kernels_init_dot_avx2, kernels_init_lut_avx2, kernels_init_gemv_avx2,
      kernels_init_nibbles_avx2, kernels_init_attention_avx2}},
    {"avx512", has_avx512,
     {kernels_init_lanes_avx512, kernels_init_tbl_avx2, kernels_init_dot_avx2, kernels_init_lut_avx512,
      kernels_init_gemv_avx2, kernels_init_nibbles_avx2, kernels_init_attention_avx2}},
    {"vnni", has_vnni,
     {kernels_init_lanes_avx512, kernels_init_tbl_avx2, kernels_init_dot_avx2, kernels_init_lut_avx512,
      kernels_init_gemv_avx2, kernels_init_nibbles_vnni, kernels_init_attention_vnni}},
#endif
};

void kernels_add_gemm_i8(Kernels *k, MatrixFormat format, const char *name, GemmI8 *run) {
    GemmVariants *variants = &k->gemm_i8_variants[format];

    assert(variants->count < MAX_VARIANTS);
    variants->at[variants->count].name = name;
    variants->at[variants->count++].run = run;
    k->gemm_i8[format] = run;
}

GemmI8 *kernels_gemm_i8(const Kernels *k, const Matrix *w) {
    for (uint32_t i = 0; i < k->n_choices; i++) {
        const Choice *c = &k->choices[i];

        if (c->format == w->format && c->rows == w->rows && c->channels == w->channels && c->group == w->group)
            return c->run;
    }
    return k->gemm_i8[w->format];
}

void kernels_choose_gemm_i8(Kernels *k, Choice choice) {
    if (k->n_choices < MAX_CHOICES)
        k->choices[k->n_choices++] = choice;
}

int kernels_init(Kernels *out, uint32_t index) {
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        if (!sets[i].runs_here())
            continue;
        if (index-- == 0) {
            kernels_init_ref(out);
            for (size_t j = 0; j < sizeof sets[i].init / sizeof *sets[i].init && sets[i].init[j]; j++)
                sets[i].init[j](out);
            out->name = sets[i].name;
            return 0;
        }
    }
    return -ENOENT;
}
