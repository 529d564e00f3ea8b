# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Every check that the project has, one stage after the other.

A failed stage does not keep the rest from running: one look at the end tells all that is wrong.
"""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from whisper158 import flags, needs
from whisper158.board import ontarget
from whisper158.board.machine import EMULATOR
from whisper158.board.options import Options
from whisper158.board.report import REPORTS
from whisper158.build import armv8, runtime
from whisper158.console import duration, say
from whisper158.count import counting
from whisper158.errors import UserError, die
from whisper158.paths import ROOT
from whisper158.run import run, show

# Inputs that each fuzzer tries. The seed makes them the same ones each time.
FUZZ_RUNS = 2_000

# Ternary weights are what QEMU computes fastest (docs/emulator.md), and what the board is to run.
EMULATED_MODEL = "tiny.en-158"


@dataclass(frozen=True)
class Stage:
    name: str
    # Shows what it finds on our own streams, and raises UserError if that is not good.
    action: Callable[[], None]


def check() -> bool:
    """Style, types, licences and spelling: what needs no build. Returns whether all is well."""
    needs.debian("check")
    needs.python("dev")
    return run_stages(static_stages())


def test(expression: str = "", fast: bool = False) -> bool:
    """Everything; or with `expression`, the Python tests that match it. Returns whether all is well."""
    if expression:
        flags.expression("-k", expression)
    needs.debian("check", "native", "cross", "fuzz", "speech", "tests", "emulator", "card", "uboot")
    for group in ("dev", "image", "board", "layer", "release"):
        needs.python(group)
    quick = ("-m", "not slow") if fast else ()
    if expression:
        return run_stages([Stage("Python tests", lambda: pytest("-k", expression, *quick))])
    stages = [*static_stages(), Stage("runtime with sanitizers", lambda: runtime.test(runtime.ASAN))]
    if fast:
        stages.append(Stage("Python tests", lambda: pytest(*quick)))
    else:
        stages += [
            Stage("runtime on aarch64", lambda: runtime.test(runtime.AARCH64)),
            Stage("only ARMv8.0", armv8.check),
            Stage("instruction counts", counting.count),
            Stage("fuzzers", lambda: runtime.fuzz(f"-runs={FUZZ_RUNS}", "-seed=158", "-verbosity=0")),
            Stage("Python tests", pytest),
            Stage("emulated board", emulated_board),
        ]
    return run_stages(stages)


def static_stages() -> list[Stage]:
    return [
        Stage("ruff", lambda: python("ruff", "check", "--quiet")),
        Stage("ruff format", lambda: python("ruff", "format", "--check", "--quiet", *tracked_files("*.py"))),
        Stage("mypy", lambda: python("mypy", "--no-error-summary")),
        Stage("reuse", lambda: python("reuse", "lint", "--lines")),
        Stage("codespell", lambda: python("codespell_lib", *tracked_files())),
        Stage("shellcheck", lambda: command("shellcheck", "inv", ".ci/run")),
    ]


def run_stages(stages: Sequence[Stage]) -> bool:
    """Runs all of `stages`, prints how each went and, as the last line, the count; returns whether all passed."""
    results = [run_stage(stage) for stage in stages]
    print()
    for stage, (error, seconds) in zip(stages, results, strict=True):
        print(f"{'FAILED' if error else 'ok':6}  {stage.name:24} {duration(seconds):>12}")
    failed = sum(error is not None for error, _ in results)
    print(f"{len(results) - failed} passed, {failed} failed", flush=True)
    return failed == 0


def run_stage(stage: Stage) -> tuple[UserError | None, float]:
    print(f"\n---- {stage.name}", flush=True)
    began = time.monotonic()
    error = None
    try:
        stage.action()
    except UserError as caught:
        error = caught
        say(str(caught))
    return error, time.monotonic() - began


def pytest(*options: str) -> None:
    """Runs the Python tests, a file on each processor: many of them wait more than they compute. PyTorch's threads, one
    for each processor in each of them, would mostly wait for each other."""
    words = ("pytest", f"--numprocesses={runtime.JOBS}", "--dist=loadfile", "--no-loadscope-reorder", *options)
    python(*words, env={"OMP_NUM_THREADS": "1"})


def emulated_board() -> None:
    """What recipes-tests/board finds on a machine that has booted, without what takes minutes there."""
    if not ontarget.test_on_device(EMULATOR, Options(model=EMULATED_MODEL), fast=True):
        die("the emulated board has a fault", f"{REPORTS} has its console and all that was said to it")


def python(module: str, *arguments: str, env: Mapping[str, str] | None = None) -> None:
    command(sys.executable, "-m", module, *arguments, env=env)


def command(*words: str, env: Mapping[str, str] | None = None) -> None:
    """Runs a program in the checkout, on our own streams."""
    if show(words, cwd=ROOT, env=env) != 0:
        die(f"{words[2] if words[0] == sys.executable else words[0]} found something to mend")


def tracked_files(*patterns: str) -> list[str]:
    """What git knows, so that build folders and downloads are not looked at."""
    return run(["git", "ls-files", "-z", *patterns], cwd=ROOT).rstrip("\0").split("\0")
