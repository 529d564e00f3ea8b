# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Programs and networks that speak. Each is a module with a class that keeps to `Engine`."""

from typing import Protocol

from whisper158.data.audio import Floats


class Engine(Protocol):
    """Something that reads text aloud in one or more voices."""

    @property
    def name(self) -> str: ...

    @property
    def voices(self) -> tuple[str, ...]: ...

    @property
    def licence(self) -> str: ...

    @property
    def source(self) -> str: ...

    def speak(self, text: str, voice: str, speed: float) -> tuple[Floats, int]:
        """The sound of `text` and its sample rate; a `speed` of 1.2 says it in about 1/1.2 of the usual time.

        A text that is too long for the engine has no sound.
        """
        ...
