# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
import subprocess
import sys

import pytest

from whisper158.errors import UserError
from whisper158.run import LAST_LINES, CommandError, run, show

PYTHON = sys.executable


def test_run_returns_standard_output_alone() -> None:
    code = "import os, sys; print(os.environ['GREETING']); print('noise', file=sys.stderr)"
    assert run([PYTHON, "-c", code], env={"GREETING": "hello"}) == "hello\n"


def test_run_quotes_the_end_of_what_a_failed_program_said() -> None:
    code = "import sys; print('\\n'.join(f'line {i}' for i in range(1000))); sys.exit('the cause')"
    with pytest.raises(CommandError) as caught:
        run([PYTHON, "-c", code])
    assert "failed with status 1" in caught.value.message
    assert caught.value.hint is not None
    lines = caught.value.hint.splitlines()
    assert len(lines) == LAST_LINES
    assert lines[-1].strip() == "the cause"


def test_run_names_a_signal() -> None:
    with pytest.raises(CommandError, match="ended by signal 9"):
        run([PYTHON, "-c", "import os; os.kill(os.getpid(), 9)"])


def test_run_survives_output_that_is_not_text() -> None:
    assert run([PYTHON, "-c", r"import sys; sys.stdout.buffer.write(b'a\xff')"]) == "a\ufffd"


@pytest.mark.parametrize("call", [run, show])
def test_an_absent_program_is_named(call: object) -> None:
    with pytest.raises(UserError, match="program no-such-program is not installed"):
        call(["no-such-program"])  # type: ignore[operator]


def test_show_passes_streams_and_status_on() -> None:
    code = f"""
import sys
from whisper158.run import show
sys.exit(show([{PYTHON!r}, "-c", "import sys; print(input()); sys.exit(7)"]))
"""
    done = subprocess.run([PYTHON, "-c", code], input="through\n", capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("through\n", 7)


def test_show_reports_a_signal_as_a_shell_would() -> None:
    assert show([PYTHON, "-c", "import os; os.kill(os.getpid(), 15)"]) == 128 + 15
