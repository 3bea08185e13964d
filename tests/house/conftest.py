"""Markdown as the tests of the documentation see it: sections, tables, blocks of code, links."""

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Section:
    """One section: what stands between its heading and the next one of any level."""

    level: int
    heading: str
    text: str

    def tables(self) -> dict[str, list[dict[str, str]]]:
        """Return the tables by their first column's title; each row maps titles to cells."""
        found: dict[str, list[dict[str, str]]] = {}
        for block in re.findall(r"(?:^\|.*\n)+", self.text + "\n", re.MULTILINE):
            titles, _, *rows = ([cell.strip() for cell in _cells(line)] for line in block.splitlines())
            assert titles[0] not in found, f"two tables of '{titles[0]}' under '{self.heading}'"
            found[titles[0]] = [dict(zip(titles, row, strict=True)) for row in rows]
        return found

    def code(self, language: str = "") -> list[str]:
        """Return the blocks of code in ``language``."""
        blocks = re.findall(r"^```(\w*)\n(.*?)^```$", self.text, re.MULTILINE | re.DOTALL)
        return [body for given, body in blocks if given == language]


@dataclass(frozen=True)
class Page:
    """One Markdown file."""

    path: Path

    @property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    def sections(self) -> list[Section]:
        """Return all sections in order; what stands before the first heading is not among them."""
        found: list[Section] = []
        fenced = False
        for line in self.text.splitlines(keepends=True):
            fenced ^= line.startswith("```")
            heading = None if fenced else re.match(r"(#+) (.*)", line)
            if heading:
                found.append(Section(len(heading[1]), heading[2].strip(), ""))
            elif found:
                last = found.pop()
                found.append(Section(last.level, last.heading, last.text + line))
        return found

    def anchors(self) -> set[str]:
        """Return what a link may have behind ``#``: headings in lower case, blanks as hyphens, signs left out."""
        return {re.sub(r"[^\w\- ]", "", each.heading.lower()).replace(" ", "-") for each in self.sections()}

    def links(self) -> list[str]:
        """Return the targets of all links and images."""
        return re.findall(r"\]\(([^)\s]+)\)", re.sub(r"^```.*?^```$", "", self.text, flags=re.MULTILINE | re.DOTALL))


def _cells(line: str) -> list[str]:
    return re.split(r"(?<!\\)\|", line.strip())[1:-1]


def pages() -> list[Page]:
    """Return the README and every page of documentation."""
    return [
        Page(path) for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md")))
    ]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that asks for ``each_page`` once for each page."""
    if "each_page" in metafunc.fixturenames:
        found = pages()
        metafunc.parametrize("each_page", found, ids=[str(each.path.relative_to(ROOT)) for each in found])


@pytest.fixture
def documentation() -> dict[str, Page]:
    """All pages by file name."""
    return {page.path.name: page for page in pages()}
