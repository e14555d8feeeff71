"""When an image is built anew: for other content and for nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import imagebuild
import pytest

FILES = (
    "Dockerfile",
    ".dockerignore",
    "LICENSE",
    "README.md",
    "pyproject.toml",
    "requirements/install.sh",
    "src/a/b.py",
)


def key() -> str:
    with imagebuild.context() as folder:
        return imagebuild.key_of("trainer", folder)


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What an image is made of, as a usual umask leaves it."""
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
        (tmp_path / name).chmod(0o755 if name.endswith(".sh") else 0o644)
    monkeypatch.setattr(imagebuild, "ROOT", tmp_path)
    return tmp_path


def test_the_folder_holds_all_that_is_copied_and_nothing_else(checkout: Path) -> None:
    (checkout / "src/a/__pycache__").mkdir()
    (checkout / "src/a/__pycache__/b.pyc").write_text("compiled")
    (checkout / "data.tiff").write_text("an image")
    with imagebuild.context() as folder:
        found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
        rights = {path.stat().st_mode & 0o777 for path in folder.rglob("*")}
    assert found == set(FILES)
    assert rights == {0o644, 0o755}


def test_another_umask_time_or_place_is_the_same_image(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = key()
    elsewhere = checkout.rename(checkout.with_name("elsewhere"))
    for path in elsewhere.rglob("*"):
        path.chmod(path.stat().st_mode & 0o700 | 0o060)
    monkeypatch.setattr(imagebuild, "ROOT", elsewhere)
    assert key() == before


@pytest.mark.parametrize(
    "change",
    [
        lambda path: path.write_text("other"),
        lambda path: path.rename(path.with_name("c.py")),
        lambda path: path.unlink(),
        lambda path: path.chmod(0o755),
    ],
    ids=["other bytes", "another name", "gone", "can be run"],
)
def test_other_content_is_another_image(change: Callable[[Path], object], checkout: Path) -> None:
    before = key()
    change(checkout / "src/a/b.py")
    assert key() != before
