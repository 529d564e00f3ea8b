/* SPDX-FileCopyrightText: 2026 the whisper158 authors */
/* SPDX-License-Identifier: MIT */
/*
 * whisper158: OpenAI's Whisper with ternary, 8-bit or 16-bit weights, for small boards.
 *
 * The library turns 16 kHz mono audio into text. Everything it needs stands in one file, the blob
 * (docs/blob-format.md), which is mapped read-only and used in place.
 *
 *     whisper158_error error;
 *     whisper158_model *model = NULL;
 *     whisper158_context *context = NULL;
 *
 *     int r = whisper158_model_open(&model, "tiny.en-q8.w158", &error);
 *     if (r >= 0)
 *         r = whisper158_context_new(&context, model, NULL, &error);
 *     if (r >= 0)
 *         r = whisper158_transcribe(context, samples, count, NULL, print_segment, NULL, &error);
 *     if (r < 0)
 *         fprintf(stderr, "%s\n", error.text);
 *     whisper158_context_free(context);
 *     whisper158_model_close(model);
 *
 * Objects. A *model* is the mapped blob. It never changes after it was opened, so any number of contexts, in any
 * threads, may use one. A *context* holds what one transcription needs: activations, key/value caches, threads.
 * One call at a time may use a context; different contexts do not know of each other. There is no global state.
 *
 * Errors. Functions that can fail return 0 (or a positive result where stated) on success and a negative errno value
 * on failure. Those that take a `whisper158_error` fill it, on failure only, with one sentence for a person that
 * names the cause; NULL is allowed. No input makes the library abort, exit or print.
 *
 *     -EINVAL     an argument is out of its range
 *     -EBADMSG    the blob is damaged, or not a blob
 *     -ENOTSUP    the blob is newer than this library, or needs what this build lacks
 *     -ENOMEM     memory could not be had
 *     -EDOM       the model's numbers overflowed: the weights cannot be right
 *     -ECANCELED  a callback asked to stop
 *     -ESTALE     a tuning was not measured with this model, machine and version
 *     -EFBIG      a tuning is larger than any can be
 *     others      as open(2), fstat(2) and mmap(2) give them
 *
 * Units. Samples are floats in [-1, 1] at 16000 Hz, one channel. A *frame* is one step of the encoder, 20 ms; 1500 of
 * them are the 30 s that Whisper hears at a time. A log-mel *column* is 10 ms, two to a frame. Times are seconds from
 * the start of the audio. Token ids are those of the blob's vocabulary.
 */
#ifndef WHISPER158_H
#define WHISPER158_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define WHISPER158_API __attribute__((visibility("default")))
#else
#define WHISPER158_API
#endif

#define WHISPER158_SAMPLE_RATE 16000
#define WHISPER158_COLUMNS_PER_SECOND 100
#define WHISPER158_FRAMES_PER_SECOND 50
#define WHISPER158_WINDOW_SECONDS 30
#define WHISPER158_MAX_THREADS 64
#define WHISPER158_MAX_PROMPT 4096 /* bytes; a decoder has room for about a quarter of it */
#define WHISPER158_MAX_SAMPLE 2147483648.0f /* full scale is 1, but there are floats in the range of integers */

typedef struct whisper158_model whisper158_model;
typedef struct whisper158_context whisper158_context;

typedef struct whisper158_error {
    char text[384]; /* one sentence, NUL-terminated, no newline */
} whisper158_error;

/* The library's version, "major.minor.patch". Static storage. */
WHISPER158_API const char *whisper158_version(void);

/* ---------------------------------------------------------------------------------------------------------- model */

typedef struct whisper158_model_info {
    uint32_t n_mels;        /* mel bands: 80, or 128 */
    uint32_t n_audio_ctx;   /* frames of a full window: 1500 */
    uint32_t n_audio_state; /* encoder width */
    uint32_t n_audio_head;
    uint32_t n_audio_layer;
    uint32_t n_vocab;
    uint32_t n_text_ctx; /* tokens the decoder can look back on: 448 */
    uint32_t n_text_state;
    uint32_t n_text_head;
    uint32_t n_text_layer;
    uint32_t min_audio_ctx;   /* shortest encoder context, in frames, that the model was validated for */
    uint32_t activation_bits; /* 32 or 8: what the linear layers of the blocks are multiplied with */
    uint32_t n_languages;     /* 0 for English-only models */
    uint32_t n_sections;
    uint64_t file_size; /* bytes */
} whisper158_model_info;

