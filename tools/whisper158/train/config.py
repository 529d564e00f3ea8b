# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""What a training run is: configs/*.yml, checked field by field."""

import dataclasses
import re
import sys
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import yaml

from whisper158.errors import die
from whisper158.train import CONFIGURATIONS
from whisper158.train.network import Quantisation
from whisper158.units import WINDOW_FRAMES, WINDOW_SECONDS

T = TypeVar("T")

STAGE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


@dataclass(frozen=True)
class Source:
    """Clips to learn from. manifest: a file, or a pattern of files, from the project's folder; a leading $CACHE stands
    for the cache folder. weight: how often a clip of these is drawn, relative to one of another source. optional: a run
    may do without it."""

    manifest: str
    weight: float = 1.0
    optional: bool = False


@dataclass(frozen=True)
class Data:
    """frames: the encoder's frames (20 ms) in a batch; how many clips that makes follows from their length.
    min_frames: the shortest context; a blob says so, and the runtime keeps to it.
    min_seconds, max_seconds: clips of other lengths are not used. dev_clips: how many are kept aside to watch the run,
    those of the speakers whom the seed puts there. tail_seconds: silence after a clip, from 0 to this.
    The shares are of clips or batches: full windows of 30 s; clips joined from several; windows that speech fills to
    the last sample; noise or silence in which nothing is said; text with timestamps; sound that is made worse; samples
    to which the decoder is also given a text that is not theirs, for there is more text than speech: what the parent
    would then say next is a lesson too."""

    sources: tuple[Source, ...]
    frames: int = 6400
    min_frames: int = 80
    min_seconds: float = 0.8
    max_seconds: float = 28.0
    dev_clips: int = 48
    dev_source: str = ""
    tail_seconds: float = 3.0
    full_share: float = 0.03
    join_share: float = 0.05
    brim_share: float = 0.02
    silence_share: float = 0.01
    timestamps_share: float = 0.15
    augment_share: float = 0.6
    stray_share: float = 0.0

    def plain(self) -> "Data":
        """Every clip as it was recorded and by itself, with its own text only."""
        return replace(
            self,
            full_share=0.0,
            join_share=0.0,
            brim_share=0.0,
            silence_share=0.0,
            timestamps_share=0.0,
            augment_share=0.0,
            stray_share=0.0,
        )


@dataclass(frozen=True)
class Rates:
    """Learning rates: of the latent weights of ternary layers, of scales, of the token embedding, of all else.
    share: added to latent, in units of each matrix's mean scale: from one matrix to another, codes lie up to ten times
    as far apart, and weights that all go the same way change many of the one's and none of the other's."""

    latent: float = 1e-3
    share: float = 0.0
    scale: float = 3e-4
    embedding: float = 1e-4
    other: float = 3e-4


@dataclass(frozen=True)
class Losses:
    """Weights of what is summed. encoder, decoder: each block's output against the parent's, in units of the variance
    that the parent's block adds. kl: the parent's probabilities; label: cross-entropy of the text."""

    encoder: float = 0.0
    decoder: float = 0.0
    kl: float = 0.0
    label: float = 0.0


@dataclass(frozen=True)
class Stage:
    """apart: every block learns alone, from the quantised stream before it. text: the decoder takes part; without,
    clips are cut to at most crop_seconds. frozen: parts that do not learn, of "stem" (convolutions), "encoder",
    "decoder", "embedding". Learning rates rise for `warmup` steps, stay, and fall to zero over the last `decay` steps.
    ramp: steps over which the latent weights give way to their codes. frames: as in Data; 0 for what that says.
    speaker: whose decoder says what the student's encoder heard, "student" or "parent"; an encoder that learns through
    the parent's words learns what matters for words.
    cycle: after so many steps the batches come again, but for their stray texts, and after as many `rounds` others take
    their place (0: never). Only for stages whose encoder is frozen: what it makes of a batch is computed once and kept
    in memory, 20 MB for a batch of tiny.
    splice_share: of the samples with text, so many are a few words of one clip and a few of another, which nobody has
    ever said; for that, clips have to be aligned (./inv model.data.align).
    corrupt: in half of the samples with text, of the words that came before, up to this share is exchanged for others.
    What the parent makes of that is the lesson: a decoder that cannot trust what came before has to listen.
    strays: how many stray texts a sound has that has any (Data.stray_share); every second one is its own beginning with
    words exchanged. Hearing costs the same for many texts as for one. asked_share: of their tokens, how many are also
    compared word by word, which costs more than all else of a token."""

    name: str
    steps: int
    losses: Losses
    rates: Rates = field(default_factory=Rates)
    warmup: int = 30
    decay: int = 0
    ramp: int = 0
    apart: bool = False
    text: bool = True
    frozen: tuple[str, ...] = ()
    crop_seconds: float = 10.0
    frames: int = 0
    speaker: str = "student"
    cycle: int = 0
    rounds: int = 0
    splice_share: float = 0.0
    corrupt: float = 0.0
    strays: int = 1
    asked_share: float = 1.0

    def sounding(self, within: int) -> int:
        """The number within the stage of the batch whose sound step `within` hears."""
        if not self.cycle:
            return within
        turn = within // (self.cycle * self.rounds) if self.rounds else 0
        return turn * self.cycle + within % self.cycle


