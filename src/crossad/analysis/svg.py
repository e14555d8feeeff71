"""A small drawing board for SVG: shapes with classes, so that one style sheet serves light and dark."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import resources
from itertools import pairwise

from crossad.results.layout import slug

Point = tuple[float, float]
SERIES = 6  # distinct looks: colour, dash pattern and marker change together, so that colour carries nothing alone


@dataclass(frozen=True)
class Scale:
    """Carries values to pixels, linearly."""

    low: float
    high: float
    start: float  # pixels of `low`
    stop: float  # pixels of `high`

    def __call__(self, value: float) -> float:
        """Pixels of a value; values outside are drawn at the edge."""
        share = (value - self.low) / (self.high - self.low) if self.high > self.low else 0.5
        return self.start + min(1.0, max(0.0, share)) * (self.stop - self.start)


class Drawing:
    """One figure of `width` x `height` user units, with title and description for those who cannot see it."""

    def __init__(self, name: str, width: float, height: float, *, title: str, description: str) -> None:
        """`name` makes the ids of this figure unlike those of any other on the page."""
        self.name, self.width, self.height = slug(name), width, height
        self.title, self.description = title, description
        self._parts: list[str] = []

    def line(self, start: Point, stop: Point, style: str) -> None:
        """A straight line."""
        ends = zip(("x1", "y1", "x2", "y2"), (*start, *stop), strict=True)
        where = " ".join(f'{name}="{_n(value)}"' for name, value in ends)
        self._parts.append(f'<line class="{style}" {where}/>')

    def path(self, points: Iterable[Point], style: str, *, closed: bool = False) -> None:
        """A line through points, or a filled shape."""
        steps = " L".join(f"{_n(x)} {_n(y)}" for x, y in points)
        self._parts.append(f'<path class="{style}" d="M{steps}{" Z" if closed else ""}"/>')

    def box(self, corner: Point, size: Point, style: str, *, strength: float | None = None) -> None:
        """A rectangle from its upper left corner; `strength` in 0..1 is its opacity."""
        opacity = "" if strength is None else f' fill-opacity="{strength:.2f}"'
        self._parts.append(
            f'<rect class="{style}" x="{_n(corner[0])}" y="{_n(corner[1])}" width="{_n(size[0])}"'
            f' height="{_n(size[1])}"{opacity}/>'
        )

    def text(self, at: Point, words: str, style: str = "", *, anchor: str = "start") -> None:
        """Words; everything in them is escaped."""
        where = f'x="{_n(at[0])}" y="{_n(at[1])}" text-anchor="{anchor}"'
        self._parts.append(f'<text class="{style}" {where}>{html.escape(words)}</text>')

    def marker(self, at: Point, series: int) -> None:
        """The sign of a series: circle, square, triangle, diamond, ..."""
        x, y = at
        corners: Sequence[Point] = (
            ((-4, -4), (4, -4), (4, 4), (-4, 4)),
            ((0, -5), (5, 4), (-5, 4)),
            ((0, -5.5), (5.5, 0), (0, 5.5), (-5.5, 0)),
            ((0, 5), (5, -4), (-5, -4)),
            ((-5, -2), (0, -5), (5, -2), (3, 4), (-3, 4)),
        )[series % SERIES - 1]
        style = f"mark s{series % SERIES}"
        if series % SERIES == 0:
            self._parts.append(f'<circle class="{style}" cx="{_n(x)}" cy="{_n(y)}" r="4.5"/>')
        else:
            self.path([(x + dx, y + dy) for dx, dy in corners], style, closed=True)

    def render(self, *, standalone: bool = False) -> str:
        """The figure: for a page that has the style sheet, or for a file of its own."""
        name = self.name
        style = f"<style>{figure_style()}</style>" if standalone else ""
        title = f'<title id="{name}-t">{html.escape(self.title)}</title>'
        description = f'<desc id="{name}-d">{html.escape(self.description)}</desc>'
        size = f'viewBox="0 0 {_n(self.width)} {_n(self.height)}"'
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" class="figure" role="img" {size}'
            f' aria-labelledby="{name}-t {name}-d">{title}{description}{style}{"".join(self._parts)}</svg>'
        )


def figure_style() -> str:
    """The style sheet of all figures."""
    return resources.files("crossad.analysis").joinpath("templates/figure.css").read_text(encoding="utf-8")


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Round values between two bounds: steps of 1, 2 or 5 times a power of ten."""
    span = high - low
    if span <= 0:
        return [low]
    rough = span / count
    power = 10.0 ** _exponent(rough)
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    first = -(-low // step)
    return [round((first + index) * step, 10) for index in range(count * 2 + 2) if (first + index) * step <= high]


def _exponent(value: float) -> int:
    return int(f"{value:e}".partition("e")[2])


def spread(wanted: Sequence[float], gap: float) -> list[float]:
    """Positions at least `gap` apart, in the order of the wanted ones and near them."""
    order = sorted(range(len(wanted)), key=wanted.__getitem__)
    placed = list(wanted)
    for before, after in pairwise(order):
        placed[after] = max(placed[after], placed[before] + gap)
    excess = (placed[order[-1]] - wanted[order[-1]]) / 2 if order else 0.0
    return [place - excess for place in placed]


def _n(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
