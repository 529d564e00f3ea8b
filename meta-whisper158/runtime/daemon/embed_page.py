#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""embed_page.py PAGE OUT: writes the page as C, and the policy that allows a browser just its own script and style.

It runs where the runtime is built, so it needs nothing but Python.
"""

import base64
import hashlib
import re
import sys
from pathlib import Path


def hashes(page: str, element: str) -> str:
    """The source list of all that stands between <element> and </element>."""
    texts = re.findall(rf"<{element}>(.*?)</{element}>", page, flags=re.DOTALL)
    digests = [hashlib.sha256(text.encode()).digest() for text in texts]
    return " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)


def policy(page: str) -> str:
    rules = {
        "default-src": "'none'",
        "script-src": hashes(page, "script"),
        "style-src": hashes(page, "style"),
        "connect-src": "'self'",
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    return "; ".join(f"{rule} {sources}" for rule, sources in rules.items())


def bytes_of(data: bytes) -> str:
    rows = [data[i : i + 24] for i in range(0, len(data), 24)]
    return "\n".join("    " + ", ".join(str(byte) for byte in row) + "," for row in rows)


def main() -> None:
    source, out = map(Path, sys.argv[1:])
    page = source.read_text(encoding="utf-8")
    data = page.encode()
    if not data.isascii():
        sys.exit(f"{source}: only ASCII, please: its bytes become characters of C, which may have a sign")
    out.write_text(
        f"/* Made of {source.name} by embed_page.py. */\n"
        '#include "http_page.h"\n\n'
        f"const char http_page[] = {{\n{bytes_of(data)}\n}};\n"
        "const size_t http_page_length = sizeof http_page;\n"
        f'const char http_page_policy[] = "{policy(page)}";\n'
    )


if __name__ == "__main__":
    main()
