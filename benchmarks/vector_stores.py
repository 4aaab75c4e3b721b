"""Four embedded vector stores next to brute force: what they find, how fast, and what they take.

`python -m benchmarks.vector_stores [--json] [--vectors 10000] [--questions 300]`. Vectors as wide as the
model's (384), in 200 clouds, as sentences on one subject lie; questions are drawn as they are. Each store has
them in a folder on disk, is closed, opened again and asked for the 10 nearest of one question after another,
in a process of its own. `recall_at_10` is the share of the true 10 nearest (by brute force) that it finds;
`memory_mb` is by how much the process has grown since it was imported. All by their defaults. About 60 s.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import quantiles
from typing import Any, Final

import psutil

from benchmarks.figures import add_options, publish

__all__ = ["STORES", "Row", "measure"]

WIDTH: Final = 384
_CLOUDS: Final = 200
_NEAREST: Final = 10
_TURN_SECONDS: Final = 300

Search = Callable[[Any], Sequence[int]]


@dataclass(frozen=True)
class Row:
    """One store; times of a search in milliseconds."""

    store: str
    recall_at_10: float
    p50_ms: float
    p99_ms: float
    build_s: float
    open_s: float
    disk_mb: float
    memory_mb: float


def _usearch(folder: Path, vectors: Any) -> tuple[Callable[[], None], Callable[[], Search]]:  # noqa: ANN401
    def build() -> None:
        import numpy as np
        from usearch.index import Index

        index = Index(ndim=WIDTH, metric="cos", dtype="f32")
        index.add(np.arange(len(vectors)), vectors)
        index.save(str(folder / "index"))

    def opened() -> Search:
        from usearch.index import Index

        index = Index.restore(str(folder / "index"), view=True)
        return lambda question: index.search(question, _NEAREST).keys.tolist()  # type: ignore[union-attr]

    return build, opened


def _sqlite_vec(folder: Path, vectors: Any) -> tuple[Callable[[], None], Callable[[], Search]]:  # noqa: ANN401
    def connected() -> Any:  # noqa: ANN401
        import sqlite3

        import sqlite_vec

        connection = sqlite3.connect(folder / "vectors.db")
        connection.enable_load_extension(True)
        sqlite_vec.load(connection)
        return connection

    def build() -> None:
        database = connected()
        kind = f"embedding float[{WIDTH}] distance_metric=cosine"
        database.execute(f"create virtual table vectors using vec0({kind})")
        rows = ((number, vector.tobytes()) for number, vector in enumerate(vectors))
        database.executemany("insert into vectors(rowid, embedding) values (?, ?)", rows)
        database.commit()
        database.close()

    def opened() -> Search:
        database = connected()
        query = "select rowid from vectors where embedding match ? and k = ? order by distance"
        return lambda question: [row for (row,) in database.execute(query, (question.tobytes(), _NEAREST))]

    return build, opened


def _lancedb(folder: Path, vectors: Any) -> tuple[Callable[[], None], Callable[[], Search]]:  # noqa: ANN401
    def build() -> None:
        import lancedb
        import pyarrow

        columns = {
            "id": pyarrow.array(range(len(vectors))),
            "vector": pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(vectors.ravel()), WIDTH),
        }
        table = lancedb.connect(folder).create_table("vectors", pyarrow.table(columns))
        table.create_index(metric="cosine", vector_column_name="vector")

    def opened() -> Search:
        import lancedb

        table = lancedb.connect(folder).open_table("vectors")

        def search(question: Any) -> Sequence[int]:  # noqa: ANN401
            found = table.search(question).distance_type("cosine").limit(_NEAREST).select(["id"])
            return [row["id"] for row in found.to_list()]

        return search

    return build, opened


def _qdrant(folder: Path, vectors: Any) -> tuple[Callable[[], None], Callable[[], Search]]:  # noqa: ANN401
    def build() -> None:
        from qdrant_client import QdrantClient, models

        client = QdrantClient(path=str(folder))
        shape = models.VectorParams(size=WIDTH, distance=models.Distance.COSINE)
        client.create_collection("vectors", vectors_config=shape)
        client.upload_collection("vectors", vectors=vectors, ids=range(len(vectors)))
        client.close()

    def opened() -> Search:
        from qdrant_client import QdrantClient

        client = QdrantClient(path=str(folder))

        def search(question: Any) -> Sequence[int]:  # noqa: ANN401
            found = client.query_points("vectors", query=question.tolist(), limit=_NEAREST)
            return [int(point.id) for point in found.points]

        return search

    return build, opened


def _brute_force(folder: Path, vectors: Any) -> tuple[Callable[[], None], Callable[[], Search]]:  # noqa: ANN401
    def build() -> None:
        import numpy as np

        np.save(folder / "vectors.npy", vectors)

    def opened() -> Search:
        import numpy as np

        rows = np.load(folder / "vectors.npy")

        def search(question: Any) -> Sequence[int]:  # noqa: ANN401
            cosines = rows @ question
            best = np.argpartition(-cosines, _NEAREST)[:_NEAREST]
            return [int(number) for number in best[np.argsort(-cosines[best])]]

        return search

    return build, opened


STORES: Final = {
    "brute force (NumPy)": _brute_force,
    "usearch": _usearch,
    "sqlite-vec": _sqlite_vec,
    "lancedb": _lancedb,
    "qdrant, local": _qdrant,
}


def measure(names: Sequence[str], vectors: int, questions: int) -> tuple[list[Row], list[str]]:
    """A row a store, and what is to be said of those that don't run here."""
    rows, notes = [], []
    for name in names:
        command = [sys.executable, "-m", __spec__.name, "--only", name]
        command += ["--vectors", str(vectors), "--questions", str(questions), "--alone"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TURN_SECONDS, check=False)
        if done.returncode:
            notes.append(f"{name} doesn't run here: {done.stderr.strip().splitlines()[-1]}")
        else:
            rows.append(Row(**json.loads(done.stdout.splitlines()[-1])))
    return rows, notes