typedef struct whisper158_section {
    const char *name;    /* NUL-terminated, owned by the model */
    const char *dtype;   /* "f32", "f16", "i8", "u8", "u32", "t158", "i4", "u4"; static storage */
    const char *packing; /* "plain", "t2", "t4", "t5"; static storage */
    uint32_t rank;       /* 1 to 4 */
    uint32_t shape[4];   /* zero beyond rank */
    uint32_t group;      /* channels that share a scale; 0 without scales */
    uint64_t offset;     /* bytes from the start of the file */
    uint64_t size;       /* bytes */
} whisper158_section;

/*
 * Maps the blob at `path` and checks all of it: structure, checksums, dimensions, and every value that could lead a
 * kernel astray. After success nothing in the file can make the library misbehave. The file must not be changed or
 * truncated while it is open (replace it by rename).
 * On success *out owns the mapping; on failure *out is untouched. An absent or unreadable file is -ENOENT, -EACCES, ...
 */
WHISPER158_API int whisper158_model_open(whisper158_model **out, const char *path, whisper158_error *error);

/* Unmaps. All contexts of the model must have been freed. NULL is allowed. Returns NULL. */
WHISPER158_API whisper158_model *whisper158_model_close(whisper158_model *model);

WHISPER158_API void whisper158_model_get_info(const whisper158_model *model, whisper158_model_info *out);

/* Section `index` of info.n_sections, in the order of the file. -EINVAL beyond the end. */
WHISPER158_API int whisper158_model_get_section(const whisper158_model *model, uint32_t index, whisper158_section *out);

/*
 * The value of one line of the blob's provenance ("name", "format", "source", "source_sha256", "licence", ...).
 * Returns its length in bytes and sets *value (owned by the model, UTF-8, not NUL-terminated), or -ENOENT.
 */
WHISPER158_API int whisper158_model_get_provenance(const whisper158_model *model, const char *key, const char **value);

/* All lines of the provenance, "key=value\n". Ownership as above. */
WHISPER158_API size_t whisper158_model_get_provenance_text(const whisper158_model *model, const char **text);

/* Code ("en") of language `index` of info.n_languages, or of the one language of an English-only model at 0; else NULL. */
WHISPER158_API const char *whisper158_model_get_language(const whisper158_model *model, uint32_t index);

/*
 * The bytes of token `id`: returns their number and sets *bytes (owned by the model, not NUL-terminated; a token need
 * not be whole UTF-8 characters). Special tokens have none and give 0; an id beyond the vocabulary gives -EINVAL.
 */
WHISPER158_API int whisper158_model_get_token(const whisper158_model *model, uint32_t id, const char **bytes);

/* -------------------------------------------------------------------------------------------------------- context */

typedef struct whisper158_context_options {
    uint32_t threads;    /* 0: as the tuning says; without one, one for each online processor, at most 4. Results are
                            the same for any number */
    const char *kernels; /* NULL: the best for this processor; or the name of a set, see whisper158_kernels_name */
    bool keep_pages;     /* do not give memory back between the phases of a window (below): a little faster */
    const struct whisper158_tuning *tuning; /* of this model (below); copied. NULL: none. Of no effect on results, nor
                                               where it was measured with other kernels than the context's */
} whisper158_context_options;

/*
 * Reserves all that `options` (NULL: defaults) ask for; nothing is reserved later but results. What is reserved becomes
 * memory when it is first used, and short audio uses less of it.
 */
WHISPER158_API int whisper158_context_new(whisper158_context **out, const whisper158_model *model,
                                          const whisper158_context_options *options, whisper158_error *error);

/* Stops the context's threads and frees it. NULL is allowed. Returns NULL. */
WHISPER158_API whisper158_context *whisper158_context_free(whisper158_context *context);

