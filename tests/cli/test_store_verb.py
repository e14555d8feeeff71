"""`crossad store probe` as a user types it, on every kind of store."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import faultproxy
import pytest
from click.testing import CliRunner, Result
from policies import PAGE, listed, policies
from s3servers import BUCKET, ON_S3, SECRET, Place, Servers, credentials

from crossad.cli.store import command
from crossad.store.bucket import Bucket
from crossad.store.once import MARK
from crossad.store.probe import COMMON

pytestmark = pytest.mark.usefixtures("identity")


def probe(*words: object) -> Result:
    result = CliRunner().invoke(command, ["probe", *map(str, words)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert SECRET not in result.output
    return result


def facts(*words: object) -> dict[str, Any]:
    result = probe(*words, "--json")
    found = json.loads(result.stdout)
    assert result.exit_code == (0 if found["usable"] else 1)
    return found


def verdicts(found: dict[str, Any]) -> dict[str, str]:
    return {finding["check"]: finding["verdict"] for finding in found["findings"]}


def reach(place: Place) -> list[str]:
    trust = ["--ca-bundle", str(place.servers.authority.ca)] if place.kind == "versitygw-tls" else []
    return [place.uri, "--endpoint", place.endpoint, *trust, "--rounds", "2"]


@pytest.mark.parametrize("place", ON_S3, indirect=True)
def test_what_a_server_does_decides_the_commit_mode_and_nothing_is_left(place: Place) -> None:
    found = facts(*reach(place))
    pretends = place.kind == "pretender"
    assert found["usable"]
    assert found["commit"] == ("plain" if pretends else "conditional")
    assert ("ignores it" if pretends else "one winner each") in found["why"]
    assert found["server"] == place.endpoint
    lacking = {check for check, verdict in verdicts(found).items() if verdict != "ok"}
    changed = {"a body that was changed"} if place.kind in ("moto", "pretender") else set()  # moto takes every body
    assert lacking == ({"create once", "If-Match with a stale etag"} if pretends else set()) | changed
    assert {"multipart", "multipart, aborted", "checksums: when_required", "checksums: when_supported"} <= {
        *verdicts(found)
    }
    store = place.open(commit="conditional")
    assert list(store.list()) == []
    assert store.bucket.uploads() == ([], "")  # type: ignore[attr-defined]


def test_a_folder_is_probed_and_left_as_it_was(tmp_path: Path) -> None:
    for folder in (tmp_path / "new", tmp_path / "old"):
        if folder.name == "old":
            folder.mkdir()
        result = probe(folder)
        assert result.exit_code == 0
        assert "commit: link: link(2) lets one of many writers win" in result.stdout
        lines = result.stdout.splitlines()
        assert [line.split()[0] for line in lines[: len(COMMON) + 1]] == ["ok"] * (len(COMMON) + 1)
    assert [path.name for path in tmp_path.iterdir()] == ["old"]
    assert list((tmp_path / "old").iterdir()) == []


def test_the_mode_is_remembered_in_the_store_only_when_told_to(place: Place) -> None:
    place.kind = "pretender"
    assert facts(*reach(place), "--remember")["remembered"]
    assert json.loads(place.open().get(MARK)) == {"format": 1, "commit": "plain"}


def test_a_server_that_is_not_atomic_gets_the_plain_mode(place: Place, servers: Servers) -> None:
    """It refuses a second write to a key that lies there, and forgets to under a race."""
    with faultproxy.serving(servers.moto) as proxy:
        place.kind = "moto"
        proxy.ignore_in = {"if-none-match": "/once-"}
        found = facts(place.uri, "--endpoint", proxy.endpoint, "--rounds", "1")
    assert found["usable"]
    assert found["commit"] == "plain"
    assert "If-None-Match is not atomic here: 16 of 16 writers won in round 1" in found["why"]


def test_a_missing_permission_is_named_and_the_rest_is_still_tried(place: Place, servers: Servers) -> None:
    with faultproxy.serving(servers.versitygw) as proxy:
        proxy.add("refuse", "DELETE", times=999, status=403, code="AccessDenied")
        result = probe(place.uri, "--endpoint", proxy.endpoint, "--rounds", "1")
    assert result.exit_code == 1
    (line,) = [line for line in result.stdout.splitlines() if line.startswith("failed   delete ")]
    assert "s3:DeleteObject" in line
    assert "ok       multipart " in result.stdout
    assert "not usable" in result.stdout
    assert "docs/store.md" in result.stderr


def test_clocks_that_differ_are_told(place: Place, servers: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Bucket, "now", lambda _: datetime(2020, 1, 1, tzinfo=UTC))
    found = facts(place.uri, "--endpoint", servers.versitygw, "--rounds", "1")
    (clock,) = [finding for finding in found["findings"] if finding["check"] == "clock"]
    assert clock["verdict"] == "failed"
    assert "behind, allowed 60" in clock["told"]


def test_a_store_that_cannot_be_written_to_is_not_tried_further(place: Place) -> None:
    found = facts(place.uri, "--endpoint", "http://127.0.0.1:9", "--patience", "0")
    assert not found["usable"]
    assert found["commit"] is None
    assert {*list(verdicts(found).values())[1:]} == {"skipped"}
    assert "no whole answer from http://127.0.0.1:9" in found["why"]


def test_a_missing_bucket_is_bad_input(servers: Servers) -> None:
    result = probe("s3://no-such-bucket/x", "--endpoint", servers.versitygw)
    assert result.exit_code == 2
    assert "no such bucket" in result.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["gs://bucket"], "allowed: a folder"),
        (["results", "--region", "eu-test-1"], "--region: only for s3://bucket/prefix"),
        (["results", "--remember"], "nothing to remember"),
        ([f"s3://{BUCKET}", "--endpoint", "minio:9000"], "allowed https://HOST"),
        (["s3://key:word@bucket"], "credentials in an address are refused"),
    ],
    ids=["scheme", "folder-option", "folder-mark", "endpoint", "credentials"],
)
def test_bad_input_is_told(words: list[str], told: str) -> None:
    result = probe(*words)
    assert result.exit_code == 2
    assert told in result.stderr


def test_the_session_in_the_docs_is_what_a_user_sees(place: Place) -> None:
    (session,) = re.findall(r"```text\n\$ crossad store (.*?)\n(.*?)```", PAGE, re.DOTALL)
    words, shown = session[0].split(), session[1]
    endpoint = words[words.index("--endpoint") + 1]
    result = CliRunner().invoke(command, [{words[1]: place.uri, endpoint: place.endpoint}.get(w, w) for w in words])
    assert result.exit_code == 0
    seen = result.stdout.replace(place.uri, words[1]).replace(place.endpoint, endpoint)
    clock = re.compile(r"the store's is \d+ s (ahead|behind)")
    assert clock.sub("", seen) == clock.sub("", shown)


def policy() -> dict[str, Any]:
    return policies(BUCKET, "team")["Probe"]


def test_a_real_server_accepts_the_probe_under_the_policy_and_only_below_its_prefix(
    servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    servers.allow(policy())
    credentials(monkeypatch, "limited", "limited-secret")
    words = ("--endpoint", servers.versitygw_iam, "--rounds", "1")
    assert facts(f"s3://{BUCKET}/team", *words)["usable"]
    elsewhere = facts(f"s3://{BUCKET}/other", *words)
    assert not elsewhere["usable"]
    assert "access denied" in elsewhere["why"]


ASKED = sorted({action for statement in policy()["Statement"] for action in listed(statement["Action"])})


@pytest.mark.parametrize("action", ASKED)
def test_without_any_one_action_the_probe_says_which_is_missing(
    servers: Servers, monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    narrowed = policy()
    for statement in narrowed["Statement"]:
        statement["Action"] = [allowed for allowed in listed(statement["Action"]) if allowed != action]
    narrowed["Statement"] = [statement for statement in narrowed["Statement"] if statement["Action"]]
    servers.allow(narrowed)
    credentials(monkeypatch, "limited", "limited-secret")
    found = facts(f"s3://{BUCKET}/team", "--endpoint", servers.versitygw_iam, "--rounds", "1", "--threads", "2")
    assert not found["usable"]
    assert any(action in finding["told"] for finding in found["findings"] if finding["verdict"] == "failed")
