"""The API server's JSON as objects: whole, or a list's objects with no more than the fields that are asked for.

Four fifths of a pod say nothing here: who wrote which field when, what its containers are told. A field that nobody
asks for is passed over where it stands; to make it and to drop it again takes four times as long.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Generic, TypedDict, TypeVar

from crossad.kube.faults import ClusterUnreachable
from crossad.kube.reading import Object

F = TypeVar("F")
_At = TypedDict("_At", {"continue": str}, total=False)  # a keyword of Python's


class Page(TypedDict, Generic[F], total=False):
    """A part of a list."""

    metadata: _At
    items: list[F] | None  # what Go writes of an empty list


def parse_object(body: bytes) -> Object:
    """One object, as it is.

    Raises:
        ClusterUnreachable: it is no JSON.
    """
    found = _parsed(Any, body)
    return found if isinstance(found, dict) else {}


def parse_page(body: bytes, form: type[F]) -> Page[F]:
    """A part of a list; `form` is a TypedDict of what is wanted of its objects.

    Raises:
        ClusterUnreachable: it is no JSON, or no list of such objects.
    """
    # a type that is made when the program runs
    found: Page[F] = _parsed(Page[form], body)  # type: ignore[valid-type]
    return found


def _parsed(form: Any, body: bytes) -> Any:  # noqa: ANN401 - as the form says
    try:
        return _decoder(form)(body)
    except ValueError as error:
        raise ClusterUnreachable("the API server's answer is cut or no JSON", hint="run again") from error


@lru_cache(maxsize=64)
def _decoder(form: Any) -> Callable[[bytes], Any]:  # noqa: ANN401 - as above
    from msgspec.json import Decoder  # noqa: PLC0415 - an extra

    return Decoder(form).decode
