# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""`./inv bench`: all contestants in turn, round after round, each time in a process of its own.

In turn, because a shared machine is fast in one minute and slow in the next; a process each, so that peak memory is the
contestant's own.
"""

import hashlib
import json
import re
import sys
import wave
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from whisper158 import flags, needs, whole
from whisper158.build import runtime
from whisper158.console import console, say
from whisper158.errors import die
from whisper158.evaluate.bench import machine, peer_files, plot, table
from whisper158.evaluate.bench.lineup import AVX2, CTRANSLATE2, OURS, PEERS, Contestant, checkpoint, lineup
from whisper158.evaluate.bench.machine import Noise, Reading
from whisper158.evaluate.bench.results import Results, collect
from whisper158.evaluate.bench.store import Store
from whisper158.model import models
from whisper158.run import run
from whisper158.units import SAMPLE_RATE

PACKAGES = ("pywhispercpp", "faster-whisper", "ctranslate2", "numpy")
AUDIO_SEED = 158
# The modules that decide what peers do; the others choose who takes part, or show what came out.
MEASURING = re.compile(r"run_|stopwatch|ggml_file|ct2_folder")
# In each process everything is done twice, and the lesser time counts: the first time has to touch all memory.
REPEATS = 2


@dataclass(frozen=True)
class Plan:
    models: Sequence[str]
    peers: Sequence[str]
    seconds: float
    tokens: int
    threads: Sequence[int]
    rounds: int
    out: Path
    fresh: bool


def plan(models: str, peers: str, seconds: str, tokens: str, threads: str, repeat: str, out: str, fresh: bool) -> Plan:
    """The flags, checked."""
    chosen = [] if peers == "none" else flags.words("--peers", peers)
    for peer in chosen:
        if peer not in PEERS:
            die(f"there is no peer {peer!r}", f"the peers are {', '.join(PEERS)}, or none")
    named = flags.words("--models", models)
    for model in named:
        checkpoint(model)
    return Plan(
        models=named,
        peers=chosen,
        seconds=flags.number("--seconds", seconds, 1, 30),
        tokens=flags.whole("--tokens", tokens, 10, 400),
        threads=[flags.whole("--threads", word, 1, 64) for word in flags.words("--threads", threads)],
        rounds=flags.whole("--repeat", repeat, 1, 100),
        out=flags.out_folder("--out", out),
        fresh=fresh,
    )


def bench(plan: Plan) -> None:
    """Measures what is not measured yet, then shows, writes and draws the results."""
    needs.python("bench")
    program = runtime.program()
    described = machine.describe()
    everyone = lineup(plan.models, plan.peers, plan.seconds, plan.threads, "avx512f" in described["features"])
    files = {contestant.key: model_file(contestant) for contestant in everyone}
    store = Store(plan.out, setting(plan, program), plan.fresh)
    audio = write_audio(plan.out / "audio.wav", plan.seconds)
    noises = measure(plan, everyone, files, audio, program, store)
    results = collect(everyone, store, plan.rounds, described, machine.verdict(noises), setting(plan, program))
    publish(results, plan.out)


def setting(plan: Plan, program: Path) -> dict[str, Any]:
    """What must be the same for results to be comparable."""
    return {
        "program": hashlib.sha256(program.read_bytes()).hexdigest()[:16],
        "packing": models.code_version(),
        "measuring": measuring(),
        "packages": {name: metadata.version(name) for name in PACKAGES},
        "cpu": machine.describe()["cpu"],
        "seconds": plan.seconds,
        "tokens": plan.tokens,
        "repeats": REPEATS,
    }


def measuring() -> str:
    """Stands for the code that writes the peers' files, and that measures them."""
    sources = [path for path in sorted(Path(__file__).parent.glob("*.py")) if MEASURING.match(path.name)]
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:16]


def model_file(contestant: Contestant) -> Path:
    if contestant.engine == OURS:
        return models.ensure(f"{contestant.checkpoint}-{contestant.packing}")
    if contestant.engine == CTRANSLATE2:
        return peer_files.ctranslate2(contestant.checkpoint)
    return peer_files.whispercpp(contestant.checkpoint, contestant.format)


def write_audio(path: Path, seconds: float) -> Path:
    """Noise: what is said costs nothing, and what is decoded is fixed."""
    noise = np.random.default_rng(AUDIO_SEED).integers(-3000, 3000, round(seconds * SAMPLE_RATE), np.int16)
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, SAMPLE_RATE, 0, "NONE", ""))
        file.writeframes(noise.astype("<i2").tobytes())
    return path


def measure(
    plan: Plan, everyone: Sequence[Contestant], files: dict[str, Path], audio: Path, program: Path, store: Store
) -> list[Noise]:
    """Runs what `store` lacks. Returns how noisy it was: before, and then next to each result."""
    noises = [machine.listen()]
    say(machine.verdict(noises)["sentence"])
    turns = [(round, contestant) for round in range(plan.rounds) for contestant in turned(everyone, round)]
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total}"))
    with Progress(*columns, TimeElapsedColumn(), console=console, transient=True) as progress:
        task = progress.add_task("", total=len(turns))
        for round, contestant in turns:
            text = f"round {round + 1} of {plan.rounds}: {contestant}"
            progress.update(task, description=text)
            done = store.get(contestant.key, round)
            if done is None:
                if not console.is_terminal:
                    say(text)
                began = Reading.now()
                result = run_one(contestant, files[contestant.key], audio, plan.tokens, program)
                noise = began.noise(machine.spin())
                store.add(contestant.key, round, result=result, noise=asdict(noise))
                noises.append(noise)
            else:
                noises.append(Noise(**done["noise"]))
            progress.advance(task)
    return noises


def turned(everyone: Sequence[Contestant], round: int) -> list[Contestant]:
    """Each round begins with another one, so that no place in it is anyone's own."""
    start = round * len(everyone) // 3 % len(everyone)
    return [*everyone[start:], *everyone[:start]]


def run_one(contestant: Contestant, file: Path, audio: Path, tokens: int, program: Path) -> dict[str, Any]:
    numbers = [str(n) for n in (contestant.context, tokens, contestant.threads, REPEATS)]
    if contestant.engine == OURS:
        flags = ("--input", "--audio-context", "--tokens", "--threads", "--repeat")
        values = (str(audio), *numbers)
        options = [f"{flag}={value}" for flag, value in zip(flags, values, strict=True)]
        options += ["--kernels=avx2"] if contestant.format.endswith(AVX2) else []
        told: dict[str, Any] = json.loads(run([program, "bench", "--json", *options, file]))
        return told
    module = "run_ctranslate2" if contestant.engine == CTRANSLATE2 else "run_whispercpp"
    command = [sys.executable, "-m", f"{__package__}.{module}", str(file), str(audio), *numbers]
    told = json.loads(run(command, env=environment(contestant)))
    return told


def environment(contestant: Contestant) -> dict[str, str]:
    """CTranslate2 says which code it chose, and has Intel's MKL multiply, which can be told what to keep to."""
    names = {"OMP_NUM_THREADS": str(contestant.threads), "CT2_VERBOSE": "1"}
    return {**names, "MKL_ENABLE_INSTRUCTIONS": "AVX2"} if contestant.format.endswith(AVX2) else names


def publish(results: Results, out: Path) -> None:
    table.show(results)
    whole.write(out / "results.json", json.dumps(results.as_json(), indent=1) + "\n")
    drawn = plot.draw(results, out / "bench")
    say(f"written: {out / 'results.json'}, {', '.join(map(str, drawn))}")
