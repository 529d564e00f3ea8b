# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""The verbs of `./inv`. What they do is done in tools/whisper158; here they only get their names and flags."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from invoke import Collection, Context, Exit, task

from whisper158 import check as checks
from whisper158 import flags, helptexts, needs
from whisper158.board import demo as demonstration
from whisper158.board import machine as machines
from whisper158.board import ontarget
from whisper158.board.flash import job as flash_jobs
from whisper158.board.flash import start as flashing
from whisper158.board.options import Options
from whisper158.build import image, layer, locks, pins, runtime
from whisper158.count import counting
from whisper158.daemon import soak as soaking
from whisper158.data import layouts, speak
from whisper158.data import split as splits
from whisper158.errors import die
from whisper158.evaluate.accuracy import evaluate
from whisper158.evaluate.bench import bench as benchmark
from whisper158.lab import start as laboratory
from whisper158.model import golden, models, shipped
from whisper158.paths import BUILD, GOLDEN
from whisper158.release import reproduce as reproducing
from whisper158.train import label as labels
from whisper158.train import start as training


def verb(**settings: Any) -> Callable[[Callable[..., None]], Any]:
    """Invoke's `task`, without the one-letter flags that it would make up."""
    return task(auto_shortflags=False, **settings)


@verb(
    positional=["files"],
    iterable=["files"],
    help={
        "files": "What to transcribe: WAV or FLAC of any rate, - for stdin. Needs no flag: transcribe FILE FILE...",
        "model": "A model's name (./inv model.list) or a .w158 file",
        "threads": "Threads to use (default: one for each processor, at most 4)",
        "language": "Code of the language that is spoken, such as en (default: detected)",
        "audio-context": "Frames of 20 ms that the encoder sees at a time, at most 1500; auto (default) or full",
        "translate": "Translate into English; needs a multilingual model",
        "timestamps": "Print when each segment was said",
        "json": "Print JSON",
        "srt": "Print SubRip subtitles",
        "vtt": "Print WebVTT subtitles",
    },
)
def transcribe(
    context: Context,
    files: list[str],
    model: str = models.DEFAULT,
    threads: str | None = None,
    language: str | None = None,
    audio_context: str | None = None,
    translate: bool = False,
    timestamps: bool = False,
    json: bool = False,
    srt: bool = False,
    vtt: bool = False,
) -> None:
    """Print what is said in sound files."""
    switches = {"translate": translate, "timestamps": timestamps, "json": json, "srt": srt, "vtt": vtt}
    values = {"threads": threads, "language": language, "audio-context": audio_context}
    options = runtime.options(files, values, switches)
    # Before the model is fetched, because that takes longer to be told that something is missing.
    needs.debian(*runtime.NATIVE.debian)
    if status := runtime.transcribe(models.ensure(model), files, options):
        raise Exit(code=status)


@verb(
    help={
        "models": "Which, with commas: tiny.en, base (real weights), tiny, base.en, small, small.en (made-up ones)",
        "peers": "Formats of whisper.cpp (F16, Q8_0, Q5_1, Q4_0) and of faster-whisper (int8), with commas; or none",
        "seconds": "How much audio",
        "tokens": "How many tokens of text, after a prompt of 4",
        "threads": "How many threads; with more numbers after a comma, ours are measured at those too",
        "repeat": "How many rounds",
        "out": "The folder for the results, and for what an interrupted run goes on from",
        "fresh": "Measure anew what lies in that folder",
    }
)
def bench(
    context: Context,
    models: str = "tiny.en,base,small",
    peers: str = "F16,Q8_0,Q5_1,Q4_0,int8",
    seconds: str = "9",
    tokens: str = "30",
    threads: str = "1",
    repeat: str = "3",
    out: str = "build/bench",
    fresh: bool = False,
) -> None:
    """Measure time and memory of our models beside whisper.cpp and faster-whisper."""
    benchmark.bench(benchmark.plan(models, peers, seconds, tokens, threads, repeat, out, fresh))


@verb(
    help={
        "k": "Only Python tests whose names match this expression, and nothing else",
        "fast": "Leave out what takes more than half a minute",
    }
)
def test(context: Context, k: str = "", fast: bool = False) -> None:
    """Run every check there is; ends with a count."""
    if not checks.test(expression=k, fast=fast):
        raise Exit(code=1)


