# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""A process that measures whisper.cpp, as the package pywhispercpp builds it, through its C interface (whisper.h).

python -m whisper158.evaluate.bench.run_whispercpp MODEL AUDIO CONTEXT TOKENS THREADS REPEATS
"""

import ctypes as c
import os
from importlib import metadata
from typing import Any

from whisper158.evaluate.bench.stopwatch import PROMPT, Taken, answer, rss, samples, taken, task_from_arguments

PACKAGE = "pywhispercpp"


class FullParams(c.Structure):
    """The beginning of struct whisper_full_params, and more room than the rest of it takes.

    whisper.h declares it; where its beginning changes, the values that are checked below are found elsewhere.
    """

    _fields_ = (
        *((name, c.c_int) for name in ("strategy", "n_threads", "n_max_text_ctx", "offset_ms", "duration_ms")),
        *(
            (name, c.c_bool)
            for name in (
                *("translate", "no_context", "no_timestamps", "single_segment"),
                *("print_special", "print_progress", "print_realtime", "print_timestamps", "token_timestamps"),
            )
        ),
        ("thold_pt", c.c_float),
        ("thold_ptsum", c.c_float),
        ("max_len", c.c_int),
        ("split_on_word", c.c_bool),
        ("max_tokens", c.c_int),
        ("debug_mode", c.c_bool),
        ("audio_ctx", c.c_int),
        ("rest", c.c_byte * 1024),
    )


def library() -> Any:
    """libwhisper, from the package's files."""
    files = metadata.files(PACKAGE) or []
    path = next(file.locate() for file in files if os.path.basename(file).startswith("libwhisper"))
    lib = c.CDLL(str(path))
    lib.whisper_init_from_file.restype = c.c_void_p
    lib.whisper_print_system_info.restype = c.c_char_p
    lib.whisper_full_default_params.restype = FullParams
    return lib


@c.CFUNCTYPE(None, c.c_int, c.c_char_p, c.c_void_p)
def silent(_level: int, _text: bytes, _user: Any) -> None:
    pass


def check(status: int, what: str) -> None:
    if status != 0:
        raise SystemExit(f"whisper.cpp failed with status {status} in {what}")


def set_context(lib: Any, context: Any, frames: int, threads: int) -> None:
    """Has whisper.cpp take `frames` as its audio context from now on, as the parameter audio_ctx does for its users.

    Only whisper_full sets it; told to hear no more than its least, 100 ms, it returns before it computes anything.
    """
    params = lib.whisper_full_default_params(0)
    thresholds = (round(params.thold_pt, 4), round(params.thold_ptsum, 4))
    if (thresholds, params.audio_ctx, params.offset_ms) != ((0.01, 0.01), 0, 0):
        raise SystemExit("this whisper.cpp lays its parameters out in another way; pywhispercpp 1.5.1 is known to fit")
    params.n_threads, params.duration_ms, params.audio_ctx = threads, 100, frames
    check(lib.whisper_full(context, params, None, 0), "whisper_full")


def main() -> None:
    task = task_from_arguments()
    sound = samples(task.audio)
    pcm = (c.c_float * len(sound)).from_buffer(sound)
    lib = library()
    lib.whisper_log_set(silent, None)
    base = rss("VmRSS")
    context = c.c_void_p()

    def load() -> None:
        context.value = lib.whisper_init_from_file(task.model.encode())

    loading = taken(load)
    if not context:
        raise SystemExit(f"whisper.cpp cannot load {task.model}")
    check(lib.whisper_pcm_to_mel(context, pcm, len(sound), task.threads), "whisper_pcm_to_mel")
    if task.context:
        set_context(lib, context, task.context, task.threads)

    def mel() -> None:
        check(lib.whisper_pcm_to_mel(context, pcm, len(sound), task.threads), "whisper_pcm_to_mel")

    def encode() -> None:
        check(lib.whisper_encode(context, 0, task.threads), "whisper_encode")

    def decode(count: int, past: int) -> None:
        ids = (c.c_int * count)(*range(1 + past, 1 + past + count))
        check(lib.whisper_decode(context, ids, count, past, task.threads), "whisper_decode")

    def tokens() -> None:
        for i in range(task.tokens):
            decode(1, PROMPT + i)

    def once() -> dict[str, Taken]:
        return {
            "mel": taken(mel),
            "encode": taken(encode),
            "prompt": taken(lambda: decode(PROMPT, 0)),
            "tokens": taken(tokens),
        }

    rounds = [once() for _ in range(task.repeats)]
    about = {
        "package": f"{PACKAGE} {metadata.version(PACKAGE)}",
        "system": lib.whisper_print_system_info().decode().strip(" |"),
    }
    answer(loading, rounds, base, about)


if __name__ == "__main__":
    main()
