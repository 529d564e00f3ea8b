# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Wrong, missing, contradictory and hostile words after `./inv`: cause and cure in a sentence, before any work."""

import json
import shlex
import subprocess
from pathlib import Path
from typing import Any, NoReturn

import pytest
from invoke import Collection
from invoke.loader import FilesystemLoader
from invoke.parser import ParserContext

from whisper158 import needs
from whisper158.__main__ import Inv, gather
from whisper158.paths import ROOT

# What is wrong is the last flag (a bare word is the flag that it stands for), or that something is missing.
MISTAKES: list[tuple[str, str]] = [
    # Missing.
    ("transcribe", "transcribe needs a sound file"),
    ("build-image", "build-image needs a machine"),
    ("model.pack", "model.pack needs a model"),
    ("model.train", "train needs a configuration"),
    ("model.costs", "model.costs needs the folder of a training run"),
    ("model.moved", "model.moved needs two checkpoints"),
    ("model.moved one.pt", "model.moved needs two checkpoints"),
    ("model.export", "model.export needs the folder of a training run"),
    ("model.install", "model.install needs a .w158 file"),
    ("model.uninstall", "model.uninstall needs the name of a model"),
    ("model.evaluate", "model.evaluate needs a model"),
    ("model.data.index", "model.data.index needs a folder"),
    ("model.data.label", "model.data.label needs a manifest"),
    ("model.data.align", "model.data.align needs a manifest"),
    ("model.data.align a.jsonl --model large", "--model large is no checkpoint"),
    ("model.data.align a.jsonl --memory a.wav", "--memory a.wav is not a folder"),
    ("model.data.align absent", "the manifest absent: there is no such file"),
    ("model.data.split", "model.data.split needs a manifest"),
    ("lab.run", "lab.run needs a file"),
    ("lab.report", "lab.report needs a file"),
    ("lab.pack", "lab.pack needs a file"),
    ("lab.pack folder/lab.yml", "lab.pack needs a cell"),
    ("test-on-device --machine sl1680", "sl1680 needs a way to be reached"),
    ("flash --method sd", "--method sd needs a disk"),
    ("flash --method usb-stick", "needs to know where the stick is mounted"),
    ("flash --method check", "asks the board over its serial console"),
    ("transcribe a.wav --model", "--model needs a value"),
    ("emulate --ssh --wyoming 1", "--ssh needs a value"),
    ("demo --model --help", "--model needs a value"),
    ("demo --model=", "--model is empty: give it a value, or leave it out"),
    ("test -k ' '", "-k is empty"),
    ("install ''", "--group is empty"),
    # No verbs and flags.
    ("frobnicate", "No idea what 'frobnicate' is"),
    ("demo --frobnicate", "No idea what '--frobnicate' is"),
    ("transcribe a.wav --json=yes", "--json takes no value, and is given yes"),
    ("model.pack tiny.en-q8 --no-vad=x", "--no-vad takes no value"),
    ("--list-format xml --list", "--list-format xml is none of flat, nested, json"),
    ("--list-depth deep --list", "--list-depth is not a whole number"),
    ("--config absent.yml demo", "--config absent.yml: there is no such file"),
    ("--config a.wav demo", "--config: the ending wav is none of json, py, yaml, yml"),
    # Names that nothing has.
    ("transcribe a.wav --model tiny-q9", "'tiny-q9' is not a model's name"),
    ("transcribe a.wav --model /absent.w158", "there is no model file /absent.w158"),
    ("demo --model large-q8", "there is no checkpoint 'large'"),
    ("emulate --model large-q8", "there is no checkpoint 'large'"),
    ("daemon.soak --model large-q8", "there is no checkpoint 'large'"),
    ("runtime.count --model large-q8", "there is no checkpoint 'large'"),
    ("release.reproduce --model large-q8", "there is no checkpoint 'large'"),
    ("build-image --machine emulator --model large-q8", "there is no checkpoint 'large'"),
    ("test-on-device --soak nan", "--soak nan is not a number from 0.01 to 10080"),
    ("test-on-device --model large-q8", "there is no checkpoint 'large'"),
    ("model.data.label a.jsonl --model large-q8", "there is no checkpoint 'large'"),
    ("model.data.label a.jsonl --through pytorch --model large", "--model large is no checkpoint"),
    ("model.evaluate tiny.en-q8 large-q8", "there is no checkpoint 'large'"),
    ("bench --models gpt", "there is no model 'gpt' to measure"),
    ("bench --models ,", "--models , names nothing"),
    ("bench --peers gpt", "there is no peer 'gpt'"),
    ("test-on-device --machine toaster", "there is no machine 'toaster'"),
    ("build-image --machine toaster", "toaster"),
    ("build-image --machine sl1680 --with magic", "there is no option 'magic'"),
    ("build-image --machine sl1680 --with ,", "--with , names nothing"),
    ("flash --method floppy", "--method floppy is none of usb, sd, tftp, usb-stick, check"),
    ("model.pack large-q9", "'large-q9' is not a model's name"),
    ("model.pack tiny.en --format q9", "there is no format 'q9'"),
    ("model.uninstall nobody", "the layer has no model 'nobody'"),
    ("model.evaluate tiny.en-q8 --through telepathy", "--through telepathy is none of runtime, pytorch, both"),
    ("model.evaluate tiny.en-q8 --sets absent", "there is no set 'absent'"),
    ("model.evaluate tiny.en-q8 --sets ,", "--sets , names nothing"),
    ("model.data.label a.jsonl --through telepathy", "--through telepathy is none of runtime, pytorch"),
    ("model.data.speak --engines parrot", "--engines parrot is none of kokoro, piper, flite"),
    ("model.export folder --name '../name'", "--name ../name cannot be a model's name"),
    ("model.data.index folder --licence 'MIT\n'", "--licence MIT\\n has control characters"),
    ("model.data.index folder --split ../train", "--split ../train says nothing of folder"),
    ("emulate --qemu absent-qemu", "--qemu absent-qemu: there is no such program"),
    # Expressions and addresses.
    ("test -k 'boot and'", "-k boot and is no expression"),
    ("test -k '()'", "-k () is no expression"),
    ("test-on-device -k 'a; b'", "-k a; b is no expression"),
    ("test-on-device --machine sl1680 --host 'a b'", "--host a b is no address"),
    ("test-on-device --machine sl1680 --host -oProxyCommand=x", "is no address"),
    ("test-on-device --machine sl1680 --host board:ssh", "--host: the port ssh is not a whole number"),
    ("test-on-device --machine sl1680 --host board --user 'a;b'", "--user a;b is no name of a user"),
    ("test-on-device --machine sl1680 --host board --host-key md5", "--host-key md5 is no fingerprint"),
    ("test-on-device --machine sl1680 --host board --power-command 'a \"'", "No closing quotation"),
    ("test-on-device --machine sl1680 --host board --power-command absent-switch", "there is no such program"),
    ("test-on-device --machine sl1680 --host board --audio shout", "'shout' is no way to be heard"),
    ("flash --method tftp --server my-server", "--server my-server: U-Boot wants an address"),
    ("flash --method tftp --server 127.0.0.1", "--server 127.0.0.1: U-Boot wants an address"),
    ("flash --port usb1", "--port usb1: it is where a board is plugged in"),
    ("lab.run folder/lab.yml --ray nowhere", "--ray nowhere is no address"),
    # Numbers that are none, or no good.
    ("transcribe a.wav --threads 0", "--threads 0 is not a whole number from 1 to 64"),
    ("transcribe a.wav --audio-context fit", "--audio-context fit is not a whole number from 1 to 1500"),
    ("bench --seconds nan", "--seconds nan is not a number from 1 to 30"),
    ("bench --tokens 1e99", "--tokens 1e99 is not a whole number"),
    ("bench --threads 0", "--threads 0 is not a whole number"),
    ("bench --repeat 1.5", "--repeat 1.5 is not a whole number from 1 to 100"),
    ("emulate --ssh 65536", "--ssh: the port 65536 is not a whole number from 0 to 65535"),
    ("emulate --wyoming -1", "--wyoming: the port -1 is not a whole number from 0 to 65535"),
    (f"emulate --ssh {'9' * 5000}", "999... is not a whole number from 0 to 65535"),
    ("runtime.fuzz --seconds nan", "--seconds nan is not a whole number"),
    ("runtime.fuzz --seconds -1", "--seconds -1 is not a whole number from 1 to"),
    ("runtime.count --model random-tiny-q8 --frames 1501", "--frames 1501 is not a whole number from 1 to 1500"),
    ("daemon.soak --minutes nan", "--minutes nan is not a number from 0.01 to 10080"),
    ("model.train folder/lab.yml --steps 0", "--steps 0 is not a whole number from 1"),
    ("model.train folder/lab.yml --dry-run --frames -1", "--frames -1 is not a whole number from 1"),
    ("model.evaluate tiny.en-q8 --clips -1", "--clips -1 is not a whole number"),
    ("model.evaluate tiny.en-q8 --threads 65", "--threads 65 is not a whole number from 1 to 64"),
    ("model.evaluate tiny.en-q8 --audio-context 1501", "--audio-context 1501 is not a context"),
    ("model.data.speak --hours -inf", "--hours -inf is not a number"),
    ("model.data.speak --processes 1e9", "--processes 1e9 is not a whole number from 1 to 256"),
    ("model.data.speak --seed -1", "--seed -1 is less than 0"),
    ("model.data.label a.jsonl --agree 101", "--agree 101 is not a number from 0 to 100"),
    ("model.data.split a.jsonl --seed 99999999999999999999", "is not a whole number"),
    ("model.data.split a.jsonl --dev nan", "--dev nan is not a number from 0 to 1"),
    ("model.data.split a.jsonl --dev 0.5 --test 0.5", "leave nobody to train on"),
    ("flash --wait inf", "--wait inf is not a number from 1 to 86400"),
    ("lab.run folder/lab.yml --processes 0", "--processes 0 is not a whole number from 1 to 256"),
    # Twice, or against one another.
    ("demo --model a --model b", "--model is given twice"),
    ("install dev --group=torch", "--group is given twice"),
    ("transcribe a.wav --srt --vtt", "--srt and --vtt exclude each other"),
    ("runtime.count --frames 450", "--frames 450 says nothing without --model"),
    ("runtime.count --model random-tiny-q8 --update", "--update says nothing to --model"),
    ("build-image --machine emulator --dry-run", "--dry-run says nothing to --machine emulator"),
    ("build-image --machine sl1680 --container --native", "--container and --native exclude each other"),
    ("emulate --ssh 10300 --wyoming 10300", "--ssh and --wyoming are both 10300"),
    ("emulate --say hello --play a.wav", "--say and --play both want the microphone"),
    ("test-on-device --serial /dev/ttyUSB0", "--serial is not for emulator"),
    ("test-on-device --machine sl1680 --serial /dev/null --identity a.wav", "--identity says nothing without --host"),
    ("model.train folder/lab.yml --frames 450", "--frames says nothing without --dry-run"),
    ("model.train folder/lab.yml --dry-run --resume", "--resume says nothing to --dry-run"),
    ("lab.run folder/lab.yml --processes 2 --ray auto", "--processes and --ray exclude each other"),
    ("flash --method sd --server 192.168.0.1", "--server says nothing to --method sd"),
    ("flash --method check --serial /dev/null --wait 9", "--wait says nothing to --method check"),
    ("flash --method usb --disk /dev/sdb", "--disk says nothing to --method usb"),
    ("flash --method sd --tool x", "--tool says nothing to --method sd"),
    ("flash --method sd --boot-images x", "--boot-images says nothing to --method sd"),
    ("flash --method usb --tftp-root x", "--tftp-root says nothing to --method usb"),
    ("flash --password-file -", "--password-file says nothing without --serial"),
    ("flash --serial /dev/null --password-file -", "there is no terminal"),
    # Files and folders that are none, or others.
    ("transcribe absent.wav", "the sound file absent.wav: there is no such file"),
    ("transcribe folder", "the sound file folder is a folder, and must be a file"),
    (f"transcribe {'x' * 5000}", "xxx...: there is no such file"),
    ("transcribe '\33[2J.wav'", "\\x1b[2J.wav: there is no such file"),
    ("bench --out a.wav", "--out a.wav is not a folder"),
    ("emulate --play absent.wav", "cannot read the sound file absent.wav: No such file"),
    ("emulate --play a.wav", "cannot read the sound file a.wav: "),
    ("test-on-device --image absent", "--image absent: there is no such folder"),
    ("test-on-device --machine qemuarm64 --packages folder", "--packages: folder has none of our packages"),
    ("test-on-device --machine sl1680 --serial absent", "--serial: there is no serial port absent"),
    ("test-on-device --machine sl1680 --serial a.wav", "--serial: a.wav is not a serial port"),
    ("test-on-device --machine sl1680 --host board --identity absent", "--identity absent: there is no such file"),
    ("release.sbom --out .", "--out . is a folder, and must be a file"),
    ("release.sbom --out a.wav/sbom.json", "a.wav is not a folder"),
    ("model.pack tiny.en-q8 --out folder", "--out folder is a folder, and must be a file"),
    ("model.pack tiny.en-q8 --out /dev/null", "--out /dev/null is no ordinary file"),
    ("model.pack tiny.en-q8 --out absent/a.w158", "there is no folder absent"),
    ("model.train absent.yml", "the configuration absent.yml: there is no such file"),
    ("model.costs absent", "the log absent/log.jsonl: there is no such file"),
    ("model.moved absent.pt absent.pt", "the checkpoint absent.pt: there is no such file"),
    ("model.export absent", "there is no training run absent"),
    ("model.export folder --out folder", "--out folder is a folder, and must be a file"),
    ("model.install .", "is a directory"),
    ("model.install absent.w158", "absent.w158: cannot be read: No such file or directory"),
    ("model.install not-utf8", "not-utf8"),
    ("model.pack ./absent --format q8", "nor an existing path"),
    ("model.evaluate tiny.en-q8 --sets not-utf8", "not-utf8:1: not a line of JSON"),
    ("model.evaluate tiny.en-q8 --out a.wav", "--out a.wav is not a folder"),
    ("model.evaluate ./not-a-model.w158", "not-a-model.w158: "),
    ("model.data.speak --out a.wav", "--out a.wav is not a folder"),
    ("model.data.speak --text absent", "cannot read the text absent: No such file"),
    ("model.data.speak --text not-utf8", "not-utf8 is not a text in UTF-8"),
    ("model.data.speak --against absent", "cannot read the manifest absent: No such file"),
    ("model.data.index absent", "the source absent: there is no such folder"),
    ("model.data.index folder --out folder", "--out folder is a folder, and must be a file"),
    ("model.data.label absent", "cannot read the manifest absent: No such file"),
    ("model.data.label a.jsonl --out a.jsonl", "--out: a.jsonl would be written, and is what is to be read"),
    ("model.data.split absent", "cannot read the manifest absent: No such file"),
    ("model.data.split a.jsonl --against absent", "cannot read the manifest absent: No such file"),
    ("model.data.split train.jsonl --out .", "train.jsonl would be written, and is what is to be read"),
    ("lab.run absent.yml", "the configuration absent.yml: there is no such file"),
    ("lab.report folder", "the configuration folder is a folder, and must be a file"),
    ("lab.pack absent.yml", "the configuration absent.yml: there is no such file"),
    ("lab.pack folder/lab.yml --cell 'gptq w4' --out folder", "--out folder is a folder, and must be a file"),
    ("flash --image absent", "there is no image folder absent"),
    ("flash --serial absent", "--serial: there is no serial port absent"),
    ("flash --serial /dev/null --password-file not-utf8", "--password-file not-utf8 cannot be read: it is not text"),
    ("flash --method usb-stick --out absent", "--out absent: there is no such folder"),
    ("flash --method sd --out folder", "--out folder is a folder, and must be a file"),
]