@verb()
def check(context: Context) -> None:
    """Check style, types, licences and spelling."""
    if not checks.check():
        raise Exit(code=1)


@verb()
def help_texts(context: Context) -> None:
    """Write anew the help texts that tests compare with."""
    needs.debian(*runtime.NATIVE.debian)
    helptexts.write()


@verb(
    positional=["group"],
    help={
        "group": "dev, torch, oracle (OpenAI's Whisper), opinions, bench, speech, train, evaluate, moonshine, "
        "transformers, image, board, layer, release"
    },
)
def install(context: Context, group: str = "") -> None:
    """Install an optional group of Python packages into .venv."""
    needs.python(group)


@verb(
    name="test-on-device",
    help={
        "machine": "emulator (no hardware, no Yocto), qemuarm64 (what kas built, in QEMU), sl1680 (a board)",
        "k": "Only tests whose names match this expression",
        "fast": "Leave out what takes long",
        "careful": "Leave out what does harm for a while: killing, filling the disk, cutting the power",
        "soak": "Then also speak for so many minutes: nothing may be missed, and its memory must not grow",
        **Options.HELP,
    },
)
def test_on_device(
    context: Context,
    machine: str = "emulator",
    k: str = "",
    fast: bool = False,
    careful: bool = False,
    image: str = "",
    model: str = "",
    serial: str = "",
    host: str = "",
    user: str = "",
    identity: str = "",
    host_key: str = "",
    power_command: str = "",
    audio: str = "",
    packages: str = "",
    soak: str = "",
) -> None:
    """Test a machine that has booted our image; the report lies in build/test-on-device."""
    options = Options(image, model, serial, host, user, identity, host_key, power_command, audio, packages)
    if not ontarget.test_on_device(machines.find(machine), options, k, fast, careful, soak):
        raise Exit(code=1)


@verb(help={"model": "A model's name (./inv model.list) or a .w158 file"})
def demo(context: Context, model: str = models.DEFAULT) -> None:
    """See it work without a board: build an image, boot it in QEMU, and speak into its microphone."""
    demonstration.demo(model)


@verb(help={"upgrade": "Move to the newest versions that pyproject.toml allows"})
def lock(context: Context, upgrade: bool = False) -> None:
    """Write requirements/*.lock anew from pyproject.toml."""
    needs.python("dev")
    locks.lock(upgrade)


@verb(
    iterable=["with_"],
    help={
        "machine": "sl1680, qemuarm64, or emulator, which needs no Yocto",
        "with": "An option of kas/opt, such as debug; may be given again, or several with commas",
        "model": "A model's name (./inv model.list) or a .w158 file",
        "accept-eula": "Accept Synaptics' End User License Agreement, which the SL1680 needs",
        "container": "Build in kas's container, by docker or podman",
        "native": "Build on this machine itself (default)",
        "force": "Build although the disk or the memory may not suffice",
        "dry-run": "Check everything, and print the command instead of running it",
    },
)
def build_image(
    context: Context,
    machine: str = "",
    with_: list[str] | None = None,
    model: str = models.DEFAULT,
    accept_eula: bool = False,
    container: bool = False,
    native: bool = False,
    force: bool = False,
    dry_run: bool = False,
) -> None:
    """Build an image for a machine; what was interrupted goes on where it was."""
    image.build(image.request(machine, with_ or [], model, accept_eula, container, native, force, dry_run))


@verb(
    help={
        "model": "A model's name (./inv model.list) or a .w158 file",
        "say": "Have a synthetic voice say this text into its microphone",
        "play": "Play this sound file into its microphone",
        "snapshot": "Go on from a machine that has booted; the first time, it is booted and kept",
        "ssh": "The port on 127.0.0.1 that leads to its shell (default: one that is free)",
        "wyoming": "The port on 127.0.0.1 that leads to Wyoming's (default: one that is free)",
        "qemu": "Another QEMU: a program (default: qemu-system-aarch64)",
    }
)
def emulate(
    context: Context,
    model: str = models.DEFAULT,
    say: str = "",
    play: str = "",
    snapshot: bool = False,
    ssh: str = "0",
    wyoming: str = "0",
    qemu: str = "",
) -> None:
    """Boot a board without a board: an emulated one, with its console here."""
    needs.python("board")
    from whisper158.board import emulate as emulating

    if status := emulating.emulate(emulating.job(model, say, play, snapshot, ssh, wyoming, qemu)):
        raise Exit(code=status)


