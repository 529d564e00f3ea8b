# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""All methods and families by their names. Each is imported when it is asked for, so that a cell depends on its own
method and family, and on no other (fingerprint.py)."""

import importlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from whisper158.errors import die
from whisper158.lab.families.names import is_moonshine
from whisper158.lab.method import Method
from whisper158.lab.subject import Subject

METHODS: Mapping[str, str] = MappingProxyType(
    {
        "rtn": "rtn.Rtn",
        "smoothquant": "smoothquant.SmoothQuant",
        "awq": "awq.Awq",
        "gptq": "gptq.Gptq",
        "omniquant": "omniquant.OmniQuant",
        "tesseraq": "tesseraq.TesseraQ",
        "quik": "quik.Quik",
        "spqr": "spqr.Spqr",
        "quarot": "quarot.QuaRot",
        "spinquant": "spinquant.SpinQuant",
        "hqq": "hqq.Hqq",
        "ptqtp": "ptqtp.Ptqtp",
    }
)
WHISPER = "whisper158.lab.families.whisper_subject.WhisperSubject"
MOONSHINE = "whisper158.lab.families.moonshine_subject.MoonshineSubject"


def method(word: str) -> type[Method]:
    """The method of `gptq`, or of `smoothquant:alpha=0.8`. Raises UserError."""
    name = word.partition(":")[0]
    if name not in METHODS:
        die(f"{name!r} is none of {', '.join(METHODS)}")
    kind: type[Method] = _found(f"whisper158.lab.methods.{METHODS[name]}")
    return kind


def options(word: str) -> dict[str, float]:
    """What the word sets: {"alpha": 0.8} of `smoothquant:alpha=0.8`. Raises UserError."""
    known = method(word).options
    found = {}
    for setting in filter(None, word.partition(":")[2].split(",")):
        name, _, value = setting.partition("=")
        if name not in known:
            die(f"{word}: {name!r} is none of its options: {', '.join(known) or 'it has none'}")
        found[name] = known[name].parse(value, f"{word}: {name}")
    return found


def family(model: str) -> type[Subject]:
    """Who knows a model of this name, or in this folder"""
    kind: type[Subject] = _found(MOONSHINE if is_moonshine(model) else WHISPER)
    return kind


def _found(path: str) -> Any:
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)
