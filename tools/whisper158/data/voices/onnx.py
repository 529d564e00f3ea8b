# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Networks in ONNX files, run on one processor: who wants more speaks on several."""

import importlib
import importlib.util
from pathlib import Path
from typing import Any

import numpy as np

from whisper158 import needs
from whisper158.data.audio import Floats


class Network:
    def __init__(self, file: Path) -> None:
        onnxruntime = _library()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])

    def __call__(self, **inputs: Any) -> Floats:
        """Its first output, flattened."""
        (first, *_) = self._session.run(None, inputs)
        return np.asarray(first, np.float32).reshape(-1)


def _library() -> Any:
    """onnxruntime, installed now unless it is there, be it as part of another group."""
    if importlib.util.find_spec("onnxruntime") is None:
        needs.python("speech")
    return importlib.import_module("onnxruntime")
