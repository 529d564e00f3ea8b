# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Counting instructions: that the counter counts, and what is made of its numbers."""

import importlib.util
import re
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whisper158 import needs
from whisper158.build import runtime, sysroot
from whisper158.count import assembly, baselines, cost, counting, emulate, loops, opinions, report, rows
from whisper158.count.baselines import Baselines
from whisper158.count.profile import Block, Profile, Region, parse
from whisper158.errors import UserError
from whisper158.model import models
from whisper158.paths import RUNTIME
from whisper158.run import CommandError, run

# Two instructions a round, 1000 rounds in region 2 and 3000 in region 3; nothing in region 1.
PROGRAM = r"""
#include "region.h"

__attribute__((noinline)) static void go_round(long n) {
    __asm__ volatile("1: subs %0, %0, #1\n\tb.ne 1b" : "+r"(n) : : "cc");
}

int main(void) {
    long rounds[] = {1000, 3000};

    __asm__ volatile("" : : "r"(rounds) : "memory");
    region(2);
    go_round(rounds[0]);
    region(3);
    go_round(rounds[1]);
    region(0);
    return 0;
}
"""

THREADS = """
#include <pthread.h>

static void *nothing(void *p) { return p; }

int main(void) {
    pthread_t thread;

    return pthread_create(&thread, 0, nothing, 0) || pthread_join(thread, 0);
}
"""

SUBS, B_NE = 0xF1000400, 0x54FFFFE1  # subs x0, x0, #1; b.ne to the instruction before


def compiled(source: str, folder: Path) -> Path:
    needs.debian("cross")
    file, program = folder / "program.c", folder / "program"
    file.write_text(source)
    flags = [f"--sysroot={sysroot.sysroot()}", "-O2", "-pthread", f"-I{RUNTIME / 'tests' / 'count'}"]
    run(["aarch64-linux-gnu-gcc", *flags, "-o", program, file])
    return program


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled(PROGRAM, tmp_path_factory.mktemp("count"))


# ------------------------------------------------------------------------------------------------------------ counting


def test_counts_are_exact_and_the_same_every_time(program: Path) -> None:
    first, second = (emulate.execute(program).profile for _ in range(2))
    assert first.regions == second.regions
    # What stands around the loop is in both regions.
    assert first.regions[3].instructions - first.regions[2].instructions == 2 * 2000
    assert 2 * 1000 < first.regions[2].instructions < 2 * 1000 + 60


def test_the_loop_and_the_function_are_found(program: Path) -> None:
    profile = emulate.execute(program).profile
    loop = loops.hottest(profile.regions[3], assembly.texts(profile.words()))
    assert loop
    assert [line.split()[0] for line in loop.lines] == ["subs", "b.ne"]
    assert loop.iterations == 3000
    function, instructions = next(iter(assembly.by_function(profile, profile.regions[3]).items()))
    assert function == "go_round"
    assert 6000 <= instructions <= 6002


def test_threads_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="had 2 threads"):
        emulate.execute(compiled(THREADS, tmp_path))


def test_a_program_that_fails_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="failed with status 3"):
        emulate.execute(compiled("int main(void) { return 3; }", tmp_path))


def test_a_qemu_with_another_interface_is_explained() -> None:
    error = CommandError("qemu-aarch64 failed", "plugin.so: plugin requires API version 1, but minimum is 2")
    assert "made for QEMU 7.2" in str(emulate.explained(error))
    other = CommandError("qemu-aarch64 failed", "no such file")
    assert emulate.explained(other) is other


# ------------------------------------------------------------------------------------------------------------- reading


def test_what_the_plugin_wrote_is_read() -> None:
    counts = ["count 2 0 10", "count 3 0 5", "count 3 1 1", "threads 1", "map 1000 2000 0 /a file"]
    profile = parse([*counts, f"block 1000 {SUBS:x}", f"block 1004 {B_NE:x} {SUBS:x}"])
    assert {number: region.instructions for number, region in profile.regions.items()} == {2: 10, 3: 7}
    assert profile.regions[3].by_address() == {0x1000: (SUBS, 5), 0x1004: (B_NE, 1), 0x1008: (SUBS, 1)}
    assert profile.mappings[0].path == "/a file"
    assert profile.words() == {SUBS, B_NE}