/*
 * Names of the kernel sets that this processor can run, the plain C reference ("ref") first, the best last: index 0, 1,
 * ... until NULL. Static storage.
 */
WHISPER158_API const char *whisper158_kernels_name(uint32_t index);

/* --------------------------------------------------------------------------------------------------------- memory */
/*
 * A window of audio goes through five phases. What one leaves behind for no later one is given back to the system:
 * activations, and the blob's pages, which come from the system's cache of files again when the next window needs them.
 * So a context never needs memory for the encoder and for the decoder at once.
 */
typedef enum whisper158_phase {
    WHISPER158_PHASE_MEL = 0,    /* spectrogram */
    WHISPER158_PHASE_STEM = 1,   /* the encoder's convolutions */
    WHISPER158_PHASE_BLOCKS = 2, /* the encoder's layers */
    WHISPER158_PHASE_CROSS = 3,  /* keys and values that the decoder's layers make of the encoder's output */
    WHISPER158_PHASE_TEXT = 4,   /* the decoder, token by token */
    WHISPER158_PHASES = 5,
} whisper158_phase;

/* Something that is in memory from one phase to another. */
typedef struct whisper158_memory_part {
    const char *name; /* static storage */
    bool mapped;      /* pages of the blob, which all its users share; else the context's own */
    whisper158_phase first, last;
    uint64_t bytes;
} whisper158_memory_part;

#define WHISPER158_MEMORY_PARTS 48

typedef struct whisper158_memory {
    whisper158_memory_part parts[WHISPER158_MEMORY_PARTS];
    uint32_t n_parts;
    uint64_t phases[WHISPER158_PHASES]; /* bytes in memory in each phase */
    uint64_t peak;                      /* the most of them, or with options.keep_pages, all that was ever touched */
    uint64_t reserved;                  /* address space of the context's own, for windows of any length */
    uint32_t threads;                   /* that compute */
} whisper158_memory;

/*
 * What `context` has in memory while it transcribes a window of `frames` frames into `tokens` tokens, prompt included.
 * It is computed, not measured, and does not count the program, its libraries and stacks, and the samples.
 * -EINVAL when the model has no such windows.
 */
WHISPER158_API int whisper158_context_get_memory(const whisper158_context *context, uint32_t frames, uint32_t tokens,
                                                 whisper158_memory *out);

/* ----------------------------------------------------------------------------------------------------- transcribe */

typedef enum whisper158_task {
    WHISPER158_TRANSCRIBE = 0, /* text in the language that is spoken */
    WHISPER158_TRANSLATE = 1,  /* English text; multilingual models only */
} whisper158_task;

typedef enum whisper158_timestamps {
    WHISPER158_TIMESTAMPS_AUTO = 0, /* only where they are needed to move through audio longer than one window */
    WHISPER158_TIMESTAMPS_ON = 1,
    WHISPER158_TIMESTAMPS_OFF = 2, /* audio longer than one window is then cut every 30 s, words or not */
} whisper158_timestamps;

/*
 * The encoder's context for a window: how much it is given to hear. Time and memory are in proportion, and what Whisper
 * was trained for is the full context, with nothing behind the speech. AUTO takes what the audio of the window fills and
 * half a second, but no less than info.min_audio_ctx, for which the model was validated; so a model that was validated
 * for its full context only gets that. Columns at the end of a window of which the spectrogram shows nothing do not count
 * as audio.
 */
#define WHISPER158_AUDIO_CONTEXT_AUTO 0
#define WHISPER158_AUDIO_CONTEXT_FULL UINT32_MAX

/* The context that AUTO gives to a window with so many samples of audio. */
WHISPER158_API uint32_t whisper158_model_fit_audio_context(const whisper158_model *model, size_t samples);

