# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Initial prompts: text becomes OpenAI's tokens, and what a prompt spells is spelt so where it is heard."""

import random
import string
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from whisper158.build import runtime
from whisper158.evaluate.sounds import Clip

Cli = Callable[..., subprocess.CompletedProcess[bytes]]

TEXTS = (
    "",
    "It's what they'd call a don't-care; we'll see, I'm sure: y'all've 'seen it 's'.",
    " two  blanks   and\ttabs \n\nand lines \n ",
    "SL1680, 3.14159 and 1,234,567 -- ($$$) ... e.g. x86_64/aarch64?!",
    "Grüße aus Zürich, à bientôt, señor; Žižek naïve",
    "今日は 안녕하세요 Здравствуйте مرحبا",
    "<|endoftext|><|startoftranscript|> is text",
    "a" * 300 + " " * 50 + "supercalifragilistic" * 12,
)


def encode(model: Path, *texts: str) -> list[str]:
    """A line for each text: its tokens, or why there are none."""
    program = runtime.build(runtime.ASAN) / "tests" / "encode"
    lines = "".join(text.replace("\n", "\1") + "\n" for text in texts)
    return subprocess.run([program, model], input=lines, capture_output=True, text=True, check=True).stdout.splitlines()


def random_texts(n: int) -> tuple[str, ...]:
    """Of signs that meet in every order."""
    chance = random.Random(158)
    signs = "  '\n" + string.ascii_letters + string.digits + string.punctuation
    return tuple("".join(chance.choices(signs, k=chance.randrange(60))) for _ in range(n))


@pytest.mark.network
@pytest.mark.oracle
@pytest.mark.parametrize(("name", "multilingual"), [("tiny.en-q8", False), ("base-q8", True)])
def test_the_tokens_are_openais(model: Callable[[str], Path], name: str, multilingual: bool) -> None:
    tokenizer = pytest.importorskip("whisper.tokenizer", reason="needs OpenAI's package: ./inv install oracle")
    reference = tokenizer.get_tokenizer(multilingual).encoding
    texts = TEXTS + random_texts(500)
    got = encode(model(name), *texts)
    for text, tokens in zip(texts, got, strict=True):
        assert tokens == " ".join(map(str, reference.encode(text, disallowed_special=()))), text


def test_a_prompt_that_cannot_be_taken(cli: Cli, golden: Path, tmp_path: Path) -> None:
    done = cli("transcribe", "--model", golden, "--prompt", "x" * 4097, golden)
    assert done.returncode != 0 and done.stdout == b"" and done.stderr.count(b"\n") == 1


@pytest.mark.network
def test_a_prompt_says_how_a_word_is_spelt(cli: Cli, model: Callable[[str], Path], sounds: tuple[Clip, ...]) -> None:
    clip = next(clip for clip in sounds if clip.id == "agent-loginok")

    def heard(*options: str) -> str:
        return cli("transcribe", "--model", model("tiny.en-q8"), *options, clip.path).stdout.decode()

    plain = heard()
    assert heard("--prompt", "") == heard("--prompt", " \n") == plain
    assert heard("--prompt", "THE AGENT IS NOW LOGGED IN.").isupper() and not plain.isupper()
