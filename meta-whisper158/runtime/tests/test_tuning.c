/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * Tunings on the golden file, whose path is the argument: what is measured can be written and read, any damage is
 * noticed, choices follow from the numbers and reach the kernels, no choice changes a bit of a result, and a blob that
 * was rewritten is the same model.
 */
#undef NDEBUG
#include "tuning.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "repack.h"

#define CHECKSUM (sizeof "checksum 0123456789abcdef\n" - 1)

static whisper158_model *model;
static const Machine machine = {"a machine that does not exist"};

/* As if measured, candidate `fast` of each layer being the fastest. */
static void invent(whisper158_tuning *t, uint32_t fast) {
    tuning_init(t, model, &machine);
    t->encode = (ThreadCounts){2, {{1, 3, 900}, {2, 3, 400}}};
    t->decode = (ThreadCounts){2, {{1, 3, 400}, {2, 3, 900}}};
    for (uint32_t i = 0; i < t->n_layers; i++)
        for (uint32_t j = 0; j < t->layers[i].n_candidates; j++) {
            t->layers[i].candidates[j].rate = j == fast % t->layers[i].n_candidates ? 2000000 : 1000000;
            t->layers[i].candidates[j].runs = j + 1;
        }
}

static char *text_of(const whisper158_tuning *t, size_t *size) {
    char *text;

    *size = whisper158_tuning_write(t, NULL, 0);
    text = malloc(*size + 1);
    assert(text && whisper158_tuning_write(t, text, *size + 1) == *size);
    return text;
}

/* ------------------------------------------------------------------------------------------------------- reading */

static int read_back(const char *text, size_t size, whisper158_tuning **out, whisper158_error *error) {
    char *exact = malloc(size ? size : 1); /* for the sanitizer */
    int r;

    assert(exact);
    memcpy(exact, text, size);
    *out = NULL;
    r = tuning_read(out, model, &machine, exact, size, error);
    assert((r == 0) == (*out != NULL));
    free(exact);
    return r;
}

static void check_text(void) {
    static whisper158_tuning t;
    whisper158_tuning *back;
    whisper158_error error;
    size_t size, again_size;
    char *text, *again;

    invent(&t, 1);
    assert(t.n_layers > 4);
    text = text_of(&t, &size);
    assert(strlen(text) == size && read_back(text, size, &back, &error) == 0);
    again = text_of(back, &again_size);
    assert(again_size == size && memcmp(again, text, size) == 0);
    free(again);
    whisper158_tuning_free(back);

    for (size_t cut = 0; cut < size; cut++)
        assert(read_back(text, cut, &back, &error) == -EBADMSG);
    for (size_t i = 0; i < size; i++)
        for (int bit = 0; bit < 8; bit++) {
            text[i] ^= (char)(1 << bit);
            assert(read_back(text, size, &back, &error) == -EBADMSG);
            text[i] ^= (char)(1 << bit);
        }
    free(text);
}

/* Puts `to` in the place of the first `from`, and a right checksum behind it. */
static char *changed(const char *text, const char *from, const char *to, size_t *size) {
    const char *at = strstr(text, from);
    const size_t rest = strlen(text) - CHECKSUM;
    char *out = malloc(strlen(text) + strlen(to) + 1);

    assert(at && out);
    *size = (size_t)sprintf(out, "%.*s%s%.*s", (int)(at - text), text, to,
                            (int)(rest - (size_t)(at - text) - strlen(from)), at + strlen(from));
    *size += (size_t)sprintf(out + *size, "checksum %016llx\n", (unsigned long long)XXH64(out, *size, 0));
    return out;
}

