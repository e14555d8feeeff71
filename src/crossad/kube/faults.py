"""What can go wrong with a cluster, told apart by what a caller does about it.

ClusterUnreachable    75   no answer, 429, 5xx, cut connections: waited for, up to a patience
QuotaExceeded         75   a quota of the namespace is used up: may fit later
ClusterDenied         78   no credentials, refused credentials, or a right that is missing (named)
ClusterBroken         78   kubeconfig, context or certificate is wrong, or the server is no Kubernetes
NamespaceMissing      66   the namespace is not there, or is being removed
ObjectMissing         66   no such object
ObjectRefused         65   the server does not accept the object: invalid, or against a policy of the cluster
ObjectConflict         1   the object is not as expected: changed meanwhile, or another one under our name

Two answers of a server that this room deals with itself: AlreadyExists (409), ListExpired (410).
"""

from __future__ import annotations

from crossad.errors import CrossadError, DataError, EnvironmentFault, MissingInputError


class ClusterUnreachable(CrossadError):  # noqa: N818 - reads better in an except clause
    """The API server does not answer, or answers that it cannot now; asking again later may help."""

    exit_code = 75

    def __init__(self, message: str, *, hint: str | None = None, after: float = 0.0, sent: bool = True) -> None:
        """`after`: seconds the server asks to wait; `sent`: whether the server may have done what was asked."""
        super().__init__(message, hint=hint)
        self.after = after
        self.sent = sent


class QuotaExceeded(CrossadError):  # noqa: N818 - as above
    """The namespace's quota is used up; the message is the server's."""

    exit_code = 75


class ClusterDenied(EnvironmentFault):
    """The cluster refuses these credentials, or they lack a right; `right` is (verb, resource) where it is told."""

    def __init__(self, message: str, *, hint: str | None = None, right: tuple[str, str] | None = None) -> None:
        """Keep the missing right, so that callers can do without it."""
        super().__init__(message, hint=hint)
        self.right = right


class ClusterBroken(EnvironmentFault):
    """The way to the cluster is set up wrongly."""


class NamespaceMissing(MissingInputError):  # noqa: N818 - as above
    """The namespace is not there, or is being removed."""


class ObjectMissing(MissingInputError):  # noqa: N818 - as above
    """An object is not there."""


class ObjectRefused(DataError):  # noqa: N818 - as above
    """The server does not accept an object: it is invalid, or a policy of the cluster forbids it."""


class ObjectConflict(CrossadError):  # noqa: N818 - as above
    """An object is not what a caller took it for."""


class AlreadyExists(CrossadError):  # noqa: N818 - an answer, dealt with in this room
    """An object of that name is there (409)."""


class ListExpired(CrossadError):  # noqa: N818 - an answer, dealt with in this room
    """A list that was read in pages is too old to go on (410)."""
