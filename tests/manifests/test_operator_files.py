from __future__ import annotations

import base64
import gzip
import json

import pytest
import yaml

from crossad.cli.operator_files import SAMPLE, SETTINGS, operator_files
from crossad.manifests import words
from crossad.manifests.load import parse_settings

from .conftest import ROOT

K8S = ROOT / "k8s"


def opened(found):
    """Objects with their plan unpacked: two builds of zlib pack it differently."""
    for one in found:
        if one["kind"] == "Job":
            (variable,) = [
                variable
                for variable in one["spec"]["template"]["spec"]["containers"][0]["env"]
                if variable["name"] == words.PLAN_VARIABLE
            ]
            variable["value"] = json.loads(gzip.decompress(base64.b64decode(variable["value"])))
    return found


@pytest.mark.parametrize("name", ["00-namespace.yaml", "10-accounts.yaml", "20-data-claim.yaml", SAMPLE])
def test_what_an_operator_applies_is_what_is_made(name):
    text = (K8S / name).read_text(encoding="utf-8")
    assert opened(list(yaml.safe_load_all(text))) == opened(operator_files(ROOT)[name]), "run make golden"
    assert text.startswith("# "), "it says what it is for"


def test_nothing_else_lies_there():
    files = {path.relative_to(K8S).as_posix() for path in K8S.rglob("*") if path.is_file()}
    assert files == {*operator_files(ROOT), SETTINGS}


def test_the_sample_settings_are_good_settings():
    settings = parse_settings(SETTINGS, (K8S / SETTINGS).read_text(encoding="utf-8"))
    assert list(settings.warnings(16)) == []