static void check_refusals(void) {
    static const struct {
        const char *from, *to;
        int result;
        const char *sentence;
    } cases[] = {
        {"whisper158-tuning 1", "whisper158-tuning 2", -ESTALE, "it has another form than this version"},
        {"version ", "version 9", -ESTALE, "it was measured by another version of whisper158"},
        {"model ", "model 0", -ESTALE, "it is about another model"},
        {"machine a", "machine the", -ESTALE, "it was measured on another machine"},
        {"kernels ", "kernels x", -ESTALE, "it is about other kernels than are the best here"},
        {"encode 1 900 3", "encode 0 900 3", -EBADMSG, "line 6 is damaged: a number of threads is expected"},
        {"encode 1 900 3", "encode 65 900 3", -EBADMSG, "line 6 is damaged"},
        {"encode 1 900 3", "encode 1 0 3", -EBADMSG, "line 6 is damaged"},
        {"encode 1 900 3", "encode 1 -9 3", -EBADMSG, "line 6 is damaged"},
        {"encode 1 900 3", "encode 1 99999999999999999999999999 3", -EBADMSG, "line 6 is damaged"},
        {"encode 1 900 3", "encode 1 900 4294967296", -EBADMSG, "line 6 is damaged"},
        {"encode 1 900 3", "encode 1 900 3 ", -EBADMSG, "line 6 is damaged"},
        {"encode 1 900 3", "encode 2 900 3", -EBADMSG, "line 7 is damaged: a number of threads is out of order"},
        {"decode 1 400 3\ndecode 2 900 3\n", "", -EBADMSG, "line 8 is damaged: times for numbers of threads"},
        {"layer gemm", "layer gems", -ESTALE, "is about other layers than this model's"},
        {"candidate t2", "candidate t3", -ESTALE, "is about other kernels than this program's"},
        {"candidate t2 ", "candidate t2 x", -ESTALE, "is about other kernels than this program's"},
        {" 1000000 ", " 0 ", -EBADMSG, "is damaged: rate and runs are expected"},
        {" 1000000 ", " 1e6 ", -EBADMSG, "is damaged: rate and runs are expected"},
        {" 1000000 ", " 01000000 ", -EBADMSG, "is damaged: rate and runs are expected"},
        {" 1000000 ", " 1000000000000000000 ", -EBADMSG, "is damaged: rate and runs are expected"},
    };
    static whisper158_tuning t;
    whisper158_tuning *back;
    whisper158_error error;
    size_t size;
    char *text, *bad;

    invent(&t, 1);
    text = text_of(&t, &size);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bad = changed(text, cases[i].from, cases[i].to, &size);
        assert(read_back(bad, size, &back, &error) == cases[i].result);
        if (!strstr(error.text, cases[i].sentence)) {
            fprintf(stderr, "%s: %s\n", cases[i].to, error.text);
            abort();
        }
        free(bad);
    }
    size = strlen(text) - CHECKSUM;
    text = realloc(text, size + 64);
    assert(text);
    strcpy(text + size, "the end\nchecksum 0123456789abcdef\n");
    bad = changed(text, "the end\n", "layer gemm 4 4 4 1 t2\n", &size);
    assert(read_back(bad, size, &back, &error) == -ESTALE && strstr(error.text, "more layers than this model has"));
    free(bad);
    bad = calloc(1, TUNING_TEXT + 1);
    assert(bad && read_back(bad, TUNING_TEXT + 1, &back, &error) == -EFBIG);
    free(bad);
    free(text);
}

/* A tuning of this machine is found to be one; what the machine is called is printable and always the same. */
static void check_machine(void) {
    static whisper158_tuning t;
    whisper158_tuning *back = NULL;
    whisper158_error error;
    Machine here, again;
    size_t size;
    char *text;

    machine_describe(&here);
    machine_describe(&again);
    assert(strcmp(here.text, again.text) == 0 && strlen(here.text) > 20);
    for (const char *c = here.text; *c; c++)
        assert(*c >= ' ' && *c <= '~');
    invent(&t, 0);
    text = text_of(&t, &size);
    assert(whisper158_tuning_read(&back, model, text, size, &error) == -ESTALE && !back);
    free(text);
    t.machine = here;
    text = text_of(&t, &size);
    assert(whisper158_tuning_read(&back, model, text, size, &error) == 0);
    assert(strcmp(whisper158_tuning_get_machine(back), here.text) == 0);
    whisper158_tuning_free(back);
    free(text);
}

/* ------------------------------------------------------------------------------------------------------- choices */

static void check_threads(void) {
    const ThreadCounts counts = {3, {{1, 5, 1000}, {2, 5, 510}, {4, 5, 500}}};

    assert(tuning_threads(&counts, 4) == 4);
    assert(tuning_threads(&counts, 2) == 2); /* nearly as fast as 4 */
    assert(tuning_threads(&counts, 1) == 4);
    assert(tuning_threads(&counts, 3) == 4); /* not measured */
    assert(tuning_threads(&(ThreadCounts){0}, 3) == 3);
}

/* In the set that was measured each matrix gets what was fastest in its format; in another set, the default. */
static void check_choices(void) {
    static whisper158_tuning t;
    Kernels k, other;

    for (uint32_t fast = 0; fast < MAX_CANDIDATES; fast++) {
        invent(&t, fast);
        k = t.kernels;
        tuning_apply(&t, &k);
        for (uint32_t i = 0; i < t.n_layers; i++) {
            const TunedLayer *layer = &t.layers[i];
            const Candidate *c = &layer->candidates[fast % layer->n_candidates];
            const Matrix w = {
                .format = c->format, .rows = layer->rows, .channels = layer->channels, .group = layer->group};

            assert(tuning_fastest(layer, &t.kernels, MATRIX_FORMATS) == c);
            assert(tuning_fastest(layer, &t.kernels, c->format) == c);
            if (layer->operation == OPERATION_GEMM)
                assert(kernels_gemm_i8(&k, &w) == c->gemm);
        }
    }
    assert(kernels_init(&other, 0) == 0);
    tuning_apply(&t, &other);
    assert(strcmp(other.name, k.name) == 0 || other.n_choices == 0);
}

