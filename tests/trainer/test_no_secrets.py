"""Keys that a session works with are in nothing that it writes or says, however it ends."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import urllib.parse
from pathlib import Path

import pytest
from tinydraem import TINY_DRAEM

ACCESS, SECRET = "AKIAQ7K2M4N6P8R0T2V4", "s3cr3t/That+NobodyXMayEverRead0123456789"
SUITE = {
    "experiment_conditions": [
        {
            "name": "good",
            "description": "",
            "config": {
                **TINY_DRAEM,
                "target_domains": ["domain_B"],
                "max_epochs": 1,
                "max_visualizations": 1,
                "num_workers": 1,
            },
        }
    ]
}


class Session:
    """A machine with a mounted credentials file, and what its commands said."""

    def __init__(self, place, folder: Path, data: Path) -> None:
        self.place, self.folder, self.data = place, folder, data
        self.said = b""
        self.keys = folder / "mounted" / "credentials"
        self.keys.parent.mkdir()
        self.suite = folder / "suite.json"
        self.suite.write_text(json.dumps(SUITE))
        self.believe(SECRET)

    def believe(self, secret: str) -> None:
        self.keys.write_text(f"[default]\naws_access_key_id={ACCESS}\naws_secret_access_key={secret}\n")

    def call(self, *words: str) -> int:
        """Run a command; its exit code."""
        where = ["--store", self.place.uri, "--results-dir", str(self.folder / "results")]
        options = [f"endpoint={self.place.servers.versitygw_iam}", "patience_seconds=0", "attempts=1"]
        given = [words[0], *where, *(word for option in options for word in ("--store-option", option)), *words[1:]]
        environment = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
        environment |= {"AWS_SHARED_CREDENTIALS_FILE": str(self.keys), "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            [sys.executable, "-m", "crossad", *given], capture_output=True, check=False, env=environment, timeout=300
        )
        self.said += done.stdout + done.stderr
        return done.returncode

    def train(self, run: str, *more: str) -> int:
        where = ["--config", str(self.suite), "--experiment-id", "0", "--gpu-id", "cpu", "--run", run]
        return self.call("train", *where, "--data", str(self.data), *more)

    def written(self) -> dict[str, bytes]:
        """Everything: files of the machine but the mounted ones, objects of the bucket, words."""
        files = [path for path in self.folder.rglob("*") if path.is_file() and path.parent != self.keys.parent]
        found = {str(path.relative_to(self.folder)): path.read_bytes() for path in files}
        objects = self.place.servers.files("versitygw-iam") / self.place.prefix
        stored = {
            path.relative_to(objects).as_posix(): path.read_bytes() for path in objects.rglob("*") if path.is_file()
        }
        return found | {f"s3: {key}": data for key, data in stored.items()} | {"said": self.said}

    def assert_clean(self, *secrets: str) -> dict[str, bytes]:
        written = self.written()
        for secret in (ACCESS, SECRET, *secrets):
            forms = (secret.encode(), urllib.parse.quote(secret, safe="").encode(), base64.b64encode(secret.encode()))
            for name, data in written.items():
                assert not any(form in data for form in forms), name
        return written


@pytest.fixture(scope="module")
def account(servers) -> None:
    servers.account(ACCESS, SECRET)


@pytest.fixture
def session(versitygw, account, tmp_path, domains) -> Session:
    return Session(versitygw, tmp_path, domains)


def test_neither_a_session_that_succeeds_nor_one_that_fails_writes_a_key_anywhere(session, tmp_path):
    assert session.train("night1") == 0
    assert session.train("night2", "--set", "source_domain=domain_Z") == 66
    session.call("status", "night1")
    session.call("explain", "night1", "good")
    session.call("logs", "night1", "good")
    session.call("report", "night1")
    written = session.assert_clean()
    assert any(name.startswith("s3: commits/condition-") for name in written)
    assert any(name.startswith("s3: attempts/") and name.endswith("manifest.json") for name in written)
    assert any("result_" in name for name in written)


def test_a_session_whose_keys_are_refused_does_not_tell_them(session):
    session.believe("another/Secret+ThatIsWrong0123456789abcd")
    assert session.train("night") == 78
    assert b"credentials refused" in session.said
    session.assert_clean("another/Secret+ThatIsWrong0123456789abcd")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--store-option", f"secret_access_key={SECRET}"), "a literal credential is refused"),
        (("--store-option", f"aws_session_token={SECRET}"), "a literal credential is refused"),
        (("--store-option", f"endpoint=https://{ACCESS}:{SECRET}@127.0.0.1"), "credentials in the URL are refused"),
        (("--store", f"s3://{ACCESS}:{SECRET}@bucket/x"), "credentials in an address are refused"),
        (("--data", f"s3://{ACCESS}:{SECRET}@bucket/x"), "credentials in an address are refused"),
        (("--data-option", f"secret_access_key={SECRET}", "--data", "s3://b/x"), "a literal credential is refused"),
        (("--set", f"secret_key={SECRET}"), "no condition of this suite uses this key"),
    ],
    ids=["option", "token", "endpoint", "store", "data", "data-option", "set"],
)
def test_keys_among_the_words_of_a_command_are_refused_and_not_repeated(session, words, told):
    assert session.train("night", *words) in (64, 65)
    assert told.encode() in session.said
    session.assert_clean()


@pytest.mark.parametrize("key", ["description", "aws_secret_access_key"])
def test_a_key_in_a_suite_is_refused_and_not_repeated(session, key):
    suite = json.loads(session.suite.read_text())
    suite["experiment_conditions"][0][key] = SECRET
    session.suite.write_text(json.dumps(suite))
    assert session.train("night") == 65
    assert b"secret" in session.said
    session.suite.unlink()
    session.assert_clean()