# Flags that have no line above, and why.
EXCUSED = {
    ("transcribe", "--language"): "which there are is the model's to say: the program judges it (test_cli_hostile.py)",
    ("emulate", "--say"): "any text can be said",
    (
        "lab.pack",
        "--cell",
    ): "which there are, the configuration says, and reading it takes PyTorch (test_lab_export.py)",
}


@pytest.fixture
def idle(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """In a folder of its own, with nothing to install, and where no other program may be run."""

    def work(command: Any, *_: Any, **__: Any) -> NoReturn:
        raise AssertionError(f"work began: {command}")

    monkeypatch.chdir(tmp_path)
    (tmp_path / "not-utf8").write_bytes(b"\xff\xfe\0\1" * 20)
    (tmp_path / "not-a-model.w158").write_bytes(b"no model" * 20)
    (tmp_path / "a.wav").touch()
    about = {"text": "Hello.", "seconds": 1, "licence": "MIT", "source": "made up"}
    clips = [json.dumps({"id": f"{n}", "file": f"{n}.wav", "speaker": f"{n}", **about}) for n in range(4)]
    for name in ("a.jsonl", "train.jsonl"):
        (tmp_path / name).write_text("\n".join(clips))
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "lab.yml").write_text("models: []\n")
    monkeypatch.setattr(needs, "debian", lambda *_: None)
    monkeypatch.setattr(needs, "python", lambda *_: None)
    monkeypatch.setattr(subprocess, "run", work)
    monkeypatch.setattr(subprocess.Popen, "__init__", work)


