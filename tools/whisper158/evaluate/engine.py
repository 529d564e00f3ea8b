# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""The C runtime from Python: the public header, whisper158.h, through ctypes.

What a function does, its units and its errors are said there; here are only the shapes of the arrays. An engine is one
model and one context, so it belongs to one thread at a time.
"""

import ctypes as c
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from whisper158.errors import UserError, die

Floats = npt.NDArray[np.float32]

VAD_FRAME = 512


class _Error(c.Structure):
    _fields_ = (("text", c.c_char * 384),)


class _Info(c.Structure):
    _fields_ = (
        *(
            (name, c.c_uint32)
            for name in (
                *("n_mels", "n_audio_ctx", "n_audio_state", "n_audio_head", "n_audio_layer"),
                *("n_vocab", "n_text_ctx", "n_text_state", "n_text_head", "n_text_layer"),
                *("min_audio_ctx", "activation_bits", "n_languages", "n_sections"),
            )
        ),
        ("file_size", c.c_uint64),
    )


class _ContextOptions(c.Structure):
    _fields_ = (("threads", c.c_uint32), ("kernels", c.c_char_p), ("keep_pages", c.c_bool), ("tuning", c.c_void_p))


_Progress = c.CFUNCTYPE(c.c_int, c.c_void_p, c.c_uint64, c.c_uint64)


class _Options(c.Structure):
    _fields_ = (
        ("language", c.c_char_p),
        ("task", c.c_int),
        ("timestamps", c.c_int),
        ("audio_context", c.c_uint32),
        ("condition_on_previous", c.c_bool),
        ("prompt", c.c_char_p),
        ("no_speech_threshold", c.c_float),
        ("logprob_threshold", c.c_float),
        ("progress", _Progress),
        ("user", c.c_void_p),
    )


class _Segment(c.Structure):
    _fields_ = (
        ("start", c.c_double),
        ("end", c.c_double),
        ("text", c.c_char_p),
        ("tokens", c.POINTER(c.c_uint32)),
        ("n_tokens", c.c_size_t),
        ("avg_logprob", c.c_float),
        ("no_speech_prob", c.c_float),
        ("language", c.c_char_p),
        ("repetition", c.c_bool),
    )


_OnSegment = c.CFUNCTYPE(c.c_int, c.c_void_p, c.POINTER(_Segment))


@dataclass(frozen=True)
class Segment:
    start: float
    end: float
    text: str
    tokens: tuple[int, ...]
    avg_logprob: float
    no_speech_prob: float
    language: str
    repetition: bool


class Engine:
    """A model and a context of the library at `library` (build.runtime.shared_library). Raises UserError."""

    def __init__(self, library: Path, model: Path, threads: int = 1, kernels: str | None = None) -> None:
        self._model = c.c_void_p()
        self._context = c.c_void_p()
        self._library = c.CDLL(str(library))
        self._library.whisper158_model_close.restype = c.c_void_p
        self._library.whisper158_context_free.restype = c.c_void_p
        self._error = _Error()
        options = _ContextOptions(threads, kernels.encode() if kernels else None)
        self._call("model_open", c.byref(self._model), str(model).encode(), c.byref(self._error))
        try:
            self._call("context_new", c.byref(self._context), self._model, c.byref(options), c.byref(self._error))
        except UserError:
            self.close()
            raise
        self.info = _Info()
        self._library.whisper158_model_get_info(self._model, c.byref(self.info))

    def close(self) -> None:
        self._library.whisper158_context_free(self._context)
        self._library.whisper158_model_close(self._model)
        self._context, self._model = c.c_void_p(), c.c_void_p()

    def __enter__(self) -> "Engine":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def mel(self, samples: Floats, columns: int) -> Floats:
        """[n_mels, columns]"""
        samples = np.ascontiguousarray(samples, np.float32)
        out = np.empty((self.info.n_mels, columns), np.float32)
        self._call(
            "mel",
            self._context,
            _pointer(samples),
            c.c_size_t(len(samples)),
            c.c_uint32(columns),
            _pointer(out),
            c.byref(self._error),
        )
        return out

    def encode(self, mel: Floats) -> Floats:
        """mel: [n_mels, 2 x frames]. Returns [frames, n_audio_state]."""
        mel = np.ascontiguousarray(mel, np.float32)
        frames = mel.shape[1] // 2
        out = np.empty((frames, self.info.n_audio_state), np.float32)
        self._call("encode", self._context, _pointer(mel), c.c_uint32(frames), _pointer(out), c.byref(self._error))
        return out

    def decode(self, tokens: Sequence[int]) -> Floats:
        """Logits [n_vocab] of what follows `tokens`, which are appended to those given since the last `encode`."""
        ids = np.asarray(tokens, np.uint32)
        out = np.empty(self.info.n_vocab, np.float32)
        self._call("decode", self._context, _pointer(ids), c.c_size_t(len(ids)), _pointer(out), c.byref(self._error))
        return out

    def transcribe(
        self,
        samples: Floats,
        *,
        language: str | None = None,
        task: Literal["transcribe", "translate"] = "transcribe",
        timestamps: bool | None = None,
        audio_context: int = 0,
        condition_on_previous: bool = False,
        prompt: str | None = None,
    ) -> list[Segment]:
        """timestamps: None leaves it to the library, which uses them where the audio is longer than a window.
        audio_context: frames; 0 is whisper158.h's AUTO."""
        samples = np.ascontiguousarray(samples, np.float32)
        segments: list[Segment] = []

        @_OnSegment
        def collect(_user: Any, segment: Any) -> int:
            segments.append(_segment(segment.contents))
            return 0

        options = _Options(
            language.encode() if language else None,
            task == "translate",
            {None: 0, True: 1, False: 2}[timestamps],
            audio_context,
            condition_on_previous,
            prompt.encode() if prompt else None,
            0.6,
            -1.0,
        )
        self._call(
            "transcribe",
            self._context,
            _pointer(samples),
            c.c_size_t(len(samples)),
            c.byref(options),
            collect,
            None,
            c.byref(self._error),
        )
        return segments

    def _call(self, name: str, *arguments: Any) -> None:
        if getattr(self._library, f"whisper158_{name}")(*arguments) < 0:
            die(self._error.text.decode(errors="replace"))


