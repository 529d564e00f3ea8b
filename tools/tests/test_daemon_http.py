# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""whisper158d over HTTP: OpenAI's requests, who may ask, what is refused, and clients that behave badly."""

import contextlib
import io
import json
import os
import re
import select
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.daemon_http import PATIENCE, Server, form, free_port, serving
from tests.daemon_process import everything, read_until
from tests.variants import TRIED
from whisper158.build import runtime
from whisper158.evaluate.sounds import Clip

TOKEN = "correct-horse-battery"
SECONDS = 300  # of audio that a file may hold


def sound(seconds: float, kind: str = "WAV", rate: int = 16000) -> bytes:
    samples = np.random.default_rng(158).uniform(-0.3, 0.3, int(seconds * rate))
    out = io.BytesIO()
    soundfile.write(out, samples, rate, format=kind)
    return out.getvalue()


@pytest.fixture(scope="module", params=TRIED, ids=lambda variant: variant.name)
def daemon(request: pytest.FixtureRequest) -> Path:
    return runtime.build(request.param) / "daemon" / "whisper158d"


@pytest.fixture(scope="module")
def server(daemon: Path, golden: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(daemon, golden, tmp_path_factory.mktemp("http"), "--no-microphone") as server:
        yield server


@pytest.fixture(scope="module")
def guarded(daemon: Path, golden: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One that listens on all addresses, with a token."""
    folder = tmp_path_factory.mktemp("http")
    (folder / "token").write_text(TOKEN + "\n")
    options = ("--no-microphone", "--http-token", str(folder / "token"))
    with serving(daemon, golden, folder, *options, address="0.0.0.0:") as server:
        yield server


# ---- transcriptions


def test_all_formats_tell_the_same(server: Server) -> None:
    wav = sound(3)
    verbose = server.send(wav, model="golden", response_format="verbose_json").json
    assert (verbose["task"], verbose["duration"]) == ("transcribe", 3.0)
    texts = [segment["text"] for segment in verbose["segments"] if segment["text"]]
    assert texts
    for number, segment in enumerate(verbose["segments"]):
        assert segment["id"] == number
        assert 0 <= segment["start"] <= segment["end"] <= 3.0
        assert {"tokens", "temperature", "avg_logprob", "no_speech_prob"} < set(segment)

    subrip = server.send(wav, response_format="srt")
    assert subrip.headers["content-type"] == "application/x-subrip; charset=utf-8"
    assert [cue.split("\n", 2)[2] for cue in subrip.body.decode().removesuffix("\n").split("\n\n")] == texts
    webvtt = server.send(wav, response_format="vtt")
    assert webvtt.headers["content-type"] == "text/vtt; charset=utf-8"
    assert webvtt.body.decode().startswith("WEBVTT\n\n00:00:0")


def test_json_is_the_default_and_text_is_a_line(server: Server) -> None:
    wav = sound(3)
    answer = server.send(wav)
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert set(answer.json) == {"text"}
    text = server.send(wav, response_format="text")
    assert text.headers["content-type"] == "text/plain; charset=utf-8"
    assert text.body.decode() == answer.json["text"] + "\n"


@pytest.mark.parametrize(("kind", "rate"), [("WAV", 48000), ("FLAC", 44100), ("OGG", 16000)])
def test_kinds_of_audio(server: Server, kind: str, rate: int) -> None:
    answer = server.send(sound(2, kind, rate), response_format="verbose_json")
    assert answer.status == 200
    assert answer.json["duration"] == pytest.approx(2.0, abs=0.01)


def test_what_openai_clients_send_is_taken(server: Server) -> None:
    fields = {
        "model": "whisper-1",
        "prompt": "a word or two",
        "temperature": "0.0",
        "language": "en",
        "stream": "false",
    }
    fields |= {"timestamp_granularities[]": "segment", "response_format": "verbose_json"}
    answer = server.send(sound(1), **fields)
    assert (answer.status, answer.json["language"]) == (200, "en")


def test_a_prompt_changes_what_is_heard(server: Server) -> None:
    """Of a made-up model, which says something else."""
    noise = sound(2)
    plain = server.send(noise).json
    assert server.send(noise, prompt="").json == plain
    assert server.send(noise, prompt="a word or two").json != plain


def test_a_sound_without_words(server: Server) -> None:
    out = io.BytesIO()
    soundfile.write(out, np.zeros(16000), 16000, format="WAV")
    assert server.send(out.getvalue()).json == {"text": ""}
    assert server.send(out.getvalue(), response_format="srt").body == b""


@pytest.mark.network
def test_curl_hears_what_a_person_said(model: Callable[[str], Path], sounds: tuple[Clip, ...], tmp_path: Path) -> None:
    program = runtime.build(runtime.NATIVE) / "daemon" / "whisper158d"
    clip = sounds[0]
    with serving(program, model("tiny.en-q8"), tmp_path, "--no-microphone") as server:
        url = f"http://localhost:{server.port}/v1/audio/transcriptions"
        command = ["curl", "--silent", "--show-error", "--fail-with-body", "-F", f"file=@{clip.path}"]
        said = subprocess.run([*command, "-F", "model=whisper-1", url], stdout=subprocess.PIPE, check=True).stdout
    heard = re.findall(r"[a-z']+", json.loads(said)["text"].lower())
    wanted = re.findall(r"[a-z']+", clip.text.lower())
    assert len(set(wanted) & set(heard)) >= 0.8 * len(set(wanted))


# ---- refusals


@pytest.mark.parametrize(
    ("fields", "status", "param", "said"),
    [
        ({"model": "gpt-5"}, 404, "model", "there is no model gpt-5; here is golden"),
        ({"language": "klingon"}, 400, "language", "does not know the language klingon"),
        ({"response_format": "pdf"}, 400, "response_format", "not pdf"),
        ({"temperature": "0.5"}, 400, "temperature", "can only be 0"),
        ({"stream": "true"}, 400, "stream", "can only be false"),
        ({"timestamp_granularities[]": "word"}, 400, "timestamp_granularities[]", "can only be segment"),
        ({"language": "x" * 200}, 400, "language", "longer than 128 bytes"),
        ({"prompt": "x" * 4097}, 400, "prompt", "longer than 4096 bytes"),
    ],
)
def test_a_wrong_field(server: Server, fields: dict[str, str], status: int, param: str, said: str) -> None:
    answer = server.send(sound(0.1), **fields)
    assert (answer.status, answer.json["error"]["param"]) == (status, param)
    assert answer.json["error"]["type"] == "invalid_request_error"
    assert said in answer.error


@pytest.mark.parametrize(
    ("file", "status", "said"),
    [
        (None, 400, "file is missing"),
        (b"", 400, "file is missing or empty"),
        (b"ID3 something else", 415, "file is not WAV, FLAC or Ogg"),
        (b"RIFF but nothing more", 400, "file is"),
        (sound(1)[:44], 400, "file"),
    ],
)
def test_a_wrong_file(server: Server, file: bytes | None, status: int, said: str) -> None:
    answer = server.send(file, model="whisper-1")
    assert (answer.status, answer.json["error"]["param"]) == (status, "file")
    assert said in answer.error


def test_a_file_that_lasts_too_long(server: Server) -> None:
    out = io.BytesIO()
    soundfile.write(out, np.zeros((SECONDS + 1) * 8000, np.int16), 8000, format="FLAC")
    answer = server.send(out.getvalue())
    assert (answer.status, answer.error) == (413, f"file is longer than {SECONDS} seconds; cut it into parts")


def test_a_request_that_is_too_large(server: Server) -> None:
    """It is refused by its length alone, before any of it was sent."""
    with server.connect() as client:
        client.sendall(
            b"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n"
            b"Content-Type: multipart/form-data; boundary=x\r\n\r\n"
        )
        assert read_until(client, b"\r\n").startswith(b"HTTP/1.1 413 ")


def test_a_body_that_is_not_a_form(server: Server) -> None:
    path = "/v1/audio/transcriptions"
    assert server.ask("POST", path, sound(1), {"Content-Type": "audio/wav"}).status == 415
    assert server.ask("POST", path, b"{}").status == 415
    assert server.ask("POST", path, b"abc", {"Content-Type": "multipart/form-data"}).status == 400
    body, kind = form(sound(0.1))
    assert server.ask("POST", path, body[:-60], {"Content-Type": kind}).status == 400
    assert server.ask("POST", path, b"no boundary in here", {"Content-Type": kind}).status == 400


def test_a_form_in_pieces(server: Server) -> None:
    """Wherever the network cuts it: a client's library may send each part, and each part's head, by itself."""
    body, kind = form(sound(0.1), model="whisper-1", response_format="text", language="en")
    head = f"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\n"
    with server.connect() as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode())
        for piece in re.split(rb"(?<=\r\n)", body):
            client.sendall(piece)
            time.sleep(0.02)
        assert read_until(client, b"\r\n").startswith(b"HTTP/1.1 200 ")


def test_fields_that_come_twice(server: Server) -> None:
    body, kind = form(sound(0.1), model="whisper-1", language="en")
    boundary = b"--" + kind.split("boundary=")[1].encode()
    for name, value in (("language", b"en"), ("file", sound(0.1))):
        part = boundary + f'\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode() + value + b"\r\n"
        answer = server.ask("POST", "/v1/audio/transcriptions", part + body, {"Content-Type": kind})
        assert (answer.status, answer.error) == (400, f"{name} is given twice")


def test_places_and_methods(server: Server) -> None:
    assert server.get("/nothing").status == 404
    assert server.get("/v1/audio/transcriptions").headers["allow"] == "POST"
    for path in ("/", "/health", "/v1/models", "/events"):
        answer = server.ask("POST", path, b"x")
        assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")
    assert server.ask("HEAD", "/").status == 200
    assert server.get("/v1/models").json["data"][0]["id"] == "golden"


def test_a_full_queue(daemon: Path, golden: Path, tmp_path: Path) -> None:
    """Half of the queue is for clients; what does not fit is refused at once, and told why."""
    with serving(daemon, golden, tmp_path, "--no-microphone") as server:
        body, kind = form(sound(SECONDS))
        request = (
            f"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        ).encode() + body
        # One is transcribed, one waits, and with the third it is too much.
        clients = [server.connect() for _ in range(3)]
        for client in clients:
            client.sendall(request)
        (first, *_), _, _ = select.select(clients, [], [], PATIENCE)
        answer = read_until(first, b"}")
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b'"code":"queue_full"' in answer
        for client in clients:
            client.close()


# ---- who may ask


def test_another_host_is_not_served(server: Server) -> None:
    """A name that somebody else had resolve to this machine."""
    for host in ("evil.example", "evil.example:80", "localhost.evil.example", "10.0.0.1", "[::2]", "127.0.0.1.evil"):
        for path in ("/", "/events", "/v1/models", "/health"):
            assert server.get(path, Host=host).status == 403
        assert server.send(sound(0.1), {"Host": host}).status == 403
    for host in ("localhost", f"127.0.0.1:{server.port}", "[::1]:99", "LOCALHOST:1", "127.9.9.9"):
        assert server.get("/", Host=host).status == 200


def test_pages_of_others_are_not_served(server: Server) -> None:
    """A form that another page sends to us, which a browser allows."""
    for origin in ("https://evil.example", "null", "http://localhost:1"):
        assert server.send(sound(0.1), {"Origin": origin}).status == 403
    own = {"Origin": f"http://127.0.0.1:{server.port}"}
    assert server.send(sound(0.1), own).status == 200


def test_a_token_is_wanted(guarded: Server) -> None:
    for header in ({}, {"Authorization": "Bearer"}, {"Authorization": f"Basic {TOKEN}"}, {"Authorization": TOKEN}):
        for path in ("/events", "/v1/models"):
            answer = guarded.get(path, **header)
            assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
    for wrong in (TOKEN[:-1], TOKEN + "x", TOKEN.upper(), "", TOKEN + TOKEN):
        assert guarded.send(sound(0.1), {"Authorization": f"Bearer {wrong}"}).status == 401
    assert guarded.send(sound(1), {"Authorization": f"Bearer {TOKEN}"}).status == 200
    assert guarded.get("/v1/models", Authorization=f"bearer {TOKEN}").status == 200
    # What holds no secret.
    assert guarded.get("/").status == 200
    assert guarded.get("/health", Host="speech.example").status == 200


def test_who_has_no_token_takes_no_place(guarded: Server) -> None:
    """However many they are, and however slowly they send what nobody wants."""
    head = b"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n"
    head += b"Content-Type: multipart/form-data; boundary=x\r\n\r\nx"
    with contextlib.ExitStack() as stack:
        for _ in range(30):
            stack.enter_context(guarded.connect()).sendall(head)
        assert guarded.send(sound(1), {"Authorization": f"Bearer {TOKEN}"}).status == 200


def test_who_says_that_no_more_will_come_is_taken_for_gone(server: Server) -> None:
    body, kind = form(sound(1))
    head = f"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\n"
    with server.connect() as client:
        client.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        client.shutdown(socket.SHUT_WR)
        answer = everything(client)
    # The transcript may have been ready before that was noticed.
    assert answer.startswith(b"HTTP/1.1 200 ") or b"the connection was closed before the answer" in answer


def test_silence_at_a_rate_that_nobody_needs_is_refused(server: Server) -> None:
    """Some kilobytes of it would keep the decoder busy for minutes."""
    file = io.BytesIO()
    soundfile.write(file, np.zeros((1000, 8), "int16"), 192000, format="FLAC")
    answer = server.send(file.getvalue())
    assert (answer.status, answer.error) == (
        400,
        "file has 8 channels at 192000 Hz, which is too much to convert; one at 16000 Hz is enough",
    )


def refused(daemon: Path, golden: Path, tmp_path: Path, *options: str) -> tuple[int, str]:
    command: list[str | Path] = [daemon, "--model", golden, "--no-microphone"]
    command += ["--socket", tmp_path / "socket", *options]
    result = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    return result.returncode, result.stderr


def test_no_network_without_a_token(daemon: Path, golden: Path, tmp_path: Path) -> None:
    for address in ("0.0.0.0", "[::]"):
        status, said = refused(daemon, golden, tmp_path, "--http", f"{address}:{free_port()}")
        assert status == os.EX_USAGE
        assert "needs a token: --http-token FILE" in said


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "holds no token"),
        (b"short\n", "holds a token of 5 characters; it must have 16 to 256"),
        (b"sixteen letters and spaces", "no ASCII letter, digit or sign"),
        (b"x" * 999, "it must have 16 to 256"),
        (b"zero\0" * 4, "no ASCII letter, digit or sign"),
    ],
)
def test_a_token_that_will_not_do(daemon: Path, golden: Path, tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "token").write_bytes(content)
    options = ("--http", str(free_port()), "--http-token", str(tmp_path / "token"))
    status, told = refused(daemon, golden, tmp_path, *options)
    assert status == os.EX_USAGE
    assert f"{tmp_path}/token holds " in told
    assert said in told
    assert told.count("\n") == 1


# ---- the stream of events and the page


def events(client: socket.socket) -> Iterator[dict[str, object]]:
    """Reads chunks, and events in them."""
    stream = client.makefile("rb")
    while stream.readline().strip():
        pass
    text = b""
    while size := int(stream.readline() or b"0", 16):
        text += stream.read(size)
        stream.readline()
        *blocks, text = text.split(b"\n\n")
        for block in blocks:
            if block.startswith(b"data: "):
                yield json.loads(block.removeprefix(b"data: "))


def test_the_stream_says_hello_and_ends_with_the_daemon(daemon: Path, golden: Path, tmp_path: Path) -> None:
    with serving(daemon, golden, tmp_path, "--no-microphone") as server, server.connect() as client:
        client.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        stream = events(client)
        assert next(stream)["model"] == "golden"
        server.process.terminate()
        assert list(stream) == []


def test_the_page_allows_nothing_but_itself(server: Server) -> None:
    answer = server.get("/")
    policy = dict(rule.split(" ", 1) for rule in answer.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert re.fullmatch(r"'sha256-[\w+/]{43}='", policy["script-src"])
    assert policy["connect-src"] == "'self'"
    page = answer.body.decode()
    assert not re.search(r"""(?:src|href)="(?!data:,)|@import|url\(|\son\w+="|\sstyle=""", page)
    assert 'aria-live="polite"' in page


# ---- bad company


def test_clients_that_go_while_they_wait(server: Server) -> None:
    body, kind = form(sound(20))
    for _ in range(8):
        with server.connect() as client:
            head = f"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\n"
            client.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    for _ in range(8):
        with server.connect() as client:
            client.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert server.send(sound(1)).status == 200


def test_clients_that_only_connect(server: Server) -> None:
    """They keep nobody out, and when there are too many of them, not for long."""
    idle = [server.connect() for _ in range(100)]
    assert server.get("/health").status == 200
    for client in idle:
        client.close()
    for _ in range(1000):
        with socket.socket() as client:
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", server.port))
    assert server.get("/health").status == 200


def test_who_sends_too_slowly_is_dropped(server: Server) -> None:
    with server.connect() as client:
        client.sendall(b"GET / HTTP/1.1\r\n")
        began = time.monotonic()
        try:
            while time.monotonic() - began < PATIENCE:
                client.sendall(b"X")
                time.sleep(0.5)
        except OSError:
            pass
        assert time.monotonic() - began < 25


def test_garbage(server: Server) -> None:
    rng = np.random.default_rng(158)
    for size in (1, 100, 5000, 100_000):
        with server.connect() as client:
            try:
                client.sendall(rng.bytes(size) + b"\r\n\r\n")
                client.recv(4096)
            except OSError:
                pass
    assert server.get("/health").status == 200
