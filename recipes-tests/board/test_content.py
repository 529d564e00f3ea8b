# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""What is installed is what was built, and the processor can run it."""

import json

from whisper158.board.service import Service
from whisper158.board.target import Facts, Target
from whisper158.build import layer

MODEL = layer.INSTALLED_MODELS / layer.DEFAULT_MODEL


def test_the_runtime_is_the_one_just_built(target: Target, service: Service, facts: Facts) -> None:
    assert target.check("whisper158 --version") == f"whisper158 {facts.version}"
    assert service.wait_listening()["version"] == facts.version


def test_the_model_is_the_one_just_built(target: Target, facts: Facts) -> None:
    assert target.check(f"sha256sum < {MODEL}").split()[0] == facts.model_sha256


def test_the_service_has_that_model(target: Target, service: Service) -> None:
    info = json.loads(target.check(f"whisper158 info --json {MODEL}"))
    assert service.wait_listening()["model"] == info["provenance"]["name"]


def test_the_processor_lacks_what_the_board_lacks(target: Target) -> None:
    """Else the next test shows nothing."""
    features = next(
        line.partition(":")[2].split()
        for line in target.check("cat /proc/cpuinfo").splitlines()
        if line.startswith("Features")
    )
    assert not set(features) & set(target.machine.lacks)


def test_no_instruction_was_illegal(target: Target, service: Service) -> None:
    assert "ILL" not in service.journal()
    _, found = target.run("dmesg | grep -i 'undefined instruction'")
    assert found == ""
