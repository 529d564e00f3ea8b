# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""What the board's programs are compiled and linked against on the host: libraries of Debian's arm64.

The cross compiler brings no more than the C library. The rest, for the same Debian release, comes from the machine's
own package sources, and QEMU finds the shared libraries there when it runs what was built.
"""

import hashlib
import platform
from pathlib import Path

from whisper158 import apt
from whisper158.cache import cache_dir, keyed_entry
from whisper158.console import step

PACKAGES = (
    "libasound2-dev",
    "libc6-dev",
    "libjson-c-dev",
    "libmicrohttpd-dev",
    "libsamplerate0-dev",
    "libsndfile1-dev",
    "libxxhash-dev",
)

# The SL1680's cores are A73s. QEMU has none; its A72 is of the same architecture, ARMv8.0, and traps what came later.
CPU = "cortex-a73"
EMULATED_CPU = "cortex-a72"


def sysroot() -> Path:
    """The folder with arm64's headers and libraries, fetched at first use and kept in the cache."""
    release = platform.freedesktop_os_release().get("VERSION_CODENAME", "unknown")
    key = hashlib.sha256(" ".join((release, *PACKAGES)).encode()).hexdigest()[:12]
    with step("Fetching the libraries for aarch64"):
        return keyed_entry(
            cache_dir() / f"sysroot-{key}",
            lambda tree: apt.unpack(PACKAGES, tree, architecture="arm64", dependencies=True),
        )


def cross_file(path: Path) -> Path:
    """Writes Meson's description of the board's processor to `path` and returns it."""
    root = sysroot()
    libraries = root / "usr" / "lib" / "aarch64-linux-gnu"
    emulator = ("qemu-aarch64", "-cpu", EMULATED_CPU, "-L", str(root))
    flags = (f"--sysroot={root}",)
    path.write_text(
        f"""[binaries]
c = 'aarch64-linux-gnu-gcc'
ar = 'aarch64-linux-gnu-gcc-ar'
strip = 'aarch64-linux-gnu-strip'
pkg-config = 'pkg-config'
exe_wrapper = {meson_list(*emulator)}

[built-in options]
c_args = {meson_list(*flags, f"-mcpu={CPU}")}
c_link_args = {meson_list(*flags)}

[properties]
sys_root = {meson_text(str(root))}
pkg_config_libdir = {meson_list(str(libraries / "pkgconfig"), str(root / "usr" / "share" / "pkgconfig"))}
needs_exe_wrapper = true

[host_machine]
system = 'linux'
cpu_family = 'aarch64'
cpu = {meson_text(CPU)}
endian = 'little'
"""
    )
    return path


def meson_text(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def meson_list(*texts: str) -> str:
    return f"[{', '.join(map(meson_text, texts))}]"
