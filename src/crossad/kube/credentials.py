"""From a target to the client library's configuration: kubeconfig files, or the service account of a pod.

`connection.py` asks for it again when a server refuses a token: tokens in files are replaced while a controller runs,
and the library reads those of a kubeconfig only once.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from crossad.errors import EnvironmentFault, MissingInputError
from crossad.kube.faults import ClusterBroken, ClusterDenied
from crossad.kube.target import HOST, Place, Target

if TYPE_CHECKING:
    from kubernetes.client import Configuration


def configure(target: Target, environ: Mapping[str, str]) -> tuple[Configuration, Place]:
    """The library's configuration, read now, and where it leads.

    Raises:
        MissingInputError: no kubeconfig file, or outside a cluster.
        ClusterBroken: a kubeconfig that makes no sense, or an address that would give a token away.
        ClusterDenied: the kubeconfig's login helper gave no credentials.
        EnvironmentFault: the client library is not installed.
    """
    try:
        from kubernetes.client import Configuration  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        raise EnvironmentFault(
            "the Kubernetes client library is not installed", hint="pip install 'crossad[cluster]'"
        ) from error
    configuration = Configuration(retries=False)  # asking again is patience's
    load = _from_pod if target.inside(environ) else _from_files
    place = load(target, environ, configuration)
    _check_transport(configuration)
    return configuration, place


def _from_pod(target: Target, environ: Mapping[str, str], configuration: Configuration) -> Place:
    from kubernetes.config import ConfigException  # noqa: PLC0415 - an extra
    from kubernetes.config.incluster_config import InClusterConfigLoader  # noqa: PLC0415 - an extra

    folder = target.service_account
    try:
        InClusterConfigLoader(str(folder / "token"), str(folder / "ca.crt"), environ=environ).load_and_set(
            configuration
        )
    except ConfigException as error:
        raise MissingInputError(
            f"no service account of a pod here: {error}",
            hint=f"inside a cluster, {folder} and {HOST} are set by it; elsewhere name a --kubeconfig",
        ) from error
    own = folder / "namespace"
    namespace = target.namespace or (own.read_text().strip() if own.is_file() else "default")
    return Place(configuration.host, namespace, "this pod's service account")


def _from_files(target: Target, environ: Mapping[str, str], configuration: Configuration) -> Place:
    from kubernetes.config import ConfigException, load_kube_config  # noqa: PLC0415 - an extra
    from yaml import YAMLError  # noqa: PLC0415 - an extra

    files = target.files(environ)
    if not any(Path(file).expanduser().is_file() for file in files.split(":") if file):
        raise MissingInputError(
            f"no kubeconfig file: {files}",
            hint="name one: --kubeconfig FILE, or set KUBECONFIG; see docs/kubernetes.md",
        )
    try:
        context, settings = _context(files, target.context)
        with _helper_words() as told:
            load_kube_config(files, context, configuration, persist_config=False)
    except (ConfigException, YAMLError, KeyError, TypeError, OSError, ValueError) as error:
        raise ClusterBroken(
            f"kubeconfig {files} cannot be used: {error}", hint="kubectl config view shows it"
        ) from error
    if told:
        raise ClusterDenied(
            f"the login helper of context {context} in {files} gave no credentials: {' '.join(told)}",
            hint="log in again with the tool that made this kubeconfig; kubectl get jobs shows whether it works",
        )
    namespace = target.namespace or settings.get("namespace") or "default"
    return Place(configuration.host, namespace, f"context {context} of {files}")


def _context(files: str, wanted: str | None) -> tuple[str, dict[str, Any]]:
    """The context's name and its settings."""
    from kubernetes.config.kube_config import KubeConfigMerger  # noqa: PLC0415 - an extra

    merged = KubeConfigMerger(files).config
    if merged is None:
        raise ValueError("it is empty")
    contexts = {node.value["name"]: node.value.get("context") or {} for node in merged.value.get("contexts") or []}
    name = wanted or merged.value.get("current-context")
    if name not in contexts:
        what = f"no context {name}" if name else "no current-context"
        raise ValueError(f"{what}; its contexts: {', '.join(sorted(contexts)) or 'none'}")
    return name, contexts[name]


def is_near(host: str) -> bool:
    """Whether an address is this machine's own."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


@contextmanager
def _helper_words() -> Iterator[list[str]]:
    """What the library logs, on the root logger, where a login helper fails; it goes on without credentials then."""
    told: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            told.append(record.getMessage())

    listener, root = Listener(logging.ERROR), logging.getLogger()
    others = root.handlers[:]
    root.handlers[:] = [listener]
    try:
        yield told
    finally:
        root.handlers[:] = others


def _check_transport(configuration: Configuration) -> None:
    """A token never travels in the clear, but to this machine (`kubectl proxy`)."""
    address = urlsplit(configuration.host)
    if address.scheme == "https" or not configuration.api_key:
        return
    if is_near(address.hostname or ""):
        return
    raise ClusterBroken(
        f"{configuration.host} is not https: the token would travel in the clear",
        hint="correct `server` in the kubeconfig",
    )