def test_counts_without_an_end_are_refused() -> None:
    with pytest.raises(UserError, match="had 0 threads"):
        parse(["count 2 0 10", f"block 1000 {SUBS:x}"])


def test_rows_are_free_of_the_call() -> None:
    call, body = Block(0, (SUBS,)), Block(8, (SUBS, B_NE))
    regions = {1: Region({call: 3}), 2: Region({call: 3, body: 100})}
    texts = {SUBS: "subs x0, x0, #0x1", B_NE: "b.ne 0x4"}
    (row,) = rows.read("1 nothing - - 0\n2 gelu - 768 400\n", Profile(regions, ()), texts)
    assert (row.name, row.work, row.instructions) == ("gelu 768", 400, 200)
    assert row.cycles.wide == 100
    assert row.loop == loops.Loop(("subs x0, x0, #0x1", "b.ne 0x4"), 100)
    with pytest.raises(UserError, match="nothing was counted of gelu"):
        rows.read("3 gelu - 768 400\n", Profile(regions, ()), texts)


@given(st.integers(-(2**18), 2**18 - 1).filter(bool), st.integers(0, 15))
def test_branches_are_followed(offset: int, condition: int) -> None:
    word = 0x54000000 | (offset & 0x7FFFF) << 5 | condition
    assert assembly.branch_target(2**30, word) == 2**30 + 4 * offset


def test_other_instructions_are_no_branches() -> None:
    ret, bl = 0xD65F03C0, 0x97FFFFFF
    assert [assembly.branch_target(64, word) for word in (SUBS, ret, bl)] == [None, None, None]
    cbnz, tbz, b = 0xB5FFFFE0, 0x3607FFE0, 0x17FFFFFF
    assert [assembly.branch_target(64, word) for word in (cbnz, tbz, b)] == [60, 60, 60]


def test_of_nested_loops_the_inner_one_counts() -> None:
    outer_branch = 0x54FFFFA1  # three instructions back
    executed = Region({Block(0, (SUBS,)): 10, Block(4, (SUBS, B_NE)): 1000, Block(12, (outer_branch,)): 10})
    loop = loops.hottest(executed, {SUBS: "subs", B_NE: "inner", outer_branch: "outer"})
    assert loop == loops.Loop(("subs", "inner"), 1000)
    assert loops.hottest(Region({Block(0, (SUBS,)): 10}), {SUBS: "subs"}) is None


def test_a_byway_is_not_part_of_the_loop() -> None:
    executed = {0: (SUBS, 100), 4: (1, 10), 8: (B_NE, 100)}
    loop = loops.loop_at(executed, 0, 8, {SUBS: "subs", 1: "rare", B_NE: "b.ne"})
    assert loop == loops.Loop(("subs", "b.ne"), 100)


# ---------------------------------------------------------------------------------------------------------------- cost


