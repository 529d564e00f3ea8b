# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""BitBake's own parser and executor, without a server, over one layer and the classes in stub/.

Runs as a program of its own, because BitBake keeps state in its modules and in the working directory:

    driver.py BUILD LAYER show            prints what the layer's recipes say, as JSON
    driver.py BUILD LAYER run RECIPE      runs the tasks up to do_install, and prints which package each file is for

BUILD/conf/local.conf may hold settings. What the tasks say goes to stderr.
"""

import glob
import hashlib
import json
import logging
import os
import shutil
import sys
import types
from pathlib import Path
from typing import Any

STUB = Path(__file__).with_name("stub")

# Servers for hash equivalence and package revisions, which the parser imports and does not use. The package of the
# parser comes without them.
for name in ("hashserv", "hashserv.client", "prserv", "prserv.serv", "layerindexlib"):
    sys.modules.setdefault(name, types.ModuleType(name))
vars(sys.modules["hashserv"]).update(create_client=None, ClientPool=None)

import bb.build  # noqa: E402
import bb.cookerdata  # noqa: E402
import bb.fetch2  # noqa: E402
import bb.parse  # noqa: E402
import bb.utils  # noqa: E402

TASKS = ("do_fetch", "do_unpack", "do_configure", "do_compile", "do_install")


def configuration(build: Path, layer: Path, *others: Path) -> Any:
    """BitBake's view of BUILD, with the layers in it."""
    (build / "conf").mkdir(parents=True, exist_ok=True)
    (build / "conf" / "bblayers.conf").write_text(
        f'BBPATH = "{build}:{STUB}"\nSTUB = "{STUB}"\nBBFILES ?= ""\n'
        f'BBLAYERS = "{" ".join(map(str, (STUB, layer, *others)))}"\n'
        f"include {build}/conf/local.conf\n"
    )
    os.chdir(build)
    settings = types.SimpleNamespace(prefile=[], postfile=[], tracking=False, skip_fragments=True, env=dict(os.environ))
    builder = bb.cookerdata.CookerDataBuilder(settings)
    builder.parseBaseConfiguration()
    return builder


def recipes(data: Any, ending: str) -> list[str]:
    patterns = [pattern for pattern in data.getVar("BBFILES").split() if pattern.endswith(ending)]
    return sorted({file for pattern in patterns for file in glob.glob(pattern)})


def appends(data: Any, recipe: str) -> list[str]:
    """Files NAME_%.bbappend or the like for a recipe."""
    stem = Path(recipe).stem
    return [
        file
        for file in recipes(data, ".bbappend")
        if stem == Path(file).stem or ("%" in file and stem.startswith(Path(file).stem.split("%")[0]))
    ]


def parse(builder: Any, recipe: str) -> dict[str, Any]:
    """Data of each variant of a recipe: {"": ..., "virtual:native:...": ...}."""
    variants = builder.parseRecipeVariants(recipe, appends(builder.data, recipe), layername="whisper158")
    return dict(variants)


def describe(data: Any) -> dict[str, Any]:
    packages = (data.getVar("PACKAGES") or "").split()
    names = ("LICENSE", "SUMMARY", "DESCRIPTION", "DEPENDS", "IMAGE_INSTALL", "PACKAGE_ARCH", "PACKAGECONFIG_CONFARGS")
    return {
        "name": data.getVar("PN"),
        "version": data.getVar("PV"),
        "skipped": data.getVar("__SKIPPED"),
        # What has BitBake parse it again when it changes, or comes to be.
        "parsed_from": [path for path, _ in data.getVar("__depends", False) or []],
        "packages": packages,
        "rdepends": {package: (data.getVar(f"RDEPENDS:{package}") or "").split() for package in packages},
        "rrecommends": {package: (data.getVar(f"RRECOMMENDS:{package}") or "").split() for package in packages},
        "services": {package: (data.getVar(f"SYSTEMD_SERVICE:{package}") or "").split() for package in packages},
        "conffiles": {package: (data.getVar(f"CONFFILES:{package}") or "").split() for package in packages},
        **{name: data.getVar(name) or "" for name in names},
    }


def show(builder: Any) -> list[dict[str, Any]]:
    shown = []
    for recipe in recipes(builder.data, ".bb"):
        for variant, data in parse(builder, recipe).items():
            shown.append({"file": recipe, "variant": variant, **describe(data)})
    return shown


def check_licence(data: Any) -> None:
    """LIC_FILES_CHKSUM against the unpacked files, as OpenEmbedded's do_populate_lic does."""
    urls = (data.getVar("LIC_FILES_CHKSUM") or "").split()
    if not urls and data.getVar("LICENSE") != "CLOSED":
        raise SystemExit(f"{data.getVar('PN')} has a LICENSE, and no LIC_FILES_CHKSUM")
    for url in urls:
        path, *fields = url.removeprefix("file://").split(";")
        wanted = dict(field.split("=", 1) for field in fields)
        lines = (Path(data.getVar("S")) / path).read_bytes().splitlines(keepends=True)
        part = lines[int(wanted.get("beginline", 1)) - 1 : int(wanted.get("endline", len(lines)))]
        found = hashlib.md5(b"".join(part)).hexdigest()
        if found != wanted["md5"]:
            raise SystemExit(f"LIC_FILES_CHKSUM: the md5 of {path} is {found}")


def run(builder: Any, name: str) -> dict[str, Any]:
    """Runs the tasks of the recipe `name`, and tells what was installed: path -> package, None where none wants it."""
    for recipe in recipes(builder.data, ".bb"):
        for data in parse(builder, recipe).values():
            if data.getVar("PN") != name:
                continue
            if data.getVar("__SKIPPED"):
                raise SystemExit(f"{name} was skipped: {data.getVar('__SKIPPED')}")
            execute(data)
            return {"root": data.getVar("D"), "files": owners(data)}
    raise SystemExit(f"the layer has no recipe {name}")


def execute(data: Any) -> None:
    shutil.rmtree(data.getVar("WORKDIR"), ignore_errors=True)
    Path(data.getVar("T")).mkdir(parents=True)
    for task in TASKS:
        if data.getVarFlag(task, "noexec", False):
            continue
        for folder in ("WORKDIR", "B", "D"):
            Path(data.getVar(folder)).mkdir(parents=True, exist_ok=True)
        bb.build.exec_func(task, data)
        if task == "do_unpack":
            check_licence(data)


def owners(data: Any) -> dict[str, str | None]:
    """The first package of PACKAGES whose FILES name a file has it, as in OpenEmbedded's package.bbclass."""
    root = Path(data.getVar("D"))
    installed = {str(path) for path in root.rglob("*") if path.is_symlink() or not path.is_dir()}
    owned: dict[str, str | None] = dict.fromkeys(sorted(installed))
    for package in data.getVar("PACKAGES").split():
        for pattern in (data.getVar(f"FILES:{package}") or "").split():
            for match in glob.glob(str(root) + pattern):
                for path in (match, *(str(below) for below in Path(match).rglob("*") if Path(match).is_dir())):
                    if path in owned and owned[path] is None:
                        owned[path] = package
    return {path.removeprefix(str(root)): package for path, package in owned.items()}


def main(build: str, layer: str, verb: str, *arguments: str) -> None:
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s: %(message)s")
    # What tasks print is not the answer.
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    extra = [Path(path) for path in os.environ.get("EXTRA_LAYERS", "").split()]
    builder = configuration(Path(build), Path(layer), *extra)
    result = show(builder) if verb == "show" else run(builder, *arguments)
    json.dump(result, answer)
    answer.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
