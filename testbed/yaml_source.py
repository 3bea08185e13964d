"""YAML text to plain values, with the line and column of every key.

Less than YAML: anchors, aliases, tags and several documents are refused, a key may appear once, and only decimal
numbers are numbers (``1:30``, ``010`` and dates stay text). So a file says what it seems to say and cannot blow up.
"""

import re
from typing import Any

import yaml

from .errors import TestbedFileError
from .problems import Key, Problem

_MAX_DEPTH = 32
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9_]*)")


class YamlSource:
    """One parsed text.

    Attributes:
        data: plain dicts, lists and scalars; None for an empty text.
        problems: keys that appear twice, or are not plain text.
        spelled: the scalars as they stand in the text, by keys.

    Raises:
        TestbedFileError: no valid YAML, or a part of YAML that is refused.
    """

    def __init__(self, text: str, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self.spelled: dict[tuple[Key, ...], str] = {}
        self.marks: dict[tuple[Key, ...], tuple[int, int]] = {(): (1, 1)}
        root = self._compose(text)
        self.data: Any = None if root is None else self._value(root, ())

    def location(self, *keys: Key) -> str:
        """Return ``file:line:column`` of a key or list item; of the innermost one around it, if it is not there."""
        while keys not in self.marks:
            keys = keys[:-1]
        line, column = self.marks[keys]
        return f"{self.file}:{line}:{column}"

    # --- text to nodes ----------------------------------------------------------------------------------------

    def _compose(self, text: str) -> yaml.Node | None:
        try:
            return yaml.compose(text, _PlainLoader)
        except _Refused as refused:
            raise self._error(refused.mark, refused.what, refused.hint) from None
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            reason = ": ".join(part for part in (error.context, error.problem) if part)
            raise self._error(mark, f"no valid YAML: {reason}", _syntax_hint(reason)) from None
        except yaml.reader.ReaderError as error:
            before = text[: int(error.position)]
            place = f"{self.file}:{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}"
            what = f"no valid YAML: the character {chr(int(error.character))!r} is not allowed"
            raise TestbedFileError(what, where=place, hint="delete it; save the file as plain UTF-8 text") from None

    def _error(self, mark: Any, what: str, hint: str) -> TestbedFileError:
        return TestbedFileError(what, where=f"{self.file}:{mark.line + 1}:{mark.column + 1}", hint=hint)

    # --- nodes to values --------------------------------------------------------------------------------------

    def _value(self, node: yaml.Node, keys: tuple[Key, ...]) -> Any:
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, keys)
        if isinstance(node, yaml.SequenceNode):
            for index, item in enumerate(node.value):
                self.marks[*keys, index] = (item.start_mark.line + 1, item.start_mark.column + 1)
            return [self._value(item, (*keys, index)) for index, item in enumerate(node.value)]
        self.spelled[keys] = node.value
        return _scalar(node)

    def _mapping(self, node: yaml.MappingNode, keys: tuple[Key, ...]) -> dict[Key, Any]:
        values: dict[Key, Any] = {}
        for key_node, value_node in node.value:
            place = (key_node.start_mark.line + 1, key_node.start_mark.column + 1)
            if not isinstance(key_node, yaml.ScalarNode):
                raise self._error(key_node.start_mark, "a key must be a plain name", "write 'name: value'")
            number = _scalar(key_node)
            key: Key = number if isinstance(number, int) and not isinstance(number, bool) else str(key_node.value)
            if key not in values:
                self.marks[*keys, key] = place
                values[key] = self._value(value_node, (*keys, key))
                continue
            first = self.marks[*keys, key]
            again = (*keys, key, f"again in line {place[0]}, column {place[1]}")
            self.marks[again] = place
            self.problems.append(
                Problem(again, f"'{key}' appears twice", f"the first is in line {first[0]}; keep one of them")
            )
        return values


class _Refused(Exception):
    def __init__(self, mark: yaml.Mark, what: str, hint: str) -> None:
        self.mark, self.what, self.hint = mark, what, hint


class _PlainLoader(yaml.SafeLoader):
    """Composes nodes; refuses anchors, aliases and tags as soon as one is seen, and deep nesting."""

    _depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            sign = "*" if isinstance(event, yaml.AliasEvent) else "&"
            hint = f"write the value out where it is needed; text that begins with '{sign}' needs quotes"
            raise _Refused(
                event.start_mark, f"YAML anchors and aliases ({sign}{event.anchor}) are not used in testbed files", hint
            )
        if event.tag is not None:
            tag = event.tag.replace("tag:yaml.org,2002:", "!!")
            hint = "write the value without it; text that begins with '!' needs quotes"
            raise _Refused(event.start_mark, f"YAML tags ({tag}) are not used in testbed files", hint)
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise _Refused(event.start_mark, f"nested more than {_MAX_DEPTH} deep", "a testbed file needs seven levels")
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1


def _scalar(node: yaml.Node) -> Any:
    """Return None, bool, int, float or text for a scalar node."""
    kind, spelled = node.tag.rpartition(":")[2], str(node.value)
    if kind == "null":
        return None
    if kind == "bool":
        return spelled.lower() in ("true", "yes", "on")
    try:
        if kind == "int" and _INTEGER.fullmatch(spelled):
            return int(spelled.replace("_", ""))
        if kind == "float":
            return float(spelled.replace("_", ""))
    except ValueError:  # 1:30.5, .inf, or an integer of thousands of digits
        return spelled
    return spelled


def _syntax_hint(reason: str) -> str:
    if "'\\t'" in reason:
        return "YAML allows no tabs; indent with spaces"
    if "mapping values are not allowed" in reason:
        return "check the indentation; text that contains ': ' needs quotes"
    if "single document" in reason:
        return "a testbed file is one YAML document; remove the second '---'"
    return "check indentation, colons, brackets and quotes here and just above"
