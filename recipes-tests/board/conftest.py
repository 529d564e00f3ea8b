# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Tests on a machine that has booted an image: one machine for all of them, chosen by options.

`./inv test-on-device` gives the options; without --machine everything here is left out. A test says what has to be
possible with `needs`, and never asks which machine it is.
"""

import platform
import time
from collections.abc import Generator, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from whisper158.board import report
from whisper158.board.machine import find
from whisper158.board.open import open_target
from whisper158.board.options import Options
from whisper158.board.service import UNIT, Service
from whisper158.board.ssh import Ssh
from whisper158.board.target import Facts, Target
from whisper158.errors import UserError
from whisper158.evaluate.sounds import Clip, sound
from whisper158.model import silero
from whisper158.model.golden import golden
from whisper158.model.pack import FORMATS, pack

# A sentence that is short, and that the smallest models understand whatever window they listen in.
SENTENCE = "conf-extended"
ENTRY = pytest.StashKey[report.Entry]()
RUN = pytest.StashKey["Run"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("board", "the machine that recipes-tests/board runs on")
    group.addoption("--machine", help="emulator, qemuarm64 or sl1680")
    for name, text in Options.HELP.items():
        group.addoption(f"--{name.replace('_', '-')}", dest=f"board_{name}", default="", help=text)
    group.addoption("--out", type=Path, help="the folder for the report")
    group.addoption("--soak", type=float, default=0.0, help="minutes of speech, after everything else")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--machine", None):
        config.pluginmanager.register(Run(config), "board-run")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.pluginmanager.has_plugin("board-run"):
        if not config.getoption("--soak"):
            long = [item for item in items if item.get_closest_marker("soak")]
            config.hook.pytest_deselected(items=long)
            items[:] = [item for item in items if item not in long]
        return
    here = Path(__file__).parent
    left_out = pytest.mark.skip(reason="needs a machine: ./inv test-on-device --machine emulator")
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(left_out)


class Run:
    """Everything that lasts for the whole run: the machine, started when the first test asks for it, and the report."""

    def __init__(self, config: pytest.Config) -> None:
        values = {name: str(config.getoption(f"board_{name}")) for name in Options.HELP}
        self.machine = find(str(config.getoption("--machine")))
        self.options = Options(**values)
        self.out: Path = config.getoption("--out") or report.new_folder()
        self.out.mkdir(parents=True, exist_ok=True)
        self.began = time.time()
        self.entries: list[report.Entry] = []
        self.target: Target | None = None
        self.broken = ""

    def started(self) -> Target:
        """The machine, listening. If that failed once it is not tried for each test again."""
        if self.broken:
            pytest.fail(f"the machine did not come up: {self.broken}", pytrace=False)
        if self.target is None:
            self.target = open_target(self.machine, self.options, self.out)
            try:
                self.target.start()
            except BaseException as error:
                self.broken = str(error).splitlines()[0] if str(error) else type(error).__name__
                raise
        return self.target

    def console(self) -> str:
        log = self.out / report.CONSOLE
        return log.read_text(errors="replace") if log.exists() else ""

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        entry = report.Entry(item.name.removeprefix("test_").replace("_", " "))
        entry.says = (getattr(getattr(item, "obj", None), "__doc__", "") or "").strip()
        item.stash[ENTRY] = entry
        before = len(self.console())
        earlier = len(self.target.exchanges) if self.target else 0
        try:
            return (yield)
        finally:
            entry.console = self.console()[before:]
            entry.exchanges = self.target.exchanges[earlier:] if self.target else []
            self.entries.append(entry)
            self.write()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        result = yield
        entry = item.stash[ENTRY]
        entry.seconds += result.duration
        if result.skipped:
            entry.outcome = "skipped"
            entry.why = str(result.longrepr[2] if isinstance(result.longrepr, tuple) else result.longrepr)
        elif result.failed:
            entry.outcome = "failed" if result.when == "call" else "error"
            entry.why += str(result.longrepr)
        entry.measured = {key: str(value) for key, value in item.user_properties}
        return result

    def write(self) -> None:
        facts = {
            "machine": self.machine.name,
            "what it is": self.machine.summary,
            "began": time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self.began)),
            "took": f"{time.time() - self.began:.0f} s",
            "host": f"{platform.node()}, {platform.machine()}, Linux {platform.release()}",
        }
        if self.target is not None:
            facts["runtime"] = self.target.bench.facts.version
            facts["model"] = f"sha256 {self.target.bench.facts.model_sha256}"
        report.write(self.out / report.PAGE, facts, self.entries)

    def pytest_unconfigure(self) -> None:
        if self.target is not None:
            self.target.close()


@pytest.fixture(scope="session")
def run(pytestconfig: pytest.Config) -> Run:
    found = pytestconfig.pluginmanager.get_plugin("board-run")
    assert isinstance(found, Run)
    return found


@pytest.fixture(scope="session")
def healthy(run: Run) -> Target:
    """The machine as it is after its one cold boot, of which a snapshot is kept where that can be."""
    target = run.started()
    Service(target).wait_listening()
    if "snapshot" in target.can:
        target.save()
    return target


@pytest.fixture
def target(run: Run, healthy: Target, request: pytest.FixtureRequest) -> Iterator[Target]:
    """The machine. What a failed test has left of it is not the next one's problem, if that can be helped."""
    for capability in (name for mark in request.node.iter_markers("needs") for name in mark.args):
        if capability not in healthy.can:
            pytest.skip(f"this machine, as it is connected, cannot do that: {capability}")
    yield healthy
    try:
        healthy.listen_to_console()
        if request.node.get_closest_marker("destructive") and request.node.stash[ENTRY].outcome == "passed":
            # Whatever was done to it, nobody has to come and start it.
            Service(healthy).wait_listening()
            assert healthy.check("systemctl --failed --no-legend --plain") == ""
            if request.node.get_closest_marker("lasting") and "snapshot" in healthy.can:
                healthy.restore()
    finally:
        if request.node.stash[ENTRY].outcome == "failed":
            look_around(healthy)
            recover(healthy)


def look_around(target: Target) -> None:
    """For the report, what somebody would look at first."""
    for command in ("systemctl --failed --no-pager", f"journalctl -u {UNIT} -n 50 --no-pager", "dmesg | tail -n 30"):
        with suppress(UserError, *Ssh.ERRORS):
            target.run(command)


def recover(target: Target) -> None:
    if "snapshot" in target.can:
        target.restore()
    elif "power_cut" in target.can:
        target.cut_power()
    try:
        Service(target).wait_listening()
    except UserError as error:
        pytest.exit(f"the machine does not recover: {error}", returncode=1)


@pytest.fixture
def facts(target: Target) -> Facts:
    return target.bench.facts


@pytest.fixture
def service(target: Target) -> Service:
    return Service(target)


@pytest.fixture(scope="session")
def babbler(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that says nonsense, small enough for any wire, and unlike the one that is installed."""
    path = tmp_path_factory.mktemp("babbler") / "babbler.w158"
    pack(golden(), FORMATS["q8"], path, detector=silero.load())
    return path


@pytest.fixture(scope="session")
def sentence() -> Clip:
    return sound(SENTENCE)
