# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Newer packages, by the machine's own package manager; and what becomes of packages that do not arrive whole."""

from collections.abc import Callable, Iterator

import pytest

from whisper158.board.packages import FOLDER, Packages, find, for_manager
from whisper158.board.service import Service
from whisper158.board.target import Target, Upgrade
from whisper158.build import layer

pytestmark = [pytest.mark.destructive, pytest.mark.needs("upgrade")]

Record = Callable[[str, object], None]

MODEL = layer.INSTALLED_MODELS / layer.DEFAULT_MODEL
EDITED = "# An administrator was here."
DAEMON = "whisper158-daemon"


@pytest.fixture(scope="module")
def offered(healthy: Target, tmp_path_factory: pytest.TempPathFactory) -> Upgrade:
    return healthy.bench.upgrade(tmp_path_factory.mktemp("packages")) if "upgrade" in healthy.can else Upgrade(())


@pytest.fixture
def packages(target: Target, offered: Upgrade) -> Iterator[Packages]:
    manager = find(target)
    if manager is None:
        pytest.skip("no package manager on the image knows our packages: such an image is upgraded as a whole")
    packages = for_manager(target, manager, offered)
    if not packages.files:
        pytest.skip(f"there are no newer packages for {manager.program} ({manager.suffix})")
    if packages.installed() == packages.newer():
        pytest.skip("the newer packages are installed already")
    target.check(f"mkdir -p {FOLDER}")
    yield packages
    target.run(f"rm -r {FOLDER}")


@pytest.mark.lasting
def test_upgrade(
    target: Target, service: Service, packages: Packages, offered: Upgrade, record_property: Record
) -> None:
    """Program, options and model: the service runs the new ones, and what somebody wrote into the options stays."""
    pid = service.pid()
    target.check(f"echo '{EDITED}' >>{layer.INSTALLED_CONFIGURATION}")
    before = target.check(f"cat {layer.INSTALLED_CONFIGURATION}")
    status, said = packages.install(*packages.put_all())
    assert status == 0, said
    check_upgraded(service, packages, offered)
    assert service.pid() != pid
    assert target.check(f"cat {layer.INSTALLED_CONFIGURATION}") == before
    for name, version in packages.newer().items():
        record_property(name, version)


@pytest.mark.slow
@pytest.mark.lasting
@pytest.mark.needs("power_cut")
def test_power_cut_while_unpacking(target: Target, service: Service, packages: Packages, offered: Upgrade) -> None:
    """The earlier model is whole and is listened with; installing the same once more is the cure."""
    before = target.check(f"sha256sum <{MODEL}")
    paths = packages.put_all()
    packages.begin(*paths)
    target.cut_power()
    service.wait_listening()
    assert target.check("systemctl --failed --no-legend --plain") == ""
    assert target.check(f"sha256sum <{MODEL}") == before
    assert packages.installed() != packages.newer()
    status, said = packages.install(*paths)
    assert status == 0, said
    check_upgraded(service, packages, offered)


def check_upgraded(service: Service, packages: Packages, offered: Upgrade) -> None:
    target = packages.target
    service.wait_settled()
    service.wait_listening()
    assert packages.installed() == packages.newer()
    assert packages.broken() == packages.altered() == ""
    # Of what it has mapped, nothing was replaced since.
    pid = service.pid()
    assert "(deleted)" not in target.check(f"readlink /proc/{pid}/exe; grep whisper158 /proc/{pid}/maps")
    if offered.model_sha256:
        assert target.check(f"sha256sum <{MODEL}").split()[0] == offered.model_sha256


@pytest.mark.parametrize("damage", ["cut short", "a byte flipped"])
def test_damaged_package(target: Target, service: Service, packages: Packages, damage: str) -> None:
    path = packages.files[DAEMON]
    content = bytearray(path.read_bytes())
    if damage == "cut short":
        del content[len(content) // 2 :]
    else:
        content[len(content) // 2] ^= 0x10
    check_refused(service, packages, packages.put(bytes(content), path.name))


def test_package_for_another_architecture(
    target: Target, service: Service, packages: Packages, offered: Upgrade
) -> None:
    if offered.foreign is None or offered.foreign.suffix != packages.manager.suffix:
        pytest.skip("there is no package for another architecture")
    check_refused(service, packages, packages.put(offered.foreign.read_bytes(), offered.foreign.name))


def check_refused(service: Service, packages: Packages, path: str) -> None:
    """Nothing has changed, and the service has not noticed."""
    pid, before = service.pid(), packages.installed()
    status, _ = packages.install(path)
    assert status != 0
    service.wait_settled()
    assert packages.installed() == before
    assert packages.broken() == packages.altered() == ""
    assert service.pid() == pid
    assert service.stats()["event"] == "stats"