@verb(name="lock", help={"update": "Pin anew what is pinned already, where its branch has moved"})
def kas_lock(context: Context, update: bool = False) -> None:
    """Write down which commits of the layers images are built of (kas/**/*.lock.yml)."""
    pins.lock(update)


@verb(name="sbom", help={"out": "The file to write (default: whisper158-VERSION.cdx.json in build/release)"})
def release_sbom(context: Context, out: str = "") -> None:
    """Write the bill of materials: what a release holds, by whom, under which licence (CycloneDX)."""
    path = Path(out or BUILD / "release" / f"whisper158-{layer.version()}.cdx.json")
    flags.out_file("--out", path, make_folder=True)
    needs.python("release")
    from whisper158.release import sbom

    sbom.write(path)
    print(path)


@verb(
    name="reproduce",
    iterable=["model"],
    help={"model": "Pack this one twice too (./inv model.list); may be given again"},
)
def release_reproduce(context: Context, model: list[str]) -> None:
    """Make runtime and models twice, in other folders and at another time: the bytes must be the same."""
    reproducing.reproduce(model)


@verb(name="build")
def runtime_build(context: Context) -> None:
    """Build the runtime for this machine."""
    print(runtime.program())


@verb(name="test", help={"races": "Under ThreadSanitizer instead, which takes minutes longer"})
def runtime_test(context: Context, races: bool = False) -> None:
    """Run the runtime's tests under AddressSanitizer and UBSan."""
    runtime.test(runtime.TSAN if races else runtime.ASAN)


@verb(name="cross")
def runtime_cross(context: Context) -> None:
    """Build the runtime for the board's processor and run its tests in QEMU."""
    runtime.test(runtime.AARCH64)


@verb(name="fuzz", help={"seconds": "How long, for each fuzzer"})
def runtime_fuzz(context: Context, seconds: str = "60") -> None:
    """Look for inputs that break the runtime."""
    runtime.fuzz(f"-max_total_time={flags.whole('--seconds', seconds, 1, 31 * 86400)}")


@verb(
    name="count",
    help={
        "update": "Make what is counted now the baselines",
        "opinions": "Ask llvm-mca and OSACA about the innermost loops too",
        "model": "Count this model (a name or a .w158 file) instead, and say in which functions",
        "frames": f"With --model, frames of 20 ms that it listens to (default: {counting.FRAMES})",
    },
)
def runtime_count(
    context: Context, update: bool = False, opinions: bool = False, model: str = "", frames: str = str(counting.FRAMES)
) -> None:
    """Count the instructions of every kernel on the board's processor, and compare with the baselines."""
    flags.alone("--model", model, {"--update": update, "--opinions": opinions}, "they are about the kernels")
    if model:
        counting.count_one_model(model, frames)
    elif frames != str(counting.FRAMES):
        die(f"--frames {frames} says nothing without --model", "./inv runtime.count --model tiny.en-q8 --frames 450")
    else:
        counting.count(update, ask=opinions)


@verb(
    name="board",
    default=True,
    help={
        "image": "The image's folder (default: what ./inv build-image has made); with sd also a card's image",
        "method": f"How: {', '.join(flash_jobs.METHODS)} (only asks the board what it runs)",
        "serial": "The board's serial console, such as /dev/ttyUSB0, which then confirms what runs",
        "password-file": "A file whose first line is root's password, where the image has one; - asks for it",
        "tool": "Synaptics' astra-update, or the folder that has it",
        "boot-images": "The folder astra-usbboot-images that came with it",
        "port": "Where the board is plugged in, if there are several: such as 1-2",
        "wait": f"Seconds that you may take to put the board into USB boot mode (default: {flash_jobs.WAIT:g})",
        "disk": "With sd, the card: such as /dev/sdb",
        "out": "With sd, a file for the card's image; with usb-stick, where the stick is mounted",
        "server": "With tftp, the server's address (default: this computer's)",
        "tftp-root": f"With tftp, the server's folder (default: {flash_jobs.TFTP_ROOT})",
        "full": "With tftp or usb-stick, write the boot partitions too, as a release image wants it the first time",
        "yes": "Ask nothing",
        "dry-run": "Show every command and step, and touch nothing",
    },
)
def flash_board(
    context: Context,
    image: str = "",
    method: str = "usb",
    serial: str = "",
    password_file: str = "",
    tool: str = "",
    boot_images: str = "",
    port: str = "",
    wait: str = "",
    disk: str = "",
    out: str = "",
    server: str = "",
    tftp_root: str = "",
    full: bool = False,
    yes: bool = False,
    dry_run: bool = False,
) -> None:
    """Check an image, write it onto the board, and have the board say what it then runs."""
    flashing.start(
        flash_jobs.job(
            image=image,
            method=method,
            serial=serial,
            password_file=password_file,
            tool=tool,
            boot_images=boot_images,
            port=port,
            wait=wait,
            disk=disk,
            out=out,
            server=server,
            tftp_root=tftp_root,
            full=full,
            yes=yes,
            dry_run=dry_run,
        )
    )