@pytest.mark.parametrize(
    ("text", "wide", "narrow"),
    [
        ("add x0, x1, x2", {"integer": 1}, {}),
        ("and x2, x3, x4, lsr #11", {"integer": 1, "multi": 1}, {}),
        ("add x0, x1, w2, sxtw #4", {"integer": 1, "multi": 1}, {}),
        ("mov x0, #0x10000", {"integer": 1}, {}),
        ("madd x0, x1, x2, x3", {"integer": 1, "multi": 1}, {}),
        ("b.ne 0x40", {"branch": 1}, {}),
        ("ldr x0, [x1, #8]", {"memory": 1}, {}),
        ("ldr x0, [x1], #8", {"memory": 1, "integer": 1}, {}),
        ("ldr x0, [x1, x2, lsl #3]", {"memory": 1, "integer": 1}, {}),
        ("ldp x0, x1, [sp, #16]", {"memory": 1}, {}),
        ("ldr q0, [x1, x2]", {"memory": 1}, {"memory": 2}),
        ("ldr d0, [x1]", {"memory": 1}, {}),
        ("ldr q0, [x2, #32]!", {"memory": 1, "integer": 1}, {"memory": 2, "integer": 1}),
        ("ld1 {v0.4h, v1.4h}, [x0]", {"memory": 2}, {"decode": 2, "memory": 2}),
        ("ld1r {v0.4s}, [x0]", {"memory": 1, "vector": 1}, {"memory": 2, "vector": 2}),
        ("st1 {v0.s}[1], [x0]", {"memory": 1, "vector": 1}, {}),
        ("add v0.8h, v1.8h, v2.8h", {"vector": 1}, {"vector": 2}),
        ("add v0.4h, v1.4h, v2.4h", {"vector": 1}, {}),
        ("saddw2 v0.4s, v1.4s, v2.8h", {"vector": 1}, {"vector": 2}),
        ("fmla v0.4s, v1.4s, v2.s[0]", {"vector": 2}, {}),
        ("fmla v0.2s, v1.2s, v2.2s", {"vector": 1}, {}),
        ("fmul s0, s1, s2", {"vector": 1}, {}),
        ("smlal v0.8h, v1.8b, v2.8b", {"vector": 1, "multiply": 1}, {"vector": 2, "multiply": 2}),
        ("mul v0.8h, v1.8h, v2.8h", {"vector": 2, "multiply": 2}, {}),
        ("ushr v0.16b, v1.16b, #6", {"vector": 1}, {"vector": 2}),
        ("sadalp v0.4s, v1.8h", {"vector": 1, "shift": 1}, {"vector": 2, "shift": 2}),
        ("fdiv v0.4s, v1.4s, v2.4s", {"vector": 2, "multiply": 8}, {}),
        ("dup v0.4s, w1", {"vector": 1, "memory": 1}, {"vector": 2, "memory": 2}),
        ("dup v0.4s, v1.s[0]", {"vector": 1}, {"vector": 2}),
        ("nop", {}, {}),
    ],
)
def test_what_an_instruction_takes(text: str, wide: dict[str, float], narrow: dict[str, float]) -> None:
    """`narrow` is empty where it is the same."""
    assert cost.uses(text, narrow=False) == {"decode": 1, **wide}
    assert cost.uses(text, narrow=True) == {"decode": 1, **(narrow or wide)}


def test_pairs_are_decoded_one_by_one_if_narrow() -> None:
    pair = "ldp q0, q1, [x2, #32]"
    assert cost.uses(pair, narrow=False) == {"decode": 1, "memory": 2}
    assert cost.uses(pair, narrow=True) == {"decode": 2, "memory": 4}


def test_the_busiest_pipe_decides() -> None:
    look_up = ("ldr q0, [x1, x2]", "add v1.8h, v1.8h, v0.8h")
    assert cost.cycles_of_run(look_up, narrow=False) == 1
    assert cost.cycles_of_run(("smlal v0.8h, v1.8b, v2.8b",) * 2, narrow=False) == 2
    assert cost.cycles_of_run(("fmla v0.4s, v1.4s, v2.4s",) * 3, narrow=True) == 3
    region = Region({Block(0, (1, 2)): 10, Block(8, (1,)): 1})
    assert cost.cycles_of(region, dict(zip((1, 2), look_up, strict=True))) == cost.Cycles(10.5, 11.0)


def test_runs_end_where_execution_may_turn() -> None:
    texts = {1: "add x0, x0, #0x1", 2: "b.ne 0x0"}
    region = Region({Block(0, (1, 1, 2)): 5, Block(12, (1,)): 5, Block(16, (1, 1)): 3, Block(32, (1,)): 3})
    runs = [(len(lines), times) for lines, times in cost.straight_runs(region, texts)]
    assert runs == [(3, 5), (1, 5), (2, 3), (1, 3)]
    # However the emulator cut it into blocks.
    cut = Region({Block(0, (1,)): 5, Block(4, (1, 2)): 5, Block(12, (1,)): 5, Block(16, (1, 1)): 3, Block(32, (1,)): 3})
    assert list(cost.straight_runs(cut, texts)) == list(cost.straight_runs(region, texts))


