# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""python -m whisper158.train CONFIG [OPTION]...: what `./inv model.train` and torchrun start."""

import argparse
import sys
from pathlib import Path

from whisper158.console import say
from whisper158.errors import UserError
from whisper158.train.dry import dry_run
from whisper158.train.run import train


def main() -> int:
    parser = argparse.ArgumentParser(prog="whisper158.train", description="Train a ternary model.")
    parser.add_argument("config", type=Path)
    parser.add_argument("--resume", action="store_true", help="go on from the run's last checkpoint")
    parser.add_argument("--steps", type=int, help="stop after so many steps")
    parser.add_argument("--dry-run", action="store_true", help="measure what it would cost, with made-up weights")
    parser.add_argument("--frames", type=int, help="of a dry run: the frames in a batch")
    arguments = parser.parse_args()
    try:
        if arguments.dry_run:
            dry_run(arguments.config, arguments.frames)
            return 0
        train(arguments.config, arguments.resume, arguments.steps)
    except UserError as error:
        say(str(error))
        return error.status
    return 0


if __name__ == "__main__":
    sys.exit(main())
