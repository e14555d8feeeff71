"""JSON from outside, such as a store that others write to: one of our models, or one message that says what is off."""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel, ValidationError

from crossad.errors import DataError, first_fault

Model = TypeVar("Model", bound=BaseModel)
THE_VERSION = "use the version that wrote it"


def parsed(model: type[Model], body: bytes | str, what: str, where: str, hint: str = THE_VERSION) -> Model:
    """A document, checked.

    Args:
        model: what it is to be.
        body: JSON.
        what: a word for that, such as "plan".
        where: the file, key or variable that holds it.
        hint: what to do about one that is not.

    Raises:
        DataError: it is not what this version writes.
    """
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        told = f"not a {what} of this crossad version: {where}: {first_fault(error, 'file')}"
        raise DataError(told, hint=hint) from error
