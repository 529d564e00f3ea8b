# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""The runtime's rules, written a second time: what is taken back for being a repetition still counts."""

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs PyTorch: ./inv install oracle")
pytest.importorskip("whisper", reason="needs OpenAI's Whisper: ./inv install oracle")

from whisper158.evaluate.accuracy import contexts, greedy  # noqa: E402
from whisper158.evaluate.accuracy.greedy import LEAST_REPEATED_TOKENS, Rules, Simulated  # noqa: E402

WORDS = 4
NO_SPEECH = WORDS + 2
RULES = Rules(
    prompt=[WORDS + 1],
    eot=WORDS,
    space=0,
    no_speech=NO_SPEECH,
    most=100,
    suppressed=[WORDS + 1, NO_SPEECH],
    vocabulary=[b" ", b" la", b" di", b" da"],
)


class Stuck:
    """Says `la` for ever, with a given probability, and believes that nobody speaks."""

    def __init__(self, probability: float) -> None:
        self.logits = torch.full((1, 1, NO_SPEECH + 1), -40.0)
        self.logits[0, 0, 1] = np.log(probability)
        self.logits[0, 0, 2] = np.log(1 - probability)
        self.logits[0, 0, NO_SPEECH] = 5.0
        self.dims = type("Dims", (), {"n_text_ctx": 100})

    def install_kv_cache_hooks(self) -> tuple[dict[Any, Any], list[Any]]:
        return {}, []

    def decoder(self, *_: Any, **__: Any) -> Any:
        return self.logits


@pytest.mark.parametrize(("probability", "text"), [(0.9, "la"), (0.6, "la")])
def test_what_was_taken_back_counts_in_how_sure_it_was(probability: float, text: str) -> None:
    """As in transcribe.c: the mean is that of all tokens that were sampled."""
    assert LEAST_REPEATED_TOKENS * np.log(0.6) / 2 < greedy.LOGPROB_THRESHOLD < np.log(0.6)
    model: Any = Stuck(probability)
    heard = Simulated(model, RULES, contexts.FULL, 1500)._decode(np.zeros((1, 1), np.float32), 90)
    assert (heard.text, heard.repetition) == (text, True)