@verb(name="udev", help={"dry-run": "Show what would be written"})
def flash_udev(context: Context, dry_run: bool = False) -> None:
    """Let everybody at this computer use a board in USB boot mode."""
    flashing.install_udev(dry_run)


@verb(name="list")
def model_list(context: Context) -> None:
    """Show the models and what is known of each."""
    models.show()


@verb(
    name="pack",
    positional=["model"],
    help={
        "model": "A name such as tiny.en-q8; with --format, a checkpoint: its name, folder or file",
        "format": "Weight format",
        "out": "The file to write (default: NAME-FORMAT.w158 here)",
        "vad": "Add what hears where somebody speaks, which the daemon needs (1 MB)",
    },
)
def model_pack(context: Context, model: str = "", format: str = "", out: str = "", vad: bool = True) -> None:
    """Pack a checkpoint into a .w158 file."""
    model = model or die("model.pack needs a model", "./inv model.pack tiny.en-q8")
    print(models.pack_to(model, format, out, vad))


@verb(
    name="train",
    positional=["config"],
    help={
        "config": "What to train, and how: configs/*.yml",
        "resume": "Go on from the run's last checkpoint",
        "steps": "Stop after so many steps, with a checkpoint",
        "dry-run": "Measure what it would cost here, with made-up weights and speech, and keep nothing",
        "frames": "Of a dry run: the frames (20 ms) in a batch, where the configuration's do not fit into memory",
    },
)
def model_train(
    context: Context,
    config: str = "",
    resume: bool = False,
    steps: str | None = None,
    dry_run: bool = False,
    frames: str | None = None,
) -> None:
    """Train a ternary model, or go on training it."""
    if not config:
        die("train needs a configuration", "./inv model.train configs/tiny.en-cpu.yml")
    if status := training.start(Path(config), resume, steps, dry_run, frames):
        raise Exit(code=status)


@verb(name="costs", positional=["run"], help={"run": "The folder of a training run; needs no flag: model.costs FOLDER"})
def model_costs(context: Context, run: str = "") -> None:
    """Show what a training run has cost, stage by stage."""
    print(training.costs(run or die("model.costs needs the folder of a training run", "./inv model.costs FOLDER")))


@verb(
    name="moved",
    positional=["before", "after"],
    help={
        "before": "A checkpoint (.pt) of a training run; needs no flag: model.moved BEFORE AFTER",
        "after": "A later one",
    },
)
def model_moved(context: Context, before: str = "", after: str = "") -> None:
    """Show how many ternary codes have changed from one checkpoint to another."""
    if not (before and after):
        die("model.moved needs two checkpoints", "./inv model.moved RUN/one.pt RUN/another.pt")
    print(training.moved(before, after))


@verb(
    name="export",
    positional=["run"],
    help={
        "run": "The folder of a training run, or one of its checkpoints (.pt)",
        "out": "The file to write (default: NAME.w158 here)",
        "name": "What the model is to be called",
    },
)
def model_export(context: Context, run: str = "", out: str = "", name: str = "") -> None:
    """Pack what a training run has learnt into a .w158 file."""
    run = run or die("model.export needs the folder of a training run, or a checkpoint", "./inv model.export FOLDER")
    print(training.export(run, out, name))


@verb(name="install", positional=["file"], help={"file": "The .w158 file; needs no flag: model.install FILE"})
def model_install(context: Context, file: str = "") -> None:
    """Make a model the layer's own, compressed, under the name that its provenance gives it."""
    print(shipped.install(file or die("model.install needs a .w158 file", "./inv model.install FILE")))