# Where our estimate does not differ by intent: no loads and stores, no divisions.
AS_ON_THE_A57 = """
add x0, x1, x2|and x2, x3, x4, lsr #11|add x0, x1, w2, sxtw #2|madd x0, x1, x2, x3|ubfx x0, x1, #3, #5
bfi x0, x1, #3, #5
add v0.8h, v1.8h, v2.8h|and v0.16b, v1.16b, v2.16b|saddw2 v0.4s, v1.4s, v2.8h|sxtl v0.8h, v1.8b|xtn v0.4h, v1.4s
ushr v0.16b, v1.16b, #6|shl v0.4s, v1.4s, #3|sshl v0.4s, v1.4s, v2.4s|urshr v0.8h, v1.8h, #3|sqxtn v0.4h, v1.4s
smull v0.8h, v1.8b, v2.8b|smlal2 v0.8h, v1.16b, v2.16b|mul v0.8h, v1.8h, v2.8h|mla v0.8h, v1.8h, v2.8h
sadalp v0.4s, v1.8h|saddlp v0.4s, v1.8h|addp v0.4s, v1.4s, v2.4s|addv s0, v1.4s|saddlv s0, v1.8h|umaxv b0, v1.16b
tbl v0.16b, { v1.16b }, v2.16b|zip1 v0.8h, v1.8h, v2.8h|trn1 v0.8h, v1.8h, v2.8h|ext v0.16b, v1.16b, v2.16b, #4
fadd v0.4s, v1.4s, v2.4s|fmla v0.4s, v1.4s, v2.s[0]|fmla v0.2s, v1.2s, v2.2s|fmadd s0, s1, s2, s3|fabs v0.4s, v1.4s
fmax v0.4s, v1.4s, v2.4s|fcvtns v0.4s, v1.4s|scvtf v0.4s, v1.4s|frintn v0.4s, v1.4s|fcvtl v0.4s, v1.4h
fcvtn v0.4h, v1.4s
fcmgt v0.4s, v1.4s, v2.4s|bit v0.16b, v1.16b, v2.16b|dup v0.4s, v1.s[0]|movi v0.4s, #0|smax v0.8h, v1.8h, v2.8h
"""


@pytest.mark.skipif(shutil.which("llvm-mca") is None, reason="needs llvm-mca (./inv runtime.count --opinions)")
def test_instructions_take_what_they_take_in_llvms_model_of_the_a57(tmp_path: Path) -> None:
    lines = AS_ON_THE_A57.strip().replace("\n", "|").split("|")
    source = tmp_path / "each.s"
    source.write_text("\n".join(lines) + "\n")
    said = run(["llvm-mca", "-mtriple=aarch64-linux-gnu", "-mcpu=cortex-a57", "-resource-pressure=0", source])
    cycles = [float(cycles) for cycles in re.findall(r"^ +\d+ +\d+ +([\d.]+) .*\t", said, re.MULTILINE)]
    ours = [
        max(use / cost.PIPES[pipe] for pipe, use in cost.uses(line, narrow=False).items() if pipe != "decode")
        for line in lines
    ]
    assert dict(zip(lines, ours, strict=True)) == dict(zip(lines, cycles, strict=True))


def test_every_pipe_that_is_used_exists() -> None:
    assert {pipe for kind in cost.KINDS for pipe in kind.uses} <= set(cost.PIPES)


# ---------------------------------------------------------------------------------------------------------------- gate

KEPT = Baselines("gcc 12", {"gelu 768": 1000, "norm 768": 2000})


