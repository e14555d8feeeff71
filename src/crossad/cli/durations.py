"""Lengths of time as people write them: `7d`, `12h`, `30m`, `90s`."""

from __future__ import annotations

import re
from datetime import timedelta

import click

_UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}


def duration(_: click.Context, __: click.Parameter, value: str | None) -> timedelta | None:
    """The time of an option that was given."""
    if value is None:
        return None
    match = re.fullmatch(r"(\d{1,9})([dhms])", value)
    if match is None:
        raise click.BadParameter(f"got {value!r}, allowed: a number and d, h, m or s, such as 7d or 12h")
    return timedelta(seconds=int(match[1]) * _UNITS[match[2]])
