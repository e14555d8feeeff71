"""What an API server's refusal means: one table from its Status object to `faults`, with a next step in every message.

One code has several meanings: 403 is a missing right, a used-up quota, a policy's refusal, or a namespace on its way
out; only the server's sentence tells which.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.message import Message
from typing import Any

from crossad.errors import CrossadError
from crossad.kube import faults

_RIGHT = re.compile(
    r'cannot (?P<verb>[a-z]+) resource "(?P<resource>[^"]+)" in API group "(?P<group>[^"]*)"'
    r'(?: in the namespace "(?P<namespace>[^"]+)"| at the cluster scope)?'
)
_WHO = re.compile(r'User "(?P<user>[^"]*)"')
_TOKEN = re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]*|(?<=earer )\S+")
LONGEST_TOLD = 600  # characters of a server's sentence: quota and policy name every resource in it


@dataclass(frozen=True)
class Answer:
    """A server's refusal of one request."""

    operation: str  # such as "create job name"
    where: str  # the place: server and namespace
    status: int
    reason: str = ""  # of the Status object: AlreadyExists, Forbidden, ...
    told: str = ""  # the server's own words
    kind: str = ""  # what `details` says is missing or refused, such as "jobs"
    after: float = 0.0  # seconds, of Retry-After

    @property
    def says(self) -> str:
        """The server's words, short, on one line, without anything that could be a token."""
        return redacted(self.told)


def redacted(text: str) -> str:
    """Somebody else's words, on one line, cut, and without tokens."""
    line = _TOKEN.sub("(hidden)", " ".join(text.split()))
    return line if len(line) <= LONGEST_TOLD else line[: LONGEST_TOLD - 1] + "…"


def read(operation: str, where: str, status: int, headers: Mapping[str, str] | Message, body: bytes) -> Answer:
    """The refusal that a response is; a body that is no Status object counts as the words of something in between."""
    try:
        told: Any = json.loads(body)
    except ValueError:
        told = None
    status_object = isinstance(told, dict) and told.get("kind") == "Status"
    found: dict[str, Any] = told if status_object else {"message": _text(body)}
    details = found.get("details") or {}
    return Answer(
        operation=operation,
        where=where,
        status=status,
        reason=str(found.get("reason", "")),
        told=str(found.get("message", "")),
        kind=str(details.get("kind", "")),
        after=_after(headers.get("Retry-After") or details.get("retryAfterSeconds")),
    )


def fault(answer: Answer) -> CrossadError:
    """The error to raise for an answer."""
    for fits, make in _TABLE:
        if fits(answer):
            return make(answer)
    return faults.ClusterBroken(
        _says(answer, "refused"), hint="is that the address of a Kubernetes API server? crossad doctor checks the way"
    )


def _text(body: bytes) -> str:
    return re.sub(r"<[^>]*>", " ", body[:2000].decode("utf-8", "replace"))


def _after(told: object) -> float:
    try:
        return max(0.0, float(str(told)))
    except ValueError:
        return 0.0  # a date, or nothing: our own pauses do


def _says(answer: Answer, what: str) -> str:
    words = f": {answer.says}" if answer.says else ""
    return f"{answer.operation} at {answer.where}: {what} ({answer.status}{words})"


def _busy(answer: Answer) -> CrossadError:
    # 429 and 503 with Retry-After come from the server's gates, before it did anything
    sent = answer.status not in (429, 503)
    return faults.ClusterUnreachable(
        _says(answer, "not now"), hint="the API server is overloaded or restarting; run again", after=answer.after,
        sent=sent,
    )  # fmt: skip


def _right(answer: Answer) -> CrossadError:
    found, who = _RIGHT.search(answer.told), _WHO.search(answer.told)
    user = f"{who['user']} " if who else "this identity "
    if found is None:
        return faults.ClusterDenied(
            _says(answer, "not allowed"), hint="ask for the rights of k8s/; crossad doctor tests them"
        )
    resource = f"{found['resource']}.{found['group']}" if found["group"] else found["resource"]
    scope = f"in namespace {found['namespace']}" if found["namespace"] else "in the whole cluster"
    return faults.ClusterDenied(
        f"{answer.operation} at {answer.where}: {user}may not {found['verb']} {resource} {scope}",
        hint=f"give it {found['verb']} on {resource} {scope}: k8s/ holds the roles, crossad doctor tests every right",
        right=(found["verb"], resource),
    )


def _simple(kind: Callable[..., CrossadError], what: str, hint: str | None = None) -> Callable[[Answer], CrossadError]:
    """An answer whose fault is always told in the same words."""
    return lambda answer: kind(_says(answer, what), hint=hint)


_credentials = _simple(
    faults.ClusterDenied,
    "credentials refused",
    "log in to the cluster again, or name another context: --context NAME (kubectl config get-contexts)",
)
_quota = _simple(
    faults.QuotaExceeded,
    "the namespace's quota is used up",
    "wait for running Jobs to end, lower --max-active, or ask for a larger quota (kubectl describe quota)",
)
_leaving = _simple(
    faults.NamespaceMissing, "the namespace is being removed", "name another namespace: --namespace NAME"
)
_no_namespace = _simple(
    faults.NamespaceMissing, "no such namespace", "create it first (k8s/ holds one), or name another: --namespace NAME"
)
_policy = _simple(
    faults.ObjectRefused,
    "a policy of the cluster refuses it",
    "change the settings that the sentence names (docs/settings.md), or ask who runs the cluster",
)
_invalid = _simple(
    faults.ObjectRefused, "the server does not accept the object", "correct what the sentence names in the settings"
)
_missing = _simple(faults.ObjectMissing, "not there")
_exists = _simple(faults.AlreadyExists, "there already")
_conflict = _simple(faults.ObjectConflict, "changed meanwhile", "run again")
_expired = _simple(faults.ListExpired, "the list is too old")
_unlike_kubernetes = _simple(
    faults.ClusterBroken, "no such path", "is that the address of a Kubernetes API server? Look at the kubeconfig"
)


def _tells(*words: str) -> Callable[[Answer], bool]:
    return lambda answer: answer.status == 403 and any(word in answer.told for word in words)


_TABLE: tuple[tuple[Callable[[Answer], bool], Callable[[Answer], CrossadError]], ...] = (
    (lambda answer: answer.status == 401, _credentials),
    (_tells("because it is being terminated"), _leaving),
    (_tells("exceeded quota", "must specify "), _quota),
    (lambda answer: answer.status == 403 and _RIGHT.search(answer.told) is not None, _right),
    (lambda answer: answer.status in (400, 403) and "admission webhook" in answer.told, _policy),
    (_tells("ValidatingAdmissionPolicy", "violates PodSecurity"), _policy),
    (lambda answer: answer.status == 403 and answer.kind != "" and "is forbidden: " in answer.told, _policy),
    (lambda answer: answer.status == 403, _right),
    (lambda answer: answer.status == 404 and answer.kind == "namespaces", _no_namespace),
    (lambda answer: answer.status == 404 and answer.reason == "NotFound" and answer.kind != "", _missing),
    (lambda answer: answer.status == 404, _unlike_kubernetes),
    (lambda answer: answer.status == 409 and answer.reason == "AlreadyExists", _exists),
    (lambda answer: answer.status == 409, _conflict),
    (lambda answer: answer.status == 410, _expired),
    (lambda answer: answer.status in (400, 413, 422), _invalid),
    (lambda answer: answer.status in (408, 429) or answer.status >= 500, _busy),
)
