from __future__ import annotations

import json

import pytest

from crossad.manifests.load import SettingsError, parse_settings

from .conftest import FULL, MINIMAL

LITERAL = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"


def faults(text):
    with pytest.raises(SettingsError) as caught:
        parse_settings("s.yaml", text)
    return {fault.path: fault for fault in caught.value.faults}


def test_yaml_and_json_say_the_same(minimal):
    assert parse_settings("s.json", json.dumps(minimal.model_dump(by_alias=True, mode="json"))) == minimal


def test_every_fault_is_told_at_once_with_its_place():
    found = faults(
        """
image: x
images: {trainer: reg/a, controller: reg/b}
store: {uri: "s3:/x", optoins: {}}
data: {claim: A_b, accessModes: [ReadWriteOnse]}
resources: {gpucount: 1}
models: {draem: {gpu_count: 1}}
job: {graceSeconds: soon, backoffLimit: -1}
"""
    )
    assert {path: (fault.line, fault.column) for path, fault in found.items()} == {
        "image": (2, 1),
        "images": (3, 1),
        "store.uri": (4, 9),
        "store.optoins": (4, 23),
        "data.claim": (5, 8),
        "data.accessModes[0]": (5, 34),
        "resources.gpucount": (6, 13),
        "models.draem.gpu_count": (7, 18),
        "job.graceSeconds": (8, 7),
        "job.backoffLimit": (8, 27),
    }
    assert found["store.optoins"].hint == "did you mean options?"
    assert found["models.draem.gpu_count"].hint == "did you mean gpuCount?"
    assert found["data.accessModes[0]"].hint == "did you mean ReadWriteOnce?"
    assert (found["job.graceSeconds"].found, found["job.graceSeconds"].allowed) == ('"soon"', "a whole number")
    assert found["job.backoffLimit"].allowed == "at least 0"


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("store: {uri: s3://bucket/p, options: {aws_secret_access_key: abc}}", "store.options.aws_secret_access_key"),
        (f"annotations: {{note: {LITERAL}}}", "annotations.note"),
        ("proxies: {https: 'http://me:geheim@proxy.example:3128'}", "proxies.https"),
        ("store: {uri: s3://bucket/p, secret: AKIAIOSFODNN7EXAMPLE}", "store.secret"),
        (
            "podOverlay: {spec: {containers: [{name: trainer, env: [{name: HF_TOKEN, value: abc}]}]}}",
            "podOverlay.spec.containers[0].env[0].HF_TOKEN",
        ),
    ],
)
def test_a_literal_secret_is_refused_and_not_repeated(text, path):
    with pytest.raises(SettingsError) as caught:
        parse_settings("s.yaml", _with(text))
    assert path in {fault.path for fault in caught.value.faults}
    for hidden in ("abc", "geheim", LITERAL, "AKIAIOSFODNN7EXAMPLE"):
        assert f"{hidden}" not in str(caught.value).replace("s3://bucket/p", "")


def _with(text):
    """The smallest settings, one part of them replaced."""
    name = text.partition(":")[0]
    return "\n".join([line for line in MINIMAL.splitlines() if not line.startswith(f"{name}:")] + [text])


@pytest.mark.parametrize(
    "overlay",
    [
        "{name: trainer, env: [{name: HF_TOKEN, valueFrom: {secretKeyRef: {name: hub, key: token}}}]}",
        "{name: trainer, envFrom: [{secretRef: {name: hub}}]}",
    ],
)
def test_a_secret_by_reference_is_fine(overlay):
    parse_settings("s.yaml", f"{MINIMAL}podOverlay: {{spec: {{containers: [{overlay}]}}}}")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("images: {trainer: reg/a:1.0, controller: reg/b:1.0}", "trainer: 'reg/a:1.0' has no digest"),
        ("data: {claim: a, uri: s3://b/c}", "name one of claim and uri"),
        ("data: {}", "name one of claim and uri"),
        ("data: {claim: a, subPath: ../b}", "allowed: a folder inside the claim"),
        ("weights: {claim: a, uri: s3://b/c}", "name one of claim and uri, or neither"),
        ("weights: {claim: a, options: {threads: 2}}", "options are for uri"),
        ("weights: {uri: s3://b/c, subPath: d}", "subPath is for claim"),
        ("weights: {claim: a, subPath: ../b}", "allowed: a folder inside the claim"),
        ("weights: {uri: s3://b/c, options: {ca_bundle: a}}", "ca_bundle is a file of a pod"),
        ("weights: {uri: results}", "uri"),
        ("ca: {key: a}", "name one of configMap and secret"),
        ("models: {dream: {}}", "dream: unknown model, allowed: draem"),
        ("labels: {app.kubernetes.io/name: mine}", "crossad sets this itself"),
        ("podOverlay: {containers: []}", "allowed: metadata, spec"),
        ("podOverlay: {spec: {restartPolicy: OnFailure}}", "allowed: Never"),
        ("store: {uri: s3://bucket/p, options: {regoin: x}}", "unknown store option: regoin; did you mean region"),
        ("store: {uri: s3://bucket/p, options: {ca_bundle: /x}}", "name the authority under ca"),
        ("security: {runAsUser: 0}", "at least 1"),
        ("a: 1\na: 2", "key given twice"),
        ("a: [", "not YAML"),
        ("a: !!python/object:os.system x", "could not determine a constructor"),
    ],
)
def test_what_cannot_be_meant_is_told(text, told):
    with pytest.raises(SettingsError, match="fault") as caught:
        parse_settings("s.yaml", _with(text))
    assert told in str(caught.value)


@pytest.mark.parametrize("text", ["[1]", "just words", "&a [*a]", "a: &a [x]\nb: &b [*a,*a,*a]"])
def test_no_text_ends_in_a_traceback(text):
    with pytest.raises(SettingsError):
        parse_settings("s.yaml", text)


def test_an_alias_bomb_is_bounded():
    levels = "\n".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12))
    with pytest.raises(SettingsError, match="nested too deeply, or too much of it"):
        parse_settings("s.yaml", f"a0: &a0 [x]\n{levels}")


def test_tags_are_allowed_only_on_purpose():
    text = _with("images: {trainer: reg/a:1.0, controller: reg/b:1.0, allowTags: true}")
    settings = parse_settings("s.yaml", text)
    assert "images.allowTags: what ran is known only by a tag that may move" in list(settings.warnings(1))


def test_an_options_value_wins_over_the_file():
    settings = parse_settings(
        "full.yaml", FULL, {"data.uri": None, "data.options": None, "data.claim": "hdmap", "namespace": "x"}
    )
    assert (settings.data.claim, settings.data.uri, settings.namespace) == ("hdmap", None, "x")


@pytest.mark.parametrize(
    ("modes", "jobs", "warned"),
    [
        ("[ReadWriteOnce]", 2, True),
        ("[ReadWriteOnce]", 1, False),
        ("[ReadWriteOnce, ReadOnlyMany]", 2, False),
        ("[ReadWriteMany]", 2, False),
    ],
)
def test_a_claim_of_one_node_under_many_jobs_is_told(modes, jobs, warned):
    settings = parse_settings("s.yaml", _with(f"data: {{claim: hdmap, accessModes: {modes}}}"))
    assert any("for one node at a time" in text for text in settings.warnings(jobs)) is warned


def test_reasons_that_would_be_gone_before_the_report_are_told():
    settings = parse_settings("s.yaml", MINIMAL + "job: {ttlSeconds: 60}")
    assert any("job.ttlSeconds 60 is shorter" in text for text in settings.warnings(1))
