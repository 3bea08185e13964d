"""Loads a testbed file: YAML to checked models, with the place of every value for whoever finds fault with it later.

``load`` promises that what it returns is right as far as the file alone can tell: form, units, wiring, links. What
only drivers know is checked by ``drivers.check``. Nothing is opened. All errors of one stage are reported together.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .errors import TestbedFileError, nearest
from .links import check_links
from .memory_links import check_memory_links
from .overrides import override
from .problems import Key, refuse
from .testbed import Testbed
from .validation import validate
from .wiring import Wiring, read_wiring
from .yaml_source import YamlSource

_FIRST_LINES = "begin with 'bellringer: 1' and 'name: ...', or copy examples/bell_three_node.yaml"


@dataclass(frozen=True)
class LoadedTestbed:
    """A testbed and the file it came from.

    Attributes:
        testbed: the lab, overrides included.
        wiring: its wiring as a graph.
        path: the file.
        text: the file's text as it was read, overrides not included.
        overrides: what the command line changed, path to value.
    """

    testbed: Testbed
    wiring: Wiring
    path: Path
    text: str
    overrides: Mapping[str, str]
    _places: "_Places" = field(repr=False)

    def location(self, *keys: Key) -> str:
        """Return where a value stands: ``file:line:column`` of its key or list item, or the ``--set`` that gave it.

        What is not in the file is located at the innermost block that should hold it.
        """
        return self._places.location(*keys)


class _Places:
    def __init__(self, source: YamlSource) -> None:
        self.source = source
        self.options: dict[tuple[Key, ...], str] = {}

    def location(self, *keys: Key) -> str:
        while keys not in self.options and keys not in self.source.marks:
            keys = keys[:-1]
        return self.options[keys] if keys in self.options else self.source.location(*keys)


def load(path: str | Path, overrides: Mapping[str, str] | None = None) -> LoadedTestbed:
    """Return the testbed in the file at ``path``.

    Args:
        path: a YAML file, UTF-8.
        overrides: values that replace the file's, see ``overrides``.

    Raises:
        TestbedFileError: the file cannot be read or is wrong; lists everything found, with file, line and column.
    """
    path = Path(path)
    text = _read(path)
    source = YamlSource(text, str(path))
    data = source.data
    if data is None:
        raise TestbedFileError("the testbed file is empty", where=source.location(), hint=_FIRST_LINES)
    if not isinstance(data, dict):
        what = "a testbed file is a block of 'name: value' lines, this is not"
        raise TestbedFileError(what, where=source.location(), hint=_FIRST_LINES)
    places = _Places(source)
    places.options.update(override(data, overrides or {}))
    testbed, problems = validate(data, source.spelled)
    refuse([*source.problems, *problems], places.location)
    assert testbed is not None
    wiring, problems = read_wiring(testbed)
    refuse([*problems, *check_links(testbed, wiring), *check_memory_links(testbed, wiring)], places.location)
    assert wiring is not None
    return LoadedTestbed(testbed, wiring, path, text, dict(overrides or {}), places)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        before = error.object[: error.start]
        line, column = before.count(b"\n") + 1, len(before) - before.rfind(b"\n")
        where = f"{path}:{line}:{column}"
        raise TestbedFileError("the file is no UTF-8 text", where=where, hint="save it as plain UTF-8") from error
    except FileNotFoundError:
        others = [other.name for other in path.parent.glob("*.y*ml")] if path.parent.is_dir() else []
        hint = nearest(path.name, others) if others else "'bellringer init FOLDER' writes one to start from"
        raise TestbedFileError(f"there is no file {path}", where=str(path.absolute()), hint=hint) from None
    except OSError as error:
        what = f"cannot read {path}: {error.strerror}"
        raise TestbedFileError(what, where=str(path.absolute()), hint="name a YAML file that you may read") from error