@pytest.mark.usefixtures("idle")
@pytest.mark.parametrize(("words", "said"), MISTAKES, ids=[words[:60] for words, _ in MISTAKES])
def test_a_mistake_is_a_sentence(words: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    inv = Inv(name="whisper158", binary="./inv", binary_names=["inv"])
    with pytest.raises(SystemExit) as caught:
        inv.run(["./inv", "--search-root", str(ROOT), *shlex.split(words)])
    told = capsys.readouterr()
    assert caught.value.code not in (None, 0)
    assert told.out == ""
    assert said in told.err
    assert told.err.startswith("inv: ") and told.err.count("\n") <= 2, told.err


@pytest.fixture(scope="module")
def verbs() -> list[ParserContext]:
    module, _ = FilesystemLoader(start=str(ROOT)).load("tasks")
    contexts: list[ParserContext] = Collection.from_module(module).to_contexts()
    return contexts


def test_every_flag_that_takes_a_value_is_mistaken(verbs: list[ParserContext]) -> None:
    """Who adds a verb or a flag adds a mistake to the table, or says why there can be none."""
    names = {name: verb for verb in verbs for name in (verb.name, *verb.aliases)}
    mistaken = set()
    for words, _ in MISTAKES:
        spelled = gather(shlex.split(words), verbs)
        if verb := names.get(spelled[0]):
            flags = [flag for word in spelled if (flag := word.partition("=")[0]) in verb.flags]
            mistaken |= {(str(verb.name), flag) for flag in flags[-1:]}
    known = {(str(verb.name), flag) for verb in verbs for flag, argument in verb.flags.items() if argument.takes_value}
    assert known - mistaken - set(EXCUSED) == set()
    assert set(EXCUSED) <= known - mistaken, "excused, and not there or mistaken after all"