@pytest.mark.parametrize(
    ("counted", "faults", "remarks"),
    [
        ({"gelu 768": 1000, "norm 768": 2000}, [], []),
        ({"gelu 768": 1030, "norm 768": 1940}, [], []),
        ({"gelu 768": 1031, "norm 768": 2000}, ["gelu 768 needs 3.1% more instructions .*: 1031 instead of 1000"], []),
        ({"gelu 768": 1000, "norm 768": 1500}, [], ["1 need over 3 % less"]),
        ({"gelu 768": 1000}, ["norm 768 has a baseline and is counted no more"], []),
        ({"gelu 768": 1000, "norm 768": 2000, "norm 384": 9}, ["norm 384 has no baseline"], []),
    ],
)
def test_three_in_a_hundred_more_is_too_many(counted: dict[str, int], faults: list[str], remarks: list[str]) -> None:
    verdict = baselines.judge(Baselines("gcc 12", counted), KEPT)
    for found, wanted in ((verdict.faults, faults), (verdict.remarks, remarks)):
        assert len(found) == len(wanted)
        assert all(re.match(pattern, text) for pattern, text in zip(wanted, found, strict=True))


def test_another_compiler_is_not_judged() -> None:
    verdict = baselines.judge(Baselines("gcc 13", {"gelu 768": 9999}), KEPT)
    assert not verdict.faults
    (remark,) = verdict.remarks
    assert "counted with gcc 13, the baselines are of gcc 12" in remark
    assert baselines.UPDATE in remark


def test_baselines_survive_the_file(tmp_path: Path) -> None:
    path = tmp_path / "baselines.json"
    baselines.write(KEPT, path)
    assert baselines.read(path) == KEPT
    assert [file.name for file in tmp_path.iterdir()] == ["baselines.json"]


@pytest.mark.parametrize("text", ["", "[]", '{"compiler": "gcc"}', '{"compiler": "gcc", "instructions": {"gelu": 0}}'])
def test_a_file_without_baselines_is_an_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "baselines.json"
    path.write_text(text)
    with pytest.raises(UserError, match=r"baselines\.json"):
        baselines.read(path)
    with pytest.raises(UserError, match="cannot read"):
        baselines.read(tmp_path / "absent.json")


def test_the_compiler_is_named_without_its_target() -> None:
    version = "aarch64-linux-gnu-gcc (Debian 12.2.0-14) 12.2.0\nCopyright"
    assert baselines.compiler_of(version) == "gcc (Debian 12.2.0-14) 12.2.0"


# ---------------------------------------------------------------------------------------------------------- all of it


class Machine:
    """Stands in for compiler and emulator: a kernel of as many instructions as it is told."""

    def __init__(self) -> None:
        self.instructions = 1000

    def count(self, *_: object) -> emulate.Execution:
        profile = Profile({2: Region({Block(0, (SUBS,)): self.instructions})}, ())
        return emulate.Execution("2 gelu - 768 500\n", profile)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Machine:
    machine = Machine()
    nothing = emulate.Execution("", Profile({}, ()))
    monkeypatch.setattr(runtime, "build", lambda _: tmp_path)
    monkeypatch.setattr(models, "ensure", lambda _: tmp_path)
    monkeypatch.setattr(counting, "count_kernels", machine.count)
    monkeypatch.setattr(counting, "count_model", lambda *_: nothing)
    monkeypatch.setattr(counting, "compiler", lambda: "gcc 12")
    monkeypatch.setattr(assembly, "texts", lambda words: dict.fromkeys(words, "subs x0, x0, #0x1"))
    monkeypatch.setattr(baselines, "FILE", tmp_path / "baselines.json")
    return machine


