"""`crossad schema`: what suite files and settings files may say: JSON Schema, or a table."""

from __future__ import annotations

import json

import click

_HELP = """Print the JSON Schema or the table of keys.

\b
crossad schema > suite.schema.json
crossad schema --format markdown > docs/keys.md
crossad schema --format settings-markdown > docs/settings.md
crossad schema --format keys | jq -r '.[] | select(.identity == "execution") | .key'
"""


@click.command(help=_HELP)
@click.option(
    "--format",
    "form",
    type=click.Choice(["schema", "markdown", "keys", "settings", "settings-markdown"]),
    default="schema",
    show_default=True,
    help="Of suites: JSON Schema, table as Markdown, table as JSON; of cluster settings: JSON Schema, table.",
)
@click.option("--json", "as_keys", is_flag=True, help="The table as JSON; the same as --format keys.")
def command(form: str, as_keys: bool) -> None:
    """Print what files may say; all of it is generated from the models that check them."""
    if as_keys or form == "keys":
        from crossad.conditions.table import facts

        click.echo(json.dumps(facts(), indent=2, ensure_ascii=False))
    elif form == "markdown":
        from crossad.conditions.table import markdown

        click.echo(markdown(), nl=False)
    elif form == "settings":
        from crossad.manifests.reference import settings_schema

        click.echo(json.dumps(settings_schema(), indent=2, ensure_ascii=False))
    elif form == "settings-markdown":
        from crossad.manifests.reference import settings_markdown

        click.echo(settings_markdown(), nl=False)
    else:
        from crossad.conditions.schema import suite_schema

        click.echo(json.dumps(suite_schema(), indent=2, ensure_ascii=False))
    click.echo("next: crossad validate FILE", err=True)
