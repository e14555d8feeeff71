"""The doctor itself: checks run at once, each is bounded, and none of them hides another."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from crossad.control.checks.quantities import amount, asked, shown
from crossad.control.doctor import Check, Told, count, examine, left_out, ok, skipped, warning, wrong
from crossad.errors import MissingInputError


def check(name: str, *told: Told, after: Check | None = None) -> Check:
    return Check("area", name, lambda: told, after)


def test_findings_come_in_the_order_of_the_checks_whatever_ends_first() -> None:
    gate = threading.Event()

    def slow() -> Iterator[Told]:
        gate.wait(30)
        yield ok("slow")

    def quick() -> Iterator[Told]:
        gate.set()
        yield ok("quick")
        yield warning("twice", "look")

    found = examine([Check("area", "a", slow), Check("area", "b", quick)])
    assert [(one.check, one.sentence) for one in found] == [("a", "slow"), ("b", "quick"), ("b", "twice")]
    assert found[2].next_step == "look"


def test_a_check_that_crashes_is_a_finding_and_hides_no_other() -> None:
    def crash() -> Iterator[Told]:
        yield ok("before")
        raise ZeroDivisionError("by nothing")

    found = examine([Check("area", "bad", crash), check("good", ok("fine"))])
    assert [one.sentence for one in found[::2]] == ["before", "fine"]
    assert found[1].verdict == "wrong"
    assert found[1].sentence == "this check itself failed: ZeroDivisionError: by nothing"


def test_an_error_of_ours_is_told_with_its_next_step() -> None:
    def missing() -> Iterator[Told]:
        raise MissingInputError("no such thing", hint="make one")
        yield

    (found,) = examine([Check("area", "a", missing)])
    assert (found.verdict, found.sentence, found.next_step) == ("wrong", "no such thing", "make one")


def test_a_check_that_hangs_is_given_up_and_the_others_stand() -> None:
    gate = threading.Event()

    def hang() -> Iterator[Told]:
        yield ok("before")
        gate.wait(600)
        yield ok("late")

    found = examine([Check("area", "hangs", hang), check("good", ok("fine"))], seconds=0.2)
    gate.set()
    assert [one.sentence for one in found] == ["before", "no answer within 0 s", "fine"]
    assert found[1].verdict == "wrong"


def test_what_comes_after_a_check_is_left_out_where_that_is_wrong() -> None:
    first, second = check("first", wrong("down")), check("other", warning("so so"))
    found = examine([first, second, check("a", ok("fine"), after=first), check("b", ok("fine"), after=second)])
    assert [one.verdict for one in found] == ["wrong", "warning", "left out", "ok"]
    assert "first" in found[2].sentence


def test_what_comes_after_a_crash_tells_the_same() -> None:
    def crash() -> Iterator[Told]:
        raise MissingInputError("no kubeconfig")
        yield

    first = Check("area", "first", crash)
    found = examine([first, check("a", ok("fine"), after=first)])
    assert [one.verdict for one in found] == ["wrong", "left out"]


def test_a_chain_of_checks_is_left_out_as_a_whole() -> None:
    first = check("first", wrong("down"))
    second = check("second", ok("fine"), after=first)
    found = examine([first, second, check("third", ok("fine"), after=second)])
    assert [one.verdict for one in found] == ["wrong", "left out", "left out"]


def test_verdicts_are_counted() -> None:
    found = examine([check("a", ok("1"), ok("2"), wrong("3")), skipped("area", "b", "no option", "add it")])
    assert count(found) == {"ok": 2, "warning": 0, "wrong": 1, "left out": 1}
    assert left_out("x").step == ""


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("500m", 0.5), ("16Gi", 2**34), ("1e3", 1000), ("1E3", 1000), ("1E", 10**18), ("2Ei", 2**61), ("5k", 5000),
        ("3Ki", 3072), (".5", 0.5), ("1.5Gi", 1.5 * 2**30), (8, 8), ("100u", 0.0001), ("7n", 7e-9), ("2M", 2_000_000),
    ],
)  # fmt: skip
def test_quantities_are_numbers(text: str | int, number: float) -> None:
    assert float(amount(text)) == number


@pytest.mark.parametrize("text", ["", "Gi", "1 Gi", "1GB", "0x1", "1/2", "--1"])
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="quantity"):
        amount(text)


def test_a_pod_asks_for_its_limits_where_it_requests_nothing() -> None:
    resources = {"requests": {"cpu": "1"}, "limits": {"cpu": "2", "nvidia.com/gpu": "1"}}
    found = asked({"containers": [{"resources": resources}, {"resources": {"requests": {"cpu": "500m"}}}, {}]})
    assert {name: float(value) for name, value in found.items()} == {"cpu": 1.5, "nvidia.com/gpu": 1}
    assert shown("memory", amount("16Gi")) == "16Gi"
    assert shown("cpu", amount("1500m")) == "1.5"
