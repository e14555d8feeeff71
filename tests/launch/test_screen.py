from __future__ import annotations

import io

from rich.console import Console

from crossad.launch.board import Board, Row, estimate
from crossad.launch.screen import LiveScreen, PlainScreen, screen, table
from crossad.launch.words import aurocs, clock
from crossad.results.progress import Progress


def progress(eta: float | None, spent: float = 10.0) -> Progress:
    return Progress(phase="fitting", done=3, total=9, unit="step", started=0, updated=spent, eta_seconds=eta, pid=1)


def rows(count: int) -> tuple[Row, ...]:
    return (
        Row("a[b]", "running", "gpu 0", progress(5), auroc={"domain_A": 0.9, "domain_B": None}),
        *(Row(f"n{number}", "waiting") for number in range(count)),
    )


def drawn(board: Board, height: int = 40) -> str:
    console = Console(width=160, file=io.StringIO(), no_color=True)
    with console.capture() as capture:
        console.print(table(board, height))
    return capture.get()


def test_the_table_shows_names_as_they_are_and_an_undefined_auroc_as_a_dash() -> None:
    text = drawn(Board(rows(1), 65))
    assert "a[b]" in text
    assert "fitting 3/9 step" in text
    assert "domain_A 0.900  domain_B –" in text
    assert "1 running, 1 waiting; ETA 1:05" in text


def test_rows_that_do_not_fit_are_counted_and_running_ones_stay() -> None:
    text = drawn(Board(rows(100), None), height=12)
    assert "a[b]" in text
    assert "95 more not shown" in text
    assert len(text.splitlines()) <= 12


def test_plain_lines_have_no_escape_codes_and_come_once_a_minute() -> None:
    clock_now = [0.0]
    stream = io.StringIO()
    plain = PlainScreen(stream, now=lambda: clock_now[0])
    for second in range(121):
        clock_now[0] = float(second)
        plain.show(Board(rows(1), 5))
    lines = stream.getvalue().splitlines()
    assert len([line for line in lines if line.startswith("1 running")]) == 2
    assert "\x1b" not in stream.getvalue()


def test_a_terminal_gets_the_table_and_a_pipe_gets_lines() -> None:
    assert isinstance(screen(io.StringIO()), PlainScreen)
    stream = io.StringIO()
    with LiveScreen(Console(file=stream, force_terminal=True, width=120, no_color=True)) as live:
        live.say("a[b] | start")
        live.show(Board(rows(1), 5))
    assert "a[b] | start" in stream.getvalue()
    assert "\x1b[3" not in stream.getvalue()  # no colour


def test_the_estimate_needs_something_to_go_by() -> None:
    assert estimate([], 3, [], 1) is None
    assert estimate([None], 3, [], 1) is None
    assert estimate([progress(5, spent=10)], 2, [], 1) == 5 + 2 * 15
    assert estimate([progress(5)], 4, [20, 40], 2) == 5 + 4 * 30 / 2


def test_times_and_scores_read_like_times_and_scores() -> None:
    assert [clock(value) for value in (None, 5, 65, 3723)] == ["?", "0:05", "1:05", "1:02:03"]
    assert aurocs({"a": 0.5, "b": None}) == "a 0.500  b –"
