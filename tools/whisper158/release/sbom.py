# SPDX-FileCopyrightText: 2026 the whisper158 authors
# SPDX-License-Identifier: MIT
"""The bill of materials, in CycloneDX's JSON: the runtime, what is built into it, models, libraries, Python packages.

The same commit gives the same bytes: it has the commit's time, and a serial number that is made of its content.
"""

import json
import os
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from cyclonedx.factory.license import LicenseFactory
from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, Property, XsUri
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentScope, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

from whisper158 import whole
from whisper158.build import layer
from whisper158.errors import die
from whisper158.paths import ROOT
from whisper158.release import parts
from whisper158.run import run

NAMESPACE = uuid.UUID("c1f2a1de-5f0e-5d6b-9d0a-158158158158")
licences = LicenseFactory()


def document() -> str:
    """The bill of this checkout, which the format's own schema has approved."""
    bom = Bom(components=components())
    bom.metadata.component = ours()
    bom.metadata.timestamp = commit_time()
    bom.register_dependency(ours(), [part for part in bom.components if part.scope is not ComponentScope.EXCLUDED])
    bom.serial_number = uuid.UUID(int=0)
    bom.serial_number = uuid.uuid5(NAMESPACE, written(bom))
    text = written(bom)
    if problem := JsonStrictValidator(SchemaVersion.V1_6).validate_str(text):
        die(f"the bill of materials does not follow its format: {problem}")
    return text


def write(out: Path) -> None:
    text = document()
    out.parent.mkdir(parents=True, exist_ok=True)
    whole.write(out, text)


def written(bom: Bom) -> str:
    text: str = JsonV1Dot6(bom).output_as_string(indent=2)
    return f"{text}\n"


def commit_time() -> datetime:
    """SOURCE_DATE_EPOCH where it is set, as reproducible-builds.org has it."""
    given = os.environ.get("SOURCE_DATE_EPOCH") or run(["git", "log", "-1", "--format=%ct"], cwd=ROOT)
    try:
        return datetime.fromtimestamp(int(given), UTC)
    except (ValueError, OverflowError, OSError):
        die(f"SOURCE_DATE_EPOCH {given.strip()} is not a number of seconds since 1970")


# ---- components


def ours() -> Component:
    return component("whisper158", layer.version(), parts.OURS, ComponentType.APPLICATION)


def components() -> list[Component]:
    return [
        *(of_file(file) for file in parts.FILES),
        *(component for model in parts.models() for component in of_model(model)),
        *(of_library(library) for library in parts.LIBRARIES),
        *(of_package(package) for package in parts.packages()),
    ]


def of_file(file: parts.File) -> Component:
    name = str(file.path.relative_to(ROOT))
    return component(
        name, None, file.licence, ComponentType.FILE, text=file.what, hashes=[sha256_of(parts.sha256(file.path))]
    )


def of_model(model: parts.Model) -> Iterable[Component]:
    """The model, and the weights of others that it was made from."""
    known = model.provenance
    properties = [Property(name=f"whisper158:{key}", value=value) for key, value in sorted(known.items())]
    yield component(
        f"{model.name}.w158",
        None,
        model.licence,
        ComponentType.MACHINE_LEARNING_MODEL,
        text="ternary weights, and all else that inference needs",
        hashes=[sha256_of(model.sha256)],
        properties=properties,
    )
    for what, source, digest, licence in (
        ("float weights that it was trained from", "source", "source_sha256", "licence"),
        ("weights of its detector of speech", "vad_source", "vad_sha256", "vad_licence"),
    ):
        yield component(
            known[source],
            None,
            known[licence].partition(",")[0],
            ComponentType.MACHINE_LEARNING_MODEL,
            ref=f"{model.name}:{source}",
            text=f"{what}: {known[licence]}",
            hashes=[sha256_of(known[digest])],
        )


def of_library(library: parts.Library) -> Component:
    home = ExternalReference(type=ExternalReferenceType.WEBSITE, url=XsUri(library.home))
    return component(
        library.recipe, None, library.licence, ComponentType.LIBRARY, text=library.what, external_references=[home]
    )


def of_package(package: parts.Package) -> Component:
    url = PackageURL("pypi", name=package.name, version=package.version)
    return component(
        package.name,
        package.version,
        None,
        ComponentType.LIBRARY,
        ref=str(url),
        purl=url,
        # On the host only. A lock file has a hash for each platform, which CycloneDX cannot tell apart.
        scope=ComponentScope.EXCLUDED,
        properties=[
            *(Property(name="whisper158:group", value=group) for group in package.groups),
            *(Property(name="whisper158:sha256", value=digest) for digest in sorted(package.hashes)),
        ],
    )


def component(
    name: str,
    version: str | None,
    licence: str | None,
    kind: ComponentType,
    *,
    ref: str | None = None,
    text: str | None = None,
    scope: ComponentScope = ComponentScope.REQUIRED,
    **more: object,
) -> Component:
    """One whose reference does not change from one bill to the next."""
    return Component(
        name=name,
        version=version,
        type=kind,
        bom_ref=ref or name,
        description=text,
        scope=scope,
        licenses=[licences.make_from_string(licence)] if licence else [],
        **more,
    )


def sha256_of(digest: str) -> HashType:
    return HashType(alg=HashAlgorithm.SHA_256, content=digest)


def size(path: Path) -> int:
    """How many components a written bill has."""
    return len(json.loads(path.read_text())["components"])