@dataclass(frozen=True)
class Config:
    """model: the parent, as load() takes it. begin: a blob that was trained from it, by file or name, whose weights
    are where this run begins; without, the parent's. out: where checkpoints and logs go. fuse: whether what stands
    between the products is compiled, for which there must be a C++ compiler. recompute: whether activations within
    blocks are computed again for the gradients (gradient checkpoints): a third more time, a fraction of the memory.
    rate_share: of every learning rate of the stages; a float control wants less than a ternary model. memory: a folder
    where what the parent's encoder makes of clean clips is kept, so that it hears each only once, 0.5 MB for a clip of
    tiny's; the last 8 GB of a disk are left alone. Without, nothing is kept."""

    model: str
    out: str
    data: Data
    stages: tuple[Stage, ...]
    quantisation: Quantisation = field(default_factory=Quantisation)
    begin: str = ""
    seed: int = 158
    precision: str = "bf16"
    fuse: bool = False
    recompute: bool = False
    betas: tuple[float, ...] = (0.9, 0.95)
    weight_decay: float = 0.0
    clip_norm: float = 1.0
    rate_share: float = 1.0
    workers: int = 1
    memory: str = ""
    checkpoint_minutes: float = 3.0
    evaluate_steps: int = 200

    def stage_at(self, step: int) -> tuple[Stage, int]:
        """The stage in which step `step` of the run is taken, and its number within the stage."""
        for stage in self.stages:
            if step < stage.steps:
                return stage, step
            step -= stage.steps
        raise IndexError(step)

    @property
    def steps(self) -> int:
        return sum(stage.steps for stage in self.stages)


GROUPS = (0, 32, 64, 128)
MOST = sys.float_info.max
# Of numbers that may not be all that is neither negative nor infinite.
BOUNDS: Mapping[str, tuple[float, float]] = {
    **{f"Data.{name}_share": (0, 1) for name in ("full", "join", "brim", "silence", "timestamps", "augment", "stray")},
    "Data.frames": (1, MOST),
    "Data.min_frames": (1, WINDOW_FRAMES),
    "Data.max_seconds": (0, WINDOW_SECONDS),
    "Data.tail_seconds": (0, WINDOW_SECONDS),
    "Stage.crop_seconds": (0.1, WINDOW_SECONDS),
    "Stage.splice_share": (0, 1),
    "Stage.strays": (1, 64),
    "Stage.asked_share": (0, 1),
    "Config.seed": (0, 2**32 - 1),
    "Config.betas": (0, 0.999999),
    "Config.clip_norm": (1e-9, MOST),
    "Config.workers": (0, 256),
    "Config.evaluate_steps": (1, MOST),
}


def read(path: Path) -> Config:
    """Raises UserError that names the file and the field. A file may say `like: OTHER`, a file beside it: fields that
    it does not have itself are those of the other."""
    found = content(path)
    if isinstance(found, dict) and "like" in found:
        found = {**_other(path, found["like"]), **{k: v for k, v in found.items() if k != "like"}}
    config = parse(Config, found, str(path))
    check(config, path)
    return config


def content(path: Path) -> Any:
    """Of a YAML file, unchecked"""
    try:
        return yaml.safe_load(path.read_text())
    except OSError as error:
        die(f"{path}: {error.strerror or error}", CONFIGURATIONS)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        die(f"{path}: not YAML: {' '.join(str(error).split())}")


def _other(path: Path, name: Any) -> dict[str, Any]:
    if not isinstance(name, str):
        die(f"{path}: like: expected a file's name, found {_shown(name)}")
    found = content(path.parent / name)
    if not isinstance(found, dict) or "like" in found:
        die(f"{path}: like: {name} is no whole configuration itself")
    return found


