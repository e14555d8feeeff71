from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from crossad.cli import VERBS
from crossad.cli.compare import command as compare
from crossad.cli.report import command as report
from crossad.results.layout import RunPaths
from crossad.results.plan import Plan, PlanEntry
from crossad.results.record import DomainResult, Record


def call(command: Any, *words: object) -> Result:
    return CliRunner().invoke(command, [str(word) for word in words])


def result(area: float) -> DomainResult:
    interval = {"low": area - 0.05, "high": area + 0.05, "method": "m"}
    return DomainResult.model_validate(
        {"status": "ok", "test_image_AUROC": area, "interval": interval, "counts": {"good": 80, "fault": 80}}
    )


def write(results: Path, run: str, names: list[str], done: int | None = None) -> None:
    config = {"model_type": "draem", "source_domain": "A", "target_domains": ["B"]}
    entries = [
        PlanEntry(experiment_id=index, name=name, config=config, condition_id=f"{run}{name}", training_key="t")
        for index, name in enumerate(names)
    ]
    plan = Plan(run=run, suite="s", created=f"2026-01-0{len(run)}T00:00:00+00:00", data="d", conditions=tuple(entries))
    paths = RunPaths(results, run)
    paths.root.mkdir(parents=True)
    paths.plan.write_text(plan.model_dump_json())
    for name in names[:done]:
        record = Record(
            condition={"name": name, "config": config},
            condition_id=f"{run}{name}",
            training_key="t",
            run=run,
            attempt="x",
            status="success",
            timestamp="2026-01-01T00:00:00+00:00",
            val_image_AUROC=0.9,
            source_results=result(0.9),
            target_results={"B": result(0.8)},
            avg_target_auroc=0.8,
            n_targets=1,
            transfer_ratio=0.8 / 0.9,
        )
        file = paths.condition(name).record("20260101_000000")
        file.parent.mkdir(parents=True)
        file.write_text(record.model_dump_json())


def test_the_newest_run_is_reported_and_the_page_named_apart_from_the_table(tmp_path: Path) -> None:
    write(tmp_path, "a", ["one"])
    write(tmp_path, "bb", ["two"])
    done = call(report, "--results-dir", tmp_path)
    assert done.exit_code == 0
    page = tmp_path / "bb" / "report" / "index.html"
    assert f"report: {page}" in done.stderr
    assert page.exists()
    assert "A → B" in done.stdout
    assert "two" in done.stdout
    assert "one" not in done.stdout
    assert [line.split()[-2:] for line in done.stdout.splitlines() if line.startswith("Source (A)")] == [
        ["[0.850,", "0.950]"]
    ]
    assert [line.split()[2] for line in done.stdout.splitlines() if line.startswith("Transfer ratio")] == ["0.889"]


def test_the_guides_line_reports_all_runs(tmp_path: Path) -> None:
    write(tmp_path, "a", ["one"])
    write(tmp_path, "bb", ["two"])
    done = call(report, "--results-dir", tmp_path, "--all-models")
    assert done.exit_code == 0
    assert "one" in done.stdout
    assert "two" in done.stdout
    assert (tmp_path / "report" / "summary.csv").exists()


def test_a_pipe_gets_whole_lines_without_colours(tmp_path: Path) -> None:
    write(tmp_path, "a", [f"a_rather_long_name_of_a_condition_{index}" for index in range(6)])
    out = call(report, "--results-dir", tmp_path).stdout
    assert "\x1b" not in out
    assert all(f"a_rather_long_name_of_a_condition_{index}" in out for index in range(6))
    assert sum(line.startswith("Transfer ratio") for line in out.splitlines()) == 1


def test_many_conditions_are_a_line_each(tmp_path: Path) -> None:
    names = [f"a_rather_long_name_of_a_condition_{index:02}" for index in range(16)]
    write(tmp_path, "a", names)
    lines = call(report, "--results-dir", tmp_path).stdout.splitlines()
    head = next(line for line in lines if line.startswith("condition"))
    assert head.split()[1:4] == ["Source", "(A)", "B"]
    for name in names:
        (line,) = (line for line in lines if line.startswith(name))
        assert line.split()[1:3] == ["0.900", "0.800"]
        assert len(line) < 200


def test_a_partial_run_ends_with_3_and_its_report_is_written(tmp_path: Path) -> None:
    write(tmp_path, "a", ["one", "late"], done=1)
    done = call(report, "a", "--results-dir", tmp_path, "--out", tmp_path / "x")
    assert done.exit_code == 3
    assert "not started" in done.stdout
    assert "crossad status a" in done.stderr
    assert (tmp_path / "x" / "index.html").exists()


def test_facts_for_machines_are_json_alone(tmp_path: Path) -> None:
    write(tmp_path, "a", ["one"])
    facts = json.loads(call(report, "--results-dir", tmp_path, "--json").stdout)
    assert facts["models"][0]["source_auroc"] == 0.9
    assert facts["complete"] is True


@pytest.mark.parametrize("words", [("night9",), ()])
def test_bad_input_is_one_message_and_2(tmp_path: Path, words: tuple[str, ...]) -> None:
    if words:
        write(tmp_path, "a", ["one"])
    done = call(report, *words, "--results-dir", tmp_path)
    assert done.exit_code == 2
    assert done.stderr.startswith("error: no run")
    assert "hint:" in done.stderr


def test_compare_without_scores_is_bad_input(tmp_path: Path) -> None:
    write(tmp_path, "a", ["one", "two"])
    done = call(compare, "one", "two", "--results-dir", tmp_path)
    assert done.exit_code == 2
    assert "no per-image scores of one" in done.stderr


def test_compare_says_the_outcome_in_words(tmp_path: Path) -> None:
    write(tmp_path, "a", ["one", "two"])
    for name, lift in (("one", 50), ("two", 3)):
        rows = [
            f"A,test,{label}/{index}.png,{label},{(index * 37) % 60 + lift * label},0,,"
            for label in (0, 1)
            for index in range(60)
        ]
        head = "domain,split,path,label,score,predicted,severity,stratum"
        file = RunPaths(tmp_path, "a").condition(name).predictions.with_suffix(".csv")
        file.write_text("\n".join([head, *rows]) + "\n")
    done = call(compare, "one", "two", "--results-dir", tmp_path)
    assert done.exit_code == 0, done.output
    assert "A: A is better; difference +0." in done.stdout
    facts = json.loads(call(compare, "one", "two", "--results-dir", tmp_path, "--json").stdout)
    assert facts["domains"][0]["images"] == 120


@pytest.mark.parametrize(("verb", "command"), [("report", report), ("compare", compare)])
def test_help_begins_with_the_verbs_line(verb: str, command: Any) -> None:
    assert command.help.splitlines()[0] == VERBS[verb]