@verb(name="uninstall", positional=["name"], help={"name": "The model's name: model.uninstall NAME"})
def model_uninstall(context: Context, name: str = "") -> None:
    """Take a model out of the layer."""
    shipped.remove(name or die("model.uninstall needs the name of a model", "./inv model.uninstall NAME"))


@verb(
    name="evaluate",
    positional=["models"],
    iterable=["models"],
    help={
        "models": "Names or .w158 files; the others are compared with the first. Needs no flag: MODEL MODEL...",
        "sets": "Names or manifests of recordings, silence, noise, with commas (default: all that are here)",
        "audio-context": "With commas: auto, full, fit (to the audio, ready for that or not), frames of 20 ms",
        "through": "runtime, pytorch, or both, to see whether they agree; all: how well they can be expected to",
        "clips": "Only so many of each set, from its beginning (default: all)",
        "threads": "Threads to use",
        "out": "The folder for the results, and for what need not be heard again",
    },
)
def model_evaluate(
    context: Context,
    models: list[str],
    sets: str = "",
    audio_context: str = "auto",
    through: str = "runtime",
    clips: str = "0",
    threads: str = "1",
    out: str = "build/evaluate",
) -> None:
    """Measure word error rates, and words where nobody speaks."""
    plan = evaluate.plan(models, sets, audio_context, through, clips, threads, out)
    evaluate.evaluate(evaluate.judged(plan))


@verb(name="golden")
def model_golden(context: Context) -> None:
    """Write anew the model file that ties the blob's writer to its reader."""
    golden.write_golden(GOLDEN)


@verb(
    name="speak",
    iterable=["text", "against"],
    help={
        "out": "The folder for the speech, and for what an interrupted run goes on from",
        "text": "A file with a sentence a line; may be given again (default: Jane Austen, and ../shared/speech/text)",
        "against": "An evaluation manifest whose texts are not to be spoken (default: those of ../shared/speech/eval)",
        "engines": "Which, with commas: kokoro, piper, flite",
        "hours": "How much speech, roughly",
        "processes": "How many at a time, each on one processor",
        "seed": "Another one makes another plan: who reads what, and how",
    },
)
def data_speak(
    context: Context,
    out: str = "",
    text: list[str] | None = None,
    against: list[str] | None = None,
    engines: str = "kokoro,piper,flite",
    hours: str = "10",
    processes: str = "1",
    seed: int = 158,
) -> None:
    """Have synthetic voices read texts aloud, to train on."""
    speak.speak(speak.job(out, text or [], against or [], engines, hours, processes, seed))


@verb(
    name="index",
    positional=["source"],
    help={
        "source": "A folder (LibriSpeech, Common Voice, or any sound files), or a dataset of Hugging Face as hf:NAME",
        "out": "The manifest to write",
        "licence": "By which licence it may be used, unless the layout tells",
        "split": "Of Common Voice or Hugging Face, the part to take (default: validated, train)",
        "no-text": "Leave out the texts, for model.data.label to write them with case and punctuation",
    },
)
def data_index(
    context: Context,
    source: str = "",
    out: str = "manifest.jsonl",
    licence: str = "",
    split: str = "",
    no_text: bool = False,
) -> None:
    """Write a manifest of recordings."""
    source = source or die("model.data.index needs a folder or a dataset", "./inv model.data.index FOLDER")
    layouts.index(source, Path(out), licence, split=split, keep_text=not no_text)


@verb(
    name="label",
    positional=["manifests"],
    iterable=["manifests"],
    help={
        "manifests": "Manifests of recordings; needs no flag: model.data.label FILE FILE...",
        "out": "The manifest to write; an interrupted run goes on from it",
        "model": "The teacher: a float model's name, or a .w158 file; through pytorch, a checkpoint such as base",
        "through": "runtime, or pytorch, which hears many clips at a time: faster, and on a GPU much faster",
        "agree": "Replace texts too, where the model's is at most so many percent wrong by them; drop the other clips",
    },
)
def data_label(
    context: Context,
    manifests: list[str],
    out: str = "labelled.jsonl",
    model: str = "base-f16",
    through: str = "runtime",
    agree: str = "",
) -> None:
    """Have a float model write down what is said in recordings without a text."""
    labels.check_model(model, through)
    labels.label([Path(name) for name in manifests], Path(out), model, through, agree)


