# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""The student beside its parent: one batch in, losses out."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from whisper158.train import losses, network
from whisper158.train.batches import UNTOLD, Batch, Stray, Text, keep
from whisper158.train.config import Losses, Stage
from whisper158.train.memory import Memory
from whisper158.train.network import Decoder, KeysAndValues, Trace, Whisper
from whisper158.train.quantisers import product_type


@dataclass
class Heard:
    """What the encoders make of a batch; clean [batch, frames, channels]: the parent's, of the clean sound, where there
    is text."""

    student: Trace
    parent: Trace | None
    clean: Tensor | None = None


@dataclass
class Sides:
    """What each decoder knows of every sound of a batch."""

    student: list[KeysAndValues]
    parent: list[KeysAndValues]

    def of(self, rows: Tensor) -> "Sides":
        return Sides([(k[rows], v[rows]) for k, v in self.student], [(k[rows], v[rows]) for k, v in self.parent])


class Learner(nn.Module):
    """`parent` is kept out of the parameters: it neither learns nor is saved. All that it computes is of the type of
    products; what that takes from it is nothing beside what the student lacks. memory: of what its encoder makes of
    clean clips."""

    def __init__(self, student: Whisper, parent: Whisper, memory: Memory) -> None:
        super().__init__()
        self.student = student
        parent = parent.eval().requires_grad_(False)
        self._parent = [parent.to(product_type(next(parent.parameters()).device))]
        self._hearing_student = [network.pair(student, self.parent)]
        self._memory = memory
        self._heard: dict[int, Heard] = {}

    @property
    def parent(self) -> Whisper:
        return self._parent[0]

    def pupil(self, stage: Stage) -> Whisper:
        """The student, or its encoder before the parent's decoder."""
        return self._hearing_student[0] if stage.speaker == "parent" else self.student

    def forward(self, batch: Batch, stage: Stage) -> dict[str, Tensor]:
        """Every loss of the stage by name, their weighted sum as `loss`, and measures that no one learns from."""
        hearing = self._hear(batch, stage)
        heard, target = hearing.student, hearing.parent
        result: dict[str, Tensor] = {}
        if target is not None and stage.losses.encoder > 0:
            by_block = losses.block_losses(heard, target)
            result |= {f"encoder.{i}": loss for i, loss in enumerate(by_block)}
            result["encoder.out"] = losses.out_loss(heard.out, target.out)
            result["encoder"] = torch.stack(by_block).mean() + result["encoder.out"]
        if batch.text is not None:
            sides = self._listen(hearing, stage)
            result |= self._of_text(batch.text, sides, stage)
            if batch.text.stray is not None:
                _add(result, self._of_stray(batch.text.stray, sides, stage))
        result["loss"] = _weighted(result, stage.losses)
        return result

    def _hear(self, batch: Batch, stage: Stage) -> Heard:
        """What the student's encoder makes of the batch, and the parent's where it is needed; all of it, from memory,
        where the batch comes again and again."""
        if batch.key is not None and batch.key in self._heard:
            return self._heard[batch.key]
        with torch.set_grad_enabled(torch.is_grad_enabled() and "encoder" not in stage.frozen):
            heard = self.student.encoder(batch.mel, apart=stage.apart)
        with torch.no_grad():
            target = self.parent.encoder(batch.mel) if stage.losses.encoder > 0 else None
            clean = self._clean(batch.text) if batch.text is not None else None
        if batch.key is None:
            return Heard(heard, target, clean)
        narrow = clean.bfloat16() if clean is not None else None
        keep(self._heard, batch.key, Heard(_out(heard), None, narrow), stage.cycle)
        return self._heard[batch.key]

    @torch.no_grad()
    def _clean(self, text: Text) -> Tensor:
        """[batch, frames, channels]: what the parent's encoder makes of clean sound, from memory where it is there"""
        shape = text.mel.shape[-1] // 2, self.parent.dims.n_audio_state
        known = [self._memory.recall(key, shape) for key in text.keys]
        whole = torch.empty(len(known), *shape, dtype=product_type(text.mel.device), device=text.mel.device)
        unknown = [row for row, encoded in enumerate(known) if encoded is None]
        for row, encoded in enumerate(known):
            if encoded is not None:
                whole[row] = encoded.to(whole)
        if unknown:
            for row, encoded in zip(unknown, self.parent.encoder(text.mel[unknown]).out, strict=True):
                whole[row] = self._memory.note(text.keys[row], encoded)
        return whole

    def _listen(self, hearing: Heard, stage: Stage) -> "Sides":
        assert hearing.clean is not None
        decoder, heard = self.pupil(stage).decoder, hearing.student.out
        with torch.no_grad():
            wanted = self.parent.decoder.hear(hearing.clean)
        return Sides(decoder.hear(heard.detach() if stage.apart else heard), wanted)

    def _of_text(self, text: Text, sides: "Sides", stage: Stage) -> dict[str, Tensor]:
        decoder = self.pupil(stage).decoder
        said = decoder.say(text.tokens, sides.student, apart=stage.apart)
        with torch.no_grad():
            target = self.parent.decoder.say(text.tokens, sides.parent)
        result: dict[str, Tensor] = {}
        if stage.losses.decoder > 0 and text.mask.any():
            result |= _of_decoder(said, target, text.mask)
        elif stage.losses.decoder > 0:
            # In silence alone there is nothing that the parent could teach; but there must be something to derive, for
            # other processes wait for these gradients.
            result["decoder"] = 0 * said.out.sum()
        if stage.losses.kl > 0 or stage.losses.label > 0:
            only = ~text.mask & (text.labels != UNTOLD)  # what the text says and the parent is not asked
            chosen = torch.cat([said.out[text.mask], said.out[only]])
            labels = torch.cat([text.labels[text.mask], text.labels[only]])
            result |= self._of_logits(decoder, chosen, target.out[text.mask], labels)
        return result

    def _of_stray(self, stray: Stray, sides: "Sides", stage: Stage) -> dict[str, Tensor]:
        decoder, some = self.pupil(stage).decoder, sides.of(stray.rows)
        said = decoder.say(stray.tokens, some.student, apart=stage.apart)
        with torch.no_grad():
            wanted = self.parent.decoder.say(stray.tokens, some.parent)
        result: dict[str, Tensor] = {}
        if stage.losses.decoder > 0:
            result["decoder"] = _of_decoder(said, wanted, stray.mask)["decoder"]
        if stage.losses.kl > 0:
            result |= self._of_logits(decoder, said.out[stray.asked], wanted.out[stray.asked], None)
        return result

    def _of_logits(self, decoder: Decoder, said: Tensor, target: Tensor, labels: Tensor | None) -> dict[str, Tensor]:
        """said [tokens, channels], target [told, channels] for the first of them. Logits are made only where they
        count; a vocabulary is wide."""
        logits = decoder.token_embedding.logits(said)
        with torch.no_grad():
            wanted = self.parent.decoder.token_embedding.logits(target.float())
        untold = torch.full(said.shape[:1], UNTOLD, device=said.device)
        kl, label = losses.TokenLosses.apply(logits, wanted, untold if labels is None else labels)
        result = {"kl": kl} if len(target) else {}
        if labels is not None:
            result |= {"label": label, "accuracy": losses.accuracy(logits, labels)}
        return result


