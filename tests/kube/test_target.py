from __future__ import annotations

import json
from pathlib import Path

import pytest

from crossad.errors import MissingInputError, UsageError
from crossad.kube.connection import Connection
from crossad.kube.faults import ClusterBroken, ClusterDenied
from crossad.kube.target import Target

POD = {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443"}


def kubeconfig(path: Path, **users: object) -> Path:
    """Two contexts, lab (the current one) and cloud."""
    named = [("lab", "team"), ("cloud", "")]
    told = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "lab",
        "clusters": [{"name": name, "cluster": {"server": f"https://{name}.invalid:6443"}} for name, _ in named],
        "users": [{"name": name, "user": users.get(name, {"token": "secret"})} for name, _ in named],
        "contexts": [
            {"name": name, "context": {"cluster": name, "user": name, **({"namespace": own} if own else {})}}
            for name, own in named
        ],
    }
    path.write_text(json.dumps(told))
    return path


def pod_folder(folder: Path) -> Path:
    for name, text in {"token": "t", "ca.crt": "c", "namespace": "jobs"}.items():
        (folder / name).write_text(text)
    return folder


def place(target: Target, environ: dict[str, str] | None = None) -> str:
    connection = Connection(target, environ or {})
    connection.close()
    return str(connection.place)


def test_the_current_context_and_its_namespace_are_used(tmp_path: Path) -> None:
    file = kubeconfig(tmp_path / "config")
    assert place(Target(str(file))) == f"https://lab.invalid:6443 (namespace team, context lab of {file})"


def test_a_named_context_and_namespace_win(tmp_path: Path) -> None:
    file = kubeconfig(tmp_path / "config")
    told = place(Target(str(file), context="cloud", namespace="mine"))
    assert told == f"https://cloud.invalid:6443 (namespace mine, context cloud of {file})"
    assert "(namespace default," in place(Target(str(file), context="cloud"))


def test_several_files_are_one_as_for_kubectl(tmp_path: Path) -> None:
    file = kubeconfig(tmp_path / "config")
    joined = f"{tmp_path / 'missing'}:{file}"
    assert "context lab" in place(Target(), {"KUBECONFIG": joined})


def test_a_pods_service_account_is_used_where_no_file_or_context_is_named(tmp_path: Path) -> None:
    file, account = kubeconfig(tmp_path / "config"), pod_folder(tmp_path)
    inside = place(Target(service_account=account), {**POD, "KUBECONFIG": str(file)})
    assert inside == "https://10.96.0.1:443 (namespace jobs, this pod's service account)"
    assert "context lab" in place(Target(str(file), service_account=account), POD)
    assert "context lab" in place(Target(in_cluster=False, service_account=account), {**POD, "KUBECONFIG": str(file)})


def test_in_cluster_outside_of_one_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="no service account"):
        place(Target(in_cluster=True, service_account=tmp_path))
    with pytest.raises(UsageError, match="exclude each other"):
        place(Target("file", in_cluster=True))


def test_an_unknown_context_is_told_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(ClusterBroken, match=r"no context prod; its contexts: cloud, lab"):
        place(Target(str(kubeconfig(tmp_path / "config")), context="prod"))


@pytest.mark.parametrize("text", ["", "{", "[]", '{"contexts": 3}', "current-context: a"])
def test_a_file_that_is_no_kubeconfig_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "config").write_text(text)
    with pytest.raises(ClusterBroken, match="cannot be used"):
        place(Target(str(tmp_path / "config")))


def test_no_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="no kubeconfig file"):
        place(Target(str(tmp_path / "none")))


def test_a_login_helper_that_fails_is_an_error_with_its_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    helper = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": "sh",
        "args": ["-c", "echo log in first >&2; exit 3"],
        "interactiveMode": "Never",
    }
    file = kubeconfig(tmp_path / "config", lab={"exec": helper})
    with pytest.raises(ClusterDenied, match=r"gave no credentials: .*log in first") as caught:
        place(Target(str(file)))
    assert caught.value.exit_code == 78
    assert capsys.readouterr().err == ""


def test_a_token_does_not_travel_in_the_clear_but_to_this_machine(tmp_path: Path) -> None:
    file = kubeconfig(tmp_path / "config")
    file.write_text(file.read_text().replace("https://lab.invalid", "http://lab.invalid"))
    with pytest.raises(ClusterBroken, match="not https"):
        place(Target(str(file)))
    file.write_text(file.read_text().replace("http://lab.invalid", "http://127.0.0.1"))
    assert "127.0.0.1" in place(Target(str(file)))