/* A default that is slower by a hair stays. */
static void check_ties(void) {
    static whisper158_tuning t;

    invent(&t, 0);
    for (uint32_t i = 0; i < t.n_layers; i++) {
        TunedLayer *layer = &t.layers[i];

        for (uint32_t j = 0; j < layer->n_candidates; j++) {
            Candidate *c = &layer->candidates[j];

            c->rate = c->format == layer->format && tuning_is_default(c, &t.kernels) ? 990000 : 1000000;
        }
        assert(tuning_fastest(layer, &t.kernels, MATRIX_FORMATS)->rate == 990000);
    }
}

/* -------------------------------------------------------------------------------------------------------- results */

/* Encoder's output and logits, as a checksum. */
static uint64_t results(const whisper158_model *of, const whisper158_context_options *options) {
    whisper158_model_info info;
    whisper158_context *context = NULL;
    whisper158_error error;
    const uint32_t token = 42;
    float *mel, *encoded, *logits;
    uint64_t hash;

    whisper158_model_get_info(of, &info);
    mel = malloc((size_t)info.n_mels * 2 * info.n_audio_ctx * sizeof *mel);
    encoded = malloc((size_t)info.n_audio_ctx * info.n_audio_state * sizeof *encoded);
    logits = malloc(info.n_vocab * sizeof *logits);
    assert(mel && encoded && logits && whisper158_context_new(&context, of, options, &error) == 0);
    for (size_t i = 0; i < (size_t)info.n_mels * 2 * info.n_audio_ctx; i++)
        mel[i] = (float)(i * 158 % 97) / 97 - 0.5f;
    assert(whisper158_encode(context, mel, info.n_audio_ctx, encoded, &error) == 0);
    assert(whisper158_decode(context, &token, 1, logits, &error) == 0);
    hash = XXH64(encoded, (size_t)info.n_audio_ctx * info.n_audio_state * sizeof *encoded, 0);
    hash = XXH64(logits, info.n_vocab * sizeof *logits, hash);
    whisper158_context_free(context);
    free(mel);
    free(encoded);
    free(logits);
    return hash;
}

static void check_results(void) {
    const uint64_t expected = results(model, &(whisper158_context_options){.threads = 1});
    static whisper158_tuning t;
    whisper158_context_options options = {.tuning = &t};
    whisper158_context *context;

    for (uint32_t fast = 0; fast < MAX_CANDIDATES; fast++) {
        invent(&t, fast);
        assert(results(model, &options) == expected);
    }
    options.threads = 3;
    assert(results(model, &options) == expected);
    t.model++;
    assert(whisper158_context_new(&context, model, &options, NULL) == -EINVAL);
}

/* ------------------------------------------------------------------------------------------------------- packings */

/* From each packing into each, and the codes stay. */
static void check_repack(uint32_t rows, uint32_t channels, uint32_t group) {
    const size_t room = (size_t)rows * channels; /* more than any packing takes of spans of at least eight */
    uint8_t *from = malloc(room), *to = malloc(room);
    int8_t *scratch = malloc(4 * (size_t)channels), *expected = malloc(4 * (size_t)channels);
    Matrix w = {.format = MATRIX_T2, .rows = rows, .channels = channels, .group = group, .codes = from};

    assert(from && to && scratch && expected);
    for (size_t i = 0; i < (size_t)rows * channels / 4; i++)
        from[i] = (uint8_t)(i * 7 % 3 | (i * 5 / 3 % 3) << 2 | (i / 7 % 3) << 4 | (i / 2 % 3) << 6);
    matrix_codes4(&w, rows - 4, expected);
    for (MatrixFormat format = MATRIX_T2; format <= MATRIX_T5; format++)
        for (MatrixFormat next = MATRIX_T2; next <= MATRIX_T5; next++) {
            Matrix there = w, onward = w;
            uint8_t *last = malloc(room);

            assert(last);
            repack(&w, format, to, scratch);
            there.format = format;
            there.codes = to;
            repack(&there, next, last, scratch);
            onward.format = next;
            onward.codes = last;
            matrix_codes4(&onward, rows - 4, scratch);
            assert(memcmp(scratch, expected, 4 * (size_t)channels) == 0);
            free(last);
        }
    free(from);
    free(to);
    free(scratch);
    free(expected);
}

typedef struct Bytes {
    uint8_t *data; /* aligned, of room for twice the golden file */
    size_t size, room, stop; /* stop: where writing begins to fail */
} Bytes;

static int write_bytes(void *user, const void *bytes, size_t size) {
    Bytes *out = user;

    if (out->size + size > out->stop)
        return -ENOSPC;
    assert(out->size + size <= out->room);
    memcpy(out->data + out->size, bytes, size);
    out->size += size;
    return 0;
}

