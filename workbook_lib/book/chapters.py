"""The chapters: what lies in notebooks/, and what each says about itself."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from workbook_lib.lab.progress import ENTRANCE

__all__ = ["Budget", "Chapter", "ChapterError", "discover", "read", "select"]

_FILE_NAME = re.compile(r"(?P<number>\d{2}(?:_\d+)*)_[a-z]\w*\.ipynb")


class ChapterError(ValueError):
    """A notebook that is no chapter, or a selector that names none; says what to do."""


class Budget(BaseModel):
    """What a chapter may take on a 2-core machine with warm caches: wall time and peak memory."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seconds: float
    mb: float


class _Metadata(BaseModel):
    """The `workbook` entry of a notebook's metadata."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    chapter: str
    title: str
    covers: tuple[str, ...]
    servers: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    budget: Budget


@dataclass(frozen=True)
class Chapter:
    """One chapter: its notebook, the rows of the syllabus it covers, what it starts and what it may take."""

    path: Path
    number: str
    section: str
    title: str
    covers: tuple[str, ...]
    servers: tuple[str, ...]
    services: tuple[str, ...]
    budget: Budget

    @property
    def name(self) -> str:
        """The notebook's file name without its ending; names its page, too."""
        return self.path.stem


def read(path: Path) -> Chapter:
    """Read one notebook's metadata. Raises `ChapterError` naming the file and what is wrong with it."""
    named = _FILE_NAME.fullmatch(path.name)
    if named is None:
        raise ChapterError(f"{path.name}: a chapter is named like 04_3_tracing_across_middleware.ipynb")
    try:
        metadata = _Metadata.model_validate(json.loads(path.read_bytes())["metadata"]["workbook"])
    except OSError as error:
        raise ChapterError(f"{path}: {error.strerror}") from None
    except json.JSONDecodeError as error:
        raise ChapterError(f"{path.name}: not a notebook ({error})") from None
    except KeyError as error:
        raise ChapterError(f"{path.name}: has no metadata.workbook ({error} is missing)") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ChapterError(f"{path.name}: metadata.workbook.{where}: {first['msg']}") from None
    return Chapter(
        path=path.resolve(),
        number=named["number"],
        section=metadata.chapter,
        title=metadata.title,
        covers=metadata.covers,
        servers=metadata.servers,
        services=metadata.services,
        budget=metadata.budget,
    )


def discover(folder: Path) -> list[Chapter]:
    """Every chapter in `folder`, in reading order. Raises `ChapterError` when one can't be read.

    The entrance, which shows a reader's own progress, is none.
    """
    files = sorted(folder.glob("[0-9][0-9]_*.ipynb"))
    return [read(path) for path in files if path.name != ENTRANCE]


def select(chapters: Sequence[Chapter], selectors: Sequence[str]) -> list[Chapter]:
    """The chapters that `selectors` name, in reading order; all of them when there are no selectors.

    A selector is a number as in the file name (`01`, `02_1`; `02` is every part of chapter 2), the
    article's section (`4.3`), or the notebook's file name. Raises `ChapterError` listing the chapters when
    one names none.
    """
    if not selectors:
        return list(chapters)
    chosen: set[str] = set()
    for selector in selectors:
        found = [chapter.name for chapter in chapters if _answers_to(chapter, selector)]
        if not found:
            known = "\n".join(
                f"  {chapter.number:6} {chapter.section:5} {chapter.title}" for chapter in chapters
            )
            raise ChapterError(f"there is no chapter {selector!r}; the chapters are\n{known}")
        chosen.update(found)
    return [chapter for chapter in chapters if chapter.name in chosen]


def _answers_to(chapter: Chapter, selector: str) -> bool:
    given = Path(selector).name.removesuffix(".ipynb")
    number = re.sub(r"^(\d)(?!\d)", r"0\1", given.replace(".", "_"))
    names = (chapter.name, chapter.section, chapter.number)
    return given in names or number == chapter.number or chapter.number.startswith(f"{number}_")