typedef struct whisper158_options {
    const char *language; /* NULL or "auto": detected from the first window (multilingual), "en" otherwise */
    whisper158_task task;
    whisper158_timestamps timestamps;
    uint32_t audio_context;    /* WHISPER158_AUDIO_CONTEXT_AUTO, _FULL, or frames, 1 to n_audio_ctx: windows are then no
                                  longer than that, and models may get worse below info.min_audio_ctx */
    bool condition_on_previous; /* give the decoder the text of the window before as a prompt */
    const char *prompt;         /* what was said before, or words that may come, in UTF-8: guides the first window that has
                                   text, and with condition_on_previous those that follow. Of a long one, the end; NULL:
                                   none; -EINVAL if it is longer than WHISPER158_MAX_PROMPT bytes */
    float no_speech_threshold;  /* a window is passed over when the model's no-speech probability is above this ... */
    float logprob_threshold;    /* ... and its mean log probability is not above this */
    int (*progress)(void *user, uint64_t done, uint64_t total); /* samples; after each window, and between the blocks
                                                                   of its encoder and its tokens; non-zero stops with
                                                                   -ECANCELED; may be NULL */
    void *user;                                                 /* handed to both callbacks */
} whisper158_options;

/* What NULL options stand for: automatic language, timestamps and context, no prompt, 0.6 and -1.0. */
#define WHISPER158_OPTIONS_DEFAULT                                                                                     \
    {                                                                                                                  \
        .language = NULL, .task = WHISPER158_TRANSCRIBE, .timestamps = WHISPER158_TIMESTAMPS_AUTO,                     \
        .audio_context = WHISPER158_AUDIO_CONTEXT_AUTO, .condition_on_previous = false, .prompt = NULL,                \
        .no_speech_threshold = 0.6f, .logprob_threshold = -1.0f, .progress = NULL, .user = NULL                        \
    }

typedef struct whisper158_segment {
    double start, end;        /* seconds */
    const char *text;         /* UTF-8, NUL-terminated; begins with a space where the model said so. Valid during the callback */
    const uint32_t *tokens;   /* all sampled tokens of the segment, timestamps included; valid during the callback */
    size_t n_tokens;
    float avg_logprob;        /* mean log probability of the window's tokens, as Whisper defines it */
    float no_speech_prob;     /* of the window */
    const char *language;     /* code, owned by the model */
    bool repetition;          /* decoding was stopped because it repeated itself, and the repetition was cut off */
} whisper158_segment;

typedef int (*whisper158_segment_fn)(void *user, const whisper158_segment *segment);

/*
 * Transcribes `count` samples of any number. Greedy, temperature 0, by Whisper's rules (whisper/transcribe.py and
 * decoding.py): windows of 30 s, the next one beginning at the last timestamp that the model is sure of; blank and
 * special tokens suppressed; timestamps in order and in pairs. Beyond Whisper, and without effect on ordinary speech:
 * a window's tokens are limited by its duration, endless repetition is stopped, and a window of digital silence is
 * passed over without a look.
 * `segment` is called in order of time, in the calling thread; non-zero stops with -ECANCELED. Samples that are not
 * numbers, or beyond WHISPER158_MAX_SAMPLE, are refused with -EINVAL before anything is computed.
 * Returns 0, also when nothing was said.
 */
WHISPER158_API int whisper158_transcribe(whisper158_context *context, const float *samples, size_t count,
                                         const whisper158_options *options, whisper158_segment_fn segment, void *user,
                                         whisper158_error *error);

/* Where the last whisper158_transcribe spent its time, summed over its windows. */
typedef struct whisper158_timings {
    double mel, encode, decode;             /* wall seconds; decode includes language detection */
    double mel_cpu, encode_cpu, decode_cpu; /* processor seconds of all of the context's threads */
    uint32_t windows;                       /* encoder runs */
    uint32_t tokens;                        /* decoder steps, prompts included */
    uint64_t frames;                        /* encoded */
} whisper158_timings;

WHISPER158_API void whisper158_context_get_timings(const whisper158_context *context, whisper158_timings *out);

/* ------------------------------------------------------------------------------------------ detection of speech */
/*
 * Tells speech from silence, noise and music, 32 ms at a time, with what is said before in mind; for whoever listens to
 * a microphone. It costs about a hundredth of what transcribing the same audio does. Blobs need not have it.
 */
typedef struct whisper158_vad whisper158_vad;

#define WHISPER158_VAD_FRAME 512 /* samples */

