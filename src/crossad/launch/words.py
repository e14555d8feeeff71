"""Times, standings and AUROCs as people read them."""

from __future__ import annotations

from crossad.results.progress import Progress


def describe(seen: Progress) -> str:
    """What a trainer does, with its count: "fitting 120/400 step"."""
    count = f"{seen.done}/{seen.total} {seen.unit}".rstrip() if seen.total else ""
    return " ".join(part for part in (seen.phase, seen.detail, count) if part)


def clock(seconds: float | None) -> str:
    """Seconds as 0:05, 12:34 or 1:02:03; a question mark where unknown."""
    if seconds is None:
        return "?"
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def aurocs(values: dict[str, float | None]) -> str:
    """One line: domain_A 0.981  domain_B 0.823; an undefined one is a dash, never a number."""
    return "  ".join(f"{domain} {'–' if value is None else f'{value:.3f}'}" for domain, value in values.items())
