"""The process that holds the weights: texts come in on standard input, readings go out on standard output.

`python -m services.nlp_model.worker`; services/nlp_model/process.py starts it, asks it, and says why it is a
process. In comes JSON, a line each: first the `Task`, then, for each batch, a list of texts. Out goes JSON, a
line each: first how wide a vector is, once the model is loaded; then, for each batch, every text's nearest
entries, as numbers with their cosines, and behind that line the bytes of the vectors. It ends when its input
does, so it never outlives who started it.
"""

import hashlib
import json
import os
import random
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from services.nlp_model.embedding import MODEL, SentenceEncoder
from services.nlp_model.store import VectorStore

__all__ = ["main"]

_NEAREST = 3


def main() -> None:
    """Serve standard input until it ends."""
    for each in (signal.SIGINT, signal.SIGTERM):  # the one who asks may have questions to finish first
        signal.signal(each, signal.SIG_IGN)
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints goes to the log, not between the answers
    lines = sys.stdin.buffer
    task: dict[str, Any] = json.loads(lines.readline())
    encoder = SentenceEncoder()
    store = _index(Path(task["folder"]), task["texts"], encoder)
    chance = random.Random(task["seed"])  # noqa: S311 - the same in each run is the point
    _write(out, encoder.width)
    for line in lines:
        vectors = encoder.vectors(json.loads(line))
        for vector in vectors:
            if chance.random() < task["wrong_share"]:
                # As when the index was made by another model than the one that reads the questions.
                vector[:] = np.roll(vector, 1)
        _write(out, [store.nearest(vector, _NEAREST) for vector in vectors], vectors.tobytes())


def _index(folder: Path, texts: Sequence[str], encoder: SentenceEncoder) -> VectorStore:
    # The name is the content: another FAQ, another version, another model is another file.
    digest = hashlib.sha256("\n".join((MODEL, *texts)).encode()).hexdigest()[:16]
    return VectorStore.opened(folder / f"{digest}.usearch", encoder.width, lambda: encoder.vectors(texts))


def _write(out: BinaryIO, line: object, content: bytes = b"") -> None:
    out.write(json.dumps(line).encode() + b"\n" + content)
    out.flush()


if __name__ == "__main__":
    main()