/* One audio stream's detector; the model must outlive it. -ENOENT when the blob has none. */
WHISPER158_API int whisper158_vad_new(whisper158_vad **out, const whisper158_model *model, whisper158_error *error);

/* NULL is allowed. Returns NULL. */
WHISPER158_API whisper158_vad *whisper158_vad_free(whisper158_vad *vad);

/* Forgets what was heard: for audio that does not continue the audio before. */
WHISPER158_API void whisper158_vad_reset(whisper158_vad *vad);

/*
 * The probability, 0 to 1, that there is speech in the WHISPER158_VAD_FRAME samples that follow those of the call
 * before. Samples that are not numbers, or beyond WHISPER158_MAX_SAMPLE, are heard as zeros.
 */
WHISPER158_API float whisper158_vad_run(whisper158_vad *vad, const float *samples);

/* --------------------------------------------------------------------------------------------------------- stages */
/*
 * The steps that whisper158_transcribe is made of, for tests, evaluation and other ways of decoding.
 */

/*
 * Log-mel spectrogram of `count` samples, followed by as many zeros as make `columns` columns (10 ms each; samples
 * beyond columns x 160 are heard by the last columns only as far as their transform reaches, as in Whisper). Writes
 * out[n_mels][columns], scaled as Whisper scales it: (max(log10 power, loudest - 8) + 4) / 4.
 */
WHISPER158_API int whisper158_mel(whisper158_context *context, const float *samples, size_t count, uint32_t columns,
                                  float *out, whisper158_error *error);

/*
 * Runs the encoder over mel[n_mels][2 x frames] and computes the decoder's cross-attention keys and values of all
 * layers; forgets the tokens decoded so far. frames is 1 to n_audio_ctx. Where `out` is not NULL it receives the
 * encoder's output, [frames][n_audio_state].
 */
WHISPER158_API int whisper158_encode(whisper158_context *context, const float *mel, uint32_t frames, float *out,
                                     whisper158_error *error);

/*
 * Appends `count` tokens to the text so far and, where `logits` is not NULL, writes the logits [n_vocab] of what
 * follows the last one. Needs whisper158_encode before it. -ENOSPC when the text would exceed n_text_ctx.
 */
WHISPER158_API int whisper158_decode(whisper158_context *context, const uint32_t *tokens, size_t count, float *logits,
                                     whisper158_error *error);

/* Takes the text back to its first `count` tokens. */
WHISPER158_API int whisper158_decode_rewind(whisper158_context *context, size_t count);

/* --------------------------------------------------------------------------------------------------------- tuning */
/*
 * There are several ways to multiply by a layer's weights: for each packing of ternary weights there are several
 * kernels, and any number of threads may share the work. All of them give the same bits; which one is fastest depends
 * on the processor and on the layer's shape. A *tuning* is what was measured about the layers of one model on one
 * machine. A context to which it is given takes what was fastest; without one it takes what is good nearly everywhere.
 *
 * A tuning is kept as a short text. The library neither looks for one nor stores one; the program whisper158 does.
 */
typedef struct whisper158_tuning whisper158_tuning;

typedef struct whisper158_tune_options {
    double seconds;   /* to spend, about; 0: 60. No less than one run of each candidate takes */
    uint32_t threads; /* most that are tried; 0: one for each online processor, at most 64 */
    int (*progress)(void *user, double share); /* 0 to 1, often; non-zero stops with -ECANCELED; may be NULL */
    void *user;
} whisper158_tune_options;

/*
 * Measures with this processor's best kernels (whisper158_kernels_name). Besides a context this takes memory for copies
 * of the model's ternary weights in three packings, of each shape and use at most 4 MiB (or one matrix) in each.
 */
WHISPER158_API int whisper158_tune(whisper158_tuning **out, const whisper158_model *model,
                                   const whisper158_tune_options *options, whisper158_error *error);

/* NULL is allowed. Returns NULL. Contexts do not need the tuning that was given to them. */
WHISPER158_API whisper158_tuning *whisper158_tuning_free(whisper158_tuning *tuning);

