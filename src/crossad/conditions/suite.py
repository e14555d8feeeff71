"""A suite file, loaded: `load_suite` gives its conditions, or every fault of it at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

from crossad.conditions import jsonc
from crossad.conditions.envelope import LIST, Raw, Wrong, expand
from crossad.conditions.faults import Fault, Path, SuiteError, near, show, spell
from crossad.conditions.identity import training_key
from crossad.conditions.issues import Issue, check
from crossad.conditions.model import MODELS, Config
from crossad.conditions.resources import LIKE_RESOURCES, unlike_resources
from crossad.conditions.secrets import secrets
from crossad.errors import MissingInputError, UsageError


@dataclass(frozen=True)
class Condition:
    """One experiment. `index` is its id in the suite; `overrides` are the keys that the command line set."""

    index: int
    name: str
    description: str
    config: Config
    resources: dict[str, Any]
    overrides: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Suite:
    """The conditions of a file, in order; `warnings` are worth a word but stop nothing."""

    name: str
    description: str
    conditions: tuple[Condition, ...]
    warnings: tuple[str, ...] = ()


def load_suite(
    path: FilePath | str, *, overrides: Mapping[str, Any] | None = None, limit_images: int | None = None
) -> Suite:
    """Read, expand and check a suite file.

    Args:
        path: The file; JSON, with comments and trailing commas allowed.
        overrides: Keys set for every condition whose model uses them (`--set`).
        limit_images: The same for the key `limit_images`.

    Raises:
        MissingInputError: There is no such file.
        SuiteError: All faults of the file.
    """
    path = FilePath(path)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise MissingInputError(f"no such suite file: {path}", hint=_beside(path)) from None
    except OSError as error:
        raise MissingInputError(f"cannot read suite file: {path}: {error.strerror}") from error
    wanted = dict(overrides or {})
    if limit_images is not None:
        wanted["limit_images"] = limit_images
    return parse_suite(str(path), data, wanted)


def parse_suite(file: str, data: bytes, overrides: Mapping[str, Any] | None = None) -> Suite:
    """The suite in some bytes; `file` is what faults call it.

    Raises:
        SuiteError: All faults of the text.
    """
    return _Loader(jsonc.read(file, data), overrides or {}).load()


def parse_config(config: Mapping[str, Any]) -> Config:
    """The model of one config that comes from a plan or from code, not from a suite file.

    Raises:
        SuiteError: Everything that is wrong with it.
    """
    checked = check(config)
    if isinstance(checked, list):
        raise SuiteError(
            Fault(
                "config",
                None,
                None,
                spell(issue.path),
                issue.message,
                _found(config, issue),
                issue.allowed,
                issue.hint,
            )
            for issue in checked
        )
    return checked


def parse_overrides(pairs: tuple[str, ...]) -> dict[str, Any]:
    """`--set key=value` as keys and values: JSON where it is JSON, else text.

    Raises:
        UsageError: A pair without "=", or a key given twice.
    """
    parsed: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name.strip():
            raise UsageError(f"cannot read --set {pair}", hint="write --set key=value, for example --set max_epochs=1")
        if name.strip() in parsed:
            raise UsageError(f"--set names a key twice: {name}")
        value = jsonc.Document(f"--set {name}", text)
        parsed[name.strip()] = value.value if value.readable else text
    return parsed


class _Loader:
    """Collects faults and warnings while one document becomes a suite."""

    def __init__(self, document: jsonc.Document, overrides: Mapping[str, Any]) -> None:
        self.document = document
        self.overrides = overrides
        self.faults: dict[tuple[str, str], Fault] = {}  # by place and message: a matrix repeats its faults
        self.cautions: dict[str, list[int]] = {}  # text -> conditions
        self.used: set[str] = set()
        self.skipped: dict[str, list[int]] = {}

    def load(self) -> Suite:
        if not self.document.readable:
            raise SuiteError(self.document.faults)
        value = self.document.value
        hidden = self._secrets(value)
        self._overridable()
        conditions: list[Condition] = []
        elements: list[int] = []
        names: dict[str, int] = {}
        for index, raw in enumerate(expand(value, self._wrong)):
            first = names.setdefault(raw.name, index)
            if first != index and raw.name:
                self._add((LIST, raw.element, "name"), "name used twice", raw.name, hint=f"condition {first} has it")
            condition = self._condition(index, raw, hidden)
            if condition is not None:
                conditions.append(condition)
                elements.append(raw.element)
        self._unused_overrides()
        self._unlike_resources(conditions, elements)
        if self.faults:
            raise SuiteError(sorted(self.faults.values(), key=lambda fault: (fault.line or 0, fault.column or 0)))
        about = value.get("suite", {})
        name = about.get("name") or FilePath(self.document.file).stem
        return Suite(name, about.get("description", ""), tuple(conditions), tuple(self._warnings()))

    def _condition(self, index: int, raw: Raw, hidden: set[Path]) -> Condition | None:
        overrides = self._apply(index, raw)
        config = {**raw.config, **overrides}
        checked = check(config)
        if isinstance(checked, list):
            for issue in checked:
                self._issue(raw, config, overrides, issue, hidden)
            return None
        for text in checked.warnings(config):
            self.cautions.setdefault(text, []).append(index)
        return Condition(index, raw.name, raw.description, checked, raw.resources, overrides)

    def _unlike_resources(self, conditions: Sequence[Condition], elements: Sequence[int]) -> None:
        """Conditions of one training share a Job of a cluster."""
        if all(condition.resources == conditions[0].resources for condition in conditions):
            return  # nearly every suite: no key is worked out
        first: dict[str, Condition] = {}
        for condition, element in zip(conditions, elements, strict=True):
            one = first.setdefault(training_key(condition.config), condition)
            if one.resources != condition.resources:
                named = (one.index, one.name), (condition.index, condition.name)
                self._add((LIST, element, "resources"), unlike_resources(*named), hint=LIKE_RESOURCES)

    def _apply(self, index: int, raw: Raw) -> dict[str, Any]:
        """The overrides that this condition's model uses; a key with one allowed value is not set."""
        model = raw.config.get("model_type")
        known = MODELS.get(model) if isinstance(model, str) else None
        if known is None:
            return {}
        applied = {}
        for name, value in self.overrides.items():
            if name in known.model_fields and not known.fixed(name):
                applied[name] = value
                self.used.add(name)
            else:
                self.skipped.setdefault(name, []).append(index)
        return applied

    def _overridable(self) -> None:
        if "model_type" in self.overrides:
            self._add_override("model_type", "cannot be overridden", None, "write another condition")

    def _unused_overrides(self) -> None:
        everywhere = {name for model in MODELS.values() for name in model.model_fields}
        for name in self.overrides:
            if name in self.used or name == "model_type":
                continue
            hint = None if name in everywhere else near(name, everywhere)
            self._add_override(name, "no condition of this suite uses this key", None, hint)

    def _warnings(self) -> Iterator[str]:
        for text, indices in self.cautions.items():
            yield f"{_listed(indices)}: {text}"
        for name, indices in self.skipped.items():
            yield f"{_listed(indices)}: --set {name} skipped, the model cannot use it"

    def _secrets(self, value: object) -> set[Path]:
        hidden = set()
        for path, why in secrets(value):
            hidden.add(path)
            self._add(path, why, "(not shown)", "no literal secrets in a suite", "refer to a secret by its name")
        return hidden

    def _wrong(self, wrong: Wrong) -> None:
        found = None if "missing" in wrong.message or wrong.of_key else show(_at(self.document.value, wrong.path))
        self._add(wrong.path, wrong.message, found, wrong.allowed, wrong.hint, of_key=wrong.of_key)

    def _issue(
        self,
        raw: Raw,
        config: Mapping[str, Any],
        overrides: Mapping[str, Any],
        issue: Issue,
        hidden: set[Path],
    ) -> None:
        key = str(issue.path[0])
        if key in overrides:
            self._add_override(key, issue.message, _found(config, issue), issue.hint, issue.allowed)
            return
        path = (*raw.origin(key, self.document.value), *issue.path[1:])
        if any(path[: len(secret)] == secret for secret in hidden):
            return
        self._add(path, issue.message, _found(config, issue), issue.allowed, issue.hint, of_key=issue.of_key)

    def _add_override(
        self, name: str, message: str, found: str | None, hint: str | None, allowed: str | None = None
    ) -> None:
        fault = Fault("command line", None, None, f"--set {name}", message, found, allowed, hint)
        self.faults.setdefault((fault.path, message), fault)

    def _add(
        self,
        path: Path,
        message: str,
        found: str | None = None,
        allowed: str | None = None,
        hint: str | None = None,
        *,
        of_key: bool = False,
    ) -> None:
        spelt = spell(path)
        if (spelt, message) not in self.faults:
            line, column = self.document.locate(path, of_key=of_key)
            fault = Fault(self.document.file, line, column, spelt, message, found, allowed, hint)
            self.faults[spelt, message] = fault


def _listed(indices: list[int]) -> str:
    """Condition 3; conditions 0, 2, 4, ... (17)."""
    some = ", ".join(map(str, indices[:5])) + (f", ... ({len(indices)})" if len(indices) > 5 else "")
    return f"condition{'s' if len(indices) > 1 else ''} {some}"


def _found(config: Mapping[str, Any], issue: Issue) -> str | None:
    return show(_at(config, issue.path)) if issue.found else None


def _at(value: Any, path: Path) -> Any:  # noqa: ANN401 - any JSON value
    for step in path:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def _beside(path: FilePath) -> str | None:
    """A did-you-mean among the files of the same folder."""
    if not path.parent.is_dir():
        return f"there is no folder {path.parent}"
    return near(path.name, [other.name for other in path.parent.glob("*.json")])