@verb(
    name="align",
    positional=["manifests"],
    iterable=["manifests"],
    help={
        "manifests": "Manifests of recordings with texts; needs no flag: model.data.align FILE FILE...",
        "model": "The float checkpoint that listens, such as tiny.en",
        "memory": "A folder as in a training configuration's `memory`, for what the model's encoder makes of clips",
    },
)
def data_align(context: Context, manifests: list[str], model: str = "tiny.en", memory: str = "") -> None:
    """Find when each word of recordings is said, so that training may cut between them."""
    training.align([Path(name) for name in manifests], model, memory)


@verb(
    name="split",
    positional=["manifests"],
    iterable=["manifests", "against"],
    help={
        "manifests": "Manifests; needs no flag: model.data.split FILE FILE...",
        "out": "The folder for train.jsonl, dev.jsonl and test.jsonl",
        "dev": "Share of the speakers",
        "test": "Share of the speakers",
        "seed": "Another one chooses other speakers",
        "against": "An evaluation manifest, none of whose speakers and texts may be in train.jsonl; may be given again",
    },
)
def data_split(
    context: Context,
    manifests: list[str],
    against: list[str],
    out: str = ".",
    dev: str = "0.05",
    test: str = "0.05",
    seed: int = 158,
) -> None:
    """Split manifests by speaker into train, dev and test."""
    splits.split_files(splits.job(manifests, out, dev, test, seed, against))


@verb(
    name="soak",
    help={"minutes": "How long, in real time", "model": "A model's name (./inv model.list) or a .w158 file"},
)
def daemon_soak(context: Context, minutes: str = "60", model: str = models.DEFAULT) -> None:
    """Speak to whisper158d for an hour: nothing may be missed, and its memory must not grow."""
    soaking.soak(minutes, model)


@verb(
    name="run",
    positional=["config"],
    help={
        "config": "A file such as configs/lab/tiny.en.yml: lab.run FILE",
        "processes": "How many cells are made at a time, each in one thread",
        "ray": "The address of a Ray cluster that makes them instead: auto, HOST:PORT or ray://HOST:PORT",
    },
)
def lab_run(context: Context, config: str = "", processes: str = "1", ray: str = "") -> None:
    """Quantise models without training, by many methods to many formats, and hear what they say."""
    laboratory.run(Path(config or die("lab.run needs a file", "./inv lab.run configs/lab/tiny.en.yml")), processes, ray)


@verb(name="report", positional=["config"], help={"config": "The file that lab.run was given: lab.report FILE"})
def lab_report(context: Context, config: str = "") -> None:
    """Write what lab.run found as tables and pictures."""
    laboratory.report(Path(config or die("lab.report needs a file", "./inv lab.report configs/lab/tiny.en.yml")))


@verb(
    name="pack",
    positional=["config"],
    help={
        "config": "The file that lab.run was given: lab.pack FILE",
        "cell": "Which of its cells, as lab.run says it, such as 'gptq w4g64 a16'",
        "out": "The model file (default: the cell's name and .w158, here)",
    },
)
def lab_pack(context: Context, config: str = "", cell: str = "", out: str = "") -> None:
    """Pack what a method makes of a model, for the runtime."""
    laboratory.pack(Path(config or die("lab.pack needs a file", "./inv lab.pack configs/lab/tiny.en.yml")), cell, out)


namespace = Collection(
    demo,
    transcribe,
    bench,
    test,
    check,
    help_texts,
    test_on_device,
    install,
    lock,
    build_image,
    emulate,
    kas=Collection(kas_lock),
    flash=Collection(flash_board, flash_udev),
    runtime=Collection(runtime_build, runtime_test, runtime_cross, runtime_fuzz, runtime_count),
    daemon=Collection(daemon_soak),
    release=Collection(release_sbom, release_reproduce),
    lab=Collection(lab_run, lab_report, lab_pack),
    model=Collection(
        model_list,
        model_pack,
        model_train,
        model_costs,
        model_moved,
        model_export,
        model_install,
        model_uninstall,
        model_evaluate,
        model_golden,
        data=Collection(data_speak, data_index, data_label, data_align, data_split),
    ),
)
