# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""The detector of speech: from Silero's file into the blob, and what the runtime makes of it next to ONNX Runtime."""

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from whisper158.build import runtime
from whisper158.data.audio import Floats, load
from whisper158.errors import UserError
from whisper158.evaluate.engine import VAD_FRAME, Detector
from whisper158.evaluate.sounds import Clip
from whisper158.model import blob, silero
from whisper158.model.golden import golden
from whisper158.model.onnx import initializers
from whisper158.model.pack import FORMATS, pack
from whisper158.paths import GOLDEN

CONTEXT = 64
CLOSE = 1e-5


# ------------------------------------------------------------------------------------------------------ files of ONNX


def varint(value: int) -> bytes:
    low = value & 0x7F
    return bytes([low | 0x80]) + varint(value >> 7) if value > 0x7F else bytes([low])


def field(number: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def tensor(name: str, array: Any, data_type: int = 1) -> bytes:
    shape = b"".join(field(1, extent) for extent in array.shape)
    return field(5, shape + field(2, data_type) + field(8, name.encode()) + field(9, array.tobytes()))


def onnx(graph: bytes) -> bytes:
    """With fields around the graph that a reader has to pass over: integers, bytes, 32 and 64 bits."""
    return field(1, 8) + field(2, b"who") + b"\x1d1234" + b"\x2112345678" + field(7, graph)


def test_tensors_of_an_onnx_file(tmp_path: Path) -> None:
    first, second = np.arange(300, dtype="<f4").reshape(3, 100), np.zeros(1, "<f4")
    (tmp_path / "a.onnx").write_bytes(
        onnx(tensor("first", first) + field(1, b"a node") + tensor("whole", np.arange(3), 7) + tensor("second", second))
    )
    read = initializers(tmp_path / "a.onnx")
    assert list(read) == ["first", "second"]
    assert np.array_equal(read["first"], first)
    assert np.array_equal(read["second"], second)


def test_an_onnx_tensor_of_another_size(tmp_path: Path) -> None:
    short = field(5, field(1, 4) + field(2, 1) + field(8, b"short") + field(9, b"1234"))
    (tmp_path / "a.onnx").write_bytes(onnx(short))
    with pytest.raises(UserError, match="tensor short has 4 bytes"):
        initializers(tmp_path / "a.onnx")


@given(cut=st.integers(0, 500), junk=st.binary(max_size=20))
def test_a_damaged_onnx_file_is_refused_or_read(
    tmp_path_factory: pytest.TempPathFactory, cut: int, junk: bytes
) -> None:
    path = tmp_path_factory.mktemp("onnx") / "a.onnx"
    path.write_bytes(onnx(tensor("a", np.arange(100, dtype="<f4")))[:cut] + junk)
    try:
        initializers(path)
    except UserError as error:
        assert "\n" not in error.message


# --------------------------------------------------------------------------------------------------- Silero's network


def made_up() -> dict[str, Any]:
    """The tensors that a file of Silero's has, with other numbers."""
    rng = np.random.default_rng(158)
    turns = np.outer(np.arange(129), np.arange(256)) / 256
    window = np.hanning(257)[:256]
    waves = np.concatenate([np.cos(2 * np.pi * turns), -np.sin(2 * np.pi * turns)]) * window
    shapes: dict[str, tuple[int, ...]] = {
        "decoder.rnn.weight_ih": (512, 128),
        "decoder.rnn.weight_hh": (512, 128),
        "decoder.rnn.bias_ih": (512,),
        "decoder.rnn.bias_hh": (512,),
        "decoder.decoder.2.weight": (1, 128, 1),
        "decoder.decoder.2.bias": (1,),
    }
    for i, (outputs, inputs, taps) in enumerate(silero.CONVOLUTIONS):
        shapes[f"encoder.{i}.reparam_conv.weight"] = (outputs, inputs, taps)
        shapes[f"encoder.{i}.reparam_conv.bias"] = (outputs,)
    tensors = {f"model.{name}": rng.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    return {**tensors, "model.stft.forward_basis_buffer": waves.astype(np.float32)[:, None]}


def test_weights_lie_as_the_document_says() -> None:
    tensors = made_up()
    sections = silero.arrange(tensors)
    conv = tensors["model.encoder.1.reparam_conv.weight"]
    assert sections["vad.conv2.weight"][2, 5, 7] == conv[7, 5, 2]
    assert sections["vad.lstm.hidden.weight"][3, 500] == tensors["model.decoder.rnn.weight_hh"][500, 3]
    assert all(array.dtype == "<f4" and array.flags.c_contiguous for array in sections.values())
    assert sum(array.size for array in sections.values()) == 243_073


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model.decoder.rnn.bias_ih": None}, "bias_ih is missing"),
        ({"model.decoder.rnn.bias_ih": np.zeros(511, np.float32)}, r"bias_ih is of shape \[511\]"),
        ({"model.stft.forward_basis_buffer": np.zeros((258, 1, 256), np.float32)}, "not the Fourier transform"),
    ],
)
def test_another_network_is_refused(change: dict[str, Any], words: str) -> None:
    tensors = {name: value for name, value in {**made_up(), **change}.items() if value is not None}
    with pytest.raises(UserError, match=words):
        silero.arrange(tensors)


