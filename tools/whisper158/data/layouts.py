# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Recordings as others lay them out, told apart by what is in the folder: LibriSpeech, Common Voice, or just files."""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import soundfile

from whisper158 import flags
from whisper158.console import say, step
from whisper158.data import hub
from whisper158.data.manifest import Clip, write
from whisper158.errors import Usage, die

SUFFIXES = frozenset((".flac", ".wav", ".opus", ".ogg", ".mp3"))

# A text beside a recording is a sentence, not a book.
LONGEST_TEXT = 10_000


@dataclass(frozen=True)
class Recording:
    """What a layout says of a clip; how long it is, its file says."""

    id: str
    path: Path
    text: str | None
    speaker: str


def index(source: str, out: Path, licence: str, *, split: str, keep_text: bool) -> None:
    """Writes a manifest of what is in the folder `source`, or of the dataset hf:NAME, which is downloaded beside it.

    `licence` may be empty where the layout tells it. Without `keep_text` the clips have none, for a teacher to write:
    texts in capitals without punctuation are no models for anyone.
    """
    flags.out_file("--out", out, make_folder=True)
    for name, text in (("--licence", licence), ("--split", split)):
        flags.plain(name, text)
    if source.startswith(hub.PREFIX):
        clips: Iterable[Clip] = hub.download(source, split, out.parent, licence or _no_licence(source))
    else:
        folder = flags.folder("the source", source, f"name a folder, or a dataset as {hub.PREFIX}NAME")
        known, recordings = detect(folder, split)
        clips = measured(recordings, licence or known or _no_licence(source), folder.absolute().name)
    with step(f"Looking through {source}"):
        found = tuple(clip if keep_text else replace(clip, text=None) for clip in clips)
    if not found:
        die(f"there are no recordings in {source}", f"known are files that end in {', '.join(sorted(SUFFIXES))}")
    write(out, found)
    speakers, hours = len({clip.speaker for clip in found}), sum(clip.seconds for clip in found) / 3600
    say(f"{out}: {len(found)} clips, {speakers} speakers, {hours:.2f} h")


def _no_licence(source: str) -> str:
    die(f"nothing says by which licence {source} may be used", "say so: --licence CC-BY-4.0")


def detect(folder: Path, split: str) -> tuple[str, Iterator[Recording]]:
    """The licence of the layout of `folder` ("" where that follows from nothing) and the recordings in it."""
    if (folder / "clips").is_dir() and any(folder.glob("*.tsv")):
        return "CC0-1.0", common_voice(folder, split)
    if split:
        raise Usage(f"--split {split} says nothing of {folder}", "only Common Voice and datasets of the hub have parts")
    if transcripts := sorted(folder.rglob("*.trans.txt")):
        return "CC-BY-4.0", librispeech(transcripts)
    return "", files(folder)


def librispeech(transcripts: Iterable[Path]) -> Iterator[Recording]:
    """SPEAKER/CHAPTER/SPEAKER-CHAPTER.trans.txt has lines such as `103-1240-0000 CHAPTER ONE`."""
    for transcript in transcripts:
        for line in _text(transcript).splitlines():
            id, _, text = line.partition(" ")
            if id:
                yield Recording(id, transcript.parent / f"{id}.flac", text.strip().lower() or None, id.split("-")[0])


def common_voice(folder: Path, split: str) -> Iterator[Recording]:
    """SPLIT.tsv has a line for each file of clips/; the columns are named in its first."""
    tables = sorted(path.stem for path in folder.glob("*.tsv"))
    if (part := split or "validated") not in tables:
        die(f"there is no {part}.tsv in {folder}", f"--split is one of {', '.join(tables)}")
    table = folder / f"{part}.tsv"
    for row in csv.DictReader(_text(table).splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE):
        name, speaker = row.get("path"), row.get("client_id")
        if not name or not speaker or Path(name).name != name:
            die(f"{table}: there is a line without a path in clips/ or without a client_id")
        text = " ".join((row.get("sentence") or "").split())
        yield Recording(Path(name).stem, folder / "clips" / name, text or None, speaker)


def files(folder: Path) -> Iterator[Recording]:
    """Any sound files; words are in a file of the same name that ends in .txt, and folders are speakers."""
    for path in sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES):
        words = path.with_suffix(".txt")
        text = " ".join(_text(words).split()) if words.is_file() else ""
        inner = path.parent.relative_to(folder)
        speaker = inner.parts[0] if inner.parts else folder.absolute().name
        yield Recording(str(inner / path.stem), path, text or None, speaker)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        die(f"cannot read {path}: {error.strerror}")
    except UnicodeDecodeError:
        die(f"{path} is not a text in UTF-8")


def measured(recordings: Iterable[Recording], licence: str, source: str) -> Iterator[Clip]:
    """A clip for each recording that can be opened; how many cannot is said at the end."""
    unreadable: list[Path] = []
    for r in recordings:
        try:
            seconds = soundfile.info(r.path).duration
        except (soundfile.LibsndfileError, OSError):
            seconds = 0.0
        text = "".join(filter(str.isprintable, r.text))[:LONGEST_TEXT] if r.text else None
        if seconds > 0:
            yield Clip(r.id, r.path.absolute(), text or None, r.speaker, seconds, licence, source)
        else:
            unreadable.append(r.path)
    if unreadable:
        say(f"{len(unreadable)} files are missing, empty or no sound, such as {unreadable[0]}: they are left out")
