# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""The page of whisper158d in a real browser: Chromium without a screen, driven over a pair of pipes."""

import base64
import contextlib
import fcntl
import itertools
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from tests.daemon_http import PATIENCE, serving, wait_until_ready
from whisper158.build import runtime
from whisper158.data.audio import SAMPLE_RATE, load
from whisper158.evaluate.sounds import Clip

TOKEN = "correct-horse-battery"


class Browser:
    """Chromium's protocol for its tools (--remote-debugging-pipe): JSON that ends with a zero byte."""

    def __init__(self, read: int, write: int) -> None:
        self.input = os.fdopen(read, "rb", buffering=0)
        self.output = os.fdopen(write, "wb", buffering=0)
        self.ids = itertools.count(1)
        self.rest = b""
        self.session = ""
        # What the page complained about: exceptions, and whatever the policy forbade.
        self.complaints: list[str] = []

    def call(self, method: str, **parameters: Any) -> Any:
        number = next(self.ids)
        message = {"id": number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        self.output.write(json.dumps(message).encode() + b"\0")
        while (answer := self.receive()).get("id") != number:
            self.note(answer)
        assert "error" not in answer, answer
        return answer["result"]

    def receive(self) -> dict[str, Any]:
        while b"\0" not in self.rest:
            piece = self.input.read(65536)
            assert piece, "the browser has gone"
            self.rest += piece
        message, self.rest = self.rest.split(b"\0", 1)
        answer: dict[str, Any] = json.loads(message)
        return answer

    def note(self, event: dict[str, Any]) -> None:
        if event.get("method") == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(event["params"]["exceptionDetails"]))
        if event.get("method") == "Log.entryAdded" and event["params"]["entry"]["source"] in ("security", "violation"):
            self.complaints.append(event["params"]["entry"]["text"])

    def open(self, address: str) -> None:
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")
        self.call("Page.navigate", url=address)
        self.wait_for("location.protocol === 'http:' && document.readyState === 'complete'")

    def ask(self, expression: str) -> Any:
        answer = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def wait_for(self, expression: str) -> Any:
        deadline = time.monotonic() + PATIENCE
        while not (value := self.ask(expression)):
            assert time.monotonic() < deadline, (expression, self.ask("document.body.innerText"), self.complaints)
            time.sleep(0.1)
        return value


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("there is no chromium (apt-get install chromium)")
    # It reads from descriptor 3 and writes to 4, so a shell puts the pipes there, from numbers out of its way.
    to_read, to_write = os.pipe()
    from_read, from_write = os.pipe()
    theirs = [fcntl.fcntl(fd, fcntl.F_DUPFD, 10) for fd in (to_read, from_write)]
    os.close(to_read)
    os.close(from_write)
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--remote-debugging-pipe"]
    flags += [f"--user-data-dir={tmp_path}/profile", "--no-first-run", "--disable-background-networking"]
    script = f'exec "$0" "$@" 3<&{theirs[0]} 4>&{theirs[1]}'
    log = (tmp_path / "chromium.log").open("wb")
    process = subprocess.Popen(["bash", "-c", script, program, *flags], pass_fds=theirs, stdout=log, stderr=log)
    for fd in theirs:
        os.close(fd)
    browser = Browser(from_read, to_write)
    try:
        yield browser
        assert browser.complaints == []
    finally:
        with contextlib.suppress(AssertionError, OSError):
            browser.session = ""
            browser.call("Browser.close")
        process.kill()
        process.wait()
        log.close()


TEXT = "[...document.querySelectorAll('#log p')].map(p => p.lastChild.textContent).join(' ')"
LEVEL = "+document.getElementById('meter').getAttribute('aria-valuenow')"
LINK = "document.getElementById('link').textContent"


def words(text: str) -> set[str]:
    return {word.strip(".,?!;:\"'").lower() for word in text.split()}


@pytest.mark.network
@pytest.mark.slow
def test_captions_and_level_appear(
    browser: Browser, model: Callable[[str], Path], sounds: tuple[Clip, ...], tmp_path: Path
) -> None:
    program = runtime.build(runtime.NATIVE) / "daemon" / "whisper158d"
    clip = next(clip for clip in sounds if 3 <= clip.seconds <= 8)
    options = ("--input", str(clip.path), "--stay", "--wait", "--interim", "always")
    with serving(program, model("tiny.en-q8"), tmp_path, *options) as server:
        browser.open(f"http://localhost:{server.port}/")
        browser.wait_for(f"{LINK} === 'connected'")
        browser.wait_for(f"{LEVEL} > -50")
        browser.wait_for("document.getElementById('bar').style.transform !== 'scaleX(0)'")
        said = browser.wait_for(TEXT)
        assert len(words(said) & words(clip.text)) >= 0.5 * len(words(clip.text))
        assert browser.ask("document.getElementById('model').textContent") == "tiny.en"
        assert browser.ask("document.getElementById('log').getAttribute('aria-live')") == "polite"


