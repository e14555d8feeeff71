"""Objects in one namespace of one cluster: get, list in pages, create, delete, with the patience that this needs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from pydantic_core import from_json

from crossad.kube.connection import METADATA, WHOLE, Connection, Reply
from crossad.kube.faults import ClusterUnreachable, ListExpired, ObjectMissing
from crossad.kube.patience import Patience
from crossad.kube.resources import ACCESS_REVIEWS, PODS, Resource
from crossad.kube.target import Place, Target

Object = dict[str, Any]
T = TypeVar("T")
PAGE = 500  # objects in one answer: 10,000 Jobs in 1.5 s and 80 MB
NO_OBJECT = "the API server's answer is cut or no JSON"
RESTARTS = 5  # of a list whose pages went stale


def open_cluster(target: Target, say: Callable[[str], None], patience: Patience | None = None) -> Cluster:
    """The cluster of a target; `say` hears where it writes before it writes, and what the server warns of."""
    return Cluster(Connection(target), say, patience or Patience())


class Cluster:
    """One namespace of one cluster."""

    def __init__(self, connection: Connection, say: Callable[[str], None], patience: Patience) -> None:
        """Nothing is sent yet."""
        self._connection, self._say, self.patience = connection, say, patience
        self._announced = False
        self._warned: set[str] = set()  # what a server says of one object it says of thousands like it

    @property
    def place(self) -> Place:
        """Where requests go."""
        return self._connection.place

    def close(self) -> None:
        """Close the connections."""
        self._connection.close()

    def get(self, resource: Resource, name: str) -> Object:
        """One object.

        Raises:
            ObjectMissing: it is not there.
        """
        path = resource.path(self.place.namespace, name)
        return _object(self.patience.run(lambda: self._ask("GET", path, what=f"read {resource} {name}")))

    def find(self, resource: Resource, name: str) -> Object | None:
        """One object, None where it is not there."""
        try:
            return self.get(resource, name)
        except ObjectMissing:
            return None

    def gather(self, resource: Resource, keep: Callable[[Object], T], *, labels: str = "", fields: str = "") -> list[T]:
        """What `keep` takes of every object, page by page, so that memory holds no more than that.

        Args:
            resource: the kind.
            keep: what to take of an object.
            labels: label selector, such as `crossad.io/run=a,app in (b, c)`.
            fields: field selector, such as `involvedObject.name=x`.
        """
        for _ in range(RESTARTS):
            try:
                return self._pages(resource, keep, [("labelSelector", labels), ("fieldSelector", fields)])
            except ListExpired:
                continue  # a page that waited for minutes: from the start, or the list has holes
        raise ClusterUnreachable(
            f"list {resource} at {self.place}: the list went stale {RESTARTS} times while it was read",
            hint="the API server is overloaded; run again",
        )

    def _pages(self, resource: Resource, keep: Callable[[Object], T], selectors: Sequence[tuple[str, str]]) -> list[T]:
        path, what = resource.path(self.place.namespace), f"list {resource}"
        query = [("limit", str(PAGE)), *((name, text) for name, text in selectors if text)]
        kept: list[T] = []
        token = ""
        while True:
            # a function of its own: no page is in memory while the next one is read
            more, token = self._page(path, [*query, ("continue", token)] if token else query, keep, what)
            kept += more
            if not token:
                return kept

    def _page(
        self, path: str, asked: Sequence[tuple[str, str]], keep: Callable[[Object], T], what: str
    ) -> tuple[list[T], str]:
        page = _object(self.patience.run(lambda: self._ask("GET", path, asked, what=what)))
        return [keep(found) for found in page.get("items") or []], (page.get("metadata") or {}).get("continue") or ""

    def post(self, resource: Resource, body: Object, *, dry_run: bool = False, brief: bool = False) -> Object:
        """Create an object, in one request, without patience: `once.create_once` has it.

        Args:
            resource: the kind.
            body: the object.
            dry_run: have it admitted, and keep nothing.
            brief: whoever asks needs no more than that it was created: an answer with its name in it is not parsed.

        Raises:
            AlreadyExists: there is one of that name.
            ObjectRefused: the server does not accept it; QuotaExceeded where it may later.
        """
        query = [("fieldValidation", "Strict"), ("fieldManager", "crossad"), *([("dryRun", "All")] if dry_run else [])]
        if not dry_run:
            self._announce()
        what = f"create {body.get('kind', resource)} {body['metadata']['name']}"
        path, accept = resource.path(self.place.namespace), METADATA if brief else WHOLE
        reply = self._connection.request("POST", path, query, body, what, accept)
        for warning in reply.warnings:
            if warning not in self._warned:
                self._warned.add(warning)
                self._say(f"the server warns: {warning}")
        if brief and f'"name":"{body["metadata"]["name"]}"'.encode() in reply.body:
            return {}
        return _object(reply)

    def delete(self, resource: Resource, name: str, *, uid: str | None = None) -> None:
        """Remove an object and, in the background, what it owns; one that is not there is fine.

        Args:
            resource: the kind.
            name: the object's.
            uid: remove only this very object, not another one that took its name.

        Raises:
            ObjectConflict: another object has the name.
        """
        body: Object = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"}
        if uid is not None:
            body["preconditions"] = {"uid": uid}
        self._announce()
        path, what = resource.path(self.place.namespace, name), f"remove {resource} {name}"
        try:
            self.patience.run(lambda: self._ask("DELETE", path, body=body, what=what))
        except ObjectMissing:
            return

    def may(self, verb: str, resource: Resource, sub: str = "") -> bool:
        """Whether these credentials have a right in this namespace, by the server's word."""
        asked = {"verb": verb, "resource": resource.plural, "group": resource.group}
        if resource.namespaced:
            asked["namespace"] = self.place.namespace
        if sub:
            asked["subresource"] = sub
        body = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": asked},
        }
        path, what = ACCESS_REVIEWS.path(""), f"ask for the right to {verb} {resource}"
        answer = _object(self.patience.run(lambda: self._ask("POST", path, body=body, what=what)))
        return bool(answer["status"].get("allowed"))

    def version(self) -> str:
        """The API server's version, such as v1.35.4."""
        return str(_object(self.patience.run(lambda: self._ask("GET", "/version")))["gitVersion"])

    def log(self, pod: str, container: str, *, tail: int | None = None, since: str = "", stamped: bool = False) -> str:
        """What a container of a pod printed so far.

        Args:
            pod: its name.
            container: its name.
            tail: only so many of the last lines.
            since: only what was printed at or after a time, to the second, such as 2026-11-25T05:32:00Z.
            stamped: begin each line with the time at which it was printed.
        """
        query = [("container", container), *([("tailLines", str(tail))] if tail is not None else [])]
        query += [("sinceTime", since)] if since else []
        query += [("timestamps", "true")] if stamped else []
        path = PODS.path(self.place.namespace, pod, "log")
        reply = self.patience.run(lambda: self._ask("GET", path, query, what=f"read the log of pod {pod}"))
        return reply.body.decode("utf-8", "replace")

    def _ask(
        self, method: str, path: str, query: Sequence[tuple[str, str]] = (), body: Object | None = None, what: str = ""
    ) -> Reply:
        return self._connection.request(method, path, query, body, what)

    def _announce(self) -> None:
        if not self._announced:
            self._announced = True
            self._say(f"writing to {self.place}")


def _object(reply: Reply) -> Object:
    try:
        found = from_json(reply.body)  # twice as fast as json.loads, and a name that comes again is one object
    except ValueError as error:
        raise ClusterUnreachable(NO_OBJECT, hint="run again") from error
    return found if isinstance(found, dict) else {}
