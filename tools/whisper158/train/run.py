# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""`./inv model.train`: a run from its configuration to its last checkpoint.

Under torchrun every process takes its share of the batches, and the gradients are averaged.
"""

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader

from whisper158.console import duration, say
from whisper158.data.speak import to_read
from whisper158.errors import die
from whisper158.evaluate.wer import word_error_rate
from whisper158.model.load import load as load_checkpoint
from whisper158.train import network, saving
from whisper158.train.batches import Batch, Batches
from whisper158.train.begin import begin
from whisper158.train.clips import Chosen, choose, folder, words
from whisper158.train.config import Config, Stage, read
from whisper158.train.floors import Floors
from whisper158.train.learner import Learner
from whisper158.train.losses import detached, finite
from whisper158.train.memory import Memory
from whisper158.train.optimise import freeze, optimiser, restore, set_rates
from whisper158.train.place import Place, no_subnormals, place, precision
from whisper158.train.plot import plot
from whisper158.train.progress import Progress
from whisper158.train.speak import transcribe
from whisper158.train.tokenizer import Tokenizer, tokenizer

LOG_STEPS = 10
UNHEARD_BATCHES, UNHEARD_FRAMES = 4, 3200


def train(path: Path, resume: bool, steps: int | None = None) -> None:
    """Runs the configuration at `path` to its end, or for `steps` steps from where it stands."""
    config = read(path)
    with no_subnormals(), place() as where, precision(config.precision, where), _workers_alive(path):
        Run(config, where, resume).go(steps)


class Run:
    def __init__(self, config: Config, place: Place, resume: bool) -> None:
        self.config, self.place = config, place
        self.out = folder(config.out)
        checkpoint = load_checkpoint(config.model)
        self.tokenizer: Tokenizer = tokenizer(checkpoint)
        self.chosen: Chosen = choose(config.data, config.seed)
        student = network.original(checkpoint)
        network.quantise(student, config.quantisation)
        self.floors = Floors(student)
        self.origin = checkpoint.sha256
        self.step, self.seconds, self.heard = 0, 0.0, 0.0
        saved = self._resumed(resume)
        if config.begin and not saved:
            begin(student, config.begin)
        if saved:
            saving.fill(student, saved, self.out / saving.LATEST)
            self.step, self.seconds, self.heard = saved.step, saved.seconds, saved.heard
        parent = network.original(checkpoint)
        if (revived := self.floors.revive(student, parent)) and place.first:
            say(f"{revived} rows had lost their scale; they begin again as they are in {config.model}")
        self.student = student.to(place.device)
        if config.fuse:
            network.fuse(self.student)
        self.student.encoder.recompute = self.student.decoder.recompute = config.recompute
        self.optimiser = optimiser(self.student, config)
        if saved and saved.optimiser:
            restore(self.optimiser, saved.optimiser)
        self.learner = Learner(self.student, parent.to(place.device), self._memory())
        self._averaged: tuple[str, Any] | None = None
        self.stopped = False

    def _memory(self) -> Memory:
        return Memory(folder(self.config.memory) / self.origin[:16] if self.config.memory else None)

    def _resumed(self, resume: bool) -> saving.Saved | None:
        latest = self.out / saving.LATEST
        if not latest.exists():
            return None
        if not resume:
            die(f"{latest} is there already", "give --resume to go on from it, or another `out` to start anew")
        saved = saving.load(latest)
        if saved.origin != self.origin or saved.quantisation != asdict(self.config.quantisation):
            die(f"{latest}: is a run of another model or quantisation", "give the configuration another `out`")
        return saved

    # ------------------------------------------------------------------------------------------------------- the run

    def go(self, steps: int | None) -> None:
        self.out.mkdir(parents=True, exist_ok=True)
        end = min(self.config.steps, self.step + (steps or self.config.steps))
        if self.place.first:
            self._describe(end)
        batches = self.batches(end)
        with _on_interrupt(self._stop), Progress(self.step, end, self.place.first) as progress:
            saved_at = time.monotonic()
            while self.step < end and not self._stopping():
                stage, within = self.config.stage_at(self.step)
                measures = self.take(next(batches), stage, within)
                self.step += 1
                progress.show(self.step, stage.name, measures)
                if self.step % LOG_STEPS == 0 or self._is_last(stage, within):
                    self._log(stage, measures)
                if self.step % self.config.evaluate_steps == 0 or self._is_last(stage, within):
                    self._watch(stage, progress)
                if self._is_last(stage, within):
                    self._save(f"{stage.name}.pt")
                if time.monotonic() - saved_at > 60 * self.config.checkpoint_minutes:
                    self._save(saving.LATEST)
                    saved_at = time.monotonic()
        self._save(saving.LATEST)
        if self.place.first:
            say(f"The run so far: {plot(self.out)}")

    def take(self, batch: Batch, stage: Stage, within: int) -> dict[str, float]:
        """One step. A batch whose loss is not finite is left out, and said."""
        began = time.monotonic()
        freeze(self.student, stage)
        factor = set_rates(self.optimiser, self.student, stage, within, self.config.rate_share)
        network.set_share(self.student, min(1.0, (within + 1) / stage.ramp) if stage.ramp else 1.0)
        self.student.train()
        measures = self._model(stage)(batch.to(self.place.device), stage)
        self.optimiser.zero_grad(set_to_none=True)
        if finite(measures["loss"]):
            measures["loss"].backward()
            norm = torch.nn.utils.clip_grad_norm_(self.student.parameters(), self.config.clip_norm)
            self.optimiser.step()
            self.floors.hold(self.student)
            measures["norm"] = norm
        else:
            say(f"step {self.step}: the loss is not finite; this batch is left out")
        seconds = time.monotonic() - began
        self.seconds += seconds
        heard = batch.seconds * self.place.processes
        self.heard += heard
        return detached(measures) | {"rate": factor, "seconds": seconds, "heard": heard}

    def _model(self, stage: Stage) -> Any:
        """The learner; among several processes, with the gradients of what learns in this stage averaged."""
        if self.place.processes == 1:
            return self.learner
        if self._averaged is None or self._averaged[0] != stage.name:
            parallel = torch.nn.parallel.DistributedDataParallel(self.learner, find_unused_parameters=True)
            self._averaged = (stage.name, parallel)
        return self._averaged[1]

    def _is_last(self, stage: Stage, within: int) -> bool:
        return within + 1 == stage.steps

    def batches(self, end: int) -> Iterator[Batch]:
        config, where = self.config, self.place
        n_mels = self.student.dims.n_mels
        sentences = to_read() if config.data.stray_share > 0 else ()
        chosen = self.chosen
        all_of_them = Batches(
            config, chosen.clips, chosen.weights, self.tokenizer, n_mels, where.processes, sentences, words(config)
        )
        mine = range(self.step * where.processes + where.rank, end * where.processes, where.processes)
        workers = config.workers
        loader = DataLoader(
            all_of_them,
            batch_size=None,
            sampler=mine,
            num_workers=workers,
            prefetch_factor=4 if workers else None,
            worker_init_fn=_quiet_worker,
        )
        return iter(loader)

    def _stop(self) -> None:
        self.stopped = True

    def _stopping(self) -> bool:
        """Whether any process was told to stop: all end after the same step, or some would wait for the others."""
        if self.place.processes > 1:
            told = torch.tensor(float(self.stopped), device=self.place.device)
            torch.distributed.all_reduce(told, torch.distributed.ReduceOp.MAX)
            self.stopped = bool(told > 0)
        return self.stopped

    # ---------------------------------------------------------------------------------------------- what people see

    def _describe(self, end: int) -> None:
        chosen, data = self.chosen, self.config.data
        hours = sum(clip.seconds for clip in chosen.clips) / 3600
        spoken = sum(1 for clip in chosen.clips if clip.text)
        speakers = len({(clip.source, clip.speaker) for clip in chosen.clips})
        say(
            f"{self.config.model}: {len(chosen.clips)} clips ({hours:.1f} h, {spoken} with text, {speakers} speakers), "
            f"{len(chosen.dev)} to watch with; steps {self.step} to {end}, {data.frames} frames each"
        )
        facts = {"step": self.step, "clips": len(chosen.clips), "hours": hours, "spoken": spoken}
        self._write({**facts, "speakers": speakers, "digest": chosen.digest, "config": asdict(self.config)})

    def _log(self, stage: Stage, measures: dict[str, float]) -> None:
        if self.place.first:
            rounded = {name: float(f"{value:.5g}") for name, value in measures.items()}
            self._write({"step": self.step, "stage": stage.name, **rounded})

    def _write(self, entry: dict[str, Any]) -> None:
        with (self.out / "log.jsonl").open("a") as log:
            log.write(json.dumps(entry) + "\n")

    @torch.no_grad()
    def _watch(self, stage: Stage, progress: Progress) -> None:
        """The word error rate on clips of speakers that the student has never heard."""
        dev = [clip for clip in self.chosen.dev if clip.text]
        if not (self.place.first and stage.text and dev):
            return
        self.student.eval()
        began = time.monotonic()
        texts = transcribe(self.learner.pupil(stage), dev, self.tokenizer)
        score = word_error_rate([clip.text or "" for clip in dev], texts)
        progress.watched(score)
        unheard = self._unheard(stage)
        took = duration(time.monotonic() - began)
        measures = "".join(f", {name} {value:.3f}" for name, value in unheard.items())
        say(f"step {self.step}: WER {score} on {len(dev)} clips{measures} ({took}): {texts[0]!r}")
        about = {"step": self.step, "stage": stage.name, "wer": score.rate, "low": score.low, "high": score.high}
        self._write(about | {f"unheard.{name}": value for name, value in unheard.items()})

    def _unheard(self, stage: Stage) -> dict[str, float]:
        """What of the stage's measures of words is the same for clips that nobody learns from, read aloud word by word:
        far from those of training, the student knows its sentences by heart."""
        plain = replace(
            stage,
            steps=UNHEARD_BATCHES,
            warmup=0,
            decay=0,
            frames=UNHEARD_FRAMES,
            cycle=0,
            splice_share=0.0,
            corrupt=0.0,
        )
        config = replace(self.config, data=self.config.data.plain(), stages=(plain,))
        dev = self.chosen.dev
        items = Batches(config, dev, np.ones(len(dev)), self.tokenizer, self.student.dims.n_mels)
        found = [detached(self.learner(items[i].to(self.place.device), plain)) for i in range(UNHEARD_BATCHES)]
        names = [name for name in ("kl", "label", "accuracy") if name in found[0]]
        return {name: sum(measures[name] for measures in found) / len(found) for name in names}

    def _save(self, name: str) -> None:
        if self.place.first:
            whole = saving.Saved(
                step=self.step,
                seconds=self.seconds,
                heard=self.heard,
                parent=self.config.model,
                origin=self.origin,
                min_frames=self.config.data.min_frames,
                data=self.chosen.digest,
                quantisation=asdict(self.config.quantisation),
                student={key: value.detach().cpu() for key, value in self.student.state_dict().items()},
                optimiser=self.optimiser.state_dict(),
            )
            saving.save(self.out / name, whole)


def _quiet_worker(_worker: int) -> None:
    """In a process group of its own: a signal to the run's is for the run to answer, which ends its workers itself."""
    os.setpgid(0, 0)
    torch.set_num_threads(1)


@contextmanager
def _workers_alive(path: Path) -> Iterator[None]:
    """PyTorch tells of a lost worker anywhere, also in the midst of an optimiser's step: so nothing is saved then."""
    try:
        yield
    except RuntimeError as error:
        if not str(error).startswith("DataLoader worker"):
            raise
        die(
            f"{path}: a process that prepares batches was lost: {error}",
            "Where the machine has run out of memory, take fewer `workers`. --resume goes on from the last checkpoint.",
        )


@contextmanager
def _on_interrupt(stop: Any) -> Iterator[None]:
    """The first Ctrl-C or SIGTERM ends the run after the step in hand, with a checkpoint; the second at once."""

    def handler(number: int, _frame: Any) -> None:
        say("stopping after this step; what was learnt is saved")
        signal.signal(number, signal.SIG_DFL)
        stop()

    before = {number: signal.signal(number, handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
