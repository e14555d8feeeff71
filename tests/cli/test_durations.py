from __future__ import annotations

import click
import pytest

from crossad.cli.durations import duration
from crossad.cli.train import command


@pytest.mark.parametrize(
    ("text", "seconds"), [("7d", 604_800), ("12h", 43_200), ("30m", 1800), ("0s", 0), ("259200s", 259_200)]
)
def test_a_number_and_a_unit(text, seconds):
    assert duration(None, None, text).total_seconds() == seconds


def test_what_is_not_given_is_no_time():
    assert duration(None, None, None) is None


@pytest.mark.parametrize("text", ["", "12", "h", "1.5h", "-1h", "1w", "12 h", "1h30m", "1" * 10 + "d"])
def test_anything_else_is_told_with_what_is_allowed(text):
    with pytest.raises(click.BadParameter, match="allowed: a number and d, h, m or s"):
        duration(None, None, text)


@pytest.mark.parametrize("words", [("--max-runtime", "soon"), ("--max-preemptions", "0")])
def test_a_bound_that_cannot_be_meant_is_refused_before_anything_is_read(words):
    with pytest.raises(click.BadParameter) as caught:
        command.main(["--config", "none.json", "--experiment-id", "0", *words], standalone_mode=False)
    assert words[0] in caught.value.format_message()
