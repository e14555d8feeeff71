"""The page as one HTML file."""

from __future__ import annotations

from crossad.analysis.page import Page
from crossad.analysis.svg import figure_style
from crossad.analysis.wording import model_name
from crossad.errors import EnvironmentFault


def render(page: Page) -> str:
    """One HTML file that needs nothing beside it; every text from outside is escaped.

    Raises:
        EnvironmentFault: jinja2 is not installed.
    """
    try:
        import jinja2  # noqa: PLC0415 - an extra: its absence is told, not thrown
    except ImportError as error:
        raise EnvironmentFault("the page needs jinja2", hint="pip install 'crossad[report]'") from error
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("crossad.analysis"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    style = environment.get_template("report.css").render() + figure_style()
    return environment.get_template("report.html").render(page=page, style=style, model_name=model_name)
