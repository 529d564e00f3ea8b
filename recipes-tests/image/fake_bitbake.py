# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Says what BitBake says where there is no terminal, in its words (lib/bb/ui/knotty.py), and makes a few files.

It is steered by files in the folder above TOPDIR: `fail` (the step of linux-syna that fails), `slow` (seconds for each
task), `stop` (an error before any task).
"""

import json
import os
import re
import signal
import sys
import time
from pathlib import Path

TOP = Path.cwd()
CONFIGURATION = (TOP / "conf" / "local.conf").read_text()
TASKS = 60
SHARED = 5
RECIPES = ("zlib_1.3.1.bb", "linux-syna_6.12.62.bb", "whisper158_0.1.0.bb", "whisper158-model_0.1.0.bb")
STEPS = ("do_fetch", "do_unpack", "do_compile", "do_package", "do_build")


def setting(name: str) -> str:
    found = re.search(rf'^{re.escape(name)} \??\?= "([^"]*)"', CONFIGURATION, re.MULTILINE)
    return found[1] if found else ""


def steer(name: str) -> str:
    path = TOP.parent / name
    return path.read_text().strip() if path.exists() else ""


def say(text: str) -> None:
    print(text, flush=True)


def complain(text: str) -> None:
    print(f"ERROR: {text}", file=sys.stderr, flush=True)


def task(number: int) -> tuple[str, str]:
    return RECIPES[number % len(RECIPES)], STEPS[number % len(STEPS)]


def fail(recipe: str, step: str) -> None:
    name, _, version = recipe.removesuffix(".bb").partition("_")
    log = TOP / "tmp" / "work" / "sl1680-poky-linux" / name / version / "temp" / f"log.{step}.4711"
    log.parent.mkdir(parents=True, exist_ok=True)
    lines = [f"line {number} of the log" for number in range(500)]
    log.write_text("\n".join([*lines, "drivers/syna.c:7: error: 'x' undeclared", "make: *** Error 1"]) + "\n")
    title = f"{name}-{version}-r0 {step}"
    complain(f"{title}: oe_runmake failed")
    complain(f"{title}: ExecutionError('{log.parent}/run.{step}.4711', 1, None, None)")
    complain(f"Logfile of failure stored in: {log}")
    say("Log data follows:")
    for line in lines:
        say(f"| {line}")
    say(f"NOTE: recipe {name}-{version}-r0: task {step}: Failed")
    complain(f"Task (/layers/{recipe}:{step}) failed with exit code '1'")
    say("NOTE: Tasks Summary: Attempted 17 tasks of which 12 didn't need to be rerun and 1 failed.")
    say(f"\nSummary: 1 task failed:\n  /layers/{recipe}:{step}\nSummary: There were 2 ERROR messages.")
    sys.exit(1)


def deploy(machine: str, image: str) -> None:
    folder = TOP / "tmp" / "deploy" / "images" / machine
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"{image}-{machine}.rootfs"
    model = f"whisper158-model all 0.1.0-r0\nwhisper158 {machine} 0.1.0-r0\nbusybox {machine} 1.36.1-r0\n"
    for suffix, content in ((".ext4", "a file system"), (".manifest", model), (".testdata.json", "{}")):
        file = folder / f"{stem}-20261122120000{suffix}"
        file.write_text(content)
        link = folder / f"{stem}{suffix}"
        link.unlink(missing_ok=True)
        link.symlink_to(file.name)
    if machine == "sl1680":
        (folder / "SYNAIMG").mkdir(exist_ok=True)
        (folder / "SYNAIMG" / "rootfs.subimg.gz").write_bytes(b"\x1f\x8b" + bytes(1000))
        (folder / "SYNAIMG" / "emmc_image_list").write_text("rootfs.subimg.gz,rootfs_a\n")


def interrupt(seen: list[int]) -> None:
    """The first is for between tasks, the second for at once."""
    seen.append(signal.SIGINT)
    say("\nKeyboard Interrupt, closing down...\n" if len(seen) == 1 else "\nSecond Keyboard Interrupt, stopping...\n")
    if len(seen) > 1:
        sys.exit(1)


def main() -> None:
    seen: list[int] = []
    signal.signal(signal.SIGINT, lambda number, frame: interrupt(seen))
    calls = TOP / "calls.json"
    known = json.loads(calls.read_text()) if calls.exists() else []
    names = ("DL_DIR", "SSTATE_DIR", "TMPDIR", "PARALLEL_MAKE", "SOURCE_MIRROR_URL", "LANG")
    told = {name: os.environ.get(name) for name in names}
    calls.write_text(json.dumps([*known, {"words": sys.argv[1:], "environment": told}]))
    say("Loading cache...done.")
    say("Parsing recipes...done.")
    say("Parsing of 930 .bb files complete (0 cached, 930 parsed). 1890 targets, 50 skipped, 0 masked, 0 errors.")
    if reason := steer("stop"):
        complain(reason)
        say("\nSummary: There was 1 ERROR message, returning a non-zero exit code.")
        sys.exit(1)
    say("Initialising tasks...done.")
    for number in range(1, SHARED + 1):
        native = "virtual:native:/layers/zlib_1.3.1.bb:do_populate_sysroot"
        say(f"NOTE: Running setscene task {number} of {SHARED} ({native})")
    stamps = TOP / "tmp" / "stamps"
    stamps.mkdir(parents=True, exist_ok=True)
    wait = float(steer("slow") or 0)
    for number in range(1, TASKS + 1):
        if (stamps / str(number)).exists():
            continue
        recipe, step = task(number)
        say(f"NOTE: Running task {number} of {TASKS} (/layers/{recipe}:{step})")
        say(f"NOTE: recipe {recipe}-r0: task {step}: Started")
        if recipe.startswith("linux-syna") and step == steer("fail"):
            fail(recipe, step)
        time.sleep(wait)
        (stamps / str(number)).touch()
        if seen:
            say("Execution was interrupted, returning a non-zero exit code.")
            sys.exit(1)
    deploy(setting("MACHINE"), sys.argv[-1])
    say(f"NOTE: Tasks Summary: Attempted {TASKS} tasks of which 0 didn't need to be rerun and all succeeded.")


if __name__ == "__main__":
    main()
