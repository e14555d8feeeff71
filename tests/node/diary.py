"""What happened in a night, and when: for whoever reads how a test lived through it."""

from __future__ import annotations

import base64
import shutil
import tempfile
import time
from pathlib import Path

from browser import Browser


class Diary:
    """Lines with the time since the night began, in a file and on the screen."""

    def __init__(self, folder: Path) -> None:
        """Begin; the file lies in the folder, and pictures beside it."""
        folder.mkdir(parents=True)
        self.path, self._began = folder / "night.txt", time.monotonic()

    def tell(self, what: str) -> None:
        """Write down what happens now."""
        minutes, seconds = divmod(int(time.monotonic() - self._began), 60)
        self._write(f"{minutes:02d}:{seconds:02d}  {what}")

    def show(self, told: str) -> None:
        """Write down what a command printed."""
        self._write("\n".join(f"       | {line}" for line in told.splitlines() if line.strip()))

    def picture(self, page: Path, name: str) -> None:
        """A page as a browser shows it, all of it; where there is none, a line that says so."""
        program = shutil.which("chromium")
        if program is None:
            self.tell(f"no picture of {page.name}: no chromium here")
            return
        with tempfile.TemporaryDirectory(prefix="crossad-night-") as profile:
            opened = Browser(program, profile)
            try:
                opened.open(page)
                taken = opened.call("Page.captureScreenshot", captureBeyondViewport=True)
                (self.path.parent / name).write_bytes(base64.b64decode(taken["data"]))
            finally:
                opened.close()
        self.tell(f"picture of the report: {self.path.parent / name}")

    def _write(self, text: str) -> None:
        with self.path.open("a") as file:
            file.write(f"{text}\n")
        print(text, flush=True)  # noqa: T201 - to a person, with -s