def test_a_blob_with_a_detector(tmp_path: Path) -> None:
    detector = silero.Detector(silero.arrange(made_up()), {"vad_source": "made up"})
    pack(golden(), FORMATS["q8"], tmp_path / "with.w158", detector=detector)
    pack(golden(), FORMATS["q8"], tmp_path / "without.w158")
    read, plain = blob.read(tmp_path / "with.w158"), blob.read(tmp_path / "without.w158")
    assert set(read.sections) - set(plain.sections) == set(detector.sections)
    assert {name for name, section in read.sections.items() if section.optional} == set(detector.sections)
    assert "vad_source=made up\n" in read.text("provenance")
    with Detector(runtime.shared_library(), tmp_path / "with.w158") as listen:
        assert ((listen(np.zeros(2048, np.float32)) >= 0) & (listen(np.zeros(2048, np.float32)) <= 1)).all()


def test_a_blob_without_says_so() -> None:
    with pytest.raises(UserError, match=r"golden\.w158: the blob cannot tell speech"):
        Detector(runtime.shared_library(), GOLDEN)


@pytest.mark.parametrize(
    ("name", "array", "words"),
    [
        ("vad.out.bias", None, "lacks the section vad.out.bias"),
        ("vad.conv2.bias", np.zeros(65, np.float32), "section vad.conv2.bias has the shape 65, but its model needs 64"),
        ("vad.conv2.bias", np.zeros(64, np.uint32), "section vad.conv2.bias has the type u32, but must have f32"),
    ],
)
def test_a_blob_with_half_a_detector_is_refused(name: str, array: Any, words: str, tmp_path: Path) -> None:
    sections = {key: value for key, value in {**silero.arrange(made_up()), name: array}.items() if value is not None}
    pack(golden(), FORMATS["q8"], tmp_path / "a.w158", detector=silero.Detector(sections, {}))
    with pytest.raises(UserError, match=words):
        Detector(runtime.shared_library(), tmp_path / "a.w158")


def test_a_later_detector_may_have_more(tmp_path: Path) -> None:
    """Optional sections that nobody knows are passed over, these too."""
    sections = {**silero.arrange(made_up()), "vad.more": np.zeros(3, np.float32)}
    pack(golden(), FORMATS["q8"], tmp_path / "a.w158", detector=silero.Detector(sections, {}))
    Detector(runtime.shared_library(), tmp_path / "a.w158").close()


# ------------------------------------------------------------------------------------------------------- ONNX Runtime


@pytest.fixture(scope="session")
def listening(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Detector]:
    """The runtime with Silero's weights, in a blob whose Whisper is made up."""
    path = tmp_path_factory.mktemp("vad") / "a.w158"
    pack(golden(), FORMATS["q8"], path, detector=silero.load())
    with Detector(runtime.shared_library(), path) as detector:
        yield detector


def judged(sound: Floats) -> Floats:
    """What ONNX Runtime says, with the file that the weights were taken from."""
    onnxruntime = importlib.import_module("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(silero.file(), options, providers=["CPUExecutionProvider"])
    state, context, said = np.zeros((2, 1, 128), np.float32), np.zeros(CONTEXT, np.float32), []
    for frame in sound[: len(sound) // VAD_FRAME * VAD_FRAME].reshape(-1, VAD_FRAME):
        heard = np.concatenate([context, frame])[None]
        output, state = session.run(None, {"input": heard, "state": state, "sr": np.array(16000, np.int64)})
        said.append(output.item())
        context = frame[-CONTEXT:]
    return np.array(said, np.float32)


@pytest.mark.network
def test_real_speech_sounds_as_to_onnx_runtime(listening: Detector, sounds: tuple[Clip, ...]) -> None:
    pytest.importorskip("onnxruntime", reason="needs ./inv install speech")
    some = [clip for clip in sounds if clip.seconds > 2][::25]
    pause = np.zeros(8000, np.float32)
    sound = np.concatenate([part for clip in some for part in (load(clip.path), pause)])
    ours, theirs = listening(sound), judged(sound)
    assert np.abs(ours - theirs).max() < CLOSE
    assert (theirs > 0.9).mean() > 0.3
    assert (theirs < 0.1).mean() > 0.05


@pytest.mark.network
@pytest.mark.shared
def test_other_people_too(listening: Detector, shared_speech: Path) -> None:
    pytest.importorskip("onnxruntime", reason="needs ./inv install speech")
    files = sorted((shared_speech / "eval").rglob("*.flac"))[::20]
    sound = np.concatenate([load(path) for path in files])
    assert np.abs(listening(sound) - judged(sound)).max() < CLOSE


@pytest.mark.network
@pytest.mark.parametrize("level", [0, 1e-4, 1, 100])
def test_noise_of_any_level_too(listening: Detector, level: float) -> None:
    pytest.importorskip("onnxruntime", reason="needs ./inv install speech")
    noise = (np.random.default_rng(158).standard_normal(50 * VAD_FRAME) * level).astype(np.float32)
    assert np.abs(listening(noise) - judged(noise)).max() < CLOSE