def _alone(name: str, count: int, questions: int) -> Row:
    """One store, in this process."""
    import numpy as np

    cloud = np.random.default_rng(7)
    centres = cloud.standard_normal((_CLOUDS, WIDTH), dtype=np.float32)

    def drawn(number: int) -> Any:  # noqa: ANN401
        scattered = centres[cloud.integers(_CLOUDS, size=number)]
        scattered = scattered + cloud.standard_normal((number, WIDTH), dtype=np.float32)
        return scattered / np.linalg.norm(scattered, axis=1, keepdims=True)

    vectors, asked = drawn(count), drawn(questions)
    true = [set(np.argsort(-(vectors @ question))[:_NEAREST].tolist()) for question in asked]
    before = psutil.Process().memory_info().rss
    with tempfile.TemporaryDirectory() as folder:
        build, opened = STORES[name](Path(folder), vectors)
        built = _timed(build)
        began = time.perf_counter()
        search = opened()
        search(asked[0])
        ready = time.perf_counter() - began
        found, seconds = [], []
        for question in asked:
            began = time.perf_counter()
            found.append(set(search(question)))
            seconds.append(time.perf_counter() - began)
        cuts = quantiles(seconds, n=100)
        return Row(
            store=name,
            recall_at_10=round(sum(len(f & t) for f, t in zip(found, true, strict=True)) / 10 / questions, 3),
            p50_ms=round(cuts[49] * 1000, 2),
            p99_ms=round(cuts[98] * 1000, 2),
            build_s=round(built, 1),
            open_s=round(ready, 2),
            disk_mb=round(sum(f.stat().st_size for f in Path(folder).rglob("*") if f.is_file()) / 1e6, 1),
            memory_mb=round((psutil.Process().memory_info().rss - before) / 1e6),
        )


def _timed(work: Callable[[], None]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_options(parser)
    parser.add_argument("--vectors", type=int, default=10_000)
    parser.add_argument("--questions", type=int, default=300)
    parser.add_argument("--only", nargs="+", choices=tuple(STORES), default=tuple(STORES))
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.alone:
        print(json.dumps(asdict(_alone(options.only[0], options.vectors, options.questions))))
        return
    rows, notes = measure(options.only, options.vectors, options.questions)
    publish(rows, options, notes=[f"{options.vectors} vectors of {WIDTH} numbers.", *notes])


if __name__ == "__main__":
    main()
