"""What can go wrong with a store, told apart by what a caller does about it.

StoreUnreachable      75   no answer, 5xx, cut connections: waited for, up to a patience; progress is saved
StoreDenied           78   no credentials, refused credentials, or no permission
StoreBroken           78   clock skew, wrong region, untrusted certificate, no space, an answer that makes no sense
StoreMissing          66   no such bucket, no such folder
ObjectMissing         66   no such object
ObjectDamaged         65   bytes that are not what was expected
KeyRefused            65   a key from outside that would escape, or that a store cannot hold

Three answers of a server that this room deals with itself: AlreadyThere (412), WriteConflict (409), UploadGone.
"""

from __future__ import annotations

from crossad.errors import CrossadError, DataError, EnvironmentFault, MissingInputError


class StoreUnreachable(CrossadError):  # noqa: N818 - reads better in an except clause
    """The store does not answer, or answers that it cannot now; asking again later may help."""

    exit_code = 75


class BodyRefused(StoreUnreachable):
    """A body was not what its checksum says when it arrived; sending it again helps."""


class StoreDenied(EnvironmentFault):
    """The store refuses these credentials, or this machine has none."""


class StoreBroken(EnvironmentFault):
    """The way to the store is set up wrongly, or the store cannot do what is asked."""


class StoreMissing(MissingInputError):  # noqa: N818 - as above  # noqa: N818 - as above
    """The bucket or folder itself is not there."""


class ObjectMissing(MissingInputError):  # noqa: N818 - as above  # noqa: N818 - as above
    """An object is not there."""


class ObjectDamaged(DataError):  # noqa: N818 - as above  # noqa: N818 - as above
    """An object's bytes are not those that were expected."""


class KeyRefused(DataError):  # noqa: N818 - as above  # noqa: N818 - as above
    """A key that would escape its store, or that some store cannot hold."""


class AlreadyThere(CrossadError):  # noqa: N818 - an answer, dealt with in this room
    """A conditional write found an object (412)."""


class WriteConflict(CrossadError):  # noqa: N818 - an answer, dealt with in this room
    """Another write to the same key is under way (409)."""


class UploadGone(StoreBroken):
    """A multipart upload is not there: completed already, or aborted."""


class Unsupported(StoreBroken):
    """The server says that it does not have this operation or header (501)."""