/*
 * Writes the text form, at most `room` bytes of it. Returns its length, for which there must be one byte more of room,
 * so whisper158_tuning_write(tuning, NULL, 0) + 1 is what it takes.
 */
WHISPER158_API size_t whisper158_tuning_write(const whisper158_tuning *tuning, char *text, size_t room);

/*
 * The tuning that `text`, any bytes, is the text form of. -EBADMSG when it is damaged, -EFBIG when it is beyond reason,
 * -ESTALE when it is about another model, was measured on another kind of machine or by another version of this
 * library. The sentence begins with "it" or with "line".
 */
WHISPER158_API int whisper158_tuning_read(whisper158_tuning **out, const whisper158_model *model, const char *text,
                                          size_t size, whisper158_error *error);

/* A number that names the model whatever the packing of its ternary weights. */
WHISPER158_API uint64_t whisper158_model_get_id(const whisper158_model *model);

/* Layers of one shape that are used in one way, and for which there is a choice. */
typedef struct whisper158_tuned_layer {
    const char *operation; /* "gemm" for many frames at a time, "gemv" for one token; static storage */
    uint32_t rows, channels, group;
    uint32_t matrices;     /* so many of the model are alike */
    const char *packing;   /* that most of them had when they were measured; static storage */
    double share;          /* part of the processor time of all tuned layers, for 30 s of audio and 100 tokens */
    uint32_t n_candidates;
} whisper158_tuned_layer;

typedef struct whisper158_tuned_candidate {
    const char *packing; /* "plain" (8-bit weights), "nibbles" (4-bit), "t2", "t4", "t5"; static storage */
    const char *variant; /* name of the kernel; static storage */
    double gmacs;        /* 1e9 multiply-accumulates in a second of one processor, the others being at work as well */
    uint32_t runs;       /* how often it was measured; the best time counts */
    bool chosen;         /* what runs on matrices of this packing */
    bool fastest;        /* of all packings: what whisper158_retarget packs for */
} whisper158_tuned_candidate;

typedef enum whisper158_tuned_stage { WHISPER158_TUNED_ENCODE, WHISPER158_TUNED_DECODE } whisper158_tuned_stage;

typedef struct whisper158_tuned_threads {
    uint32_t threads;
    double seconds; /* wall */
    uint32_t runs;
    bool chosen;
} whisper158_tuned_threads;

/* What was measured. Indices count from 0; -EINVAL beyond the last. */
WHISPER158_API int whisper158_tuning_get_layer(const whisper158_tuning *tuning, uint32_t layer,
                                               whisper158_tuned_layer *out);
WHISPER158_API int whisper158_tuning_get_candidate(const whisper158_tuning *tuning, uint32_t layer, uint32_t candidate,
                                                   whisper158_tuned_candidate *out);
WHISPER158_API int whisper158_tuning_get_threads(const whisper158_tuning *tuning, whisper158_tuned_stage stage,
                                                 uint32_t index, whisper158_tuned_threads *out);

/* The kernel set and the machine, described in a line. Owned by the tuning. */
WHISPER158_API const char *whisper158_tuning_get_kernels(const whisper158_tuning *tuning);
WHISPER158_API const char *whisper158_tuning_get_machine(const whisper158_tuning *tuning);

/* Takes `size` bytes; returns 0, or a negative errno, which stops. */
typedef int (*whisper158_write_fn)(void *user, const void *bytes, size_t size);

typedef struct whisper158_retargeted {
    uint32_t matrices;  /* ternary ones */
    uint32_t repacked;  /* of these */
    uint64_t file_size; /* bytes */
} whisper158_retargeted;

/*
 * Writes the model's blob again, from its first byte to its last, with each ternary matrix in the packing that was
 * fastest for its shape and use. Weights and everything else stay what they are, and so do all results. `out` may be
 * NULL. Returns 0, what `write` returned (then *error is not touched), -ENOMEM, or -EINVAL for another model's tuning.
 */
WHISPER158_API int whisper158_retarget(const whisper158_model *model, const whisper158_tuning *tuning,
                                       whisper158_write_fn write, void *user, whisper158_retargeted *out,
                                       whisper158_error *error);

#ifdef __cplusplus
}
#endif
#endif
