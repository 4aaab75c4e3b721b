"""The blocks and tables of docs/beyond_one_machine.md, for the tests that do what it says."""

import re

from tests.structure import rules

__all__ = ["blocks", "rows"]

PAGE = rules.ROOT / "docs" / "beyond_one_machine.md"


def blocks(language: str) -> list[str]:
    """Its blocks of code in a language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)


def rows(first_column: str) -> list[list[str]]:
    """The cells of the table whose first column has that title, without its head."""
    _, _, table = PAGE.read_text().partition(f"\n| {first_column} |")
    lines = table.partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