def _out(trace: Trace) -> Trace:
    """Only what the decoder hears, in half the memory."""
    return Trace([], trace.out.detach().bfloat16())


def _of_decoder(said: Trace, target: Trace, mask: Tensor) -> dict[str, Tensor]:
    """Of words alone where there are any: the first position, which is the same in all texts, is so loud that it would
    outweigh the others."""
    words = mask.clone()
    words[:, 0] = False
    mask = words if words.any() else mask
    by_block = losses.block_losses(said, target, mask)
    out = losses.out_loss(said.out[mask], target.out[mask])
    result = {f"decoder.{i}": loss for i, loss in enumerate(by_block)}
    return result | {"decoder": torch.stack(by_block).mean() + out}


def _add(result: dict[str, Tensor], stray: dict[str, Tensor]) -> None:
    """A quarter of each loss is that of the stray texts: what they teach is only a part of what has to be done."""
    for name, loss in stray.items():
        result[f"{name}.stray"] = loss
        result[name] = (3 * result[name] + loss) / 4 if name in result else loss


def _weighted(result: dict[str, Tensor], weights: Losses) -> Tensor:
    parts: list[Any] = [
        getattr(weights, name) * result[name] for name in ("encoder", "decoder", "kl", "label") if name in result
    ]
    return torch.stack(parts).sum()
