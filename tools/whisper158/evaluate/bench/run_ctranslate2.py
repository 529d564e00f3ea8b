# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""A process that measures CTranslate2 as faster-whisper uses it: that one's spectrogram, this one's Whisper object.

python -m whisper158.evaluate.bench.run_ctranslate2 MODEL AUDIO CONTEXT TOKENS THREADS REPEATS

Its encode() does not compute the decoder's keys and values of what was heard; that falls to the first step, so to the
prompt here. Decoding is greedy, which is cheaper than the beams of five that faster-whisper searches unless told
otherwise, and the end of text is suppressed, so that every run has the same number of steps.
"""

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import metadata

import ctranslate2
import numpy as np
from faster_whisper.audio import pad_or_trim
from faster_whisper.feature_extractor import FeatureExtractor

from whisper158.evaluate.bench.stopwatch import PROMPT, Taken, answer, rss, samples, taken, task_from_arguments

COLUMNS_PER_FRAME = 2
# Tokens, counted from the end of text (model/tokens.py).
START, NO_TIMESTAMPS = 1, 106


@contextmanager
def said_on_stderr() -> Iterator[list[str]]:
    """What a library writes there meanwhile, in lines that are complete when it is over."""
    said: list[str] = []
    kept = os.dup(2)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:
            yield said
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            file.seek(0)
            said += file.read().decode(errors="replace").splitlines()


def code_paths(said: Sequence[str]) -> list[str]:
    """Which instructions and libraries it chose for this processor, from its log."""
    known = ("Selected ISA", "SGEMM backend", "GEMM_S8 backend")
    return [line[line.index(name) :] for line in said for name in known if f" {name}:" in line]


def main() -> None:
    task = task_from_arguments()
    sound = np.array(samples(task.audio), np.float32)
    extractor = FeatureExtractor()
    base = rss("VmRSS")
    models: list[ctranslate2.models.Whisper] = []

    def load() -> None:
        models.append(
            ctranslate2.models.Whisper(task.model, device="cpu", compute_type="int8", intra_threads=task.threads)
        )

    with said_on_stderr() as said:
        loading = taken(load)
    (model,) = models
    end = 50257 if model.is_multilingual else 50256
    # Only special tokens are a prompt to it, and without the last it would keep to the rules of timestamps.
    prompt = [*range(end + START, end + START + PROMPT - 1), end + NO_TIMESTAMPS]
    columns = COLUMNS_PER_FRAME * (task.context or extractor.nb_max_frames // COLUMNS_PER_FRAME)
    features = np.empty(0)
    encoded = None

    def mel() -> None:
        nonlocal features
        features = np.ascontiguousarray(pad_or_trim(extractor(sound), columns)[None], np.float32)

    def encode() -> None:
        nonlocal encoded
        encoded = model.encode(ctranslate2.StorageView.from_array(features))

    def generate(count: int) -> None:
        # It stops at half the length, or where that and the prompt but for its last token make up the whole of it.
        (result,) = model.generate(
            encoded,
            [prompt],
            beam_size=1,
            max_length=max(2 * count, PROMPT - 1 + count),
            suppress_blank=False,
            suppress_tokens=[end],
        )
        if len(result.sequences_ids[0]) != count:
            raise SystemExit(f"CTranslate2 decoded {len(result.sequences_ids[0])} tokens instead of {count}")

    def once() -> dict[str, Taken]:
        stages = {"mel": taken(mel), "encode": taken(encode), "prompt": taken(lambda: generate(1))}
        # There is no way to go on from the prompt, so it is decoded again, and taken off.
        both = taken(lambda: generate(1 + task.tokens))
        first = stages["prompt"]
        stages["tokens"] = Taken(both.cpu - first.cpu, both.wall - first.wall)
        return stages

    rounds = [once() for _ in range(task.repeats)]
    about = {
        "package": f"faster-whisper {metadata.version('faster-whisper')}, ctranslate2 {ctranslate2.__version__}",
        "system": ", ".join([f"compute type {model.compute_type}", *code_paths(said)]),
    }
    answer(loading, rounds, base, about)


if __name__ == "__main__":
    main()
