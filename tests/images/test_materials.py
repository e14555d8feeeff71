"""`make sbom`: what is in the images, as others' scanners read it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from containers import Image

ROOT = Path(__file__).parents[2]


def test_the_bills_name_every_package_that_is_there(trainer_image: Image, controller_image: Image, tmp_path: Path):
    done = subprocess.run(["make", "sbom", f"SBOM={tmp_path}"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for image, target in ((trainer_image, "trainer"), (controller_image, "controller")):
        bill = json.loads((tmp_path / f"{target}.cdx.json").read_text())
        named = {part["purl"] for part in bill["components"]}
        (packages,) = (image.root / "opt/crossad/lib").glob("python3.*/site-packages")
        folders = list(packages.glob("*.dist-info"))
        assert len([url for url in named if url.startswith("pkg:pypi/")]) == len(folders)
        debian = (image.root / "var/lib/dpkg/status").read_text().count("Status: install ok installed")
        assert len([url for url in named if url.startswith("pkg:deb/")]) == debian
        assert any(url.startswith("pkg:pypi/torch@") for url in named) == (target == "trainer")
        assert any(url.startswith("pkg:deb/debian/python3@") for url in named)