static int out_of_memory(void *user, const void *bytes, size_t count) {
    (void)user, (void)bytes, (void)count;
    return -ENOMEM;
}

static void check_retarget(void) {
    const size_t room = 2 * model->blob.size / 64 * 64;
    Bytes out = {.data = aligned_alloc(64, room), .room = room, .stop = SIZE_MAX};
    const whisper158_context_options one = {.threads = 1};
    const uint64_t expected = results(model, &one);
    static whisper158_tuning t;
    whisper158_retargeted told;
    whisper158_error error = {"untouched"};

    assert(out.data);
    for (uint32_t fast = 0; fast < MAX_CANDIDATES; fast++) {
        whisper158_model *other = NULL;
        Blob blob;

        invent(&t, fast);
        out.size = 0;
        assert(whisper158_retarget(model, &t, write_bytes, &out, &told, &error) == 0 && told.file_size == out.size);
        assert(blob_open_memory(&blob, out.data, out.size, "retargeted", &error) == 0);
        for (uint32_t i = 0; i < blob.n_sections; i++) {
            const TunedLayer *layer = tuning_layer_of(&t, &model->blob.sections[i]);

            assert(strcmp(blob.sections[i].name, model->blob.sections[i].name) == 0);
            if (blob.sections[i].dtype == BLOB_T158)
                assert(model_matrix_format(BLOB_T158, blob.sections[i].packing) ==
                       tuning_fastest(layer, &t.kernels, MATRIX_FORMATS)->format);
        }
        assert(model_from_blob(&other, &blob, &error) == 0);
        assert(whisper158_model_get_id(other) == whisper158_model_get_id(model) && results(other, &one) == expected);
        whisper158_model_close(other);
    }
    for (out.stop = 0; out.stop < out.size; out.stop += 4999) {
        Bytes full = out;

        full.size = 0;
        strcpy(error.text, "untouched");
        assert(whisper158_retarget(model, &t, write_bytes, &full, NULL, &error) == -ENOSPC);
        assert(strcmp(error.text, "untouched") == 0);
    }
    assert(whisper158_retarget(model, &t, out_of_memory, NULL, NULL, &error) == -ENOMEM);
    assert(strcmp(error.text, "untouched") == 0);
    t.model++;
    assert(whisper158_retarget(model, &t, write_bytes, &out, NULL, &error) == -EINVAL);
    free(out.data);
}

/* ------------------------------------------------------------------------------------------------------ measuring */

static int count_calls(void *user, double share) {
    uint32_t *left = user;

    assert(share >= 0 && share <= 1);
    return (*left)-- == 0;
}

static void check_measuring(void) {
    uint32_t calls = UINT32_MAX, least = 0; /* calls of progress that there must be */
    whisper158_tune_options options = {.seconds = 0.01, .threads = 2, .progress = count_calls, .user = &calls};
    whisper158_tuning *t = NULL, *back = NULL;
    whisper158_error error;
    size_t size;
    char *text;

    assert(whisper158_tune(&t, model, &options, &error) == 0);
    for (uint32_t i = 0; i < t->n_layers; i++)
        for (uint32_t j = 0; j < t->layers[i].n_candidates; j++, least++)
            assert(t->layers[i].candidates[j].rate > 0 && t->layers[i].candidates[j].runs > 0);
    assert(t->encode.n == 2 && t->decode.n == 2 && t->encode.at[1].runs > 0 && t->decode.at[0].microseconds > 0);
    text = text_of(t, &size);
    assert(whisper158_tuning_read(&back, model, text, size, &error) == 0);
    assert(results(model, &(whisper158_context_options){.tuning = t}) == results(model, NULL));
    free(text);
    whisper158_tuning_free(back);
    t = whisper158_tuning_free(t);

    for (uint32_t stop = 0; stop < least; stop = 3 * stop + 1) {
        calls = stop;
        assert(whisper158_tune(&t, model, &options, &error) == -ECANCELED && !t);
    }
    options.threads = WHISPER158_MAX_THREADS + 1;
    assert(whisper158_tune(&t, model, &options, &error) == -EINVAL);
    assert(whisper158_tune(NULL, model, NULL, NULL) == -EINVAL);
}

int main(int argc, char *argv[]) {
    whisper158_error error;

    assert(argc == 2 && whisper158_model_open(&model, argv[1], &error) == 0);
    check_text();
    check_refusals();
    check_machine();
    check_threads();
    check_choices();
    check_ties();
    check_results();
    for (uint32_t group = 16; group <= 64; group += 16)
        check_repack(8, 192, group);
    check_repack(12, 77, 77);
    check_retarget();
    check_measuring();
    whisper158_model_close(model);
    return 0;
}
