"""Reads YAML 1.2 core into plain data and the place of every value.

Knows nothing of models. Refuses whatever would make a file mean something else than it seems to, or grow without bound.
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import yaml

from reactor.errors import ConfigError, Problem, Severity
from reactor.yaml12.words import clipped, quoted, shown

MAX_BYTES = 256 * 1024
MAX_DEPTH = 20

Path = tuple[str | int, ...]
"""Where a value is: ("rules", 0, "match", "newState")."""

Place = tuple[int, int]
"""Line and column, both from 1, the column in characters."""

# libyaml is 25 times faster; the pure parser gives the same events where it was not compiled in.
_PARSER: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

# Not what YAML 1.2 calls printable, or a byte order mark, or a line break of YAML 1.1 that is none in 1.2.
_UNREADABLE = re.compile("[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")

_WORDS: Mapping[str, object] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), math.inf),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
}
_NUMBERS: tuple[tuple[re.Pattern[str], Callable[[str], int | float]], ...] = (
    (re.compile(r"[-+]?[0-9]+"), int),
    (re.compile(r"0o[0-7]+"), lambda text: int(text[2:], 8)),
    (re.compile(r"0x[0-9a-fA-F]+"), lambda text: int(text[2:], 16)),
    (re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"), float),
)
_STARTS = frozenset("+-.0123456789")
"""How numbers begin: most texts don't, and need not be put to four patterns."""


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML file as plain data (dict, list, str, int, float, bool, None) with the place of every value and key."""

    file: str
    data: Any
    values: Mapping[Path, Place]
    keys: Mapping[Path, Place]

    def problem(self, path: Path, message: str, *, key: bool = False, severity: Severity = "error") -> Problem:
        """A problem at the value at `path` (its key with `key=True`), or at the nearest thing around it that exists."""
        places = self.keys if key and path in self.keys else self.values
        while path and path not in places:
            path = path[:-1]
        return Problem(self.file, *places.get(path, (1, 1)), message, severity)


def load(content: str | bytes, file: str) -> Document:
    """Read one YAML document; `file` names it in messages. An empty file is the data None.

    Raises ConfigError for whatever isn't plain YAML 1.2 core with unique text keys, or is larger than MAX_BYTES or
    deeper than MAX_DEPTH. All problems are listed, up to the first that makes reading on pointless.
    """
    reader = _Reader(_readable_text(content, file), file)
    return Document(file, reader.document(), reader.values, reader.keys)


def _readable_text(content: str | bytes, file: str) -> str:
    raw = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
    if len(raw) > MAX_BYTES:
        raise ConfigError(Problem(file, 1, 1, f"found {len(raw)} bytes, expected at most {MAX_BYTES}: split the file"))
    try:
        text = raw.decode("utf-8") if isinstance(content, bytes) else content
    except UnicodeDecodeError as error:
        place = _place_after(raw[: error.start].decode("utf-8"))
        raise ConfigError(Problem(file, *place, f"found the byte 0x{raw[error.start]:02X}, expected UTF-8")) from None
    text = text.removeprefix("\ufeff")
    if unreadable := _UNREADABLE.search(text):
        message = f"found the character U+{ord(unreadable[0]):04X}, expected text (or an escape in double quotes)"
        raise ConfigError(Problem(file, *_place_after(text[: unreadable.start()]), message))
    return text


def _place_after(text: str) -> Place:
    lines = re.split(r"\r\n|\r|\n", text)
    return len(lines), len(lines[-1]) + 1


@dataclass(slots=True)
class _Reader:
    """Builds plain data from the parser's events, and notes places and problems on the way."""

    text: str
    file: str
    values: dict[Path, Place] = field(default_factory=dict)
    keys: dict[Path, Place] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    events: Iterator[yaml.Event] = field(init=False)

    def document(self) -> Any:
        self.events = iter(yaml.parse(self.text, Loader=_PARSER))
        data = None
        try:
            for event in self.events:
                if isinstance(event, yaml.DocumentStartEvent):
                    self._refuse_document(event)
                    data = self._value(next(self.events), ())
        except yaml.YAMLError as error:
            self.problems.append(self._syntax_problem(error))
        if self.problems:
            raise ConfigError(*self.problems)
        return data

    def _value(self, event: yaml.Event, path: Path) -> Any:
        self.values[path] = _place(event)
        return self._node(event, path)

    def _node(self, event: yaml.Event, path: Path) -> Any:
        self._refuse_properties(event)
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event)
        if isinstance(event, yaml.AliasEvent):
            return None
        if len(path) >= MAX_DEPTH:
            self._refuse(event, f"more than {MAX_DEPTH} levels, expected fewer")
            raise ConfigError(*self.problems)
        return self._sequence(path) if isinstance(event, yaml.SequenceStartEvent) else self._mapping(path)

    def _sequence(self, path: Path) -> list[Any]:
        items: list[Any] = []
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            items.append(self._value(event, (*path, len(items))))
        return items

    def _mapping(self, path: Path) -> dict[str, Any]:
        data: dict[str, Any] = {}
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            key = self._key(event, path, data)
            value = self._value(next(self.events), (*path, key))
            data.setdefault(key, value)
        return data

    def _key(self, event: yaml.Event, path: Path, known: Mapping[str, Any]) -> str:
        if isinstance(event, yaml.CollectionStartEvent):
            self._refuse(event, "a mapping or a list as a key, expected a text")
            raise ConfigError(*self.problems)
        key = self._node(event, path)
        if not isinstance(key, str):
            self._refuse(event, f"the key {shown(key)}, expected a text: put it in quotes")
            key = "?"
        elif key == "<<" and isinstance(event, yaml.ScalarEvent) and event.implicit[0]:
            self._refuse(event, "a merge key (<<), expected the fields themselves: merge keys aren't YAML 1.2")
        elif key in known:
            self._refuse(event, f"the key {quoted(key)} again, expected it once (line {self.keys[*path, key][0]})")
        self.keys.setdefault((*path, key), _place(event))
        return key

    def _scalar(self, event: yaml.ScalarEvent) -> Any:
        if not event.implicit[0]:  # quoted or a block: always a text
            return event.value
        if event.value in _WORDS:
            return _WORDS[event.value]
        if event.value[0] not in _STARTS:
            return event.value
        for pattern, convert in _NUMBERS:
            if pattern.fullmatch(event.value):
                return self._number(event, convert)
        return event.value

    def _number(self, event: yaml.ScalarEvent, convert: Callable[[str], int | float]) -> int | float:
        try:
            number = convert(event.value)
        except ValueError:  # Python refuses integers of more than 4300 digits
            number = math.inf
        fits = -(2**63) <= number < 2**64 if isinstance(number, int) else math.isfinite(number)
        if not fits:
            self._refuse(event, f"the number {clipped(event.value)}, expected one that fits in 64 bits, or quotes")
        return number

    def _refuse_document(self, event: yaml.DocumentStartEvent) -> None:
        if () in self.values:
            self._refuse(event, "a second document (---), expected one document per file")
        if event.version or event.tags:
            self._refuse(event, "a directive (%YAML or %TAG), expected none: every file is YAML 1.2 core")

    def _refuse_properties(self, event: yaml.Event) -> None:
        anchor, tag = getattr(event, "anchor", None), getattr(event, "tag", None)
        if anchor and isinstance(event, yaml.AliasEvent):
            self._refuse(event, f"the alias *{clipped(anchor)}, expected the value itself")
        elif anchor:
            self._refuse(event, f"the anchor &{clipped(anchor)}, expected a plain value: there are no aliases")
        if tag:
            self._refuse(event, f"the tag {quoted(tag)}, expected a plain value")

    def _refuse(self, event: yaml.Event, found: str) -> None:
        self.problems.append(Problem(self.file, *_place(event), f"found {found}"))

    def _syntax_problem(self, error: yaml.YAMLError) -> Problem:
        mark, context = getattr(error, "problem_mark", None), getattr(error, "context_mark", None)
        if mark is None:
            return Problem(self.file, 1, 1, _syntax_message(str(error), ""))
        message = _syntax_message(getattr(error, "problem", ""), self.text[mark.index : mark.index + 1])
        began = f" (in what begins at line {context.line + 1})" if context and context.line != mark.line else ""
        return Problem(self.file, mark.line + 1, mark.column + 1, message + began)


def _place(event: yaml.Event) -> Place:
    mark = cast(yaml.Mark, event.start_mark)  # None only in events that no parser made
    return mark.line + 1, mark.column + 1


def _syntax_message(problem: str, character: str) -> str:
    """The parser's words, with what to do about the three mistakes people make most."""
    if character == "\t":
        return "found a tab, expected spaces: YAML is indented with spaces only"
    if "mapping values are not allowed" in problem:
        return 'found a second ": " in one value, expected quotes around the text, or the right indentation'
    if "cannot start any token" in problem:
        return f"found {quoted(character)} where a value begins, expected quotes around the text"
    return f"found broken YAML, expected it to be well-formed: {problem}"