def test_a_kernel_that_became_worse_fails_until_that_is_meant(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    counting.count(update=True)
    counting.count()
    machine.instructions = 1100
    with pytest.raises(UserError, match=r"gelu 768 needs 10\.0% more") as caught:
        counting.count()
    assert caught.value.hint and baselines.UPDATE in caught.value.hint
    assert "+10.0%" in capsys.readouterr().out
    counting.count(update=True)
    counting.count()


def test_another_compiler_is_told_and_passes(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    counting.count(update=True)
    monkeypatch.setattr(counting, "compiler", lambda: "gcc 13")
    machine.instructions = 9999
    counting.count()
    assert "not judged: counted with gcc 13" in capsys.readouterr().err


@pytest.mark.parametrize("frames", ["0", "-1", "1501", "abc", "1.5", ""])
def test_no_model_listens_to_so_many_frames(frames: str) -> None:
    with pytest.raises(UserError, match=f"--frames {frames} is not a whole number from 1 to 1500"):
        counting.count_one_model("random-tiny.en-t158", frames)


# --------------------------------------------------------------------------------------------------------------- table

ROW = rows.Row("gelu", "-", "768", 600, 2000, cost.Cycles(1500, 2000), loops.Loop(("add x0, x1, x2",) * 4, 450))


def test_the_table_holds_what_was_counted() -> None:
    heads, gelu, *_ = report.table([ROW], Baselines("gcc", {"gelu 768": 1600}), []).splitlines()
    assert " ".join(heads.split()) == "kernel format shape instructions /insn change A73 (64) /cycle (64) loop"
    assert " ".join(gelu.split()) == "gelu - 768 2000 0.300 +25.0% 0.002 0.002 0.400 0.300 4 90%"


def test_opinions_take_the_place_of_the_loop() -> None:
    """450 rounds of 2 cycles are ours; with 4 in their place it is 900 more than 1500."""
    assert report.rate(ROW, 4) == 600 / 2400
    gelu = report.table([ROW], None, [opinions.Opinion(4, None)]).splitlines()[1]
    assert gelu.split()[-2:] == ["0.250", "-"]


def test_functions_are_named_with_their_part() -> None:
    assert report.functions(ROW, {"a": 1500, "bcd": 500}, most=1).splitlines() == ["gelu 768", "a  1500  75.0%"]


def test_the_closing_branch_gets_a_label() -> None:
    assert opinions.closing("b.ne 0x1f8 <.data+0x1f8>") == "b.ne .L0"
    assert opinions.closing("cbnz x3, 4c") == "cbnz x3, .L0"
    assert opinions.closing("tbz w0, #3, 0x4c") == "tbz w0, #3, .L0"


def test_counting_up_is_an_instruction_of_its_own() -> None:
    assert opinions.separated("str q1, [x2], #16") == ("str q1, [x2]", "add x2, x2, #16")
    assert opinions.separated("ld1 {v0.4s}, [x0], x3") == ("ld1 {v0.4s}, [x0]", "add x0, x0, x3")
    assert opinions.separated("ldp x0, x1, [sp, #-16]!") == ("add sp, sp, #-16", "ldp x0, x1, [sp]")
    assert opinions.separated("ldr q0, [x1, #16]") == ("ldr q0, [x1, #16]",)


@pytest.mark.skipif(
    importlib.util.find_spec("osaca") is None or shutil.which("llvm-mca") is None,
    reason="needs ./inv runtime.count --opinions to have installed OSACA and llvm-mca",
)
def test_opinions_on_a_loop() -> None:
    """Bound by the loads for both: the A57 and the A72 load once in a cycle."""
    adds = [f"add v{i}.8h, v{i}.8h, v0.8h" for i in (1, 2, 3, 4)]
    loads = ["ldr q0, [x1, #16]"] * 4
    opinion = opinions.ask((*loads, *adds, "subs x0, x0, #0x1", "b.ne 0x0"))
    assert opinion.osaca == 4
    assert 4.9 < opinion.llvm_mca < 5.2
    # Were the address to wait for the value, it would be 5 + 3 cycles from load to load.
    counting_up = opinions.ask(
        ("ldr q0, [x1]", "add v0.8h, v0.8h, v1.8h", "str q0, [x1], #16", "cmp x1, x2", "b.ne 0x0")
    )
    assert counting_up.llvm_mca < 5
    assert counting_up.osaca is not None and counting_up.osaca < 5
    assert opinions.ask(("ushr v0.16b, v1.16b, #2", "subs x0, x0, #0x1", "b.ne 0x0")).osaca is None
