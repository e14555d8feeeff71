"""A few pictures a model and domain, carried inside the page."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from crossad.analysis.collect import Entry

KINDS = {
    "worst_miss": "worst miss",
    "worst_false_alarm": "worst false alarm",
    "median_fault": "median fault",
    "median_normal": "median normal",
}
CAP = 3_000_000  # bytes of all pictures as they stand in the page
_MAGIC = b"\xff\xd8\xff"  # of a JPEG: nothing else is put into the page


@dataclass(frozen=True)
class Picture:
    """One picture: image, anomaly map and overlay, with its numbers drawn above."""

    entry: Entry
    domain: str
    role: str
    kind: str
    uri: str

    @property
    def words(self) -> str:
        """What is in it, for those who cannot see it."""
        return f"{self.kind} on {self.role} {self.domain}: image, anomaly map and overlay"


def pictures(entries: Sequence[Entry]) -> tuple[list[Picture], int]:
    """The pictures that fit, errors before typical cases and all models alike; and how many were left out."""
    found, spent, left_out = [], 0, 0
    for kind, words in KINDS.items():
        for entry in entries:
            for role, domain in [("source", entry.source), *(("target", name) for name in entry.targets)]:
                data = _first(entry, role, domain, kind)
                if data is None:
                    continue
                if spent + len(data) > CAP:
                    left_out += 1
                    continue
                spent += len(data)
                found.append(Picture(entry, domain, role, words, f"data:image/jpeg;base64,{data}"))
    return found, left_out


def _first(entry: Entry, role: str, domain: str, kind: str) -> str | None:
    folder = entry.paths.visualizations("source" if role == "source" else "targets", domain)
    files = sorted(folder.glob(f"{kind}_*.jpg"))
    return _encoded(files[0]) if files else None


def _encoded(path: Path) -> str | None:
    try:
        data = path.read_bytes()
    except OSError:
        return None
    return base64.b64encode(data).decode() if data.startswith(_MAGIC) else None
