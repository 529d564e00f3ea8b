# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""Build folders of the real OpenEmbedded-Core, whose checkout $WHISPER158_OE_CORE names.

BitBake refuses to be root, so root runs it as nobody, on a machine without a network as far as BitBake is concerned.
"""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from whisper158.errors import die
from whisper158.run import ending, spelled

USER = 65534  # nobody

# BitBake starts with no other.
LOCALE = "en_US.UTF-8"

# Parsed and planned by one process, as the machine may have others at work.
MODEST = 'BB_NUMBER_THREADS = "1"\nBB_NUMBER_PARSE_THREADS = "1"\nPARALLEL_MAKE = "-j 1"\n'
# Nothing is fetched, so nothing is asked for either.
OFFLINE = (
    'BB_NO_NETWORK = "1"\nCONNECTIVITY_CHECK_URIS = ""\nBB_HASHSERVE = ""\nBB_SIGNATURE_HANDLER = "OEBasicHash"\n'
    'INHERIT:remove = "uninative"\n'
)


@dataclass(frozen=True)
class BuildFolder:
    oe_core: Path
    folder: Path
    as_root: bool = False

    def configure(self, layers: list[Path], local: str, path: tuple[Path, ...] = ()) -> None:
        """Writes conf/; `path` is where BitBake looks for configuration before the layers."""
        conf = self.folder / "conf"
        conf.mkdir(parents=True, exist_ok=True)
        all_layers = [self.oe_core / "meta", self.oe_core / "meta-poky", *layers]
        (conf / "bblayers.conf").write_text(
            f'BBPATH = "{":".join(map(str, ("${TOPDIR}", *path)))}"\nBBFILES ?= ""\n'
            f'BBLAYERS = "{" ".join(map(str, all_layers))}"\n'
        )
        (conf / "local.conf").write_text('DISTRO = "poky"\nCONF_VERSION = "2"\n' + MODEST + OFFLINE + local)
        if os.geteuid() == 0 and not self.as_root:
            for below in (self.folder, *self.folder.rglob("*")):
                os.chown(below, USER, USER, follow_symlinks=False)

    def run(self, *command: str, tools: tuple[Path, ...] = ()) -> str:
        """Runs a program of OpenEmbedded's in the build folder, and returns what it wrote; dies of a bad end."""
        path = ":".join(map(str, (*tools, "/usr/bin", "/bin", "/usr/sbin", "/sbin")))
        environment = [f"HOME={self.folder}", f"LANG={LOCALE}", f"LC_ALL={LOCALE}", f"PATH={path}"]
        lower = os.geteuid() == 0 and not self.as_root
        user = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups"] if lower else []
        script = f'. {self.oe_core}/oe-init-build-env {self.folder} >/dev/null && exec "$@"'
        whole = [*user, "env", "-i", *environment, "bash", "-c", script, "bash", *command]
        done = subprocess.run(whole, cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            die(f"{spelled(command)} {ending(done.returncode)}:\n{done.stdout[-20_000:]}")
        return done.stdout
