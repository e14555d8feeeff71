"""helm as a fixture: built by `make cluster`; where it is not, its tests are left out, but with CI=true it is built."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import clusterbuild
import pytest
import yaml

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts/crossad"
SETS = sorted(path.stem for path in (CHART / "ci").glob("*.yaml"))
SMOKE = ROOT / "conditions/smoke.json"
MISSING = os.environ.get("CI") != "true" and not clusterbuild.HELM.built

Helm = Callable[..., subprocess.CompletedProcess[str]]
Objects = list[dict[str, Any]]


def pytest_report_header() -> list[str]:
    """Say what is not tested, and what would change that."""
    return ["left out: tests of the chart, not built: helm (make cluster)"] if MISSING else []


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out, and count as deselected, what needs helm where it is not built."""
    lacking = [item for item in items if MISSING and "helm" in getattr(item, "fixturenames", ())]
    if lacking:
        config.hook.pytest_deselected(items=lacking)
        items[:] = [item for item in items if item not in lacking]


@pytest.fixture
def helm(tmp_path: Path) -> Helm:
    """Runs helm, with a home of its own; a failure is the test's to judge."""
    program = clusterbuild.HELM.build() / "helm"
    places = {f"HELM_{kind}_HOME": str(tmp_path / "helm" / kind) for kind in ("CACHE", "CONFIG", "DATA")}

    def run(*words: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [program, *words], env={**os.environ, **places, **environment}, capture_output=True, text=True, check=False
        )

    return run


@pytest.fixture
def template(helm: Helm) -> Callable[..., Objects]:
    """The objects of a release `night1` in the namespace `lab`."""

    def render(values: Path | str, *words: str | Path, suite: Path = SMOKE) -> Objects:
        file = CHART / f"ci/{values}.yaml" if isinstance(values, str) else values
        done = helm("template", "night1", CHART, "-n", "lab", "-f", file, "--set-file", f"suite={suite}", *words)
        assert done.returncode == 0, done.stderr
        return [found for found in yaml.safe_load_all(done.stdout) if found]

    return render
