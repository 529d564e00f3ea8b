# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""`./inv build-image` as a person meets it: with the real kas, in a world of its own (yocto_world.py)."""

import hashlib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pexpect
import pytest
import yaml
import yocto_world
from yocto_world import World

from whisper158 import needs
from whisper158.build import drive, emulator, kas, report
from whisper158.build import image as building
from whisper158.build.pins import HEAD
from whisper158.errors import Usage
from whisper158.paths import GOLDEN

TASKS = 60  # fake_bitbake.py


@pytest.fixture(scope="module")
def made() -> Iterator[World]:
    if not yocto_world.can_be_person():
        pytest.skip("root, and user namespaces are forbidden here: BitBake's user cannot be played")
    # Not pytest's own folder: some are root's alone.
    needs.python("image")
    with tempfile.TemporaryDirectory(prefix="whisper158-") as folder:
        world = yocto_world.make(Path(folder))
        locked = world.inv("kas.lock", "--update")
        assert locked.returncode == 0, locked.stderr
        yield world


@pytest.fixture
def world(made: World) -> World:
    """The same world for all, without what the last test built and said."""
    for path in made.work.glob("build-*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    for name in ("fail", "slow", "stop"):
        (made.work / name).unlink(missing_ok=True)
    return made


def local_conf(world: World, machine: str) -> str:
    return (world.folder(machine) / "conf" / "local.conf").read_text()


def calls(world: World, machine: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((world.folder(machine) / "calls.json").read_text())
    return found


def test_lock_names_the_commits(made: World) -> None:
    found: dict[str, dict[str, str]] = {}
    for path in (made.checkout / "kas").rglob("*.lock.yml"):
        text = path.read_text()
        assert text.startswith(HEAD)
        found |= yaml.safe_load(text)["overrides"]["repos"]
    assert set(found) == set(yocto_world.REPOSITORIES)
    for name, said in found.items():
        head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=made.home / name, capture_output=True, text=True)
        assert said["commit"] == head.stdout.strip()


def test_lock_changes_nothing_that_is_locked(made: World) -> None:
    before = {path: path.read_text() for path in (made.checkout / "kas").rglob("*.yml")}
    done = made.inv("kas.lock")
    assert done.returncode == 0, done.stderr
    assert {path: path.read_text() for path in (made.checkout / "kas").rglob("*.yml")} == before
    assert set(line.split()[0] for line in done.stdout.splitlines()) == set(yocto_world.REPOSITORIES)
    assert [line for line in done.stderr.splitlines() if "AUTOREV" in line and "newest_git.bb says" in line]
    assert "pinned_git.bb" not in done.stderr


def test_lock_without_a_network(made: World) -> None:
    before = {path: path.read_text() for path in (made.checkout / "kas").rglob("*.yml")}
    nowhere = {"KAS_PREMIRRORS": "https://(.*) file:///nowhere/\\1", "KAS_WORK_DIR": str(made.home / "unlocked")}
    done = made.inv("kas.lock", "--update", **nowhere)
    assert done.returncode == 1
    assert "inv: the repositories of qemuarm64 could not be asked" in done.stderr
    assert "fatal: '/nowhere/git.yoctoproject.org/poky' does not appear to be a git repository" in done.stderr
    assert {path: path.read_text() for path in (made.checkout / "kas").rglob("*.yml")} == before


def test_board(world: World) -> None:
    done = world.build("sl1680", "--with", "debug,rm-work", TMPDIR=str(world.home / "elsewhere"))
    assert done.returncode == 0, done.stderr
    images = world.folder("sl1680") / "tmp" / "deploy" / "images" / "sl1680" / "SYNAIMG"
    assert done.stdout == f"{images}\n"
    digest = hashlib.sha256((images / "rootfs.subimg.gz").read_bytes()).hexdigest()
    assert f"{digest}           1,002  rootfs.subimg.gz\n" in done.stderr
    assert "3 packages, ours: whisper158-model 0.1.0-r0, whisper158 0.1.0-r0" in done.stderr
    assert f"task {TASKS} of {TASKS}" in done.stderr
    said = json.loads((world.checkout / "build" / "images" / "sl1680.json").read_text())
    assert said["folder"] == str(images)
    assert said["files"]["rootfs.subimg.gz"] == {"bytes": 1002, "sha256": digest}
    assert said["model"] == {"name": "golden", "sha256": hashlib.sha256(GOLDEN.read_bytes()).hexdigest()}
    conf = local_conf(world, "sl1680")
    assert 'MACHINE ??= "sl1680"' in conf
    assert "Synaptics-EULA" in conf and "tools-debug" in conf and "rm_work" in conf
    [call] = calls(world, "sl1680")
    assert call["words"][-1:] == ["astra-whisper158"]
    told = call["environment"]
    shared = world.home / "cache" / "yocto"
    assert (told["DL_DIR"], told["SSTATE_DIR"]) == (str(shared / "downloads"), str(shared / "sstate"))
    # A person's TMPDIR is not where BitBake is to build.
    assert told["TMPDIR"] is None
    assert told["LANG"] == "en_US.UTF-8"
    layers = (world.folder("sl1680") / "conf" / "bblayers.conf").read_text()
    for layer in ("poky/meta ", "meta-oe", "meta-synaptics", "meta-whisper158"):
        assert layer in layers


def test_emulated_board(world: World) -> None:
    done = world.build("qemuarm64")
    assert done.returncode == 0, done.stderr
    assert "whisper158-image-qemuarm64.rootfs.ext4" in done.stderr
    assert "testdata" not in done.stderr
    conf = local_conf(world, "qemuarm64")
    assert "EULA" not in conf and "debug-tweaks" not in conf
    assert not (world.folder("qemuarm64") / "conf" / "bblayers.conf").read_text().count("meta-synaptics")


def test_model_reaches_the_recipe(world: World) -> None:
    """By its name, its path and its checksum; the file is where the recipe will look."""
    assert world.build("qemuarm64").returncode == 0
    digest = hashlib.sha256(GOLDEN.read_bytes()).hexdigest()
    conf = local_conf(world, "qemuarm64")
    assert 'WHISPER158_MODEL = "golden"' in conf
    assert 'WHISPER158_MODEL_FILE = "${TOPDIR}/models/golden.w158"' in conf
    assert f'WHISPER158_MODEL_SHA256 = "{digest}"' in conf
    assert 'WHISPER158_MODEL_LICENSE = "MIT"' in conf
    assert (world.folder("qemuarm64") / "models" / "golden.w158").read_bytes() == GOLDEN.read_bytes()


def test_failing_recipe(world: World) -> None:
    (world.work / "fail").write_text("do_compile")
    done = world.build("sl1680")
    assert done.returncode == 1
    assert done.stdout == ""
    text = done.stderr[done.stderr.index("inv: ") :]
    assert text.startswith("inv: linux-syna: do_compile failed\n")
    assert "drivers/syna.c:7: error: 'x' undeclared" in text
    assert "linux-syna/6.12.62/temp/log.do_compile.4711" in text
    assert str(world.work / "sl1680.log") in text
    # The end of the log, not all of it.
    assert "line 499 of the log" in text and "line 100 of the log" not in text
    assert "line 100 of the log" in world.told()
    assert "Traceback" not in done.stderr


def test_error_before_the_first_task(world: World) -> None:
    (world.work / "stop").write_text("Nothing PROVIDES 'astra-whisper158'")
    done = world.build("sl1680")
    assert done.returncode == 1
    assert "Nothing PROVIDES 'astra-whisper158'" in done.stderr
    assert done.stderr.count("Nothing PROVIDES") == 1


def test_layers_that_cannot_be_had(world: World) -> None:
    work = world.home / "fresh"
    done = world.build("qemuarm64", KAS_PREMIRRORS="https://(.*) file:///nowhere/\\1", KAS_WORK_DIR=str(work))
    assert done.returncode == 1
    assert "fatal: '/nowhere/git.yoctoproject.org/poky' does not appear to be a git repository" in done.stderr
    assert "Traceback" not in done.stderr


def test_interrupt_and_repeat(world: World) -> None:
    (world.work / "slow").write_text("0.05")
    words = ["build-image", "--machine", "qemuarm64", "--force", "--model", str(GOLDEN)]
    process = subprocess.Popen(
        world.command(*words), cwd=world.home, env=world.environment, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    while not process.stderr.readline().startswith("Building: task"):
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    rest = process.stderr.read()
    assert process.wait() == 130
    assert "Interrupted: BitBake finishes the tasks" in rest
    assert "inv: interrupted after task" in rest and "the same command goes on" in rest
    done = {int(path.name) for path in (world.folder("qemuarm64") / "tmp" / "stamps").iterdir()}
    assert done and len(done) < TASKS
    # BitBake itself was asked, and answered.
    assert "Keyboard Interrupt, closing down" in (world.work / "qemuarm64.log").read_text()
    (world.work / "slow").unlink()
    again = world.build("qemuarm64")
    assert again.returncode == 0, again.stderr
    assert f"Running task {max(done)} of" not in (world.work / "qemuarm64.log").read_text()


def test_interrupted_twice(world: World) -> None:
    """A task that takes an hour is not waited for by who interrupts again."""
    (world.work / "slow").write_text("3600")
    words = ["build-image", "--machine", "qemuarm64", "--force", "--model", str(GOLDEN)]
    process = subprocess.Popen(
        world.command(*words), cwd=world.home, env=world.environment, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    for beginning in ("Building: task 1 ", "Interrupted: "):
        while not process.stderr.readline().startswith(beginning):
            assert process.poll() is None
        # What is said is said before BitBake is told; it must have heard the first before it hears the second.
        process.send_signal(signal.SIGINT)
        wait_for(world.work / "qemuarm64.log", "Keyboard Interrupt")
    assert process.stderr.read().startswith("Interrupted again")
    assert process.wait() == 130
    assert "Second Keyboard Interrupt" in (world.work / "qemuarm64.log").read_text()


def test_killed(world: World) -> None:
    """Whoever is left without us ends: nothing goes on building that nobody sees, or knows of at the next attempt."""
    (world.work / "slow").write_text("3600")
    words = ["build-image", "--machine", "qemuarm64", "--force", "--model", str(GOLDEN)]
    process = subprocess.Popen(world.command(*words), cwd=world.home, env=world.environment, stderr=subprocess.PIPE)
    assert process.stderr is not None
    while not process.stderr.readline().startswith(b"Building: task 1 "):
        assert process.poll() is None
    [builder] = [child for child in drive.below(process.pid) if drive.is_bitbake(child)]
    process.kill()
    process.wait()
    deadline = time.monotonic() + 60
    while drive.is_bitbake(builder):
        assert time.monotonic() < deadline, "BitBake goes on"
        time.sleep(0.05)


def wait_for(path: Path, text: str) -> None:
    deadline = time.monotonic() + 60
    while text not in path.read_text():
        assert time.monotonic() < deadline, f"{path} never said {text}"
        time.sleep(0.05)


def test_on_a_terminal(world: World) -> None:
    """A bar, and after it the same report."""
    (world.work / "slow").write_text("0.02")
    words = ["build-image", "--machine", "qemuarm64", "--force", "--model", str(GOLDEN)]
    settings = world.settings(TERM="xterm", COLUMNS="150", LINES="40")
    said, status = pexpect.run(
        shlex.join(world.command(*words)), cwd=str(world.home), env=settings, withexitstatus=True, timeout=120
    )
    assert status == 0
    text = said.decode()
    assert "━" in text and f"{TASKS}/{TASKS}" in text
    assert "Building: task" not in text
    assert "whisper158-model do_" in text and "ours: whisper158-model" in text


def test_two_builds_at_once(world: World) -> None:
    """The second is told so, and changes nothing."""
    import fcntl

    lock = Path(f"{world.folder('qemuarm64')}.lock")
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        done = world.build("qemuarm64")
    assert done.returncode == 1
    assert "another build is at work" in done.stderr


def test_everything_that_is_missing_is_said_at_once(world: World) -> None:
    """A machine with nothing but Python; BitBake would have met these one by one."""
    bare = world.home / "bare"
    bare.mkdir(exist_ok=True)
    for name in ("git", "unshare"):
        if not (bare / name).exists():
            (bare / name).symlink_to(shutil.which(name) or "/nonexistent")
    nothing = {"PATH": str(bare), "LOCPATH": "/nonexistent", "KAS_WORK_DIR": "/proc/a b"}
    done = world.inv("build-image", "--machine=sl1680", "--with=mirror", **nothing)
    assert done.returncode == os.EX_UNAVAILABLE
    for text in ("EULA.rst", "SOURCE_MIRROR_URL", "gawk", "chrpath", "en_US.UTF-8", "/proc cannot be written", "' '"):
        assert text in done.stderr, text
    assert "sudo apt-get install" in done.stderr
    assert not (world.folder("sl1680")).exists()


def test_root_is_told_to_be_somebody_else(world: World) -> None:
    if os.geteuid() != 0:
        pytest.skip("not root")
    done = subprocess.run(
        world.command("build-image", "--machine=qemuarm64", "--force")[len(yocto_world.as_person()) :],
        cwd=world.home,
        env=world.environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == os.EX_UNAVAILABLE
    assert "BitBake refuses to be run by root" in done.stderr


def test_eula_by_the_environment(world: World) -> None:
    words = ["build-image", "--machine=sl1680", "--force", "--dry-run", f"--model={GOLDEN}"]
    refused = world.inv(*words)
    assert refused.returncode == os.EX_UNAVAILABLE
    assert "End User License Agreement" in refused.stderr
    accepted = world.inv(*words, ACCEPT_SYNA_EULA="1")
    assert accepted.returncode == 0, accepted.stderr
    assert accepted.stdout.split()[1:] == ["build", str(world.work / "sl1680.yml")]
    assert f"kas/opt/{kas.EULA}.yml" in (world.work / "sl1680.yml").read_text()


DOCKER = """\
#!/bin/sh
case "$1" in
    -v) echo 'Docker version 27.0.0' ;;
    context) echo default ;;
    info) ;;
    run) printf '%s\\n' "$@" >"$0.run"; echo '2026-11-22 14:36:25 - ERROR    - no container today'; exit 3 ;;
esac
"""


def test_container(world: World) -> None:
    """kas-container is the real one. The engine only writes down what it was asked for, and fails."""
    engine = world.home / "engine"
    engine.mkdir()
    (engine / "docker").write_text(DOCKER)
    (engine / "docker").chmod(0o755)
    # Of this machine's own programs and locales the container needs none.
    said = {"PATH": f"{engine}:{os.environ['PATH']}", "SOURCE_MIRROR_URL": "file:///mirror", "LOCPATH": "/none"}
    done = world.build("qemuarm64", "--container", "--with=mirror", **said)
    assert done.returncode == 1
    assert "no container today" in done.stderr
    words = (engine / "docker.run").read_text().splitlines()
    assert words[-2:] == ["build", "/repo/build/yocto/qemuarm64.yml"]
    assert "KAS_BUILD_DIR=/work/build-qemuarm64-container" in words
    assert "KAS_WORK_DIR=/work" in words and f"{world.work}:/work:rw" in words
    assert f"{world.home}/cache/yocto/downloads:/downloads:rw" in words
    # The environment ends at the container's wall, so what BitBake needs of it is in the file.
    assert yaml.safe_load((world.work / "qemuarm64.yml").read_text())["env"] == {"SOURCE_MIRROR_URL": "file:///mirror"}


def test_no_engine(world: World) -> None:
    done = world.build("qemuarm64", "--container", KAS_CONTAINER_ENGINE="nonesuch")
    assert done.returncode == os.EX_UNAVAILABLE
    assert "nonesuch is missing" in done.stderr


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ([], "build-image needs a machine"),
        (["--machine=sl1681"], "there is no machine 'sl1681'"),
        (["--machine=../machine/sl1680"], "there is no machine"),
        (["--machine=sl1680", "--with=nonesuch"], "there is no option 'nonesuch'"),
        (["--machine=sl1680", "--with=eula-synaptics"], "there is no option 'eula-synaptics'"),
        (["--machine=sl1680", "--container", "--native"], "exclude each other"),
        (["--machine=emulator", "--with=debug"], "--with says nothing to --machine emulator"),
    ],
)
def test_bad_flags(words: list[str], text: str) -> None:
    flags = dict(word.removeprefix("--").partition("=")[::2] for word in words)
    switches = {name: name in flags for name in ("container", "native")}
    with pytest.raises(Usage, match=re.escape(text)) as caught:
        building.request(
            flags.get("machine", ""), flags.get("with", "").split(), "", False, **switches, force=False, dry_run=False
        )
    assert caught.value.status == os.EX_USAGE


def test_bad_flag_and_its_status(made: World) -> None:
    for words in (["--machine=sl1681"], ["--machine=sl1680", "--nonesuch"]):
        done = made.inv("build-image", *words)
        assert done.returncode == os.EX_USAGE
        assert "Traceback" not in done.stderr


def test_emulator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Its image is made elsewhere; told of is the same as of the others."""
    for name in report.BOOTED:
        (tmp_path / name).write_text(name)
    model = {"name": "tiny", "sha256": "0" * 64}
    facts = {"model": model, "version": "0.1.0", "packages": ["busybox_1:1.35_arm64.deb"]}
    (tmp_path / "image.json").write_text(json.dumps(facts))
    asked = []

    def build(model: str) -> Path:
        asked.append(model)
        return tmp_path

    monkeypatch.setattr(emulator, "build", build)
    monkeypatch.setattr(report, "BUILD", tmp_path / "build")
    building.build(building.request("emulator", [], "tiny.en-q8", False, False, False, False, False))
    assert asked == ["tiny.en-q8"]
    said = capsys.readouterr()
    assert said.out == f"{tmp_path}\n"
    assert "2 packages, ours: whisper158 0.1.0" in said.err
    written = json.loads(report.record("emulator").read_text())
    assert written["packages"] == {"busybox": "1:1.35", "whisper158": "0.1.0"}
    assert set(written["files"]) == set(report.BOOTED)


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("absent.w158", None, "there is no model file"),
        ("Bad Name.w158", GOLDEN.read_bytes(), "cannot be a model's"),
        ("damaged.w158", GOLDEN.read_bytes()[:1000], "damaged.w158"),
        ("text.w158", b"not a model", "text.w158"),
    ],
)
def test_bad_model(world: World, name: str, content: bytes | None, text: str) -> None:
    path = world.home / name
    if content is not None:
        path.write_bytes(content)
    done = world.build("qemuarm64", "--model", str(path))
    assert done.returncode not in (0, 70)
    assert text in done.stderr
    assert "Traceback" not in done.stderr
    assert not (world.folder("qemuarm64") / "conf").exists()
