# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""The builds of the runtime whose programs are tried: as it is used, and with sanitizers, so that nothing stays unseen.

ThreadSanitizer excludes the others and is slow: WHISPER158_RACES=1 asks for it, and for nothing else.
"""

import os

from whisper158.build import runtime

TRIED = (runtime.TSAN,) if os.environ.get("WHISPER158_RACES") else (runtime.NATIVE, runtime.ASAN)
