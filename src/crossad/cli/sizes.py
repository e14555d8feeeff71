"""The option `--size` of the verbs that write images."""

from __future__ import annotations

import re

import click

LARGEST = 4096  # pixels a side


def image_size(_: click.Context, __: click.Parameter, value: str) -> tuple[int, int] | None:
    """(H, W), or None for the native size."""
    if value == "native":
        return None
    match = re.fullmatch(r"(\d{1,4})x(\d{1,4})", value)
    if match is None or not all(1 <= int(side) <= LARGEST for side in match.groups()):
        raise click.BadParameter(
            f"got {value!r}, allowed: native, or HxW from 1x1 to {LARGEST}x{LARGEST} such as 224x224"
        )
    return int(match[1]), int(match[2])
