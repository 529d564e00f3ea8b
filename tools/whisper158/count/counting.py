# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Counts the kernels and a whole model, and holds the counts against the baselines."""

import shutil
from pathlib import Path

from whisper158 import flags
from whisper158.build import runtime
from whisper158.console import say, step
from whisper158.count import assembly, baselines, opinions, report
from whisper158.count.baselines import Baselines
from whisper158.count.emulate import Execution, execute
from whisper158.count.rows import Row, read
from whisper158.errors import die
from whisper158.model import models
from whisper158.run import run

# The model of the baselines: it needs no download, and what its weights are changes no count.
MODEL = "random-tiny.en-t158"
# Three seconds: the emulator is slow.
FRAMES = 150
MOST_FRAMES = 1500
# Before the one that is counted, so that self-attention has something to look at.
TOKENS = 8

# What the model's rows are called (tests/count/model.c).
STAGES = ("mel", "encode", "token")

# Functions to name of each stage of a model.
FUNCTIONS = 8


def count(update: bool = False, ask: bool = False) -> None:
    """Prints the table; a kernel that has become worse is a UserError. `ask` adds the opinions of other models."""
    if ask:
        opinions.available()
    folder = runtime.build(runtime.AARCH64)
    executions = [count_kernels(folder), count_model(folder, models.ensure(MODEL), MODEL, FRAMES)]
    rows = joined(*executions)
    found = Baselines(compiler(), {row.name: row.instructions for row in rows})
    if update:
        baselines.write(found, baselines.FILE)
    kept = baselines.read(baselines.FILE)
    print(report.table(rows, kept, [opinion(row) for row in rows] if ask else []), flush=True)
    verdict = baselines.judge(found, kept)
    for remark in verdict.remarks:
        say(remark)
    if verdict.faults:
        die("\n".join(verdict.faults), f"where that is meant to be so: {baselines.UPDATE}")


def count_one_model(model: str, frames: str) -> None:
    """Prints what a whole model takes, and in which functions."""
    number = flags.whole("--frames", frames, 1, MOST_FRAMES)
    path = models.ensure(model)
    execution = count_model(runtime.build(runtime.AARCH64), path, path.stem, number)
    rows = joined(execution)
    print(report.table(rows, None, []))
    for row, region in zip(rows, sorted(set(execution.profile.regions) - {0}), strict=True):
        counts = assembly.by_function(execution.profile, execution.profile.regions[region])
        print(f"\n{report.functions(row, counts, FUNCTIONS)}")


def count_kernels(folder: Path) -> Execution:
    with step("Counting the instructions of the kernels"):
        return execute(folder / "tests" / "count-kernels")


def count_model(folder: Path, model: Path, name: str, frames: int) -> Execution:
    with step(f"Counting the instructions of {name}"):
        return execute(folder / "tests" / "count-model", model, name, str(frames), str(TOKENS))


def joined(*executions: Execution) -> list[Row]:
    words = {word for execution in executions for word in execution.profile.words()}
    texts = assembly.texts(words)
    return [row for execution in executions for row in read(execution.output, execution.profile, texts)]


def opinion(row: Row) -> opinions.Opinion | None:
    """None of a stage of a model: no single loop stands for it."""
    if row.loop is None or row.kernel in STAGES:
        return None
    return opinions.ask(row.loop.lines)


def compiler() -> str:
    program = runtime.AARCH64.compiler
    if shutil.which(program) is None:
        die(f"the compiler {program} is not installed")
    return baselines.compiler_of(run([program, "--version"]))
