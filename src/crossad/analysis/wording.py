"""Numbers and names as people read them: the same in the terminal, the page and the tables."""

from __future__ import annotations

from crossad.results.record import Interval

NONE = "–"  # a number that does not exist; its reason stands beside it
_MODELS = {
    "draem": "DRAEM",
    "dinomaly": "Dinomaly",
    "patchcore": "PatchCore",
    "draem_sevnet": "DRAEM-SevNet",
}


def model_name(model: str) -> str:
    """The guide's spelling of a model."""
    return _MODELS.get(model, model)


def number(value: float | None, digits: int = 3) -> str:
    """A number, or a dash where there is none."""
    return NONE if value is None else f"{value:.{digits}f}"


def bounds(interval: Interval | None) -> str:
    """An interval in brackets, or nothing."""
    return "" if interval is None else f"[{interval.low:.3f}, {interval.high:.3f}]"


def percent(share: float | None) -> str:
    """A share in percent."""
    return NONE if share is None else f"{100 * share:.1f} %"


def listed(names: list[str] | tuple[str, ...]) -> str:
    """Names in a sentence: "B, C and D"."""
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)


def duration(seconds: float | None) -> str:
    """Seconds as a person says them."""
    if seconds is None:
        return NONE
    if seconds < 90:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"


def size(count: int | None) -> str:
    """Bytes as a person says them."""
    if count is None:
        return NONE
    return f"{count / 2**30:.2f} GiB" if count >= 2**30 else f"{count / 2**20:.0f} MiB"