def check(config: Config, path: Path) -> None:
    """What the types do not say."""
    if not config.stages:
        die(f"{path}: stages: there is none")
    if not config.data.sources:
        die(f"{path}: data.sources: there is none")
    if config.precision not in ("bf16", "fp32"):
        die(f"{path}: precision: is {config.precision!r}", "it can be bf16 or fp32")
    how = config.quantisation
    if how.linear not in ("ternary", "float"):
        die(f"{path}: quantisation.linear: is {how.linear!r}", "it can be ternary or float")
    if how.head not in ("int4", "int8", "ternary", "float"):
        die(f"{path}: quantisation.head: is {how.head!r}", "it can be int4, int8, ternary or float")
    bounded(config, f"{path}: ", BOUNDS)
    if config.data.min_seconds >= config.data.max_seconds:
        die(f"{path}: data.min_seconds: is not less than max_seconds, so no clips are left")
    if len(config.betas) != 2:
        die(f"{path}: betas: there are {len(config.betas)}, must be 2")
    for name in ("linear_group", "head_group"):
        if (group := getattr(how, name)) not in GROUPS:
            die(
                f"{path}: quantisation.{name}: is {group}", f"it can be {', '.join(map(str, GROUPS))}; 0 is a whole row"
            )
    for i, stage in enumerate(config.stages):
        _check_stage(stage, f"{path}: stages[{i}]")
    names = [stage.name for stage in config.stages]
    if twice := next((name for name in names if names.count(name) > 1), None):
        die(f"{path}: stages: two are called {twice!r}", "each writes a checkpoint of its name")


def bounded(one: Any, where: str, bounds: Mapping[str, tuple[float, float]]) -> None:
    """Dies where a number in `one`, or in what it is made of, is beyond its bounds. What has none is not negative."""
    for f in dataclasses.fields(one):
        value = getattr(one, f.name)
        for item in value if isinstance(value, tuple) else (value,):
            if dataclasses.is_dataclass(item):
                bounded(item, f"{where}{f.name}.", bounds)
            elif isinstance(item, int | float):
                least, most = bounds.get(f"{type(one).__name__}.{f.name}", (0, MOST))
                if not least <= item <= most:
                    upwards = f"at least {least:g}" if most == MOST else f"from {least:g} to {most:g}"
                    die(f"{where}{f.name}: is {item:g}, must be {upwards}")


def _check_stage(stage: Stage, where: str) -> None:
    if not STAGE_NAME.fullmatch(stage.name) or stage.name == "latest":
        die(f"{where}.name: is {_shown(stage.name)}, and names a checkpoint", "letters, digits, - and _; not latest")
    if stage.steps < 1:
        die(f"{where}.steps: is {stage.steps}, must be at least 1")
    if stage.warmup + stage.decay > stage.steps:
        die(f"{where}: warmup and decay together are longer than its {stage.steps} steps")
    losses = stage.losses
    if max(losses.encoder, losses.decoder, losses.kl, losses.label) <= 0:
        die(f"{where}.losses: all are 0, so there is nothing to learn")
    if not stage.text and max(losses.decoder, losses.kl, losses.label) > 0:
        die(f"{where}.losses: only `encoder` is possible without text", "set text: true")
    if stage.speaker not in ("student", "parent"):
        die(f"{where}.speaker: is {stage.speaker!r}", "it can be student or parent")
    if stage.cycle and (losses.encoder > 0 or not {"stem", "encoder"} <= set(stage.frozen)):
        die(f"{where}.cycle: the encoder learns here, so its answers change", "freeze stem and encoder, or drop it")
    if not 0 <= stage.corrupt <= 1:
        die(f"{where}.corrupt: is {stage.corrupt:g}, must be from 0 to 1")
    for part in stage.frozen:
        if part not in ("stem", "encoder", "decoder", "embedding"):
            die(f"{where}.frozen: {part!r} is no part", "the parts are stem, encoder, decoder and embedding")


def parse(kind: type[T], content: Any, where: str) -> T:
    """`content`, as YAML gives it, as a dataclass; no field may be unknown, missing or of another type."""
    if not isinstance(content, dict):
        die(f"{where}: expected fields (name: value), found {_shown(content)}")
    hints = typing.get_type_hints(kind)
    fields = {f.name: f for f in dataclasses.fields(typing.cast(Any, kind))}
    for name in content:
        if name not in fields:
            die(f"{where}: there is no field {name!r}", f"the fields are {', '.join(fields)}")
    for name, f in fields.items():
        required = f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
        if required and name not in content:
            die(f"{where}: field {name!r} is missing")
    return kind(**{name: _value(hints[name], value, f"{where}: {name}") for name, value in content.items()})


def _value(kind: Any, value: Any, where: str) -> Any:
    if dataclasses.is_dataclass(kind):
        return parse(typing.cast(type[Any], kind), value, where)
    if typing.get_origin(kind) is tuple:
        if not isinstance(value, list):
            die(f"{where}: expected a list, found {_shown(value)}")
        inner = typing.get_args(kind)[0]
        return tuple(_value(inner, item, f"{where}[{i}]") for i, item in enumerate(value))
    if kind is float and isinstance(value, str):
        # YAML 1.1 takes 1e-3 for text.
        try:
            value = float(value)
        except ValueError:
            die(f"{where}: expected a number, found {_shown(value)}")
    right = isinstance(value, (int, float)) if kind is float else isinstance(value, kind)
    if not right or (isinstance(value, bool) and kind is not bool):
        die(f"{where}: expected {kind.__name__}, found {_shown(value)}")
    return kind(value) if not isinstance(kind, types.UnionType) else value


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
