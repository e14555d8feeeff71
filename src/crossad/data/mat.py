"""Health Data Maps in MATLAB files: key `Xdata`, H x W x 1 x N (31 x 95 x 1 x N for the rig of the guide)."""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.io
from numpy.typing import NDArray
from scipy.io.matlab import MatReadError

from crossad.errors import DataError, MissingInputError

KEY = "Xdata"
SHAPE = (31, 95)
_HDF5 = b"MATLAB 7.3 MAT-file"
_SPLIT = re.compile(r"(?P<machine>.*)_TSA_DIF_(?P<split>train|test)", re.IGNORECASE)

Maps = NDArray[np.float64]


def read_maps(path: Path, key: str = KEY, shape: tuple[int, int] = SHAPE) -> Maps:
    """Maps (N, H, W) of a file of MATLAB version 5 to 7, in the order in which it holds them.

    Raises:
        MissingInputError: the file is not there.
        DataError: it is no such file, lacks the key, or holds anything but finite real maps of that shape.
    """
    content = _open(path)
    if key not in content:
        names = [name for name in content if not name.startswith("__")]
        raise DataError(
            f"{path}: no variable {key}, got: {', '.join(names) or 'nothing'}", hint="name the right one with --key"
        )
    values = content[key]
    kind = getattr(values, "dtype", type(values).__name__)
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "fiu":
        raise DataError(f"{path}: {key} is of type {kind}, allowed: real numbers (double, single, integer)")
    maps = _maps(path, key, values, shape)
    bad = np.flatnonzero(~np.isfinite(maps).all(axis=(1, 2)))
    if len(bad):
        raise DataError(
            f"{path}: {len(bad)} of {len(maps)} maps hold NaN or infinity, first number {bad[0] + 1}",
            hint="remove these maps before the import",
        )
    return maps


def _open(path: Path) -> Mapping[str, Any]:
    try:
        with path.open("rb") as handle:
            head = handle.read(len(_HDF5))
        if head == _HDF5:
            raise DataError(
                f"{path}: a MATLAB 7.3 (HDF5) file, allowed: version 5 to 7",
                hint="in MATLAB: save(file, 'Xdata', '-v7')",
            )
        content: Mapping[str, Any] = scipy.io.loadmat(path, appendmat=False)
    except FileNotFoundError as error:
        raise MissingInputError(f"no such file: {path}") from error
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error
    # scipy names no error of its own for most broken files: its parser trips over whatever is wrong
    except (MatReadError, ValueError, TypeError, LookupError, NotImplementedError, MemoryError, zlib.error) as error:
        raise DataError(
            f"{path}: not a MATLAB file that can be read: {error}", hint="save it anew with save(file, 'Xdata', '-v7')"
        ) from error
    return content


def _maps(path: Path, key: str, values: NDArray[Any], shape: tuple[int, int]) -> Maps:
    """(H, W, 1, N) to (N, H, W); MATLAB drops axes of length 1 at the end, so that one map may be (H, W)."""
    full = values.reshape(values.shape + (1,) * (4 - values.ndim)) if values.ndim < 4 else values
    if full.ndim != 4 or full.shape[:3] != (*shape, 1) or not full.shape[3]:
        got, (height, width) = " x ".join(map(str, values.shape)), shape
        raise DataError(
            f"{path}: {key} is {got}, allowed: {height} x {width} x 1 x N with N of 1 or more",
            hint="name another size of a map with --shape",
        )
    return np.ascontiguousarray(full[:, :, 0].transpose(2, 0, 1), dtype=np.float64)


@dataclass(frozen=True)
class Sources:
    """The files of one domain, in order."""

    train_good: tuple[Path, ...] = ()
    test_good: tuple[Path, ...] = ()
    test_fault: tuple[Path, ...] = ()

    @property
    def parts(self) -> dict[tuple[str, str], tuple[Path, ...]]:
        """By split and label, in the order of a domain's files."""
        return {
            ("train", "good"): self.train_good,
            ("test", "good"): self.test_good,
            ("test", "fault"): self.test_fault,
        }


def discover(folders: Sequence[Path]) -> Sources:
    """Sort the `.mat` files below some folders by the names of the folders they lie in.

    `<machine>_TSA_DIF_train` and `..._test` name the split, `Normal...` healthy maps and `..._fault...` faulty ones.

    Raises:
        MissingInputError: there is no folder, or no file in it.
        DataError: a file's names do not tell where it belongs, or they name several machines.
    """
    found: dict[tuple[str, str], list[Path]] = {part: [] for part in Sources().parts}
    machines, unclear = set(), []
    for folder in folders:
        if not folder.is_dir():
            raise MissingInputError(f"no such folder: {folder}", hint="name files with --train-good, --test-good, ...")
        for path in sorted(folder.rglob("*.mat")):
            names = [folder.resolve().name, *path.relative_to(folder).with_suffix("").parts]
            split, label = _split(names), _label(names)
            if split is None or (split[1], label) not in found:
                unclear.append(path)
                continue
            machines.add(split[0])
            found[split[1], str(label)].append(path)
    _refuse(folders, machines, unclear, empty=not any(found.values()))
    return Sources(*(tuple(paths) for paths in found.values()))


def _refuse(folders: Sequence[Path], machines: set[str], unclear: Sequence[Path], *, empty: bool) -> None:
    by_hand = "name the files: --train-good FILE --test-good FILE --test-fault FILE"
    if unclear:
        raise DataError(
            f"folder names do not tell split and label of {len(unclear)} file(s): {', '.join(map(str, unclear[:5]))};"
            " allowed: ..._TSA_DIF_train or ..._TSA_DIF_test, below or above Normal... or ..._fault... (test only)",
            hint=by_hand,
        )
    if empty:
        raise MissingInputError(f"no .mat file below {', '.join(map(str, folders))}", hint=by_hand)
    if len(machines) > 1:
        raise DataError(
            f"files of {len(machines)} domains: {', '.join(sorted(machines))}; allowed: those of one a call",
            hint=f"name narrower folders, or {by_hand}",
        )


def _split(names: Sequence[str]) -> tuple[str, str] | None:
    """(machine, split)."""
    matches = [match for name in names if (match := _SPLIT.fullmatch(name))]
    return (matches[-1]["machine"], matches[-1]["split"].lower()) if matches else None


def _label(names: Sequence[str]) -> str | None:
    """The innermost name that tells, because folders above it may hold anything."""
    for name in reversed(names):
        if name.lower().startswith("normal"):
            return "good"
        if "fault" in name.lower():
            return "fault"
    return None
