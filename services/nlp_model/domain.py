"""Rules of answering: which text stands for an entry, and when the nearest entry is near enough."""

import json
from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from workbook_lib.kit.errors import InvalidRequest

__all__ = ["Entry", "Match", "Version", "check_texts", "nearest", "read_entries", "text_of"]

Version = Literal["v1", "v2"]
"""v1 knows an entry by its question, v2 by its other phrasings as well."""

_MOST_TEXTS: Final = 64
_LONGEST_CHARACTERS: Final = 2000


class Entry(BaseModel):
    """A question that is asked often, in several phrasings, and its answer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(min_length=1)
    intent: str = Field(min_length=1)
    question: str = Field(min_length=1)
    also: tuple[str, ...] = ()
    answer: str = Field(min_length=1)


class Match(NamedTuple):
    """An entry, and the cosine of its text's vector to the question's."""

    entry: Entry
    score: float


def read_entries(text: str) -> list[Entry]:
    """The entries of a JSON file. Raises ValueError for what isn't one, and for an id that is there twice."""
    entries = TypeAdapter(list[Entry]).validate_python(json.loads(text))
    ids = [entry.id for entry in entries]
    if twice := {each for each in ids if ids.count(each) > 1}:
        raise ValueError(f"more than one entry is called {', '.join(sorted(twice))}")
    return entries


def text_of(entry: Entry, version: Version) -> str:
    """What a version of the model reads of an entry."""
    return " ".join((entry.question, *entry.also)) if version == "v2" else entry.question


def nearest(matches: Sequence[Match], least_score: float) -> Match | None:
    """The best match; None when even that isn't near enough. Saying nothing is better than a wrong answer."""
    best = max(matches, key=lambda match: match.score, default=None)
    return best if best is not None and best.score >= least_score else None


def check_texts(texts: Sequence[str], field: str) -> None:
    """Raises InvalidRequest for no text, too many, and for one that is empty or too long."""
    if not 1 <= len(texts) <= _MOST_TEXTS:
        raise InvalidRequest(
            f"{len(texts)} texts", details=[{"field": field, "message": f"1 to {_MOST_TEXTS} of them"}]
        )
    for text in texts:
        if not text.strip() or len(text) > _LONGEST_CHARACTERS:
            wrong = "empty" if not text.strip() else f"longer than {_LONGEST_CHARACTERS} characters"
            raise InvalidRequest(f"a text is {wrong}", details=[{"field": field, "message": wrong}])
