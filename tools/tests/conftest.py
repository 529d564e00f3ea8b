# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""What several tests need. Whatever takes long is made once, at the first request, and kept in the cache."""

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.variants import TRIED
from whisper158.build import runtime
from whisper158.evaluate.sounds import Clip
from whisper158.evaluate.sounds import sounds as recorded_sounds
from whisper158.model import models, silero
from whisper158.model.golden import golden as golden_checkpoint
from whisper158.model.pack import FORMATS, pack
from whisper158.paths import GOLDEN, ROOT

# A shell's background jobs ignore the interrupt, and so would all programs that tests start from one.
signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes says how busy the machine is, and nothing of what is tested. A gate says the same of the
# same code each time; whoever runs the tests by hand looks for examples that nobody has tried yet.
settings.register_profile(
    "unhurried", deadline=None, derandomize="CI" in os.environ, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("unhurried")

# What a user may have set or stored, and a test should not see.
USERS = ("WHISPER158_MODEL", "CACHE_DIRECTORY", "XDG_CACHE_HOME", "HOME")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests go first: at the end, one process would work at them while the others have none."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session")
def sounds() -> tuple[Clip, ...]:
    """Recordings of a person with known words (whisper158.evaluate.sounds)."""
    return recorded_sounds()


@pytest.fixture(scope="session")
def shared_speech() -> Path:
    """The speech beside the checkout, which is too much to be part of it. Its tests are marked `shared`."""
    folder = ROOT.parent / "shared" / "speech"
    if not folder.is_dir():
        pytest.skip("there is no speech in ../shared/speech")
    return folder


@pytest.fixture(scope="session")
def whisper158_binary() -> Path:
    """The `whisper158` program for this machine, up to date."""
    return runtime.program()


@pytest.fixture(scope="session")
def model() -> Callable[[str], Path]:
    """`model("tiny.en-q8")` is that model's .w158 file. Tests that use it are marked `network`."""
    return models.ensure


@pytest.fixture(scope="session")
def golden() -> Path:
    """A tiny model of random weights: it says nonsense, but at once."""
    return GOLDEN


@pytest.fixture(scope="session")
def babbler(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Says nonsense, at once, and knows where somebody speaks."""
    path = tmp_path_factory.mktemp("babbler") / "babbler.w158"
    pack(golden_checkpoint(), FORMATS["q8"], path, detector=silero.load())
    return path


@pytest.fixture(scope="session", params=TRIED, ids=lambda variant: variant.name)
def program(request: pytest.FixtureRequest) -> Path:
    """The `whisper158` program for this machine; then with sanitizers, so that nothing stays unseen."""
    return runtime.build(request.param) / "cli" / "whisper158"


@pytest.fixture(scope="session")
def cli(program: Path) -> Callable[..., subprocess.CompletedProcess[bytes]]:
    """`cli("info", path)` runs `program`, without a terminal, and gives what it wrote."""

    def run(*arguments: str | Path, **options: Any) -> subprocess.CompletedProcess[bytes]:
        environment = {key: value for key, value in os.environ.items() if key not in USERS}
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        if "input" in options:
            del streams["stdin"]
        return subprocess.run([program, *arguments], **{**streams, "env": environment, "timeout": 300, **options})

    return run
