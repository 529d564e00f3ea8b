# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""That the gate on instructions finds what a Cortex-A73 lacks, and nothing else."""

from pathlib import Path

import pytest

from whisper158 import needs
from whisper158.build import armv8, runtime
from whisper158.errors import UserError
from whisper158.run import run

SOURCE = """
#include <arm_neon.h>

int32x4_t FUNCTION(int32x4_t sum, int8x16_t a, int8x16_t b) {
    return vdotq_s32(sum, a, b);
}
"""


@pytest.mark.parametrize(
    ("instruction", "extension"),
    [
        ("sdot v0.4s, v1.16b, v2.16b", "dot product"),
        ("udot v0.4s, v1.16b, v2.4b[1]", "dot product"),
        ("usdot v0.4s, v1.16b, v2.16b", "dot product"),
        ("smmla v0.4s, v1.16b, v2.16b", "matrix multiplication (i8mm)"),
        ("fmla v0.8h, v1.8h, v2.8h", "half-precision arithmetic"),
        ("fmla v0.8h, v1.8h, v2.h[3]", "half-precision arithmetic"),
        ("fadd h0, h1, h2", "half-precision arithmetic"),
        ("fmul v0.4h, v1.4h, v2.4h", "half-precision arithmetic"),
        ("scvtf v0.8h, v1.8h", "half-precision arithmetic"),
        ("fcvtzs w0, h1", "half-precision arithmetic"),
        ("fmov w0, h1", "half-precision arithmetic"),
        ("fmlal v0.4s, v1.4h, v2.4h", "half-precision multiplication (fhm)"),
        ("bfdot v0.4s, v1.8h, v2.8h", "bfloat16"),
        ("sqrdmlah v0.8h, v1.8h, v2.8h", "rounding multiplication (rdm)"),
        ("ldaddal w0, w1, [x2]", "large-system atomics"),
        ("casal x0, x1, [x2]", "large-system atomics"),
        ("ldapr w0, [x1]", "load-acquire with release consistency"),
        # What ARMv8.0 has
        ("fcvtl v0.4s, v1.4h", None),
        ("fcvtl2 v0.4s, v1.8h", None),
        ("fcvtn v0.4h, v1.4s", None),
        ("fcvt s0, h1", None),
        ("fcvt h0, s1", None),
        ("add v0.8h, v1.8h, v2.8h", None),
        ("smlal v0.4s, v1.4h, v2.h[1]", None),
        ("ldr h0, [x1]", None),
        ("dup v0.8h, v1.h[0]", None),
        ("fmla v0.4s, v1.4s, v2.s[0]", None),
        ("scvtf v0.4s, v1.4s", None),
        ("stadd_of_a_name x0", None),
        ("ldaxr w0, [x1]", None),
        ("cset w0, eq", None),
    ],
)
def test_extensions(instruction: str, extension: str | None) -> None:
    mnemonic, _, operands = instruction.partition(" ")
    assert armv8.extension_of(mnemonic, operands) == extension


@pytest.mark.parametrize(
    ("function", "guarded"),
    [
        ("gemm_dotprod", True),
        ("gemm_dotprod.constprop.0", True),
        ("__aarch64_ldadd4_acq_rel", True),
        ("gemm_dotprod_init", False),
        ("dotprod", False),
        ("gemm", False),
    ],
)
def test_guarded_functions_are_known_by_their_names(function: str, guarded: bool) -> None:
    assert armv8.is_guarded(function) == guarded


def library(folder: Path, function: str) -> Path:
    """A build for the board with a library and a program in which `function` uses the dot product."""
    needs.debian("cross")
    (folder / "src").mkdir()
    (folder / "cli").mkdir()
    source, file = folder / "dot.c", folder / "src" / "libwhisper158.so"
    source.write_text(SOURCE.replace("FUNCTION", function))
    gcc = ["aarch64-linux-gnu-gcc", "-O2", "-nostdlib", "-ffreestanding", "-march=armv8.2-a+dotprod"]
    run([*gcc, "-shared", "-fPIC", "-o", file, source])
    (folder / "cli" / "whisper158").write_bytes(file.read_bytes())
    return folder


@pytest.mark.parametrize("function", ["gemm_i8", "gemm_i8_dotprod"])
def test_an_offender_is_caught(function: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = library(tmp_path, function)
    monkeypatch.setattr(runtime, "build", lambda _: folder)
    if function.endswith("_dotprod"):
        armv8.check()
        return
    with pytest.raises(UserError, match=r"1 instructions .* lacks:\n  gemm_i8: sdot .*\(dot product\)"):
        armv8.check()


def test_a_stripped_library_is_not_passed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = library(tmp_path, "gemm_i8")
    run(["aarch64-linux-gnu-strip", "--strip-all", "--discard-all", folder / "src" / "libwhisper158.so"])
    monkeypatch.setattr(runtime, "build", lambda _: folder)
    with pytest.raises(UserError):
        armv8.check()