class Detector:
    """The detector of speech in the blob `model`, through the library at `library`. Raises UserError."""

    def __init__(self, library: Path, model: Path) -> None:
        self._model, self._vad, error = c.c_void_p(), c.c_void_p(), _Error()
        self._library = c.CDLL(str(library))
        self._library.whisper158_vad_run.restype = c.c_float
        for name in ("model_close", "vad_free"):
            getattr(self._library, f"whisper158_{name}").restype = c.c_void_p
        if self._library.whisper158_model_open(c.byref(self._model), str(model).encode(), c.byref(error)) < 0:
            die(error.text.decode(errors="replace"))
        if self._library.whisper158_vad_new(c.byref(self._vad), self._model, c.byref(error)) < 0:
            self.close()
            die(f"{model}: {error.text.decode(errors='replace')}")

    def close(self) -> None:
        self._library.whisper158_vad_free(self._vad)
        self._library.whisper158_model_close(self._model)
        self._vad, self._model = c.c_void_p(), c.c_void_p()

    def __enter__(self) -> "Detector":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __call__(self, samples: Floats) -> Floats:
        """The probability of speech in each whole frame, from a fresh start."""
        self._library.whisper158_vad_reset(self._vad)
        frames = np.ascontiguousarray(samples[: len(samples) // VAD_FRAME * VAD_FRAME], np.float32)
        run = self._library.whisper158_vad_run
        return np.array([run(self._vad, _pointer(frame)) for frame in frames.reshape(-1, VAD_FRAME)], np.float32)


def _pointer(array: npt.NDArray[Any]) -> c.c_void_p:
    return array.ctypes.data_as(c.c_void_p)


def _segment(s: Any) -> Segment:
    return Segment(
        start=s.start,
        end=s.end,
        text=s.text.decode(),
        tokens=tuple(s.tokens[: s.n_tokens]),
        avg_logprob=s.avg_logprob,
        no_speech_prob=s.no_speech_prob,
        language=s.language.decode(),
        repetition=s.repetition,
    )
