"""Imports that are left out, because they are most of what starting a notebook's process takes."""

import sys
from typing import Any, cast

__all__ = ["import_all_again", "skip_hadoop", "skip_iri_grammars"]

_GRAMMARS, _HADOOP = "rfc3987_syntax", "pyarrow"


def skip_iri_grammars() -> None:
    """Let this process import jsonschema (nbformat does) without its optional check of IRIs.

    Compiling that check's 39 grammars takes 1.3 s of the 1.6 s that importing papermill takes, and no
    notebook has an IRI to check. To be called before the first import of nbformat.
    """
    cast("dict[str, Any]", sys.modules).setdefault(_GRAMMARS, None)


def skip_hadoop() -> None:
    """Let this process import papermill without pyarrow, which it takes for notebooks in a Hadoop cluster.

    That is a second of CPU, and a pool of threads. To be called before the first import of papermill.
    """
    cast("dict[str, Any]", sys.modules).setdefault(_HADOOP, None)


def import_all_again() -> None:
    """Leave out nothing that is imported from now on: a notebook may have a use for it."""
    for name in (_GRAMMARS, _HADOOP):
        if sys.modules.get(name, ...) is None:
            del sys.modules[name]
