# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""What somebody typed to say which machine it is, and how it is connected."""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class Options:
    """As they are typed; empty where they are not."""

    image: str = ""
    model: str = ""
    serial: str = ""
    host: str = ""
    user: str = ""
    identity: str = ""
    host_key: str = ""
    power_command: str = ""
    audio: str = ""
    packages: str = ""

    HELP: ClassVar[dict[str, str]] = {
        "image": "The folder of an image for the emulated machines (default: the newest that was built)",
        "model": "The model that is in the image: a name or a .w158 file (default: that of build-image)",
        "serial": "The board's serial port, such as /dev/ttyUSB0",
        "host": "The board's address, with :PORT if sshd has another one",
        "user": "Who logs in on the board (default: root)",
        "identity": "A file with the private key that the board lets in (default: ssh's agent and keys, then none)",
        "host_key": "The board's key as ssh-keygen -l prints it, SHA256:... (default: read over the serial port)",
        "power_command": "Called with on or off as its last word, it switches the board's power (default: you do)",
        "packages": "A folder with newer packages of ours, such as BitBake's deploy/deb, which are then installed",
        "audio": "How the board hears: cue (you speak), cable:PCM (played here, into its input), aloop (played there)",
    }
