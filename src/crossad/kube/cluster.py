"""Objects in one namespace of one cluster: get, list in pages, create, delete, with the patience that this needs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from crossad.crew import begin
from crossad.kube.connection import METADATA, WHOLE, Connection, Reply
from crossad.kube.faults import ClusterUnreachable, ListExpired, ObjectMissing
from crossad.kube.parsing import Page, parse_object, parse_page
from crossad.kube.patience import Patience
from crossad.kube.reading import Object
from crossad.kube.resources import ACCESS_REVIEWS, PODS, Resource
from crossad.kube.target import Place, Target

T = TypeVar("T")
F = TypeVar("F")
PAGE = 500  # objects in one answer: four megabytes
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
        return parse_object(self.patience.run(lambda: self._ask("GET", path, what=f"read {resource} {name}")).body)

    def find(self, resource: Resource, name: str) -> Object | None:
        """One object, None where it is not there."""
        try:
            return self.get(resource, name)
        except ObjectMissing:
            return None

    def gather(
        self,
        resource: Resource,
        keep: Callable[[Any], T],
        *,
        labels: str = "",
        fields: str = "",
        form: type[Any] = Object,
    ) -> list[T]:
        """What `keep` takes of every object, page by page, so that memory holds no more than that.

        Args:
            resource: the kind.
            keep: what to take of an object.
            labels: label selector, such as `crossad.io/run=a,app in (b, c)`.
            fields: field selector, such as `involvedObject.name=x`.
            form: a TypedDict of what `keep` looks at: of thousands of objects the rest is passed over.
        """
        path, what = resource.path(self.place.namespace), f"list {resource}"
        selectors = [("labelSelector", labels), ("fieldSelector", fields)]
        query = [("limit", str(PAGE)), *((name, text) for name, text in selectors if text)]

        def read(token: str) -> Reply:
            asked = [*query, ("continue", token)] if token else query
            return self.patience.run(lambda: self._ask("GET", path, asked, what=what))

        for _ in range(RESTARTS):
            try:
                return _whole(read, keep, form)
            except ListExpired:
                continue  # a page that waited for minutes: from the start, or the list has holes
        raise ClusterUnreachable(
            f"list {resource} at {self.place}: the list went stale {RESTARTS} times while it was read",
            hint="the API server is overloaded; run again",
        )

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
        return parse_object(reply.body)

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
        answer = parse_object(self.patience.run(lambda: self._ask("POST", path, body=body, what=what)).body)
        return bool(answer["status"].get("allowed"))

    def version(self) -> str:
        """The API server's version, such as v1.35.4."""
        return str(parse_object(self.patience.run(lambda: self._ask("GET", "/version")).body)["gitVersion"])

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


def _whole(read: Callable[[str], Reply], keep: Callable[[Any], T], form: type[Any]) -> list[T]:
    """What is kept of a list; `read` gets the page at which the list goes on."""
    kept: list[T] = []
    page = parse_page(read("").body, form)
    while token := page.get("metadata", {}).get("continue"):
        # the server makes the next page meanwhile: most of a list's time is the server's
        coming = begin(partial(_page, read, token, form))
        kept += map(keep, page.get("items") or [])
        page = coming()
    return kept + list(map(keep, page.get("items") or []))


def _page(read: Callable[[str], Reply], token: str, form: type[F]) -> Page[F]:
    return parse_page(read(token).body, form)
