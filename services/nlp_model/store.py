"""The model's vector database: an embedded one, usearch, with its index in a file of its own.

Which one of four was chosen by what they measure: benchmarks/vector_stores.py.
"""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from usearch.index import Index

from services.nlp_model.bert import Matrix

__all__ = ["VectorStore"]


class VectorStore:
    """Vectors by the numbers of what they stand for, and the nearest of them to another."""

    def __init__(self, index: Index) -> None:
        self._index = index

    @classmethod
    def opened(cls, file: Path, width: int, vectors: Callable[[], Matrix]) -> "VectorStore":
        """What is in `file`, mapped into memory; else `vectors()`, numbered from 0, which go into it.

        The file's name has to tell what is in it: nothing in it is ever changed.
        """
        if not file.exists():
            index = Index(ndim=width, metric="cos", dtype="f32")
            rows = vectors()
            # By several threads the graph is another each time, and now and then misses a near one.
            index.add(np.arange(len(rows)), rows, threads=1)
            file.parent.mkdir(parents=True, exist_ok=True)
            own = file.with_suffix(f".{os.getpid()}")
            index.save(str(own))
            own.replace(file)  # another instance that does the same meanwhile never sees half a file
        mapped = Index.restore(str(file), view=True)
        if mapped is None or mapped.ndim != width:
            raise ValueError(f"{file} isn't an index of {width} dimensions; delete it, it is made again")
        return cls(mapped)

    def __len__(self) -> int:
        return len(self._index)

    def nearest(self, vector: Matrix, count: int) -> Sequence[tuple[int, float]]:
        """At most `count` numbers, each with its cosine to `vector`, the nearest first."""
        found = self._index.search(vector, count, threads=1)  # so few are sooner found than a thread is woken
        return [(int(key), 1.0 - float(far)) for key, far in zip(found.keys, found.distances, strict=True)]
