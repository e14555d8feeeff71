"""An image's bill of materials: what Debian's and Python's own records in it say (CycloneDX 1.6, JSON).

.cache/sbom/bin/python tests/images/materials.py DIRECTORY        for both images, as `make sbom` calls it

Runs with the locked requirements/sbom.txt, not in the environment of the tests.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, distributions
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "src")]

import containers  # noqa: E402 - after the path
from cyclonedx.contrib.license.factories import LicenseFactory  # noqa: E402
from cyclonedx.model.bom import Bom  # noqa: E402
from cyclonedx.model.component import Component, ComponentType  # noqa: E402
from cyclonedx.output.json import JsonV1Dot6  # noqa: E402
from cyclonedx.schema import SchemaVersion  # noqa: E402
from cyclonedx.validation.json import JsonStrictValidator  # noqa: E402
from packageurl import PackageURL  # noqa: E402

TARGETS = ("controller", "trainer")


def materials(root: Path, name: str, version: str) -> str:
    """The bill of an image that lies under a folder."""
    bom = Bom()
    bom.metadata.component = Component(type=ComponentType.CONTAINER, name=name, version=version)
    bom.components.update([*_debian(root), *_python(root)])
    bom.register_dependency(bom.metadata.component, bom.components)
    text = JsonV1Dot6(bom).output_as_string(indent=2)
    if faults := JsonStrictValidator(SchemaVersion.V1_6).validate_str(text):
        raise ValueError(f"not CycloneDX: {faults}")
    return text


def _debian(root: Path) -> Iterator[Component]:
    for paragraph in (root / "var/lib/dpkg/status").read_text(encoding="utf-8").strip().split("\n\n"):
        pairs = (line.split(": ", 1) for line in paragraph.splitlines() if ": " in line and line[0] != " ")
        found = dict(pairs)
        if found["Status"].endswith(" installed"):
            where = {"arch": found["Architecture"], "distro": "debian-12"}
            url = PackageURL("deb", "debian", found["Package"], found["Version"], where)
            yield Component(name=found["Package"], version=found["Version"], purl=url, bom_ref=url.to_string())


def _python(root: Path) -> Iterator[Component]:
    (packages,) = (root / "opt/crossad/lib").glob("python3.*/site-packages")
    for found in distributions(path=[str(packages)]):
        url = PackageURL("pypi", None, found.name.lower(), found.version)
        yield Component(
            name=found.name, version=found.version, purl=url, bom_ref=url.to_string(), licenses=_licenses(found)
        )


def _licenses(found: Distribution) -> list[object]:
    told = found.metadata.get("License-Expression") or found.metadata.get("License") or ""
    line = told.strip().splitlines()[0] if told.strip() else ""  # some packages put the whole text there
    return [LicenseFactory().make_from_string(line)] if line else []


if __name__ == "__main__":
    directory = Path(sys.argv[1])
    directory.mkdir(parents=True, exist_ok=True)
    for target in TARGETS:
        with containers.mounted(target) as image:
            version = image.config["Labels"]["org.opencontainers.image.version"]
            path = directory / f"{target}.cdx.json"
            path.write_text(materials(image.root, f"crossad-{target}", version) + "\n", encoding="utf-8")
            print(path)  # noqa: T201 - the answer
