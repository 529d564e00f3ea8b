# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Draws what a command wrote on a terminal, for a document: an SVG that fetches nothing.

./inv demo 2>&1 | .venv/bin/python -m whisper158.picture ./inv demo > docs/images/demo.svg
"""

import io
import sys

from rich.console import Console
from rich.text import Text

# Rich's own has fonts of another server in it. Each piece of text is given its width, so any monospaced font will do.
FORMAT = """\
<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<!-- SPDX-FileCopyrightText: 2026 the whisper158 authors -->
<!-- SPDX-License-Identifier: MIT -->
<!-- Drawn by whisper158.picture. -->
<style>
.{unique_id}-matrix {{ font: {char_height}px/{line_height}px monospace; }}
.{unique_id}-title {{ font: bold 18px sans-serif; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal"><rect width="{terminal_width}" height="{terminal_height}"/></clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def draw(command: str, output: str) -> str:
    lines = [Text(f"$ {command}", style="bold green"), *map(Text.from_ansi, output.expandtabs().rstrip().splitlines())]
    console = Console(record=True, width=max(line.cell_len for line in lines), file=io.StringIO(), highlight=False)
    for line in lines:
        console.print(line)
    picture = console.export_svg(title=command, code_format=FORMAT, unique_id="terminal")
    return "".join(f"{line.rstrip()}\n" for line in picture.splitlines() if line.strip())


if __name__ == "__main__":
    sys.stdout.write(draw(" ".join(sys.argv[1:]), sys.stdin.read()))
