"""What an error of the file system means for a store, with its cause kept."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from crossad.store.faults import KeyRefused, ObjectMissing, StoreBroken, StoreDenied, StoreUnreachable

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_DENIED = {errno.EACCES, errno.EPERM, errno.EROFS}
_SHAPE = {errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTEMPTY}


@contextmanager
def translated(where: str) -> Iterator[None]:
    """Turn errors of the file system about `where` into `faults`."""
    try:
        yield
    except FileNotFoundError as error:
        raise ObjectMissing(f"{where}: no such object") from error
    except OSError as error:
        told = f"{where}: {error.strerror}"
        if error.errno in _FULL:
            raise StoreBroken(told, hint="free space, then run again") from error
        if error.errno in _DENIED:
            raise StoreDenied(told, hint="check who owns the folder and whether it is mounted read-only") from error
        if error.errno in _SHAPE:
            raise KeyRefused(told, hint="in a folder no object can lie below another: a and a/b") from error
        raise StoreUnreachable(told, hint="is the share mounted and its server up? Then run again") from error
