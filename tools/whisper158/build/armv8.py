# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Nothing that the board's processor lacks gets into the build for it.

A Cortex-A73 is an ARMv8.0: it has no dot product, no matrix multiplication of bytes and no arithmetic on 16-bit floats
(it does convert them). The emulator traps on those, but only where a test comes by; this looks at every instruction.
Functions for newer processors, which ask the processor before they are called, say so in their names.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from whisper158.build import runtime
from whisper158.errors import die
from whisper158.run import run

# How the names of functions end that only a processor which has them will run.
GUARDED = ("_dotprod",)
# libgcc's atomics choose between ARMv8.0 and ARMv8.1 themselves.
OWN_GUARD = "__aarch64_"

# Mnemonics that came with a later ARMv8, by what they are called there.
LATER = {
    "dot product": r"[su]dot|usdot|sudot",
    "matrix multiplication (i8mm)": r"[su]mmla|usmmla",
    "bfloat16": r"bf(dot|mmla|mlal[bt]|cvt\w*)",
    "half-precision multiplication (fhm)": r"fml[as]l2?",
    "rounding multiplication (rdm)": r"sqrdml[as]h",
    "complex arithmetic": r"fcmla|fcadd",
    "large-system atomics": r"((ld|st)(add|clr|eor|set|[su]max|[su]min)|swp|casp?)(al?|l)?[bh]?",
    "load-acquire with release consistency": r"ldapu?r\w*",
}
HALF = "half-precision arithmetic"

FUNCTION = re.compile(r"^[0-9a-f]+ <(.+)>:$")
INSTRUCTION = re.compile(r"^ +[0-9a-f]+:\t(\S+)(?:\t(.*))?$")
HALF_REGISTER = re.compile(r"\bv\d+\.[48]h\b|\bh\d+\b|\bv\d+\.h\[\d+\]")
# Between precisions: what ARMv8.0 does have for 16-bit floats.
CONVERSION = re.compile(r"fcvtx?[ln]2?|fcvt")


@dataclass(frozen=True)
class Offence:
    function: str
    instruction: str
    extension: str

    def __str__(self) -> str:
        return f"{self.function}: {self.instruction} ({self.extension})"


def check() -> None:
    """Looks through the library and the program for the board; an instruction that is not ARMv8.0's is a UserError."""
    folder = runtime.build(runtime.AARCH64)
    for file in (folder / "src" / "libwhisper158.so", folder / "cli" / "whisper158"):
        offences = list(offences_in(disassemble(file)))
        if offences:
            listed = "\n  ".join(map(str, offences[:10]))
            die(
                f"{file} has {len(offences)} instructions that a Cortex-A73 lacks:\n  {listed}",
                f"where the processor is asked first, the function's name must end in {' or '.join(GUARDED)}",
            )


def disassemble(file: Path) -> str:
    listing = run(["aarch64-linux-gnu-objdump", "--disassemble", "--no-show-raw-insn", file])
    if not any(map(FUNCTION.match, listing.splitlines())):
        die(f"{file} has no names of functions: it has been stripped")
    return listing


def offences_in(listing: str) -> Iterator[Offence]:
    """What objdump's `listing` has that ARMv8.0 has not, outside of guarded functions."""
    function = "?"
    for line in listing.splitlines():
        if heading := FUNCTION.match(line):
            function = heading[1]
        elif (found := INSTRUCTION.match(line)) and not is_guarded(function):
            mnemonic, operands = found[1], found[2] or ""
            if extension := extension_of(mnemonic, operands):
                yield Offence(function, " ".join(f"{mnemonic} {operands}".split()), extension)


def is_guarded(function: str) -> bool:
    """The compiler adds .constprop.0 and the like to names."""
    return function.partition(".")[0].endswith(GUARDED) or function.startswith(OWN_GUARD)


def extension_of(mnemonic: str, operands: str) -> str | None:
    """The extension of ARMv8 that an instruction belongs to; None for ARMv8.0's own."""
    for name, pattern in LATER.items():
        if re.fullmatch(pattern, mnemonic):
            return name
    is_float = mnemonic.startswith("f") or re.fullmatch(r"[su]cvtf", mnemonic)
    if is_float and HALF_REGISTER.search(operands) and not CONVERSION.fullmatch(mnemonic):
        return HALF
    return None
