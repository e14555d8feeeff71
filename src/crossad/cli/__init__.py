"""The command line. This module knows the verbs' names and one line about each; a verb's code loads when it runs."""

from __future__ import annotations

import importlib
import os
import signal
import sys
from typing import NoReturn

import click

from crossad.errors import CrossadError, EnvironmentFault, InterruptedRun
from crossad.version import __version__

# verb -> one line of help; the code of verb "x" is `command` in crossad/cli/x.py (a test holds both to the same words)
VERBS = {
    "run": "Run a suite on this machine: a queue fills the GPUs (or the CPU), then the report.",
    "train": "Run one condition, here and now; also what a pod runs.",
    "validate": "Check suite files: every fault at once, with line and column.",
    "plan": "Show what would happen: new, done, stale, failed, shared trainings, cost.",
    "schema": "Print the JSON Schema or the table of keys.",
    "migrate": "Convert single-domain conditions to multi-domain ones.",
    "render": "Write the Kubernetes objects of a suite as files, for kubectl apply.",
    "submit": "Create the Jobs of a suite in a cluster and bring the run to its end.",
    "control": "Work on a submitted run until its aggregation has ended: the controller, in a pod.",
    "status": "Show where every condition of a run stands.",
    "explain": "Say in one sentence why a condition is pending or failed, and the next step.",
    "logs": "Print or follow the log of a condition.",
    "retry": "Give failed conditions of a run another try.",
    "cancel": "Stop a run or one of its conditions.",
    "gc": "Remove what a run that is over leaves in the cluster.",
    "report": "Compare all conditions: one HTML page, CSV, JSON, Markdown.",
    "compare": "Compare two conditions on the same images.",
    "repro": "Show the exact command and hashes behind the numbers of a record, and what differs now.",
    "fetch": "Bring a run from the store, verified: the same tree as a local run leaves.",
    "synth": "Write synthetic HDMAP domains (physics-based, labelled synthetic).",
    "data": "Check data before the first GPU; import raw .mat arrays; pack images into a bucket.",
    "assets": "List, fetch and verify pretrained weights, pinned by hash.",
    "store": "Find out what a store really does: a folder, or a bucket of any S3-compatible server.",
    "doctor": "Check cluster, store, data, weights and this machine before a run: a sentence each, and the next step.",
    "completion": "Print the shell completion script for bash, zsh or fish.",
}

# what a bare install lacks -> the extra that brings it
EXTRAS = {
    **dict.fromkeys(("cv2", "scipy"), "data"),
    **dict.fromkeys(("torch", "timm", "lightning", "anomalib", "pyarrow", "safetensors", "tensorboard"), "train"),
    "jinja2": "report",
    "yaml": "cluster",
    **dict.fromkeys(("boto3", "botocore"), "s3"),
}


class _Verbs(click.Group):
    """Loads a verb's module when that verb is called, so that --help costs no import."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        command = importlib.import_module(f"crossad.cli.{cmd_name}").command
        assert isinstance(command, click.Command)  # noqa: S101 - a fact about this package, not about input
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        verb = args[0] if args else ""
        if verb and not verb.startswith("-") and verb not in VERBS:
            import difflib

            near = difflib.get_close_matches(verb, VERBS, n=1)
            hint = f" Did you mean '{near[0]}'?" if near else ""
            raise click.UsageError(f"No such verb '{verb}'.{hint} See 'crossad --help'.", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Verbs"):
            formatter.write_dl(list(VERBS.items()))


_HELP = """Train on one domain, test on many: anomaly-detection transfer experiments from one JSON file.

\b
crossad synth data/hdmap                       four synthetic domains to try it on
crossad run conditions/smoke.json --data data/hdmap --gpus cpu
crossad report --results-dir results --all-models
"""


@click.group(cls=_Verbs, help=_HELP, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="crossad")
def cli() -> None:
    """Carry the verbs."""


def main() -> NoReturn:
    """Run the program; turn errors into one message and an exit code."""
    if os.getpid() == 1:  # of a container: the kernel drops what such a process does not handle
        signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        sys.exit(cli.main(standalone_mode=False) or 0)
    except InterruptedRun as error:
        click.echo(f"error: {error}", err=True)
        _leave(error.exit_code)
    except CrossadError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
    except click.UsageError as error:
        error.show()
        sys.exit(64)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except ModuleNotFoundError as error:
        extra = EXTRAS.get(str(error.name).partition(".")[0])
        if extra is None:
            raise
        click.echo(f"error: a package is not installed: {error.name}\nhint: pip install 'crossad[{extra}]'", err=True)
        sys.exit(EnvironmentFault.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)


def _leave(code: int) -> NoReturn:
    """End at once: all is saved, and to take the interpreter apart with torch in it costs a busy node its grace."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