@pytest.mark.network
@pytest.mark.slow
def test_the_readmes_picture_can_be_taken(
    browser: Browser, model: Callable[[str], Path], sounds: tuple[Clip, ...], tmp_path: Path
) -> None:
    """Three sentences, and a fourth that goes on if the machine keeps up. $WHISPER158_IMAGES is where to keep it."""
    clips = {clip.id: clip for clip in sounds}
    said = [clips[id] for id in ("conf-onlyone", "tt-weasels", "followme/status", "vm-newuser")]
    pause = np.random.default_rng(158).normal(0, 1e-3, 24000).astype(np.float32)
    sound = np.concatenate([part for clip in said for part in (pause, load(clip.path))] + [pause])
    soundfile.write(tmp_path / "said.wav", sound, SAMPLE_RATE)
    program = runtime.build(runtime.NATIVE) / "daemon" / "whisper158d"
    # Windows of 8 s instead of 30, which are long enough for these.
    options = ("--input", str(tmp_path / "said.wav"), "--stay", "--wait", "--interim=always", "--audio-context=400")
    with serving(program, model("tiny.en-q8"), tmp_path, *options) as server:
        browser.open(f"http://localhost:{server.port}/")
        browser.call("Emulation.setDeviceMetricsOverride", width=720, height=470, deviceScaleFactor=1.5, mobile=False)
        captions = "document.querySelectorAll('#log p').length"
        going_on = "document.getElementById('interim').innerText"
        browser.wait_for(f"{captions} === 4 || {captions} === 3 && {going_on}")
        heard = browser.ask(TEXT)
        picture = base64.b64decode(browser.call("Page.captureScreenshot", format="png")["data"])
    assert len(words(heard) & words(" ".join(clip.text for clip in said[:3]))) > 15
    assert picture[:4] == b"\x89PNG" and len(picture) < 100_000
    (Path(os.environ.get("WHISPER158_IMAGES", tmp_path)) / "captions.png").write_bytes(picture)


def test_it_fits_a_phone(browser: Browser, golden: Path, tmp_path: Path) -> None:
    program = runtime.build(runtime.NATIVE) / "daemon" / "whisper158d"
    with serving(program, golden, tmp_path, "--no-microphone") as server:
        browser.open(f"http://localhost:{server.port}/")
        browser.call("Emulation.setDeviceMetricsOverride", width=320, height=480, deviceScaleFactor=2, mobile=True)
        browser.wait_for(f"{LINK} === 'connected'")
        assert browser.ask("document.documentElement.scrollWidth") <= 320
        dark = "getComputedStyle(document.body).backgroundColor"
        colours = []
        for scheme in ("light", "dark"):
            browser.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
            colours.append(browser.ask(dark))
        assert colours[0] != colours[1]


def test_it_asks_for_the_token_and_comes_back_by_itself(browser: Browser, golden: Path, tmp_path: Path) -> None:
    program = runtime.build(runtime.NATIVE) / "daemon" / "whisper158d"
    (tmp_path / "token").write_text(TOKEN)
    options = ("--no-microphone", "--http-token", str(tmp_path / "token"))
    with serving(program, golden, tmp_path, *options) as server:
        port = server.port
        browser.open(f"http://localhost:{port}/")
        for token, outcome in (("wrong", "wrong token"), (TOKEN, "connected")):
            browser.wait_for("!document.getElementById('ask').hidden")
            browser.ask(f"document.getElementById('token').value = '{token}'")
            browser.ask("document.getElementById('ask').requestSubmit()")
            browser.wait_for(f"{LINK} === '{outcome}'")
        assert browser.ask("sessionStorage.length") == 1
        assert browser.ask("localStorage.length + document.cookie.length") == 0
    browser.wait_for(f"{LINK} !== 'connected'")
    command: list[str | Path] = [program, "--model", golden]
    command += ["--socket", tmp_path / "socket", "--http", str(port), *options]
    with (tmp_path / "log").open("wb") as out, subprocess.Popen(command, stderr=out) as process:
        wait_until_ready(type(server)(process, port, tmp_path / "log"))
        browser.wait_for(f"{LINK} === 'connected'")
        process.terminate()
