"""A YAML (or JSON) text as plain values, each with its line: closed to what JSON cannot say, and bounded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crossad.conditions.faults import Fault, Path, spell

if TYPE_CHECKING:
    from yaml.nodes import Node

MAX_CHARACTERS, MAX_NODES, MAX_DEPTH = 2**20, 50_000, 40


class Document:
    """A file's value and the places of its parts; `faults` says why the value cannot be used."""

    def __init__(self, file: str, text: str) -> None:
        """Parse the text."""
        import yaml  # noqa: PLC0415 - an extra

        self.file, self.value, self.faults = file, {}, []
        self._places: dict[Path, tuple[int, int]] = {}
        self._nodes = 0
        if len(text) > MAX_CHARACTERS:
            self.faults.append(Fault(file, None, None, "", "too large", allowed=f"{MAX_CHARACTERS} characters"))
            return
        try:
            self._loader = yaml.SafeLoader(text)
            node = self._loader.get_single_node()
            value = {} if node is None else self._value(node, ())
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark
            line, column = (mark.line + 1, mark.column + 1) if mark else (None, None)
            self.faults.append(Fault(file, line, column, "", f"not YAML: {error.problem or error}"))
            return
        except yaml.YAMLError as error:
            self.faults.append(Fault(file, None, None, "", f"not YAML: {' '.join(str(error).split())}"))
            return
        if not isinstance(value, dict):
            self.faults.append(Fault(file, 1, 1, "", "not settings", allowed="an object"))
            return
        self.value = value

    file: str
    value: dict[str, Any]
    faults: list[Fault]

    def fault(
        self,
        path: Path,
        message: str,
        *,
        found: str | None,
        allowed: str | None = None,
        hint: str | None = None,
    ) -> Fault:
        """A fault at a path, or at the nearest object around it."""
        place = path
        while place and place not in self._places:
            place = place[:-1]
        line, column = self._places.get(place, (None, None))
        return Fault(self.file, line, column, spell(path), message, found, allowed, hint)

    def _value(self, node: Node, path: Path) -> Any:  # noqa: ANN401 - any JSON value
        from yaml.nodes import MappingNode, SequenceNode  # noqa: PLC0415 - an extra

        self._nodes += 1
        self._places.setdefault(path, (node.start_mark.line + 1, node.start_mark.column + 1))
        if self._nodes > MAX_NODES or len(path) > MAX_DEPTH:
            if not self.faults:
                message = "nested too deeply, or too much of it (an alias that contains itself?)"
                self.faults.append(self.fault(path, message, found=None, allowed=f"{MAX_NODES} values"))
            return None
        if isinstance(node, SequenceNode):
            return [self._value(inner, (*path, index)) for index, inner in enumerate(node.value)]
        if isinstance(node, MappingNode):
            return self._mapping(node, path)
        value = self._loader.construct_object(node)
        if value is None or isinstance(value, bool | int | float | str):
            return value
        return str(node.value)  # a date: meant as text

    def _mapping(self, node: Node, path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)  # "on", "no", 1: whatever a reader makes of them, a key is a text
            place = (*path, key)
            self._places[place] = (key_node.start_mark.line + 1, key_node.start_mark.column + 1)
            if key in found:
                self.faults.append(self.fault(place, "key given twice", found=None))
            found[key] = self._value(value_node, place)
        return found
